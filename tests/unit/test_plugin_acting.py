"""What actions ask of Watcher's rows and tell by them."""

import types
import unittest

from tests.unit.test_plugin_action_tells import Rows
from watcher_tsmig import errors
from watcher_tsmig.execute.compute import Unanswered
from watcher_tsmig.plugin.actions import acting

LOG = 'watcher_tsmig.plugin.actions.acting'
MIGRATE, VERIFY = 'traffic_sensitive_migrate', 'traffic_sensitive_verify'


class Base(unittest.TestCase):
    """One plan, p-1, whose database may be away."""

    def setUp(self):
        self.actions, self.plans = Rows(), Rows()
        self.rows, self.asked = [], []
        self.away = False
        self.now = 100.0
        for rows in (self.actions, self.plans):
            rows.get_by_uuid = self.there(rows.get_by_uuid)
        self.actions.list = self.there(self.listed)
        objects = types.SimpleNamespace(
            Action=self.actions,
            ActionPlan=self.plans,
            action_plan=types.SimpleNamespace(
                State=types.SimpleNamespace(
                    CANCELLING='CANCELLING', CANCELLED='CANCELLED'
                )
            ),
        )
        self.replace('objects', objects)
        self.replace('time', types.SimpleNamespace(monotonic=lambda: self.now))

    def replace(self, name, value):
        self.addCleanup(setattr, acting, name, getattr(acting, name))
        setattr(acting, name, value)

    def there(self, call):
        def asked(context, *more, **how):
            self.asked.append(more or how)
            if self.away:
                raise RuntimeError('the database is away')
            return call(context, *more, **how)

        return asked

    def listed(self, context, filters):
        self.assertEqual({'action_plan_id': 1}, filters)
        return self.rows

    def row(self, kind, state='PENDING', **given):
        self.rows.append(
            types.SimpleNamespace(
                action_type=kind, state=state, input_parameters=given
            )
        )


class TestExplained(unittest.TestCase):
    def told(self, error):
        with (
            self.assertRaises(acting.ActionFailed) as caught,
            acting.explained('db-1'),
        ):
            raise error
        return str(caught.exception)

    def test_who_did_not_answer_about_whom_is_told(self):
        self.assertEqual(
            'db-1: Nova does not answer: HTTP 503',
            self.told(Unanswered('HTTP 503')),
        )

    def test_what_has_its_own_words_keeps_them(self):
        for error in (
            errors.MigrationError('db-1: stays on a, is locked'),
            errors.CloudError('no aggregates today'),
            errors.InputError('is empty', 'vm'),
        ):
            self.assertEqual(str(error), self.told(error))

    def test_a_fault_of_ours_is_told_with_its_kind_and_logged(self):
        with self.assertLogs(LOG, 'ERROR'):
            self.assertEqual("db-1: KeyError: 'x'", self.told(KeyError('x')))


class TestCancelled(Base):
    def test_it_asks_once_a_second_however_often_it_is_asked(self):
        cancelled = acting.Cancelled('p-1')
        for passed, asked in ((0.0, 1), (0.5, 1), (0.4, 1), (0.1, 2)):
            self.now += passed
            self.assertIs(False, cancelled())
            self.assertEqual(asked, len(self.asked))

    def test_what_is_cancelled_stays_so(self):
        cancelled = acting.Cancelled('p-1')
        self.plans.state = 'CANCELLING'
        self.assertIs(True, cancelled())
        self.plans.state = 'ONGOING'
        self.now += 5.0
        self.assertIs(True, cancelled())
        self.assertEqual(1, len(self.asked))

    def test_a_database_that_is_away_cancels_nothing_and_is_asked_again(self):
        cancelled = acting.Cancelled('p-1')
        self.away = True
        with self.assertLogs(LOG, 'ERROR') as logs:
            self.assertIs(False, cancelled())
        self.assertIn('The state of plan p-1 is unknown', logs.output[0])
        self.away = False
        self.plans.state = 'CANCELLED'
        self.assertIs(False, cancelled())
        self.now += 1.0
        self.assertIs(True, cancelled())

    def test_without_a_plan_nobody_is_asked(self):
        self.assertIs(False, acting.Cancelled('')())
        self.assertEqual([], self.asked)


