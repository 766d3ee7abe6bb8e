"""Watcher's hooks of the migrate action, on the small Nova of another test."""

import contextlib
import types
import unittest

from keystoneauth1 import exceptions as ksa_errors
from watcher.common import exception
from watcher.common import utils

from tests.unit.small_cloud import Clock
from tests.unit.test_execute_migration import SmallNova
from watcher_tsmig import errors
from watcher_tsmig.execute import breaker
from watcher_tsmig.execute import words
from watcher_tsmig.plugin import access
from watcher_tsmig.plugin import migrate
from watcher_tsmig.plugin import others
from watcher_tsmig.plugin.actions import acting
from watcher_tsmig.plugin.options import action_options

GIVEN = {
    'resource_id': 'vm-1',
    'resource_name': 'db-1',
    'source_node': 'cmp-1',
    'destination_node': 'cmp-2',
    'mode': 'pre-copy',
    'deadline_s': 60.0,
}


class Skipped(exception.WatcherException):
    """What Watcher 15 has and 14 has not."""


class Base(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.nova = SmallNova(self.clock)
        self.nova.aggregates = list
        self.replace(access, 'compute', self.open)
        self.replace(migrate, 'SKIPPED', Skipped)
        # what other tests' plans of the same name have learned
        breaker._BREAKERS.clear()

    def replace(self, where, name, value):
        self.addCleanup(setattr, where, name, getattr(where, name))
        setattr(where, name, value)

    @contextlib.contextmanager
    def open(self, osc, timeout):
        yield self.nova

    def action(self, **values):
        config = {o.name: o.default for o in action_options.ACTION}
        config['cap_driver'] = 'none'  # no bus is here
        made = migrate.TrafficSensitiveMigrate(
            utils.Struct(config), osc=object()
        )
        made.input_parameters = {**GIVEN, **values}
        self.assertTrue(made.validate_parameters())
        return made

    def refused(self, call):
        with self.assertRaises(exception.WatcherException) as caught:
            call()
        self.assertLessEqual(len(str(caught.exception)), 200)
        return str(caught.exception)


class TestComputeDriver(Base):
    def test_a_name_that_no_driver_has_fails_every_hook_with_the_names(self):
        action = self.action()
        action.config.compute_driver = 'nova'
        for hook in (action.pre_condition, action.execute, action.abort):
            text = self.refused(hook)
            self.assertIn('compute_driver: there is no "nova"', text)
            self.assertIn('novaclient, openstacksdk', text)


class TestPreCondition(Base):
    def test_a_vm_that_can_move_passes(self):
        self.assertIsNone(self.action().pre_condition())
        self.assertEqual([], self.nova.calls)

    def test_a_migration_that_is_under_way_is_for_execute_to_follow(self):
        self.nova.began = self.clock.now()
        self.nova.story = [(None, 'running')]
        self.assertIsNone(self.action().pre_condition())
        self.nova.story = [(None, 'completed')]
        self.nova.arrives = False
        self.nova.get_server = lambda vm: types.SimpleNamespace(
            **{**vars(self.nova.server), 'task_state': 'migrating'}
        )
        self.assertIn('busy', self.refused(self.action().pre_condition))

    def test_a_vm_that_is_gone_or_there_is_skipped(self):
        self.nova.gone = True
        with self.assertRaisesRegex(Skipped, 'db-1 no longer exists'):
            self.action().pre_condition()
        self.nova.gone = False
        self.nova.server.compute_host = 'cmp-2'
        with self.assertRaisesRegex(Skipped, 'is on cmp-2 already'):
            self.action().pre_condition()

    def test_one_of_a_plan_that_stops_is_skipped(self):
        failed = [('FAILED', {}), ('PENDING', {})]
        self.replace(acting, 'of_plan', lambda plan, kind: failed)
        with self.assertRaisesRegex(Skipped, 'db-1 stays: 1 migrations'):
            self.action(stop_after_failures=1).pre_condition()
        self.assertIsNone(self.action(stop_after_failures=2).pre_condition())
        self.replace(migrate, 'SKIPPED', None)
        text = self.refused(self.action(stop_after_failures=1).pre_condition)
        self.assertIn('db-1 stays', text)

    def test_nothing_is_begun_towards_a_destination_that_is_down(self):
        self.nova.service.state = 'down'
        text = self.refused(self.action().execute)
        self.assertIn('cmp-2 is down', text)
        self.assertEqual([], self.nova.calls)

    def test_what_another_plan_empties_by_now_is_no_destination(self):
        closed = {'cmp-2': 'u' * 36}
        self.replace(others, 'at_the_start', lambda plan: closed)
        action = self.action()
        self.assertIsNone(action.pre_condition())
        text = self.refused(action.execute)
        self.assertIn(f'cmp-2 is emptied by plan {"u" * 36}', text)
        self.assertEqual([], self.nova.calls)

    def test_one_that_the_plan_names_takes_the_vm_instead(self):
        closed = {'cmp-2': 'u' * 36}
        self.replace(others, 'at_the_start', lambda plan: closed)
        went = []

        def carry_out(driver, order, **given):
            went.append(order.destination)
            return words.already_there(order, order.destination)

        self.replace(migrate, 'carry_out', carry_out)
        action = self.action(alternatives='cmp-3')
        action.pre_condition()
        self.assertTrue(action.execute())
        self.assertEqual(['cmp-3'], went)

    def test_a_second_hop_leaves_from_the_third_host(self):
        hop = {
            'source_node': 'cmp-3',
            'destination_node': 'cmp-2',
            'hop': 2,
        }
        self.nova.server.compute_host = 'cmp-3'
        self.assertIsNone(self.action(**hop).pre_condition())
        self.nova.server.compute_host = 'cmp-1'
        text = self.refused(self.action(**hop).pre_condition)
        self.assertIn('is on cmp-1: it was not brought to cmp-3', text)
        self.nova.server.compute_host = 'cmp-2'
        with self.assertRaisesRegex(Skipped, 'is on cmp-2 already'):
            self.action(**hop).pre_condition()

    def test_a_first_hop_is_skipped_where_the_whole_way_is_done(self):
        self.nova.server.compute_host = 'cmp-4'
        given = {'goes_on_to': 'cmp-4'}
        with self.assertRaisesRegex(Skipped, 'is on cmp-4 already'):
            self.action(**given).pre_condition()
        self.assertIs(True, self.action(**given).execute())
        self.assertEqual([], self.nova.calls)

    def test_without_skipping_in_watcher_14_nothing_is_raised(self):
        self.replace(migrate, 'SKIPPED', None)
        self.nova.gone = True
        self.assertIsNone(self.action().pre_condition())

    def test_a_vm_that_cannot_move_is_refused_with_the_reason(self):
        self.nova.server.is_locked = True
        self.assertIn('locked', self.refused(self.action().pre_condition))

    def test_a_vm_that_is_gone_is_skipped_in_every_mode(self):
        self.nova.gone = True
        self.nova.aggregates = lambda: [
            types.SimpleNamespace(
                id=1,
                name='a',
                hosts=['cmp-1', 'cmp-2'],
                metadata={'tsmig:post_copy': 'true'},
            )
        ]
        for mode in ('pre-copy', 'post-copy'):
            with self.assertRaisesRegex(Skipped, 'no longer exists'):
                self.action(mode=mode).pre_condition()
            self.assertIs(True, self.action(mode=mode).execute())
        self.assertEqual([], self.nova.calls)

    def test_a_paused_vm_is_not_post_copied(self):
        self.nova.server.vm_state = 'paused'
        text = self.refused(self.action(mode='post-copy').pre_condition)
        self.assertIn('paused', text)

    def test_post_copy_that_is_no_longer_declared_is_refused(self):
        action = self.action(mode='post-copy')
        self.assertIn('tsmig:post_copy', self.refused(action.execute))

    def test_whatever_goes_wrong_before_it_is_told_with_its_vm(self):
        @contextlib.contextmanager
        def away(osc, timeout):
            raise ksa_errors.ConnectTimeout('Request to keystone timed out')
            yield

        self.replace(access, 'compute', away)
        for hook in (self.action().pre_condition, self.action().abort):
            with self.assertLogs(acting.LOG.logger, 'ERROR'):
                text = self.refused(hook)
            self.assertIn('db-1: ConnectTimeout: Request to keystone', text)

    def test_a_nova_that_is_away_is_a_reason(self):
        self.nova.failing_reads = 99
        action = self.action()
        action.config.http_tries = 1
        self.assertIn('away', self.refused(action.pre_condition))


class TestExecute(Base):
    def test_caches_go_first_where_the_owner_says_so_and_only_then(self):
        seen = []

        def refuse(driver, order, **how):
            seen.append(order.balloon)
            raise errors.MigrationError('not today')

        self.replace(migrate, 'carry_out', refuse)
        for metadata in ({'tsmig:balloon': 'true'}, {}):
            self.nova.server.metadata = metadata
            self.refused(self.action().execute)
        self.assertEqual([True, False], seen)

    def test_a_vm_already_there_is_a_success(self):
        self.nova.server.compute_host = 'cmp-2'
        self.assertIs(True, self.action().execute())
        self.assertEqual([], self.nova.calls)

    def test_a_vm_that_is_gone_is_a_success_in_watcher_14(self):
        self.nova.gone = True
        self.assertIs(True, self.action().execute())

    def test_it_checks_again_because_watcher_14_does_not(self):
        self.nova.server.is_locked = True
        self.assertIn('locked', self.refused(self.action().execute))
        self.assertEqual([], self.nova.calls)

    def test_whatever_goes_wrong_reaches_the_operator_as_a_sentence(self):
        def broken(vm):
            raise ZeroDivisionError('x' * 500)

        self.nova.get_server = broken
        text = self.refused(self.action().execute)
        self.assertIn('db-1: ZeroDivisionError', text)


class TestTheRest(Base):
    def test_nothing_is_ever_moved_back(self):
        self.assertIs(True, self.action(mode='post-copy').revert())
        self.assertEqual([], self.nova.calls)

    def test_abort_withdraws_what_can_be_withdrawn(self):
        self.assertIs(False, self.action().abort())
        self.nova.began = self.clock.now()
        self.nova.story = [(None, 'running')]
        self.nova.old = []
        self.assertIs(True, self.action().abort())

    def test_parameters_of_an_older_plan_are_enough(self):
        action = self.action()
        del action.input_parameters['resource_name']
        self.assertTrue(action.validate_parameters())
        self.assertIsNone(action.pre_condition())

    def test_a_plan_is_cancelled_as_soon_as_it_is_asked_to_be(self):
        for state, expected in (
            ('ONGOING', False),
            ('CANCELLING', True),
            ('CANCELLED', True),
        ):
            with self.subTest(state):
                plan = types.SimpleNamespace(state=state)
                states = types.SimpleNamespace(
                    CANCELLING='CANCELLING', CANCELLED='CANCELLED'
                )
                given = types.SimpleNamespace(
                    ActionPlan=types.SimpleNamespace(
                        get_by_uuid=lambda context, uuid, plan=plan: plan
                    ),
                    action_plan=types.SimpleNamespace(State=states),
                )
                self.replace(acting, 'objects', given)
                self.assertIs(expected, acting.Cancelled('plan-1')())

    def test_a_plan_that_nobody_named_is_not_cancelled(self):
        self.assertIs(False, acting.Cancelled('')())
