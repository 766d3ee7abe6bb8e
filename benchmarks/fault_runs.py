"""Plans on which faults are tried: audited, started, waited for, looked at.

What is asked of Watcher is the same on every cloud. Who strikes, and what is
behind the APIs of a cloud, is a bed's: fault_bed.py has the playground's,
fault_mini.py the mini-cloud's. Which ends are good is not decided here.
"""

import abc
import dataclasses
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from benchmarks.fault_cells import Cell
from benchmarks.fault_values import End
from benchmarks.fault_values import Fault
from benchmarks.fault_values import OnWatcher
from benchmarks.fault_values import Strike

GOAL = 'traffic_sensitive_migration'
STRATEGY = 'traffic_sensitive_drain'
VERIFY = 'traffic_sensitive_verify'
ACTION = 'watcher_actions.traffic_sensitive_migrate'
ENDED = ('SUCCEEDED', 'FAILED', 'CANCELLED')
# Of Nova's migrations, after which another try is none too many.
FAILED = ('failed', 'error', 'cancelled')
AUDITED_WITHIN = 120.0  # wall s


@dataclasses.dataclass(slots=True, kw_only=True)
class Run:
    """One fault under way on its cell."""

    fault: Fault
    cell: Cell
    audit: str = ''
    plan: str = ''
    others: list[str] = dataclasses.field(default_factory=list)
    planned: str = ''
    before: int = 0
    since: float = 0.0
    troubles: list[int] = dataclasses.field(default_factory=list)
    began: float = 0.0
    took: float | None = None


