"""What the VMs' applications ask of the network, and what they get.

Traffic by VM as it changes with time, and the counters of what was not
delivered; who runs where, and who shares with whom, is not known here.
"""

import math
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from watcher_tsmig import errors
from watcher_tsmig.model import Cloud
from watcher_tsmig.simulate.network import Shares
from watcher_tsmig.simulate.sharing import FloatArray
from watcher_tsmig.simulate.values import Service

LAST_MOMENT = 1e-9  # s; what is sooner is rounding

# Of one VM, by rising time: from that s on, tx and rx in bytes/s.
Series = Sequence[tuple[float, float, float]]


class Applications:
    """Traffic of n VMs, and their counters.

    :ivar runs: shape (n,), 0 for a VM that stands, else 1
    :ivar outage: shape (n,), s that each has stood
    """

    def __init__(self, cloud: Cloud, traffic: Mapping[str, Series]) -> None:
        """Begin with the cloud's traffic; unknown traffic is none.

        :raises errors.InputError: a series names a VM that is not there
        """
        row = {vm.id: i for i, vm in enumerate(cloud.vms)}
        for vm_id in traffic:
            if vm_id not in row:
                raise errors.InputError('no such VM', f'traffic[{vm_id}]')
        known = [
            (vm.traffic.tx, vm.traffic.rx) if vm.traffic else (0.0, 0.0)
            for vm in cloud.vms
        ]
        n = len(known)
        self._traffic = np.array(known, dtype=np.float64).reshape(n, 2).T
        # the next one last
        self._changes = sorted(
            (
                (at, row[vm_id], tx, rx)
                for vm_id, series in traffic.items()
                for at, tx, rx in series
            ),
            reverse=True,
        )
        self.runs = np.ones(n)
        self.outage = np.zeros(n)
        self._rates = np.zeros((3, n))  # asked, lost, overload, bytes/s
        self._counts = np.zeros((3, n))

    @property
    def demand(self) -> FloatArray:
        """tx and rx of each VM now, shape (2, n), bytes/s."""
        out: FloatArray = self._traffic * self.runs
        return out

    @property
    def next_change(self) -> float:
        """When any traffic changes next, s; inf for never."""
        return self._changes[-1][0] if self._changes else math.inf

    def change(self, now: float) -> bool:
        """Apply the changes that are due; whether there were any."""
        changed = False
        while self.next_change <= now + LAST_MOMENT:
            _, row, tx, rx = self._changes.pop()
            self._traffic[:, row] = tx, rx
            changed = True
        return changed

    def take(self, shares: Shares) -> None:
        """What everyone gets from now on."""
        self._rates[0] = self.demand.sum(axis=0)
        self._rates[1] = shares.lost.sum(axis=0)
        self._rates[2] = shares.overload.sum(axis=0)

    def count(self, seconds: float) -> None:
        """So much time passes like this."""
        self._counts += self._rates * seconds
        self.outage += (1.0 - self.runs) * seconds

    def service(self, row: int) -> Service:
        """What one VM had so far."""
        asked, lost, overload = self._counts[:, row].tolist()
        return Service(
            asked=asked,
            lost=lost,
            overload=overload,
            outage=float(self.outage[row]),
        )
