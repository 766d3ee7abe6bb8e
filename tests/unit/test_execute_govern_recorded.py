"""Two stalls that were recorded in the field, as the governor sees them.

Published are a few counters of each; the rest is what a pre-copy with
these must show. The first is Nova's log of a 16 GiB VM on 1 Gbit/s, which
gave up after 12,800 s; the second QEMU's, of 256 GiB at a cap of 20 Gbit/s
(QEMU, commit 7ca1dfad).
"""

import math
import unittest

from tests.unit.governed import GIB
from tests.unit.governed import Course
from tests.unit.governed import first
from tests.unit.governed import governor
from tests.unit.governed import kinds
from tests.unit.governed import run
from watcher_tsmig.execute.governor.govern import Code
from watcher_tsmig.execute.governor.govern import Kind

VIEWS = (
    {'every': 0.5, 'told': True},
    {'every': 0.5},
    {'every': 5.0, 'told': True},
    {'every': 5.0},
    {'every': 1.0, 'moves': 5.0},
)
# 7.19e9 bytes in 60 s, of a link of 125e6
RATE = 7.19e9 / 60
SIZE = 1.718e10
# after 60 s 9.00e9 remain: so much of the first pass is zeros
FIRST = SIZE * 60 / (SIZE - 9.0e9)
ZEROS = SIZE - FIRST * RATE
# the lowest remainder ever was seen at 178 s, so a round ended there
LOWEST = 12_800.0 - 12_622.0


def field_report():
    """Rounds of 8 s, for as long as it is let."""
    second = (LOWEST - FIRST) * RATE + 2.1e6
    return Course(SIZE, RATE, [second, 9.5e8], zeros=ZEROS, limit=0.0)


class TestOneGigabit(unittest.TestCase):
    def test_the_replay_shows_what_was_published(self):
        course = field_report()
        at = course.at(60.0)
        self.assertAlmostEqual(7.19e9, at.processed, delta=1e7)
        self.assertAlmostEqual(9.0e9, at.remaining, delta=1e7)
        lowest = course.at(LOWEST).remaining
        self.assertAlmostEqual(2.1e6, lowest, delta=1e3)
        late = course.at(12_180.0)
        self.assertAlmostEqual(1.46e12, late.processed, delta=5e9)
        self.assertLess(late.remaining, 9.5e8)

    def test_it_is_answered_within_two_rounds_of_the_lowest(self):
        began = field_report().at(LOWEST + 1.0) and LOWEST
        two = 2 * 9.5e8 / RATE
        for view in VIEWS:
            for values, kind in (
                ({'post_copy': True}, Kind.SWITCH),
                ({}, Kind.TELL),
                (
                    {'caps': True, 'cap': RATE, 'ceiling': 125e6 * 9},
                    Kind.CAP,
                ),
            ):
                with self.subTest(kind=kind, **view):
                    found = run(
                        governor(**values), field_report(), 400.0, **view
                    )
                    at, decision = first(found, kind)
                    look = max(view['every'], view.get('moves', 0.0))
                    self.assertLessEqual(at, began + two + look)
                    self.assertNotIn(Kind.ABORT, kinds(found))


TOTAL, SENT, WRITES = 256 * GIB, 264e6, 67_551 * 4096.0
CAP = 20e9 / 8


def large():
    """As much is written as is sent, and there is no end."""
    return Course(TOTAL, SENT, lambda seconds: WRITES * seconds, limit=4.0)


class TestLargeGuest(unittest.TestCase):
    def test_the_replay_has_no_end_in_the_time_that_it_was_given(self):
        large().at(1487.0)
        self.assertEqual(math.inf, large().ended)

    def test_it_is_told_as_soon_as_one_round_has_passed(self):
        for view in VIEWS:
            gov = governor(caps=True, cap=CAP, ceiling=2 * CAP)
            found = run(gov, large(), 1487.0, **view)
            at, decision = first(found)
            # a tenth of the cap is used: more of it would not help
            self.assertIs(Code.LEAVE, decision.code)
            look = max(view['every'], view.get('moves', 0.0))
            self.assertLessEqual(at, TOTAL / SENT + look)

    def test_with_a_deadline_it_is_known_at_once_that_it_will_be_late(self):
        # the plan's time at the cap, as the plugin makes a deadline of it
        deadline = 3 * TOTAL / CAP + 120.0
        for view in VIEWS:
            gov = governor(
                post_copy=True, caps=True, cap=CAP, deadline=deadline
            )
            found = run(gov, large(), deadline, **view)
            at, decision = found[0]
            self.assertIs(Code.LATE, decision.code)
            self.assertLess(at, 30.0)
            self.assertIn('will switch it', decision.text)
            self.assertLess(first(found, Kind.SWITCH)[0], 60.0)
