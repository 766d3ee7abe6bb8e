"""A fluid model of NICs, links, applications and migrations.

The only state is that of one instant; time moves by `advance` alone, so
the same calls always give the same history. Migrations and applications
share NICs and links max-min fairly; a VM's traffic is where the VM runs,
and there is none while it stands. What the applications ask for and do
not get is counted. Nothing of Nova is here but its limits in `Rules`: no
set-up, no queue, no status.
"""

import math
from collections.abc import Mapping

import numpy as np

from watcher_tsmig import errors
from watcher_tsmig.forecast import Bracket
from watcher_tsmig.forecast import fit
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.simulate.applications import LAST_MOMENT
from watcher_tsmig.simulate.applications import Applications
from watcher_tsmig.simulate.applications import Series
from watcher_tsmig.simulate.network import Network
from watcher_tsmig.simulate.runs import LAST_BYTE
from watcher_tsmig.simulate.runs import Running
from watcher_tsmig.simulate.runs import begun
from watcher_tsmig.simulate.runs import of_disks
from watcher_tsmig.simulate.values import Done
from watcher_tsmig.simulate.values import Event
from watcher_tsmig.simulate.values import Progress
from watcher_tsmig.simulate.values import Service

# Who imports the world finds what it tells here, too.
__all__ = ('Done', 'Event', 'Progress', 'Service', 'World')


