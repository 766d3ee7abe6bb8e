"""What each part of the planner pays: the plans without it.

    python -m benchmarks.ablation --data DIR

Switches parts of the planner off one at a time (ablation_parts.py) and plans
drains of benchmarks.scale's racks, with their own traffic and with more, of
racks whose NICs are full, and of Bitbrains clouds (policy_cells.py; only
with --data), by three policies. Each plan is replayed in the fluid model and
judged by its policy's objective. Prints one JSON object: for each part its
lines, and for each policy the objective without the part, relative to that
of the whole planner (above 1: the part pays), and the time likewise.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
import sys
import time
from collections.abc import Iterator
from collections.abc import Sequence

from benchmarks import clouds
from benchmarks import policies
from benchmarks import policy_cells
from benchmarks import scale
from benchmarks.ablation_parts import PARTS
from benchmarks.ablation_parts import Part
from benchmarks.ablation_parts import without
from benchmarks.policy_cells import Cell
from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Traffic
from watcher_tsmig.model.rules import NOVA
from watcher_tsmig.plan import policies as plan_policies
from watcher_tsmig.plan.make import make_plan

# Of how many VMs each of benchmarks.scale's hosts that are emptied has.
EACH = 5
# The busiest NIC's applications leave so little of it where it is full.
FULL = 0.95
# What nobody notices, in seconds: two objectives are compared beside it.
LEAST = 0.1
BITBRAINS = {'hosts': 20, 'drain': 4, 'traffic_scale': 30.0}
GBIT_S = 1000.0
POLICIES = plan_policies.NAMES
# (VMs that are not there in the end, the objective)
Score = tuple[int, float]


def objective(cell: Cell, policy: str) -> Score:
    """How good the plan for this cell is; less is better."""
    request = plan_policies.request(policy, hosts=cell.drained)
    plan = make_plan(cell.told, request, NOVA)
    moving = len(plan.migrations) + len(plan.left_out)
    found = policies.played(cell, plan, moving)
    price = policies.price(policy, {**found, 'toll_s': 0.0})
    return int(found['unfinished']), price


def _cell(built: Cloud, hosts: int) -> Cell:
    """The drain of its first half, of which the planner knows the truth."""
    names = tuple(host.name for host in built.hosts[: hosts // 2])
    return Cell(told=built, truth=built, traffic={}, drained=names)


def _times(built: Cloud, factor: float) -> Cloud:
    """With so many times the traffic."""
    return dataclasses.replace(
        built,
        vms=tuple(
            dataclasses.replace(
                vm,
                traffic=Traffic(
                    tx=factor * vm.traffic.tx, rx=factor * vm.traffic.rx
                ),
            )
            for vm in built.vms
            if vm.traffic
        ),
    )


def _full(built: Cloud) -> Cloud:
    """With links so small that the busiest NIC is full."""
    used = {host.name: 0.0 for host in built.hosts}
    for vm in built.vms:
        if vm.traffic:
            used[vm.host] += max(vm.traffic.tx, vm.traffic.rx)
    share = max(used.values()) / FULL / scale.NIC
    return dataclasses.replace(
        built,
        hosts=tuple(
            dataclasses.replace(
                host,
                nic=dataclasses.replace(
                    host.nic, capacity=share * host.nic.capacity
                ),
            )
            for host in built.hosts
            if host.nic
        ),
        links=tuple(
            dataclasses.replace(link, capacity=share * link.capacity)
            for link in built.links
        ),
    )


def cells(args: argparse.Namespace) -> Iterator[tuple[str, Cell]]:
    """(what it is, the cell) of all that were asked for."""
    for vms in args.vms:
        hosts = max(4, 2 * vms // EACH)
        for seed in range(args.seeds):
            built = scale.cloud(vms, hosts, seed)
            for factor in args.traffic:
                cell = _cell(_times(built, factor), hosts)
                yield f'{vms} VMs, traffic x{factor:g}, seed {seed}', cell
            cell = _cell(_full(built), hosts)
            yield f'{vms} VMs, full links, seed {seed}', cell
    if args.data is None:
        return
    arrays = clouds.trace(args.data, policies.ARRAYS)
    times = arrays['epoch_s']
    for gbit_s in args.nic_gbit_s:
        cell = policy_cells.cell(
            arrays,
            len(times) // 2,
            nic=units.from_mbit_s(gbit_s * GBIT_S),
            hosts=BITBRAINS['hosts'],
            drain=BITBRAINS['drain'],
            traffic_scale=BITBRAINS['traffic_scale'] * gbit_s,
            seed=0,
        )
        yield f'Bitbrains, {gbit_s:g} Gbit/s', cell


def _scored(cell: Cell, policy: str, part: Part | None) -> tuple[Score, float]:
    """(the score, CPU seconds)."""
    began = time.process_time()
    with without(part):
        score = objective(cell, policy)
    return score, time.process_time() - began


def _told(
    wholes: Sequence[tuple[Score, float]], parts: Sequence[tuple[Score, float]]
) -> dict[str, object]:
    """What a part pays by one policy, over all cells."""
    pairs = [
        (one[0], other[0]) for one, other in zip(wholes, parts, strict=True)
    ]
    ratios = [
        (other[1] + LEAST) / (one[1] + LEAST)
        for one, other in pairs
        if one[0] == other[0]
    ] or [1.0]
    spent = sum(cpu for _, cpu in wholes)
    return {
        'median': round(statistics.median(ratios), 4),
        'worst': round(max(ratios), 4),
        'best': round(min(ratios), 4),
        'worse_cells': sum(ratio > 1 + policies.TIE for ratio in ratios),
        'better_cells': sum(ratio < 1 - policies.TIE for ratio in ratios),
        'more_vms_stay': sum(other[0] - one[0] for one, other in pairs),
        'seconds': round(sum(cpu for _, cpu in parts) / spent, 3),
    }


def ablated(args: argparse.Namespace) -> dict[str, object]:
    """The report."""
    every = list(cells(args))
    parts = [p for p in PARTS if not args.part or p.name in args.part]
    out: dict[str, dict[str, object]] = {
        part.name: {'lines': part.lines} for part in parts
    }
    for policy in args.policy:
        wholes = [_scored(cell, policy, None) for _, cell in every]
        for part in parts:
            scores = [_scored(cell, policy, part) for _, cell in every]
            out[part.name][policy] = _told(wholes, scores)
            told = json.dumps(out[part.name][policy])
            print(f'{policy}, without {part.name}: {told}', file=sys.stderr)
    return {
        'cells': [name for name, _ in every],
        'price': policies.PRICES,
        'without': out,
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.ablation',
        description='Plan without one part of the planner after another.',
    )
    out.add_argument('--data', type=pathlib.Path)
    out.add_argument('--vms', type=int, nargs='+', default=[12, 40, 100])
    out.add_argument('--seeds', type=int, default=2)
    out.add_argument('--traffic', type=float, nargs='+', default=[1.0, 100.0])
    out.add_argument(
        '--nic-gbit-s', type=float, nargs='+', default=[1.0, 10.0]
    )
    out.add_argument(
        '--policy', nargs='+', choices=POLICIES, default=list(POLICIES)
    )
    out.add_argument(
        '--part', nargs='+', help='default: all, by the names in the report'
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; 0 unless the input is bad."""
    args = parser().parse_args(argv)
    names = {part.name for part in PARTS}
    try:
        if min(args.vms) < 1 or args.seeds < 1 or min(args.traffic) < 0:
            raise errors.InputError(
                'must be positive', '--vms, --seeds and --traffic'
            )
        for name in args.part or ():
            if name not in names:
                raise errors.InputError(
                    f'{name!r} is none of {sorted(names)}', '--part'
                )
        found = ablated(args)
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(json.dumps(found, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main())
