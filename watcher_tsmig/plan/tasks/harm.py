"""What a migration takes from VMs: seconds in which one does not serve.

Of the VM that moves, weighed by its service class, and of those that share
its links: what is sure to happen, and what may, by its chance. One migration
at one rate is judged here; a plan's harm is the sum (`tasks.harm_of`).
"""

import dataclasses
import math
from collections.abc import Callable

from watcher_tsmig.plan.problem.foretold import ByRate
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Amounts
from watcher_tsmig.plan.values import Mode

# A rate within this factor of the floor is the floor.
FULL = 1 + 1e-9

# A pre-copy that does not end is given up after its forecast time thrice, and
# some more s (deadline_factor, deadline_slack): so much later than foretold.
GIVEN_UP, SLACK = 2.0, 120.0
# Deviations of a logarithm that hardly anything exceeds: 1 in 700.
SURE = 3.0


@dataclasses.dataclass(frozen=True, slots=True)
class Switched:
    """The mode of a way, and what its VM would wait for after a switch.

    :ivar faults: as from `foretold.faults`, of a switch at once
    """

    mode: Mode
    faults: float


def chance(rate: float, lcb: float, width: float) -> float:
    """How likely a pre-copy at this rate does not end.

    What the VM writes is log-normal about what is known of it, and the least
    rate at which it ends grows as it does.

    :param width: deviation of the logarithm, > 0
    """
    if rate <= 0 or math.isinf(lcb):
        return 1.0
    if lcb <= 0:
        return 0.0
    return 0.5 * math.erfc(math.log(rate / lcb) / (width * math.sqrt(2)))


def of_failure(
    problem: Problem, row: int, by_rate: ByRate
) -> Callable[[float], float]:
    """What it counts, by its chance, that a pre-copy does not end, s."""
    request = problem.request
    lcb, width = float(problem.lcb[row]), float(problem.width[row])

    def fails(rate: float) -> float:
        late = GIVEN_UP * by_rate(rate)[0] + SLACK
        price = request.failure + late * request.urgency
        return chance(rate, lcb, width) * price

    return fails


def of_way(
    problem: Problem,
    row: int,
    links: tuple[int, ...],
    by_rate: ByRate,
    switched: Switched,
    leaves: Amounts,
) -> Callable[[float], float]:
    """The harm of one migration, weighed s, by its rate.

    Of a pre-copy the stop-and-copy, what auto-converge takes, and by its
    chance what follows where it does not end: it was for nothing, and the
    plan waits until it is given up. Of what ends in post-copy the time until
    its VM has what it works with, and the risk. Of all, what applications
    lose where migrations get the floor of a full link, and where they burst
    meanwhile.

    :param by_rate: (whole time, outage), s, by rate
    """
    weight, rules = float(problem.weight[row]), problem.rules
    request, capacities = problem.request, problem.network.capacity
    floor = request.nic_floor
    fails = of_failure(problem, row, by_rate)
    mode = switched.mode
    gone = dict(leaves) if mode.early else {}
    # links that are full, and so their migrations at the floor
    crossed = [
        (float(capacities[k]), float(problem.app[k]) - gone.get(k, 0.0))
        for k in links
    ]
    bursting = sum(float(problem.exposed[k] / capacities[k]) for k in links)

    def switch(rate: float) -> float:
        return rules.switchover + switched.faults / rate + request.risk

    def harm(rate: float) -> float:
        takes, stop = by_rate(rate)
        lost = takes * bursting * rate
        if mode.early:
            stop = switch(rate)
        elif mode.switches:
            stop += request.risk
        else:
            lost += fails(rate)
        for capacity, app in crossed:
            beyond = rate - max(capacity - app, 0.0)
            if beyond > 0 and rate <= floor * capacity * FULL:
                lost += takes * beyond / app
        return weight * stop + lost

    return harm
