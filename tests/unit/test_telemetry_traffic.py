"""What VMs will send: from points, whoever measured them."""

import statistics
import unittest

import numpy as np

from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.metrics import traffic
from watcher_tsmig.telemetry.metrics.ahead import ahead
from watcher_tsmig.telemetry.metrics.upper import LEVEL
from watcher_tsmig.telemetry.metrics.upper import upper
from watcher_tsmig.telemetry.sources import Interface

NOW = 1_700_000_170.0
SPAN = 300.0
END = NOW - 100.0


def points(*rates, end=END):
    """A point for each rate, one after the other; None for a hole."""
    first = end - SPAN * len(rates)
    return tuple(
        (first + SPAN * i, SPAN, float(rate))
        for i, rate in enumerate(rates)
        if rate is not None
    )


def foretold(*rates, steps=3):
    """Of one series."""
    series = np.array([rates], dtype=float)
    return float(ahead(series, np.array([len(rates)]), steps)[0])


def by_hand(rates, steps):
    """`ahead` of one series, step by step and point by point."""
    best = None
    for many in (3, 1, 5, 7, 12, 24):
        told = [
            statistics.median(rates[max(at - back, 0)] for back in range(many))
            for at in range(len(rates))
        ]
        judged = len(rates) - steps
        loss = sum(
            0.5 ** ((judged - 1 - at) / 36.0)
            * abs(told[at] - statistics.fmean(rates[at + 1 : at + 1 + steps]))
            for at in range(judged)
        )
        if best is None or loss < best[0] - 1e-9:
            best = loss, told[-1]
    return best[1]


