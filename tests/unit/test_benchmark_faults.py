"""The table of faults, and what the benchmark makes of what a run ends with.

Faults themselves run in tests/functional/test_faults.py.
"""

import contextlib
import copy
import dataclasses
import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from benchmarks import fault_bed
from benchmarks import fault_cells
from benchmarks import fault_proxy
from benchmarks import fault_strikes
from benchmarks import faults
from benchmarks.fault_places import LEFT_OUT
from benchmarks.fault_places import left_out
from benchmarks.fault_table import CALLS
from benchmarks.fault_table import FAULTS
from benchmarks.fault_values import End
from benchmarks.fault_values import Fault
from benchmarks.fault_values import OnWatcher
from benchmarks.fault_values import Requests
from watcher_tsmig.playground import web

FAULT = Fault(
    name='x', step='running', ends=frozenset({End.STAYED}), says='is down'
)
GOOD = {
    'fault': 'x',
    'says': None,
    'seconds': 3.0,
    'struck': [1],
    'looks': [('SUCCEEDED', 'c-source is empty.')],
    'vms': {
        name: {
            'end': 'arrived',
            'capped': False,
            'there': False,
            'tried': ['one', 'two', 'one'],
            'failed': ['one'],
            'action': ['SUCCEEDED'],
            'says': ['arrived'],
        }
        for name in ('c-a', 'c-b')
    },
}


class TestTable(unittest.TestCase):
    def test_it_is_long_and_each_row_has_a_name_of_its_own(self):
        self.assertGreaterEqual(len(FAULTS), 40)
        self.assertEqual(len(FAULTS), len({f.name for f in FAULTS}))

    def test_every_call_of_a_migration_is_struck(self):
        struck = {
            s.call
            for f in FAULTS
            for s in f.strikes
            if isinstance(s, Requests)
        }
        self.assertEqual(set(CALLS), struck)

    def test_its_patterns_are_good_ones(self):
        places = dict.fromkeys(('vm', 'source', 'destination'), 'x')
        for pattern in CALLS.values():
            re.compile(pattern.format(**places))
        for fault in FAULTS:
            for words in (fault.says, *fault.of.values()):
                re.compile(words)

    def test_what_strikes_a_machine_is_known(self):
        for fault in FAULTS:
            for strike in fault.strikes:
                if isinstance(strike, OnWatcher):
                    self.assertTrue(fault.alone)
                    self.assertIn(strike.what, fault_strikes.MACHINE)
                    self.assertIn(strike.at.status, fault_strikes.ORDER)


class TestPlaces(unittest.TestCase):
    def test_what_is_left_out_of_a_cloud_is_told_with_its_reason(self):
        for cloud, rows in LEFT_OUT.items():
            self.assertIn(cloud, faults.BEDS)
            for name, _ in rows:
                self.assertTrue(any(re.match(name, f.name) for f in FAULTS))

    def test_at_least_40_are_tried_on_each(self):
        for cloud in faults.BEDS:
            tried = [f for f in FAULTS if not left_out(cloud, f)]
            self.assertGreaterEqual(len(tried), 40)


class TestWatch(unittest.TestCase):
    def setUp(self):
        self.watch = fault_proxy.Watch()
        self.struck = []

    def await_(self, status, after=0.0):
        self.watch.when('a', status, after, lambda: self.struck.append(status))

    def test_what_is_due_at_a_status_happens_once_and_for_its_vm_alone(self):
        self.await_('running')
        self.watch.seen('b', 'running')
        self.watch.seen('a', 'preparing')
        self.assertEqual([], self.struck)
        self.watch.seen('a', 'running')
        self.watch.seen('a', 'running')
        self.assertEqual(['running'], self.struck)

    def test_a_status_that_nobody_saw_is_due_with_the_next(self):
        self.await_('preparing')
        self.watch.seen('a', 'completed')
        self.assertEqual(['preparing'], self.struck)

    def test_a_failure_is_no_step_on_the_way(self):
        self.await_('running')
        self.watch.seen('a', 'failed')
        self.assertEqual([], self.struck)

    def test_what_is_forgotten_does_not_happen(self):
        self.await_('running')
        self.watch.forget(['a'])
        self.watch.seen('a', 'running')
        self.assertEqual([], self.struck)


