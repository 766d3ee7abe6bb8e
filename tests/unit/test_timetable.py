"""The scheduler on tasks: what an operator would notice of a timetable."""

import dataclasses
import functools
import math

import numpy as np
import testtools

from watcher_tsmig.plan.check import timetables
from watcher_tsmig.plan.schedule import bounds
from watcher_tsmig.plan.schedule import precedence
from watcher_tsmig.plan.schedule import slots
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way
from watcher_tsmig.plan.schedule.tasks import harm_of
from watcher_tsmig.plan.schedule.tasks import price_of
from watcher_tsmig.plan.schedule.timetable import Aim
from watcher_tsmig.plan.schedule.timetable import timetable


def seconds(volume, setup, rate):
    return setup + volume / rate


def way(*links, volume=100.0, setup=0.0, **more):
    return Way(
        links=links,
        takes=functools.partial(seconds, volume, setup),
        volume=volume,
        setup=setup,
        **more,
    )


def fixed(*links, rate=10.0, takes=10.0, **more):
    return way(*links, volume=rate * takes, least=rate, most=rate, **more)


def one(a_way, **more):
    return Task(ways=(a_way,), **more)


def some(*tasks, links=4, capacity=10.0, app=None, **more):
    return Tasks(
        tasks=tasks,
        capacity=np.full(links, capacity),
        app=np.zeros(links) if app is None else np.array(app),
        **more,
    )


class Case(testtools.TestCase):
    def solve(self, tasks, **more):
        found = timetable(tasks, **more)
        self.assertEqual([], timetables.check(tasks, found))
        return found

    def by_task(self, found):
        return {b.task: b for b in found.bookings}


class TestRates(Case):
    def test_tasks_on_one_link_take_it_in_turn_at_full_rate(self):
        found = self.solve(some(*[one(way(0, 1)) for _ in range(3)]))
        self.assertEqual([10.0] * 3, [b.rate for b in found.bookings])
        self.assertEqual([0.0, 10.0, 20.0], [b.start for b in found.bookings])

    def test_a_link_that_no_task_fills_is_shared(self):
        found = self.solve(some(*[one(way(0, 1, most=5.0)) for _ in range(4)]))
        self.assertEqual(40.0, found.makespan)
        self.assertEqual(found.lower_bound, found.makespan)

    def test_shares_are_equal_where_that_wastes_less(self):
        found = self.solve(some(*[one(way(0, 1, most=4.0)) for _ in range(3)]))
        self.assertAlmostEqual(30.0, found.makespan)

    def test_set_ups_overlap_where_they_bind(self):
        found = self.solve(
            some(*[one(way(0, 1, setup=50.0)) for _ in range(4)])
        )
        self.assertAlmostEqual(90.0, found.makespan)

    def test_no_task_is_slower_than_it_may_be(self):
        found = self.solve(
            some(*[one(way(0, 1, setup=50.0, least=6.0)) for _ in range(3)])
        )
        self.assertTrue(all(b.rate >= 6.0 for b in found.bookings))

    def test_a_fixed_rate_is_kept_exactly(self):
        found = self.solve(
            some(*[one(fixed(0, 1, rate=3.0)) for _ in range(4)])
        )
        self.assertEqual([3.0] * 4, [b.rate for b in found.bookings])
        self.assertEqual(20.0, found.makespan)

    def test_a_rate_that_no_link_leaves_is_left_out_with_what_was_left(self):
        found = self.solve(
            some(one(way(0, 1, least=8.0)), app=[5.0, 0.0, 0.0, 0.0])
        )
        (left,) = found.left
        self.assertEqual(
            (False, 5.0, math.inf), (left.late, left.rate, left.end)
        )

    def test_another_way_is_taken_where_the_first_can_never_be(self):
        found = self.solve(
            some(
                Task(ways=(way(0, 1, least=8.0), way(0, 1, early=True))),
                app=[5.0, 0.0, 0.0, 0.0],
            )
        )
        self.assertEqual([1], [b.way for b in found.bookings])

    def test_another_way_is_taken_for_the_timetable_only_if_permitted(self):
        tasks = some(
            *[
                Task(ways=(way(0, 1), way(2, 3, harm=lambda rate: 1.0)))
                for _ in range(2)
            ]
        )
        self.assertEqual(20.0, self.solve(tasks).makespan)
        self.assertEqual(10.0, self.solve(tasks, flip=True).makespan)


