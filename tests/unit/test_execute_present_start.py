"""From what is measured just before a start to what Nova is asked."""

import dataclasses
import unittest

from tests.unit.small_cloud import Clock
from tests.unit.test_execute_migration import Base
from tests.unit.test_execute_present import PLANNED
from tests.unit.test_execute_present import Agents
from watcher_tsmig import errors
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.execute.starting import present
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.units import MIB


class Turns:
    """A way in that counts who is let in and who lets others pass."""

    def __init__(self):
        self.did = []

    def enter(self):
        self.did.append('in')

    def close(self):
        self.did.append('out')


class TestFit(unittest.TestCase):
    LINKS = dataclasses.replace(PLANNED, provable=False)

    def setUp(self):
        self.clock, self.turns = Clock(), Turns()
        self.agents = Agents(self.clock)

    def fitted(self, wanted, patience=7.0, switches=True):
        fit = present.Fit(
            self.agents,
            self.clock,
            Pace(present=patience) if patience else Pace(present=0.0),
            lambda: False,
            switches,
        )
        return fit.fitted(wanted, self.turns)

    def refused(self, wanted, **more):
        began = self.clock.now()
        with self.assertRaises(errors.MigrationError):
            self.fitted(wanted, **more)
        return self.clock.now() - began

    def test_who_waits_lets_others_pass_and_holds_his_turn_in_the_end(self):
        self.agents.carries['cmp-1'] = (990, 0)
        # a second of measuring, five of waiting, one of measuring
        self.assertEqual(7.0, self.refused(self.LINKS))
        self.assertEqual(['in', 'out', 'in'], self.turns.did)
        self.turns.did.clear()
        self.assertEqual(13.0, self.refused(self.LINKS, patience=7.1))
        self.assertEqual(['in', 'out'] * 2 + ['in'], self.turns.did)

    def test_who_need_not_wait_is_let_in_all_the_same(self):
        for wanted, patience in (
            (PLANNED, 7.0), (PLANNED, 0.0),
            (dataclasses.replace(PLANNED, cap=None), 7.0),
        ):  # fmt: skip
            self.turns.did.clear()
            self.assertEqual((wanted, ''), self.fitted(wanted, patience))
            self.assertEqual(['in'], self.turns.did)

    def test_without_a_planned_cap_nobody_is_asked(self):
        self.fitted(dataclasses.replace(PLANNED, cap=None))
        self.assertEqual([], self.agents.asked)

    def test_only_who_may_becomes_a_hybrid_and_never_for_a_full_link(self):
        may = dataclasses.replace(PLANNED, post_copy_permitted=True)
        self.agents.writes = 900.0
        self.assertIs(Mode.HYBRID, self.fitted(may)[0].mode)
        self.refused(PLANNED)
        self.refused(may, switches=False)
        # enough for a hybrid, but not for the floor of the pre-copy
        self.agents.writes = 0.0
        self.agents.carries['cmp-1'] = (750, 0)
        self.refused(dataclasses.replace(may, floor=300.0 * MIB))


