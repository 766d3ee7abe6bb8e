"""Columns with a form for people and one for programs.

Programs get bytes, bytes per second and seconds, or null where there is no
number; people get units. Only the two forms live here.
"""

import math

from cliff import columns

from watcher_tsmig import units

#: What people read where nobody knows a number.
UNKNOWN = '-'


def number(value: float) -> float | None:
    """The number for programs: JSON has neither infinity nor NaN."""
    return float(value) if math.isfinite(value) else None


class Number(columns.FormattableColumn):
    """A number with a unit; NaN is unknown."""

    #: What people read for infinity.
    endless = 'endless'

    def text(self, value: float) -> str:
        """The finite value for people."""
        return f'{value:g}'

    def human_readable(self) -> str:
        """With its unit; ``-`` where it is unknown."""
        if math.isnan(self._value):
            return UNKNOWN
        if math.isinf(self._value):
            return self.endless
        return self.text(self._value)

    def machine_readable(self) -> float | None:
        """In bytes, bytes per second or seconds; None for no number."""
        return number(self._value)


class Rate(Number):
    """Bytes per second that are needed."""

    endless = 'no rate'

    def text(self, value: float) -> str:
        return units.human_rate(value)


class Size(Number):
    """Bytes."""

    def text(self, value: float) -> str:
        return units.human_size(value)


class Span(Number):
    """Seconds; a span below 1 s is told in ms."""

    endless = 'never'

    def text(self, value: float) -> str:
        if value < 0.9995:
            return f'{value * 1000:.0f} ms'
        return units.human_time(value)


class Count(Number):
    """A whole number of things."""

    def text(self, value: float) -> str:
        return f'{value:.0f}'

    def machine_readable(self) -> int | None:
        """As an integer; None for no number."""
        return int(self._value) if math.isfinite(self._value) else None


class Amount(Number):
    """A number without a unit."""

    def text(self, value: float) -> str:
        return f'{value:.1f}'


class Interval(columns.FormattableColumn):
    """Seconds from and to."""

    def human_readable(self) -> str:
        """``23 s to 31 s``."""
        low, high = (Span(x).human_readable() for x in self._value)
        return low if low == high else f'{low} to {high}'

    def machine_readable(self) -> list[float | None]:
        """A list [from, to]; None for no number."""
        return [number(x) for x in self._value]


class Told(columns.FormattableColumn):
    """A stable code for programs, a sentence for people."""

    def human_readable(self) -> str:
        """The sentence; the code where there is none."""
        code, text = self._value
        return text or code

    def machine_readable(self) -> str:
        """The code."""
        return self._value[0]
