"""What a migration takes from VMs: seconds in which one does not serve.

Of the VM that moves, weighed by its service class, and of those that share
its links. One migration at one rate is judged here; a plan's harm is the
sum (`tasks.harm_of`).
"""

import dataclasses
from collections.abc import Callable

from watcher_tsmig.plan.problem.foretold import ByRate
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Amounts
from watcher_tsmig.plan.values import Mode

# What a post-copy costs beside its outage, VM-seconds: a network that fails
# meanwhile loses the VM. Assumed: one in ten thousand, four hours to restore.
RISK = 1e-4 * 4 * 3600

# A rate within this factor of the floor is the floor.
FULL = 1 + 1e-9


@dataclasses.dataclass(frozen=True, slots=True)
class Switched:
    """The mode of a way, and what its VM would wait for after a switch.

    :ivar faults: as from `foretold.faults`, of a switch at once
    """

    mode: Mode
    faults: float


def of_way(
    problem: Problem,
    row: int,
    links: tuple[int, ...],
    by_rate: ByRate,
    switched: Switched,
    leaves: Amounts,
) -> Callable[[float], float]:
    """The harm of one migration, weighed s, by its rate.

    Of a pre-copy the stop-and-copy, and what auto-converge takes; of what
    ends in post-copy the time until its VM has what it works with, and the
    risk; of all, what applications lose where migrations get the floor of a
    full link.

    :param by_rate: (whole time, outage), s, by rate
    """
    weight, rules = float(problem.weight[row]), problem.rules
    floor, capacities = problem.request.nic_floor, problem.network.capacity
    mode = switched.mode
    gone = dict(leaves) if mode.early else {}
    # links that are full, and so their migrations at the floor
    crossed = [
        (float(capacities[k]), float(problem.app[k]) - gone.get(k, 0.0))
        for k in links
    ]

    def harm(rate: float) -> float:
        takes, stop = by_rate(rate)
        if mode.early:
            stop = rules.switchover + switched.faults / rate
        if mode.switches:
            stop += RISK
        lost = 0.0
        for capacity, app in crossed:
            beyond = rate - max(capacity - app, 0.0)
            if beyond > 0 and rate <= floor * capacity * FULL:
                lost += takes * beyond / app
        return weight * stop + lost

    return harm
