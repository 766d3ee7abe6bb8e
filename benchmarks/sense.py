"""What an experienced operator would want, and whether it is planned.

    python -m benchmarks.sense [--only WORDS] [--policy NAME]

Each sentence stands beside small clouds, all invented, on which its answer is
known. They are planned under each policy that the sentence names, judged by
the checker, and asked whether the sentence holds. Prints one JSON object:
sentences, and where one does not hold what was planned instead. The exit
code is 0 only if all hold. A sentence is never bent to a planner; one that
is wrong is put right with the reason in its words.
"""

import argparse
import json
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from benchmarks import sense_known
from benchmarks import sense_order
from benchmarks import sense_rooms
from benchmarks import sense_traffic
from benchmarks import sense_writing
from benchmarks.sense_cases import Case
from benchmarks.sense_cases import drained
from watcher_tsmig import units
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.values import Plan

CASES: tuple[Case, ...] = (
    *sense_writing.CASES,
    *sense_known.CASES,
    *sense_traffic.CASES,
    *sense_rooms.CASES,
    *sense_order.CASES,
)
# A planner, as `drained` is one.
Planner = Callable[..., Plan]


def asked(case: Case, policy: str, planner: Planner = drained) -> list[str]:
    """What was planned instead, a line for each cloud; empty if it holds."""
    made = case.made or planner
    plans = [made(cloud, policy, case.asked) for cloud in case.clouds]
    wrong = [
        f'refused by the checker: {said}'
        for cloud, plan in zip(case.clouds, plans, strict=True)
        # that nothing is to be done is no plan
        for said in (check(cloud, plan) if plan.migrations else ())
    ]
    if wrong:
        return wrong
    return [] if case.holds(*plans) else [told(plan) for plan in plans]


def told(plan: Plan) -> str:
    """The plan in a line."""
    moves = [
        f'{m.name} {m.mode} to {m.destination} at {m.start:.1f} s for '
        f'{m.takes:.1f} s with {units.to_mbit_s(m.cap):.0f} Mbit/s '
        f'[{m.reason}]'
        for m in plan.migrations
    ]
    stay = [f'{x.name} stays [{x.reason}]' for x in plan.left_out]
    return '; '.join([*moves, *stay]) or 'nothing'


def report(
    cases: Iterable[Case],
    names: Sequence[str] = policies.NAMES,
    planner: Planner = drained,
) -> dict[str, object]:
    """Every sentence, where it holds, and what was planned where not.

    :param names: of the policies to ask under, of those that each names
    """
    rows: list[dict[str, object]] = []
    fails = dict.fromkeys(names, 0)
    for case in cases:
        instead = {
            name: found
            for name in case.policies
            if name in names and (found := asked(case, name, planner))
        }
        for name in instead:
            fails[name] += 1
        row: dict[str, object] = {
            'sentence': case.sentence,
            'policies': [n for n in case.policies if n in names],
            'holds': not instead,
        }
        rows.append({**row, 'instead': instead} if instead else row)
    return {
        'sentences': rows,
        'asked': len(rows),
        'hold': sum(bool(row['holds']) for row in rows),
        'fail_by_policy': fails,
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.sense',
        description='Ask of the planner what an operator would want.',
    )
    out.add_argument('--only', default='', help='sentences with these words')
    out.add_argument(
        '--policy',
        choices=policies.NAMES,
        action='append',
        help='only under this one; may be repeated',
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; 0 only if every sentence holds."""
    args = parser().parse_args(argv)
    cases = [case for case in CASES if args.only in case.sentence]
    if not cases:
        print(f'error: no sentence has {args.only!r}', file=sys.stderr)
        return 1
    found = report(cases, args.policy or policies.NAMES)
    print(json.dumps(found, indent=1))
    return 0 if found['hold'] == found['asked'] else 1


if __name__ == '__main__':
    sys.exit(main())
