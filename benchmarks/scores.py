"""How far forecasts were from what happened, as figures for a report.

Only arithmetic on pairs of forecast and outcome, and the reading of CSV
files into rows that say what is wrong with them.
"""

import csv
import dataclasses
import gzip
import math
import pathlib
import statistics
import zlib
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from watcher_tsmig import errors
from watcher_tsmig.forecast.learned.conformal import Interval

DIGITS = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """One forecast and what happened, in the same unit."""

    actual: float
    given: Interval

    @property
    def error(self) -> float:
        """Absolute error as a share of the actual value."""
        return abs(self.given.point / self.actual - 1)


def summary(scores: Sequence[Score]) -> dict[str, object]:
    """The figures of a report; errors and widths as fractions.

    Those of intervals are None where the predictor gives none.
    """
    if not scores:
        return {'n': 0}
    found = np.array([s.error for s in scores])
    quantiles = np.percentile(found, (50, 90, 99))
    out: dict[str, object] = {
        'n': len(scores),
        'mape': _short(float(found.mean())),
        'p50': _short(float(quantiles[0])),
        'p90': _short(float(quantiles[1])),
        'p99': _short(float(quantiles[2])),
        'coverage90': None,
        'interval_width_median': None,
        'cold': sum(s.given.cold for s in scores),
    }
    if any(s.given.width > 0 for s in scores):
        out['coverage90'] = _short(
            statistics.fmean(s.given.covers(s.actual) for s in scores)
        )
        out['interval_width_median'] = _short(
            statistics.median(s.given.width for s in scores)
        )
    return out


def exactly(point: float) -> Interval:
    """A forecast by a model that gives no interval."""
    return Interval(low=point, point=point, high=point, scale=1.0, cold=True)


def floor(groups: dict[Hashable, list[float]]) -> dict[str, object]:
    """What no forecast can beat: repetitions against each other.

    Each outcome is forecast by the median of all other repetitions, the
    later ones too, which no forecaster has.

    :param groups: the outcomes of what was repeated unchanged
    """
    found = [
        abs(statistics.median(v[:i] + v[i + 1 :]) / v[i] - 1)
        for v in groups.values()
        if len(v) > 1
        for i in range(len(v))
    ]
    spread = [
        statistics.stdev(v) / statistics.fmean(v)
        for v in groups.values()
        if len(v) > 1
    ]
    if not found:
        return {'n': 0}
    return {
        'n': len(found),
        'mape': _short(statistics.fmean(found)),
        'p90': _short(float(np.percentile(found, 90))),
        'cv_median': _short(statistics.median(spread)),
        'cv_mean': _short(statistics.fmean(spread)),
    }


def _short(value: float) -> float | None:
    return round(value, DIGITS) if math.isfinite(value) else None


def read(path: pathlib.Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV file, gzipped where its name ends in .gz.

    :raises errors.InputError: it cannot be read or lacks a column
    """
    try:
        if path.suffix == '.gz':
            with gzip.open(path, 'rt', encoding='utf-8', newline='') as file:
                rows = list(csv.DictReader(file))
        else:
            with path.open(encoding='utf-8', newline='') as file:
                rows = list(csv.DictReader(file))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise errors.InputError(
            f'cannot be read: {error}', str(path)
        ) from error
    except csv.Error as error:
        raise errors.InputError(f'is not CSV: {error}', str(path)) from error
    missing = set(columns) - set(rows[0] if rows else columns)
    if missing:
        raise errors.InputError(
            f'lacks the columns {", ".join(sorted(missing))}', str(path)
        )
    return rows


def number(row: dict[str, str], column: str, place: str) -> float:
    """A finite number of a row, not negative.

    :raises errors.InputError: there is none
    """
    text = row[column]
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise errors.InputError(
            f'{str(text)[:40]!r} is not a number of at least 0',
            f'{place}.{column}',
        )
    return value


def positive(row: dict[str, str], column: str, place: str) -> float:
    """A finite number of a row, above 0.

    :raises errors.InputError: there is none
    """
    value = number(row, column, place)
    if value == 0:
        raise errors.InputError('must be above 0', f'{place}.{column}')
    return value