class TestStart(Base):
    """From what is measured to what Nova is asked."""

    def setUp(self):
        super().setUp()
        self.agents = Agents(self.clock)

    def go(self, wanted=None, *, does=Does.OBSERVE, **more):
        return carry_out(
            OpenStackSdk(self.nova),
            wanted or PLANNED,
            cancelled=more.pop('cancelled', lambda: False),
            caps=self.agents,
            governor=Policy(does=does),
            pace=Pace(**{'present': 60.0, **more}),
            clock=self.clock,
        )

    def test_as_planned_nothing_is_said(self):
        outcome = self.go()
        self.assertFalse(outcome.adapted)
        self.assertNotIn('instead', outcome.remark)

    def test_another_cap_is_told_with_why(self):
        self.agents.carries['cmp-1'] = (800, 0)
        outcome = self.go()
        self.assertTrue(outcome.adapted)
        self.assertIn('instead of 3.4 Gbit/s: cmp-1 sends', outcome.remark)

    def test_it_starts_once_the_link_is_free(self):
        self.agents.carries['cmp-1'] = (990, 0)
        began = self.clock.now()
        real = self.agents.traffic

        def traffic(host):
            if self.clock.now() > began + 20:
                self.agents.carries['cmp-1'] = (0, 0)
            return real(host)

        self.agents.traffic = traffic
        self.assertFalse(self.go().adapted)
        self.assertGreater(self.nova.began, began + 20)

    def test_a_full_destination_may_be_replaced_by_another(self):
        self.agents.carries['cmp-2'] = (0, 990)
        with self.assertRaises(errors.DestinationError) as caught:
            self.go()
        self.assertIn('cmp-2 receives', caught.exception.why)
        self.assertRegex(str(caught.exception), r', for 6\d s; plan again')
        self.assertEqual([], self.nova.calls)

    def test_another_destination_does_not_help_a_full_source(self):
        self.agents.carries['cmp-1'] = (990, 0)
        text = self.fails()
        self.assertIn('cmp-1 sends', text)
        self.assertIn('plan again', text)
        self.assertEqual([], self.nova.calls)
        with self.assertRaises(errors.MigrationError) as caught:
            self.go()
        self.assertNotIsInstance(caught.exception, errors.DestinationError)

    def test_who_writes_too_fast_is_not_begun(self):
        self.agents.writes = 900.0
        self.assertIn('it writes', self.fails())
        self.assertEqual([], self.nova.calls)

    def test_where_the_governor_may_act_a_pre_copy_becomes_a_hybrid(self):
        self.agents.writes = 900.0
        self.nova.story = [(30, 'running'), (None, 'completed')]
        for does, permitted, hybrid in (
            (Does.ACT, True, True),
            (Does.ACT, False, False),
            (Does.OBSERVE, True, False),
        ):
            wanted = dataclasses.replace(
                PLANNED, post_copy_permitted=permitted
            )
            if not hybrid:
                self.fails(wanted, does=does)
                self.assertEqual([], self.nova.calls)
                continue
            outcome = self.go(wanted, does=does)
            self.assertTrue(outcome.adapted)
            self.assertIn('hybrid instead of pre-copy', outcome.remark)
            self.setUp()
            self.agents.writes = 900.0

    def test_a_full_link_is_no_reason_for_a_post_copy(self):
        self.agents.carries['cmp-1'] = (990, 0)
        wanted = dataclasses.replace(PLANNED, post_copy_permitted=True)
        for writes in (0.0, 900.0):
            self.agents.writes = writes
            self.fails(wanted, does=Does.ACT)
            self.assertEqual([], self.nova.calls, writes)

    def test_a_hybrid_has_no_more_than_the_link_leaves_it(self):
        self.agents.carries['cmp-1'] = (700, 0)
        self.agents.writes = 900.0
        wanted = dataclasses.replace(PLANNED, post_copy_permitted=True)
        self.assertIn('cap 2.5 Gbit/s', self.go(wanted, does=Does.ACT).remark)

    def test_a_cancelled_plan_does_not_wait(self):
        self.agents.writes = 900.0
        began = self.clock.now()
        self.assertIn('cancelled', self.fails(cancelled=lambda: True))
        self.assertLess(self.clock.now(), began + 5)

    def test_where_nobody_is_to_look_nobody_is_asked(self):
        self.agents.writes = 900.0
        self.go(present=0.0)
        self.assertNotIn('traffic', [verb for _, verb, _ in self.agents.asked])

    def test_after_a_wait_it_is_looked_again_where_the_vm_is(self):
        self.agents.carries['cmp-1'] = (990, 0)
        real, looks = self.agents.traffic, []

        def traffic(host):
            looks.append(host)
            if len(looks) > 4:
                self.agents.carries['cmp-1'] = (0, 0)
                self.nova.server.is_locked = True
            return real(host)

        self.agents.traffic = traffic
        self.assertIn('is locked', self.fails())
        self.assertEqual([], self.nova.calls)

    def test_where_the_vm_is_is_not_asked_anew_after_a_slow_measurement(self):
        real, looks = self.nova.get_server, []

        def looked(vm):
            looks.append(self.nova.began)
            return real(vm)

        self.nova.get_server = looked
        for takes in (1.2, 2.9):
            self.agents.takes = takes
            self.nova.began = None
            self.nova.server.compute_host = 'cmp-1'
            looks.clear()
            self.go()
            self.assertEqual(1, looks.count(None), takes)
