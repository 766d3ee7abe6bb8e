"""A switch to post-copy: what is left then, and how long the VM is out."""

import math

import numpy as np
import testtools

from watcher_tsmig import forecast
from watcher_tsmig.forecast.hybrid import Switch
from watcher_tsmig.forecast.hybrid import hybrid
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

PLAIN = Rules(downtime_limit=0.3, efficiency=1.0, switchover=0.0)
MBIT = 1e6 / 8


def one(samples, resident=1000.0):
    return forecast.fit([WorkingSet(resident=resident, samples=samples)])


class TestSwitch(testtools.TestCase):
    slow = one(((1.0, 20.0),))
    fast = one(((1.0, 100.0), (2.0, 150.0)))

    def test_at_once_every_page_goes_once(self):
        found = hybrid(self.slow, 100.0, PLAIN, Switch.AT_ONCE)
        self.assertEqual(1000.0, float(found.forecasts.data[0]))
        self.assertEqual(10.0, float(found.forecasts.t_sum[0]))

    def test_after_the_first_pass_what_was_dirtied_in_it_goes_again(self):
        found = hybrid(self.slow, 100.0, PLAIN, Switch.FIRST_PASS)
        self.assertAlmostEqual(10.0, float(found.forecasts.t_converge[0]))
        self.assertAlmostEqual(200.0, float(found.left[0]))
        self.assertAlmostEqual(12.0, float(found.forecasts.t_sum[0]))

    def test_within_a_pass_only_what_was_sent_goes_again(self):
        found = hybrid(self.slow, 100.0, PLAIN, 5.0)
        # 500 not sent, and half of the 100 dirtied
        self.assertAlmostEqual(550.0, float(found.left[0]))
        self.assertAlmostEqual(1050.0, float(found.forecasts.data[0]))

    def test_a_later_switch_sends_more_in_all(self):
        times = np.linspace(0.0, 12.0, 40)
        data = [
            float(hybrid(self.slow, 100.0, PLAIN, t).forecasts.data[0])
            for t in times
        ]
        self.assertTrue((np.diff(data) >= -1e-9).all())

    def test_who_converges_before_is_not_switched(self):
        found = hybrid(self.slow, 100.0, PLAIN, 100.0)
        alone = forecast.pre_copy(self.slow, 100.0, PLAIN)
        self.assertFalse(found.switched[0])
        self.assertEqual(alone.t_sum[0], found.forecasts.t_sum[0])
        self.assertEqual(0.0, found.faults[0])

    def test_who_stalls_is(self):
        stuck = one(((0.5, 100.0), (100.0, 100.0)))
        found = hybrid(stuck, 100.0, PLAIN, Switch.STALL, 1000.0)
        # rounds of 10, 1, 1: the third is the first that is no shorter
        self.assertTrue(found.switched[0])
        self.assertAlmostEqual(11.0, float(found.forecasts.t_converge[0]))
        self.assertAlmostEqual(11.1, float(found.forecasts.t_sum[0]))

    def test_a_stall_goes_on_as_it_is_until_a_late_switch(self):
        stuck = one(((0.5, 100.0), (100.0, 100.0)))
        found = hybrid(stuck, 100.0, PLAIN, 5000.5)
        self.assertAlmostEqual(5000.5, float(found.forecasts.t_converge[0]))
        # half of the 100 not sent, and half of the 100 dirtied
        self.assertAlmostEqual(100.0, float(found.left[0]))

    def test_post_copy_has_a_cap_of_its_own(self):
        found = hybrid(self.slow, 100.0, PLAIN, Switch.FIRST_PASS, 400.0)
        self.assertAlmostEqual(10.5, float(found.forecasts.t_sum[0]))

    def test_many_equal_one_by_one(self):
        work = [
            WorkingSet(resident=1000.0, samples=((1.0, d),))
            for d in (5.0, 50.0, 99.0, 300.0)
        ]
        curves = forecast.fit(work)
        for switch in (*Switch, 4.0, 30.0):
            many = hybrid(curves, 100.0, PLAIN, switch)
            for i in range(4):
                row = np.array([i])
                alone = hybrid(curves.take(row), 100.0, PLAIN, switch)
                for name in ('t_sum', 'data', 't_downtime', 't_converge'):
                    self.assertAlmostEqual(
                        float(getattr(many.forecasts, name)[i]),
                        float(getattr(alone.forecasts, name)[0]),
                    )

    def test_a_time_before_the_start_is_the_callers_fault(self):
        for wrong in (-1.0, math.nan):
            self.assertRaises(
                ValueError, hybrid, self.slow, 100.0, PLAIN, wrong
            )
        self.assertRaises(
            ValueError, hybrid, self.slow, 100.0, PLAIN, 1.0, 0.0
        )


class TestOutage(testtools.TestCase):
    #: of the size and with the 40 hot pages of the guests that were measured
    guest = one(((0.1, 40 * 4096.0), (60.0, 20000 * 4096.0)), 104e6)

    def outage(self, mbit, switch):
        found = hybrid(self.guest, mbit * MBIT, Rules(), switch)
        return float(found.forecasts.t_downtime[0])

    def test_it_is_near_what_was_measured(self):
        for mbit, least, most in (
            (200, 1.53, 1.53),
            (102, 2.44, 3.79),
            (67, 2.39, 3.18),
        ):
            found = self.outage(mbit, Switch.AT_ONCE)
            self.assertTrue(least / 1.5 < found < most * 1.5, (mbit, found))

    def test_after_a_first_pass_it_is_a_fraction(self):
        rules = Rules(downtime_limit=0.01)
        found = hybrid(self.guest, 100 * MBIT, rules, Switch.FIRST_PASS)
        self.assertTrue(found.switched[0])
        after = float(found.forecasts.t_downtime[0])
        self.assertTrue(0.26 <= after <= 0.60, after)
        self.assertGreater(self.outage(100, Switch.AT_ONCE), 4 * after)

    def test_it_is_not_longer_than_the_transfer(self):
        tiny = one((), 8192.0)
        found = hybrid(tiny, 1e6, Rules(), Switch.AT_ONCE)
        self.assertLessEqual(
            float(found.forecasts.t_downtime[0]),
            float(found.forecasts.t_sum[0]),
        )
