"""What the governor of one pre-copy may do, by its order and its caps."""

import math
import types
import unittest

from tests.unit.test_execute_migration import order
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.execute.governor.governing import Governing
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Mode

RUNS = Counters(total=1000.0, processed=100.0, remaining=900.0)


class TestGoverning(unittest.TestCase):
    def setUp(self):
        self.keeping = types.SimpleNamespace(enforcement=Enforcement.ADVISORY)

    def governing(self, **values):
        return Governing(Policy(does=Does.ACT), order(**values), self.keeping)

    def prospect(self, **values):
        governing = self.governing(**values)
        governing.look(0.0, RUNS)
        return governing.governor.prospect

    def test_memorys_part_of_the_forecast_is_what_disks_leave(self):
        found = self.prospect(takes=100.0, copies=30.0, settles=50.0)
        self.assertEqual((70.0, 20.0), (found.takes, found.settles))
        found = self.prospect(takes=100.0, copies=30.0, settles=20.0)
        self.assertEqual(0.0, found.settles)

    def test_the_cap_may_be_raised_to_what_the_plan_leaves_it(self):
        for cap, room, ceiling in (
            (5e6, 9e6, 9e6),
            (5e6, 3e6, 5e6),
            (5e6, None, 5e6),
            (None, 9e6, math.inf),
        ):
            found = self.prospect(cap=cap, room=room, floor=1e6)
            self.assertEqual(ceiling, found.ceiling, (cap, room))
            self.assertEqual(cap or math.inf, found.cap)
            self.assertEqual(1e6, found.floor)

    def test_deadline_and_permission_are_the_orders(self):
        found = self.prospect(deadline=77.0, post_copy_permitted=True)
        self.assertEqual((77.0, True), (found.deadline, found.post_copy))
        self.assertIs(False, self.prospect().post_copy)

    def test_only_a_pre_copy_is_governed(self):
        for mode in (Mode.POST_COPY, Mode.HYBRID):
            governing = self.governing(mode=mode)
            self.assertIsNone(governing.look(0.0, RUNS))
            self.assertIsNone(governing.governor)

    def test_while_disks_go_memory_is_not_judged(self):
        for values in ({'disks': True}, {'disk_deadline': 60.0}):
            governing = self.governing(**values)
            governing.look(0.0, Counters(disk=5.0))
            self.assertIsNone(governing.governor)
            governing.look(1.0, RUNS)
            self.assertIsNotNone(governing.governor)

    def test_without_disks_it_is_judged_before_memory_is_counted(self):
        governing = self.governing(deadline=10.0)
        decision = governing.look(0.0, Counters())
        self.assertIsNone(decision)
        # half of its deadline has passed, and nobody tells anything
        self.assertIn(
            'nobody tells how far', governing.look(5.0, Counters()).text
        )

    def test_it_raises_caps_only_while_somebody_puts_them_in_force(self):
        governing = self.governing(cap=5e6)
        for enforcement, caps in (
            (Enforcement.ADVISORY, False),
            (Enforcement.ENFORCED, True),
            (Enforcement.ADVISORY, False),
        ):
            self.keeping.enforcement = enforcement
            governing.look(0.0, RUNS)
            self.assertIs(caps, governing.governor.prospect.caps)

    def test_its_latest_word_is_kept_until_it_has_another(self):
        governing = self.governing(deadline=10.0, takes=10.0)
        self.assertEqual('', governing.said)
        sent = 0.0
        for second in range(40):
            sent += 1.0
            governing.look(
                float(second),
                Counters(total=1000.0, processed=sent, remaining=900.0),
            )
        said = governing.said
        self.assertTrue(said)
        governing.look(40.0, Counters())
        self.assertEqual(said, governing.said)
