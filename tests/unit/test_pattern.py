"""A working-set pattern is what the measurements support, and no more."""

import dataclasses
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

    def test_a_workload_differs_by_what_repeated_runs_do(self):
        # 13 % below a second, 10 below three, 3.5 from there on
        for seconds, share in (
            (0.5, 0.13),
            (1.0, 0.10),
            (2.9, 0.10),
            (3.0, 0.035),
            (60.0, 0.035),
        ):
            one = Observation(at=0.0, seconds=seconds, dirtied=1e8)
            self.assertAlmostEqual(1e8 * share, deviation(one))

    def test_nothing_is_known_better_than_to_a_page(self):
        for dirtied, known in ((0.0, 4096.0), (1e4, 4096.0), (1e5, 1e4)):
            one = Observation(at=0.0, seconds=2.0, dirtied=dirtied)
            self.assertAlmostEqual(known, deviation(one))

    def test_each_doubt_adds_as_a_variance(self):
        # 4 MiB cut off: 4 / sqrt(12); of 8 GiB 4096 pages are looked at
        one = Observation(
            at=0.0,
            seconds=4.0,
            dirtied=MEMORY / 4 - 2 * MIB,
            truncated=True,
            kind=Kind.SAMPLING,
        )
        spread, cut = 0.035 * MEMORY / 4, 4 * MIB / math.sqrt(12)
        p = (1024 + 0.5) / 4097
        drawn = MEMORY * math.sqrt(p * (1 - p) / 4096)
        self.assertAlmostEqual(
            1.0, deviation(one) / math.hypot(spread, cut, drawn)
        )

    def test_more_than_all_of_it_is_all_of_it(self):
        # so that a share of it is no more than one, and nearly sure
        one = Observation(
            at=0.0, seconds=4.0, dirtied=9 * MEMORY, kind=Kind.SAMPLING
        )
        spread = 0.035 * 9 * MEMORY
        p = 4096.5 / 4097
        drawn = MEMORY * math.sqrt(p * (1 - p) / 4096)
        self.assertAlmostEqual(1.0, deviation(one) / math.hypot(spread, drawn))


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


class TestBounds(testtools.TestCase):
    """A pattern by hand: 100 bytes in 1 s, 150 in 2, each give or take 10."""

    off = 16.449

    def pattern(self, resident=1e9):
        return Pattern(
            resident=resident,
            seconds=(1.0, 2.0),
            dirtied=(100.0, 150.0),
            deviation=(10.0, 10.0),
            measured_at=7.0,
        )

    def assert_samples(self, expected, work):
        np.testing.assert_allclose(expected, work.samples, rtol=1e-12)

    def test_they_are_off_by_what_a_normal_is_one_time_in_twenty(self):
        low, high = self.pattern().low(), self.pattern().high()
        self.assert_samples(
            ((1.0, 100 - self.off), (2.0, 150 - self.off)), low
        )
        # beyond them at most by the octave's steepest slope
        slope = (150 + self.off) - (100 - self.off)
        full = 2.0 + (1e9 - 150 - self.off) / slope
        self.assert_samples(
            ((1.0, 100 + self.off), (2.0, 150 + self.off), (full, 1e9)), high
        )
        self.assertEqual(7.0, high.measured_at)

    def test_no_slope_is_above_the_line_through_the_origin(self):
        wild = dataclasses.replace(self.pattern(), deviation=(30.0, 30.0))
        top = 150 + 3 * self.off
        full = 2.0 + (1e9 - top) / (top / 2)
        np.testing.assert_allclose((full, 1e9), wild.high().samples[-1])

    def test_they_are_between_nothing_and_all(self):
        wild = dataclasses.replace(self.pattern(160.0), deviation=(90.0, 90.0))
        self.assert_samples(
            ((1.0, 0.0), (2.0, 150 - 9 * self.off)), wild.low()
        )
        self.assert_samples(((1.0, 160.0), (2.0, 160.0)), wild.high())

    def test_the_tail_is_a_power_law_until_all_is_dirty(self):
        # 1.5 times as much in twice the time: 225 in 4 s, and then 28.1
        # bytes/s, so that 300 are dirty 2.67 s later
        tail = self.pattern(300.0).working_set().samples[-2:]
        np.testing.assert_allclose(
            ((4.0, 225.0), (4.0 + 75 / 28.125, 300.0)), tail
        )

    def test_the_tail_is_no_steeper_than_the_last_chord(self):
        # 5 bytes/s, where half of all was written in the last second
        bent = Pattern(
            resident=1e9,
            seconds=(1.0, 2.0, 2.2),
            dirtied=(100.0, 150.0, 151.0),
            deviation=(1.0, 1.0, 1.0),
        )
        tail = dict(bent.working_set().samples)
        self.assertAlmostEqual(151 + 5 * 2.2, tail[4.4])

    def test_the_tail_ends_after_ten_doublings(self):
        tail = self.pattern().working_set().samples
        self.assertEqual(2.0 * 2**10, tail[-1][0])
        self.assertAlmostEqual(150 * 1.5**10, tail[-1][1], places=3)

    def test_who_wrote_nothing_has_no_tail(self):
        still = dataclasses.replace(self.pattern(), dirtied=(0.0, 0.0))
        self.assert_samples(((1.0, 0.0), (2.0, 0.0)), still.working_set())


