"""What follows from what Nova shows of a migration, step by step."""

import math
import unittest

from tests.unit.test_execute_migration import order
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.follow import Step
from watcher_tsmig.execute.follow import Stop
from watcher_tsmig.execute.follow import Watch
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.plan.values import Mode

SENT = Counters(total=1024.0)


def watch(
    *,
    permitted=True,
    mode=Mode.POST_COPY,
    takes=math.inf,
    disks=0.0,
    began=0.0,
    **pace,
):
    wanted = order(
        mode=mode,
        post_copy_permitted=permitted,
        deadline=60.0,
        disk_deadline=disks,
        takes=takes,
    )
    # who looks when nothing moves is another matter
    return Watch(wanted, Pace(**{'quiet': math.inf, **pace}), began)


class TestSwitch(unittest.TestCase):
    def test_a_running_migration_is_switched_where_that_is_permitted(self):
        found = watch()
        self.assertIs(Step.SWITCH, found.look(1.0, 'running', counters=SENT))

    def test_it_never_is_where_a_forced_completion_would_pause_the_vm(self):
        for found in (watch(permitted=False), watch(mode=Mode.PRE_COPY)):
            for now in range(1, 50):
                step = found.look(float(now), 'running', counters=SENT)
                self.assertIs(Step.WAIT, step)

    def test_a_hybrid_that_sends_nothing_any_more_is_not(self):
        found = watch(mode=Mode.HYBRID, takes=10.0)
        stands = Counters(total=1024.0, processed=500.0, remaining=524.0)
        for now in range(1, 61):
            step = found.look(float(now), 'running', counters=stands)
            if now > 21:  # until then it may have been a pause
                self.assertIs(Step.WAIT, step)
        moves = Counters(total=1024.0, processed=600.0, remaining=424.0)
        self.assertIs(Step.SWITCH, found.look(60.5, 'running', counters=moves))

    def test_a_hybrid_is_switched_once_its_first_pass_is_over(self):
        found = watch(mode=Mode.HYBRID)
        # bytes of 1024: sent, and left of the round
        for now, sent, left in ((1.0, 100.0, 924.0), (2.0, 900.0, 124.0)):
            counters = Counters(total=1024.0, processed=sent, remaining=left)
            self.assertIs(
                Step.WAIT, found.look(now, 'running', counters=counters)
            )
        counters = Counters(total=1024.0, processed=1100.0, remaining=200.0)
        self.assertIs(
            Step.SWITCH, found.look(3.0, 'running', counters=counters)
        )
        found.look(4.0, 'running (post-copy)')
        self.assertIs(Mode.HYBRID, found.mode)

    def test_a_hybrid_that_nobody_counts_is_switched_by_its_forecast(self):
        found = watch(mode=Mode.HYBRID, takes=30.0)
        steps = [
            found.look(now, 'running', counters=SENT)
            for now in (1.0, 20.0, 32.0)
        ]
        self.assertEqual([Step.WAIT, Step.WAIT, Step.SWITCH], steps)


class TestLook(unittest.TestCase):
    def looks(self, saved):
        """The steps of a minute in which memory goes.

        :param saved: age of the record's last change, by the time
        """
        found = watch(mode=Mode.PRE_COPY, quiet=15.0)
        return [
            found.look(
                float(now),
                'running',
                counters=Counters(
                    total=1e3, processed=float(now), remaining=1e3 - now
                ),
                saved=saved(now),
            )
            for now in range(60)
        ]

    def test_a_record_that_stands_still_is_a_reason_to_look_whatever_goes(
        self,
    ):
        steps = self.looks(lambda now: 7.5)
        self.assertEqual(3, steps.count(Step.LOOK))
        self.assertIs(Step.LOOK, steps[16])

    def test_one_that_nova_writes_is_none(self):
        steps = self.looks(lambda now: now - now % 5.0)
        self.assertEqual({Step.WAIT}, set(steps))

    def test_where_nova_does_not_tell_counters_do(self):
        self.assertEqual({Step.WAIT}, set(self.looks(lambda now: None)))


