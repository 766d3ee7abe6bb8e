"""What no sequence of counters makes the governor do."""

import math

import hypothesis
import testtools
from hypothesis import strategies as st

from watcher_tsmig.execute.governor.govern import Counters
from watcher_tsmig.execute.governor.govern import Does
from watcher_tsmig.execute.governor.govern import Governor
from watcher_tsmig.execute.governor.govern import Kind
from watcher_tsmig.execute.governor.govern import Policy
from watcher_tsmig.execute.governor.govern import Prospect

MANY = hypothesis.settings(max_examples=400, deadline=None)
SIZES = st.none() | st.floats(0, 1e13) | st.sampled_from((0.0, 1e9, 2e9))
RATES = st.none() | st.floats(0, 1e11) | st.sampled_from((0.0, 1e8))

counters = st.builds(
    Counters,
    total=SIZES,
    processed=SIZES,
    remaining=SIZES,
    iteration=st.none() | st.integers(0, 99),
    dirty_rate=RATES,
    bandwidth=RATES,
    cap=RATES | st.just(math.inf),
)
policies = st.builds(
    Policy,
    does=st.sampled_from(Does),
    rounds=st.integers(1, 3),
    wait=st.floats(0.1, 60),
    tries=st.integers(1, 4),
    lower=st.booleans(),
    abort=st.booleans(),
)
prospects = st.builds(
    Prospect,
    deadline=st.floats(1, 1e4) | st.just(math.inf),
    takes=st.floats(1, 1e4) | st.just(math.inf),
    settles=st.sampled_from((0.0, 100.0)),
    cap=st.floats(1e6, 1e10) | st.just(math.inf),
    floor=st.floats(0, 1e10),
    ceiling=st.floats(1e6, 1e10) | st.just(math.inf),
    caps=st.booleans(),
    post_copy=st.booleans(),
)
# how much is sent in each step, and what came back; as shares of a round
steps = st.lists(
    st.tuples(st.floats(0.01, 20), st.floats(0, 2), st.floats(0, 2)),
    min_size=5,
    max_size=60,
)


def course(given, rate):
    """Times and counters that a hypervisor could show."""
    now, processed, remaining, number = 0.0, 0.0, 1e10, 1
    for seconds, back, told in given:
        now += seconds
        sent = rate * seconds
        remaining -= sent
        processed += sent
        if remaining <= 0:
            remaining, number = back * 1e9, number + 1
        yield (
            now,
            Counters(
                total=1e10,
                processed=processed,
                remaining=remaining,
                iteration=number if told > 1 else None,
                cap=rate if told > 1.5 else None,
            ),
        )


class TestGovernor(testtools.TestCase):
    def judge(self, policy, prospect, seen):
        gov = Governor(policy, prospect, 0.0)
        aborts = 0
        for now, shown in seen:
            found = gov.look(now, shown)
            if found is None:
                continue
            self.assertIsNot(Does.OFF, policy.does)
            self.assertIsNot(Kind.WAIT, found.kind)
            self.assertEqual(policy.does is Does.ACT, found.act)
            self.assertEqual(found.kind is Kind.CAP, found.cap is not None)
            if found.kind is Kind.CAP:
                self.assertTrue(prospect.caps)
                self.assertLessEqual(prospect.floor, found.cap)
                self.assertLessEqual(found.cap, prospect.ceiling)
                self.assertTrue(0 < found.cap < math.inf)
            if found.kind is Kind.SWITCH:
                self.assertTrue(prospect.post_copy)
                self.assertLessEqual(gov.tries, policy.tries)
            if found.kind is Kind.ABORT:
                aborts += 1
                self.assertTrue(policy.abort)
                self.assertGreaterEqual(now, prospect.deadline)
            self.assertRegex(found.text, '; (will|would) ')
        self.assertLessEqual(aborts, 1)

    @MANY
    @hypothesis.given(
        policies,
        prospects,
        st.lists(st.tuples(st.floats(0, 100), counters), max_size=40),
    )
    def test_no_counters_make_it_do_what_it_must_not(
        self, policy, prospect, seen
    ):
        # in any order of time, too: it must not fail either
        self.judge(policy, prospect, seen)

    @MANY
    @hypothesis.given(policies, prospects, steps, st.floats(1e6, 1e10))
    def test_no_course_makes_it_do_what_it_must_not(
        self, policy, prospect, given, rate
    ):
        self.judge(policy, prospect, course(given, rate))

    @MANY
    @hypothesis.given(policies, prospects, st.floats(0.1, 200))
    def test_a_deadline_never_passes_untold_whatever_is_silent(
        self, policy, prospect, every
    ):
        hypothesis.assume(policy.does is not Does.OFF)
        hypothesis.assume(every < min(30.0, prospect.deadline / 2))
        gov, told = Governor(policy, prospect, 0.0), []
        for step in range(1, 400):
            if step * every >= prospect.deadline:
                self.assertTrue(told)
                break
            told += filter(None, [gov.look(step * every, Counters())])
