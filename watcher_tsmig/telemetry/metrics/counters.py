"""What counters grew: rates from the data itself, whoever sampled it.

Arithmetic on measures. A counter's mean over a span is its value at the
span's middle as long as it is sampled evenly, so that the difference of two
is what it grew between their middles, however often that was: no interval
is taken from an option. A counter starts again at zero on another host; what
shrinks is left out, and so are the spans around it, which hold samples of
both or of a part of their time.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from watcher_tsmig.model.history import Point

FloatArray = npt.NDArray[np.float64]

# s after the end of a span until its last sample has been worked in
LAG = 60.0


def whole(measures: Sequence[Point], now: float) -> list[Point]:
    """Those whose span is over for certain."""
    return [m for m in measures if m[0] + m[1] + LAG <= now]


def growth(measures: Sequence[Point]) -> list[Point]:
    """Growth per second between neighbouring measures of one counter.

    :param measures: oldest first; the value is the mean over the span, or,
        where the span is 0, the value at that moment
    """
    grew: list[Point] = []
    for run, cut in _runs(measures):
        middles = [at + span / 2 for at, span, _ in run]
        steps = [
            (a, b - a, (new - old) / (b - a))
            for a, b, (_, _, old), (_, _, new) in zip(
                middles, middles[1:], run, run[1:], strict=False
            )
        ]
        if run[0][1]:
            # The first span may hold the counter's beginning, and the last
            # before it began anew some of both.
            steps = steps[1:] or steps
            steps = (steps[:-1] or steps) if cut else steps
        grew += steps
    return grew


def _runs(measures: Sequence[Point]) -> Iterator[tuple[list[Point], bool]]:
    """Stretches in which the counter never shrinks; whether it then did."""
    run: list[Point] = []
    for measure in measures:
        if run and measure[2] < run[-1][2]:
            yield run, True
            run = []
        run.append(measure)
    if run:
        yield run, False


def sampled(
    rates: Sequence[Point], counts: Sequence[Point]
) -> list[Point] | None:
    """Growth per second from growth per sample (Gnocchi's `rate:mean`).

    :param rates: mean growth from sample to sample in each span
    :param counts: how many samples each span has, if somebody kept that
    :returns: None where nothing tells how often the counter was sampled
    """
    many = {start: count for start, _, count in counts}
    grew: list[Point] = []
    unknown = False
    for (before, _, _), (start, span, value) in zip(
        rates, rates[1:], strict=False
    ):
        apart = start - before
        # a span that was skipped shows samples further apart than spans
        samples = many.get(start, 1.0 if apart > span else None)
        if samples is None:
            unknown = True
        elif value >= 0:
            grew.append((before + span, apart, value * samples / apart))
    return None if unknown and not grew else grew


def updates(samples: Sequence[Point]) -> list[Point]:
    """Those samples of a counter that somebody had just taken.

    Who reads a gauge more often than it is set sees it stand still and then
    jump: the jumps are when it was set. Where it stands still for more than
    twice as long as it usually does, it was set to what it was.
    """
    jumps = [
        new
        for old, new in zip(samples, samples[1:], strict=False)
        if new[2] != old[2]
    ]
    if len(jumps) < 2:
        return [*samples[:1], *samples[1:][-1:]]
    usual = float(np.median(np.diff([at for at, _, _ in jumps])))
    seen: list[Point] = []
    before = samples[0]
    for jump in jumps:
        if jump[0] - before[0] > 2 * usual:
            seen += () if seen else (before,)
            seen.append((jump[0] - usual, 0.0, before[2]))
        seen.append(jump)
        before = jump
    if samples[-1][0] - before[0] > 2 * usual:
        seen.append(samples[-1])
    return seen


def on_grid(
    grew: Sequence[Point], span: float, phase: float = 0.0
) -> tuple[Point, ...]:
    """The same growth in spans that begin at multiples of `span`.

    What lies over a gap longer than a span is told for each span in it: the
    counter did grow, if nobody knows when. Spans that are not covered
    wholly are not there.

    :param phase: begins are that much later, s
    """
    out: list[Point] = []
    for stretch in _stretches(grew):
        edges = np.array([stretch[0][0], *(at + d for at, d, _ in stretch)])
        total = np.cumsum([0.0, *(d * rate for _, d, rate in stretch)])
        begins, (rates,) = _spread(edges, total[None], span, phase)
        out += zip(begins, itertools.repeat(span), rates, strict=False)
    return tuple(out)


def rates(
    told: Mapping[str, Sequence[Point]],
    now: float,
    span: float,
    phase: float = 0.0,
) -> dict[str, tuple[Point, ...]]:
    """What each counter grew, as `growth` of what is `whole`, `on_grid`.

    Counters that were sampled into the same spans, as all of a cloud are,
    and did not start anew are one calculation.

    :param told: by counter, oldest first
    """
    counters = {name: whole(points, now) for name, points in told.items()}
    alike: dict[tuple[tuple[float, float], ...], list[str]] = defaultdict(list)
    for name, points in counters.items():
        alike[tuple((at, d) for at, d, _ in points)].append(name)
    found: dict[str, tuple[Point, ...]] = {}
    for spans, names in alike.items():
        values = np.array([[v for _, _, v in counters[n]] for n in names])
        steady = (np.diff(values, axis=1) >= 0).all(axis=1)
        some = [n for n, one in zip(names, steady, strict=True) if one]
        if len(set(spans)) == len(spans) > 1 and some:
            found |= _grown(some, spans, values[steady], span, phase)
    return {
        name: found[name]
        if name in found
        else on_grid(growth(points), span, phase)
        for name, points in counters.items()
    }


def _grown(
    names: Sequence[str],
    spans: Sequence[tuple[float, float]],
    values: FloatArray,
    span: float,
    phase: float,
) -> dict[str, tuple[Point, ...]]:
    """`growth` on the grid, of counters that never shrank; (n, p) values."""
    middles = np.array([at + d / 2 for at, d in spans])
    if spans[0][1] and len(spans) > 2:
        # the first span may hold the counters' beginning
        middles, values = middles[1:], values[:, 1:]
    total = values - values[:, :1]
    begins, rates = _spread(middles, total, span, phase)
    return {
        name: tuple(zip(begins, itertools.repeat(span), row, strict=False))
        for name, row in zip(names, rates, strict=True)
    }


def _spread(
    edges: FloatArray, total: FloatArray, span: float, phase: float
) -> tuple[list[float], list[list[float]]]:
    """Growth per second in the spans of a grid.

    :param edges: shape (p,), s, rising
    :param total: shape (n, p), grown until each edge
    :returns: begins of the g spans that are covered wholly, and n rows of g
    """
    # A grid that shares the data's edges must not lose one to rounding
    slack = 1e-6 * span
    first = np.ceil((edges[0] - phase - slack) / span)
    last = np.floor((edges[-1] - phase + slack) / span)
    grid = np.arange(first, last + 1) * span + phase
    before = np.searchsorted(edges[1:-1], grid, side='right')
    share = (grid - edges[before]) / (edges[before + 1] - edges[before])
    share = np.clip(share, 0.0, 1.0)
    at = total[:, before] * (1 - share) + total[:, before + 1] * share
    grown: list[list[float]] = (np.diff(at, axis=1) / span).tolist()
    return grid[:-1].tolist(), grown


def _stretches(grew: Sequence[Point]) -> Iterator[list[Point]]:
    """Stretches of time without a hole."""
    stretch: list[Point] = []
    for point in grew:
        if stretch and point[0] > sum(stretch[-1][:2]) + 1e-6:
            yield stretch
            stretch = []
        stretch.append(point)
    if stretch:
        yield stretch
