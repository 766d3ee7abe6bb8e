"""The links that migrations and applications share, by index.

A NIC is two links, out and in, and so is a shared link (model.bonds): so
one index names everything that has a capacity. Host h sends on link h and
receives on link H + h; shared link k is crossed outwards at 2 H + 2 k and
inwards at 2 H + 2 k + 1. Only topology lives here, no VM and no plan.
"""

import dataclasses

import numpy as np

from watcher_tsmig.model import Host
from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Network:
    """All links of a cloud; m = 2 h + 2 k.

    :ivar names: of the links, for people
    :ivar capacity: shape (m,), bytes/s
    :ivar background: shape (m,), bytes/s beside the VMs' traffic
    :ivar sends: for each host, the links that what it sends crosses if it
        goes outside: its NIC and every shared link that it is behind
    :ivar receives: likewise what it receives
    :ivar tenants: shape (m,), 1 where the VMs' traffic goes too, else 0
    :ivar rtt: shape (k,), s, of the shared links
    :ivar shared: their names
    """

    names: tuple[str, ...]
    capacity: FloatArray
    background: FloatArray
    sends: tuple[tuple[int, ...], ...]
    receives: tuple[tuple[int, ...], ...]
    tenants: FloatArray
    rtt: FloatArray
    shared: tuple[str, ...]

    @property
    def hosts(self) -> int:
        """How many hosts there are."""
        return len(self.sends)

    def is_out(self, link: int) -> bool:
        """Whether it leads away from its hosts."""
        h = self.hosts
        return link < h if link < 2 * h else link % 2 == 0

    def path(self, source: int, destination: int) -> tuple[int, ...]:
        """The links that a migration crosses, the two NICs first.

        Of the shared links, those with one of the two hosts behind them.
        """
        out, into = self.sends[source], self.receives[destination]
        h = 2 * self.hosts
        behind_one = {(i - h) // 2 for i in out[1:]}
        behind_other = {(i - h) // 2 for i in into[1:]}
        return (
            out[0],
            into[0],
            *(i for i in out[1:] if (i - h) // 2 not in behind_other),
            *(i for i in into[1:] if (i - h) // 2 not in behind_one),
        )

    @property
    def behind(self) -> BoolArray:
        """Which host is behind which shared link, shape (k, h)."""
        out = np.zeros((len(self.shared), self.hosts), dtype=bool)
        for host, crossed in enumerate(self.sends):
            for link in crossed[1:]:
                out[(link - 2 * self.hosts) // 2, host] = True
        return out

    def crosses(self, path: tuple[int, ...]) -> tuple[str, ...]:
        """Names of the shared links on a path."""
        h = 2 * self.hosts
        return tuple(self.shared[(i - h) // 2] for i in path if i >= h)

    def delay(self, path: tuple[int, ...]) -> float:
        """Round-trip time of the shared links on a path, s."""
        h = 2 * self.hosts
        return float(sum(self.rtt[(i - h) // 2] for i in path if i >= h))


def network(
    hosts: list[Host], links: tuple[Link, ...], assume_nic: float
) -> Network:
    """The network of these hosts, in their order.

    :param assume_nic: capacity of a NIC that nobody declared, bytes/s
    """
    nics = [h.nic or Nic(capacity=assume_nic) for h in hosts]
    count = len(hosts)
    index = {host.name: i for i, host in enumerate(hosts)}
    sends = [[i] for i in range(count)]
    receives = [[count + i] for i in range(count)]
    for k, link in enumerate(links):
        for name in link.hosts:
            sends[index[name]].append(2 * count + 2 * k)
            receives[index[name]].append(2 * count + 2 * k + 1)
    shared = [x for k in links for x in (k.capacity, k.capacity)]
    crossing = [x for k in links for x in (k.background_out, k.background_in)]
    return Network(
        names=tuple(
            [f"{h.name}'s outgoing NIC" for h in hosts]
            + [f"{h.name}'s incoming NIC" for h in hosts]
            + [f'{k.name} {way}' for k in links for way in ('out', 'in')]
        ),
        capacity=np.array([n.capacity for n in nics] * 2 + shared),
        background=np.array(
            [n.background_tx for n in nics]
            + [n.background_rx for n in nics]
            + crossing
        ),
        sends=tuple(map(tuple, sends)),
        receives=tuple(map(tuple, receives)),
        tenants=np.array(
            [0.0 if n.separate else 1.0 for n in nics] * 2
            + [1.0] * len(shared)
        ),
        rtt=np.array([k.rtt for k in links]),
        shared=tuple(k.name for k in links),
    )
