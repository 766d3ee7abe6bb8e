"""What applications leave migrations of each link, now and at best.

Rates only: who moves when is the scheduler's.
"""

from collections.abc import Sequence

import numpy as np

from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem.problem import Problem


def room(problem: Problem, app: FloatArray) -> FloatArray:
    """What migrations may use of each link on which applications run.

    :param app: shape (m,), bytes/s
    :returns: shape (m,), bytes/s, >= 0
    """
    return _beside(problem, problem.network.capacity, app)


def _beside(
    problem: Problem, capacity: FloatArray, app: FloatArray
) -> FloatArray:
    """What the request lets migrations use beside applications, bytes/s."""
    request = problem.request
    free = request.nic_share * (capacity - app)
    return np.maximum(free, request.nic_floor * capacity)


def left(problem: Problem) -> FloatArray:
    """Traffic of each link once every VM that could move has left it.

    Before any has brought some.

    :returns: shape (m,), bytes/s, >= 0
    """
    app, links = problem.app.copy(), problem.network
    for row, host in enumerate(problem.source):
        out, into = list(links.sends[host]), list(links.receives[host])
        app[out] -= problem.tx[row] * links.tenants[out]
        app[into] -= problem.rx[row] * links.tenants[into]
    return np.maximum(app, 0.0)


def best_room(problem: Problem) -> FloatArray:
    """The most that migrations can ever have of each link, shape (m,)."""
    return room(problem, left(problem))


def best_rate(
    problem: Problem,
    then: FloatArray,
    row: int,
    path: Sequence[int],
    host: int,
) -> float:
    """The most that a migration ever has of its path, bytes/s.

    When all others have left and only its own VM's traffic is in its way.

    :param then: as `left` has it, shape (m,)
    :param host: where its VM runs meanwhile
    """
    links, some = problem.network, list(path)
    mine = [
        float(problem.tx[row]) * (k in links.sends[host])
        + float(problem.rx[row]) * (k in links.receives[host])
        for k in some
    ]
    app = then[some] + np.array(mine) * links.tenants[some]
    return float(_beside(problem, links.capacity[some], app).min())
