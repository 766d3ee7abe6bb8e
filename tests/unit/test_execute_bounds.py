"""Every bound of a migration that is followed: not sooner, and not later."""

import math
import unittest

from tests.unit.test_execute_follow import SENT
from tests.unit.test_execute_follow import watch
from watcher_tsmig.execute.follow import FOLLOWED
from watcher_tsmig.execute.follow import Step
from watcher_tsmig.execute.follow import Stop
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.plan.values import Mode

WAIT, SWITCH, ABORT, STUCK = Step.WAIT, Step.SWITCH, Step.ABORT, Step.STUCK


def steps(found, status, times, **more):
    return [found.look(now, status, **more) for now in times]


class TestForcedCompletions(unittest.TestCase):
    def test_one_that_nova_lost_is_asked_again_after_its_time(self):
        found = watch(switch_again=3.0)
        self.assertEqual(
            [SWITCH, WAIT, WAIT, SWITCH, WAIT],
            steps(found, 'running', (1.0, 2.0, 3.0, 4.0, 5.0), counters=SENT),
        )

    def test_so_many_are_asked_for_and_no_more(self):
        found = watch(switch_again=1.0, switch_tries=2)
        self.assertEqual(
            [SWITCH, SWITCH, WAIT, WAIT],
            steps(found, 'running', (1.0, 2.0, 3.0, 4.0), counters=SENT),
        )

    def test_none_is_asked_for_before_memory_is_counted(self):
        found = watch()
        empty = Counters(total=0.0)
        self.assertIs(WAIT, found.look(1.0, 'running'))
        self.assertIs(WAIT, found.look(2.0, 'running', counters=empty))
        self.assertIs(SWITCH, found.look(3.0, 'running', counters=SENT))
        # and none while nobody tells
        self.assertIs(WAIT, found.look(30.0, 'running'))

    def test_none_is_asked_for_outside_of_the_pre_copy(self):
        for status in ('accepted', 'preparing', 'running (post-copy)'):
            found = watch()
            self.assertIs(WAIT, found.look(1.0, status, counters=SENT))

    def test_one_for_a_hybrid_comes_after_its_forecast_not_with_it(self):
        found = watch(mode=Mode.HYBRID, takes=30.0)
        found.look(0.0, 'running', counters=SENT)
        times = (30.0, 31.0)
        self.assertEqual(
            [WAIT, SWITCH], steps(found, 'running', times, counters=SENT)
        )

    def test_none_is_asked_for_where_the_plan_wants_a_pre_copy(self):
        found = watch(mode=Mode.PRE_COPY, takes=10.0)
        times = (0.0, 20.0)
        self.assertEqual(
            [WAIT, WAIT], steps(found, 'running', times, counters=SENT)
        )

    def test_one_comes_before_anybody_looks_who_moves_it(self):
        found = watch(quiet=15.0, switch_again=99.0)
        found.look(0.0, 'running', saved=7.5)
        times = (16.0, 17.0)
        self.assertEqual(
            [SWITCH, Step.LOOK],
            steps(found, 'running', times, counters=SENT, saved=7.5),
        )

    def test_none_is_asked_for_once_it_is_to_stop(self):
        found = watch(switch_again=3.0)
        times = (1.0, 2.0, 3.0, 4.0)
        self.assertEqual(
            [ABORT, WAIT, WAIT, ABORT],
            steps(found, 'running', times, counters=SENT, cancelled=True),
        )


