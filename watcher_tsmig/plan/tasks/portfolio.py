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
# many: of all combinations, of which each gets so many passes at the least,
# at first, and at last; and again of the best one.
EFFORT_FEW, EFFORT_MANY = 50_000, 20_000
# The list is made in several orders before it is improved, however few VMs
# there are; with less even two were put in the wrong one.
EFFORT_LEAST = 200
FEW_MOVES = 300
PASSES_LEAST = 4
PASSES_EACH = 10
PASSES_LAST = 40
PASSES_BEST = 200
# For fewer s nobody is switched without need: set-up times vary by them.
WORTHWHILE = 3.0
# More s than any plan lasts: what must shorten it by them is never worth it.
BARRED = 1e6
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
    """The cheapest combination, to be improved.

    Those come first that switch nobody without need: what such a switch must
    save is a share of what they take.
    """
    may = ways.ways(problem, moves)
    plain, others = _variants(problem, moves)
    barred = [mine.tolled(BARRED) for mine in may]
    variant, found = _cheapest(problem, moves, barred, plain)
    toll = max(problem.request.post_copy_saves * found.makespan, WORTHWHILE)
    if problem.request.only_mode is None:
        may = [mine.tolled(toll) for mine in may]
    tasks = _tasks(problem, moves, may, variant)
    if not others:
        return tasks, found
    variant, other = _cheapest(problem, moves, may, others)
    tried = [(tasks, found), (_tasks(problem, moves, may, variant), other)]
    return min(tried, key=lambda pair: score(problem, *pair))


def _cheapest(
    problem: Problem,
    moves: Moves,
    may: list[Ways],
    some: Sequence[_Variant],
) -> tuple[_Variant, Timetable]:
    """The best of some combinations, by successive halving.

    All get some effort, the better half twice as much, and so on, each round
    as much as any (Jamieson and Talwalkar 2016); of those with one price the
    first goes on, as lanes that bind nothing change nothing.
    """
    n = len(moves.rows)
    every = _effort(n) // 2
    some = some[: max(1, every // max(PASSES_LEAST * n, 1))]
    share, passes = every // (len(some).bit_length() + 1), PASSES_EACH
    while True:
        effort = max(min(passes * n, share // len(some)), n, EFFORT_LEAST)
        tried: dict[Score, tuple[_Variant, Timetable]] = {}
        for variant in some:
            tasks = _tasks(problem, moves, may, variant)
            found = _timetable(problem, tasks, effort, flip=True)
            tried.setdefault(score(problem, tasks, found), (variant, found))
        best = sorted(tried)
        passes *= 2
        if len(best) == 1 and passes > min(PASSES_LAST, every // max(n, 1)):
            return tried[best[0]]
        some = [tried[key][0] for key in best[: max(len(best) // 2, 1)]]


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


def _variants(
    problem: Problem, moves: Moves
) -> tuple[list[_Variant], list[_Variant]]:
    """Combinations, the likeliest one first.

    :returns: those in which each VM has what harms it least; those that
        prefer the modes of least contention, or only one that switches
    """
    n = len(moves.rows)
    if not n:
        return [_Variant(1, ())], []
    request = problem.request
    widest = max(request.max_per_source, request.max_per_destination)
    lanes = [k for k in LANES if k < widest] + [widest]
    post = [Mode.POST_COPY if early else None for early in moves.post]
    modes: list[Preferred] = []
    if any(moves.may[mode].any() for mode in Mode if mode.switches):
        modes = [tuple(post), (Mode.POST_COPY,) * n, (Mode.HYBRID,) * n]
    counts = lanes if request.patient else lanes[::-1]
    return (
        [_Variant(k, (None,) * n) for k in counts],
        [_Variant(k, m) for k in counts for m in modes if any(m)],
    )


def _tasks(
    problem: Problem, moves: Moves, may: list[Ways], variant: _Variant
) -> Tasks:
    return ways.tasks(problem, moves, may, variant.first, variant.lanes)
