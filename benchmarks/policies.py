"""Our policies against what others do, on clouds from a trace.

    python -m benchmarks.policies --data DIR

Drains hosts of clouds made from the GWA-T-12 "Bitbrains" trace (see
clouds.py and policy_cells.py) by our policies and by the baselines, all to
the same destinations, and replays every plan in the fluid model with the
trace's later traffic and with working sets that differ from those that the
planner was told. Prints one JSON object: for each cell and policy the
figures, and whether ours is first by that policy's own price.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
from collections.abc import Sequence

from benchmarks import clouds
from benchmarks import policy_cells
from benchmarks.policy_cells import Cell
from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.model.rules import NOVA
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.simulate import Replayed
from watcher_tsmig.simulate import baselines
from watcher_tsmig.simulate import replay
from watcher_tsmig.simulate.mvm import mvm

ARRAYS = (*clouds.ARRAYS, 'mem_used_kB', 'cpu_pct')
PARALLELISMS = (2, 4, 8)
# A replay is given up after a day: by then Nova has ended what never ends.
PATIENCE = 86400.0
# Scores nearer than this are the same: first together.
TIE = 1e-3
OURS = 'ours'
RISK = Request(hosts=('any',)).risk(0)

HARM = (
    'VM-seconds: seconds that VMs stood or hardly served, plus for each VM '
    'the bytes that migrations kept from its applications (lost on full '
    'NICs, less what had been lost without migrations) divided by its mean '
    'traffic, and for each switch to post-copy, and again for each minute '
    'after it, the expected cost of losing the VM to a failing network '
    f'({RISK:.2f} VM-seconds: one in ten thousand, four hours to restore); a '
    'VM that lost a tenth of its traffic for 100 s counts like one that '
    'stood for 10 s'
)

PRICES = {
    name: f'{row.urgency:g} * (makespan_s + toll_s) + harm_vm_s'
    for name, row in policies.POLICIES.items()
}


def price(policy: str, found: dict[str, float]) -> float:
    """What a replay cost by the policy's weights, in VM-seconds."""
    urgency = policies.POLICIES[policy].urgency
    whole = found['makespan_s'] + found['toll_s']
    return urgency * whole + found['harm_vm_s']


def tolled(
    candidates: dict[str, dict[str, float]],
    pre: dict[str, float],
    needed: float,
) -> dict[str, dict[str, float]]:
    """The figures with what needless switches should have saved, s.

    As the planner has it: each a share of the whole that pre-copies take,
    where VMs converge; so many do as the plan of pre-copies moved.

    :param pre: the figures of that plan
    :param needed: switches that the gentlest of ours makes: of VMs whose
        pre-copy may be late or never end
    """
    toll = Request(hosts=('any',)).post_copy_saves * pre['planned_s']

    def needless(found: dict[str, float]) -> float:
        stay = pre['unfinished'] - found['unfinished']
        return max(found['post_copies'] - max(stay, needed), 0)

    return {
        name: {**found, 'toll_s': round(toll * needless(found), 3)}
        for name, found in candidates.items()
    }


def figures(found: Replayed) -> dict[str, float]:
    """What a replay cost; VMs that did not get there are counted."""
    lost = sum(
        s.contended / s.asked * found.ended
        for s in found.services.values()
        if s.asked > 0
    )
    return {
        'makespan_s': round(found.ended, 3),
        'data_gib': round(found.data / units.GIB, 3),
        'lost_gib': round(found.contended / units.GIB, 6),
        'lost_share': round(found.contended / max(found.asked, 1.0), 9),
        'lost_vm_s': round(lost, 3),
        'outage_s': round(found.outage, 3),
        'worst_downtime_s': round(found.worst_downtime, 3),
        'unfinished': len(found.unfinished),
    }


def played(cell: Cell, plan: Plan, moving: int) -> dict[str, float]:
    """The figures of a plan; who was left out did not get there."""
    rules = dataclasses.replace(
        NOVA, downtime_limit=plan.request.downtime_limit
    )
    found = replay(
        cell.truth,
        plan,
        rules=rules,
        traffic=cell.traffic,
        patience=PATIENCE,
    )
    out = figures(found)
    out['unfinished'] += moving - len(plan.migrations)
    out['post_copies'] = plan.post_copies
    harm = out['lost_vm_s'] + out['outage_s']
    harm += sum(
        plan.request.risk(done.split)
        for done in found.done.values()
        if done.split
    )
    out['harm_vm_s'] = round(harm, 3)
    out['planned_s'] = round(plan.makespan, 3)
    return out


def _others(
    cell: Cell, request: Request, destinations: dict[str, str]
) -> dict[str, Plan]:
    given = cell.told, request, destinations
    out = {'nova default': baselines.nova_default(*given)}
    for k in PARALLELISMS:
        out[f'parallelism {k}'] = baselines.fixed_parallelism(*given, k=k)
    out['watcher weight planner'] = baselines.watcher_weight(*given)
    out['static choice'] = baselines.static_choice(*given)
    out['mvm'] = mvm(*given)
    return out


