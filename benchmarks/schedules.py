"""Published relocation problems: how far from the bound, and from BtrPlace.

    python -m benchmarks.schedules --data DIR

Reads DIR/schedules/*.json.gz (or *.json): the problems of the mVM study,
with what BtrPlace reached on them. Each is solved twice, for the makespan
and for the sum of ends, and judged by plan/timetables.py. Prints one JSON
object. With --oracle, OR-Tools says of what is not proven whether the
timetable or the bound is off.
"""

import argparse
import collections
import dataclasses
import json
import math
import pathlib
import re
import sys
import time
from collections.abc import Sequence

from benchmarks import published
from watcher_tsmig import errors
from watcher_tsmig.plan.check import timetables
from watcher_tsmig.plan.schedule import bounds
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.timetable import Aim
from watcher_tsmig.plan.schedule.timetable import timetable

# More than the time mostly allows: the clock ends it.
EFFORT = 60_000
# What published problems are about; nothing in them says what harms.
AIMS = (Aim.MAKESPAN, Aim.ENDS)

Numbers = dict[str, object]


@dataclasses.dataclass(frozen=True, slots=True)
class Solved:
    """One problem, solved for both objectives; seconds, or None."""

    name: str
    tasks: int
    bound: float
    published_bound: float
    makespan: float
    sum_of_ends: float
    ends_bound: float
    sum_at_makespan: float
    seconds: float
    cpu_seconds: float
    left: int
    wrong: tuple[str, ...]
    btrplace: published.Reached | None
    oracle: tuple[float, float] | None


def solve(
    problem: published.Problem, seconds: float, objectives: Sequence[Aim]
) -> dict[Aim, tuple[Timetable, float, float]]:
    """A timetable for each objective, with its time and its CPU time."""
    found = {}
    for objective in objectives:
        began, began_cpu = time.perf_counter(), time.process_time()
        until = began + seconds

        def stop(until: float = until) -> bool:
            return time.perf_counter() >= until

        one = timetable(
            problem.tasks, objective=objective, effort=EFFORT, stop=stop
        )
        found[objective] = (
            one,
            time.perf_counter() - began,
            time.process_time() - began_cpu,
        )
    return found


def judge(
    problem: published.Problem,
    seconds: float,
    objectives: Sequence[Aim],
    oracle: float,
) -> Solved:
    """Solve one problem, and judge what was found."""
    tasks = problem.tasks
    found = solve(problem, seconds, objectives)
    first = found[objectives[0]][0]
    ends = found.get(Aim.ENDS, found[objectives[0]])[0]
    own = bounds.makespan(tasks)
    best = max(own, problem.lower_bound)
    answer = None
    if oracle and first.makespan > best * (1 + 1e-9):
        answer = published.oracle(tasks, first, oracle)
        best = max(best, answer[1])
    wrong = [
        what
        for one, _, _ in found.values()
        for what in timetables.check(tasks, one)
    ]
    return Solved(
        name=problem.name,
        tasks=len(tasks.tasks),
        bound=best,
        published_bound=problem.lower_bound,
        makespan=first.makespan,
        sum_of_ends=_sum(ends),
        ends_bound=bounds.sum_of_ends(tasks),
        sum_at_makespan=_sum(first),
        seconds=max(wall for _, wall, _ in found.values()),
        cpu_seconds=max(cpu for _, _, cpu in found.values()),
        left=max(len(one.left) for one, _, _ in found.values()),
        wrong=tuple(wrong),
        btrplace=problem.btrplace,
        oracle=answer,
    )


def _sum(found: Timetable) -> float:
    return sum(b.end for b in found.bookings)


def family(name: str) -> str:
    """The file's name without the number of the instance."""
    return re.sub(r'-\d+$', '', name)


def _mean(values: Sequence[float], digits: int = 5) -> float | None:
    return round(sum(values) / len(values), digits) if values else None


