"""The forecast is right on its worked examples."""

import math

import numpy as np
import testtools

from tests.unit.builders import writes
from watcher_tsmig import forecast
from watcher_tsmig.forecast import Bracket
from watcher_tsmig.forecast.curves import hull
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

# All bandwidth carries memory, so that the examples can be done by hand.
PLAIN = Rules(downtime_limit=0.3, efficiency=1.0)


def one(samples, resident=1000.0):
    return forecast.fit([WorkingSet(resident=resident, samples=samples)])


class TestCurves(testtools.TestCase):
    def test_a_curve_goes_through_concave_samples(self):
        curve = one(((1.0, 100.0), (2.0, 150.0), (4.0, 200.0)))
        for seconds, dirtied in ((0.0, 0.0), (1.0, 100.0), (3.0, 175.0)):
            self.assertAlmostEqual(
                dirtied, float(curve.at(np.array([seconds]))[0])
            )

    def test_beyond_its_samples_it_goes_on_but_never_above_resident(self):
        curve = one(((1.0, 100.0), (2.0, 150.0)), resident=300.0)
        self.assertAlmostEqual(250.0, float(curve.at(np.array([4.0]))[0]))
        self.assertAlmostEqual(300.0, float(curve.at(np.array([99.0]))[0]))

    def test_a_dent_is_taken_for_an_undercount(self):
        dented = ((1.0, 100.0), (2.0, 110.0), (3.0, 240.0))
        self.assertEqual(
            [(0.0, 0.0), (1.0, 100.0), (3.0, 240.0)], hull(dented, 1000.0)
        )

    def test_a_vm_without_samples_writes_nothing(self):
        self.assertEqual(0.0, float(one(()).at(np.array([60.0]))[0]))

    def test_the_brackets_meet_at_the_samples_and_nowhere_cross(self):
        curve = one(((1.0, 100.0), (2.0, 150.0), (4.0, 180.0)))
        for t in (0.2, 0.9, 1.0, 1.5, 2.0, 3.0, 4.0, 20.0):
            low, mid, high = (
                float(curve.at(np.array([t]), b)[0]) for b in Bracket
            )
            self.assertTrue(low <= mid + 1e-9 <= high + 2e-9, t)
            if t in (1.0, 2.0, 4.0):
                self.assertAlmostEqual(low, high)
        # Between 1 and 2 s: below the first chord prolonged (100 t) and
        # the last one (120 + 15 t), whichever is less.
        self.assertAlmostEqual(
            min(150.0, 142.5),
            float(curve.at(np.array([1.5]), Bracket.UPPER)[0]),
        )
        self.assertAlmostEqual(
            180.0, float(curve.at(np.array([20.0]), Bracket.LOWER)[0])
        )


