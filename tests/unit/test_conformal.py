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

    def test_a_key_counts_against_the_coarser_as_its_outcomes_against_one(
        self,
    ):
        # of one outcome half and then half of what is left, of two outcomes
        # two thirds and two thirds
        for many, share in ((1, 3 / 4), (2, 8 / 9)):
            found = taught([1.2] * many).forecast(10.0, KEYS, GROUPS)
            self.assertAlmostEqual(10.0 * 1.2**share, found.point)

    def test_errors_count_as_four_outcomes_less(self):
        cold, error = math.log1p(COLD_ERROR), math.log(1.2)
        mode = (error + 4 * cold) / 5
        self.assertAlmostEqual(mode, taught([1.2]).spread(KEYS[:1]))
        vm = (error + 4 * mode) / 5
        self.assertAlmostEqual(vm, taught([1.2]).spread(KEYS))
        # the second was foretold but for a quarter of it
        mode = (2 * 0.625 * error + 4 * cold) / 6
        self.assertAlmostEqual(mode, taught([1.2] * 2).spread(KEYS[:1]))

    def test_no_scatter_is_believed_below_two_in_a_thousand(self):
        calibration = Calibration()
        keys = ('mode', 'host', 'vm')
        for _ in range(WINDOW):
            calibration.learn(10.0, 10.0, keys, ())
        self.assertEqual(0.002, calibration.spread(keys))
        # each key leaves 4 in 34 of what it was
        cold = math.log1p(COLD_ERROR)
        self.assertAlmostEqual(
            cold * (4 / 34) ** 2, calibration.spread(keys[:2])
        )

    def test_of_what_is_mostly_fixed_the_error_weighs_less(self):
        free = Calibration().forecast(10.0, KEYS, GROUPS)
        bound = Calibration().forecast(10.0, KEYS, GROUPS, fixed=30.0)
        self.assertEqual(40.0, bound.point)
        self.assertAlmostEqual(free.scale / 4, bound.scale)

    def test_who_knows_more_of_a_cold_forecast_says_so(self):
        found = Calibration().forecast(10.0, KEYS, GROUPS, cold_error=1.0)
        self.assertAlmostEqual(20.0, found.high)
        self.assertAlmostEqual(5.0, found.low)
        self.assertAlmostEqual(1.5, found.width)

    def test_nonsense_is_refused(self):
        calibration = Calibration()
        for raw, actual in ((0.0, 1.0), (1.0, 0.0), (math.inf, 1.0)):
            self.assertRaises(
                errors.InputError, calibration.learn, raw, actual, KEYS, GROUPS
            )
        given = calibration.forecast(10.0, KEYS, GROUPS)
        for raw, actual, fixed in ((0.0, 1.0, 0.0), (1.0, 5.0, 5.0)):
            self.assertRaises(
                errors.InputError,
                calibration.learn,
                raw,
                actual,
                KEYS,
                GROUPS,
                given,
                fixed,
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
        # the one that learned longest ago goes
        calibration.learn(1.0, 1.0, ('vm 5',), ())
        calibration.learn(1.0, 1.0, ('vm new',), ())
        document = json.loads(calibration.dumps())
        self.assertIn('vm 5', document['ratios'])
        self.assertNotIn('vm 6', document['ratios'])


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

    def off_by(self, *shares, calibration=None):
        """Outcomes off by these logarithms, of which no key learns."""
        calibration = calibration or Calibration()
        for share in shares:
            calibration.learn(10.0, 10.0 * math.exp(share), (), GROUPS)
        return calibration

    def test_nine_outcomes_are_enough_for_nine_in_ten(self):
        some = [0.01 * k for k in range(1, 10)]
        found = self.off_by(*some[:8]).forecast(10.0, (), GROUPS)
        self.assertTrue(found.cold)
        found = self.off_by(*some).forecast(10.0, (), GROUPS)
        self.assertFalse(found.cold)
        # the largest of the nine, up and down
        self.assertAlmostEqual(10.0 * math.exp(0.09), found.high)
        self.assertAlmostEqual(10.0 * math.exp(-0.09), found.low)

    def test_fewer_are_enough_for_less(self):
        calibration = Calibration(0.5)
        self.assertTrue(calibration.forecast(10.0, (), GROUPS).cold)
        self.off_by(0.04, calibration=calibration)
        found = calibration.forecast(10.0, (), GROUPS)
        self.assertAlmostEqual(10.0 * math.exp(0.04), found.high)
        # of three, one missed and one hit, the middle one
        self.off_by(0.06, 0.05, calibration=calibration)
        found = calibration.forecast(10.0, (), GROUPS)
        self.assertAlmostEqual(10.0 * math.exp(0.05), found.high)

    def test_a_hit_lets_it_aim_lower_and_a_miss_higher(self):
        for share, aim in ((0.05, 0.102), (-0.09, 0.102), (0.2, 0.082)):
            calibration = self.off_by(*[0.09] * 9)
            self.assertAlmostEqual(0.1, calibration.miss('pre_copy'))
            self.off_by(share, calibration=calibration)
            self.assertAlmostEqual(aim, calibration.miss('pre_copy'))
            self.assertAlmostEqual(0.1, calibration.miss('post_copy'))

    def test_it_never_aims_at_less_than_one_or_more_than_half(self):
        growing = [0.09 * (k + 1) for k in range(7)]
        calibration = self.off_by(*[0.09] * 9, *growing[1:])
        self.assertEqual(0.01, calibration.miss('pre_copy'))
        calibration = self.off_by(*[0.09] * 230)
        self.assertEqual(0.5, calibration.miss('pre_copy'))

    def test_an_interval_that_was_given_is_the_one_that_is_judged(self):
        calibration = self.off_by(*[0.09] * 9)
        given = calibration.forecast(10.0, (), GROUPS)
        self.assertTrue(given.covers(given.high))
        self.assertFalse(given.covers(given.high * 1.001))
        self.assertFalse(given.covers(given.low * 0.999))
        # by now it would be another
        taught([1.5] * 5, calibration)
        before = calibration.miss('pre_copy')
        calibration.learn(10.0, 10.5, KEYS, GROUPS, given)
        self.assertLess(before, calibration.miss('pre_copy'))

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

    def test_what_is_just_possible_is_read(self):
        good = json.loads(taught([1.1] * 12).dumps())
        for change in (
            {'level': 0.5},
            {'outcomes': 0},
            {'ratios': {'vm': [-1e6, 1e6]}},
            {'scores': {'g': [0, 1e6]}},
            {'errors': {'g': [0.0]}},
            {'miss': {'g': 0.01, 'h': 0.5}},
            {'miss': {}},
        ):
            text = json.dumps({**good, **change})
            found = json.loads(Calibration.loads(text).dumps())
            for name, value in change.items():
                self.assertEqual(value, found[name])

    def test_of_more_than_it_remembers_the_newest_are_read(self):
        good = json.loads(taught([1.1] * 12).dumps())
        long = {'ratios': {'vm': [k / 1e3 for k in range(WINDOW + 5)]}}
        found = Calibration.loads(json.dumps({**good, **long})).dumps()
        kept = json.loads(found)['ratios']['vm']
        self.assertEqual(long['ratios']['vm'][5:], kept)

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
            ({'scores': {'g': [-1e-9]}}, 'scores'),
            ({'errors': {'g': [1e7]}}, 'errors'),
            ({'ratios': {'vm': [-1e7]}}, 'ratios'),
            ({'ratios': {'vm': [True]}}, 'ratios'),
            ({'ratios': {'vm': 1.0}}, 'ratios'),
            ({'level': 0.4}, 'level'),
            ({'level': True}, 'level'),
            ({'miss': {'g': 0.9}}, 'g'),
            ({'miss': {'g': 0.51}}, 'g'),
            ({'miss': {'g': 0.009}}, 'g'),
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
