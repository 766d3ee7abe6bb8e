"""The Grid'5000 data set's part of the forecast benchmark.

Walks the rows in file order: forecast, score, and learn from each outcome
only once it is known. An outcome is known to rows of other runs, and within
a run to rows that start after its end.
"""

import dataclasses
import math
from collections.abc import Hashable
from collections.abc import Iterable

import numpy as np

from benchmarks import scores
from benchmarks.grid5000 import OURS
from benchmarks.grid5000 import Flights
from benchmarks.grid5000 import Row
from benchmarks.grid5000 import alone
from benchmarks.grid5000 import raw_forecasts
from watcher_tsmig.forecast.baselines import FloatArray
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.forecast.learned.conformal import Interval

# Comparators stay as published: only their interval learns.
PLAIN = ('pre_copy',)
NOTE = (
    'Zero-shot: memory in MiB, path bandwidth, 1460 of 1538 bytes of a frame, '
    'the documented writer, and a fluid model of the NICs with what is in '
    'flight at the start. No downtime limit is documented: ours takes the '
    "writer's period of 2 s; ours_qemu_default_limit is the same with QEMU's "
    'default of 0.3 s.'
)


def _groups(known: bool) -> tuple[str, ...]:
    kind = 'known' if known else 'new'
    return (f'pre_copy {kind}', 'pre_copy')


@dataclasses.dataclass(frozen=True, slots=True)
class _Flight:
    """A forecast row whose outcome is not known yet."""

    i: int
    keys: tuple[str, ...]
    groups: tuple[str, ...]
    given: dict[str, Interval]


class Online:
    """Ours and comparators, each taught by what has ended before."""

    def __init__(self) -> None:
        self.calibrations: dict[str, Calibration] = {}
        self.known: set[str] = set()
        self.fit: list[tuple[float, float]] = []

    def run(self, rows: list[Row]) -> dict[str, list[scores.Score]]:
        """Forecast each row by what is known when it starts."""
        raw = raw_forecasts(rows)
        flights = Flights(rows, alone(rows, OURS))
        out: dict[str, list[scores.Score]] = {n: [] for n in raw}
        out['linear_fit'] = []
        waiting: list[_Flight] = []
        for i, row in enumerate(rows):
            for flight in waiting:
                if _ended(rows[flight.i], row):
                    self._learn(rows, raw, flight)
            waiting = [f for f in waiting if not _ended(rows[f.i], row)]
            keys = flights.keys(i)
            groups = _groups(keys[-1] in self.known)
            given = self._forecast(keys, groups, raw, i)
            line = self._line(row)
            if line is not None:
                given['linear_fit'] = self._calibration('linear_fit').forecast(
                    line, (), PLAIN
                )
            for name, interval in given.items():
                out[name].append(scores.Score(row.duration, interval))
            waiting.append(_Flight(i, keys, groups, given))
        for flight in waiting:
            self._learn(rows, raw, flight)
        return out

    def _calibration(self, name: str) -> Calibration:
        return self.calibrations.setdefault(name, Calibration())

    def _forecast(
        self,
        keys: tuple[str, ...],
        groups: tuple[str, ...],
        raw: dict[str, FloatArray],
        i: int,
    ) -> dict[str, Interval]:
        return {
            name: self._calibration(name).forecast(
                float(points[i]),
                keys if name == 'ours' else (),
                groups if name == 'ours' else PLAIN,
            )
            for name, points in raw.items()
            if math.isfinite(points[i])
        }

    def _learn(
        self, rows: list[Row], raw: dict[str, FloatArray], of: '_Flight'
    ) -> None:
        row = rows[of.i]
        for name, interval in of.given.items():
            self._calibration(name).learn(
                float(raw[name][of.i]) if name in raw else interval.point,
                row.duration,
                of.keys if name == 'ours' else (),
                of.groups if name == 'ours' else PLAIN,
                interval,
            )
        self.known.add(of.keys[-1])
        self.fit.append((row.memory / row.bandwidth, row.duration))

    def _line(self, row: Row) -> float | None:
        """a + b memory/bandwidth, least squares over what has ended."""
        if len({x for x, _ in self.fit}) < 2:
            return None
        points = np.array(self.fit)
        slope, start = np.polyfit(points[:, 0], points[:, 1], 1)
        found = float(start + slope * row.memory / row.bandwidth)
        return found if found > 0 else None


def _ended(before: Row, now: Row) -> bool:
    same = (before.instance, before.run) == (now.instance, now.run)
    return not same or before.end <= now.start


def report(rows: list[Row], before: list[Row] | None) -> dict[str, object]:
    """The data set's part of the benchmark's JSON."""
    fresh = Calibration()
    out: dict[str, object] = {}
    zero = {
        name: [
            scores.Score(r.duration, fresh.forecast(float(p), (), ()))
            for r, p in zip(rows, points, strict=True)
            if math.isfinite(p)
        ]
        for name, points in raw_forecasts(rows).items()
    }
    online = Online()
    if before:
        online.run(before)
    taught = online.run(rows)
    for name in dict.fromkeys((*zero, *taught)):
        out[name] = {
            'zero_shot': _entry(zero.get(name, []), rows),
            'online': _entry(taught.get(name, []), rows),
        }
    out['noise_floor'] = noise(rows)
    out['note'] = NOTE
    return out


def _entry(found: list[scores.Score], rows: list[Row]) -> dict[str, object]:
    return {
        **scores.summary(found),
        'no_forecast': len(rows) - len(found),
    }


def noise(rows: Iterable[Row]) -> dict[str, object]:
    """How far repeated runs of one schedule are from each other."""
    groups: dict[Hashable, list[float]] = {}
    for row in rows:
        groups.setdefault(row.identity, []).append(row.duration)
    return scores.floor(groups)
