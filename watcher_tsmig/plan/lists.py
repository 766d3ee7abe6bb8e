"""The list scheduler: when each migration starts, and how fast.

Whenever a migration ends, those waiting are tried in a given order, and
start where a slot is free and the NICs leave enough. Applications move
with their VMs: a post-copied VM's traffic leaves its source at the start,
a pre-copied one's at the end. Which order is best is schedule.py's task.
"""

import dataclasses
import heapq
import itertools

import numpy as np

from watcher_tsmig import units
from watcher_tsmig.forecast import post_copy
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.plan import problem as problem_module
from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.reasons import Reason

# A migration waits rather than start with less than this share of the
# bandwidth that its turn would give it.
PATIENCE = 0.5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One migration to schedule: a row of the problem, with its choices.

    :ivar may_fall_back: pre-copied by choice, post-copied where need be
    :ivar left: for one that fell back, what the link left for its
        pre-copy, bytes/s; None for all others
    """

    row: int
    source: int
    destination: int
    post: bool
    may_fall_back: bool
    left: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One migration scheduled; bytes/s and seconds."""

    job: Job
    cap: float
    slot: int
    start: float
    takes: float
    after: tuple[int, ...] = ()

    @property
    def end(self) -> float:
        return self.start + self.takes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Bookings by start, and the VMs for which there was no room."""

    bookings: tuple[Booking, ...]
    left_out: tuple[LeftOut, ...]

    def rank(self) -> tuple[int, float, float]:
        """Less is better: VMs left out, makespan, sum of ends."""
        ends = [b.end for b in self.bookings]
        return len(self.left_out), max(ends, default=0.0), sum(ends)


Durations = dict[tuple[int, bool, float], float]


def run(
    problem: Problem, jobs: list[Job], width: int, known: Durations
) -> Schedule:
    """Schedule the jobs in their order.

    :param width: into how many shares each NIC is divided
    :param known: durations by row, mode and bandwidth; grows
    """
    return _Run(problem, jobs, width, known).schedule()


def duration(problem: Problem, job: Job, bandwidth: float) -> float:
    """Forecast time of the migration with its set-up, s."""
    row = np.array([job.row], dtype=np.intp)
    curve = problem.curves.take(row)
    terms = problem.terms.take(row, len(problem.vms))
    model = post_copy if job.post else pre_copy
    found = model(curve, bandwidth, problem.rules, terms=terms)
    return float(found.t_sum[0]) + problem.rules.overhead


class _Run:
    """One pass of the list scheduler; the state is that of one instant."""

    def __init__(
        self,
        problem: Problem,
        jobs: list[Job],
        width: int,
        known: Durations,
    ) -> None:
        self.problem = problem
        self.width = width
        self.known = known
        self.now = 0.0
        self.app_tx = problem.app_tx.copy()
        self.app_rx = problem.app_rx.copy()
        h = len(problem.capacity)
        self.used_tx = np.zeros(h)
        self.used_rx = np.zeros(h)
        self.out = np.zeros(h, dtype=int)
        self.into = np.zeros(h, dtype=int)
        self.waiting_out = np.bincount([j.source for j in jobs], minlength=h)
        self.waiting_into = np.bincount(
            [j.destination for j in jobs], minlength=h
        )
        self.slots = list(range(1, problem.request.max_in_cluster + 1))
        self.running: list[tuple[float, int, Booking]] = []
        self.bookings: list[Booking] = []
        self.left_out: list[LeftOut] = []
        self.waiting = list(jobs)

    def schedule(self) -> Schedule:
        serial = itertools.count()
        while self.waiting or self.running:
            for job in list(self.waiting):
                if not self.slots:
                    break
                booking = self._try(job)
                if booking is not None:
                    self._begin(booking, next(serial))
            if self.running:
                self._end_next()
            elif self.waiting:
                self._give_up_on_first()
        return Schedule(
            bookings=tuple(
                sorted(self.bookings, key=lambda b: (b.start, b.slot))
            ),
            left_out=tuple(self.left_out),
        )

    def _room(self, job: Job) -> tuple[float, float]:
        """What the two NICs leave for all migrations once it runs."""
        problem, s, d = self.problem, job.source, job.destination
        own_tx = float(problem.tx[job.row]) if job.post else 0.0
        own_rx = float(problem.rx[job.row]) if job.post else 0.0
        both = problem_module.room(
            problem,
            problem.capacity[[s, d]],
            np.array(
                [max(self.app_tx[s] - own_tx, 0.0), self.app_rx[d] + own_rx]
            ),
        )
        return float(both[0]), float(both[1])

    def _offer(self, job: Job) -> tuple[float, float]:
        """(bandwidth it can have now, bandwidth that its turn gives)."""
        s, d = job.source, job.destination
        tx, rx = self._room(job)
        ceiling = self.problem.request.ceiling
        turn = min(
            ceiling,
            tx / min(self.width, self.out[s] + self.waiting_out[s]),
            rx / min(self.width, self.into[d] + self.waiting_into[d]),
        )
        turn = max(turn, self._need(job))
        beside = self.into[d] > 0
        if beside and self._arrival(job) + self.used_rx[d] > rx:
            return 0.0, turn
        now = min(turn, ceiling, tx - self.used_tx[s], rx - self.used_rx[d])
        return now, turn

    def _need(self, job: Job) -> float:
        return 0.0 if job.post else float(self.problem.lcb[job.row])

    def _arrival(self, job: Job) -> float:
        """What the VM's own rx takes from other migrations at its end.

        A pre-copied VM brings its traffic when its migration ends, so
        beside others it uses the larger of its cap and that traffic:
        whichever of them ends first, the caps of the rest still fit.
        """
        if job.post:
            return 0.0
        rx = float(self.problem.rx[job.row])
        return self.problem.request.nic_share * rx

    def _uses_rx(self, booking: Booking) -> float:
        return max(booking.cap, self._arrival(booking.job))

    def _try(self, job: Job) -> Booking | None:
        request = self.problem.request
        s, d = job.source, job.destination
        if (
            self.out[s] >= request.max_per_source
            or self.into[d] >= request.max_per_destination
        ):
            return None
        now, turn = self._offer(job)
        if now <= 0 or now < self._need(job) or now < PATIENCE * turn:
            return None
        key = (job.row, job.post, now)
        if key not in self.known:
            self.known[key] = duration(self.problem, job, now)
        return Booking(
            job=job,
            cap=now,
            slot=self.slots[0],
            start=self.now,
            takes=self.known[key],
        )

    def _begin(self, booking: Booking, serial: int) -> None:
        job = booking.job
        s, d = job.source, job.destination
        self.waiting.remove(job)
        self.waiting_out[s] -= 1
        self.waiting_into[d] -= 1
        if booking.end > self.problem.request.deadline:
            self._stays(
                job,
                Reason.AFTER_DEADLINE,
                f'it would end at {units.human_time(booking.end)}, after '
                'the deadline of '
                f'{units.human_time(self.problem.request.deadline)}',
            )
            return
        heapq.heappop(self.slots)
        self.out[s] += 1
        self.into[d] += 1
        self.used_tx[s] += booking.cap
        self.used_rx[d] += self._uses_rx(booking)
        if job.post:
            self._moves(job)
        heapq.heappush(self.running, (booking.end, serial, booking))

    def _moves(self, job: Job) -> None:
        """The VM's applications go over to the destination."""
        for app, rate in (
            (self.app_tx, self.problem.tx[job.row]),
            (self.app_rx, self.problem.rx[job.row]),
        ):
            app[job.source] -= rate
            app[job.destination] += rate

    def _end_next(self) -> None:
        """Move to the next end, with all that end then."""
        self.now = self.running[0][0]
        while self.running and self.running[0][0] <= self.now:
            _, _, booking = heapq.heappop(self.running)
            job = booking.job
            self.out[job.source] -= 1
            self.into[job.destination] -= 1
            self.used_tx[job.source] -= booking.cap
            self.used_rx[job.destination] -= self._uses_rx(booking)
            if not job.post:
                self._moves(job)
            heapq.heappush(self.slots, booking.slot)
            self.bookings.append(booking)

    def _give_up_on_first(self) -> None:
        """Nothing runs and nothing fits: the first never will as it is."""
        job = self.waiting.pop(0)
        tx, rx = self._room(job)
        left = min(tx, rx, self.problem.request.ceiling)
        if job.may_fall_back and not job.post:
            changed = dataclasses.replace(
                job, post=True, may_fall_back=False, left=left
            )
            self.waiting.insert(0, changed)
            return
        self.waiting_out[job.source] -= 1
        self.waiting_into[job.destination] -= 1
        self._stays(
            job,
            Reason.DOES_NOT_CONVERGE,
            'pre-copy needs '
            f'{units.human_rate(float(self.problem.lcb[job.row]))}, the '
            f'link leaves {units.human_rate(left)}, and post-copy is not '
            'permitted',
        )

    def _stays(self, job: Job, reason: Reason, because: str) -> None:
        self.left_out.append(
            problem_module.left_out(self.problem, job.row, reason, because)
        )
