"""What the planner tells beside the actions: numbers, words, failures."""

import dataclasses

from watcher import objects

from tests.unit import builders
from tests.unit import test_plugin_planner
from tests.unit.test_plugin_planner import migrate
from tests.unit.test_plugin_planner import nop
from tests.unit.test_plugin_planner import setUpModule
from watcher_tsmig.plugin import planner

__all__ = ('setUpModule',)
LOG = 'watcher_tsmig.plugin.planner'


class TestTold(test_plugin_planner.Base):
    plan, tell = None, None

    def setUp(self):
        super().setUp()
        if 'status_message' not in objects.ActionPlan.fields:
            self.skipTest('Watcher tells nothing with a plan before 15')

    def solution(self, actions, after=None):
        found = super().solution(actions, after)
        found.strategy.plan = self.plan
        if self.tell:
            found.strategy.tell = self.tell
        return found

    def indicator(self):
        made = self.schedule([migrate(1)], {})
        (found,) = objects.EfficacyIndicator.list(
            self.context, filters={'action_plan_uuid': made.uuid}
        )
        return found

    def test_a_number_has_the_words_of_its_plan_or_those_of_all(self):
        found = self.indicator()
        self.assertEqual(
            ('migrations', 'Live migrations in the plan.', 'VMs', 2),
            (found.name, found.description, found.unit, found.value),
        )
        step = builders.step('db', 'a>b', assumed=('nic',))
        self.plan = dataclasses.replace(builders.plan(step))
        self.assertEqual(
            'Planned on assumed values: db (nic).',
            self.indicator().description,
        )

    def test_only_our_actions_are_told_their_plan_and_say_what_they_do(self):
        look = {
            'action_type': 'traffic_sensitive_verify',
            'input_parameters': {
                'resource_id': 'cmp-1', 'resource_name': 'cmp-1',
                'planned': [], 'stays': {}, 'destinations': [],
            },
        }  # fmt: skip
        rows = self.rows(self.schedule([nop(), look], {}))
        self.assertNotIn('action_plan_uuid', rows['hello'].input_parameters)
        self.assertIn('action_uuid', rows['cmp-1'].input_parameters)
        for name, text in (
            ('hello', None),
            ('cmp-1', 'cmp-1 is to be empty then'),
        ):
            self.assertEqual(text, rows[name].status_message)
            self.assertEqual('PENDING', rows[name].state)

    def test_a_long_message_is_cut_to_the_column(self):
        self.told = 'x' * 300
        self.schedule([nop()], {})
        (plan,) = self.plans()
        self.assertEqual('x' * 254 + '…', plan.status_message)

    def test_a_refusal_names_the_action_and_what_is_wrong_with_it(self):
        text = self.refused([nop(), {**nop(), 'action_type': 'none-such'}], {})
        self.assertIn(
            "actions[1]: action type 'none-such' is not installed", text
        )
        text = self.refused([nop(), migrate(1, deadline_s=0)], {})
        self.assertIn(
            'actions[1]: traffic_sensitive_migrate: deadline_s: ', text
        )

    def test_a_strategy_tells_its_audit_itself(self):
        # for it is saved after us, over what we would write
        told = []
        self.tell = told.append
        with self.assertRaises(planner.PlanRefused):
            self.schedule([migrate(1, mode='warp')], {})
        self.assertRegex(told[0], '^Nothing planned: .*mode')
        audit = objects.Audit.get_by_id(self.context, self.audit.id)
        self.assertIsNone(audit.status_message)

    def failing(self, kind, method, error=OSError('disk full')):  # noqa: B008
        def fail(*given):
            raise error

        self.addCleanup(setattr, kind, method, getattr(kind, method))
        setattr(kind, method, fail)

    def test_half_a_plan_says_so_and_the_audit_where_to_look(self):
        self.failing(objects.Action, 'create')
        with self.assertLogs(LOG, 'ERROR') as logs:
            self.assertRaises(OSError, self.schedule, [migrate(1)], {})
        (plan,) = self.plans()
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual(
            'Not all of its actions were written.', plan.status_message
        )
        self.assertIn(
            f'Action plan {plan.uuid} could not be written', logs.output[0]
        )
        audit = objects.Audit.get_by_id(self.context, self.audit.id)
        self.assertIn('see the log of the decision', audit.status_message)

    def test_an_audit_that_cannot_be_told_hides_no_refusal(self):
        self.failing(objects.Audit, 'save')
        with self.assertLogs(LOG, 'ERROR') as logs:
            with self.assertRaises(planner.PlanRefused):
                self.schedule([migrate(1, mode='warp')], {})
        self.assertIn(f'Audit {self.audit.id} could not be told: Nothing '
                      'planned', logs.output[0])  # fmt: skip
