"""What the governor does about pre-copies that go otherwise than foretold."""

import dataclasses
import math
import pathlib
import unittest

from tests.unit.governed import GIB
from tests.unit.governed import Course
from tests.unit.governed import first
from tests.unit.governed import governor
from tests.unit.governed import kinds
from tests.unit.governed import run
from watcher_tsmig import errors
from watcher_tsmig.execute.governor.govern import RULES
from watcher_tsmig.execute.governor.govern import Code
from watcher_tsmig.execute.governor.govern import Counters
from watcher_tsmig.execute.governor.govern import Kind
from watcher_tsmig.execute.governor.govern import Policy
from watcher_tsmig.execute.governor.govern import Prospect
from watcher_tsmig.units import to_mbit_s

LINK = 125e6
# every 0.5 s from an agent, every 1 s and every 5 s, with the round's number
# or without; and Nova's, that move every 5 s and are looked at every 1 s
VIEWS = (
    {'every': 0.5, 'told': True},
    {'every': 0.5},
    {'every': 1.0},
    {'every': 5.0, 'told': True},
    {'every': 5.0},
    {'every': 1.0, 'moves': 5.0},
)


def stalls(size=1e9, total=16 * GIB):
    """Rounds of 8 s that never get shorter, after a first pass."""
    return Course(total, LINK, [size], limit=0.0)


def converges(rate=LINK, writes=0.3):
    """Every round is so many times the one before."""
    return Course(16 * GIB, rate, lambda seconds: writes * rate * seconds)


def taken(size=1e9):
    """When the two rounds after the lowest one have passed."""
    return 16 * GIB / LINK + 2 * size / LINK


class TestStall(unittest.TestCase):
    def test_it_is_answered_within_two_rounds_however_it_is_seen(self):
        for view in VIEWS:
            with self.subTest(**view):
                gov = governor(post_copy=True)
                found = run(gov, stalls(), 400.0, **view)
                at, decision = first(found, Kind.SWITCH)
                self.assertIs(Code.SWITCH, decision.code)
                self.assertTrue(decision.act)
                self.assertGreater(at, taken() - 1e9 / LINK)
                slack = max(view['every'], view.get('moves', 0.0))
                self.assertLessEqual(at, taken() + slack)

    def test_a_migration_that_gets_on_is_left_alone(self):
        for view in VIEWS:
            for share in (0.1, 0.5, 0.8, 0.9):
                with self.subTest(share=share, **view):
                    gov = governor(post_copy=True)
                    course = converges(writes=share)
                    self.assertEqual([], run(gov, course, 1e5, **view))
                    self.assertLess(course.ended, 1e5)

    def test_two_rounds_between_two_looks_are_not_taken_for_a_longer_one(
        self,
    ):
        rate = 4 * LINK
        for total in (2e9, 2.6e9, 4e9):
            gov = governor(post_copy=True)
            course = Course(total, rate, lambda seconds: 0.92 * rate * seconds)
            self.assertEqual([], run(gov, course, 1e4, every=5.0))

    def test_a_silent_monitor_is_no_stall(self):
        for counters in (
            Counters(),
            Counters(total=16 * GIB),
            Counters(total=16 * GIB, processed=2e9),
            Counters(total=16 * GIB, processed=2e9, remaining=1e9),
        ):
            gov = governor(post_copy=True, caps=True)
            run(gov, stalls(), 135.0, every=5.0)
            said = [gov.look(140.0 + s, counters) for s in range(600)]
            self.assertEqual([None] * 600, said)

    def test_counters_that_come_back_are_compared_with_those_before(self):
        gov = governor(post_copy=True)
        course = stalls()
        run(gov, course, 140.0, every=1.0, told=True)
        for now in range(140, 160):
            self.assertIsNone(gov.look(float(now), Counters()))
        found = gov.look(160.0, course.at(160.0, told=True))
        self.assertIs(Kind.SWITCH, found.kind)

    def test_what_was_foretold_to_stand_still_is_no_stall(self):
        gov = governor(post_copy=True, settles=600.0)
        found = run(gov, stalls(), 700.0, every=5.0)
        self.assertGreaterEqual(first(found)[0], 600.0)

    def test_one_round_is_enough_where_it_is_long(self):
        # as fast written as sent: the second pass is the first again
        total = 16 * GIB
        course = Course(total, LINK, lambda seconds: 1.1 * LINK * seconds)
        gov = governor(post_copy=True)
        at, _ = first(run(gov, course, 900.0, every=5.0))
        self.assertLessEqual(at, total / LINK + 5.0)

    def test_rounds_that_pass_unseen_between_two_looks_stall_too(self):
        for size in (5e7, 2e8):
            gov = governor(post_copy=True)
            found = run(gov, stalls(size), 400.0, every=5.0)
            at, _ = first(found, Kind.SWITCH)
            self.assertLessEqual(at, 16 * GIB / LINK + 45.0)


