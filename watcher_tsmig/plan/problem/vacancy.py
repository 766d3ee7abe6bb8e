"""What is free on hosts and in server groups, while VMs are put there.

Whoever looks for a destination asks here whether there is room: for the
planner, for those that relieve hosts, and for the alternatives of a plan.
Who may go where by name and policy says eligibility.py.
"""

import math
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem.eligibility import Apart


def sizes(vms: Sequence[Vm]) -> FloatArray:
    """What each VM takes: memory, vCPUs, local disk; shape (n, 3)."""
    out = [(vm.memory, vm.vcpus, vm.disk) for vm in vms]
    return np.array(out, dtype=np.float64).reshape(-1, 3)


def free(cloud: Cloud, hosts: Sequence[Host]) -> FloatArray:
    """What is left on each host, shape (h, 3); inf of a disk nobody counts.

    A VM that is on its way counts at both ends, for it may come, or stay.
    """
    rows = [
        (h.memory, h.vcpus, math.inf if h.disk is None else h.disk)
        for h in hosts
    ]
    out = np.array(rows, dtype=np.float64).reshape(-1, 3)
    index = {host.name: i for i, host in enumerate(hosts)}
    arriving = cloud.arriving
    for vm, size in zip(cloud.vms, sizes(cloud.vms), strict=True):
        at = {index[vm.host], index[arriving.get(vm.id, vm.host)]}
        out[list(at)] -= size
    return out


class Vacancy:
    """Room on h hosts for n VMs; changed by `put` and `take` only.

    :ivar free: shape (h, 3), what is free now
    """

    def __init__(
        self, free: FloatArray, size: FloatArray, groups: Sequence[Apart]
    ) -> None:
        """Nobody is put anywhere yet.

        :param free: shape (h, 3), what is free at first
        :param size: shape (n, 3), what each VM takes
        :param groups: their rows are VMs
        """
        self.free = free.copy()
        self._size = size
        self._groups = groups
        self._members = [group.there.copy() for group in groups]
        self._of: dict[int, list[int]] = {}
        for k, group in enumerate(groups):
            for row in group.rows:
                self._of.setdefault(row, []).append(k)

    def fits(self, row: int) -> BoolArray:
        """Hosts that have room for the VM and for one more of its groups."""
        out: BoolArray = (self.free >= self._size[row]).all(axis=1)
        for k in self._of.get(row, ()):
            out &= self._members[k] < self._groups[k].most
        return out

    def put(self, row: int, host: int) -> None:
        """The VM takes its room there."""
        self._count(row, host, 1.0)

    def take(self, row: int, host: int) -> None:
        """The VM gives its room back."""
        self._count(row, host, -1.0)

    def softly(self, row: int) -> list[tuple[Apart, FloatArray]]:
        """The soft groups of a VM, with their members on each host, (h,)."""
        return [
            (self._groups[k], self._members[k])
            for k in self._of.get(row, ())
            if np.isinf(self._groups[k].most)
        ]

    def _count(self, row: int, host: int, sign: float) -> None:
        self.free[host] -= sign * self._size[row]
        for k in self._of.get(row, ()):
            self._members[k][host] += sign
