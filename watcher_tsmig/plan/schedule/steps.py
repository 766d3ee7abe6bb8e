"""How much of one thing is used over time, and where there is none left.

One step function: sorted times, and what is used from each to the next.
"""

import bisect
import math

from watcher_tsmig.plan.schedule.links import NOTHING


class Steps:
    """How much of one thing is used, as a step function of time."""

    def __init__(self) -> None:
        self.times = [-math.inf]
        self.use = [0.0]

    def add(self, start: float, end: float, amount: float) -> None:
        """Use so much more, or less, from start to end."""
        first = self._step(start)
        last = self._step(end)
        for k in range(first, last):
            self.use[k] += amount
        self._join(last)
        self._join(first)

    def _step(self, at: float) -> int:
        k = bisect.bisect_left(self.times, at)
        if k == len(self.times) or self.times[k] != at:
            self.times.insert(k, at)
            self.use.insert(k, self.use[k - 1])
        return k

    def _join(self, k: int) -> None:
        if abs(self.use[k] - self.use[k - 1]) <= NOTHING:
            del self.times[k], self.use[k]

    def clash(self, start: float, end: float, spare: float) -> float:
        """When the first step over `spare` in that time ends; or -inf."""
        times, use = self.times, self.use
        k = bisect.bisect_right(times, start) - 1
        n = len(times)
        while k < n and times[k] < end:
            if use[k] > spare:
                return times[k + 1]
            k += 1
        return -math.inf

    def clash_back(self, start: float, end: float, spare: float) -> float:
        """When the last step over `spare` in that time starts; or inf."""
        times, use = self.times, self.use
        k = bisect.bisect_left(times, end) - 1
        while use[k] <= spare:
            if times[k] <= start:
                return math.inf
            k -= 1
        return times[k]
