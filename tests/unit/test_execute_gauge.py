"""What counters say of rounds, rates and ends, number by number."""

import math
import unittest

from watcher_tsmig import errors
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.gauge import Gauge


def counters(processed, remaining, iteration=None, **more):
    return Counters(
        total=1000.0,
        processed=processed,
        remaining=remaining,
        iteration=iteration,
        **more,
    )


def fed(*rows, margin=0.1):
    """A gauge that saw these: s, bytes sent, bytes left, perhaps a round."""
    gauge = Gauge(margin)
    for at, *row in rows:
        gauge.look(at, counters(*row))
    return gauge


class TestCounters(unittest.TestCase):
    def test_only_a_cap_may_have_no_end_and_nothing_is_negative(self):
        self.assertEqual(math.inf, Counters(cap=math.inf).cap)
        self.assertEqual(0.0, Counters(remaining=0.0).remaining)
        for name in (
            'total', 'processed', 'remaining', 'dirty_rate', 'bandwidth'
        ):  # fmt: skip
            for value, text in (
                (-0.1, 'is negative'),
                (math.nan, 'is negative'),
                (math.inf, 'is not finite'),
            ):
                with self.assertRaises(errors.InputError) as caught:
                    Counters(**{name: value})
                self.assertIn(f'{name}: {text}', str(caught.exception))


class TestLooks(unittest.TestCase):
    def test_counters_that_are_missing_or_stand_still_say_nothing(self):
        gauge = Gauge(0.1)
        self.assertIs(False, gauge.look(0.0, Counters(processed=1.0)))
        self.assertIs(False, gauge.look(0.0, Counters(remaining=1.0)))
        self.assertIsNone(gauge.remaining)
        self.assertIsNone(gauge.left)
        self.assertIsNone(gauge.ends())
        self.assertIs(True, gauge.look(1.0, counters(100.0, 900.0)))
        self.assertIs(False, gauge.look(2.0, counters(100.0, 900.0)))
        self.assertIs(True, gauge.look(3.0, counters(100.0, 899.0)))
        self.assertIs(True, gauge.look(4.0, counters(101.0, 899.0)))
        self.assertEqual(3, gauge.moves)

    def test_a_bandwidth_that_is_told_counts_before_anything_was_seen(self):
        gauge = Gauge(0.1)
        gauge.look(0.0, Counters(bandwidth=50.0))
        self.assertEqual(50.0, gauge.rate)
        gauge.look(1.0, counters(100.0, 900.0))
        self.assertEqual(50.0, gauge.rate)
        # and where nothing was sent since
        gauge.look(2.0, counters(100.0, 950.0))
        self.assertEqual(50.0, gauge.rate)
        gauge.look(3.0, counters(140.0, 910.0))
        self.assertEqual(20.0, gauge.rate)

    def test_the_rate_is_of_the_last_three_looks(self):
        gauge = fed((0.0, 0.0, 1000.0), (1.0, 400.0, 600.0))
        self.assertEqual(400.0, gauge.rate)
        gauge.look(2.0, counters(500.0, 500.0))
        self.assertEqual(250.0, gauge.rate)
        gauge.look(4.0, counters(550.0, 450.0))
        self.assertEqual(50.0, gauge.rate)

    def test_the_longest_gap_of_the_last_six_looks_counts(self):
        gauge = fed((0.0, 0.0, 1000.0))
        self.assertEqual(0.0, gauge.gap)
        at, sent = 0.0, 0.0
        for step in (7.0, 1.0, 2.0, 1.0, 1.0):
            sent += 10.0
            at += step
            gauge.look(at, counters(sent, 1000.0 - sent))
            self.assertEqual(7.0, gauge.gap)
        gauge.look(at + 1.0, counters(sent + 10.0, 990.0 - sent))
        self.assertEqual(2.0, gauge.gap)

    def test_who_has_seen_nothing_is_in_the_first_round(self):
        gauge = Gauge(0.1)
        self.assertEqual((1, 0, math.inf), (
            gauge.rounds, gauge.strikes, gauge.mark
        ))  # fmt: skip

    def test_a_rate_alone_does_not_say_when_it_ends(self):
        gauge = Gauge(0.1)
        gauge.look(0.0, Counters(bandwidth=50.0))
        self.assertIsNone(gauge.ends())

    def test_who_sends_nothing_for_more_than_20_s_stands(self):
        self.assertFalse(Gauge(0.1).stands(99.0))
        gauge = fed((10.0, 100.0, 900.0))
        self.assertFalse(gauge.stands(30.0))
        self.assertTrue(gauge.stands(30.1))


