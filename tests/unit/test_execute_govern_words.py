"""What the governor says, whole sentences, and what it does no more."""

import math
import unittest

from tests.unit.test_execute_gauge import counters
from tests.unit.test_execute_govern_conditions import BEGAN
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.govern import Code
from watcher_tsmig.execute.governor.govern import Governor
from watcher_tsmig.execute.governor.govern import Kind
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.execute.governor.govern_values import Prospect

# s after its begin, bytes sent and left, the round: 800 Mbit/s, of which as
# much is written from the second round on
FIRST = (0.0, 0.0, 1e9, 1)
SECOND = (10.0, 1e9, 3e8, 2)
STALL = (FIRST, SECOND, (13.0, 13e8, 3e8, 3), (16.0, 16e8, 3e8, 4))
ROOM = {'caps': True, 'cap': 1e8, 'ceiling': 1e9}
ACTS = {'does': Does.ACT, 'margin': 0.1, 'step': 0.25}
LOWEST = (
    '286 MiB were left as a round began 6.0 s ago, and no round since began '
    'with less'
)


class Base(unittest.TestCase):
    def governor(self, policy=None, **values):
        return Governor(
            Policy(
                **{
                    'does': Does.ACT,
                    'margin': 0.1,
                    'step': 0.25,
                    **(policy or {}),
                }
            ),
            Prospect(**{'deadline': math.inf, **values}),
            BEGAN,
        )

    def said(self, governor, *rows):
        """The decisions that these looks led to."""
        found = []
        for at, *row in rows:
            shown = counters(*row) if row else Counters()
            found.append(governor.look(BEGAN + at, shown))
        return [decision for decision in found if decision is not None]


class TestTrouble(Base):
    def test_where_nothing_helps_it_is_left_running(self):
        (found,) = self.said(self.governor(), *STALL)
        self.assertEqual(f'{LOWEST}; will leave it running', found.text)
        self.assertIs(Kind.TELL, found.kind)
        self.assertIs(Code.LEAVE, found.code)
        self.assertTrue(found.act)
        self.assertIsNone(found.cap)

    def test_what_a_policy_aborts_in_the_end_is_said_before(self):
        (found,) = self.said(self.governor({'abort': True}), *STALL)
        self.assertEqual(
            f'{LOWEST}; will leave it running, and abort it at its deadline',
            found.text,
        )

    def test_what_is_only_observed_would_be_done(self):
        observer = self.governor({'does': Does.OBSERVE}, post_copy=True)
        (found,) = self.said(observer, *STALL)
        self.assertEqual(f'{LOWEST}; would switch it to post-copy', found.text)
        self.assertFalse(found.act)

    def test_off_it_says_nothing(self):
        off = self.governor({'does': Does.OFF}, post_copy=True)
        self.assertEqual([], self.said(off, *STALL))

    def test_more_bandwidth_is_named(self):
        (found,) = self.said(self.governor(**ROOM), *STALL)
        self.assertEqual(
            f'{LOWEST}; will raise its bandwidth to 8.0 Gbit/s', found.text
        )
        self.assertEqual(
            (Kind.CAP, Code.MORE, 1e9), (found.kind, found.code, found.cap)
        )

    def test_after_more_bandwidth_a_stall_has_to_show_anew(self):
        gov = self.governor(**ROOM, post_copy=True)
        rows = (*STALL, (19.0, 19e8, 3e8, 5), (22.0, 22e8, 3e8, 6))
        self.assertEqual(
            [Code.MORE], [found.code for found in self.said(gov, *rows)]
        )
        (found,) = self.said(gov, (25.0, 25e8, 3e8, 7))
        self.assertIs(Code.SWITCH, found.code)

    def test_a_switch_is_asked_for_again_and_only_so_often(self):
        gov = self.governor({'again': 3.0, 'tries': 2}, post_copy=True)
        more = [
            (16.0 + 3.0 * n, 16e8 + 3e8 * n, 3e8, 4 + n) for n in range(1, 5)
        ]
        found = self.said(gov, *STALL, *more)
        self.assertEqual(
            [Code.SWITCH, Code.SWITCH, Code.LEAVE],
            [decision.code for decision in found],
        )
        self.assertEqual(
            f'{LOWEST}; will switch it to post-copy', found[0].text
        )


