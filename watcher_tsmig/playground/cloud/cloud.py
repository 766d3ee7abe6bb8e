"""The simulated cloud: what Nova, Placement and Gnocchi answer from.

State shared by the services and the one lock around it live here; wire
formats do not. A service enters with `at_now()`, which first lets everything
happen that is due by the clock, so no thread is needed to move time.
"""

import contextlib
import dataclasses
import datetime
import enum
import math
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping

from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.playground.cloud import bonds
from watcher_tsmig.playground.cloud import having
from watcher_tsmig.playground.cloud.clock import Clock
from watcher_tsmig.playground.cloud.mishaps import Mishaps
from watcher_tsmig.playground.cloud.records import Fault
from watcher_tsmig.playground.cloud.records import Habits
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.web import HttpError
from watcher_tsmig.simulate.world import World

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, 'tsmig.playground')


class Metrics(enum.StrEnum):
    """What Gnocchi has of a VM."""

    LIVE = 'live'
    STALE = 'stale'  # the last point is hours old
    GONE = 'gone'


class Mood(enum.StrEnum):
    """What is wrong with an agent."""

    DEAD = 'dead'  # it answers nothing
    SLOW = 'slow'  # it answers too late
    LYING = 'lying'  # it says that a cap holds, and that nothing migrates
    AHEAD = 'ahead'  # its clock has jumped by an hour
    BEHIND = 'behind'


@dataclasses.dataclass(slots=True)
class Service:
    """A nova-compute service and its hypervisor."""

    host: Host
    id: str
    hypervisor: str
    number: int
    enabled: bool
    up: bool
    reason: str | None = None


def identify(kind: str, name: str) -> str:
    """A stable UUID for a name."""
    return str(uuid.uuid5(NAMESPACE, f'{kind}:{name}'))


def with_uuids(cloud: Cloud) -> Cloud:
    """The same cloud with a UUID for every VM, as Nova has them."""

    def canonical(vm_id: str) -> str:
        try:
            return str(uuid.UUID(vm_id))
        except ValueError:
            return identify('vm', vm_id)

    vms = tuple(
        dataclasses.replace(vm, id=canonical(vm.id)) for vm in cloud.vms
    )
    groups = tuple(
        dataclasses.replace(
            group, members=tuple(map(canonical, group.members))
        )
        for group in cloud.groups
    )
    return dataclasses.replace(cloud, vms=vms, groups=groups)


def ram_mb(size: float) -> int:
    """Bytes as a flavor's whole MiB, rounded up."""
    return max(1, math.ceil(size / units.MIB))


def _vm_state(vm: Vm) -> str:
    """Nova's; a VM with a task is active for Nova."""
    if vm.state is None:
        return 'active' if vm.active else 'stopped'
    return 'active' if vm.state in ('busy', 'other') else vm.state


@dataclasses.dataclass(slots=True)
class Holding:
    """The servers of one host.

    :ivar here: that Nova places on it
    :ivar claiming: that have claimed room on it, arrivals included
    """

    here: list[Server] = dataclasses.field(default_factory=list)
    claiming: list[Server] = dataclasses.field(default_factory=list)

    @property
    def used(self) -> tuple[float, float]:
        """Memory (bytes) and vCPUs claimed."""
        return (
            sum(s.vm.memory for s in self.claiming),
            sum(s.vm.vcpus for s in self.claiming),
        )


