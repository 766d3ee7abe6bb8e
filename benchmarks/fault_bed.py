"""The playground as the bed on which faults are tried: arm, run, look.

A cell is a source host with two VMs, of which one is struck, and hosts that
may take them. Each fault has a cell and an action plan of its own, so that
several are tried side by side in one Watcher. What ends there may be, and
which are good, is not decided here.
"""

import contextlib
import pathlib
import tempfile
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcherclient import client as watcher_client

from benchmarks.fault_cells import Cell
from benchmarks.fault_cells import cloud_of
from benchmarks.fault_strikes import Process
from benchmarks.fault_strikes import Run
from benchmarks.fault_strikes import arm
from benchmarks.fault_strikes import machine
from benchmarks.fault_values import End
from benchmarks.fault_values import Fault
from benchmarks.fault_values import OnWatcher
from watcher_tsmig.model import snapshot
from watcher_tsmig.playground import launch
from watcher_tsmig.playground.clients import session

GOAL = 'traffic_sensitive_migration'
STRATEGY = 'traffic_sensitive_drain'
VERIFY = 'traffic_sensitive_verify'
ENDED = ('SUCCEEDED', 'FAILED', 'CANCELLED')
# Of Nova's migrations, after which another try is none too many.
FAILED = ('failed', 'error', 'cancelled')
# The simulated cloud runs so many times faster than the wall clock, and
# what waits for it in Watcher waits so much shorter.
SPEED = 8.0
CAP_LIFE = 20.0
ACTION = 'watcher_actions.traffic_sensitive_migrate'
OPTIONS = {
    f'{ACTION}/poll_interval': 0.2,
    f'{ACTION}/nova_requests': 600,
    f'{ACTION}/force_complete_interval': 0.4,
    f'{ACTION}/force_complete_tries': 5,
    f'{ACTION}/record_timeout': 3,
    f'{ACTION}/queue_timeout': 12,
    f'{ACTION}/abort_timeout': 5,
    f'{ACTION}/settle_timeout': 4,
    f'{ACTION}/outage_timeout': 4,
    f'{ACTION}/quiet_time': 2.5,
    f'{ACTION}/request_timeout': 1.5,
    f'{ACTION}/agent_timeout': 1.0,
    f'{ACTION}/cap_life': CAP_LIFE,
    'watcher_actions.traffic_sensitive_verify/patience': 4,
    f'watcher_strategies.{STRATEGY}/deadline_factor': 1.0,
    f'watcher_strategies.{STRATEGY}/deadline_slack': 2.0,
    'watcher_applier/workers': 16,
    'watcher_decision_engine/max_audit_workers': 4,
}
NO_AGENTS = (
    f'--set={ACTION}/cap_driver=none',
    f'--set=watcher_strategies.{STRATEGY}/cap_driver=none',
)
# Wall seconds: for an audit, for a plan, and for what goes on after it.
AUDITED_WITHIN, ENDED_WITHIN, RESTS_WITHIN = 60.0, 90.0, 5.0
LOOK_EVERY = 0.2


