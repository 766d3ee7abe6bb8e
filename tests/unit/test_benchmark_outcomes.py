"""Final totals of QEMU, and evacuations of vSphere, in the benchmark."""

import csv
import pathlib

import fixtures
import testtools

from benchmarks import qemu_sysbench
from benchmarks import qemu_sysbench_report as report
from benchmarks import vmotion
from watcher_tsmig import errors
from watcher_tsmig.model.rules import Rules

PAGE = 4096.0
MIB = 1024.0**2
CARRIED = 125e6 * 1448 / 1538
BUSY = 200e6
COST = {'Precopy': 1.1e-6, 'Postcopy': 0.49e-6, 'Hybrid': 0.49e-6}


def row(mode, size, run, late=0.0):
    """A guest that works with 600 MB and writes 20 MB while it moves."""
    ram = size * MIB
    zeros = (ram - 600e6) // PAGE
    sent = 600e6 + zeros * 9 + (20e6 if mode == 'Precopy' else 0.0)
    seconds = sent / CARRIED + zeros * COST[mode]
    seconds += Rules().switchover if mode == 'Hybrid' else 0.0
    return {
        'series': '1core', 'memory_mb': size, 'mode': mode, 'run': run,
        'total_ms': round(1e3 * seconds + late), 'downtime_ms': 100,
        'total': ram, 'transferred': sent, 'precopy_bytes': 0,
        'duplicate': zeros, 'dirty_sync_count': 4, 'status': 'completed',
    }  # fmt: skip


class OutcomesCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def write(self, name, rows):
        with (self.folder / name).open('w', newline='') as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


class TestSysbench(OutcomesCase):
    def runs(self, rows):
        self.write(qemu_sysbench.OUTCOMES, rows)
        return qemu_sysbench.load(self.folder)

    def report(self, rows):
        return report.report(self.runs(rows), None)

    def rows(self, sizes=(1024, 2048, 4096, 8192), times=5):
        return [
            row(mode, size, run, 20 * (run % 2))
            for size in sizes
            for mode in COST
            for run in range(times)
        ]

    def test_bytes_and_pages_of_zeros_tell_the_time(self):
        found = self.report(self.rows())
        for mode in ('pre_copy', 'post_copy', 'hybrid'):
            self.assertLess(found['given_the_bytes'][mode]['p90'], 0.01)
        alone = found['given_the_bytes_without_zeros']
        self.assertGreater(alone['pre_copy']['p90'], 0.2)

    def test_earlier_runs_tell_of_guests_of_another_size(self):
        found = self.report(self.rows())
        for mode in ('pre_copy', 'post_copy', 'hybrid'):
            self.assertLess(found['online'][mode]['mape'], 0.02, mode)
            self.assertLess(found['online'][mode]['p90'], 0.04, mode)
        cold = found['online_before_any_outcome']
        self.assertEqual(1, cold['n'])
        self.assertEqual(59, sum(m['n'] for m in found['online'].values()))

    def test_one_run_that_met_a_busy_minute_is_outvoted(self):
        rows = self.rows((1024,), times=12)
        busy = rows[3]
        busy['transferred'] += 400e6
        busy['total_ms'] += round(400e6 / CARRIED * 1e3)
        busy['dirty_sync_count'] = 6
        told = report.online(self.runs(rows))[1]
        errors_of = [
            score.error for run, score in told if run.mode == 'Precopy'
        ]
        self.assertLess(max(errors_of[5:]), 0.05)

    def test_each_pass_leaves_the_same_share_to_the_next(self):
        (run,) = self.runs([row('Precopy', 1024, 1)])
        again = run.data - run.first_pass
        self.assertAlmostEqual(1.0, sum(d for _, d in run.rounds) / again, 6)
        (_, one), (_, two) = run.rounds
        self.assertAlmostEqual(one / run.first_pass, two / one, 6)

    def test_what_does_not_end_and_what_is_no_file_is_told_apart(self):
        failed = {**row('Precopy', 1024, 1), 'status': 'failed'}
        self.assertEqual([], self.runs([failed]))
        wrong = {**row('Precopy', 1024, 1), 'total_ms': 'soon'}
        self.assertRaises(errors.InputError, self.runs, [wrong])
        (self.folder / qemu_sysbench.OUTCOMES).unlink()
        self.assertIsNone(qemu_sysbench.load(self.folder))


class TestEvacuations(OutcomesCase):
    def rows(self, name, at_once, ends, gb):
        """So many go on from the start, the others once one has ended."""
        last = max(ends)
        rate = gb * 1e9 * 8 / 1e6 / last
        out = [
            ('nic', host, 'nic0', t, rate)
            for host in ('host1', 'host2')
            for t in (0.0, last)
        ]
        for i, end in enumerate(ends):
            begin = 2.0 if i < at_once else ends[i - at_once]
            out += [
                ('vm', f'vm-{i}', '', t, value)
                for t, value in ((1.0, 12), (begin + 1, 30), (end, 100))
            ]
        keys = ('kind', 'object', 'nic', 'seconds', 'value')
        return [
            {
                'setting': name,
                **dict(zip(keys, values, strict=True)),
                'nic_max_mbit': 10000 if values[0] == 'nic' else '',
            }
            for values in out
        ]

    def load(self):
        one_by_one = [12.0 * (i + 1) for i in range(4)]
        self.write(
            vmotion.FILE,
            [
                *self.rows('alone', 1, one_by_one, 50),
                *self.rows('pairs', 2, [25.0, 26.0, 50.0, 52.0], 54),
                *self.rows('all', 4, [90.0, 90.0, 91.0, 92.0], 90),
            ],
        )
        return vmotion.load(self.folder)

    def test_how_many_were_at_once_is_seen_by_their_progress(self):
        self.assertEqual([1, 2, 4], [r.at_once for r in self.load()])

    def test_two_settings_tell_what_the_vms_are_like(self):
        rows = self.load()
        size, writes = vmotion.guests(rows)
        for row in (rows[0], rows[-1]):
            sent = vmotion.sends(size, writes, row.at_once, row.capacity)
            self.assertAlmostEqual(1.0, 4 * sent / row.data, 2)

    def test_the_planner_s_choice_is_held_against_the_best(self):
        found = vmotion.report(self.load(), None)
        for judged in found['planned'].values():
            self.assertTrue(judged['among_the_best_two'], judged)
            self.assertLess(abs(judged['gb_error']), 0.1)
