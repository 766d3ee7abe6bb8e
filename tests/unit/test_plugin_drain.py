"""The strategy between a Watcher model and a Nova of these tests.

A CONTINUOUS audit that raised once is never run again, so most of what is
tested here is that nothing raises.
"""

import contextlib
import unittest

from keystoneauth1 import exceptions as auth_errors
from oslo_config import cfg
from watcher.common import exception
from watcher.common import utils

from tests.unit import test_telemetry_inventory as cloud
from watcher_tsmig.plugin import access
from watcher_tsmig.plugin import drain
from watcher_tsmig.plugin import others
from watcher_tsmig.plugin.audits import strategy
from watcher_tsmig.plugin.options import options
from watcher_tsmig.telemetry import beside

CONF = cfg.CONF
# replaced in every test: no database is here
EMPTIED = others.emptied


def setUpModule():
    CONF([], project='watcher', default_config_files=[])
    unittest.addModuleCleanup(CONF.reset)


def config(**values):
    given = {option.name: option.default for option in options.STRATEGY}
    given |= {'metrics_source': 'none', 'cap_driver': 'none'}
    return utils.Struct({**given, **values})


class Audit:
    """As much of an audit as the strategy touches."""

    fields = ('status_message',)
    uuid = 'audit-1'
    status_message = None


class Base(unittest.TestCase):
    kind = drain.TrafficSensitiveDrain
    osc = object()

    def setUp(self):
        self.audit = Audit()
        self.model = cloud.SmallModel(
            [cloud.node('a'), cloud.node('b')],
            [cloud.instance('one'), cloud.instance('two')],
        )
        self.compute = cloud.SmallCompute(
            [cloud.server('one'), cloud.server('two')],
            [cloud.aggregate('ab', post_copy='true', nic_mbit_s='1000')],
        )
        self._replace(access, 'compute', self._open)
        self._replace(beside, 'neutron', lambda compute: None)
        self._replace(access, 'placement', self._placement)
        self.emptied = {}
        self._replace(others, 'emptied', lambda audit: self.emptied)
        self.bound = {}
        self._replace(others, 'bound', lambda audit: self.bound)

    def _replace(self, where, name, value):
        self.addCleanup(setattr, where, name, getattr(where, name))
        setattr(where, name, value)

    @contextlib.contextmanager
    def _open(self, osc, timeout):
        yield self.compute

    @contextlib.contextmanager
    def _placement(self, osc, timeout):
        """Nothing is taken."""
        answer = cloud.thing(status_code=200, json=lambda: {'usages': {}})
        yield cloud.thing(get=lambda path: answer)

    def run_it(
        self, *, model=None, error=None, given=None, scope=None, **parameters
    ):
        class Drain(self.kind):
            @property
            def compute_model(inner):
                if error is not None:
                    raise error
                return model or self.model

        strategy = Drain(config(**(given or {})), osc=self.osc)
        strategy.input_parameters.update(parameters)
        strategy.audit_scope = scope or []
        strategy.execute(audit=self.audit)
        return strategy

    def kinds(self, strategy):
        return [a['action_type'] for a in strategy.solution.actions]


