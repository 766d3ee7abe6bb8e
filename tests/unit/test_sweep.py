"""QEMU's own walk: a hand that sweeps, and a log that is read early."""

import dataclasses
import math
import unittest

import numpy as np
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.unit import builders
from watcher_tsmig.forecast import Ending
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import hybrid
from watcher_tsmig.forecast import least_convergent_bandwidth
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast import sweep
from watcher_tsmig.forecast.hybrid import Switch
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import QEMU
from watcher_tsmig.model.rules import Rules

PLAIN = dataclasses.replace(QEMU, window=0.0)
# Any number of bytes passes a cap, so that looks can be counted by hand
RULE = dataclasses.replace(QEMU, quantum=0.0, zero_pre_copy=0.0)
APART = dataclasses.replace(QEMU, preempt=True)


def hot(pages: int, rate: float, resident: float = 150e6) -> WorkingSet:
    """A guest that writes `rate` pages/s at random among so many."""
    return WorkingSet(
        resident=resident,
        samples=tuple(
            (t, 4096.0 * pages * -math.expm1(-rate * t / pages))
            for t in (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0, 6.0, 20.0)
        ),
    )


class TestSweep(unittest.TestCase):
    def test_a_guest_that_writes_nothing_is_sent_once(self) -> None:
        curves = fit([WorkingSet(resident=100e6, samples=())])
        found = pre_copy(curves, 20e6, QEMU)
        self.assertTrue(found.converges[0])
        self.assertAlmostEqual(5.0, found.t_sum[0], delta=0.02)
        self.assertAlmostEqual(100e6, found.data[0], delta=0.3e6)

    def test_it_stops_once_a_look_finds_little_enough(self) -> None:
        # 2 MB a look: after 46 of them 8.2 MB are left of 100.2, and 10 fit
        all_of_it = 100e6 * 4104 / 4096
        found = pre_copy(
            fit([WorkingSet(resident=100e6, samples=())]), 20e6, RULE
        )
        rounds = [92e6, all_of_it - 92e6]
        np.testing.assert_allclose([rounds], found.rounds)
        self.assertAlmostEqual(4.6, found.t_converge[0])
        self.assertAlmostEqual(rounds[1] / 20e6, found.t_downtime[0])

    def test_pages_that_are_zero_again_do_not_make_it_stop_sooner(
        self,
    ) -> None:
        # half of them: what is left is looked at as if it were twice as much
        weight, empty = 4104 / 4096, 9 / 4096
        full = weight / ((weight + empty) / 2)
        still = fit([WorkingSet(resident=100e6, samples=())])
        found = pre_copy(still, 20e6, RULE, terms=Terms(duplicate=0.5))
        looks = math.floor((100e6 * weight - 10e6 / full) / 2e6) + 1
        self.assertEqual(48, looks)
        self.assertAlmostEqual(0.1 * looks, found.t_converge[0])

    def test_what_was_sent_long_ago_is_dirtier(self) -> None:
        # 0.5 MB/s anywhere. After 4.6 s what was sent holds 2.1 MB again,
        # which with 8.2 that were not sent are too many: another look
        weight = 4104 / 4096
        all_of_it = 100e6 * weight
        work = WorkingSet(resident=100e6, samples=((1.0, 0.5e6),))
        old, young = 92e6 / all_of_it, 2e6 / all_of_it
        first = all_of_it - 92e6 + old * 0.5e6 * 4.6 * weight
        self.assertGreater(first, 10e6)
        left = all_of_it - 94e6
        left += (old * 4.7 + young * 0.1) * 0.5e6 * weight
        found = pre_copy(fit([work]), 20e6, RULE)
        np.testing.assert_allclose([[92e6, 2e6, left]], found.rounds)
        self.assertAlmostEqual(4.7, found.t_converge[0])
        self.assertAlmostEqual(left / 20e6, found.t_downtime[0])
        self.assertAlmostEqual(1.0, found.data[0] / (94e6 + left))

    def test_a_disk_goes_before_it_and_shares_its_cap(self) -> None:
        still = fit([WorkingSet(resident=100e6, samples=())])
        alone = pre_copy(still, 20e6, RULE)
        found = pre_copy(still, 40e6, RULE, terms=Terms(disks=1.0, disk=60e6))
        self.assertAlmostEqual(3.0 + alone.t_sum[0], found.t_sum[0])
        self.assertAlmostEqual(60e6 + alone.data[0], found.data[0])

    def test_far_from_its_limit_it_is_the_models_walk(self) -> None:
        curves = fit([hot(1500, 1500.0)])
        for rate in (15e6, 21e6, 34e6):
            ours, plain = (pre_copy(curves, rate, r) for r in (QEMU, PLAIN))
            self.assertAlmostEqual(
                1.0, ours.t_sum[0] / plain.t_sum[0], delta=0.03
            )

    def test_what_writes_faster_than_it_is_sent_never_ends(self) -> None:
        curves = fit([hot(10_000, 6000.0)])
        found = pre_copy(curves, 13e6, QEMU)
        self.assertEqual(Ending.STALLS, found.ending[0])
        self.assertTrue(math.isinf(found.t_sum[0]))

    def test_it_ends_where_the_models_end(self) -> None:
        # the hand meets no part later than a round that ends would
        curves = fit([hot(5000, 3500.0), hot(10_000, 6000.0)])
        for rate in np.linspace(10e6, 60e6, 26):
            ours, plain = (pre_copy(curves, rate, r) for r in (QEMU, PLAIN))
            self.assertTrue((ours.converges | ~plain.converges).all())

    def test_many_at_once_are_as_one_by_one(self) -> None:
        sets = [hot(1500, 1500.0), hot(10_000, 6000.0), hot(5000, 3500.0)]
        together = pre_copy(fit(sets), 25e6, QEMU)
        for i, one in enumerate(sets):
            alone = pre_copy(fit([one]), 25e6, QEMU)
            self.assertEqual(alone.t_sum[0], together.t_sum[i])
            self.assertEqual(alone.data[0], together.data[i])

    def test_its_lcb_is_no_more_than_the_models(self) -> None:
        curves = fit([hot(5000, 3500.0)])
        ours, plain = (
            least_convergent_bandwidth(curves, r)[0] for r in (QEMU, PLAIN)
        )
        self.assertLessEqual(ours, plain * (1 + 1e-6))
        self.assertGreater(ours, plain / 2)
        self.assertTrue(pre_copy(curves, ours, QEMU).converges[0])
        self.assertFalse(pre_copy(curves, ours * 0.9, QEMU).converges[0])

    def test_it_stops_by_the_limit_that_is_in_force_then(self) -> None:
        rules = dataclasses.replace(
            QEMU, downtime_limit=0.5, downtime_steps=10, downtime_delay=2.0
        )
        found = pre_copy(fit([hot(5000, 3500.0)]), 17e6, rules)
        self.assertTrue(found.converges[0])
        limit = rules.limit_at(float(found.t_converge[0]), 2.0)
        self.assertLess(limit, rules.downtime_limit)
        self.assertLessEqual(found.t_downtime[0], limit * (1 + 1e-9))

    @settings(max_examples=25, deadline=None)
    @given(
        pages=st.integers(10, 30_000),
        rate=st.floats(1.0, 30_000.0),
        bandwidth=st.floats(5e6, 200e6),
    )
    def test_it_sends_all_of_it_at_that_rate(
        self, pages: int, rate: float, bandwidth: float
    ) -> None:
        found = pre_copy(fit([hot(pages, rate)]), bandwidth, QEMU)
        if not found.converges[0]:
            return
        self.assertGreaterEqual(found.data[0], 150e6)
        self.assertAlmostEqual(
            1.0, found.data[0] / (found.t_sum[0] * bandwidth), delta=1e-9
        )
        self.assertAlmostEqual(
            1.0, np.nansum(found.rounds[0]) / found.data[0], delta=1e-9
        )


