"""Whether a migration may start now, by what everybody has in flight.

A plan keeps its limits by the order of its own actions. What other plans,
other appliers and other people have under way it finds in Nova's records,
which are the common truth: one look before each start, and a wait while
there are too many. Between that look and Nova's record of the start another
applier may look, too; a lock that all of them share closes that gap. So it
waits while a service is away that Nova needs for it.
"""

import contextlib
import dataclasses
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager

from watcher_tsmig import errors
from watcher_tsmig.execute import words
from watcher_tsmig.execute.compute import Passage
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.units import human_time

# s between two looks, each of which is one request to Nova
EVERY = 5.0
# A wait that is shorter is not worth a word, s.
WORTH = 10.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many migrations may be in flight at once; 0: any number.

    :ivar per_source: from the VM's host
    :ivar per_destination: to its destination
    :ivar in_cluster: in all
    """

    per_source: int = 0
    per_destination: int = 0
    in_cluster: int = 0

    def __bool__(self) -> bool:
        return any(dataclasses.astuple(self))


Lock = Callable[[], AbstractContextManager[object]]


def full(order: Order, limits: Limits, seen: Sequence[Passage]) -> str:
    """What has no place for one more; empty if all have.

    :param seen: migrations of all kinds that have not ended
    """
    others = [p for p in seen if p.vm != order.vm]
    leave = sum(p.source == order.source for p in others)
    enter = sum(p.destination == order.destination for p in others)
    # first match wins
    rows = (
        (limits.per_source, leave, f'leave {order.source}'),
        (limits.per_destination, enter, f'enter {order.destination}'),
        (limits.in_cluster, len(others), 'are under way'),
    )
    return next(
        (
            f'{count} of {most} migrations {what} already'
            for most, count, what in rows
            if most and count >= most
        ),
        '',
    )


@dataclasses.dataclass(slots=True)
class Gate:
    """The way into a migration, for one order.

    :ivar limits: None: none
    :ivar shared: a lock that all appliers share; None: there is none
    :ivar ill: which service is away, for people; empty: none
    :ivar waited: s that it took to be let in
    :ivar why: what was full or away first
    """

    nova: Nova
    order: Order
    limits: Limits | None
    pace: Pace
    clock: Clock
    cancelled: Callable[[], bool]
    shared: Lock | None = None
    ill: Callable[[], str] = lambda: ''
    waited: float = 0.0
    why: str = ''
    _held: contextlib.ExitStack = dataclasses.field(
        default_factory=contextlib.ExitStack
    )

    def enter(self) -> None:
        """Wait until the migration may start.

        :raises errors.MigrationError: it was not let in in time, or the plan
            was cancelled
        :raises errors.CloudError: Nova does not answer, or the lock is away
        """
        began = self.clock.now()
        while True:
            ill = self.ill()
            why = ill or self._full()
            self.waited = self.clock.now() - began
            if not why:
                return
            self._held.close()
            self.why = self.why or why
            if self.cancelled():
                raise errors.MigrationError(
                    words.sentence(
                        self.order,
                        'was not moved, the action plan was cancelled',
                    )
                )
            if self.waited > (self.pace.ill if ill else self.pace.queue):
                then = 'it works' if ill else 'these have ended'
                raise errors.MigrationError(
                    words.sentence(
                        self.order,
                        f'was not moved within {human_time(self.waited)}: '
                        f'{why}; plan again when {then}',
                    )
                )
            self.clock.sleep(self.nova.pause(EVERY))

    def close(self) -> None:
        """Nova has a record of it, which everybody sees; or it has ended."""
        self._held.close()

    def told(self) -> str:
        """For people, once it has ended."""
        if self.waited < WORTH:
            return ''
        why = self.why or 'while others started'
        return f'waited {human_time(self.waited)} ({why})'

    def _full(self) -> str:
        if not self.limits:
            return ''
        self._take()
        return full(self.order, self.limits, self.nova.passages(''))

    def _take(self) -> None:
        if self.shared is None:
            return
        try:
            self._held.enter_context(self.shared())
        except errors.CloudError as error:
            raise errors.MigrationError(
                words.sentence(self.order, f'was not moved: {error}')
            ) from error
