"""A VM's application traffic from what its interfaces sent and received.

Arithmetic on points; who measured them is sources/'s. What nobody measured
lately is unknown and never zero.
"""

from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig.model import Traffic
from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Interface


def by_vm(
    interfaces: Mapping[str, Sequence[Interface]],
    settings: Settings,
    now: float,
    source: str,
) -> dict[str, Traffic]:
    """The sum over each VM's interfaces.

    An interface without fresh points is one that is gone (sources keep
    those of earlier hosts); a VM none of whose interfaces has both
    directions is unknown.

    :param now: seconds since the epoch
    :param source: its name
    """
    found = {}
    for vm, several in interfaces.items():
        ways = [
            (sent, received)
            for interface in several
            if (sent := rate(interface.tx, settings, now))
            and (received := rate(interface.rx, settings, now))
        ]
        if ways:
            found[vm] = Traffic(
                tx=sum(sent for (sent, _), _ in ways),
                rx=sum(received for _, (received, _) in ways),
                measured_at=max(end for way in ways for _, end in way),
                source=source,
            )
    return found


def rate(
    points: Sequence[Point], settings: Settings, now: float
) -> tuple[float, float] | None:
    """Bytes per second of one counter, and when its last point ended.

    The mean over the window before that end, so that one lull does not make
    a busy VM look idle. None without a fresh point.
    """
    if not points:
        return None
    end = points[-1][0] + points[-1][1]
    if now - end > settings.traffic_age:
        return None
    since = end - settings.window
    seconds = grown = 0.0
    for start, span, value in points:
        inside = start + span - max(start, since)
        if inside > 0:
            seconds += inside
            grown += inside * value
    return grown / seconds, min(end, now)
