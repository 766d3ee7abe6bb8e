"""Where a sample of a domain's pages looks."""

import random
import unittest

from watcher_tsmig.agent import contents
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

RUN = contents.RUN * 4096


class TestAddresses(unittest.TestCase):
    def test_memory_of_one_kind_counts_by_its_share_in_every_sample(self):
        # lies in one piece, and a sample of all memory at once was off by
        # six points of a hundred
        memory, held = 512 * MIB, 260 * MIB
        for seed in range(100):
            found = contents.addresses(memory, 512, random.Random(seed))
            share = sum(at < held for at in found) / len(found)
            self.assertAlmostEqual(share, held / memory, delta=0.005)

    def test_what_is_read_is_memory_and_nothing_twice(self):
        for memory in (64 * MIB, 2 * GIB, 3.6 * GIB, 64 * GIB):
            ranges = contents.ranges(memory)
            found = contents.addresses(memory, 4096, random.Random(1))
            self.assertEqual(len(found), len(set(found)))
            for at in found:
                self.assertTrue(
                    any(a <= at and at + RUN <= b for a, b in ranges)
                )

    def test_a_small_guest_is_read_whole(self):
        memory = contents.FIRST + 8 * RUN
        found = contents.addresses(memory, 512, random.Random(1))
        self.assertEqual(
            found, [contents.FIRST + RUN * part for part in range(8)]
        )