class TestLadder(unittest.TestCase):
    def said(self, until=600.0, every=1.0, course=None, **values):
        gov = governor(**values)
        return run(gov, course or stalls(), until, every=every, told=True)

    def test_more_bandwidth_comes_first_where_the_links_have_it(self):
        found = self.said(
            caps=True, cap=LINK, floor=1e6, ceiling=2 * LINK, post_copy=True
        )
        at, decision = first(found)
        self.assertEqual((Kind.CAP, Code.MORE), (decision.kind, decision.code))
        self.assertEqual(2 * LINK, decision.cap)
        # it does not help here, so that two rounds later
        later, decision = found[1]
        self.assertIs(Kind.SWITCH, decision.kind)
        self.assertGreaterEqual(later, at + 2 * 1e9 / LINK)

    def test_a_cap_that_is_not_what_holds_it_back_is_left_alone(self):
        for values in (
            {'cap': 2 * LINK},  # half of it is used
            {'cap': math.inf},
            {'cap': LINK, 'ceiling': LINK},  # the links have no more
            {'cap': LINK, 'ceiling': 1.02 * LINK},
            {'cap': LINK, 'caps': False},
            {'cap': LINK, 'floor': 6 * LINK},  # more than the links have
        ):
            with self.subTest(**values):
                given = {
                    'caps': True,
                    'ceiling': 4 * LINK,
                    'post_copy': True,
                    **values,
                }
                self.assertIs(Kind.SWITCH, first(self.said(**given))[1].kind)

    def test_no_bandwidth_helps_where_the_links_have_less_than_is_written(
        self,
    ):
        course = Course(16 * GIB, LINK, lambda seconds: 3 * LINK * seconds)
        gov = governor(caps=True, cap=LINK, ceiling=2 * LINK, post_copy=True)
        found = run(
            gov, course, 200.0, every=1.0, told=True, dirty_rate=3 * LINK
        )
        self.assertIs(Kind.SWITCH, first(found)[1].kind)

    def test_no_bandwidth_helps_against_a_vm_that_writes_faster(self):
        # in each round three times as much as in the last, and as was sent
        course = Course(16 * GIB, LINK, [1e9, 3e9, 9e9, 16e9])
        found = self.said(
            caps=True,
            cap=LINK,
            ceiling=2 * LINK,
            post_copy=True,
            course=course,
        )
        self.assertIn(Kind.SWITCH, kinds(found))
        self.assertNotIn(Code.MORE, [d.code for _, d in found])

    def test_it_gets_more_once_the_links_have_more(self):
        gov = governor(caps=True, cap=LINK, ceiling=LINK)
        course = stalls()
        found = run(gov, course, 300.0, every=1.0)
        self.assertEqual([Code.LEAVE], [d.code for _, d in found])
        gov.prospect = dataclasses.replace(gov.prospect, ceiling=2 * LINK)
        found = gov.look(301.0, course.at(301.0))
        self.assertEqual((Code.MORE, 2 * LINK), (found.code, found.cap))

    def test_the_cap_that_counts_is_the_one_in_force(self):
        # it was planned with less than what the hypervisor says
        values = {'caps': True, 'cap': LINK / 2, 'ceiling': LINK}
        gov = governor(**values)
        found = run(gov, stalls(), 200.0, every=1.0, cap=LINK)
        self.assertEqual([Code.LEAVE], [d.code for _, d in found])
        found = run(governor(**values), stalls(), 200.0, every=1.0)
        self.assertEqual(LINK, first(found, Kind.CAP)[1].cap)

    def test_a_raised_cap_is_not_lowered_again(self):
        found = self.said(
            caps=True,
            cap=LINK,
            floor=1e6,
            ceiling=1.2 * LINK,
            lower=True,
            course=Course(16 * GIB, LINK, [1e9] * 3 + [2e8], limit=0.0),
        )
        caps = [d.cap for _, d in found if d.kind is Kind.CAP]
        self.assertEqual(sorted(caps), caps)

    def test_where_nothing_helps_it_is_left_running_and_told_once(self):
        for every in (0.5, 5.0):
            found = self.said(every=every)
            self.assertEqual([Kind.TELL], kinds(found))
            self.assertIn('leave it running', found[0][1].text)

    def test_a_switch_that_nova_lost_is_asked_for_again_within_a_bound(self):
        found = self.said(post_copy=True, tries=4)
        self.assertEqual([Kind.SWITCH] * 4, kinds(found)[:4])
        times = [at for at, _ in found[:4]]
        self.assertTrue(
            all(b - a >= 3.0 for a, b in zip(times, times[1:], strict=False))
        )
        self.assertEqual([Kind.TELL], kinds(found)[4:])


