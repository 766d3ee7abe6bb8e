"""Migrations as the scheduler sees them: ways over links, stores, counters.

Numbers only: what shares what, how much of it, for how long. No VM, no
host, no mode lives here, so a published scheduling problem and our own are
the same value, and one scheduler serves both. Rates are bytes per second,
volumes bytes, times seconds from the start of the plan.
"""

import dataclasses
import math
from collections.abc import Callable
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

Amounts = tuple[tuple[int, float], ...]


def _none(rate: float) -> float:
    return 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Way:
    """One way to carry a task out: in one mode, to one destination.

    :ivar links: the path; each link is used at the task's rate
    :ivar least: no rate below this will do (the LCB); 0: any will
    :ivar most: no rate above this is of use or permitted
    :ivar takes: the whole time at a rate, with set-up; falls as it grows
    :ivar setup: s of it during which the links are not used
    :ivar volume: bytes over each link of the path, at least
    :ivar early: the applications move over at the start (post-copy), not
        at the end (pre-copy)
    :ivar label: what it is, for whoever made it; nothing here reads it
    :ivar leaves: (link, rate) of application traffic that moves away
    :ivar brings: (link, rate) of application traffic that arrives
    :ivar claims: (store, amount) taken at the start and kept
    :ivar frees: (store, amount) given back at the end
    :ivar counters: what counts it while it runs
    :ivar harm: what its owner and others lose by it at a rate, in weighed
        seconds in which a VM does not serve
    :ivar late: s by which it may end later at a rate, by its chance, of which
        its harm counts one s each at most
    :ivar toll: s by which it must shorten the whole to be worth it, beside
        its harm
    """

    links: tuple[int, ...]
    takes: Callable[[float], float]
    least: float = 0.0
    most: float = math.inf
    setup: float = 0.0
    volume: float = 0.0
    early: bool = False
    label: str = ''
    leaves: Amounts = ()
    brings: Amounts = ()
    claims: Amounts = ()
    frees: Amounts = ()
    counters: tuple[int, ...] = ()
    harm: Callable[[float], float] = _none
    late: Callable[[float], float] = _none
    toll: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One migration to schedule.

    :ivar ways: the preferred one first; another is taken where the first
        cannot be, or where it makes the schedule better
    :ivar release: it may not start earlier
    :ivar after: tasks that must have ended before it starts
    """

    ways: tuple[Way, ...]
    release: float = 0.0
    after: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tasks:
    """All migrations of a plan with what they share.

    Migrations may use `max(share * (capacity - app), floor * capacity)` of
    a link on which applications run at `app`, which changes as tasks move
    their VMs' applications over.

    :ivar capacity: shape (m,), of the links
    :ivar app: shape (m,), what the applications use before the plan
    :ivar stores: shape (k,), what is free before the plan
    :ivar limits: shape (c,), how many tasks a counter admits at once
    :ivar deadline: a task that would end later is left out
    :ivar trusting: whether others use what a running early task's traffic
        has left on a link; if that task starts late when the plan is
        carried out, the link is overfull until it does
    :ivar running: what runs at the start already, each at the one rate of
        its one way, and is nobody's to schedule
    """

    tasks: tuple[Task, ...]
    capacity: FloatArray
    app: FloatArray
    share: float = 1.0
    floor: float = 0.0
    stores: FloatArray = dataclasses.field(default_factory=lambda: np.zeros(0))
    limits: FloatArray = dataclasses.field(default_factory=lambda: np.zeros(0))
    deadline: float = math.inf
    trusting: bool = False
    running: tuple[Task, ...] = ()

    @property
    def all(self) -> tuple[Task, ...]:
        """Those to schedule, and after them those that run already."""
        return self.tasks + self.running


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One task scheduled: its way, rate and time."""

    task: int
    way: int
    rate: float
    start: float
    takes: float

    @property
    def end(self) -> float:
        """When it ends, s."""
        return self.start + self.takes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A task that is not carried out.

    :ivar late: it would end after the deadline; else nothing was ever left
        that would do
    :ivar rate: the best rate that its links left, or inf where not they
        but stores or tasks before it stood in its way
    :ivar end: when it would have ended, s; inf where it could not begin
    """

    task: int
    late: bool
    rate: float
    end: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Bookings by start, tasks left out, and the least makespan possible."""

    bookings: tuple[Booking, ...]
    left: tuple[Left, ...]
    lower_bound: float

    @property
    def makespan(self) -> float:
        """When the last task ends, s; 0 for none."""
        return max((b.end for b in self.bookings), default=0.0)


def tolls_of(tasks: Tasks, bookings: Iterable[Booking]) -> float:
    """By how much the ways booked should shorten the whole, s."""
    return sum(tasks.tasks[b.task].ways[b.way].toll for b in bookings)


def price_of(tasks: Tasks, found: Timetable, urgency: float) -> float:
    """What a timetable costs, in weighed seconds of a VM; less is better.

    :param urgency: what a second of the whole is worth
    """
    whole = found.makespan + tolls_of(tasks, found.bookings)
    price = harm_of(tasks, found.bookings) + urgency * whole
    if urgency > 1:
        price += (urgency - 1) * late_of(tasks, found.bookings)
    return price


def late_of(tasks: Tasks, bookings: Iterable[Booking]) -> float:
    """By how much they may end later, by their chances, s."""
    return sum(tasks.tasks[b.task].ways[b.way].late(b.rate) for b in bookings)


def harm_of(tasks: Tasks, bookings: Iterable[Booking]) -> float:
    """What migrations take from VMs in all, weighed s."""
    return sum(tasks.tasks[b.task].ways[b.way].harm(b.rate) for b in bookings)
