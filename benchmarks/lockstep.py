"""Virtual time for code that sleeps: threads of which one runs at a time.

What is carried out against a simulated cloud waits by its clock, as the
plugin's actions do on threads of Watcher's. Here a thread that sleeps hands
over to whoever is due next, so that an hour takes no longer than its work,
and the same calls always give the same history.
"""

import heapq
import itertools
import threading
from collections.abc import Callable
from collections.abc import Iterable

from watcher_tsmig import errors

# s on the wall clock that a task may work without handing over.
LONGEST = 600.0


class _Ended(BaseException):
    """What a task that nobody waits for any more gets out of its sleep."""


class Task:
    """A call on its own thread; it runs while `Lockstep` lets it."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.over = False
        self.begun = False
        self.error: BaseException | None = None
        self.turn = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.back = threading.Semaphore(0)
        self.ended = False

    def go(self) -> None:
        """Let it work until it sleeps or is over.

        :raises errors.InternalError: it does neither
        """
        if self.begun:
            self.turn.release()
        else:
            self.begun = True
            self.thread.start()
        if not self.back.acquire(timeout=LONGEST):
            raise errors.InternalError(f'a task works for {LONGEST:.0f} s')

    def rest(self) -> None:
        """Hand over, from within the task."""
        self.back.release()
        self.turn.acquire()
        if self.ended:
            raise _Ended

    def end(self) -> None:
        """Get it out of its sleep for good."""
        self.ended = True
        if self.begun and not self.over:
            self.go()

    def _work(self) -> None:
        try:
            self.call()
        except _Ended:
            pass
        except BaseException as error:  # noqa: BLE001 - run() raises it
            self.error = error
        self.over = True
        self.back.release()


class Lockstep:
    """A clock, and the tasks that live by it; seconds from 0."""

    def __init__(self) -> None:
        self._now = 0.0
        self._tickets = itertools.count()
        self._due: list[tuple[float, int, Task]] = []
        self._tasks: list[Task] = []
        self._waiting: list[tuple[Task, tuple[Task, ...]]] = []
        self._runs: Task | None = None

    def now(self) -> float:
        """Seconds since the beginning."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the others work for so long; only a task may."""
        assert self._runs is not None
        self._push(self._runs, seconds)
        self._runs.rest()

    def wait(self, tasks: Iterable[Task]) -> None:
        """Until all of these are over; only a task may."""
        left = tuple(task for task in tasks if not task.over)
        if left:
            assert self._runs is not None
            self._waiting.append((self._runs, left))
            self._runs.rest()

    def start(self, call: Callable[[], object]) -> Task:
        """A new task, whose turn comes after all that are due now."""
        task = Task(call)
        self._tasks.append(task)
        self._push(task, 0.0)
        return task

    def run(self, wanted: Callable[[], bool], until: float) -> None:
        """Work until nothing is wanted any more, or nobody has anything to do.

        Who still sleeps then is ended.

        :param wanted: asked after each turn
        :param until: s after which it ends all the same
        """
        try:
            while self._due and wanted() and self._due[0][0] <= until:
                at, _, task = heapq.heappop(self._due)
                self._now = max(self._now, at)
                self._runs = task
                task.go()
                if task.error is not None:
                    raise task.error
                if task.over:
                    self._wake()
        finally:
            for task in self._tasks:
                task.end()

    def _wake(self) -> None:
        """Those that waited for what is over are due."""
        still = []
        for task, others in self._waiting:
            if all(other.over for other in others):
                self._push(task, 0.0)
            else:
                still.append((task, others))
        self._waiting = still

    def _push(self, task: Task, seconds: float) -> None:
        entry = (self._now + seconds, next(self._tickets), task)
        heapq.heappush(self._due, entry)
