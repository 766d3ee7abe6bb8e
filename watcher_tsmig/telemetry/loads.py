"""How busy VMs were: the series behind their traffic, and their CPU time.

Arithmetic on measures, and the questions for CPU time; the measures of
traffic are those that traffic.py has asked for anyway. Nothing is filled in:
a span that nobody measured is not there.
"""

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig.model.history import Point
from watcher_tsmig.model.history import VmLoad
from watcher_tsmig.telemetry.measures import Gnocchi
from watcher_tsmig.telemetry.measures import Measure
from watcher_tsmig.telemetry.measures import Resource
from watcher_tsmig.telemetry.settings import Settings

AGGREGATION = 'rate:mean'
NS = 1e9  # in which Ceilometer counts CPU time

Measures = Mapping[str, Sequence[Measure]]


def of_traffic(
    interfaces: Sequence[Resource],
    measures: Measures,
    settings: Settings,
    now: float,
) -> dict[str, VmLoad]:
    """The sum over each VM's interfaces in each span.

    An interface that lacks a span adds nothing to it: the sum is what the
    VM has had at least.
    """
    sums: dict[str, dict[str, dict[float, Point]]] = defaultdict(dict)
    for interface in interfaces if settings.history else ():
        metrics = interface.get('metrics', {})
        vm = str(interface['instance_id'])
        for way, name in (
            ('tx', settings.tx_metric),
            ('rx', settings.rx_metric),
        ):
            total = sums[vm].setdefault(way, {})
            for start, span, value in _rates(
                measures.get(metrics.get(name, ''), ()), settings, now
            ):
                before = total.get(start, (start, span, 0.0))[2]
                total[start] = (start, span, before + value)
    return {
        vm: VmLoad(
            tx=tuple(ways['tx'][at] for at in sorted(ways['tx'])),
            rx=tuple(ways['rx'][at] for at in sorted(ways['rx'])),
        )
        for vm, ways in sums.items()
    }


def read_cpu(
    gnocchi: Gnocchi, vms: Sequence[str], settings: Settings, now: float
) -> dict[str, tuple[Point, ...]]:
    """CPUs that were busy for each VM that somebody measured.

    :param now: seconds since the epoch
    :raises errors.CloudError: Gnocchi does not answer in time
    """
    if not settings.history or not settings.cpu_metric:
        return {}
    metrics = {
        str(instance['id']): metric
        for instance in gnocchi.resources('instance', 'id', vms)
        if (metric := instance.get('metrics', {}).get(settings.cpu_metric))
    }
    measures = gnocchi.measures(
        metrics.values(),
        AGGREGATION,
        granularity=settings.granularity,
        start=now - settings.history - settings.granularity,
    )
    found = {}
    for vm, metric in metrics.items():
        points = _rates(measures.get(metric, ()), settings, now)
        if points:
            found[vm] = tuple((at, span, x / NS) for at, span, x in points)
    return found


def _rates(
    measures: Sequence[Measure], settings: Settings, now: float
) -> list[Point]:
    """Growth per second; what shrinks has started anew on another host."""
    since = now - settings.history - settings.granularity
    return [
        (start, span, value / settings.counter_span)
        for start, span, value in measures
        if value >= 0 and start >= since
    ]
