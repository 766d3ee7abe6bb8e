"""The forecast judged by real migrations of the laboratory.

    python -m benchmarks.lab --data DIR [--each]

Reads the recordings of DIR (benchmarks/recorded holds the committed ones)
and prints one JSON object: accuracy of total time, bytes and downtime by
mode, what was foretold of those that do not end, how often 90 % intervals
held, and the same for other measurements and for published models.
Accuracy is 1 - |forecast / actual - 1|.
"""

import argparse
import json
import math
import pathlib
import random
import statistics
import sys
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from benchmarks import lab_forecast
from benchmarks import lab_production
from benchmarks import lab_records
from benchmarks.lab_forecast import Told
from benchmarks.lab_records import MODES
from benchmarks.lab_records import Recorded
from watcher_tsmig import errors
from watcher_tsmig.forecast.baselines import BASELINES
from watcher_tsmig.forecast.learned.conformal import Calibration

DIGITS = 4
# What counts as a downtime that was foretold.
DOWNTIME_SECONDS, DOWNTIME_SHARE = 0.06, 0.25
# Intervals are learned online, in so many orders: the one in which the
# recordings were made has the same guest again and again.
ORDERS = 20


def accuracy(told: float, actual: float) -> float:
    """1 is right; not below 0."""
    if not math.isfinite(told):
        return 0.0
    return max(1 - abs(told / actual - 1), 0.0)


def _summary(values: Sequence[float]) -> dict[str, object]:
    if not values:
        return {'n': 0}
    return {
        'n': len(values),
        'mean': round(statistics.fmean(values), DIGITS),
        'p10': round(float(np.percentile(values, 10)), DIGITS),
        'least': round(min(values), DIGITS),
    }


def scores(
    pairs: Sequence[tuple[Recorded, Told]],
) -> dict[str, object]:
    """How well those that ended were foretold."""
    ended = [(r, t) for r, t in pairs if r.ended]
    near = [_near(t.downtime, r.downtime) for r, t in ended]
    return {
        'total_time': _summary([accuracy(t.total, r.total) for r, t in ended]),
        'bytes': _summary([accuracy(t.data, r.data) for r, t in ended]),
        'downtime_within': round(statistics.fmean(near), DIGITS)
        if near
        else None,
    }


def _near(told: float, actual: float) -> bool:
    off = abs(told - actual)
    return off <= max(DOWNTIME_SECONDS, DOWNTIME_SHARE * actual)


def divergence(pairs: Sequence[tuple[Recorded, Told]]) -> dict[str, object]:
    """Of pre-copies: what did not end, and what was said of it."""
    return {
        'did_not_end': sum(not r.ended for r, _ in pairs),
        'foretold': sum(not r.ended and not _ends(r, t) for r, t in pairs),
        'missed': [r.name for r, t in pairs if not r.ended and _ends(r, t)],
        'false_alarms': [
            r.name for r, t in pairs if r.ended and not _ends(r, t)
        ],
    }


def _ends(recorded: Recorded, told: Told) -> bool:
    """Whether it is foretold to end while it is waited for."""
    return told.total <= recorded.patience


def intervals(pairs: Sequence[tuple[Recorded, Told]]) -> dict[str, object]:
    """How often the 90 % interval of the total time held, online."""
    ended = [(r, t) for r, t in pairs if r.ended and t.ends]
    held: list[bool] = []
    widths: list[float] = []
    cold = 0
    for order in range(ORDERS):
        shuffled = list(ended)
        random.Random(order).shuffle(shuffled)
        known = Calibration()
        for recorded, told in shuffled:
            keys = (recorded.mode,)
            given = known.forecast(told.total, keys, ('all',))
            if given.cold:
                cold += 1
            else:
                held.append(given.covers(recorded.total))
                widths.append(given.width)
            known.learn(told.total, recorded.total, keys, ('all',), given)
    return {
        'n': len(held),
        'orders': ORDERS,
        'cold': cold,
        'coverage90': round(statistics.fmean(held), DIGITS) if held else None,
        'width_median': round(statistics.median(widths), DIGITS)
        if widths
        else None,
    }


