"""What Gnocchi would have of the simulated cloud's VMs.

Resources and their metrics as Ceilometer would have made them: cumulative
counters on several interfaces a VM, gauges on the instance. How they are
asked for is in gnocchi.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from watcher_tsmig import units
from watcher_tsmig.forecast import fit
from watcher_tsmig.model import Vm
from watcher_tsmig.playground.cloud.cloud import identify

GRANULARITY = 300
DIRTY_SECONDS = (1, 2, 4, 8, 16, 32, 60)
DIRTIED = tuple(f'memory.dirty.t{seconds}' for seconds in DIRTY_SECONDS)
# a VM's traffic is split over interfaces, so that a reader must sum
SHARES = (0.7, 0.3)
COUNTERS = ('network.outgoing.bytes', 'network.incoming.bytes')
CPU = 'cpu'
CPU_SHARE = 0.3  # of its vCPUs that each VM keeps busy
# A counter began long before the playground did, as counters do.
COUNTER_AGE = 7 * 86400.0


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """A counter grows by `value` per second; a gauge is `value`."""

    id: str
    name: str
    unit: str
    value: float
    counter: bool

    def at(self, how: str, age: float) -> float:
        """The value of the point that begins at `age` of the counter, s.

        :param how: ``mean`` or ``rate:mean``, which is per granularity
        """
        if how == 'rate:mean':
            return self.value * GRANULARITY if self.counter else 0.0
        return self.value * age if self.counter else self.value


@dataclasses.dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a VM, and its metrics by name."""

    id: str
    type: str
    vm: str
    attributes: Mapping[str, Any]
    metrics: Mapping[str, Metric]


def resources(vm: Vm, number: int) -> tuple[Resource, ...]:
    """Everything that Gnocchi has of a VM."""
    return (_instance(vm), *(_interface(vm, number, i) for i in (0, 1)))


def _metric(
    resource_id: str, name: str, unit: str, value: float, *, counter: bool
) -> Metric:
    metric_id = identify('metric', f'{resource_id}:{name}')
    return Metric(metric_id, name, unit, value, counter)


def _interface(vm: Vm, number: int, index: int) -> Resource:
    """An interface; without metrics where nobody measured the VM."""
    tap = f'tap{identify("port", f"{vm.id}:{index}")[:11]}'
    original = f'instance-{number:08x}-{vm.id}-{tap}'
    resource_id = identify('interface', original)
    rates = (vm.traffic.tx, vm.traffic.rx) if vm.traffic else ()
    metrics = {
        name: _metric(
            resource_id, name, 'B', SHARES[index] * rate, counter=True
        )
        for name, rate in zip(COUNTERS, rates, strict=False)
    }
    attributes = {
        'original_resource_id': original,
        'instance_id': vm.id,
        'name': tap,
    }
    return Resource(
        resource_id, 'instance_network_interface', vm.id, attributes, metrics
    )


def _instance(vm: Vm) -> Resource:
    """The VM itself; gauges only where somebody measured its writing."""
    gauges = {}
    if vm.working_set is not None:
        gauges['memory.resident'] = vm.working_set.resident
        curves = fit([vm.working_set] * len(DIRTY_SECONDS))
        dirtied = curves.at(np.array(DIRTY_SECONDS, dtype=np.float64))
        for name, value in zip(DIRTIED, dirtied, strict=True):
            gauges[name] = float(value)
    metrics = {
        name: _metric(vm.id, name, 'MiB', units.to_mib(value), counter=False)
        for name, value in gauges.items()
    }
    if vm.traffic is not None:  # somebody polls the VM
        busy = CPU_SHARE * vm.vcpus * 1e9
        metrics[CPU] = _metric(vm.id, CPU, 'ns', busy, counter=True)
    attributes = {
        'original_resource_id': vm.id,
        'display_name': vm.name,
        'server_group': None,
        'flavor_id': None,
        'flavor_name': None,
        'image_ref': None,
    }
    return Resource(vm.id, 'instance', vm.id, attributes, metrics)
