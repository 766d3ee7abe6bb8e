"""The least convergent bandwidth is the boundary, however it is found."""

import dataclasses

import numpy as np
import testtools

from tests.unit.builders import writes
from watcher_tsmig import forecast
from watcher_tsmig.forecast import Terms
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import NOVA
from watcher_tsmig.model.rules import Rules

CURVES = forecast.fit(
    [
        writes(1e6),
        writes(4e7),
        writes(3e8),
        WorkingSet(resident=4e9, samples=((0.1, 8e6), (1, 5e7), (9, 9e7))),
    ]
)


class TestLcb(testtools.TestCase):
    def test_the_closed_form_is_what_bisection_tends_to(self):
        for terms in (
            Terms(),
            Terms(duplicate=0.25, disks=np.array([0.0, 1.0, 2.0, 0.0])),
        ):
            rules = Rules(max_rounds=3000, page_header=8.0)
            closed = forecast.closed_form_lcb(CURVES, rules, terms=terms)
            found = forecast.least_convergent_bandwidth(
                CURVES, rules, terms=terms
            )
            self.assertTrue((found >= closed * (1 - 1e-9)).all())
            np.testing.assert_allclose(found, closed, rtol=5e-3)

    def test_the_round_limit_only_raises_it(self):
        closed = forecast.closed_form_lcb(CURVES, Rules())
        before = np.full(4, np.inf)
        for rounds in (2, 8, 64, 512):
            found = forecast.least_convergent_bandwidth(
                CURVES, Rules(max_rounds=rounds)
            )
            self.assertTrue((found <= before * (1 + 1e-9)).all())
            self.assertTrue((found >= closed).all())
            before = found

    def test_each_vm_keeps_its_own_deadline(self):
        deadlines = np.array([20.0, 40.0, 15.0, 90.0])
        found = forecast.least_convergent_bandwidth(CURVES, Rules(), deadlines)
        t_sum = forecast.pre_copy(CURVES, found, Rules()).t_sum
        self.assertTrue((t_sum <= deadlines).all())
        late = forecast.pre_copy(CURVES, found * (1 - 1e-6), Rules()).t_sum
        self.assertTrue((late > deadlines).all())

    def test_a_downtime_limit_lowers_the_limit_that_stops_it(self):
        rules = Rules()
        found = forecast.least_convergent_bandwidth(
            CURVES, rules, downtime=0.1
        )
        lower = dataclasses.replace(rules, downtime_limit=0.1)
        np.testing.assert_array_equal(
            found, forecast.least_convergent_bandwidth(CURVES, lower)
        )
        downtime = forecast.pre_copy(CURVES, found, lower).t_downtime
        self.assertTrue((downtime <= 0.1).all())

    def test_both_limits_need_what_the_harder_one_needs_or_more(self):
        lcb = forecast.least_convergent_bandwidth
        both = lcb(CURVES, Rules(), 30.0, 0.1)
        for harder in (
            lcb(CURVES, Rules(), 30.0),
            lcb(CURVES, Rules(), downtime=0.1),
        ):
            self.assertTrue((both >= harder * (1 - 1e-8)).all())

    def test_downtime_itself_does_not_fall_with_bandwidth(self):
        # which is why a downtime limit is not sought in the outcome
        curve = forecast.fit([writes(2e7)])
        rates = np.linspace(8e7, 4e8, 200)
        downtime = [
            float(forecast.pre_copy(curve, b, Rules()).t_downtime[0])
            for b in rates
        ]
        self.assertTrue((np.diff(downtime) > 0).any())

    def test_a_deadline_under_a_rising_limit_is_kept_by_all_above(self):
        rules = dataclasses.replace(NOVA, downtime_delay=3.0)
        found = forecast.least_convergent_bandwidth(CURVES, rules, 60.0)
        for more in np.geomspace(1.0, 3.0, 60):
            t_sum = forecast.pre_copy(CURVES, found * more, rules).t_sum
            self.assertTrue((t_sum <= 60.0).all())
        for less in np.geomspace(0.9, 1 - 1e-6, 60):
            found_less = forecast.pre_copy(CURVES, found * less, rules)
            self.assertTrue(
                (found_less.t_sum > 60.0 - 2 * rules.downtime_limit).all()
            )

    def test_steps_of_the_limit_leave_it_as_it_is(self):
        plain = dataclasses.replace(
            NOVA, downtime_steps=0, completion_timeout=np.inf
        )
        steps = dataclasses.replace(NOVA, completion_timeout=np.inf)
        np.testing.assert_array_equal(
            forecast.least_convergent_bandwidth(CURVES, plain),
            forecast.least_convergent_bandwidth(CURVES, steps),
        )

    def test_a_ceiling_below_it_leaves_none(self):
        rules = Rules(stream_ceiling=1e8)
        found = forecast.least_convergent_bandwidth(CURVES, rules)
        self.assertEqual([True, True, False, True], list(found < np.inf))

    def test_no_time_leaves_none(self):
        found = forecast.least_convergent_bandwidth(CURVES, Rules(), 0.0)
        self.assertTrue(np.isinf(found).all())


class TestLatestStart(testtools.TestCase):
    def test_who_starts_then_ends_at_the_deadline(self):
        rules = Rules()
        start = forecast.latest_start(CURVES, 4e8, rules, 1000.0)
        high = forecast.pre_copy(CURVES, 4e8, rules, forecast.Bracket.UPPER)
        good = high.converges
        self.assertEqual(3, good.sum())
        np.testing.assert_allclose(
            start[good] + rules.setup + high.t_sum[good], 1000.0
        )

    def test_who_never_ends_should_never_start(self):
        start = forecast.latest_start(CURVES, 1e8, Rules(), 1000.0)
        self.assertEqual(-np.inf, start[2])
