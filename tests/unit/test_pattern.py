"""A working-set pattern is what the measurements support, and no more."""

import itertools
import math

import numpy as np
import testtools

from watcher_tsmig import errors
from watcher_tsmig.forecast import Bracket
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast.curves import towards_zero
from watcher_tsmig.forecast.learned import noise
from watcher_tsmig.forecast.learned.learning import Manner
from watcher_tsmig.forecast.learned.learning import learn
from watcher_tsmig.forecast.learned.pattern import Pattern
from watcher_tsmig.forecast.learned.pattern import band
from watcher_tsmig.forecast.learned.regression import concave
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.observed import Kind
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

MEMORY = 8 * GIB


def true(seconds):
    """What a VM of 8 GiB writes: a working set and something cold."""
    return MEMORY * (0.05 * (1 - math.exp(-seconds / 2)) + 0.001 * seconds)


def seen(at, *horizons, times=1.0, **values):
    return [
        Observation(at=at, seconds=t, dirtied=times * true(t), **values)
        for t in horizons
    ]


def deviation(one):
    return noise.of_one(one, MEMORY)


def value(pattern, seconds, bracket=Bracket.EXPECTED):
    return float(band([pattern]).at(np.array([seconds]), bracket)[0])


class TestObservation(testtools.TestCase):
    def test_a_cut_rate_is_given_half_a_mib_per_second_back(self):
        cut = Observation(at=0.0, seconds=8.0, dirtied=MIB, truncated=True)
        lost = noise.lost(np.array([8.0]), np.array([True]))
        middle = noise.middle(np.array([MIB]), lost)
        self.assertEqual([5 * MIB], middle.tolist())
        whole = Observation(at=0.0, seconds=8.0, dirtied=5 * MIB)
        self.assertGreater(deviation(cut), deviation(whole))

    def test_sampling_is_as_rough_as_its_number_of_pages(self):
        # 8 GiB, a tenth dirtied, 512 pages per GiB: 38 MiB
        sampled = Observation(
            at=0.0, seconds=4.0, dirtied=MEMORY / 10, kind=Kind.SAMPLING
        )
        counted = Observation(at=0.0, seconds=4.0, dirtied=MEMORY / 10)
        own = math.sqrt(deviation(sampled) ** 2 - deviation(counted) ** 2)
        self.assertAlmostEqual(38.4 * MIB, own, delta=0.5 * MIB)

    def test_a_quiet_vm_is_not_exactly_known_by_sampling(self):
        quiet = Observation(
            at=0.0, seconds=1.0, dirtied=0.0, kind=Kind.SAMPLING
        )
        self.assertGreater(deviation(quiet), MIB)

    def test_what_cannot_be_is_named(self):
        for field, wrong in (
            ('at', math.nan),
            ('seconds', 0.0),
            ('dirtied', -1.0),
        ):
            good = {'at': 0.0, 'seconds': 1.0, 'dirtied': 1.0}
            error = self.assertRaises(
                errors.InputError, Observation, **{**good, field: wrong}
            )
            self.assertEqual(field, error.place)


class TestConcave(testtools.TestCase):
    def test_concave_values_stay_as_they_are(self):
        t, y = np.array([4.0, 1.0, 2.0]), np.array([200.0, 100.0, 150.0])
        knots, values = concave(t, y, np.ones(3), 1e9)
        np.testing.assert_array_equal([1.0, 2.0, 4.0], knots)
        np.testing.assert_allclose([100.0, 150.0, 200.0], values)

    def test_no_other_concave_curve_fits_better(self):
        rng = np.random.default_rng(7)
        t = np.array([1.0, 2.0, 3.0])
        y, w = rng.uniform(0, 100, 3), rng.uniform(0.1, 1, 3)
        _, best = concave(t, y, w, 1e9)
        self.assertTrue((np.diff(np.diff([0, *best])) <= 1e-9).all())
        least = (w * (best - y) ** 2).sum()
        steps = np.linspace(0, 100, 41)
        for a, b, c in itertools.product(steps, repeat=3):
            if a >= b >= c >= 0:
                other = np.cumsum([a, b, c])
                self.assertGreaterEqual(
                    (w * (other - y) ** 2).sum(), least - 1e-9
                )

    def test_a_sample_of_more_weight_has_more_say(self):
        t, y = np.array([2.0, 2.0]), np.array([100.0, 200.0])
        _, values = concave(t, y, np.array([3.0, 1.0]), 1e9)
        self.assertAlmostEqual(125.0, float(values[0]))


