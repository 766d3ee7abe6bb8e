"""How what a fault says strikes the mini-cloud.

A service is struck by ending its process or by Nova's own API, a guest by the
hardware under it, a request by the proxy before Nova (fault_proxy.py).
"""

import contextlib
import functools
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import Protocol

from benchmarks import fault_strikes
from benchmarks.fault_proxy import Watch
from benchmarks.fault_runs import Run
from benchmarks.fault_strikes import STRIKES_WITHIN
from benchmarks.fault_table import KILL
from benchmarks.fault_values import OnHost
from benchmarks.fault_values import OnVm
from benchmarks.fault_values import OnWatcher
from benchmarks.fault_values import Requests
from benchmarks.fault_values import Strike
from tests.minicloud import stages
from tests.minicloud.configuration import PORTS
from tests.minicloud.operators import Operator
from tests.minicloud.operators import eventually
from watcher_tsmig import errors
from watcher_tsmig.playground.server import Server
from watcher_tsmig.playground.troubles import Trouble

# Its requests may take so much longer than the playground's, which has the
# same table.
STRETCH = 4.0
RUNNING, POST_COPY = 'running', 'running (post-copy)'
# What the hardware calls a fault, and from which status on it happens.
BEFORE: dict[str, str] = {'refuse': 'pre', 'unfit': 'check'}
SENDING = {'fail': 'run', 'error': 'raise', 'stall': 'stall', 'lose': 'lose'}
# Of an agent that is slow: s that it sleeps, and that it is awake.
ASLEEP, AWAKE = 5.0, 0.2
CLOCKS = {'ahead': 3600.0, 'behind': -3600.0}
MEMORY = 'MEMORY_MB'


class Struck(Protocol):
    """What is needed of a bed."""

    operator: Operator
    server: Server
    watch: Watch
    ids: dict[str, str]
    applier: str

    def start_applier(self) -> None:
        """It is up afterwards."""

    def on_end(self, run: Run, undo: Callable[[], object]) -> None:
        """Once the run is over."""


def arm(bed: Struck, run: Run, strike: Strike) -> None:
    """Let it strike now, or once it is time."""
    vm = bed.ids[run.cell.vms[0]]
    if isinstance(strike, Requests):
        _requests(bed, run, vm, strike)
        return
    at = getattr(strike, 'at', None)
    then: Callable[[], None] = functools.partial(strikes, bed, run, strike)
    if at is None:
        then()
    else:
        bed.watch.when(vm, at.status, at.after, then)


def strikes(bed: Struck, run: Run, strike: Strike) -> None:
    """Strike a host or a VM."""
    if isinstance(strike, OnHost):
        host = run.cell.hosts.get(strike.which, run.planned)
        for name, value in strike.change.items():
            late = strike.at is not None
            HOST[name](bed, run, host, (value, late))
    elif isinstance(strike, OnVm):
        for name, value in strike.change.items():
            VM[name](bed, run, bed.ids[run.cell.vms[0]], value)


def _requests(bed: Struck, run: Run, vm: str, strike: Requests) -> None:
    places = {
        'vm': vm,
        'source': run.cell.hosts['source'],
        'destination': run.planned,
    }
    trouble = fault_strikes.body_of(strike, places)
    trouble['seconds'] *= STRETCH
    troubles = bed.server.troubles
    number = troubles.add(Trouble.read(trouble), armed=strike.at is None)
    run.troubles.append(number)
    if strike.at is not None:
        then = functools.partial(troubles.arm, number)
        bed.watch.when(vm, strike.at.status, strike.at.after, then)


# -- hosts: what it is set to, and whether that is under a migration


def _enabled(bed: Struck, run: Run, host: str, how: tuple[bool, bool]) -> None:
    number = bed.operator.service(host)['id']
    bed.operator.nova('PUT', f'/os-services/{number}', {'status': 'disabled'})


def _up(bed: Struck, run: Run, host: str, how: tuple[bool, bool]) -> None:
    up, late = how
    cloud = bed.operator.bed
    if up:
        stages.start_service(cloud, host)
    elif late:
        cloud.stop(host, signal.SIGKILL)
    else:
        # so that nobody has to wait until Nova takes it for down
        forced(bed, host, True)
        bed.on_end(run, functools.partial(forced, bed, host, False))


def forced(bed: Struck, host: str, down: bool) -> None:
    """Tell Nova that a host is down, or that it is no longer."""
    number = bed.operator.service(host)['id']
    bed.operator.nova('PUT', f'/os-services/{number}', {'forced_down': down})


def _full(bed: Struck, run: Run, host: str, how: tuple[bool, bool]) -> None:
    """Somebody takes all memory that Placement has left there."""
    ask = functools.partial(placement, bed)
    provider = provider_of(bed, host)
    path = f'/resource_providers/{provider}'
    has = ask('GET', f'{path}/inventories')['inventories'][MEMORY]
    used = ask('GET', f'{path}/usages')['usages'][MEMORY]
    total = (has['total'] - has['reserved']) * has['allocation_ratio']
    taken = {'resources': {MEMORY: int(total) - used}}
    consumer = f'/allocations/{uuid.uuid4()}'
    who = bed.operator.cloud.session
    ask(
        'PUT',
        consumer,
        {
            'allocations': {provider: taken},
            'project_id': who.get_project_id(),
            'user_id': who.get_user_id(),
            'consumer_generation': None,
        },
    )
    bed.on_end(run, functools.partial(ask, 'DELETE', consumer))


def provider_of(bed: Struck, host: str) -> str:
    """The host in Placement."""
    found = placement(bed, 'GET', f'/resource_providers?name={host}')
    return str(found['resource_providers'][0]['uuid'])


