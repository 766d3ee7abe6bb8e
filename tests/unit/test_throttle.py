"""A VM that auto-converge slows down ends its pre-copy, or does not."""

import math

import numpy as np
import testtools

from tests.unit.builders import writes
from watcher_tsmig import forecast
from watcher_tsmig.forecast import throttle
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

PLAIN = Rules(downtime_limit=0.3, efficiency=1.0)
ANY = Terms(throttle=0.99)


def slowed(rate, bandwidth=100e6, rules=PLAIN, terms=ANY):
    curves = forecast.fit([writes(rate)])
    return forecast.pre_copy(curves, bandwidth, rules, terms=terms)


class TestThrottle(testtools.TestCase):
    def test_a_calm_vm_is_not_slowed_down(self):
        plain = slowed(20e6, terms=Terms())
        found = slowed(20e6)
        for name in ('t_sum', 't_downtime', 'data', 'ending'):
            self.assertEqual(getattr(plain, name), getattr(found, name))
        self.assertEqual((0.0, 0.0), (found.taken[0], found.slowed[0]))
        self.assertIsNone(plain.taken)

    def test_two_looks_make_a_step_of_qemus_size(self):
        steps = throttle.Throttle()
        walk, now = [], 0.0
        for _ in range(10):
            now = steps.after(now)
            walk.append(now)
        self.assertEqual(
            [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 0.99], walk
        )

    def test_rounds_by_hand(self):
        # 10 s; 0.6 of it dirtied: strike. 6 s, 0.6: strike, 20 %.
        # 3.6 s at 48 MB/s, below the trigger: falls by 0.48 a round.
        found = slowed(60e6)
        expected = [10.0, 6.0, 3.6]
        while expected[-1] > 0.3:
            expected.append(expected[-1] * 0.48)
        self.assertEqual(0.2, found.taken[0])
        self.assertEqual(len(expected), found.rounds.shape[1])
        self.assertAlmostEqual(sum(expected), found.t_sum[0])
        self.assertAlmostEqual(sum(expected) * 100e6, found.data[0], delta=1.0)
        # 20 % of its CPUs from the third round to the one before the last
        lost = 0.2 * sum(expected[2:-1])
        self.assertAlmostEqual(lost, found.slowed[0])

    def test_zeros_are_sent_for_less_and_dirtied_at_full_size(self):
        # QEMU compares pages dirtied with bytes sent, so that it slows a VM
        # down that needs none of it
        zeros = Terms(duplicate=0.9)
        self.assertTrue(slowed(400e6, terms=zeros).converges[0])
        zeros = Terms(throttle=0.99, duplicate=0.9)
        found = slowed(400e6, terms=zeros)
        self.assertTrue(found.converges[0])
        self.assertLessEqual(0.2, found.taken[0])

    def test_a_writer_beyond_all_slowing_down_stalls(self):
        # The lab's dirtier: 2 million touches a second, 99 % taken, and
        # still every page was dirty again.
        wild = forecast.fit([WorkingSet(resident=1e9, samples=((1e-4, 1e9),))])
        found = forecast.pre_copy(wild, 100e6, PLAIN, terms=ANY)
        self.assertEqual(forecast.Ending.STALLS, found.ending[0])
        self.assertEqual(math.inf, found.t_sum[0])

    def test_one_that_needs_more_than_is_permitted_does_not_end(self):
        # half of what is sent is dirtied at 1.5 (1 - x) = 0.5: 67 %, so 70
        self.assertEqual(0.7, slowed(150e6).taken[0])
        for share, ends in ((0.7, True), (0.69, False)):
            found = slowed(150e6, terms=Terms(throttle=share))
            self.assertEqual(ends, bool(found.converges[0]))

    def test_the_least_bandwidth_is_the_boundary(self):
        terms = Terms(throttle=0.5)
        curves = forecast.fit([writes(150e6)])
        lcb = forecast.least_convergent_bandwidth(curves, PLAIN, terms=terms)
        free = forecast.least_convergent_bandwidth(curves, PLAIN)
        self.assertLess(lcb[0], free[0])
        # half of its writing is what half of its CPUs leave
        self.assertGreater(lcb[0], 75e6)
        for rate, ends in ((lcb, True), (lcb * (1 - 1e-6), False)):
            found = slowed(150e6, rate, terms=terms)
            self.assertEqual(ends, bool(found.converges[0]))

    def test_novas_rising_limit_is_waited_for_slowed_down(self):
        rules = Rules(
            downtime_limit=0.3,
            downtime_steps=3,
            downtime_delay=10.0,
            efficiency=1.0,
        )
        early, late = slowed(40e6), slowed(40e6, rules=rules)
        self.assertTrue(late.converges[0])
        # rounds fall by 0.4: that of 0.256 s fits the limit in the end; in
        # force are 0.1 s, until 20 s have passed
        rounds = [10.0, 4.0, 1.6, 0.64, 0.256, 0.1024, 0.04096]
        self.assertAlmostEqual(sum(rounds[:5]), early.t_sum[0])
        self.assertAlmostEqual(sum(rounds), late.t_sum[0])
        self.assertAlmostEqual(rounds[-1], late.t_downtime[0])

    def test_one_that_all_was_taken_from_waits_for_the_last_step(self):
        # 2.5 MB within any time: 0.25 s, which its CPUs do not shorten, and
        # which the last step admits from 60 s on
        rules = Rules(
            downtime_limit=0.3,
            downtime_steps=3,
            downtime_delay=10.0,
            efficiency=1.0,
            max_rounds=2000,
        )
        hot = WorkingSet(resident=1e9, samples=((1e-4, 25e6), (1.0, 25e6)))
        found = forecast.pre_copy(forecast.fit([hot]), 100e6, rules, terms=ANY)
        self.assertTrue(found.converges[0])
        # 10 s of the first pass, and rounds of 0.25 s
        self.assertAlmostEqual(60.25, found.t_sum[0])
        self.assertAlmostEqual(0.25, found.t_downtime[0])

    def test_some_are_slowed_down_and_the_others_go_as_they_go(self):
        works = [writes(60e6), writes(20e6), writes(150e6), writes(10e6)]
        share = np.array([0.99, 0.0, 0.99, 0.0])
        curves = forecast.fit(works)
        found = forecast.pre_copy(
            curves, 100e6, PLAIN, terms=Terms(throttle=share)
        )
        for i, work in enumerate(works):
            alone = forecast.pre_copy(
                forecast.fit([work]),
                100e6,
                PLAIN,
                terms=Terms(throttle=float(share[i])),
            )
            self.assertEqual(alone.t_sum[0], found.t_sum[i])
            self.assertEqual(alone.data[0], found.data[i])
            width = alone.rounds.shape[1]
            self.assertEqual(
                alone.rounds[0].tolist(), found.rounds[i, :width].tolist()
            )
            self.assertTrue(np.isnan(found.rounds[i, width:]).all())
        self.assertEqual([0.2, 0.0, 0.7, 0.0], found.taken.tolist())
