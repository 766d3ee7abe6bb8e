"""The simulated cloud's agents: the real ones, over hypervisors of its own.

A hypervisor here is a view of the world on one host; the agent, its table of
verbs, its ledger and its bus are those of a compute host.
"""

import contextlib
import pathlib
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import oslo_messaging
from oslo_config import cfg

from watcher_tsmig.agent import bus
from watcher_tsmig.agent.agent import Agent
from watcher_tsmig.agent.agent import Answer
from watcher_tsmig.agent.keeper import Keeper
from watcher_tsmig.agent.values import FORMAT
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.agent.values import Writing
from watcher_tsmig.model import Host
from watcher_tsmig.playground.cloud import memory
from watcher_tsmig.playground.cloud.cloud import Mood
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.records import Record
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.cloud.records import Status

TICK = 0.5
# Wall seconds until it answers, and s by which its clock is wrong.
SILENT: dict[Mood | None, float] = {Mood.DEAD: 60.0, Mood.SLOW: 3.0}
JUMPS: dict[Mood | None, float] = {Mood.AHEAD: 3600.0, Mood.BEHIND: -3600.0}


class Hypervisor:
    """One host's libvirt, as an agent needs it."""

    def __init__(self, sim: SimCloud, host: str) -> None:
        self._sim = sim
        self._host = host
        self._said: dict[str, Speeds] = {}
        self._looks: dict[str, int] = {}

    @property
    def _lies(self) -> bool:
        return self._sim.moods.get(self._host) is Mood.LYING

    def speeds(self, vm: str) -> Speeds:
        """The caps in force now."""
        with self._sim.at_now():
            self._server(vm)
            known = self._said if self._lies else self._sim.migrations.speeds
            return known.get(vm, Speeds())

    def set_speeds(self, vm: str, speeds: Speeds) -> None:
        """Set both caps, in flight too."""
        with self._sim.at_now():
            self._server(vm)
            if self._lies:
                self._said[vm] = speeds
            else:
                self._sim.migrations.set_speeds(vm, speeds)

    def runs(self, vm: str) -> bool:
        """Whether the guest runs or is paused."""
        with self._sim.at_now():
            return self._server(vm).vm_state != 'stopped'

    def disks(self, vm: str) -> int:
        """How many disks would be copied."""
        with self._sim.at_now():
            return len(self._server(vm).vm.going_along)

    def job(self, vm: str) -> Job:
        """The job under way."""
        with self._sim.at_now():
            record = self._record(vm)
            idle = record is None or not record.sending or record.arrived
            if record is None or idle or self._lies:
                return Job()
            seen = self._sim.migrations.world.progress(vm)
            return Job(
                direction=Direction.OUTGOING,
                post_copy=record.status is Status.POST_COPY,
                elapsed=self._sim.migrations.now - record.created,
                total=float(int(seen.total)),
                processed=float(int(seen.processed)),
                remaining=float(int(seen.remaining)),
                iteration=seen.rounds,
                disk_processed=float(int(seen.disk - seen.disk_remaining)),
                disk_remaining=float(int(seen.disk_remaining)),
            )

    def measure(self, vm: str, seconds: int, method: Method) -> None:
        """Nobody writes into memory here."""
        raise Refusal(Code.UNFIT, 'a simulated guest has no memory')

    def writing(self, vm: str) -> Writing:
        """Nothing was measured."""
        return Writing(status='unstarted')

    def memory(self, vm: str) -> float:
        """Bytes of RAM that the guest has."""
        with self._sim.at_now():
            return self._server(vm).vm.memory

    def read(self, vm: str, addresses: Sequence[int], size: int) -> bytes:
        """Pages as the cloud's file says; else there is nothing to read."""
        with self._sim.at_now():
            contents = self._server(vm).vm.contents
        if contents is None:
            raise Refusal(Code.UNFIT, 'a simulated guest has no memory')
        look = self._looks.get(vm, 0)
        self._looks[vm] = look + 1
        return memory.read(contents, addresses, size, look)

    def versions(self) -> Mapping[str, Any]:
        """Of nobody."""
        return {'libvirt': 'simulated', 'qemu': 'simulated'}

    def _server(self, vm: str) -> Server:
        server = self._sim.servers.get(vm)
        if server is None or not self._here(server):
            raise Refusal(Code.UNKNOWN_VM, f'{vm} is not on this host')
        return server

    def _here(self, server: Server) -> bool:
        if server.lost:
            return False
        record = self._sim.migrations.in_flight(server)
        # until it has arrived the source has its domain
        if record is not None and not record.arrived:
            return record.source == self._host
        return self._sim.migrations.world.host_of(server.vm.id) == self._host

    def _record(self, vm: str) -> Record | None:
        return self._sim.migrations.in_flight(self._server(vm))


