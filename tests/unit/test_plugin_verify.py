"""What the last look of a drain takes from the plan's other actions."""

from watcher import objects

from tests.unit import test_plugin_planner as planned
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plugin import parameters
from watcher_tsmig.plugin import verify
from watcher_tsmig.units import GIB

setUpModule = planned.setUpModule
VM = planned.VM


class TestTheOthers(planned.Base):
    def planned(self, *actions, host='cmp-1'):
        plan = self.schedule(list(actions), {})
        return verify.planned(plan.uuid, host)

    def test_it_knows_where_the_plan_wanted_each_vm_of_its_host(self):
        moves, skipped = self.planned(
            planned.migrate(1, alternatives='cmp-3, cmp-4'),
            planned.migrate(2, source_node='cmp-9'),
        )
        self.assertEqual({VM.format(1)}, set(moves))
        self.assertEqual([], skipped)
        errand = parameters.to_errand(
            {
                'resource_id': 'cmp-1',
                'planned': [VM.format(1), VM.format(3)],
                'stays': {},
                'destinations': ['cmp-7'],
            },
            moves,
            60.0,
        )
        self.assertEqual(
            {VM.format(1): ('cmp-2', 'cmp-3', 'cmp-4'), VM.format(3): ()},
            errand.planned,
        )

    def test_a_migration_that_somebody_took_out_is_not_tried_again(self):
        plan = self.schedule([planned.migrate(1)], {})
        (found,) = self.rows(plan).values()
        row = objects.Action.get_by_uuid(self.context, found.uuid, eager=True)
        row.state = 'SKIPPED'
        row.save()
        moves, skipped = verify.planned(plan.uuid, 'cmp-1')
        given = {
            'resource_id': 'cmp-1',
            'planned': [VM.format(1)],
            'stays': {},
            'destinations': [],
        }
        errand = parameters.to_errand(given, moves, 60.0, skipped)
        self.assertEqual({VM.format(1): 'skipped'}, errand.stays)

    def test_where_the_plan_is_unknown_nothing_of_it_is(self):
        self.assertEqual(({}, []), verify.planned('', 'cmp-1'))
        with self.assertLogs('watcher_tsmig.plugin.acting', 'ERROR'):
            found = verify.planned(VM.format(9), 'cmp-1')
        self.assertEqual(({}, []), found)

    def test_one_that_was_to_go_through_a_third_host_goes_to_its_end(self):
        moves, _ = self.planned(planned.migrate(1, goes_on_to='cmp-5'))
        given = {
            'resource_id': 'cmp-1',
            'planned': [VM.format(1)],
            'stays': {},
            'destinations': [],
        }
        errand = parameters.to_errand(given, moves, 60.0)
        self.assertEqual({VM.format(1): ('cmp-5',)}, errand.planned)

    def test_another_try_is_in_the_planned_mode_to_its_own_end(self):
        given = {
            **planned.migrate(1, mode='post-copy')['input_parameters'],
            'hop': 1,
            'goes_on_to': 'cmp-5',
        }
        order = parameters.to_order(
            verify.again(given, 'cmp-3'), permitted=True
        )
        self.assertEqual(('cmp-1', 'cmp-3'), (order.source, order.destination))
        self.assertEqual((Mode.POST_COPY, 300.0), (order.mode, order.deadline))
        self.assertFalse(order.arrived('cmp-5'))

    def test_a_late_one_has_time_for_its_memory(self):
        late = Resident(
            vm='x', name='x', vm_state='active', task=None, memory=8 * GIB
        )
        order = verify.late(late, 'cmp-1', 'cmp-2')
        self.assertEqual((Mode.PRE_COPY, 480.0), (order.mode, order.deadline))
