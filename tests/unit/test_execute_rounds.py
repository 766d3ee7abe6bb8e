"""What a migration's counters show of its VM, against a pre-copy reckoned."""

import unittest

from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.gauge import Gauge
from watcher_tsmig.model.trace import MOST_ROUNDS

MEMORY, ZEROS, LINK = 8e9, 3e9, 100e6


def writes(seconds):
    """Distinct bytes that the guest dirties within so many seconds."""
    return min(40e6 * seconds**0.7, MEMORY - ZEROS)


def pre_copy(rounds, *, zeros_last=True, link=LINK):
    """(s, sent, left, round, bytes/s dirtied in the last) every 0.1 s.

    The pages of zeros are passed at once, at the end of the first pass or
    at its begin.
    """
    now, sent, number, rate = 0.0, 0.0, 1, 0.0
    left = MEMORY - ZEROS
    for _ in range(rounds):
        began, size = now, left
        zeros = ZEROS if number == 1 else 0.0
        while left > 0:
            yield now, sent, left + (zeros if zeros_last else 0), number, rate
            step = min(link * 0.1, left)
            now, sent, left = now + step / link, sent + step, left - step
        taken = now - began
        left = writes(taken)
        rate, number = left / taken, number + 1
        assert size > 0
    yield now, sent, left, number, rate


def shown(rows, every=1.0, *, told=True, **more):
    """What a gauge has seen that looked that often."""
    gauge, due = Gauge(0.1), 0.0
    for now, sent, left, number, rate in rows:
        if now + 1e-9 >= due:
            due = now + every
            gauge.look(
                now,
                Counters(
                    total=MEMORY,
                    processed=sent,
                    remaining=left,
                    iteration=number if told else None,
                    dirty_rate=rate or None if told else None,
                    **more,
                ),
            )
    return gauge.shown


class TestTold(unittest.TestCase):
    def test_each_round_is_seen_with_its_length_and_what_was_written(self):
        for zeros_last in (True, False):
            found = shown(pre_copy(4, zeros_last=zeros_last))
            self.assertLess(abs(found.first_pass / 5e9 - 1), 0.03)
            self.assertGreaterEqual(len(found.kept), 3)
            for seconds, dirtied in found.kept[:3]:
                self.assertLess(abs(dirtied / writes(seconds) - 1), 0.06)
            self.assertLess(abs(found.kept[0][0] / 50.0 - 1), 0.03)

    def test_a_round_shorter_than_qemu_measures_is_counted_by_what_came(self):
        # at 1 GB/s the second round lasts 0.1 s
        rows = list(pre_copy(3, zeros_last=False, link=1e9))
        found = shown(rows, 0.0)
        self.assertEqual(3, len(found.kept))
        seconds, dirtied = found.kept[1]
        self.assertLess(seconds, 1.0)
        self.assertLess(abs(dirtied / writes(seconds) - 1), 0.25)

    def test_what_a_slowed_guest_writes_is_not_its_own(self):
        found = shown(pre_copy(4), throttle=0.2)
        self.assertEqual((), found.kept)
        self.assertLess(abs(found.first_pass / 5e9 - 1), 0.03)

    def test_of_hundreds_of_rounds_the_first_and_the_last_are_kept(self):
        gauge = Gauge(0.1)
        for i in range(200):
            gauge.look(
                float(2 * i),
                Counters(
                    total=1e9,
                    processed=1e8 * (i + 1),
                    remaining=5e7,
                    iteration=i + 1,
                    dirty_rate=4e7 + i,
                ),
            )
        kept = gauge.shown.kept
        self.assertEqual(MOST_ROUNDS, len(kept))
        rates = [dirtied / seconds for seconds, dirtied in kept]
        self.assertLess(rates[1], 4e7 + 10)
        self.assertGreater(rates[-1], 4e7 + 190)

    def test_the_begin_of_another_migration_forgets_the_one_before(self):
        gauge = Gauge(0.1)
        for now, sent, left, number, rate in pre_copy(3):
            gauge.look(
                now,
                Counters(
                    total=MEMORY,
                    processed=sent,
                    remaining=left,
                    iteration=number,
                    dirty_rate=rate,
                ),
            )
        self.assertTrue(gauge.shown.kept)
        gauge.look(now + 1, Counters(total=1e9, processed=1e6, remaining=9e8))
        self.assertEqual((), gauge.shown.kept)
        self.assertIsNone(gauge.shown.first_pass)


class TestPostCopy(unittest.TestCase):
    def switched(self, at):
        """Counters of a pre-copy that is switched after so many seconds."""
        gauge = Gauge(0.1)
        again = writes(at)
        for i in range(200):
            now = i * 0.5
            post = now > at
            sent = min(now * LINK, 5e9 + again * post)
            left = MEMORY - ZEROS - sent + again * post
            if left <= 0:
                break
            gauge.look(
                now,
                Counters(
                    total=MEMORY,
                    processed=sent,
                    remaining=left,
                    iteration=2 if post else 1,
                    post_copy=post,
                ),
            )
        return gauge.shown

    def test_what_was_sent_once_is_what_a_first_pass_sends(self):
        for at in (5.0, 20.0, 45.0):
            found = self.switched(at)
            # a pass that is cut short is no round
            self.assertEqual((), found.kept)
            self.assertLess(abs(found.first_pass / 5e9 - 1), 0.03, at)

    def test_while_much_is_left_nobody_knows_how_much_it_will_be(self):
        gauge = Gauge(0.1)
        for sent in (0.0, 1e9, 2e9):
            gauge.look(
                sent / LINK,
                Counters(total=MEMORY, processed=sent, remaining=8e9 - sent),
            )
        self.assertIsNone(gauge.shown.first_pass)


class TestUntold(unittest.TestCase):
    """Nova's counters: every 5 s, and no word of rounds."""

    def test_the_first_pass_is_known_within_a_look(self):
        for zeros_last in (True, False):
            found = shown(pre_copy(8, zeros_last=zeros_last), 5.0, told=False)
            self.assertLess(abs(found.first_pass / 5e9 - 1), 0.15)

    def test_a_round_without_end_is_what_is_left_of_it_at_most(self):
        def endless():
            yield from pre_copy(1, zeros_last=False)
            for i in range(3000):
                # 2 s for 200 MB, again and again
                yield (
                    50.0 + i * 0.1,
                    5e9 + i * 1e7,
                    2e8 - (i % 20) * 1e7,
                    2 + i // 20,
                    1e8,
                )

        found = shown(endless(), 4.9, told=False)
        ((seconds, dirtied),) = found.kept
        self.assertLess(abs(seconds / 2.0 - 1), 0.15)
        self.assertLess(abs(dirtied / 2e8 - 1), 0.15)

    def test_two_looks_are_no_round(self):
        found = shown(pre_copy(2, zeros_last=False), 5.0, told=False)
        self.assertEqual((), found.kept)

    def test_without_any_memory_told_nothing_is_known(self):
        gauge = Gauge(0.1)
        gauge.look(0.0, Counters(processed=1e9, remaining=1e8))
        self.assertIsNone(gauge.shown.memory)
        self.assertIsNone(gauge.shown.first_pass)
