"""How what a fault says strikes the playground, and Watcher's own machine."""

import contextlib
import dataclasses
import json
import pathlib
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Protocol

from benchmarks.fault_runs import Run
from benchmarks.fault_table import CALLS
from benchmarks.fault_table import KILL
from benchmarks.fault_values import OnHost
from benchmarks.fault_values import OnVm
from benchmarks.fault_values import OnWatcher
from benchmarks.fault_values import Requests
from watcher_tsmig import errors

# Wall seconds: until a status is there, until Watcher is up or has ended.
STRIKES_WITHIN, UP_WITHIN, ENDS_WITHIN = 60.0, 90.0, 30.0
ORDER = (
    'accepted',
    'queued',
    'preparing',
    'running',
    'running (post-copy)',
    'post-migrating',
    'completed',
)


class Process:
    """Watcher in a process of its own, with as many lives as are needed.

    :ivar url: of its API; another one in each life
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        folder: pathlib.Path,
        options: Sequence[str],
    ) -> None:
        self.url = ''
        self._folder = folder
        self._options = options
        (folder / 'facts.json').write_text(json.dumps(dict(facts)))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> 'Process':
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end(kill=False)

    def kill(self) -> None:
        """End this life, at once, and begin the next."""
        self._end(kill=True)
        self._start()

    def _start(self) -> None:
        ready = self._folder / 'ready.json'
        ready.unlink(missing_ok=True)
        with tempfile.TemporaryFile('w+') as said:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, '-m', 'watcher_tsmig.playground.apart'),
                    f'--cloud={self._folder / "facts.json"}',
                    f'--folder={self._folder}',
                    f'--ready-file={ready}',
                    *self._options,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            until = time.monotonic() + UP_WITHIN
            while not ready.exists():
                ended = self._process.poll() is not None
                if ended or time.monotonic() > until:
                    said.seek(0)
                    raise errors.CloudError(
                        f'Watcher did not start: {said.read()[-2000:]}'
                    )
                time.sleep(0.1)
        self.url = json.loads(ready.read_text())['url']

    def _end(self, *, kill: bool) -> None:
        if self._process is None or self._process.stdin is None:
            return
        if kill:
            self._process.kill()
        self._process.stdin.close()
        try:
            self._process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Struck(Protocol):
    """What is needed of a bed."""

    facts: Mapping[str, Any]
    ids: Mapping[str, str]
    process: Process | None

    def state(self) -> dict[str, Any]:
        """Where everything is."""

    def ask(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401
        """Ask the playground's control."""

    def reach(self) -> None:
        """Find Watcher's API anew."""


def arm(bed: Struck, run: Run, strike: object) -> None:
    """Let it strike now, or once it is time."""
    hosts = run.cell.hosts
    vm = bed.ids[run.cell.vms[0]]
    when = {}
    at = getattr(strike, 'at', None)
    if at is not None:
        when = {'when': {'vm': vm, **dataclasses.asdict(at)}}
    if isinstance(strike, Requests):
        places = {
            'vm': vm,
            'source': hosts['source'],
            'destination': run.planned,
        }
        body = body_of(strike, places)
        number = bed.ask('POST', '/troubles', body | when)['number']
        run.troubles.append(number)
    elif isinstance(strike, OnHost):
        name = hosts.get(strike.which, run.planned)
        bed.ask('POST', f'/hosts/{name}', {**strike.change, **when})
    elif isinstance(strike, OnVm):
        change = dict(strike.change)
        if 'host' in change:
            change['host'] = hosts[change['host']]
        bed.ask('POST', f'/vms/{vm}', {**change, **when})


def body_of(strike: Requests, places: Mapping[str, str]) -> dict[str, Any]:
    """A trouble (playground/troubles.py) with its VM and hosts put in."""
    return {
        'match': CALLS[strike.call].format(**places),
        'kind': strike.kind,
        'status': strike.status,
        'seconds': strike.seconds,
        'times': strike.times,
        'passes': strike.passes,
    }


def machine(bed: Struck, run: Run, strike: OnWatcher) -> None:
    """Strike Watcher's machine once it is time, and wait until it is over."""
    vm = bed.ids[run.cell.vms[0]]
    wanted = ORDER.index(strike.at.status)
    until = time.monotonic() + STRIKES_WITHIN
    while True:
        # those of the runs before it are over
        mine = [
            r
            for r in bed.state()['migrations']
            if r['vm'] == vm and r['created'] >= run.since
        ]
        status = mine[-1]['status'] if mine else ''
        if status in ORDER and ORDER.index(status) >= wanted:
            break
        if time.monotonic() > until:
            raise errors.CloudError(f'{run.fault.name}: {status} all along')
        time.sleep(0.02)
    with MACHINE[strike.what](bed):
        time.sleep(strike.seconds)


@contextlib.contextmanager
def _locked(bed: Struck) -> Iterator[None]:
    """Somebody else writes in Watcher's database."""
    path = pathlib.Path(bed.facts['log']).with_name('watcher.sqlite')
    with contextlib.closing(sqlite3.connect(path, timeout=10.0)) as database:
        database.isolation_level = None
        database.execute('BEGIN EXCLUSIVE')
        try:
            yield
        finally:
            database.execute('ROLLBACK')


@contextlib.contextmanager
def full(pid: int) -> Iterator[None]:
    """Writing beyond a file's first byte fails, as where a disk is full."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def _jump(bed: Struck) -> Iterator[None]:
    """The cloud's clock jumps by a minute."""
    bed.ask('POST', '/time', {'push': 60.0})
    yield


@contextlib.contextmanager
def _kill(bed: Struck) -> Iterator[None]:
    assert bed.process is not None
    bed.process.kill()
    bed.reach()
    yield


Machine = Callable[[Struck], contextlib.AbstractContextManager[None]]
MACHINE: dict[str, Machine] = {
    'database locked': _locked,
    'disk full': lambda bed: full(bed.facts['pid']),
    'clock of the cloud jumps': _jump,
    KILL: _kill,
}
