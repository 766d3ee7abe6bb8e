"""Concave regression: the concave curve that is nearest to each row's points.

Only arithmetic on arrays lives here; n regressions are one call. Such a
curve with corners at the samples is a sum of c(k) min(t, t(k)) with c >= 0
and each such sum is one, so a regression is a nonnegative least-squares
problem. (Pooling adjacent slopes is the same only where the noise is in the
increments. Here each value was measured on its own.)
Sources: Portugal, Judice and Vicente, "A comparison of block pivoting and
interior-point algorithms for linear least squares problems with nonnegative
variables" (Mathematics of Computation 1994); Lawson and Hanson, "Solving
least squares problems" (1974).
"""

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy import optimize

from watcher_tsmig.forecast.curves import FloatArray

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Relative to the curve: what is less is rounding, and no reason to go on.
SLACK = 1e-11
# Whole exchanges that may fail to help before one corner at a time changes.
PATIENCE = 3
# Rows are taken together up to so many numbers in one array.
MOST_NUMBERS = 4_000_000


def concave(
    seconds: FloatArray, dirtied: FloatArray, weight: FloatArray, most: float
) -> tuple[FloatArray, FloatArray]:
    """The nondecreasing concave curve from the origin of least squares.

    :param seconds: shape (m,), s, > 0, in any order, with repetitions
    :returns: knots, the different seconds, and values at them
    """
    knots, at = np.unique(seconds, return_inverse=True)
    shape = (1, len(knots))
    total = sums(at, weight, shape)
    mean = sums(at, weight * dirtied, shape) / total
    values = concaves(knots[None], mean, total, np.array([len(knots)]))
    return knots, np.minimum(values[0], most)


