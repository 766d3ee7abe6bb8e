"""Where the mini-cloud is, and its processes: started, recorded, stopped.

Everything runs in one network namespace, whose name follows from the
folder. The kernel knows who is in it, so that what a killed run left behind
is found and ended, and nobody else.
"""

import contextlib
import ctypes
import hashlib
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
CLONE_NEWNET = 0x40000000
# Seconds for a process to end when asked, and then when told.
POLITE = 10.0
FIRM = 10.0
LOOK_EVERY = 0.05
TAIL = 12


class Failed(Exception):
    """A step did not work; the text says which, why, and where its log is."""


class Bed:
    """The folder of one mini-cloud and what runs there.

    :param folder: everything it writes is below it
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder.resolve()
        mark = hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
        self.namespace = f'tsmigmc{mark}'
        self.venv = self.folder / 'venv'
        self.conf = self.folder / 'conf'
        self.state = self.folder / 'state'
        self.logs = self.folder / 'logs'
        self.dump = self.folder / 'dump'
        self.hypervisors = self.folder / 'hypervisors.sock'

    def program(self, name: str) -> str:
        """The path of a program of the control plane's environment."""
        return str(self.venv / 'bin' / name)

    @property
    def password(self) -> str:
        """Of all its services; made once a folder."""
        path = self.folder / 'password'
        if not path.exists():
            with os.fdopen(
                os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600),
                'w',
            ) as file:
                file.write(secrets.token_hex(16))
        return path.read_text()

    # -- the namespace

    def enter(self) -> None:
        """This process and what it starts are in the namespace from now on.

        :raises Failed: there is no right to
        """
        where = pathlib.Path('/run/netns') / self.namespace
        if not where.exists():
            _ip('netns', 'add', self.namespace)
        _ip('-n', self.namespace, 'link', 'set', 'lo', 'up')
        libc = ctypes.CDLL(None, use_errno=True)
        with where.open() as file:
            if libc.setns(file.fileno(), CLONE_NEWNET):
                raise Failed(f'setns: {os.strerror(ctypes.get_errno())}')

    def pids(self) -> list[int]:
        """Processes in the namespace, but for this one."""
        if not (pathlib.Path('/run/netns') / self.namespace).exists():
            return []
        words = _ip('netns', 'pids', self.namespace).split()
        return [int(word) for word in words if int(word) != os.getpid()]

    def remove_namespace(self) -> None:
        """The namespace goes; nobody must be left in it."""
        if (pathlib.Path('/run/netns') / self.namespace).exists():
            _ip('netns', 'delete', self.namespace)

    # -- processes

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> 'Process':
        """A service in the background, with a log and a record."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f'{name}.log'
        with log.open('ab') as out:
            size = out.tell()
            started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
                env=self.environment(environment),
            )
        self.record(name).write_text(f'{started.pid}\n')
        return Process(name, started, log, size)

    def run(
        self,
        name: str,
        command: Sequence[str],
        *,
        timeout: float = 600,
        environment: Mapping[str, str] | None = None,
        text: str | None = None,
    ) -> None:
        """A command to its end; its output is in the log `name`.

        :raises Failed: it failed or took too long
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f'{name}.log'
        source = {'stdin': subprocess.DEVNULL}
        if text is not None:
            source = {'input': text.encode()}
        with log.open('ab') as out:
            try:
                done = subprocess.run(
                    command,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    timeout=timeout,
                    check=False,
                    cwd=self.folder,
                    env=self.environment(environment),
                    **source,
                )
            except subprocess.TimeoutExpired:
                raise Failed(
                    f'{name}: took longer than {timeout:g} s; log: {log}'
                ) from None
        if done.returncode:
            raise Failed(
                f'{name}: exit code {done.returncode}; log: {log}\n'
                + tail(log)
            )

    def environment(
        self, more: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Of its processes: nothing of the caller's but what is harmless."""
        return {
            'PATH': f'{self.venv / "bin"}:/usr/sbin:/usr/bin:/sbin:/bin',
            'HOME': str(self.folder),
            'LANG': 'C.UTF-8',
            'PYTHONUNBUFFERED': '1',
            **(more or {}),
        }

    def record(self, name: str) -> pathlib.Path:
        """Where the pid of a service is kept."""
        run = self.folder / 'run'
        run.mkdir(parents=True, exist_ok=True)
        return run / f'{name}.pid'

    def pid(self, name: str) -> int | None:
        """The service's process, if it runs in the namespace."""
        with contextlib.suppress(OSError, ValueError):
            pid = int(self.record(name).read_text())
            return pid if pid in self.pids() else None
        return None

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End one service and its children, by its record."""
        pid = self.pid(name)
        if pid is not None:
            session = [p for p in self.pids() if _session(p) == pid]
            end(session, how, self.pids)
        self.record(name).unlink(missing_ok=True)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send one service a signal, by its record; or nobody."""
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, number)

    def stop_all(self) -> int:
        """End everything in the namespace; how many processes there were."""
        there = self.pids()
        end(there, signal.SIGTERM, self.pids)
        for record in (self.folder / 'run').glob('*.pid'):
            record.unlink()
        return len(there)


class Process:
    """A service that was started; `ready` waits for it."""

    def __init__(
        self,
        name: str,
        popen: subprocess.Popen[bytes],
        log: pathlib.Path,
        size: int,
    ) -> None:
        self.name, self._popen, self._log = name, popen, log
        # what stands in the log before is of an earlier start
        self._size = size

    def ready(
        self, *, port: int = 0, says: str = '', within: float = 120
    ) -> None:
        """Wait until its port is open, or its log says so.

        :raises Failed: it ended, or did not get ready
        """
        until = time.monotonic() + within
        while not self._is(port, says):
            if self._popen.poll() is not None:
                why = f'ended with {self._popen.returncode}'
                raise Failed(self._because(why))
            if time.monotonic() > until:
                raise Failed(self._because(f'not ready within {within:g} s'))
            time.sleep(LOOK_EVERY)

    def _is(self, port: int, says: str) -> bool:
        if port:
            return is_open(port)
        with self._log.open('rb') as file:
            file.seek(self._size)
            return says.encode() in file.read()

    def _because(self, why: str) -> str:
        return f'{self.name}: {why}; log: {self._log}\n{tail(self._log)}'


def is_open(port: int) -> bool:
    """Whether somebody listens on the loopback of this namespace."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(('127.0.0.1', port)) == 0


def end(
    pids: Iterable[int],
    how: signal.Signals,
    alive: Callable[[], list[int]],
) -> None:
    """Ask the processes to end, then make them.

    :raises Failed: some are there still
    """
    mine = set(pids)
    for signum, patience in ((how, POLITE), (signal.SIGKILL, FIRM)):
        for pid in mine & set(alive()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)
        until = time.monotonic() + patience
        while mine & set(alive()):
            if time.monotonic() > until:
                break
            time.sleep(LOOK_EVERY)
    if mine & set(alive()):
        raise Failed(f'processes do not end: {sorted(mine & set(alive()))}')


def tail(log: pathlib.Path) -> str:
    """The last lines of a log."""
    with contextlib.suppress(OSError):
        lines = log.read_text(errors='replace').splitlines()[-TAIL:]
        return '\n'.join(f'  {line[:300]}' for line in lines)
    return ''


def _session(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(pid)
    return None


def _ip(*words: str) -> str:
    return said('ip', *words)


def said(*words: str) -> str:
    """What a short command of the network's tools says.

    :raises Failed: it failed; says why
    """
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        raise Failed(f'{" ".join(words)}: {done.stderr.strip()}')
    return done.stdout
