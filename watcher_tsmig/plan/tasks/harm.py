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

# A pre-copy that does not end is given up after its forecast time thrice and
# some s (deadline_factor, deadline_slack): so much later than foretold.
GIVEN_UP, SLACK = 2.0, 120.0
# In one of six cases a VM writes by so many deviations more: the upper node of
# a rule of three for a normal distribution (Gauss and Hermite).
BUSY, SHARE = math.sqrt(3), 1 / 6
# What a second counts by which one is late, whose links are busy meanwhile: as
# one of the whole, but no more than one of its VM, for it alone is late.
LEAST_WORTH = 0.1
# Deviations of a logarithm that hardly anything exceeds: 1 in 10,000.
SURE = 3.7


@dataclasses.dataclass(frozen=True, slots=True)
class Switched:
    """The mode of a way, and what its VM would wait for after a switch.

    :ivar faults: as from `foretold.faults`, of a switch at once
    :ivar busy: what is foretold of a pre-copy whose VM writes `BUSY` more
    """

    mode: Mode
    faults: float
    busy: ByRate | None = None


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


def lateness(by_rate: ByRate, busy: ByRate) -> Callable[[float], float]:
    """By how much a pre-copy ends late, by its chance, s by bytes/s.

    Rounds of a VM that writes more may have to wait for the downtime limit to
    rise, or go on until they are given up.

    :param by_rate: as of `of_way`
    :param busy: the same of a VM that writes `BUSY` more
    """

    def late(rate: float) -> float:
        takes = by_rate(rate).whole
        if math.isinf(takes):
            return 0.0
        more = min(busy(rate).whole - takes, GIVEN_UP * takes + SLACK)
        return SHARE * max(more, 0.0)

    return late


def of_lateness(
    problem: Problem, row: int, by_rate: ByRate, busy: ByRate
) -> Callable[[float], float]:
    """What it counts, by its chance, that a pre-copy ends late or never, s.

    :param by_rate: as of `of_way`
    :param busy: the same of a VM that writes `BUSY` more
    :returns: weighed s, by bytes/s; finite
    """
    request = problem.request
    lcb, width = float(problem.lcb[row]), float(problem.width[row])
    worth = min(max(request.urgency, LEAST_WORTH), 1.0)
    late = lateness(by_rate, busy)

    def counts(rate: float) -> float:
        if math.isinf(by_rate(rate).whole):
            return request.failure
        fails = chance(rate, lcb, width) * request.failure
        return fails + late(rate) * worth

    return counts


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
    chance that it is late, or does not end and was for nothing. Of what ends
    in post-copy the time until its VM has what it works with, and the risk,
    which lasts as long as its memory is on two hosts.
    Of all, what applications lose where migrations get the floor of a full
    link, and where they burst meanwhile.

    """
    weight, rules = float(problem.weight[row]), problem.rules
    request, capacities = problem.request, problem.network.capacity
    floor = request.nic_floor
    busy = switched.busy or by_rate
    counts = of_lateness(problem, row, by_rate, busy)
    mode = switched.mode
    gone = dict(leaves) if mode.early else {}
    # links that are full, and so their migrations at the floor
    crossed = [
        (float(capacities[k]), float(problem.app[k]) - gone.get(k, 0.0))
        for k in links
    ]
    bursting = sum(float(problem.exposed[k] / capacities[k]) for k in links)

    def harm(rate: float) -> float:
        takes, stop, split = by_rate(rate)
        lost = takes * bursting * rate
        if mode.switches:
            if mode.early:
                stop = rules.switchover + switched.faults / rate
            stop += request.risk(split)
        else:
            lost += counts(rate)
        for capacity, app in crossed:
            beyond = rate - max(capacity - app, 0.0)
            if beyond > 0 and rate <= floor * capacity * FULL:
                lost += takes * beyond / app
        return weight * stop + lost

    return harm
