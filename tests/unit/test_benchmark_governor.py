"""Migrations whose forecasts are wrong by a factor of two both ways."""

import contextlib
import dataclasses
import io
import json
import math
import unittest

from benchmarks import governor
from watcher_tsmig.execute.governor.govern import Does

VMS, SEEDS, WRONG = 16, (1, 2, 3), (0.5, 2.0)
# who looks, and can change a cap
ACTING = [name for name, view in governor.VIEWS.items() if view.caps]


class TestWrongForecasts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = {
            (seed, wrong): governor.compare(VMS, seed, wrong)
            for seed in SEEDS
            for wrong in WRONG
        }

    def test_no_migration_passes_its_deadline_unnoticed(self):
        for key, found in self.found.items():
            for name in governor.VIEWS:
                with self.subTest(key=key, view=name):
                    self.assertEqual(0, found[name]['unnoticed'])
                    self.assertEqual(0, found[name]['unfinished'])

    def test_they_take_little_longer_than_with_the_truth(self):
        self.assertIn('agent, 1 s', ACTING)
        self.assertIn('counters alone, 5 s', ACTING)
        for key, found in self.found.items():
            for name in ACTING:
                with self.subTest(key=key, view=name):
                    self.assertLessEqual(found[name]['of_true'], 1.25)

    def test_without_a_governor_some_are_given_up(self):
        for seed in SEEDS:
            found = self.found[seed, 0.5]['no governor']
            self.assertGreater(found['aborted'], 0)
            self.assertEqual(found['aborted'], found['unnoticed'])

    def test_what_cannot_end_is_told_of_before_its_deadline(self):
        truth = governor.cloud(VMS, 1)
        moves = [
            dataclasses.replace(
                move, vm=dataclasses.replace(move.vm, post_copy=False)
            )
            for move in governor.moves(truth, 0.5)
        ]
        for view in governor.VIEWS.values():
            ridden = governor.Rider(truth, moves, view, Does.OBSERVE).ride()
            late = [
                vm
                for vm, at in ridden.deadlines.items()
                if vm not in ridden.done or ridden.done[vm].ended > at
            ]
            self.assertTrue(late)
            self.assertEqual((), ridden.unnoticed)


class TestCommand(unittest.TestCase):
    def run_main(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = governor.main(words)
        return code, out.getvalue(), err.getvalue()

    def test_it_prints_the_same_figures_each_time(self):
        words = ('--vms', '4', '--wrong', '0.5', '--seed', '2')
        code, out, err = self.run_main(*words)
        self.assertEqual((0, ''), (code, err))
        found = json.loads(out)
        self.assertEqual(
            {'no governor', *governor.VIEWS},
            set(found['found'][0]) - {'wrong', 'true'},
        )
        self.assertTrue(math.isfinite(found['found'][0]['true']['total_s']))
        self.assertEqual(out, self.run_main(*words)[1])

    def test_what_makes_no_sense_is_refused(self):
        for words in (('--vms', '0'), ('--wrong', '-1')):
            code, _, err = self.run_main(*words)
            self.assertEqual(1, code)
            self.assertIn('error: ', err)
