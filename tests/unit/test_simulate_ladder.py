"""The fluid model sends zeros for little, and slows VMs down as QEMU does."""

import dataclasses

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig import simulate
from watcher_tsmig.model import Contents
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason
from watcher_tsmig.simulate import World

# so large a sample that what is sure is what is
PAGES = Contents(pages=10**9, zero=0.5, written=5 * 10**8, blanked=0.95)
SLOWS = NovaSettings(downtime_limit=0.5, auto_converge=True)


def alone(**values):
    given = {'working_set': writes(300e6, 3e9), **values}
    nova = given.pop('nova', None)
    at = host('a', post_copy=False, nova=nova)
    return cloud('a b', vm('db', 'a', **given), a=at)


class TestLadder(testtools.TestCase):
    def replayed(self, a_cloud, **values):
        plan = make_plan(
            a_cloud, policies.request('balanced', hosts=('a',), **values)
        )
        self.assertEqual([], check(a_cloud, plan))
        (move,) = plan.migrations
        done = simulate.replay(a_cloud, plan).done['id-db']
        return move, done

    def test_a_dry_run_comes_true(self):
        move, done = self.replayed(alone(contents=PAGES))
        self.assertIs(Reason.DRY_RUN, move.reason)
        self.assertIs(Mode.PRE_COPY, done.mode)
        self.assertAlmostEqual(1.0, done.data / move.data, 2)
        took = (done.ended - done.began) / move.takes
        self.assertAlmostEqual(1.0, took, 2)

    def test_pages_that_are_no_zeros_do_not_end(self):
        world = World(alone())
        world.start('id-db', 'b')
        world.advance(500.0)
        self.assertEqual(('id-db',), world.running())

    def test_one_that_is_slowed_down_comes_true(self):
        move, done = self.replayed(alone(nova=SLOWS), max_throttle=0.9)
        self.assertIs(Reason.THROTTLED, move.reason)
        self.assertIs(Mode.PRE_COPY, done.mode)
        self.assertAlmostEqual(1.0, done.data / move.data, 2)
        took = (done.ended - done.began) / move.takes
        self.assertAlmostEqual(1.0, took, 2)

    def test_a_host_with_auto_converge_slows_down_whoever_does_not_end(self):
        world = World(alone(nova=SLOWS))
        world.start('id-db', 'b')
        world.advance(500.0)
        self.assertEqual((), world.running())
        off = dataclasses.replace(SLOWS, auto_converge=False)
        world = World(alone(nova=off))
        world.start('id-db', 'b')
        world.advance(500.0)
        self.assertEqual(('id-db',), world.running())
