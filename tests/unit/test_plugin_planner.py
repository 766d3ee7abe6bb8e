"""The planner on Watcher's real objects and a database of its own."""

import atexit
import pathlib
import sys
import tempfile
import types
import unittest
import unittest.mock

from oslo_config import cfg
from watcher import objects
from watcher.common import context
from watcher.common import rpc
from watcher.common import utils
from watcher.db import migration
from watcher.decision_engine.solution import efficacy as solution_efficacy

from watcher_tsmig.plugin import planner
from watcher_tsmig.plugin.efficacy import TABLE

CONF = cfg.CONF
VM = '11111111-1111-4111-8111-11111111111{}'


def migrate(number, **values):
    return {
        'action_type': 'traffic_sensitive_migrate',
        'input_parameters': {
            'resource_id': VM.format(number),
            'resource_name': f'vm-{number}',
            'source_node': 'cmp-1',
            'destination_node': 'cmp-2',
            'mode': 'pre-copy',
            'deadline_s': 300.0,
            **values,
        },
    }


def nop(message='hello'):
    return {
        'action_type': 'nop',
        'input_parameters': {'message': message},
    }


# One for the process, because Watcher keeps its connection.
FOLDER = tempfile.TemporaryDirectory()
atexit.register(FOLDER.cleanup)


def setUpModule():
    objects.register_all()
    base = pathlib.Path(FOLDER.name)
    config = base / 'watcher.conf'
    config.write_text(
        '[DEFAULT]\ntransport_url = fake://\n'
        f'[database]\nconnection = sqlite:///{base / "watcher.db"}\n'
    )
    # Up to 16 Watcher parses the command line again with every plug-in.
    arguments = unittest.mock.patch.object(sys, 'argv', ['watcher'])
    arguments.start()
    unittest.addModuleCleanup(arguments.stop)
    CONF([], project='watcher', default_config_files=[str(config)])
    unittest.addModuleCleanup(CONF.reset)
    rpc.init(CONF)
    unittest.addModuleCleanup(rpc.cleanup)
    if not (base / 'watcher.db').exists():
        migration.create_schema()


class Base(unittest.TestCase):
    told = None
    failed = False

    def setUp(self):
        self.context = context.make_context()
        goal = objects.Goal(
            self.context,
            uuid=utils.generate_uuid(),
            name=utils.generate_uuid(),
            display_name='goal',
            efficacy_specification=[],
        )
        goal.create()
        self.strategy = objects.Strategy(
            self.context,
            uuid=utils.generate_uuid(),
            name=utils.generate_uuid(),
            display_name='strategy',
            goal_id=goal.id,
            parameters_spec={},
        )
        self.strategy.create()
        self.audit = objects.Audit(
            self.context,
            uuid=utils.generate_uuid(),
            name=utils.generate_uuid(),
            audit_type='ONESHOT',
            state='ONGOING',
            goal_id=goal.id,
            strategy_id=self.strategy.id,
            parameters={},
            interval='0',
            scope=[],
            auto_trigger=False,
            force=False,
        )
        self.audit.create()

    def solution(self, actions, after=None):
        strategy = types.SimpleNamespace(
            name=self.strategy.name, told=self.told, failed=self.failed
        )
        if after is not None:
            strategy.after = after
        row = TABLE[0]
        return types.SimpleNamespace(
            strategy=strategy,
            actions=actions,
            global_efficacy=[],
            efficacy_indicators=[
                solution_efficacy.Indicator(
                    name=row.name,
                    description=row.description,
                    unit=row.unit,
                    value=2,
                )
            ],
        )

    def schedule(self, actions, after=None):
        return planner.TsmigPlanner(None).schedule(
            self.context, self.audit.id, self.solution(actions, after)
        )

    def plans(self):
        return objects.ActionPlan.list(
            self.context, filters={'audit_uuid': self.audit.uuid}
        )

    def rows(self, plan):
        found = objects.Action.list(
            self.context, filters={'action_plan_uuid': plan.uuid}
        )
        return {
            row.input_parameters.get(
                'resource_name', row.input_parameters.get('message')
            ): row
            for row in found
        }

    def refused(self, actions, after=None):
        with self.assertRaises(planner.PlanRefused) as caught:
            self.schedule(actions, after)
        self.assertEqual([], self.plans())
        audit = objects.Audit.get_by_id(self.context, self.audit.id)
        if 'status_message' in audit.fields:  # since Watcher 15
            self.assertIn('Nothing planned', audit.status_message)
        return str(caught.exception)


