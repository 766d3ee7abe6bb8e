"""What Gnocchi has of some VMs: which metrics, how kept, and their growth.

For whoever looks after the cloud, not for planning: some VMs stand for all,
and of these a few metrics are read as they are stored. Nothing is judged
here.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

from watcher_tsmig import errors
from watcher_tsmig.model import Vm
from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.asking import MALFORMED
from watcher_tsmig.telemetry.clients import GnocchiClient
from watcher_tsmig.telemetry.metrics.measures import CLIENT_ERRORS
from watcher_tsmig.telemetry.metrics.measures import Gnocchi
from watcher_tsmig.telemetry.metrics.measures import Resource
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources.gnocchi import COUNT
from watcher_tsmig.telemetry.sources.gnocchi import CUMULATIVE
from watcher_tsmig.telemetry.sources.gnocchi import PER_SAMPLE

T = TypeVar('T')

# VMs that are looked for, spread over the hosts, and interfaces of theirs of
# which the measures are read.
LOOKED_FOR = 200
READ = 16
# Points of how long ago are read, s.
BACK = 7200.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One counter of one VM, as it is kept and what it was.

    :ivar policy: name of its archive policy
    :ivar methods: aggregation methods that the policy has
    :ivar granularities: s, the finest first
    :ivar aggregation: by which the measures were read; empty for none
    :ivar measures: (start, length, value) by time, at one granularity
    :ivar counts: samples in each of them, where the policy counts
    """

    vm: Vm
    metric: str
    policy: str
    methods: tuple[str, ...]
    granularities: tuple[float, ...]
    aggregation: str = ''
    measures: tuple[Point, ...] = ()
    counts: tuple[Point, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """What was found.

    :ivar looked_for: the VMs that were asked for
    :ivar having: of each metric, ids of those of the VMs that have it
    :ivar why: why no more is known; empty where all is
    """

    looked_for: tuple[Vm, ...] = ()
    having: Mapping[str, frozenset[str]] = dataclasses.field(
        default_factory=dict
    )
    series: tuple[Series, ...] = ()
    why: str = ''


def spread(items: Sequence[T], most: int) -> tuple[T, ...]:
    """So many of them, from all along the list."""
    step = max(len(items) / most, 1.0)
    return tuple(items[int(i * step)] for i in range(min(len(items), most)))


def read_metering(
    client: GnocchiClient,
    vms: Sequence[Vm],
    settings: Settings,
    now: float,
) -> Metering:
    """Metrics and measures of some of the VMs; never raises for Gnocchi's.

    :param vms: ordered by host, so that some stand for all hosts
    :param now: seconds since the epoch
    """
    active = [vm for vm in vms if vm.state == 'active']
    chosen = spread(active, LOOKED_FOR)
    found = Metering(looked_for=chosen)
    asked = Gnocchi(
        client, total_time=settings.total_time, batch=settings.batch
    )
    try:
        asked.probe()
        ids = [vm.id for vm in chosen]
        interfaces = asked.resources(
            settings.interface_type, 'instance_id', ids
        )
        found = dataclasses.replace(
            found, having=_having(interfaces, settings)
        )
        series = _series(client, asked, chosen, interfaces, settings, now)
        return dataclasses.replace(found, series=tuple(series))
    except errors.CloudError as error:
        return dataclasses.replace(found, why=str(error))
    except MALFORMED as error:
        return dataclasses.replace(
            found,
            why=f'Gnocchi: its answer is not as expected ({error!r})',
        )


def _having(
    interfaces: Sequence[Resource], settings: Settings
) -> dict[str, frozenset[str]]:
    """Of each counter of traffic, the VMs that have it."""
    return {
        name: frozenset(
            str(interface['instance_id'])
            for interface in interfaces
            if (interface.get('metrics') or {}).get(name)
        )
        for name in (settings.tx_metric, settings.rx_metric)
    }


def _series(
    client: GnocchiClient,
    asked: Gnocchi,
    chosen: Sequence[Vm],
    interfaces: Sequence[Resource],
    settings: Settings,
    now: float,
) -> list[Series]:
    """The counters of traffic of a few of them."""
    by_id = {vm.id: vm for vm in chosen}
    known = [i for i in interfaces if str(i['instance_id']) in by_id]
    found = []
    for interface in spread(known, READ):
        metrics = interface.get('metrics') or {}
        for name in (settings.tx_metric, settings.rx_metric):
            if metrics.get(name):
                one = Series(
                    vm=by_id[str(interface['instance_id'])],
                    metric=name,
                    **_policy(client, metrics[name]),
                )
                found.append(_measured(asked, one, metrics[name], now))
    return found


def _policy(client: GnocchiClient, metric: str) -> dict[str, Any]:
    try:
        policy = client.metric.get(metric)['archive_policy']
    except CLIENT_ERRORS as error:
        text = ' '.join(str(error).split()) or type(error).__name__
        raise errors.CloudError(f'Gnocchi: {text}') from error
    return {
        'policy': str(policy['name']),
        'methods': tuple(policy['aggregation_methods']),
        'granularities': tuple(
            sorted(seconds(row['granularity']) for row in policy['definition'])
        ),
    }


def _measured(asked: Gnocchi, one: Series, metric: str, now: float) -> Series:
    def read(aggregation: str) -> tuple[Point, ...]:
        rows = asked.measures(
            [metric], aggregation, granularity=None, start=now - BACK
        )
        return tuple(rows.get(metric, ()))

    usable = [how for how in (*CUMULATIVE, PER_SAMPLE) if how in one.methods]
    if not usable:
        return one
    return dataclasses.replace(
        one,
        aggregation=usable[0],
        measures=read(usable[0]),
        counts=read(COUNT) if COUNT in one.methods else (),
    )


def seconds(span: object) -> float:
    """Of Gnocchi's timespans: `0:05:00`, `1 day, 0:00:00`, or a number.

    :raises ValueError: it is none
    """
    days, _, clock = str(span).rpartition(', ')
    total = 86400.0 * float(days.split()[0]) if days else 0.0
    parts = [float(part) for part in clock.split(':')]
    return total + sum(
        part * 60.0**power for power, part in enumerate(reversed(parts))
    )
