"""Local disks that go along: foretold, simulated, and bounded apart."""

import pathlib
import unittest

from benchmarks import lab_forecast
from benchmarks import lab_records
from tests.unit.builders import GIGABIT
from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.test_execute_migration import order
from tests.unit.test_plan import PlanCase
from watcher_tsmig import simulate
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.follow import Step
from watcher_tsmig.execute.follow import Stop
from watcher_tsmig.execute.follow import Watch
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.gauge import Gauge
from watcher_tsmig.model import Link
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Request
from watcher_tsmig.plugin.schema import parameters
from watcher_tsmig.units import GIB

DISKS = (20 * GIB, 5 * GIB)


class TestPlans(PlanCase):
    def planned(self, agent, disks=DISKS, **values):
        some = vm('v', 'a', disk=sum(disks), disks=disks)
        hosts = {n: host(n, agent=agent) for n in 'ab'}
        where = cloud('a b', some, **hosts)
        return where, self.only(self.plan(where, **values))

    def test_what_a_disk_takes_is_in_the_plan(self):
        for agent, ahead in ((True, 3 * DISKS[0]), (False, sum(DISKS))):
            _, without = self.planned(agent, ())
            _, found = self.planned(agent, only_mode=Mode.PRE_COPY)
            self.assertEqual(without.cap, found.cap)
            least = ahead / found.cap
            self.assertGreater(found.copies, least)
            self.assertLess(found.copies, least * 1.1)
            self.assertGreater(found.takes - without.takes, found.copies - 1)
            self.assertAlmostEqual(
                1, (found.data - without.data) / sum(DISKS), places=3
            )

    def test_over_a_long_way_a_disk_has_one_window_each_round_trip(self):
        # memory has four connections, a disk has one: 40 MB/s
        nova = NovaSettings(downtime_limit=0.5, streams=4)
        wan = Link(name='wan', hosts=('a',), capacity=GIGABIT, rtt=0.1)
        rules = Rules(stream_window=4e6)
        for agent in (True, False):
            some = vm('v', 'a', disk=20 * GIB, disks=(20 * GIB,))
            hosts = {n: host(n, agent=agent, nova=nova) for n in 'ab'}
            where = cloud('a b', some, links=(wan,), **hosts)
            request = Request(hosts=('a',), only_mode=Mode.PRE_COPY)
            plan = make_plan(where, request, rules)
            self.assertEqual([], check(where, plan, rules))
            found = self.only(plan)
            self.assertAlmostEqual(GIGABIT, found.cap, delta=1)
            least = 20 * GIB / 4e7
            self.assertGreater(found.copies, least)
            self.assertLess(found.copies, 1.1 * least)
            self.assertGreater(found.takes, found.copies)

    def test_a_simulation_takes_as_long(self):
        for agent in (True, False):
            for disks in (DISKS, (2 * GIB,), (GIB,) * 3):
                for mode in Mode:
                    where, found = self.planned(agent, disks, only_mode=mode)
                    plan = self.plan(where, only_mode=mode)
                    played = simulate.replay(where, plan)
                    self.assertAlmostEqual(
                        1, played.makespan / found.takes, places=2
                    )
                    self.assertAlmostEqual(
                        1, played.data / found.data, places=3
                    )

    def test_a_disk_of_which_only_the_room_is_known_is_one(self):
        where = cloud('a b', vm('v', 'a', disk=2.0 * GIB))
        _, found = self.planned(agent=True, disks=(2 * GIB,))
        self.assertEqual(found, self.only(self.plan(where)))

    def test_disks_and_memory_have_bounds_of_their_own(self):
        _, found = self.planned(agent=True)
        given = parameters.of_migration(found, factor=3.0, slack=60.0)
        wanted = 3 * found.copies + 60
        self.assertAlmostEqual(wanted, given['disk_deadline_s'], delta=0.1)
        memory = given['deadline_s'] - 60
        self.assertAlmostEqual(
            3 * (found.takes_high - found.copies), memory, delta=0.1
        )
        made = parameters.to_order(
            {**given, 'resource_id': 'v'}, permitted=False, disks=True
        )
        self.assertAlmostEqual(found.copies, made.copies, delta=0.1)
        self.assertAlmostEqual(wanted, made.disk_deadline, delta=0.1)


