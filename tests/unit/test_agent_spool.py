"""The file in which an agent tells what it measured by itself."""

import configparser
import json
import math
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

from tests.unit.test_agent import OTHER
from tests.unit.test_agent import VM
from watcher_tsmig import errors
from watcher_tsmig import files
from watcher_tsmig.agent import spool
from watcher_tsmig.agent.spool import Value
from watcher_tsmig.telemetry import Settings

ROOT = pathlib.Path(__file__).parents[2]
VALUES = {
    VM: {
        'memory.dirty.t1': Value(value=1e6, at=1000.5),
        'memory.written.zero': Value(value=0.25, at=990.0),
    },
    OTHER: {},
}
SPENT = {'cpu': 0.5, 'seconds': 100.0, 'budget': 0.02}


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / 'writing.json'


class TestFile(Base):
    def test_what_is_written_is_read(self):
        spool.write(self.path, VALUES, SPENT)
        self.assertEqual(VALUES, spool.read(self.path))
        told = json.loads(self.path.read_text())
        self.assertEqual(SPENT, told['spent'])

    def test_its_group_may_read_it_whatever_the_mask_and_nobody_else(self):
        self.addCleanup(os.umask, os.umask(0o077))
        spool.write(self.path, VALUES, SPENT)
        self.assertEqual(0o640, stat.S_IMODE(self.path.stat().st_mode))
        files.replace(self.path, '')
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))

    def test_one_that_cannot_be_written_leaves_the_old_one(self):
        spool.write(self.path, VALUES, SPENT)
        self.addCleanup(setattr, spool, 'MAX_BYTES', spool.MAX_BYTES)
        spool.MAX_BYTES = 20
        with self.assertRaisesRegex(errors.InputError, 'would be larger'):
            spool.write(self.path, {}, SPENT)
        spool.MAX_BYTES = 1000
        self.assertEqual(VALUES, spool.read(self.path))
        self.assertEqual([self.path], list(self.path.parent.iterdir()))

    def test_a_thousand_guests_fit(self):
        one = {name: Value(value=123456789.123, at=1796020845.123456)
               for name in spool.metrics()}  # fmt: skip
        values = {f'{VM[:-4]}{i:04}': one for i in range(5000)}
        spool.write(self.path, values, SPENT)
        self.assertEqual(5000, len(spool.read(self.path)))

    def test_what_a_newer_agent_tells_besides_is_left_out(self):
        told = {'memory.dirty.t1': [1.0, 2.0], 'memory.new': ['x']}
        self.path.write_text(
            json.dumps({'format': '1', 'more': 1, 'vms': {VM: told}})
        )
        found = spool.read(self.path)
        self.assertEqual(
            {VM: {'memory.dirty.t1': Value(value=1.0, at=2.0)}}, found
        )

    def test_what_is_no_spool_is_refused_by_its_name(self):
        for text in (
            '', '{', '[]', '7', 'null', '{"format": "1"}',
            '{"format": "2", "vms": {}}', '{"format": "1", "vms": []}',
            '{"format": "1", "vms": {"x": []}}', '[' * 100000,
            *(
                f'{{"format": "1", "vms": {{"x": {{"memory.nonzero": {v}}}}}}}'
                for v in ('1', '[1]', '[1, NaN]', '[-1, 1]', '["a", 1]',
                          '[null, 1]', '[Infinity, 1]')
            ),
        ):  # fmt: skip
            with self.subTest(text=text[:60]):
                self.path.write_text(text)
                with self.assertRaisesRegex(
                    errors.InputError, 'writing.json: is no spool'
                ):
                    spool.read(self.path)

    def test_one_that_is_too_large_is_not_read(self):
        self.path.write_bytes(b' ' * (spool.MAX_BYTES + 1))
        with self.assertRaisesRegex(errors.InputError, 'larger than 8 MiB'):
            spool.read(self.path)

    def test_one_that_is_not_there_is_told(self):
        with self.assertRaisesRegex(errors.InputError, 'No such file'):
            spool.read(self.path)

    def test_a_value_is_a_number_of_a_time(self):
        for wrong in (-1.0, math.nan, math.inf):
            for name in ('value', 'at'):
                with self.assertRaises(errors.InputError):
                    Value(**{'value': 0.0, 'at': 0.0, name: wrong})


class TestNames(unittest.TestCase):
    """One table of metrics, and everybody who names them."""

    def test_the_planner_reads_what_is_written(self):
        read = {*Settings().dirty_metrics(), Settings().nonzero_metric}
        self.assertEqual(set(), read - set(spool.metrics()))

    def test_each_has_a_pollster_of_its_name(self):
        parser = configparser.ConfigParser()
        parser.optionxform = str
        parser.read(ROOT / 'setup.cfg')
        lines = parser['entry_points']['ceilometer.poll.compute'].split('\n')
        found = dict(line.split(' = ') for line in lines if line)
        self.assertEqual(list(spool.metrics()), list(found))
        where = 'watcher_tsmig.agent.pollster'
        self.assertEqual(
            [
                f'{where}:' + name.removeprefix('memory.').replace('.', '_')
                for name in found
            ],
            list(found.values()),
        )

    def test_the_samples_for_ceilometer_name_each(self):
        folder = ROOT / 'etc/ceilometer'
        polled = (folder / 'polling.yaml').read_text()
        kept = (folder / 'gnocchi_resources.yaml').read_text()
        for name in spool.metrics():
            self.assertEqual(1, polled.count(f'      - {name}\n'), name)
            self.assertEqual(1, kept.count(f'      {name}:\n'), name)

    def test_ceilometers_environment_needs_no_more_than_oslo_config(self):
        code = (
            'import sys; import watcher_tsmig.agent.spool; print(*sys.modules)'
        )
        done = subprocess.run(
            [sys.executable, '-c', code], cwd=ROOT, check=True, timeout=60,
            capture_output=True, text=True,
        )  # fmt: skip
        tops = {name.partition('.')[0] for name in done.stdout.split()}
        for other in ('gnocchiclient', 'openstack', 'numpy', 'jsonschema'):
            self.assertNotIn(other, tops)
