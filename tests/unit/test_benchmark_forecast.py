"""The forecast benchmark: real data where they are, small files always."""

import contextlib
import csv
import gzip
import io
import json
import os
import pathlib

import fixtures
import testtools

from benchmarks import forecast
from benchmarks import grid5000
from benchmarks import grid5000_report
from benchmarks import qemu_postgres
from benchmarks import qemu_report
from benchmarks import qemu_sysbench
from benchmarks import qemu_traces
from benchmarks import vmotion
from watcher_tsmig.forecast.baselines import BASELINES

STATS = {
    'n', 'mape', 'p50', 'p90', 'p99', 'coverage90', 'interval_width_median',
}  # fmt: skip
PAGE = qemu_postgres.PAGE
# 135e6 bytes/s: what the link carries in a second, in pages
LINK_PAGES = 135e6 / PAGE


def write(path, columns, rows):
    compressed = path.suffix == '.gz'
    with (gzip.open if compressed else open)(path, 'wt', newline='') as out:
        writer = csv.writer(out)
        writer.writerow(columns)
        writer.writerows(rows)


def grid_rows(instances=(1, 2), runs=4, slow=1.0):
    """Schedules of three migrations; the third waits for the first."""
    for instance in instances:
        for run in range(1, runs + 1):
            for vm, source, bandwidth, start, seconds in (
                (0, 0, 500, 0, 38), (1, 2, 1000, 0, 20), (2, 0, 500, 40, 38),
            ):  # fmt: skip
                took = round(seconds * slow)
                yield (
                    instance, run, vm, source, 3 if source else 1, bandwidth,
                    2000, start, start + took, took,
                )  # fmt: skip


def outcome(scenario, run, seconds, pages, iterations=5):
    return (
        scenario, run, 'completed', seconds * 1e3, 20, pages * PAGE,
        8 << 30, pages, 1000, iterations, 9,
    )  # fmt: skip


OUTCOMES = (
    *qemu_postgres.OUTCOME_COLUMNS[:2],
    'status',
    *qemu_postgres.OUTCOME_COLUMNS[2:7],
    'zero_pages',
    'iterations',
    'samples',
)


