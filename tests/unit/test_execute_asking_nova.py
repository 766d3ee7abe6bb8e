"""The compute API as an execution sees it: what it counts, tries and tells."""

import types
import unittest

from tests.unit.test_execute_migration import Clock
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.compute import Missing
from watcher_tsmig.execute.compute import Passage
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Refused
from watcher_tsmig.execute.compute import Service
from watcher_tsmig.execute.compute import Unanswered
from watcher_tsmig.execute.nova import Nova

UNDER_WAY = (
    'accepted', 'queued', 'pre-migrating', 'preparing', 'running',
    'running (post-copy)', 'migrating', 'post-migrating',
)  # fmt: skip
OVER = (
    'completed', 'done', 'failed', 'error', 'cancelled', 'finished',
    'confirmed', 'reverted',
)  # fmt: skip


def record(status='running'):
    return Record(
        id='7', status=status, took=None, source='a', destination='b'
    )


class Asked(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.began = self.clock.now()

    def nova(self, **driver):
        pace = Pace(http_tries=3, http_wait=0.5)
        return Nova(types.SimpleNamespace(**driver), pace, self.clock)

    def failing(self, *troubles, then='found'):
        """A call that raises these first, and how often it was made."""
        left, calls = list(troubles), []

        def call(*given):
            calls.append(given)
            if left:
                raise left.pop(0)
            return then

        return call, calls


class TestCounting(Asked):
    def test_only_what_has_not_ended_counts(self):
        found = [
            Passage(vm=s, source='a', destination='b', status=s)
            for s in (*OVER, *UNDER_WAY)
        ]
        nova = self.nova(passages=lambda host: found)
        self.assertEqual(
            list(UNDER_WAY), [p.status for p in nova.passages('a')]
        )


class TestTrying(Asked):
    def test_a_read_that_nobody_answers_is_tried_again_after_a_while(self):
        call, calls = self.failing(Unanswered('x'), Unanswered('x'))
        self.assertEqual('found', self.nova(residents=call).residents('a'))
        self.assertEqual([('a',)] * 3, calls)
        # half a second, then one
        self.assertAlmostEqual(1.5, self.clock.now() - self.began)

    def test_after_the_last_attempt_the_trouble_is_told(self):
        call, calls = self.failing(*(Unanswered(f'no {i}') for i in range(9)))
        with self.assertRaisesRegex(Unanswered, 'no 2'):
            self.nova(records=call).records('vm-1')
        self.assertEqual(3, len(calls))

    def test_a_pause_between_two_attempts_is_10_s_at_most(self):
        call, _ = self.failing(*(Unanswered('x') for _ in range(6)))
        nova = self.nova(records=call)
        nova._pace = Pace(http_tries=7, http_wait=0.5)
        nova.records('vm-1')
        self.assertAlmostEqual(
            0.5 + 1 + 2 + 4 + 8 + 10, self.clock.now() - self.began
        )

    def test_a_refusal_is_not_tried_again(self):
        call, calls = self.failing(Refused('x'))
        with self.assertRaises(Refused):
            self.nova(bonds=call).bonds('vm-1')
        self.assertEqual(1, len(calls))

    def test_what_is_not_there_is_none(self):
        call, _ = self.failing(Missing('x'), Missing('x'))
        nova = self.nova(server=call, statistics=call)
        self.assertIsNone(nova.server('vm-1'))
        self.assertIsNone(nova.statistics('vm-1', '7'))


class TestActing(Asked):
    def test_a_start_is_asked_for_once_whatever_becomes_of_it(self):
        for trouble, told in ((None, ''), (Unanswered('cut off'), 'cut off')):
            call, calls = self.failing(*([trouble] if trouble else []))
            self.assertEqual(told, self.nova(start=call).start(order()))
            self.assertEqual([('vm-1', 'cmp-2')], calls)
        call, _ = self.failing(Refused('no'))
        with self.assertRaisesRegex(Refused, 'no'):
            self.nova(start=call).start(order())

    def test_switch_and_abort_race_with_the_end_and_only_tell(self):
        for name in ('switch', 'abort'):
            for trouble in (Missing('is over'), Unanswered('is over')):
                call, calls = self.failing(trouble)
                asked = getattr(self.nova(**{name: call}), name)
                self.assertEqual('is over', asked('vm-1', '7'))
                self.assertEqual([('vm-1', '7')], calls)
                self.assertEqual('', asked('vm-1', '7'))

    def test_only_the_newest_migration_is_withdrawn_and_where_nova_can(self):
        for statuses, withdrawn in (
            ([], False),
            (['queued', 'running'], True),
            (['running'], True),
            (['running (post-copy)'], False),
            (['completed', 'running'], False),
        ):
            call, calls = self.failing(then=None)
            nova = self.nova(
                records=lambda vm, s=statuses: [record(x) for x in s],
                abort=call,
            )
            self.assertIs(withdrawn, nova.withdraw('vm-1'), statuses)
            self.assertEqual([('vm-1', '7')] if withdrawn else [], calls)

    def test_one_that_nova_does_not_withdraw_is_not_withdrawn(self):
        call, _ = self.failing(Refused('too late'))
        nova = self.nova(records=lambda vm: [record()], abort=call)
        self.assertIs(False, nova.withdraw('vm-1'))


class TestPausing(Asked):
    def test_every_request_counts_and_only_what_is_urgent_does_not_wait(self):
        for ask in (
            lambda nova: nova.server('vm-1'),
            lambda nova: nova.start(order()),
            lambda nova: nova.switch('vm-1', '7'),
            lambda nova: nova.abort('vm-1', '7'),
        ):
            call, _ = self.failing()
            nova = self.nova(server=call, start=call, switch=call, abort=call)
            self.assertEqual(0.0, nova.pause(0.0))
            ask(nova)
            self.assertGreater(nova.pause(0.0), 1.0)
            self.assertEqual(0.0, nova.pause(0.0, urgent=True))


class TestServices(Asked):
    def of(self, *rows):
        services = [
            Service(
                host=host, binary=binary, up=up, enabled=enabled,
                reason=reason,
            )
            for host, binary, up, enabled, reason in rows
        ]  # fmt: skip
        return self.nova(services=lambda host: services)

    def test_the_first_trouble_of_a_host_is_told(self):
        for up, enabled, trouble in (
            (True, True, None),
            (True, False, 'is disabled'),
            (False, True, 'is down'),
            (False, False, 'is down'),
        ):
            nova = self.of(('a', 'nova-compute', up, enabled, 'fan'))
            self.assertEqual(trouble, nova.service_trouble('a'))
            self.assertIs(not up, nova.is_down('a'))
            self.assertEqual(
                '' if enabled else 'fan', nova.disabled_reason('a')
            )

    def test_services_of_others_say_nothing(self):
        # an old API ignores the filters
        nova = self.of(
            ('b', 'nova-compute', False, False, 'fan'),
            ('a', 'nova-conductor', False, False, 'fan'),
        )
        self.assertEqual('has no compute service', nova.service_trouble('a'))
        self.assertIs(False, nova.is_down('a'))
        self.assertEqual('', nova.disabled_reason('a'))


class TestReason(Asked):
    def test_where_nova_keeps_no_live_migration_there_is_no_reason(self):
        other = types.SimpleNamespace(name='reboot', request='r')
        for actions in ([], [other]):
            nova = self.nova(actions=lambda vm, found=actions: found)
            self.assertEqual('', nova.reason('vm-1'))

    def test_one_that_may_not_ask_gets_none(self):
        call, _ = self.failing(*[errors.CloudError('forbidden')])
        self.assertEqual('', self.nova(actions=call).reason('vm-1'))

    def test_what_failed_first_is_told_on_one_line(self):
        action = types.SimpleNamespace(name='live-migration', request='r')
        events = [
            types.SimpleNamespace(failed=failed, details=details)
            for failed, details in (
                (True, 'later'), (True, 'first\n one'), (True, ''),
                (False, 'no failure'),
            )
        ]  # fmt: skip
        nova = self.nova(
            actions=lambda vm: [action], events=lambda vm, request: events
        )
        self.assertEqual('first one', nova.reason('vm-1'))
