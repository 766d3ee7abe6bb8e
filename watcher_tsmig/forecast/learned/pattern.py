"""The working-set pattern of one VM: a curve with its doubts.

Only arithmetic on values lives here; what measurements give it is
learning.py's. Sources: MigVisor, "PC module", equations 12 and 13; Clark et
al., "Live migration of virtual machines" (2005).
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence

from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.curves import fit
from watcher_tsmig.forecast.curves import hull
from watcher_tsmig.forecast.curves import towards_zero
from watcher_tsmig.model import WorkingSet

# Who told a working set, where nobody says who measured it.
SOURCE = 'pattern'
# The tail is drawn for so many doublings of the last sample.
TAIL = 10
# Who writes less writes nothing.
BYTE = 1.0
# What a bound keeps off the expected curve: two-sided 90 % of a normal.
QUANTILE = 1.6449


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A curve at its samples; see `working_set` for what it is between.

    :ivar resident: bytes that a first pass sends
    :ivar seconds: s, rising
    :ivar dirtied: bytes, nondecreasing and concave
    :ivar deviation: bytes, standard deviation of `dirtied`
    :ivar measured_at: of the newest measurement; None: there is none
    :ivar since: of the oldest measurement that still counts
    :ivar changes: how often the measurements contradicted the old curve
    """

    resident: float
    seconds: tuple[float, ...] = ()
    dirtied: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    measured_at: float | None = None
    since: float | None = None
    changes: int = 0

    def working_set(self, source: str = SOURCE) -> WorkingSet:
        """The expected curve with its tail.

        Beyond the last sample the provable bracket is [W(last), the least
        of the last chord prolonged and resident]. The choice in it: the
        power law t^a through W at the last sample and at half of it. It
        goes with a writer that does not saturate (a near 1) and with one
        that does (a near 0), and is concave and in the bracket for both.
        """
        found = self._samples(self.dirtied, self._tail(), source)
        return dataclasses.replace(found, samples=towards_zero(found.samples))

    def low(self) -> WorkingSet:
        """A curve that is above the true one 1 time in 20 at a sample.

        Take it with `Bracket.LOWER`: flat beyond the last sample.
        """
        points = [
            max(d - QUANTILE * s, 0.0)
            for d, s in zip(self.dirtied, self.deviation, strict=True)
        ]
        return self._samples(points, ())

    def high(self) -> WorkingSet:
        """A curve that is below the true one 1 time in 20 at a sample.

        Take it with `Bracket.UPPER`. Beyond the last sample it goes on
        with the steepest slope that the last octave's noise admits, and
        never above the line through the origin, the concave bound.
        """
        if not self.seconds:
            return self._samples((), ())
        points = [
            min(d + QUANTILE * s, self.resident)
            for d, s in zip(self.dirtied, self.deviation, strict=True)
        ]
        last, top = self.seconds[-1], max(points)
        if top < BYTE:
            return self._samples(points, ())
        half = _value(self.low(), last / 2)
        slope = min((top - half) / (last / 2), top / last)
        if slope <= 0 or top >= self.resident:
            return self._samples(points, ())
        full = last + (self.resident - top) / slope
        return self._samples(points, ((full, self.resident),))

    def _tail(self) -> tuple[tuple[float, float], ...]:
        # what is learned apart of each length may fall by noise
        rising = (0.0, *itertools.accumulate(self.dirtied, max))
        if rising[-1] < BYTE:
            return ()
        last, top = self.seconds[-1], rising[-1]
        before = (0.0, *self.seconds)[-2], rising[-2]
        slope = (top - before[1]) / (last - before[0])
        half = _value(self._samples(self.dirtied, ()), last / 2)
        power = min(max(math.log2(top / half), 0.0), 1.0)
        out, t, d = [], last, top
        for _ in range(TAIL):
            slope = min(slope, d * (2.0**power - 1) / t)
            if d + slope * t >= self.resident:
                if slope > 0 and d < self.resident:
                    t += (self.resident - d) / slope
                    out.append((t, self.resident))
                break
            t, d = 2 * t, d + slope * t
            out.append((t, d))
        return tuple(out)

    def _samples(
        self,
        dirtied: Sequence[float],
        tail: tuple[tuple[float, float], ...],
        source: str = SOURCE,
    ) -> WorkingSet:
        rising = itertools.accumulate(dirtied, max)
        return WorkingSet(
            resident=self.resident,
            samples=tuple(
                zip(self.seconds, rising, strict=True),
            )
            + tail,
            measured_at=self.measured_at,
            source=source,
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The curves of n patterns with their bounds."""

    low: Curves
    expected: Curves
    high: Curves

    def at(self, seconds: FloatArray, bracket: Bracket) -> FloatArray:
        """Bytes within `seconds[i]`, expected or bounded, shape (n,)."""
        return self.of(bracket).at(seconds, bracket)

    def of(self, bracket: Bracket) -> Curves:
        """The curves to forecast this bracket with."""
        table = {
            Bracket.LOWER: self.low,
            Bracket.EXPECTED: self.expected,
            Bracket.UPPER: self.high,
        }
        return table[bracket]


def band(patterns: Sequence[Pattern]) -> Band:
    """The curves of n patterns."""
    return Band(
        fit([p.low() for p in patterns]),
        fit([p.working_set() for p in patterns]),
        fit([p.high() for p in patterns]),
    )


def _value(working_set: WorkingSet, seconds: float) -> float:
    """As `Curves.at`; one look-up is not worth an array."""
    corners = hull(working_set.samples, working_set.resident)
    lines = [
        b[1] + (b[1] - a[1]) / (b[0] - a[0]) * (seconds - b[0])
        for a, b in itertools.pairwise(corners)
    ]
    return min(working_set.resident, *lines) if lines else 0.0
