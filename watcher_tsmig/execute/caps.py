"""A migration's bandwidth put in force: by whom, how long, and to what end.

An interface of one page and the keeping to it: set before Nova starts, read
back while the migration runs, renewed, cleared whatever happens. Who has no
agent migrates all the same, and is told that the cap is advisory.
"""

import contextlib
import dataclasses
import logging
import math
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import Protocol

from watcher_tsmig import errors
from watcher_tsmig.agent.values import STEP
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Held
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Order
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.units import human_rate

LOG = logging.getLogger(__name__)

# Parts that a cap is divided into at most, as far as its rounding goes: the
# memory and the disks that go along.
PARTS = 9
# So often within its time to live a cap is renewed.
RENEWALS = 4
# What an agent that did not answer is not asked for, s: each question holds
# up the look at a running migration.
SILENCE = 30.0


class CapDriver(Protocol):
    """Who puts bandwidths in force; raises `CloudError` where nobody does
    on that host, and `Refusal` where it is not done for that VM."""

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
        """Set, change or renew both caps for `ttl` seconds.

        :param disks: the VM's local disks go along, and share the cap
        :param least: no pre-copy's cap is rounded to less, bytes/s
        """

    def look(self, host: str, vm: str) -> Held:
        """The job and the caps in force."""

    def clear(self, host: str, vm: str) -> None:
        """Go back to what was before."""

    def ask(
        self,
        host: str,
        verb: str,
        arguments: Mapping[str, Any],
        *,
        insist: bool = False,
    ) -> Mapping[str, Any]:
        """Whatever else the host's agent may be asked.

        :param insist: even if it did not answer lately
        """


class NoCaps:
    """Nobody puts anything in force: a cloud without agents."""

    def __init__(self, *_: object) -> None:
        """As every driver is made: from a configuration and a time-out."""

    def set(self, host: str, vm: str, **_: object) -> Held:
        """Nobody does.

        :raises errors.CloudError: always
        """
        raise errors.CloudError('no agent is used')

    def look(self, host: str, vm: str) -> Held:
        """Nobody knows.

        :raises errors.CloudError: always
        """
        raise errors.CloudError('no agent is used')

    def clear(self, host: str, vm: str) -> None:
        """Nothing is set."""

    def ask(
        self,
        host: str,
        verb: str,
        arguments: Mapping[str, Any],
        **_: object,
    ) -> Mapping[str, Any]:
        """Nobody answers.

        :raises errors.CloudError: always
        """
        raise errors.CloudError('no agent is used')


@dataclasses.dataclass(slots=True)
class Keeping:
    """One migration's caps from before its start to after its end.

    :ivar cap: that should be in force, bytes/s; None: none is asked for
    :ivar asked: the last one that an agent took
    :ivar held: what was last seen in force
    :ivar proven: the cap was read back while the migration ran
    :ivar trouble: why it is not in force, for people; empty if it is
    """

    driver: CapDriver
    order: Order
    clock: Clock
    ttl: float
    cap: float | None = None
    asked: float | None = None
    held: Held | None = None
    proven: bool = False
    trouble: str = ''
    renewed: float = -math.inf
    silent_until: float = -math.inf

    def __post_init__(self) -> None:
        self.cap = self.order.cap

    @contextlib.contextmanager
    def kept(self) -> Iterator['Keeping']:
        """Set before the block, cleared after it, however it ends."""
        if self.cap is not None:
            self._set()
        try:
            yield self
        finally:
            self._clear()

    def tend(self) -> Held | None:
        """Look at the caps while the migration runs.

        :returns: what is in force; None where nobody can tell now
        """
        now = self.clock.now()
        if now < self.silent_until:
            return None
        if self._due(now):
            self._set()
        else:
            self._ask(
                lambda: self.driver.look(self.order.source, self.order.vm)
            )
        held = self.held
        if held is None or self.cap is None:
            return held
        if held.job.direction is Direction.OUTGOING:
            self.proven = (
                held.holds
                and self.asked == self.cap
                and self._reaches(held, self.cap)
            )
        return held

    def wait(self) -> None:
        """Let the cap live on while Nova has not begun yet.

        A migration may stand in Nova's queue for longer than a cap lives,
        and disks have to begin with it.
        """
        now = self.clock.now()
        if now >= self.silent_until and self._due(now):
            self._set()

    def _due(self, now: float) -> bool:
        return self.cap is not None and (
            now - self.renewed > self.ttl / RENEWALS
            or self.held is None
            or not self.held.ours
        )

    def change(self, cap: float) -> bool:
        """Another cap from now on; whether it is in force."""
        self.cap = cap
        self._set()
        return self.held is not None and not self.trouble

    @property
    def enforcement(self) -> Enforcement:
        """Who made the cap come true, as far as it was seen."""
        return Enforcement.ENFORCED if self.proven else Enforcement.ADVISORY

    @property
    def in_force(self) -> float | None:
        """Bytes/s that were read back; None: none."""
        if not self.proven or self.held is None:
            return None
        return _in_force(self.held)

    def _reaches(self, held: Held, cap: float) -> bool:
        """Whether one is in force, and it is the cap but for rounding.

        Half a step for each part, and of a pre-copy never below the floor.
        """
        rate = _in_force(held)
        if rate is None:
            return False
        steps = PARTS if self.order.disks else 1
        floor = 0.0 if held.job.post_copy else self.order.floor
        least = max(cap - steps * STEP / 2, floor)
        return rate >= least * (1 - 1e-9)

    def told(self) -> str:
        """For people, once the migration has ended."""
        if self.cap is None:
            return ''
        rate = self.in_force
        if rate is not None:
            return f'cap {human_rate(rate)} enforced'
        why = self.trouble or 'nobody saw it in force'
        return f'cap {human_rate(self.cap)} advisory ({why})'

    def _set(self) -> None:
        order = self.order
        if self._ask(
            lambda: self.driver.set(
                order.source,
                order.vm,
                pre=self.cap,
                post=self.cap,
                ttl=self.ttl,
                disks=order.disks,
                least=order.floor,
            )
        ):
            self.renewed, self.asked = self.clock.now(), self.cap

    def _ask(self, call: Callable[[], Held]) -> bool:
        """Ask the agent; whether it answered."""
        try:
            held = call()
        except errors.CloudError as error:
            self._silent(str(error))
        except Refusal as refusal:
            self._silent(refusal.reason)
        else:
            self.held, self.trouble = held, ''
            return True
        # what was seen last is worth more than nothing
        return False

    def _silent(self, why: str) -> None:
        if why != self.trouble:
            LOG.info('%s: %s', self.order.name, why)
        self.trouble = why
        self.silent_until = self.clock.now() + SILENCE

    def _clear(self) -> None:
        if self.renewed == -math.inf:
            return
        try:
            self.driver.clear(self.order.source, self.order.vm)
        except (errors.CloudError, Refusal) as error:
            # it ends by itself, and a VM that has left took it along
            LOG.info(
                '%s: its cap ends within %.0f s: %s',
                self.order.name, self.ttl, error,
            )  # fmt: skip


def _in_force(held: Held) -> float | None:
    """Bytes/s of the phase that the migration is in; None: no limit."""
    return held.post if held.job.post_copy else held.pre
