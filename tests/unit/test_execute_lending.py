"""How long a guest's memory is lent for a migration, and when it is not."""

import unittest

from tests.unit.test_execute_migration import Clock
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.agent.values import Given
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.balloon import Giving
from watcher_tsmig.execute.caps import NoCaps
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

DAY = 86400.0


class Agents(NoCaps):
    """Agents that remember every question with its time to live."""

    def __init__(self):
        self.gives, self.takes = [], []
        self.stages = [Given(before=8 * GIB, given=GIB, done=True)]
        self.restored = {'cmp-1': True, 'cmp-2': False}
        self.silent_after = 99

    def give_back(self, host, vm, *, keep, ttl):
        self.gives.append((host, vm, keep, ttl))
        if len(self.gives) > self.silent_after:
            raise errors.CloudError('no agent answers')
        return self.stages.pop(0) if len(self.stages) > 1 else self.stages[0]

    def take_again(self, host, vm, *, size=None, ttl=None):
        self.takes.append((host, size, ttl))
        return self.restored[host]


class Base(unittest.TestCase):
    def setUp(self):
        self.clock, self.agents = Clock(), Agents()
        self.cancelled = False

    def giving(self, driver=None, **values):
        given = {'balloon': True, 'deadline': 100.0, **values}
        return Giving(
            driver=driver or self.agents,
            order=order(**given),
            clock=self.clock,
            pace=Pace(poll=1.0, appear=10.0, queue=1000.0),
            keep=64 * MIB,
            cancelled=lambda: self.cancelled,
        )

    def lent(self, **values):
        giving = self.giving(**values)
        with giving.lent():
            pass
        return giving


class TestTimes(Base):
    def test_it_is_lent_for_as_long_as_the_migration_may_take(self):
        self.lent()
        # a minute to give it, Nova's record, its queue, and the deadline
        ttl = 60.0 + 10.0 + 1000.0 + 100.0
        self.assertEqual(
            ('cmp-1', 'vm-1', 64 * MIB, ttl), self.agents.gives[0]
        )
        self.assertEqual(('cmp-2', 8 * GIB, ttl), self.agents.takes[0])

    def test_no_agent_is_asked_for_more_than_a_day(self):
        self.lent(deadline=2 * DAY)
        self.assertEqual(DAY, self.agents.gives[0][-1])
        self.assertEqual(DAY, self.agents.takes[0][-1])

    def test_one_that_has_arrived_is_awaited_for_five_minutes(self):
        self.lent()
        self.assertEqual(
            [('cmp-2', 8 * GIB, 300.0), ('cmp-1', None, None)],
            self.agents.takes[1:],
        )

    def test_a_guest_has_a_minute_to_give_it(self):
        self.agents.stages = [Given(before=8 * GIB, given=GIB, done=False)]
        began = self.clock.now()
        giving = self.lent()
        self.assertEqual(61.0, self.clock.now() - began)
        self.assertEqual(
            '1.0 GiB of free memory and caches given back first (the guest '
            'is slow)',
            giving.told(),
        )

    def test_one_that_is_done_is_not_asked_again(self):
        self.agents.stages = [
            Given(before=8 * GIB, given=0.0, done=False),
            Given(before=8 * GIB, given=GIB, done=False),
            Given(before=8 * GIB, given=2 * GIB, done=True, why='it swapped'),
        ]
        began = self.clock.now()
        giving = self.lent()
        self.assertEqual(3, len(self.agents.gives))
        self.assertEqual(1.0, self.clock.now() - began)
        self.assertIn('2.0 GiB of free', giving.told())
        self.assertIn('(it swapped)', giving.told())


class TestNot(Base):
    def test_an_agent_that_falls_silent_is_not_waited_for(self):
        self.agents.stages = [Given(before=8 * GIB, given=GIB, done=False)]
        self.agents.silent_after = 3
        giving = self.lent()
        self.assertEqual(4, len(self.agents.gives))
        self.assertIn('(no agent answers)', giving.told())
        # what was given is restored all the same
        self.assertIn(('cmp-1', None, None), self.agents.takes)

    def test_a_guest_that_gave_nothing_is_told_so(self):
        self.agents.stages = [Given(before=8 * GIB, given=0.0, done=True)]
        self.assertEqual('no caches given back', self.lent().told())

    def test_who_did_not_ask_is_told_nothing(self):
        for values in ({'balloon': False}, {'mode': Mode.POST_COPY}):
            giving = self.lent(**values)
            self.assertEqual('', giving.told())
            self.assertEqual([], self.agents.gives)

    def test_without_agents_that_is_told_and_nothing_done(self):
        giving = self.lent(driver=NoCaps())
        self.assertEqual(
            'no caches given back (no agent is used)', giving.told()
        )

    def test_one_that_stayed_is_awaited_at_its_destination_no_more(self):
        for restored, asked in ((True, ['cmp-1', 'cmp-2']),
                                (False, ['cmp-1'])):  # fmt: skip
            self.setUp()
            self.agents.restored['cmp-1'] = restored
            giving = self.giving()
            with self.assertRaises(ZeroDivisionError), giving.lent():
                raise ZeroDivisionError
            self.assertEqual(
                asked, [host for host, *_ in self.agents.takes[1:]]
            )

    def test_a_cancelled_plan_stops_the_giving(self):
        self.agents.stages = [Given(before=8 * GIB, given=GIB, done=False)]
        self.cancelled = True
        self.lent()
        self.assertEqual(1, len(self.agents.gives))
