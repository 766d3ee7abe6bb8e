"""Who may start now, by what everybody has in flight."""

import contextlib
import sys
import unittest
from unittest import mock

from tests.unit.small_cloud import Clock
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.compute import Passage
from watcher_tsmig.execute.starting.admission import Gate
from watcher_tsmig.execute.starting.admission import Limits
from watcher_tsmig.execute.starting.admission import full
from watcher_tsmig.execute.starting.sharing import lock_of


def passage(vm, source, destination):
    return Passage(
        vm=vm, source=source, destination=destination, status='running'
    )


ONE_OUT = passage('x', 'cmp-1', 'cmp-9')
ONE_IN = passage('y', 'cmp-9', 'cmp-2')
ELSEWHERE = passage('z', 'cmp-8', 'cmp-9')


class Looks:
    """A Nova whose looks come from a list; the last one stays."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.asked = 0

    def passages(self, host):
        assert host == ''
        self.asked += 1
        return self.looks.pop(0) if self.looks[1:] else self.looks[0]

    def pause(self, wanted):
        return wanted


class TestFull(unittest.TestCase):
    def test_each_limit_counts_what_it_is_of(self):
        seen = [ONE_OUT, ONE_IN, ELSEWHERE]
        for limits, why in (
            ({}, ''),
            ({'per_source': 1}, '1 of 1 migrations leave cmp-1 already'),
            ({'per_source': 2}, ''),
            ({'per_destination': 1}, '1 of 1 migrations enter cmp-2 already'),
            ({'per_destination': 2}, ''),
            ({'in_cluster': 3}, '3 of 3 migrations are under way already'),
            ({'in_cluster': 4}, ''),
        ):
            found = full(order(), Limits(**limits), seen)
            self.assertEqual(bool(why), bool(found), limits)
            self.assertIn(why, found)

    def test_of_limits_that_are_reached_the_narrowest_is_told(self):
        seen = [ONE_OUT, ONE_IN]
        rows = (
            ('per_source', 'leave cmp-1'),
            ('per_destination', 'enter cmp-2'),
            ('in_cluster', 'are under way'),
        )
        for first, (_, why) in enumerate(rows):
            limits = Limits(**{name: 1 for name, _ in rows[first:]})
            self.assertIn(why, full(order(), limits, seen))

    def test_its_own_migration_does_not_count(self):
        mine = passage(order().vm, 'cmp-1', 'cmp-2')
        limits = Limits(per_source=1, per_destination=1, in_cluster=1)
        self.assertEqual('', full(order(), limits, [mine]))


class TestGate(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.cancelled = False
        self.held = []

    def gate(self, *looks, shared=None, **limits):
        self.nova = Looks(*looks)
        return Gate(
            self.nova,
            order(),
            Limits(**(limits or {'per_source': 1})),
            Pace(queue=60.0),
            self.clock,
            lambda: self.cancelled,
            shared,
        )

    @contextlib.contextmanager
    def lock(self):
        self.held.append('taken')
        yield
        self.held.append('given back')

    def test_where_there_is_place_it_starts_at_once(self):
        gate = self.gate([ELSEWHERE])
        gate.enter()
        self.assertEqual(0, gate.waited)
        self.assertEqual('', gate.told())

    def test_it_waits_for_others_and_says_so(self):
        gate = self.gate(*[[ONE_OUT]] * 4, [])
        gate.enter()
        self.assertGreater(gate.waited, 0)
        self.assertEqual(20.0, gate.waited)
        self.assertIn('waited 20 s', gate.told())
        self.assertIn('1 of 1 migrations leave cmp-1 already', gate.told())

    def test_a_short_wait_is_one_but_is_not_worth_a_word(self):
        for pause, told in ((0.5, ''), (9.5, ''), (10.0, 'waited 10 s')):
            gate = self.gate([ONE_OUT], [])
            self.nova.pause = lambda wanted, pause=pause: pause
            gate.enter()
            self.assertEqual(pause, gate.waited)
            self.assertEqual(told, gate.told().partition(' (')[0])

    def test_who_only_waited_for_his_turn_says_so(self):
        gate = self.gate([], shared=self.slow)
        gate.enter()
        self.assertEqual('waited 59 s (while others started)', gate.told())

    @contextlib.contextmanager
    def slow(self):
        self.clock.sleep(59.0)
        yield

    def test_of_two_reasons_to_wait_the_first_is_told(self):
        limits = {'per_source': 1, 'per_destination': 1}
        gate = self.gate([ONE_OUT], [ONE_IN], [], **limits)
        gate.enter()
        self.assertIn('1 of 1 migrations leave cmp-1', gate.told())

    def test_it_asks_nova_once_for_each_look_and_not_too_often(self):
        gate = self.gate(*[[ONE_OUT]] * 12, [])
        gate.enter()
        # 15 requests a minute are the most
        self.assertLessEqual(self.nova.asked, gate.waited / 60 * 15 + 1)

    def test_a_wait_has_a_bound_and_names_what_it_was_for(self):
        gate = self.gate([ONE_OUT])
        with self.assertRaisesRegex(
            errors.MigrationError, 'leave cmp-1.*plan again when'
        ):
            gate.enter()
        self.assertGreater(self.clock.now(), 1060.0)

    def test_a_cancelled_plan_does_not_wait(self):
        self.cancelled = True
        with self.assertRaisesRegex(errors.MigrationError, 'cancelled'):
            self.gate([ONE_OUT]).enter()
        self.assertEqual(1, self.nova.asked)

    def test_without_limits_nobody_is_asked(self):
        gate = self.gate([ONE_OUT], in_cluster=0)
        gate.enter()
        self.assertEqual(0, gate.waited)
        self.assertEqual(0, self.nova.asked)

    def test_the_lock_is_held_until_the_start_is_on_record(self):
        gate = self.gate([ONE_OUT], [], shared=self.lock)
        gate.enter()
        # not while it waits, or nobody else could end
        self.assertEqual(['taken', 'given back', 'taken'], self.held)
        gate.close()
        gate.close()
        self.assertEqual(['taken', 'given back'] * 2, self.held)

    def test_a_lock_that_is_away_is_told(self):
        @contextlib.contextmanager
        def away():
            raise errors.CloudError('the coordinator (etcd3) is away')
            yield

        with self.assertRaisesRegex(
            errors.MigrationError, 'was not moved: the coordinator'
        ):
            self.gate([], shared=away).enter()


class TestLock(unittest.TestCase):
    def test_without_a_coordinator_there_is_none(self):
        self.assertIsNone(lock_of(''))

    def test_a_coordinator_without_tooz_says_what_to_install(self):
        missing = mock.patch.dict(sys.modules, {'tooz.coordination': None})
        with (
            missing,
            self.assertRaisesRegex(errors.CloudError, 'tooz is not installed'),
        ):
            lock_of('file:///nowhere')().__enter__()
