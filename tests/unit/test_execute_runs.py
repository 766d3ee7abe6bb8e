"""Whole runs: what is asked of Nova and told of a migration, look by look."""

import contextlib

from tests.unit import test_execute_governed as governed
from tests.unit.test_execute_migration import Base
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.starting.admission import Limits
from watcher_tsmig.plan.values import Mode

LOG = 'watcher_tsmig.execute.migration'
TOLD = 'was under way already'


class Runs(Base):
    """What the tests share; it has none."""

    def run_of(self, wanted=None, **how):
        return carry_out(
            OpenStackSdk(self.nova),
            wanted or order(),
            **{
                'cancelled': lambda: False,
                'report': self.seen.append,
                'clock': self.clock,
                **how,
            },
        )

    def is_under_way(self, *story):
        self.nova.began, self.nova.destination = self.clock.now(), 'cmp-2'
        self.nova.story = list(story) or [(30, 'running'), (None, 'completed')]

    def busy_until(self, seconds):
        """Another VM leaves the same source until then."""
        end, real = self.clock.now() + seconds, self.nova.migrations

        def with_another(**query):
            found = real(**query)
            if self.clock.now() < end:
                other = self.nova._record('6', 'running')
                other.server_id = 'vm-9'
                found = [*found, other]
            return found

        self.nova.migrations = with_another


class TestBegin(Runs):
    def test_who_brings_no_clock_and_no_pace_gets_those_of_every_day(self):
        self.nova.server.compute_host = 'cmp-2'
        outcome = self.run_of(clock=None)
        self.assertEqual('was already there', outcome.remark)

    def test_what_is_only_to_be_followed_is_not_started(self):
        with self.assertRaisesRegex(
            errors.MigrationError, 'is on cmp-1, and is not under way'
        ):
            self.run_of(begins=False)
        self.assertEqual([], self.nova.calls)
        self.is_under_way()
        with self.assertLogs(LOG, 'WARNING') as logs:
            outcome = self.run_of(begins=False)
        self.assertEqual(('cmp-2', TOLD), (outcome.host, outcome.remark))
        self.assertIn(TOLD.removeprefix('was '), logs.output[0])

    def test_a_start_waits_while_others_have_its_place(self):
        self.busy_until(20.0)
        outcome = self.run_of(limits=Limits(per_source=1))
        self.assertIn('waited 20 s (1 of 1 migr', outcome.remark)
        self.assertEqual(1, len(self.asked('start')))

    def test_what_has_changed_during_the_wait_is_seen(self):
        self.busy_until(20.0)
        for change, text in (
            ({'is_locked': True}, 'is locked'),
            ({'compute_host': 'cmp-9'}, 'is on cmp-9'),
        ):
            with self.subTest(text):
                self.setUp()
                self.busy_until(20.0)
                real = self.nova.get_server

                def changed(vm, change=change, real=real):
                    if self.clock.now() >= 1020.0:
                        vars(self.nova.server).update(change)
                    return real(vm)

                self.nova.get_server = changed
                with self.assertRaisesRegex(errors.MigrationError, text):
                    self.run_of(limits=Limits(per_source=1))
                self.assertEqual([], self.nova.calls)

    def test_a_vm_that_is_deleted_before_its_start_is_told_so(self):
        self.nova.gone = True
        outcome = self.run_of(limits=Limits(per_source=1))
        self.assertEqual(
            ('', 0.0, 'was deleted before it moved'),
            (outcome.host, outcome.seconds, outcome.remark),
        )

    def test_or_during_its_wait(self):
        self.busy_until(20.0)
        real = self.nova.get_server

        def deleted(vm):
            self.nova.gone = self.clock.now() >= 1020.0
            return real(vm)

        self.nova.get_server = deleted
        outcome = self.run_of(limits=Limits(per_source=1))
        self.assertEqual(
            ('', 20.0, 'was deleted before it moved'),
            (outcome.host, outcome.seconds, outcome.remark),
        )

    def test_the_shared_lock_is_given_back_once_everybody_sees_it(self):
        given_back = []

        @contextlib.contextmanager
        def lock():
            yield
            given_back.append(self.nova.status())

        self.nova.story = [(2, None), (90, 'running'), (None, 'completed')]
        self.run_of(
            order(deadline=300.0), limits=Limits(per_source=1), shared=lock
        )
        self.assertEqual(['running'], given_back)


