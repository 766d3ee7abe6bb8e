"""What an action tells its plan, and when it asks again what is permitted."""

import functools
import pathlib
import tempfile
import types

from tests.unit.test_plugin_migrate import Base
from watcher_tsmig import errors
from watcher_tsmig.execute import Progress
from watcher_tsmig.execute import carry_out
from watcher_tsmig.plugin import migrate
from watcher_tsmig.plugin.actions import acting
from watcher_tsmig.plugin.actions import asking
from watcher_tsmig.telemetry.permission import Permission


class Rows:
    """Watcher's rows by uuid; what is saved is what is there."""

    def __init__(self):
        self.saved = {}
        self.fields = {'status_message': None}
        self.state = 'ONGOING'

    def list(self, context, **how):
        return []

    def get_by_uuid(self, context, uuid, *, eager=False):
        row = types.SimpleNamespace(
            id=1, status_message=self.saved.get(uuid), state=self.state
        )

        def save():
            self.saved[uuid] = row.status_message

        row.save = save
        return row


class Told(Base):
    def setUp(self):
        super().setUp()
        self.actions, self.plans = Rows(), Rows()
        states = types.SimpleNamespace(
            CANCELLING='CANCELLING', CANCELLED='CANCELLED'
        )
        self.replace(
            acting,
            'objects',
            types.SimpleNamespace(
                Action=self.actions,
                ActionPlan=self.plans,
                action_plan=types.SimpleNamespace(State=states),
            ),
        )
        # the real one, in the time of the small Nova
        timed = functools.partial(carry_out, clock=self.clock)
        self.replace(migrate, 'carry_out', timed)

    def action(self, **values):
        given = {'action_uuid': 'a-1', 'action_plan_uuid': 'p-1', **values}
        made = super().action(**given)
        made.config.calibration_file = ''
        return made


