"""A fluid model of NICs, applications and migrations.

The only state is that of one instant; time moves by `advance` alone, so
the same calls always give the same history. Migrations and applications
share NICs max-min fairly; a VM's traffic is where the VM runs. Pre-copy
goes in rounds as the forecast does (MigVisor, equations 1-5), but at the
bandwidth that it gets; post-copy sends every page that is not yet there
once. Nothing of Nova is here: no set-up, no queue, no status.
"""

import dataclasses
import math

import numpy as np

from watcher_tsmig import errors
from watcher_tsmig.forecast import fit
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.simulate import sharing

# A NIC that nobody declared, and the dirtying of a VM that nobody measured.
UNKNOWN_NIC = 125e6
# Bytes and seconds below these are rounding, not work.
LAST_BYTE = 0.5
LAST_MOMENT = 1e-9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; `kind` is round, switched or completed,
    failed or aborted; `time` in simulated seconds."""

    time: float
    vm: str
    kind: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A running migration as its hypervisor would tell; bytes, s.

    :ivar total: bytes of the first pass
    :ivar processed: bytes sent so far, of all rounds
    :ivar remaining: bytes left of this round (post-copy: of all)
    :ivar rounds: rounds begun
    :ivar downtime: stop-and-copy or outage so far known, s
    """

    phase: Mode
    total: float
    processed: float
    remaining: float
    elapsed: float
    rounds: int
    downtime: float
    rate: float


