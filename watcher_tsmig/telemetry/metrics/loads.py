"""How busy VMs were: the series behind their traffic.

Arithmetic on points. Nothing is filled in: a span that nobody measured is
not there.
"""

from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig.model.history import VmLoad
from watcher_tsmig.telemetry.metrics.traffic import summed
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Interface


def of_traffic(
    interfaces: Mapping[str, Sequence[Interface]],
    settings: Settings,
    now: float,
) -> dict[str, VmLoad]:
    """The sum over each VM's interfaces in each span.

    An interface that lacks a span adds nothing to it: the sum is what the
    VM has had at least.
    """
    if not settings.history:
        return {}
    since = now - settings.history - settings.granularity
    return {
        vm: VmLoad(
            tx=summed((i.tx for i in several), since),
            rx=summed((i.rx for i in several), since),
        )
        for vm, several in interfaces.items()
    }