class TestProxy(unittest.TestCase):
    """In front of a service that has files for answers."""

    def setUp(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / 'v2.1').mkdir()
        self.records = folder / 'v2.1/os-migrations'
        real = subprocess.Popen(
            [*(sys.executable, '-u', '-m', 'http.server', '0')]
            + [f'--directory={folder}', '--bind=127.0.0.1'],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.addCleanup(real.wait)
        self.addCleanup(real.stdout.close)
        self.addCleanup(real.kill)
        port = re.search('port ([0-9]+)', real.stdout.readline())[1]
        self.origin = f'http://127.0.0.1:{port}'
        self.watch = fault_proxy.Watch()
        self.proxy = fault_proxy.Beyond(self.origin, self.watch)

    def get(self, path):
        return self.proxy.serve(
            web.Request(
                method='GET',
                path=path,
                base='http://proxy/compute',
                query={'limit': ['2']},
                headers={'host': 'proxy'},
                body=b'',
            )
        )

    def test_an_answer_is_handed_on_with_its_links_to_the_proxy(self):
        body = {'migrations': [], 'self': f'{self.origin}/v2.1/'}
        self.records.write_text(json.dumps(body))
        found = self.get('/v2.1/os-migrations')
        self.assertEqual(200, found.status)
        self.assertEqual('http://proxy/compute/v2.1/', found.body['self'])
        self.assertIn('Last-Modified', found.headers)

    def test_a_refusal_is_handed_on(self):
        self.assertEqual(404, self.get('/v2.1/servers/a').status)

    def test_what_it_tells_of_a_migration_is_seen_before_it_is_given(self):
        record = {'instance_uuid': 'a', 'status': 'running'}
        self.records.write_text(json.dumps({'migrations': [record]}))
        seen = []
        self.watch.when('a', 'running', 0.0, lambda: seen.append('a'))
        self.get('/v2.1/os-migrations')
        self.assertEqual(['a'], seen)


class TestJudge(unittest.TestCase):
    def wrong(self, change):
        row = copy.deepcopy(GOOD)
        row['vms']['c-a'] |= {'end': 'stayed', 'says': ['cmp-1 is down']}
        change(row, row['vms']['c-a'])
        found = faults.judge(FAULT, row)
        self.assertEqual(set(faults.TOTALS), set(found))
        return {name: n for name, n in found.items() if n}

    def test_what_is_as_it_should_be_has_nothing(self):
        self.assertEqual({}, self.wrong(lambda row, vm: None))

    def test_each_total_is_seen(self):
        def empty(row, vm):
            vm['there'] = True

        def later(row, vm):
            other = row['vms']['c-b']
            other |= {'action': ['FAILED'], 'says': []}
            row['says'] = ''

        for name, change in (
            ('caps_left', lambda row, vm: vm.update(capped=True)),
            ('duplicate_starts', lambda row, vm: vm['tried'].append('one')),
            ('hung', lambda row, vm: row.update(seconds=None)),
            ('unexplained', lambda row, vm: vm.update(says=['it failed'])),
            ('unexplained', lambda row, vm: vm.update(says=[None])),
            ('unexplained', later),
            ('reported_empty_but_not', empty),
            ('unexpected_ends', lambda row, vm: vm.update(end='arrived')),
            ('not_struck', lambda row, vm: row.update(struck=[0])),
        ):
            with self.subTest(name):
                self.assertEqual({name: 1}, self.wrong(change))

    def test_an_end_may_have_words_of_its_own(self):
        fault = dataclasses.replace(
            FAULT,
            ends=frozenset({End.STAYED, End.SPLIT}),
            of={End.SPLIT: 'correct its host'},
        )
        for end, said, unexplained in (
            ('stayed', 'cmp-1 is down', 0),
            ('split', 'cmp-1 is down', 1),
            ('split', 'it runs on cmp-2; correct its host in Nova', 0),
        ):
            with self.subTest(end=end, said=said):
                row = copy.deepcopy(GOOD)
                row['vms']['c-a'] |= {'end': end, 'says': [said]}
                found = faults.judge(fault, row)
                self.assertEqual(unexplained, found['unexplained'])

    def test_a_host_that_is_told_not_to_be_empty_may_have_vms(self):
        def told(row, vm):
            vm['there'] = True
            row['looks'] = [('FAILED', 'c-source is not empty: c-a')]

        self.assertEqual({}, self.wrong(told))


class TestWaves(unittest.TestCase):
    def test_every_fault_runs_once_and_who_strikes_all_runs_alone(self):
        blocks = fault_bed.blocks(FAULTS)
        ran = [f for waves in blocks for wave in waves for f in wave]
        self.assertEqual(
            sorted(f.name for f in FAULTS), sorted(f.name for f in ran)
        )
        for waves in blocks:
            for wave in waves:
                self.assertLessEqual(len(wave), fault_bed.AT_ONCE)
                if any(f.alone for f in wave):
                    self.assertEqual(1, len(wave))

    def test_its_bed_has_seats_for_the_widest(self):
        fault = Fault(name='a', step='', ends=frozenset())
        writer = Fault(name='b', step='', ends=frozenset(), writer=True)
        found = fault_cells.cells([[fault, writer], [fault, fault]])
        self.assertEqual([False, False, True], [c.writer for c in found])


class TestCommand(unittest.TestCase):
    def run_main(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = faults.main(words)
        return code, out.getvalue(), err.getvalue()

    def test_it_lists_what_it_would_run(self):
        code, out, _ = self.run_main('--list', '--only', 'Watcher killed')
        self.assertEqual(0, code)
        self.assertEqual(5, len(out.splitlines()))

    def test_it_lists_what_it_would_run_in_the_mini_cloud(self):
        _, all_of_them, _ = self.run_main('--list')
        code, out, _ = self.run_main('--list', '--cloud', 'mini')
        self.assertEqual(0, code)
        self.assertNotIn('agent lying', out)
        self.assertLess(set(out.split('\n')), set(all_of_them.split('\n')))

    def test_a_name_that_no_fault_has_is_refused(self):
        code, out, err = self.run_main('--only', 'nobody knows')
        self.assertEqual((1, ''), (code, out))
        self.assertIn('--only', err)
