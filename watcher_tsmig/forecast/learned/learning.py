"""Working-set patterns of many VMs, learned from what was measured.

Only arithmetic on arrays lives here: measurements in, patterns out, all VMs
at once. Nothing is kept between calls; who measures keeps the list.
Sources: MigVisor, "PC module", equations 12 and 13; Page, "Continuous
inspection schemes" (Biometrika 1954), for the change detection; Birge,
"The calculation of errors by the method of least squares" (1932).
"""

import dataclasses
import math
import operator
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.learned import measured
from watcher_tsmig.forecast.learned import noise
from watcher_tsmig.forecast.learned.measured import Batch
from watcher_tsmig.forecast.learned.measured import Measured
from watcher_tsmig.forecast.learned.pattern import Pattern
from watcher_tsmig.forecast.learned.regression import IntArray
from watcher_tsmig.forecast.learned.regression import concaves
from watcher_tsmig.forecast.learned.regression import sums
from watcher_tsmig.model.observed import Observation

# The oldest measurements above this number are dropped.
MOST_OBSERVATIONS = 128
ORDER = operator.attrgetter('at', 'seconds')
# A measurement's age counts up to so many half-lives.
OLDEST = 60.0


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


def learn(
    observations: Iterable[Observation],
    resident: float,
    memory: float | None = None,
    manner: Manner | None = None,
    now: float | None = None,
) -> Pattern:
    """The pattern of one VM; see `patterns`."""
    one = Measured(observations=observations, resident=resident, memory=memory)
    (found,) = patterns([one], manner, now)
    return found


def patterns(
    vms: Sequence[Measured],
    manner: Manner | None = None,
    now: float | None = None,
) -> list[Pattern]:
    """The pattern that each VM's measurements give.

    They are taken in the order of their times. One that contradicts the
    curve of the earlier ones by more than its noise adds to a two-sided
    CUSUM; at the alarm all from before the sum last was 0 are forgotten.

    :param now: ages are counted to it, s; None: each VM's newest
        measurement
    """
    manner = manner or Manner()
    found = [Pattern(resident=one.resident) for one in vms]
    seen = [sorted(one.observations, key=ORDER) for one in vms]
    for some in measured.alike(seen):
        batch = measured.batch([vms[i] for i in some], [seen[i] for i in some])
        for i, pattern in zip(some, _learned(batch, manner, now), strict=True):
            found[i] = pattern
    return found


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """The curves of some VMs, at the knots of what they were fitted to.

    :ivar known: shape (n,), how many knots; 0 where nothing was fitted yet
    :ivar knots: shape (n, k), s; after the known ones the last is repeated
    :ivar values: shape (n, k), bytes
    :ivar deviation: shape (n, k), bytes
    """

    known: IntArray
    knots: FloatArray
    values: FloatArray
    deviation: FloatArray

    def put(self, rows: IntArray, other: '_Fitted') -> None:
        """Replace some rows."""
        for field in dataclasses.fields(self):
            getattr(self, field.name)[rows] = getattr(other, field.name)


def _learned(batch: Batch, manner: Manner, now: float | None) -> list[Pattern]:
    n, most = batch.at.shape
    k = batch.knots.shape[1]
    rows = np.arange(n)
    first = np.zeros(n, dtype=np.int64)
    cusum, onset = np.zeros((2, n)), np.zeros((2, n))
    changes = np.zeros(n, dtype=np.int64)
    curve = _Fitted(
        np.zeros(n, dtype=np.int64), *(np.ones((n, k)) for _ in range(3))
    )
    judge = np.full((2, n), -1)  # first and earlier of the curve's
    for i in range(most):
        here, at, earlier = i < batch.many, batch.at[:, i], batch.earlier[:, i]
        first = np.where(
            here, np.maximum(first, i + 1 - MOST_OBSERVATIONS), first
        )
        judged = here & (first < earlier)
        # what was measured at one moment is judged by one curve
        stale = judged & (np.stack([first, earlier]) != judge).any(axis=0)
        some = np.flatnonzero(stale)
        if len(some):
            judge[:, some] = first[some], earlier[some]
            fitted = _fitted(
                batch, some, first[some], earlier[some], manner, at[some]
            )
            curve.put(some, fitted)
        some = rows[judged]
        if not len(some):
            continue
        surprise = np.zeros(n)
        surprise[some] = _surprise(batch, some, i, curve)
        for side, sign in enumerate((1.0, -1.0)):
            onset[side] = np.where(
                judged & (cusum[side] == 0), at, onset[side]
            )
            summed = cusum[side] + sign * surprise - manner.drift
            cusum[side] = np.where(
                judged, np.maximum(summed, 0.0), cusum[side]
            )
            alarm = judged & (cusum[side] > manner.alarm)
            old = (batch.at < onset[side][:, None]).sum(axis=1)
            first = np.where(alarm, np.maximum(first, old), first)
            cusum[:, alarm] = 0.0
            changes += alarm
            judged = judged & ~alarm
    newest = batch.at[rows, batch.many - 1]
    when = newest if now is None else np.full(n, now)
    fitted = _fitted(batch, rows, first, batch.many, manner, when)
    return _told(batch, fitted, newest, batch.at[rows, first], changes)


def _told(
    batch: Batch,
    fitted: _Fitted,
    newest: FloatArray,
    since: FloatArray,
    changes: IntArray,
) -> list[Pattern]:
    """Arrays as patterns."""
    return [
        Pattern(
            resident=resident,
            seconds=tuple(seconds[:known]),
            dirtied=tuple(dirtied[:known]),
            deviation=tuple(deviation[:known]),
            measured_at=measured_at,
            since=begin,
            changes=changed,
        )
        for (
            resident,
            known,
            seconds,
            dirtied,
            deviation,
            measured_at,
            begin,
            changed,
        ) in zip(
            batch.resident.tolist(),
            fitted.known.tolist(),
            fitted.knots.tolist(),
            fitted.values.tolist(),
            fitted.deviation.tolist(),
            newest.tolist(),
            since.tolist(),
            changes.tolist(),
            strict=True,
        )
    ]