class TestOfPlan(Base):
    def test_only_actions_of_that_type_are_told_with_their_state(self):
        self.row(MIGRATE, 'SUCCEEDED', resource_id='vm-1')
        self.row(VERIFY)
        self.row(MIGRATE, resource_id='vm-2')
        self.assertEqual(
            [
                ('SUCCEEDED', {'resource_id': 'vm-1'}),
                ('PENDING', {'resource_id': 'vm-2'}),
            ],
            acting.of_plan('p-1', MIGRATE),
        )

    def test_where_there_is_no_plan_or_no_database_there_are_none(self):
        self.row(MIGRATE)
        self.assertEqual([], acting.of_plan('', MIGRATE))
        self.assertEqual([], self.asked)
        self.away = True
        with self.assertLogs(LOG, 'ERROR') as logs:
            self.assertEqual([], acting.of_plan('p-1', MIGRATE))
        self.assertIn('The actions of plan p-1 are unknown', logs.output[0])


class TestRemark(Base):
    def test_the_newest_comes_first_and_nothing_twice(self):
        for text in ('One.', 'Two.', 'One.'):
            acting.remark('p-1', text)
        self.assertEqual('Two. One.', self.plans.saved['p-1'])

    def test_an_old_one_goes_where_both_do_not_fit(self):
        acting.remark('p-1', 'x' * 200 + '.')
        acting.remark('p-1', 'y' * 100 + '.')
        self.assertEqual('y' * 100 + '.', self.plans.saved['p-1'])

    def test_what_cannot_be_told_is_logged_and_stops_nothing(self):
        self.away = True
        with self.assertLogs(LOG, 'ERROR') as logs:
            acting.remark('p-1', 'One.')
        self.assertIn('Plan p-1 could not be told: One.', logs.output[0])
        # and holds up nobody else
        self.away = False
        acting.remark('p-1', 'Two.')
        self.assertEqual('Two.', self.plans.saved['p-1'])

    def test_without_a_plan_or_its_field_nobody_is_told(self):
        acting.remark('', 'One.')
        # Watcher 14 has none
        self.plans.fields = {}
        acting.remark('p-1', 'One.')
        self.assertEqual([], self.asked)


class TestTell(Base):
    def test_the_text_is_cut_to_what_watchers_column_holds(self):
        acting.tell({'action_uuid': 'a-1'}, 'x' * 300)
        self.assertEqual('x' * 254 + '…', self.actions.saved['a-1'])

    def test_what_cannot_be_told_is_logged_and_stops_nothing(self):
        self.away = True
        with self.assertLogs(LOG, 'ERROR') as logs:
            acting.tell({'action_uuid': 'a-1'}, 'it is there')
        self.assertIn(
            'Action a-1 could not be told: it is there', logs.output[0]
        )

    def test_without_an_action_or_its_field_nobody_is_told(self):
        acting.tell({}, 'x')
        self.actions.fields = {}
        acting.tell({'action_uuid': 'a-1'}, 'x')
        self.assertEqual([], self.asked)


class TestStopped(Base):
    def stopped(self, **given):
        return acting.stopped({'action_plan_uuid': 'p-1', **given}, MIGRATE)

    def test_after_so_many_failures_no_more_are_started(self):
        for _ in range(2):
            self.row(MIGRATE, 'FAILED')
        for state in ('SUCCEEDED', 'SKIPPED', 'ONGOING', 'PENDING'):
            self.row(MIGRATE, state)
        self.row(VERIFY, 'FAILED')
        self.assertEqual('', self.stopped(stop_after_failures=3))
        for most in (2, 1):
            self.assertEqual(
                '2 migrations of the plan have failed, and it is to stop '
                f'after {most}',
                self.stopped(stop_after_failures=most),
            )

    def test_where_nobody_said_when_nobody_is_asked(self):
        self.row(MIGRATE, 'FAILED')
        for given in ({}, {'stop_after_failures': 0}):
            self.assertEqual('', self.stopped(**given))
        self.assertEqual([], self.asked)

    def test_what_belongs_to_no_plan_is_never_stopped(self):
        for uuid in ('', None):
            given = {'stop_after_failures': 1, 'action_plan_uuid': uuid}
            self.assertEqual('', self.stopped(**given))


class TestFailed(unittest.TestCase):
    def test_it_says_why_in_one_line_or_at_least_of_what_kind(self):
        for cause, text in (
            ('it\n  is away', 'it is away'),
            (ValueError(), 'ValueError'),
            ('', 'str'),
        ):
            self.assertEqual(text, str(acting.ActionFailed(cause)))
