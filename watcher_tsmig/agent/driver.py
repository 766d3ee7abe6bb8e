"""Agents as the drivers of caps; loaded by name from the entry points.

Group `watcher_tsmig.cap_driver`. A host that did not answer is not asked
again for a while, so that a cloud without agents waits once.
"""

import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import oslo_messaging
from oslo_config import cfg

from watcher_tsmig import errors
from watcher_tsmig.agent.bus import Bus
from watcher_tsmig.agent.values import Given
from watcher_tsmig.agent.values import Held
from watcher_tsmig.agent.values import Job

# s for which a host is not asked that did not answer: one that never did, and
# one whose agent may just be restarting.
FORGOTTEN, BACK = 60.0, 15.0


class AgentCaps:
    """Asks a host's agent; see `execute.caps` and `execute.balloon`."""

    def __init__(
        self,
        bus: Bus,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._silent: dict[str, float] = {}
        self._known: set[str] = set()

    def set(
        self,
        host: str,
        vm: str,
        *,
        pre: float | None,
        post: float | None,
        ttl: float,
        disks: bool,
        least: float,
    ) -> Held:
        """Set, change or renew both caps for `ttl` seconds."""
        arguments = {
            'vm': vm,
            'pre': pre,
            'post': post,
            'ttl': ttl,
            'disks': disks,
            'least': least,
        }
        return _told(self.ask(host, 'set_caps', arguments))

    def look(self, host: str, vm: str) -> Held:
        """The job and the caps in force."""
        return _told(self.ask(host, 'job', {'vm': vm}))

    def clear(self, host: str, vm: str) -> None:
        """Go back to what was before."""
        self.ask(host, 'clear_caps', {'vm': vm})

    def give_back(
        self, host: str, vm: str, *, keep: float, ttl: float
    ) -> Given:
        """Begin to give caches back, or tell how far that is."""
        found = self.ask(
            host, 'give_back', {'vm': vm, 'keep': keep, 'ttl': ttl}
        )
        return Given.read(found)

    def take_again(
        self,
        host: str,
        vm: str,
        *,
        size: float | None = None,
        ttl: float | None = None,
    ) -> bool:
        """Restore a VM's memory; whether it was there to be restored."""
        given = {'vm': vm, 'size': size, 'ttl': ttl}
        wanted = {k: v for k, v in given.items() if v is not None}
        return bool(self.ask(host, 'take_again', wanted)['restored'])

    def ask(
        self,
        host: str,
        verb: str,
        arguments: Mapping[str, Any],
        *,
        insist: bool = False,
    ) -> Mapping[str, Any]:
        """Ask a host's agent, unless it did not answer lately.

        :param insist: ask it even then
        :raises Refusal: it does not do it
        :raises errors.CloudError: it does not answer
        """
        if not insist and self._silent.get(host, 0.0) > self._clock():
            raise errors.CloudError(f'no agent answers on {host}')
        try:
            found = self._bus.ask(host, verb, arguments)
        except errors.CloudError:
            away = BACK if host in self._known else FORGOTTEN
            self._silent[host] = self._clock() + away
            raise
        self._known.add(host)
        self._silent.pop(host, None)
        return found


def on_bus(conf: cfg.ConfigOpts, timeout: float) -> AgentCaps:
    """The driver on the bus that the process's configuration names.

    :param timeout: of one answer, s
    """
    return AgentCaps(Bus(oslo_messaging.get_rpc_transport(conf), timeout))


def _told(found: Mapping[str, Any]) -> Held:
    caps = found['caps']
    return Held(
        pre=caps['pre'],
        post=caps['post'],
        ours=found['wanted'] is not None,
        holds=caps == found['wanted'],
        corrected=int(found['corrected']),
        job=Job.read(found['job']),
    )
