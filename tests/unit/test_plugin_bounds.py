"""What may be set, parameter by parameter and option by option.

What an operator finds in the documentation, and what Watcher refuses; all
of it as Watcher and oslo.config judge it.
"""

import dataclasses
import unittest

from oslo_config import cfg
from watcher.common import utils

from watcher_tsmig import units
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.plan.values import Placement
from watcher_tsmig.plugin.options import action_options
from watcher_tsmig.plugin.options import options
from watcher_tsmig.plugin.schema import relief_schema
from watcher_tsmig.plugin.schema import schema
from watcher_tsmig.telemetry import Settings

LONGEST = 'x' * 255
NAMES = ['', [''], ['x' * 256], [1], 'a']
YES = ([True, False], ['yes', 1])
ANY = ([0, 0.5, 1e9], [-1, 'x'])


def upto(most):
    return [0, 1, most], [-1, most + 1, 0.5, 'x']


def within(most):
    return [0, 0.5, most], [-0.1, most + 0.1, 'x']


# parameter -> default, values that are taken, values that are refused
SHARED = {
    'destinations': ([], [[], ['a', LONGEST]], NAMES),
    'max_per_source': (0, *upto(64)),
    'max_per_destination': (0, *upto(64)),
    'max_in_cluster': (0, *upto(1000)),
    'max_per_group': (0, *upto(64)),
    'post_copy_saves_percent': (0, *within(99)),
    'bandwidth_ceiling_mbit_s': (0, *ANY),
    'downtime_limit_ms': (0, *ANY),
    'deadline_s': (0, *ANY),
    'allow_post_copy': (True, *YES),
    'post_copy_assumed': (False, *YES),
    'hosts': ([], [[], ['a', LONGEST]], NAMES),
}
DRAIN = {
    **SHARED,
    'vms': ([], [[], ['a', LONGEST]], NAMES),
    'choices': ([], [[], ['a=b', LONGEST]], NAMES),
    'stop_after_failures': (0, *upto(1000)),
    'first': (0, *upto(64)),
    'reason': ('', ['', 'x' * 120], ['x' * 121, 7, None]),
    'policy': (
        'balanced',
        ['gentle', 'balanced', 'fast', 'gentlest'],
        ['', None],
    ),
    'max_throttle_percent': (0, *within(99)),
    'inactive': ('auto', ['auto', 'cold', 'leave'], ['', 'stop', True]),
    'placement': ('spread', ['spread', 'pack'], ['', 'any']),
    'finish_by': ('', ['', '12:00', 'x' * 64], ['x' * 65, 12]),
}
RELIEF = {
    **SHARED,
    'policy': ('balanced', ['gentle', 'balanced', 'fast'], ['gentlest']),
    'nic_threshold_pct': (80, *within(100)),
    'nic_relieve_to_pct': (60, *within(100)),
    'cpu_threshold_pct': (90, *within(100)),
    'cpu_relieve_to_pct': (70, *within(100)),
    'held_s': (600, *within(86400)),
    'margin_pct': (5, *within(100)),
    'cool_down_s': (3600, *within(30 * 86400)),
    'max_vms': (8, [1, 1000], [0, 1001, 1.5, 'x']),
}
SCHEMAS = ((schema.parameters, DRAIN), (relief_schema.parameters, RELIEF))


