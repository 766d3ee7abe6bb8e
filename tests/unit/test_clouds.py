"""Clouds from traces: real ones where they are, small ones always."""

import contextlib
import io
import json
import os
import pathlib

import fixtures
import numpy as np
import testtools

from benchmarks import clouds

KIBI_PER_GIB = 1024.0**2


class TraceCase(testtools.TestCase):
    command = staticmethod(clouds.main)

    def run_main(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = self.command(words)
        return code, out.getvalue(), err.getvalue()

    def folder(self):
        return pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def trace(self, name='any.npz', **changes):
        """A folder with a trace of 12 VMs at 3 instants."""
        random = np.random.default_rng(0)
        arrays = {
            'epoch_s': np.array([1000, 1300, 1600]),
            'rx_kBps': random.uniform(0, 900, (12, 3)).astype(np.float32),
            'tx_kBps': random.uniform(0, 900, (12, 3)).astype(np.float32),
            'mem_prov_kB': np.full((12, 3), 4 * KIBI_PER_GIB),
        }
        arrays.update(changes)
        folder = self.folder()
        np.savez(
            folder / name, **{k: v for k, v in arrays.items() if v is not None}
        )
        return folder


class TestClouds(TraceCase):
    def drain(self, folder, *words):
        code, out, err = self.run_main(
            '--data', str(folder), '--hosts', '6', '--drain', '2', *words
        )
        self.assertEqual('', err)
        self.assertEqual(0, code)
        return json.loads(out)

    def test_a_plan_is_made_and_judged(self):
        found = self.drain(self.trace())
        self.assertEqual('ok', found['checker'])
        self.assertEqual(4, found['vms'])
        self.assertGreaterEqual(found['makespan_s'], found['lower_bound_s'])

    def test_vms_that_do_not_exist_at_the_instant_are_left_away(self):
        memory = np.full((12, 3), 4 * KIBI_PER_GIB)
        memory[:4, 1] = np.nan
        memory[4, 1] = 0.0
        folder = self.trace(mem_prov_kB=memory)
        self.assertEqual(7, self.drain(folder)['vms_in_cloud'])
        self.assertEqual(
            12, self.drain(folder, '--at', '1000')['vms_in_cloud']
        )

    def test_missing_samples_are_unknown_traffic(self):
        arrays = clouds.trace(
            self.trace(tx_kBps=np.full((12, 3), np.nan, dtype=np.float32))
        )
        built = clouds.cloud(arrays, 1, hosts=3, nic=125e6, traffic_scale=1.0)
        self.assertEqual({None}, {vm.traffic for vm in built.vms})

    def test_wrong_input_is_one_line(self):
        hosts = ('--hosts', '6', '--drain', '2')
        broken = self.folder()
        (broken / 'x.npz').write_bytes(b'no archive')
        for folder, words, text in (
            (self.folder(), hosts, 'has neither'),
            (broken, hosts, 'not a readable .npz file'),
            (self.trace(tx_kBps=None), hosts, 'lacks the arrays tx_kBps'),
            (self.trace(), ('--hosts', '2', '--drain', '2'), '--drain'),
            (
                self.trace(mem_prov_kB=np.zeros((12, 3))),
                hosts,
                'no VM of the trace',
            ),
        ):
            code, out, err = self.run_main('--data', str(folder), *words)
            self.assertEqual((1, ''), (code, out))
            self.assertIn(text, err)
            self.assertEqual(1, len(err.splitlines()))


class TestBitbrains(TraceCase):
    def test_the_drain_of_20_of_100_hosts(self):
        data = os.environ.get('TSMIG_DATA', '')
        if not (pathlib.Path(data) / clouds.FILE).is_file():
            self.skipTest(
                f'{clouds.FILE} is not in the folder that TSMIG_DATA names'
            )
        code, out, _ = self.run_main('--data', data)
        found = json.loads(out)
        self.assertEqual((0, 'ok'), (code, found['checker']))
        self.assertGreater(found['vms'], 0)
        self.assertGreaterEqual(found['gap'], 0)
