"""The relief between a Watcher model, a Nova and a Gnocchi of these tests."""

import ast
import contextlib
import datetime
import json
import time
import unittest

import jsonschema
from keystoneauth1 import exceptions as auth_errors
from oslo_config import cfg
from watcher.common import utils

from tests.unit import builders
from tests.unit import test_plugin_drain
from tests.unit import test_relief
from tests.unit import test_telemetry_inventory as cloud
from tests.unit.test_telemetry_gnocchi import SPAN
from tests.unit.test_telemetry_gnocchi import SmallGnocchi
from tests.unit.test_telemetry_loads import record
from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plugin import access
from watcher_tsmig.plugin import others
from watcher_tsmig.plugin import relief
from watcher_tsmig.plugin.audits import relief_story
from watcher_tsmig.plugin.options import options
from watcher_tsmig.plugin.schema import relief_schema
from watcher_tsmig.reasons import Reason
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry.metrics.counters import LAG
from watcher_tsmig.telemetry.sources.gnocchi import GnocchiSource

CONF = cfg.CONF


def setUpModule():
    CONF([], project='watcher', default_config_files=[])
    unittest.addModuleCleanup(CONF.reset)


def config(**values):
    given = {option.name: option.default for option in options.RELIEF}
    return utils.Struct({**given, 'cap_driver': 'none', **values})


class Base(unittest.TestCase):
    """Host a sends 900 of 1000 Mbit/s by `one` and `two`; b is empty."""

    def setUp(self):
        self.audit = test_plugin_drain.Audit()
        self.model = cloud.SmallModel(
            [cloud.node('a'), cloud.node('b')],
            [cloud.instance('one'), cloud.instance('two')],
        )
        self.compute = cloud.SmallCompute(
            [cloud.server('one'), cloud.server('two')],
            [cloud.aggregate('ab', post_copy='true', nic_mbit_s='1000')],
        )
        self.records = []
        self.compute.migrations = lambda **_: self.records
        self.gnocchi = SmallGnocchi()
        last = (time.time() - LAG) // SPAN * SPAN - SPAN
        for vm, rate in (('id-one', 500), ('id-two', 400)):
            self.gnocchi.interface(
                vm, units.from_mbit_s(rate), 0.0, start=last, points=4
            )
        self._replace(access, 'compute', self._open)
        self._replace(beside, 'neutron', lambda compute: None)
        self._replace(
            access,
            'source',
            lambda osc, config, settings: (
                None
                if config.metrics_source == 'none'
                else GnocchiSource(self.gnocchi, settings)
            ),
        )
        self._replace(others, 'emptied', lambda audit: {})
        self._replace(others, 'bound', lambda audit: {})

    def _replace(self, where, name, value):
        self.addCleanup(setattr, where, name, getattr(where, name))
        setattr(where, name, value)

    @contextlib.contextmanager
    def _open(self, osc, timeout):
        yield self.compute

    def run_it(self, given=None, **parameters):
        model = self.model

        class Relief(relief.TrafficSensitiveRelief):
            compute_model = property(lambda _: model)

        strategy = Relief(config(**(given or {})), osc=object())
        strategy.input_parameters.update(parameters)
        strategy.execute(audit=self.audit)
        self.assertLessEqual(len(self.audit.status_message), 255)
        return [
            action['input_parameters'] for action in strategy.solution.actions
        ]


class TestRelief(Base):
    def test_one_vm_leaves_and_no_host_is_disabled(self):
        (action,) = self.run_it()
        self.assertEqual('b', action['destination_node'])
        text = self.audit.status_message
        self.assertIn('a sends 90% of its NIC for 20 min; ', text)
        self.assertIn('1 VM leaves a in', text)

    def test_what_nova_says_has_moved_stays(self):
        now = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())
        self.records = [
            record(
                server_id='id-one',
                updated_at=now,
                source_compute='b',
                dest_compute='a',
            )
        ]
        self.assertEqual([], self.run_it())
        self.assertIn('received a VM within', self.audit.status_message)

    def test_a_long_enough_time_is_asked_for(self):
        self.assertEqual([], self.run_it(held_s=7200))
        self.assertIn('not for long enough', self.audit.status_message)

    def test_only_the_hosts_named_are_looked_at(self):
        self.assertEqual([], self.run_it(hosts=['b']))
        self.assertIn('there are no VMs', self.audit.status_message)
        self.assertEqual([], self.run_it(hosts=['z']))
        self.assertIn('hosts names z', self.audit.status_message)

    def test_the_measures_are_asked_for_once(self):
        self.run_it()
        searches = self.gnocchi.searches
        self.assertEqual(1, searches.count('instance_network_interface'))
        self.assertEqual(1, searches.count('instance'))

    def test_nova_is_asked_for_moves_within_the_cool_down_only(self):
        asked = []

        def migrations(**query):
            asked.append(query)
            return self.records

        self.compute.migrations = migrations
        for cool_down in (60, 7200):
            before = time.time()
            self.run_it(cool_down_s=cool_down)
            since = datetime.datetime.fromisoformat(
                asked[-1]['changes_since']
            ).timestamp()
            # in whole seconds
            self.assertLess(before - 1, since + cool_down)
            self.assertLessEqual(since + cool_down, time.time())

    def test_loads_are_read_an_hour_back_or_as_long_as_they_must_hold(self):
        strategy = relief.TrafficSensitiveRelief(config(cpu_metric='c'))
        for held, history in ((600, 3600.0), (1799, 3600.0), (7200, 9000.0)):
            strategy.input_parameters.update({'held_s': held})
            settings = strategy.settings()
            self.assertEqual(history, settings.history)
        self.assertEqual('c', settings.cpu_metric)
        self.assertEqual(1800.0, settings.traffic_age)

    def test_how_many_move_and_to_where_is_the_audits(self):
        self.assertEqual([], self.run_it(destinations=['a']))
        self.assertEqual([], self.run_it(destinations=['z']))
        self.assertIn('destinations names z', self.audit.status_message)
        (action,) = self.run_it(max_per_source=3)
        self.assertEqual(3, action['max_per_source'])

    def test_a_host_that_another_plan_empties_receives_nobody(self):
        self._replace(others, 'emptied', lambda audit: {'b': 'plan-1'})
        self.assertEqual([], self.run_it())
        self.assertIn('no-destination', self.audit.status_message)


