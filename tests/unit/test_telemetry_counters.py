"""What counters grew, by examples that can be reckoned on paper."""

import unittest

from watcher_tsmig.telemetry.metrics import counters

NOW = 100_000.0


def spans(*values, start=0.0, span=10.0):
    """Measures of one counter in spans one after another; None: a hole."""
    return [
        (start + i * span, span, float(value))
        for i, value in enumerate(values)
        if value is not None
    ]


def moments(*values, start=0.0, every=10.0):
    """What it was at moments one after another."""
    return [(start + i * every, 0.0, float(v)) for i, v in enumerate(values)]


class TestWhole(unittest.TestCase):
    def test_a_span_is_whole_a_minute_after_its_end(self):
        late = (NOW - 70.0, 10.0, 1.0)
        just = (NOW - 69.9, 10.0, 2.0)
        self.assertEqual([late], counters.whole([late, just], NOW))


class TestGrowth(unittest.TestCase):
    def test_moments_tell_growth_between_them(self):
        self.assertEqual(
            [(0.0, 10.0, 2.0), (10.0, 10.0, 0.0), (20.0, 10.0, 5.0)],
            counters.growth(moments(100, 120, 120, 170)),
        )

    def test_spans_tell_growth_between_their_middles_but_for_the_first(self):
        # the first span may hold the beginning, and tell too little
        self.assertEqual(
            [(15.0, 10.0, 3.0), (25.0, 20.0, 4.0)],
            counters.growth(spans(0, 20, 50, None, 130)),
        )

    def test_of_two_spans_all_that_is_known_is_told(self):
        self.assertEqual([(5.0, 10.0, 2.0)], counters.growth(spans(100, 120)))

    def test_around_a_new_beginning_spans_are_left_out(self):
        found = counters.growth(spans(0, 10, 20, 30, 45, 5, 10, 20, 40))
        self.assertEqual(
            [
                # the last span before may hold some of both
                (15.0, 10.0, 1.0), (25.0, 10.0, 1.0),
                (65.0, 10.0, 1.0), (75.0, 10.0, 2.0),
            ],
            found,
        )  # fmt: skip

    def test_moments_around_a_new_beginning_are_all_used(self):
        self.assertEqual(
            [(0.0, 10.0, 1.0), (10.0, 10.0, 1.0), (30.0, 10.0, 2.0)],
            counters.growth(moments(10, 20, 30, 5, 25)),
        )

    def test_a_run_so_short_that_nothing_would_be_left_is_told(self):
        # two spans before and two after a new beginning
        self.assertEqual(
            [(5.0, 10.0, 1.0), (25.0, 10.0, 2.0)],
            counters.growth(spans(10, 20, 0, 20)),
        )
        # and of three before it the one in the middle
        self.assertEqual(
            [(15.0, 10.0, 2.0)], counters.growth(spans(10, 20, 40, 0))
        )

    def test_one_measure_or_none_tells_nothing(self):
        for measures in ([], spans(5), moments(5)):
            self.assertEqual([], counters.growth(measures))


class TestSampled(unittest.TestCase):
    def of(self, rates, counts=()):
        return counters.sampled(rates, counts)

    def test_growth_is_that_of_a_sample_times_how_many_there_were(self):
        self.assertEqual(
            [(10.0, 10.0, 15.0), (20.0, 10.0, 10.0)],
            self.of(spans(1, 50, 50), spans(9, 3, 2)),
        )

    def test_who_is_sampled_less_than_once_a_span_needs_no_count(self):
        self.assertEqual([(10.0, 20.0, 2.5)], self.of(spans(1, None, 50)))

    def test_without_counts_nobody_knows_how_often_it_was_sampled(self):
        self.assertIsNone(self.of(spans(1, 50, 50)))
        self.assertIsNone(self.of(spans(1, -50, 50)))

    def test_some_of_which_it_is_known_are_enough(self):
        self.assertEqual([(20.0, 20.0, 2.5)], self.of(spans(1, 50, None, 50)))

    def test_what_shrinks_began_anew_and_tells_nothing(self):
        counts = spans(1, 1, 1, 1)
        self.assertEqual(
            [(20.0, 10.0, 0.0), (30.0, 10.0, 3.0)],
            self.of(spans(1, -5, 0, 30), counts),
        )
        for less in (-5, -0.5):
            self.assertEqual([], self.of(spans(1, less), counts))

    def test_nothing_measured_is_nothing_and_not_unknown(self):
        for rates in ([], spans(1)):
            self.assertEqual([], self.of(rates))


