"""All servers of a cloud, as values, page by page.

Nova's own JSON and not openstacksdk's resources: these take 4 ms a server
to be made, and make its flavor anew whenever that is looked at, which is
minutes for a large cloud. Names are openstacksdk's.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from openstack import exceptions as sdk_errors
from openstack import utils as sdk_utils

from watcher_tsmig import errors
from watcher_tsmig.telemetry.asking import MALFORMED
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.clients import Compute

Version = tuple[int, int]

# The newest that changes anything we read: the properties of a server's image.
VERSION = '2.98'
# Nova's own [api]max_limit, above which it answers less than asked.
PAGE = 1000
PATH = '/servers/detail'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A flavor in a server: MiB of memory and swap, GiB of disks.

    None where Nova names the flavor without its numbers, before 2.47.
    """

    original_name: str | None = None
    ram: float | None = None
    vcpus: float | None = None
    disk: float | None = None
    ephemeral: float | None = None
    swap: float | None = None
    extra_specs: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server as an administrator sees it.

    :ivar image: with its `id` and, from 2.98 on, its `properties`; None: it
        boots from a volume
    :ivar microversion: that it was read with; empty where nobody knows
    """

    id: str
    name: str
    compute_host: str | None
    vm_state: str
    task_state: str | None
    is_locked: bool
    metadata: Mapping[str, str]
    flavor: Flavor
    image: Mapping[str, Any] | None
    attached_volumes: tuple[Mapping[str, Any], ...]
    project_id: str | None
    availability_zone: str | None
    pinned_availability_zone: str | None
    microversion: str


SIZES = tuple(field.name for field in dataclasses.fields(Flavor))


def newest_version(compute: Compute) -> Version | None:
    """The newest microversion that Nova has; None where nobody tells.

    It says of which release the API is. No API says how old the oldest
    nova-compute is: by Nova's own rule no older than the release before, or
    two, and it does not begin with older ones (OLDEST_SUPPORTED_SERVICE_
    VERSION in nova/objects/service.py).
    """
    try:
        there = ask('versions', lambda: compute.get_endpoint_data())
        found = there.max_microversion if there is not None else None
        return (int(found[0]), int(found[1])) if found else None
    except (errors.CloudError, *MALFORMED):
        return None


def read_servers(compute: Compute) -> list[Server]:
    """The servers of all projects.

    :param compute: openstacksdk's compute proxy
    :raises errors.CloudError: Nova does not answer
    """
    return ask('servers', lambda: _all(compute))


def _all(compute: Compute) -> list[Server]:
    version = compute.default_microversion or (
        sdk_utils.maximum_supported_microversion(compute, VERSION)
    )
    found: dict[str, Server] = {}
    query: dict[str, str | int] = {'all_tenants': 'True', 'limit': PAGE}
    while True:
        answer = compute.get(PATH, params=query, microversion=version)
        sdk_errors.raise_from_response(answer)
        body = answer.json()
        rows = [row for row in body['servers'] if row['id'] not in found]
        found.update({row['id']: _server(row, version or '') for row in rows})
        # one page again and again would be without end
        if not rows or not body.get('servers_links'):
            return list(found.values())
        query['marker'] = rows[-1]['id']


def _server(row: Mapping[str, Any], version: str) -> Server:
    flavor = row.get('flavor') or {}
    return Server(
        id=row['id'],
        name=row.get('name') or row['id'],
        compute_host=row.get('OS-EXT-SRV-ATTR:host'),
        vm_state=row.get('OS-EXT-STS:vm_state') or '',
        task_state=row.get('OS-EXT-STS:task_state'),
        is_locked=bool(row.get('locked')),
        metadata=row.get('metadata') or {},
        flavor=Flavor(**{name: flavor.get(name) for name in SIZES}),
        image=row.get('image') or None,
        attached_volumes=tuple(
            row.get('os-extended-volumes:volumes_attached') or ()
        ),
        project_id=row.get('tenant_id'),
        availability_zone=row.get('OS-EXT-AZ:availability_zone') or None,
        pinned_availability_zone=row.get('pinned_availability_zone'),
        microversion=version,
    )