class TestDrain(Base):
    def test_a_named_host_is_disabled_and_then_emptied(self):
        strategy = self.run_it(hosts=['a'])
        first, *rest, look = strategy.solution.actions
        self.assertEqual('change_nova_service_state', first['action_type'])
        self.assertEqual(
            {
                'resource_id': 'uuid-a',
                'resource_name': 'a',
                'state': 'disabled',
                'disabled_reason': 'watcher_disabled',
            },
            first['input_parameters'],
        )
        self.assertEqual(2, len(rest))
        for action in rest:
            vm = action['input_parameters']['resource_id']
            self.assertIn('uuid-a', strategy.after[vm])
        self.assertEqual('tsmig', strategy.planner)
        self.assertEqual('traffic_sensitive_verify', look['action_type'])
        self.assertEqual({'id-one', 'id-two'}, set(strategy.after['a']))
        self.assertEqual(
            {
                'resource_id': 'a',
                'resource_name': 'a',
                'planned': ['id-one', 'id-two'],
                'stays': {},
                'destinations': ['b'],
            },
            look['input_parameters'],
        )

    def test_when_the_plan_stops_is_told_to_every_action(self):
        actions = self.run_it(hosts=['a'], stop_after_failures=3)
        told = [
            a['input_parameters'].get('stop_after_failures')
            for a in actions.solution.actions
        ]
        self.assertEqual([None, 3, 3, 3], told)

    def test_a_first_batch_ends_before_the_others_begin(self):
        after = self.run_it(hosts=['a'], first=1).after
        waits = {vm: set(after[vm]) for vm in ('id-one', 'id-two')}
        self.assertIn(
            waits,
            (
                {'id-one': {'uuid-a'}, 'id-two': {'uuid-a', 'id-one'}},
                {'id-two': {'uuid-a'}, 'id-one': {'uuid-a', 'id-two'}},
            ),
        )

    def test_why_it_is_done_is_told_and_kept(self):
        strategy = self.run_it(hosts=['a'], reason='new fans, OPS-7')
        self.assertIn('reason: new fans, OPS-7', self.audit.status_message)
        told = [
            a['input_parameters'].get('reason')
            for a in strategy.solution.actions
        ]
        self.assertEqual([None, *['new fans, OPS-7'] * 3], told)

    def test_who_stays_is_told_to_the_last_look(self):
        self.compute._servers[0].is_locked = True
        look = self.run_it(hosts=['a']).solution.actions[-1]
        given = look['input_parameters']
        self.assertEqual(['id-two'], given['planned'])
        self.assertEqual({'id-one': 'locked'}, given['stays'])

    def test_a_host_that_nothing_leaves_stays_enabled_which_is_told(self):
        for server in self.compute._servers:
            server.is_locked = True
        found = self.run_it(hosts=['a']).solution.actions
        self.assertEqual([], found)
        self.assertIn(
            'a stays enabled, for nothing leaves it',
            self.audit.status_message,
        )
        self.setUp()
        self.run_it(hosts=['a'])
        self.assertNotIn('stays enabled', self.audit.status_message)

    def test_an_audit_of_a_part_of_the_cloud_moves_nobody_else(self):
        look = self.run_it(scope=[{'compute': []}], hosts=['a'])
        given = look.solution.actions[-1]['input_parameters']
        self.assertEqual([], given['destinations'])

    def test_the_message_and_the_indicators_tell_the_plan(self):
        strategy = self.run_it(hosts=['a'])
        self.assertIn('2 VMs leave a in', self.audit.status_message)
        values = {
            i.name: i.value for i in strategy.solution.efficacy_indicators
        }
        self.assertEqual(2, values['migrations'])
        self.assertEqual(100.0, strategy.solution.global_efficacy[0]['value'])

    def test_a_host_that_another_plan_empties_is_told(self):
        self.emptied = {'c': 'plan-1', 'a': 'plan-2', 'gone': 'plan-3'}
        self.model.nodes.append(cloud.node('c'))
        self.compute._services.append(
            cloud.thing(
                host='c', binary='nova-compute', status='enabled', state='up'
            )
        )
        strategy = self.run_it(hosts=['a'])
        self.assertIn('c is emptied by another', self.audit.status_message)
        moves = [
            action['input_parameters']
            for action in strategy.solution.actions
            if 'mode' in action['input_parameters']
        ]
        self.assertEqual({'b'}, {g['destination_node'] for g in moves})
        self.assertEqual({''}, {g['alternatives'] for g in moves})

    def test_the_room_that_another_plan_will_fill_is_not_given_away(self):
        self.model = cloud.SmallModel(
            [cloud.node('a'), cloud.node('b')],
            [cloud.instance('one'), cloud.instance('two', memory=700)],
        )
        self.assertEqual(2, len(self.run_it(hosts=['a']).plan.migrations))
        self.bound = {'id-two': 'b'}
        moved = {m.name for m in self.run_it(hosts=['a']).plan.migrations}
        self.assertEqual({'one'}, moved)

    def test_where_others_empty_every_destination_nothing_is_planned(self):
        self.emptied = {'b': 'plan-1'}
        strategy = self.run_it(hosts=['a'])
        self.assertEqual([], strategy.solution.actions)
        self.assertTrue(strategy.failed)
        self.assertIn('Start plan plan-1', self.audit.status_message)

    def test_a_disabled_host_is_not_disabled_again(self):
        self.compute._services[0].status = 'disabled'
        strategy = self.run_it()
        self.assertEqual(
            [
                *2 * ['traffic_sensitive_migrate'],
                'traffic_sensitive_verify',
            ],
            self.kinds(strategy),
        )

    def test_a_host_without_vms_is_looked_at_once_it_is_disabled(self):
        strategy = self.run_it(hosts=['b'])
        self.assertEqual(
            ['change_nova_service_state', 'traffic_sensitive_verify'],
            self.kinds(strategy),
        )
        self.assertEqual(('uuid-b',), strategy.after['b'])

    def test_if_every_vm_stays_nothing_is_done_to_the_host(self):
        for server in self.compute._servers:
            server.is_locked = True
        strategy = self.run_it(hosts=['a'])
        self.assertEqual([], strategy.solution.actions)
        self.assertIn('Nothing moves from a.', self.audit.status_message)

    def test_excluded_vms_stay(self):
        self.model.instances[0].watcher_exclude = True
        strategy = self.run_it(hosts=['a'])
        moved = [
            action['input_parameters']['resource_id']
            for action in strategy.solution.actions
        ]
        self.assertNotIn('id-one', moved)
        self.assertIn('one (excluded)', self.audit.status_message)

    def test_parameters_reach_the_planner(self):
        strategy = self.run_it(
            hosts=['a'], bandwidth_ceiling_mbit_s=600, allow_post_copy=False
        )
        _, *moves, _ = strategy.solution.actions
        self.assertEqual(2, len(moves))
        for action in moves:
            given = action['input_parameters']
            self.assertLessEqual(given['cap_mbit_s'], 600.0)
            self.assertEqual('pre-copy', given['mode'])


