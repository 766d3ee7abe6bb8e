"""What holds for every set of tasks, whatever it looks like."""

import dataclasses
import functools

import hypothesis
import numpy as np
import testtools
from hypothesis import strategies as st

from watcher_tsmig.plan.check import timetables
from watcher_tsmig.plan.schedule import bounds
from watcher_tsmig.plan.schedule import neighbourhood
from watcher_tsmig.plan.schedule import precedence
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way
from watcher_tsmig.plan.schedule.timetable import Aim
from watcher_tsmig.plan.schedule.timetable import timetable

MANY = hypothesis.settings(max_examples=150, deadline=None)
# Links: each host's out and in, then two uplinks that hosts share.
HOSTS = 4
UPLINK = 2 * HOSTS
CLUSTER = 2 * HOSTS


def seconds(volume, setup, rate):
    return setup + volume / rate


@st.composite
def ways(draw, source):
    destination = draw(st.integers(0, HOSTS - 1).filter(lambda d: d != source))
    links = [2 * source, 2 * destination + 1]
    if draw(st.booleans()):
        links.append(UPLINK + draw(st.integers(0, 1)))
    volume = draw(st.integers(1, 20)) * 10.0
    setup = draw(st.sampled_from((0.0, 0.0, 2.0)))
    most = draw(st.sampled_from((3.0, 10.0, 25.0, 1000.0)))
    fixed = draw(st.booleans()) and most < 1000
    least = most if fixed else draw(st.sampled_from((0.0, 1.0, 5.0)))
    tx, rx = (draw(st.sampled_from((0.0, 0.0, 4.0, 30.0))) for _ in 'xx')
    if draw(st.booleans()):
        tx = rx = 0.0
    size = float(draw(st.integers(1, 4)))
    return Way(
        links=tuple(links),
        takes=functools.partial(seconds, volume, setup),
        least=min(least, most),
        most=most,
        setup=setup,
        volume=volume,
        early=draw(st.booleans()),
        leaves=((2 * source, tx), (2 * source + 1, rx)),
        brings=((2 * destination, tx), (2 * destination + 1, rx)),
        claims=((destination, size),),
        frees=((source, size),),
        counters=(source, HOSTS + destination, CLUSTER),
        harm=functools.partial(harms, draw(st.integers(0, 3)) * 1.0),
    )


def harms(much, rate):
    return much + 1.0 / rate


@st.composite
def some(draw):
    n = draw(st.integers(0, 12))
    tasks = []
    for i in range(n):
        source = draw(st.integers(0, HOSTS - 1))
        tasks.append(
            Task(
                ways=tuple(
                    draw(st.lists(ways(source), min_size=1, max_size=2))
                ),
                release=draw(st.sampled_from((0.0, 0.0, 30.0))),
                after=(draw(st.integers(0, i - 1)),)
                if i and draw(st.integers(0, 4)) == 0
                else (),
            )
        )
    away = np.zeros(2 * HOSTS + 2)
    for task in tasks:
        away_of = {}
        for way in task.ways:
            for link, rate in way.leaves:
                away_of[link] = max(away_of.get(link, 0.0), rate)
        for link, rate in away_of.items():
            away[link] += rate
    other = draw(st.sampled_from((0.0, 5.0)))
    capacity = draw(st.sampled_from((20.0, 60.0, 200.0)))
    limit = st.sampled_from((1.0, 2.0, 20.0))
    return Tasks(
        tasks=tuple(tasks),
        capacity=np.array([capacity] * UPLINK + [1.5 * capacity] * 2),
        app=away + other,
        share=draw(st.sampled_from((1.0, 0.8))),
        floor=draw(st.sampled_from((0.0, 0.1))),
        stores=np.array([float(draw(st.integers(0, 12)))] * HOSTS),
        limits=np.array(
            [draw(limit)] * HOSTS + [draw(limit)] * HOSTS + [draw(limit)]
        ),
        deadline=draw(st.sampled_from((np.inf, np.inf, 100.0))),
    )


def rigid(tasks):
    """The same with given rates, one way each, and no traffic that moves."""
    return dataclasses.replace(
        tasks,
        deadline=np.inf,
        tasks=tuple(
            dataclasses.replace(
                task,
                after=(),
                ways=(
                    dataclasses.replace(
                        task.ways[0],
                        least=min(task.ways[0].most, 10.0),
                        most=min(task.ways[0].most, 10.0),
                        leaves=(),
                        brings=(),
                    ),
                ),
            )
            for task in tasks.tasks
        ),
    )


def lived(tasks, bookings, factors):
    """The bookings as they run when each takes another time."""
    before = precedence.predecessors(tasks, bookings)
    ends = {}
    out = []
    for booking, wait, factor in zip(bookings, before, factors, strict=False):
        start = max(
            (ends[w] for w in wait),
            default=tasks.tasks[booking.task].release,
        )
        start = max(start, tasks.tasks[booking.task].release)
        takes = booking.takes * factor
        ends[booking.task] = start + takes
        out.append(dataclasses.replace(booking, start=start, takes=takes))
    return tuple(out)


class TestTimetables(testtools.TestCase):
    @MANY
    @hypothesis.given(
        some(), st.sampled_from(Aim), st.booleans(), st.integers(0, 2)
    )
    def test_the_checker_finds_nothing(self, tasks, objective, flip, seed):
        found = timetable(
            tasks, objective=objective, flip=flip, seed=seed, effort=300
        )
        self.assertEqual([], timetables.check(tasks, found))
        again = timetable(
            tasks, objective=objective, flip=flip, seed=seed, effort=300
        )
        self.assertEqual(found, again)

    @MANY
    @hypothesis.given(some(), st.sampled_from(Aim))
    def test_it_finds_nothing_where_rates_are_given(self, tasks, objective):
        tasks = rigid(tasks)
        self.assertTrue(neighbourhood.suits(tasks))
        found = timetable(tasks, objective=objective, effort=600)
        self.assertEqual([], timetables.check(tasks, found))
        moved = [b.task for b in found.bookings]
        self.assertLessEqual(
            bounds.sum_of_ends(tasks, moved),
            sum(b.end for b in found.bookings) * (1 + 1e-9),
        )

    @MANY
    @hypothesis.given(some())
    def test_the_bounds_hold(self, tasks):
        found = timetable(tasks, effort=300)
        moved = [b.task for b in found.bookings]
        least = bounds.sum_of_ends(tasks, moved)
        self.assertLessEqual(
            least, sum(b.end for b in found.bookings) * (1 + 1e-9)
        )
        self.assertLessEqual(
            bounds.makespan(tasks, moved), found.makespan * (1 + 1e-9)
        )

    @MANY
    @hypothesis.given(
        some(), st.lists(st.floats(0.1, 10.0), min_size=12, max_size=12)
    )
    def test_the_precedence_holds_whatever_the_times_are(self, tasks, factors):
        found = timetable(tasks, effort=100)
        late = lived(tasks, found.bookings, factors)
        self.assertEqual([], list(timetables.replay(tasks, late)))

    @MANY
    @hypothesis.given(some())
    def test_as_forecast_the_precedence_gives_the_timetable(self, tasks):
        found = timetable(tasks, effort=100)
        same = lived(tasks, found.bookings, [1.0] * 12)
        for one, other in zip(found.bookings, same, strict=True):
            self.assertLessEqual(other.start, one.start + 1e-6)
