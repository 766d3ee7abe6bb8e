"""A VM's application traffic from what its interfaces sent and received.

Arithmetic on points; who measured them is sources/'s, what they foretell is
ahead.py's. What nobody measured lately is unknown and never zero.
"""

import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.model import Traffic
from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.ahead import AHEAD
from watcher_tsmig.telemetry.ahead import ahead
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Interface


def by_vm(
    interfaces: Mapping[str, Sequence[Interface]],
    settings: Settings,
    now: float,
    source: str,
) -> dict[str, Traffic]:
    """What each VM will send and receive, summed over its interfaces.

    An interface without fresh points is one that is gone (sources keep
    those of earlier hosts); a VM none of whose interfaces has both
    directions is unknown.

    :param now: seconds since the epoch
    :param source: its name
    """
    ends: dict[str, float] = {}
    sent: list[Sequence[Point]] = []
    received: list[Sequence[Point]] = []
    for vm, several in interfaces.items():
        fresh = [
            i for i in several if _newest(i) >= now - settings.traffic_age
        ]
        if fresh:
            ends[vm] = end = max(map(_newest, fresh))
            since = end - settings.window
            sent.append(summed((i.tx for i in fresh), since))
            received.append(summed((i.rx for i in fresh), since))
    return {
        vm: Traffic(
            tx=tx, rx=rx, measured_at=min(ends[vm], now), source=source
        )
        for vm, tx, rx in zip(
            ends,
            _foretold(sent, settings.granularity),
            _foretold(received, settings.granularity),
            strict=True,
        )
    }


def summed(
    series: Iterable[Sequence[Point]], since: float
) -> tuple[Point, ...]:
    """The sum of series of one grid, of the spans that end after `since`.

    A series that lacks a span adds nothing to it: the sum is what there was
    at least.
    """
    total: dict[float, Point] = {}
    for points in series:
        for start, span, value in points:
            if start + span > since:
                before = total.get(start, (start, span, 0.0))[2]
                total[start] = (start, span, before + value)
    return tuple(total[start] for start in sorted(total))


def _newest(interface: Interface) -> float:
    """When both directions were last known, s since the epoch."""
    return min(
        points[-1][0] + points[-1][1] if points else -math.inf
        for points in (interface.tx, interface.rx)
    )


def _foretold(
    series: Sequence[Sequence[Point]], granularity: float
) -> list[float]:
    """The mean of each series over the next quarter of an hour."""
    if not series:
        return []
    known = np.array([len(points) for points in series])
    values = np.zeros((len(series), known.max()))
    for row, points in zip(values, series, strict=True):
        row[len(row) - len(points) :] = [value for _, _, value in points]
    steps = max(round(AHEAD / granularity), 1)
    found: list[float] = ahead(values, known, steps).tolist()
    return found
