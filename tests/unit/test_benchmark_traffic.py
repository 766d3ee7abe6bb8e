"""The benchmark of traffic's forecasts, on traces made here."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np

from benchmarks import traffic

VMS, POINTS = 40, traffic.DAY


class TestTraffic(unittest.TestCase):
    def judged(self, series, *args):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = pathlib.Path(folder) / traffic.TRACE
        np.savez(path, **dict.fromkeys(traffic.WAYS.values(), series))
        told = io.StringIO()
        given = ['traffic', '--data', folder, *args]
        with (
            mock.patch.object(sys, 'argv', given),
            contextlib.redirect_stdout(told),
        ):
            traffic.main()
        found = json.loads(told.getvalue())
        self.bursts = found['bursts']
        return found['cells']

    def test_steady_traffic_is_foretold_by_everybody(self):
        for found in self.judged(np.ones((VMS, POINTS))):
            self.assertEqual({0.0}, set(found['wape'].values()))
            self.assertEqual({0.0}, set(found['under'].values()))

    def test_each_direction_and_horizon_is_judged(self):
        found = self.judged(np.ones((VMS, POINTS)), '--days', '0.5', '0.75')
        self.assertEqual(
            {(w, s) for w in traffic.WAYS for s in traffic.STEPS},
            {(c['direction'], c['ahead']) for c in found},
        )
        for cell in found:
            self.assertLessEqual(
                cell['moments'], traffic.DAY / 4 / traffic.EVERY + 1
            )

    def test_errors_are_those_of_who_made_them(self):
        # it climbs by one a point, so the last value is one too low
        series = np.tile(np.arange(POINTS, dtype=float), (VMS, 1)) + 1
        for found in self.judged(series):
            steps = traffic.STEPS[found['ahead']]
            ahead = (steps + 1) / 2
            mean = found['wape']['mean of 3'] / found['wape']['last value']
            self.assertAlmostEqual((ahead + 1) / ahead, mean, 1)
            self.assertEqual(1.0, found['under']['last value'])

    def test_a_nics_upper_value_is_judged_as_the_quantile_that_it_is(self):
        rng = np.random.default_rng(3)
        for found in self.judged(rng.lognormal(size=(VMS, POINTS))):
            for figure in ('under', 'over', 'pinball'):
                self.assertEqual(
                    {*traffic.METHODS, 'upper'}, set(found[figure])
                )
            self.assertLess(found['under']['upper'], 0.15)
            self.assertLess(0.3, found['under']['last value'])
            # nothing is right by chance: each rule loses something
            self.assertLess(0.0, min(found['pinball'].values()))
            loss = found['pinball']
            self.assertLess(loss['upper'], loss['last value'])

    def test_the_loss_is_that_of_a_quantile(self):
        judged = traffic.Judged()
        judged.add(np.array([3.0, 1.0]), np.array([1.0, 3.0]))
        self.assertEqual(
            {'under': 0.5, 'missed': 0.6667, 'over': 0.5, 'pinball': 0.5},
            judged.figures(),
        )

    def test_bursts_are_of_those_that_had_some_the_day_before(self):
        series = np.ones((VMS, 3 * POINTS))
        # four burst all the time, one only on the last day
        series[:4, 20::40] = 1e4
        series[4, -20] = 1e4
        self.judged(series)
        for found in self.bursts:
            self.assertEqual(0.1, found['of']['day']['vms'])
            self.assertLess(0.9, found['of']['day']['caught'])
            self.assertLess(found['of']['day']['caught'], 1.0)
            self.assertLess(0.9, found['each']['caught'])
            self.assertLess(found['each']['caught'], 1.0)
            self.assertAlmostEqual(0.1, found['each']['vms'], delta=0.01)
            calm, wild = found['told']
            self.assertAlmostEqual(0.0, calm['came'], delta=0.001)
            self.assertAlmostEqual(1 / 40, wild['came'], delta=0.01)
            self.assertAlmostEqual(wild['came'], wild['told'], delta=0.01)

    def test_where_nobody_bursts_nobody_is_told_of(self):
        self.judged(np.ones((VMS, 2 * POINTS)))
        for found in self.bursts:
            self.assertEqual(0.0, found['bursts'])
            self.assertIsNone(found['each']['caught'])

    def test_a_hole_hides_what_lies_before_it(self):
        series = np.ones((VMS, POINTS))
        series[:, ::50] = np.nan
        series[0, :] = np.nan
        for found in self.judged(series):
            self.assertEqual(0.0, found['wape']['ours'])