class SimCloud:
    """A cloud that lives; every use is inside `with sim.at_now()`."""

    def __init__(
        self, cloud: Cloud, clock: Clock, habits: Habits | None = None
    ) -> None:
        self.cloud = with_uuids(cloud)
        self.clock = clock
        self.zero = time.time()
        self.migrations = Mishaps(World(self.cloud), habits or Habits())
        self.marks = bonds.marks_of(self.cloud)
        self.servers = {
            vm.id: Server(
                vm,
                vm.host,
                number,
                vm.locked,
                _vm_state(vm),
                extra_specs=self._extra_specs(vm),
            )
            for number, vm in enumerate(self.cloud.vms, 1)
        }
        self.services = {
            host.name: Service(
                host,
                identify('service', host.name),
                identify('hypervisor', host.name),
                number,
                host.enabled,
                host.up,
            )
            for number, host in enumerate(self.cloud.hosts, 1)
        }
        self.migrations.alive = lambda host: self.services[host].up
        # what is wrong with agents, by host
        self.moods: dict[str, Mood] = {}
        self.metrics = dict.fromkeys(self.servers, Metrics.LIVE)
        # how much of its own traffic and writing each VM is measured to have
        self.traffic = dict.fromkeys(self.servers, 1.0)
        self.writing = dict.fromkeys(self.servers, 1.0)
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def at_now(self) -> Iterator['SimCloud']:
        """Hold the cloud still at the clock's present."""
        with self._lock:
            self.migrations.catch_up(self.clock.now())
            yield self

    def instant(self, seconds: float) -> str:
        """A simulated second as a date that a client can read.

        It runs ahead of the wall clock where simulated time does.
        """
        moment = datetime.datetime.fromtimestamp(
            self.zero + seconds, datetime.UTC
        )
        return moment.strftime('%Y-%m-%dT%H:%M:%S.%f')

    def server(self, server_id: str) -> Server:
        """The server of that id.

        :raises HttpError: 404, there is none
        """
        server = self.servers.get(server_id)
        if server is None:
            raise HttpError(404, f'Instance {server_id} could not be found.')
        return server

    def servers_on(self, host: str) -> list[Server]:
        """The servers that Nova places on a host."""
        return [s for s in self.servers.values() if s.host == host]

    def holding(self) -> Mapping[str, Holding]:
        """What each host has, for who asks about many of them."""
        found: dict[str, Holding] = defaultdict(Holding)
        for server in self.servers.values():
            found[server.host].here.append(server)
            found[server.host].claiming.append(server)
            to = self._heading(server) if self._moves(server) else None
            if to not in (None, server.host):
                found[to].claiming.append(server)
        return found

    def used(self, host: str) -> tuple[float, float]:
        """Memory (bytes) and vCPUs claimed on a host, arrivals included."""
        return Holding(claiming=self._claiming(host)).used

    def used_disk(self, host: str) -> float:
        """Local disk (bytes) claimed on a host, arrivals included."""
        return sum(s.vm.disk for s in self._claiming(host))

    def _claiming(self, host: str) -> list[Server]:
        return [
            s
            for s in self.servers.values()
            if s.host == host or (self._moves(s) and self._heading(s) == host)
        ]

    def _moves(self, server: Server) -> bool:
        """Whether it may be heading for another host."""
        pending = self.migrations.pending
        return server.task_state is not None or (
            bool(pending) and server.vm.id in pending
        )

    def _extra_specs(self, vm: Vm) -> dict[str, str]:
        if vm.allowed is None:
            return {}
        return self.marks[vm.allowed].extra_specs

    def _heading(self, server: Server) -> str | None:
        waiting = self.migrations.pending.get(server.vm.id)
        if waiting is not None:
            return waiting
        if server.task_state != 'migrating':
            return None
        record = self.migrations.in_flight(server)
        return record.destination if record else None

    def _valid(self, server: Server, name: str) -> bool:
        """What Nova's scheduler asks of a destination."""
        service = self.services[name]
        memory, vcpus = self.used(name)
        places = {
            vm: self._heading(s) or s.host for vm, s in self.servers.items()
        }
        return (
            name != server.host
            and service.enabled
            and service.up
            and memory + server.vm.memory <= service.host.memory
            and vcpus + server.vm.vcpus <= service.host.vcpus
            and bonds.suits(server.vm, service.host, self.used_disk(name))
            and bonds.grouped(server.vm.id, name, self.cloud.groups, places)
        )

    def live_migrate(
        self, server: Server, destination: str | None, *, force: bool = False
    ) -> None:
        """Do what Nova does at os-migrateLive.

        :param force: no scheduler looks at the destination
        :raises HttpError: Nova refuses at once
        """
        state = server.task_state or server.vm_state
        if server.task_state or server.vm_state not in ('active', 'paused'):
            kind = 'task_state' if server.task_state else 'vm_state'
            raise HttpError(
                409,
                f"Cannot 'os-migrateLive' instance {server.vm.id} while it "
                f'is in {kind} {state}',
            )
        having.check(server)
        if destination is not None and destination not in self.services:
            raise HttpError(
                400, f'Compute host {destination} could not be found.'
            )
        if not self.services[server.host].up:
            raise HttpError(
                400,
                f'Compute service of {server.host} is unavailable at this '
                'time.',
            )
        fault = self.migrations.faults.get(server.vm.id)
        if fault and fault[0] is Fault.REFUSE:
            del self.migrations.faults[server.vm.id]
            raise HttpError(400, 'The playground was asked to refuse this.')
        if destination is None:
            fits = [n for n in self.services if self._valid(server, n)]
            # the stock weigher prefers the most free memory
            destination = max(fits, key=self._free, default=None)
        elif not force and not self._valid(server, destination):
            destination = None
        self.migrations.submit(server, destination)

    def _free(self, name: str) -> float:
        return self.services[name].host.memory - self.used(name)[0]

    def set_up(self, name: str, up: bool) -> None:
        """Let a host's nova-compute work, or not."""
        service = self.services[name]
        began = up and not service.up
        service.up = up
        if began:
            self.migrations.restarted(name)

    def delete(self, server: Server) -> None:
        """Delete a VM, and its records with it."""
        self.migrations.forget(server)
        del self.servers[server.vm.id]
        vms = tuple(v for v in self.cloud.vms if v.id in self.servers)
        groups = tuple(
            dataclasses.replace(
                group,
                members=tuple(m for m in group.members if m in self.servers),
            )
            for group in self.cloud.groups
        )
        self.cloud = dataclasses.replace(self.cloud, vms=vms, groups=groups)

    def fill(self, name: str, full: bool) -> None:
        """Let a host have no memory left, or all that it had."""
        (had,) = (h for h in self.cloud.hosts if h.name == name)
        if full:
            had = dataclasses.replace(had, memory=max(self.used(name)[0], 1.0))
        self.services[name].host = had

    def teleport(self, server: Server, host: str) -> None:
        """Move a VM at once, without a record: behind everybody's back.

        :raises HttpError: 404 for an unknown host, 409 while bytes move
        """
        if host not in self.services:
            raise HttpError(404, f'Compute host {host} could not be found.')
        if server.task_state or self.migrations.sending:
            raise HttpError(409, 'migrations are under way')
        server.host = host
        vms = tuple(
            dataclasses.replace(vm, host=self.servers[vm.id].host)
            for vm in self.cloud.vms
        )
        self.cloud = dataclasses.replace(self.cloud, vms=vms)
        self.migrations.replace_world(World(self.cloud))
