"""Whose pre-copy is worth it: now, and once others have moved.

Only the traffic that is there and that which moves with VMs counts here;
when anything moves is the scheduler's.
"""

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem import problem as problem_module
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.tasks.ways import Moves


def not_now(problem: Problem, moves: Moves) -> BoolArray:
    """Whose pre-copy is not worth it beside the traffic that is there."""
    rooms = problem_module.room(problem, problem.app)
    left = np.array(
        [rooms[_path(problem, moves, i)].min() for i in range(len(moves.rows))]
    )
    out: BoolArray = moves.may_post & (problem.economic[moves.rows] > left)
    return out


def not_then(problem: Problem, moves: Moves, now: BoolArray) -> BoolArray:
    """Of `now` those whose pre-copy the others' post-copies do not help.

    One VM that fills its host's NIC makes no pre-copy from there worth it,
    and all of them once it has gone. Whose own traffic is the least is the
    first that waits for the others.
    """
    out = now.copy()
    app = problem.app.copy()
    for k in np.flatnonzero(now):
        _move(problem, moves, int(k), app, 1.0)
    rows = moves.rows
    own = problem.tx[rows] + problem.rx[rows]
    for i in np.argsort(own, kind='stable').tolist():
        if not (now[i] and moves.may_pre[i]):
            continue
        _move(problem, moves, i, app, -1.0)
        left = problem_module.room(problem, np.maximum(app, 0.0))
        path = _path(problem, moves, i)
        if problem.economic[rows[i]] <= left[path].min():
            out[i] = False
        else:
            _move(problem, moves, i, app, 1.0)
    return out


def _path(problem: Problem, moves: Moves, i: int) -> list[int]:
    source, destination = int(moves.source[i]), int(moves.destination[i])
    return list(problem.network.path(source, destination))


def _move(
    problem: Problem, moves: Moves, i: int, app: FloatArray, sign: float
) -> None:
    """Its traffic moves to its destination, or back."""
    row, links = int(moves.rows[i]), problem.network
    source, destination = int(moves.source[i]), int(moves.destination[i])
    for sides, rate in (
        (links.sends, problem.tx[row]),
        (links.receives, problem.rx[row]),
    ):
        there, then = list(sides[source]), list(sides[destination])
        app[there] -= sign * rate * links.tenants[there]
        app[then] += sign * rate * links.tenants[then]
