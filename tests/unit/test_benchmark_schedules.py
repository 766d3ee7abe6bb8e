"""The benchmark of published schedules: its figures and its errors."""

import contextlib
import gzip
import io
import json
import os
import pathlib
import tempfile

import testtools

from benchmarks import schedules

EXAMPLE = {
    'links_mbit_s': {'up-1': 1000, 'down-2': 1000, 'down-3': 1000},
    'node_capacity': {str(n): {'mem': 8, 'cpu': 4} for n in (1, 2, 3)},
    'vm_demand': {str(v): {'mem': 2, 'cpu': 1} for v in (7, 8)},
    'vm_location': {'7': 1, '8': 1},
    'migrations': [
        {
            'vm': vm,
            'source': 1,
            'destination': to,
            'bandwidth_mbit_s': 1000,
            'links': ['up-1', f'down-{to}'],
            'duration_s': seconds,
            'release_s': 5,
        }
        for vm, to, seconds in ((7, 2, 10), (8, 3, 20))
    ],
    'lower_bound_s': 30,
    'btrplace': {'seconds': 1.0, 'makespan_s': 70, 'sum_of_ends_s': 100},
}


class TestSchedules(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = pathlib.Path(folder.name)
        (self.data / 'schedules').mkdir()

    def write(self, data, name='some-x1-1.json.gz'):
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        (self.data / 'schedules' / name).write_bytes(gzip.compress(raw))

    def run_it(self, *more, data=None):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = schedules.main(['--data', str(data or self.data), *more])
        return code, out.getvalue(), err.getvalue()

    def assert_refused(self, *words):
        code, out, err = self.run_it()
        self.assertEqual((1, ''), (code, out))
        self.assertEqual(1, err.count('\n'), err)
        for word in words:
            self.assertIn(word, err)

    def test_a_family_is_compared_with_the_bound_and_with_btrplace(self):
        self.write(EXAMPLE)
        self.write({**EXAMPLE, 'btrplace': None}, 'some-x1-2.json.gz')
        code, out, err = self.run_it()
        self.assertEqual((0, ''), (code, err))
        found = json.loads(out)['families']['some-x1']
        self.assertEqual(2, found['n'])
        self.assertEqual(2, found['checked'])
        self.assertEqual(0, found['unsolved'])
        self.assertEqual(0.0, found['gap_max'])
        self.assertEqual(0.16667, found['gap_mean_to_published_bound'])
        self.assertEqual(1.0, found['btrplace_gap_mean'])
        self.assertEqual(0.5, found['sum_of_ends_ratio'])

    def test_one_objective_alone(self):
        self.write(EXAMPLE)
        code, out, _ = self.run_it('--objective', 'ends')
        self.assertEqual((0, ['ends']), (code, json.loads(out)['objectives']))

    def test_a_key_that_is_missing_is_named(self):
        self.write({k: v for k, v in EXAMPLE.items() if k != 'vm_demand'})
        self.assert_refused('some-x1-1.json.gz', "lacks 'vm_demand'")

    def test_what_is_not_json_is_refused(self):
        self.write(b'{')
        self.assert_refused('some-x1-1.json.gz', 'not readable JSON')

    def test_what_is_not_of_the_form_is_refused(self):
        wrong = [{**EXAMPLE['migrations'][0], 'duration_s': 0}]
        for data in (
            [],
            {**EXAMPLE, 'migrations': wrong},
            {**EXAMPLE, 'links_mbit_s': [1]},
            {**EXAMPLE, 'lower_bound_s': 'x'},
        ):
            self.write(data)
            self.assert_refused('some-x1-1.json.gz', 'format')

    def test_an_empty_folder_is_told(self):
        self.assert_refused('schedules', '--data')

    def test_a_real_problem(self):
        real = os.environ.get('TSMIG_DATA')
        if not real:
            self.skipTest('TSMIG_DATA does not name the measurements')
        code, out, _ = self.run_it(
            '--only', 'random_vms_scale-x1-1', data=real
        )
        self.assertEqual(0, code)
        (found,) = json.loads(out)['families'].values()
        self.assertEqual(found['n'], found['checked'])
        self.assertLess(found['gap_max'], 0.05)