def concaves(
    knots: FloatArray, means: FloatArray, weight: FloatArray, known: IntArray
) -> FloatArray:
    """The nondecreasing concave curve from the origin nearest to each row.

    :param knots: shape (n, k), s, > 0, rising; what comes after the known
        ones does not matter but for being finite
    :param means: shape (n, k), measured, >= 0
    :param weight: shape (n, k), > 0
    :param known: shape (n,), knots of each row, >= 1
    :returns: shape (n, k), the curves at their knots
    """
    n, k = knots.shape
    step = max(MOST_NUMBERS // (k * k), 1)
    values = np.empty((n, k))
    for i in range(0, n, step):
        rows = slice(i, i + step)
        values[rows] = _regressed(
            _Points(knots[rows], means[rows], weight[rows], known[rows])
        )
    # by less than rounding they may fall
    rising: FloatArray = np.maximum.accumulate(values, axis=1)
    return rising


def sums(
    place: IntArray, values: FloatArray, shape: tuple[int, int]
) -> FloatArray:
    """The values summed by their place in an array of that shape."""
    flat = np.bincount(place.ravel(), values.ravel(), shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64, copy=False)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """What is regressed; weights and means of unknown knots are made 0."""

    knots: FloatArray
    means: FloatArray
    weight: FloatArray
    known: IntArray

    def __post_init__(self) -> None:
        for name in ('means', 'weight'):
            value = np.where(self.there, getattr(self, name), 0.0)
            object.__setattr__(self, name, value)

    @property
    def there(self) -> BoolArray:
        """Shape (n, k), the knots that are known."""
        there: BoolArray = np.arange(self.knots.shape[1]) < self.known[:, None]
        return there

    def take(self, rows: BoolArray) -> '_Points':
        """Some of the rows."""
        return _Points(
            self.knots[rows],
            self.means[rows],
            self.weight[rows],
            self.known[rows],
        )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """The spans that a choice of corners makes of each row's time.

    :ivar span: shape (n, k), number of the span that a knot is in or begins
    :ivar begin: shape (n, k + 2), s, of each span; inf where there is none
    """

    span: IntArray
    begin: FloatArray

    def of(self, values: FloatArray, *, after: int = 0) -> FloatArray:
        """A value of each span at each knot that is in it, shape (n, k)."""
        return np.take_along_axis(values, self.span + after, axis=1)


def _regressed(points: _Points) -> FloatArray:
    """All rows by block pivoting, and what does not end one by one."""
    n, k = points.knots.shape
    values = np.zeros((n, k))
    rows = np.arange(n)
    corner = points.there
    fewest, patience = np.full(n, k + 1), np.zeros(n, dtype=np.int64)
    for _ in range(3 * k + 20):
        found, wrong = _judged(points, corner)
        for i in np.flatnonzero(np.isnan(found).any(axis=1)):
            found[i], wrong[i] = _one_by_one(points, i), False
        many = wrong.sum(axis=1)
        values[rows] = found
        left = many > 0
        if not left.any():
            return values
        points, rows, corner = points.take(left), rows[left], corner[left]
        wrong, many = wrong[left], many[left]
        fewest, patience = fewest[left], patience[left]
        better = many < fewest
        fewest = np.where(better, many, fewest)
        patience = np.where(better, PATIENCE, patience - 1)
        last = k - 1 - np.argmax(wrong[:, ::-1], axis=1)
        single = (patience < 0)[:, None] & (np.arange(k) != last[:, None])
        corner = corner ^ (wrong & ~single)
    for i in np.arange(len(rows)):
        values[rows[i]] = _one_by_one(points, i)
    return values


def _judged(
    points: _Points, corner: BoolArray
) -> tuple[FloatArray, BoolArray]:
    """The best curves with these corners, and what is wrong with each.

    A corner at which the slope rises is one too many. A knot is a corner
    too few where the sum of squares falls as a corner is made of it: of all
    functions only the tent over its span tells that, the residuals being at
    right angles to the others.

    :returns: shapes (n, k), values and the knots that must change
    """
    n, k = corner.shape
    split = _split(points.knots, corner)
    heights = _heights(points, split)
    low, high = split.of(split.begin), split.of(split.begin, after=1)
    share = np.where(
        np.isfinite(high), (points.knots - low) / (high - low), 0.0
    )
    below, above = split.of(heights), split.of(heights, after=1)
    found = (1 - share) * below + share * above
    top = np.maximum(found.max(axis=1), points.means.max(axis=1))
    # slopes of the spans that end and begin at a corner
    with np.errstate(invalid='ignore'):
        width = np.diff(split.begin, axis=1)
        slope = np.where(np.isfinite(width), np.diff(heights) / width, 0.0)
    rise = split.of(slope) - np.take_along_axis(
        slope, np.maximum(split.span - 1, 0), axis=1
    )
    narrow = 1 / np.where(np.isfinite(width), width, np.inf)
    rounding = split.of(narrow) + np.take_along_axis(
        narrow, np.maximum(split.span - 1, 0), axis=1
    )
    many = corner & (rise > SLACK * top[:, None] * rounding)
    tent = _tents(points, split, low, high)
    pull = np.einsum(
        'nij,nj->ni', tent, points.weight * (points.means - found)
    )
    least = np.einsum('nij,nj->ni', tent, points.weight) * top[:, None]
    few = ~corner & points.there & (pull > SLACK * least)
    return found, many | few


def _split(knots: FloatArray, corner: BoolArray) -> _Split:
    n, k = knots.shape
    span = np.cumsum(corner, axis=1, dtype=np.int64)
    begin = np.full((n, k + 2), np.inf)
    begin[:, 0] = 0.0
    row, column = np.nonzero(corner)
    begin[row, span[row, column]] = knots[row, column]
    return _Split(span, begin)


def _heights(points: _Points, split: _Split) -> FloatArray:
    """The values at the begins of the spans of least squares, (n, k + 2).

    In the basis of tents over neighbouring corners the normal equations are
    tridiagonal, and seldom does one weight drown another one's.

    :returns: not a number in rows in which it does
    """
    n, k = points.knots.shape
    low, high = split.of(split.begin), split.of(split.begin, after=1)
    share = np.where(
        np.isfinite(high), (points.knots - low) / (high - low), 0.0
    )
    place = (np.arange(n) * (k + 2))[:, None] + split.span

    def summed(values: FloatArray, after: int = 0) -> FloatArray:
        return sums(place + after, values, (n, k + 2))

    near, far = points.weight * (1 - share), points.weight * share
    diagonal = summed(near * (1 - share)) + summed(far * share, 1)
    beside = summed(near * share)
    right = summed(near * points.means) + summed(far * points.means, 1)
    # the origin is at 0, and beyond the last corner there is nothing
    there = np.isfinite(split.begin)
    there[:, 0] = False
    diagonal = np.where(there, diagonal, 1.0)
    right = np.where(there, right, 0.0)
    beside[:, :-1] *= there[:, :-1] & there[:, 1:]
    last = int(there.sum(axis=1).max(initial=0))
    for i in range(1, last):
        part = beside[:, i] / diagonal[:, i]
        pivot = diagonal[:, i + 1] - part * beside[:, i]
        sure = pivot > SLACK * diagonal[:, i + 1]
        diagonal[:, i + 1] = np.where(sure, pivot, np.nan)
        right[:, i + 1] -= part * right[:, i]
    heights = np.zeros((n, k + 2))
    for i in range(last, 0, -1):
        rest = right[:, i] - beside[:, i] * heights[:, i + 1]
        heights[:, i] = rest / diagonal[:, i]
    # flat from there on
    ends = np.take_along_axis(heights, there.sum(axis=1)[:, None], axis=1)
    flat: FloatArray = np.where(np.isfinite(split.begin), heights, ends)
    return flat


def _tents(
    points: _Points, split: _Split, low: FloatArray, high: FloatArray
) -> FloatArray:
    """At knot j the tent over the span of knot i with its top there.

    Beyond the last corner it is a ramp that stays up.

    :returns: shape (n, k, k); 0 where j is in another span
    """
    knots = points.knots
    up = np.minimum(knots[:, :, None], knots[:, None, :]) - low[:, :, None]
    down = high[:, :, None] - np.maximum(knots[:, :, None], knots[:, None, :])
    width = (high - low)[:, :, None]
    with np.errstate(invalid='ignore'):
        tent = np.where(np.isfinite(width), up * down / width, up)
    same = split.span[:, :, None] == split.span[:, None, :]
    out: FloatArray = np.where(same, tent, 0.0)
    return out


def _one_by_one(points: _Points, row: np.intp) -> FloatArray:
    """One row by Lawson and Hanson's active set, which always ends."""
    many = int(points.known[row])
    knots = points.knots[row, :many]
    means, weight = points.means[row, :many], points.weight[row, :many]
    basis = np.minimum(knots[:, None], knots[None, :]) / knots
    root = np.sqrt(weight / weight.max())
    scale = max(float(means.max()), 1.0)
    parts, _ = optimize.nnls(
        basis * root[:, None],
        means / scale * root,
        maxiter=30 * many + 100,
    )
    values = np.zeros(points.knots.shape[1])
    values[:many] = basis @ parts * scale
    return values
