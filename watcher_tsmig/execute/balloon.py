"""Caches given back before a pre-copy, and memory restored after it.

What is done around a migration lives here; how a guest gives back is the
agent's (`agent.balloon`, which says who calls what). Nothing here stops a
migration: who has no agent, or no balloon, migrates all the same.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Iterator
from typing import Protocol
from typing import runtime_checkable

from watcher_tsmig import errors
from watcher_tsmig.agent.values import Given
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Outcome
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.units import human_size

LOG = logging.getLogger(__name__)

# s that giving back may take: a guest frees some GiB in each
PATIENCE = 60.0
# s that a domain is awaited once Nova says that it has arrived
ARRIVED = 300.0
# What an agent accepts as a time to live at most, s
MOST_TTL = 86400.0


@runtime_checkable
class MemoryDriver(Protocol):
    """Who changes guests' balloons; raises `CloudError` where nobody does
    on that host, and `Refusal` where it is not done for that VM."""

    def give_back(
        self, host: str, vm: str, *, keep: float, ttl: float
    ) -> Given:
        """Begin to give caches back, or tell how far that is; renews.

        :param keep: bytes that stay available to the guest
        """

    def take_again(
        self,
        host: str,
        vm: str,
        *,
        size: float | None = None,
        ttl: float | None = None,
    ) -> bool:
        """Restore a VM's memory; whether it was there to be restored.

        :param size: bytes; None: what that host's agent wrote down
        :param ttl: s for which the host awaits a VM that is not there
        """


@dataclasses.dataclass(slots=True)
class Giving:
    """One VM's caches from before a migration to after it.

    :param keep: bytes that stay available to the guest
    :ivar given: what was given back; None: nothing was
    :ivar trouble: why nothing was, or why it is not restored yet
    """

    driver: object
    order: Order
    clock: Clock
    pace: Pace
    keep: float
    cancelled: Callable[[], bool]
    given: Given | None = None
    trouble: str = ''

    @property
    def _asked(self) -> bool:
        """The owner agrees, and a first pass would send the caches.

        A post-copy at once would, too, but then the guest waits for its
        balloon's pages one by one.
        """
        return self.order.balloon and not self.order.mode.early

    @contextlib.contextmanager
    def lent(self) -> Iterator['Giving']:
        """Give back before the block, restore after it, however it ends."""
        driver = self.driver
        if not self._asked:
            yield self
            return
        if not isinstance(driver, MemoryDriver):
            self.trouble = 'no agent is used'
            yield self
            return
        arrived = False
        try:
            self._give(driver)
            yield self
            arrived = True
        finally:
            self._restore(driver, arrived)

    def told(self) -> str:
        """For people, once the migration has ended."""
        if not self._asked:
            return ''
        why = f' ({self.trouble})' if self.trouble else ''
        if self.given is None or not self.given.given:
            return f'no caches given back{why}'
        size = human_size(self.given.given)
        return f'{size} of free memory and caches given back first{why}'

    def told_in(self, outcome: Outcome) -> Outcome:
        """The outcome, with this in its remark."""
        texts = filter(None, (outcome.remark, self.told()))
        return dataclasses.replace(outcome, remark='; '.join(texts))

    # -- before

    def _give(self, driver: MemoryDriver) -> None:
        """Give back, unless the destination would not restore it."""
        order = self.order
        ttl = min(
            PATIENCE + self.pace.appear + self.pace.queue + order.deadline,
            MOST_TTL,
        )
        first = self._further(driver, ttl)
        if first is None:
            return
        size = first.before
        if self._on(driver, order.destination, size=size, ttl=ttl) is None:
            self._on(driver, order.source)
            return
        self.given = first
        began = self.clock.now()
        while not self.given.done and not self.cancelled():
            if self.clock.now() - began > PATIENCE:
                self.trouble = 'the guest is slow'
                return
            further = self._further(driver, ttl)
            if further is None:
                return
            self.given = further
            self.trouble = further.why
            if not further.done:
                self.clock.sleep(self.pace.poll)

    def _further(self, driver: MemoryDriver, ttl: float) -> Given | None:
        order = self.order
        try:
            return driver.give_back(
                order.source, order.vm, keep=self.keep, ttl=ttl
            )
        except (errors.CloudError, Refusal) as error:
            self._note(error)
            return None

    # -- after

    def _restore(self, driver: MemoryDriver, arrived: bool) -> None:
        """Restore it where it is; each side is asked, for either may be."""
        if self.given is None:
            return
        here, there = self.order.source, self.order.destination
        if arrived:
            self._on(driver, there, size=self.given.before, ttl=ARRIVED)
            self._on(driver, here)
        elif self._on(driver, here):
            # it has stayed, and is awaited no more
            self._on(driver, there)
        # else it may be anywhere: whoever has it at the end restores it

    def _on(
        self,
        driver: MemoryDriver,
        host: str,
        *,
        size: float | None = None,
        ttl: float | None = None,
    ) -> bool | None:
        """Restore it on a host; None: that host's agent does not."""
        try:
            return driver.take_again(host, self.order.vm, size=size, ttl=ttl)
        except (errors.CloudError, Refusal) as error:
            self._note(error)
            return None

    def _note(self, error: errors.CloudError | Refusal) -> None:
        self.trouble = (
            error.reason if isinstance(error, Refusal) else str(error)
        )
        LOG.info('%s: %s', self.order.name, self.trouble)
