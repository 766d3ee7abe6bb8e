"""What other plans empty is no destination, as far as Watcher tells it."""

import types
import unittest

from watcher_tsmig import errors
from watcher_tsmig.plugin import edges
from watcher_tsmig.plugin import others
from watcher_tsmig.plugin.audits.targets import NothingToPlan


class Rows:
    """Watcher's action plans and actions, listed as its database does."""

    def __init__(self):
        self.plans, self.actions, self.fails = [], [], None
        self.ActionPlan = types.SimpleNamespace(list=self._plans)
        self.Action = types.SimpleNamespace(list=self._actions)

    def add(self, audit, state, *hosts):
        plan = len(self.plans) + 1
        self.plans.append(
            types.SimpleNamespace(
                id=plan, uuid=f'plan-{plan}', audit_id=audit, state=state
            )
        )
        for host in hosts:
            values = {'resource_name': host, 'state': 'disabled'}
            self.action(plan, edges.DISABLE, values)

    def action(self, plan, kind, values):
        self.actions.append(
            types.SimpleNamespace(
                action_plan_id=plan, action_type=kind, input_parameters=values
            )
        )

    def _plans(self, context, *, limit, filters, sort_key, sort_dir):
        if self.fails:
            raise self.fails
        found = [p for p in self.plans if p.state == filters['state']]
        found.sort(key=lambda p: getattr(p, sort_key))
        return (found[::-1] if sort_dir == 'desc' else found)[:limit]

    def _actions(self, context, *, filters):
        (wanted,) = filters.values()
        assert list(filters) == ['action_plan_id']
        return [a for a in self.actions if a.action_plan_id == wanted]


class TestEmptied(unittest.TestCase):
    def setUp(self):
        self.rows = Rows()
        self.addCleanup(setattr, others, 'objects', others.objects)
        others.objects = self.rows
        self.audit = types.SimpleNamespace(id=1)

    def emptied(self):
        return others.emptied(self.audit)

    def test_hosts_of_plans_that_run_wait_or_may_be_started(self):
        self.rows.add(2, 'ONGOING', 'a')
        self.rows.add(3, 'PENDING', 'b', 'c')
        self.rows.add(4, 'RECOMMENDED', 'd')
        for state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'SUPERSEDED'):
            self.rows.add(5, state, 'e')
        self.assertEqual(
            {'a': 'plan-1', 'b': 'plan-2', 'c': 'plan-2', 'd': 'plan-3'},
            self.emptied(),
        )

    def test_an_older_plan_of_the_same_audit_does_not_count(self):
        self.rows.add(1, 'RECOMMENDED', 'a')
        self.assertEqual({}, self.emptied())
        self.audit = object()  # that is not stored yet
        self.assertEqual({'a': 'plan-1'}, self.emptied())

    def test_only_a_host_that_is_disabled_for_it_is_emptied(self):
        self.rows.add(2, 'PENDING', '')
        for kind, values in (
            (edges.DISABLE, {'resource_name': 'a', 'state': 'enabled'}),
            (edges.DISABLE, {'state': 'disabled'}),
            ('migrate', {'resource_name': 'b', 'state': 'disabled'}),
        ):
            self.rows.action(1, kind, values)
        self.assertEqual({}, self.emptied())

    def test_the_plan_that_is_furthest_is_told_and_of_equals_the_newest(self):
        self.rows.add(2, 'PENDING', 'a', 'b')
        self.rows.add(3, 'ONGOING', 'a')
        self.rows.add(4, 'PENDING', 'b')
        self.assertEqual({'a': 'plan-2', 'b': 'plan-3'}, self.emptied())

    def test_of_a_long_history_the_newest_50_of_each_state_count(self):
        for number in range(51):
            self.rows.add(2, 'RECOMMENDED', f'h{number}')
        found = self.emptied()
        self.assertEqual(50, len(found))
        self.assertNotIn('h0', found)

    def test_a_database_that_does_not_answer_makes_no_plan(self):
        self.rows.fails = RuntimeError('gone')
        with (
            self.assertLogs(others.LOG.logger, 'ERROR'),
            self.assertRaises(errors.CloudError) as caught,
        ):
            self.emptied()
        self.assertIn('(RuntimeError)', str(caught.exception))


class TestSpared(unittest.TestCase):
    def test_where_nobody_else_empties_all_stay_as_they_were(self):
        self.assertEqual(((), ''), others.spared({}, (), ('a', 'b')))
        closed = {'z': 'plan-1'}
        self.assertEqual(
            (('a',), ''), others.spared(closed, ('a',), ('a', 'b'))
        )

    def test_what_others_empty_is_taken_from_all_or_from_what_is_allowed(self):
        closed = {'b': 'plan-1', 'c': 'plan-2'}
        self.assertEqual(
            (('a',), 'b, c are emptied by another plan'),
            others.spared(closed, (), ('a', 'b', 'c')),
        )
        self.assertEqual(
            (('d',), 'b is emptied by another plan'),
            others.spared(closed, ['b', 'd'], ('a', 'b', 'c', 'd')),
        )

    def test_where_all_are_emptied_there_is_nothing_to_plan(self):
        with self.assertRaises(NothingToPlan) as caught:
            others.spared({'c': 'plan-2', 'b': 'plan-1'}, (), ('b', 'c'))
        text = str(caught.exception)
        self.assertIn('plan-1', text)
        self.assertIn('other plans empty b, c', text)
