"""Who may take more than its cap was planned with, where others leave it.

A cap for each is right only as far as volumes were measured right: who has
more to send than was thought goes on alone at its small share of the link.
Flows without caps share a link as TCP does, and keep it busy to the end.
So where all that the applications leave may be used, a cap only protects
pre-copies that need a rate of their own.
"""

import numpy as np

from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.tasks import Booking
from watcher_tsmig.plan.tasks import Tasks
from watcher_tsmig.plan.values import Objective


def limits(
    problem: Problem, tasks: Tasks, bookings: list[Booking]
) -> list[float | None]:
    """For each booking the most that it may take, bytes/s; None: its rate.

    All of its path, where the plan is to be fast, nothing is kept from
    migrations, and each pre-copy that may meet it has what it needs even
    as one of so many equal flows.
    """
    request = problem.request
    if request.objective is not Objective.FAST or request.nic_share < 1:
        return [None] * len(bookings)
    capacity = tasks.capacity
    held = _held(tasks, bookings)
    out: list[float | None] = []
    for b in bookings:
        way = tasks.tasks[b.task].ways[b.way]
        if any(link in held for link in way.links):
            out.append(None)
            continue
        wire = min((float(capacity[link]) for link in way.links), default=0.0)
        out.append(max(min(wire, way.most), b.rate))
    return out


def _held(tasks: Tasks, bookings: list[Booking]) -> set[int]:
    """Links on which some pre-copy needs more than an equal share."""
    crossing: dict[int, list[Booking]] = {}
    for b in bookings:
        for link in tasks.tasks[b.task].ways[b.way].links:
            crossing.setdefault(link, []).append(b)
    out: set[int] = set()
    for link, on in crossing.items():
        needs = [tasks.tasks[b.task].ways[b.way].least for b in on]
        if not any(needs):
            continue
        capacity = float(tasks.capacity[link])
        room = max(
            tasks.share * (capacity - float(tasks.app[link])),
            tasks.floor * capacity,
        )
        start = np.array([b.start for b in on])
        end = np.array([b.end for b in on])
        for b, need in zip(on, needs, strict=True):
            if need <= 0:
                continue
            with_it = int(((start < b.end) & (end > b.start)).sum())
            if need > room / with_it:
                out.add(link)
                break
    return out
