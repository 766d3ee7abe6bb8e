"""Who may take more than its cap was planned with, where others leave it.

A cap for each is right only as far as volumes were measured right: who has
more to send than was thought goes on alone at its small share of the link.
Flows without caps share a link as TCP does, and keep it busy to the end.
So where all that the applications leave may be used, a cap only protects
pre-copies that need a rate of their own.
"""

from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem.headroom import room
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way


def both(
    problem: Problem,
    tasks: Tasks,
    bookings: list[Booking],
    after: Sequence[Iterable[int]],
) -> tuple[list[float | None], list[float]]:
    """(What each may take anyhow, what its links have for it)."""
    return limits(problem, tasks, bookings), rooms(tasks, bookings, after)


def limits(
    problem: Problem, tasks: Tasks, bookings: list[Booking]
) -> list[float | None]:
    """For each booking the most that it may take, bytes/s; None: its rate.

    All of its path, where the plan is to be fast, nothing is kept from
    migrations, and each pre-copy that may meet it has what it needs even
    as one of so many equal flows.
    """
    request = problem.request
    if not request.hurried or request.nic_share < 1:
        return [None] * len(bookings)
    capacity = tasks.capacity
    held = _held(tasks, bookings, room(problem, tasks.app))
    out: list[float | None] = []
    for b in bookings:
        way = tasks.tasks[b.task].ways[b.way]
        if any(link in held for link in way.links):
            out.append(None)
            continue
        wire = min((float(capacity[link]) for link in way.links), default=0.0)
        out.append(max(min(wire, way.most), b.rate))
    return out


def rooms(
    tasks: Tasks,
    bookings: Sequence[Booking],
    after: Sequence[Iterable[int]],
) -> list[float]:
    """For each booking what its path has for it beside all others, bytes/s.

    However late it is: beside all that end after its begin and do not wait
    for it, and beside the applications as they are at first or at last,
    whichever are more, with the share that is left to them. Not below its
    rate, which it has.

    :param bookings: by start
    :param after: of each, the tasks that it waits for
    """
    ways = [tasks.tasks[b.task].ways[b.way] for b in bookings]
    app = np.maximum(tasks.app, _app_then(tasks, ways))
    free = tasks.share * (tasks.capacity - app)
    before = _before(bookings, after)
    crossing: dict[int, list[int]] = {}
    for i, way in enumerate(ways):
        for link in way.links:
            crossing.setdefault(link, []).append(i)
    out = []
    rates, ends = [b.rate for b in bookings], [b.end for b in bookings]
    for i, (b, way) in enumerate(zip(bookings, ways, strict=True)):
        most, start = way.most, b.start
        for link in way.links:
            used = sum(
                rates[j]
                for j in crossing[link]
                if ends[j] > start and j != i and not before[j] >> i & 1
            )
            most = min(most, float(free[link]) - used)
        out.append(max(most, b.rate))
    return out


def _app_then(tasks: Tasks, ways: list[Way]) -> FloatArray:
    """What applications use once all have moved, shape (m,)."""
    out: FloatArray = tasks.app.copy()
    for way in ways:
        for link, rate in way.leaves:
            out[link] -= rate
        for link, rate in way.brings:
            out[link] += rate
    return out


def _before(
    bookings: Sequence[Booking], after: Sequence[Iterable[int]]
) -> list[int]:
    """Of each booking all that it waits for, as bits of a number."""
    place = {b.task: i for i, b in enumerate(bookings)}
    out: list[int] = []
    for waits in after:
        mine = 0
        for task in waits:
            mine |= out[place[task]] | 1 << place[task]
        out.append(mine)
    return out


def _held(tasks: Tasks, bookings: list[Booking], left: FloatArray) -> set[int]:
    """Links on which some pre-copy needs more than an equal share.

    :param left: shape (m,), what migrations may use of each link
    """
    crossing: dict[int, list[Booking]] = {}
    for b in bookings:
        for link in tasks.tasks[b.task].ways[b.way].links:
            crossing.setdefault(link, []).append(b)
    out: set[int] = set()
    for link, on in crossing.items():
        needs = [tasks.tasks[b.task].ways[b.way].least for b in on]
        if not any(needs):
            continue
        start = np.array([b.start for b in on])
        end = np.array([b.end for b in on])
        for b, need in zip(on, needs, strict=True):
            if need <= 0:
                continue
            with_it = int(((start < b.end) & (end > b.start)).sum())
            if need > left[link] / with_it:
                out.add(link)
                break
    return out
