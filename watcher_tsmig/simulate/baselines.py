"""How others would move the same VMs to the same hosts, as plans.

Every function takes the cloud, the request and a destination for each VM,
and gives a plan that `replay` follows like any other: its order is in
`after`, and nothing but a fixed parallelism counts what is in flight. None
of them has a bandwidth for one VM, so no cap is below infinity. Times in
these plans are rough, for their order; the replay tells the true ones.
"""

import dataclasses
import math
from collections.abc import Iterable
from collections.abc import Mapping

import numpy as np

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason
from watcher_tsmig.simulate.network import UNKNOWN_NIC
from watcher_tsmig.simulate.network import Network

Destinations = Mapping[str, str]  # id of a VM -> host

# Watcher's weight planner: actions of type migrate at once.
WEIGHT_CHUNK = 2
# The seed tries all combinations; of more VMs than these of one pair of
# hosts at once, so many after so many (2 ** 14 combinations each).
EXHAUSTIVE = 14


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One migration of a baseline; `seconds` for the plan's own times."""

    vm: Vm
    destination: str
    mode: Mode = Mode.PRE_COPY
    after: tuple[str, ...] = ()
    seconds: float


def nova_default(
    cloud: Cloud, request: Request, destinations: Destinations
) -> Plan:
    """All pre-copy, one after another from each host.

    Nova, [DEFAULT]max_concurrent_live_migrations = 1: the requests are all
    made at once and queue on their source.
    """
    last: dict[str, tuple[str, ...]] = {}
    steps = []
    for step in in_order(cloud, destinations):
        after = last.get(step.vm.host, ())
        steps.append(dataclasses.replace(step, after=after))
        last[step.vm.host] = (step.vm.id,)
    return plan_of(request, steps, "Nova's default: one from each host")


def fixed_parallelism(
    cloud: Cloud, request: Request, destinations: Destinations, k: int
) -> Plan:
    """All pre-copy, k in flight in all, host by host.

    Its order is no graph: the next one starts when any one ends, which the
    replay keeps by the request's `max_in_cluster`.
    """
    steps = list(in_order(cloud, destinations))
    return plan_of(request, steps, f'{k} at once', in_flight=k)


def watcher_weight(
    cloud: Cloud, request: Request, destinations: Destinations
) -> Plan:
    """All pre-copy, chunks of two, each after all of the one before.

    Watcher's weight planner with its default parallelization of migrate.
    """
    steps = list(in_order(cloud, destinations))
    before: tuple[str, ...] = ()
    out: list[Step] = []
    for i in range(0, len(steps), WEIGHT_CHUNK):
        chunk = steps[i : i + WEIGHT_CHUNK]
        out += [dataclasses.replace(step, after=before) for step in chunk]
        before = tuple(step.vm.id for step in chunk)
    return plan_of(request, out, "Watcher's weight planner: chunks of two")


def static_choice(
    cloud: Cloud, request: Request, destinations: Destinations
) -> Plan:
    """The seed's rule: for each pair of hosts the modes that contend least.

    Of all combinations that with the least max(source, destination) of the
    contending traffic in bytes/s; all migrations start at once. Where
    post-copy is not permitted it is no candidate. Source: Deshpande and
    Keahey, "Traffic-sensitive live migration", "Calculating Contention".
    """
    pairs: dict[tuple[str, str], list[Step]] = {}
    for step in in_order(cloud, destinations):
        key = (step.vm.host, step.destination)
        pairs.setdefault(key, []).append(step)
    tx, rx = _traffic(cloud)
    steps: list[Step] = []
    for (source, destination), group in pairs.items():
        may = [_may_post_copy(cloud, request, step) for step in group]
        moving = sum(s.vm.traffic.tx for s in group if s.vm.traffic)
        base = tx[source] - moving, rx[destination]
        for i in range(0, len(group), EXHAUSTIVE):
            some = group[i : i + EXHAUSTIVE]
            post, base = _least(some, may[i : i + EXHAUSTIVE], base)
            steps += [
                dataclasses.replace(
                    step, mode=Mode.POST_COPY if late else Mode.PRE_COPY
                )
                for step, late in zip(some, post, strict=True)
            ]
    return plan_of(request, steps, 'least contention of its pair of hosts')


