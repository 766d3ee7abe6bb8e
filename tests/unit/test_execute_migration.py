"""One migration against a Nova of this file, on a clock of this file.

The Nova here is a small state machine with Nova's answers and quirks; the
real clients run against the playground in tests/functional.
"""

import math
import types
import unittest

from openstack import exceptions as sdk_errors

from tests.unit.small_cloud import Clock
from tests.unit.small_cloud import NoCatalogue
from tests.unit.small_cloud import statistics
from watcher_tsmig import errors
from watcher_tsmig.execute import Order
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Mode

PRE_COPY = (
    (2, None),
    (1, 'accepted'),
    (1, 'preparing'),
    (10, 'running'),
    (1, 'post-migrating'),
    (None, 'completed'),
)


# by Nova since 2.65
ABORTED_IN = ('running', 'queued', 'preparing')
ENDED = ('failed', 'error', 'cancelled')


class SmallNova:
    """openstacksdk's compute proxy in front of one server."""

    default_microversion = None
    interface = 'internal'
    region_name = 'one'
    session = NoCatalogue()

    def __init__(self, clock, story=PRE_COPY):
        self.clock = clock
        self.story = list(story)
        self.began = None
        self.server = types.SimpleNamespace(
            id='vm-1',
            compute_host='cmp-1',
            vm_state='active',
            task_state=None,
            is_locked=False,
            metadata={},
            flavor=None,
        )
        self.gone, self.reset = False, False
        self.arrives = True
        self.destination = ''
        self.newest_id = '8'
        self.service = types.SimpleNamespace(
            host='cmp-2',
            binary='nova-compute',
            state='up',
            status='enabled',
            disabled_reason=None,
        )
        self.old = [self._record('7', 'completed')]
        # since when a host's nova-compute is
        self.down = {}
        self.lost_requests = 0
        self.abort_refused = False
        self.failing_reads = 0
        self.start_error = None
        self.calls = []
        self.memory_total = 1024.0
        self.newest = (2, 104)
        self.versions = []
        self.answers = {
            '/servers/vm-1/os-instance-actions': {'instanceActions': []},
            '/servers/vm-1': {'server': {}},
        }

    def _record(self, record, status):
        return types.SimpleNamespace(
            id=record,
            status=status,
            server_id='vm-1',
            created_at='2026-01-01T00:00:00.000000',
            updated_at='2026-01-01T00:00:07.500000',
            migration_type='live-migration',
            source_compute='cmp-1',
            dest_compute=self.destination or 'cmp-2',
        )

    def status(self):
        if self.began is None:
            return None
        passed = self.clock.now() - self.began
        for length, status in self.story:
            if length is None or passed < length:
                return status
            passed -= length
        raise AssertionError('the story has no end')

    def _read(self):
        if self.failing_reads:
            self.failing_reads -= 1
            raise sdk_errors.HttpException('away', http_status=503)

    def get_server(self, vm):
        self._read()
        if self.gone:
            raise sdk_errors.NotFoundException('no such server')
        if self.began is not None:
            moves = self.status() not in (*ENDED, 'completed')
            self.server.task_state = 'migrating' if moves else None
        if self.status() == 'completed' and self.arrives:
            self.server.compute_host = self.destination
        return self.server

    def services(self, **query):
        self._read()
        source = types.SimpleNamespace(
            **{**vars(self.service), 'host': 'cmp-1', 'state': 'up'}
        )
        if self.clock.now() >= self.down.get('cmp-1', math.inf):
            source.state = 'down'
        if self.clock.now() >= self.down.get('cmp-2', math.inf):
            self.service.state = 'down'
        return [self.service, source]

    def migrations(self, **query):
        self._read()
        status = self.status()
        new = [] if status is None else [self._record(self.newest_id, status)]
        return new + self.old

    def get_server_migration(self, record, vm, ignore_missing):
        if self.status() != 'running':
            raise sdk_errors.NotFoundException('not in progress')
        return statistics(self.memory_total, 512.0, 512.0)

    def get_endpoint_data(self):
        return types.SimpleNamespace(
            min_microversion=(2, 1), max_microversion=self.newest
        )

    def post(self, path, json, microversion):
        self.versions.append(microversion)
        asked = json['os-migrateLive']
        self.live_migrate_server(path.split('/')[2], **asked)
        return types.SimpleNamespace(status_code=202)

    def live_migrate_server(self, vm, host, block_migration):
        self.calls.append(('start', host, block_migration))
        if self.began is not None:
            self.old = self.migrations()
        self.newest_id = str(7 + len(self.old))
        self.began, self.destination = self.clock.now(), host
        if self.start_error:
            raise self.start_error

    def get(self, path, microversion):
        answer = self.answers[path]
        return types.SimpleNamespace(status_code=200, json=lambda: answer)

    def force_complete_server_migration(self, record, vm):
        self.calls.append(('force', record))
        if self.lost_requests:
            self.lost_requests -= 1
            return
        self.began = self.clock.now()
        self.story = [(5, 'running (post-copy)'), (None, 'completed')]

    def reset_server_state(self, vm, state):
        self.calls.append(('reset', state))
        if self.abort_refused:
            raise sdk_errors.ConflictException('locked')
        self.server.vm_state = state
        self.reset = True

    def abort_server_migration(self, record, vm, ignore_missing):
        self.calls.append(('abort', record))
        if self.abort_refused or self.status() not in ABORTED_IN:
            raise sdk_errors.BadRequestException('not running')
        self.story = [(None, 'cancelled')]


