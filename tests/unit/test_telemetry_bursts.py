"""How VMs' traffic varies, and how much of the next hour is a burst."""

import statistics
import unittest

import numpy as np

from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.metrics import traffic
from watcher_tsmig.telemetry.metrics.bursts import bursts
from watcher_tsmig.telemetry.metrics.bursts import spreads
from watcher_tsmig.telemetry.sources import Interface
from watcher_tsmig.units import from_mbit_s

SPAN = 300.0
DAY = 288
QUIET = from_mbit_s(2.0)
NOW = 1_700_000_170.0


def spread(series, known=None, span=SPAN):
    values = np.array([series], dtype=float)
    many = len(series) if known is None else known
    return spreads(values, np.array([many]), span)[0]


def found(series, span=SPAN):
    """Which points of a series are bursts."""
    values = np.array([series], dtype=float)
    flags, _ = bursts(values, np.array([len(series)]), span)
    return np.flatnonzero(flags[0]).tolist()


def by_hand(series, span):
    """The share of time in bursts, point by point; None if unknown."""
    hour = max(round(3600.0 / span), 3)
    seen = burst = 0.0
    for at in range(hour, len(series)):
        usual = statistics.median(series[at - hour : at])
        seen += span
        if series[at] > 2 * usual and series[at] > usual + 125e3:
            burst += span
    return None if seen < 3600.0 else (burst + 96.0) / (seen + 4800.0)


def quiet_but(*at, many=DAY, high=50 * QUIET):
    series = [QUIET] * many
    for i in at:
        series[i] = high
    return series


class TestBursts(unittest.TestCase):
    def test_a_burst_is_more_than_twice_the_hour_before_and_a_mbit_more(self):
        self.assertEqual([40, 90], found(quiet_but(40, 90)))
        self.assertEqual([], found(quiet_but(40, high=2 * QUIET)))
        # from next to nothing to a little is none
        little = from_mbit_s(0.1)
        self.assertEqual([], found([little] * 40 + [9 * little] * 3))

    def test_what_goes_on_for_an_hour_is_no_burst_any_more(self):
        stair = [QUIET] * 30 + [9 * QUIET] * 30
        self.assertEqual(list(range(30, 36)), found(stair))

    def test_nobody_knows_of_the_first_hour_whether_it_burst(self):
        self.assertEqual([], found(quiet_but(*range(12), many=30)))
        # of whatever span the points are
        self.assertEqual([60], found(quiet_but(30, 60, many=90), span=60.0))

    def test_what_lies_before_the_known_is_not_looked_at(self):
        series = quiet_but(*range(0, 100, 20), many=200)
        self.assertEqual(spread(series[100:]), spread(series, known=100))


class TestSpread(unittest.TestCase):
    def test_the_share_of_bursts_is_what_it_is_by_hand(self):
        rng = np.random.default_rng(9)
        for span in (60.0, 300.0, 900.0, 1800.0):
            for many in (7, 9, 30, 150):
                for level in (1e4, 2e5):
                    series = (level * rng.lognormal(size=many)).tolist()
                    told, shares = spread(series, span=span), None
                    if told is not None:
                        shares = told.bursts
                        self.assertEqual(many * span, told.watched)
                        middle, upper = np.quantile(series, (0.5, 0.95))
                        self.assertEqual((middle, upper), (told.p50, told.p95))
                    self.assertEqual(by_hand(series, span), shares)

    def test_just_twice_and_just_a_mbit_more_is_no_burst(self):
        for usual, value, burst in (
            (200e3, 400e3, False), (200e3, 400e3 + 1, True),
            (50e3, 175e3, False), (50e3, 175e3 + 1, True),
        ):  # fmt: skip
            series = [usual] * 12 + [value]
            self.assertEqual([12] * burst, found(series))

    def test_middle_and_upper_end_are_those_of_what_was_seen(self):
        told = spread([1.0] * 60 + [5.0] * 36 + [9.0] * 4)
        self.assertEqual((1.0, 5.0), (told.p50, told.p95))
        self.assertEqual(100 * SPAN, told.watched)

    def test_who_burst_more_is_taken_to_burst_more(self):
        shares = [
            spread(quiet_but(*range(50, 50 + 10 * n, 10))).bursts
            for n in (0, 1, 5, 20)
        ]
        self.assertEqual(sorted(shares), shares)
        self.assertLess(shares[0], 0.002)
        self.assertAlmostEqual(20 / 288, shares[3], delta=0.01)

    def test_nobody_is_sure_never_to_burst(self):
        self.assertGreater(spread([0.0] * DAY).bursts, 0.0)
        self.assertGreater(
            spread([0.0] * 30).bursts, spread([0.0] * DAY).bursts
        )

    def test_an_hour_of_judged_points_is_enough_and_no_less_is(self):
        self.assertIsNone(spread([5.0] * 6, span=1199.7))
        self.assertIsNotNone(spread([5.0] * 6, span=1200.0))

    def test_who_was_watched_for_less_than_two_hours_has_none(self):
        self.assertIsNone(spread([5.0] * 23))
        self.assertIsNotNone(spread([5.0] * 24))
        self.assertIsNone(spread([5.0] * DAY, known=23))


class TestByVm(unittest.TestCase):
    def of(self, tx, rx, **settings):
        ways = {
            way: tuple(
                (NOW - SPAN * (len(rates) - i), SPAN, rate)
                for i, rate in enumerate(rates)
            )
            for way, rates in (('tx', tx), ('rx', rx))
        }
        told = traffic.by_vm(
            {'vm': [Interface(**ways)]}, Settings(**settings), NOW, 'x'
        )
        return told['vm']

    def test_each_direction_has_its_own_and_the_worse_one_counts(self):
        got = self.of([QUIET] * DAY, quiet_but(100, 150, 200))
        self.assertLess(got.tx_spread.bursts, got.rx_spread.bursts)
        self.assertEqual(got.rx_spread.bursts, got.bursts)
        self.assertIsNone(self.of([QUIET] * 9, [QUIET] * 9).bursts)

    def test_bursts_are_looked_for_further_back_than_traffic_is_foretold(self):
        busy = quiet_but(*range(20, 200, 3), high=9 * QUIET)
        far = self.of(busy, busy)
        near = self.of(busy, busy, burst_window=0.0)
        self.assertEqual(far.tx, near.tx)
        self.assertEqual(DAY * SPAN, far.tx_spread.watched)
        self.assertEqual(6 * 3600.0, near.tx_spread.watched)
        self.assertLess(near.bursts, far.bursts)

    def test_what_is_foretold_does_not_hang_on_the_day_before(self):
        rng = np.random.default_rng(4)
        rates = rng.exponential(size=DAY).tolist()
        far = self.of(rates, rates)
        near = self.of(rates[-72:], rates[-72:])
        self.assertEqual((near.tx, near.rx), (far.tx, far.rx))
