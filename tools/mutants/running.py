"""Tests run in a copy of the checkout, each time in a process of its own.

A process is forked from one that has loaded everything that is not ours, so
that it starts within a second; it has a bound, and it is ended with all that
it started, whatever happens.
"""

import compileall
import contextlib
import dataclasses
import enum
import importlib
import importlib.util
import io
import json
import math
import os
import pathlib
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
import unittest
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import NoReturn

from tools.mutants.concerned import FOLDERS
from tools.mutants.concerned import Ran

# Exit codes of a child.
PASSED, FAILED = 0, 1
IDLE = 5.0


def copied(root: pathlib.Path, to: pathlib.Path) -> pathlib.Path:
    """What git knows of a checkout, and what it would take, in a folder."""
    listed = subprocess.run(
        ('git', 'ls-files', '-z', '-co', '--exclude-standard'),
        cwd=root, check=True, capture_output=True, timeout=60,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, listed.split('\0')):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
    for folder in ('watcher_tsmig', 'tests'):
        compileall.compile_dir(to / folder, quiet=2)
    return to


def preload(names: Iterable[str]) -> None:
    """Load what every child needs; a name that is no module is none.

    What is loaded has its warnings, also of forks, and shows them always.
    """
    with contextlib.redirect_stderr(io.StringIO()):
        for name in sorted(names):
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    warnings.simplefilter('ignore')


class Verdict(enum.StrEnum):
    """What came of a task."""

    SURVIVED = 'survived'  # every test passed
    NOTICED = 'noticed'
    TIMEOUT = 'timeouts'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to do in a copy by a process of its own.

    :ivar key: for who asks
    :ivar work: gives an exit code
    :ivar bound: s of computing that it may take; on the clock, where others
        compute too, it may be `IDLE` times as long
    :ivar change: of a module of the copy meanwhile: its path and text
    """

    key: Any
    work: Callable[[pathlib.Path], int]
    bound: float
    change: tuple[str, str] | None = None


def together(
    tasks: Iterable[Task], copies: Iterable[pathlib.Path]
) -> Iterator[tuple[Any, Verdict]]:
    """Do these, one in each copy at a time; the key of each as it ends."""
    free, busy = list(copies), []
    left = iter(tasks)
    with contextlib.ExitStack() as under_way:
        while True:
            while free and (task := next(left, None)) is not None:
                copy = free.pop()
                child = _Child(task, copy)
                busy.append(child)
                under_way.callback(child.end)
            if not busy:
                return
            select.select([child.handle for child in busy], [], [], 0.2)
            for child in list(busy):
                verdict = child.verdict()
                if verdict is not None:
                    busy.remove(child)
                    free.append(child.copy)
                    yield child.task.key, verdict


class _Child:
    """The process of one task, and all that it has started."""

    def __init__(self, task: Task, copy: pathlib.Path) -> None:
        self.task, self.copy = task, copy
        self._undo = _changed(copy, *task.change) if task.change else _nothing
        self._over = False
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            _in_child(task, copy)
        self._ends = time.monotonic() + IDLE * task.bound
        self.handle = os.pidfd_open(self.pid)

    def verdict(self) -> Verdict | None:
        """What came of it; None: it runs still."""
        if select.select([self.handle], [], [], 0)[0]:
            code = self.end()
            if code == -signal.SIGXCPU:
                return Verdict.TIMEOUT
            return Verdict.NOTICED if code else Verdict.SURVIVED
        if time.monotonic() > self._ends:
            self.end()
            return Verdict.TIMEOUT
        return None

    def end(self) -> int | None:
        """End it, and undo its change; its exit code, the first time."""
        if self._over:
            return None
        self._over = True
        # before it has a group of its own, it has started nothing
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.handle)
        self._undo()
        return code


def _nothing() -> None:
    """Nothing was changed."""


def _changed(copy: pathlib.Path, path: str, text: str) -> Callable[[], object]:
    """Change a module of a copy; how to undo it.

    What was compiled of it goes, for that is known by time and size only.
    """
    module = copy / path
    before = module.read_text('utf-8')
    pathlib.Path(importlib.util.cache_from_source(str(module))).unlink(True)
    module.write_text(text, 'utf-8')
    return lambda: module.write_text(before, 'utf-8')


def _in_child(task: Task, copy: pathlib.Path) -> NoReturn:
    code = FAILED
    try:
        os.setpgid(0, 0)
        most = math.ceil(task.bound)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
        _settle(copy)
        code = task.work(copy)
    finally:
        os._exit(code)


def _settle(copy: pathlib.Path) -> None:
    """Be in the copy, quietly, and find its modules before all others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    sys.dont_write_bytecode = True
    os.chdir(copy)
    sys.path.insert(0, str(copy))
    os.environ['PYTHONPATH'] = str(copy)
    ours = {'tools', *FOLDERS}
    for name in [n for n in sys.modules if n.split('.')[0] in ours]:
        del sys.modules[name]


