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
import json
import re
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import fault_bed
from benchmarks.fault_cells import Cell
from benchmarks.fault_table import FAULTS
from benchmarks.fault_values import End
from benchmarks.fault_values import Fault
from watcher_tsmig import errors

# Plans side by side; more only wait for the same processor.
AT_ONCE = 8
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
    """Whether it is told why a VM did not reach its destination."""
    found = row['vms'][vm]
    if found['end'] == End.ARRIVED:
        return True
    said = ' '.join(filter(None, (*found['says'], row['says'])))
    wanted = fault.says if struck else '.'
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


def blocks(faults: Sequence[Fault]) -> list[list[list[Fault]]]:
    """Waves of faults side by side, by the bed that they may share.

    Who strikes the whole cloud has a bed for himself.
    """
    rest = sorted((f for f in faults if not f.alone), key=lambda f: f.spoils)
    waves = [rest[i : i + AT_ONCE] for i in range(0, len(rest), AT_ONCE)]
    alone = [[[f]] for f in faults if f.alone and not f.killed]
    killed = [[f] for f in faults if f.killed]
    return [block for block in (waves, *alone, killed) if block]


def cells(waves: Sequence[Sequence[Fault]]) -> list[Cell]:
    """As many as the widest of these waves needs."""
    return [
        Cell(f'{"w" if writer else "c"}{n:02}', writer)
        for writer in (False, True)
        for n in range(
            max(sum(f.writer is writer for f in wave) for wave in waves)
        )
    ]


def run(waves: Sequence[Sequence[Fault]]) -> list[dict[str, Any]]:
    """The rows of these waves; a bed that is spoilt is followed by another."""
    rows: list[dict[str, Any]] = []
    left = list(waves)
    while left:
        apart = any(fault.killed for fault in left[0])
        with fault_bed.bed(cells(left), apart=apart) as bed:
            while left and (runs := bed.seat(left[0])) is not None:
                rows += _wave(bed, runs)
                left.pop(0)
    return rows


def _wave(
    bed: fault_bed.Bed, runs: Sequence[fault_bed.Run]
) -> list[dict[str, Any]]:
    times = [time.monotonic()]
    for step in (bed.audit, bed.go, bed.rest):
        step(runs)
        times.append(time.monotonic())
    rows = []
    for one in runs:
        row = bed.row(one)
        row['wrong'] = {k: n for k, n in judge(one.fault, row).items() if n}
        rows.append(row)
    bed.tidy(runs)
    took = [b - a for a, b in zip(times, times[1:], strict=False)]
    print(
        f'{len(runs)} more: audits {took[0]:.0f} s, plans {took[1]:.0f} s, '
        f'rest {took[2]:.0f} s',
        file=sys.stderr,
    )
    return rows


def report(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is printed."""
    return {
        'faults': len(rows),
        'totals': {
            name: sum(row['wrong'].get(name, 0) for row in rows)
            for name in TOTALS
        },
        'rows': list(rows),
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.faults',
        description='Let things go wrong while plans are carried out.',
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
    faults = [
        f
        for f in FAULTS
        if not args.only or any(name in f.name for name in args.only)
    ]
    if args.list:
        print('\n'.join(f.name for f in faults))
        return 0
    try:
        if not faults:
            raise errors.InputError('no fault has it in its name', '--only')
        rows = [row for waves in blocks(faults) for row in run(waves)]
        found = report(rows)
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(json.dumps(found, indent=1))
    return int(any(found['totals'].values()))


if __name__ == '__main__':
    sys.exit(main())