class World:
    """Hosts, links, VMs and running migrations; not thread-safe."""

    def __init__(
        self,
        cloud: Cloud,
        *,
        rules: Rules | None = None,
        traffic: Mapping[str, Series] | None = None,
        app_flows: float = 1.0,
    ) -> None:
        """Begin at 0 s with nothing running.

        :param rules: where a host has no others of its own
        :param traffic: by VM id, where it changes; until its first sample
            a VM's traffic is the cloud's
        :param app_flows: connections of a VM's tx or rx; a migration has
            `Rules.streams`
        :raises errors.InputError: a series names a VM that is not there
        """
        self.rules = rules or Rules()
        under, hosts = self.rules.under, cloud.hosts
        self._theirs = {h.name: under(h.nova, h.speeds) for h in hosts}
        self._agents = {h.name for h in hosts if h.agent}
        self.now = 0.0
        self.done: dict[str, Done] = {}
        self.broken: list[Done] = []  # ended, and the VM has not moved
        self._vms = {vm.id: vm for vm in cloud.vms}
        self._row = {vm.id: i for i, vm in enumerate(cloud.vms)}
        self._host = {vm.id: vm.host for vm in cloud.vms}
        self._network = Network(cloud)
        self._flows = app_flows
        index = self._network.index
        self._at = np.array([index[v.host] for v in cloud.vms], dtype=np.intp)
        self._apps = Applications(cloud, traffic or {})
        self._curves = fit([vm.working_set or _idle(vm) for vm in cloud.vms])
        self._running: dict[str, Running] = {}
        self._stale = True

    def host_of(self, vm_id: str) -> str:
        """The host on which the VM runs now."""
        return self._host[vm_id]

    def service(self, vm_id: str) -> Service:
        """What the VM's applications had so far."""
        return self._apps.service(self._row[vm_id])

    def start(
        self,
        vm_id: str,
        destination: str,
        *,
        cap: float = math.inf,
        mirrors: float | None = None,
    ) -> None:
        """Begin pre-copy now.

        :param cap: of its memory, bytes/s
        :param mirrors: of the disks that go before it, together, bytes/s;
            None: as the planner has it (`Terms.uncapped`)
        :raises errors.InputError: unknown VM or host, or already running
        """
        index = self._network.index
        if vm_id not in self._vms or destination not in index:
            raise errors.InputError('no such VM or host', vm_id)
        if vm_id in self._running:
            raise errors.InputError('is already migrating', vm_id)
        if self._host[vm_id] == destination:
            raise errors.InputError('is already there', vm_id)
        if not cap > 0:
            raise errors.InputError('cap must be above 0', vm_id)
        vm, row = self._vms[vm_id], self._row[vm_id]
        source = self._host[vm_id]
        if mirrors is None:
            mirrors = cap * (of_disks(vm) if source in self._agents else 1.0)
        self._running[vm_id] = begun(
            vm,
            self._theirs[source],
            now=self.now,
            resident=float(self._curves.resident[row]),
            row=row,
            destination=destination,
            path=self._network.path(index[source], index[destination]),
            cap=cap,
            mirrors=mirrors,
            line=self._curves.line(row, Bracket.EXPECTED),
        )
        self._stale = True

    def switch(self, vm_id: str, *, passed: bool = False) -> None:
        """From pre-copy to post-copy: the VM runs at its destination.

        While its disks are copied that has to wait for them.

        :param passed: not before its first pass has been sent, and not if
            it stops for the rest then
        :raises errors.InputError: it is not in pre-copy
        """
        run = self._in_pre_copy(vm_id)
        if run.rounds <= passed:
            run.switches = int(passed)
            return
        run.switch(self.now)
        self._moves(vm_id, run)
        self._stands(run)

    def cap(self, vm_id: str, cap: float) -> None:
        """Change the bandwidth of a running migration, bytes/s.

        :raises errors.InputError: not migrating, or not above 0
        """
        run = self._running.get(vm_id)
        if run is None:
            raise errors.InputError('is not migrating', vm_id)
        if not cap > 0:
            raise errors.InputError('cap must be above 0', vm_id)
        run.cap = cap
        self._stale = True

    def with_cloud(self, cloud: Cloud) -> 'World':
        """This instant and its migrations with other VMs on the same hosts.

        What applications lost is not carried over.

        :raises errors.InputError: other hosts, or a migrating VM is not there
        """
        after = World(cloud, rules=self.rules, app_flows=self._flows)
        after.now = self.now
        if after._network.index != self._network.index:
            raise errors.InputError('are others', 'hosts')
        for vm_id, run in self._running.items():
            if after._host.get(vm_id) != self._host[vm_id]:
                raise errors.InputError('is migrating', vm_id)
            run.row = after._row[vm_id]
            after._running[vm_id] = run
            line = after._curves.line(run.row, Bracket.EXPECTED)
            run.writes(line, self.now)
            if run.stopped is not None:
                after._stands(run)
        return after

    def pause(self, vm_id: str) -> None:
        """Stop the VM at its source until all of it has been sent.

        :raises errors.InputError: it is not in pre-copy
        """
        run = self._in_pre_copy(vm_id)
        if run.final:
            return
        run.settle(self.now)
        run.stopped = self.now
        if not run.copies:
            run.remaining = run.outstanding(self.now)
            run.fresh, run.final = False, True
        self._stands(run)

    def abort(self, vm_id: str) -> None:
        """Cancel a pre-copy: the VM stays at its source.

        :raises errors.InputError: it is not in pre-copy
        """
        run = self._in_pre_copy(vm_id)
        self.broken.append(run.done(vm_id, self.now))
        self._serves(run)
        del self._running[vm_id]
        self._stale = True

    def fail(self, vm_id: str) -> None:
        """An injected failure of a pre-copy; as `abort`."""
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
        return run.progress(self.now)

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
        """Let time pass to where something changes, at most to `until`.

        :returns: what happened then; often nothing
        """
        self._stale |= self._apps.change(self.now)
        self._share()
        step = max(self._next(until) - self.now, LAST_MOMENT)
        for run in self._running.values():
            sent = min(run.rate * step, run.remaining)
            run.remaining -= sent
            run.processed += sent
        self._apps.count(step)
        self.now = min(self.now + step, until)
        turns = [self._turn(vm_id) for vm_id in list(self._running)]
        return [event for event in turns if event]

    def _next(self, until: float) -> float:
        """When anything next changes."""
        moments = [until, self._apps.next_change]
        for run in self._running.values():
            if run.rate > 0:
                moments.append(self.now + run.remaining / run.rate)
            if run.wakes is not None:
                moments.append(run.wakes)
            moments.append(run.times_out)
        return min(moments)

    def _turn(self, vm_id: str) -> Event | None:
        """What follows when a round has been sent, or a time is over."""
        run = self._running[vm_id]
        if run.wakes is not None and run.wakes <= self.now + LAST_MOMENT:
            self._serves(run)
        if run.remaining > LAST_BYTE:
            if run.times_out > self.now + LAST_MOMENT:
                return None
            self.abort(vm_id)
            return Event(time=self.now, vm=vm_id, kind='aborted')
        if run.phase is Mode.POST_COPY or run.final:
            return self._complete(vm_id, run)
        self._stale |= run.copies
        run.next_round(self.now)
        if run.remaining <= LAST_BYTE:
            return self._complete(vm_id, run)
        return Event(time=self.now, vm=vm_id, kind='round')

    def _complete(self, vm_id: str, run: Running) -> Event:
        self._moves(vm_id, run)
        if run.wakes is not None:
            self._apps.outage[run.row] += run.wakes - self.now
        self._serves(run)
        self.done[vm_id] = run.done(vm_id, self.now)
        del self._running[vm_id]
        return Event(time=self.now, vm=vm_id, kind='completed')

    def _in_pre_copy(self, vm_id: str) -> Running:
        run = self._running.get(vm_id)
        if run is None or run.phase is not Mode.PRE_COPY:
            raise errors.InputError('is not in pre-copy', vm_id)
        return run

    def _moves(self, vm_id: str, run: Running) -> None:
        self._host[vm_id] = run.destination
        self._at[run.row] = self._network.index[run.destination]
        self._stale = True

    def _stands(self, run: Running) -> None:
        self._stale |= self._apps.stand(run.row)

    def _serves(self, run: Running) -> None:
        """The VM runs; also called where it never stood."""
        if run.stopped is not None and run.phase is Mode.PRE_COPY:
            run.downtime = self.now - run.stopped
        run.stopped = run.wakes = None
        self._stale |= self._apps.serve(run.row)

    def _share(self) -> None:
        """Give everyone its rate, and begin the rounds that are due."""
        while True:
            if self._stale:
                self._divide()
            for vm_id, run in self._running.items():
                if run.wanted is not None:
                    run.wake(self.now)
                elif run.fresh and run.begin_round(self.now):
                    self._stands(run)
                elif run.switches is not None and (
                    run.rounds > run.switches and not run.final
                ):
                    run.switches = None
                    self.switch(vm_id)
            if not self._stale:
                return

    def _divide(self) -> None:
        self._stale = False
        runs = list(self._running.values())
        paths = np.array([run.path for run in runs], dtype=np.intp)
        shares = self._network.share(
            paths.reshape(-1, self._network.width),
            np.array([min(run.most, run.rules.ceiling) for run in runs]),
            np.array([run.rules.streams for run in runs], dtype=np.float64),
            self._at,
            self._apps.demand,
            self._flows,
        )
        for run, rate in zip(runs, shares.migrations.tolist(), strict=True):
            run.takes(rate * run.rules.efficiency, self.now)
        self._apps.take(shares)


def _idle(vm: Vm) -> WorkingSet:
    """A VM whose dirtying nobody knows: all its memory goes, once."""
    return WorkingSet(resident=vm.memory, samples=())