class TestLearn(testtools.TestCase):
    def test_nothing_measured_is_nothing_known(self):
        pattern = learn([], MEMORY)
        self.assertEqual(Pattern(resident=MEMORY), pattern)
        self.assertEqual((), pattern.working_set().samples)

    def test_noise_averages_out(self):
        rng = np.random.default_rng(1)
        samples = [
            Observation(
                at=60.0 * k,
                seconds=t,
                dirtied=true(t)
                * float(rng.normal(1, 0.1 if t < 3 else 0.035)),
            )
            for k in range(20)
            for t in (1.0, 2.0, 4.0, 8.0)
        ]
        few, many = learn(samples[:4], MEMORY), learn(samples, MEMORY)
        for t in (1.0, 3.0, 8.0):
            self.assertAlmostEqual(1.0, value(many, t) / true(t), delta=0.06)
        self.assertLess(sum(many.deviation), sum(few.deviation))

    def test_the_bounds_hold_what_is_true_beyond_the_samples_too(self):
        pattern = learn(
            seen(0.0, 1.0, 2.0, 4.0, 8.0, 16.0, kind=Kind.SAMPLING),
            MEMORY,
        )
        for t in (0.3, 1.5, 3.0, 6.0, 12.0, 40.0, 400.0):
            low, high = (
                value(pattern, t, b) for b in (Bracket.LOWER, Bracket.UPPER)
            )
            self.assertTrue(low <= true(t) <= high, t)
            self.assertTrue(low <= value(pattern, t) <= high, t)

    def test_far_beyond_the_last_sample_it_does_not_pretend(self):
        pattern = learn(seen(0.0, 1.0, 2.0, 4.0), MEMORY)

        def width(t):
            low, high = (
                value(pattern, t, b) for b in (Bracket.LOWER, Bracket.UPPER)
            )
            return high / low

        self.assertLess(width(4.0), width(12.0))
        self.assertLess(width(12.0), width(40.0))

    def test_a_writer_that_saturates_has_a_flat_tail(self):
        flat = learn(
            [
                Observation(at=0.0, seconds=t, dirtied=1e8)
                for t in (1.0, 2.0, 4.0)
            ],
            MEMORY,
        )
        self.assertAlmostEqual(1.0, value(flat, 64.0) / 1e8)

    def test_a_writer_that_goes_on_has_one_that_does(self):
        line = learn(
            [
                Observation(at=0.0, seconds=t, dirtied=t * 1e7)
                for t in (1.0, 2.0, 4.0)
            ],
            MEMORY,
        )
        self.assertAlmostEqual(1.0, value(line, 64.0) / 64e7)

    def test_its_curve_is_never_above_resident(self):
        pattern = learn(
            [Observation(at=0.0, seconds=1.0, dirtied=9e9)], 1e9, MEMORY
        )
        for bracket in Bracket:
            self.assertLessEqual(value(pattern, 99.0, bracket), 1e9)

    def test_a_round_of_a_real_migration_is_a_sample_like_others(self):
        pattern = learn(
            seen(0.0, 1.0, 2.0) + seen(30.0, 60.0, kind=Kind.ROUND), MEMORY
        )
        self.assertAlmostEqual(1.0, value(pattern, 60.0) / true(60.0))