class TestParameters(unittest.TestCase):
    def test_every_parameter_takes_what_is_in_its_bounds_and_no_more(self):
        for made, table in SCHEMAS:
            found = made()
            self.assertEqual(set(table), set(found['properties']))
            for name, (default, right, wrong) in table.items():
                spec = found['properties'][name]
                self.assertEqual(default, spec['default'], name)
                validator = utils.StrictDefaultValidatingDraft4Validator(spec)
                for value in (default, *right):
                    self.assertTrue(validator.is_valid(value), (name, value))
                for value in wrong:
                    self.assertFalse(validator.is_valid(value), (name, value))

    def test_the_order_of_parameters_is_stable(self):
        # Watcher compares the schema's text, and cancels all audits of the
        # strategy where it has changed
        self.assertEqual(
            'hosts vms choices destinations policy max_per_source '
            'max_per_destination max_in_cluster stop_after_failures '
            'first reason max_per_group post_copy_saves_percent '
            'bandwidth_ceiling_mbit_s downtime_limit_ms allow_post_copy '
            'post_copy_assumed max_throttle_percent inactive placement '
            'deadline_s finish_by',
            ' '.join(schema.parameters()['properties']),
        )
        self.assertEqual(
            'hosts destinations nic_threshold_pct nic_relieve_to_pct '
            'cpu_threshold_pct cpu_relieve_to_pct held_s margin_pct '
            'cool_down_s max_vms policy max_per_source max_per_destination '
            'max_in_cluster bandwidth_ceiling_mbit_s downtime_limit_ms '
            'allow_post_copy post_copy_assumed max_per_group '
            'post_copy_saves_percent deadline_s',
            ' '.join(relief_schema.parameters()['properties']),
        )

    def test_what_watchers_validator_adds_is_not_in_the_next_audit(self):
        for made, _ in SCHEMAS:
            made()['properties']['hosts']['default'].append('a')
            self.assertEqual([], made()['properties']['hosts']['default'])

    def test_each_number_gets_to_the_planner_in_its_unit(self):
        self.assertEqual(
            {
                'max_per_source': 2,
                'max_per_destination': 3,
                'max_in_cluster': 4,
                'max_per_group': 5,
                'post_copy_saves': 0.06,
                'ceiling': units.from_mbit_s(7),
                'downtime_limit': 0.008,
                'deadline': 9,
                'allow_post_copy': False,
                'post_copy_assumed': True,
                'max_throttle': 0.4,
                'destinations': ('a',),
                'placement': Placement.PACK,
                'assume_nic': 1e9,
            },
            schema.values(
                {
                    'max_per_source': 2,
                    'max_per_destination': 3,
                    'max_in_cluster': 4,
                    'max_per_group': 5,
                    'post_copy_saves_percent': 6,
                    'bandwidth_ceiling_mbit_s': 7,
                    'downtime_limit_ms': 8,
                    'deadline_s': 9,
                    'allow_post_copy': False,
                    'post_copy_assumed': True,
                    'max_throttle_percent': 40,
                    'destinations': ['a'],
                    'placement': 'pack',
                },
                {'assume_nic': 1e9},
            ),
        )

    def test_what_is_at_its_default_sets_nothing(self):
        given = {name: default for name, (default, *_) in DRAIN.items()}
        wanted = {'destinations': (), 'placement': Placement.SPREAD}
        # as an audit that was made before they were there
        cleared = {**dict.fromkeys(given), 'allow_post_copy': True}
        for one in (given, {}, cleared):
            self.assertEqual(wanted, schema.values(one, {}))

    def test_each_limit_of_a_relief_is_a_share_or_a_time(self):
        found = relief_schema.limits(
            {
                'nic_threshold_pct': 70,
                'nic_relieve_to_pct': 50,
                'cpu_threshold_pct': 60,
                'cpu_relieve_to_pct': 40,
                'held_s': 300,
                'margin_pct': 10,
                'cool_down_s': 60,
                'max_vms': 2,
            },
            900.0,
        )
        self.assertEqual(
            {
                'nic_high': 0.7, 'nic_low': 0.5, 'cpu_high': 0.6,
                'cpu_low': 0.4, 'held': 300, 'fresh': 900.0, 'margin': 0.1,
                'cool_down': 60, 'max_vms': 2,
            },
            dataclasses.asdict(found),
        )  # fmt: skip


