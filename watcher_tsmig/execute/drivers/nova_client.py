"""The compute driver `novaclient`.

For releases of Watcher whose clients are novaclient (14 and 15). Translation
only; see compute.ComputeDriver. Imports python-novaclient, which is there
with the extra `novaclient` alone.
"""

import functools
from typing import Any

from novaclient import api_versions
from novaclient import client
from novaclient import exceptions as client_errors
from openstack import exceptions as sdk_errors

from watcher_tsmig.execute import compute as ours
from watcher_tsmig.execute.drivers import dialect
from watcher_tsmig.execute.values import Compute

FIRST = api_versions.APIVersion('2.1')
# From here on Nova finds out itself whether there are disks to be copied.
AUTO = api_versions.APIVersion('2.25')
# The last microversion that changes anything we ask or read: from here on an
# instance action's events say why it failed.
LAST = api_versions.APIVersion('2.84')


def _words(error: Exception) -> object:
    told = getattr(error, 'message', None)
    # where Nova says nothing there is a word of the class, without the status
    return None if told == getattr(type(error), 'message', None) else told


NOVACLIENT = dialect.Dialect(
    own=(
        client_errors.ClientException,
        client_errors.UnsupportedVersion,
        client_errors.VersionNotFoundForAPIMethod,
        # of the proxy that our session comes from: no such endpoint
        sdk_errors.SDKException,
    ),
    missing=client_errors.NotFound,
    words=_words,
)


class NovaClient(ours.ComputeDriver):
    """novaclient at the newest microversion that we, it and Nova have."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    @functools.cached_property
    def _nova(self) -> Any:  # noqa: ANN401 - novaclient has no types
        found = api_versions.discover_version(
            self._client(FIRST), api_versions.APIVersion('2.latest')
        )
        return self._client(min(found, LAST))

    def _client(self, version: api_versions.APIVersion) -> Any:  # noqa: ANN401
        over = self._compute
        return client.Client(
            version,
            session=over.session,
            service_type=over.service_type,
            service_name=over.service_name,
            region_name=over.region_name,
            endpoint_type=over.interface,
            endpoint_override=over.endpoint_override,
        )

    @NOVACLIENT.translated()
    def server(self, vm: str) -> ours.Server:
        """Interface; so are all below."""
        found = self._nova.servers.get(vm).to_dict()
        return ours.Server(
            host=found.get('OS-EXT-SRV-ATTR:host') or None,
            vm_state=str(
                found.get('OS-EXT-STS:vm_state') or 'unknown'
            ).lower(),
            task=found.get('OS-EXT-STS:task_state') or None,
            locked=bool(found.get('locked')),
        )

    @NOVACLIENT.translated()
    def services(self, host: str) -> list[ours.Service]:
        """Interface."""
        found = self._nova.services.list(host=host, binary='nova-compute')
        return [
            ours.Service(
                host=s['host'],
                binary=s['binary'],
                up=s['state'] == 'up',
                enabled=s['status'] == 'enabled',
                reason=str(s.get('disabled_reason') or ''),
            )
            for s in (service.to_dict() for service in found)
        ]

    @NOVACLIENT.translated()
    def residents(self, host: str) -> list[ours.Resident]:
        """Interface."""
        # -1: page by page until all are there
        found = self._nova.servers.list(
            search_opts={'all_tenants': 1, 'host': host}, limit=-1
        )
        return [
            ours.Resident(
                vm=s['id'],
                name=s.get('name') or s['id'],
                vm_state=str(
                    s.get('OS-EXT-STS:vm_state') or 'unknown'
                ).lower(),
                task=s.get('OS-EXT-STS:task_state') or None,
                memory=dialect.ram(s.get('flavor')),
            )
            for s in (server.to_dict() for server in found)
            if s.get('OS-EXT-SRV-ATTR:host') == host
        ]

    @NOVACLIENT.translated()
    def passages(self, host: str) -> list[ours.Passage]:
        """Interface."""
        found = self._nova.migrations.list(host=host or None)
        return [
            ours.Passage(
                vm=str(m['instance_uuid']),
                source=m.get('source_compute') or '',
                destination=m.get('dest_compute') or '',
                status=str(m['status']),
            )
            for m in (migration.to_dict() for migration in found)
        ][: dialect.PASSAGES]

    @NOVACLIENT.translated()
    def records(self, vm: str) -> list[ours.Record]:
        """Interface."""
        found = self._nova.migrations.list(instance_uuid=vm)
        return [
            ours.Record(
                id=str(m['id']),
                status=str(m['status']),
                took=dialect.between(m['created_at'], m['updated_at']),
                source=m.get('source_compute') or '',
                destination=m.get('dest_compute') or '',
            )
            for m in (migration.to_dict() for migration in found)
            if m['instance_uuid'] == vm
            and m.get('migration_type') in (None, 'live-migration')
        ]

    @NOVACLIENT.translated()
    def statistics(self, vm: str, record: str) -> ours.Statistics:
        """Interface."""
        found = self._nova.server_migrations.get(vm, record).to_dict()
        return ours.Statistics(
            total=found['memory_total_bytes'],
            processed=found['memory_processed_bytes'],
            remaining=found['memory_remaining_bytes'],
            disk_remaining=found.get('disk_remaining_bytes'),
            status=str(found['status']),
            took=dialect.between(found['created_at'], found['updated_at']),
        )

    @NOVACLIENT.translated()
    def bonds(self, vm: str) -> list[ours.Bond]:
        """Interface."""
        found = self._nova.servers.get(vm).to_dict()
        return [
            dialect.bond(self._nova.server_groups.get(g).to_dict())
            for g in found.get('server_groups') or ()
        ]

    @NOVACLIENT.translated()
    def start(self, vm: str, host: str) -> None:
        """Interface."""
        if self._nova.api_version < AUTO:
            raise ours.Refused(
                'Nova is too old for a live migration of ours: microversion '
                f'{AUTO.get_string()} is needed'
            )
        self._nova.servers.live_migrate(vm, host, 'auto')

    @NOVACLIENT.translated()
    def switch(self, vm: str, record: str) -> None:
        """Interface."""
        self._nova.server_migrations.live_migrate_force_complete(vm, record)

    @NOVACLIENT.translated()
    def abort(self, vm: str, record: str) -> None:
        """Interface."""
        self._nova.server_migrations.live_migration_abort(vm, record)

    @NOVACLIENT.translated()
    def reset(self, vm: str) -> None:
        """Interface."""
        self._nova.servers.reset_state(vm, 'active')

    @NOVACLIENT.translated()
    def actions(self, vm: str) -> list[ours.Action]:
        """Interface."""
        found = self._nova.instance_action.list(vm)
        return [
            ours.Action(name=a.action, request=a.request_id) for a in found
        ]

    @NOVACLIENT.translated()
    def events(self, vm: str, request: str) -> list[ours.Event]:
        """Interface."""
        found = self._nova.instance_action.get(vm, request).to_dict()
        return [
            ours.Event(
                failed=e.get('result') == 'Error',
                details=str(e.get('details') or ''),
            )
            for e in found.get('events') or ()
        ]
