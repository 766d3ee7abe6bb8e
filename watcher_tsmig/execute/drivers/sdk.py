"""The compute driver `openstacksdk`, the default.

Translation only; see compute.ComputeDriver.
"""

import itertools
from typing import Any

from openstack import exceptions as sdk_errors
from openstack import utils as sdk_utils

from watcher_tsmig.execute import compute as ours
from watcher_tsmig.execute.drivers import dialect
from watcher_tsmig.execute.values import Compute

# From here on Nova answers a live migration before it has checked it, and
# says in its records and instance actions what came of it; before, the
# request hangs for up to a minute (compute API, microversion 2.34).
ASYNCHRONOUS = '2.34'
# From here on an instance action's events have details: why it failed.
DETAILS = '2.84'

SDK = dialect.Dialect(
    own=(sdk_errors.SDKException,),
    missing=sdk_errors.NotFoundException,
    words=lambda error: getattr(error, 'details', None),
)


class OpenStackSdk(ours.ComputeDriver):
    """openstacksdk's compute proxy, which negotiates its microversions."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    @SDK.translated()
    def server(self, vm: str) -> ours.Server:
        """Interface; so are all below."""
        found = self._compute.get_server(vm)
        return ours.Server(
            host=found.compute_host or None,
            vm_state=str(found.vm_state or 'unknown').lower(),
            task=found.task_state or None,
            locked=bool(found.is_locked),
        )

    @SDK.translated()
    def services(self, host: str) -> list[ours.Service]:
        """Interface."""
        found = self._compute.services(host=host, binary='nova-compute')
        return [
            ours.Service(
                host=s.host,
                binary=s.binary,
                up=s.state == 'up',
                enabled=s.status == 'enabled',
                reason=str(s.disabled_reason or ''),
            )
            for s in found
        ]

    @SDK.translated()
    def residents(self, host: str) -> list[ours.Resident]:
        """Interface."""
        found = self._compute.servers(all_projects=True, compute_host=host)
        return [
            ours.Resident(
                vm=s.id,
                name=s.name or s.id,
                vm_state=str(s.vm_state or 'unknown').lower(),
                task=s.task_state or None,
                memory=dialect.ram(s.flavor),
            )
            for s in found
            # an old API ignores the filter
            if s.compute_host == host
        ]

    @SDK.translated()
    def passages(self, host: str) -> list[ours.Passage]:
        """Interface."""
        only = {'host': host} if host else {}
        found = self._compute.migrations(**only)
        return [
            ours.Passage(
                vm=str(m.server_id),
                source=m.source_compute or '',
                destination=m.dest_compute or '',
                status=str(m.status),
            )
            for m in itertools.islice(found, dialect.PASSAGES)
        ]

    @SDK.translated()
    def records(self, vm: str) -> list[ours.Record]:
        """Interface."""
        return [
            ours.Record(
                id=str(m.id),
                status=str(m.status),
                took=dialect.between(m.created_at, m.updated_at),
                source=m.source_compute or '',
                destination=m.dest_compute or '',
            )
            for m in self._compute.migrations(server_id=vm)
            if m.server_id == vm
            and m.migration_type in (None, 'live-migration')
        ]

    @SDK.translated()
    def statistics(self, vm: str, record: str) -> ours.Statistics:
        """Interface."""
        found = self._compute.get_server_migration(
            record, vm, ignore_missing=False
        )
        return ours.Statistics(
            total=found.memory_total_bytes,
            processed=found.memory_processed_bytes,
            remaining=found.memory_remaining_bytes,
            disk_remaining=found.disk_remaining_bytes,
            status=str(found.status),
            took=dialect.between(found.created_at, found.updated_at),
        )

    @SDK.translated()
    def bonds(self, vm: str) -> list[ours.Bond]:
        """Interface."""
        found = self._get(f'/servers/{vm}')['server']
        return [
            dialect.bond(self._get(f'/os-server-groups/{g}')['server_group'])
            for g in found.get('server_groups') or ()
        ]

    @SDK.translated()
    def start(self, vm: str, host: str) -> None:
        """Interface."""
        asked = {'host': host, 'block_migration': 'auto'}
        # the proxy's own method stops at 2.30
        if not sdk_utils.supports_microversion(self._compute, ASYNCHRONOUS):
            self._compute.live_migrate_server(vm, **asked)
            return
        answer = self._compute.post(
            f'/servers/{vm}/action',
            json={'os-migrateLive': asked},
            microversion=ASYNCHRONOUS,
        )
        sdk_errors.raise_from_response(answer)

    @SDK.translated()
    def switch(self, vm: str, record: str) -> None:
        """Interface."""
        self._compute.force_complete_server_migration(record, vm)

    @SDK.translated()
    def abort(self, vm: str, record: str) -> None:
        """Interface."""
        self._compute.abort_server_migration(record, vm, ignore_missing=False)

    @SDK.translated()
    def reset(self, vm: str) -> None:
        """Interface."""
        self._compute.reset_server_state(vm, 'active')

    @SDK.translated()
    def actions(self, vm: str) -> list[ours.Action]:
        """Interface."""
        found = self._get(f'/servers/{vm}/os-instance-actions')
        return [
            ours.Action(name=a['action'], request=a['request_id'])
            for a in found.get('instanceActions') or ()
        ]

    @SDK.translated()
    def events(self, vm: str, request: str) -> list[ours.Event]:
        """Interface."""
        found = self._get(f'/servers/{vm}/os-instance-actions/{request}')
        return [
            ours.Event(
                failed=e.get('result') == 'Error',
                details=str(e.get('details') or ''),
            )
            for e in found['instanceAction'].get('events') or ()
        ]

    def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        # The proxy's own classes drop the details of an event.
        answer = self._compute.get(path, microversion=DETAILS)
        sdk_errors.raise_from_response(answer)
        return answer.json()