class TestParts(unittest.TestCase):
    def test_of_too_many_parts_the_two_youngest_become_one(self) -> None:
        # of the older's age, with what both hold
        ages = np.arange(float(sweep.PARTS))
        memory = sweep._Memory(
            np.full((1, sweep.PARTS), 0.01), ages[None] + 100.0, ages[None] + 1
        )
        sweep._append(memory, np.array([0.76]), np.array([99.0]))
        share, left, since = memory.share[0], memory.left[0], memory.since[0]
        np.testing.assert_allclose(share[:-2], 0.01)
        np.testing.assert_allclose(share[-2:], [0.02, 0.76])
        np.testing.assert_allclose(left[-2:], [122 + 123, 0.0])
        np.testing.assert_allclose(since[-2:], [23.0, 99.0])


class TestPaced(unittest.TestCase):
    def test_a_cap_lets_whole_quanta_through(self) -> None:
        # measured under caps of 100, 160 and 260 Mbit/s: 13.16, 20.96, 33.3
        for cap, rate in ((12.5e6, 13.13e6), (20e6, 21.01e6)):
            self.assertAlmostEqual(rate, QEMU.paced(cap), delta=0.01e6)
        self.assertAlmostEqual(32.83e6, QEMU.paced(32.5e6), delta=0.01e6)

    def test_without_a_cap_or_a_window_nothing_is_rounded(self) -> None:
        self.assertEqual(math.inf, QEMU.paced(math.inf))
        self.assertEqual(12.5e6, Rules().paced(12.5e6))


