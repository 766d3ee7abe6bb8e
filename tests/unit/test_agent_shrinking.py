"""How small a guest may become, at each bound of each rule."""

import dataclasses
import unittest

from tests.unit.test_balloon import KEEP
from tests.unit.test_balloon import memory
from watcher_tsmig.agent.memory import shrinking
from watcher_tsmig.agent.memory.shrinking import PATIENCE
from watcher_tsmig.agent.memory.shrinking import WORTH
from watcher_tsmig.agent.memory.shrinking import Shrinking
from watcher_tsmig.agent.memory.shrinking import aim
from watcher_tsmig.agent.memory.shrinking import look
from watcher_tsmig.agent.memory.shrinking import step
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB


class TestSize(unittest.TestCase):
    def test_caches_of_4_mib_are_worth_it_and_a_byte_less_is_not(self):
        for caches, given in ((WORTH, GIB + WORTH), (WORTH - 1, 0)):
            found = memory(usable=2 * GIB, unused=GIB, caches=caches)
            self.assertEqual(8 * GIB - given, aim(found, 0.0))
        self.assertEqual(4 * MIB, WORTH)

    def test_a_guest_that_tells_nothing_gives_nothing(self):
        silent = memory(usable=None, unused=None, caches=None)
        self.assertEqual(8 * GIB, aim(silent, 0.0))
        self.assertFalse(silent.tells)
        for name in ('usable', 'unused', 'caches'):
            self.assertFalse(memory(**{name: None}).tells, name)
        self.assertTrue(memory().tells)

    def test_a_small_guest_gives_64_mib_at_a_time(self):
        small = memory(
            most=256 * MIB, size=256 * MIB, usable=200 * MIB, unused=0.0,
            caches=200 * MIB,
        )  # fmt: skip
        self.assertEqual(192 * MIB, step(small, 0.0))

    def test_a_guest_that_is_there_stays_as_it_is(self):
        self.assertEqual(8 * GIB, step(memory(usable=KEEP), KEEP))


class TestLook(unittest.TestCase):
    """One guest on its first step, from 8 to 7 GiB, begun at 100 s."""

    WORK = Shrinking(
        keep=KEEP, since=100.0, told_at=10.0, asked=True, swapped=50.0,
        reached=8 * GIB, least=8 * GIB, target=7 * GIB,
    )  # fmt: skip

    def look(self, now=101.0, work=None, **values):
        given = {'told_at': 11.0, 'swapped': 50.0, **values}
        return look(work or self.WORK, memory(**given), now)

    def test_the_first_look_at_what_it_tells_begins_the_first_step(self):
        work = Shrinking(keep=KEEP, since=100.0, told_at=10.0)
        found = self.look(work=work)
        self.assertEqual(
            dataclasses.replace(
                work, since=101.0, told_at=11.0, swapped=50.0,
                reached=8 * GIB, least=8 * GIB, target=7 * GIB,
            ),
            found,
        )  # fmt: skip

    def test_what_it_told_before_is_no_news(self):
        for told_at, news in ((9.0, False), (10.0, False), (10.1, True)):
            found = self.look(told_at=told_at, size=7 * GIB)
            self.assertIs(news, found != self.WORK, told_at)
            self.assertFalse(found.done)

    def test_silence_of_more_than_5_s_takes_the_step_back(self):
        self.assertEqual(5.0, PATIENCE)
        for passed, done in ((5.0, False), (5.1, True)):
            for silent in ({'told_at': 10.0}, {'usable': None}):
                found = self.look(100.0 + passed, **silent)
                self.assertIs(done, found.done, (passed, silent))
                if done:
                    self.assertEqual(8 * GIB, found.target)
                    self.assertIn('tells nothing', found.why)

    def test_silence_before_the_first_step_has_nothing_to_take_back(self):
        work = Shrinking(keep=KEEP, since=100.0, told_at=10.0)
        found = self.look(106.0, work, told_at=10.0)
        self.assertIsNone(found.target)
        self.assertTrue(found.done)

    def test_any_swapping_since_the_begin_takes_the_step_back(self):
        for swapped, done in ((50.0, False), (49.0, False), (50.1, True)):
            found = self.look(swapped=swapped)
            self.assertIs(done, found.done, swapped)
        self.assertEqual('the guest swapped', found.why)
        self.assertEqual(8 * GIB, found.target)

    def test_a_guest_that_does_not_tell_of_swap_has_none(self):
        self.assertFalse(self.look(swapped=None).done)
        work = Shrinking(keep=KEEP, since=100.0, told_at=10.0)
        self.assertEqual(0.0, self.look(work=work, swapped=None).swapped)

    def test_the_next_step_begins_within_4_mib_of_the_target(self):
        near = 7 * GIB + WORTH
        found = self.look(size=near)
        self.assertEqual(near - GIB, found.target)
        self.assertEqual((near, near), (found.reached, found.least))
        self.assertEqual(101.0, found.since)
        self.assertEqual(7 * GIB, self.look(size=near + 1).target)

    def test_each_4_mib_on_the_way_are_progress_and_less_is_none(self):
        for given, since in ((WORTH, 108.0), (WORTH - 1, None)):
            found = self.look(108.0, size=8 * GIB - given)
            if since:
                self.assertEqual(108.0, found.since)
                self.assertEqual(8 * GIB - given, found.least)
                self.assertFalse(found.done)
            else:
                self.assertTrue(found.done)

    def test_one_that_stands_still_for_5_s_stays_where_it_is(self):
        self.assertFalse(self.look(105.0).done)
        found = self.look(105.1)
        self.assertTrue(found.done)
        self.assertEqual('the guest gives no more', found.why)
        # so that it does not go on trying while it migrates
        self.assertEqual(8 * GIB, found.target)

    def test_it_is_done_where_less_than_4_mib_would_go(self):
        for spare, done in ((WORTH, False), (WORTH - 1, True)):
            found = self.look(
                size=7 * GIB, usable=KEEP + spare, unused=0.0, caches=GIB
            )
            self.assertIs(done, found.done, spare)
            self.assertEqual('', found.why)

    def test_nothing_of_it_is_decided_by_itself(self):
        work = Shrinking(keep=0.0, since=0.0, told_at=0.0)
        self.assertFalse(work.asked or work.done or work.why)
        self.assertIsNone(work.target)
        self.assertEqual(1 / 8, shrinking.STEP_SHARE)