class Bed(abc.ABC):
    """Cells in a cloud with Watcher in front of it.

    :ivar watcher: a client of its API
    :ivar ids: of the VMs by their names
    :ivar ended_within: wall s for a plan
    :ivar rests_within: and for what goes on after it
    :ivar look_every: wall s between two looks
    :ivar cap_life: after which an agent takes a cap back
    """

    watcher: Any
    ids: dict[str, str]
    cells: list[Cell]
    ended_within: float
    rests_within: float
    look_every: float
    cap_life: float

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """Where everything is: `time`, `vms` by id and their `migrations`."""

    @abc.abstractmethod
    def told(self) -> dict[str, Any]:
        """Requests that were `struck`, and migrations that were `started`."""

    @abc.abstractmethod
    def arm(self, run: Run, strike: Strike) -> None:
        """Let it strike now, or once it is time."""

    @abc.abstractmethod
    def machine(self, run: Run, strike: OnWatcher) -> None:
        """Strike Watcher's machine once it is time, until it is over."""

    # -- one wave

    def audit(self, runs: Sequence[Run]) -> None:
        """Have every run's plan made, before anything is struck."""
        for run in runs:
            hosts = run.cell.hosts
            run.audit = self._audit(
                [hosts['source']], [hosts['one'], hosts['two']]
            )
        for run in runs:
            run.plan = self._planned(run.audit)
            for given in self._moves(run.plan):
                if given['resource_id'] == self.ids[run.cell.vms[0]]:
                    run.planned = given['destination_node']
        for run in runs:
            if run.fault.drained and run.planned:
                other = self._audit([run.planned], [])
                run.others.append(self._planned(other))

    def _audit(self, hosts: list[str], destinations: list[str]) -> str:
        made = self.watcher.audit.create(
            audit_type='ONESHOT',
            goal=GOAL,
            strategy=STRATEGY,
            force=True,
            parameters={'hosts': hosts, 'destinations': destinations},
        )
        return str(made.uuid)

    def _planned(self, audit: str) -> str:
        until = time.monotonic() + AUDITED_WITHIN
        while self.watcher.audit.get(audit).state not in ENDED:
            if time.monotonic() > until:
                raise TimeoutError(f'audit {audit}')
            time.sleep(self.look_every)
        (plan,) = self.watcher.action_plan.list(audit=audit)
        return str(plan.uuid)

    def _moves(self, plan: str) -> list[dict[str, Any]]:
        return [
            a.input_parameters
            for a in self.watcher.action.list(action_plan=plan, detail=True)
            if 'mode' in a.input_parameters
        ]

    def go(self, runs: Sequence[Run]) -> None:
        """Strike, start all plans, and wait for their ends."""
        strikes = [
            (run, strike) for run in runs for strike in run.fault.strikes
        ]
        for run, strike in strikes:
            if not isinstance(strike, OnWatcher):
                self.arm(run, strike)
        for run in runs:
            for plan in run.others:
                self.watcher.action_plan.start(plan)
        for run in runs:
            run.before = len(self.told()['started'])
            run.since = self.state()['time']
            run.began = time.monotonic()
            self.watcher.action_plan.start(run.plan)
        for run, strike in strikes:
            if isinstance(strike, OnWatcher):
                self.machine(run, strike)
        left = list(runs)
        while left:
            time.sleep(self.look_every)
            left = [run for run in left if not self._over(run)]

    def _over(self, run: Run) -> bool:
        passed = time.monotonic() - run.began
        if self.watcher.action_plan.get(run.plan).state in ENDED:
            run.took = passed
        return run.took is not None or passed > self.ended_within

    # -- what came of it

    def rest(self, runs: Sequence[Run]) -> None:
        """Wait until nothing changes by itself any more, within a bound."""
        mine = {self.ids[name] for run in runs for name in run.cell.vms}
        began = time.monotonic()
        while True:
            vms = self.state()['vms']
            seen = [vms[vm] for vm in mine & set(vms)]
            passed = time.monotonic() - began
            moving = any(vm['migration'] for vm in seen)
            capped = any(vm['capped'] for vm in seen)
            if not (
                (moving and passed < self.rests_within)
                or (capped and passed < self.cap_life + self.rests_within)
            ):
                return
            time.sleep(self.look_every)

    def row(self, run: Run) -> dict[str, Any]:
        """What a run ended with; its judgement is faults.py's."""
        plan = self.watcher.action_plan.get(run.plan)
        actions = self.watcher.action.list(action_plan=run.plan, detail=True)
        told, seen = self.told(), self.state()
        looks = [a for a in actions if a.action_type == VERIFY]
        return {
            'fault': run.fault.name,
            'step': run.fault.step,
            'plan': plan.state,
            'says': plan.status_message,
            'seconds': None if run.took is None else round(run.took, 1),
            'struck': [told['struck'].get(str(n)) for n in run.troubles],
            'looks': [(a.state, a.status_message) for a in looks],
            'vms': {
                name: self._vm(run, name, actions, told, seen)
                for name in run.cell.vms
            },
        }

    def _vm(
        self,
        run: Run,
        name: str,
        actions: Sequence[Any],
        told: Mapping[str, Any],
        state: Mapping[str, Any],
    ) -> dict[str, Any]:
        vm = self.ids[name]
        seen = state['vms'].get(vm)
        mine = [a for a in actions if a.input_parameters.get(
            'resource_id') == vm]  # fmt: skip
        return {
            'end': str(_end(seen, run.cell)),
            'capped': bool(seen and seen['capped']),
            'there': bool(
                seen
                and run.cell.hosts['source'] in (seen['host'], seen['runs_on'])
            ),
            'tried': [
                host for v, host in told['started'][run.before :] if v == vm
            ],
            'failed': [
                record['destination']
                for record in state['migrations']
                if record['vm'] == vm
                and record['created'] >= run.since
                and record['status'] in FAILED
            ],
            'action': [a.state for a in mine],
            'says': [a.status_message for a in mine],
        }

    def seat(self, faults: Sequence[Fault]) -> list[Run] | None:
        """Cells for all of them at once; None if there are too few."""
        free = list(self.cells)
        runs = []
        for fault in faults:
            cell = next((c for c in free if c.writer is fault.writer), None)
            if cell is None:
                return None
            free.remove(cell)
            runs.append(Run(fault=fault, cell=cell))
        return runs

    @abc.abstractmethod
    def tidy(self, runs: Sequence[Run]) -> None:
        """Make the cells usable again, but for the spoilt ones."""


def _end(seen: Mapping[str, Any] | None, cell: Cell) -> End:
    """First match wins."""
    if seen is None:
        return End.DELETED
    hosts = cell.hosts
    rows = (
        (seen['state'] == 'error', End.ERROR),
        (seen['host'] != seen['runs_on'], End.SPLIT),
        (seen['task'] is not None, End.BUSY),
        (seen['host'] == hosts['source'], End.STAYED),
        (seen['host'] in (hosts['one'], hosts['two']), End.ARRIVED),
        (True, End.ELSEWHERE),
    )
    return next(end for holds, end in rows if holds)