class TestMinimum(unittest.TestCase):
    def test_it_switches_as_a_round_ends_or_begins(self):
        for every in (0.5, 1.0):
            course = stalls()
            gov = governor(post_copy=True)
            at, _ = first(run(gov, course, 400.0, every=every))
            near = min(abs(at - row[0]) for row in course.rounds)
            self.assertLessEqual(near, every)

    def test_a_burst_is_waited_for_but_not_for_long(self):
        # a minute's worth comes back in each round, and more and more
        course = Course(64 * GIB, LINK, [5e9, 8e9, 12e9, 18e9, 27e9])
        gov = governor(post_copy=True, wait=15.0)
        found = run(gov, course, 2000.0, every=1.0)
        stalled = course.rounds[2][0]
        at, _ = first(found)
        self.assertGreater(at, stalled + 14.0)
        self.assertLessEqual(at, stalled + 16.0)

    def test_trouble_in_mid_round_waits_for_its_end_but_not_for_long(self):
        for seconds, wait, early in ((20.0, 40.0, 1.0), (200.0, 40.0, 0.0)):
            course = stalls(seconds * LINK)
            middle = 16 * GIB / LINK + 4.4 * seconds
            gov = governor(post_copy=True, settles=middle, wait=wait)
            at, _ = first(run(gov, course, 3000.0, every=1.0))
            due = min(middle + 0.6 * seconds, middle + wait) - early
            self.assertTrue(due <= at <= due + 1.1, (at, due))


