"""Where a sample of a domain's pages looks."""

import random
import types
import unittest

from watcher_tsmig.agent.measure import contents
from watcher_tsmig.agent.measure.contents import PAGE
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

RUN = contents.RUN * 4096
ZEROS, TEXT = bytes(PAGE), b'a word of it. '.ljust(PAGE, b'.')


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

    def test_devices_between_2_and_4_gib_and_firmware_are_never_read(self):
        low, high = (MIB, 2 * GIB), 4 * GIB
        for memory, expected in (
            (GIB, [(MIB, GIB)]),
            (2 * GIB, [low]),
            (3.5 * GIB, [low]),
            # less than is read at once
            (3.5 * GIB + RUN - 1, [low]),
            (3.5 * GIB + RUN, [low, (high, high + RUN)]),
            (8 * GIB, [low, (high, high + 4.5 * GIB)]),
            (MIB + RUN, [(MIB, MIB + RUN)]),
            (MIB + RUN - 1, []),
        ):
            self.assertEqual(expected, contents.ranges(memory), memory)

    def test_of_two_ranges_both_are_read_to_their_ends(self):
        memory = 3.5 * GIB + 4 * RUN
        count = int((2 * GIB - MIB) // RUN + 4)
        found = contents.addresses(memory, 2 * count, random.Random(1))
        self.assertEqual(count, len(found))
        self.assertEqual(
            [2 * GIB - RUN, *(4 * GIB + RUN * i for i in range(4))],
            found[-5:],
        )

    def test_a_guest_with_too_little_memory_is_refused(self):
        with self.assertRaises(Refusal) as caught:
            contents.addresses(MIB, 16, random.Random(1))
        self.assertIs(Code.UNFIT, caught.exception.code)
        self.assertIn('too little memory', caught.exception.reason)


class Guest:
    """Of 16 runs; `pages` are those of a run, `then` those a while later."""

    def __init__(self, pages, then=None):
        self.looks = [pages, then]
        self.now, self.asked = 100.0, []

    def memory(self, vm):
        return MIB + 16 * RUN

    def read(self, vm, addresses, size):
        self.asked.append((vm, list(addresses), size))
        self.now += 0.25
        return b''.join(self.looks.pop(0)) * len(addresses)

    def sleep(self, seconds):
        self.now += seconds


class TestSample(unittest.TestCase):
    def sample(self, guest, count=32, apart=0.0):
        self.addCleanup(setattr, contents, 'time', contents.time)
        contents.time = types.SimpleNamespace(
            monotonic=lambda: guest.now, sleep=guest.sleep
        )
        return contents.sample(guest, 'vm-1', count, apart, random.Random(1))

    def test_one_look_tells_what_is_there_and_nothing_of_its_change(self):
        guest = Guest([ZEROS, ZEROS, ZEROS, TEXT])
        told = self.sample(guest)
        self.assertEqual({'pages': 32, 'zero': 0.75}, told)
        ((vm, where, size),) = guest.asked
        self.assertEqual(('vm-1', 8, RUN), (vm, len(where), size))

    def test_less_than_a_run_is_one(self):
        guest = Guest([TEXT] * 4)
        self.assertEqual(4, self.sample(guest, 3)['pages'])

    def test_a_page_with_one_bit_set_is_none_of_zeros(self):
        guest = Guest([bytes(PAGE - 1) + b'\1', ZEROS, TEXT, TEXT])
        self.assertEqual(0.25, self.sample(guest)['zero'])

    def test_two_looks_at_the_same_pages_tell_what_was_written(self):
        changed = b'A' + TEXT[1:]
        guest = Guest([ZEROS, TEXT, TEXT, TEXT], [ZEROS, TEXT, TEXT, changed])
        told = self.sample(guest, apart=2.0)
        # from begin of the first to begin of the second
        self.assertEqual(2.25, told['apart'])
        self.assertEqual((8, 0.0), (told['written'], told['blanked']))
        self.assertEqual((32, 0.25), (told['pages'], told['zero']))
        first, second = guest.asked
        self.assertEqual(first, second)

    def test_where_nothing_was_written_none_of_it_is_zero(self):
        told = self.sample(Guest([TEXT] * 4, [TEXT] * 4), apart=1.0)
        self.assertEqual((0, 0.0), (told['written'], told['blanked']))

    def test_what_was_written_is_counted_by_what_it_is_now(self):
        guest = Guest([ZEROS, TEXT, TEXT, TEXT], [TEXT, ZEROS, TEXT, TEXT])
        told = self.sample(guest, apart=1.0)
        self.assertEqual((16, 0.5), (told['written'], told['blanked']))