class TestDeadline(Base):
    def test_one_that_has_passed_is_told_once(self):
        gov = self.governor(deadline=100.0)
        found = self.said(gov, (100.0,), (101.0,))
        self.assertEqual(
            ['its deadline of 100 s has passed; will leave it running'],
            [decision.text for decision in found],
        )
        self.assertIs(Code.PAST, found[0].code)

    def test_one_that_has_passed_is_aborted_once(self):
        gov = self.governor({'abort': True}, deadline=100.0)
        found = self.said(gov, (100.0,), (101.0,))
        self.assertEqual(
            ['its deadline of 100 s has passed; will abort it'],
            [decision.text for decision in found],
        )
        self.assertIs(Kind.ABORT, found[0].kind)

    def test_one_that_is_near_is_told_though_nobody_counts(self):
        found = self.said(self.governor(deadline=100.0), (69.9,), (70.0,))
        self.assertEqual(
            [
                'its deadline is in 30 s, and nobody tells how far it is; '
                'will leave it running'
            ],
            [decision.text for decision in found],
        )
        self.assertIs(Code.NEAR, found[0].code)

    def test_one_that_will_pass_is_told_with_what_it_needs_and_the_plan(self):
        rows = [(float(at), 1e7 * at, 1e9 - 1e7 * at) for at in range(4)]
        for values, will in (
            ({}, 'leave it running'),
            ({'post_copy': True}, 'switch it to post-copy'),
        ):
            gov = self.governor(deadline=90.0, **values)
            found, *_ = self.said(gov, *rows)
            self.assertEqual(
                'its deadline is in 88 s, and it needs 98 s more; will '
                + will,
                found.text,
            )
            self.assertIs(Code.LATE, found.code)

    def test_one_that_never_ends_says_how_fast_it_is_sent(self):
        gov = self.governor(deadline=90.0)
        found = []
        for at in range(4):
            row = counters(10e6 * at, 1e9 - 10e6 * at, dirty_rate=20e6)
            found.append(gov.look(BEGAN + at, row))
        told = next(filter(None, found))
        self.assertIn(
            'the VM writes as fast as it is sent, 80 Mbit/s', told.text
        )

    def test_one_that_should_have_ended_needs_no_more(self):
        rows = ((0.0, 0.0, 1e9), (5.0, 5e8, 5e8), (70.0,))
        (found,) = self.said(self.governor(deadline=100.0), *rows)
        self.assertEqual(
            'its deadline is in 30 s, and it needs 0.0 s more; will leave it '
            'running',
            found.text,
        )

    def overdue(self, *rows, **values):
        """Since when it is, after each look; s, bytes sent, left, written."""
        gov = self.governor(deadline=1000.0, **values)
        found = []
        for at, sent, left, number, dirty in rows:
            shown = counters(sent, left, number, dirty_rate=dirty)
            gov.look(BEGAN + at, shown)
            found.append(gov.overdue_at and gov.overdue_at - BEGAN)
        return found

    def test_it_is_foretold_from_the_second_round_on_and_anew_each_time(self):
        self.assertEqual(
            [None, None, 10.0, 10.0, None, 13.0],
            self.overdue(
                (0.0, 0.0, 1e9, 1, 2e8),
                (5.0, 5e8, 5e8, 1, 2e8),
                (10.0, 1e9, 3e8, 2, 2e8),
                (11.0, 11e8, 2e8, 2, 2e8),
                (12.0, 12e8, 1e8, 2, 1e6),
                (13.0, 13e8, 1e8, 3, 2e8),
            ),
        )

    def test_with_more_bandwidth_too(self):
        rows = [(*row, 99e6) for row in STALL]
        self.assertEqual([None, 10.0, 10.0, None], self.overdue(*rows, **ROOM))

    def test_a_minimum_is_waited_for_only_while_there_is_trouble(self):
        gov = self.governor(post_copy=True)
        gov.wanted_at = BEGAN
        self.said(gov, FIRST)
        self.assertIsNone(gov.wanted_at)


class TestRounds(Base):
    def test_the_next_rounds_cap_is_said_with_what_is_written(self):
        gov = self.governor({'increment': 1e8}, **ROOM)
        (found,) = self.said(gov, FIRST, SECOND)
        self.assertIs(Code.ROUND, found.code)
        self.assertAlmostEqual(1.3e8, found.cap)
        self.assertEqual(
            'the VM writes 240 Mbit/s; will set its bandwidth to 1.0 Gbit/s',
            found.text,
        )
        self.assertEqual(found.cap, gov.cap)

    def test_the_cap_that_is_read_back_counts_where_it_acts(self):
        for does, cap in ((Does.ACT, 7.0), (Does.OBSERVE, 1e8)):
            gov = self.governor({'does': does}, **ROOM)
            gov.look(BEGAN, counters(0.0, 1000.0, cap=7.0))
            self.assertEqual(cap, gov.cap)
            gov.look(BEGAN + 1.0, counters(10.0, 990.0))
            self.assertEqual(cap, gov.cap)
