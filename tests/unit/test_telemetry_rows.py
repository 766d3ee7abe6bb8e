"""Gnocchi's dates, in answers and in questions."""

import unittest

from watcher_tsmig.telemetry.metrics import rows

NOW = 1_700_000_170.0


class TestRows(unittest.TestCase):
    def test_a_date_is_read_however_its_offset_is_written(self):
        for text in (
            '2023-11-14T22:16:10+00:00',
            '2023-11-14T22:16:10Z',
            '2023-11-14T22:16:10',
            '2023-11-14T23:16:10+01:00',
            '2023-11-14T22:16:10.000000000+00:00',
        ):
            self.assertEqual(NOW, rows.instant(text), text)

    def test_a_date_that_is_none_is_an_error(self):
        for wrong in ('', '+00:00', 'yesterday', 17, None):
            with self.assertRaises((TypeError, ValueError)):
                rows.instant(wrong)

    def test_a_question_has_the_date_of_the_answer(self):
        self.assertEqual(NOW, rows.instant(rows.date(NOW)))
        self.assertEqual('2023-11-14T22:16:10', rows.date(NOW))

    def points(self, *given, about=300.0):
        """Those of (s after NOW, granularity, value) that are taken."""
        told = [(rows.date(NOW + at), *more) for at, *more in given]
        return [(at - NOW, *more) for at, *more in rows.points(told, about)]

    def test_what_has_no_value_is_no_point(self):
        for value in (None, float('nan'), float('inf'), float('-inf')):
            self.assertEqual(
                [(0.0, 300.0, 0.0)],
                self.points((0, 300, 0), (300, 300, value)),
            )

    def test_of_several_granularities_it_is_the_coarsest_that_will_do(self):
        given = [(0, span, span) for span in (3600, 60, 300, 1)]
        for about, span in (
            (1e4, 3600.0), (3600.0, 3600.0), (3599.0, 300.0), (60.0, 60.0),
            (0.5, 1.0),
        ):  # fmt: skip
            self.assertEqual(
                [(0.0, span, span)], self.points(*given, about=about)
            )

    def test_of_two_granularities_it_is_one(self):
        given = [(0, 60, 1), (0, 300, 2), (60, 60, 3)]
        self.assertEqual([(0.0, 300.0, 2.0)], self.points(*given))
        self.assertEqual(
            [(0.0, 60.0, 1.0), (60.0, 60.0, 3.0)],
            self.points(*given, about=299.0),
        )

    def test_one_alone_is_taken_whatever_it_is(self):
        self.assertEqual([(0.0, 3600.0, 1.0)], self.points((0, 3600, 1)))
        self.assertEqual([], self.points())

    def test_points_are_in_the_order_of_time(self):
        found = self.points((600, 300, 1), (0, 300, 3), (300, 300, 2))
        self.assertEqual([0.0, 300.0, 600.0], [at for at, _, _ in found])

    def test_a_row_that_is_none_is_an_error(self):
        for wrong in ([1], ['yesterday', 300, 1], [rows.date(NOW), 'x', 1]):
            with self.assertRaises((TypeError, ValueError)):
                rows.points([wrong], 300.0)
