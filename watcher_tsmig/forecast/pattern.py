"""The working-set pattern of one VM, learned from what was measured.

Only arithmetic on values lives here: measurements in, a curve with its
doubts out. Nothing is kept between calls; who measures keeps the list.
Sources: MigVisor, "PC module", equations 12 and 13; Page, "Continuous
inspection schemes" (Biometrika 1954), for the change detection; Birge,
"The calculation of errors by the method of least squares" (1932).
"""

import dataclasses
import math
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np
from scipy import optimize

from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.curves import fit
from watcher_tsmig.forecast.curves import towards_zero
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.observed import Observation

# Beyond so many times the last sample no family of curves told the tail of
# real workloads: fits were off by 50 to 280 %.
IDENTIFIABLE = 3.0
# The tail is drawn for so many doublings of the last sample.
TAIL = 10
# The oldest measurements above this number are dropped.
MOST_OBSERVATIONS = 128
# What a bound keeps off the expected curve: two-sided 90 % of a normal.
QUANTILE = 1.6449
# s of its own work whose writes are the hot set (see `Rules`).
GRAIN = 0.1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How measurements of different age are put together.

    :ivar half_life: s after which a measurement counts half: three probes
        of Ceilometer's default interval of 300 s
    :ivar drift: standard deviations that a CUSUM lets pass each time
    :ivar alarm: standard deviations summed up at which the old curve is
        given up; with a drift of 0.5, 5 is wrong once in some 465
        measurements of a VM that did not change, and sees a shift by one
        deviation after some 10 (Hawkins and Olwell, 1998)
    """

    half_life: float = 900.0
    drift: float = 0.5
    alarm: float = 5.0


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

    @property
    def identifiable_until(self) -> float:
        """s beyond which the curve is no more than its bounds; 0: unknown."""
        return IDENTIFIABLE * self.seconds[-1] if self.seconds else 0.0

    def working_set(self) -> WorkingSet:
        """The expected curve with its tail.

        Beyond the last sample the provable bracket is [W(last), the least
        of the last chord prolonged and resident]. The choice in it: the
        power law t^a through W at the last sample and at half of it. It
        goes with a writer that does not saturate (a near 1) and with one
        that does (a near 0), and is concave and in the bracket for both.
        """
        found = self._samples(self.dirtied, self._tail())
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
        half = float(_value(self.low(), last / 2))
        slope = min((top - half) / (last / 2), top / last)
        if slope <= 0 or top >= self.resident:
            return self._samples(points, ())
        full = last + (self.resident - top) / slope
        return self._samples(points, ((full, self.resident),))

    def _tail(self) -> tuple[tuple[float, float], ...]:
        if not self.seconds or self.dirtied[-1] <= 0:
            return ()
        last, top = self.seconds[-1], self.dirtied[-1]
        before = (0.0, *self.seconds)[-2], (0.0, *self.dirtied)[-2]
        slope = (top - before[1]) / (last - before[0])
        half = float(_value(self._samples(self.dirtied, ()), last / 2))
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
    ) -> WorkingSet:
        rising = np.maximum.accumulate(np.array(dirtied, dtype=np.float64))
        return WorkingSet(
            resident=self.resident,
            samples=tuple(
                zip(self.seconds, rising.tolist(), strict=True),
            )
            + tail,
            measured_at=self.measured_at,
            source='pattern',
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


def hot_set(curves: Curves, seconds: float = GRAIN) -> FloatArray:
    """Bytes that each VM writes again and again, shape (n,).

    Clark et al.: the pages that are dirty again each time one looks; here
    at looks this far apart.
    """
    return curves.at(np.full(len(curves), seconds))


def writable_working_set(
    curves: Curves, rate: FloatArray | float
) -> FloatArray:
    """Bytes that pre-copy cannot catch up with at this rate, shape (n,).

    Clark et al.: the pages written so often that to send them before the
    VM stops is lost labour. On the curve: its fixed point W(T) = rate x T,
    where as much is dirtied as is sent.

    :param rate: bytes/s of the stream, shape (n,) or one for all
    """
    return curves.at(curves.fixed_point(rate))


def learn(
    observations: Iterable[Observation],
    resident: float,
    memory: float | None = None,
    manner: Manner | None = None,
    now: float | None = None,
) -> Pattern:
    """The pattern that the measurements give.

    They are taken in the order of their times. One that contradicts the
    curve of the earlier ones by more than its noise adds to a two-sided
    CUSUM; at the alarm all from before the sum last was 0 are forgotten.

    :param resident: bytes that a first pass sends
    :param memory: bytes of the guest; None: resident
    :param now: ages are counted to it, s; None: the newest measurement
    """
    manner = manner or Manner()
    memory = memory or resident
    kept: list[Observation] = []
    sums, onset = [0.0, 0.0], [0.0, 0.0]
    changes = 0
    at, before, curve = -math.inf, list[Observation](), Pattern(resident=1.0)
    for new in sorted(observations, key=lambda o: (o.at, o.seconds)):
        kept = [*kept, new][-MOST_OBSERVATIONS:]
        old = [o for o in kept if o.at < new.at]
        if not old:
            continue
        if (new.at, old) != (at, before):
            # what was measured at one moment is judged by one curve
            at, before = new.at, old
            curve = _fitted(old, resident, memory, manner, at)
        surprise = _surprise(curve, new, memory)
        for side, sign in enumerate((1.0, -1.0)):
            if not sums[side]:
                onset[side] = new.at
            sums[side] = max(sums[side] + sign * surprise - manner.drift, 0.0)
            if sums[side] > manner.alarm:
                kept = [o for o in kept if o.at >= onset[side]]
                sums = [0.0, 0.0]
                changes += 1
                break
    if not kept:
        return Pattern(resident=resident)
    when = kept[-1].at if now is None else now
    pattern = _fitted(kept, resident, memory, manner, when)
    return dataclasses.replace(pattern, changes=changes)


def _surprise(old: Pattern, new: Observation, memory: float) -> float:
    """How far the new one is outside the old curve's bracket, deviations."""
    curves = fit([old._samples(old.dirtied, ())])
    t = np.array([new.seconds])
    low, high = (
        float(curves.at(t, b)[0]) for b in (Bracket.LOWER, Bracket.UPPER)
    )
    got = min(new.middle, old.resident)
    near = min(max(got, low), max(high, low))
    at = int(np.argmin(np.abs(np.log(np.array(old.seconds) / new.seconds))))
    # expected noise goes with what was expected, not with what came
    same = dataclasses.replace(new, dirtied=near, truncated=False)
    own = math.hypot(same.deviation(memory), new.lost / math.sqrt(12))
    return (got - near) / math.hypot(own, old.deviation[at])