class TestPlanner(Base):
    def test_chains_of_the_strategy_become_parents(self):
        plan = self.schedule(
            [migrate(1), migrate(2), migrate(3)],
            {VM.format(2): (VM.format(1),), VM.format(3): (VM.format(2),)},
        )
        (kept,) = self.plans()
        self.assertEqual('RECOMMENDED', kept.state)
        self.assertIsNone(getattr(kept, 'status_message', None))
        rows = self.rows(plan)
        self.assertEqual([], rows['vm-1'].parents)
        self.assertEqual([rows['vm-1'].uuid], rows['vm-2'].parents)
        self.assertEqual([rows['vm-2'].uuid], rows['vm-3'].parents)

    def test_both_migrations_of_one_vm_have_their_own_place(self):
        first = VM.format(1)
        plan = self.schedule(
            [
                migrate(1, destination_node='cmp-3', goes_on_to='cmp-2'),
                migrate(2, source_node='cmp-2', destination_node='cmp-1'),
                migrate(1, source_node='cmp-3', hop=2, resource_name='last'),
            ],
            {
                VM.format(2): (first,),
                f'{first}#2': (first, VM.format(2)),
            },
        )
        rows = self.rows(plan)
        self.assertEqual([], rows['vm-1'].parents)
        self.assertEqual([rows['vm-1'].uuid], rows['vm-2'].parents)
        self.assertCountEqual(
            [rows['vm-1'].uuid, rows['vm-2'].uuid], rows['last'].parents
        )

    def test_our_action_learns_which_plan_it_belongs_to(self):
        given = migrate(1)
        plan = self.schedule([given], {})
        row = self.rows(plan)['vm-1']
        self.assertEqual(plan.uuid, row.input_parameters['action_plan_uuid'])
        self.assertEqual(row.uuid, row.input_parameters['action_uuid'])
        self.assertNotIn('action_uuid', given['input_parameters'])

    def test_our_action_tells_its_vm(self):
        plan = self.schedule([migrate(1)], {})
        row = self.rows(plan)['vm-1']
        if 'status_message' in objects.Action.fields:
            self.assertEqual(
                'vm-1 leaves cmp-1 for cmp-2 by pre-copy', row.status_message
            )

    def test_efficacy_indicators_are_kept(self):
        plan = self.schedule([migrate(1)], {})
        found = objects.EfficacyIndicator.list(
            self.context, filters={'action_plan_uuid': plan.uuid}
        )
        self.assertEqual(['migrations'], [row.name for row in found])

    def test_an_empty_solution_makes_a_plan_that_has_succeeded(self):
        self.schedule([], {})
        self.assertEqual(['SUCCEEDED'], [p.state for p in self.plans()])

    def test_a_plan_tells_what_the_audit_tells(self):
        self.told = 'Two VMs leave cmp-1.'
        self.schedule([migrate(1)], {})
        if 'status_message' in objects.ActionPlan.fields:
            (plan,) = self.plans()
            self.assertEqual(self.told, plan.status_message)

    def test_where_nothing_could_be_planned_the_plan_has_failed(self):
        self.told, self.failed = 'Nothing planned: no such host.', True
        self.schedule([], {})
        (plan,) = self.plans()
        self.assertEqual('FAILED', plan.state)
        if 'status_message' in objects.ActionPlan.fields:
            self.assertEqual(self.told, plan.status_message)

    def test_a_failed_plan_is_not_triggered_into_success(self):
        self.failed = True
        self.audit.auto_trigger = True
        self.audit.save()
        self.schedule([], {})
        self.assertEqual(['CANCELLED'], [p.state for p in self.plans()])

    def test_stock_actions_of_stock_strategies_run_as_chains_per_host(self):
        moves = [
            {
                'action_type': 'migrate',
                'input_parameters': {
                    'resource_id': VM.format(i),
                    'resource_name': f'vm-{i}',
                    'migration_type': 'live',
                    'source_node': source,
                    'destination_node': 'cmp-9',
                },
            }
            for i, source in ((1, 'cmp-1'), (2, 'cmp-1'), (3, 'cmp-2'))
        ]
        states = [
            {
                'action_type': 'change_nova_service_state',
                'input_parameters': {
                    'resource_id': VM.format(i),
                    'resource_name': state,
                    'state': state,
                },
            }
            for i, state in ((8, 'enabled'), (9, 'disabled'))
        ]
        rows = self.rows(self.schedule([*states, *moves]))
        first = rows['disabled']
        self.assertEqual([], first.parents)
        self.assertEqual([first.uuid], rows['vm-1'].parents)
        self.assertEqual([rows['vm-1'].uuid], rows['vm-2'].parents)
        self.assertEqual([first.uuid], rows['vm-3'].parents)
        self.assertCountEqual(
            [rows['vm-2'].uuid, rows['vm-3'].uuid], rows['enabled'].parents
        )


class TestNothingHalf(Base):
    def test_an_unknown_action_type_leaves_no_plan(self):
        text = self.refused([nop(), {**nop('x'), 'action_type': 'no-such'}])
        self.assertIn("'no-such' is not installed", text)

    def test_parameters_that_the_schema_refuses_leave_no_plan(self):
        text = self.refused([migrate(1, mode='warp')], {})
        self.assertIn('actions[0]', text)
        self.assertIn('mode', text)

    def test_parameters_that_are_not_json_leave_no_plan(self):
        for value in (float('inf'), {1, 2}, object()):
            with self.subTest(value):
                text = self.refused([migrate(1, cap_mbit_s=value)], {})
                self.assertIn('not JSON', text)

    def test_an_edge_to_nowhere_leaves_no_plan(self):
        text = self.refused([migrate(1)], {VM.format(1): ('vm-9',)})
        self.assertIn("'vm-9'", text)

    def test_two_actions_that_edges_cannot_tell_apart_leave_no_plan(self):
        text = self.refused([migrate(1), migrate(1)], {})
        self.assertIn('actions[1]', text)
        self.assertIn('second one', text)

    def test_a_ring_leaves_no_plan(self):
        text = self.refused(
            [migrate(1), migrate(2)],
            {VM.format(1): (VM.format(2),), VM.format(2): (VM.format(1),)},
        )
        self.assertIn('wait for each other', text)

    def test_a_row_that_cannot_be_written_leaves_no_plan_to_start(self):
        real = objects.Action.create
        written = []

        def create(action):
            if len(written) == 2:
                raise OSError('disk full')
            written.append(action)
            real(action)

        objects.Action.create = create
        self.addCleanup(setattr, objects.Action, 'create', real)
        with self.assertRaises(OSError):
            self.schedule([migrate(1), migrate(2), migrate(3)], {})
        self.assertEqual(['CANCELLED'], [p.state for p in self.plans()])