def _fitted(
    batch: Batch,
    rows: IntArray,
    first: IntArray,
    end: IntArray,
    manner: Manner,
    now: FloatArray,
) -> _Fitted:
    """The curves of measurements `first` to before `end` of each row."""
    n, k = len(rows), batch.knots.shape[1]
    place = np.arange(batch.at.shape[1])
    used = (place >= first[:, None]) & (place < end[:, None])
    age = np.maximum(now[:, None] - batch.at[rows], 0.0)
    weight = np.where(
        used,
        np.exp2(-np.minimum(age / manner.half_life, OLDEST))
        / batch.spread[rows] ** 2,
        0.0,
    )
    y = np.minimum(batch.middle[rows], batch.resident[rows, None])
    # the knots of these measurements only, one after the other
    knot = np.arange(n)[:, None] * k + batch.knot[rows]
    there = sums(knot, used.astype(np.float64), (n, k)) > 0
    known = there.sum(axis=1)
    order = np.argsort(~there, axis=1, kind='stable')
    last = np.maximum(known - 1, 0)[:, None]
    order = np.take_along_axis(order, np.minimum(np.arange(k), last), axis=1)

    def summed(values: FloatArray) -> FloatArray:
        return np.take_along_axis(sums(knot, values, (n, k)), order, axis=1)

    total, knots = (
        summed(weight),
        np.take_along_axis(batch.knots[rows], order, axis=1),
    )
    values = concaves(knots, summed(weight * y) / total, total, known)
    values = np.minimum(values, batch.resident[rows, None])
    rank = np.maximum(np.cumsum(there, axis=1) - 1, 0)
    at = np.take_along_axis(rank, batch.knot[rows], axis=1)
    found = np.take_along_axis(values, at, axis=1)
    # Birge: where they disagree by more than their noise, the noise is more
    misfit = (weight * (y - found) ** 2).sum(axis=1) / used.sum(axis=1)
    every = sums(knot, weight, (n, k))
    near = np.einsum('nkj,nj->nk', batch.near[rows], every)
    near = np.take_along_axis(near, order, axis=1)
    deviation = np.sqrt(np.maximum(misfit, 1.0)[:, None] / near)
    return _Fitted(known, knots, values, deviation)


def _surprise(
    batch: Batch, rows: IntArray, i: int, curve: _Fitted
) -> FloatArray:
    """How far measurement i is outside the old curve's bracket, deviations.

    :returns: shape (r,), of these rows
    """
    t, lost = batch.seconds[rows, i], batch.lost[rows, i]
    resident = batch.resident[rows]
    low, high = bracket(
        curve.knots[rows], curve.values[rows], curve.known[rows], t, resident
    )
    got = np.minimum(batch.middle[rows, i], resident)
    near = np.minimum(np.maximum(got, low), np.maximum(high, low))
    distance = np.abs(np.log(curve.knots[rows] / t[:, None]))
    at = np.argmin(distance, axis=1)
    # expected noise goes with what was expected, not with what came
    own = np.hypot(
        noise.deviation(
            t,
            near,
            np.zeros(len(rows)),
            batch.sampling[rows, i],
            batch.memory[rows],
        ),
        lost / math.sqrt(12),
    )
    out: FloatArray = (got - near) / np.hypot(own, curve.deviation[rows, at])
    return out


def bracket(
    knots: FloatArray,
    values: FloatArray,
    known: IntArray,
    t: FloatArray,
    resident: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """What a concave curve through these knots can be at `t[i]`.

    Between two knots it lies above its chord and below its neighbours'
    chords prolonged, and at a knot it is known, also where that is on its
    neighbours' chord. As `Bracket.LOWER` and `Bracket.UPPER`, but that those
    do not know of samples that are no corners of the curve.

    :param knots: shape (n, k), s, rising; after the known ones the last one
        is repeated
    :param values: shape (n, k), bytes, nondecreasing and concave
    :param known: shape (n,), >= 1
    :param t: shape (n,), s
    :param resident: shape (n,), bytes; no curve goes above it
    :returns: shapes (n,), bytes
    """
    r = np.arange(len(knots))
    zero = np.zeros((len(knots), 1))
    x, y = np.hstack([zero, knots]), np.hstack([zero, values])
    width = np.diff(x, axis=1)
    slope = np.diff(y, axis=1) / np.where(width > 0, width, np.inf)
    span = (x[:, 1:] < t[:, None]).sum(axis=1)  # knots before t
    beyond = span >= known
    span = np.minimum(span, known - 1)
    end = y[r, span + 1]
    before = slope[r, np.maximum(span - 1, 0)]
    after = slope[r, np.minimum(span + 1, known - 1)]
    chord = y[r, span] + slope[r, span] * (t - x[r, span])
    upper = np.minimum(
        np.where(span > 0, y[r, span] + before * (t - x[r, span]), end),
        np.where(span + 1 < known, end - after * (x[r, span + 1] - t), end),
    )
    upper = np.minimum(np.where(t < x[r, span + 1], upper, end), end)
    low = np.where(beyond, y[r, known], np.minimum(chord, end))
    high = np.where(
        beyond, y[r, known] + slope[r, known - 1] * (t - x[r, known]), upper
    )
    return np.minimum(low, resident), np.minimum(high, resident)