def verdict(names: Iterable[str]) -> int:
    """Run these tests until one fails; an exit code."""
    result = unittest.TestResult()
    result.failfast = True
    suite = unittest.defaultTestLoader.loadTestsFromNames(list(names))
    suite.run(result)
    return PASSED if result.wasSuccessful() else FAILED


class _Watched(unittest.TestResult):
    """Notes what each test runs, and how long it computes, s."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: dict[int, types.CodeType] = {}
        self.around = self.ran
        self.began = 0.0
        self.tests: dict[str, tuple[float, dict[int, types.CodeType]]] = {}

    def note(self, frame: types.FrameType, event: str, _: object) -> None:
        """As a trace function: only calls are of interest."""
        self.ran[id(frame.f_code)] = frame.f_code

    def startTest(self, test: unittest.TestCase) -> None:
        """What runs from now on is this test's."""
        super().startTest(test)
        self.ran, self.began = {}, time.process_time()

    def stopTest(self, test: unittest.TestCase) -> None:
        """What runs from now on is of the module, and so of all its tests."""
        super().stopTest(test)
        seconds = time.process_time() - self.began
        self.tests[test.id()] = seconds, self.ran
        self.ran = self.around

    @property
    def unfit(self) -> set[str]:
        """Tests that say nothing: skipped, or failed without any slip."""
        bad = (*self.failures, *self.errors, *self.skipped)
        return {test.id().split(' (')[0] for test, _ in bad}


def watch(copy: pathlib.Path, suite: str, out: pathlib.Path) -> int:
    """Run a test module, and write down what each of its tests runs."""
    result = _Watched()
    sys.settrace(result.note)
    threading.settrace(result.note)
    name = suite.removesuffix('.py').replace('/', '.')
    unittest.defaultTestLoader.loadTestsFromName(name).run(result)
    sys.settrace(None)
    ours = f'{copy}/watcher_tsmig/'
    told = [
        (test, seconds, list(_functions({**result.around, **ran}, ours)))
        for test, (seconds, ran) in result.tests.items()
        if test not in result.unfit
    ]
    part = out.with_suffix('.part')
    part.write_text(json.dumps({'ran': told, 'unfit': sorted(result.unfit)}))
    part.rename(out)
    return PASSED


def _functions(
    codes: dict[int, types.CodeType], ours: str
) -> Iterator[tuple[str, int]]:
    for code in codes.values():
        if code.co_filename.startswith(ours):
            path = 'watcher_tsmig/' + code.co_filename.removeprefix(ours)
            yield path, code.co_firstlineno


def read(out: pathlib.Path) -> tuple[list[Ran], list[str]]:
    """What `watch` wrote down: the tests, and those that say nothing."""
    found = json.loads(out.read_text())
    ran = [
        Ran(
            name=name,
            seconds=seconds,
            functions=frozenset((path, line) for path, line in functions),
        )
        for name, seconds, functions in found['ran']
    ]
    return ran, found['unfit']