class BenchmarkCase(testtools.TestCase):
    def folder(self):
        return pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def run_main(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = forecast.main([str(w) for w in words])
        return code, out.getvalue(), err.getvalue()

    def measure(self, *words):
        code, out, err = self.run_main(*words)
        self.assertEqual((0, ''), (code, err))
        return json.loads(out)

    def grid(self, rows=None, columns=grid5000.COLUMNS):
        folder = self.folder()
        write(folder / grid5000.FILE, columns, rows or grid_rows())
        return folder

    def qemu(self, outcomes, samples=()):
        folder = self.folder()
        write(folder / qemu_postgres.OUTCOMES, OUTCOMES, outcomes)
        if samples:
            write(folder / qemu_traces.SAMPLES, qemu_traces.COLUMNS, samples)
        return folder


class TestCommand(BenchmarkCase):
    def test_data_sets_that_are_not_there_are_absent(self):
        found = self.measure('--data', self.folder())
        self.assertEqual({'absent': True}, found['grid5000'])
        self.assertEqual({'absent': True}, found['qemu_postgres'])
        speed = found['speed']
        self.assertEqual(10_000, speed['vms'])
        self.assertTrue(0 < speed['vms_converging'] < speed['vms'])
        self.assertGreater(speed['one_forecast_us'], 0)

    def test_wrong_input_is_one_line(self):
        bad = list(grid_rows())
        bad[3] = (*bad[3][:6], 'much', *bad[3][7:])
        for folder, text in (
            (pathlib.Path('nowhere'), 'is not a folder'),
            (self.grid(bad), 'line 5.memory_mb'),
            (self.grid([(1,)], ['instance']), 'lacks the columns'),
        ):
            code, out, err = self.run_main('--data', folder)
            self.assertEqual((1, ''), (code, out))
            self.assertIn(text, err)
            self.assertEqual(1, len(err.splitlines()))


class TestGrid5000(BenchmarkCase):
    def test_every_predictor_has_every_figure(self):
        found = self.measure('--data', self.grid())['grid5000']
        self.assertEqual(24, found['rows'])
        for name in ('ours', *BASELINES):
            for regime in ('zero_shot', 'online'):
                entry = found[name][regime]
                self.assertEqual(24, entry['n'])
                self.assertTrue(STATS <= set(entry), name)
        self.assertEqual(0.0, found['noise_floor']['mape'])

    def test_what_repeats_is_learned_online_and_only_there(self):
        found = self.measure('--data', self.grid(grid_rows(slow=1.5)))
        ours = found['grid5000']['ours']
        self.assertGreater(ours['zero_shot']['mape'], 0.2)
        self.assertLess(ours['online']['p50'], 0.05)

    def test_other_data_teach_online_but_not_zero_shot(self):
        data = self.grid(grid_rows(instances=(7,), runs=1, slow=1.5))
        other = self.grid(grid_rows(slow=1.5))
        alone = self.measure('--data', data)['grid5000']
        helped = self.measure('--data', data, '--calibrate', other)['grid5000']
        self.assertEqual(24, helped['calibrated_on'])
        self.assertEqual(
            alone['ours']['zero_shot'], helped['ours']['zero_shot']
        )
        self.assertLess(
            helped['ours']['online']['mape'], alone['ours']['online']['mape']
        )

    def test_no_row_sees_its_own_outcome_or_a_later_one(self):
        def points(rows):
            folder = self.grid(rows)
            found = grid5000_report.Online().run(grid5000.load(folder))
            return [s.given for s in found['ours']]

        rows = list(grid_rows())
        for changed in (5, 12, 23):
            other = [
                (*r[:8], r[7] + 900, 900) if i == changed else r
                for i, r in enumerate(rows)
            ]
            last = changed + 1
            self.assertEqual(points(rows)[:last], points(other)[:last])

    def test_a_shared_nic_takes_longer(self):
        path = (1, 1, 0, 2, 3, 1000, 2000, 0, 20, 20)
        both = (1, 1, 1, 2, 3, 1000, 2000, 0, 38, 38)
        alone = grid5000.load(self.grid([path]))
        shared = grid5000.load(self.grid([path, both]))
        one = grid5000.raw_forecasts(alone)['ours'][0]
        two = grid5000.raw_forecasts(shared)['ours'][0]
        # the other one is forecast to end as if it had the NIC to itself
        self.assertAlmostEqual(1.5, two / one, places=2)


class TestQemu(BenchmarkCase):
    def busy(self, name, run, seconds, iterations):
        """Outcome and samples of a VM that outruns its link.

        A first pass of 25 s, then rounds that are each as long as the one
        before, for it writes in any time what the link carries in it.
        """
        samples, sent = [], 0
        for i in range(int(seconds * 5)):
            t = i * 0.2
            sent = round(t * 135e6)
            sync = 1 if t < 25 else 2 + int((t - 25) / 1.5)
            left = 25 * 135e6 - sent if t < 25 else 0.0
            if t >= 25:
                left = (1.5 - (t - 25) % 1.5) * 135e6
            samples.append(
                (name, run, round(t * 1e3), 'active', sync, round(left), sent)
            )
        pages = seconds * LINK_PAGES
        return outcome(name, run, seconds, pages, iterations), samples

    def test_scenarios_are_read_from_their_names(self):
        table = (
            ('Postcopy_Late_16T_25s', 'post_copy', 16, False, 25.0),
            ('Postcopy_4T', 'post_copy', 4, False, 0.0),
            ('Precopy_Convergent', 'pre_copy', 4, False, 0.0),
            ('Precopy_Nonconvergent_OnlyReads_16T', 'pre_copy', 16, True, 0.0),
            ('Autoconverge_16T', 'auto_converge', 16, False, 0.0),
            ('Stop_Copy_4T', 'stop_and_copy', 4, False, 0.0),
        )
        for name, mode, threads, reads, switch in table:
            found = qemu_postgres.Scenario.named(name)
            self.assertEqual(
                (mode, threads, reads, switch),
                (
                    found.mode,
                    found.workload.threads,
                    found.workload.reads_only,
                    found.switch,
                ),
            )

    def test_what_did_not_converge_once_is_foretold(self):
        runs = [
            self.busy('Precopy_Nonconvergent_16T', run, 110, 190)
            for run in (1, 2, 3)
        ]
        outcomes, samples = zip(*runs, strict=True)
        folder = self.qemu(outcomes, sum(samples, []))
        ours = self.measure('--data', folder)['qemu_postgres']['ours']
        online = ours['online']
        for way in qemu_report.WAYS:
            self.assertEqual(
                {'not_converging': 3, 'foretold': 2, 'false_alarms': 0},
                ours[way]['convergence'],
            )
        self.assertEqual(0, online['n'])
        scenario = online['scenarios']['Precopy_Nonconvergent_16T']
        for figure in ('total_time', 'transferred_bytes'):
            ended = scenario['ended_by_history'][figure]
            self.assertEqual((0.0, 2), (ended['mape'], ended['n']))

    def test_outcomes_alone_are_enough(self):
        folder = self.qemu(
            [
                outcome(name, run, seconds, pages)
                for name, seconds, pages in (
                    ('Stop_Copy_4T', 14.0, 460_000),
                    ('Postcopy_4T', 1.9, 462_000),
                    ('Postcopy_Late_4T_5s', 6.0, 480_000),
                )
                for run in range(4)
            ]
        )
        found = self.measure('--data', folder)['qemu_postgres']
        self.assertEqual(12, found['rows'])
        for name in ('ours', *BASELINES):
            for regime in ('zero_shot', 'online'):
                self.assertTrue(STATS <= set(found[name][regime]), name)
        online = found['ours']['online']
        self.assertLess(online['p50'], 0.02)
        self.assertLess(online['transferred_bytes']['p50'], 0.05)
        self.assertEqual(
            {'Stop_Copy_4T', 'Postcopy_4T', 'Postcopy_Late_4T_5s'},
            set(online['scenarios']),
        )

    def test_zero_shot_sees_nothing_of_the_data(self):
        first = self.qemu([outcome('Stop_Copy_4T', 1, 14.0, 460_000)])
        many = self.qemu(
            [outcome('Stop_Copy_4T', run, 14.0, 460_000) for run in range(5)]
        )
        one, other = (
            self.measure('--data', folder)['qemu_postgres']['ours']
            for folder in (first, many)
        )
        self.assertEqual(one['zero_shot']['mape'], other['zero_shot']['mape'])
        self.assertEqual(one['online']['mape'], one['zero_shot']['mape'])


class TestRealData(BenchmarkCase):
    def test_the_targets_are_met(self):
        data = pathlib.Path(os.environ.get('TSMIG_DATA', ''))
        for file in (
            grid5000.FILE,
            qemu_postgres.OUTCOMES,
            qemu_sysbench.OUTCOMES,
            vmotion.FILE,
        ):
            if not (data / file).is_file():
                self.skipTest(
                    f'{file} is not in the folder that TSMIG_DATA names'
                )
        found = self.measure('--data', data)
        ours = found['grid5000']['ours']
        self.assertLessEqual(ours['zero_shot']['mape'], 0.065)
        self.assertLessEqual(ours['online']['mape'], 0.045)
        self.assertLessEqual(ours['online']['p90'], 0.09)
        self.assertTrue(0.87 <= ours['online']['coverage90'] <= 0.93)
        online = found['qemu_postgres']['ours']['online']
        self.assertLessEqual(online['by_mode']['post_copy']['p90'], 0.12)
        for way in qemu_report.WAYS:
            learned = found['qemu_postgres']['ours'][way]
            late = learned['after_five_outcomes']
            self.assertEqual(30, late['n'])
            self.assertLessEqual(late['p90'], 0.15)
            told = learned['convergence']
            self.assertEqual(told['not_converging'], told['foretold'])
        for name, mape, p90 in (
            ('given_the_bytes', 0.012, 0.035),
            ('online', 0.03, 0.08),
        ):
            for mode, its in found['qemu_sysbench'][name].items():
                self.assertLessEqual(its['mape'], mape, (name, mode))
                self.assertLessEqual(its['p90'], p90, (name, mode))
        for judged in found['vmotion']['planned'].values():
            self.assertTrue(judged['among_the_best_two'])
            self.assertLessEqual(abs(judged['gb_error']), 0.1)
