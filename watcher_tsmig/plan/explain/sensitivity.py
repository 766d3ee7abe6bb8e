"""What one more of what binds a plan would do to it.

Each answer is the same scheduler on a changed problem, so it is a what-if
and no estimate: one more Gbit/s on the link that binds, one more migration
at once, one more minute before the deadline. Both sides of a comparison get
the same, small effort.
"""

import dataclasses

from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.explain.shortest import Bound
from watcher_tsmig.plan.problem import permits
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.timetable import timetable
from watcher_tsmig.plan.values import Purchase

# Effort of one what-if, in tasks placed; a plan so large that this is not
# one pass gets no advice.
EFFORT = 3_000
PASSES = 20
GIGABIT = 125e6
MINUTE = 60.0
# A purchase that spares less than this share of the makespan is noise.
WORTH = 0.002


def purchases(
    problem: Problem, tasks: Tasks, found: Timetable, least: Bound
) -> tuple[Purchase, ...]:
    """What more of the binding link, of slots and of time would do."""
    if not found.bookings or len(tasks.tasks) > EFFORT:
        return ()
    effort = min(EFFORT, PASSES * len(tasks.tasks))
    now = timetable(tasks, effort=effort)
    offers = []
    for what, changed in _changes(problem, tasks, found, least):
        then = timetable(changed, effort=effort)
        moves = len(then.bookings) - len(now.bookings)
        spares = now.makespan - then.makespan if moves <= 0 else 0.0
        if moves > 0 or spares > WORTH * now.makespan:
            offers.append(
                Purchase(what=what, spares=spares, moves=max(moves, 0))
            )
    return tuple(offers)


def _changes(
    problem: Problem, tasks: Tasks, found: Timetable, least: Bound
) -> list[tuple[str, Tasks]]:
    """The problem with one more of something, each with its name."""
    changes = []
    link = busiest(tasks, found) if least.link is None else least.link
    capacity = tasks.capacity.copy()
    capacity[link] += GIGABIT
    changes.append(
        (
            f'1 Gbit/s more on {problem.network.names[link]}',
            dataclasses.replace(tasks, capacity=capacity),
        )
    )
    for what, limits in _limits(problem, tasks):
        changes.append((what, dataclasses.replace(tasks, limits=limits)))
    if any(x.late for x in found.left):
        later = dataclasses.replace(tasks, deadline=tasks.deadline + MINUTE)
        changes.append(('1 more minute', later))
    return changes


def _limits(problem: Problem, tasks: Tasks) -> list[tuple[str, FloatArray]]:
    """The limits with one more at once, each with its name."""
    h, found = len(problem.names), []
    for what, out, into in permits.more(problem.novas, problem.request):
        limits = tasks.limits.copy()
        limits[:h] += out
        limits[h : 2 * h] += into
        found.append((what, limits))
    limits = tasks.limits.copy()
    limits[2 * h] += 1
    return [*found, ('1 more at once in all', limits)]


def busiest(tasks: Tasks, found: Timetable) -> int:
    """The link that migrations keep busy longest at its capacity."""
    busy = [0.0] * len(tasks.capacity)
    for b in found.bookings:
        for link in tasks.tasks[b.task].ways[b.way].links:
            busy[link] += b.rate * b.takes / float(tasks.capacity[link])
    return max(range(len(busy)), key=lambda k: busy[k])
