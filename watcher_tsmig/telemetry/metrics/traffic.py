"""A VM's application traffic from what its interfaces sent and received.

Arithmetic on points; who measured them is sources/'s, what they foretell is
ahead.py's, how they vary is bursts.py's. What nobody measured lately is
unknown and never zero.
"""

import dataclasses
import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.model import Traffic
from watcher_tsmig.model.history import Point
from watcher_tsmig.model.traffic import Spread
from watcher_tsmig.telemetry.metrics.ahead import AHEAD
from watcher_tsmig.telemetry.metrics.ahead import ahead
from watcher_tsmig.telemetry.metrics.bursts import spreads
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Interface


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a VM was seen to send and receive, over all its interfaces.

    :ivar end: until when both are known, s since the epoch
    """

    end: float
    tx: tuple[Point, ...]
    rx: tuple[Point, ...]


def by_vm(
    interfaces: Mapping[str, Sequence[Interface]],
    settings: Settings,
    now: float,
    source: str,
) -> dict[str, Traffic]:
    """What each VM will send and receive, summed over its interfaces.

    :param now: seconds since the epoch
    :param source: its name
    """
    return foretold(seen_of(interfaces, settings, now), settings, now, source)


def seen_of(
    interfaces: Mapping[str, Sequence[Interface]],
    settings: Settings,
    now: float,
) -> dict[str, Seen]:
    """What was seen of each VM of which both directions are known of late.

    An interface without fresh points is one that is gone (sources keep
    those of earlier hosts); a VM none of whose interfaces has both
    directions is unknown.

    :param now: seconds since the epoch
    """
    found: dict[str, Seen] = {}
    for vm, several in interfaces.items():
        fresh = [
            i for i in several if _newest(i) >= now - settings.traffic_age
        ]
        if fresh:
            end = max(map(_newest, fresh))
            since = end - settings.seen_back
            found[vm] = Seen(
                end=end,
                tx=summed((i.tx for i in fresh), since),
                rx=summed((i.rx for i in fresh), since),
            )
    return found


def foretold(
    seen: Mapping[str, Seen], settings: Settings, now: float, source: str
) -> dict[str, Traffic]:
    """What each VM will send and receive, and how that varied.

    :param now: seconds since the epoch
    :param source: its name
    """
    moments = [one.end for one in seen.values()]
    return {
        vm: Traffic(
            tx=tx,
            rx=rx,
            measured_at=min(one.end, now),
            source=source,
            tx_spread=tx_spread,
            rx_spread=rx_spread,
        )
        for (vm, one), (tx, tx_spread), (rx, rx_spread) in zip(
            seen.items(),
            _foretold([one.tx for one in seen.values()], moments, settings),
            _foretold([one.rx for one in seen.values()], moments, settings),
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
    series: Sequence[Sequence[Point]],
    ends: Sequence[float],
    settings: Settings,
) -> list[tuple[float, Spread | None]]:
    """Each series' mean over the next quarter of an hour, and its spread.

    :param ends: when each was last known, s since the epoch
    """
    if not series:
        return []
    known = np.array([len(points) for points in series])
    values = np.zeros((len(series), known.max()))
    for row, points in zip(values, series, strict=True):
        row[len(row) - len(points) :] = [value for _, _, value in points]
    late = np.array(
        [
            sum(at + span > end - settings.window for at, span, _ in points)
            for points, end in zip(series, ends, strict=True)
        ]
    )
    span = settings.granularity
    steps = max(round(AHEAD / span), 1)
    found: list[float] = ahead(values[:, -late.max() :], late, steps).tolist()
    return list(zip(found, spreads(values, known, span), strict=True))