@dataclasses.dataclass(slots=True, kw_only=True)
class _Running:
    source: str
    destination: str
    cap: float
    began: float
    remaining: float
    phase: Mode = Mode.PRE_COPY
    processed: float = 0.0
    rounds: int = 1
    round_began: float = 0.0
    final: bool = False
    paused: float | None = None
    downtime: float = 0.0
    rate: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A migration that has ended; times in s, data in bytes."""

    vm: str
    mode: Mode
    began: float
    ended: float
    downtime: float
    data: float
    rounds: int


class World:
    """Hosts, VMs and running migrations; not thread-safe."""

    def __init__(self, cloud: Cloud, *, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.now = 0.0
        self._vms = {vm.id: vm for vm in cloud.vms}
        self._host = {vm.id: vm.host for vm in cloud.vms}
        self._index = {h.name: i for i, h in enumerate(cloud.hosts)}
        nics = [h.nic for h in cloud.hosts]
        self._capacity = np.array(
            [n.capacity if n else UNKNOWN_NIC for n in nics] * 2
        )
        self._background = np.array(
            [n.background_tx if n else 0.0 for n in nics]
            + [n.background_rx if n else 0.0 for n in nics]
        )
        self._curves = {
            vm.id: fit([vm.working_set or _idle(vm)]) for vm in cloud.vms
        }
        self._running: dict[str, _Running] = {}
        self.done: dict[str, Done] = {}

    def host_of(self, vm_id: str) -> str:
        """The host on which the VM runs now."""
        return self._host[vm_id]

    def start(
        self, vm_id: str, destination: str, *, cap: float = math.inf
    ) -> None:
        """Begin pre-copy now.

        :raises errors.InputError: unknown VM or host, or already running
        """
        if vm_id not in self._vms or destination not in self._index:
            raise errors.InputError('no such VM or host', vm_id)
        if vm_id in self._running:
            raise errors.InputError('is already migrating', vm_id)
        if self._host[vm_id] == destination:
            raise errors.InputError('is already there', vm_id)
        if not cap > 0:
            raise errors.InputError('cap must be above 0', vm_id)
        self._running[vm_id] = _Running(
            source=self._host[vm_id],
            destination=destination,
            cap=cap,
            began=self.now,
            round_began=self.now,
            remaining=float(self._curves[vm_id].resident[0]),
        )

    def switch(self, vm_id: str) -> None:
        """From pre-copy to post-copy: the VM runs at its destination.

        :raises errors.InputError: it is not in pre-copy
        """
        run = self._in_pre_copy(vm_id)
        run.remaining = self._outstanding(vm_id, run)
        run.phase = Mode.POST_COPY
        run.downtime = self.rules.post_copy_outage
        self._host[vm_id] = run.destination

    def pause(self, vm_id: str) -> None:
        """Stop the VM at its source until all of it has been sent.

        :raises errors.InputError: it is not in pre-copy
        """
        run = self._in_pre_copy(vm_id)
        if run.final:
            return
        run.remaining = self._outstanding(vm_id, run)
        run.final = True
        run.paused = self.now

    def abort(self, vm_id: str) -> None:
        """Cancel a pre-copy: the VM stays at its source.

        :raises errors.InputError: it is not in pre-copy; post-copy has no
            way back
        """
        self._in_pre_copy(vm_id)
        del self._running[vm_id]

    def fail(self, vm_id: str) -> None:
        """An injected failure of a pre-copy: the VM stays at its source.

        :raises errors.InputError: it is not in pre-copy
        """
        self.abort(vm_id)

    def running(self) -> tuple[str, ...]:
        """Ids of the VMs that are migrating, by start."""
        return tuple(self._running)

    def progress(self, vm_id: str) -> Progress:
        """How far a running migration is.

        :raises errors.InputError: it is not migrating
        """
        run = self._running.get(vm_id)
        if run is None:
            raise errors.InputError('is not migrating', vm_id)
        return Progress(
            phase=run.phase,
            total=float(self._curves[vm_id].resident[0]),
            processed=run.processed,
            remaining=run.remaining,
            elapsed=self.now - run.began,
            rounds=run.rounds,
            downtime=run.downtime,
            rate=run.rate,
        )

    def advance(self, until: float) -> list[Event]:
        """Let time pass.

        :param until: simulated s; earlier than `now` does nothing
        :returns: what happened, by time
        """
        events: list[Event] = []
        while self.now < until:
            events += self.step(until)
        return events

    def step(self, until: float) -> list[Event]:
        """Let time pass to the next end of a round, at most to `until`.

        :returns: what happened then; often nothing
        """
        self._share()
        step = until - self.now
        for run in self._running.values():
            if run.rate > 0:
                step = min(step, run.remaining / run.rate)
        step = max(step, LAST_MOMENT)
        for run in self._running.values():
            sent = min(run.rate * step, run.remaining)
            run.remaining -= sent
            run.processed += sent
        self.now = min(self.now + step, until)
        turns = [self._turn(vm_id) for vm_id in list(self._running)]
        return [event for turn in turns for event in turn]

    def _in_pre_copy(self, vm_id: str) -> _Running:
        run = self._running.get(vm_id)
        if run is None or run.phase is not Mode.PRE_COPY:
            raise errors.InputError('is not in pre-copy', vm_id)
        return run

    def _dirtied(self, vm_id: str, seconds: float) -> float:
        return float(self._curves[vm_id].at(np.array([seconds]))[0])

    def _outstanding(self, vm_id: str, run: _Running) -> float:
        """The rest of this round, and what was dirtied of the part sent."""
        total = float(self._curves[vm_id].resident[0])
        dirtied = self._dirtied(vm_id, self.now - run.round_began)
        sent = 1.0 - min(run.remaining / total, 1.0)
        return min(run.remaining + dirtied * sent, total)

    def _turn(self, vm_id: str) -> list[Event]:
        """What follows when a round has been sent."""
        run = self._running[vm_id]
        if run.remaining > LAST_BYTE:
            return []
        if run.phase is Mode.POST_COPY or run.final:
            return [self._complete(vm_id, run)]
        dirtied = self._dirtied(vm_id, self.now - run.round_began)
        rate = max(run.rate, 1e-9)
        run.rounds += 1
        run.round_began = self.now
        run.remaining = dirtied
        if dirtied / rate <= self.rules.downtime_limit:
            run.final = True
            run.downtime = dirtied / rate
        if run.remaining <= LAST_BYTE:
            return [self._complete(vm_id, run)]
        return [Event(time=self.now, vm=vm_id, kind='round')]

    def _complete(self, vm_id: str, run: _Running) -> Event:
        self._host[vm_id] = run.destination
        if run.paused is not None:
            run.downtime = self.now - run.paused
        self.done[vm_id] = Done(
            vm=vm_id,
            mode=run.phase,
            began=run.began,
            ended=self.now,
            downtime=run.downtime,
            data=run.processed,
            rounds=run.rounds,
        )
        del self._running[vm_id]
        return Event(time=self.now, vm=vm_id, kind='completed')

    def _share(self) -> None:
        """Give every migration its rate under max-min fairness."""
        if not self._running:
            return
        runs = list(self._running.values())
        h = len(self._index)
        path: list[tuple[int, int]] = []
        demand: list[float] = []
        for run in runs:
            node = self._index[run.source]
            path.append((node, h + self._index[run.destination]))
            demand.append(run.cap)
        busy = {node for pair in path for node in pair}
        for vm_id, vm in self._vms.items():
            run_of = self._running.get(vm_id)
            stopped = run_of is not None and run_of.paused is not None
            if vm.traffic is None or stopped:
                continue
            at = self._index[self._host[vm_id]]
            for node, rate in ((at, vm.traffic.tx), (h + at, vm.traffic.rx)):
                if node in busy and rate > 0:
                    path.append((node, sharing.NOWHERE))
                    demand.append(rate)
        for node in sorted(busy):
            if self._background[node] > 0:
                path.append((node, sharing.NOWHERE))
                demand.append(float(self._background[node]))
        rates = sharing.max_min(
            self._capacity,
            np.array(path, dtype=np.intp),
            np.array(demand),
        )
        for run, rate in zip(runs, rates, strict=False):
            run.rate = float(rate) * self.rules.efficiency


def _idle(vm: Vm) -> WorkingSet:
    """A VM whose dirtying nobody knows: all its memory goes, once."""
    return WorkingSet(resident=vm.memory, samples=())