class TestAhead(unittest.TestCase):
    def test_it_is_what_the_best_median_by_hand_would_tell(self):
        rng = np.random.default_rng(4)
        for many in (1, 2, 3, 4, 10, 30, 60, 200):
            for steps in (1, 3, 12):
                for spiky in (0.3, 1.0, 2.0):
                    rates = rng.lognormal(sigma=spiky, size=many).tolist()
                    if spiky == 1.0:
                        rates = np.cumsum(rates).tolist()
                    with self.subTest(many=many, steps=steps, spiky=spiky):
                        self.assertAlmostEqual(
                            by_hand(rates, steps),
                            foretold(*rates, steps=steps),
                        )

    def test_an_error_counts_half_after_three_hours(self):
        # series where a point sooner or later another median wins
        for seed, value in ((761, 0.65), (2635, 1.25), (411, 1.05)):
            rng = np.random.default_rng(seed)
            rates = np.round(rng.lognormal(size=40), 1).tolist()
            self.assertAlmostEqual(value, by_hand(rates, 1))
            self.assertAlmostEqual(value, foretold(*rates, steps=1))

    def test_who_was_steady_but_for_spikes_is_taken_by_a_long_median(self):
        # noise around a level, of which the longest median knows most
        rng = np.random.default_rng(11)
        for _ in range(30):
            rates = (100.0 + rng.standard_cauchy(150)).tolist()
            self.assertAlmostEqual(
                by_hand(rates, 1), foretold(*rates, steps=1)
            )

    def test_what_is_steady_stays_as_it_is(self):
        for many in (1, 2, 3, 50):
            self.assertEqual(7.0, foretold(*[7.0] * many))

    def test_one_lull_makes_nobody_idle_and_one_spike_nobody_busy(self):
        self.assertEqual(10.0, foretold(*[10.0] * 20, 0.0))
        self.assertEqual(10.0, foretold(*[10.0] * 20, 900.0))
        self.assertEqual(10.0, foretold(10.0, 10.0, 0.0))

    def test_who_follows_his_last_point_is_followed(self):
        # stairs: what is now is what comes, longer than any median sees
        stairs = [float(i // 8) for i in range(64)]
        self.assertEqual(7.0, foretold(*stairs, steps=1))
        self.assertEqual(8.0, foretold(*stairs, 8.0, steps=1))

    def test_spikes_that_come_again_and_again_are_not_what_comes_next(self):
        spiky = [1.0, 1.0, 90.0] * 20
        self.assertEqual(1.0, foretold(*spiky, steps=1))

    def test_what_erred_long_ago_is_forgiven(self):
        # spiky first, then stairs
        series = [1.0, 90.0] * 12 + [float(i // 6) for i in range(240)]
        self.assertEqual(40.0, foretold(*series, 40.0, steps=1))

    def test_each_series_is_foretold_by_itself_and_from_what_is_known(self):
        rng = np.random.default_rng(5)
        series = rng.exponential(size=(40, 30))
        known = rng.integers(1, 31, size=40)
        together = ahead(series, known, 3)
        for row, many, found in zip(series, known, together, strict=True):
            self.assertEqual(foretold(*row[30 - many :]), found)

    def test_it_follows_the_unit_and_stays_between_what_was_seen(self):
        rng = np.random.default_rng(6)
        series = rng.exponential(size=(40, 30))
        known = np.full(40, 30)
        found = ahead(series, known, 3)
        np.testing.assert_allclose(
            ahead(series * 8, known, 3), 8 * found, rtol=1e-12
        )
        self.assertTrue((found >= series.min(1)).all())
        self.assertTrue((found <= series.max(1)).all())


def highest(*rates, steps=1, known=None, span=SPAN):
    """The upper value of one NIC's load."""
    series = np.array([rates], dtype=float)
    many = len(rates) if known is None else known
    return float(upper(series, np.array([many]), steps, span)[0])


class TestUpper(unittest.TestCase):
    def test_a_load_that_never_rises_stays_below_what_it_is(self):
        self.assertEqual(7.0, highest(*[7.0] * 20))
        self.assertEqual(1.0, highest(*map(float, range(20, 0, -1))))

    def test_the_more_it_rose_the_higher_it_may_go(self):
        quiet = highest(*[10.0, 11.0] * 20)
        wild = highest(*[10.0, 50.0] * 20)
        self.assertLess(11.0, quiet)
        self.assertLess(quiet, wild)

    def test_what_rose_long_ago_counts_less_than_what_rose_just_now(self):
        spike = [0.0] * 36
        late, early = list(spike), list(spike)
        late[30], early[5] = 90.0, 90.0
        self.assertLess(highest(*early), highest(*late))
        # and how long ago that is, is told by the clock
        self.assertAlmostEqual(
            highest(*early, span=60.0), highest(*late, span=60.0), delta=6.0
        )

    def test_it_is_exceeded_about_once_in_twenty_times(self):
        rng = np.random.default_rng(8)
        many = 4000
        series = rng.lognormal(sigma=1.2, size=(many, 73))
        told = upper(series[:, :-1], np.full(many, 72), 1, SPAN)
        over = (series[:, -1] > told).mean()
        self.assertLess(0.01, over)
        self.assertLess(over, 0.08)

    def test_it_is_the_last_point_and_six_times_the_mean_rise(self):
        # a rise of 2 an hour ago, which counts half, and none since
        mean = 2.0 * 0.5 / 1.5
        self.assertAlmostEqual(
            12.0 + 6.0 * mean, highest(10.0, 12.0, 12.0, span=3600.0)
        )
        # of two steps the mean of both is what came
        self.assertAlmostEqual(
            13.0 + 6.0 * 2.5, highest(10.0, 12.0, 13.0, steps=2)
        )

    def test_it_is_made_for_nineteen_times_of_twenty(self):
        self.assertEqual(0.95, LEVEL)

    def test_who_is_known_too_briefly_has_none(self):
        self.assertTrue(np.isnan(highest(5.0)))
        self.assertTrue(np.isnan(highest(5.0, 5.0, 5.0, steps=3)))
        self.assertTrue(np.isnan(highest(*[5.0] * 20, known=1)))
        self.assertEqual(5.0, highest(*[5.0] * 20, known=2))

    def test_what_lies_before_the_known_is_not_looked_at(self):
        self.assertEqual(
            highest(1.0, 2.0, 1.5), highest(0.0, 900.0, 1.0, 2.0, 1.5, known=3)
        )


class TestByVm(unittest.TestCase):
    settings = Settings()

    def of(self, *interfaces, now=NOW, **given):
        settings = Settings(**given)
        found = traffic.by_vm({'vm': interfaces}, settings, now, 'x')
        return found.get('vm')

    def test_interfaces_are_summed(self):
        one = Interface(tx=points(1, 1), rx=points(10, 10))
        two = Interface(tx=points(2, 2), rx=points(20, 20))
        found = self.of(one, two)
        self.assertEqual((3.0, 30.0), (found.tx, found.rx))
        self.assertEqual(END, found.measured_at)
        self.assertEqual('x', found.source)

    def test_traffic_is_known_up_to_its_age_and_not_longer(self):
        both = Interface(tx=points(1), rx=points(1))
        for age in (60.0, 1800.0):
            for late, known in ((0.0, True), (1.0, False)):
                found = self.of(both, now=END + age + late, traffic_age=age)
                self.assertIs(known, found is not None)

    def test_a_direction_that_is_old_or_missing_makes_it_unknown(self):
        for rx in ((), points(1, end=END - 3600)):
            self.assertIsNone(self.of(Interface(tx=points(1), rx=rx)))
        # at no time, not even in the first minutes of the epoch
        self.assertIsNone(self.of(Interface(), now=1.0))

    def test_what_is_older_than_the_window_is_not_looked_at(self):
        series = points(*[9.0] * 30, 1.0)
        both = Interface(tx=series, rx=series)
        self.assertEqual(9.0, self.of(both).tx)
        self.assertEqual(1.0, self.of(both, window=SPAN).tx)

    def test_a_point_counts_that_ends_within_the_window(self):
        series = points(9.0, 9.0, 9.0, 1.0)
        both = Interface(tx=series, rx=series)
        for window, rate in ((SPAN, 1.0), (4 * SPAN, 9.0)):
            self.assertEqual(rate, self.of(both, window=window).tx)
        series = points(1.0, 9.0)
        both = Interface(tx=series, rx=series)
        self.assertEqual(9.0, self.of(both, window=SPAN).tx)

    def test_a_quarter_of_an_hour_is_as_many_points_as_it_takes(self):
        rates = np.random.default_rng(9).exponential(size=40).tolist()
        found = {}
        for span, steps in ((300.0, 3), (900.0, 1), (3600.0, 1), (1.0, 900)):
            end = END - SPAN * len(rates)
            series = tuple(
                (end + SPAN * i, SPAN, rate) for i, rate in enumerate(rates)
            )
            both = Interface(tx=series, rx=series)
            told = self.of(both, granularity=span, window=1e6).tx
            self.assertEqual(foretold(*rates, steps=steps), told, span)
            found[steps] = told
        self.assertNotEqual(found[1], foretold(*rates, steps=2))

    def test_each_direction_varies_by_itself(self):
        both = Interface(tx=points(*[1e6, 9e6] * 40), rx=points(*[1e6] * 80))
        found = self.of(both)
        self.assertNotEqual(found.tx_spread, found.rx_spread)

    def test_of_several_vms_each_has_its_own(self):
        found = traffic.by_vm(
            {
                'short': [Interface(tx=points(1), rx=points(2))],
                'long': [
                    Interface(tx=points(*[3] * 20), rx=points(*[4] * 20))
                ],
                'old': [
                    Interface(
                        tx=points(*[5] * 9, end=END - SPAN),
                        rx=points(*[6] * 9),
                    )
                ],
            },
            self.settings,
            NOW,
            'x',
        )
        self.assertEqual(
            {'short': (1.0, 2.0), 'long': (3.0, 4.0), 'old': (5.0, 6.0)},
            {vm: (one.tx, one.rx) for vm, one in found.items()},
        )
        self.assertEqual(END - SPAN, found['old'].measured_at)

    def test_sums_are_of_spans_that_end_after_a_moment(self):
        one, two = points(1, 2, 3), points(10, None, 30)
        self.assertEqual(
            points(11, 2, 33), traffic.summed([two, one], END - 1e4)
        )
        for since, left in ((END - SPAN, 1), (END - SPAN - 1, 2), (END, 0)):
            found = traffic.summed([one], since)
            self.assertEqual(one[3 - left :], found, since)

    def test_a_hole_is_not_taken_for_silence(self):
        series = points(5.0, None, None, 5.0)
        self.assertEqual(5.0, self.of(Interface(tx=series, rx=series)).tx)

    def test_a_quarter_of_an_hour_is_foretold_whatever_a_point_is(self):
        # a series of which each number of steps tells something else
        rates = np.random.default_rng(16).exponential(size=40).tolist()
        told = {foretold(*rates, steps=steps) for steps in (1, 2, 3)}
        self.assertEqual(3, len(told))
        for span, steps in (
            (300.0, 3), (360.0, 2), (600.0, 2), (1800.0, 1), (7200.0, 1),
        ):  # fmt: skip
            series = tuple(
                (NOW - span * (40 - i), span, rate)
                for i, rate in enumerate(rates)
            )
            both = Interface(tx=series, rx=series)
            found = self.of(both, granularity=span, window=40 * span)
            self.assertEqual(foretold(*rates, steps=steps), found.tx)

    def test_nobody_measured_is_nobody_known(self):
        self.assertEqual({}, traffic.by_vm({}, self.settings, NOW, 'x'))

    def test_a_clock_ahead_of_ours_measures_nothing_later_than_now(self):
        late = points(1.0, end=NOW + 50)
        found = self.of(Interface(tx=late, rx=late))
        self.assertEqual(NOW, found.measured_at)


class TestReachBack(unittest.TestCase):
    def test_of_a_large_cloud_less_is_read(self):
        settings = Settings()
        self.assertEqual(86400.0, settings.reach_back(1, SPAN))
        self.assertEqual(86400.0, settings.reach_back(1700, SPAN))
        self.assertEqual(15000.0, settings.reach_back(10000, SPAN))
        # never less than there must be
        self.assertEqual(2100.0, settings.reach_back(10**6, SPAN))
        self.assertEqual(
            9000.0, Settings(history=9000.0).reach_back(10**6, SPAN)
        )

    def test_who_wants_no_bursts_reads_what_is_foretold_from(self):
        settings = Settings(burst_window=0.0)
        self.assertEqual(6 * 3600.0, settings.reach_back(1, SPAN))
