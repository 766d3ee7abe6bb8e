"""What happens to live migrations that no client asked for.

Faults of one migration, a nova-compute that comes back, a VM that is deleted,
and anything else that is to happen at a given status. Nova's own side of
migrations is in migrations.py.
"""

from collections.abc import Callable

from watcher_tsmig.playground.cloud.migrations import Migrations
from watcher_tsmig.playground.cloud.records import ENDED
from watcher_tsmig.playground.cloud.records import WHILE_SENDING
from watcher_tsmig.playground.cloud.records import Fault
from watcher_tsmig.playground.cloud.records import Habits
from watcher_tsmig.playground.cloud.records import Record
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.cloud.records import Status
from watcher_tsmig.simulate.world import World

# bytes/s of a stalled migration: no byte in a day
STALLED = 1e-6


class Mishaps(Migrations):
    """Live migrations to which something may happen."""

    def __init__(self, world: World, habits: Habits) -> None:
        super().__init__(world, habits)
        self._awaited: list[tuple[str, str, float, Callable[[], None]]] = []

    def when(
        self, vm: str, status: str, after: float, then: Callable[[], None]
    ) -> None:
        """Once the VM's next migration has the status, `after` s later."""
        self._awaited.append((vm, status, after, then))

    def restarted(self, host: str) -> None:
        """Its nova-compute, which was down: what it does first.

        Of those that it was the source of, it aborts what runs; it forgets
        those that wait, and their records stay as they are.
        """
        self._queues.pop(host, None)
        for record in list(self.records.values()):
            if record.source != host or record.status in ENDED:
                continue
            if record.status is Status.RUNNING:
                if record.sending and not record.arrived:
                    self.world.abort(record.server.vm.id)
                self._end(record, Status.ERROR)
            self._settle(record.server)
        self._busy[host] = 0

    def repair(self, server: Server) -> None:
        """Somebody puts an end to all that the VM was doing."""
        vm = server.vm.id
        self._awaited = [row for row in self._awaited if row[0] != vm]
        self.faults.pop(vm, None)
        self.speeds.pop(vm, None)
        for record in list(self.records.values()):
            if record.server is server and record.status not in ENDED:
                if record is self._sending.get(vm) and (
                    record.status is Status.RUNNING
                ):
                    self.world.abort(vm)
                self._end(record, Status.ERROR)
        self._settle(server)
        server.vm_state, server.fault, server.lost = 'active', None, False

    def forget(self, server: Server) -> None:
        """The VM is deleted, whatever it was doing, and its records."""
        self.repair(server)
        for record in list(self.records.values()):
            if record.server is server:
                del self.records[record.id]

    def _began(self, record: Record) -> None:
        vm = record.server.vm.id
        fault = self.faults.get(vm)
        if fault and fault[0] in WHILE_SENDING:
            status = WHILE_SENDING[fault[0]] or Status.RUNNING
            if status is Status.RUNNING:
                self._after(fault[1], lambda: self._break(record))
            else:
                self.when(vm, status, fault[1], lambda: self._break(record))

    def _break(self, record: Record) -> None:
        """The injected trouble; what has arrived goes on."""
        vm = record.server.vm.id
        fault, _ = self.faults.get(vm, (None, 0.0))
        if fault is None or record.arrived:
            return  # taken back meanwhile
        if WHILE_SENDING[fault] not in (None, record.status):
            return
        del self.faults[vm]
        if fault in (Fault.STALL, Fault.LOSE):
            self.world.cap(vm, STALLED)
            record.stalled = True
        if fault is Fault.STALL:
            return
        if fault is Fault.CANCEL:
            self.abort(record)
            return
        if fault is Fault.LOSE:
            record.server.lost = True
            self.speeds.pop(vm, None)
        else:
            self.world.fail(vm)
        if fault is Fault.FAIL:
            self._end(record, Status.FAILED)
            return
        record.server.vm_state = 'error'
        record.server.fault = 'Live migration operation has aborted'
        self._end(record, Status.ERROR)

    def _noticed(self, record: Record) -> None:
        now = (record.server.vm.id, str(record.status))
        due = [row for row in self._awaited if row[:2] == now]
        self._awaited = [row for row in self._awaited if row not in due]
        for _, _, after, then in due:
            self._after(after, then)
