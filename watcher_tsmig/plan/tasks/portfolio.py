"""Several timetables of the same moves, and the best by the objective.

Whether few fast migrations or many slow ones at once are better, and
whether post-copy serves more than it costs, depends on set-up times, links
and owners together; so some combinations are scheduled, each is judged by
what the operator asked for, and the best ones are improved.
"""

import dataclasses

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.tasks import harm_of
from watcher_tsmig.plan.schedule.timetable import Aim
from watcher_tsmig.plan.schedule.timetable import timetable
from watcher_tsmig.plan.tasks import ways
from watcher_tsmig.plan.tasks import worth
from watcher_tsmig.plan.tasks.ways import Moves
from watcher_tsmig.plan.values import Objective

# Effort in placements of a task, where there are few and where there are
# many: of all combinations, of which each gets so many passes at the least
# and at the most, and again of the best one.
EFFORT_FEW, EFFORT_MANY = 50_000, 20_000
# The list is made in several orders before it is improved, however few VMs
# there are; with less even two were put in the wrong one.
EFFORT_LEAST = 200
FEW_MOVES = 300
PASSES_LEAST = 4
PASSES_EACH = 8
PASSES_BEST = 200
# However many the moves, so many combinations are tried, the likeliest.
FEW = 2
# Migrations at once from a host, and to a host, that are tried.
LANES = (1, 2, 4, 8, 16, 64)

# Better is what is so by this share, or no worse and in what counts next
# better by that share: forecasts of writing are not more exact.
MARGIN, CLEARLY = 0.01, 0.1

# (VMs left out, what the objective is about, the next best)
Score = tuple[float, float, float]


# Which modes are tried: those of least contention; pre-copy wherever it is
# worth it, or worth it before anybody has moved, or once those have moved
# that fill a link themselves; what must switch, after the first pass;
# post-copy where permitted.
MODES = {
    Objective.FAST: (
        'contention',
        'post-copies',
        'pre-copies now',
        'hybrids',
    ),
    Objective.BALANCED: (
        'contention',
        'pre-copies now',
        'pre-copies then',
        'hybrids',
        'pre-copies',
        'post-copies',
    ),
    Objective.GENTLE: (
        'hybrids',
        'pre-copies then',
        'pre-copies now',
        'pre-copies',
        'contention',
        'post-copies',
    ),
}


# What the search for a timetable is for.
SEARCHED = {
    Objective.FAST: Aim.MAKESPAN,
    Objective.BALANCED: Aim.BOTH,
    Objective.GENTLE: Aim.HARM,
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Variant:
    lanes: int
    post: BoolArray


def first(problem: Problem, moves: Moves) -> tuple[Tasks, Timetable]:
    """The combination that serves the objective best, to be improved."""
    n = len(moves.rows)
    every = _effort(n)
    count = max(FEW, every // max(PASSES_LEAST * n, 1))
    some = _variants(problem, moves)[:count]
    effort = min(PASSES_EACH * n, max(every // len(some), n))
    effort = max(effort, EFFORT_LEAST)
    may = ways.ways(problem, moves)
    tried = []
    for variant in some:
        tasks = _tasks(problem, moves, may, variant)
        found = _timetable(problem, tasks, effort, flip=False)
        tried.append((score(problem, tasks, found), tasks, found))
    return min(tried, key=lambda t: t[0])[1:]


def improved(problem: Problem, tasks: Tasks, found: Timetable) -> Timetable:
    """The timetable, or a better one of the same tasks."""
    n = len(tasks.tasks)
    effort = min(_effort(n), max(PASSES_BEST * n, EFFORT_LEAST))
    other = _timetable(problem, tasks, effort, flip=True)
    scores = score(problem, tasks, other), score(problem, tasks, found)
    if problem.request.objective is Objective.FAST:
        return other if scores[0] < scores[1] else found
    return other if better(*scores) else found


def better(one: Score, other: Score) -> bool:
    """Whether one is better by more than forecasts of harm err."""
    if one[0] != other[0]:
        return one[0] < other[0]
    if one[1] < other[1] * (1 - MARGIN):
        return True
    return one[1] <= other[1] and one[2] < other[2] * (1 - CLEARLY)


def _effort(n: int) -> int:
    return EFFORT_FEW if n <= FEW_MOVES else EFFORT_MANY


def _timetable(
    problem: Problem, tasks: Tasks, effort: int, flip: bool
) -> Timetable:
    return timetable(
        tasks,
        objective=SEARCHED[problem.request.objective],
        flip=flip,
        effort=effort,
    )


def _variants(problem: Problem, moves: Moves) -> list[_Variant]:
    """Combinations, the objective's most likely one first."""
    if not len(moves.rows):
        return [_Variant(1, moves.post)]
    request = problem.request
    widest = max(request.max_per_source, request.max_per_destination)
    lanes = [k for k in LANES if k < widest] + [widest]
    now = worth.not_now(problem, moves)
    modes = {
        'contention': moves.post,
        'pre-copies': ~moves.may_pre,
        'pre-copies now': ~moves.may_pre | now,
        'pre-copies then': ~moves.may_pre
        | worth.not_then(problem, moves, now),
        'hybrids': ~moves.late,
        'post-copies': moves.may_post,
    }
    counts = lanes if request.objective is Objective.GENTLE else lanes[::-1]
    found: list[_Variant] = []
    for k in counts:
        for name in MODES[request.objective]:
            post = modes[name]
            twice = (v.lanes == k and (v.post == post).all() for v in found)
            if not any(twice):
                found.append(_Variant(k, post))
    return found


def _tasks(
    problem: Problem, moves: Moves, may: list[ways.Ways], variant: _Variant
) -> Tasks:
    changed = dataclasses.replace(moves, post=variant.post)
    return ways.tasks(problem, changed, may, variant.lanes)


def score(problem: Problem, tasks: Tasks, found: Timetable) -> Score:
    """Less is better; first of all, that few VMs are left out.

    Balanced: a second of the plan weighs as much as one of a VM's outage.
    """
    left = float(len(found.left))
    hurt = harm_of(tasks, found.bookings)
    table: dict[Objective, tuple[float, float]] = {
        Objective.FAST: (found.makespan, hurt),
        Objective.BALANCED: (found.makespan + hurt, hurt),
        Objective.GENTLE: (hurt, found.makespan),
    }
    return (left, *table[problem.request.objective])
