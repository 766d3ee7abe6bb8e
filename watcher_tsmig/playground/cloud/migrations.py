"""Nova's side of live migrations: records, queue, statuses, delays.

The book-keeping that Nova and libvirt add around the physics lives here, in
simulated time and with the quirks that bite clients. How bytes flow is the
world's; who asks, and over which API, is not known here. Not thread-safe.
Sources: Nova 34 compute manager and libvirt driver, and a measured cloud.
"""

import collections
import heapq
import itertools
import math
import uuid
from collections.abc import Callable

from watcher_tsmig import units
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.playground.cloud.records import ENDED
from watcher_tsmig.playground.cloud.records import Fault
from watcher_tsmig.playground.cloud.records import Habits
from watcher_tsmig.playground.cloud.records import Record
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.cloud.records import Status
from watcher_tsmig.simulate.world import Event
from watcher_tsmig.simulate.world import World

# Of `lagging`: a client hardly ever sees it.
POST_MIGRATING = 0.01
# s that Nova waits for a nova-compute that does not answer
RPC_TIMEOUT = 60.0
NO_HOST = 'No valid host was found. There are not enough hosts available.'
UNFIT = (
    'Migration pre-check error: Unacceptable CPU info: CPU does not have '
    'compatibility.'
)
MAX_RECORDS = 10_000  # the oldest finished ones are forgotten beyond


