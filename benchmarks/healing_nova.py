"""A simulated Nova that things befall while somebody empties a host of it.

The playground's cloud with what no client of it may do: hosts stop, others'
VMs come and go. Two things of Nova are added: a host is known to be down a
minute after it is, and until then who is sent there waits a minute for
nothing, or is sent elsewhere where no host was named; and an owner who is
told that a VM is being migrated asks again.
"""

import dataclasses
from collections.abc import Callable

from benchmarks.healing_clouds import Event
from benchmarks.healing_clouds import Kind
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.migrations import Migrations
from watcher_tsmig.playground.cloud.records import ENDED
from watcher_tsmig.playground.cloud.records import Fault
from watcher_tsmig.playground.cloud.records import Habits
from watcher_tsmig.playground.cloud.records import Record
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.cloud.records import Status
from watcher_tsmig.playground.web import HttpError
from watcher_tsmig.simulate.world import World

# Nova's [DEFAULT]service_down_time and rpc_response_timeout, s.
NOTICED, ANSWERED = 60.0, 60.0
# A VM is being built for so long, and an owner asks again after so long, s.
BUILT, AGAIN = 15.0, 5.0
NO_HOST = 'No valid host was found. There are not enough hosts available.'
# A migration that breaks does so after so many s.
BREAKS = 2.0
# What no operator does to a VM that is being migrated: Nova answers 409.
REFUSED = (Kind.DELETED, Kind.MOVED, Kind.BUSY, Kind.STOPPED, Kind.LOCKED)


class Calls(Migrations):
    """Migrations of a cloud with hosts that do not answer.

    :ivar dead: those hosts, whether that is known or not
    :ivar elsewhere: where Nova sends a VM instead; None: nowhere
    """

    def __init__(
        self,
        world: World,
        habits: Habits,
        elsewhere: Callable[[Server], str | None],
    ) -> None:
        super().__init__(world, habits)
        self.dead: set[str] = set()
        self.elsewhere = elsewhere

    def _queue(self, record: Record) -> None:
        """The conductor's checks ask the destination first."""
        if record.destination in self.dead:
            self._after(ANSWERED, lambda: self._missed(record))
        else:
            super()._queue(record)

    def _missed(self, record: Record) -> None:
        """Who named no host is sent to the next one that will do."""
        other = self.elsewhere(record.server)
        if other is None:
            self._end(record, Status.ERROR)
        else:
            record.destination = other
            self._queue(record)

    def stop(self, host: str) -> None:
        """What is on its way to the host fails, but what already runs there.

        A post-copy is QEMU's alone, and goes on.
        """
        self.dead.add(host)
        for record in list(self.records.values()):
            if (
                record.destination != host
                or record.arrived
                or record.status in (*ENDED, Status.ACCEPTED, Status.POST_COPY)
            ):
                continue
            if record.sending:
                self.world.fail(record.server.vm.id)
            self._end(record, Status.FAILED)


class Befallen(SimCloud):
    """The simulated cloud, and what happens to it."""

    def __init__(self, cloud: Cloud, clock: Clock, outgoing: int) -> None:
        habits = Habits(max_concurrent=outgoing)
        super().__init__(cloud, clock, habits)  # type: ignore[arg-type]
        self.migrations: Calls = Calls(
            World(self.cloud), habits, self._elsewhere
        )
        self._anywhere: set[str] = set()

    def live_migrate(
        self, server: Server, destination: str | None, *, force: bool = False
    ) -> None:
        """Do what Nova does at os-migrateLive.

        :raises HttpError: Nova refuses at once
        """
        super().live_migrate(server, destination, force=force)
        self._anywhere.discard(server.vm.id)
        if destination is None:
            self._anywhere.add(server.vm.id)

    def _elsewhere(self, server: Server) -> str | None:
        if server.vm.id not in self._anywhere:
            return None
        fits = [
            name
            for name in self.services
            if name not in self.migrations.dead and self._valid(server, name)
        ]
        return max(fits, key=self._free, default=None)

    def told(self) -> Cloud:
        """The cloud as a planner is told of it now."""
        hosts = tuple(
            dataclasses.replace(s.host, enabled=s.enabled, up=s.up)
            for s in self.services.values()
        )
        vms = tuple(_told(server) for server in self.servers.values())
        return dataclasses.replace(self.cloud, hosts=hosts, vms=vms)

    def there(self, host: str) -> list[Server]:
        """Who is on the host or on the way to it."""
        coming = [
            r.server
            for r in self.migrations.records.values()
            if r.destination == host and r.status not in ENDED
        ]
        return [
            s for s in self.servers.values() if s.host == host or s in coming
        ]

    def boot(self, vm: Vm, *, forced: bool) -> Server | None:
        """A new VM on its host, if that has room; forced: even if not."""
        new = Server(vm, vm.host, len(self.servers) + 1, locked=False)
        if not forced:
            new.host = ''  # on none yet
            if not self._valid(new, vm.host):
                return None
            new.host = vm.host
        self._peopled([*self._everyone(), vm])
        self.servers[vm.id] = new
        new.task_state = 'spawning'
        return new

    def delete(self, server: Server) -> None:
        """The VM and its records are gone."""
        del self.servers[server.vm.id]
        for number, record in list(self.migrations.records.items()):
            if record.server is server:
                del self.migrations.records[number]
        gone = server.vm.id
        self._peopled([vm for vm in self._everyone() if vm.id != gone])

    def _everyone(self) -> list[Vm]:
        host_of = self.migrations.world.host_of
        return [
            dataclasses.replace(vm, host=host_of(vm.id))
            for vm in self.cloud.vms
        ]

    def _peopled(self, vms: list[Vm]) -> None:
        ids = {vm.id for vm in vms}
        groups = tuple(
            dataclasses.replace(
                g, members=tuple(m for m in g.members if m in ids)
            )
            for g in self.cloud.groups
        )
        self.cloud = dataclasses.replace(
            self.cloud, vms=tuple(vms), groups=groups
        )
        self.migrations.world = self.migrations.world.with_cloud(self.cloud)