class TestLanes(Case):
    """Four lanes of a core link, four tasks from each of eight sources."""

    def tasks(self, beside=()):
        random = np.random.default_rng(5)
        times = [18.0, 36.0, 20.0, 38.0] * 8
        places = random.permutation(32)
        tasks = [
            one(fixed(0, 1 + place // 4, 9 + place % 8, takes=takes))
            for place, takes in zip(places.tolist(), times, strict=True)
        ]
        capacity = np.full(17, 10.0)
        capacity[0] = 40.0
        return Tasks(
            tasks=(*tasks, *beside), capacity=capacity, app=np.zeros(17)
        )

    def order(self, tasks, target):
        need, random = bounds.least(tasks), np.random.default_rng(0)
        return slots.order(tasks, need, target, random, 1000)

    def test_they_are_filled_without_a_gap(self):
        found = self.solve(self.tasks())
        self.assertEqual(8 * (18 + 36 + 20 + 38) / 4, found.lower_bound)
        self.assertEqual(found.lower_bound, found.makespan)

    def test_an_order_has_every_task_once(self):
        order = self.order(self.tasks(), 224.0)
        self.assertEqual([*range(32)], sorted(order))

    def test_there_is_no_order_that_ends_before_the_bound(self):
        self.assertIsNone(self.order(self.tasks(), 222.0))

    def test_there_is_none_where_a_task_takes_another_path(self):
        tasks = self.tasks(beside=[one(fixed(1, 9))])
        self.assertIsNone(self.order(tasks, 224.0))

    def test_tasks_of_one_length_fill_them_in_turn(self):
        tasks = some(*[one(fixed(0, 1 + i)) for i in range(3)], links=4)
        self.assertEqual([0, 1, 2], sorted(self.order(tasks, 30.0)))


class TestTraffic(Case):
    def test_traffic_that_left_early_is_the_tasks_own_at_once(self):
        found = self.solve(
            some(
                one(way(0, 1, early=True, leaves=((0, 5.0),))),
                app=[5.0, 0.0, 0.0, 0.0],
            )
        )
        self.assertEqual(10.0, found.bookings[0].rate)

    def test_traffic_that_arrives_does_not_squeeze_those_that_run(self):
        # each end brings 4 of 10 to link 1: what runs on must still fit
        tasks = some(
            *[
                one(fixed(0, 1, rate=3.0, brings=((1, 4.0),)))
                for _ in range(2)
            ],
            one(fixed(2, 1, rate=5.0, takes=30.0)),
        )
        self.solve(tasks)

    def test_traffic_may_arrive_where_nothing_else_runs(self):
        found = self.solve(some(one(way(0, 1, brings=((1, 20.0),)))))
        self.assertEqual(10.0, found.bookings[0].rate)

    def test_the_floor_holds_however_much_arrives(self):
        found = self.solve(
            some(
                *[one(way(0, 1, brings=((1, 20.0),))) for _ in range(2)],
                floor=0.1,
            )
        )
        self.assertEqual([10.0, 1.0], [b.rate for b in found.bookings])


class TestTime(Case):
    def test_none_starts_before_its_release(self):
        found = self.solve(
            some(one(way(0, 1), release=7.0), one(way(0, 1), release=3.0))
        )
        self.assertEqual([3.0, 13.0], [b.start for b in found.bookings])

    def test_none_starts_before_those_that_it_is_after(self):
        found = self.solve(some(one(way(0, 1), after=(1,)), one(way(2, 3))))
        self.assertEqual(10.0, self.by_task(found)[0].start)
        self.assertEqual(20.0, found.lower_bound)

    def test_whoever_is_after_one_left_out_is_left_out(self):
        found = self.solve(
            some(one(way(0, 1), after=(1,)), one(way(2, 3, least=11.0)))
        )
        self.assertEqual([1, 0], [x.task for x in found.left])

    def test_what_would_end_after_the_deadline_is_left_out(self):
        found = self.solve(
            some(*[one(way(0, 1)) for _ in range(3)], deadline=25.0)
        )
        (left,) = found.left
        self.assertEqual((True, 30.0), (left.late, left.end))

    def test_the_same_question_has_the_same_answer(self):
        tasks = some(
            *[one(way(i % 3, 3, volume=50.0 + 7 * i)) for i in range(12)]
        )
        self.assertEqual(timetable(tasks, seed=1), timetable(tasks, seed=1))

    def test_it_stops_when_told(self):
        tasks = some(*[one(way(i % 3, 3)) for i in range(12)])
        asked = []

        def stop():
            asked.append(1)
            return True

        self.solve(tasks, stop=stop, objective=Aim.ENDS)
        self.assertLessEqual(len(asked), 2)

    def test_for_the_ends_the_short_go_first(self):
        tasks = some(
            *[one(way(0, 1, volume=v)) for v in (300.0, 100.0, 200.0)]
        )
        found = self.solve(tasks, objective=Aim.ENDS)
        self.assertEqual([1, 2, 0], [b.task for b in found.bookings])
        total = sum(b.end for b in found.bookings)
        self.assertEqual(bounds.sum_of_ends(tasks), total)


class TestHarm(Case):
    """The harm of one task falls with its rate; another frees the link."""

    def tasks(self):
        leaves = ((0, 8.0),)
        goes = way(0, 1, early=True, leaves=leaves, volume=20.0)
        heavy = {'harm': lambda rate: 100.0 / rate, 'volume': 40.0}
        return some(
            Task(ways=(way(0, 2, **heavy), way(0, 2, least=9.0, **heavy))),
            one(goes),
            app=[8.0, 0.0, 0.0, 0.0],
        )

    def test_for_harm_a_task_waits_for_a_rate_that_harms_less(self):
        found = self.by_task(
            self.solve(
                self.tasks(), objective=Aim.PRICE, urgency=0.01, flip=True
            )
        )
        self.assertEqual(10.0, found[0].rate)
        self.assertGreaterEqual(found[0].start, found[1].end)

    def test_the_least_harm_is_that_of_a_link_of_ones_own(self):
        tasks = self.tasks()
        self.assertEqual([10.0, 0.0], bounds.harms(tasks))
        found = self.solve(tasks, objective=Aim.PRICE, urgency=0.01, flip=True)
        self.assertEqual(10.0, harm_of(tasks, found.bookings))

    def test_harm_without_bound_is_no_error(self):
        ways = [way(0, 1, harm=lambda rate: math.inf) for _ in 'ab']
        tasks = some(*[Task(ways=tuple(ways)) for _ in range(3)])
        for urgency in (0.01, 1.0, 20.0):
            found = self.solve(
                tasks, objective=Aim.PRICE, urgency=urgency, flip=True
            )
            self.assertEqual(3, len(found.bookings))

    def test_each_urgency_has_the_timetable_that_is_cheapest_by_it(self):
        tasks = self.tasks()
        found = {
            urgency: self.solve(
                tasks, objective=Aim.PRICE, urgency=urgency, flip=True
            )
            for urgency in (0.01, 1.0, 20.0)
        }
        for mine in found:
            prices = {
                urgency: price_of(tasks, timetable, mine)
                for urgency, timetable in found.items()
            }
            self.assertEqual(min(prices.values()), prices[mine])

    def test_a_way_has_to_be_worth_its_toll(self):
        slow, quick = way(0, 1, volume=40.0), way(0, 1, volume=30.0)
        for toll, expected in ((0.5, 1), (2.0, 0)):
            tolled = dataclasses.replace(quick, toll=toll)
            found = self.by_task(
                self.solve(
                    some(Task(ways=(slow, tolled))),
                    objective=Aim.PRICE,
                    flip=True,
                )
            )
            self.assertEqual(expected, found[0].way, toll)


class TestStores(Case):
    def swap(self, *more):
        tasks = some(
            one(way(0, 1, claims=((1, 2.0),), frees=((0, 2.0),))),
            one(way(2, 3, claims=((0, 2.0),), frees=((1, 2.0),))),
            *more,
            stores=np.array([0.0, 0.0, 5.0]),
        )
        return tasks, self.solve(tasks)

    def test_a_task_waits_for_what_another_frees(self):
        tasks = some(
            one(way(0, 1, claims=((0, 2.0),))),
            one(way(2, 3, frees=((0, 2.0),))),
            stores=np.array([0.0]),
        )
        found = self.solve(tasks)
        self.assertEqual([1, 0], [b.task for b in found.bookings])
        self.assertEqual(
            [(), (1,)], precedence.predecessors(tasks, found.bookings)
        )

    def test_a_swap_is_left_out_and_named(self):
        tasks, found = self.swap()
        self.assertEqual([math.inf] * 2, [x.rate for x in found.left])
        self.assertEqual(
            ((0, 1),), precedence.cycles(tasks, found.bookings, found.left)
        )

    def test_who_only_waits_for_a_swap_is_not_of_it(self):
        tasks, found = self.swap(
            one(way(0, 3, claims=((0, 2.0),), frees=((2, 2.0),)))
        )
        self.assertEqual(
            ((0, 1),), precedence.cycles(tasks, found.bookings, found.left)
        )


class TestPrecedence(Case):
    def test_no_more_run_at_once_than_a_counter_admits(self):
        tasks = some(
            *[one(way(i, i + 1, counters=(0,))) for i in range(0, 8, 2)],
            links=8,
            limits=np.array([2.0]),
        )
        found = self.solve(tasks)
        self.assertEqual(20.0, found.makespan)
        lane = precedence.lanes(tasks, found.bookings, 0)
        self.assertEqual([1, 1, 2, 2], sorted(lane.values()))
        before = precedence.predecessors(tasks, found.bookings)
        self.assertEqual([0, 0, 1, 1], [len(b) for b in before])

    def test_a_shared_uplink_needs_few_edges(self):
        tasks = some(
            *[one(fixed(i % 20, 20, rate=1.0)) for i in range(200)],
            links=21,
        )
        found = self.solve(tasks, effort=1)
        at_once = max(
            sum(b.start <= c.start < b.end for b in found.bookings)
            for c in found.bookings
        )
        for before in precedence.predecessors(tasks, found.bookings):
            self.assertLessEqual(len(before), 2 * at_once)


class TestBounds(Case):
    def test_jackson_counts_heads_and_tails(self):
        tasks = some(
            one(fixed(0, 1), release=5.0),
            one(fixed(0, 2)),
            one(fixed(3, takes=7.0), after=(0, 1)),
        )
        self.assertEqual(27.0, bounds.makespan(tasks))
        self.assertEqual(27.0, self.solve(tasks).makespan)

    def test_a_counter_bounds(self):
        tasks = some(
            *[one(fixed(i, counters=(0,))) for i in range(4)],
            limits=np.array([2.0]),
        )
        self.assertEqual(20.0, bounds.makespan(tasks))

    def test_the_best_way_counts(self):
        tasks = some(Task(ways=(way(0), way(1, volume=50.0))))
        self.assertEqual(5.0, bounds.makespan(tasks))
