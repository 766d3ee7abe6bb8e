"""A switch to post-copy: what is left then, and how long the VM is out."""

import dataclasses
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


class TestByHand(testtools.TestCase):
    """1 GB at 50 MB/s: 20 s a pass, in each of which 20 MB/s are written."""

    rules = Rules(efficiency=1.0, zero_pre_copy=0.0, zero_post_copy=0.0)
    busy = one(((1.0, 20e6),), 1e9)
    #: s that a fault takes behind 128 KiB
    fault = (131072 + 4096) / 50e6

    def assert_found(self, found, at, seconds, left, pages, slow):
        """When it switches, what follows, bytes left, pages, s of them."""
        given = found.forecasts
        pause = self.rules.switchover
        for expected, value in (
            (at, given.t_converge),
            (at + pause + seconds, given.t_sum),
            (left, found.left),
            (pages, found.faults),
            (slow, given.t_slow),
            (pause + slow, given.t_downtime),
        ):
            np.testing.assert_allclose(value, [expected], rtol=1e-9)
        self.assertTrue(found.switched[0])

    def test_after_a_pass_the_hot_pages_are_waited_for(self):
        # of a tenth of a second
        pages = 2e6 / 4096
        self.assert_found(
            hybrid(self.busy, 50e6, self.rules),
            20.0, 8.0, 400e6, pages, pages * self.fault,
        )  # fmt: skip

    def test_at_once_what_is_only_read_is_waited_for_too(self):
        pages = 2e6 / 4096 + 155
        self.assert_found(
            hybrid(self.busy, 50e6, self.rules, Switch.AT_ONCE),
            0.0, 20.0, 1e9, pages, pages * self.fault,
        )  # fmt: skip

    def test_half_way_half_of_what_is_only_read_is(self):
        # 500 MB not sent, and half of the 200 that were dirtied
        pages = 2e6 / 4096 + 155 / 2
        self.assert_found(
            hybrid(self.busy, 50e6, self.rules, 10.0),
            10.0, 12.0, 600e6, pages, pages * self.fault,
        )  # fmt: skip

    def test_in_a_later_round_all_was_sent_once(self):
        # 4 of the 8 s of the second: 200 MB not sent, and half of 80
        pages = 2e6 / 4096
        self.assert_found(
            hybrid(self.busy, 50e6, self.rules, 24.0),
            24.0, 240 / 50, 240e6, pages, pages * self.fault,
        )  # fmt: skip

    def test_no_more_pages_are_waited_for_than_are_left(self):
        # all of 4 MB is dirtied at once, again and again
        hot = one(((1e-3, 4e6), (1.0, 4e6)), 4e6)
        rules = Rules(downtime_limit=1e-3, efficiency=1.0)
        found = hybrid(hot, 1e6, rules)
        self.assertAlmostEqual(4e6 / 4096, found.faults[0])
        # and not longer than they all take
        self.assertAlmostEqual(4.0, found.forecasts.t_slow[0])

    def test_the_last_of_it_goes_past_the_cap(self):
        # what fits the limit, 25 MB, at the link's rate
        terms = forecast.Terms(link=100e6)
        found = hybrid(self.busy, 50e6, self.rules, terms=terms)
        self.assertAlmostEqual(
            20 + 0.039 + 375 / 50 + 25 / 100, found.forecasts.t_sum[0]
        )

    def test_requested_pages_of_their_own_connection_wait_for_the_link(self):
        rules = dataclasses.replace(self.rules, preempt=True)
        terms = forecast.Terms(link=100e6)
        found = hybrid(self.busy, 50e6, rules, terms=terms)
        self.assertAlmostEqual(
            2e6 / 4096 * self.fault / 2, found.forecasts.t_slow[0]
        )

    def test_zeros_that_were_not_sent_take_their_time_after_the_switch(self):
        # 1 and 0.5 s of them: half a pass is 10.5 s, then 10 and 0.25
        rules = dataclasses.replace(
            self.rules,
            zero_page=0.0,
            zero_pre_copy=4.096e-6,
            zero_post_copy=2.048e-6,
        )
        still = one((), 1e9)
        terms = forecast.Terms(zero=1e9)
        found = hybrid(still, 50e6, rules, 10.5, terms=terms)
        self.assertAlmostEqual(10.5 + 0.039 + 10.25, found.forecasts.t_sum[0])

    def test_a_disk_goes_before_and_counts_in_what_is_sent(self):
        terms = forecast.Terms(disks=1.0, disk=1e8, raised=True)
        found = hybrid(self.busy, 50e6, self.rules, terms=terms)
        self.assertAlmostEqual(24.0, found.forecasts.t_converge[0])
        self.assertAlmostEqual(1.5e9, found.forecasts.data[0])
        # and no order comes before its end
        found = hybrid(self.busy, 50e6, self.rules, 1.0, terms=terms)
        self.assertAlmostEqual(4.0, found.forecasts.t_converge[0])
        self.assertAlmostEqual(1e9, found.left[0])

    def test_who_has_ended_has_no_slow_phase(self):
        curves = forecast.fit(
            [
                WorkingSet(resident=1e9, samples=((1.0, rate),))
                for rate in (20e6, 1e6)
            ]
        )
        found = hybrid(curves, 50e6, self.rules)
        self.assertEqual([True, False], found.switched.tolist())
        self.assertEqual(0.0, found.forecasts.t_slow[1])
        self.assertEqual([400e6, 0.0], found.left.tolist())
        self.assertAlmostEqual(20.4, found.forecasts.t_sum[1])
        self.assertAlmostEqual(1.02e9, found.forecasts.data[1])
        np.testing.assert_allclose(
            [[1e9, 400e6], [1e9, 20e6]], found.forecasts.rounds[:, :2]
        )

    def test_rounds_that_were_waited_in_are_told_of_who_did_not_switch(self):
        # the first waits 30 s for a step of the limit in rounds of half a
        # second; the second never ends, and switches
        rules = dataclasses.replace(
            PLAIN, downtime_limit=1.0, downtime_steps=4, downtime_delay=10.0
        )
        curves = forecast.fit(
            [
                WorkingSet(
                    resident=1000.0, samples=((0.25, 50.0), (100.0, 50.0))
                ),
                WorkingSet(resident=1000.0, samples=((1.0, 200.0),)),
            ]
        )
        found = hybrid(curves, 100.0, rules, 100.0)
        self.assertEqual([False, True], found.switched.tolist())
        given = found.forecasts
        sent = np.nansum(given.rounds * given.repeats, axis=1)
        np.testing.assert_allclose(given.data, sent)
        self.assertAlmostEqual(4050.0, sent[0])


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