class TestTold(Runs):
    def test_a_look_is_told_where_it_shows_something_else(self):
        self.nova.story = [
            *((25, s) for s in (None, 'queued', 'running', 'post-migrating')),
            (None, 'completed'),
        ]
        self.run_of()
        self.assertEqual(
            [
                ('requested', None), ('queued', None), ('running', None),
                ('running', 512.0), ('post-migrating', None),
                ('completed', None),
            ],
            [(p.status, p.processed) for p in self.seen],
        )  # fmt: skip

    def test_what_is_said_of_it_comes_in_the_order_of_the_events(self):
        self.busy_until(20.0)
        outcome = self.run_of(order(cap=1e8), limits=Limits(per_source=1))
        self.assertRegex(outcome.remark, r'^waited 20 s \(.*\); cap 800 M')
        self.setUp()
        self.is_under_way()
        self.assertRegex(
            self.run_of(order(cap=1e8)).remark, f'^cap 800 M.*; {TOLD}$'
        )

    def test_that_it_was_not_switched_comes_last(self):
        self.is_under_way()
        self.nova.lost_requests = 1
        wanted = order(mode=Mode.POST_COPY, post_copy_permitted=True)
        self.assertRegex(
            self.run_of(wanted, pace=Pace(switch_tries=1)).remark,
            f'^{TOLD}; did not switch to post-copy after 1 requests',
        )

    def test_the_time_of_one_that_is_deleted_counts_from_its_begin(self):
        real = self.nova.get_server

        def deleted(vm):
            self.nova.gone = self.nova.status() == 'completed'
            return real(vm)

        self.nova.get_server = deleted
        outcome = self.run_of()
        self.assertEqual(
            self.clock.now() - 1000.0, outcome.seconds, outcome.remark
        )

    def test_an_outage_has_all_of_its_time_and_is_logged(self):
        real = self.nova.live_migrate_server

        def start(*args, **kw):
            self.nova.failing_reads = 10**6
            return real(*args, **kw)

        self.nova.live_migrate_server = start
        with (
            self.assertLogs(LOG, 'WARNING') as logs,
            self.assertRaisesRegex(errors.MigrationError, 'not answered'),
        ):
            self.run_of(pace=Pace(outage=30.0, http_tries=1))
        self.assertEqual(31.0, self.clock.now() - 1000.0)
        self.assertEqual(31, len(logs.output))

    def test_why_it_was_stopped_first_is_told(self):
        # and not that its destination went down in the meantime
        self.nova.story = [(None, 'running')]
        self.nova.abort_refused = True
        self.nova.down = {'cmp-2': self.clock.now() + 25.0}
        with self.assertRaisesRegex(errors.MigrationError, 'its deadline'):
            self.run_of(order(deadline=20.0), pace=Pace(stop=60.0))


class TestGoverned(governed.Base):
    def go(self, does=Does.ACT, *, abort=False, **values):
        return super().go(does, abort=abort, **values)

    def test_every_look_that_shows_more_bytes_is_told(self):
        self.go(Does.OFF, caps=self.agents, deadline=1000.0)
        sent = [p.processed for p in self.seen if p.processed is not None]
        self.assertGreater(len(sent), 300)
        self.assertEqual(sorted(set(sent)), sent)

    def test_a_word_of_the_governor_is_told_also_where_nothing_moves(self):
        self.nova.counters = lambda: (1e8, 9e8)
        late = Pace(abort_late=False)
        self.go(Does.OBSERVE, caps=self.agents, deadline=300.0, pace=late)
        notes = [p.note for p in self.seen if p.processed == 1e8]
        self.assertEqual('', notes[0])
        self.assertIn('its deadline is in 30 s', notes[1])

    def test_its_word_is_logged_and_told_last(self):
        self.nova.began, self.nova.destination = self.clock.now(), 'cmp-2'
        self.nova.story = self.nova.story[2:]
        with self.assertLogs(LOG, 'WARNING') as logs:
            outcome = self.go(Does.OBSERVE, deadline=1000.0)
        self.assertRegex(outcome.remark, f'^{TOLD}; .* would ')
        self.assertIn('would switch it', ' '.join(logs.output))

    def test_what_is_to_stop_is_not_governed_any_more(self):
        self.nova.abort_refused = True
        self.nova.story = [(2, None), (None, 'running')]
        with self.assertRaisesRegex(errors.MigrationError, 'no effect'):
            self.go(deadline=5.0, pace=Pace(stop=200.0))
        self.assertEqual([], self.forced())

    def test_a_post_copy_is_not(self):
        def long(record, vm):
            self.nova.calls.append(('force', record))
            self.nova.began = self.clock.now()
            self.nova.story = [(90, 'running (post-copy)'), (1, 'completed')]
            self.nova.story += [(None, 'completed')]

        self.nova.force_complete_server_migration = long
        outcome = self.go(caps=self.agents, cap=50e6)
        self.assertIs(Mode.HYBRID, outcome.mode)
        self.assertEqual(1, len(self.forced()))

    def test_one_that_is_to_be_aborted_is_and_says_why(self):
        with self.assertRaisesRegex(
            errors.MigrationError, 'its deadline while its memory was sent'
        ):
            self.go(
                abort=True,
                deadline=60.0,
                post_copy_permitted=False,
                pace=Pace(abort_late=False),
            )
        self.assertIn('abort', [call[0] for call in self.nova.calls])
