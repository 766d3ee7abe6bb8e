"""Learning from outcomes: bias, intervals, cold start, and the file."""

import json
import math
import pathlib

import fixtures
import numpy as np
import testtools

from watcher_tsmig import errors
from watcher_tsmig import files
from watcher_tsmig.execute import calibration as file
from watcher_tsmig.forecast.learned.conformal import COLD_ERROR
from watcher_tsmig.forecast.learned.conformal import MAX_KEYS
from watcher_tsmig.forecast.learned.conformal import WINDOW
from watcher_tsmig.forecast.learned.conformal import Calibration

KEYS = ('pre_copy', 'vm 1')
GROUPS = ('pre_copy',)


def taught(ratios, calibration=None, keys=KEYS):
    calibration = calibration or Calibration()
    for ratio in ratios:
        calibration.learn(10.0, 10.0 * ratio, keys, GROUPS)
    return calibration


class TestCorrection(testtools.TestCase):
    def test_nothing_learned_corrects_nothing_and_says_it_is_cold(self):
        found = Calibration().forecast(10.0, KEYS, GROUPS)
        self.assertEqual(10.0, found.point)
        self.assertTrue(found.cold)
        self.assertAlmostEqual(10.0 * (1 + COLD_ERROR), found.high)

    def test_a_bias_is_learned_and_one_outlier_does_not_unlearn_it(self):
        calibration = taught([1.2] * 20)
        before = calibration.forecast(10.0, KEYS, GROUPS).point
        self.assertAlmostEqual(12.0, before, places=1)
        taught([5.0], calibration)
        after = calibration.forecast(10.0, KEYS, GROUPS).point
        self.assertAlmostEqual(before, after, places=1)

    def test_a_new_vm_starts_from_its_modes_bias(self):
        calibration = taught([1.2] * 20)
        found = calibration.forecast(10.0, ('pre_copy', 'vm 2'), GROUPS)
        self.assertAlmostEqual(12.0, found.point, delta=0.2)

    def test_a_vms_own_bias_counts_more_with_each_outcome(self):
        calibration = taught([1.0] * 20, keys=('pre_copy',))
        points = []
        for _ in range(4):
            calibration.learn(10.0, 15.0, ('vm 1',), ())
            points.append(calibration.forecast(10.0, KEYS, GROUPS).point)
        self.assertEqual(sorted(points), points)
        self.assertTrue(10.0 < points[0] < points[-1] < 15.0)

    def test_a_changed_cloud_is_believed(self):
        calibration = taught([1.0] * WINDOW + [2.0] * WINDOW)
        found = calibration.forecast(10.0, KEYS, GROUPS)
        self.assertAlmostEqual(20.0, found.point, places=1)

    def test_what_is_fixed_is_not_corrected(self):
        calibration = Calibration()
        for _ in range(20):
            calibration.learn(10.0, 45.0, KEYS, GROUPS, fixed=40.0)
        found = calibration.forecast(10.0, KEYS, GROUPS, fixed=40.0)
        self.assertAlmostEqual(45.0, found.point, places=1)

    def test_scaling_units_scales_results(self):
        random = np.random.default_rng(3)
        one, other = Calibration(), Calibration()
        for ratio in np.exp(random.normal(0, 0.1, 40)):
            one.learn(10.0, 10.0 * ratio, KEYS, GROUPS)
            other.learn(1e4, 1e4 * ratio, KEYS, GROUPS)
        a = one.forecast(10.0, KEYS, GROUPS)
        b = other.forecast(1e4, KEYS, GROUPS)
        for name in ('low', 'point', 'high'):
            self.assertAlmostEqual(
                1.0, getattr(b, name) / getattr(a, name) / 1e3
            )

    def test_nonsense_is_refused(self):
        calibration = Calibration()
        for raw, actual in ((0.0, 1.0), (1.0, 0.0), (math.inf, 1.0)):
            self.assertRaises(
                errors.InputError, calibration.learn, raw, actual, KEYS, GROUPS
            )
        self.assertEqual(0, calibration.outcomes)
        self.assertRaises(errors.InputError, Calibration, 1.0)

    def test_memory_is_bounded(self):
        calibration = Calibration()
        for i in range(MAX_KEYS + 5):
            calibration.learn(1.0, 1.0, (f'vm {i}',), ())
        document = json.loads(calibration.dumps())
        self.assertEqual(MAX_KEYS, len(document['ratios']))
        self.assertNotIn('vm 0', document['ratios'])


