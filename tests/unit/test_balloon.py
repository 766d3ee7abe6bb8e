"""Caches given back, by an agent with the hypervisor of this file.

Its guest fills its balloon as Linux does: with free pages first, then with
caches, then by swapping. The real one is in tests/agent/memory/balloon.py.
"""

import dataclasses
import pathlib
import tempfile
import unittest

from watcher_tsmig.agent.memory.balloon import Lender
from watcher_tsmig.agent.memory.shrinking import PATIENCE
from watcher_tsmig.agent.memory.shrinking import WORTH
from watcher_tsmig.agent.memory.shrinking import aim
from watcher_tsmig.agent.memory.shrinking import step
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import GuestMemory
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

VM = '11111111-2222-4333-8444-555555555555'
KEEP = 256 * MIB
TTL = 120.0


def memory(**values):
    """8 GiB: 3 used, 1 free, 4 of caches."""
    return GuestMemory(
        **{
            'most': 8 * GIB,
            'size': 8 * GIB,
            'balloon': True,
            'usable': 5 * GIB,
            'unused': 1 * GIB,
            'caches': 4 * GIB,
            'swapped': 0.0,
            'told_at': 1.0,
            'period': 10,
            **values,
        }
    )


class Host:
    """One host with one guest; time passes by `pass_time`."""

    def __init__(self):
        self.used, self.free, self.caches = 3 * GIB, 1 * GIB, 4 * GIB
        self.size = self.target = self.most = 8 * GIB
        self.swapped = 0.0
        self.slack = 4 * GIB  # that the guest's balloon takes in a second
        self.here, self.active, self.balloon = True, True, True
        self.telling = True
        self.direction = Direction.NONE
        self.period, self.told_at = 10, 100.0
        self.time = 1000.0
        self.sizes, self.periods = [], []

    def pass_time(self, seconds=1.0):
        self.time += seconds
        self.told_at += seconds if self.period else 0.0
        wanted = self.size - self.target
        moved = max(min(wanted, self.slack * seconds), -self.slack * seconds)
        self.size -= moved
        for part in ('free', 'caches'):
            taken = min(max(moved, 0.0), getattr(self, part))
            setattr(self, part, getattr(self, part) - taken)
            moved -= taken
        self.swapped += max(moved, 0.0)
        self.free += max(-moved, 0.0)

    def _there(self):
        if not self.here:
            raise Refusal(Code.UNKNOWN_VM, 'is not here')

    def job(self, vm):
        self._there()
        if not self.active:
            raise Refusal(Code.UNFIT, 'domain is not running')
        return Job(direction=self.direction)

    def runs(self, vm):
        self._there()
        return self.active

    def guest_memory(self, vm):
        self._there()
        found = memory(
            size=self.size,
            most=self.most,
            balloon=self.balloon,
            usable=self.free + self.caches,
            unused=self.free,
            caches=self.caches,
            swapped=self.swapped,
            told_at=self.told_at,
            period=self.period,
        )
        if not self.telling:
            return dataclasses.replace(
                found, usable=None, unused=None, caches=None
            )
        return found

    def set_memory(self, vm, size):
        self._there()
        assert self.direction is Direction.NONE, 'libvirt would wait'
        self.target = size
        self.sizes.append(size)

    def set_period(self, vm, period):
        self._there()
        assert self.direction is Direction.NONE, 'libvirt would wait'
        self.period = period
        self.periods.append(period)


