"""Memory that is lent for longer than one question, and by several agents."""

import json
import threading

from tests.unit import test_balloon
from tests.unit.test_balloon import TTL
from tests.unit.test_balloon import VM
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.units import GIB


class TestRenewing(test_balloon.Base):
    def test_who_asks_again_renews_it(self):
        self.give(ttl=100)
        self.host.pass_time(90)
        self.give(ttl=100)
        self.host.pass_time(50)
        self.lender.tick()
        self.assertFalse(self.lender.loans()[VM].restoring)
        self.assertEqual([1], self.host.periods)
        self.host.pass_time(51)
        with self.assertLogs('watcher_tsmig.agent.memory.balloon', 'WARNING'):
            self.lender.tick()
        self.assertEqual({}, self.lender.loans())

    def test_it_ends_a_moment_after_its_time_and_not_at_it(self):
        self.give(ttl=100)
        until = self.lender.loans()[VM].until
        self.host.time = until
        self.lender.tick()
        self.assertIn(VM, self.lender.loans())

    def test_a_new_agent_that_is_asked_again_begins_anew(self):
        self.given()
        small = self.host.size
        self.lender = self.made()
        told = self.give()
        self.assertFalse(told['done'])
        # the size to go back to is still the first one, and so its telling
        self.assertEqual(8 * GIB, told['before'])
        self.assertEqual(8 * GIB - small, told['given'])
        self.take()
        self.assertEqual(8 * GIB, self.host.target)
        self.assertEqual(10, self.host.period)

    def test_one_that_died_while_it_gave_back_puts_the_old_telling_back(self):
        self.give()
        self.lender = self.made()
        self.give()
        self.take()
        self.assertEqual([1, 1, 10], self.host.periods)

    def test_what_is_being_restored_and_asked_for_again_begins_anew(self):
        self.given()
        self.host.direction = Direction.OUTGOING
        self.take()
        self.refused(self.give, Code.UNFIT)
        self.host.direction = Direction.NONE
        self.assertFalse(self.give()['done'])
        self.assertFalse(self.lender.loans()[VM].restoring)

    def test_one_whose_size_cannot_be_put_back_yet_is_never_shrunk_again(
        self,
    ):
        self.given()
        self.host.pass_time(10 * TTL)
        real, self.host.set_memory = self.host.set_memory, self.busy
        with self.assertLogs('watcher_tsmig.agent.memory.balloon', 'WARNING'):
            self.lender.tick()
        self.assertTrue(self.lender.loans()[VM].restoring)
        self.host.set_memory = real
        self.lender.tick()
        self.assertEqual(8 * GIB, self.host.target)

    def busy(self, vm, size):
        raise Refusal(Code.BUSY, 'is held by somebody')

    def test_at_the_end_one_that_stays_small_is_told_and_counted(self):
        self.given()
        self.host.set_memory = self.busy
        with self.assertLogs(
            'watcher_tsmig.agent.memory.balloon', 'ERROR'
        ) as logs:
            self.assertEqual(1, self.lender.restore())
        self.assertIn(f'{VM} stays small: is held', logs.output[0])

    def test_what_an_agent_began_to_restore_the_next_one_goes_on_with(self):
        self.given()
        self.host.direction = Direction.OUTGOING
        self.assertEqual(1, self.lender.restore())
        # long before its time is over
        self.lender = self.made()
        self.host.direction = Direction.NONE
        self.lender.tick()
        self.assertEqual(8 * GIB, self.host.target)
        self.assertEqual({}, self.lender.loans())

    def test_one_that_left_while_it_was_to_be_restored_is_forgotten(self):
        self.given()
        self.host.direction = Direction.OUTGOING
        self.lender.restore()
        self.host.here = False
        self.lender.tick()
        self.assertEqual({}, self.lender.loans())

    def test_a_new_agent_finds_a_migration_under_way_and_waits(self):
        self.given()
        small = self.host.target
        self.lender = self.made()
        self.host.direction = Direction.OUTGOING
        self.lender.tick()
        self.assertEqual(small, self.host.target)
        self.assertIn(VM, self.lender.loans())

    def test_of_whom_nothing_is_lent_is_told_whether_it_is_there_at_rest(self):
        for name, value, rests in (
            ('direction', Direction.NONE, True),
            ('direction', Direction.INCOMING, False),
            ('here', False, False),
        ):
            setattr(self.host, name, value)
            self.assertEqual({'restored': rests, 'ours': False}, self.take())
        self.assertEqual([], self.host.sizes)

    def test_what_is_over_is_forgotten_after_two_minutes(self):
        self.give()
        self.take()
        self.assertIn(VM, self.path.read_text())
        self.host.pass_time(121)
        self.lender.tick()
        self.assertNotIn(VM, self.path.read_text())

    def test_one_that_is_asked_about_now_is_left_to_who_asks(self):
        self.give()
        self.give()
        self.host.pass_time()
        with self.lender._journal.alone(VM):
            ticking = threading.Thread(target=self.lender.tick)
            ticking.start()
            ticking.join(10)
            self.assertFalse(ticking.is_alive())
            self.assertEqual([], self.host.sizes)

    def test_a_guest_that_never_told_its_memory_is_asked_to(self):
        self.host.period, self.host.telling = 0, False
        self.assertFalse(self.give()['done'])
        self.assertEqual([1], self.host.periods)
        self.take()
        self.assertEqual([1, 0], self.host.periods)


class TestFile(test_balloon.Base):
    def test_only_whole_loans_are_read(self):
        self.give()
        good = json.loads(self.path.read_text())
        loan = good['loans'][VM]
        for change, right in (
            ({}, True),
            ({'period': 0}, True),
            ({'period': None}, True),
            ({'period': -1}, False),
            ({'period': 1.5}, False),
            ({'before': 0}, True),
            ({'before': 1e15}, True),
            ({'before': -1}, False),
            ({'before': 2e15}, False),
            ({'more': 1}, False),
            *(({name: 'x'}, False) for name in loan),
            *(({name: ...}, False) for name in loan),
        ):
            values = {k: v for k, v in {**loan, **change}.items()
                      if v is not ...}  # fmt: skip
            self.path.write_text(json.dumps({**good, 'loans': {VM: values}}))
            if right:
                self.assertIn(VM, self.made().loans(), change)
                continue
            with self.assertLogs('watcher_tsmig.agent.journal', 'ERROR'):
                self.assertEqual({}, self.made().loans(), change)
