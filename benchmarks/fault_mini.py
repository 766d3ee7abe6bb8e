"""The mini-cloud as the bed on which faults are tried: a real OpenStack.

    sh tools/minicloud.sh up
    python -m benchmarks.faults --cloud mini

It wants the mini-cloud of this checkout up, and root, since it goes into
its network namespace; it runs in the environment of the tests (.venv), as the
cases do. Cells are compute hosts of its own beside the mini-cloud's, with
hardware and agents of their own; the applier and the decision engine run with
shorter times meanwhile, and the applier asks Nova by a proxy at which its
requests meet trouble. Afterwards all is as it was.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import secrets
import sys
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import openstack
from keystoneauth1 import exceptions
from watcherclient import client as watcher_client

from benchmarks import fault_mini_strikes
from benchmarks import fault_runs
from benchmarks.fault_cells import ELSEWHERE
from benchmarks.fault_cells import Cell
from benchmarks.fault_mini_hosts import APPLIER
from benchmarks.fault_mini_hosts import CAP_LIFE
from benchmarks.fault_mini_hosts import hosts
from benchmarks.fault_mini_hosts import start
from benchmarks.fault_mini_hosts import watcher
from benchmarks.fault_proxy import Watch
from benchmarks.fault_proxy import proxy
from benchmarks.fault_runs import Run
from benchmarks.fault_values import Fault
from benchmarks.fault_values import OnHost
from benchmarks.fault_values import OnWatcher
from benchmarks.fault_values import Requests
from benchmarks.fault_values import Strike
from tests.minicloud import bed as cloud_bed
from tests.minicloud import configuration
from tests.minicloud import stages
from tests.minicloud.operators import NOVA
from tests.minicloud.operators import Late
from tests.minicloud.operators import Operator
from tests.minicloud.operators import eventually
from watcher_tsmig import errors
from watcher_tsmig.agent.values import UNLIMITED
from watcher_tsmig.agent.values import UNLIMITED_POST
from watcher_tsmig.model.passage import UNDER_WAY
from watcher_tsmig.playground.server import Server

# Plans side by side, each with four more processes: two cores carry no more.
AT_ONCE = 10
# The VM that is struck has 1 GiB, for 9 s on a link of its own.
FLAVORS = ('big', 'tiny')
WRITES = {'writes': 300e6, 'hot': 900e6}
MEASURED = {
    'memory_resident': 1024,
    'memory_dirty_t1': 286,
    'memory_dirty_t4': 858,
    'memory_dirty_t60': 858,
}
# Nova's newest records, in which all that runs now are.
RECENT = 40
# s between two looks at them, which is work for Nova
SEEN_EVERY = 0.4


class Bed(fault_runs.Bed):
    """Cells in the mini-cloud; see `bed`."""

    ended_within, rests_within, cap_life = 300.0, 20.0, CAP_LIFE
    look_every = 1.0
    applier = APPLIER

    def __init__(
        self,
        operator: Operator,
        server: Server,
        watch: Watch,
        cells: Sequence[Cell],
    ) -> None:
        self.operator = operator
        self.server = server
        self.watch = watch
        self.cells = list(cells)
        self.ids = {}
        self.watcher = watcher_client.get_client(
            '1',
            session=operator.cloud.session,
            os_infra_optim_api_version='1.7',
        )
        self._undo: dict[str, list[Callable[[], object]]] = (
            collections.defaultdict(list)
        )

    # -- what others need of it

    def on_end(self, run: Run, undo: Callable[[], object]) -> None:
        """Once the run is over."""
        self._undo[run.cell.name].append(undo)

    def start_applier(self) -> None:
        """With our times, and Nova behind the proxy."""
        start(self.operator.bed, APPLIER)

    def arm(self, run: Run, strike: Strike) -> None:
        """Now, or once it is time."""
        fault_mini_strikes.arm(self, run, strike)

    def machine(self, run: Run, strike: OnWatcher) -> None:
        """The applier's."""
        fault_mini_strikes.machine(self, run, strike)

    # -- where everything is

    def state(self) -> dict[str, Any]:
        """By Nova and by the hardware; every VM is of this wave."""
        migrations = self._migrations()
        moving = {m['vm'] for m in migrations if m['status'] in UNDER_WAY}
        vms = {
            vm: self._vm_state(name, vm, vm in moving)
            for name, vm in self.ids.items()
        }
        return {
            'time': 0.0,
            'migrations': migrations,
            'vms': {vm: seen for vm, seen in vms.items() if seen},
        }

    def _migrations(self) -> list[dict[str, Any]]:
        started = self.told()['started']
        asked = {
            vm: iter([host for v, host in started if v == vm])
            for vm in self.ids.values()
        }
        found = []
        for record in reversed(self.recent()):
            vm = record['instance_uuid']
            if vm not in asked:
                continue
            # where no host was found, the record does not say which was asked
            to = next(asked[vm], None)
            found.append(
                {
                    'vm': vm,
                    'destination': record['dest_compute'] or to,
                    'status': record['status'],
                    'created': 0.0,
                }
            )
        return found

    def _vm_state(
        self, name: str, vm: str, moving: bool
    ) -> dict[str, Any] | None:
        server = self.operator.server(vm)
        if server is None:
            return None
        seen = {
            'name': name,
            'host': server['OS-EXT-SRV-ATTR:host'],
            'runs_on': None,
            'state': server['status'].lower(),
            'task': server['OS-EXT-STS:task_state'],
            'migration': moving,
            'capped': False,
        }
        # while it is deleted it may be gone from below Nova already
        with contextlib.suppress(AssertionError):
            guest = self.operator.hypervisors('domain', uuid=vm)
            pre, post = (guest['speeds'][mode] for mode in ('pre', 'post'))
            seen['runs_on'] = guest['runs_on']
            seen['capped'] = pre != UNLIMITED or post != UNLIMITED_POST
        return seen

    def recent(self) -> list[dict[str, Any]]:
        """Nova's newest records of migrations, newest first."""
        _, body = self.operator.nova('GET', f'/os-migrations?limit={RECENT}')
        return list(body['migrations'])

    def told(self) -> dict[str, Any]:
        """As the proxy counts."""
        return self.server.troubles.told()

    # -- waves

    def seat(self, faults: Sequence[Fault]) -> list[Run] | None:
        """Any cell will do, and its VMs are new each time."""
        if len(self.cells) < len(faults):
            return None
        runs = [
            Run(fault=f, cell=dataclasses.replace(cell, writer=f.writer))
            for f, cell in zip(faults, self.cells, strict=False)
        ]
        self.ids = {
            name: self.operator.boot(name, run.cell.hosts['source'], flavor)
            for run in runs
            for name, flavor in zip(run.cell.vms, FLAVORS, strict=True)
        }
        for vm in self.ids.values():
            self.operator.at_rest(vm)
        writers = [run.cell.vms[0] for run in runs if run.cell.writer]
        for name in writers:
            vm = self.ids[name]
            self.operator.hypervisors('shape', uuid=vm, **WRITES)
            self.operator.feed_gauges(vm, **MEASURED)
        if writers:
            self.operator.fed()
        return runs

    def tidy(self, runs: Sequence[Run]) -> None:
        """VMs go, and hosts are as they were."""
        operator, cloud = self.operator, self.operator.bed
        self.watch.forget(self.ids.values())
        for run in runs:
            for number in run.troubles:
                self.server.troubles.end(number)
            for undo in self._undo.pop(run.cell.name, []):
                undo()
        own = [host for run in runs for host in run.cell.own]
        for host in own:
            if cloud.pid(host) is None:
                stages.start_service(cloud, host)
        eventually(
            'hosts up',
            lambda: all(
                found['state'] == 'up'
                for host, found in operator.services().items()
                if host in own
            ),
            120,
        )
        operator.enable(*own, ELSEWHERE)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            gone = list(pool.map(self._gone, runs))
        for run, ended in zip(runs, gone, strict=True):
            if not ended:
                self.cells = [c for c in self.cells if c.name != run.cell.name]
        for host in own:
            fault_mini_strikes.free(self, host)
        self.ids = {}
        operator.end_recommended()

    def _gone(self, run: Run) -> bool:
        """Delete a run's VMs; whether they went."""
        try:
            for name in run.cell.vms:
                self.operator.delete(self.ids[name])
        except Late as error:
            print(f'{run.fault.name}: {error}', file=sys.stderr)
            return False
        return True