class TestTail(testtools.TestCase):
    """What follows the last sample is never less than it."""

    def samples(self, *dirtied):
        seconds = tuple(2.0**k for k in range(len(dirtied)))
        pattern = Pattern(
            resident=1e9,
            seconds=seconds,
            dirtied=dirtied,
            deviation=(0.0,) * len(dirtied),
        )
        return dict(pattern.working_set().samples), pattern

    def test_what_fell_by_noise_has_no_more_to_come(self):
        samples, _ = self.samples(1e8, 9e7)
        self.assertEqual(1e8, samples[2.0])
        self.assertEqual({1e8}, {d for t, d in samples.items() if t >= 1.0})

    def test_one_whose_whole_memory_was_written_almost_is_at_once(self):
        # what is left of it lies nearer than time is counted
        whole = 1671178052.75
        seen = Observation(
            at=0.0,
            seconds=51.0,
            dirtied=3342356104.75,
            kind=Kind.SAMPLING,
            truncated=False,
        )
        pattern = learn([seen], whole)
        samples = pattern.working_set().samples
        self.assertAlmostEqual(whole, samples[-1][1], delta=1.0)
        self.assertLessEqual(samples[0][0], 51.0)

    def test_less_than_a_byte_is_no_writing(self):
        samples, pattern = self.samples(1e-300, 5e-324)
        self.assertLess(max(samples.values()), 1.0)
        self.assertLess(max(d for _, d in pattern.high().samples), 1.0)


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

    def assert_added(self, expected, samples, **how):
        found = towards_zero(samples, **how)
        self.assertEqual(samples, found[-len(samples) :])
        np.testing.assert_allclose(expected, found[: -len(samples)])

    def test_the_exponent_comes_half_way_nearer_to_one_in_each_octave(self):
        # t^0.5, so 0.75, 0.875, 0.9375 and 0.96875
        powers = np.cumsum([0.75, 0.875, 0.9375, 0.96875])
        expected = [
            (0.5**k, 1e6 / 2**p)
            for k, p in zip((4, 3, 2, 1), powers[::-1], strict=True)
        ]
        self.assert_added(expected, ((1.0, 1e6), (4.0, 2e6)))

    def test_or_it_stays(self):
        for last, power in ((2e6, 0.5), (9e6, 1.0), (1e6, 0.0)):
            expected = [(0.5**k, 1e6 / 2 ** (k * power)) for k in (4, 3, 2, 1)]
            self.assert_added(expected, ((1.0, 1e6), (4.0, last)), share=0.0)

    def test_it_is_that_of_the_samples_within_three_octaves(self):
        # log2: (0, 0), (1, 1), (2, 1) have slope 1/2; what is beyond 8 s
        # says nothing
        three = ((1.0, 1e6), (2.0, 2e6), (4.0, 2e6))
        expected = [(0.5**k, 1e6 / 2 ** (k / 2)) for k in (4, 3, 2, 1)]
        self.assert_added(expected, three, share=0.0)
        self.assert_added(expected, (*three, (8.1, 9e6)), share=0.0)
        with_last = towards_zero((*three, (8.0, 9e6)), share=0.0)
        self.assertGreater(expected[-1][1], with_last[3][1])

    def test_where_too_little_is_known_nothing_is_added(self):
        for samples in (
            (),
            ((1.0, 5.0),),
            ((1.0, 0.0), (2.0, 5.0)),
            ((1.0, 5.0), (20.0, 9.0)),
        ):
            self.assertEqual(samples, towards_zero(samples))