class TestNeverRaises(Base):
    def nothing(self, expected, **values):
        strategy = self.run_it(**values)
        self.assertEqual([], strategy.solution.actions)
        self.assertIn(expected, self.audit.status_message)
        self.assertLessEqual(len(self.audit.status_message), 255)
        values = {
            i.name: i.value for i in strategy.solution.efficacy_indicators
        }
        self.assertEqual(0, values['migrations'])

    def test_without_a_usable_model(self):
        for error in (
            exception.ClusterStateStale(),
            exception.ClusterStateNotDefined(),
            exception.ClusterDataModelCollectionError(cdm='compute'),
            AttributeError('NoneType'),
            RuntimeError('No active exception to reraise'),
        ):
            with self.subTest(error):
                self.nothing('compute model', error=error, hosts=['a'])

    def test_without_nova(self):
        def away(**query):
            raise auth_errors.ConnectFailure('refused')

        self.compute.services = away
        self.nothing('Nova: services', hosts=['a'])

    def test_without_knowing_what_other_plans_do(self):
        # Watcher's objects cannot be asked
        self._replace(others, 'objects', object())
        self._replace(others, 'emptied', EMPTIED)
        self.nothing('which hosts other plans empty', hosts=['a'])

    def test_on_a_wrong_name(self):
        self.nothing('hosts names z', hosts=['a', 'z'])
        self.nothing('destinations names z', hosts=['a'], destinations=['z'])

    def test_with_nothing_to_do(self):
        self.nothing('no host in maintenance')

    def test_on_options_that_make_no_sense(self):
        self.nothing('dirty_metric', given={'dirty_metric': 'x'}, hosts=['a'])

    def test_without_the_message_column_of_watcher_15(self):
        self.audit.fields = ()
        self.run_it(hosts=['z'])
        self.assertIsNone(self.audit.status_message)

    def test_a_bug_of_ours_is_not_hidden(self):
        def broken(*args, **kw):
            raise ZeroDivisionError

        self._replace(strategy, 'make_plan', broken)
        with self.assertRaises(ZeroDivisionError):
            self.run_it(hosts=['a'])


class TestOptions(unittest.TestCase):
    def test_watchers_own_option_is_kept(self):
        names = [o.name for o in drain.TrafficSensitiveDrain.get_config_opts()]
        self.assertIn('datasources', names)
        self.assertIn('assume_nic_mbit_s', names)

    def test_the_defaults_are_the_requests(self):
        found = options.assumptions(config())
        self.assertEqual(125e6, found['assume_nic'])
        self.assertEqual(12.5e6, found['assume_traffic'])
        self.assertAlmostEqual(50e6, found['assume_dirty_rate'], delta=1e6)

    def test_names_fit_watchers_columns(self):
        strategy = drain.TrafficSensitiveDrain
        self.assertEqual('traffic_sensitive_drain', strategy.get_name())
        self.assertLessEqual(len(strategy.get_translatable_display_name()), 63)
