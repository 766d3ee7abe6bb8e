"""What each end of a run finds out, says and permits next, asked directly.

Whole runs that end so are in test_execute_ends.
"""

import types
import unittest

from tests.unit.small_cloud import Clock
from tests.unit.test_execute_ends import Agents
from tests.unit.test_execute_follow import watch
from tests.unit.test_execute_migration import order
from tests.unit.test_execute_orders import server
from watcher_tsmig import errors
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.caps import NoCaps
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.ends import Ends
from watcher_tsmig.execute.follow import Stop

AWAY = errors.CloudError('Nova is away')
THERE = server(host='cmp-2')


def record(status):
    return Record(
        id='8', status=status, took=None, source='cmp-1', destination='cmp-2'
    )


def in_phase(status, **asked):
    found = watch()
    found.look(0.0, status, **asked)
    return found


class Base(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.began = self.clock.now()
        self.down, self.why, self.caps = (), '', NoCaps()
        # what Nova shows of the VM, look by look; the last one stays
        self.looks = [server()]

    def ends(self, **pace):
        nova = types.SimpleNamespace(
            server=self.look,
            is_down=self.is_down,
            reason=lambda vm: self.why,
            pause=lambda wanted: wanted,
        )
        return Ends(nova, order(), Pace(**pace), self.clock, self.caps)

    def look(self, vm):
        seen = self.looks.pop(0) if self.looks[1:] else self.looks[0]
        if isinstance(seen, Exception):
            raise seen
        return seen

    def is_down(self, host):
        if isinstance(self.down, Exception):
            raise self.down
        return host in self.down

    def fails(self, end, *args, elsewhere=False, **kw):
        """What is told; and whether another destination may do."""
        with self.assertRaises(errors.MigrationError) as caught:
            end(*args, **kw)
        self.assertIs(
            elsewhere, isinstance(caught.exception, errors.DestinationError)
        )
        return str(caught.exception)


class TestLanded(Base):
    def test_it_has_landed_once_it_is_there_and_nothing_is_done_with_it(self):
        self.looks = [server(), server(host='cmp-2', task='migrating'), THERE]
        self.assertTrue(self.ends(poll=1.0).landed())
        self.assertEqual(2.0, self.clock.now() - self.began)

    def test_a_look_that_nova_does_not_answer_says_nothing(self):
        self.looks = [AWAY, THERE]
        with self.assertLogs('watcher_tsmig.execute.ends', 'WARNING'):
            self.assertTrue(self.ends().landed())

    def test_one_that_is_not_there_has_all_of_its_time(self):
        self.fails(self.ends(settle=5.0, poll=1.0).landed)
        self.assertEqual(6.0, self.clock.now() - self.began)

    def test_a_completed_one_may_run_where_nova_does_not_count_it(self):
        self.caps = Agents(cmp_1=False, cmp_2=True)
        text = self.fails(self.ends(settle=5.0).landed)
        self.assertIn('Nova reports completed; it runs on cmp-2', text)

    def test_where_nobody_tells_the_destination_is_not_called_down(self):
        self.down = AWAY
        with self.assertLogs('watcher_tsmig.execute.ends', 'WARNING'):
            text = self.fails(self.ends(settle=5.0).landed)
        self.assertIn('Nova reports completed; it is active on cmp-1', text)


class TestRefused(Base):
    def refused(self, **kw):
        cause = ValueError('409')
        with self.assertRaises(errors.MigrationError) as caught:
            self.ends().refused('it is locked', cause)
        self.assertIs(cause, caught.exception.__cause__)
        return caught.exception

    def test_another_destination_may_take_what_one_refused(self):
        found = self.refused()
        self.assertIsInstance(found, errors.DestinationError)
        self.assertEqual('Nova refused: it is locked', found.why)
        self.assertIn('stays on cmp-1, Nova refused', str(found))

    def test_none_may_while_the_source_is_down(self):
        self.down = ('cmp-1',)
        found = self.refused()
        self.assertNotIsInstance(found, errors.DestinationError)
        self.assertIn('cmp-1, whose nova-compute is down; start', str(found))


class TestFailed(Base):
    def failed(self, status='failed', seen=None, *, ran=False, **kw):
        found = seen or in_phase('running')
        return self.fails(
            self.ends().failed, found, record(status), ran=ran, **kw
        )

    def test_what_failed_before_it_ran_may_go_elsewhere(self):
        self.assertIn('it failed (Nova: failed)', self.failed(elsewhere=True))

    def test_what_ran_may_not(self):
        self.failed(ran=True)

    def test_what_somebody_stopped_may_not_but_for_a_dead_destination(self):
        for stop, elsewhere in (
            (Stop.QUEUED, False),
            (Stop.CANCELLED, False),
            (Stop.DEAD, True),
        ):
            for status in ('failed', 'cancelled'):
                seen = in_phase('queued')
                seen.stop = stop
                text = self.failed(status, seen, elsewhere=elsewhere)
                self.assertIn(f'{stop.value} (Nova: {status})', text)
        self.assertIn('somebody aborted it', self.failed('cancelled'))

    def test_a_post_copy_that_failed_is_told_whoever_wanted_to_stop_it(self):
        seen = in_phase('running (post-copy)', cancelled=True)
        text = self.failed('error', seen, ran=True)
        self.assertIn('its post-copy failed (Nova: error)', text)
        self.assertIn('reboot --hard', text)

    def test_what_is_not_at_rest_may_not(self):
        for seen in (server(task='migrating'), THERE, server(vm_state='x')):
            self.looks = [seen]
            self.failed()

    def test_a_long_reason_is_cut_and_where_it_is_still_told(self):
        self.why = 'x' * 99
        text = self.failed(elsewhere=True)
        self.assertIn(f'it failed: {"x" * 80} (Nova: failed); it is', text)

    def test_where_a_failed_post_copy_runs_is_asked_of_the_agents(self):
        self.caps = Agents(cmp_1=False, cmp_2=True)
        text = self.failed('error', in_phase('running (post-copy)'), ran=True)
        self.assertIn('its post-copy failed (Nova: error); it runs on', text)

    def test_of_what_was_sent_the_agents_say_where_it_runs(self):
        self.caps = Agents(cmp_1=False, cmp_2=True)
        self.assertIn('it runs on cmp-2', self.failed(ran=True))
        self.assertNotIn('runs', self.failed(elsewhere=True))


class TestQuiet(Base):
    def quiet(self, status='running'):
        return self.ends().quiet(in_phase(status), record(status))

    def fails_quietly(self, status='running'):
        return self.fails(self.quiet, status)

    def test_who_works_on_it_is_left_alone(self):
        self.looks = [server(task='migrating')]
        self.assertIsNone(self.quiet())

    def test_a_nova_that_does_not_answer_says_nothing(self):
        self.down = AWAY
        with self.assertLogs('watcher_tsmig.execute.ends', 'WARNING'):
            self.assertIsNone(self.quiet())

    def test_one_that_is_deleted_is_nobodys_fault(self):
        self.looks = [None]
        self.assertIsNone(self.quiet())

    def test_what_can_be_stopped_is_where_its_destination_is_down(self):
        self.down = ('cmp-2',)
        for status in ('queued', 'running'):
            self.assertIs(Stop.DEAD, self.quiet(status))

    def test_what_cannot_be_stopped_fails_where_one_is_down(self):
        self.down = ('cmp-2',)
        for status in ('running (post-copy)', 'post-migrating'):
            text = self.fails_quietly(status)
            self.assertIn(f'cmp-2 is down (Nova: {status})', text)

    def test_both_hosts_are_named_where_both_are_down(self):
        self.down = ('cmp-1', 'cmp-2')
        text = self.fails_quietly()
        self.assertIn('nova-compute on cmp-1 and cmp-2 is down', text)

    def test_what_nova_has_forgotten_may_run_elsewhere(self):
        self.caps = Agents(cmp_1=False, cmp_2=True)
        text = self.fails_quietly()
        self.assertIn('works on it no longer (Nova: running); it runs', text)

    def test_what_lands_is_not_forgotten_and_nor_is_what_has_arrived(self):
        self.assertIsNone(self.quiet('post-migrating'))
        self.looks = [THERE]
        self.assertIsNone(self.quiet())


class TestStuck(Base):
    def stuck(self, seen, status='running'):
        return self.fails(self.ends(stop=60.0).stuck, seen, record(status))

    def test_an_abort_without_effect_is_told_with_its_time(self):
        self.assertIn(
            'cancelled, and the abort had no effect within 60 s (Nova: '
            'running)',
            self.stuck(in_phase('running', cancelled=True)),
        )

    def test_one_that_runs_for_too_long_is_left_to_that(self):
        found = watch(abort_late=False)
        for now in (0.0, 601.0):
            found.look(now, 'running')
        text = self.stuck(found)
        self.assertIn('has been running for 10 min 1 s, long', text)

    def test_a_post_copy_has_no_abort_whatever_was_asked(self):
        found = in_phase('running (post-copy)', cancelled=True)
        found.look(300.0, 'running (post-copy)')
        text = self.stuck(found, 'running (post-copy)')
        self.assertIn('has been running (post-copy) for 5 min; it', text)
        self.assertIn('check the network', text)
        self.down = ('cmp-2',)
        text = self.stuck(found, 'running (post-copy)')
        self.assertIn('start that on cmp-2, which is down', text)

    def test_a_record_that_is_gone_is_told(self):
        text = self.fails(
            self.ends().stuck, in_phase('running', cancelled=True), None
        )
        self.assertIn('(Nova: gone)', text)


class TestAbsent(Base):
    def test_a_doubt_about_the_request_is_told_where_there_is_one(self):
        absent = self.ends(appear=60.0).absent
        self.assertIn('no migration in 60 s; it is', self.fails(absent, ''))
        self.assertIn(
            'no migration in 60 s (cut off); it is',
            self.fails(absent, 'cut off'),
        )
