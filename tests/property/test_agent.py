"""Caps in libvirt's whole MiB/s, and shrinking guests, whatever is asked."""

import dataclasses
import math
import unittest

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from watcher_tsmig.agent.memory.shrinking import Shrinking
from watcher_tsmig.agent.memory.shrinking import aim
from watcher_tsmig.agent.memory.shrinking import look
from watcher_tsmig.agent.values import STEP
from watcher_tsmig.agent.values import UNLIMITED
from watcher_tsmig.agent.values import GuestMemory
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

TIMED = hypothesis.settings(deadline=None)
RATES = st.floats(1.0, 1e11)
SIZES = st.floats(0.0, 64 * GIB)
# the smallest guest that is not starved, and more
GUESTS = st.floats(128 * MIB, 64 * GIB)


class TestSpeeds(unittest.TestCase):
    @TIMED
    @given(RATES, RATES, st.integers(1, 9))
    def test_a_cap_is_never_none_and_never_below_what_ends(
        self, rate, least, parts
    ):
        found = Speeds.of(rate, rate, parts, least)
        self.assertTrue(1 <= found.pre < UNLIMITED)
        self.assertGreaterEqual(found.post, 1)
        told = found.told(parts)['pre']
        self.assertGreaterEqual(told, least * (1 - 1e-9))
        # nobody gets much more than was asked, or than has to be
        most = max(rate, least, parts * STEP) + parts * STEP
        self.assertLessEqual(told, most)

    @TIMED
    @given(RATES)
    def test_what_is_told_is_asked_for_again_as_the_same(self, rate):
        found = Speeds.of(rate, rate)
        self.assertEqual(found, Speeds.of(*found.told().values()))
        self.assertEqual(found.told()['pre'], found.rate(post_copy=False))

    def test_no_limit_stays_none(self):
        free = Speeds.of(None, None)
        self.assertEqual(Speeds(), free)
        self.assertEqual(math.inf, free.rate(post_copy=False))


class TestJobs(unittest.TestCase):
    @TIMED
    @given(st.floats(0, 1e12), st.integers(0, 99), st.booleans())
    def test_a_job_comes_back_as_it_was_told(self, size, rounds, post):
        job = Job(processed=size, iteration=rounds, post_copy=post)
        self.assertEqual(job, Job.read(job.told()))
        self.assertEqual(job, Job.read({**job.told(), 'newer': 1}))


class TestGuests(unittest.TestCase):
    def guest(self, size, free, caches, slab):
        free = min(free, size)
        caches = min(caches, size - free)
        return GuestMemory(
            most=size,
            size=size,
            balloon=True,
            usable=free + caches + min(slab, size - free - caches),
            unused=free,
            caches=caches,
            swapped=0.0,
            told_at=1.0,
            period=1,
        )

    @TIMED
    @given(GUESTS, SIZES, SIZES, SIZES, SIZES)
    def test_what_programs_use_and_what_is_kept_is_never_taken(
        self, size, free, caches, slab, keep
    ):
        guest = self.guest(size, free, caches, slab)
        found = aim(guest, keep)
        self.assertLessEqual(found, size)
        self.assertGreaterEqual(
            found, size - guest.unused - guest.caches - 1.0
        )
        if found < size:
            left = guest.usable - (size - found)
            self.assertGreaterEqual(left, keep - 1.0)

    @TIMED
    @given(GUESTS, SIZES, SIZES, SIZES)
    def test_a_guest_that_obeys_gets_there_and_is_done(
        self, size, free, caches, keep
    ):
        guest = self.guest(size, free, caches, 0.0)
        goal = aim(guest, keep)
        work = Shrinking(keep=keep, since=0.0, told_at=0.0)
        for second in range(1, 99):
            guest = dataclasses.replace(guest, told_at=float(second))
            work = look(work, guest, float(second))
            if work.done:
                break
            # free pages go first
            given = guest.size - work.target
            free = max(guest.unused - given, 0.0)
            caches = guest.caches - (given - (guest.unused - free))
            guest = dataclasses.replace(
                guest, size=work.target, unused=free, caches=caches,
                usable=free + caches,
            )  # fmt: skip
        self.assertTrue(work.done)
        self.assertEqual('', work.why)
        self.assertAlmostEqual(goal, guest.size, delta=8 * MIB)
