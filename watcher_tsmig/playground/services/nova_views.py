"""How Nova writes its resources as JSON.

Pure functions from the simulated cloud to dictionaries, by microversion.
No request is looked at here and nothing is changed.
"""

import hashlib
import math
from typing import Any

from watcher_tsmig import units
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.playground.cloud import records
from watcher_tsmig.playground.cloud.cloud import Holding
from watcher_tsmig.playground.cloud.cloud import Service
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.cloud import identify
from watcher_tsmig.playground.cloud.cloud import ram_mb
from watcher_tsmig.playground.cloud.records import Record
from watcher_tsmig.playground.cloud.records import Server

Version = tuple[int, int]
Json = dict[str, Any]

ZONE = 'nova'
COUNTED = ('total', 'processed', 'remaining')
DISK_GB = 1000  # of a host of unknown disk
OWNER = identify('project', 'tenant').replace('-', '')
STATUS = {'stopped': 'SHUTOFF', 'error': 'ERROR', 'paused': 'PAUSED'}
POWER = {'stopped': 4, 'error': 0, 'paused': 3}


def flavor_id(server: Server) -> str:
    """A stable id for a flavor of the server's size."""
    text = f'{ram_mb(server.vm.memory)}:{server.vm.vcpus:g}'
    if server.vm.disk or server.extra_specs:
        text += f':{disk_gb(server)}:{sorted(server.extra_specs.items())}'
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def disk_gb(server: Server) -> int:
    """Its local disk in whole GiB, as a flavor has it."""
    return math.ceil(server.vm.disk / units.GIB)


