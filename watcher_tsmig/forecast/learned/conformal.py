"""What outcomes teach a forecast: its bias, and how far to trust it.

Ratios actual/forecast are learned online and in logarithms: medians of
recent ones, from coarse keys (a mode) to fine ones (this VM), each shrunk
to the coarser; what error remains, adaptive conformal prediction turns
into an interval, wide where forecasts were poor. Arithmetic and the
calibration's text only; no file is opened here. Sources: Vovk et al. 2005
(split, Mondrian); Gibbs and Candes, NeurIPS 2021 (adaptive).
"""

import dataclasses
import json
import math
import statistics
from collections.abc import Sequence

from watcher_tsmig import errors

FORMAT_VERSION = '1.0'
# Before any outcome: the 90th percentile of the error of published models
# on KVM, over 53 workloads (Nathan et al., SoCC 2015).
COLD_ERROR = 0.46
# A key's median counts against its parent's as n outcomes against this.
SHRINKAGE = 1.0
# The same for its errors: a scatter takes more outcomes than a middle. No
# source gives it; of 1 to 8, widths and coverage on real data decided.
STEADINESS = 4.0
# Outcomes that a key remembers: older ones age out, so that a changed
# cloud is believed after half of them.
WINDOW = 30
# Scores that an interval is taken from, and the step of its adaptation
# (Gibbs and Candes use 0.005 on thousands of days; a cloud has fewer).
SCORES = 200
STEP = 0.02
# Outcomes are read off clocks: equal ones do not mean that there is no
# scatter. Small against the 0.6 % by which repeated runs in a lab differ.
LEAST_SPREAD = 0.002
# So many keys are kept at most; the one that learned longest ago goes.
MAX_KEYS = 20_000
# No interval may claim less than this share, whatever it has learned.
LEAST_MISS = 0.01
MOST_MISS = 0.5
# Logarithms and scores of a calibration's text stay below this.
MOST = 1e6


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A corrected forecast in its own unit, with a prediction interval.

    :ivar scale: what the error is weighed by; see `Calibration.spread`
    :ivar cold: too few outcomes so far; the width is that of published
        models, not of this cloud
    """

    low: float
    point: float
    high: float
    scale: float
    cold: bool

    @property
    def width(self) -> float:
        """Width as a share of the point."""
        return (self.high - self.low) / self.point

    def covers(self, actual: float) -> bool:
        """Whether the actual value lies within."""
        # an outcome rounded by its clock may equal a bound but for rounding
        slack = 1e-9 * self.point
        return self.low - slack <= actual <= self.high + slack


class _Recent:
    """Recent numbers by key, bounded in both ways."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.of: dict[str, list[float]] = {}

    def add(self, key: str, value: float) -> None:
        values = [*self.of.pop(key, ()), value]
        self.of[key] = values[-self.window :]
        while len(self.of) > MAX_KEYS:
            del self.of[next(iter(self.of))]