class TestRequested(unittest.TestCase):
    def test_requested_pages_come_past_the_cap(self) -> None:
        curves = fit([hot(5000, 3500.0)])
        found = hybrid(
            curves, 20e6, APART, Switch.AT_ONCE, terms=Terms(link=200e6)
        ).forecasts
        without = hybrid(
            curves, 20e6, QEMU, Switch.AT_ONCE, terms=Terms(link=200e6)
        ).forecasts
        self.assertLess(found.t_sum[0], 0.95 * without.t_sum[0])
        self.assertGreater(found.t_sum[0], 0.75 * without.t_sum[0])
        self.assertEqual(found.data[0], without.data[0])

    def test_a_guest_that_writes_nothing_gains_what_it_reads(self) -> None:
        curves = fit([WorkingSet(resident=100e6, samples=())])
        found = hybrid(
            curves, 10e6, APART, Switch.AT_ONCE, terms=Terms(link=100e6)
        ).forecasts
        # the last half second's worth goes at the link's rate, as well
        reads = QEMU.post_copy_reads / 10e6
        expected = 10 * 4104 / 4096 - 0.5 + 0.05 - reads
        expected += QEMU.switchover
        self.assertAlmostEqual(expected, found.t_sum[0], places=4)

    def test_half_of_what_it_writes_for_the_first_time_is_requested(
        self,
    ) -> None:
        # at 2 MB/s: T s with 1 MB/s of requests beside 10 of the cap
        page = 4104 / 4096
        curves = fit([WorkingSet(resident=100e6, samples=((1.0, 2e6),))])
        found = hybrid(
            curves, 10e6, APART, Switch.AT_ONCE, terms=Terms(link=100e6)
        ).forecasts
        capped = (100e6 * page - 5e6 - QEMU.post_copy_reads) / 10e6 + 0.05
        expected = capped / (1 + 0.1 * page) + QEMU.switchover
        self.assertAlmostEqual(expected, found.t_sum[0], places=3)

    def test_never_faster_than_the_link(self) -> None:
        curves = fit([hot(20_000, 1e6)])
        found = hybrid(
            curves, 10e6, APART, Switch.AT_ONCE, terms=Terms(link=12e6)
        ).forecasts
        self.assertGreaterEqual(found.t_sum[0], 150e6 / 12e6)


class TestPlanned(unittest.TestCase):
    def test_a_plan_may_be_made_under_these_rules(self) -> None:
        from watcher_tsmig.plan import policies
        from watcher_tsmig.plan.make import make_plan

        cloud = builders.cloud('a b', builders.vm('x', 'a'))
        plan = make_plan(cloud, policies.request('gentle', hosts=('a',)), QEMU)
        self.assertEqual(1, len(plan.migrations))


if __name__ == '__main__':
    unittest.main()
