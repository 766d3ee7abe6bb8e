"""What the agents of compute hosts tell of them, as declarations.

All hosts are asked side by side, within a bound, and a cloud without agents
waits for a few only. Where a host's agent and an aggregate's metadata differ
the careful value holds, and the difference is told.
"""

import concurrent.futures
import dataclasses
import logging
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Protocol

from watcher_tsmig import errors
from watcher_tsmig.agent.values import FORMAT
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.telemetry.inventory.declarations import Declaration
from watcher_tsmig.telemetry.inventory.declarations import merged
from watcher_tsmig.units import human_rate

LOG = logging.getLogger(__name__)

SETTINGS = dataclasses.fields(NovaSettings)

# Hosts asked at once. Where none of the first wave answers, which takes no
# longer than one host, nobody else is asked.
AT_ONCE = FIRST = 32
# s in all; what has not answered by then is as if it had no agent
WITHIN = 30.0


class Asker(Protocol):
    """Who asks an agent; raises `CloudError` where there is none."""

    def ask(
        self,
        host: str,
        verb: str,
        arguments: Mapping[str, Any],
        *,
        insist: bool = False,
    ) -> Mapping[str, Any]:
        """The answer of that host's agent.

        :param insist: ask even if it did not answer lately
        """


def read_agents(
    asker: Asker | None,
    hosts: Sequence[str],
    notes: list[str],
    *,
    insist: bool = False,
) -> dict[str, Declaration]:
    """What each agent that answers tells of its host.

    :param insist: ask those too that did not answer lately
    """
    if asker is None or not hosts:
        return {}
    names = sorted(hosts)
    found = _ask(asker, names[:FIRST], notes, insist)
    if found or len(names) <= FIRST:
        found |= _ask(asker, names[FIRST:], notes, insist)
    silent = len(names) - len(found)
    if found and silent:
        notes.append(f'{silent} of {len(names)} hosts have no agent')
    return found


def _ask(
    asker: Asker, names: Sequence[str], notes: list[str], insist: bool
) -> dict[str, Declaration]:
    if not names:
        return {}
    end = time.monotonic() + WITHIN
    pool = concurrent.futures.ThreadPoolExecutor(min(AT_ONCE, len(names)))
    asked = {
        name: pool.submit(asker.ask, name, 'capabilities', {}, insist=insist)
        for name in names
    }
    found = {}
    for name, future in asked.items():
        try:
            left = max(end - time.monotonic(), 0.0)
            found[name] = declared(future.result(left), name, notes)
        except (errors.CloudError, Refusal, TimeoutError) as error:
            LOG.info('%s: %s', name, error)
    pool.shutdown(wait=False, cancel_futures=True)
    return found


def declared(
    told: Mapping[str, Any], host: str, notes: list[str]
) -> Declaration:
    """What one agent's answer says of its host."""
    if told.get('format') != FORMAT:
        notes.append(f'{host}: its agent speaks another version')
        return Declaration()
    notes.extend(f'{host}: {note}' for note in told.get('notes', ()))
    nova, nic = told.get('nova') or {}, told.get('nic') or {}
    permitted = nova.get('post_copy')
    return Declaration(
        post_copy=None
        if permitted is None
        else bool(permitted and told.get('userfaultfd')),
        nic=None if nic.get('separate') else nic.get('capacity'),
        own_nic=nic.get('capacity') if nic.get('separate') else None,
        max_outgoing=nova.get('max_outgoing'),
        bandwidth=nova.get('bandwidth'),
        separate=nic.get('separate'),
        agent=True,
        nova=_settings(nova, host, notes),
        throttles=nova.get('auto_converge'),
    )


def _settings(
    nova: Mapping[str, Any], host: str, notes: list[str]
) -> NovaSettings | None:
    if nova.get('downtime_limit') is None:
        return None
    names = (field.name for field in SETTINGS)
    told = {n: nova[n] for n in names if nova.get(n) is not None}
    try:
        # Nova's 0 is no time-out
        return NovaSettings(
            **{
                **told,
                'completion_timeout': nova['completion_timeout'] or None,
            }
        )
    except (KeyError, errors.InputError) as error:
        notes.append(f'{host}: its agent tells of its Nova: {error}')
        return None


def careful(
    told: Mapping[str, Declaration],
    declared: Mapping[str, Declaration],
    notes: list[str],
) -> dict[str, Declaration]:
    """Both together, for each host that either knows."""
    out = {}
    for name in {*told, *declared}:
        one = told.get(name, Declaration())
        other = declared.get(name, Declaration())
        out[name] = merged(one, other)
        notes.extend(_differences(name, one, other))
    return out


def _differences(host: str, one: Declaration, other: Declaration) -> list[str]:
    notes = []
    for field in dataclasses.fields(Declaration):
        mine, its = getattr(one, field.name), getattr(other, field.name)
        if field.name == 'agent' or None in (mine, its) or mine == its:
            continue
        rates = ('nic', 'own_nic', 'bandwidth')
        shown = human_rate if field.name in rates else str
        notes.append(
            f'{host}: {WORDS[field.name]} is {shown(mine)} by its agent, '
            f'{shown(its)} by its aggregates'
        )
    return notes


WORDS = {
    'post_copy': 'whether it can post-copy',
    'nic': 'the NIC of migrations',
    'own_nic': "migrations' own NIC",
    'shared_disk': 'whether its disks are shared',
    'max_outgoing': 'max_concurrent_live_migrations',
    'bandwidth': 'live_migration_bandwidth',
    'separate': 'whether migrations have a network of their own',
}
