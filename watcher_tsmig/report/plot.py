"""Plots for reports and pages: scatter, grouped dots, lines; SVG text.

Pure functions from values to text. Whoever calls brings numbers in the unit
that its axis names. What has no place on an axis (no number, inf) is not
drawn, and the plot says how many those were.
"""

import dataclasses
import statistics
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig.report import svg
from watcher_tsmig.report.svg import Scale
from watcher_tsmig.report.svg import Xy

HEIGHT = 480
LEFT, RIGHT, BOTTOM = 74, 24, 56
# of the rows' names in a plot of dots
NAMES = 200
NAME_LETTERS = 28
LANE = 22.0
BETWEEN = 12.0
HEAD, ENTRY = 28.0, 20.0
# Beyond these nobody can read it.
MOST_GROUPS, MOST_LANES, MOST_POINTS = 12, 60, 2000
NOTHING = 'Nothing to show'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a plot says of itself.

    :ivar about: what one sees, for those who do not see it
    :ivar x: the axis with its unit, for example 'total time, s'
    """

    title: str
    about: str
    x: str
    y: str = ''
    log_x: bool = False
    log_y: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A named series.

    :ivar points: in the order in which they are joined
    :ivar step: a value holds until the next one
    :ivar marks: show each point
    :ivar joined: draw the line; else marks alone
    """

    name: str
    points: Sequence[Xy]
    step: bool = False
    marks: bool = False
    joined: bool = True
    dashed: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A point of a scatter, with the name that it shows."""

    x: float
    y: float
    name: str = ''


def scatter(
    caption: Caption,
    groups: Mapping[str, Sequence[Spot]],
    band: float = 0.05,
) -> str:
    """What was said against what was, with the diagonal and a band.

    :param groups: name -> its points, not below 0
    :param band: share of the value on either side of the diagonal
    :raises ValueError: too many groups or points
    """
    _bounded(len(groups), max(map(len, groups.values()), default=0))
    drawn = {
        name: [s for s in spots if _has_place(s, caption)]
        for name, spots in groups.items()
    }
    left_out = sum(map(len, groups.values())) - sum(map(len, drawn.values()))
    values = [v for spots in drawn.values() for s in spots for v in (s.x, s.y)]
    if not values:
        return _nothing(caption, left_out)
    top, legend = _legend(_marks(groups))
    x, y = _axes(caption, values, values, top)
    body = [*_frame(caption, x, y), _band(x, y, band)]
    body.append(
        svg.line(
            (x.at(x.low), y.at(y.low)),
            (x.at(x.high), y.at(y.high)),
            'mark dash',
        )
    )
    for i, spots in enumerate(drawn.values()):
        body += [svg.mark(x.at(s.x), y.at(s.y), i, s.name) for s in spots]
    body.append(
        svg.label(
            x.end - 6, y.begin - 8, f'band: ±{band:.0%} of the actual', 'end'
        )
    )
    return _page(caption, HEIGHT, [*legend, *body], left_out)


def _has_place(spot: Spot, caption: Caption) -> bool:
    return _on_axis(spot.x, caption.log_x) and _on_axis(spot.y, caption.log_y)


def _on_axis(value: float, log: bool) -> bool:
    return svg.drawable(value) and value >= (svg.SMALLEST if log else 0)


def _band(x: Scale, y: Scale, share: float) -> str:
    """All within the share of the diagonal, cut at the frame."""
    low, high = x.low, x.high
    corners = (
        (low, low),
        (low, low * (1 + share)),
        (high / (1 + share), high),
        (high, high),
        (high, high * (1 - share)),
        (max(low, low / (1 - share)), low),
    )
    return svg.path(
        [(x.at(a), y.at(b)) for a, b in corners], 'band', 'polygon'
    )


def dots(
    caption: Caption,
    rows: Mapping[str, Mapping[str, Sequence[float]]],
    at: float | None = None,
) -> str:
    """Every value a dot and the mean a line: a row each, by group.

    :param rows: name of a row -> name of a group -> its values
    :param at: where a line through all rows is drawn
    :raises ValueError: too many rows, groups or values
    """
    groups = list(dict.fromkeys(g for row in rows.values() for g in row))
    lanes = [(n, g, v) for n, row in rows.items() for g, v in row.items() if v]
    _bounded(len(groups), max((len(v) for *_, v in lanes), default=0))
    if len(lanes) > MOST_LANES:
        raise ValueError(f'{len(lanes)} rows are too many to plot')
    given = [v for *_, values in lanes for v in values]
    drawn = [v for v in given if svg.drawable(v)]
    if not drawn:
        return _nothing(caption, len(given))
    top, legend = _legend(_marks(groups))
    shown = {name for name, *_ in lanes}
    height = top + BOTTOM + LANE * len(lanes) + BETWEEN * (len(shown) + 1)
    along = drawn if at is None else [*drawn, at]
    x = svg.scale(along, NAMES, svg.WIDTH - RIGHT)
    body = [*_below(caption, x, top, height - BOTTOM)]
    if at is not None:
        body.append(_upright(x.at(at), top, height - BOTTOM, 'mark dash'))
    y, before = top, ''
    for name, group, values in lanes:
        y += LANE if name == before else LANE + BETWEEN
        if name != before:
            body.append(_row_name(name, y))
        before = name
        body += _lane(x, y - LANE / 2, groups.index(group), values)
    return _page(caption, height, [*legend, *body], len(given) - len(drawn))


def _row_name(name: str, y: float) -> str:
    short = name if len(name) <= NAME_LETTERS else name[:NAME_LETTERS] + '…'
    return svg.label(NAMES - 10, y - LANE / 2 + 4, short, 'end')


def _lane(
    x: Scale, middle: float, group: int, values: Sequence[float]
) -> Iterator[str]:
    drawn = [v for v in values if svg.drawable(v)]
    if not drawn:
        return
    mean = x.at(statistics.fmean(drawn))
    kind = f'mean l{group % svg.COLOURS}'
    yield _upright(mean, middle - LANE * 0.45, middle + LANE * 0.45, kind)
    for i, value in enumerate(drawn):
        # up and down in turn, so that equal ones are seen
        off = (0.0, -0.2, 0.2)[i % 3] * LANE
        yield svg.mark(x.at(value), middle + off, group, f'{value:.4g}')


def _upright(x: float, top: float, bottom: float, kind: str) -> str:
    return svg.line((x, top), (x, bottom), kind)


def lines(caption: Caption, series: Sequence[Line]) -> str:
    """Named series over time, bandwidth or what else the axis says.

    :raises ValueError: too many series
    """
    _bounded(len(series), 0)
    drawn = [
        [
            p
            for p in one.points
            if _drawn(p[0], caption.log_x) and _drawn(p[1], caption.log_y)
        ]
        for one in series
    ]
    left_out = sum(len(one.points) for one in series) - sum(map(len, drawn))
    if not any(drawn):
        return _nothing(caption, left_out)
    top, legend = _legend(
        [(o.name, _sample(o, i)) for i, o in enumerate(series)]
    )
    x, y = _axes(
        caption,
        [p[0] for points in drawn for p in points],
        [p[1] for points in drawn for p in points],
        top,
    )
    body = [*_frame(caption, x, y)]
    for i, (one, points) in enumerate(zip(series, drawn, strict=True)):
        places = [(x.at(a), y.at(b)) for a, b in _thinned(points)]
        body += _drawn_line(one, i, places)
    return _page(caption, HEIGHT, [*legend, *body], left_out)


def _drawn(value: float, log: bool) -> bool:
    return svg.drawable(value) and (not log or value >= svg.SMALLEST)


def _thinned(points: Sequence[Xy]) -> Sequence[Xy]:
    """Every k-th where they are too many, and the last."""
    every = -(-len(points) // MOST_POINTS)
    if every <= 1:
        return points
    return [*points[:-1:every], points[-1]]


def _drawn_line(one: Line, i: int, places: Sequence[Xy]) -> Iterator[str]:
    if one.joined and len(places) > 1:
        way = list(places)
        if one.step:
            held = zip(way, way[1:], strict=False)
            corners = [p for a, b in held for p in (a, (b[0], a[1]))]
            way = [*corners, way[-1]]
        dash = ' dash' if one.dashed else ''
        yield svg.path(way, f'l{i % svg.COLOURS}{dash}')
    if one.marks or not one.joined or len(places) == 1:
        for x, y in places:
            yield svg.mark(x, y, i)


def _sample(one: Line, i: int) -> str:
    """Of the legend, about the origin."""
    plain = dataclasses.replace(one, step=False, marks=False)
    places = [(-8.0, 0.0), (8.0, 0.0)] if one.joined else [(0.0, 0.0)]
    return ''.join(_drawn_line(plain, i, places))


def _bounded(groups: int, points: int) -> None:
    if groups > MOST_GROUPS:
        raise ValueError(f'{groups} groups are too many to plot')
    if points > MOST_POINTS:
        raise ValueError(f'{points} points of one group are too many to plot')


def _marks(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, svg.mark(0.0, 0.0, i)) for i, name in enumerate(names)]


def _legend(
    entries: Sequence[tuple[str, str]],
) -> tuple[float, list[str]]:
    """Where the plot may begin, and the entries in as many rows as needed.

    :param entries: names, and what stands for each, about the origin
    """
    out, x, y = [], float(LEFT), HEAD + ENTRY
    for name, sample in entries:
        wide = 34 + svg.LETTER * min(len(name), svg.MOST_LETTERS)
        if x > LEFT and x + wide > svg.WIDTH - RIGHT:
            x, y = float(LEFT), y + ENTRY
        move = f'translate({svg.number(x + 8)} {svg.number(y - 4)})'
        out.append(f'<g transform="{move}">{sample}</g>')
        out.append(svg.label(x + 22, y, name))
        x += wide
    return y + ENTRY / 2, out


def _axes(
    caption: Caption, xs: Sequence[float], ys: Sequence[float], top: float
) -> tuple[Scale, Scale]:
    x = svg.scale(xs, LEFT, svg.WIDTH - RIGHT, log=caption.log_x)
    return x, svg.scale(ys, HEIGHT - BOTTOM, top, log=caption.log_y)


def _frame(caption: Caption, x: Scale, y: Scale) -> Iterator[str]:
    """Grid, ticks and the names of both axes."""
    yield from _below(caption, x, y.end, y.begin)
    for tick in y.ticks:
        place = y.at(tick)
        yield svg.line((x.begin, place), (x.end, place), 'grid')
        yield svg.label(x.begin - 8, place + 4, f'{tick:g}', 'end')
    middle = (y.begin + y.end) / 2
    turn = f' transform="rotate(-90 18 {svg.number(middle)})"'
    yield svg.label(18, middle, caption.y, 'middle', turn)
    yield _upright(x.begin, y.end, y.begin, 'axis')


def _below(
    caption: Caption, x: Scale, top: float, bottom: float
) -> Iterator[str]:
    for tick in x.ticks:
        yield _upright(x.at(tick), top, bottom, 'grid')
        yield svg.label(x.at(tick), bottom + 18, f'{tick:g}', 'middle')
    yield svg.line((x.begin, bottom), (x.end, bottom), 'axis')
    middle = (x.begin + x.end) / 2
    yield svg.label(middle, bottom + 40, caption.x, 'middle')


def _nothing(caption: Caption, left_out: int) -> str:
    text = svg.label(svg.WIDTH / 2, HEIGHT / 4, NOTHING, 'middle')
    return _page(caption, HEIGHT / 2, [text], left_out)


def _page(
    caption: Caption, height: float, body: Sequence[str], left_out: int
) -> str:
    head = svg.label(LEFT, HEAD - 4, caption.title, more=' class="head"')
    about = caption.about
    body = [head, *body]
    if left_out:
        said = f'not drawn, without a finite value: {left_out}'
        about = f'{about} {said}.'
        body.append(svg.label(svg.WIDTH - RIGHT, height - 4, said, 'end'))
    return svg.page(caption.title, about, height, '\n'.join(body))
