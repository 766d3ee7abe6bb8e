"""What plans end with when something goes wrong, for each fault and step.

    python -m benchmarks.faults

Runs every fault of the table (fault_table.py) against a simulated cloud
behind the real HTTP APIs, with a real Watcher in front of it: a plan for each
fault, several side by side on hosts of their own. Prints one JSON object: per
fault the end of every VM and what Watcher tells of it, and what must not be
under `totals`. 1 where anything of that is not 0.
"""

import argparse
import collections
import contextlib
import importlib
import json
import re
import sys
import time
import types
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from benchmarks.fault_places import left_out
from benchmarks.fault_runs import Bed
from benchmarks.fault_runs import Run
from benchmarks.fault_table import FAULTS
from benchmarks.fault_values import End
from benchmarks.fault_values import Fault
from watcher_tsmig import errors

# By the cloud that it is in: `bed`, and which faults may share one, `blocks`.
BEDS = {'playground': 'fault_bed', 'mini': 'fault_mini'}
TOTALS = (
    'caps_left',
    'duplicate_starts',
    'hung',
    'unexplained',
    'reported_empty_but_not',
    'unexpected_ends',
    'not_struck',
)


def duplicates(tried: Sequence[str], failed: Sequence[str]) -> int:
    """Live migrations of a VM that were asked for once too often.

    To each destination one may be, and one more for each that failed there.
    """
    asked, allowed = collections.Counter(tried), collections.Counter(failed)
    return sum(
        max(times - 1 - allowed[host], 0) for host, times in asked.items()
    )


def explained(
    fault: Fault, struck: bool, row: dict[str, Any], vm: str
) -> bool:
    """Whether it is told why a VM did not reach its destination at once."""
    found = row['vms'][vm]
    if found['end'] == End.ARRIVED and 'FAILED' not in found['action']:
        return True
    said = ' '.join(filter(None, (*found['says'], row['says'])))
    wanted = fault.of.get(found['end'], fault.says) if struck else '.'
    return re.search(wanted, said, re.DOTALL) is not None


def judge(fault: Fault, row: dict[str, Any]) -> dict[str, int]:
    """How often each of TOTALS is true of a fault's row."""
    struck, other = row['vms']
    vms = row['vms'].values()
    empty = any(
        'is empty' in (said or '') and state == 'SUCCEEDED'
        for state, said in row['looks']
    )
    return {
        'caps_left': sum(vm['capped'] for vm in vms),
        'duplicate_starts': sum(
            duplicates(vm['tried'], vm['failed']) for vm in vms
        ),
        'hung': int(row['seconds'] is None),
        'unexplained': sum(
            not explained(fault, vm == struck, row, vm) for vm in row['vms']
        ),
        'reported_empty_but_not': int(
            empty and any(vm['there'] for vm in vms)
        ),
        'unexpected_ends': int(row['vms'][struck]['end'] not in fault.ends),
        'not_struck': sum(not times for times in row['struck']),
    }


def run(
    bed: types.ModuleType, waves: Sequence[Sequence[Fault]]
) -> Iterator[dict[str, Any]]:
    """The rows of these waves; a bed that is spoilt is followed by another."""
    left = list(waves)
    while left:
        with bed.bed(left) as made:
            while left and (runs := made.seat(left[0])) is not None:
                yield from _wave(made, runs)
                left.pop(0)


def tried(
    bed: types.ModuleType, faults: Sequence[Fault]
) -> list[dict[str, Any]]:
    """The rows of all of them, or of so many until somebody interrupts."""
    rows: list[dict[str, Any]] = []
    with contextlib.suppress(KeyboardInterrupt):
        for waves in bed.blocks(faults):
            rows.extend(run(bed, waves))
    return rows


def _wave(bed: Bed, runs: Sequence[Run]) -> list[dict[str, Any]]:
    times = [time.monotonic()]
    for step in (bed.audit, bed.go, bed.rest):
        step(runs)
        times.append(time.monotonic())
    rows = []
    for one in runs:
        row = bed.row(one)
        row['wrong'] = {k: n for k, n in judge(one.fault, row).items() if n}
        rows.append(row)
        wrong = json.dumps(row['wrong']) if row['wrong'] else 'as it should be'
        print(f'{one.fault.name}: {wrong}', file=sys.stderr)
    bed.tidy(runs)
    took = [b - a for a, b in zip(times, times[1:], strict=False)]
    print(
        f'{len(runs)} more: audits {took[0]:.0f} s, plans {took[1]:.0f} s, '
        f'rest {took[2]:.0f} s',
        file=sys.stderr,
    )
    return rows


def report(
    cloud: str, rows: Sequence[dict[str, Any]], left: dict[str, str]
) -> dict[str, Any]:
    """What is printed."""
    return {
        'cloud': cloud,
        'faults': len(rows),
        'totals': {
            name: sum(row['wrong'].get(name, 0) for row in rows)
            for name in TOTALS
        },
        'rows': list(rows),
        'left_out': left,
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.faults',
        description='Let things go wrong while plans are carried out.',
    )
    out.add_argument(
        '--cloud',
        choices=tuple(BEDS),
        default='playground',
        help='where: simulated, or the mini-cloud that is up (default: '
        'playground)',
    )
    out.add_argument('--list', action='store_true', help='only name them')
    out.add_argument(
        '--only',
        nargs='+',
        metavar='NAME',
        help='faults whose name has one of these in it',
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; 0 unless something must not be."""
    args = parser().parse_args(argv)
    chosen = [
        f
        for f in FAULTS
        if not args.only or any(name in f.name for name in args.only)
    ]
    reasons = {f.name: left_out(args.cloud, f) for f in chosen}
    left = {name: why for name, why in reasons.items() if why}
    faults = [f for f in chosen if f.name not in left]
    if args.list:
        print('\n'.join(f.name for f in faults))
        return 0
    try:
        if not faults:
            raise errors.InputError('no fault has it in its name', '--only')
        bed = importlib.import_module(f'benchmarks.{BEDS[args.cloud]}')
        found = report(args.cloud, tried(bed, faults), left)
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(json.dumps(found, indent=1))
    return int(any(found['totals'].values()))


if __name__ == '__main__':
    sys.exit(main())