class TestNeverRaises(Base):
    def nothing(self, expected, **parameters):
        self.assertEqual([], self.run_it(**parameters))
        self.assertIn(expected, self.audit.status_message)

    def test_without_gnocchi(self):
        self.nothing(
            'none of 2 VMs is measured', given={'metrics_source': 'none'}
        )
        self.assertIn(
            'no source of measures is configured', self.audit.status_message
        )

    def test_without_novas_memory(self):
        def away(**_):
            raise auth_errors.ConnectFailure('refused')

        self.compute.migrations = away
        self.nothing('Nova: migrations')

    def test_on_thresholds_that_contradict_each_other(self):
        self.nothing('nic_relieve_to_pct', nic_relieve_to_pct=79)

    def test_with_nobody_overloaded(self):
        self.nothing('The busiest: a sends 90%', nic_threshold_pct=95)


class TestParameters(unittest.TestCase):
    def test_they_survive_watchers_round_trip_and_are_draft_4(self):
        found = relief_schema.parameters()
        self.assertEqual(found, ast.literal_eval(str(found)))
        self.assertEqual(found, json.loads(json.dumps(found)))
        jsonschema.Draft4Validator.check_schema(found)
        for name, spec in found['properties'].items():
            with self.subTest(name):
                self.assertNotIn('properties', spec)
                self.assertIn('default', spec)
                self.assertIn('default', spec['description'])

    def test_the_defaults_are_the_limits_own(self):
        given = {}
        utils.StrictDefaultValidatingDraft4Validator(
            relief_schema.parameters()
        ).validate(given)
        self.assertEqual(Limits(), relief_schema.limits(given, 1800.0))
        self.assertEqual(Limits(), relief_schema.limits({}, 1800.0))

    def test_an_error_names_the_parameter(self):
        with self.assertRaises(errors.InputError) as caught:
            relief_schema.limits({'cpu_relieve_to_pct': 89}, 1.0)
        self.assertEqual('cpu_relieve_to_pct', caught.exception.place)


class TestTexts(unittest.TestCase):
    def test_every_reason_of_a_host_has_its_sentence(self):
        members = [*Reason]
        first = members.index(Reason.NOT_HELD)
        self.assertEqual(
            {Reason.HOST_DOWN, *members[first:]}, set(relief_story.WHY)
        )

    def test_it_fits_however_much_there_is_to_say(self):
        host = 'compute-1.rack-1.a-rather-long-name.example.org'
        hosts = [f'{host}-{i}' for i in range(6)]
        vms = [
            builders.vm(f'a-rather-long-name-{i}', hosts[i % 3], tx=300)
            for i in range(9)
        ]
        crowd = builders.cloud(
            ' '.join(hosts), *vms, **{h: builders.host(h) for h in hosts}
        )
        found = test_relief.relief(crowd)
        plan = make_plan(
            crowd,
            policies.request('balanced', vms=found.vms, choices=found.choices),
        )
        text = relief_story.of_plan(plan, found, ['something odd ' * 10])
        self.assertLessEqual(len(text), 255)
        self.assertIn('sends 90% of its NIC for 15 min; ', text)
        self.assertEqual(3, len([*relief_story.lines(found)]))

    def test_names_fit_watchers_columns(self):
        strategy = relief.TrafficSensitiveRelief
        self.assertEqual('traffic_sensitive_relief', strategy.get_name())
        self.assertLessEqual(len(strategy.get_translatable_display_name()), 63)
        names = [option.name for option in strategy.get_config_opts()]
        self.assertIn('cpu_metric', names)
        self.assertEqual(len(names), len(set(names)))
