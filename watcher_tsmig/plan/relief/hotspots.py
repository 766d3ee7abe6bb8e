"""Which hosts are overloaded: by how much, for how long, and who is spared.

What is done about it is decided elsewhere.
"""

import dataclasses
from collections.abc import Iterable
from collections.abc import Sequence

from watcher_tsmig.model import Cloud
from watcher_tsmig.model.history import Load
from watcher_tsmig.model.history import Moved
from watcher_tsmig.model.history import Point
from watcher_tsmig.plan.relief import loads as loads_module
from watcher_tsmig.plan.relief.busy import Busy
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plan.relief.floor import Floor
from watcher_tsmig.plan.relief.loads import LOADS
from watcher_tsmig.plan.relief.loads import Usage
from watcher_tsmig.reasons import Reason


class Watch:
    """Looks at the histories of all hosts, and at what is on them now.

    :param lately: what has moved within the cool-down
    """

    def __init__(
        self,
        cloud: Cloud,
        usage: Usage,
        floor: Floor,
        limits: Limits,
        lately: Sequence[Moved],
        now: float,
    ) -> None:
        self._floor = floor
        self._limits = limits
        self._now = now
        self._received = {m.destination for m in lately if not m.failed}
        self._histories = loads_module.histories(cloud, usage)

    def busiest(self, hosts: Iterable[str]) -> Busy | None:
        """The host nearest to a threshold; None where nothing is measured."""
        found = [
            (float(share / high), host, i, float(share))
            for host in hosts
            for i, (share, high) in enumerate(
                zip(self._floor.share(host), self._limits.highs, strict=True)
            )
            if share > 0
        ]
        if not found:
            return None
        _, host, i, share = max(found)
        return Busy(
            host=host,
            load=LOADS[i],
            share=share,
            held=self._lasting(host, i, float(self._limits.highs[i]))[1],
            high=float(self._limits.highs[i]),
            after=share,
        )

    def busy(self, host: str) -> Busy | None:
        """The host's most pressing load that is above its threshold."""
        found = [
            (held >= self._limits.held, share / high, i, share, held)
            for i, high in enumerate(self._limits.highs)
            for share, held in [self._lasting(host, i, float(high))]
            if held > 0
        ]
        if not found:
            return None
        _, _, i, share, held = max(found)
        busy = Busy(
            host=host,
            load=LOADS[i],
            share=share,
            held=held,
            high=float(self._limits.highs[i]),
            after=share,
        )
        return dataclasses.replace(busy, reason=self._spared(busy))

    def _lasting(
        self, host: str, load: int, high: float
    ) -> tuple[float, float]:
        points: tuple[Point, ...] = self._histories[host].get(LOADS[load], ())
        held = loads_module.held(points, high, self._now, self._limits.fresh)
        return float(self._floor.share(host)[load]), held

    def _spared(self, busy: Busy) -> Reason | None:
        """Why nothing is taken from a host that is above a threshold."""
        host = self._floor.host(busy.host)
        tests = (
            (Reason.NOT_HELD, busy.held < self._limits.held),
            (Reason.HOST_DOWN, not host.up),
            (Reason.RECEIVED_LATELY, busy.host in self._received),
            (Reason.RELIEVED, not any(self.wanted(busy.host).values())),
        )
        return next((reason for reason, holds in tests if holds), None)

    def wanted(self, host: str) -> dict[Load, float]:
        """What must leave a host, of each load that is too much there."""
        shares = self._floor.share(host)
        capacity = self._floor.capacity_of(host)
        wanted = {}
        for i, load in enumerate(LOADS):
            _, held = self._lasting(host, i, float(self._limits.highs[i]))
            if held > 0 and held >= self._limits.held:
                over = float(shares[i] - self._limits.lows[i])
                wanted[load] = max(over, 0.0) * float(capacity[i])
        return wanted
