"""The judge of timetables: small ones by hand, and each with one fault."""

import dataclasses
import functools
import math

import numpy as np
import testtools

from watcher_tsmig.plan.check import timetables
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Left
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.tasks import Way


def seconds(volume, rate):
    return volume / rate


def way(*links, volume=100.0, **more):
    """100 bytes over these links: 10 s at 10 bytes/s."""
    takes = functools.partial(seconds, volume)
    return Way(links=links, takes=takes, volume=volume, **more)


def tasks(*ways, capacity=10.0, app=0.0, after=None, release=0.0, **more):
    """A task for each way, on two links that carry 10 bytes/s."""
    return Tasks(
        tasks=tuple(
            Task(ways=(w,), after=(after or {}).get(i, ()), release=release)
            for i, w in enumerate(ways)
        ),
        capacity=np.full(2, capacity),
        app=np.full(2, app),
        **more,
    )


def book(task, start=0.0, rate=10.0, takes=None, **more):
    takes = 100.0 / rate if takes is None else takes
    given = {'way': 0, **more}
    return Booking(task=task, rate=rate, start=start, takes=takes, **given)


def left(task):
    return Left(task=task, late=True, rate=math.inf, end=math.inf)


class Case(testtools.TestCase):
    def wrong(self, some, *bookings, without=(), bound=0.0):
        made = Timetable(
            bookings=bookings,
            left=tuple(map(left, without)),
            lower_bound=bound,
        )
        return timetables.check(some, made)

    def good(self, *args, **more):
        self.assertEqual([], self.wrong(*args, **more))

    def only(self, text, *args, **more):
        found = self.wrong(*args, **more)
        self.assertTrue(found, text)
        for sentence in found:
            self.assertIn(text, sentence)


class TestAlone(Case):
    def test_each_task_is_booked_or_left_out_once(self):
        some = tasks(way(0), way(1))
        self.good(some, book(0), book(1))
        self.good(some, book(0), without=(1,))
        self.only('task 1 is booked or left out 0 times', some, book(0))
        self.only(
            'task 0 is booked or left out 2 times',
            some,
            book(0),
            book(0, 10.0),
            book(1),
        )
        self.only(
            'task 1 is booked or left out 2 times',
            some,
            book(0),
            book(1),
            without=(1,),
        )

    def test_a_task_that_is_not_there_is_not_booked(self):
        self.only('there is no task 1', tasks(way(0)), book(0), book(1))

    def test_no_timetable_is_below_its_bound(self):
        some = tasks(way(0))
        self.good(some, book(0), bound=10.0)
        self.only(
            'the makespan of 10.0 s is below its lower bound of 10.1 s',
            some,
            book(0),
            bound=10.1,
        )

    def test_it_is_booked_in_a_way_that_it_has(self):
        some = tasks(way(0))
        for wrong in (-1, 1, 2):
            self.only(f'task 0 has no way {wrong}', some, book(0, way=wrong))
        two = dataclasses.replace(
            some, tasks=(Task(ways=(way(0), way(1, volume=50.0))),)
        )
        self.good(two, book(0, way=1, takes=5.0))
        self.only('does not take 10.0 s but 5.0 s', two, book(0, way=1))

    def test_release_and_deadline_hold(self):
        some = tasks(way(0), release=5.0, deadline=15.0)
        self.good(some, book(0, 5.0))
        self.only('task 0 starts before its release', some, book(0, 4.9))
        self.only('task 0 ends after the deadline', some, book(0, 5.1))

    def test_its_rate_is_one_that_it_may_have(self):
        some = tasks(way(0, least=4.0, most=8.0))
        self.good(some, book(0, rate=4.0))
        self.good(some, book(0, rate=8.0))
        self.only('is slower than it may be', some, book(0, rate=3.9))
        self.only('is faster than it may be', some, book(0, rate=8.1))

    def test_it_takes_what_it_takes_at_that_rate(self):
        some = tasks(way(0))
        for takes in (9.9, 10.1):
            self.only(
                f'task 0 does not take {takes} s but 10.0 s',
                some,
                book(0, takes=takes),
            )

    def test_rounding_is_no_fault(self):
        some = tasks(way(0, most=8.0), release=5.0)
        self.good(some, book(0, 5.0 - 1e-9, rate=8.0 + 1e-9))


class TestOrder(Case):
    def test_what_it_waits_for_has_ended(self):
        some = tasks(way(0), way(1), after={1: (0,)})
        self.good(some, book(0), book(1, 10.0))
        self.only(
            'task 1 starts before 0 has ended', some, book(0), book(1, 9.9)
        )

    def test_it_does_not_wait_for_what_is_left_out(self):
        some = tasks(way(0), way(1), after={1: (0,)})
        self.only('task 1 waits for 0, left out', some, book(1), without=(0,))