class TestUpdates(unittest.TestCase):
    def of(self, *values):
        """Moments and values of what was set."""
        found = counters.updates(moments(*values))
        self.assertEqual({0.0}, {span for _, span, _ in found} or {0.0})
        return [(at, value) for at, _, value in found]

    def test_a_gauge_is_set_where_it_jumps(self):
        self.assertEqual(
            [(20.0, 2.0), (40.0, 3.0), (60.0, 4.0)],
            self.of(1, 1, 2, 2, 3, 3, 4),
        )

    def test_a_gauge_that_hardly_jumps_is_what_it_was_first_and_last(self):
        self.assertEqual([(0.0, 1.0), (30.0, 2.0)], self.of(1, 1, 2, 2))
        self.assertEqual([(0.0, 1.0), (20.0, 1.0)], self.of(1, 1, 1))
        self.assertEqual([(0.0, 1.0), (10.0, 2.0)], self.of(1, 2))
        self.assertEqual([(0.0, 1.0)], self.of(1))
        self.assertEqual([], self.of())

    def test_where_it_stands_still_for_long_it_was_set_to_what_it_was(self):
        # jumps 20 s apart, then none for 60 s
        self.assertEqual(
            [
                (20.0, 2.0), (40.0, 3.0), (60.0, 4.0), (100.0, 4.0),
                (120.0, 5.0), (140.0, 6.0),
            ],
            self.of(1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 6),
        )  # fmt: skip

    def test_twice_as_long_as_usual_is_not_long(self):
        self.assertEqual(
            [(20.0, 2.0), (40.0, 3.0), (60.0, 4.0), (100.0, 5.0)],
            self.of(1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 5),
        )
        # at the end neither
        self.assertEqual(
            [(20.0, 2.0), (40.0, 3.0)], self.of(1, 1, 2, 2, 3, 3, 3, 3, 3)
        )

    def test_a_long_standstill_at_the_beginning_and_the_end_is_told(self):
        self.assertEqual(
            [
                (0.0, 1.0), (30.0, 1.0), (50.0, 2.0), (70.0, 3.0),
                (90.0, 4.0), (140.0, 4.0),
            ],
            self.of(1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 4, 4),
        )  # fmt: skip


class TestOnGrid(unittest.TestCase):
    def test_growth_is_spread_evenly_over_the_spans_that_it_covers(self):
        found = counters.on_grid(
            [(5.0, 10.0, 1.0), (15.0, 10.0, 3.0), (25.0, 10.0, 5.0)], 10.0
        )
        self.assertEqual([(10.0, 10.0, 2.0), (20.0, 10.0, 4.0)], list(found))

    def test_a_grid_may_begin_later(self):
        found = counters.on_grid([(5.0, 30.0, 1.0)], 10.0, 4.0)
        self.assertEqual([(14.0, 10.0, 1.0), (24.0, 10.0, 1.0)], list(found))

    def test_edges_that_are_the_grids_own_lose_no_span(self):
        third = 0.1 + 0.2  # which is a little more than 0.3
        found = counters.on_grid([(third, 0.6 - 1e-9, 7.0)], 0.3)
        self.assertEqual(2, len(found))
        for (at, span, rate), begin in zip(found, (0.3, 0.6), strict=True):
            self.assertAlmostEqual(begin, at)
            self.assertEqual(0.3, span)
            self.assertAlmostEqual(7.0, rate, places=6)

    def test_an_edge_is_the_grids_if_it_is_less_than_a_millionth_off(self):
        # of a span; seconds since the epoch have no more digits than that
        for off, many in ((1e-4, 2), (2e-3, 0)):
            begin = 1.7e9 // 300 * 300
            grew = [(begin + off, 300 - off, 7.0), (begin + 300, 300 - off, 7)]
            found = counters.on_grid(grew, 300.0)
            self.assertEqual(many, len(found))

    def test_spans_that_are_not_covered_wholly_are_not_there(self):
        for grew in ([(1.0, 10.0, 1.0)], [(9.0, 10.9, 1.0)], []):
            self.assertEqual((), counters.on_grid(grew, 10.0))

    def test_nothing_is_told_of_a_hole_between_two_stretches(self):
        found = counters.on_grid(
            [(0.0, 10.0, 1.0), (10.5, 9.5, 2.0), (20.0, 10.0, 3.0)], 10.0
        )
        self.assertEqual([(0.0, 10.0, 1.0), (20.0, 10.0, 3.0)], list(found))


class TestRates(unittest.TestCase):
    def test_counters_alone_and_together_are_told_the_same(self):
        told = {
            'one': spans(0, 10, 30, 60),
            'two': spans(7, 7, 7, 107),
            'anew': spans(50, 60, 0, 10),
            'short': spans(0, 10),
            'silent': [],
        }
        together = counters.rates(told, NOW, 10.0, 5.0)
        self.assertEqual(
            {
                'one': ((15.0, 10.0, 2.0), (25.0, 10.0, 3.0)),
                'two': ((15.0, 10.0, 0.0), (25.0, 10.0, 10.0)),
                'anew': ((5.0, 10.0, 1.0), (25.0, 10.0, 1.0)),
                'short': ((5.0, 10.0, 1.0),),
                'silent': (),
            },
            together,
        )
        for name, points in told.items():
            alone = counters.rates({name: points}, NOW, 10.0, 5.0)
            self.assertEqual(together[name], alone[name])

    def test_a_counter_that_always_shrinks_never_grew(self):
        told = {'one': spans(30, 20, 10), 'two': spans(0, 10, 20)}
        found = counters.rates(told, NOW, 10.0, 5.0)
        self.assertEqual({'one': (), 'two': ((15.0, 10.0, 1.0),)}, found)

    def test_moments_are_all_used(self):
        told = {'one': moments(0, 10, 30), 'two': moments(5, 5, 5)}
        self.assertEqual(
            {
                'one': ((0.0, 10.0, 1.0), (10.0, 10.0, 2.0)),
                'two': ((0.0, 10.0, 0.0), (10.0, 10.0, 0.0)),
            },
            counters.rates(told, NOW, 10.0),
        )

    def test_what_is_not_over_is_not_used(self):
        told = {'one': moments(0, 10, 30, start=NOW - 70)}
        self.assertEqual(
            ((NOW - 70, 10.0, 1.0),), counters.rates(told, NOW, 10.0)['one']
        )
