"""The compute driver of a simulated Nova: its answers as values, no decision.

As the plugin's own drivers, it translates and does nothing else.
"""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from benchmarks.healing_nova import Befallen
from watcher_tsmig.execute import compute
from watcher_tsmig.playground.cloud.records import LISTED
from watcher_tsmig.playground.cloud.records import Record
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.cloud.records import Status
from watcher_tsmig.playground.cloud.records import check_abort
from watcher_tsmig.playground.web import HttpError

MIGRATION = 'live-migration'
# What Nova's instance actions say of a migration by its last status.
DETAILS = {
    Status.ERROR: 'No valid host was found. There are not enough hosts '
    'available.',
    Status.FAILED: 'Live Migration failure: operation failed',
}


class Simulated(compute.ComputeDriver):
    """A simulated Nova behind the interface of every compute driver."""

    def __init__(self, compute: Befallen) -> None:
        self._sim = compute

    def server(self, vm: str) -> compute.Server:
        with self._sim.at_now():
            server = self._server(vm)
            return compute.Server(
                host=server.host,
                vm_state=server.vm_state,
                task=server.task_state,
                locked=server.locked,
            )

    def services(self, host: str) -> list[compute.Service]:
        with self._sim.at_now() as sim:
            service = sim.services[host]
            return [
                compute.Service(
                    host=host,
                    binary='nova-compute',
                    up=service.up,
                    enabled=service.enabled,
                    reason=service.reason or '',
                )
            ]

    def residents(self, host: str) -> list[compute.Resident]:
        with self._sim.at_now() as sim:
            return [
                compute.Resident(
                    vm=server.vm.id,
                    name=server.vm.name,
                    vm_state=server.vm_state,
                    task=server.task_state,
                    memory=server.vm.memory,
                )
                for server in sim.servers_on(host)
            ]

    def passages(self, host: str) -> list[compute.Passage]:
        with self._sim.at_now() as sim:
            return [
                compute.Passage(
                    vm=record.server.vm.id,
                    source=record.source,
                    destination=record.destination,
                    status=str(record.status),
                )
                for record in reversed(sim.migrations.records.values())
                if host in (record.source, record.destination)
            ]

    def records(self, vm: str) -> list[compute.Record]:
        with self._sim.at_now():
            return [
                compute.Record(
                    id=str(record.id),
                    status=str(record.status),
                    took=record.updated - record.created,
                )
                for record in self._of(vm)
            ]

    def statistics(self, vm: str, record: str) -> compute.Statistics:
        with self._sim.at_now():
            found = self._record(vm, record)
            if found.status not in LISTED:
                raise compute.Missing('it is not in progress')
            total, processed, remaining = found.memory or (None, None, None)
            return compute.Statistics(
                total=total, processed=processed, remaining=remaining
            )

    def start(self, vm: str, host: str) -> None:
        with self._sim.at_now() as sim:
            server = self._server(vm)
            _asked(lambda: sim.live_migrate(server, host))

    def switch(self, vm: str, record: str) -> None:
        with self._sim.at_now() as sim:
            found = self._record(vm, record)
            if found.status is not Status.RUNNING:
                raise compute.Refused(f'it is {found.status}')
            permitted = sim.services[found.source].host.post_copy is True
            sim.migrations.force_complete(found, permitted)

    def abort(self, vm: str, record: str) -> None:
        with self._sim.at_now() as sim:
            found = self._record(vm, record)
            _asked(lambda: check_abort(found, early=True))
            sim.migrations.abort(found)

    def reset(self, vm: str) -> None:
        with self._sim.at_now():
            self._server(vm).vm_state = 'active'

    def actions(self, vm: str) -> list[compute.Action]:
        with self._sim.at_now():
            return [
                compute.Action(name=MIGRATION, request=str(record.id))
                for record in self._of(vm)
            ]

    def bonds(self, vm: str) -> list[compute.Bond]:
        with self._sim.at_now() as sim:
            return [
                compute.Bond(
                    name=group.id,
                    policy=group.policy,
                    members=group.members,
                    most=int(group.max_per_host),
                )
                for group in sim.cloud.groups
                if vm in group.members
            ]

    def events(self, vm: str, request: str) -> list[compute.Event]:
        with self._sim.at_now():
            found = self._record(vm, request)
            details = DETAILS.get(found.status, '')
            return [compute.Event(failed=bool(details), details=details)]

    def _server(self, vm: str) -> Server:
        if vm not in self._sim.servers:
            raise compute.Missing(f'Instance {vm} could not be found.')
        return self._sim.servers[vm]

    def _of(self, vm: str) -> Iterator[Record]:
        for record in reversed(self._sim.migrations.records.values()):
            if record.server.vm.id == vm:
                yield record

    def _record(self, vm: str, number: str) -> Record:
        for record in self._of(vm):
            if str(record.id) == number:
                return record
        raise compute.Missing(f'Migration {number} could not be found.')


def _asked(call: Callable[[], Any]) -> None:
    """Ask as over HTTP.

    :raises compute.Refused: Nova refuses
    """
    try:
        call()
    except HttpError as error:
        raise compute.Refused(str(error)) from error