class TestLinks(Case):
    def test_two_share_what_a_link_carries_and_no_more(self):
        some = tasks(way(0), way(0))
        self.good(some, book(0, rate=5.0), book(1, rate=5.0))
        self.only(
            'link 0 carries 11.0 of 10.0 when task 1 starts',
            some,
            book(0, rate=5.0),
            book(1, 1.0, rate=6.0),
        )

    def test_one_begins_as_another_ends(self):
        self.good(tasks(way(0), way(0)), book(0), book(1, 10.0))

    def test_a_link_that_only_one_of_them_uses_is_not_shared(self):
        self.good(tasks(way(0), way(1)), book(0), book(1))

    def test_applications_leave_a_share_or_the_floor(self):
        # half of 10 - 4; or 0.35 of all
        for floor, room in ((0.0, 3.0), (0.35, 3.5)):
            some = tasks(way(0), app=4.0, share=0.5, floor=floor)
            self.good(some, book(0, rate=room))
            self.only(
                f'link 0 carries {room + 0.1} of {room}',
                some,
                book(0, rate=room + 0.1),
            )

    def test_traffic_of_an_early_task_moves_when_it_starts(self):
        early = way(0, early=True, leaves=((0, 6.0),), brings=((1, 6.0),))
        for way_0, at_once in (
            (early, True),
            (dataclasses.replace(early, early=False), False),
        ):
            some = dataclasses.replace(
                tasks(way_0, way(0)), app=np.array([6.0, 0.0])
            )
            alone = book(0, rate=4.0), book(1, 25.0)
            self.good(some, *alone)
            beside = book(0, rate=4.0), book(1, 1.0, rate=6.0)
            if at_once:
                self.good(some, *beside)
            else:
                self.only('of 4.0 when task 1', some, *beside)

    def test_traffic_that_arrives_takes_its_room_from_others(self):
        # from 1 to 11 s; at its start or its end it brings 6 to link 1
        for early, since in ((True, 1.0), (False, 11.0)):
            comes = way(0, early=early, brings=((1, 6.0),))
            some = tasks(comes, way(1, volume=5.0))
            short = book(1, since - 0.75, takes=0.5)
            self.good(some, book(0, 1.0), short)
            late = dataclasses.replace(short, start=since)
            self.only('link 1 carries 10.0 of 4.0', some, book(0, 1.0), late)

    def test_traffic_that_leaves_makes_room(self):
        goes = way(0, leaves=((1, 6.0),))
        some = dataclasses.replace(
            tasks(goes, way(1)), app=np.array([0.0, 6.0])
        )
        self.good(some, book(0), book(1, 10.0))
        self.only('link 1 carries 10.0 of 4.0', some, book(0), book(1, 9.0))

    def test_traffic_that_arrives_while_another_runs_is_seen_at_once(self):
        comes = way(0, brings=((1, 6.0),))
        some = tasks(comes, way(1))
        self.only(
            'link 1 carries 5.0 of 4.0 when task 0 starts or ends at 10.0 s',
            some,
            book(0),
            book(1, rate=5.0),
        )


class TestStoresAndCounters(Case):
    def test_a_store_is_taken_at_the_start_and_freed_at_the_end(self):
        goes = way(0, frees=((0, 2.0),))
        some = tasks(goes, way(1, claims=((0, 3.0),)), stores=np.array([1.0]))
        self.good(some, book(0), book(1, 10.0))
        self.only(
            'store 0 lacks 2.0 when task 1 starts', some, book(0), book(1, 9.0)
        )

    def test_what_was_claimed_is_kept(self):
        takes = way(0, claims=((0, 2.0),))
        some = tasks(takes, takes, stores=np.array([4.0]))
        self.good(some, book(0), book(1, 10.0))
        scarce = dataclasses.replace(some, stores=np.array([3.0]))
        self.only(
            'store 0 lacks 1.0 when task 1 starts',
            scarce,
            book(0),
            book(1, 10.0),
        )

    def test_a_counter_admits_so_many_at_once(self):
        some = tasks(
            way(0, counters=(0,)),
            way(1, counters=(0,)),
            limits=np.array([1.0]),
        )
        self.good(some, book(0), book(1, 10.0))
        self.only(
            'counter 0 is at 2 when task 1 starts', some, book(0), book(1, 9.9)
        )
        wide = dataclasses.replace(some, limits=np.array([2.0]))
        self.good(wide, book(0), book(1))

    def test_a_counter_counts_only_its_own(self):
        some = tasks(
            way(0, counters=(0,)),
            way(1, counters=(1,)),
            limits=np.array([1.0, 1.0]),
        )
        self.good(some, book(0), book(1))