class TestDeadline(unittest.TestCase):
    def test_a_late_one_is_told_of_before_with_what_will_be_done(self):
        for view in VIEWS:
            with self.subTest(**view):
                gov = governor(deadline=200.0)
                course = Course(64 * GIB, LINK, [1e9])
                at, decision = first(run(gov, course, 400.0, **view))
                self.assertLess(at, 200.0)
                self.assertIs(Kind.TELL, decision.kind)
                self.assertIn('deadline is in', decision.text)
                self.assertIn('will leave it running', decision.text)

    def test_it_is_told_of_even_where_nobody_tells_how_far_it_is(self):
        for deadline in (20.0, 200.0):
            gov = governor(deadline=deadline, post_copy=True)
            said = [
                (now, gov.look(float(now), Counters()))
                for now in range(1, 400)
            ]
            said = [(now, found) for now, found in said if found]
            self.assertEqual([Code.NEAR, Code.PAST], [d.code for _, d in said])
            self.assertLess(said[0][0], deadline)
            self.assertGreaterEqual(said[0][0], deadline / 2)
            self.assertIn('nobody tells', said[0][1].text)

    def test_one_that_will_be_late_is_switched_before_its_deadline(self):
        # each round is nine tenths of the last: no stall, but no end
        course = converges(writes=0.95)
        gov = governor(deadline=600.0, post_copy=True)
        found = run(gov, course, 600.0, every=5.0)
        self.assertIs(Code.LATE, found[0][1].code)
        self.assertIn('will switch it to post-copy', found[0][1].text)
        at, _ = first(found, Kind.SWITCH)
        self.assertLess(at, 600.0 - course.rounds[1][2] / LINK)

    def test_only_a_policy_aborts_and_then_once(self):
        for abort in (False, True):
            gov = governor(deadline=100.0, abort=abort)
            found = run(gov, stalls(), 600.0, every=1.0)
            self.assertEqual(int(abort), kinds(found).count(Kind.ABORT))
            if abort:
                self.assertGreaterEqual(first(found, Kind.ABORT)[0], 100.0)
                self.assertIs(Kind.ABORT, found[-1][1].kind)


class TestEnd(unittest.TestCase):
    def test_it_is_foretold_at_any_point_of_a_round(self):
        for view in VIEWS[:4]:
            gov = governor()
            course = converges(writes=0.6)
            course.at(1e4)
            for step in range(1, 10_000):
                now = step * view['every']
                told = view.get('told', False)
                if now >= course.rounds[4][0]:
                    break
                gov.look(now, course.at(now, told=told))
                if gov.gauge.rounds > 1:
                    ends = gov.gauge.ends()
                    self.assertGreater(ends, 0.95 * course.ended)
                    # a round later at most
                    late = 1.2 * course.rounds[1][2] / LINK
                    self.assertLess(ends, course.ended + late)


class TestRate(unittest.TestCase):
    """Clark's rule: what was written last, and an increment."""

    def rounds(self, writes, **values):
        given = {
            'caps': True,
            'cap': LINK,
            'floor': 1e7,
            'ceiling': 10 * LINK,
            **values,
        }
        course = Course(16 * GIB, LINK, lambda seconds: writes * seconds)
        return run(governor(**given), course, 200.0, every=1.0, told=True)

    def test_the_next_round_gets_what_was_written_and_an_increment(self):
        _, decision = first(self.rounds(0.9 * LINK, increment=5e7))
        self.assertIs(Code.ROUND, decision.code)
        self.assertAlmostEqual(0.9 * LINK + 5e7, decision.cap, delta=2e6)

    def test_a_told_dirty_rate_goes_before_the_derived_one(self):
        gov = governor(caps=True, cap=LINK, ceiling=10 * LINK, increment=5e7)
        course = Course(16 * GIB, LINK, [1e9])
        found = run(
            gov, course, 150.0, every=1.0, told=True, dirty_rate=2 * LINK
        )
        self.assertAlmostEqual(2 * LINK + 5e7, first(found)[1].cap, delta=1e6)

    def test_it_is_never_below_the_floor_nor_above_the_ceiling(self):
        for floor, ceiling in ((2 * LINK, 3 * LINK), (1e7, 1.1 * LINK)):
            found = self.rounds(
                0.9 * LINK, floor=floor, ceiling=ceiling, increment=5e7
            )
            self.assertTrue(found)
            for _, decision in found:
                self.assertTrue(floor <= decision.cap <= ceiling)

    def test_what_is_behind_its_plan_gets_what_it_takes_to_catch_up(self):
        slow = 0.5 * LINK
        takes = 16 * GIB / LINK + 20.0
        _, decision = first(self.rounds(slow, takes=takes))
        # half of it is written again, and there are 20 s for that
        self.assertAlmostEqual(
            slow + 8 * GIB / 20.0, decision.cap, delta=0.1 * decision.cap
        )

    def test_it_is_lowered_only_where_that_is_asked_for(self):
        self.assertEqual([], self.rounds(0.1 * LINK))
        _, decision = first(self.rounds(0.1 * LINK, lower=True))
        self.assertAlmostEqual(
            0.1 * LINK + 6.25e6, decision.cap, delta=0.05 * LINK
        )
        found = self.rounds(0.01 * LINK, lower=True, floor=5e7)
        self.assertEqual(5e7, first(found)[1].cap)