class TestAgeing(testtools.TestCase):
    def test_a_newer_measurement_has_more_say(self):
        samples = seen(0.0, 4.0) + seen(900.0, 4.0, times=1.1)
        pattern = learn(samples, MEMORY)
        # one half-life: twice the weight, but for the noise of its size
        ratio = value(pattern, 4.0) / true(4.0)
        self.assertTrue(1.05 < ratio < 1.07, ratio)

    def test_an_old_pattern_is_less_sure(self):
        samples = seen(0.0, 1.0, 4.0)
        new = learn(samples, MEMORY, now=0.0)
        old = learn(samples, MEMORY, now=3600.0)
        self.assertEqual(new.dirtied, old.dirtied)
        self.assertAlmostEqual(4.0, old.deviation[0] / new.deviation[0])

    def test_a_longer_half_life_remembers_more(self):
        samples = seen(0.0, 4.0) + seen(900.0, 4.0, times=1.1)
        slow = learn(samples, MEMORY, manner=Manner(half_life=1e6))
        self.assertLess(value(slow, 4.0), value(learn(samples, MEMORY), 4.0))


class TestChange(testtools.TestCase):
    horizons = (1.0, 2.0, 4.0, 8.0)

    def calm(self):
        rng = np.random.default_rng(5)
        return [
            o
            for k in range(8)
            for o in seen(
                300.0 * k, *self.horizons, times=float(rng.normal(1, 0.03))
            )
        ]

    def test_a_steady_vm_does_not_change(self):
        pattern = learn(self.calm(), MEMORY)
        self.assertEqual(0, pattern.changes)
        self.assertEqual(0.0, pattern.since)

    def test_yesterdays_curve_does_not_rule_todays(self):
        for times in (3.0, 1 / 3):
            new = [
                o
                for k in range(2)
                for o in seen(2400.0 + 60 * k, *self.horizons, times=times)
            ]
            pattern = learn(self.calm() + new, MEMORY)
            self.assertGreaterEqual(pattern.changes, 1)
            self.assertEqual(2400.0, pattern.since)
            self.assertAlmostEqual(
                1.0, value(pattern, 4.0) / (times * true(4.0))
            )

    def test_one_outlier_within_its_noise_changes_nothing(self):
        new = seen(2400.0, 4.0, times=1.1) + seen(2700.0, 4.0)
        self.assertEqual(0, learn(self.calm() + new, MEMORY).changes)

    def test_the_order_of_the_list_says_nothing(self):
        samples = self.calm()
        self.assertEqual(learn(samples, MEMORY), learn(samples[::-1], MEMORY))


class TestTowardsZero(testtools.TestCase):
    """What is not measured below the first span."""

    @staticmethod
    def saturating(seconds):
        return 1e9 * (1 - math.exp(-seconds / 1.5))

    def curve(self, function, spans=(1.0, 2.0, 4.0, 8.0), **how):
        samples = tuple((t, function(t)) for t in spans)
        work = WorkingSet(resident=1e10, samples=towards_zero(samples, **how))
        return lambda t: float(fit([work]).at(np.array([t]))[0])

    def test_a_writer_that_saturates_is_met_where_a_chord_is_far_below(self):
        found = self.curve(self.saturating)
        for t in (0.1, 0.2, 0.5):
            truth = self.saturating(t)
            self.assertLess(abs(found(t) / truth - 1), 0.16, t)
            self.assertLess(self.saturating(1.0) * t, 0.87 * truth)

    def test_a_power_law_goes_on_where_that_is_the_safe_side(self):
        found = self.curve(lambda t: 5e7 * t**0.6, share=0.0)
        for t in (0.1, 0.25, 0.5):
            self.assertLess(abs(found(t) / (5e7 * t**0.6) - 1), 0.05)

    def test_it_stays_between_chord_and_prolonged_line(self):
        for function in (self.saturating, true, lambda t: 1e6 * t):
            low, high = function(1.0), function(2.0)
            found = self.curve(function)
            for t in (0.07, 0.3, 0.9):
                self.assertGreaterEqual(found(t) * 1.000001, low * t)
                prolonged = low - (high - low) * (1 - t)
                self.assertLessEqual(found(t), prolonged * 1.000001)

    def test_where_too_little_is_known_nothing_is_added(self):
        for samples in (
            (),
            ((1.0, 5.0),),
            ((1.0, 0.0), (2.0, 5.0)),
            ((1.0, 5.0), (20.0, 9.0)),
        ):
            self.assertEqual(samples, towards_zero(samples))
