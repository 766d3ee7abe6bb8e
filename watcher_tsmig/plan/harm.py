"""What a migration takes from VMs: seconds in which one does not serve.

Of the VM that moves, weighed by its service class, and of those that share
its links. One migration at one rate is judged here; a plan's harm is the
sum (`tasks.harm_of`).
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from watcher_tsmig.forecast import Switch
from watcher_tsmig.forecast import hybrid
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.tasks import Amounts

# What a post-copy costs beside its outage, VM-seconds: a network that fails
# meanwhile loses the VM. Assumed: one in ten thousand, four hours to restore.
RISK = 1e-4 * 4 * 3600

# A rate within this factor of the floor is the floor.
FULL = 1 + 1e-9
# A bandwidth at which outages are asked for, bytes/s; any would do.
ASKED = 1e8

Forecast = Callable[[float], tuple[float, float]]


def faults(problem: Problem, rows: IntArray) -> FloatArray:
    """Bytes that pass, at a migration's rate, until a VM serves again.

    After a switch to post-copy at once it waits for what it works with,
    page by page, so that its outage is inversely proportional to the rate
    (forecast.hybrid).

    :returns: shape (k,), bytes on the wire
    """
    if not len(rows):
        return np.zeros(0)
    found = hybrid(
        problem.curves.take(rows),
        ASKED,
        dataclasses.replace(problem.rules, downtime_steps=0),
        Switch.AT_ONCE,
        terms=problem.terms.take(rows, len(problem.vms)),
    )
    late = found.forecasts.t_downtime - problem.rules.switchover
    out: FloatArray = np.maximum(late, 0.0) * ASKED
    return out


def of_way(
    problem: Problem,
    row: int,
    links: tuple[int, ...],
    forecast: Forecast,
    faults: float | None,
    leaves: Amounts,
) -> Callable[[float], float]:
    """The harm of one migration, weighed s, by its rate.

    Of a pre-copy the stop-and-copy; of a post-copy the time until its VM
    has what it works with, and its risk; of both, what applications lose
    where migrations get the floor of a full link.

    :param forecast: (whole time, downtime), s, by rate
    :param faults: as from `faults`, of a post-copy; None: a pre-copy
    """
    weight, rules = float(problem.weight[row]), problem.rules
    floor, capacities = problem.request.nic_floor, problem.network.capacity
    gone = dict(leaves) if faults is not None else {}
    # links that are full, and so their migrations at the floor
    crossed = [
        (float(capacities[k]), float(problem.app[k]) - gone.get(k, 0.0))
        for k in links
    ]

    def harm(rate: float) -> float:
        takes, stop = forecast(rate)
        if faults is not None:
            stop = rules.switchover + faults / rate + RISK
        lost = 0.0
        for capacity, app in crossed:
            beyond = rate - max(capacity - app, 0.0)
            if beyond > 0 and rate <= floor * capacity * FULL:
                lost += takes * beyond / app
        return weight * stop + lost

    return harm
