"""What the last look of a drain takes from the plan's other actions."""

from watcher import objects
from watcher.common import utils

from tests.unit import test_plugin_planner as planned
from watcher_tsmig import errors
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plugin import verify
from watcher_tsmig.plugin.actions import acting
from watcher_tsmig.plugin.schema import parameters
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
        with self.assertLogs('watcher_tsmig.plugin.actions.acting', 'ERROR'):
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


class TestTold(planned.Base):
    def test_what_came_of_an_action_and_its_plan_is_told_without_an_error(
        self,
    ):
        plan = self.schedule([planned.migrate(1)], {})
        (action,) = self.rows(plan).values()
        with self.assertNoLogs('watcher_tsmig.plugin.actions.acting', 'ERROR'):
            acting.tell({'action_uuid': action.uuid}, 'arrived')
            acting.remark(plan.uuid, 'is empty')
        (action,) = self.rows(plan).values()
        self.assertEqual('arrived', action.status_message)


class TestStop(planned.Base):
    def given(self, most, *states):
        plan = self.schedule(
            [planned.migrate(i + 1) for i in range(len(states))], {}
        )
        for state, found in zip(states, self.rows(plan).values(), strict=True):
            row = objects.Action.get_by_uuid(
                self.context, found.uuid, eager=True
            )
            row.state = state
            row.save()
        return {'stop_after_failures': most, 'action_plan_uuid': plan.uuid}

    def test_a_plan_stops_after_so_many_failures_and_not_before(self):
        for most, states, stops in (
            (2, ('FAILED', 'FAILED', 'PENDING'), True),
            (2, ('FAILED', 'SUCCEEDED', 'SKIPPED'), False),
            (1, ('FAILED', 'ONGOING'), True),
            (0, ('FAILED', 'FAILED'), False),
        ):
            given = self.given(most, *states)
            said = acting.stopped(given, verify.MIGRATE)
            self.assertEqual(stops, bool(said), (most, states))
            if stops:
                self.assertIn(f'to stop after {most}', said)

    def test_the_last_look_then_moves_nobody(self):
        look = verify.TrafficSensitiveVerify(utils.Struct({}), osc=object())
        look.input_parameters = self.given(1, 'FAILED')
        late = Resident(vm='x', name='x', vm_state='active', task=None)
        with self.assertRaisesRegex(errors.MigrationError, 'not tried: 1 mig'):
            look._move(None, {}, 'cmp-1', lambda: False, late, 'cmp-2')