def judge(
    policy: str, candidates: dict[str, dict[str, float]]
) -> dict[str, object]:
    """Where ours is among the candidates, by the policy's price.

    Who leaves fewer VMs where they were is better, whatever the rest.
    """
    scores = {
        name: (found['unfinished'], price(policy, found))
        for name, found in candidates.items()
    }
    mine = scores[OURS]
    better = [
        name
        for name, (stay, score) in scores.items()
        if (stay, score * (1 + TIE)) < mine
    ]
    best = min(
        (name for name in scores if name != OURS), key=lambda n: scores[n]
    )
    return {
        'first': not better,
        'rank': 1 + len(better),
        'score': round(mine[1], 3),
        'best_other': best,
        'best_other_score': round(scores[best][1], 3),
        'best_other_unfinished': scores[best][0],
        'better': sorted(better, key=lambda n: scores[n]),
    }


def _shortest(
    mine: dict[str, float], candidates: dict[str, dict[str, float]]
) -> bool:
    """Whether none that moves as many ended sooner, whatever it cost."""
    return all(
        mine['makespan_s'] <= found['makespan_s'] * (1 + TIE)
        for found in candidates.values()
        if found['unfinished'] <= mine['unfinished']
    )


def compare(cell: Cell) -> dict[str, object]:
    """All policies and all baselines in one cell."""
    plans = {
        name: make_plan(
            cell.told, policies.request(name, hosts=cell.drained), NOVA
        )
        for name in policies.NAMES
    }
    any_plan = plans[policies.DEFAULT]
    moving = len(any_plan.migrations) + len(any_plan.left_out)
    destinations = {
        m.vm: m.destination
        for plan in (*plans.values(), any_plan)
        for m in plan.migrations
    }
    others = {
        name: played(cell, plan, moving)
        for name, plan in _others(cell, any_plan.request, destinations).items()
    }
    out: dict[str, object] = {'vms': moving, 'baselines': others}
    needed = plans[policies.NAMES[0]].post_copies
    for name, plan in plans.items():
        own = {OURS: played(cell, plan, moving)}
        for mode in Mode:
            forced = make_plan(
                cell.told,
                dataclasses.replace(plan.request, only_mode=mode),
                NOVA,
            )
            own[f'all {mode}'] = played(cell, forced, moving)
        pre = own[f'all {Mode.PRE_COPY}']
        every = tolled({**others, **own}, pre, needed)
        verdict = judge(name, every)
        verdict['shortest'] = _shortest(own[OURS], every)
        out[name] = {**verdict, 'figures': own}
    return out


def cells(args: argparse.Namespace) -> list[dict[str, object]]:
    """Every cell that was asked for, compared."""
    arrays = clouds.trace(args.data, ARRAYS)
    epochs = args.at
    if not epochs:
        times = arrays['epoch_s']
        epochs = [times[len(times) * k // 4] for k in (1, 2, 3)]
    out = []
    for at in epochs:
        for gbit_s in args.nic_gbit_s:
            for scale in args.traffic_scale:
                column = clouds.at_epoch(arrays, at)
                built = policy_cells.cell(
                    arrays,
                    column,
                    hosts=args.hosts,
                    drain=args.drain,
                    nic=units.from_mbit_s(gbit_s * 1000),
                    traffic_scale=scale * gbit_s,
                    seed=args.seed,
                )
                asked = {
                    'taken_at': built.told.taken_at,
                    'nic_gbit_s': gbit_s,
                    'traffic_scale': scale * gbit_s,
                }
                out.append({**asked, **compare(built)})
                print(f'{len(out)} cells done', file=sys.stderr)
    return out


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.policies',
        description='Replay our policies and others on clouds from a trace.',
    )
    out.add_argument('--data', type=pathlib.Path, required=True)
    out.add_argument('--hosts', type=int, default=40)
    out.add_argument('--drain', type=int, default=8)
    out.add_argument(
        '--at',
        type=float,
        nargs='+',
        help='instants, seconds since the epoch; default: a quarter, a half '
        'and three quarters of the trace',
    )
    out.add_argument(
        '--nic-gbit-s', type=float, nargs='+', default=[1.0, 10.0]
    )
    out.add_argument(
        '--traffic-scale',
        type=float,
        nargs='+',
        default=[30.0, 100.0],
        help="the trace's traffic is multiplied by it, for each Gbit/s of "
        'the NICs',
    )
    out.add_argument('--seed', type=int, default=0)
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; 0 unless the input is bad."""
    args = parser().parse_args(argv)
    try:
        if not 1 <= args.drain < args.hosts:
            raise errors.InputError(
                'must be at least 1, below --hosts', '--drain'
            )
        if min(args.nic_gbit_s) <= 0 or min(args.traffic_scale) < 0:
            raise errors.InputError('must be positive', '--nic-gbit-s')
        found = cells(args)
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    report = {
        'hosts': args.hosts,
        'drain': args.drain,
        'seed': args.seed,
        'price': PRICES,
        'harm_vm_s': HARM,
        'writing': policy_cells.WRITING,
        'wrong': dataclasses.asdict(policy_cells.NOISE),
        'first': {
            name: f'{sum(bool(c[name]["first"]) for c in found)} of '  # type: ignore[index]
            f'{len(found)}'
            for name in policies.NAMES
        },
        'cells': found,
    }
    print(json.dumps(report, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main())
