"""What a post-copy risks: by its switch, and by how long it lasts."""

import numpy as np
import testtools

from tests.unit.builders import cloud
from tests.unit.builders import idle
from tests.unit.builders import vm
from watcher_tsmig import simulate
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.tasks import Way
from watcher_tsmig.plan.schedule.tasks import price_of
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Request


class TestRisk(testtools.TestCase):
    def test_a_switch_counts_and_again_each_minute_after_it(self):
        request = Request(hosts=('a',), post_copy_loss=0.01, restore=3600.0)
        self.assertAlmostEqual(36.0, request.risk(0.0))
        self.assertAlmostEqual(72.0, request.risk(60.0))
        self.assertAlmostEqual(126.0, request.risk(150.0))

    def test_one_whose_little_is_hot_is_switched_when_little_is_left(self):
        hot = WorkingSet(
            resident=16e9, samples=((1.0, 2e8), (2.0, 4e8), (60.0, 4e8))
        )
        db = vm('db', 'a', memory=16e9, working_set=hot)
        request = policies.request('balanced', hosts=('a',))
        (found,) = make_plan(cloud('a b', db), request).migrations
        self.assertIs(Mode.HYBRID, found.mode)

    def test_a_replay_tells_how_long_each_was_on_two_hosts(self):
        where = cloud('a b', idle('one', 'a'), vm('two', 'a'))
        plan = make_plan(
            where, Request(hosts=('a',), only_mode=Mode.POST_COPY)
        )
        done = simulate.replay(where, plan).done
        for m in plan.migrations:
            sent = done[m.vm].ended - done[m.vm].began
            self.assertGreater(done[m.vm].split, 0.5 * sent)
            self.assertLessEqual(done[m.vm].split, sent)
        plan = make_plan(where, Request(hosts=('a',), only_mode=Mode.PRE_COPY))
        done = simulate.replay(where, plan).done
        self.assertEqual({0.0}, {d.split for d in done.values()})


class TestLate(testtools.TestCase):
    """A pre-copy that may be late holds up the whole plan by its chance."""

    def price(self, urgency, late):
        way = Way(
            links=(0,),
            takes=lambda rate: 10.0,
            harm=lambda rate: 2.0,
            late=lambda rate: late,
        )
        tasks = Tasks(
            tasks=(Task(ways=(way,)),), capacity=np.ones(1), app=np.zeros(1)
        )
        found = Timetable(
            bookings=(
                Booking(task=0, way=0, rate=1.0, start=0.0, takes=10.0),
            ),
            left=(),
            lower_bound=0.0,
        )
        return price_of(tasks, found, urgency)

    def test_a_second_late_is_worth_a_second_of_the_plan(self):
        self.assertAlmostEqual(2 + 20 * 10, self.price(20, 0))
        # one of the twenty is in the harm already
        self.assertAlmostEqual(2 + 20 * 10 + 19 * 3, self.price(20, 3))

    def test_where_time_is_worth_no_more_than_a_vms_the_harm_has_it_all(self):
        for urgency in (0.02, 1.0):
            self.assertAlmostEqual(
                self.price(urgency, 0), self.price(urgency, 3)
            )