class TestLate(unittest.TestCase):
    def late(self, *, mode=Mode.PRE_COPY, moves=0.0, **counters):
        """Why it is stopped after 60 s.

        :param moves: bytes/s
        """
        disks = 60.0 if 'disk' in counters else 0.0
        found = watch(mode=mode, disks=disks, quiet=20.0, switch_again=3.0)
        for now in range(0, 64, 2):
            given = {'total': 1e3, 'remaining': 500.0, **counters}
            if moves:
                given['remaining'] -= moves * now
            seen = Counters(processed=moves * now, **given)
            found.look(float(now), 'running', counters=seen)
        return found.stop

    def test_what_is_stopped_says_which_bound_held_it_up(self):
        for wanted, given in (
            (Stop.MEMORY, {'moves': 1.0}),
            (Stop.DISK, {'moves': 1.0, 'disk': 1e9, 'total': 0.0}),
            (Stop.SILENT, {}),
            (Stop.SILENT, {'disk': 1e9, 'total': 0.0}),
            (Stop.SWITCHOVER, {'remaining': 0.0}),
            (Stop.UNSWITCHED, {'moves': 1.0, 'mode': Mode.POST_COPY}),
            (Stop.DEADLINE, {'total': 0.0, 'remaining': 0.0}),
        ):
            with self.subTest(given=given):
                self.assertIs(wanted, self.late(**given))

    def test_one_is_silent_where_nothing_moved_for_longer_than_a_while(self):
        for stood, wanted in ((20.0, Stop.MEMORY), (20.5, Stop.SILENT)):
            found = watch(mode=Mode.PRE_COPY, quiet=20.0)
            for now, sent in ((0.0, 0.0), (61.0 - stood, 1.0), (61.0, 1.0)):
                counters = Counters(
                    total=1e3, processed=sent, remaining=1e3 - sent
                )
                found.look(now, 'running', counters=counters)
            self.assertIs(wanted, found.stop)

    def test_one_request_that_had_no_effect_is_enough_to_say_so(self):
        found = watch(switch_again=99.0)
        for now in (0.0, 61.0):
            found.look(now, 'running', counters=SENT)
        self.assertEqual(1, found.tries)
        self.assertIs(Stop.UNSWITCHED, found.stop)

    def test_what_nova_did_not_start_stood_in_its_queue(self):
        found = watch(queue=30.0)
        found.look(0.0, 'queued')
        self.assertIs(Step.ABORT, found.look(31.0, 'queued'))
        self.assertIn("source's queue", found.stop.value)


class TestStop(unittest.TestCase):
    def test_an_abort_is_repeated_until_its_time_is_over_and_not_after(self):
        # looks so far apart that at each the abort could be repeated
        found = watch(mode=Mode.PRE_COPY, stop=30.0, switch_again=3.0)
        steps = [
            found.look(now, 'running', cancelled=True)
            for now in (10.0, 20.0, 30.0, 39.0, 45.0, 55.0)
        ]
        self.assertEqual([Step.ABORT] * 4 + [Step.STUCK] * 2, steps)

    def test_what_cannot_be_stopped_is_given_its_deadline(self):
        for status in ('running (post-copy)', 'post-migrating', 'unheard of'):
            with self.subTest(status):
                found = watch()
                found.look(0.0, status, cancelled=True)
                self.assertIs(
                    Step.WAIT, found.look(59.0, status, cancelled=True)
                )
                self.assertIs(
                    Step.STUCK, found.look(61.0, status, cancelled=True)
                )

    def test_an_end_counts_whatever_was_asked_before(self):
        for status, step in (
            ('completed', Step.FINISH),
            ('done', Step.FINISH),
            ('failed', Step.FAIL),
            ('error', Step.FAIL),
            ('cancelled', Step.FAIL),
        ):
            with self.subTest(status):
                found = watch(stop=1.0)
                found.look(1.0, 'running', counters=SENT, cancelled=True)
                self.assertIs(step, found.look(90.0, status, cancelled=True))
