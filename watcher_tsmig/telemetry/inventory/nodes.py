"""Hosts by Nova and Placement, where there is no Watcher to ask.

Stands for Watcher's compute model wherever `read_cloud` asks one, by the
same names and with the same numbers: what Placement has of a host, and where
it has nothing what Nova has. It knows no instances, since a model only adds
to them what an audit's scope says.
Source: watcher/decision_engine/model/collector/nova.py, build_compute_node.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from openstack import utils as sdk_utils

from watcher_tsmig import errors
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import PlacementSource
from watcher_tsmig.telemetry.inventory.providers import of_each

# From here on a host's name for the other APIs, its uuid, is told ...
UUIDS = '2.53'
# ... and up to here, beside it, what it has.
SIZES = '2.87'
# Those have no VMs.
BARE_METAL = 'ironic'

Stock = Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A host by the names of Watcher's model; MiB and GiB as these have.

    :ivar uuid: of its hypervisor, and of its resource provider
    :ivar vcpus: its own CPUs, before any allocation ratio
    :ivar disk: GiB before any allocation ratio; 0: none of its own
    """

    uuid: str
    hostname: str
    memory_mb_capacity: float
    vcpus: float
    vcpu_capacity: float
    disk: float
    disk_gb_capacity: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Watcher's compute model, as far as an inventory asks it.

    :ivar nodes: by uuid
    :ivar notes: what could not be read, one sentence each
    """

    nodes: Mapping[str, Node]
    notes: tuple[str, ...] = ()

    def get_all_compute_nodes(self) -> Mapping[str, Node]:
        """The hosts, by uuid."""
        return self.nodes

    def get_all_instances(self) -> Mapping[str, Any]:
        """None: of VMs, Nova knows all that is asked for."""
        return {}


def read_nodes(compute: Compute, placement: PlacementSource | None) -> Nodes:
    """All hosts that may have VMs.

    Nova is asked a page at a time, Placement once a host, some hosts at
    once and within a bound.

    :param compute: openstacksdk's compute proxy
    :param placement: opens openstacksdk's placement proxy
    :raises errors.CloudError: Nova does not answer, or is too old
    """
    version = ask('its version', lambda: _version(compute))
    if version is None:
        raise errors.CloudError(
            f'Nova: hosts have no uuid below microversion {UUIDS}; such a '
            'cloud needs an audit by Watcher'
        )
    rows = [
        row
        for row in ask(
            'hypervisors',
            lambda: list(
                compute.hypervisors(details=True, microversion=version)
            ),
        )
        if str(row.hypervisor_type).lower() != BARE_METAL
    ]
    stocks, why = _stocks(placement, rows)
    notes = []
    if why:
        notes.append(
            f'of {len(rows) - len(stocks)} of {len(rows)} hosts the room is '
            f"Nova's, without allocation ratios and reservations ({why})"
        )
    return Nodes(
        nodes={row.id: _node(row, stocks.get(row.name, {})) for row in rows},
        notes=tuple(notes),
    )


def _version(compute: Compute) -> str | None:
    if not sdk_utils.supports_microversion(compute, UUIDS):
        return None
    version: str = sdk_utils.maximum_supported_microversion(compute, SIZES)
    return version


def _stocks(
    source: PlacementSource | None, rows: Sequence[Any]
) -> tuple[dict[str, Stock], str]:
    """Inventories by a hypervisor's name, and why some are unknown."""
    if source is None:
        return {}, 'Placement is not asked'
    # a hypervisor's uuid is that of its resource provider
    uuids = {row.name: row.id for row in rows}
    return of_each(source, 'inventories', _stock, uuids)


def _stock(inventories: Stock) -> Stock:
    for kind in inventories.values():
        # so that what is not numbers is told here, of this host
        _capacity(kind)
    return inventories


def _capacity(kind: Mapping[str, Any]) -> float:
    """What the scheduler may give."""
    left = float(kind['total']) - float(kind['reserved'])
    return left * float(kind['allocation_ratio'])


def _node(row: Any, stock: Stock) -> Node:  # noqa: ANN401 - a hypervisor
    def of(kind: str, by_nova: float | None) -> tuple[float, float]:
        if kind in stock:
            return float(stock[kind]['total']), _capacity(stock[kind])
        return (float(by_nova or 0),) * 2

    _, memory = of('MEMORY_MB', row.memory_size)
    vcpus, vcpu_capacity = of('VCPU', row.vcpus)
    disk, disk_capacity = of('DISK_GB', row.local_disk_size)
    return Node(
        uuid=row.id,
        # what Nova calls the host everywhere else
        hostname=(row.service_details or {}).get('host') or row.name,
        memory_mb_capacity=memory,
        vcpus=vcpus,
        vcpu_capacity=vcpu_capacity,
        disk=disk,
        disk_gb_capacity=disk_capacity,
    )
