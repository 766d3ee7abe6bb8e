"""Fast plans let migrations share what a link has, where that harms none."""

import dataclasses
import types

import numpy as np
import testtools

from tests.unit.builders import GIGABIT
from tests.unit.builders import ZEROS
from tests.unit.builders import cloud
from tests.unit.builders import idle
from tests.unit.builders import vm
from tests.unit.builders import writes
from tests.unit.test_plan import PlanCase
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.explain import spare
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.simulate import replay


class FourOfOne(PlanCase):
    """Four VMs leave one host."""

    def setUp(self):
        super().setUp()
        self.cloud = cloud(
            'a b c d', *[idle(f'v{i}', 'a', memory=2e9) for i in range(4)]
        )


class TestPlans(FourOfOne):
    def test_who_has_more_to_send_than_measured_uses_the_whole_link(self):
        plan = self.plan(self.cloud, 'fast')
        truth = dataclasses.replace(
            self.cloud,
            vms=tuple(
                dataclasses.replace(vm, working_set=writes(0.0, 1.5e9))
                if vm.name == 'v0'
                else vm
                for vm in self.cloud.vms
            ),
        )
        line = GIGABIT * Rules().efficiency
        found = replay(truth, plan)
        # the last one's pages of zeros come on top
        last = Rules().overhead + ZEROS * Rules().zero_pre_copy
        self.assertLess(found.makespan, 4.5e9 / line + last)

    def test_the_other_policies_keep_to_what_they_planned(self):
        for name in ('balanced', 'gentle'):
            limits = {m.limit for m in self.plan(self.cloud, name).migrations}
            self.assertEqual({None}, limits)

    def test_what_an_operator_keeps_from_migrations_is_kept(self):
        plan = self.plan(self.cloud, 'fast', nic_share=0.5)
        self.assertEqual({None}, {m.limit for m in plan.migrations})


class TestRooms(FourOfOne):
    def test_one_alone_may_have_what_its_path_leaves(self):
        # at first applications leave 700 Mbit/s, and at last all but 300
        talker = vm('v', 'a', 300, 10, working_set=writes(1e7, 1e8))
        plan = self.plan(cloud('a b', talker), only_mode=Mode.PRE_COPY)
        (alone,) = plan.migrations
        self.assertAlmostEqual(0.9 * 0.7 * GIGABIT, alone.room, delta=1e3)
        self.assertLessEqual(alone.cap, alone.room)

    def test_nobody_may_have_what_others_are_to_have_beside_it(self):
        for policy in policies.NAMES:
            plan = self.plan(self.cloud, policy)
            for m in plan.migrations:
                beside = sum(
                    other.cap
                    for other in plan.migrations
                    if other.id != m.id
                    and other.start < m.end
                    and other.end > m.start
                )
                self.assertGreaterEqual(m.room, m.cap)
                free = max(GIGABIT - beside, m.cap)
                self.assertLessEqual(m.room, free * (1 + 1e-9))

    def test_who_is_late_finds_those_who_wait_for_it_waiting(self):
        one, two = (
            Task(ways=(Way(links=(0,), takes=lambda rate: 100 / rate),))
            for _ in range(2)
        )
        tasks = Tasks(
            tasks=(one, two),
            capacity=np.array([100.0]),
            app=np.array([10.0]),
        )
        bookings = [
            Booking(task=0, way=0, rate=40.0, start=0.0, takes=2.5),
            Booking(task=1, way=0, rate=30.0, start=2.5, takes=4.0),
        ]
        self.assertEqual(
            [90.0, 90.0], spare.rooms(tasks, bookings, [(), (0,)])
        )
        # and what waits for nothing may begin whenever it likes
        self.assertEqual([60.0, 90.0], spare.rooms(tasks, bookings, [(), ()]))


class TestLimits(testtools.TestCase):
    def limits(self, least):
        """One beside which two others run on the link, and one alone."""
        ways = [
            Way(links=(link,), takes=lambda rate: 100 / rate, least=need)
            for link, need in ((0, least), (0, 0.0), (0, 0.0), (1, 0.0))
        ]
        tasks = Tasks(
            tasks=tuple(Task(ways=(way,)) for way in ways),
            capacity=np.array([100.0, 50.0]),
            app=np.array([10.0, 0.0]),
        )
        bookings = [
            Booking(task=i, way=0, rate=30.0, start=0.0, takes=4.0)
            for i in range(4)
        ]
        request = policies.request('fast', hosts=('a',))
        links = types.SimpleNamespace(capacity=tasks.capacity)
        problem = types.SimpleNamespace(request=request, network=links)
        return spare.limits(problem, tasks, bookings)

    def test_a_pre_copy_that_gets_what_it_needs_as_one_of_all_lets_all(self):
        self.assertEqual([100.0, 100.0, 100.0, 50.0], self.limits(30.0))

    def test_one_that_needs_more_holds_all_on_its_link(self):
        self.assertEqual([None, None, None, 50.0], self.limits(31.0))
