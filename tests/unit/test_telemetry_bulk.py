"""While much is read the collector comes seldom, and afterwards as before."""

import gc
import threading
import unittest

from watcher_tsmig.telemetry import bulk


class TestSeldomCollected(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(123, 4, 5)

    def test_it_is_as_before_afterwards_whatever_happened(self):
        with self.assertRaises(KeyError), bulk.seldom_collected():
            self.assertEqual((bulk.AT, 4, 5), gc.get_threshold())
            raise KeyError
        self.assertEqual((123, 4, 5), gc.get_threshold())

    def test_who_leaves_first_does_not_end_it_for_the_others(self):
        came, leave = threading.Event(), threading.Event()

        def other():
            with bulk.seldom_collected():
                came.set()
                leave.wait(10)

        thread = threading.Thread(target=other)
        with bulk.seldom_collected():
            thread.start()
            self.assertTrue(came.wait(10))
        self.assertEqual((bulk.AT, 4, 5), gc.get_threshold())
        leave.set()
        thread.join(10)
        self.assertEqual((123, 4, 5), gc.get_threshold())

    def test_it_comes_after_half_a_million_unless_it_was_later_before(self):
        for before, inside in (
            (700, 500_000), (500_001, 500_001), (1, 500_000),
        ):  # fmt: skip
            gc.set_threshold(before, 4, 5)
            with bulk.seldom_collected():
                self.assertEqual((inside, 4, 5), gc.get_threshold())
            self.assertEqual((before, 4, 5), gc.get_threshold())

    def test_what_somebody_switched_off_stays_off(self):
        gc.set_threshold(0, 4, 5)
        with bulk.seldom_collected():
            self.assertEqual((0, 4, 5), gc.get_threshold())

    def test_few_rows_are_collected_once_or_never(self):
        begins = []

        def count(phase, _):
            begins.append(phase)

        gc.callbacks.append(count)
        self.addCleanup(gc.callbacks.remove, count)
        with bulk.seldom_collected():
            del begins[:]
            rows = [[i] for i in range(100_000)]
            inside = len(begins)
        self.assertEqual(100_000, len(rows))
        self.assertLessEqual(inside, 2)
