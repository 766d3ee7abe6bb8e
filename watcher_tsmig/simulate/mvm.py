"""mVM's rule, as a baseline: full rate for everyone, one after another.

A duration model with a hot set and a cold rate at a bandwidth that is the
path's maximum, and a list scheduler that goes by the critical links.
Source: Kherbache, Madelaine and Hermenier, "Scheduling live migration of
virtual machines", and btrplace's CNetwork.
"""

import dataclasses
import math

import numpy as np

from watcher_tsmig.forecast.curves import hull
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.simulate import baselines
from watcher_tsmig.simulate.baselines import Destinations
from watcher_tsmig.simulate.baselines import Step
from watcher_tsmig.simulate.network import Network

# For a VM that writes as fast as the path: so many first passes.
NEVER = 64.0
# Capacities within this share of each other are the same.
SAME = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Flow:
    step: Step
    nodes: tuple[int, ...]
    rate: float
    volume: float


def seconds(work: WorkingSet, bandwidth: float) -> float:
    """How long the model says that a pre-copy takes.

    The hot set S, written within H s, and the cold rate c are the last
    line of the working-set curve and how long its first one takes to reach
    that line's origin.
    """
    corners = hull(work.samples, work.resident)
    first = work.resident / bandwidth
    if len(corners) == 1:
        return first
    (t0, d0), (t1, d1) = corners[-2:]
    cold = (d1 - d0) / (t1 - t0)
    hot = d1 - cold * t1
    steep = corners[1][1] / corners[1][0]
    if bandwidth <= max(cold, steep if hot > 0 else 0.0):
        return NEVER * first
    if hot <= 0:
        return first + first * cold / (bandwidth - cold)
    horizon = hot / steep
    if first <= horizon:
        return first + steep * first / (bandwidth - steep)
    cold_part = (hot + (first - horizon) * cold) / (bandwidth - cold)
    return first + cold_part + hot / bandwidth * steep / (bandwidth - steep)


def mvm(cloud: Cloud, request: Request, destinations: Destinations) -> Plan:
    """All pre-copy, none with less than its path's maximum.

    Whenever a migration ends, those that wait are tried, first the one
    with the most still to cross the busiest of its NICs and links, and
    start where all of them have its whole bandwidth left.
    """
    network = Network(cloud)
    flows = [
        _flow(network, step)
        for step in baselines.in_order(cloud, destinations)
    ]
    starts = _schedule(network, flows)
    ends = [s + f.step.seconds for s, f in zip(starts, flows, strict=True)]
    order = sorted(range(len(flows)), key=lambda i: (starts[i], i))
    steps = [
        dataclasses.replace(
            flows[i].step, after=_before(flows, starts, ends, i)
        )
        for i in order
    ]
    return baselines.plan_of(request, steps, "mVM's rule: full rate in turn")


def _flow(network: Network, step: Step) -> _Flow:
    index = network.index
    path = network.path(index[step.vm.host], index[step.destination])
    nodes = tuple(node for node in path if node >= 0)
    rate = min(float(network.capacity[node]) for node in nodes)
    work = step.vm.working_set
    volume = work.resident if work else step.vm.memory
    takes = seconds(work, rate) if work else volume / rate
    return _Flow(
        step=dataclasses.replace(step, seconds=takes),
        nodes=nodes,
        rate=rate,
        volume=volume,
    )


def _schedule(network: Network, flows: list[_Flow]) -> list[float]:
    """When each starts, s."""
    free = network.capacity.copy()
    waiting = set(range(len(flows)))
    busy = np.zeros(len(free))  # s of what is still to cross
    for flow in flows:
        busy[list(flow.nodes)] += flow.step.seconds
    starts = [math.inf] * len(flows)
    running: list[tuple[float, int]] = []
    now = 0.0
    while waiting:
        urgent = sorted(
            waiting,
            key=lambda i: (-max(busy[n] for n in flows[i].nodes), i),
        )
        for i in urgent:
            flow, nodes = flows[i], list(flows[i].nodes)
            if (free[nodes] >= flow.rate * (1 - SAME)).all():
                free[nodes] -= flow.rate
                busy[nodes] -= flow.step.seconds
                starts[i] = now
                running.append((now + flow.step.seconds, i))
                waiting.remove(i)
        now = min(end for end, _ in running)
        for end, i in [item for item in running if item[0] <= now]:
            free[list(flows[i].nodes)] += flows[i].rate
            running.remove((end, i))
    return starts


def _before(
    flows: list[_Flow], starts: list[float], ends: list[float], i: int
) -> tuple[str, ...]:
    """Those that must end first: the last before it on each direction."""
    out: set[str] = set()
    for node in flows[i].nodes:
        before = [
            k
            for k, flow in enumerate(flows)
            if k != i and node in flow.nodes and ends[k] <= starts[i]
        ]
        if before:
            latest = max(starts[k] for k in before)
            out |= {flows[k].step.vm.id for k in before if ends[k] > latest}
    return tuple(sorted(out))
