"""Working-set curves: distinct bytes dirtied within t seconds.

Only arithmetic on arrays lives here. A working-set curve is nondecreasing
and concave, and a concave piecewise linear curve is the minimum of its
lines, so n curves are two arrays of shape (n, k) and a look-up is one
minimum. Source: MigVisor, "PC module", equations 12 and 13; concavity:
independent page references give a Bernstein function of t.
"""

import dataclasses
import enum
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.trace import Round

FloatArray = npt.NDArray[np.float64]
# Below the first sample the curve goes on, for chords to the origin would
# understate it, which is what decides whether a pre-copy ends: by so many
# halvings of the time, from the slope of the samples within this factor.
NEAR, OCTAVES = 8.0, 4
# The share of the laboratory's migrations, of 0 to 0.6 the best.
HALF_WAY = 0.5


class Bracket(enum.Enum):
    """Which curve through the samples: the expected one or a bound of it."""

    LOWER = 'lower'  # chords, flat beyond the last sample
    EXPECTED = 'expected'  # chords, going on with the last slope
    UPPER = 'upper'  # the neighbours' chords, prolonged


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """n curves as lines; line j of curve i is `intercept + slope * t`.

    :ivar resident: shape (n,), bytes; no curve goes above it
    :ivar slope: shape (n, k), bytes/s; padding has slope 0
    :ivar intercept: shape (n, k), bytes; padding has intercept inf
    :ivar begin: shape (n, k), s; the chord's own span is (begin, end)
    :ivar end: shape (n, k), s
    :ivar knot: shape (n, k), bytes; the curve's value at `end`
    """

    resident: FloatArray
    slope: FloatArray
    intercept: FloatArray
    begin: FloatArray
    end: FloatArray
    knot: FloatArray

    def __len__(self) -> int:
        return len(self.resident)

    def take(self, rows: npt.NDArray[np.intp] | Sequence[int]) -> 'Curves':
        """The curves of these rows, in their order."""
        return Curves(
            *(
                getattr(self, field.name)[rows]
                for field in dataclasses.fields(self)
            )
        )

    def busier(self, factor: FloatArray) -> 'Curves':
        """The same VMs, writing so many times as much; never above resident.

        :param factor: shape (n,)
        """
        times = np.asarray(factor, dtype=np.float64)[:, None]
        return dataclasses.replace(
            self,
            slope=self.slope * times,
            intercept=self.intercept * times,
            knot=self.knot * times,
        )

    def line(self, row: int, bracket: Bracket = Bracket.EXPECTED) -> 'Line':
        """One curve as plain floats, for who looks up one at a time."""
        knots = self.knot[row].tolist()
        last = max((k for k in knots if k < math.inf), default=-math.inf)
        return Line(
            resident=float(self.resident[row]),
            pieces=tuple(
                zip(
                    self.slope[row].tolist(),
                    self.intercept[row].tolist(),
                    self.begin[row].tolist(),
                    self.end[row].tolist(),
                    knots,
                    strict=True,
                )
            ),
            upper=bracket is Bracket.UPPER,
            most=last if bracket is Bracket.LOWER and last >= 0 else math.inf,
        )

    def at(
        self, seconds: FloatArray, bracket: Bracket = Bracket.EXPECTED
    ) -> FloatArray:
        """Bytes that curve i dirties within `seconds[i]`.

        The bounds are provable for a nondecreasing concave curve through
        the samples: between two samples it lies above its chord and below
        its neighbours' chords prolonged.

        :param seconds: shape (n,), s, >= 0
        :returns: shape (n,), bytes
        """
        t = np.asarray(seconds, dtype=np.float64)[:, None]
        lines = self.intercept + self.slope * t
        if bracket is Bracket.UPPER:
            inside = (t > self.begin) & (t < self.end)
            lines = np.where(inside, self.knot, lines)
        least = lines.min(axis=1, initial=np.inf)
        if bracket is Bracket.LOWER:
            last = np.where(np.isfinite(self.knot), self.knot, -np.inf).max(
                axis=1, initial=-np.inf
            )
            least = np.minimum(least, np.where(last < 0, np.inf, last))
        out: FloatArray = np.minimum(least, self.resident)
        return out


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One curve in one bracket; see `Curves` for the meanings.

    :ivar pieces: (slope, intercept, begin, end, knot) of each line
    :ivar most: bytes; where the curve is flat beyond its last sample
    """

    resident: float
    pieces: tuple[tuple[float, float, float, float, float], ...]
    upper: bool
    most: float

    def at(self, seconds: float) -> float:
        """As `Curves.at`, to the last bit."""
        least = min(self.resident, self.most)
        upper = self.upper
        for slope, intercept, begin, end, knot in self.pieces:
            if upper and begin < seconds < end:
                value = knot
            else:
                value = intercept + slope * seconds
            if value < least:
                least = value
        return least


def hull(
    samples: Sequence[tuple[float, float]], resident: float
) -> list[tuple[float, float]]:
    """The least concave majorant of (0, 0) and the samples.

    It is the curve that the samples admit if every one of them counted
    too little rather than too much, the safe side for convergence, and
    equals isotonic regression of the slopes. Samples above `resident`
    are cut down to it.

    :param samples: pairs (s, bytes) by rising seconds
    :returns: its corners with the origin, by rising seconds
    """
    corners = [(0.0, 0.0)]
    for t, d in samples:
        point = (t, min(d, resident))
        while len(corners) > 1 and _left_turn(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return corners


def towards_zero(
    samples: tuple[Round, ...], share: float = HALF_WAY
) -> tuple[Round, ...]:
    """The samples, and what lies below the first of them.

    There the provable bracket is the chord to the origin and the line of
    the first two samples prolonged. The choice in it: power laws, octave by
    octave, whose exponent comes nearer to 1 in each.

    :param share: of the way to 1 that it comes; a half is within some per
        cent of a writer that saturates, N (1 - exp(-t/T)); none of it is
        the safe side for who must know whether a pre-copy ends
    """
    if len(samples) < 2 or samples[0][1] <= 0:
        return samples
    first, least = samples[0]
    near = [
        (math.log(t), math.log(n)) for t, n in samples if t <= NEAR * first
    ]
    # two may be so near each other that nothing lies between them
    if near[0][0] == near[-1][0]:
        return samples
    # W(t)/t falls and W rises: the exponent is in (0, 1]
    power = min(max(_steepness(near), 0.0), 1.0)
    out, t, n = [], first, least
    for _ in range(OCTAVES):
        power += share * (1 - power)
        t, n = t / 2, n / 2**power
        out.append((t, n))
    return (*reversed(out), *samples)


def _steepness(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the line of least squares through some points.

    In plain numbers: for a handful, arrays take several times as long.
    """
    middle = math.fsum(x for x, _ in points) / len(points)
    height = math.fsum(y for _, y in points) / len(points)
    rise = math.fsum((x - middle) * (y - height) for x, y in points)
    return rise / math.fsum((x - middle) ** 2 for x, _ in points)