class Migrations:
    """Every live migration, running on a world and moved by `catch_up`."""

    def __init__(self, world: World, habits: Habits) -> None:
        self.habits = habits
        self.world = world
        self.now = 0.0
        self.records: collections.OrderedDict[int, Record] = (
            collections.OrderedDict()
        )
        self.faults: dict[str, tuple[Fault, float]] = {}
        self.pending: dict[str, str] = {}  # VM to destination, unrecorded
        # whether a host's nova-compute works
        self.alive: Callable[[str], bool] = lambda host: True
        # libvirt's caps of a domain, until it leaves its host
        self.speeds: dict[str, Speeds] = {}
        self._origin = 0.0  # when this world began
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._ticket = itertools.count()
        self._numbers = itertools.count(1)
        self._queues: dict[str, collections.deque[Record]] = {}
        self._busy: collections.Counter[str] = collections.Counter()
        self._sending: dict[str, Record] = {}

    # -- time

    def catch_up(self, until: float) -> None:
        """Let everything happen up to simulated second `until`."""
        # A reaction to the world comes `lagging` after its cause at the
        # soonest, so the world may run that far ahead of the timers.
        stride = max(self.habits.lagging, 0.1)
        while self.now < until or (self._timers and self._due(until)):
            goal = min(until, self._timers[0][0] if self._timers else until)
            if self._sending:
                goal = min(goal, self.now + stride)
            self.now = max(self.now, goal)
            for event in self.world.advance(self.now - self._origin):
                self._happened(event)
            while self._timers and self._due(self.now):
                heapq.heappop(self._timers)[2]()

    def replace_world(self, world: World) -> None:
        """Go on with another world; nothing may be sending."""
        assert not self._sending
        self.world = world
        self._origin = self.now

    @property
    def sending(self) -> int:
        """How many migrations move bytes now."""
        return len(self._sending)

    def in_flight(self, server: Server) -> Record | None:
        """The record of the server's migration that has not ended."""
        for record in reversed(self.records.values()):
            if record.server is server and record.status not in ENDED:
                return record
        return None

    def _due(self, when: float) -> bool:
        return self._timers[0][0] <= when

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        entry = (self.now + seconds, next(self._ticket), then)
        heapq.heappush(self._timers, entry)

    # -- what clients ask for

    def submit(self, server: Server, destination: str | None) -> None:
        """Accept a live migration; None means that no host is valid."""
        server.task_state = 'migrating'
        server.updated = self.now
        self.pending[server.vm.id] = destination or ''
        self._after(
            self.habits.unrecorded, lambda: self._record(server, destination)
        )

    def force_complete(self, record: Record, permitted: bool) -> None:
        """Switch to post-copy, or pause where that is not permitted."""
        lost = not record.sending or not self.alive(record.source)
        if lost or record.arrived:
            return  # QEMU does not send: the request is lost, as in Nova
        if permitted:
            if not self.world.progress(record.server.vm.id).total:
                return  # nor does it while disks are copied
            self.world.switch(record.server.vm.id)
            self._set(record, Status.POST_COPY)
            self._cap(record)
        else:
            self.world.pause(record.server.vm.id)
            record.server.paused = True

    def set_speeds(self, vm: str, speeds: Speeds) -> None:
        """Change a domain's caps, in flight too."""
        self.speeds[vm] = speeds
        record = self._sending.get(vm)
        if record is not None and not record.arrived:
            self._cap(record)

    def _cap(self, record: Record) -> None:
        if record.stalled:
            return
        vm = record.server.vm.id
        speeds = self.speeds.get(vm, Speeds())
        post_copy = record.status is Status.POST_COPY
        self.world.cap(vm, speeds.rate(post_copy=post_copy))

    def abort(self, record: Record) -> None:
        """Cancel; what has arrived is beyond."""
        if record.arrived or not self.alive(record.source):
            return
        if record.sending:
            self.world.abort(record.server.vm.id)
        self._end(record, Status.CANCELLED)

    # -- the life of a migration

    def _record(self, server: Server, destination: str | None) -> None:
        self.pending.pop(server.vm.id, None)
        number = next(self._numbers)
        record = Record(
            id=number,
            uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, f'tsmig:{number}')),
            server=server,
            source=server.host,
            destination=destination or '',
            created=self.now,
            updated=self.now,
        )
        self.records[number] = record
        self._forget()
        self._noticed(record)
        unfit = destination and self._strikes(record, Fault.UNFIT)
        if unfit or not destination or self._strikes(record, Fault.NO_HOST):
            record.why = UNFIT if unfit else NO_HOST
            self._end(record, Status.ERROR)
            return
        self._after(self.habits.queueing, lambda: self._queue(record))

    def _queue(self, record: Record) -> None:
        self._set(record, Status.QUEUED)
        queue = self._queues.setdefault(record.source, collections.deque())
        queue.append(record)
        self._admit(record.source)

    def _admit(self, host: str) -> None:
        queue = self._queues.get(host)
        most = self.habits.max_concurrent if self.alive(host) else 0
        while queue and self._busy[host] < most:
            record = queue.popleft()
            if record.status is Status.QUEUED:
                self._busy[host] += 1
                self._set(record, Status.PREPARING)
                if self.alive(record.destination):
                    wait, then = self.habits.preparing, self._runner(record)
                else:
                    wait, then = RPC_TIMEOUT, self._unprepared(record)
                self._after(wait, then)

    def _unprepared(self, record: Record) -> Callable[[], None]:
        def fail() -> None:
            if record.status is Status.PREPARING:
                record.why = 'Timed out waiting for a reply to message ID 1'
                self._end(record, Status.FAILED)

        return fail

    def _runner(self, record: Record) -> Callable[[], None]:
        def run() -> None:
            if record.status is not Status.PREPARING:
                return
            if not self.alive(record.source):
                return
            self._set(record, Status.RUNNING)
            record.memory = record.disk = (0.0, 0.0, 0.0)
            self._after(self.habits.handshake, lambda: self._send(record))
            self._after(self.habits.statistics, lambda: self._refresh(record))
            gib = max(2, math.ceil(record.server.vm.memory / units.GIB))
            self._after(
                self.habits.timeout * gib, lambda: self._time_out(record)
            )

        return run

    def _send(self, record: Record) -> None:
        if record.status is not Status.RUNNING:
            return
        vm = record.server.vm.id
        # libvirt hands its one cap to the memory and to each disk
        cap = self.speeds.get(vm, Speeds()).rate(post_copy=False)
        sizes = record.server.vm.going_along
        mirrors = cap * sum(sizes) / max(sizes) if sizes else cap
        self.world.start(vm, record.destination, cap=cap, mirrors=mirrors)
        record.sending = True
        self._sending[vm] = record
        self._began(record)

    def _began(self, record: Record) -> None:
        """A migration begins to send."""

    def _refresh(self, record: Record) -> None:
        if record.status not in (Status.RUNNING, Status.POST_COPY):
            return
        if record.sending and not record.arrived and self.alive(record.source):
            done = self.world.progress(record.server.vm.id)
            record.memory = (done.total, done.processed, done.remaining)
            copied = done.disk - done.disk_remaining
            record.disk = (done.disk, copied, done.disk_remaining)
            record.updated = self.now
        self._after(self.habits.statistics, lambda: self._refresh(record))

    def _time_out(self, record: Record) -> None:
        waits = not record.arrived and not record.server.paused
        if record.status is Status.RUNNING and waits:
            self.world.abort(record.server.vm.id)
            self._end(record, Status.FAILED)

    def _happened(self, event: Event) -> None:
        record = self._sending.get(event.vm)
        if record is None:
            return
        if event.kind == 'completed':
            del self._sending[event.vm]
            record.arrived = True
            # a domain that arrives has none
            self.speeds.pop(event.vm, None)
            if not self.alive(record.source):
                return  # nobody is there to see it
            if not self.alive(record.destination):
                # Nova's end at the destination is not done, and it goes on
                self._after(RPC_TIMEOUT, lambda: self._finish(record))
                return
            record.server.host = record.destination
            self._settle(record.server)
            self._after(self.habits.lagging, lambda: self._finish(record))
        elif event.kind == 'failed':
            self._end(record, Status.FAILED)

    def _finish(self, record: Record) -> None:
        self._set(record, Status.POST_MIGRATING)
        self._after(
            POST_MIGRATING * self.habits.lagging,
            lambda: self._end(record, Status.COMPLETED),
        )

    def _end(self, record: Record, status: Status) -> None:
        if record.status in (
            Status.PREPARING,
            Status.RUNNING,
            Status.POST_COPY,
            Status.POST_MIGRATING,
        ):
            self._busy[record.source] -= 1
        self._sending.pop(record.server.vm.id, None)
        if not record.arrived:
            self._settle(record.server)
        self._set(record, status)
        self._admit(record.source)

    def _settle(self, server: Server) -> None:
        server.task_state = None
        server.paused = False
        server.updated = self.now

    def _set(self, record: Record, status: Status) -> None:
        record.status = status
        record.updated = self.now
        self._noticed(record)

    def _noticed(self, record: Record) -> None:
        """A record has another status."""

    def _strikes(self, record: Record, fault: Fault) -> bool:
        vm = record.server.vm.id
        if self.faults.get(vm, (None,))[0] is not fault:
            return False
        del self.faults[vm]
        return True

    def _forget(self) -> None:
        if len(self.records) <= MAX_RECORDS:
            return
        oldest = next(iter(self.records.values()))
        if oldest.status in ENDED:
            del self.records[oldest.id]
