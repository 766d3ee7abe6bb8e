"""How telemetry is read: what may be set, and what follows from it."""

import unittest

from watcher_tsmig import errors
from watcher_tsmig.telemetry import settings
from watcher_tsmig.telemetry.settings import Settings

SPAN = 300.0


class TestBounds(unittest.TestCase):
    def refused(self, name, value):
        with self.assertRaises(errors.InputError) as raised:
            Settings(**{name: value})
        self.assertEqual(name, raised.exception.place)
        return raised.exception.message

    def test_times_and_numbers_are_above_nothing(self):
        for name in (
            'granularity', 'window', 'traffic_age', 'dirty_age', 'batch',
            'total_time',
        ):  # fmt: skip
            for value in (0, -1.0, float('nan')):
                self.assertEqual('is not above 0', self.refused(name, value))
            self.assertEqual(0.5, getattr(Settings(**{name: 0.5}), name))

    def test_what_may_be_left_out_is_nothing_and_not_less(self):
        for name in ('history', 'burst_window'):
            self.assertEqual('is negative', self.refused(name, -0.5))
            self.assertEqual(0.0, getattr(Settings(**{name: 0.0}), name))

    def test_a_pattern_has_the_part_that_is_filled_in(self):
        for name, part in (
            ('dirty_metric', '{seconds}'),
            ('prometheus_metric', '{metric}'),
            ('host_metric', '{metric}'),
        ):
            self.assertEqual(f'lacks {part}', self.refused(name, 'x'))

    def test_names_are_such_as_prometheus_takes(self):
        for name, part, wrong in (
            ('prometheus_metric', '{metric}', ('a-', '"', 'ä')),
            ('host_metric', '{metric}', ('a-', '"', ' ')),
            ('prometheus_label', '', ('', '1a', 'a:b', 'a"')),
            ('host_label', '', ('', '1a', 'a:b', 'a"')),
        ):
            for text in wrong:
                self.assertEqual(
                    'is no name of Prometheus', self.refused(name, text + part)
                )
            self.assertTrue(Settings(**{name: f'_a1{part}'}))
        self.assertTrue(Settings(prometheus_metric='a:{metric}'))

    def test_devices_are_named_as_linux_names_them(self):
        for name in ('migration_devices', 'tenant_devices'):
            for wrong in ('', 'a b', 'a++b', 'x' * 33):
                self.assertIn('names no device', self.refused(name, (wrong,)))
            for right in ('x' * 32, 'bond0.7@eth1:2-_', 'a+b'):
                self.assertTrue(Settings(**{name: (right,)}))
        long = self.refused('tenant_devices', ('!' * 99,))
        self.assertEqual(repr('!' * 40) + ' names no device', long)


class TestFollowing(unittest.TestCase):
    def test_all_devices_that_matter_are_named_once(self):
        found = Settings(
            migration_devices=('b+a', 'c'), tenant_devices=('a', 'd')
        )
        self.assertEqual(('a', 'b', 'c', 'd'), found.devices)
        self.assertEqual((), Settings().devices)

    def test_traffic_matters_as_far_back_as_the_longer_of_both(self):
        for window, bursts, back in ((600.0, 0.0, 600.0), (1.0, 2.0, 2.0)):
            found = Settings(window=window, burst_window=bursts)
            self.assertEqual(back, found.seen_back)

    def test_as_many_samples_are_asked_for_as_are_of_use(self):
        # of both directions of each VM
        self.assertEqual(1e6, settings.SAMPLES)
        self.assertEqual(6, settings.NEWEST)
        found = Settings()
        self.assertEqual(1e6 / 2 / 5000 * SPAN, found.reach_back(5000, SPAN))
        self.assertEqual(1e6 / 2 / 5000 * 150, found.reach_back(5000, 150))

    def test_of_no_vms_no_more_is_asked_for_than_of_one(self):
        longest = Settings(window=1e9)
        for vms in (0, 1):
            self.assertEqual(5e5 * 60, longest.reach_back(vms, 60.0))

    def test_at_least_what_is_recent_is_asked_for(self):
        found = Settings(traffic_age=900.0)
        self.assertEqual(1200.0, found.reach_back(10**9, SPAN))
        found = Settings(traffic_age=900.0, history=1201.0)
        self.assertEqual(1201.0, found.reach_back(10**9, SPAN))

    def test_each_span_of_dirtying_has_a_metric_shorter_ones_first(self):
        found = Settings(
            dirty_metric='d.{seconds}.x', dirty_spans=(8, 1, 64, 8)
        ).dirty_metrics()
        self.assertEqual(
            [('d.1.x', 1.0), ('d.8.x', 8.0), ('d.64.x', 64.0)],
            list(found.items()),
        )
