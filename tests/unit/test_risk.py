"""What a post-copy risks: by its switch, and by how long it lasts."""

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import idle
from tests.unit.builders import vm
from watcher_tsmig import simulate
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
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