class TestIntervals(testtools.TestCase):
    def coverage(self, errors_by_time):
        calibration, hits = Calibration(), []
        for error in errors_by_time:
            given = calibration.forecast(10.0, KEYS, GROUPS)
            actual = 10.0 * math.exp(error)
            hits.append(given.covers(actual))
            calibration.learn(10.0, actual, KEYS, GROUPS, given)
        return hits

    def test_nine_in_ten_are_covered(self):
        random = np.random.default_rng(0)
        hits = self.coverage(random.normal(0, 0.05, 600))
        self.assertTrue(0.87 <= np.mean(hits[50:]) <= 0.93, np.mean(hits[50:]))

    def test_nine_in_ten_are_covered_though_the_tails_are_heavy(self):
        random = np.random.default_rng(1)
        hits = self.coverage(0.03 * random.standard_t(2, 600))
        self.assertTrue(0.87 <= np.mean(hits[50:]) <= 0.93, np.mean(hits[50:]))

    def test_it_adapts_when_the_scatter_grows(self):
        random = np.random.default_rng(2)
        quiet, wild = random.normal(0, 0.02, 300), random.normal(0, 0.2, 300)
        hits = self.coverage(np.concatenate((quiet, wild)))
        late = np.mean(hits[-200:])
        self.assertTrue(0.85 <= late <= 0.95, late)

    def test_it_narrows_where_outcomes_repeat(self):
        calibration = taught([1.0, 1.01] * 20)
        found = calibration.forecast(10.0, KEYS, GROUPS)
        self.assertFalse(found.cold)
        self.assertLess(found.width, 0.05)

    def test_a_mode_without_outcomes_falls_back_to_the_coarser_group(self):
        calibration = Calibration()
        for _ in range(20):
            calibration.learn(10.0, 10.5, KEYS, ('pre_copy', 'any'))
        found = calibration.forecast(10.0, (), ('post_copy', 'any'))
        self.assertFalse(found.cold)
        self.assertTrue(calibration.forecast(10.0, (), ('post_copy',)).cold)


class TestText(testtools.TestCase):
    def test_it_survives_the_text(self):
        random = np.random.default_rng(4)
        one = taught(np.exp(random.normal(0, 0.1, 50)))
        text = one.dumps()
        other = Calibration.loads(text)
        self.assertEqual(text, other.dumps())
        self.assertEqual(
            one.forecast(10.0, KEYS, GROUPS),
            other.forecast(10.0, KEYS, GROUPS),
        )

    def test_a_wrong_text_says_where_it_is_wrong(self):
        good = json.loads(taught([1.1] * 12).dumps())
        table = (
            ({'format_version': '9.0'}, 'format_version'),
            ({'level': 2}, 'level'),
            ({'outcomes': -1}, 'outcomes'),
            ({'ratios': []}, 'ratios'),
            ({'ratios': {'vm': [1, 'x']}}, r"ratios\['vm'\]\[1\]"),
            ({'ratios': {'vm': [float('nan')]}}, r"ratios\['vm'\]\[0\]"),
            ({'scores': {'g': [-1]}}, 'scores'),
            ({'errors': {'g': [-1]}}, 'errors'),
            ({'scores': {'g': []}}, 'scores'),
            ({'miss': {'g': 0.9}}, 'g'),
            ({'more': 1}, 'members'),
        )
        for change, place in table:
            error = self.assertRaises(
                errors.InputError,
                Calibration.loads,
                json.dumps({**good, **change}),
            )
            self.assertRegex(str(error), place)
        for text in ('', '[1]', '{', '[' * 100_000):
            self.assertRaises(errors.InputError, Calibration.loads, text)


class TestFile(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = self.folder / 'calibration.json'

    def test_no_file_is_a_cold_start(self):
        self.assertIsNone(file.read(self.path))

    def test_what_was_written_is_read_and_nothing_else_stays(self):
        text = taught([1.1] * 12).dumps()
        files.replace(self.path, 'old')
        files.replace(self.path, text)
        self.assertEqual(text, file.read(self.path))
        self.assertEqual([self.path], list(self.folder.iterdir()))

    def test_a_folder_that_is_not_there_is_named(self):
        path = self.folder / 'missing' / 'x'
        error = self.assertRaises(errors.InputError, files.replace, path, 'x')
        self.assertIn(str(path), str(error))

    def test_what_is_no_text_is_refused(self):
        self.path.write_bytes(b'\xff\xfe')
        self.assertRaises(errors.InputError, file.read, self.path)
        self.assertRaises(errors.InputError, file.read, self.folder)
