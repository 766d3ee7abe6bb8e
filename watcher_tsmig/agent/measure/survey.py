"""Every guest of a host measured in turn, in the background and on a budget.

What it costs is counted (`cost.py`), and a pause follows each measurement
until its share of the budget has passed: what costs more comes less often.
What was found goes to the spool, of which a restart begins. Who may be
measured and how is `writing.py`'s to say, what pages are `contents.py`'s.
"""

import contextlib
import dataclasses
import logging
import pathlib
import random
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig import errors
from watcher_tsmig.agent import spool
from watcher_tsmig.agent.hypervisor import Hypervisor
from watcher_tsmig.agent.measure.contents import sample
from watcher_tsmig.agent.measure.cost import Host
from watcher_tsmig.agent.measure.turns import Job
from watcher_tsmig.agent.measure.turns import choose
from watcher_tsmig.agent.measure.turns import fresh
from watcher_tsmig.agent.measure.turns import pause
from watcher_tsmig.agent.measure.turns import times
from watcher_tsmig.agent.measure.turns import weights
from watcher_tsmig.agent.measure.writing import Measurements
from watcher_tsmig.agent.measure.writing import at_rest
from watcher_tsmig.agent.measure.writing import settled
from watcher_tsmig.agent.spool import Value
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal

LOG = logging.getLogger(__name__)