def host_disk_gb(host: Host) -> int:
    """The local disk of a host in whole GiB."""
    return DISK_GB if host.disk is None else int(host.disk // units.GIB)


def flavor(server: Server) -> Json:
    """The flavor that the server's size stands for."""
    ram, vcpus = ram_mb(server.vm.memory), max(1, round(server.vm.vcpus))
    return {
        'id': flavor_id(server),
        'name': f'tsmig-{vcpus}x{ram}',
        'ram': ram,
        'vcpus': vcpus,
        'disk': disk_gb(server),
        'OS-FLV-EXT-DATA:ephemeral': 0,
        'OS-FLV-DISABLED:disabled': False,
        'os-flavor-access:is_public': True,
        'rxtx_factor': 1.0,
        'swap': 0,
        'description': None,
        'extra_specs': dict(server.extra_specs),
        'links': [],
    }


def _embedded_flavor(server: Server, version: Version) -> Json:
    whole = flavor(server)
    if version < (2, 47):
        return {'id': whole['id'], 'links': []}
    names = ('vcpus', 'ram', 'disk', 'swap', 'extra_specs')
    return {k: whole[k] for k in names} | {
        'ephemeral': 0,
        'original_name': whole['name'],
    }


def server(sim: SimCloud, which: Server, version: Version) -> Json:
    """A server in detail."""
    busy = which.task_state == 'migrating'
    status = STATUS.get(which.vm_state, 'MIGRATING' if busy else 'ACTIVE')
    power = 3 if which.paused else POWER.get(which.vm_state, 1)
    body: Json = {
        'id': which.vm.id,
        'name': which.vm.name,
        'status': status,
        'tenant_id': OWNER,
        'user_id': OWNER,
        'metadata': _metadata(which.vm),
        'hostId': hashlib.sha224(which.host.encode()).hexdigest(),
        'image': _image(which, version),
        'flavor': _embedded_flavor(which, version),
        'created': sim.instant(0)[:19] + 'Z',
        'updated': sim.instant(which.updated)[:19] + 'Z',
        'addresses': {},
        'accessIPv4': '',
        'accessIPv6': '',
        'links': [],
        'progress': 0,
        'key_name': None,
        'config_drive': '',
        'os-extended-volumes:volumes_attached': _volumes(which),
        'OS-DCF:diskConfig': 'AUTO',
        'OS-EXT-AZ:availability_zone': zone_of(sim.services[which.host].host),
        'OS-EXT-STS:power_state': power,
        'OS-EXT-STS:vm_state': which.vm_state,
        'OS-EXT-STS:task_state': which.task_state,
        'OS-EXT-SRV-ATTR:host': which.host,
        'OS-EXT-SRV-ATTR:hypervisor_hostname': which.host,
        'OS-EXT-SRV-ATTR:instance_name': instance_name(which),
        'OS-SRV-USG:launched_at': sim.instant(0),
        'OS-SRV-USG:terminated_at': None,
    }
    if which.fault is not None:
        body['fault'] = {
            'code': 500,
            'message': which.fault,
            'created': sim.instant(which.updated)[:19] + 'Z',
        }
    return body | _later(which, version)


def _later(which: Server, version: Version) -> Json:
    """Fields of a server that came with a microversion."""
    later: tuple[tuple[Version, str, Any], ...] = (
        ((2, 3), 'OS-EXT-SRV-ATTR:hostname', which.vm.name.lower()),
        ((2, 3), 'OS-EXT-SRV-ATTR:kernel_id', ''),
        ((2, 3), 'OS-EXT-SRV-ATTR:launch_index', 0),
        ((2, 3), 'OS-EXT-SRV-ATTR:ramdisk_id', ''),
        ((2, 3), 'OS-EXT-SRV-ATTR:reservation_id', f'r-{which.number:08x}'),
        ((2, 3), 'OS-EXT-SRV-ATTR:root_device_name', '/dev/vda'),
        ((2, 3), 'OS-EXT-SRV-ATTR:user_data', None),
        ((2, 9), 'locked', which.locked),
        ((2, 16), 'host_status', 'UP'),
        ((2, 19), 'description', None),
        ((2, 26), 'tags', []),
        ((2, 63), 'trusted_image_certificates', None),
        ((2, 73), 'locked_reason', None),
        ((2, 96), 'pinned_availability_zone', which.vm.zone),
        ((2, 100), 'scheduler_hints', {}),
    )
    return {k: v for since, k, v in later if version >= since}


def instance_name(which: Server) -> str:
    """What its hypervisor calls it."""
    return f'instance-{which.number:08x}'


def zone_of(host: Host) -> str:
    """A host without a zone is in Nova's default one."""
    return host.zone or ZONE


def _metadata(vm: Vm) -> dict[str, str]:
    found = {} if vm.post_copy else {'tsmig:post_copy': 'false'}
    return found if vm.sla is None else found | {'tsmig:sla': vm.sla}


def image_size(which: Server) -> float:
    """Bytes of the disk that its image makes; of most of no matter."""
    sizes = which.vm.going_along
    return sizes[0] if sizes and not which.vm.disk else float(units.GIB)


def image_id(which: Server) -> str:
    """The image that it boots from, if it boots from one."""
    text = f'{image_size(which):g}'
    if which.properties:
        text += f':{sorted(which.properties.items())}'
    return identify('image', text)


def _image(which: Server, version: Version) -> Json | str:
    # Without local disk it boots from a volume, and Nova shows no image
    if not which.vm.going_along:
        return ''
    shown = {'id': image_id(which), 'links': []}
    if version >= (2, 98):
        shown['properties'] = dict(which.properties)
    return shown


def _volumes(which: Server) -> list[Json]:
    if which.vm.going_along:
        return []
    volume = identify('volume', which.vm.id)
    return [{'id': volume, 'delete_on_termination': True}]


def brief(which: Server) -> Json:
    """A server in a list without details."""
    return {'id': which.vm.id, 'name': which.vm.name, 'links': []}


def service(which: Service, version: Version, now: str) -> Json:
    """A nova-compute service."""
    return {
        'id': which.id if version >= (2, 53) else which.number,
        'binary': 'nova-compute',
        'host': which.host.name,
        'zone': zone_of(which.host),
        'status': 'enabled' if which.enabled else 'disabled',
        'state': 'up' if which.up else 'down',
        'updated_at': now,
        'disabled_reason': which.reason,
        **({'forced_down': False} if version >= (2, 11) else {}),
    }


def hypervisor(
    which: Service, holding: Holding, version: Version, servers: bool
) -> Json:
    """A hypervisor in detail; from 2.88 on its sizes are Placement's."""
    modern = version >= (2, 53)
    body: Json = {
        'id': which.hypervisor if modern else which.number,
        'hypervisor_hostname': which.host.name,
        'hypervisor_type': 'QEMU',
        'hypervisor_version': 10000000,
        'host_ip': '127.0.0.1',
        'state': 'up' if which.up else 'down',
        'status': 'enabled' if which.enabled else 'disabled',
        'service': {
            'id': which.id if modern else which.number,
            'host': which.host.name,
            'disabled_reason': which.reason,
        },
    }
    here = holding.here
    if version < (2, 88):
        memory, vcpus = holding.used
        total = int(which.host.memory // units.MIB)
        disk = host_disk_gb(which.host)
        used = sum(map(disk_gb, here))
        body |= {
            'vcpus': int(which.host.vcpus),
            'vcpus_used': round(vcpus),
            'memory_mb': total,
            'memory_mb_used': ram_mb(memory) if memory else 0,
            'free_ram_mb': total - round(memory / units.MIB),
            'local_gb': disk,
            'local_gb_used': used,
            'free_disk_gb': disk - used,
            'disk_available_least': disk - used,
            'running_vms': len(here),
            'current_workload': 0,
            'cpu_info': {},
        }
    else:
        body['uptime'] = None
    if servers and here:
        body['servers'] = [
            {'uuid': s.vm.id, 'name': instance_name(s)} for s in here
        ]
    return body


def migration(sim: SimCloud, which: Record, version: Version) -> Json:
    """A row of os-migrations; it has no memory statistics."""
    # the scheduler has not spoken while it is accepted
    accepted = which.status is records.Status.ACCEPTED
    destination = None if accepted else which.destination or None
    body: Json = {
        'id': which.id,
        'instance_uuid': which.server.vm.id,
        'status': str(which.status),
        'source_compute': which.source,
        'source_node': which.source,
        'dest_compute': destination,
        'dest_node': destination,
        'dest_host': None,
        'created_at': sim.instant(which.created),
        'updated_at': sim.instant(which.updated),
        'old_instance_type_id': which.server.number,
        'new_instance_type_id': which.server.number,
    }
    later: tuple[tuple[Version, str, Any], ...] = (
        ((2, 23), 'migration_type', 'live-migration'),
        ((2, 59), 'uuid', which.uuid),
        ((2, 80), 'user_id', OWNER),
        ((2, 80), 'project_id', OWNER),
    )
    if version >= (2, 23) and listed(which):
        body['links'] = []  # to the migration below its server
    return body | {k: v for since, k, v in later if version >= since}


def server_migration(sim: SimCloud, which: Record, version: Version) -> Json:
    """A migration in progress, below its server."""
    body = migration(sim, which, version)
    body['server_uuid'] = body.pop('instance_uuid')
    body.pop('migration_type', None)
    body.pop('links', None)
    for name in ('old_instance_type_id', 'new_instance_type_id'):
        del body[name]
    for kind in ('memory', 'disk'):
        seen = getattr(which, kind) or (None, None, None)
        for name, value in zip(COUNTED, seen, strict=True):
            told = None if value is None else int(value)
            body[f'{kind}_{name}_bytes'] = told
    return body


def listed(record: Record) -> bool:
    """Whether Nova shows the record below its server."""
    return record.status in records.LISTED
