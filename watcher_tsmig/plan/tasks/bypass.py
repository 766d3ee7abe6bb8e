"""Ways out where VMs wait for each other's memory: through a third host.

Two VMs that swap full hosts, or more in a ring, never begin: each needs
what another gives back only at its end. One of the ring goes to a host
with room first, which opens the ring, and on to its destination later.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule import precedence
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.tasks.moves import Moves

Solve = Callable[[Moves], tuple[Tasks, Timetable]]


def opened(
    problem: Problem, moves: Moves, solve: Solve
) -> tuple[Moves, Tasks, Timetable]:
    """The moves with as many detours as open rings of waiting VMs.

    :param solve: makes tasks of moves, and a timetable of them
    :returns: the moves, and what `solve` makes of them
    """
    tasks, found = solve(moves)
    for _ in range(len(moves.rows)):
        detoured = _detour(problem, moves, tasks, found)
        if detoured is None:
            break
        again, then = solve(detoured)
        if _worse(detoured, then) or _stay(then) >= _stay(found):
            break
        moves, tasks, found = detoured, again, then
    return moves, tasks, found


def _stay(found: Timetable) -> int:
    return len(found.left)


def _worse(moves: Moves, found: Timetable) -> bool:
    """Whether a VM would be left at its third host, or not even there."""
    left = moves.rows[[x.task for x in found.left]]
    rows, count = np.unique(moves.rows, return_counts=True)
    return bool(np.isin(left, rows[count > 1]).any())


def _detour(
    problem: Problem, moves: Moves, tasks: Tasks, found: Timetable
) -> Moves | None:
    """The moves with the smallest VM of a ring going round; None: none."""
    rings = precedence.cycles(tasks, found.bookings, found.left)
    free = _free(problem, moves)
    twice = {int(r) for r in moves.rows if (moves.rows == r).sum() > 1}
    candidates = sorted(
        (float(problem.curves.resident[moves.rows[i]]), i)
        for ring in rings
        for i in ring
        if int(moves.rows[i]) not in twice
    )
    for _, i in candidates:
        row = int(moves.rows[i])
        room = (free >= problem.size[row]).all(axis=1)
        hosts = np.flatnonzero(_stopover(problem, moves, i) & room)
        if len(hosts):
            return _through(problem, moves, i, int(hosts[0]))
    return None


def _free(problem: Problem, moves: Moves) -> FloatArray:
    """What is free although all come and nobody has left, shape (h, 3)."""
    free = problem.free.copy()
    np.subtract.at(free, moves.destination, problem.size[moves.rows])
    return free


def _stopover(problem: Problem, moves: Moves, i: int) -> BoolArray:
    row = int(moves.rows[i])
    out: BoolArray = problem.stopover[row].copy()
    out[[moves.source[i], moves.destination[i]]] = False
    # the second hop leaves it by its Nova's rules, and is not forecast anew
    out &= problem.alike(int(moves.source[i]))
    for group in problem.groups:
        if row in group.rows:
            out &= group.there < group.most
    # a stopover must permit a mode that the whole way permits
    post = problem.post_capable & problem.post_allowed[row]
    if not moves.may_pre[i]:
        out &= post
    return out


def _through(problem: Problem, moves: Moves, i: int, host: int) -> Moves:
    """The moves with move i by way of `host`; the second hop is the last."""
    may_post = bool(moves.may_post[i] and problem.post_capable[host])
    pre = bool(moves.may_pre[i])
    late = bool(moves.may_hybrid[i] and problem.post_capable[host])

    def both(values: np.ndarray, first: object, second: object) -> np.ndarray:
        changed = values.copy()
        changed[i] = first
        return np.append(changed, np.array([second], dtype=values.dtype))

    destination = int(moves.destination[i])
    return dataclasses.replace(
        moves,
        rows=np.append(moves.rows, moves.rows[i]),
        source=np.append(moves.source, host),
        destination=both(moves.destination, host, destination),
        post=both(moves.post, not (pre or late), not (pre or late)),
        may_pre=both(moves.may_pre, pre, pre),
        may_hybrid=both(moves.may_hybrid, late, late),
        may_post=both(moves.may_post, may_post, may_post),
        after=(*moves.after, (i,)),
    )