def free(bed: Struck, host: str) -> None:
    """Nobody is there any more, whatever Nova has left in Placement."""
    path = f'/resource_providers/{provider_of(bed, host)}/allocations'
    for consumer in placement(bed, 'GET', path)['allocations']:
        placement(bed, 'DELETE', f'/allocations/{consumer}')


def placement(bed: Struck, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401
    """Ask Placement."""
    answer = bed.operator.cloud.session.request(
        path,
        method,
        json=body,
        endpoint_filter={'service_type': 'placement'},
        headers={'OpenStack-API-Version': 'placement 1.28'},
    )
    return answer.json() if answer.content else None


def _agent(bed: Struck, run: Run, host: str, how: tuple[str, bool]) -> None:
    """The agents of a cell are one process."""
    mood, _ = how
    cloud = bed.operator.bed
    name = agents_of(run)
    bed.on_end(run, functools.partial(start_agents, bed, run))
    if mood == 'slow':
        _slow(bed, run, name)
        return
    cloud.stop(name, signal.SIGKILL)
    if mood in CLOCKS:
        start_agents(bed, run, CLOCKS[mood])


def _slow(bed: Struck, run: Run, name: str) -> None:
    """It sleeps again and again, so that its answers come too late."""
    over = threading.Event()

    def nap() -> None:
        while not over.is_set():
            bed.operator.bed.send(name, signal.SIGSTOP)
            over.wait(ASLEEP)
            bed.operator.bed.send(name, signal.SIGCONT)
            over.wait(AWAKE)

    thread = threading.Thread(target=nap, daemon=True)
    thread.start()

    def wake() -> None:
        over.set()
        thread.join()

    bed.on_end(run, wake)


def agents_of(run: Run) -> str:
    """The name of its cell's agents among the mini-cloud's services."""
    return f'agents-{run.cell.name}'


def start_agents(bed: Struck, run: Run, ahead: float = 0.0) -> None:
    """A cell's agents, in place of those that were."""
    cloud = bed.operator.bed
    name = agents_of(run)
    cloud.stop(name, signal.SIGKILL)
    stages.start_agents(cloud, run.cell.own, name, ahead).ready(
        says='agents serve'
    )


# -- VMs


def _fault(bed: Struck, run: Run, vm: str, fault: Mapping[str, Any]) -> None:
    kind = fault['kind']
    shape = functools.partial(bed.operator.hypervisors, 'shape', uuid=vm)
    if kind in BEFORE:
        shape(fails=BEFORE[kind])
        return
    late = kind == 'lose' or (kind == 'stall' and run.cell.writer)
    status = POST_COPY if late else RUNNING
    then = functools.partial(_cancel, bed, vm)
    if kind in SENDING:
        then = functools.partial(shape, fails=SENDING[kind])
    bed.watch.when(vm, status, fault['after'], then)


def _cancel(bed: Struck, vm: str) -> None:
    """Somebody else aborts it."""
    record = bed.operator.migrations(vm)[0]
    bed.operator.nova('DELETE', f'/servers/{vm}/migrations/{record["id"]}')


def _moved(bed: Struck, run: Run, vm: str, role: str) -> None:
    host = run.cell.hosts[role]
    given = {'host': host, 'block_migration': 'auto'}
    bed.operator.act(vm, 'os-migrateLive', given)
    eventually(f'{vm} on {host}', lambda: bed.operator.host_of(vm) == host, 90)
    bed.operator.at_rest(vm)


def _locked(bed: Struck, run: Run, vm: str, locked: bool) -> None:
    bed.operator.act(vm, 'lock')


def _active(bed: Struck, run: Run, vm: str, active: bool) -> None:
    bed.operator.act(vm, 'os-stop')
    bed.operator.at_rest(vm, 'SHUTOFF')


def _deleted(bed: Struck, run: Run, vm: str, deleted: bool) -> None:
    bed.operator.delete(vm)


HOST: dict[str, Callable[..., None]] = {
    'enabled': _enabled,
    'up': _up,
    'full': _full,
    'agent': _agent,
}
VM: dict[str, Callable[..., None]] = {
    'fault': _fault,
    'host': _moved,
    'locked': _locked,
    'active': _active,
    'deleted': _deleted,
}

# -- the machine of Watcher


def machine(bed: Struck, run: Run, strike: OnWatcher) -> None:
    """Strike it once it is time, and wait until it is over."""
    due = threading.Event()
    bed.watch.when(bed.ids[run.cell.vms[0]], strike.at.status, 0.0, due.set)
    if not due.wait(STRIKES_WITHIN):
        raise errors.CloudError(f'{run.fault.name}: never {strike.at.status}')
    with MACHINE[strike.what](bed):
        due.clear()
        due.wait(strike.seconds)


@contextlib.contextmanager
def _lock(bed: Struck) -> Iterator[None]:
    """Somebody else has the tables that the applier writes."""
    with subprocess.Popen(
        ['mariadb', '--no-defaults', '-uroot', '-h127.0.0.1']
        + [f'-P{PORTS["mariadb"]}', 'watcher'],
        stdin=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdin is not None
        client.stdin.write('lock tables actions write, action_plans write;\n')
        client.stdin.flush()
        yield


@contextlib.contextmanager
def _disk_full(bed: Struck) -> Iterator[None]:
    with fault_strikes.full(bed.operator.bed.pid(bed.applier) or 0):
        yield


@contextlib.contextmanager
def _kill(bed: Struck) -> Iterator[None]:
    bed.operator.bed.stop(bed.applier, signal.SIGKILL)
    bed.start_applier()
    yield


Machine = Callable[[Struck], contextlib.AbstractContextManager[None]]
MACHINE: dict[str, Machine] = {
    'database locked': _lock,
    'disk full': _disk_full,
    KILL: _kill,
}