def _told(server: Server) -> Vm:
    busy = server.task_state is not None
    return dataclasses.replace(
        server.vm,
        host=server.host,
        locked=server.locked,
        active=not busy and server.vm_state == 'active',
        state='busy' if busy else server.vm_state,
    )


# What happens some seconds later.
Later = tuple[float, Callable[[], object]]


def befall(sim: Befallen, clock: Clock, event: Event, emptied: str) -> None:
    """Wait for an event's time, and let it happen.

    :param emptied: the host that was to be emptied first
    """
    clock.sleep(event.at)
    happens = HAPPENS[event.kind]
    while True:
        try:
            with sim.at_now():
                if event.kind in REFUSED:
                    _check(sim.servers.get(event.vm), emptied)
                later = happens(sim, event, emptied)
            break
        except _BeingMigratedError:
            clock.sleep(AGAIN)
        except (LookupError, HttpError):
            return  # it is not there any more, or Nova refuses
    for seconds, then in later:
        clock.sleep(seconds)
        with sim.at_now():
            then()


class _BeingMigratedError(Exception):
    """Not now: the VM is being migrated."""


def _check(server: Server | None, host: str) -> None:
    """Whether it may befall the VM now.

    :raises LookupError: it has left, or is no more
    """
    if server is None or server.host != host:
        raise LookupError(host)
    if server.task_state is not None:
        raise _BeingMigratedError


def _down(sim: Befallen, event: Event, _: str) -> list[Later]:
    service = sim.services[event.host]
    sim.migrations.stop(event.host)
    return [(NOTICED, lambda: setattr(service, 'up', False))]


def _disabled(sim: Befallen, event: Event, _: str) -> list[Later]:
    sim.services[event.host].enabled = False
    return []


def _booted(sim: Befallen, event: Event, emptied: str) -> list[Later]:
    new = [sim.boot(vm, forced=vm.host == emptied) for vm in event.boots]

    def built() -> None:
        for server in filter(None, new):
            server.task_state = None

    return [(BUILT, built)]


def _arrives(sim: Befallen, event: Event, emptied: str) -> list[Later]:
    server = sim.servers[event.vm]
    if server.task_state is not None:
        raise _BeingMigratedError
    sim.live_migrate(server, emptied, force=True)
    return []


def _deleted(sim: Befallen, event: Event, _: str) -> list[Later]:
    sim.delete(sim.servers[event.vm])
    return []


def _moved(sim: Befallen, event: Event, _: str) -> list[Later]:
    sim.live_migrate(sim.servers[event.vm], None)
    return []


def _busy(sim: Befallen, event: Event, _: str) -> list[Later]:
    server = sim.servers[event.vm]
    server.task_state = 'image_uploading'
    return [(event.lasts, lambda: setattr(server, 'task_state', None))]


def _breaks(sim: Befallen, event: Event, _: str) -> list[Later]:
    sim.migrations.faults[event.vm] = (Fault.FAIL, BREAKS)
    return []


def _stopped(sim: Befallen, event: Event, _: str) -> list[Later]:
    sim.servers[event.vm].vm_state = 'stopped'
    return []


def _locked(sim: Befallen, event: Event, _: str) -> list[Later]:
    sim.servers[event.vm].locked = True
    return []


HAPPENS: dict[Kind, Callable[[Befallen, Event, str], list[Later]]] = {
    Kind.DOWN: _down,
    Kind.DISABLED: _disabled,
    Kind.FILLED: _booted,
    Kind.BOOTED: _booted,
    Kind.ARRIVES: _arrives,
    Kind.DELETED: _deleted,
    Kind.MOVED: _moved,
    Kind.BUSY: _busy,
    Kind.BREAKS: _breaks,
    Kind.STOPPED: _stopped,
    Kind.LOCKED: _locked,
}