def outages(pairs: Sequence[tuple[Recorded, Told]]) -> dict[str, object]:
    """The heartbeat's longest silence against what was foretold, s."""
    heard = [(r, t) for r, t in pairs if r.ended and r.outage]
    if not heard:
        return {'n': 0}
    return {
        'n': len(heard),
        'median': round(statistics.median(r.outage or 0 for r, _ in heard), 3),
        'longest': round(max(r.outage or 0 for r, _ in heard), 3),
        'foretold_median': round(
            statistics.median(t.outage for _, t in heard), 3
        ),
        'off_median': round(
            statistics.median(
                abs(t.outage - (r.outage or 0)) for r, t in heard
            ),
            3,
        ),
    }


def _published(recorded: Recorded, name: str) -> Told:
    found = BASELINES[name](lab_forecast.situation(recorded))
    return Told(
        total=float(found.time[0]),
        downtime=float(found.downtime[0]),
        outage=float(found.downtime[0]),
        data=float(found.data[0]),
    )


def _comparators(
    pre: Sequence[Recorded],
) -> dict[str, Callable[[Recorded], Told]]:
    out: dict[str, Callable[[Recorded], Told]] = {
        'migvisor': lab_forecast.seed
    }
    for name in BASELINES:
        out[name] = lambda r, name=name: _published(r, name)  # type: ignore[misc]
    if all(r.sampling for r in pre):
        out['ours, pages sampled'] = lambda r: lab_forecast.ours(r, 'sampled')
    out['ours, compared'] = lambda r: lab_forecast.ours(r, 'compared')
    return out


def by_agent(pre: Sequence[Recorded]) -> dict[str, object]:
    """What forecasts are worth that rest on what production can measure."""
    since = lab_production.since_measured(pre)
    out: dict[str, object] = {}
    for means in lab_production.means():
        if not all(means.measures(r) for r in pre):
            continue
        pairs = [(r, means.forecast(r)) for r in pre]
        ages = {
            name: [p for p in pairs if holds(since[p[0].name])]
            for name, holds in lab_production.AGES.items()
        }
        out[f'{means.method}, {means.rounds} times'] = {
            **scores(pairs),
            'divergence': divergence(pairs),
            'by_age': {
                name: scores(some)['total_time'] for name, some in ages.items()
            },
        }
    return out


def measure(recorded: Sequence[Recorded]) -> dict[str, object]:
    """The whole report.

    :raises errors.InputError: there is nothing to judge by
    """
    if not recorded:
        raise errors.InputError('holds no recording', '--data')
    pairs = [(r, lab_forecast.ours(r)) for r in recorded]
    pre = [(r, t) for r, t in pairs if r.mode == 'pre-copy']
    return {
        'migrations': len(recorded),
        'corrupted': sum(r.bad > 0 for r in recorded),
        **{
            mode: scores([(r, t) for r, t in pairs if r.mode == mode])
            for mode in MODES
        },
        'pre-copy by wire': {
            'capped': scores([(r, t) for r, t in pre if not r.link]),
            'shaped': scores([(r, t) for r, t in pre if r.link]),
        },
        'divergence': divergence(pre),
        'intervals': intervals(pairs),
        'outage': {
            mode: outages([(r, t) for r, t in pairs if r.mode == mode])
            for mode in MODES
        },
        'as an agent measures, pre-copy': by_agent([r for r, _ in pre]),
        'comparators, pre-copy': {
            name: {
                **scores([(r, tell(r)) for r, _ in pre]),
                'divergence': divergence([(r, tell(r)) for r, _ in pre]),
            }
            for name, tell in _comparators([r for r, _ in pre]).items()
        },
    }


def each(recorded: Sequence[Recorded]) -> list[dict[str, object]]:
    """Every migration with its forecast, for people."""
    rows = []
    for r in recorded:
        told = lab_forecast.ours(r)
        rows.append(
            {
                'name': r.name,
                'ended': r.ended,
                'total': [r.total, _finite(told.total)],
                'megabytes': [r.data / 1e6, _finite(told.data / 1e6)],
                'downtime': [r.downtime, _finite(told.downtime)],
                'outage': [r.outage, _finite(told.outage)],
                'faults': r.faults,
            }
        )
    return rows


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.lab',
        description='Judge the forecast by recorded real migrations.',
    )
    out.add_argument('--data', type=pathlib.Path, required=True)
    out.add_argument(
        '--each', action='store_true', help='list every migration, too'
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object."""
    args = parser().parse_args(argv)
    try:
        recorded = lab_records.load(args.data)
        found = measure(recorded)
        if args.each:
            found['each'] = each(recorded)
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(json.dumps(found, indent=1, allow_nan=False))
    return 0


if __name__ == '__main__':
    sys.exit(main())