class TestArithmetic(unittest.TestCase):
    def test_free_memory_and_caches_go_but_for_what_is_kept(self):
        self.assertEqual(3 * GIB + KEEP, aim(memory(), KEEP))

    def test_no_more_goes_than_is_free_and_caches(self):
        # what can be reclaimed beside caches (slab) stays
        found = aim(memory(usable=5 * GIB, caches=2 * GIB), KEEP)
        self.assertEqual(8 * GIB - 3 * GIB, found)

    def test_what_is_kept_is_never_taken(self):
        for usable in (0.0, KEEP / 2, KEEP):
            tight = memory(usable=usable, unused=0.0, caches=4 * GIB)
            self.assertEqual(8 * GIB, aim(tight, KEEP))

    def test_free_memory_alone_is_left_where_no_caches_would_go(self):
        bare = memory(usable=5 * GIB, unused=5 * GIB, caches=0.0)
        self.assertEqual(8 * GIB, aim(bare, KEEP))
        little = memory(usable=GIB + KEEP + WORTH / 2, caches=4 * GIB)
        self.assertEqual(8 * GIB, aim(little, KEEP))

    def test_a_step_is_an_eighth_of_the_guest_at_most(self):
        self.assertEqual(7 * GIB, step(memory(), KEEP))
        near = memory(size=4 * GIB, usable=GIB, unused=0.0, caches=GIB)
        self.assertEqual(3 * GIB + KEEP, step(near, KEEP))


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / 'memory.json'
        self.host = Host()
        self.lender = self.made()
        self.asked = 0

    def made(self):
        def now():
            return self.host.time

        return Lender(self.host, self.path, now, now)

    def issued(self):
        self.asked += 1
        return self.host.time + self.asked * 1e-3

    def give(self, ttl=TTL):
        return self.lender.give_back(
            VM, keep=KEEP, ttl=ttl, issued=self.issued()
        )

    def take(self, **values):
        return self.lender.take_again(VM, issued=self.issued(), **values)

    def given(self, looks=40):
        """Ask until it is done."""
        told = self.give()
        for _ in range(looks):
            if told['done']:
                break
            told = self.give()
            self.host.pass_time()
            self.lender.tick()
        return self.give()

    def refused(self, call, code):
        with self.assertRaises(Refusal) as caught:
            call()
        self.assertEqual(code, caught.exception.code)


class TestGiveBack(Base):
    def test_caches_go_in_steps_and_used_memory_stays(self):
        told = self.given()
        self.assertTrue(told['done'])
        self.assertEqual('', told['why'])
        self.assertEqual(8 * GIB, told['before'])
        self.assertAlmostEqual(5 * GIB - KEEP, told['given'], delta=WORTH)
        self.assertEqual(0.0, self.host.swapped)
        self.assertAlmostEqual(KEEP, self.host.caches, delta=WORTH)
        steps = [8 * GIB, *self.host.sizes]
        for before, after in zip(steps, steps[1:], strict=False):
            self.assertLessEqual(before - after, GIB)

    def test_it_tells_its_memory_each_second_only_meanwhile(self):
        self.given()
        self.assertEqual([1, 10], self.host.periods)

    def test_nothing_is_taken_before_it_is_asked_for_again(self):
        self.give()
        for _ in range(10):
            self.host.pass_time()
            self.lender.tick()
        self.assertEqual([], self.host.sizes)

    def test_a_guest_that_swaps_gets_its_last_step_back_at_once(self):
        self.give()
        told = self.give()
        self.host.pass_time()
        self.lender.tick()
        self.host.swapped += 4096
        self.host.pass_time()
        self.lender.tick()
        told = self.give()
        self.assertEqual((True, 'the guest swapped'),
                         (told['done'], told['why']))  # fmt: skip
        self.assertEqual(8 * GIB, self.host.target)

    def test_a_guest_that_gives_no_more_is_not_pressed(self):
        self.host.slack = 0.0
        told = self.given()
        self.assertEqual('the guest gives no more', told['why'])
        self.assertEqual(8 * GIB, self.host.target)

    def test_a_guest_that_falls_silent_gets_its_last_step_back(self):
        self.give()
        self.give()
        self.host.pass_time()
        self.lender.tick()
        self.assertEqual(7 * GIB, self.host.target)
        self.host.telling = False
        self.host.pass_time(PATIENCE + 1)
        self.lender.tick()
        self.assertEqual(8 * GIB, self.host.target)
        self.assertIn('tells nothing', self.give()['why'])

    def test_a_migration_that_begins_meanwhile_is_not_held_up(self):
        self.give()
        self.give()
        self.host.direction = Direction.OUTGOING
        self.host.pass_time()
        self.lender.tick()
        self.assertTrue(self.give()['done'])

    def test_who_has_no_balloon_or_tells_nothing_or_migrates_is_refused(self):
        for name, value in (
            ('balloon', False),
            ('telling', False),
            ('active', False),
            ('direction', Direction.OUTGOING),
        ):
            with self.subTest(name):
                self.host = Host()
                self.lender = self.made()
                setattr(self.host, name, value)
                self.refused(self.give, Code.UNFIT)
                self.assertEqual({}, self.lender.loans())
                self.assertEqual([], self.host.sizes)

    def test_an_older_request_is_not_obeyed(self):
        self.give()
        self.host.time -= 50
        self.refused(self.give, Code.LATE)