class Calibration:
    """What was learned so far about forecasts of one kind of figure.

    Not thread-safe. `keys` go from coarse to fine and `groups` from fine
    to coarse; both are free texts that the caller keeps stable.

    :param level: share of outcomes that an interval shall cover
    """

    def __init__(self, level: float = 0.9) -> None:
        if not 0.5 <= level < 1:
            raise errors.InputError('must be in [0.5, 1)', 'level')
        self.level = level
        self.outcomes = 0
        self._ratios = _Recent(WINDOW)
        self._errors = _Recent(WINDOW)
        self._scores = _Recent(SCORES)
        self._miss: dict[str, float] = {}

    def correction(self, keys: Sequence[str]) -> float:
        """Logarithm of what to multiply a raw forecast with."""
        found = 0.0
        for key in keys:
            recent = self._ratios.of.get(key)
            if recent:
                n = len(recent)
                own = statistics.median(recent)
                found = (n * own + SHRINKAGE * found) / (n + SHRINKAGE)
        return found

    def spread(self, keys: Sequence[str]) -> float:
        """How far forecasts under these keys were off, in logarithms.

        The median of each key's errors as forecast, from coarse to fine,
        each shrunk to the coarser. Errors are weighed by it before they
        become scores: an interval is wide where forecasts are poor and
        not everywhere (Lei et al., JASA 2018, locally weighted).
        """
        found = math.log1p(COLD_ERROR)
        for key in keys:
            recent = self._errors.of.get(key)
            if recent:
                n = len(recent)
                own = statistics.median(recent)
                found = (n * own + STEADINESS * found) / (n + STEADINESS)
        return max(found, LEAST_SPREAD)

    def _half_width(
        self, groups: Sequence[str], scale: float, cold_error: float
    ) -> tuple[float, bool]:
        """Half the interval in logarithms, and whether it is cold."""
        for group in groups:
            scores = self._scores.of.get(group, [])
            rank = math.ceil((len(scores) + 1) * (1 - self.miss(group)))
            # the least n with a finite split-conformal interval
            if (len(scores) + 1) * (1 - self.level) >= 1 - 1e-9:
                ordered = sorted(scores)
                return scale * ordered[min(rank, len(ordered)) - 1], False
        return math.log1p(cold_error), True

    def miss(self, group: str) -> float:
        """The share of misses that the group's interval now aims at."""
        return self._miss.get(group, 1 - self.level)

    def forecast(
        self,
        raw: float,
        keys: Sequence[str],
        groups: Sequence[str],
        fixed: float = 0.0,
        cold_error: float = COLD_ERROR,
    ) -> Interval:
        """The raw forecast, corrected, with its interval.

        :param raw: in any unit, finite and > 0
        :param fixed: what comes on top of it and needs no correction, such
            as the ordered wait before a switch to post-copy; same unit
        :param cold_error: how far off it may be before there are outcomes
        :raises errors.InputError: `raw` is not finite and above 0
        """
        _positive('raw', raw)
        moving = raw * math.exp(self.correction(keys))
        point = fixed + moving
        scale = self.spread(keys) * moving / point
        half, cold = self._half_width(groups, scale, cold_error)
        return Interval(
            low=point * math.exp(-half),
            point=point,
            high=point * math.exp(half),
            scale=scale,
            cold=cold,
        )

    def learn(
        self,
        raw: float,
        actual: float,
        keys: Sequence[str],
        groups: Sequence[str],
        given: Interval | None = None,
        fixed: float = 0.0,
    ) -> None:
        """Take one outcome in.

        :param actual: all of it, with what is `fixed`
        :param given: the forecast that was given before the migration;
            None: what would be given now
        :raises errors.InputError: `raw`, or what of `actual` is not fixed,
            is not finite and above 0
        """
        _positive('raw', raw)
        _positive('actual', actual - fixed)
        given = given or self.forecast(raw, keys, groups, fixed)
        if not given.cold:
            # only an interval that this group stands behind teaches it
            missed = not given.covers(actual)
            for group in groups:
                aim = self.miss(group) + STEP * (
                    (1 - self.level) - float(missed)
                )
                self._miss[group] = min(max(aim, LEAST_MISS), MOST_MISS)
        score = abs(math.log(actual / given.point)) / given.scale
        error = abs(math.log((actual - fixed) / (given.point - fixed)))
        for group in groups:
            self._scores.add(group, score)
        for key in keys:
            self._ratios.add(key, math.log((actual - fixed) / raw))
            self._errors.add(key, error)
        self.outcomes += 1

    def dumps(self) -> str:
        """The calibration as text: equal calibrations give equal texts."""
        document = {
            'format_version': FORMAT_VERSION,
            'level': self.level,
            'outcomes': self.outcomes,
            'ratios': self._ratios.of,
            'errors': self._errors.of,
            'scores': self._scores.of,
            'miss': self._miss,
        }
        return json.dumps(document, allow_nan=False, indent=1) + '\n'

    @classmethod
    def loads(cls, text: str) -> 'Calibration':
        """Read a calibration from its text.

        :raises errors.InputError: it cannot be used; says where
        """
        found = _document(text)
        out = cls(_number(found, 'level', 0.5, 1.0))
        out.outcomes = int(_number(found, 'outcomes', 0, 1e15))
        for recent, name, least in (
            (out._ratios, 'ratios', -MOST),
            (out._errors, 'errors', 0.0),
            (out._scores, 'scores', 0.0),
        ):
            for key, values in _table(found, name).items():
                place = f'{name}[{key!r}]'
                recent.of[key] = _numbers(values, place, least)
                recent.of[key] = recent.of[key][-recent.window :]
        misses = _table(found, 'miss')
        out._miss = {
            key: _number(misses, key, LEAST_MISS, MOST_MISS) for key in misses
        }
        return out


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise errors.InputError('must be finite and above 0', name)


def _document(text: str) -> dict[str, object]:
    members = {
        'format_version', 'level', 'outcomes', 'ratios', 'errors', 'scores',
        'miss',
    }  # fmt: skip
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise errors.InputError(
            f'the calibration is not JSON: {str(error)[:80]}'
        ) from None
    if not isinstance(found, dict) or set(found) != members:
        raise errors.InputError(
            'the calibration must be an object with exactly the members '
            + ', '.join(sorted(members))
        )
    if found['format_version'] != FORMAT_VERSION:
        raise errors.InputError(
            f'this release reads {FORMAT_VERSION}; remove the file, and the '
            'calibration starts again',
            'format_version',
        )
    return found


def _table(found: dict[str, object], name: str) -> dict[str, object]:
    table = found[name]
    if not isinstance(table, dict) or len(table) > MAX_KEYS:
        raise errors.InputError(
            f'must be an object of at most {MAX_KEYS} members', name
        )
    return table


def _number(
    found: dict[str, object], name: str, low: float, high: float
) -> float:
    value = found[name]
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not low <= value <= high
    ):
        raise errors.InputError(f'must be in [{low:g}, {high:g}]', name)
    return float(value)


def _numbers(values: object, place: str, least: float) -> list[float]:
    if not isinstance(values, list) or not values:
        raise errors.InputError('must be a list of numbers', place)
    table: dict[str, object] = {
        f'{place}[{i}]': value for i, value in enumerate(values)
    }
    return [_number(table, name, least, MOST) for name in table]