class TestTheEnd(Told):
    def test_a_success_is_told_with_its_time_and_what_was_planned(self):
        self.assertIs(True, self.action(planned_duration_s=41.0).execute())
        told = self.actions.saved['a-1']
        self.assertIn('db-1 is on cmp-2 after 7.5 s of 41 s planned', told)
        self.assertEqual({}, self.plans.saved)

    def test_where_nothing_was_foretold_only_the_time_is_told(self):
        self.action().execute()
        self.assertIn('after 7.5 s (pre-copy', self.actions.saved['a-1'])

    def test_a_vm_without_a_name_is_told_by_its_id(self):
        action = self.action()
        del action.input_parameters['resource_name']
        action.execute()
        self.assertIn('vm-1 is on cmp-2', self.actions.saved['a-1'])

    def test_what_it_took_is_learned_where_something_was_foretold(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'learned.json'
            for values, learned in (({}, False), ({'planned': 41.0}, True)):
                given = {'planned_duration_s': values.get('planned', 0.0)}
                action = self.action(**given)
                action.config.calibration_file = str(path)
                self.nova.began = None
                self.nova.server.compute_host = 'cmp-1'
                action.execute()
                self.assertEqual(learned, path.exists())

    def test_a_cancelled_plan_stops_it(self):
        self.nova.story = [(5, 'running'), (None, 'cancelled')]
        self.plans.state = 'CANCELLING'
        text = self.refused(self.action().execute)
        self.assertIn('the action plan was cancelled', text)


class TestTheHost(Told):
    """Watcher enables nothing again after a plan that failed."""

    def fails(self, reason):
        self.nova.server.is_locked = True
        self.nova.service.host = 'cmp-1'
        self.nova.service.status = 'disabled'
        self.nova.service.disabled_reason = reason
        self.refused(self.action().pre_condition)
        before = dict(self.plans.saved)
        self.refused(self.action().execute)
        return before, self.plans.saved

    def test_one_that_watcher_disabled_is_told_with_how_to_undo_it(self):
        for found in self.fails('watcher_disabled'):
            self.assertEqual(
                'cmp-1 stays disabled; to undo it: openstack compute service '
                'set --enable cmp-1 nova-compute.',
                found['p-1'],
            )

    def test_one_that_somebody_else_disabled_is_not_told(self):
        self.assertEqual(({}, {}), self.fails('broken fan'))

    def test_where_nova_does_not_tell_its_refusal_is_what_counts(self):
        self.nova.server.is_locked = True

        def away(**query):
            raise errors.CloudError('away')

        self.nova.services = away
        with self.assertLogs(migrate.LOG.logger, 'WARNING') as logs:
            text = self.refused(self.action().pre_condition)
        self.assertIn('is locked', text)
        self.assertIn('Whether cmp-1 is disabled is unknown', logs.output[0])

    def test_a_migration_that_is_not_of_a_plan_has_nobody_to_tell(self):
        self.nova.service.host = 'cmp-1'
        self.nova.service.disabled_reason = 'watcher_disabled'
        self.nova.server.is_locked = True
        for uuid in ('', None):
            action = self.action()
            action.input_parameters['action_plan_uuid'] = uuid
            self.refused(action.pre_condition)
        self.assertEqual({}, self.plans.saved)


class TestTheGovernor(Told):
    def test_each_of_its_words_is_told_once(self):
        action = self.action()
        saved = self.actions.saved
        for note, told in (
            ('', None),
            ('is late', 'db-1: is late'),
            ('is late', None),
            ('', None),
            ('is late', None),
            ('will switch', 'db-1: will switch'),
        ):
            saved.clear()
            action._report(
                Progress(
                    vm='vm-1',
                    name='db-1',
                    status='running',
                    elapsed=3.0,
                    note=note,
                )
            )
            self.assertEqual(told, saved.get('a-1'), note)


class TestUnderWay(Told):
    def test_a_vm_under_way_to_an_alternative_is_followed_there(self):
        self.nova.live_migrate_server('vm-1', 'cmp-3', 'auto')
        self.clock.sleep(4)  # until Nova has a record of it
        action = self.action(alternatives='cmp-3, cmp-4')
        action.pre_condition()
        self.assertIs(True, action.execute())
        self.assertEqual([('start', 'cmp-3', 'auto')], self.nova.calls)
        told = self.actions.saved['a-1']
        self.assertIn('is on cmp-3', told)
        self.assertIn('was under way already', told)

    def test_what_goes_elsewhere_is_not_ours(self):
        self.nova.live_migrate_server('vm-1', 'cmp-9', 'auto')
        self.clock.sleep(4)
        action = self.action(alternatives='cmp-3')
        self.assertIn('is busy', self.refused(action.pre_condition))


class TestPermission(Told):
    def setUp(self):
        super().setUp()
        self.asked = []
        self.found = Permission(post_copy=True, disks=True, balloon=True)
        self.replace(asking, 'permission', self.permission)

    def permission(
        self, compute, driver, vm, source, destination, *, network, insist
    ):
        self.asked.append((vm, source, destination, insist))
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def test_it_is_asked_for_the_start_and_only_then(self):
        action = self.action()
        action.pre_condition()
        self.assertEqual([], self.asked)
        action.execute()
        self.assertEqual([('vm-1', 'cmp-1', 'cmp-2', False)], self.asked)

    def test_a_post_copy_that_is_no_longer_permitted_is_not_begun(self):
        self.found = Permission(post_copy=False, disks=False, balloon=False)
        action = self.action(mode='post-copy')
        self.assertIn('permit post-copy', self.refused(action.execute))
        self.assertEqual([('vm-1', 'cmp-1', 'cmp-2', True)], self.asked)

    def test_who_has_got_what_nova_does_not_move_is_not_begun(self):
        self.found = Permission(refused='it has shares of Manila')
        text = self.refused(self.action().execute)
        self.assertIn('it has shares of Manila; stop it first', text)
        self.assertEqual([], self.nova.calls)

    def test_another_destination_is_asked_for_itself(self):
        self.nova.service.state = 'down'
        action = self.action(alternatives='cmp-3, cmp-4')
        action.pre_condition()
        self.refused(action.execute)
        self.assertEqual(
            ['cmp-2', 'cmp-3', 'cmp-4'], [asked[2] for asked in self.asked]
        )

    def test_where_nobody_tells_the_action_fails_with_that(self):
        self.found = errors.CloudError('no aggregates today')
        text = self.refused(self.action().execute)
        self.assertIn('no aggregates today', text)
        # as it is, and not as an error of ours
        self.assertNotIn('ActionFailed', text)

    def test_a_nova_that_is_away_fails_the_abort_with_that(self):
        self.nova.failing_reads = 99
        action = self.action()
        action.config.http_tries = 1
        self.assertIn('away', self.refused(action.abort))
