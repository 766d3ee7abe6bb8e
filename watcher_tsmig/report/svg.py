"""SVG as text: numbers, escaped words, marks, scales with round ticks.

Pure functions of values; what a plot is made of, and no plot. Colours are
classes, so that one style serves light and dark, and every group has a
shape of its own beside its colour.
"""

import dataclasses
import html
import math
from collections.abc import Iterable
from collections.abc import Sequence

WIDTH = 720
# What is beyond counts as no value: its coordinates would be noise.
LARGEST, SMALLEST = 1e15, 1e-9
MOST_LETTERS = 90
# px that a letter of the plots' small text takes on average
LETTER = 6.6
MARK = 4.0
# round steps, and about how many of them an axis has
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
TICKS = 6
# of a logarithmic axis
FACTORS = (1.0, 2.0, 5.0)
#: Colours of the groups, on light and on dark; then they begin again.
LIGHT = ('#0b63b0', '#b84700', '#007a5a', '#8a3a8f', '#7a5c00', '#b3003c')
DARK = ('#6db3f2', '#ff9f5a', '#4fd1a5', '#d99be0', '#e3c04c', '#ff7f9f')
COLOURS = len(LIGHT)

Xy = tuple[float, float]


def drawable(value: float) -> bool:
    """Whether it has a place on an axis."""
    return math.isfinite(value) and abs(value) <= LARGEST


def number(value: float) -> str:
    """A coordinate: two digits are more than a screen has."""
    return f'{value:.2f}'.rstrip('0').rstrip('.')


def words(text: str, most: int = MOST_LETTERS) -> str:
    """Text for XML: escaped, without controls, not longer than that."""
    plain = ''.join(c if c.isprintable() else ' ' for c in text)
    if len(plain) > most:
        plain = plain[: most - 1] + '…'
    return html.escape(plain)


def label(
    x: float, y: float, text: str, anchor: str = 'start', more: str = ''
) -> str:
    """Text whose anchor (start, middle, end) is at that point."""
    return (
        f'<text x="{number(x)}" y="{number(y)}" '
        f'text-anchor="{anchor}"{more}>{words(text)}</text>'
    )


def line(a: Xy, b: Xy, kind: str) -> str:
    """A straight line of that class."""
    return (
        f'<line class="{kind}" x1="{number(a[0])}" y1="{number(a[1])}" '
        f'x2="{number(b[0])}" y2="{number(b[1])}"/>'
    )


def path(points: Iterable[Xy], kind: str, shape: str = 'polyline') -> str:
    """A polyline or a polygon of that class."""
    joined = ' '.join(f'{number(x)},{number(y)}' for x, y in points)
    return f'<{shape} class="{kind}" points="{joined}"/>'


def mark(x: float, y: float, group: int, title: str = '') -> str:
    """The mark of a group: disc, square, triangle or diamond."""
    kind = f'm{group % COLOURS}'
    shown = f'<title>{words(title)}</title>' if title else ''
    r = MARK
    if group % 4 == 0:
        place = f'cx="{number(x)}" cy="{number(y)}" r="{number(r)}"'
        return f'<circle class="{kind}" {place}>{shown}</circle>'
    corners: Sequence[Xy] = (
        ((-r, -r), (r, -r), (r, r), (-r, r)),
        ((0, -r * 1.2), (r * 1.2, r), (-r * 1.2, r)),
        ((0, -r * 1.3), (r * 1.3, 0), (0, r * 1.3), (-r * 1.3, 0)),
    )[group % 4 - 1]
    joined = ' '.join(f'{number(x + a)},{number(y + b)}' for a, b in corners)
    return f'<polygon class="{kind}" points="{joined}">{shown}</polygon>'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From values to pixels.

    :ivar low: value at the pixel `begin`
    :ivar high: value at the pixel `end`
    :ivar ticks: round values on it
    """

    low: float
    high: float
    begin: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = (math.log10(v) for v in (low, high, value))
        share = (value - low) / (high - low)
        return self.begin + share * (self.end - self.begin)


def scale(
    values: Sequence[float], begin: float, end: float, *, log: bool = False
) -> Scale:
    """An axis that has room for all values; linear ones begin at 0.

    :param values: drawable, and above 0 where it is logarithmic; any number
    """
    if log:
        return _log_scale(values, begin, end)
    low = min(0.0, *values) if values else 0.0
    high = max(0.0, *values) if values else 1.0
    if high - low < SMALLEST:
        high = low + 1.0
    step = _step((high - low) / TICKS)
    first, last = math.floor(low / step), math.ceil(high / step - SMALLEST)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Scale(
        low=ticks[0], high=ticks[-1], begin=begin, end=end, ticks=ticks
    )


def _step(least: float) -> float:
    """The round step that is not below this."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(s * power for s in STEPS if s * power >= least * (1 - 1e-9))


def _log_scale(values: Sequence[float], begin: float, end: float) -> Scale:
    low, high = (min(values), max(values)) if values else (1.0, 10.0)
    decades = range(
        math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1
    )
    grid = [float(f'{f:g}e{d}') for d in decades for f in FACTORS]
    first = max(v for v in grid if v <= low * (1 + 1e-9))
    last = min(v for v in grid if v >= high * (1 - 1e-9))
    if first == last:
        last = next(v for v in grid if v > first)
    ticks = [v for v in grid if first <= v <= last]
    if len(ticks) > 2 * TICKS:
        ticks = [v for v in ticks if math.log10(v) % 1 < 1e-6]
    return Scale(
        low=first,
        high=last,
        begin=begin,
        end=end,
        ticks=tuple(ticks),
        log=True,
    )


def page(title: str, description: str, height: float, body: str) -> str:
    """The whole picture, which says itself what it shows."""
    size = f'width="{WIDTH}" height="{number(height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" {size} '
        f'viewBox="0 0 {WIDTH} {number(height)}" role="img" '
        f'aria-label="{words(title)}">\n'
        f'<title>{words(title)}</title>\n'
        f'<desc>{words(description, 1000)}</desc>\n'
        f'<style>{_style()}</style>\n'
        f'<rect class="page" {size}/>\n{body}\n</svg>\n'
    )


def _style() -> str:
    light = _colours(LIGHT, '#ffffff', '#222222', '#d8d8d8')
    dark = _colours(DARK, '#16191d', '#e6e6e6', '#3a3f45')
    return (
        '.plot text{font:12px sans-serif}'
        '.plot .head{font-size:15px;font-weight:bold}'
        '.plot polyline{fill:none;stroke-width:1.8}'
        '.plot .dash{stroke-dasharray:6 4}'
        '.plot .mean{stroke-width:2.5}'
        '.plot .band{fill-opacity:.18}'
        f'{light}@media (prefers-color-scheme:dark){{{dark}}}'
    )


def _colours(groups: Sequence[str], back: str, ink: str, faint: str) -> str:
    rows = [
        f'.plot .page{{fill:{back}}}.plot text{{fill:{ink}}}',
        f'.plot .axis,.plot .mark{{stroke:{ink}}}'
        f'.plot .grid{{stroke:{faint}}}.plot .band{{fill:{ink}}}',
    ]
    rows += [
        f'.plot .m{i}{{fill:{colour};fill-opacity:.75;stroke:{back};'
        f'stroke-width:.5}}.plot .l{i}{{stroke:{colour}}}'
        for i, colour in enumerate(groups)
    ]
    return ''.join(rows)
