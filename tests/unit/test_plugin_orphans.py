"""What an applier left behind is taken up by the next one."""

import functools
import threading
import types

from oslo_config import cfg
from watcher import objects

from tests.unit import test_plugin_migrate as hooks
from tests.unit import test_plugin_planner as planned
from watcher_tsmig.execute import carry_out
from watcher_tsmig.plugin import migrate
from watcher_tsmig.plugin.actions import acting
from watcher_tsmig.plugin.actions import orphans

setUpModule = planned.setUpModule
HERE = 'applier-1'
WAITED = 10.0


class TestLeftBehind(planned.Base):
    def setUp(self):
        super().setUp()
        cfg.CONF.set_override('host', HERE)
        self.addCleanup(cfg.CONF.clear_override, 'host')
        # rows of other tests are in the same database
        for plan in objects.ActionPlan.list(self.context, eager=True):
            plan.hostname = 'elsewhere'
            plan.save()

    def plan(self, state, action_state, *, hostname=HERE):
        made = self.schedule([planned.migrate(1)], {})
        plan = objects.ActionPlan.get_by_uuid(
            self.context, made.uuid, eager=True
        )
        plan.state, plan.hostname = state, hostname
        plan.save()
        for row in objects.Action.list(
            self.context, filters={'action_plan_id': plan.id}, eager=True
        ):
            row.state = action_state
            row.save()
        return plan

    def found(self):
        return [
            given['action_plan_uuid']
            for given in orphans.left_behind(migrate.MIGRATE)
        ]

    def test_it_is_what_watcher_cancelled_at_the_start(self):
        plan = self.plan('CANCELLED', 'CANCELLED')
        self.plan('CANCELLED', 'SUCCEEDED')
        self.plan('SUCCEEDED', 'SUCCEEDED')
        self.assertEqual([plan.uuid], self.found())

    def test_what_another_applier_runs_is_its_own(self):
        self.plan('CANCELLED', 'CANCELLED', hostname='applier-2')
        self.assertEqual([], self.found())

    def test_nobody_waits_for_what_another_applier_runs(self):
        self.plan('ONGOING', 'ONGOING', hostname='applier-2')
        self.addCleanup(setattr, orphans, 'time', orphans.time)
        orphans.time = types.SimpleNamespace(
            sleep=self.fail, monotonic=lambda: 0.0
        )
        self.assertEqual([], self.found())

    def test_a_plan_that_ended_by_itself_left_nothing(self):
        self.plan('FAILED', 'CANCELLED')
        self.assertEqual([], self.found())

    def test_what_was_cancelled_long_ago_is_over(self):
        self.plan('CANCELLED', 'CANCELLED')
        self.addCleanup(setattr, orphans, 'RECENT', orphans.RECENT)
        orphans.RECENT = -orphans.RECENT
        self.assertEqual([], self.found())

    def test_the_wait_for_watcher_has_an_end(self):
        self.plan('ONGOING', 'ONGOING')
        self.addCleanup(setattr, orphans, 'time', orphans.time)
        began = 1e6
        now = [began]

        def sleep(seconds):
            now[0] += seconds

        orphans.time = types.SimpleNamespace(
            sleep=sleep, monotonic=lambda: now[0]
        )
        with self.assertLogs(orphans.LOG.logger, 'WARNING'):
            self.assertEqual([], self.found())
        self.assertAlmostEqual(
            orphans.PATIENCE, now[0] - began, delta=orphans.EVERY
        )

    def test_it_waits_until_watcher_has_cancelled_it(self):
        plan = self.plan('ONGOING', 'ONGOING')
        looks = []

        def sleep(seconds):
            looks.append(seconds)
            plan.state = 'CANCELLED'
            plan.save()
            for row in objects.Action.list(self.context, eager=True):
                if row.action_plan_id == plan.id:
                    row.state = 'CANCELLED'
                    row.save()

        self.addCleanup(setattr, orphans, 'time', orphans.time)
        orphans.time = types.SimpleNamespace(
            sleep=sleep, monotonic=lambda: 0.0
        )
        self.assertEqual([plan.uuid], self.found())
        self.assertEqual(1, len(looks))