class Bed:
    """A playground with cells; see `bed`."""

    def __init__(
        self,
        facts: Mapping[str, Any],
        cells: Sequence[Cell],
        process: Process | None = None,
    ) -> None:
        env = facts['env']
        self.facts = facts
        self.process = process
        self._control = facts['control']
        self._session = session(env)
        self._watcher: Any = None
        self.reach()
        self.cells = list(cells)
        vms = self.state()['vms']
        self.ids = {vm['name']: vm_id for vm_id, vm in vms.items()}

    def reach(self) -> None:
        """Find Watcher's API, which is elsewhere after a restart."""
        self._watcher = watcher_client.get_client(
            '1',
            session=self._session,
            os_infra_optim_api_version='1.7',
            os_endpoint_override=self.process and self.process.url,
        )

    # -- the cloud behind the scenes

    def state(self) -> dict[str, Any]:
        """Where everything is."""
        found: dict[str, Any] = self.ask('GET', '/state')
        return found

    def ask(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401
        """Ask the playground's control."""
        answer = self._session.request(
            f'{self._control}{path}', method, json=body
        )
        return answer.json() if answer.content else None

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
        made = self._watcher.audit.create(
            audit_type='ONESHOT',
            goal=GOAL,
            strategy=STRATEGY,
            force=True,
            parameters={'hosts': hosts, 'destinations': destinations},
        )
        return str(made.uuid)

    def _planned(self, audit: str) -> str:
        until = time.monotonic() + AUDITED_WITHIN
        while self._watcher.audit.get(audit).state not in ENDED:
            if time.monotonic() > until:
                raise TimeoutError(f'audit {audit}')
            time.sleep(LOOK_EVERY)
        (plan,) = self._watcher.action_plan.list(audit=audit)
        return str(plan.uuid)

    def _moves(self, plan: str) -> list[dict[str, Any]]:
        return [
            a.input_parameters
            for a in self._watcher.action.list(action_plan=plan, detail=True)
            if 'mode' in a.input_parameters
        ]

    def go(self, runs: Sequence[Run]) -> None:
        """Strike, start all plans, and wait for their ends."""
        for run in runs:
            for strike in run.fault.strikes:
                arm(self, run, strike)
        for run in runs:
            for plan in run.others:
                self._watcher.action_plan.start(plan)
        for run in runs:
            run.before = len(self.ask('GET', '/troubles')['started'])
            run.since = self.state()['time']
            run.began = time.monotonic()
            self._watcher.action_plan.start(run.plan)
        for run in runs:
            for strike in run.fault.strikes:
                if isinstance(strike, OnWatcher):
                    machine(self, run, strike)
        left = list(runs)
        while left:
            time.sleep(LOOK_EVERY)
            left = [run for run in left if not self._over(run)]

    def _over(self, run: Run) -> bool:
        passed = time.monotonic() - run.began
        if self._watcher.action_plan.get(run.plan).state in ENDED:
            run.took = passed
        return run.took is not None or passed > ENDED_WITHIN

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
                (moving and passed < RESTS_WITHIN)
                or (capped and passed < CAP_LIFE + RESTS_WITHIN)
            ):
                return
            time.sleep(LOOK_EVERY)

    def row(self, run: Run) -> dict[str, Any]:
        """What a run ended with; its judgement is faults.py's."""
        plan = self._watcher.action_plan.get(run.plan)
        actions = self._watcher.action.list(action_plan=run.plan, detail=True)
        told = self.ask('GET', '/troubles')
        seen_now = self.state()
        state = seen_now['vms']
        vms = {}
        for name in run.cell.vms:
            vm = self.ids[name]
            seen = state.get(vm)
            mine = [a for a in actions if a.input_parameters.get(
                'resource_id') == vm]  # fmt: skip
            started = told['started'][run.before :]
            tried = [host for v, host in started if v == vm]
            vms[name] = {
                'end': str(_end(seen, run.cell)),
                'capped': bool(seen and seen['capped']),
                'there': bool(
                    seen
                    and run.cell.hosts['source']
                    in (seen['host'], seen['runs_on'])
                ),
                'tried': tried,
                'failed': [
                    record['destination']
                    for record in seen_now['migrations']
                    if record['vm'] == vm
                    and record['created'] >= run.since
                    and record['status'] in FAILED
                ],
                'action': [a.state for a in mine],
                'says': [a.status_message for a in mine],
            }
        looks = [a for a in actions if a.action_type == VERIFY]
        return {
            'fault': run.fault.name,
            'step': run.fault.step,
            'plan': plan.state,
            'says': plan.status_message,
            'seconds': None if run.took is None else round(run.took, 1),
            'struck': [told['struck'].get(str(n)) for n in run.troubles],
            'looks': [(a.state, a.status_message) for a in looks],
            'vms': vms,
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

    def tidy(self, runs: Sequence[Run]) -> None:
        """Make the cells usable again, but for the spoilt ones."""
        for run in runs:
            for number in run.troubles:
                self.ask('DELETE', f'/troubles/{number}')
            for name in run.cell.hosts.values():
                body = {'up': True, 'enabled': True, 'full': False}
                self.ask('POST', f'/hosts/{name}', {**body, 'agent': None})
            vms = self.state()['vms']
            for name in run.cell.vms:
                vm = self.ids[name]
                if vm in vms:
                    body = {'repaired': True, 'locked': False, 'active': True}
                    self.ask('POST', f'/vms/{vm}', body)
        for run in runs:
            if run.fault.spoils or run.took is None:
                self.cells.remove(run.cell)
                continue
            for name in run.cell.vms:
                body = {'host': run.cell.hosts['source']}
                self.ask('POST', f'/vms/{self.ids[name]}', body)


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


@contextlib.contextmanager
def bed(cells: Sequence[Cell], *, apart: bool = False) -> Iterator[Bed]:
    """A playground with these cells; it ends with the block.

    :param apart: Watcher has a process of its own
    """
    with tempfile.TemporaryDirectory(prefix='tsmig-faults-') as name:
        folder = pathlib.Path(name)
        snapshot.dump(cloud_of(cells), folder / 'cloud.json')
        options = [f'--set={name}={value}' for name, value in OPTIONS.items()]
        with launch.playground(
            f'--cloud={folder / "cloud.json"}',
            f'--speed={SPEED}',
            *(['--without-watcher'] if apart else options),
        ) as facts:
            if not apart:
                yield Bed(facts, cells)
                return
            path = str(folder / 'calibration.json')
            own = [f'--set={ACTION}/calibration_file={path}', *NO_AGENTS]
            with Process(facts, folder, [*options, *own]) as process:
                yield Bed(facts, cells, process)
