"""The best schedule among many orders and widths.

One bottleneck is never better split than used in turn, but every migration
also has a set-up during which it sends nothing; so several widths (shares
of a NIC) and orders are scheduled, neighbours of the best order are tried,
and the shortest schedule wins.
"""

import dataclasses

import numpy as np

from watcher_tsmig.forecast import Bracket
from watcher_tsmig.forecast import post_copy
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.plan import bound
from watcher_tsmig.plan import lists
from watcher_tsmig.plan import order as orders
from watcher_tsmig.plan.lists import Booking
from watcher_tsmig.plan.lists import Job
from watcher_tsmig.plan.lists import Schedule
from watcher_tsmig.plan.problem import BoolArray
from watcher_tsmig.plan.problem import IntArray
from watcher_tsmig.plan.problem import Problem

# The best order is improved by its neighbours (order.py): as many as so
# many placements of a job allow, and at most so many, which bounds the
# time. The seed is fixed: the same problem gives the same plan.
IMPROVE_JOBS = 8_000
IMPROVE_TIMES = 400
SEED = 0
# A makespan within this share of the lower bound is not improved further.
PROVEN = 1e-6


def schedule(problem: Problem, jobs: list[Job]) -> Schedule:
    """The best schedule among all widths and orders tried."""
    if not jobs:
        return Schedule(bookings=(), left_out=())
    search = _Search(problem, jobs)
    search.start()
    search.improve()
    assert search.best is not None  # start() tries at least three orders
    return Schedule(
        bookings=_with_predecessors(search.best.bookings),
        left_out=search.best.left_out,
    )


class _Search:
    """The best schedule so far, with the order that gave it."""

    def __init__(self, problem: Problem, jobs: list[Job]) -> None:
        self.problem = problem
        self.jobs = jobs
        self.best: Schedule | None = None
        self.known: lists.Durations = {}
        self.order = np.arange(len(jobs))
        widest = min(problem.request.max_per_source, len(jobs))
        self.widths = sorted({1, min(2, widest), widest})
        rows = np.array([j.row for j in jobs], dtype=np.intp)
        moved = np.zeros(len(problem.vms), dtype=bool)
        moved[rows] = True
        self.least = bound.lower_bound(problem, moved)
        self.source = problem.source[rows]
        self.destination = np.array(
            [j.destination for j in jobs], dtype=np.intp
        )
        self.seconds = (
            problem.curves.resident[rows] / problem.capacity[self.source]
        )

    def try_order(self, order: IntArray) -> bool:
        """Schedule in this order at each width; whether one is better."""
        better = False
        for width in self.widths:
            jobs = [self.jobs[i] for i in order]
            found = lists.run(self.problem, jobs, width, self.known)
            if self.best is None or found.rank() < self.best.rank():
                self.best, self.order, better = found, order, True
        return better

    def start(self) -> None:
        post = np.array([j.post for j in self.jobs], dtype=bool)
        for order in orders.critical(
            self.source, self.destination, self.seconds, post
        ):
            self.try_order(order)
        self.colour = orders.colours(self.source, self.destination)
        self.try_order(orders.by_colour(self.colour, self.seconds))

    def optimal(self) -> bool:
        """All VMs move, and none sooner than the lower bound allows."""
        assert self.best is not None
        left_out, makespan, _ = self.best.rank()
        return left_out == 0 and makespan <= self.least * (1 + PROVEN)

    def improve(self) -> None:
        """Kempe chains of the colouring, then single moves."""
        n = len(self.jobs)
        times = IMPROVE_JOBS // (n * len(self.widths))
        times = min(IMPROVE_TIMES, times) if n > 1 else 0
        random = np.random.default_rng(SEED)
        count = int(self.colour.max()) + 1
        for _ in range(times // 2 if count > 1 else 0):
            if self.optimal():
                return
            edge = int(random.integers(n))
            other = int(random.integers(count))
            changed = orders.kempe(
                self.colour, self.source, self.destination, edge, other
            )
            if self.try_order(orders.by_colour(changed, self.seconds)):
                self.colour = changed
        for _ in range(times - times // 2):
            if self.optimal():
                return
            ends = np.zeros(n)
            assert self.best is not None
            at = {job.row: i for i, job in enumerate(self.jobs)}
            for booking in self.best.bookings:
                ends[at[booking.job.row]] = booking.end
            self.try_order(orders.move_forward(self.order, ends, random))


def _with_predecessors(
    bookings: tuple[Booking, ...],
) -> tuple[Booking, ...]:
    """Bookings with the rows that must end before each may start.

    On each NIC and in each slot, whatever did not overlap in the schedule
    must not overlap when things run late. Intervals that overlap in pairs
    share an instant (Helly), so whatever then runs together on a NIC also
    did in the schedule, and its caps hold whatever the delays. Only the
    last of those before are kept; the rest follows.
    """
    groups: dict[tuple[str, int], list[Booking]] = {}
    for booking in bookings:
        job = booking.job
        for key in (
            ('out', job.source),
            ('into', job.destination),
            ('slot', booking.slot),
        ):
            groups.setdefault(key, []).append(booking)
    after: dict[int, set[int]] = {b.job.row: set() for b in bookings}
    for group in groups.values():
        for booking in group:
            before = [b for b in group if b.end <= booking.start]
            if before:
                latest = max(b.start for b in before)
                after[booking.job.row].update(
                    b.job.row for b in before if b.end > latest
                )
    return tuple(
        dataclasses.replace(b, after=tuple(sorted(after[b.job.row])))
        for b in bookings
    )


def forecasts(
    problem: Problem, bookings: tuple[Booking, ...]
) -> dict[str, FloatArray]:
    """What the plan says of each booking; arrays of shape (n,).

    :returns: `low`, `high` (interval of the total time with set-up, s; an
        upper end that may not converge is inf), `downtime` (s), `data`
        (bytes)
    """
    rows = np.array([b.job.row for b in bookings], dtype=np.intp)
    caps = np.array([b.cap for b in bookings])
    post: BoolArray = np.array([b.job.post for b in bookings], dtype=bool)
    curves = problem.curves.take(rows)
    terms = problem.terms.take(rows, len(problem.vms))
    setup = problem.rules.overhead
    after = post_copy(curves, caps, problem.rules, terms)
    by_bracket = {
        bracket: pre_copy(curves, caps, problem.rules, bracket, terms)
        for bracket in Bracket
    }
    before = by_bracket[Bracket.EXPECTED]

    def pick(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.where(post, a, b)

    return {
        'low': pick(after.t_sum, by_bracket[Bracket.LOWER].t_sum) + setup,
        'high': pick(after.t_sum, by_bracket[Bracket.UPPER].t_sum) + setup,
        'downtime': pick(after.t_downtime, before.t_downtime),
        'data': pick(after.data, before.data),
    }