class TestStops(unittest.TestCase):
    def test_an_abort_is_asked_again_after_its_time(self):
        found = watch(mode=Mode.PRE_COPY, switch_again=3.0)
        self.assertEqual(
            [ABORT, WAIT, WAIT, ABORT, WAIT],
            steps(found, 'running', (1.0, 2.0, 3.0, 4.0, 5.0), cancelled=True),
        )

    def test_an_abort_is_not_asked_again_by_what_was_read_before_it(self):
        found = watch(mode=Mode.PRE_COPY, switch_again=3.0)
        seen = [
            found.look(now, 'running', read=read, cancelled=True)
            for now, read in ((1.0, 1.0), (5.0, 0.5), (6.0, 1.0), (7.0, 6.5))
        ]
        self.assertEqual([ABORT, WAIT, WAIT, ABORT], seen)

    def test_an_abort_has_all_of_its_time(self):
        found = watch(mode=Mode.PRE_COPY, stop=30.0, switch_again=99.0)
        self.assertEqual(
            [ABORT, WAIT, STUCK],
            steps(found, 'running', (1.0, 31.0, 31.5), cancelled=True),
        )

    def test_the_time_of_an_abort_counts_from_the_first_request(self):
        found = watch(mode=Mode.PRE_COPY, stop=10.0, switch_again=4.0)
        self.assertEqual(
            [ABORT, ABORT, ABORT, STUCK],
            steps(found, 'running', (1.0, 5.0, 9.0, 13.0), cancelled=True),
        )

    def test_a_queued_one_is_withdrawn_after_its_time_and_says_why(self):
        found = watch(queue=100.0)
        self.assertEqual(
            [WAIT, WAIT, ABORT],
            steps(found, 'queued', (0.0, 100.0, 101.0)),
        )
        self.assertIs(Stop.QUEUED, found.stop)

    def test_the_time_in_the_queue_is_no_bound_of_one_that_runs(self):
        found = watch(mode=Mode.PRE_COPY, queue=10.0)
        self.assertEqual(
            [WAIT, WAIT], steps(found, 'running', (0.0, 50.0), counters=SENT)
        )

    def test_the_time_in_the_queue_is_over_all_of_its_statuses(self):
        found = watch(queue=100.0)
        found.look(0.0, 'accepted')
        found.look(60.0, 'queued')
        self.assertIs(ABORT, found.look(101.0, 'preparing'))

    def test_a_running_one_has_its_deadline_from_its_begin(self):
        found = watch(mode=Mode.PRE_COPY)
        found.look(50.0, 'accepted')
        self.assertEqual(
            [WAIT, WAIT, ABORT],
            steps(found, 'running', (55.0, 115.0, 116.0)),
        )
        self.assertIs(Stop.DEADLINE, found.stop)

    def test_one_that_may_be_late_is_given_up_in_the_end(self):
        found = watch(mode=Mode.PRE_COPY, abort_late=False)
        order = found.order
        end = (order.deadline + order.disk_deadline) * FOLLOWED
        self.assertEqual(
            [WAIT, WAIT, STUCK],
            steps(found, 'running', (0.0, end, end + 1.0)),
        )
        self.assertIsNone(found.stop)
        self.assertEqual(10.0, FOLLOWED)

    def test_a_cancel_is_remembered_and_its_reason_stays(self):
        found = watch(mode=Mode.PRE_COPY)
        found.look(1.0, 'running', cancelled=True)
        self.assertIs(ABORT, found.look(61.0, 'running'))
        self.assertIs(Stop.CANCELLED, found.stop)

    def test_a_landing_and_a_post_copy_have_all_of_their_time(self):
        for status in ('running (post-copy)', 'post-migrating'):
            found = watch()
            self.assertEqual(
                [WAIT, WAIT, STUCK],
                steps(found, status, (5.0, 65.0, 66.0)),
            )

    def test_a_record_that_does_not_appear_is_awaited_for_its_time(self):
        found = watch(appear=60.0)
        self.assertEqual(
            [WAIT, WAIT, Step.ABSENT],
            steps(found, None, (1.0, 60.0, 61.0)),
        )
        # from the begin, whatever the clock said then
        found = watch(began=1000.0, appear=60.0)
        self.assertIs(WAIT, found.look(1060.0, None))
        # there is nothing that could be aborted
        found = watch(appear=60.0)
        self.assertEqual(
            [WAIT, Step.ABSENT],
            steps(found, None, (1.0, 61.0), cancelled=True),
        )

    def test_a_record_that_vanishes_is_awaited_also_after_an_abort(self):
        found = watch(mode=Mode.PRE_COPY, stop=30.0, appear=60.0)
        found.look(1.0, 'running', cancelled=True)
        self.assertEqual(
            [WAIT, WAIT, Step.ABSENT],
            steps(found, None, (32.0, 92.0, 93.0)),
        )

    def test_nobody_looks_who_moves_what_has_no_record(self):
        found = watch(appear=60.0, quiet=15.0)
        self.assertEqual([WAIT, WAIT], steps(found, None, (1.0, 50.0)))

    def test_every_waiting_status_of_nova_can_be_withdrawn(self):
        for status in ('accepted', 'pre-migrating', 'queued', 'preparing'):
            found = watch()
            self.assertIs(ABORT, found.look(1.0, status, cancelled=True))


class TestDisks(unittest.TestCase):
    def test_disks_that_nobody_foretold_are_followed_ten_times_as_long(self):
        found = watch(mode=Mode.PRE_COPY)
        disks = Counters(total=0.0, disk=1e9)
        self.assertEqual(
            [WAIT, WAIT, WAIT, ABORT],
            steps(found, 'running', (0.0, 61.0, 600.0, 601.0), counters=disks),
        )
        self.assertIs(Stop.DISK, found.stop)

    def test_disks_that_no_counter_shows_go_first_where_they_were_planned(
        self,
    ):
        found = watch(mode=Mode.PRE_COPY, disks=30.0)
        nothing_yet = Counters(total=0.0)
        self.assertEqual(
            [WAIT, WAIT, ABORT],
            steps(found, 'running', (0.0, 30.0, 31.0), counters=nothing_yet),
        )
        self.assertIs(Stop.DISK, found.stop)


class TestMode(unittest.TestCase):
    def test_how_memory_travelled_is_what_was_seen(self):
        for mode, status, expected in (
            (Mode.POST_COPY, 'running', Mode.PRE_COPY),
            (Mode.POST_COPY, 'running (post-copy)', Mode.POST_COPY),
            (Mode.HYBRID, 'running (post-copy)', Mode.HYBRID),
        ):
            found = watch(mode=mode, takes=math.inf)
            found.look(1.0, status)
            found.look(2.0, 'completed')
            self.assertIs(expected, found.mode)
