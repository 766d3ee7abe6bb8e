"""Room that Placement says is taken, and that no VM of Nova's accounts for.

A crash of nova-compute may leave an allocation of a migration that failed,
and others than Nova may claim a host's resources: Nova's scheduler refuses
what the VMs alone would leave room for. One request for each host.
"""

import dataclasses
import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.model import Host
from watcher_tsmig.model import Passage
from watcher_tsmig.model import Vm
from watcher_tsmig.telemetry.clients import PlacementSource
from watcher_tsmig.telemetry.inventory.providers import of_each
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB
from watcher_tsmig.units import human_size

# Placement counts whole GiB of disks, rounded up; of each VM so much is no
# difference.
ROUNDED = 1.0 * GIB


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What is taken of a host: bytes, CPUs, bytes."""

    memory: float = 0.0
    vcpus: float = 0.0
    disk: float = 0.0


def without_held(
    hosts: Mapping[str, Host],
    vms: Sequence[Vm],
    passages: Iterable[Passage],
    source: PlacementSource | None,
    nodes: Mapping[str, str],
    notes: list[str],
) -> dict[str, Host]:
    """The hosts without the room that only Placement knows to be taken.

    :param passages: migrations under way, whose VMs are counted at both ends
    :param source: opens Placement's client; None if there is no Placement
    :param nodes: uuid of each host's hypervisor, which is that of its
        resource provider too, by host name
    """
    if source is None or not nodes:
        return dict(hosts)
    used, why = of_each(source, 'usages', _usages, nodes)
    if why:
        notes.append(f'{why}; room is what the VMs that Nova has leave')
    known = _known(vms, passages)
    out = {}
    for name, host in hosts.items():
        held = _held(used.get(name), known.get(name, []))
        out[name] = dataclasses.replace(
            host,
            memory=max(host.memory - held.memory, 0.0),
            vcpus=max(host.vcpus - held.vcpus, 0.0),
            disk=None
            if host.disk is None
            else max(host.disk - held.disk, 0.0),
        )
        if held != Used():
            notes.append(f'{name}: {_told(held)} taken by no VM (Placement)')
    return out


def _known(
    vms: Sequence[Vm], passages: Iterable[Passage]
) -> dict[str, list[Vm]]:
    """The VMs that each host is to have room for."""
    by_id = {vm.id: vm for vm in vms}
    found: dict[str, list[Vm]] = {}
    for vm in vms:
        found.setdefault(vm.host, []).append(vm)
    for passage in passages:
        coming = by_id.get(passage.vm)
        for end in {passage.source, passage.destination}:
            if coming is not None and coming.host != end and end:
                found.setdefault(end, []).append(coming)
    return found


def _held(used: Used | None, vms: Sequence[Vm]) -> Used:
    """What is taken by none of these; nothing where nobody tells."""
    if used is None:
        return Used()
    memory = used.memory - math.fsum(vm.memory for vm in vms)
    vcpus = used.vcpus - math.fsum(vm.vcpus for vm in vms)
    disk = used.disk - math.fsum(vm.disk + ROUNDED for vm in vms)
    return Used(
        # less than Placement's own units is nobody's
        memory=memory if memory >= MIB else 0.0,
        vcpus=vcpus if vcpus >= 1 else 0.0,
        disk=disk if disk >= GIB else 0.0,
    )


def _told(held: Used) -> str:
    parts = (
        (held.memory, f'{human_size(held.memory)} of memory'),
        (held.vcpus, f'{held.vcpus:.0f} vCPUs'),
        (held.disk, f'{human_size(held.disk)} of disk'),
    )
    return ', '.join(text for amount, text in parts if amount)


def _usages(usages: Mapping[str, Any]) -> Used:
    def of(*kinds: str) -> float:
        return math.fsum(float(usages.get(kind, 0)) for kind in kinds)

    return Used(
        memory=of('MEMORY_MB') * MIB,
        vcpus=of('VCPU', 'PCPU'),
        disk=of('DISK_GB') * GIB,
    )