class TestRounds(unittest.TestCase):
    FIRST = (0.0, 0.0, 1000.0, 1)
    SECOND = (10.0, 1000.0, 300.0, 2)

    def test_the_first_begins_with_all_that_is_sent_and_left(self):
        gauge = fed((3.0, 100.0, 900.0))
        self.assertEqual((1, 1000.0, 1000.0, 3.0), (
            gauge.rounds, gauge.level, gauge.mark, gauge.marked_at
        ))  # fmt: skip
        self.assertEqual((900.0, 900.0), (gauge.remaining, gauge.left))
        self.assertFalse(gauge.fresh)

    def test_one_that_is_met_under_way_has_no_mark_yet(self):
        gauge = fed((3.0, 5000.0, 300.0, 4))
        self.assertEqual((4, 300.0, math.inf), (
            gauge.rounds, gauge.level, gauge.mark
        ))  # fmt: skip

    def test_what_came_back_is_the_next_and_lowers_the_mark(self):
        for rows in (
            (self.FIRST, self.SECOND),
            # nobody tells the round: less is left, but more was sent
            (self.FIRST[:3], self.SECOND[:3]),
        ):
            gauge = fed(*rows)
            self.assertTrue(gauge.fresh)
            self.assertEqual((2, 300.0, 300.0, 10.0, 0), (
                gauge.rounds, gauge.level, gauge.mark, gauge.marked_at,
                gauge.strikes,
            ))  # fmt: skip
            # written within the 10 s of the first
            self.assertAlmostEqual(30.0, gauge.dirty)
            self.assertAlmostEqual(10.0 + 300.0 / 70.0, gauge.ends())

    def test_what_a_look_finds_within_a_round_is_no_other(self):
        gauge = fed(self.FIRST, self.SECOND, (11.0, 1100.0, 200.0, 2))
        self.assertFalse(gauge.fresh)
        self.assertEqual(2, gauge.rounds)
        # a switch would find the writes of this round, too
        self.assertEqual((200.0, 300.0), (gauge.remaining, gauge.left))

    def test_one_that_is_not_smaller_by_the_margin_is_a_strike(self):
        for level, strikes, mark in (
            (300.0, 1, 300.0),
            (270.0, 1, 300.0),
            (269.0, 0, 269.0),
            (310.0, 1, 300.0),
        ):
            gauge = fed(self.FIRST, self.SECOND, (13.0, 1300.0, level, 3))
            self.assertEqual((strikes, mark), (gauge.strikes, gauge.mark))
            self.assertEqual(3, gauge.rounds)

    def test_strikes_add_up_and_end_with_a_smaller_one(self):
        rows = [self.FIRST, self.SECOND, (13.0, 1300.0, 300.0, 3)]
        rows.append((16.0, 1600.0, 300.0, 4))
        self.assertEqual(2, fed(*rows).strikes)
        rows.append((19.0, 1900.0, 100.0, 5))
        self.assertEqual(0, fed(*rows).strikes)

    def test_several_that_are_told_share_what_came_back(self):
        gauge = fed(self.FIRST, self.SECOND, (19.0, 1900.0, 300.0, 5))
        self.assertEqual((5, 3), (gauge.rounds, gauge.strikes))
        self.assertEqual(300.0, gauge.level)

    def test_several_that_nobody_tells_are_multiples_of_the_last(self):
        for sent, left, rounds, level in (
            # 600 came back, of which 100 are left
            (800.0, 100.0, 4, 300.0),
            # none was smaller than what is left
            (600.0, 400.0, 3, 700.0),
            # 440 are one and a half: one
            (440.0, 300.0, 3, 440.0),
            # nothing is left: one
            (900.0, 0.0, 3, 600.0),
        ):
            gauge = fed(
                self.FIRST[:3],
                self.SECOND[:3],
                (20.0, 1000.0 + sent, left),
            )
            self.assertEqual((rounds, level), (gauge.rounds, gauge.level))

    def test_rounds_that_pass_unseen_are_judged_by_the_highest_looks(self):
        # between two looks two rounds of 800 pass: what is left is at some
        # point of a round, and only once three looks are well below the
        # three before them does it get less
        at, sent, last = 0.0, 0.0, 1000.0
        gauge = fed((at, sent, last))
        strikes = []
        for left in (800.0, 780.0, 700.0, 500.0, 480.0, 400.0, 599.0):
            at += 10.0
            sent += (800.0 if left == 800.0 else 1600.0) - left + last
            gauge.look(at, counters(sent, left))
            strikes.append(gauge.strikes)
            last = left
        self.assertEqual([0, 1, 2, 3, 3, 3, 4], strikes)

    def strikes(self, *lefts):
        """After each look, between any two of which a round of 1000 passes.

        :param lefts: bytes left of the round under way; a tuple: and its
            number
        """
        gauge, sent, before, found = fed((0.0, 0.0, 1000.0, 1)), 0.0, 1e3, []
        for at, row in enumerate(lefts, start=1):
            left, *told = row if isinstance(row, tuple) else (row,)
            sent += 1000.0 - left + before
            gauge.look(10.0 * at, counters(sent, left, *told))
            before = left
            found.append(gauge.strikes)
        return found

    def test_three_looks_that_are_well_below_others_are_no_strike(self):
        self.assertEqual([1, 2, 2], self.strikes(740.0, 700.0, 700.0))
        self.assertEqual([1, 2, 3], self.strikes(750.0, 700.0, 700.0))
        # not the first three that it knows, but the three before
        self.assertEqual(
            [1, 2, 3, 4, 5, 5],
            self.strikes(500.0, 500.0, 900.0, 600.0, 590.0, 580.0),
        )

    def test_they_are_counted_from_the_last_round_that_was_told(self):
        self.assertEqual(
            [1, 2, 3, 3], self.strikes((700.0, 2), 690.0, 680.0, 670.0)
        )

    def test_or_from_the_last_look_at_which_none_had_passed(self):
        gauge = fed(
            (0.0, 0.0, 1000.0), (10.0, 1300.0, 700.0), (11.0, 1400.0, 600.0)
        )
        strikes = []
        for at, left in ((20.0, 690.0), (30.0, 680.0), (40.0, 670.0)):
            sent = 100.0 * at + 300.0
            gauge.look(at, counters(sent, left))
            strikes.append(gauge.strikes)
        self.assertEqual([2, 3, 3], strikes)

    def test_one_that_begins_anew_is_not_compared_with_what_was_before(self):
        gauge = fed(
            (0.0, 0.0, 1000.0), (10.0, 1300.0, 700.0), (20.0, 2300.0, 690.0),
            (30.0, 3300.0, 680.0), (40.0, 0.0, 500.0), (50.0, 600.0, 400.0),
        )  # fmt: skip
        self.assertEqual((2, 1), (gauge.rounds, gauge.strikes))

    def test_after_a_round_of_nothing_the_next_is_one(self):
        gauge = fed((0.0, 5000.0, 0.0, 4), (1.0, 5100.0, 100.0))
        self.assertEqual((5, 200.0), (gauge.rounds, gauge.level))

    def test_headers_that_are_sent_beside_pages_are_no_round(self):
        for back, rounds in ((2.0, 1), (2.1, 2)):
            gauge = fed((0.0, 0.0, 1000.0), (1.0, 100.0, 900.0 + back))
            self.assertEqual(rounds, gauge.rounds)

    def test_more_that_is_left_is_a_round_whatever_was_sent(self):
        gauge = fed((0.0, 0.0, 1000.0), (1.0, 990.0, 10.0), (2.0, 990.0, 11.0))
        self.assertEqual(2, gauge.rounds)

    def test_counters_that_go_back_begin_anew(self):
        gauge = fed(self.FIRST, self.SECOND, (11.0, 50.0, 950.0, 1))
        self.assertEqual((1, 1000.0, 1000.0), (
            gauge.rounds, gauge.level, gauge.mark
        ))  # fmt: skip
        self.assertEqual(0, gauge.strikes)
        self.assertIsNone(gauge.rate)
        # as does a clock that stands
        gauge = fed(self.FIRST, (0.0, *self.SECOND[1:]))
        self.assertEqual((0.0, 2, math.inf), (
            gauge.gap, gauge.rounds, gauge.mark
        ))  # fmt: skip

    def test_also_in_the_middle_of_another_migration(self):
        gauge = fed(
            self.FIRST, self.SECOND, (13.0, 1300.0, 300.0, 3),
            (14.0, 500.0, 200.0, 4),
        )  # fmt: skip
        self.assertEqual((4, 200.0, math.inf, 0), (
            gauge.rounds, gauge.level, gauge.mark, gauge.strikes
        ))  # fmt: skip

    def test_a_round_that_is_told_now_and_then_is_found_by_its_bytes(self):
        for rows in (
            (self.FIRST[:3], self.SECOND),
            (self.FIRST, self.SECOND[:3]),
        ):
            self.assertEqual(2, fed(*rows).rounds)

    def test_a_number_that_goes_back_is_no_round(self):
        gauge = fed(self.FIRST, self.SECOND, (11.0, 1100.0, 200.0, 1))
        self.assertEqual((2, False), (gauge.rounds, gauge.fresh))

    def test_after_another_bandwidth_any_round_is_the_lowest(self):
        gauge = fed(self.FIRST, self.SECOND, (13.0, 1300.0, 300.0, 3))
        gauge.forget()
        self.assertEqual((math.inf, 0), (gauge.mark, gauge.strikes))
        gauge.look(16.0, counters(1600.0, 900.0, 4))
        self.assertEqual((900.0, 16.0), (gauge.mark, gauge.marked_at))


