"""Hosts and what is on them while VMs are shifted around on paper.

It answers how busy a host would be and who may go where; what is worth
moving is decided elsewhere. Loads are arrays of shape (3,): tx, rx, CPU.
"""

from collections import Counter
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Group
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plan.relief.loads import Usage
from watcher_tsmig.plan.relief.loads import background
from watcher_tsmig.plan.values import Request

#: Two loads are equal within this share of a capacity.
EQUAL = 1e-9


class Floor:
    """Where every VM is; changed by `move` only.

    :ivar unmeasured: how many VMs of a host nobody measured, by its name
    :ivar post_capable: some host that may receive can post-copy
    """

    def __init__(
        self, cloud: Cloud, usage: Usage, limits: Limits, request: Request
    ) -> None:
        self._limits = limits
        self._hosts = sorted(cloud.hosts, key=lambda host: host.name)
        self._row = {host.name: i for i, host in enumerate(self._hosts)}
        self._vms = {vm.id: vm for vm in cloud.vms}
        self._at = {vm.id: vm.host for vm in cloud.vms}
        self._groups: dict[str, list[Group]] = defaultdict(list)
        for group in cloud.groups:
            for member in group.members:
                self._groups[member].append(group)
        self.unmeasured = dict(
            Counter(vm.host for vm in cloud.vms if vm.traffic is None)
        )
        self._capacity = _rows(usage.capacity(host) for host in self._hosts)
        self._leaving: dict[str, FloatArray] = {}
        self._landing: dict[str, FloatArray] = {}
        self._use(usage, request)
        self._load = _rows(background(host) for host in self._hosts)
        # as a destination is judged: what nobody measured is assumed
        self._careful = self._load.copy()
        self._free = _rows(_room(host) for host in self._hosts)
        for vm in cloud.vms:
            self._put(vm, vm.host, 1.0)
        allowed = set(request.destinations or self._row)
        self._open = np.array(
            [h.enabled and h.up and h.name in allowed for h in self._hosts],
            dtype=bool,
        )
        self.post_capable = any(
            host.post_copy is True and is_open
            for host, is_open in zip(self._hosts, self._open, strict=True)
        )

    def _use(self, usage: Usage, request: Request) -> None:
        now = {vm.id: usage.now(vm) for vm in self._vms.values()}
        if all(np.isnan(use[2]) for use in now.values()):
            # nobody measures CPUs here, so nobody can be judged by them
            self._capacity[:, 2] = np.inf
        for vm, use in now.items():
            assumed = (
                request.assume_traffic,
                request.assume_traffic,
                self._vms[vm].vcpus,
            )
            self._leaving[vm] = np.nan_to_num(use)
            self._landing[vm] = np.where(np.isnan(use), assumed, use)

    def _put(self, vm: Vm, host: str, sign: float) -> None:
        row = self._row[host]
        self._load[row] += sign * self._leaving[vm.id]
        self._careful[row] += sign * self._landing[vm.id]
        self._free[row] -= sign * _needs(vm)

    def move(self, vm: str, host: str) -> None:
        """The VM is on that host from here on."""
        self._put(self._vms[vm], self._at[vm], -1.0)
        self._put(self._vms[vm], host, 1.0)
        self._at[vm] = host

    def close(self, hosts: Iterable[str]) -> None:
        """These are no destinations."""
        self._open[[self._row[name] for name in hosts]] = False

    # -- how busy

    def host(self, name: str) -> Host:
        """The host of that name."""
        return self._hosts[self._row[name]]

    def load_of(self, host: str) -> FloatArray:
        """What is measured on it: bytes/s, bytes/s, CPUs."""
        load: FloatArray = self._load[self._row[host]]
        return load

    def capacity_of(self, host: str) -> FloatArray:
        """Likewise what it can do; inf where nobody knows."""
        capacity: FloatArray = self._capacity[self._row[host]]
        return capacity

    def share(self, host: str) -> FloatArray:
        """The load as a share of the capacity."""
        return self.load_of(host) / self.capacity_of(host)

    def leaving(self, vm: str) -> FloatArray:
        """What the VM is measured to use; 0 where nobody measured."""
        return self._leaving[vm]

    def size(self, vm: str) -> float:
        """How hard the VM is to place: its memory, in bytes."""
        return self._vms[vm].memory

    # -- who may go where

    def best(self, vm: str) -> str | None:
        """The host that is least busy with the VM, if one may have it."""
        lows, highs = self._limits.lows, self._limits.highs
        after = (self._careful + self._landing[vm]) / self._capacity
        # clearly less busy than the source is now, or nothing is gained
        before = np.max(self.share(self._at[vm]) / highs)
        good = (
            self._open
            & np.all(after <= lows + EQUAL, axis=1)
            & np.all(after + self._limits.margin <= before * highs, axis=1)
            & np.all(self._free >= _needs(self._vms[vm]), axis=1)
        )
        good[self._row[self._at[vm]]] = False
        busy = np.max(after / lows, axis=1)
        order = np.lexsort((busy, ~good))[: np.count_nonzero(good)]
        for row in map(int, order):
            if self._fits(self._vms[vm], self._hosts[row]):
                return self._hosts[row].name
        return None

    def _fits(self, vm: Vm, host: Host) -> bool:
        if vm.zone is not None and host.zone not in (None, vm.zone):
            return False
        if vm.allowed is not None and host.name not in vm.allowed:
            return False
        groups = self._groups.get(vm.id, ())
        return all(self._agrees(vm, host.name, group) for group in groups)

    def _agrees(self, vm: Vm, host: str, group: Group) -> bool:
        others = [
            self._at[member]
            for member in group.members
            if member != vm.id and member in self._at
        ]
        if group.policy == Affinity.TOGETHER:
            return all(at == host for at in others)
        if group.policy == Affinity.APART:
            return others.count(host) < group.max_per_host
        return True


def _rows(arrays: Iterable[FloatArray]) -> FloatArray:
    rows = [*arrays]
    return np.array(rows) if rows else np.zeros((0, 3))


def _room(host: Host) -> FloatArray:
    """Memory, vCPUs, local disk."""
    disk = np.inf if host.disk is None else host.disk
    return np.array([host.memory, host.vcpus, disk])


def _needs(vm: Vm) -> FloatArray:
    """Memory, vCPUs, local disk."""
    return np.array([vm.memory, vm.vcpus, vm.disk])
