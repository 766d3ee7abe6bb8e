"""How busy hosts are and were: sums over their VMs, as shares of capacity.

A host's history is that of the VMs that are on it now, wherever they were
then: what counts is whether these VMs together have been too much for long
enough, not what one that has left was doing. Unknown stays unknown: a VM
that nobody measured adds nothing, and is counted.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.model.history import Load
from watcher_tsmig.model.history import Point
from watcher_tsmig.model.history import VmLoad

#: Columns of every array of loads here.
LOADS = tuple(Load)
# Two spans follow each other if less than half of one is missing between.
GAP = 0.5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Everything that is known of how busy a cloud is.

    :ivar vms: by id of the VM, over the time that was asked for
    :ivar cpus: a host's own CPUs, before any allocation ratio, by name;
        one that is not there is not judged by its CPUs
    :ivar assume_nic: capacity of a NIC that nobody declared, bytes/s
    :ivar window: what a VM's CPUs do now is their mean over the measures
        this young, s
    """

    vms: Mapping[str, VmLoad] = dataclasses.field(default_factory=dict)
    cpus: Mapping[str, float] = dataclasses.field(default_factory=dict)
    assume_nic: float = 125e6
    window: float = 900.0

    def capacity(self, host: Host) -> FloatArray:
        """Of each load, shape (3,); inf where nobody knows it.

        Tenants' traffic is judged by the NIC that it uses, which need not
        be that of migrations.
        """
        nic = host.nic.capacity if host.nic else self.assume_nic
        if host.nic and host.nic.separate:
            nic = host.nic.tenants or np.inf
        cpus = self.cpus.get(host.name) or np.inf
        return np.array([nic, nic, cpus])

    def cpu(self, vm: Vm) -> float | None:
        """CPUs busy for the VM, in the mean; None where nobody knows."""
        points = self.vms[vm.id].cpu if vm.id in self.vms else ()
        return mean([p for p in points if p[0] > points[-1][0] - self.window])

    def now(self, vm: Vm) -> FloatArray:
        """What the VM uses now, shape (3,); nan where nobody knows."""
        cpu = self.cpu(vm)
        traffic = vm.traffic
        return np.array(
            [
                traffic.tx if traffic else np.nan,
                traffic.rx if traffic else np.nan,
                np.nan if cpu is None else cpu,
            ]
        )


def mean(points: Sequence[Point]) -> float | None:
    """The mean over time; None without any point."""
    time = sum(span for _, span, _ in points)
    return sum(span * x for _, span, x in points) / time if time else None


def background(host: Host) -> FloatArray:
    """What runs on the host beside its VMs, shape (3,)."""
    if host.nic is None or host.nic.separate:
        return np.zeros(3)
    return np.array([host.nic.background_tx, host.nic.background_rx, 0.0])


def histories(
    cloud: Cloud, usage: Usage
) -> dict[str, dict[Load, tuple[Point, ...]]]:
    """For each host and load the shares of its capacity, oldest first."""
    on: dict[str, list[str]] = defaultdict(list)
    for vm in cloud.vms:
        on[vm.host].append(vm.id)
    found = {}
    for host in cloud.hosts:
        capacity, base = usage.capacity(host), background(host)
        loads = [usage.vms.get(vm, VmLoad()) for vm in on[host.name]]
        found[host.name] = {
            load: tuple(
                (start, span, (value + base[i]) / capacity[i])
                for start, span, value in summed([x.of(load) for x in loads])
            )
            for i, load in enumerate(LOADS)
            if np.isfinite(capacity[i])
        }
    return found


def summed(series: Sequence[Sequence[Point]]) -> list[Point]:
    """The sum of several series at each start, oldest first.

    The last span is left away while a series that has the one before it
    lacks it: its measures are still coming in, and would look like a lull.
    """
    sums: dict[float, list[float]] = {}
    for points in series:
        for start, span, value in points:
            entry = sums.setdefault(start, [span, 0.0, 0])
            entry[1] += value
            entry[2] += 1
    ordered = sorted(sums)
    if len(ordered) > 1 and sums[ordered[-1]][2] < sums[ordered[-2]][2]:
        ordered.pop()
    return [(start, sums[start][0], sums[start][1]) for start in ordered]


def held(
    points: Sequence[Point], above: float, now: float, fresh: float
) -> float:
    """For how long the newest points have been above a share, s.

    :param now: s since the epoch
    :param fresh: 0 if the newest point ended longer ago than this, s
    """
    if not points or now - sum(points[-1][:2]) > fresh:
        return 0.0
    end = since = sum(points[-1][:2])
    for start, span, value in reversed(points):
        if value <= above or since - (start + span) > GAP * span:
            break
        since = start
    return end - since