class TestWrites(unittest.TestCase):
    def test_a_rate_that_is_told_counts(self):
        gauge = fed((0.0, 0.0, 1000.0))
        gauge.look(5.0, counters(500.0, 500.0, dirty_rate=20.0))
        self.assertEqual(20.0, gauge.dirty)
        self.assertAlmostEqual(5.0 + 500.0 / 80.0, gauge.ends())
        gauge.look(6.0, counters(600.0, 400.0, dirty_rate=0.0))
        self.assertEqual(20.0, gauge.dirty)

    def test_before_anything_is_known_the_round_is_all(self):
        gauge = fed((0.0, 0.0, 1000.0), (5.0, 500.0, 500.0))
        self.assertIsNone(gauge.dirty)
        self.assertEqual(10.0, gauge.ends())

    def test_as_much_written_as_sent_but_for_the_margin_has_no_end(self):
        for dirty, ends in ((89.0, False), (90.0, True), (200.0, True)):
            gauge = fed((0.0, 0.0, 1000.0))
            gauge.look(1.0, counters(100.0, 900.0, dirty_rate=dirty))
            self.assertEqual(ends, gauge.ends() == math.inf)

    def test_a_round_begins_where_its_bytes_were_not_sent_yet(self):
        # seen 2 s into the second, of which 200 of 500 are sent
        gauge = fed((0.0, 0.0, 1000.0, 1), (12.0, 1200.0, 300.0, 2))
        self.assertEqual(500.0, gauge.level)
        self.assertAlmostEqual(50.0, gauge.dirty)
        # the third, of what was written in the 5 s of the second
        gauge.look(15.0, counters(1500.0, 200.0, 3))
        self.assertAlmostEqual(200.0 / 5.0, gauge.dirty)

    def test_one_that_was_met_under_way_began_when_its_bytes_did(self):
        # at 4 s 400 were sent: it began at 0 s
        gauge = fed((4.0, 400.0, 600.0, 1), (10.0, 1000.0, 300.0, 2))
        self.assertAlmostEqual(30.0, gauge.dirty)
        gauge.look(13.0, counters(1300.0, 150.0, 3))
        self.assertAlmostEqual(150.0 / 3.0, gauge.dirty)

    def test_it_is_the_first_look_that_says_when_it_began(self):
        gauge = fed(
            (4.0, 400.0, 600.0, 1), (8.0, 600.0, 400.0, 1),
            (10.0, 1000.0, 300.0, 2),
        )  # fmt: skip
        # 400 bytes at 200 bytes/s before 4 s
        self.assertAlmostEqual(300.0 / 8.0, gauge.dirty)

    def test_where_nothing_came_back_nothing_is_known_of_it_either(self):
        for left, dirty in ((0.0, None), (0.5, 0.05)):
            gauge = fed((0.0, 0.0, 1000.0, 1), (10.0, 1000.0, left, 2))
            self.assertEqual(dirty, gauge.dirty)
        gauge = fed((0.0, 0.0, 1000.0, 1), (10.0, 500.0, 400.0, 2))
        self.assertIsNone(gauge.dirty)

    def test_what_came_back_within_no_time_says_nothing(self):
        gauge = fed(
            (0.0, 0.0, 1000.0, 1), (10.0, 1000.0, 0.0, 2),
            (12.0, 1200.0, 100.0, 3),
        )  # fmt: skip
        self.assertIsNone(gauge.dirty)

    def test_where_nothing_was_sent_nothing_is_known_of_what_is_written(self):
        gauge = fed((0.0, 500.0, 500.0, 1), (1.0, 500.0, 600.0, 2))
        self.assertIsNone(gauge.dirty)
        self.assertEqual(2, gauge.rounds)


class TestWriting(unittest.TestCase):
    def test_what_came_back_was_written_since_the_migration_began(self):
        # 400 bytes/s; at 3 s 700 have come back, of a round that began half
        # a second ago
        found = fed((0, 0, 1000), (1, 400, 600), (2, 800, 200), (3, 1200, 500))
        self.assertAlmostEqual(280.0, found.dirty)

    def test_one_that_was_found_under_way_began_before(self):
        # a second before it was seen first
        found = fed((1, 400, 600), (2, 800, 200), (3, 1200, 500))
        self.assertAlmostEqual(280.0, found.dirty)