def order(**values):
    return Order(
        **{
            'vm': 'vm-1',
            'name': 'db-1',
            'source': 'cmp-1',
            'destination': 'cmp-2',
            'mode': Mode.PRE_COPY,
            'deadline': 60.0,
            **values,
        }
    )


class Base(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.nova = SmallNova(self.clock)
        self.seen = []

    def go(self, wanted=None, *, cancel_at=None, **pace):
        began = self.clock.now()

        def cancelled():
            return (
                cancel_at is not None and self.clock.now() - began >= cancel_at
            )

        return carry_out(
            OpenStackSdk(self.nova),
            wanted or order(),
            cancelled=cancelled,
            report=self.seen.append,
            pace=Pace(**pace),
            clock=self.clock,
        )

    def fails(self, *args, **kw):
        with self.assertRaises(errors.MigrationError) as caught:
            self.go(*args, **kw)
        self.assertLessEqual(len(str(caught.exception)), 200)
        return str(caught.exception)

    def asked(self, kind):
        return [call for call in self.nova.calls if call[0] == kind]


class TestPreCopy(Base):
    def test_a_migration_is_over_when_its_record_says_completed(self):
        outcome = self.go()
        self.assertEqual('cmp-2', outcome.host)
        self.assertIs(Mode.PRE_COPY, outcome.mode)
        self.assertGreaterEqual(outcome.seconds, 15.0)
        self.assertEqual(512.0, outcome.data)
        self.assertIs(Enforcement.ADVISORY, outcome.cap)
        self.assertEqual(7.5, outcome.took)
        self.assertIsNone(outcome.downtime)
        self.assertEqual([('start', 'cmp-2', 'auto')], self.nova.calls)

    def test_an_older_completed_migration_is_not_taken_for_the_new_one(self):
        self.assertGreater(self.go().seconds, 0)
        self.assertEqual('requested', self.seen[0].status)
        self.assertEqual('completed', self.seen[-1].status)

    def test_being_active_on_the_destination_early_is_not_the_end(self):
        self.nova.server.compute_host = 'cmp-1'
        self.nova.story = [(9, 'running'), (None, 'completed')]
        real = self.nova.get_server

        def early(vm):
            if self.nova.status() == 'running':
                self.nova.server.compute_host = 'cmp-2'
            return real(vm)

        first = real('vm-1')
        self.assertEqual('cmp-1', first.compute_host)
        self.nova.get_server = early
        self.assertGreaterEqual(self.go().seconds, 9.0)

    def test_a_vm_already_there_is_not_moved(self):
        self.nova.server.compute_host = 'cmp-2'
        self.assertEqual('was already there', self.go().remark)
        self.assertEqual([], self.nova.calls)

    def test_the_deadline_aborts_and_says_where_the_vm_is(self):
        self.nova.story = [(1, None), (None, 'running')]
        text = self.fails(order(deadline=20.0))
        self.assertIn('ran past its deadline', text)
        self.assertIn('active on cmp-1', text)
        self.assertEqual([('abort', '8')], self.asked('abort'))

    def test_an_abort_that_nova_refuses_is_repeated_within_a_bound(self):
        self.nova.story = [(None, 'running')]
        self.nova.abort_refused = True
        text = self.fails(order(deadline=5.0), stop=10.0)
        self.assertIn('the abort had no effect', text)
        self.assertGreater(len(self.asked('abort')), 1)

    def test_a_migration_that_wins_the_race_with_the_abort_succeeds(self):
        self.nova.story = [(7, 'running'), (None, 'completed')]
        self.nova.abort_refused = True
        self.assertEqual('cmp-2', self.go(order(deadline=5.0)).host)

    def test_a_migration_queued_for_too_long_is_withdrawn(self):
        self.nova.story = [(None, 'queued')]
        self.assertIn('did not start it in time', self.fails(queue=30.0))
        self.assertEqual(1, len(self.asked('abort')))

    def test_a_failed_migration_says_what_nova_said(self):
        self.nova.story = [(3, 'running'), (None, 'failed')]
        text = self.fails()
        self.assertIn('Nova: failed', text)
        self.assertIn('active on cmp-1; plan again', text)

    def test_a_server_in_error_is_reported_with_the_way_out(self):
        self.nova.story = [(3, 'running'), (None, 'error')]
        self.nova.server.vm_state = 'active'
        real = self.nova.get_server

        def broken(vm):
            if self.nova.status() == 'error':
                self.nova.server.vm_state = 'error'
            return real(vm)

        self.nova.get_server = broken
        text = self.fails()
        self.assertIn('ERROR on cmp-1', text)
        self.assertIn('openstack server set --state active', text)

    def test_a_completed_migration_without_the_vm_there_is_a_failure(self):
        self.nova.arrives = False
        self.assertIn('Nova reports completed', self.fails(settle=5.0))

    def test_a_vm_in_error_at_its_destination_has_not_arrived(self):
        real = self.nova.get_server

        def broken(vm):
            found = real(vm)
            if found.compute_host == 'cmp-2':
                found.vm_state = 'error'
            return found

        self.nova.get_server = broken
        text = self.fails()
        self.assertIn('Nova reports completed; it is in ERROR on cmp-2', text)
        self.assertIn('openstack server set --state active', text)

    def test_no_record_at_all_is_a_failure(self):
        self.nova.story = [(None, None)]
        self.assertIn('Nova made no migration', self.fails(appear=10.0))


class TestPostCopy(Base):
    def setUp(self):
        super().setUp()
        self.wanted = order(mode=Mode.POST_COPY, post_copy_permitted=True)

    def test_completion_is_forced_once_memory_moves(self):
        outcome = self.go(self.wanted)
        self.assertIs(Mode.POST_COPY, outcome.mode)
        self.assertEqual([('force', '8')], self.asked('force'))

    def test_it_is_not_forced_before_memory_moves(self):
        self.nova.memory_total = 0
        self.assertIs(Mode.PRE_COPY, self.go(self.wanted).mode)
        self.assertEqual([], self.asked('force'))

    def test_a_lost_request_is_repeated(self):
        self.nova.lost_requests = 2
        self.nova.story = [(None, 'running')]
        outcome = self.go(self.wanted, switch_again=3.0)
        self.assertIs(Mode.POST_COPY, outcome.mode)
        self.assertEqual(3, len(self.asked('force')))

    def test_after_enough_requests_it_stays_in_pre_copy_and_says_so(self):
        self.nova.lost_requests = 99
        self.nova.story = [(40, 'running'), (None, 'completed')]
        outcome = self.go(self.wanted, switch_tries=4)
        self.assertIs(Mode.PRE_COPY, outcome.mode)
        self.assertEqual(
            'did not switch to post-copy after 4 requests and stayed in '
            'pre-copy',
            outcome.remark,
        )
        self.assertEqual(4, len(self.asked('force')))

    def test_where_the_last_request_has_an_effect_nobody_says_it_had_none(
        self,
    ):
        self.nova.lost_requests = 3
        self.nova.story = [(None, 'running')]
        outcome = self.go(self.wanted, switch_tries=4)
        self.assertEqual(4, len(self.asked('force')))
        self.assertIs(Mode.POST_COPY, outcome.mode)
        self.assertNotIn('did not switch', outcome.remark)

    def test_a_cancel_during_post_copy_lets_it_finish(self):
        outcome = self.go(self.wanted, cancel_at=5.0)
        self.assertIs(Mode.POST_COPY, outcome.mode)
        self.assertEqual([], self.asked('abort'))

    def test_a_post_copy_without_end_is_left_alone_and_explained(self):
        self.nova.story = [(None, 'running (post-copy)')]
        text = self.fails(self.wanted)
        self.assertIn('cannot be stopped', text)
        self.assertIn('Do not restart nova-compute', text)
        self.assertEqual([], self.asked('abort'))


class TestCancel(Base):
    def test_a_cancelled_plan_aborts_a_running_pre_copy_within_2_s(self):
        self.nova.story = [(2, None), (None, 'running')]
        began = self.clock.now()
        text = self.fails(cancel_at=6.0)
        self.assertIn('action plan was cancelled', text)
        self.assertLessEqual(self.clock.now() - began, 8.0)

    def test_a_plan_cancelled_before_the_start_moves_nothing(self):
        self.assertIn('was not moved', self.fails(cancel_at=0.0))
        self.assertEqual([], self.nova.calls)

    def test_a_cancel_waits_for_the_record_and_then_aborts(self):
        self.nova.story = [(5, None), (None, 'queued')]
        self.assertIn('cancelled', self.fails(cancel_at=1.0))
        self.assertEqual(1, len(self.asked('abort')))


class TestTroubleWithHttp(Base):
    def test_a_read_that_fails_for_a_moment_is_repeated(self):
        self.nova.failing_reads = 2
        self.assertEqual('cmp-2', self.go().host)

    def test_no_nova_before_the_start_moves_nothing(self):
        self.nova.failing_reads = 99
        self.assertIn('Nova does not answer', self.fails())
        self.assertEqual([], self.nova.calls)

    def test_an_outage_during_the_migration_is_outlived(self):
        real = self.nova.live_migrate_server

        def start(*args, **kw):
            self.nova.failing_reads = 10
            return real(*args, **kw)

        self.nova.live_migrate_server = start
        self.assertEqual('cmp-2', self.go().host)

    def test_an_outage_without_end_is_not(self):
        real = self.nova.live_migrate_server

        def start(*args, **kw):
            self.nova.failing_reads = 10**6
            return real(*args, **kw)

        self.nova.live_migrate_server = start
        text = self.fails(outage=30.0)
        self.assertIn('has not answered for', text)

    def test_a_refused_request_carries_novas_words(self):
        self.nova.start_error = sdk_errors.ConflictException(
            'Conflict', details='Instance vm-1 is locked', http_status=409
        )
        self.assertIn('Instance vm-1 is locked', self.fails())

    def test_a_lost_answer_to_the_request_is_settled_by_the_record(self):
        self.nova.start_error = sdk_errors.HttpException(
            'gateway timeout', http_status=504
        )
        self.assertEqual('cmp-2', self.go().host)

    def test_a_lost_answer_without_a_record_is_a_failure_with_the_cause(self):
        self.nova.story = [(None, None)]
        self.nova.start_error = sdk_errors.HttpException(
            'gateway timeout', http_status=504
        )
        self.assertIn('gateway timeout', self.fails(appear=5.0))


class TestWithdraw(Base):
    def test_only_what_nova_can_abort_is_aborted(self):
        cases = (
            ('queued', True),
            ('running', True),
            ('running (post-copy)', False),
            ('completed', False),
        )
        for status, expected in cases:
            with self.subTest(status):
                self.setUp()
                self.nova.began = self.clock.now()
                self.nova.story = [(None, status)]
                nova = Nova(OpenStackSdk(self.nova), Pace(), self.clock)
                self.assertIs(expected, nova.withdraw(order().vm))


class TestValues(unittest.TestCase):
    def test_a_pace_that_misses_a_cancel_is_refused(self):
        with self.assertRaises(errors.InputError):
            Pace(poll=2.5)

    def test_an_order_without_a_deadline_is_refused(self):
        with self.assertRaises(errors.InputError):
            order(deadline=0.0)
