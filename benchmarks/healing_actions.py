"""What the actions of a plan do on a simulated cloud.

Ours call what the plugin's own actions call, in their order; Watcher's are in
healing_stock.py.
"""

import dataclasses
import functools
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from benchmarks import healing_stock
from benchmarks.healing_driver import Simulated
from benchmarks.healing_nova import Befallen
from benchmarks.lockstep import Lockstep
from watcher_tsmig import errors
from watcher_tsmig.execute import Order
from watcher_tsmig.execute import Outcome
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute import emptying
from watcher_tsmig.execute.breaker import Breaker
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.execute.healing import healed
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.plugin import verify
from watcher_tsmig.plugin.options import action_options
from watcher_tsmig.plugin.schema import parameters

PATIENCE = next(
    o.default for o in action_options.VERIFY if o.name == 'patience'
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where plans are carried out.

    :ivar bound: where VMs will be that plans of ours still move
    :ivar breakers: of each plan, by the identity of its actions
    """

    sim: Befallen
    driver: Simulated
    clock: Lockstep
    bound: dict[str, str] = dataclasses.field(default_factory=dict)
    breakers: dict[int, Breaker] = dataclasses.field(default_factory=dict)

    def breaker(self, plan: Sequence['Action']) -> Breaker:
        """Of the hosts of a plan, by its actions."""
        return self.breakers.setdefault(id(plan), Breaker())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action of a plan; `after` are indices of others."""

    kind: str
    given: Mapping[str, Any]
    after: Sequence[int]


# Whether an action succeeded; it may look at the plan's others.
Does = Callable[[Site, Mapping[str, Any], Sequence[Action]], bool]


def _state(site: Site, given: Mapping[str, Any], _: Sequence[Action]) -> bool:
    with site.sim.at_now() as sim:
        service = sim.services[given['resource_name']]
        service.enabled = given['state'] == 'enabled'
        service.reason = given.get('disabled_reason')
    return True


def _migrate(
    site: Site, given: Mapping[str, Any], siblings: Sequence[Action]
) -> bool:
    """As plugin/migrate.py, execute()."""
    try:
        healed(
            functools.partial(_go, site, given),
            parameters.destinations(given),
            breaker=site.breaker(siblings),
            clock=site.clock,
        )
    except errors.MigrationError:
        return False
    return True


def _go(site: Site, given: Mapping[str, Any], to: str) -> Outcome:
    return carry_out(
        site.driver,
        _order(site, {**given, 'destination_node': to}),
        cancelled=lambda: False,
        clock=site.clock,
    )


def _order(site: Site, given: Mapping[str, Any]) -> Order:
    hosts = given['source_node'], given['destination_node']
    with site.sim.at_now() as sim:
        able = [sim.services[host].host.post_copy is True for host in hosts]
    return parameters.to_order(given, permitted=all(able))


def _verify(
    site: Site, given: Mapping[str, Any], siblings: Sequence[Action]
) -> bool:
    """As plugin/verify.py, execute(); whether the host is said to be empty."""
    moves = {
        a.given['resource_id']: a.given
        for a in siblings
        if a.given.get('source_node') == given['resource_id']
    }
    errand = parameters.to_errand(given, moves, PATIENCE)

    def move(resident: Resident, to: str) -> None:
        order = verify.late(resident, errand.host, to)
        if resident.vm in moves:
            order = _order(site, verify.again(moves[resident.vm], to))
        carry_out(
            site.driver, order, cancelled=lambda: False, clock=site.clock
        )

    found = emptying.empty(
        Nova(site.driver, Pace(), site.clock),
        errand,
        move,
        cancelled=lambda: False,
        clock=site.clock,
        breaker=site.breaker(siblings),
    )
    return found.empty


def _stock_migrate(
    site: Site, given: Mapping[str, Any], _: Sequence[Action]
) -> bool:
    return healing_stock.migrate(site.sim, site.clock, given)


OURS = {
    'change_nova_service_state': _state,
    'traffic_sensitive_migrate': _migrate,
    'traffic_sensitive_verify': _verify,
}
STOCK = {'change_nova_service_state': _state, 'migrate': _stock_migrate}
