"""A VM's application traffic from the counters of its interfaces.

Arithmetic on measures, and the questions for them. Ceilometer hangs a pair
of counters on each interface of a VM; Gnocchi's `rate:mean` is what one
counter grew from sample to sample, per sample and not per second. A counter
starts again at zero on another host: what shrinks is left out, not counted.
"""

from collections import defaultdict
from collections.abc import Sequence

from watcher_tsmig.model import Traffic
from watcher_tsmig.telemetry.measures import Gnocchi
from watcher_tsmig.telemetry.measures import Measure
from watcher_tsmig.telemetry.measures import Resource
from watcher_tsmig.telemetry.settings import Settings

SOURCE = 'gnocchi'
AGGREGATION = 'rate:mean'


def read_traffic(
    gnocchi: Gnocchi, vms: Sequence[str], settings: Settings, now: float
) -> dict[str, Traffic]:
    """Traffic of those of the VMs that somebody measured lately.

    :param now: seconds since the epoch
    :raises errors.CloudError: Gnocchi does not answer in time
    """
    return by_vm(*read_counters(gnocchi, vms, settings, now), settings, now)


def read_counters(
    gnocchi: Gnocchi, vms: Sequence[str], settings: Settings, now: float
) -> tuple[list[Resource], dict[str, list[Measure]]]:
    """The interfaces of the VMs, and the measures of their counters.

    :param now: seconds since the epoch
    :raises errors.CloudError: Gnocchi does not answer in time
    """
    interfaces = gnocchi.resources(settings.interface_type, 'instance_id', vms)
    metrics = [
        metric
        for interface in interfaces
        for name in (settings.tx_metric, settings.rx_metric)
        if (metric := interface.get('metrics', {}).get(name))
    ]
    measures = gnocchi.measures(
        metrics,
        AGGREGATION,
        granularity=settings.granularity,
        start=now
        - max(settings.traffic_age, settings.history)
        - settings.granularity,
    )
    return interfaces, measures


def by_vm(
    interfaces: Sequence[Resource],
    measures: dict[str, list[Measure]],
    settings: Settings,
    now: float,
) -> dict[str, Traffic]:
    """The sum over each VM's interfaces.

    An interface without fresh measures is one that is gone (Gnocchi keeps
    those of earlier hosts); a VM none of whose interfaces has both
    directions is unknown.
    """
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    newest: dict[str, float] = {}
    for interface in interfaces:
        metrics = interface.get('metrics', {})
        sent = rate(
            measures.get(metrics.get(settings.tx_metric), []), settings, now
        )
        received = rate(
            measures.get(metrics.get(settings.rx_metric), []), settings, now
        )
        if sent is None or received is None:
            continue
        vm = str(interface['instance_id'])
        sums[vm][0] += sent[0]
        sums[vm][1] += received[0]
        newest[vm] = max(newest.get(vm, 0.0), sent[1], received[1])
    return {
        vm: Traffic(tx=tx, rx=rx, measured_at=newest[vm], source=SOURCE)
        for vm, (tx, rx) in sums.items()
    }


def rate(
    measures: Sequence[Measure], settings: Settings, now: float
) -> tuple[float, float] | None:
    """Bytes per second of one counter, and when its last span ended.

    The mean over the window before the last measure, so that one lull does
    not make a busy VM look idle. None without a fresh measure that grew.
    """
    grew = [m for m in measures if m[2] >= 0]
    if not grew:
        return None
    start, span, _ = grew[-1]
    end = start + span
    if now - end > settings.traffic_age:
        return None
    recent = [m[2] for m in grew if m[0] > start - settings.window]
    return sum(recent) / len(recent) / settings.counter_span, min(end, now)
