"""Ways to empty a host, carried out on a simulated cloud that things befall.

Ours is the plugin's: its strategy on the cloud as it is, its code for each
migration, its last look. Watcher's applier, which starts an action when
those that it waits for are over, is the loop in `carried_out`.
"""

import dataclasses
import functools
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from watcher.common import utils

from benchmarks import healing_stock
from benchmarks.healing_actions import OURS
from benchmarks.healing_actions import STOCK
from benchmarks.healing_actions import Action
from benchmarks.healing_actions import Does
from benchmarks.healing_actions import Site
from benchmarks.healing_clouds import OUTGOING
from benchmarks.healing_clouds import Case
from benchmarks.healing_clouds import Kind
from benchmarks.healing_driver import Simulated
from benchmarks.healing_nova import Befallen
from benchmarks.healing_nova import befall
from benchmarks.lockstep import Lockstep
from benchmarks.lockstep import Task
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.plugin import edges
from watcher_tsmig.plugin.drain import TrafficSensitiveDrain
from watcher_tsmig.plugin.options import options
from watcher_tsmig.telemetry import Reading

# s after which whatever still goes on is given up
GIVEN_UP = 6 * 3600.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What came of emptying a host; s.

    :ivar planned: what the plan said; None where it says nothing
    :ivar emptied: nobody was on it, or on the way to it, when that was said
    :ivar said: that it is empty
    :ivar left: who was there
    """

    host: str
    took: float
    planned: float | None
    emptied: bool
    said: bool
    left: tuple[str, ...]


# What a way to empty a host plans, and its actions.
Planned = tuple[float | None, list[Action]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a host is emptied.

    :ivar plan: the actions, for a cloud, a host, and a plan of ours that
        is known already
    :ivar does: what each kind of action does
    """

    plan: Callable[[Site, str, Plan | None], Planned]
    does: Mapping[str, Does]


class _Drain(TrafficSensitiveDrain):  # type: ignore[misc]
    """The plugin's strategy, to which the simulated cloud is told."""

    site: Site
    known: Plan | None = None

    def _read(self) -> Reading:
        with self.site.sim.at_now() as sim:
            ids = {name: s.hypervisor for name, s in sim.services.items()}
            return Reading(cloud=sim.told(), node_ids=ids, notes=())

    def spared(
        self, reading: Reading, allowed: Sequence[str], leaves: Sequence[str]
    ) -> tuple[str, ...]:
        """No database tells of other plans, but their hosts are disabled."""
        return tuple(allowed)

    def bound(self) -> Mapping[str, str]:
        """Nor of where they send VMs, but the site does."""
        return dict(self.site.bound)

    def make(self, reading: Reading, request: Request) -> Plan:
        """A plan that is known already is not made again."""
        return self.known or super().make(reading, request)


def _ours(site: Site, host: str, known: Plan | None) -> Planned:
    """The plugin's actions, as its planner links them."""
    given = {option.name: option.default for option in options.STRATEGY}
    given['calibration_file'] = ''
    strategy = _Drain(utils.Struct(given))
    strategy.site, strategy.known = site, known
    strategy.input_parameters = utils.Struct({'hosts': [host]})
    strategy.do_execute()
    found = [dict(action) for action in strategy.solution.actions]
    parents = edges.explicit(found, strategy.after)
    plan = strategy.plan
    return plan.makespan if plan else None, [
        Action(
            kind=action['action_type'],
            given=action['input_parameters'],
            after=after,
        )
        for action, after in zip(found, parents, strict=True)
    ]


def _unhealed(site: Site, host: str, known: Plan | None) -> Planned:
    """Likewise, without other destinations and without a last look."""
    seconds, actions = _ours(site, host, known)
    return seconds, [
        dataclasses.replace(a, given={**a.given, 'alternatives': ''})
        for a in actions
        if a.kind != 'traffic_sensitive_verify'
    ]


def _stock(
    site: Site, host: str, known: Plan | None, *, backup: bool = False
) -> Planned:
    """Watcher's own; the backup node is the host with most memory free."""
    with site.sim.at_now() as sim:
        cloud = sim.told()
        free = {
            h.name: h.memory - sim.used(h.name)[0]
            for h in cloud.hosts
            if h.enabled and h.up and h.name != host
        }
    best = max(free, key=lambda name: (free[name], name)) if backup else ''
    steps = healing_stock.planned(cloud, host, best)
    index = {step.uuid: i for i, step in enumerate(steps)}
    return None, [
        Action(
            kind=step.action_type,
            given=step.given,
            after=[index[uuid] for uuid in step.parents],
        )
        for step in steps
    ]


WAYS = {
    'ours': Way(plan=_ours, does=OURS),
    'ours without healing': Way(plan=_unhealed, does=OURS),
    'stock': Way(plan=_stock, does=STOCK),
    'stock with backup node': Way(
        plan=functools.partial(_stock, backup=True), does=STOCK
    ),
}


def carried_out(case: Case, way: Way) -> tuple[list[Drained], Befallen]:
    """What came of each host that was to be emptied, and the cloud then."""
    clock = Lockstep()
    sim = Befallen(case.cloud, clock, OUTGOING)
    site = Site(sim=sim, driver=Simulated(sim), clock=clock)
    found: list[Drained] = []

    def drain(host: str, at: float, known: Plan | None) -> None:
        clock.sleep(at)
        found.append(_drained(site, way, host, known))

    first = functools.partial(drain, case.host, 0.0, case.plan)
    drains = [clock.start(first)]
    for event in case.events:
        if event.kind is Kind.DRAINED:
            other = functools.partial(drain, event.host, event.at, None)
            drains.append(clock.start(other))
        else:
            clock.start(
                functools.partial(befall, sim, clock, event, case.host)
            )
    clock.run(lambda: not all(d.over for d in drains), GIVEN_UP)
    over = {drained.host for drained in found}
    hosts = (e.host for e in case.events if e.kind is Kind.DRAINED)
    for host in (case.host, *hosts):
        if host not in over:
            found.append(_judged(site, host, GIVEN_UP, None, said=False))
    return found, sim


def _drained(site: Site, way: Way, host: str, known: Plan | None) -> Drained:
    began = site.clock.now()
    planned, actions = way.plan(site, host, known)
    done: list[bool] = [False] * len(actions)
    tasks: list[Task] = []
    site.bound.update(
        (a.given['resource_id'], a.given['destination_node'])
        for a in actions
        if a.kind == 'traffic_sensitive_migrate'
    )

    def act(number: int) -> None:
        action = actions[number]
        site.clock.wait(tasks[i] for i in action.after)
        done[number] = way.does[action.kind](site, action.given, actions)
        site.bound.pop(action.given['resource_id'], None)

    tasks = [
        site.clock.start(functools.partial(act, i))
        for i in range(len(actions))
    ]
    site.clock.wait(tasks)
    looks = [
        done[i]
        for i, action in enumerate(actions)
        if action.kind == 'traffic_sensitive_verify'
    ]
    said = all(looks or done) and bool(actions)
    took = site.clock.now() - began
    return _judged(site, host, took, planned, said=said)


def _judged(
    site: Site, host: str, took: float, planned: float | None, *, said: bool
) -> Drained:
    """What is true of the host now, whatever is said of it."""
    with site.sim.at_now() as sim:
        there = sim.there(host)
    return Drained(
        host=host,
        took=took,
        planned=planned,
        emptied=not there,
        said=said,
        left=tuple(server.vm.name for server in there),
    )
