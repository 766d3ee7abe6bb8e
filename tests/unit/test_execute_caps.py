"""A migration's cap beside its agent: when it is asked, and what is proven."""

import unittest

from tests.unit.small_cloud import Clock
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.agent.values import STEP
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Held
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute import caps
from watcher_tsmig.execute.caps import SILENCE
from watcher_tsmig.execute.caps import Keeping
from watcher_tsmig.execute.caps import NoCaps
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Mode

CAP = 64 * STEP
RUNS = Job(direction=Direction.OUTGOING)
POST = Job(direction=Direction.OUTGOING, post_copy=True)


class Agent:
    """A cap driver of which each test says what it answers."""

    def __init__(self):
        self.calls = []
        self.answer = Held(pre=CAP, post=CAP, ours=True, holds=True, job=RUNS)

    def _asked(self, *call):
        self.calls.append(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def set(self, host, vm, **what):
        return self._asked('set', host, vm, what)

    def look(self, host, vm):
        return self._asked('look', host, vm)

    def clear(self, host, vm):
        return self._asked('clear', host, vm)


class Base(unittest.TestCase):
    def setUp(self):
        self.clock, self.agent = Clock(), Agent()

    def keeping(self, **values):
        given = {'cap': CAP, 'deadline': 60.0, **values}
        return Keeping(self.agent, order(**given), self.clock, 100.0)

    def asked(self):
        return [call[0] for call in self.agent.calls]


class TestAsking(Base):
    def test_the_agent_is_told_all_that_a_cap_depends_on(self):
        with self.keeping(disks=True, floor=7.0).kept():
            pass
        self.assertEqual(
            [
                (
                    'set',
                    'cmp-1',
                    'vm-1',
                    {
                        'pre': CAP,
                        'post': CAP,
                        'ttl': 100.0,
                        'disks': True,
                        'least': 7.0,
                    },
                ),
                ('clear', 'cmp-1', 'vm-1'),
            ],
            self.agent.calls,
        )

    def test_where_no_cap_is_wanted_none_is_set_or_cleared(self):
        keeping = self.keeping(cap=None)
        with keeping.kept():
            self.assertIs(self.agent.answer, keeping.tend())
            keeping.wait()
        self.assertEqual(['look'], self.asked())
        self.assertEqual('', keeping.told())

    def test_it_is_renewed_after_a_quarter_of_its_life_and_not_before(self):
        with self.keeping().kept() as keeping:
            for passed in (25.0, 0.5, 25.0, 0.5):
                self.clock.sleep(passed)
                keeping.tend()
        self.assertEqual(
            ['set', 'look', 'set', 'look', 'set', 'clear'], self.asked()
        )

    def test_it_is_renewed_in_the_queue_where_nobody_looks(self):
        with self.keeping().kept() as keeping:
            for passed in (25.0, 0.5, 1.0):
                self.clock.sleep(passed)
                keeping.wait()
        self.assertEqual(['set', 'set', 'clear'], self.asked())

    def test_one_that_an_agent_has_forgotten_is_set_again(self):
        with self.keeping().kept() as keeping:
            self.agent.answer = Held(pre=None, post=None, ours=False)
            keeping.tend()
            keeping.tend()
        self.assertEqual(['set', 'look', 'set', 'clear'], self.asked())

    def test_an_agent_that_does_not_answer_is_left_alone_for_a_while(self):
        for trouble in (errors.CloudError('x'), Refusal(Code.BUSY, 'x')):
            self.setUp()
            self.agent.answer = trouble
            with self.keeping().kept() as keeping:
                for passed in (0.0, SILENCE - 0.5):
                    self.clock.sleep(passed)
                    self.assertIsNone(keeping.tend())
                    keeping.wait()
                self.assertEqual(['set'], self.asked())
                self.clock.sleep(0.5)
                keeping.tend()
                self.assertEqual(['set', 'set'], self.asked())
                self.clock.sleep(SILENCE)
                keeping.wait()
                self.assertEqual(['set'] * 3, self.asked())
            # nothing was set, so that nothing is cleared
            self.assertEqual(['set'] * 3, self.asked())
        self.assertEqual(30.0, SILENCE)

    def test_an_agent_that_does_not_clear_ends_it_by_itself(self):
        for trouble in (errors.CloudError('x'), Refusal(Code.BUSY, 'x')):
            self.setUp()
            with (
                self.assertLogs(caps.LOG, 'INFO') as logs,
                self.keeping().kept(),
            ):
                self.agent.answer = trouble
            self.assertIn('its cap ends within 100 s', logs.output[0])

    def test_it_is_cleared_where_the_migration_breaks_off(self):
        with self.assertRaises(ZeroDivisionError), self.keeping().kept():
            raise ZeroDivisionError
        self.assertEqual(['set', 'clear'], self.asked())


class TestProof(Base):
    def look(self, keeping=None, **values):
        given = {'pre': CAP, 'post': CAP, 'ours': True, 'holds': True}
        self.agent.answer = Held(**{'job': RUNS, **given, **values})
        keeping = keeping or self.keeping()
        with keeping.kept():
            keeping.tend()
        return keeping

    def test_one_that_was_read_back_while_it_ran_is_enforced(self):
        keeping = self.look()
        self.assertIs(Enforcement.ENFORCED, keeping.enforcement)
        self.assertEqual(CAP, keeping.in_force)
        self.assertIn('enforced', keeping.told())

    def test_before_it_runs_nothing_is_proven(self):
        keeping = self.look(job=Job())
        self.assertIs(Enforcement.ADVISORY, keeping.enforcement)
        self.assertIsNone(keeping.in_force)
        self.assertIn('advisory (nobody saw it in force)', keeping.told())

    def test_what_was_proven_stays_so_once_it_has_ended(self):
        with self.keeping().kept() as keeping:
            keeping.tend()
            self.agent.answer = Held(pre=1.0, post=1.0, ours=True)
            keeping.tend()
        self.assertIs(Enforcement.ENFORCED, keeping.enforcement)

    def test_one_that_does_not_hold_is_advisory(self):
        self.assertIsNone(self.look(holds=False).in_force)

    def test_no_limit_at_all_is_advisory(self):
        found = self.look(pre=None)
        self.assertIsNone(found.in_force)
        self.assertIs(Enforcement.ADVISORY, found.enforcement)

    def test_each_phase_has_the_cap_that_is_its_own(self):
        self.assertEqual(CAP, self.look(post=None).in_force)
        self.assertEqual(CAP, self.look(pre=None, job=POST).in_force)
        self.assertIsNone(self.look(post=None, job=POST).in_force)

    def test_rounding_takes_half_a_step_from_it_and_no_more(self):
        for less, proven in ((0.5, True), (0.6, False), (-9.0, True)):
            found = self.look(pre=CAP - less * STEP)
            self.assertEqual(proven, found.proven, less)

    def test_disks_take_half_a_step_each(self):
        for less, proven in ((4.5, True), (4.6, False)):
            keeping = self.keeping(disks=True)
            found = self.look(keeping, pre=CAP - less * STEP)
            self.assertEqual(proven, found.proven, less)

    def test_a_pre_copy_has_no_less_than_what_ends(self):
        floor = CAP - 0.2 * STEP
        for less, job, proven in (
            (0.1, RUNS, True),
            (0.4, RUNS, False),
            (0.4, POST, True),
        ):
            rate = CAP - less * STEP
            found = self.look(
                self.keeping(floor=floor), pre=rate, post=rate, job=job
            )
            self.assertEqual(proven, found.proven, (less, job))

    def test_another_cap_is_proven_only_once_an_agent_took_it(self):
        keeping = self.keeping()
        keeping.ttl = 1000.0
        with keeping.kept():
            keeping.tend()
            self.assertTrue(keeping.proven)
            self.agent.answer = errors.CloudError('away')
            self.assertFalse(keeping.change(2 * CAP))
            self.agent.answer = Held(
                pre=2 * CAP, post=CAP, ours=True, holds=True, job=RUNS
            )
            self.clock.sleep(SILENCE)
            # it is looked at, and not renewed yet
            keeping.tend()
            self.assertFalse(keeping.proven)
            self.assertTrue(keeping.change(2 * CAP))
            keeping.tend()
        self.assertEqual(2 * CAP, keeping.in_force)
        self.assertEqual(
            ['set', 'look', 'set', 'look', 'set', 'look', 'clear'],
            self.asked(),
        )

    def test_the_last_trouble_is_told_until_it_is_over(self):
        self.agent.answer = errors.CloudError('no agent answers')
        keeping = self.keeping()
        with keeping.kept():
            self.assertIn('advisory (no agent answers)', keeping.told())
            self.clock.sleep(SILENCE)
            self.look(keeping, holds=False)
            self.assertIn('(nobody saw it in force)', keeping.told())


class TestNobody(unittest.TestCase):
    def test_a_cloud_without_agents_says_so_and_clears_nothing(self):
        nobody = NoCaps('conf', 3.0)
        for call in (
            lambda: nobody.set('a', 'vm', pre=1.0),
            lambda: nobody.look('a', 'vm'),
            lambda: nobody.ask('a', 'job', {}, insist=True),
        ):
            with self.assertRaises(errors.CloudError) as caught:
                call()
            self.assertIn('no agent is used', str(caught.exception))
        self.assertIsNone(nobody.clear('a', 'vm'))

    def test_a_post_copy_is_told_alike(self):
        wanted = order(cap=CAP, mode=Mode.POST_COPY)
        keeping = Keeping(NoCaps(), wanted, Clock(), 100.0)
        with keeping.kept():
            self.assertIsNone(keeping.tend())
        self.assertIn('advisory (no agent is used)', keeping.told())