def _fitted(
    observations: Sequence[Observation],
    resident: float,
    memory: float,
    manner: Manner,
    now: float,
) -> Pattern:
    t = np.array([o.seconds for o in observations])
    y = np.minimum([o.middle for o in observations], resident)
    spread = np.array([o.deviation(memory) for o in observations])
    age = np.maximum([now - o.at for o in observations], 0.0)
    weight = np.exp2(-np.minimum(age / manner.half_life, 60.0)) / spread**2
    knots, values = concave(t, y, weight, resident)
    found = np.interp(t, knots, values)
    # Birge: where they disagree by more than their noise, the noise is more
    misfit = float((weight * (y - found) ** 2).sum() / len(t))
    near = np.abs(np.log2(t[None, :] / knots[:, None])) <= 0.5
    deviation = np.sqrt(max(misfit, 1.0) / (near * weight).sum(axis=1))
    return Pattern(
        resident=resident,
        seconds=tuple(knots.tolist()),
        dirtied=tuple(values.tolist()),
        deviation=tuple(deviation.tolist()),
        measured_at=max(o.at for o in observations),
        since=min(o.at for o in observations),
    )


def concave(
    seconds: FloatArray, dirtied: FloatArray, weight: FloatArray, most: float
) -> tuple[FloatArray, FloatArray]:
    """The nondecreasing concave curve from the origin of least squares.

    Such a curve with corners at the samples is a sum of c(k) min(t, t(k))
    with c >= 0 and each such sum is one, so the regression is a
    nonnegative least-squares problem, which Lawson and Hanson's active set
    solves exactly. (Pooling adjacent slopes is the same only where the
    noise is in the increments. Here each value was measured on its own.)

    :param seconds: shape (m,), s, > 0, in any order, with repetitions
    :returns: knots, the different seconds, and values at them
    """
    knots = np.unique(seconds)
    root = np.sqrt(weight / weight.max())
    basis = np.minimum(seconds[:, None], knots[None, :]) / knots
    scale = max(float(dirtied.max()), 1.0)
    parts, _ = optimize.nnls(
        basis * root[:, None],
        dirtied / scale * root,
        maxiter=30 * len(knots) + 100,
    )
    values = np.minimum(knots[:, None], knots[None, :]) / knots @ parts
    return knots, np.minimum(values * scale, most)


def _value(working_set: WorkingSet, seconds: float) -> float:
    return float(fit([working_set]).at(np.array([seconds]))[0])
