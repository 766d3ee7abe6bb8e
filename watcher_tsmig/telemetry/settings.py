"""How telemetry is read: names, spans, bounds. A value; nothing reads here.

Times are seconds. Where the numbers come from and who may change them is
said by the options of the plugin, which fill this value.
"""

import dataclasses
import functools
import re
import types
from collections.abc import Mapping

from watcher_tsmig import errors
from watcher_tsmig.agent.spool import DIRTY
from watcher_tsmig.agent.spool import DIRTY_SPANS
from watcher_tsmig.agent.spool import NONZERO

# Of all counters together that an audit asks for: some 50 MB of JSON
SAMPLES = 1e6
# Measures of each gauge that are used: with a half-life of some three
# intervals, older ones would hardly count
NEWEST = 6
# Of which Prometheus makes the names of metrics and of labels
NAME = re.compile(r'[0-9A-Za-z_:]*')
# Linux allows almost anything; what is not here would need escapes
DEVICE = re.compile(r'[0-9A-Za-z_.@:-]{1,32}')
LABEL = re.compile(r'[A-Za-z_][0-9A-Za-z_]*')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to read of Gnocchi, and when it is too old or too slow.

    :ivar tx_metric: cumulative bytes a VM's interface has sent
    :ivar rx_metric: cumulative bytes a VM's interface has received
    :ivar interface_type: resource type that carries both, with the
        attribute `instance_id`
    :ivar granularity: of the measures of traffic, s
    :ivar window: traffic is foretold from the measures this young, s
    :ivar burst_window: and bursts are looked for so far back, s; 0 for no
        further than `window`
    :ivar traffic_age: traffic measured before this is unknown, s
    :ivar cpu_metric: cumulative ns of CPU time of a VM; empty for none
    :ivar history: of loads, as far back as this, s; 0 for none
    :ivar dirty_metric: with `{seconds}` in it; MiB dirtied in that time
    :ivar nonzero_metric: memory of a VM that is not zero, MiB; empty for
        none
    :ivar resident_metric: resident memory of a VM, MiB, where that is
        unknown
    :ivar dirty_spans: the `{seconds}` to ask for
    :ivar dirty_age: dirtying measured before this is unknown, s
    :ivar prometheus_metric: what `{metric}` is called there, dots and
        dashes having become underscores
    :ivar prometheus_label: that has the id of a VM in it
    :ivar host_metric: what `{metric}` of a host's device is called there:
        transmit_bytes_total, receive_bytes_total, speed_bytes
    :ivar host_label: that has a host's name in it
    :ivar migration_devices: of a host, that migrations go over: the first of
        these that it has; several that share the load are joined by `+`
    :ivar tenant_devices: likewise those of the VMs' traffic; empty where it
        goes the same way
    :ivar batch: VMs or metrics in one question to Gnocchi
    :ivar total_time: for all questions to the source together, s
    :ivar keep_zone: where Nova does not tell whether a VM is bound to its
        availability zone, take it to be
    """

    tx_metric: str = 'network.outgoing.bytes'
    rx_metric: str = 'network.incoming.bytes'
    interface_type: str = 'instance_network_interface'
    granularity: float = 300.0
    window: float = 6 * 3600.0
    burst_window: float = 86400.0
    traffic_age: float = 1800.0
    cpu_metric: str = 'cpu'
    history: float = 0.0
    dirty_metric: str = DIRTY
    nonzero_metric: str = NONZERO
    resident_metric: str = 'memory.resident'
    dirty_spans: tuple[int, ...] = DIRTY_SPANS
    dirty_age: float = 86400.0
    prometheus_metric: str = 'ceilometer_{metric}'
    prometheus_label: str = 'resource'
    host_metric: str = 'node_network_{metric}'
    host_label: str = 'instance'
    migration_devices: tuple[str, ...] = ()
    tenant_devices: tuple[str, ...] = ()
    batch: int = 200
    total_time: float = 60.0
    keep_zone: bool = True

    def __post_init__(self) -> None:
        for field in (
            'granularity',
            'window',
            'traffic_age',
            'dirty_age',
            'batch',
            'total_time',
        ):
            if not getattr(self, field) > 0:
                raise errors.InputError('is not above 0', field)
        for field in ('history', 'burst_window'):
            if getattr(self, field) < 0:
                raise errors.InputError('is negative', field)
        self._check_names()
        self._check_devices()

    def _check_names(self) -> None:
        for field, lacks in (
            ('dirty_metric', '{seconds}'),
            ('prometheus_metric', '{metric}'),
            ('host_metric', '{metric}'),
        ):
            if lacks not in getattr(self, field):
                raise errors.InputError(f'lacks {lacks}', field)
        for field, form in (
            ('prometheus_metric', NAME),
            ('prometheus_label', LABEL),
            ('host_metric', NAME),
            ('host_label', LABEL),
        ):
            text = getattr(self, field).replace('{metric}', '')
            if not form.fullmatch(text):
                raise errors.InputError('is no name of Prometheus', field)

    def _check_devices(self) -> None:
        for field in ('migration_devices', 'tenant_devices'):
            for names in getattr(self, field):
                if not all(map(DEVICE.fullmatch, names.split('+'))):
                    raise errors.InputError(
                        f'{names[:40]!r} names no device', field
                    )

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of all devices of hosts that matter."""
        both = (*self.migration_devices, *self.tenant_devices)
        return tuple(sorted({n for names in both for n in names.split('+')}))

    @property
    def seen_back(self) -> float:
        """How far back traffic matters, s."""
        return max(self.window, self.burst_window)

    def reach_back(self, vms: int, every: float) -> float:
        """How far back traffic of so many VMs is asked for, s.

        Of a large cloud less is read, since an answer takes time.

        :param every: between two samples that are told, s
        """
        afford = SAMPLES / 2 / max(vms, 1) * every
        least = max(self.history, self.traffic_age + self.granularity)
        return max(min(self.seen_back, afford), least)

    def dirty_metrics(self) -> Mapping[str, float]:
        """Name of each metric of dirtied memory, and its seconds."""
        return _spelled(self.dirty_metric, self.dirty_spans)


@functools.lru_cache(16)
def _spelled(metric: str, spans: tuple[int, ...]) -> Mapping[str, float]:
    # asked for once for each VM of a large cloud
    return types.MappingProxyType(
        {
            metric.replace('{seconds}', str(span)): float(span)
            for span in sorted(set(spans))
        }
    )
