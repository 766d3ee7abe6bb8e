"""The judge of plans: replays one and says what is wrong with it.

Shares nothing with what makes plans: it imports values only, walks the
rounds of every migration with its own arithmetic, follows every NIC, link,
host and slot from start to end, and asks whether `after` alone would keep
them apart if migrations took longer than they should. Whatever it accepts
can be carried out; whatever it finds is a sentence that names the
migration.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterator

from watcher_tsmig.model import Cloud
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.check import forecasts
from watcher_tsmig.plan.check import order
from watcher_tsmig.plan.check import rates
from watcher_tsmig.plan.check import rooms
from watcher_tsmig.plan.check import times
from watcher_tsmig.plan.check import who
from watcher_tsmig.plan.check.view import View
from watcher_tsmig.plan.check.view import view
from watcher_tsmig.plan.values import Plan

Check = Callable[[View], Iterator[str]]

CHECKS: tuple[Check, ...] = (
    who.permitted,
    who.destinations,
    who.hops,
    forecasts.forecasts,
    times.counts,
    times.moments_allowed,
    times.totals,
    order.honoured,
    order.exclusive,
    order.one_group,
    rates.crossed,
    rates.flows,
    rooms.fits,
    rooms.together,
)


def check(cloud: Cloud, plan: Plan, rules: Rules | None = None) -> list[str]:
    """What is wrong with the plan; an empty list when nothing is.

    :param rules: the hypervisor's; its downtime limit is the request's
    """
    rules = dataclasses.replace(
        rules or Rules(), downtime_limit=plan.request.downtime_limit
    )
    found = list(who.known(cloud, plan))
    if found:
        return found  # the rest would stumble over unknown VMs and hosts
    seen = view(cloud, plan, rules)
    for rule in CHECKS:
        found += rule(seen)
    return found