class TestTakenUp(hooks.Base):
    def setUp(self):
        super().setUp()
        self.told = []
        timed = functools.partial(carry_out, clock=self.clock)
        self.replace(migrate, 'carry_out', timed)
        self.replace(
            acting, 'tell', lambda given, text: self.told.append(text)
        )
        self.replace(orphans, 'ONCE', threading.Lock())

    def test_one_that_runs_is_followed_to_its_end_and_told(self):
        self.runs_to('cmp-2')
        self.action()._take_up(hooks.GIVEN)
        text = self.told[-1]
        self.assertIn('Left behind by a stopped applier: db-1 is on', text)
        self.assertEqual([], self.nova.calls)

    def test_its_deadline_holds_again_though_its_plan_is_cancelled(self):
        self.runs_to('cmp-2', ends='running')
        self.action()._take_up({**hooks.GIVEN, 'deadline_s': 5.0})
        text = self.told[-1]
        self.assertIn('past its deadline', text)
        self.assertEqual([('abort', '8')], self.nova.calls)

    def test_nothing_is_begun_and_nothing_told_of_what_has_ended(self):
        self.action()._take_up(hooks.GIVEN)
        self.nova.gone = True
        self.action()._take_up(hooks.GIVEN)
        self.assertEqual(([], []), (self.told, self.nova.calls))

    def test_one_to_another_host_is_somebody_elses(self):
        self.runs_to('cmp-2')
        given = {**hooks.GIVEN, 'destination_node': 'cmp-3'}
        self.action()._take_up(given)
        self.assertEqual([], self.told)
        self.action()._take_up({**given, 'alternatives': 'cmp-4, cmp-2'})
        self.assertIn('db-1 is on cmp-2', self.told[-1])

    def test_an_applier_looks_once_when_it_starts(self):
        looked = []
        done = threading.Event()

        def left_behind(kind):
            looked.append(kind)
            done.set()
            return []

        self.replace(orphans, 'left_behind', left_behind)
        for _ in range(3):
            self.action().get_description()
        self.assertTrue(done.wait(WAITED))
        self.assertEqual([migrate.MIGRATE], looked)

    def test_only_who_is_under_way_is_followed_and_by_his_newest_plan(self):
        rows = [
            {'resource_id': vm, 'plan': plan}
            for plan, vm in ((9, 'a'), (9, 'b'), (8, 'a'), (8, 'c'))
        ]
        self.replace(orphans, 'left_behind', lambda kind: rows)
        self.replace(orphans, '_beside', lambda call: call())
        followed = []
        orphans._take_up('x', lambda: {'a', 'c', 'z'}, followed.append)
        self.assertEqual([rows[0], rows[3]], followed)
        self.replace(orphans, 'left_behind', lambda kind: [])
        orphans._take_up('x', self.fail, self.fail)

    def test_who_is_under_way_nova_tells(self):
        self.nova.migrations = lambda **query: [
            self.nova._record('8', status)
            for status in ('running', 'completed')
        ]
        self.assertEqual({'vm-1'}, self.action()._moving())
        self.nova.migrations = lambda **query: []
        self.assertEqual(set(), self.action()._moving())

    def test_a_database_that_is_away_stops_no_applier(self):
        done = threading.Event()

        def left_behind(kind):
            done.set()
            raise RuntimeError('no database')

        self.replace(orphans, 'left_behind', left_behind)
        orphans._take_up(migrate.MIGRATE, self.fail, self.fail)
        self.assertTrue(done.is_set())

    def runs_to(self, destination, ends='completed'):
        self.nova.story = [(5, 'running'), (None, ends)]
        self.nova.began = self.clock.now()
        self.nova.destination = destination
