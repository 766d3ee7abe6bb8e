"""Hosts that are emptied while hosts fail, fill and are drained by others.

    python -m benchmarks.healing --seed 1

Draws clouds, and what befalls each while a host of it is emptied (see
healing_clouds.py), and empties the host by our plan, by the same plan without
other destinations and last look, and by Watcher's host_maintenance, on a
simulated Nova. Prints one JSON object: in `rows` what came of each host, in
`totals` for each way the share of hosts that were empty in the end, of those
for which there was room (healing_room.py), the time beside that of our plan,
how many were said to be empty and were not, and VMs in ERROR or lost.
Invented, with the seed: all of it.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import healing_clouds
from benchmarks.healing_clouds import Case
from benchmarks.healing_clouds import Kind
from benchmarks.healing_nova import Befallen
from benchmarks.healing_room import emptiable
from benchmarks.healing_ways import WAYS
from benchmarks.healing_ways import Drained
from benchmarks.healing_ways import carried_out
from watcher_tsmig import errors

OURS = 'ours'
# So many clouds are done before it is told.
EVERY = 10
Figures = dict[str, Any]


def compare(case: Case, number: int) -> list[Figures]:
    """One row for each host of the case that was to be emptied."""
    found = {name: carried_out(case, way) for name, way in WAYS.items()}
    ways = {
        name: {drained.host: drained for drained in all_drained}
        for name, (all_drained, _) in found.items()
    }
    rows = []
    for host, why_not in emptiable(case).items():
        planned = ways[OURS][host].planned
        mine = {name: row(by[host], planned) for name, by in ways.items()}
        if host == case.host:
            for name, (_, sim) in found.items():
                mine[name] |= harm(case, sim)
        rows.append(
            {
                'cloud': number,
                'host': host,
                'room': not why_not,
                'why_not': why_not,
                'befell': [e.kind.name.lower() for e in case.events],
                'planned_s': _short(planned),
                'ways': mine,
            }
        )
    return rows


def row(found: Drained, planned: float | None) -> Figures:
    """What came of one host by one way.

    :param planned: what our plan said, s
    """
    return {
        'emptied': found.emptied,
        'said_empty': found.said,
        'took_s': _short(found.took),
        'of_planned': _short(found.took / planned) if planned else None,
        'left': list(found.left),
    }


def harm(case: Case, sim: Befallen) -> Figures:
    """VMs in ERROR, and those that are no more though nobody deleted them."""
    gone = {e.vm for e in case.events if e.kind is Kind.DELETED}
    return {
        'in_error': sum(s.vm_state == 'error' for s in sim.servers.values()),
        'lost': sum(
            vm.id not in sim.servers and vm.id not in gone
            for vm in case.cloud.vms
        ),
    }


def total(rows: Sequence[Figures], name: str) -> Figures:
    """The figures of one way, over all rows."""
    every = [(each['room'], each['ways'][name]) for each in rows]
    with_room = [found for room, found in every if room]
    emptied = [found for found in with_room if found['emptied']]
    times = [f['of_planned'] for f in emptied if f['of_planned'] is not None]
    said = [found for _, found in every if found['said_empty']]
    return {
        'with_room': len(with_room),
        'emptied': len(emptied),
        'emptied_share': _share(len(emptied), len(with_room)),
        'emptied_without_room': sum(
            found['emptied'] for room, found in every if not room
        ),
        'of_planned_median': _quantile(times, 50),
        'of_planned_p90': _quantile(times, 90),
        'reported_empty_but_not': sum(not found['emptied'] for found in said),
        'vms_in_error': sum(found.get('in_error', 0) for _, found in every),
        'vms_lost': sum(found.get('lost', 0) for _, found in every),
    }


def _share(part: int, whole: int) -> float | None:
    return _short(part / whole) if whole else None


def _quantile(values: Sequence[float], percent: float) -> float | None:
    return _short(float(np.percentile(values, percent))) if values else None


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.healing',
        description='Empty hosts of clouds that things befall meanwhile.',
    )
    out.add_argument('--seed', type=int, default=1)
    out.add_argument('--clouds', type=int, default=110)
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; 0 unless the input is bad."""
    args = parser().parse_args(argv)
    # what goes wrong is what is looked at here
    logging.getLogger('watcher_tsmig').setLevel(logging.CRITICAL)
    rows: list[Figures] = []
    try:
        if args.clouds < 1 or args.seed < 0:
            raise errors.InputError('is too small', '--clouds or --seed')
        for number in range(args.clouds):
            rows += compare(healing_clouds.draw(args.seed, number), number)
            if not (number + 1) % EVERY:
                print(f'{number + 1} clouds done', file=sys.stderr)
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    found = {name: total(rows, name) for name in WAYS}
    print(json.dumps({**vars(args), 'totals': found, 'rows': rows}, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main())