class TestTakeAgain(Base):
    def test_the_source_gets_its_size_back_and_forgets(self):
        self.given()
        told = self.take()
        self.assertEqual({'restored': True, 'ours': False}, told)
        self.assertEqual(8 * GIB, self.host.target)
        self.assertEqual({}, self.lender.loans())

    def test_a_destination_needs_no_ledger(self):
        self.host.size = self.host.target = 4 * GIB
        self.assertTrue(self.take(size=8 * GIB)['restored'])
        self.assertEqual(8 * GIB, self.host.target)

    def test_a_domain_never_gets_more_than_it_may_have(self):
        self.host.size = self.host.target = 4 * GIB
        self.take(size=64 * GIB)
        self.assertEqual(8 * GIB, self.host.target)

    def test_who_made_it_larger_meanwhile_is_respected(self):
        self.host.size = self.host.target = 6 * GIB
        self.take(size=4 * GIB)
        self.assertEqual(6 * GIB, self.host.target)

    def test_a_domain_that_is_awaited_is_restored_once_it_has_arrived(self):
        self.host.size = self.host.target = 4 * GIB
        self.host.here = False
        self.assertTrue(self.take(size=8 * GIB, ttl=TTL)['ours'])
        self.lender.tick()
        self.host.here = True
        self.host.direction = Direction.INCOMING
        self.host.pass_time(10 * TTL)
        self.lender.tick()
        self.assertEqual(4 * GIB, self.host.target)
        # its agent dies as well
        self.lender = self.made()
        self.host.direction = Direction.NONE
        self.lender.tick()
        self.assertEqual(8 * GIB, self.host.target)
        self.assertEqual({}, self.lender.loans())

    def test_who_does_not_arrive_is_awaited_no_longer_than_told(self):
        self.host.here = False
        self.take(size=8 * GIB, ttl=TTL)
        self.host.pass_time(TTL + 1)
        self.lender.tick()
        self.assertEqual({}, self.lender.loans())

    def test_who_has_stayed_is_awaited_no_more(self):
        self.host.here = False
        self.take(size=8 * GIB, ttl=TTL)
        self.take()
        self.assertEqual({}, self.lender.loans())

    def test_nothing_is_set_while_it_migrates(self):
        self.given()
        small, self.host.direction = self.host.size, Direction.OUTGOING
        self.assertEqual({'restored': False, 'ours': True}, self.take())
        self.lender.tick()
        self.assertEqual(small, self.host.target)
        self.host.direction = Direction.NONE
        self.lender.tick()
        self.assertEqual(8 * GIB, self.host.target)


class TestWhateverHappens(Base):
    def test_an_agent_that_died_restores_at_its_start(self):
        self.given()
        self.lender = self.made()
        self.assertEqual(0, self.lender.restore())
        self.assertEqual(8 * GIB, self.host.target)

    def test_one_that_died_while_it_gave_back_tells_as_before(self):
        self.give()
        self.lender = self.made()
        self.lender.restore()
        self.assertEqual([1, 10], self.host.periods)

    def test_what_nobody_renews_ends_but_not_during_a_migration(self):
        self.given()
        self.host.direction = Direction.OUTGOING
        self.host.pass_time(10 * TTL)
        self.lender.tick()
        self.assertIn(VM, self.lender.loans())
        self.host.direction = Direction.NONE
        self.lender.tick()
        self.assertEqual(8 * GIB, self.host.target)

    def test_a_domain_that_has_left_is_forgotten(self):
        self.given()
        self.host.here = False
        self.lender.tick()
        self.assertEqual({}, self.lender.loans())

    def test_a_domain_that_was_shut_off_is_forgotten(self):
        for restoring in (False, True):
            with self.subTest(restoring=restoring):
                self.host.active = True
                self.given()
                self.host.active = False
                if restoring:
                    self.take()
                self.lender.tick()
                self.assertEqual({}, self.lender.loans())

    def test_an_awaited_domain_that_does_not_run_yet_is_not_forgotten(self):
        self.host.size = self.host.target = 4 * GIB
        self.host.active = False
        self.take(size=8 * GIB, ttl=TTL)
        self.lender.tick()
        self.host.active = True
        self.lender.tick()
        self.assertEqual(8 * GIB, self.host.target)

    def test_a_file_that_is_no_ledger_is_put_aside(self):
        self.path.write_text('{"format": "1", "loans": {"x": 1}}')
        with self.assertLogs(level='ERROR') as logged:
            self.lender = self.made()
        self.assertIn('memory that was given back', logged.output[0])
        self.assertEqual({}, self.lender.loans())