class TestWorld(unittest.TestCase):
    def world(self, *disks):
        some = vm('v', 'a', disk=sum(disks), disks=disks)
        return simulate.World(cloud('a b', some))

    def test_memory_goes_once_the_disks_are_there(self):
        world = self.world(GIB, GIB)
        world.start('id-v', 'b', cap=3e7)
        # a third of the cap for each
        world.advance(50.0)
        seen = world.progress('id-v')
        self.assertEqual((0.0, 0.0), (seen.total, seen.processed))
        for moment in range(51, 107):
            world.advance(float(moment))
            self.assertEqual(0.0, world.progress('id-v').processed)
        self.assertEqual(0, seen.rounds)
        sent = seen.disk - seen.disk_remaining
        self.assertAlmostEqual(1, sent / (2e7 * 50), delta=0.1)
        world.advance(125.0)
        seen = world.progress('id-v')
        self.assertEqual(0.0, seen.disk_remaining)
        self.assertEqual(1, seen.rounds)
        self.assertGreater(seen.processed, 0)
        self.assertAlmostEqual(
            seen.total, seen.processed + seen.remaining, places=3
        )

    def test_a_guest_that_is_paused_meanwhile_needs_one_pass(self):
        world = self.world(GIB)
        world.start('id-v', 'b')
        world.advance(1.0)
        world.pause('id-v')
        world.advance(100.0)
        done = world.done['id-v']
        self.assertEqual(1, done.rounds)
        self.assertGreater(done.downtime, 8.0)

    def test_a_post_copy_waits_for_the_disks(self):
        world = self.world(GIB)
        world.start('id-v', 'b')
        world.switch('id-v')
        world.advance(8.0)
        self.assertIs(Mode.PRE_COPY, world.progress('id-v').phase)
        self.assertEqual('a', world.host_of('id-v'))
        world.advance(12.0)
        self.assertEqual('b', world.host_of('id-v'))


class TestBounds(unittest.TestCase):
    SENDING = Counters(total=1e9, processed=1e8, remaining=9e8)

    def copying(self, left=1e9):
        return Counters(total=0.0, processed=0.0, remaining=0.0, disk=left)

    def watch(self, **values):
        given = {'disks': True, 'deadline': 60.0, 'disk_deadline': 600.0}
        return Watch(order(**{**given, **values}), Pace(), 0.0)

    def looks(self, watch, *looks):
        return [
            watch.look(now, 'running', counters=counters)
            for now, counters in looks
        ]

    def test_disks_are_not_stopped_by_a_bound_for_memory(self):
        watch = self.watch()
        steps = self.looks(
            watch, (1.0, None), (500.0, self.copying()), (550.0, self.SENDING),
        )  # fmt: skip
        self.assertNotIn(Step.ABORT, steps)
        later = Counters(total=1e9, processed=2e8, remaining=8e8)
        steps = self.looks(watch, (609.0, self.SENDING), (611.0, later))
        self.assertIs(Step.ABORT, steps[-1])
        self.assertIs(Stop.MEMORY, watch.stop)

    def test_disks_that_were_planned_have_their_bound_whoever_tells_of_them(
        self,
    ):
        watch = self.watch(disks=False)
        steps = self.looks(
            watch, (1.0, self.copying(3e9)), (590.0, self.copying(2e9)),
            (640.0, self.SENDING), (699.0, Counters(
                total=1e9, processed=2e8, remaining=8e8)),
        )  # fmt: skip
        self.assertNotIn(Step.ABORT, steps)

    def test_disks_that_take_too_long_are_named(self):
        watch = self.watch()
        steps = self.looks(
            watch, (1.0, self.copying(2e9)), (602.0, self.copying())
        )
        self.assertEqual([Step.WAIT, Step.ABORT], steps)
        self.assertIs(Stop.DISK, watch.stop)

    def test_where_nobody_tells_how_far_it_is_both_bounds_hold_together(self):
        watch = self.watch()
        steps = self.looks(watch, (1.0, None), (660.0, None), (662.0, None))
        self.assertEqual([Step.WAIT, Step.LOOK, Step.ABORT], steps)

    def test_disks_that_nobody_foretold_have_time(self):
        watch = self.watch(disk_deadline=0.0)
        steps = self.looks(
            watch, (1.0, self.copying(3e9)), (590.0, self.copying(2e9)),
            (602.0, self.copying()),
        )  # fmt: skip
        self.assertEqual([Step.WAIT, Step.WAIT, Step.ABORT], steps)

    def test_memory_without_disks_has_its_deadline_from_the_start(self):
        watch = self.watch(disks=False, disk_deadline=0.0)
        steps = self.looks(watch, (1.0, self.copying()), (62.0, self.SENDING))
        self.assertEqual([Step.WAIT, Step.ABORT], steps)

    def test_the_gauge_begins_with_the_memory(self):
        gauge = Gauge(0.1)
        self.assertFalse(gauge.look(1.0, self.copying()))
        self.assertTrue(gauge.look(2.0, self.SENDING))
        self.assertEqual(1e9, gauge.level)


class TestLinks(PlanCase):
    def test_a_block_migration_over_a_gigabit_takes_its_minutes(self):
        some = vm('v', 'a', disk=20.0 * GIB, disks=(20 * GIB,))
        found = self.only(self.plan(cloud('a b', some)))
        self.assertLess(20 * GIB / GIGABIT, found.copies)


class TestRecorded(unittest.TestCase):
    def test_real_block_migrations_take_what_is_foretold(self):
        folder = pathlib.Path(lab_records.__file__).parent
        found = lab_records.load(folder / 'recorded/migrations')
        copied = [one for one in found if one.disk]
        self.assertNotEqual([], copied)
        for one in copied:
            told = lab_forecast.ours(one)
            self.assertLess(abs(told.total / one.total - 1), 0.05, one.name)
            self.assertAlmostEqual(1, told.data / one.data, places=2)
