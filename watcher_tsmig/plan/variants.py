"""Several timetables of the same moves, and the best by the objective.

Whether few fast migrations or many slow ones at once are better, and
whether post-copy serves more than it costs, depends on set-up times, links
and owners together; so some combinations are scheduled, each is judged by
what the operator asked for, and the best one is improved. Also here: what
a timetable does to the VMs, in seconds of theirs.
"""

import dataclasses

import numpy as np

from watcher_tsmig.forecast import Switch
from watcher_tsmig.forecast import hybrid
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.plan import ways
from watcher_tsmig.plan import worth
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.tasks import Booking
from watcher_tsmig.plan.tasks import Tasks
from watcher_tsmig.plan.tasks import Timetable
from watcher_tsmig.plan.timetable import timetable
from watcher_tsmig.plan.values import Objective
from watcher_tsmig.plan.ways import Moves

# Effort in placements of a task: of all combinations, of which each gets so
# many passes at the least and at the most, and of the best one.
EFFORT_ALL = 20_000
# The list is made in several orders before it is improved, however few VMs
# there are; with less even two were put in the wrong one.
EFFORT_LEAST = 200
EFFORT_BEST = 25_000
PASSES_LEAST = 4
PASSES_EACH = 8
PASSES_BEST = 80
# However many the moves, so many combinations are tried, the likeliest.
FEW = 2
# Migrations at once from a host, and to a host, that are tried.
LANES = (1, 2, 4, 8, 16, 64)

# What a post-copy costs beside its outage, VM-seconds: a network that fails
# meanwhile loses the VM. Assumed: one in ten thousand, four hours to restore.
RISK = 1e-4 * 4 * 3600

# A rate within this factor of the floor is the floor.
FULL = 1 + 1e-9

Score = tuple[float, ...]


# Which modes are tried: those of least contention; pre-copy wherever it is
# worth it, or worth it before anybody has moved, or once those have moved
# that fill a link themselves; post-copy where permitted.
MODES = {
    Objective.FAST: ('contention', 'post-copies', 'pre-copies now'),
    Objective.BALANCED: (
        'contention',
        'pre-copies now',
        'pre-copies then',
        'pre-copies',
        'post-copies',
    ),
    Objective.GENTLE: (
        'pre-copies then',
        'pre-copies now',
        'pre-copies',
        'contention',
        'post-copies',
    ),
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Variant:
    lanes: int
    post: BoolArray


def best(problem: Problem, moves: Moves) -> tuple[Tasks, Timetable]:
    """The tasks and the timetable that serve the objective best."""
    n = len(moves.rows)
    count = max(FEW, EFFORT_ALL // max(PASSES_LEAST * n, 1))
    effort = min(PASSES_EACH * n, max(EFFORT_ALL // count, n))
    effort = max(effort, EFFORT_LEAST)
    tried = []
    for variant in _variants(problem, moves)[:count]:
        tasks = _tasks(problem, moves, variant)
        found = timetable(tasks, effort=effort)
        tried.append((score(problem, moves, tasks, found), tasks, found))
    first, tasks, found = min(tried, key=lambda t: t[0])
    improved = timetable(
        tasks,
        flip=problem.request.objective is Objective.FAST,
        effort=min(EFFORT_BEST, max(PASSES_BEST * n, EFFORT_LEAST)),
    )
    if score(problem, moves, tasks, improved) < first:
        found = improved
    return tasks, found


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


def _tasks(problem: Problem, moves: Moves, variant: _Variant) -> Tasks:
    changed = dataclasses.replace(moves, post=variant.post)
    return ways.tasks(problem, changed, variant.lanes)


def score(
    problem: Problem, moves: Moves, tasks: Tasks, found: Timetable
) -> Score:
    """Less is better; first of all, that few VMs are left out.

    Balanced: a second of the plan weighs as much as one of a VM's outage.
    """
    left = float(len(found.left))
    hurt = float(harm(problem, moves, tasks, found.bookings).sum())
    table: dict[Objective, Score] = {
        Objective.FAST: (found.makespan, hurt),
        Objective.BALANCED: (found.makespan + hurt,),
        Objective.GENTLE: (hurt, found.makespan),
    }
    return (left, *table[problem.request.objective])


def harm(
    problem: Problem,
    moves: Moves,
    tasks: Tasks,
    bookings: tuple[Booking, ...],
) -> FloatArray:
    """Seconds that each booked VM hardly serves, by its weight; shape (k,).

    The stop-and-copy of a pre-copy; of a post-copy, the time until it has
    what it works with (forecast.hybrid), and its risk; and of both, what
    the applications lose where migrations get the floor of a full link.
    """
    if not bookings:
        return np.zeros(0)
    rows = moves.rows[[b.task for b in bookings]]
    rates = np.array([b.rate for b in bookings])
    post = np.array(
        [tasks.tasks[b.task].ways[b.way].early for b in bookings], dtype=bool
    )
    curves = problem.curves.take(rows)
    terms = problem.terms.take(rows, len(problem.vms))
    stop = pre_copy(curves, rates, problem.rules, terms=terms).t_downtime
    late = hybrid(
        curves, rates, problem.rules, Switch.AT_ONCE, terms=terms
    ).forecasts.t_downtime
    each = np.where(post, late + RISK, stop)
    lost = np.array([_lost(tasks, b) for b in bookings])
    out: FloatArray = each * problem.weight[rows] + lost
    return out


def _lost(tasks: Tasks, booking: Booking) -> float:
    """VM-seconds that applications lose to it on full links.

    A link of which migrations get the floor, and not their share of what
    the applications leave, is full; they lose what it takes beyond that.
    """
    way = tasks.tasks[booking.task].ways[booking.way]
    gone = dict(way.leaves) if way.early else {}
    lost = 0.0
    for link in way.links:
        capacity = float(tasks.capacity[link])
        app = float(tasks.app[link]) - gone.get(link, 0.0)
        beyond = booking.rate - max(capacity - app, 0.0)
        if beyond > 0 and booking.rate <= tasks.floor * capacity * FULL:
            lost += booking.takes * beyond / app
    return lost
