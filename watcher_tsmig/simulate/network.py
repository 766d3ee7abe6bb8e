"""NICs and links as directions, and what crosses them at one instant.

Pure arithmetic on arrays: who runs where and asks for what is the world's.
A VM's traffic crosses its host's NIC and every link that the host is
behind; a migration crosses two NICs and every link that has one of its
hosts behind it and the other not.
"""

import dataclasses

import numpy as np

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Nic
from watcher_tsmig.simulate.sharing import NOWHERE
from watcher_tsmig.simulate.sharing import REACHED
from watcher_tsmig.simulate.sharing import FloatArray
from watcher_tsmig.simulate.sharing import IntArray
from watcher_tsmig.simulate.sharing import fill

# A NIC that nobody declared, bytes/s.
UNKNOWN_NIC = 125e6


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Who gets what, bytes/s.

    :ivar migrations: shape (m,)
    :ivar lost: shape (2, n), what each VM's tx and rx do not get
    :ivar overload: shape (2, n), how much of it they would not get even if
        no migration ran
    """

    migrations: FloatArray
    lost: FloatArray
    overload: FloatArray


class Network:
    """Directions of NICs and links, and the paths through them."""

    def __init__(self, cloud: Cloud) -> None:
        self.index = {h.name: i for i, h in enumerate(cloud.hosts)}
        h, k = len(cloud.hosts), len(cloud.links)
        nics = [host.nic for host in cloud.hosts]
        links = cloud.links
        speed = [nic.capacity if nic else UNKNOWN_NIC for nic in nics]
        wide = [link.capacity for link in links]
        self.capacity = np.array(speed + speed + wide + wide)
        background = np.array(
            [nic.background_tx if nic else 0.0 for nic in nics]
            + [nic.background_rx if nic else 0.0 for nic in nics]
            + [link.background_out for link in links]
            + [link.background_in for link in links]
        )
        behind = [
            frozenset(i for i, link in enumerate(links) if name in link.hosts)
            for name in self.index
        ]
        self.width = 2 + 2 * max((len(b) for b in behind), default=0)
        busy = np.flatnonzero(background > 0)
        self._background = background[busy]
        self._background_path = self._padded([[int(b)] for b in busy])
        self._behind = behind
        self._out, self._into = 2 * h, 2 * h + k
        self._tx_path = self._padded(
            [
                [*self._nic(nics[i], i), *(2 * h + x for x in behind[i])]
                for i in range(h)
            ]
        )
        self._rx_path = self._padded(
            [
                [
                    *self._nic(nics[i], h + i),
                    *(2 * h + k + x for x in behind[i]),
                ]
                for i in range(h)
            ]
        )

    @staticmethod
    def _nic(nic: Nic | None, node: int) -> list[int]:
        """The direction of a NIC, if the VMs' traffic goes over it."""
        return [] if nic is not None and nic.separate else [node]

    def path(self, source: int, destination: int) -> list[int]:
        """The directions that a migration crosses."""
        a, b = self._behind[source], self._behind[destination]
        nodes = [source, len(self.index) + destination]
        nodes += [self._out + x for x in sorted(a - b)]
        nodes += [self._into + x for x in sorted(b - a)]
        return nodes + [NOWHERE] * (self.width - len(nodes))

    def share(
        self,
        paths: IntArray,
        caps: FloatArray,
        streams: FloatArray,
        host: IntArray,
        demand: FloatArray,
        flows: float,
    ) -> Shares:
        """Divide everything.

        :param paths: shape (m, width), of the migrations
        :param caps: shape (m,), bytes/s on the wire; inf is allowed
        :param streams: shape (m,), connections of each
        :param host: shape (n,), where each VM runs
        :param demand: shape (2, n), bytes/s of each VM's tx and rx
        :param flows: connections of a VM's tx or rx, against a migration's
        """
        m, n = len(caps), len(host)
        path = np.concatenate(
            [
                paths,
                self._tx_path[host],
                self._rx_path[host],
                self._background_path,
            ]
        ).T
        across = np.where(path == NOWHERE, len(self.capacity), path)
        wants = np.concatenate([caps, demand.ravel(), self._background])
        weight = np.ones(len(wants))
        weight[:m] = streams
        weight[m : m + 2 * n] = flows
        rate = self._rates(across, wants, weight)
        lost = np.maximum(demand - rate[m : m + 2 * n].reshape(2, n), 0.0)
        overload = np.zeros_like(lost)
        if m and lost.any():
            without = self._rates(across[:, m:], wants[m:], weight[m:])
            missing = demand - without[: 2 * n].reshape(2, n)
            overload = np.clip(missing, 0.0, lost)
        elif lost.any():
            overload = lost
        return Shares(rate[:m], lost, overload)

    def _rates(
        self, across: IntArray, wants: FloatArray, weight: FloatArray
    ) -> FloatArray:
        """Only directions that are asked for more than they have count."""
        r = len(self.capacity)
        asked = np.bincount(across.ravel(), np.tile(wants, self.width), r + 1)
        full = np.append(asked[:r] > self.capacity * (1 + REACHED), False)
        held = full[across]
        rows = np.flatnonzero(held.any(axis=0))
        rate = wants.copy()
        if len(rows):
            rate[rows] = fill(
                np.append(self.capacity, np.inf),
                np.where(held[:, rows], across[:, rows], r),
                wants[rows],
                weight[rows],
            )
        return rate

    def _padded(self, rows: list[list[int]]) -> IntArray:
        out = np.full((len(rows), self.width), NOWHERE, dtype=np.intp)
        for i, nodes in enumerate(rows):
            out[i, : len(nodes)] = nodes
        return out
