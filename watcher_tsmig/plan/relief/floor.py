"""Hosts and what is on them while VMs are shifted around on paper.

It answers how busy a host would be; who may go where at all the planner's
judges say (eligibility, vacancy), and what is worth moving is decided
elsewhere. Loads are arrays of shape (3,): tx, rx, CPU.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.problem import eligibility
from watcher_tsmig.plan.problem import vacancy
from watcher_tsmig.plan.problem.vacancy import Vacancy
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
        self._cloud, self._request = cloud, request
        self._number = {vm.id: i for i, vm in enumerate(cloud.vms)}
        every = list(cloud.vms)
        self._vacancy = Vacancy(
            vacancy.free(cloud, self._hosts),
            vacancy.sizes(every),
            eligibility.groups(cloud, every, self._row),
        )
        self._admitted: dict[str, BoolArray] = {}
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
        for vm in cloud.vms:
            self._bear(vm.id, self._row[vm.host], 1.0)
        self._closed = np.zeros(len(self._hosts), dtype=bool)
        opened = eligibility.opened(self._hosts, [], request)
        self.post_capable = any(
            host.post_copy is True and is_open
            for host, is_open in zip(self._hosts, opened, strict=True)
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

    def _bear(self, vm: str, row: int, sign: float) -> None:
        self._load[row] += sign * self._leaving[vm]
        self._careful[row] += sign * self._landing[vm]

    def move(self, vm: str, host: str) -> None:
        """The VM is on that host from here on."""
        old, new = self._row[self._at[vm]], self._row[host]
        self._bear(vm, old, -1.0)
        self._bear(vm, new, 1.0)
        self._vacancy.take(self._number[vm], old)
        self._vacancy.put(self._number[vm], new)
        self._at[vm] = host

    def close(self, hosts: Iterable[str]) -> None:
        """These are no destinations."""
        self._closed[[self._row[name] for name in hosts]] = True

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
            self._may(vm)
            & self._vacancy.fits(self._number[vm])
            & ~self._closed
            & np.all(after <= lows + EQUAL, axis=1)
            & np.all(after + self._limits.margin <= before * highs, axis=1)
        )
        good[self._row[self._at[vm]]] = False
        if not good.any():
            return None
        busy = np.where(good, np.max(after / lows, axis=1), np.inf)
        return self._hosts[int(busy.argmin())].name

    def _may(self, vm: str) -> BoolArray:
        """Hosts that admit the VM, shape (h,)."""
        if vm not in self._admitted:
            self._admitted[vm] = eligibility.admitted(
                self._cloud, self._hosts, [self._vms[vm]], self._request
            )[0]
        return self._admitted[vm]


def _rows(arrays: Iterable[FloatArray]) -> FloatArray:
    rows = [*arrays]
    return np.array(rows) if rows else np.zeros((0, 3))
