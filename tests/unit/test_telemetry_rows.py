"""Gnocchi's dates, in answers and in questions."""

import unittest

from watcher_tsmig.telemetry import rows

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