class TestPreCopy(testtools.TestCase):
    def test_rounds_of_a_constant_writer(self):
        # D1 = 1000, B = 100, W(t) = 20 t: rounds of 10, 2, 0.4, 0.08 s.
        found = forecast.pre_copy(one(((1.0, 20.0),)), 100.0, PLAIN)
        np.testing.assert_allclose(found.rounds[0], [1000.0, 200.0, 40.0, 8.0])
        self.assertAlmostEqual(12.4, float(found.t_converge[0]))
        self.assertAlmostEqual(0.08, float(found.t_downtime[0]))
        self.assertAlmostEqual(12.48, float(found.t_sum[0]))
        self.assertAlmostEqual(1248.0, float(found.data[0]))
        self.assertTrue(found.converges[0])

    def test_a_vm_that_writes_as_fast_as_the_link_never_ends(self):
        found = forecast.pre_copy(one(((1.0, 100.0),)), 100.0, PLAIN)
        self.assertFalse(found.converges[0])
        self.assertEqual(forecast.Ending.STALLS, found.ending[0])
        self.assertEqual(math.inf, found.t_sum[0])
        # What it did until then is still told.
        self.assertEqual(1000.0, found.rounds[0, 1])

    def test_a_slow_fall_is_given_up_after_the_round_limit(self):
        rules = Rules(downtime_limit=1e-6, efficiency=1.0, max_rounds=10)
        found = forecast.pre_copy(one(((1.0, 90.0),)), 100.0, rules)
        self.assertEqual(forecast.Ending.TOO_MANY_ROUNDS, found.ending[0])

    def test_what_fits_the_downtime_limit_goes_at_once(self):
        found = forecast.pre_copy(one(((1.0, 20.0),)), 1e5, PLAIN)
        self.assertEqual(0.0, float(found.t_converge[0]))
        self.assertAlmostEqual(0.01, float(found.t_downtime[0]))

    def test_many_vms_in_one_call_equal_one_by_one(self):
        sets = [writes(r) for r in (1e6, 2e7, 5e7, 2e8)]
        rates = np.array([1e8, 9e7, 1.2e8, 1.5e8])
        rules = Rules()
        together = forecast.pre_copy(forecast.fit(sets), rates, rules)
        for i, working_set in enumerate(sets):
            alone = forecast.pre_copy(
                forecast.fit([working_set]), rates[i], rules
            )
            self.assertEqual(together.t_sum[i], alone.t_sum[0])
            self.assertEqual(together.ending[i], alone.ending[0])

    def test_a_bandwidth_of_zero_is_the_callers_fault(self):
        for rate in (0.0, -1.0, math.nan, math.inf):
            self.assertRaises(
                ValueError, forecast.pre_copy, one(()), rate, PLAIN
            )


class TestPostCopy(testtools.TestCase):
    def test_every_page_goes_once(self):
        found = forecast.post_copy(one(((1.0, 500.0),)), 100.0, PLAIN)
        self.assertEqual(1000.0, float(found.data[0]))
        self.assertEqual(10.0, float(found.t_sum[0]))
        self.assertEqual(PLAIN.post_copy_outage, float(found.t_downtime[0]))


class TestLcb(testtools.TestCase):
    def test_it_is_the_closed_form_where_rounds_are_not_limited(self):
        # Concave W: LCB = W(tau) / tau, here (0.3 * 100) / 0.3.
        rules = Rules(downtime_limit=0.3, efficiency=1.0, max_rounds=5000)
        lcb = forecast.least_convergent_bandwidth(
            one(((1.0, 100.0), (4.0, 160.0))), rules
        )
        self.assertAlmostEqual(100.0, float(lcb[0]), delta=0.5)

    def test_it_converges_and_a_little_less_does_not(self):
        curves = forecast.fit(
            [writes(r) for r in (1e6, 3e7, 9e7, 4e8)]
            + [WorkingSet(resident=4e9, samples=((1, 5e7), (9, 9e7)))]
        )
        lcb = forecast.least_convergent_bandwidth(curves, PLAIN)
        self.assertTrue(forecast.pre_copy(curves, lcb, PLAIN).converges.all())
        less = forecast.pre_copy(curves, lcb * (1 - 1e-6), PLAIN)
        self.assertFalse(less.converges.any())

    def test_a_deadline_raises_it(self):
        curves = one(((1.0, 20.0),))
        free = forecast.least_convergent_bandwidth(curves, PLAIN)
        held = forecast.least_convergent_bandwidth(curves, PLAIN, 5.0)
        self.assertGreater(held[0], free[0])
        found = forecast.pre_copy(curves, held, PLAIN)
        self.assertAlmostEqual(5.0, float(found.t_sum[0]), delta=1e-3)


class TestCost(testtools.TestCase):
    def test_it_weighs_time_downtime_and_bytes(self):
        found = forecast.pre_copy(one(((1.0, 20.0),)), 100.0, PLAIN)
        weights = forecast.CostWeights(total=1.0, downtime=10.0, data=0.001)
        self.assertAlmostEqual(
            12.48 + 10 * 0.08 + 0.001 * 1248.0,
            float(forecast.cost(found, weights)[0]),
        )