def _left_turn(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]
) -> bool:
    return (b[1] - a[1]) * (c[0] - b[0]) <= (c[1] - b[1]) * (b[0] - a[0])


def fit(working_sets: Sequence[WorkingSet]) -> Curves:
    """The curves of n working sets.

    A working set without samples writes nothing as far as anybody knows;
    whoever does not believe that passes one with an assumed sample.

    :returns: `Curves` of length n, with k = the most corners of any
    """
    n = len(working_sets)
    corners = [hull(w.samples, w.resident) for w in working_sets]
    k = max((len(c) - 1 for c in corners), default=0)
    k = max(k, 1)
    slope = np.zeros((n, k))
    intercept = np.full((n, k), np.inf)
    begin = np.full((n, k), np.inf)
    end = np.full((n, k), np.inf)
    knot = np.full((n, k), np.inf)
    for i, points in enumerate(corners):
        if len(points) == 1:
            intercept[i, 0] = 0.0
            continue
        p = np.array(points)
        width = len(p) - 1
        rise = np.diff(p[:, 1]) / np.diff(p[:, 0])
        slope[i, :width] = rise
        intercept[i, :width] = p[1:, 1] - rise * p[1:, 0]
        begin[i, :width] = p[:-1, 0]
        end[i, :width] = p[1:, 0]
        knot[i, :width] = p[1:, 1]
    resident = np.array([w.resident for w in working_sets], dtype=np.float64)
    return Curves(resident, slope, intercept, begin, end, knot)
