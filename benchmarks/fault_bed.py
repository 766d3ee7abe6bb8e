"""The playground as the bed on which faults are tried: arm, run, look.

A cell is a source host with two VMs, of which one is struck, and hosts that
may take them. Each fault has a cell and an action plan of its own, so that
several are tried side by side in one Watcher.
"""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcherclient import client as watcher_client

from benchmarks import fault_runs
from benchmarks import fault_strikes
from benchmarks.fault_cells import Cell
from benchmarks.fault_cells import cells
from benchmarks.fault_cells import cloud_of
from benchmarks.fault_runs import ACTION
from benchmarks.fault_runs import STRATEGY
from benchmarks.fault_runs import Run
from benchmarks.fault_strikes import Process
from benchmarks.fault_values import Fault
from benchmarks.fault_values import OnWatcher
from benchmarks.fault_values import Strike
from watcher_tsmig.model import snapshot
from watcher_tsmig.playground import launch
from watcher_tsmig.playground.clients import session

# Plans side by side; more only wait for the same processor.
AT_ONCE = 8
# Waves to a bed: the executors of every plan that Watcher carried out stay
# with it, some sixty threads each.
WAVES = 2
# The simulated cloud runs so many times faster than the wall clock, and
# what waits for it in Watcher waits so much shorter.
SPEED = 8.0
CAP_LIFE = 20.0
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


class Bed(fault_runs.Bed):
    """A playground with cells; see `bed`."""

    ended_within, rests_within, cap_life = 90.0, 5.0, CAP_LIFE
    look_every = 0.2

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
        self.reach()
        self.cells = list(cells)
        vms = self.state()['vms']
        self.ids = {vm['name']: vm_id for vm_id, vm in vms.items()}

    def reach(self) -> None:
        """Find Watcher's API, which is elsewhere after a restart."""
        self.watcher = watcher_client.get_client(
            '1',
            session=self._session,
            os_infra_optim_api_version='1.7',
            os_endpoint_override=self.process and self.process.url,
        )

    def ask(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401
        """Ask the playground's control."""
        answer = self._session.request(
            f'{self._control}{path}', method, json=body
        )
        return answer.json() if answer.content else None

    def state(self) -> dict[str, Any]:
        """As control tells it."""
        found: dict[str, Any] = self.ask('GET', '/state')
        return found

    def told(self) -> dict[str, Any]:
        """As the gate in front of the services counts."""
        found: dict[str, Any] = self.ask('GET', '/troubles')
        return found

    def arm(self, run: Run, strike: Strike) -> None:
        """By control."""
        fault_strikes.arm(self, run, strike)

    def machine(self, run: Run, strike: OnWatcher) -> None:
        """This one."""
        fault_strikes.machine(self, run, strike)

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


def blocks(faults: Sequence[Fault]) -> list[list[list[Fault]]]:
    """Waves of faults side by side, by the bed that they may share.

    Who strikes the whole cloud has a bed for himself.
    """
    rest = sorted((f for f in faults if not f.alone), key=lambda f: f.spoils)
    waves = [rest[i : i + AT_ONCE] for i in range(0, len(rest), AT_ONCE)]
    shared = [waves[i : i + WAVES] for i in range(0, len(waves), WAVES)]
    alone = [[[f]] for f in faults if f.alone and not f.killed]
    killed = [[f] for f in faults if f.killed]
    return [block for block in (*shared, *alone, killed) if block]


@contextlib.contextmanager
def bed(waves: Sequence[Sequence[Fault]]) -> Iterator[Bed]:
    """A playground with cells for these; it ends with the block."""
    seats = cells(waves)
    # Watcher has a process of its own
    apart = any(fault.killed for fault in waves[0])
    with tempfile.TemporaryDirectory(prefix='tsmig-faults-') as name:
        folder = pathlib.Path(name)
        snapshot.dump(cloud_of(seats), folder / 'cloud.json')
        options = [f'--set={name}={value}' for name, value in OPTIONS.items()]
        with launch.playground(
            f'--cloud={folder / "cloud.json"}',
            f'--speed={SPEED}',
            *(['--without-watcher'] if apart else options),
        ) as facts:
            if not apart:
                yield Bed(facts, seats)
                return
            path = str(folder / 'calibration.json')
            own = [f'--set={ACTION}/calibration_file={path}', *NO_AGENTS]
            with Process(facts, folder, [*options, *own]) as process:
                yield Bed(facts, seats, process)