def _gaps(found: Sequence[Solved], bound: str) -> list[float]:
    return [
        x.makespan / getattr(x, bound) - 1.0
        for x in found
        if getattr(x, bound) > 0
    ]


def summary(found: Sequence[Solved]) -> Numbers:
    """One family's figures; shares, seconds, or counts."""
    gaps = _gaps(found, 'bound')
    known = [(x, x.btrplace) for x in found if x.btrplace is not None]
    return {
        'n': len(found),
        'tasks': max(x.tasks for x in found),
        'gap_mean': _mean(gaps),
        'gap_max': round(max(gaps, default=0.0), 5),
        'gap_mean_to_published_bound': _mean(_gaps(found, 'published_bound')),
        'btrplace_gap_mean': _mean(
            [b.makespan / x.bound - 1.0 for x, b in known]
        ),
        'btrplace_unsolved': len(found) - len(known),
        'sum_of_ends_ratio': _mean(
            [x.sum_of_ends / b.sum_of_ends for x, b in known]
        ),
        'sum_of_ends_ratio_at_makespan': _mean(
            [x.sum_at_makespan / b.sum_of_ends for x, b in known]
        ),
        'sum_of_ends_gap_mean': _mean(
            [x.sum_of_ends / x.ends_bound - 1.0 for x in found]
        ),
        'seconds_max': round(max(x.seconds for x in found), 3),
        'cpu_seconds_max': round(max(x.cpu_seconds for x in found), 3),
        'unsolved': sum(x.left > 0 for x in found),
        'checked': sum(not x.wrong for x in found),
        'wrong': [f'{x.name}: {x.wrong[0]}' for x in found if x.wrong],
        **_said(found),
    }


def _said(found: Sequence[Solved]) -> Numbers:
    """What the oracle found, where it was asked."""
    said = {
        x.name: {
            'ours_s': x.makespan,
            'oracle_s': x.oracle[0] if x.oracle[0] < math.inf else None,
            'oracle_bound_s': x.oracle[1],
        }
        for x in found
        if x.oracle is not None
    }
    return {'oracle': said} if said else {}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    out = argparse.ArgumentParser(
        prog='python -m benchmarks.schedules',
        description='Schedule published relocation problems.',
    )
    out.add_argument('--data', type=pathlib.Path, required=True)
    out.add_argument(
        '--seconds',
        type=float,
        default=1.2,
        help='for each problem and objective; the effort may end it sooner',
    )
    out.add_argument(
        '--objective',
        choices=[o.value for o in AIMS],
        help='only this one; default: both, each in its own solve',
    )
    out.add_argument(
        '--oracle',
        type=float,
        default=0.0,
        metavar='SECONDS',
        help='ask OR-Tools so long where the bound is not reached',
    )
    out.add_argument(
        '--only', default='', help='problems whose name contains this'
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object; 0 if all are solved and accepted."""
    args = parser().parse_args(argv)
    objectives = [Aim(args.objective)] if args.objective else AIMS
    families: dict[str, list[Solved]] = collections.defaultdict(list)
    try:
        if args.seconds <= 0 or args.oracle < 0:
            raise errors.InputError('must be positive', '--seconds')
        if args.oracle:
            published.need_oracle()
        for problem in published.problems(args.data, args.only):
            families[family(problem.name)].append(
                judge(problem, args.seconds, objectives, args.oracle)
            )
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    every = [x for found in families.values() for x in found]
    print(
        json.dumps(
            {
                'objectives': [o.value for o in objectives],
                'seconds': args.seconds,
                'n': len(every),
                'unsolved': sum(x.left > 0 for x in every),
                'checked': sum(not x.wrong for x in every),
                'families': {
                    name: summary(found)
                    for name, found in sorted(families.items())
                },
            },
            indent=1,
        )
    )
    return int(any(x.left or x.wrong for x in every))


if __name__ == '__main__':
    sys.exit(main())
