"""Several timetables of the same moves, and the best by its price.

Whether few fast migrations or many slow ones at once are better, and
whether post-copy serves more than it costs, depends on set-up times, links
and owners together; so some combinations are scheduled, each is judged by
its price, and the best one is improved.
"""

import dataclasses
from collections.abc import Sequence

from watcher_tsmig.plan.prices import Prices
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.tasks import harm_of
from watcher_tsmig.plan.schedule.tasks import price_of
from watcher_tsmig.plan.schedule.timetable import Aim
from watcher_tsmig.plan.schedule.timetable import timetable
from watcher_tsmig.plan.tasks import ways
from watcher_tsmig.plan.tasks.moves import Moves
from watcher_tsmig.plan.tasks.ways import Ways
from watcher_tsmig.plan.values import Mode

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
# For fewer s nobody is switched without need: set-up times vary by them.
WORTHWHILE = 3.0
# Migrations at once from a host, and to a host, that are tried.
LANES = (1, 2, 4, 8, 16, 64)

# (VMs left out, price)
Score = tuple[float, float]
# The mode that each move should have; None: the one that harms least.
Preferred = Sequence[Mode | None]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Variant:
    lanes: int
    first: Preferred


def first(problem: Problem, moves: Moves) -> tuple[Tasks, Timetable]:
    """The cheapest combination, to be improved."""
    n = len(moves.rows)
    every = _effort(n)
    count = max(FEW, every // max(PASSES_LEAST * n, 1))
    some = _variants(problem, moves)[:count]
    effort = min(PASSES_EACH * n, max(every // len(some), n))
    effort = max(effort, EFFORT_LEAST)
    may = ways.ways(problem, moves)
    plain = [_tasks(problem, moves, may, variant) for variant in some]
    found = [_timetable(problem, x, effort, flip=False) for x in plain]
    may = _tolled(problem, may, _spared(some, found))
    tried = [
        (score(problem, tasks, timetable), tasks, timetable)
        for tasks, timetable in zip(
            [_tasks(problem, moves, may, variant) for variant in some],
            found,
            strict=True,
        )
    ]
    return min(tried, key=lambda t: t[0])[1:]


def _spared(some: list[_Variant], found: list[Timetable]) -> float:
    """The least makespan of those that switch nobody without need, s."""
    ranks = [
        (len(timetable.left), timetable.makespan)
        for variant, timetable in zip(some, found, strict=True)
        if not any(variant.first)
    ]
    return min(ranks)[1]


def improved(problem: Problem, tasks: Tasks, found: Timetable) -> Timetable:
    """The timetable, or a cheaper one of the same tasks."""
    n = len(tasks.tasks)
    effort = min(_effort(n), max(PASSES_BEST * n, EFFORT_LEAST))
    other = _timetable(problem, tasks, effort, flip=True)
    scores = score(problem, tasks, other), score(problem, tasks, found)
    return other if scores[0] < scores[1] else found


def score(problem: Problem, tasks: Tasks, found: Timetable) -> Score:
    """Less is better; first of all, that few VMs are left out."""
    price = price_of(tasks, found, problem.request.urgency)
    return float(len(found.left)), price


def prices(tasks: Tasks, found: Timetable) -> Prices:
    """What VMs bear by this timetable, and if all had one mode at its rates.

    Who cannot have that mode, or not at its rate, keeps its own.
    """

    def of(booking: Booking, mode: Mode) -> float:
        ways = tasks.tasks[booking.task].ways
        mine = [
            way
            for way in ways
            if way.label == mode and way.least <= booking.rate
        ]
        return (mine or [ways[booking.way]])[0].harm(booking.rate)

    return Prices(
        plan=harm_of(tasks, found.bookings),
        pre_copy=sum(of(b, Mode.PRE_COPY) for b in found.bookings),
        post_copy=sum(of(b, Mode.POST_COPY) for b in found.bookings),
    )


def _tolled(problem: Problem, may: list[Ways], makespan: float) -> list[Ways]:
    """Ways of which a switch that nobody needs has to shorten the whole.

    :param makespan: without such switches, s
    """
    if problem.request.only_mode is not None:
        return may
    toll = max(problem.request.post_copy_saves * makespan, WORTHWHILE)
    return [mine.tolled(toll) for mine in may]


def _effort(n: int) -> int:
    return EFFORT_FEW if n <= FEW_MOVES else EFFORT_MANY


def _timetable(
    problem: Problem, tasks: Tasks, effort: int, flip: bool
) -> Timetable:
    return timetable(
        tasks,
        objective=Aim.PRICE,
        urgency=problem.request.urgency,
        flip=flip,
        effort=effort,
    )


def _variants(problem: Problem, moves: Moves) -> list[_Variant]:
    """Combinations, the likeliest one first.

    Modes: what harms each VM least; those of least contention; post-copies.
    """
    n = len(moves.rows)
    if not n:
        return [_Variant(1, ())]
    request = problem.request
    widest = max(request.max_per_source, request.max_per_destination)
    lanes = [k for k in LANES if k < widest] + [widest]
    post = [Mode.POST_COPY if early else None for early in moves.post]
    modes: list[Preferred] = [(None,) * n]
    modes += [
        vector
        for vector in (tuple(post), (Mode.POST_COPY,) * n)
        if any(vector) and moves.may_post.any() and vector not in modes
    ]
    counts = lanes if request.patient else lanes[::-1]
    return [_Variant(k, vector) for k in counts for vector in modes]


def _tasks(
    problem: Problem, moves: Moves, may: list[Ways], variant: _Variant
) -> Tasks:
    return ways.tasks(problem, moves, may, variant.first, variant.lanes)