class TestObserve(unittest.TestCase):
    def test_it_says_what_it_would_do_and_does_nothing(self):
        for values in (
            {'post_copy': True, 'deadline': 500.0},
            {},
            {'caps': True, 'cap': LINK, 'ceiling': 2 * LINK},
            {'deadline': 100.0, 'abort': True},
        ):
            gov = governor(does='observe', **values)
            found = run(gov, stalls(), 600.0, every=1.0)
            self.assertTrue(found)
            for _, decision in found:
                self.assertFalse(decision.act)
                self.assertIn('; would ', decision.text)
            codes = [decision.code for _, decision in found]
            self.assertEqual(len(set(codes)), len(codes))

    def test_it_is_the_default_and_off_says_nothing(self):
        self.assertEqual('observe', Policy().does)
        gov = governor(does='off', post_copy=True, deadline=100.0)
        self.assertEqual([], run(gov, stalls(), 600.0, every=1.0))


class TestValues(unittest.TestCase):
    def test_what_makes_no_sense_is_refused(self):
        for kind, values in (
            (Counters, {'remaining': -1.0}),
            (Counters, {'processed': math.nan}),
            (Counters, {'remaining': math.inf}),
            (Policy, {'margin': 0.0}),
            (Policy, {'step': 1.0}),
            (Policy, {'rounds': 0}),
            (Policy, {'wait': 0.0}),
            (Policy, {'increment': math.inf}),
            (Prospect, {'deadline': 0.0}),
            (Prospect, {'deadline': 1.0, 'floor': -1.0}),
            (Prospect, {'deadline': 1.0, 'cap': math.nan}),
        ):
            with self.subTest(kind=kind.__name__, **values):
                self.assertRaises(errors.InputError, kind, **values)

    def test_a_hypervisor_without_a_cap_may_say_so(self):
        self.assertEqual(math.inf, Counters(cap=math.inf).cap)


class TestPage(unittest.TestCase):
    """The documentation draws the table itself, and tells these numbers."""

    def text(self):
        root = pathlib.Path(__file__).resolve().parents[2]
        page = root / 'doc/source/contributor/governor.rst'
        return ' '.join(page.read_text('utf-8').split())

    def test_it_shows_the_table_and_the_numbers_of_the_policy(self):
        text, policy = self.text(), Policy()
        self.assertIn('.. table-of:: governor', text)
        self.assertIn(f'``governor = {policy.does}`` (the default)', text)
        self.assertIn(f'for {policy.patience:g} s its rounds', text)
        self.assertIn(f'begin with {policy.margin:.0%}'.rstrip('%'), text)
        self.assertEqual(2, policy.rounds)
        self.assertIn('a strike, and two are a stall', text)
        self.assertIn(f'no longer than {policy.wait:g} s', text)
        increment = to_mbit_s(policy.increment)
        self.assertIn(f'increment is {increment:g} Mbit/s', text)

    def test_every_code_has_one_rule_that_says_when(self):
        self.assertEqual(list(Code), [rule.code for rule in RULES])
        for rule in RULES:
            self.assertTrue(rule.when.endswith('.'), rule.code)
