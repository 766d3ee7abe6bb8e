"""The judge of timetables: replays one and says what is wrong with it.

Sees the values of tasks.py and nothing of the scheduler. Every start and
every end is an instant at which links, stores and counters must hold.
"""

import collections
from collections.abc import Iterator

from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.tasks import Way

# Floats are compared up to this share of the larger.
SLACK = 1e-6


def check(tasks: Tasks, timetable: Timetable) -> list[str]:
    """One sentence for each thing that is wrong; none: it holds."""
    wrong = list(_everyone(tasks, timetable))
    wrong += _bounded(timetable)
    for booking in timetable.bookings if not wrong else ():
        wrong += _alone(tasks, booking)
    return wrong or list(replay(tasks, timetable.bookings))


def replay(tasks: Tasks, bookings: tuple[Booking, ...]) -> Iterator[str]:
    """What does not hold where they run then, however long they take."""
    ends = {b.task: b.end for b in bookings}
    for booking in bookings:
        yield from _order(tasks, booking, ends)
    yield from _Replay(tasks, bookings).wrong()


def _more(a: float, b: float) -> bool:
    """Whether a is more than b, beyond rounding."""
    return a > b + SLACK * max(abs(a), abs(b))


def _everyone(tasks: Tasks, timetable: Timetable) -> Iterator[str]:
    seen = collections.Counter(b.task for b in timetable.bookings)
    seen.update(x.task for x in timetable.left)
    for task in range(len(tasks.tasks)):
        if seen[task] != 1:
            yield f'task {task} is booked or left out {seen[task]} times'
    for task in seen.keys() - set(range(len(tasks.tasks))):
        yield f'there is no task {task}'


def _bounded(timetable: Timetable) -> Iterator[str]:
    if _more(timetable.lower_bound, timetable.makespan):
        yield (
            f'the makespan of {timetable.makespan} s is below its lower '
            f'bound of {timetable.lower_bound} s'
        )


def _alone(tasks: Tasks, booking: Booking) -> Iterator[str]:
    """What can be said of one booking without the others."""
    task = tasks.tasks[booking.task]
    name = f'task {booking.task}'
    if not 0 <= booking.way < len(task.ways):
        yield f'{name} has no way {booking.way}'
        return
    way = task.ways[booking.way]
    takes = way.takes(booking.rate)
    table = (
        (_more(task.release, booking.start), 'starts before its release'),
        (_more(booking.end, tasks.deadline), 'ends after the deadline'),
        (_more(way.least, booking.rate), 'is slower than it may be'),
        (_more(booking.rate, way.most), 'is faster than it may be'),
        (
            _more(takes, booking.takes) or _more(booking.takes, takes),
            f'does not take {booking.takes} s but {takes} s',
        ),
    )
    for is_wrong, what in table:
        if is_wrong:
            yield f'{name} {what}'


def _order(
    tasks: Tasks, booking: Booking, ends: dict[int, float]
) -> Iterator[str]:
    for before in tasks.tasks[booking.task].after:
        if before not in ends:
            yield f'task {booking.task} waits for {before}, left out'
        elif _more(ends[before], booking.start):
            yield f'task {booking.task} starts before {before} has ended'


class _Replay:
    """The state after each start and each end."""

    def __init__(self, tasks: Tasks, bookings: tuple[Booking, ...]) -> None:
        self.tasks = tasks
        self.app = tasks.app.tolist()
        self.used = [0.0] * len(self.app)
        self.free = tasks.stores.tolist()
        self.counted = [0] * len(tasks.limits)
        self.bookings = bookings

    def wrong(self) -> Iterator[str]:
        events = sorted(
            [(b.end, 0, b.task, b) for b in self.bookings]
            + [(b.start, 1, b.task, b) for b in self.bookings]
        )
        for now, is_start, task, booking in events:
            way = self.tasks.tasks[task].ways[booking.way]
            if is_start:
                self._start(way, booking.rate)
            else:
                self._end(way, booking.rate)
            for what in self._over(way):
                yield f'{what} when task {task} starts or ends at {now} s'

    def _start(self, way: Way, rate: float) -> None:
        for link in way.links:
            self.used[link] += rate
        for store, amount in way.claims:
            self.free[store] -= amount
        for counter in way.counters:
            self.counted[counter] += 1
        if way.early:
            self._move(way)

    def _end(self, way: Way, rate: float) -> None:
        for link in way.links:
            self.used[link] -= rate
        for store, amount in way.frees:
            self.free[store] += amount
        for counter in way.counters:
            self.counted[counter] -= 1
        if not way.early:
            self._move(way)

    def _move(self, way: Way) -> None:
        for link, rate in way.leaves:
            self.app[link] -= rate
        for link, rate in way.brings:
            self.app[link] += rate

    def _over(self, way: Way) -> Iterator[str]:
        """What does not hold, of all that this way touches."""
        tasks = self.tasks
        moved = (link for link, _ in (*way.leaves, *way.brings))
        for link in sorted({*way.links, *moved}):
            capacity = float(tasks.capacity[link])
            room = max(
                tasks.share * (capacity - self.app[link]),
                tasks.floor * capacity,
            )
            if self.used[link] > room + SLACK * capacity:
                yield f'link {link} carries {self.used[link]} of {room}'
        for store, amount in way.claims:
            if self.free[store] < -SLACK * amount:
                yield f'store {store} lacks {-self.free[store]}'
        for counter in way.counters:
            if self.counted[counter] > tasks.limits[counter]:
                yield f'counter {counter} is at {self.counted[counter]}'