def blocks(faults: Sequence[Fault]) -> list[list[list[Fault]]]:
    """One bed for all; who strikes the whole cloud has it for himself.

    Those that wait for as long do so together, and the longest first.
    """
    rest = sorted((f for f in faults if not f.alone), key=_haste)
    waves = [rest[i : i + AT_ONCE] for i in range(0, len(rest), AT_ONCE)]
    return [[*waves, *([f] for f in faults if f.alone)]]


def _haste(fault: Fault) -> int:
    """0: a nova-compute dies; 2: only requests are struck."""
    if any(isinstance(s, OnHost) and 'up' in s.change for s in fault.strikes):
        return 0
    return 1 + all(isinstance(s, Requests) for s in fault.strikes)


@contextlib.contextmanager
def bed(waves: Sequence[Sequence[Fault]]) -> Iterator[Bed]:
    """Cells in the mini-cloud for these; they go with the block.

    :raises errors.CloudError: the mini-cloud is not up
    """
    cloud = cloud_bed.Bed(pathlib.Path('.minicloud'))
    if not cloud.pids():
        raise errors.CloudError('the mini-cloud is not up', '--cloud mini')
    cloud.enter()
    os.environ |= {
        **stages.openrc(cloud),
        'TSMIG_MINICLOUD': str(cloud.folder),
    }
    cloud.hypervisors = cloud.folder / 'faults.sock'
    operator = Operator()
    operator.bed = cloud
    watch = Watch()
    server = proxy(configuration.url('nova-api'), watch)
    # named anew each time, since Nova keeps what it knows of those that died
    mark = secrets.token_hex(2)
    cells = [Cell(f'c{mark}-{n}', False) for n in range(max(map(len, waves)))]
    made = Bed(operator, server, watch, cells)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        stack.enter_context(hosts(operator, cells))
        stack.enter_context(watcher(made))
        stack.enter_context(_looking(made))
        yield made


@contextlib.contextmanager
def _looking(made: Bed) -> Iterator[None]:
    """Statuses are seen as soon as Nova has them, whoever asks."""
    over = threading.Event()
    nova = openstack.connect().compute

    def look() -> None:
        while not over.wait(SEEN_EVERY):
            with contextlib.suppress(exceptions.ClientException):
                answer = nova.get(
                    f'/os-migrations?limit={RECENT}', microversion=NOVA
                )
                if answer.status_code == 200:
                    made.watch.records(answer.json()['migrations'])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
