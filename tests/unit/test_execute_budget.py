"""How often Nova is asked about one migration."""

import unittest

from hypothesis import given
from hypothesis import strategies as st

from tests.unit import test_execute_governed as governed
from tests.unit import test_execute_migration as small
from watcher_tsmig import errors
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.budget import WINDOW
from watcher_tsmig.execute.budget import Budget
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.plan.values import Mode

MOST = 15
# What is asked once to tell why one has failed, and where its VM is.
WHY = 5


def busiest(instants):
    """The most that were within any WINDOW."""
    return max(
        sum(at <= other < at + WINDOW for other in instants) for at in instants
    )


class TestBudget(unittest.TestCase):
    @given(
        st.integers(8, 40),
        st.lists(st.floats(0.01, 30.0), min_size=1, max_size=200),
    )
    def test_looks_never_take_more_than_is_left_for_them(self, most, waits):
        budget, now, looks = Budget(most), 0.0, []
        for wanted in waits:
            pause = budget.pause(now, wanted)
            self.assertGreaterEqual(pause, wanted)
            now += pause
            budget.spend(now)
            looks.append(now)
        self.assertLess(busiest(looks), most)

    def test_the_first_minutes_looks_come_early(self):
        # 11 of 15 are looks, and one of them is spent
        budget = Budget(MOST)
        budget.spend(0.0)
        self.assertAlmostEqual(60.0 / 10 / 3, budget.pause(0.0, 0.0))
        self.assertAlmostEqual(30.0 / 10 / 3, budget.pause(30.0, 0.0))

    def test_later_ones_are_even(self):
        budget = Budget(MOST)
        budget.spend(0.0)
        budget.spend(60.0)
        self.assertAlmostEqual(60.0 / 11, budget.pause(60.0, 0.0))

    def test_the_first_minute_is_over_when_it_is(self):
        budget = Budget(MOST)
        budget.spend(0.0)
        self.assertAlmostEqual(0.5 / 10 / 3, budget.pause(59.5, 0.0))

    def test_of_few_requests_one_is_a_look(self):
        for most in (1, 4, 5):
            budget = Budget(most)
            budget.spend(0.0)
            self.assertEqual(60.0, budget.pause(0.0, 0.0))

    def test_a_request_is_forgotten_after_a_minute_and_no_other(self):
        for first, second, now in ((0.0, 59.0, 61.0), (0.0, 30.0, 60.0)):
            budget = Budget(6)
            budget.spend(first)
            budget.spend(second)
            # of two looks one is left
            self.assertEqual(30.0, budget.pause(now, 0.0))

    def test_what_came_of_a_request_is_seen_soon(self):
        budget = Budget(MOST)
        for now in range(12):
            budget.spend(float(now))
        self.assertGreater(budget.pause(12.0, 1.0), 5.0)
        self.assertEqual(1.0, budget.pause(12.0, 1.0, urgent=True))

    def test_but_within_the_bound(self):
        budget = Budget(MOST)
        for _ in range(MOST):
            budget.spend(3.0)
        self.assertEqual(3.0 + WINDOW, 10 + budget.pause(10, 1.0, urgent=True))

    def test_who_has_asked_nothing_need_not_wait(self):
        self.assertEqual(2.0, Budget(MOST).pause(5.0, 2.0))


class Counted:
    """When a Nova was asked, and what it answers."""

    def __init__(self, nova, clock):
        self._nova, self._clock, self.instants = nova, clock, []

    def __getattr__(self, name):
        found = getattr(self._nova, name)
        if not callable(found) or name in ('get_endpoint_data',):
            return found

        def ask(*args, **query):
            if name == 'post':  # the start
                self.before, self.instants = len(self.instants), []
            self.instants.append(self._clock.now())
            return found(*args, **query)

        return ask


class TestAnExecution(small.Base):
    def setUp(self):
        super().setUp()
        self.counted = self.nova
        self.nova = Counted(self.nova, self.clock)

    def asked(self):
        self.assertLessEqual(self.nova.before, 5)
        return busiest(self.nova.instants)

    def test_without_an_agent_it_stays_within_the_bound(self):
        for lasts in (3, 12, 50, 200, 900):
            with self.subTest(lasts):
                self.setUp()
                self.counted.story = [
                    (2, None),
                    (3, 'queued'),
                    (2, 'preparing'),
                    (lasts, 'running'),
                    (2, 'post-migrating'),
                    (None, 'completed'),
                ]
                wanted = small.order(takes=lasts + 7.0, deadline=2000.0)
                self.assertEqual('cmp-2', self.go(wanted).host)
                self.assertLessEqual(self.asked(), MOST)

    def test_its_end_is_seen_in_time(self):
        for lasts in (6, 12, 25, 50, 200):
            with self.subTest(lasts):
                self.setUp()
                self.counted.story = [
                    (2, 'preparing'),
                    (lasts, 'running'),
                    (None, 'completed'),
                ]
                wanted = small.order(takes=lasts + 2.0, deadline=2000.0)
                late = self.go(wanted).seconds - lasts - 2
                self.assertLessEqual(late, max(3.0, 0.25 * lasts), lasts)

    def test_one_that_ends_badly_does(self):
        self.counted.story = [(900, 'running'), (None, 'error')]
        self.fails(small.order(deadline=30.0, takes=20.0))
        self.assertLessEqual(self.asked(), MOST + WHY)

    def test_a_forced_completion_does(self):
        self.counted.story = [(900, 'running'), (None, 'error')]
        wanted = small.order(
            mode=Mode.POST_COPY, post_copy_permitted=True, deadline=900.0
        )
        self.assertIs(Mode.POST_COPY, self.go(wanted).mode)
        self.assertLessEqual(self.asked(), MOST)

    def test_a_destination_that_dies_does(self):
        self.counted.down = {'cmp-2': self.clock.now() + 5}
        self.counted.story = [(900, 'running'), (None, 'error')]
        with self.assertRaises(errors.MigrationError):
            self.go(small.order(deadline=600.0))
        self.assertLessEqual(self.asked(), MOST + WHY)


class TestWithAnAgent(governed.Base):
    def setUp(self):
        super().setUp()
        self.counted = self.nova
        self.nova = Counted(self.nova, self.clock)

    def test_it_tells_when_to_look(self):
        for lasts in (4, 11, 23, 47, 130):
            with self.subTest(lasts):
                self.setUp()
                self.counted.story = [(lasts, 'running'), (None, 'completed')]
                outcome = self.go(
                    Does.OFF,
                    caps=self.agents,
                    # its Nova writes nothing into the record
                    pace=Pace(quiet=600.0),
                    deadline=2000.0,
                    takes=999.0,
                )
                self.assertLessEqual(outcome.seconds - lasts, 1.0)
                # and the checks before the start
                self.assertLessEqual(busiest(self.nova.instants), 12)
