"""Each VM as Nova, Watcher's model and its flavor tell of it.

One value from what was read already; nothing is asked for here. What could
not be understood is told and left out.
"""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping

from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.model.cloud import LIVE
from watcher_tsmig.model.cloud import STATES
from watcher_tsmig.telemetry.clients import Instance
from watcher_tsmig.telemetry.clients import Server
from watcher_tsmig.telemetry.inventory.declarations import POST_COPY
from watcher_tsmig.telemetry.inventory.declarations import flag
from watcher_tsmig.telemetry.inventory.servers import Version
from watcher_tsmig.telemetry.needs.destinations import Destinations
from watcher_tsmig.telemetry.needs.devices import Had
from watcher_tsmig.telemetry.needs.devices import pre_copy_only
from watcher_tsmig.telemetry.needs.devices import refused
from watcher_tsmig.telemetry.needs.disks import local_disk
from watcher_tsmig.telemetry.needs.disks import local_disks
from watcher_tsmig.units import from_mib

# Metadata that owners set on their servers, besides POST_COPY
SLA = 'tsmig:sla'
# Since then a server's pinned zone is shown, as None where it has none
PINNED_SINCE = (2, 96)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Having:
    """What servers have.

    :ivar sizes: bytes of root disks that images make, by id of the image
    :ivar had: devices and the like of each server, by its id
    :ivar wanted: what Nova's scheduler asks for because of them, likewise
    :ivar newest: microversion that Nova has, which minds them
    """

    sizes: Mapping[str, float]
    had: Mapping[str, Had]
    wanted: Mapping[str, Mapping[str, str]]
    newest: Version | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before a VM is looked at."""

    hosts: Mapping[str, Host]
    instances: Mapping[str, Instance]
    destinations: Destinations
    scoped: bool
    keep_zone: bool


def vms_of(
    servers: Iterable[Server],
    known: Known,
    having: Having,
    notes: list[str],
) -> list[Vm]:
    """Those VMs whose size is known.

    :param having: what all of the servers have
    :param notes: what was odd is added to them
    """
    vms = []
    sizes, newest = having.sizes, having.newest
    for server in servers:
        instance = known.instances.get(server.id)
        memory, vcpus = _size(server, instance)
        if not memory:
            notes.append(f'{server.name}: its size is unknown, it is ignored')
            continue
        excluded = known.scoped
        if instance is not None:
            excluded = bool(instance.watcher_exclude)
        elif known.scoped:
            notes.append(f'{server.name}: too new for Watcher, left alone')
        metadata, name = server.metadata or {}, server.name or server.id
        local = known.hosts[server.compute_host].disk is not None
        had = having.had[server.id]
        vms.append(
            Vm(
                id=server.id,
                name=name,
                host=server.compute_host,
                memory=memory,
                vcpus=vcpus,
                post_copy=flag(metadata, POST_COPY, name, notes) is not False
                and pre_copy_only(had, newest) is None,
                active=_state(server) in LIVE,
                state=_state(server),
                locked=bool(server.is_locked),
                excluded=excluded,
                disk=local_disk(server, sizes) if local else 0.0,
                disks=local_disks(server, sizes) if local else (),
                zone=_zone(server, known.keep_zone),
                allowed=known.destinations.allowed(
                    server, having.wanted[server.id]
                ),
                sla=_sla(metadata, name, notes),
                refused=refused(had, newest),
            )
        )
    return vms


def _state(server: Server) -> str:
    """One of the model's states."""
    state = str(server.vm_state).lower()
    # a VM in ERROR may keep the task that it failed in
    if state == 'error' or not server.task_state:
        return state if state in STATES else 'other'
    return 'busy'


def _size(server: Server, instance: Instance | None) -> tuple[float, float]:
    """Memory in bytes and vCPUs; zeros where nobody knows."""
    flavor = server.flavor
    memory = getattr(flavor, 'ram', None)
    vcpus = getattr(flavor, 'vcpus', None)
    if memory is None and instance is not None:
        # an API below 2.47 names the flavor without its numbers
        memory, vcpus = instance.memory, instance.vcpus
    return from_mib(float(memory or 0)), float(vcpus or 0)


def _zone(server: Server, keep: bool) -> str | None:
    """The zone that the server must stay in.

    Its owner asked for one, or Nova's default_schedule_zone did. Before
    2.96 Nova shows only where the server is, not whether it must be there.
    """
    pinned = getattr(server, 'pinned_availability_zone', None)
    if pinned or _version(server) >= PINNED_SINCE:
        return pinned or None
    zone = getattr(server, 'availability_zone', None)
    return zone or None if keep else None


def _version(server: Server) -> tuple[int, ...]:
    """The microversion that the server was read with; empty if unknown."""
    text = getattr(server, 'microversion', None) or ''
    parts = str(text).split('.')
    return tuple(int(p) for p in parts) if all(map(str.isdigit, parts)) else ()


def _sla(
    metadata: Mapping[str, str], where: str, notes: list[str]
) -> str | None:
    text = metadata.get(SLA)
    if text is None:
        return None
    name = str(text).strip()
    if not name:
        notes.append(f'{where}: {SLA} is empty and is ignored')
    return name or None