# Pages of a sample of contents: their shares are known to four points
# (neighbours are alike, so that runs count); and s between its two looks
PAGES = 512
APART = 1.0
# s until somebody is looked for again, where nobody was to be measured, and
# until one is tried again who could not be
IDLE = 5.0
RETRY = 60.0
# s that a list of domains is good for; and that the file may be behind
LISTED = 30.0
BEHIND = 5.0
# s before its end that a measurement's thread is looked at: it sleeps then
EARLY = 0.2
# s that the stop of the agent waits for what is being measured
STOP_WITHIN = 2.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How much may be measured.

    :ivar budget: CPU of this host, in cores
    :ivar every: a value that is younger is not measured again, s
    :ivar at_once: domains
    :ivar bitmap: share of its time that a domain may be measured by its
        dirty bitmap, which slows it
    """

    budget: float
    every: float
    at_once: int
    bitmap: float = 0.0


class Survey:
    """The background measurements of one host.

    :param moving: domains that are about to migrate
    :param host: who tells what it costs
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        measurements: Measurements,
        path: pathlib.Path,
        terms: Terms,
        moving: Callable[[], Iterable[str]],
        host: Host | None = None,
    ) -> None:
        self._hypervisor = hypervisor
        self._measurements = measurements
        self._path = path
        self._terms = terms
        self._moving = moving
        self._host = host or Host()
        self._chance = random.SystemRandom()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._values = _known(path)
        self._last: dict[Job, float] = times(self._values)
        self._domains: Sequence[str] = ()
        self._under: set[str] = set()
        self._listed = self._written = 0.0
        self._changed = True
        self._trouble = ''
        # when a domain was seen first, and s of its dirty bitmap since
        self._logged: dict[str, tuple[float, float]] = {}
        self._began = time.time()
        self._cost = 0.0
        self._workers: list[threading.Thread] = []

    def start(self) -> None:
        """Begin."""
        for _ in range(self._terms.at_once):
            worker = threading.Thread(
                target=self._work, daemon=True, name='survey'
            )
            worker.start()
            self._workers.append(worker)

    def stop(self) -> None:
        """End, and write down what is known."""
        self._stop.set()
        end = time.monotonic() + STOP_WITHIN
        for worker in self._workers:
            worker.join(max(end - time.monotonic(), 0.0))
        with self._lock:
            self._save()

    # -- one after another

    def _work(self) -> None:
        share = self._terms.budget / self._terms.at_once
        while not self._stop.is_set():
            began, own = time.monotonic(), time.thread_time()
            spent = [0.0]
            idle = True
            try:
                idle = not self._turn(spent)
            except Refusal as refusal:
                LOG.debug('Not measured: %s', refusal.reason)
            except Exception:
                LOG.exception('A measurement failed')
            cost = spent[0] + time.thread_time() - own
            with self._lock:
                self._cost += cost
            took = time.monotonic() - began
            least = IDLE if idle else 0.0
            self._stop.wait(max(pause(cost, took, share), least))

    def _turn(self, spent: list[float]) -> bool:
        """Measure what is due; whether something was."""
        with self._lock:
            self._look()
            job = choose(
                self._domains,
                self._last,
                {*self._under, *self._moving()},
                time.time() - self._terms.every,
                self._chance,
            )
            if job is None:
                return False
            vm, what = job
            self._under.add(vm)
        # if it cannot be done
        again = time.time() - self._terms.every + RETRY
        try:
            with self._measurements.hold(vm):
                found = (
                    self._contents(vm, spent)
                    if isinstance(what, str)
                    else self._writing(vm, what, spent)
                )
            again = time.time()
        finally:
            with self._lock:
                self._under.discard(vm)
                self._last[job] = again
        self._learn(vm, found)
        return True

    def _learn(self, vm: str, found: Mapping[str, float]) -> None:
        now = time.time()
        with self._lock:
            self._values.setdefault(vm, {}).update(
                (name, Value(value=value, at=now))
                for name, value in found.items()
            )
            self._changed = True

    def _look(self) -> None:
        """Who is here, and the file, both from time to time."""
        now = time.monotonic()
        if not self._listed or now - self._listed > LISTED:
            self._domains = self._hypervisor.domains()
            self._listed = now
            here = set(self._domains)
            kept = fresh(self._values, here, time.time() - spool.OLD)
            self._changed |= kept != self._values
            self._values = kept
            self._last = {j: t for j, t in self._last.items() if j[0] in here}
            self._logged = {
                vm: self._logged.get(vm, (now, 0.0)) for vm in here
            }
        if self._changed and now - self._written > BEHIND:
            self._written = now
            self._save()

    def _save(self) -> None:
        spent = {
            'cpu': self._cost,
            'seconds': time.time() - self._began,
            'budget': self._terms.budget,
        }
        try:
            spool.write(self._path, self._values, spent)
            self._changed, self._trouble = False, ''
        except errors.InputError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                LOG.error('%s; nobody learns what was measured', error)

    # -- one measurement

    def _writing(
        self, vm: str, seconds: int, spent: list[float]
    ) -> dict[str, float]:
        method = self._method(vm, seconds)
        with self._counted(vm, spent):
            at_rest(self._hypervisor, vm)
            memory = self._hypervisor.memory(vm)
            self._hypervisor.measure(vm, seconds, method)
        self._stop.wait(seconds - EARLY)
        # it does the same once more when its time is over
        spent[0] += 2 * self._host.hashing(vm, memory)
        self._stop.wait(EARLY)
        if self._stop.is_set():
            return {}
        with self._counted(vm, spent):
            dirtied = settled(self._hypervisor, vm, seconds)
            # a migration that began meanwhile may have slowed it
            at_rest(self._hypervisor, vm)
        return {spool.DIRTY.format(seconds=seconds): min(dirtied, memory)}

    def _method(self, vm: str, seconds: int) -> Method:
        """By dirty bitmap only as far as this domain's share of it goes."""
        with self._lock:
            first, used = self._logged.get(vm, (time.monotonic(), 0.0))
            most = (time.monotonic() - first) * self._terms.bitmap
            if used + seconds > most:
                return Method.SAMPLING
            self._logged[vm] = first, used + seconds
            return Method.BITMAP

    def _contents(self, vm: str, spent: list[float]) -> dict[str, float]:
        with self._counted(vm, spent):
            at_rest(self._hypervisor, vm)
            memory = self._hypervisor.memory(vm)
            found = sample(self._hypervisor, vm, PAGES, APART, self._chance)
        return weights(found, memory)

    @contextlib.contextmanager
    def _counted(self, vm: str, spent: list[float]) -> Iterator[None]:
        """Add what others than this thread work meanwhile."""
        before = self._host.working(vm)
        try:
            yield
        finally:
            spent[0] += max(self._host.working(vm) - before, 0.0)


def _known(path: pathlib.Path) -> dict[str, dict[str, Value]]:
    """What an earlier agent found; nothing where that cannot be read."""
    if not path.exists():
        return {}
    try:
        return spool.read(path)
    except errors.InputError as error:
        LOG.warning('%s; it begins anew', error)
        return {}