# option -> default, least, most; None: no bound
STRATEGY = {
    'assume_max_outgoing': (1, 1, 1000),
    'assume_nic_mbit_s': (1000.0, 1.0, None),
    'assume_traffic_mbit_s': (100.0, 0.0, None),
    'assume_dirty_rate_mib_s': (48.0, 0.0, None),
    'cap_driver': ('agent', None, None),
    'agent_timeout': (5.0, 0.5, 60.0),
    'metrics_source': ('gnocchi', None, None),
    'metrics_place': ('', None, None),
    'prometheus_metric': ('ceilometer_{metric}', None, None),
    'prometheus_label': ('resource', None, None),
    'traffic_granularity': (300.0, 1.0, None),
    'traffic_window': (21600.0, 1.0, None),
    'burst_window': (86400.0, 0.0, None),
    'migration_devices': ([], None, None),
    'tenant_devices': ([], None, None),
    'host_metric': ('node_network_{metric}', None, None),
    'host_label': ('instance', None, None),
    'traffic_max_age': (1800.0, 1.0, None),
    'dirty_spans': ([1, 2, 4, 8, 16, 32, 60], None, None),
    'dirty_max_age': (86400.0, 1.0, None),
    'sampled_vms': (16, 0, 1000),
    'keep_zone': (True, None, None),
    'gnocchi_batch': (200, 1, 1000),
    'metrics_time': (60.0, 1.0, None),
    'request_timeout': (30.0, 1.0, 600.0),
    'post_copy_loss': (1e-4, 0.0, 1.0),
    'restore_hours': (4.0, 0.0, 8760.0),
    'failure_price': (600.0, 0.0, None),
    'deadline_factor': (3.0, 1.0, 100.0),
    'deadline_slack': (120.0, 1.0, None),
    'cpu_metric': ('cpu', None, None),
}
ACTION = {
    'cap_driver': ('agent', None, None),
    'agent_timeout': (5.0, 0.5, 60.0),
    'governor': ('observe', None, None),
    'governor_abort': (False, None, None),
    'cap_life': (120.0, 20.0, 86400.0),
    'balloon_keep_mib': (256, 16, None),
    'compute_driver': ('openstacksdk', None, None),
    'poll_interval': (1.0, 0.01, 2.0),
    'record_timeout': (60.0, 1.0, None),
    'queue_timeout': (3600.0, 1.0, None),
    'force_complete_interval': (3.0, 0.01, None),
    'force_complete_tries': (20, 1, None),
    'abort_timeout': (60.0, 1.0, None),
    'settle_timeout': (60.0, 1.0, None),
    'quiet_time': (15.0, 1.0, None),
    'outage_timeout': (300.0, 1.0, None),
    'service_patience': (120.0, 0.0, 3600.0),
    'start_patience': (120.0, 0.0, 3600.0),
    'reset_state': (False, None, None),
    'nova_requests': (15, 8, None),
    'http_tries': (3, 1, 20),
    'request_timeout': (30.0, 1.0, 600.0),
    'coordinator': ('', None, None),
}
VERIFY = {'patience': (600.0, 0.0, 86400.0)}
# that name what is read, or a file
OTHERS = {
    'calibration_file', 'tx_metric', 'rx_metric', 'interface_resource_type',
    'dirty_metric', 'nonzero_metric', 'resident_metric',
}  # fmt: skip
GROUPS = (
    ('relief', options.RELIEF, STRATEGY),
    ('action', action_options.ACTION, ACTION),
    ('verify', action_options.VERIFY, VERIFY),
)


class Configured(unittest.TestCase):
    def setUp(self):
        self.conf = cfg.ConfigOpts()
        self.conf.register_opt(cfg.StrOpt('state_path', default='/srv'))
        for group, declared, _ in GROUPS:
            self.conf.register_opts(declared, group)
        self.conf([], default_config_files=[], default_config_dirs=[])

    def put(self, group, name, value):
        self.conf.set_override(name, value, group)


class TestOptions(Configured):
    def test_every_option_has_the_default_that_is_documented(self):
        for group, declared, table in GROUPS:
            names = {option.name for option in declared}
            self.assertEqual(set(table), names - OTHERS)
            for name, (default, *_) in table.items():
                self.assertEqual(default, self.conf[group][name], name)

    def test_every_option_takes_its_bounds_and_nothing_beyond(self):
        for group, _, table in GROUPS:
            for name, (_, least, most) in table.items():
                for bound, beyond in ((least, -1), (most, 1)):
                    if bound is None:
                        continue
                    self.put(group, name, bound)
                    step = beyond * (0.005 if bound else 0.1)
                    if isinstance(bound, int):
                        step = beyond
                    with self.assertRaises(ValueError, msg=name):
                        self.put(group, name, bound + step)

    def test_what_has_no_bound_may_be_large(self):
        for group, _, table in GROUPS:
            for name, (default, least, most) in table.items():
                if least is not None and most is None:
                    self.put(group, name, type(default)(1e6))

    def test_choices_and_items_have_bounds_too(self):
        for value in ('off', 'observe', 'act'):
            self.put('action', 'governor', value)
        with self.assertRaises(ValueError):
            self.put('action', 'governor', 'think')
        self.put('relief', 'dirty_spans', [1, 60])
        for value in (0, 61):
            with self.assertRaises(ValueError):
                self.put('relief', 'dirty_spans', [value])

    def test_a_coordinators_password_is_not_logged(self):
        secret = [o.name for _, d, _ in GROUPS for o in d if o.secret]
        self.assertEqual(['coordinator'], secret)


