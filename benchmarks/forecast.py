"""How good and how fast the forecast is, against real migrations.

    python -m benchmarks.forecast --data DIR [--calibrate DIR2]

Reads the data sets that are in DIR and prints one JSON object: per data set
and predictor, `zero_shot` (nothing of the data set seen) and `online` (only
earlier rows, and those of DIR2). A data set that is not there is reported
as absent. Speed is the best of some repetitions, as profilers take it.
"""

import argparse
import json
import pathlib
import sys
import time
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from benchmarks import grid5000
from benchmarks import grid5000_report
from benchmarks import qemu_postgres
from benchmarks import qemu_report
from benchmarks import qemu_sysbench
from benchmarks import qemu_sysbench_report
from benchmarks import vmotion
from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

#: Name in the JSON -> how to read it, how to report it.
DATA_SETS = {
    'grid5000': (grid5000.load, grid5000_report.report),
    'qemu_postgres': (qemu_postgres.load, qemu_report.report),
    'qemu_sysbench': (qemu_sysbench.load, qemu_sysbench_report.report),
    'vmotion': (vmotion.load, vmotion.report),
}
MANY = 10_000
REPEATS = 5
# One forecast is timed in batches of so many, or the clock would be timed.
BATCH = 200


def _fleet(n: int) -> list[WorkingSet]:
    """Invented working sets of six samples each; some do not converge."""
    random = np.random.default_rng(5)
    out = []
    for gib, rate in zip(
        random.uniform(1, 64, n), random.uniform(1, 1200, n), strict=True
    ):
        resident = gib * units.GIB
        out.append(
            WorkingSet(
                resident=resident,
                samples=tuple(
                    (t, min(rate * units.MIB * t**0.7, resident))
                    for t in (0.1, 0.5, 1.0, 2.0, 8.0, 30.0)
                ),
            )
        )
    return out


def _best(call: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest call."""
    best = float('inf')
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


def speed() -> dict[str, object]:
    """How long forecasts take here."""
    working_sets = _fleet(MANY)
    curves = fit(working_sets)
    bandwidth = np.full(MANY, units.from_mbit_s(10_000))
    rules = Rules()
    one: Curves = curves.take([0])
    ends = pre_copy(curves, bandwidth, rules).converges

    def batch() -> None:
        for _ in range(BATCH):
            pre_copy(one, bandwidth[:1], rules)

    def many() -> object:
        return pre_copy(curves, bandwidth, rules)

    return {
        'one_forecast_us': round(_best(batch, REPEATS) / BATCH * 1e6, 1),
        'vms': MANY,
        'vms_converging': int(ends.sum()),
        'vector_forecast_s': round(_best(many, REPEATS), 4),
        'curves_fit_s': round(_best(lambda: fit(working_sets), 1), 4),
    }


def measure(
    data: pathlib.Path, calibrate: pathlib.Path | None
) -> dict[str, object]:
    """Everything but the speed.

    :raises errors.InputError: a folder or a file cannot be used
    """
    for folder in filter(None, (data, calibrate)):
        if not folder.is_dir():
            raise errors.InputError('is not a folder', str(folder))
    out: dict[str, object] = {}
    for name, (load, report) in DATA_SETS.items():
        rows = load(data)
        before = load(calibrate) if calibrate else None
        if not rows:
            out[name] = {'absent': True}
            continue
        out[name] = {
            'rows': len(rows),
            'calibrated_on': len(before or ()),
            **report(rows, before),
        }
    return out


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.forecast',
        description='Forecast real migrations and say how far off it was.',
    )
    out.add_argument('--data', type=pathlib.Path, required=True)
    out.add_argument(
        '--calibrate',
        type=pathlib.Path,
        help='folder of the same format, seen before the first row (online)',
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object."""
    args = parser().parse_args(argv)
    try:
        found = measure(args.data, args.calibrate)
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(json.dumps({**found, 'speed': speed()}, indent=1, allow_nan=False))
    return 0


if __name__ == '__main__':
    sys.exit(main())
