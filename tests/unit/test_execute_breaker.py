"""Who refused a VM of the plan lately is the last to be asked."""

import unittest

from watcher_tsmig import errors
from watcher_tsmig.execute import breaker as module
from watcher_tsmig.execute.breaker import FIRST
from watcher_tsmig.execute.breaker import PLANS
from watcher_tsmig.execute.breaker import Breaker
from watcher_tsmig.execute.breaker import breaker_of
from watcher_tsmig.execute.healing import healed
from watcher_tsmig.execute.values import Outcome
from watcher_tsmig.plan.values import Mode


class Clock:
    now_ = 0.0

    def now(self):
        return self.now_


class TestBreaker(unittest.TestCase):
    def setUp(self):
        self.breaker, self.clock = Breaker(), Clock()
        self.asked, self.refuse = [], set()

    def go(self, to):
        self.asked.append(to)
        if to in self.refuse:
            raise errors.DestinationError(f'db-1: {to} is full', 'is full')
        return Outcome(vm='1', host=to, seconds=1.0, mode=Mode.PRE_COPY)

    def moved(self, *destinations):
        self.asked.clear()
        return healed(
            self.go, destinations, breaker=self.breaker, clock=self.clock
        )

    def test_the_next_vm_is_not_sent_to_who_has_just_refused_one(self):
        self.refuse = {'b'}
        self.assertEqual('c', self.moved('b', 'c').host)
        outcome = self.moved('b', 'd')
        self.assertEqual(['d'], self.asked)
        self.assertIn('instead of b: is full', outcome.remark)

    def test_once_its_cooldown_is_over_it_is(self):
        self.refuse = {'b'}
        self.moved('b', 'c')
        self.clock.now_ += FIRST
        self.refuse = set()
        self.assertEqual('b', self.moved('b', 'c').host)
        self.assertEqual('', self.moved('b', 'c').remark)

    def test_the_cooldown_grows_up_to_a_bound_until_a_vm_is_taken(self):
        waits = []
        for _ in range(8):
            self.breaker.trip('b', 0.0)
            waits.append(self.breaker.until['b'])
        self.assertEqual([30.0, 60.0, 120.0, 240.0, 480.0], waits[:5])
        self.assertEqual([600.0] * 3, waits[5:])
        self.breaker.close('b')
        self.breaker.trip('b', 0.0)
        self.assertEqual(FIRST, self.breaker.until['b'])

    def test_who_takes_a_vm_may_take_the_next_at_once(self):
        self.breaker.trip('b', 0.0, 'is full')
        self.assertEqual(['c', 'b'], self.breaker.spared(['b', 'c'], 1.0))
        self.breaker.close('b')
        self.assertEqual(['b', 'c'], self.breaker.spared(['b', 'c'], 1.0))

    def test_where_there_is_nobody_else_it_is_asked_all_the_same(self):
        self.refuse = {'b'}
        for _ in range(2):
            with self.assertRaises(errors.DestinationError):
                self.moved('b')
            self.assertEqual(['b'], self.asked)
        self.refuse = {'c'}
        self.assertEqual('b', self.moved('b', 'c').host)
        self.assertEqual(['c', 'b'], self.asked)

    def test_all_actions_of_a_plan_share_one(self):
        breaker_of('p').trip('b', 0.0)
        self.assertEqual(1, breaker_of('p').refusals['b'])
        self.assertEqual(0, breaker_of('q').refusals['b'])

    def test_old_plans_are_forgotten(self):
        breaker_of('old').trip('b', 0.0)
        for i in range(PLANS - 1):
            breaker_of(f'plan-{i}')
        self.assertEqual(1, breaker_of('old').refusals['b'])
        # it was used since, and so the others are older
        for i in range(PLANS - 1):
            breaker_of(f'new-{i}')
        self.assertEqual(1, breaker_of('old').refusals['b'])
        for i in range(PLANS):
            breaker_of(f'plan-{i}')
        self.assertEqual(0, breaker_of('old').refusals['b'])
        self.assertLessEqual(len(module._BREAKERS), PLANS)
        self.assertEqual(64, PLANS)