def _least(
    group: list[Step], may: list[bool], base: tuple[float, float]
) -> tuple[list[bool], tuple[float, float]]:
    """Which are post-copied, and the contention at both ends then."""
    n = len(group)
    tx = np.array([s.vm.traffic.tx if s.vm.traffic else 0.0 for s in group])
    rx = np.array([s.vm.traffic.rx if s.vm.traffic else 0.0 for s in group])
    post = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    post = post[(post <= np.array(may)).all(axis=1)]
    source = base[0] + (1 - post) @ tx
    destination = base[1] + post @ rx
    worst = np.maximum(source, destination)
    best = int(np.lexsort((post.sum(axis=1), worst))[0])
    return (
        [bool(p) for p in post[best]],
        (float(source[best]), float(destination[best])),
    )


def _may_post_copy(cloud: Cloud, request: Request, step: Step) -> bool:
    return bool(
        request.allow_post_copy
        and step.vm.post_copy
        and cloud.host(step.vm.host).post_copy
        and cloud.host(step.destination).post_copy
    )


def _traffic(cloud: Cloud) -> tuple[dict[str, float], dict[str, float]]:
    """What runs out of and into each host, bytes/s."""
    tx = {h.name: h.nic.background_tx if h.nic else 0.0 for h in cloud.hosts}
    rx = {h.name: h.nic.background_rx if h.nic else 0.0 for h in cloud.hosts}
    for vm in cloud.vms:
        if vm.traffic is not None:
            tx[vm.host] += vm.traffic.tx
            rx[vm.host] += vm.traffic.rx
    return tx, rx


def in_order(cloud: Cloud, destinations: Destinations) -> Iterable[Step]:
    """Host by host, as the cloud lists them: what an operator's loop does."""
    network = Network(cloud)
    order = {h.name: i for i, h in enumerate(cloud.hosts)}
    moving = [vm for vm in cloud.vms if vm.id in destinations]
    for vm in sorted(moving, key=lambda vm: order[vm.host]):
        work = vm.working_set
        volume = work.resident if work else vm.memory
        path = network.path(order[vm.host], order[destinations[vm.id]])
        rate = min(
            (float(network.capacity[n]) for n in path if n >= 0),
            default=UNKNOWN_NIC,
        )
        yield Step(
            vm=vm,
            destination=destinations[vm.id],
            seconds=volume / rate,
        )


def plan_of(
    request: Request,
    steps: list[Step],
    because: str,
    in_flight: int | None = None,
) -> Plan:
    """The steps as a plan; each begins when all that it waits for end."""
    setup = Rules().overhead
    ends: dict[str, float] = {}
    out: list[Migration] = []
    for i, step in enumerate(steps):
        start = max((ends[vm] for vm in step.after), default=0.0)
        takes = step.seconds + setup
        ends[step.vm.id] = start + takes
        work = step.vm.working_set
        out.append(
            Migration(
                vm=step.vm.id,
                name=step.vm.name,
                source=step.vm.host,
                destination=step.destination,
                mode=step.mode,
                cap=math.inf,
                lcb=0.0,
                slot=i + 1,
                start=start,
                takes=takes,
                takes_low=takes,
                takes_high=math.inf,
                downtime=0.0,
                data=work.resident if work else step.vm.memory,
                reason=Reason.MODE_FORCED,
                because=because,
                runner_up='',
                after=step.after,
                cap_enforcement=Enforcement.HOST_DEFAULT,
            )
        )
    most = in_flight or max(len(out), 1)
    return Plan(
        request=dataclasses.replace(request, max_in_cluster=most),
        migrations=tuple(out),
        left_out=(),
        lower_bound=0.0,
        peak_load=0.0,
    )
