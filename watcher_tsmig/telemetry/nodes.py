"""Hosts by Nova and Placement, where there is no Watcher to ask.

Stands for Watcher's compute model wherever `read_cloud` asks one, by the
same names and with the same numbers: what Placement has of a host, and where
it has nothing what Nova has. It knows no instances, since a model only adds
to them what an audit's scope says.
Source: watcher/decision_engine/model/collector/nova.py, build_compute_node.
"""

import concurrent.futures
import dataclasses
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from openstack import exceptions as sdk_errors
from openstack import utils as sdk_utils

from watcher_tsmig import errors
from watcher_tsmig.telemetry.asking import CLIENT_ERRORS
from watcher_tsmig.telemetry.asking import MALFORMED
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Placement
from watcher_tsmig.telemetry.clients import PlacementSource

# From here on a host's name for the other APIs, its uuid, is told ...
UUIDS = '2.53'
# ... and up to here, beside it, what it has.
SIZES = '2.87'
# Hosts that are asked about at once, and s for all of them.
AT_ONCE = 8
WITHIN = 60.0
UNKNOWN = (*CLIENT_ERRORS, *MALFORMED, TimeoutError)
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
    stocks, why = _stocks(placement, [row.id for row in rows])
    notes = []
    if why:
        known = sum(row.id in stocks for row in rows)
        notes.append(
            f'of {len(rows) - known} of {len(rows)} hosts the room is '
            f"Nova's, without allocation ratios and reservations ({why})"
        )
    return Nodes(
        nodes={row.id: _node(row, stocks.get(row.id, {})) for row in rows},
        notes=tuple(notes),
    )


def _version(compute: Compute) -> str | None:
    if not sdk_utils.supports_microversion(compute, UUIDS):
        return None
    version: str = sdk_utils.maximum_supported_microversion(compute, SIZES)
    return version


def _stocks(
    source: PlacementSource | None, uuids: Sequence[str]
) -> tuple[dict[str, Stock], str]:
    """Each host's inventories, and why they are unknown of some."""
    found: dict[str, Stock] = {}
    if source is None:
        return found, 'Placement is not asked'
    if not uuids:
        return found, ''
    why = ''
    try:
        with source() as placement:
            # who is away is away for all of them
            found[uuids[0]] = _stock(placement, uuids[0])
            end = time.monotonic() + WITHIN
            pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
            asked = {
                uuid: pool.submit(_stock, placement, uuid)
                for uuid in uuids[1:]
            }
            for uuid, future in asked.items():
                try:
                    left = max(end - time.monotonic(), 0.0)
                    found[uuid] = future.result(left)
                except UNKNOWN as error:
                    why = why or f'Placement: {brief(error)}'
            pool.shutdown(wait=False, cancel_futures=True)
    except UNKNOWN as error:
        why = f'Placement: {brief(error)}'
    return found, why


def _stock(placement: Placement, uuid: str) -> Stock:
    answer = placement.get(f'/resource_providers/{uuid}/inventories')
    sdk_errors.raise_from_response(answer)
    found: Stock = answer.json()['inventories']
    for kind in found.values():
        # so that what is not numbers is told here, of this host
        _capacity(kind)
    return found


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