class TestMeaning(Configured):
    def test_the_defaults_are_those_of_telemetry_and_execution(self):
        self.assertEqual(Settings(), options.settings(self.conf.relief))
        made = action_options.pace(self.conf.action)
        self.assertEqual(
            dataclasses.replace(Pace(), http_wait=0.5, abort_late=True), made
        )

    def test_each_option_of_telemetry_gets_there(self):
        given = {
            'tx_metric': 'tx', 'rx_metric': 'rx',
            'interface_resource_type': 'nic', 'traffic_granularity': 60.0,
            'traffic_window': 120.0, 'burst_window': 240.0,
            'traffic_max_age': 240.0, 'dirty_metric': 'd{seconds}',
            'nonzero_metric': 'z', 'resident_metric': 'r',
            'dirty_spans': [1, 2],
            'dirty_max_age': 10.0, 'gnocchi_batch': 7, 'metrics_time': 8.0,
            'keep_zone': False, 'prometheus_metric': 'p_{metric}',
            'prometheus_label': 'l', 'migration_devices': ['a', 'b+c'],
            'tenant_devices': ['d'], 'host_metric': 'h_{metric}',
            'host_label': 'm',
        }  # fmt: skip
        for name, value in given.items():
            self.put('relief', name, value)
        self.assertEqual(
            Settings(
                tx_metric='tx', rx_metric='rx', interface_type='nic',
                granularity=60.0, window=120.0, burst_window=240.0,
                traffic_age=240.0, dirty_metric='d{seconds}',
                prometheus_metric='p_{metric}', prometheus_label='l',
                migration_devices=('a', 'b+c'), tenant_devices=('d',),
                host_metric='h_{metric}', host_label='m',
                nonzero_metric='z', resident_metric='r', dirty_spans=(1, 2),
                dirty_age=10.0,
                batch=7, total_time=8.0, keep_zone=False,
            ),
            options.settings(self.conf.relief),
        )  # fmt: skip

    def test_assumptions_are_told_to_the_planner_in_bytes(self):
        for name, value in (
            ('assume_max_outgoing', 2),
            ('assume_nic_mbit_s', 8.0),
            ('assume_traffic_mbit_s', 16.0),
            ('assume_dirty_rate_mib_s', 3.0),
        ):
            self.put('relief', name, value)
        self.assertEqual(
            {
                'assume_outgoing': 2.0,
                'assume_nic': 1e6,
                'assume_traffic': 2e6,
                'assume_dirty_rate': 3 * units.MIB,
            },
            options.assumptions(self.conf.relief),
        )

    def test_each_option_of_an_execution_gets_there(self):
        for number, name in enumerate(
            (
                'record_timeout', 'queue_timeout', 'force_complete_interval',
                'force_complete_tries', 'abort_timeout', 'settle_timeout',
                'quiet_time', 'outage_timeout', 'http_tries', 'nova_requests',
                'service_patience', 'start_patience',
            ),
            2,
        ):  # fmt: skip
            self.put('action', name, number)
        self.put('action', 'poll_interval', 0.2)
        self.put('action', 'cap_life', 40.0)
        self.put('action', 'balloon_keep_mib', 64)
        self.put('action', 'reset_state', True)
        self.assertEqual(
            dataclasses.replace(
                Pace(), resets=True,
                poll=0.2, appear=2.0, queue=3.0, switch_again=4.0,
                switch_tries=5, stop=6.0, settle=7.0, quiet=8.0, outage=9.0,
                http_tries=10, requests=11, ill=12.0, present=13.0,
                cap_life=40.0,
                balloon_keep=64 * units.MIB, http_wait=0.2, abort_late=True,
            ),
            action_options.pace(self.conf.action),
        )  # fmt: skip

    def test_a_late_pre_copy_is_left_running_only_where_somebody_governs(
        self,
    ):
        for governor, abort, late in (
            ('off', False, True),
            ('observe', False, True),
            ('observe', True, True),
            ('act', False, False),
            ('act', True, True),
        ):
            self.put('action', 'governor', governor)
            self.put('action', 'governor_abort', abort)
            made = action_options.pace(self.conf.action)
            self.assertIs(late, made.abort_late, (governor, abort))
            policy = action_options.policy(self.conf.action)
            self.assertEqual((Does(governor), abort), (
                policy.does, policy.abort
            ))  # fmt: skip
