"""The action that looks whether a host is empty, with Nova of another test."""

import functools
import types

from watcher.common import utils

from tests.unit.test_execute_migration import PRE_COPY
from tests.unit.test_plugin_action_tells import Told
from watcher_tsmig import errors
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute.starting.admission import Limits
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plugin import verify
from watcher_tsmig.plugin.actions import acting
from watcher_tsmig.plugin.options import action_options

HOST = 'cmp-1'
GIVEN = {
    'resource_id': HOST,
    'resource_name': HOST,
    'planned': [],
    'stays': {},
    'destinations': ['cmp-2'],
    'action_uuid': 'a-1',
    'action_plan_uuid': 'p-1',
}


class TestLastLook(Told):
    def setUp(self):
        super().setUp()
        self.orders = []
        self.replace(verify, 'WallClock', lambda: self.clock)
        self.replace(verify, 'carry_out', self.carry_out)
        self.nova.migrations = self.migrations(self.nova.migrations)
        self.nova.servers = self.servers
        self.nova.server.name = 'late'
        self.memory = 8 * 1024

    def migrations(self, real):
        return lambda **query: [] if 'host' in query else real()

    def servers(self, **query):
        server = self.nova.get_server('vm-1')
        if server.compute_host != HOST:
            return []
        server.flavor = types.SimpleNamespace(ram=self.memory)
        server.status = 'ACTIVE'
        return [server]

    def carry_out(self, driver, order, **how):
        self.orders.append((order, how))
        return functools.partial(carry_out, clock=self.clock)(
            driver, order, **how
        )

    def look(self, **values):
        made = verify.TrafficSensitiveVerify(
            utils.Struct({o.name: o.default for o in action_options.VERIFY}),
            osc=object(),
        )
        made.input_parameters = {**GIVEN, **values}
        self.assertTrue(made.validate_parameters())
        options = {o.name: o.default for o in action_options.ACTION}
        options['cap_driver'] = 'none'
        kind = type(made)
        self.replace(
            kind, '_migrations', property(lambda _: utils.Struct(options))
        )
        return made

    def test_an_empty_host_is_told_with_the_action_and_the_plan(self):
        self.nova.server.compute_host = 'cmp-9'
        self.assertIs(True, self.look().execute())
        self.assertEqual('cmp-1 is empty.', self.actions.saved['a-1'])
        self.assertEqual('cmp-1 is empty.', self.plans.saved['p-1'])

    def test_who_was_to_stay_is_told_and_no_failure(self):
        self.assertIs(True, self.look(stays={'vm-1': 'locked'}).execute())
        self.assertIn('late (locked)', self.actions.saved['a-1'])
        self.assertEqual([], self.orders)

    def test_who_has_not_left_fails_it_and_is_told_with_the_plan(self):
        text = self.refused(
            self.look(planned=['vm-1'], destinations=[]).execute
        )
        self.assertIn('cmp-1 is not empty, 1 VM: late (has not left).', text)
        self.assertIn('late (has not left)', self.plans.saved['p-1'])
        self.assertEqual({}, self.actions.saved)

    def test_who_came_late_is_pre_copied_in_a_time_for_its_memory(self):
        for memory, deadline in ((8 * 1024, 480.0), (512, 120.0)):
            self.memory = memory
            self.nova.server.compute_host = HOST
            self.nova.began = None
            self.orders.clear()
            with self.assertLogs(verify.LOG.logger, 'WARNING') as logs:
                self.assertIs(True, self.look().execute())
            self.assertIn('late goes to cmp-2', logs.output[0])
            ((order, _),) = self.orders
            self.assertEqual(deadline, order.deadline)
            self.assertIs(Mode.PRE_COPY, order.mode)
            self.assertEqual(
                ('vm-1', 'late', HOST, 'cmp-2'),
                (order.vm, order.name, order.source, order.destination),
            )
            self.assertIn(
                'came late and moved: late to cmp-2',
                self.actions.saved['a-1'],
            )

    def test_a_cancelled_plan_ends_it_and_moves_nobody(self):
        self.plans.state = 'CANCELLING'
        self.assertIn('late', self.refused(self.look().execute))
        self.assertEqual([], self.orders)

    def test_a_nova_that_is_away_makes_it_unknown(self):
        def away(**query):
            raise errors.CloudError('Nova is away')

        self.nova.servers = away
        text = self.refused(self.look().execute)
        self.assertIn('whether cmp-1 is empty is unknown', text)
        self.assertIn('away', text)

    def test_whatever_goes_wrong_reaches_the_operator(self):
        def broken(**query):
            raise ZeroDivisionError('x' * 500)

        self.nova.servers = broken
        with self.assertLogs(acting.LOG.logger, 'ERROR'):
            text = self.refused(self.look().execute)
        self.assertIn('cmp-1: ZeroDivisionError', text)

    def test_a_late_vm_keeps_the_limits_of_the_plan(self):
        given = {'source_node': HOST, 'resource_id': 'vm-9',
                 'destination_node': 'cmp-2', 'max_in_cluster': 3}  # fmt: skip
        self.replace(verify, 'planned', lambda plan, host: ({}, []))
        self.look().execute()
        self.assertFalse(self.orders[-1][1]['limits'])
        self.nova.server.compute_host, self.nova.began = HOST, None
        self.nova.story = list(PRE_COPY)
        self.replace(
            verify, 'planned', lambda plan, host: ({'vm-9': given}, [])
        )
        look = self.look()
        look.execute()
        order, how = self.orders[-1]
        self.assertEqual('vm-1', order.vm)
        self.assertEqual(Limits(in_cluster=3), how['limits'])
        self.assertEqual(look.config.patience, how['pace'].queue)

    def test_around_it_nothing_is_done(self):
        look = self.look()
        self.assertIsNone(look.pre_condition())
        self.assertIsNone(look.post_condition())
        self.assertIs(True, look.revert())
        self.assertIs(True, look.abort())
        self.assertIs(False, look.check_abort())
        self.assertEqual([], self.nova.calls)
        self.assertLessEqual(len(look.get_description()), 255)