class Moody(Agent):
    """An agent with which something may be wrong; see `Mood`."""

    def __init__(
        self, sim: SimCloud, host: str, hypervisor: Hypervisor, keeper: Keeper
    ) -> None:
        self._mood = lambda: sim.moods.get(host)
        (known,) = (h for h in sim.cloud.hosts if h.name == host)
        super().__init__(
            hypervisor,
            keeper,
            _facts(sim, known),
            _traffic,
            clock=clock_of(sim, host),
        )

    def answer(self, request: object) -> Answer:
        """As it is asked, late if it is slow, and too late if it is dead."""
        end = time.monotonic() + SILENT.get(self._mood(), 0.0)
        while time.monotonic() < end and self._mood() in SILENT:
            time.sleep(0.05)
        return super().answer(request)


def _traffic() -> Mapping[str, Any]:
    """Nobody counts here."""
    raise Refusal(Code.UNFIT, 'a simulated NIC counts nothing')


def clock_of(sim: SimCloud, host: str) -> Callable[[], float]:
    """What a host's clock shows, seconds since the epoch."""
    return lambda: time.time() + JUMPS.get(sim.moods.get(host), 0.0)


@contextlib.contextmanager
def serving(
    sim: SimCloud, conf: cfg.ConfigOpts, folder: pathlib.Path
) -> Iterator[None]:
    """An agent for each host, on the bus of this process's Watcher."""
    transport = oslo_messaging.get_rpc_transport(conf)
    ended = threading.Event()
    keepers, servers = [], []
    for host in sim.cloud.hosts:
        hypervisor = Hypervisor(sim, host.name)
        path = folder / f'caps-{sim.services[host.name].id}.json'
        keeper = Keeper(hypervisor, path, clock_of(sim, host.name))
        agent = Moody(sim, host.name, hypervisor, keeper)
        server = bus.server(transport, host.name, agent)
        server.start()
        keepers.append(keeper)
        servers.append(server)

    def tend() -> None:
        while not ended.wait(TICK):
            for keeper in keepers:
                keeper.tick()

    thread = threading.Thread(target=tend, daemon=True, name='agents')
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5)
        for server in servers:
            server.stop()


def _facts(sim: SimCloud, host: Host) -> Any:  # noqa: ANN401
    habits = sim.migrations.habits

    def told() -> dict[str, Any]:
        rules = sim.migrations.world.rules
        return {
            'format': FORMAT,
            'versions': {},
            'userfaultfd': True,
            'nova': {
                'max_outgoing': habits.max_concurrent,
                'bandwidth': None,
                'downtime_limit': rules.downtime_limit,
                'downtime_steps': rules.downtime_steps,
                'downtime_delay': rules.downtime_delay,
                'completion_timeout': habits.timeout,
                'timeout_action': 'abort',
                'post_copy': bool(host.post_copy),
                'auto_converge': bool(host.nova and host.nova.auto_converge),
                'streams': rules.streams,
                'monitor_interval': habits.statistics,
            },
            'nic': None
            if host.nic is None
            else {
                'name': 'eth0',
                'address': '',
                'capacity': host.nic.capacity,
                'separate': host.nic.separate or None,
            },
            'notes': [],
        }

    return told
