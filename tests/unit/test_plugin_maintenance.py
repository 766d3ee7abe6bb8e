"""Host_maintenance by another strategy: its parameters, our moves."""

import jsonschema
from watcher.decision_engine.strategy.strategies import host_maintenance

from tests.unit import test_plugin_drain
from tests.unit import test_telemetry_inventory as cloud
from watcher_tsmig.plugin import maintenance


class TestMaintenance(test_plugin_drain.Base):
    kind = maintenance.TrafficSensitiveMaintenance

    def moves(self, **parameters):
        found = self.run_it(maintenance_node='a', **parameters)
        self.found = found
        return {
            given['resource_name']: (kind, given['destination_node'])
            for kind, given in (
                (action['action_type'], action['input_parameters'])
                for action in found.solution.actions
            )
            if 'destination_node' in given
        }

    def test_it_has_the_goal_and_the_parameters_of_host_maintenance(self):
        stock = host_maintenance.HostMaintenance
        mine, theirs = self.kind.get_schema(), stock.get_schema()
        self.assertEqual(stock.get_goal_name(), self.kind.get_goal_name())
        self.assertEqual(theirs['required'], mine['required'])
        self.assertLessEqual(
            set(theirs['properties']), set(mine['properties'])
        )

    def test_a_host_is_emptied_live_and_cold(self):
        self.compute._servers[0].vm_state = 'stopped'
        self.assertEqual(
            {
                'one': ('migrate', 'b'),
                'two': ('traffic_sensitive_migrate', 'b'),
            },
            self.moves(),
        )
        self.assertEqual('disabled', self.state())
        self.assertEqual([], self.found.solution.efficacy_indicators)

    def state(self):
        first = self.found.solution.actions[0]
        return first['input_parameters']['state']

    def test_stopped_vms_stay_where_cold_migration_is_disabled(self):
        self.compute._servers[0].vm_state = 'stopped'
        found = self.moves(disable_cold_migration=True)
        self.assertEqual({'two'}, set(found))

    def test_active_ones_move_cold_where_live_migration_is_disabled(self):
        found = self.moves(disable_live_migration=True)
        self.assertEqual(
            {'one': ('migrate', 'b'), 'two': ('migrate', 'b')}, found
        )

    def test_nothing_moves_and_nobody_is_stopped_where_both_are(self):
        found = self.moves(
            disable_live_migration=True, disable_cold_migration=True
        )
        self.assertEqual({}, found)
        self.assertEqual([], self.kinds(self.found))
        self.assertIn('2 stay', self.audit.status_message)

    def test_all_go_to_the_backup_node_if_it_has_room_else_anywhere(self):
        nodes = [cloud.node(n) for n in 'abc']
        self.compute._services.append(
            cloud.thing(
                host='c', binary='nova-compute', status='enabled', state='up'
            )
        )
        for memory, wanted in ((None, {'b'}), (256.0, {'c'})):
            if memory is not None:
                nodes[1].memory_mb_capacity = memory
            self.model = cloud.SmallModel(
                nodes, [cloud.instance('one'), cloud.instance('two')]
            )
            found = self.moves(backup_node='b')
            self.assertEqual(wanted, {to for _, to in found.values()})
            self.assertEqual({'one', 'two'}, set(found))

    def test_some_parameters_of_a_drain_may_be_given_too(self):
        self.moves(
            policy='gentle', deadline_s=5000, allow_post_copy=False,
            # not one of them
            max_per_source=7,
        )  # fmt: skip
        request = self.found.plan.request
        self.assertEqual(5000, request.deadline)
        self.assertFalse(request.allow_post_copy)
        self.assertEqual(1, request.max_per_source)
        self.moves(finish_by='soon')
        self.assertIn("finish_by: 'soon'", self.audit.status_message)

    def test_they_are_told_apart_from_what_is_none(self):
        for given, right in (
            ({}, True),
            ({'maintenance_node': ''}, False),
            ({'maintenance_node': 'x' * 255}, True),
            ({'maintenance_node': 'x' * 256}, False),
            ({'maintenance_node': None}, False),
            ({'backup_node': None}, True),
            ({'backup_node': ''}, True),
            ({'backup_node': 'x' * 255}, True),
            ({'backup_node': 'x' * 256}, False),
            ({'backup_node': 7}, False),
            ({'disable_live_migration': 'no'}, False),
            ({'disable_cold_migration': 1}, False),
            ({'policy': 'reckless'}, False),
        ):
            given = {'maintenance_node': 'a', **given}
            validator = jsonschema.Draft4Validator(self.kind.get_schema())
            self.assertIs(right, validator.is_valid(given), given)
        found = self.kind.get_schema()['properties']
        self.assertEqual(
            ['', False, False],
            [
                found[name]['default']
                for name in (
                    'backup_node', 'disable_live_migration',
                    'disable_cold_migration',
                )
            ],
        )  # fmt: skip

    def test_where_live_migration_is_disabled_others_still_stand_still(self):
        # a VM on the other host is nobody's to stop
        self.model.nodes[1].memory_mb_capacity = 4096.0
        self.compute._servers.append(cloud.server('other', host='b'))
        self.model.instances.append(cloud.instance('other', memory=1))
        self.assertEqual(
            {'one', 'two'}, set(self.moves(disable_live_migration=True))
        )

    def test_a_suspended_vm_stays_whatever_is_disabled(self):
        self.compute._servers[0].vm_state = 'suspended'
        found = self.moves(disable_live_migration=True)
        self.assertEqual({'two'}, set(found))
        self.assertIn('one (suspended)', self.audit.status_message)

    def test_its_names_fit_watchers_columns(self):
        self.assertEqual('traffic_sensitive_maintenance', self.kind.get_name())
        for name in (
            self.kind.get_display_name(),
            self.kind.get_translatable_display_name(),
        ):
            self.assertEqual('Traffic-sensitive maintenance', name)
