"""How often Nova may be asked about one migration, and when next.

Arithmetic on the instants of requests; the clock is the caller's. What is
urgent (a start, an abort, a forced completion) is never held back: looks
leave room for it.
"""

import collections
import dataclasses
import math

# The bound is for so many s, whichever.
WINDOW = 60.0
# Of a minute's requests so many are no looks: the start, two at the end, and
# one that is urgent.
KEPT = 4


@dataclasses.dataclass(slots=True)
class Budget:
    """The requests of one migration.

    :ivar most: of them in WINDOW
    :ivar asked: when they were made, the newest last
    :ivar began: when the first of all was
    """

    most: int
    asked: collections.deque[float] = dataclasses.field(
        default_factory=collections.deque
    )
    began: float = math.inf

    def spend(self, now: float) -> None:
        """A request is made now."""
        self.began = min(self.began, now)
        self.asked.append(now)

    def pause(
        self, now: float, wanted: float, *, urgent: bool = False
    ) -> float:
        """How long to wait before the next look, s; at least `wanted`.

        The first minute's looks are made at three times the rate that
        would make them last: most migrations end soon, and once that is seen
        the next one starts. Later ones are even.

        :param urgent: it is to see what came of a request
        """
        self._forget(now)
        looks = self.most if urgent else max(self.most - KEPT, 1)
        free = looks - len(self.asked)
        if free <= 0:
            return max(wanted, self.asked[-free] + WINDOW - now)
        if urgent or not self.asked:
            return wanted
        rest = self.began + WINDOW - now
        even = WINDOW / looks if rest <= 0 else rest / free / 3
        return max(wanted, even)

    def _forget(self, now: float) -> None:
        while self.asked and self.asked[0] <= now - WINDOW:
            self.asked.popleft()
