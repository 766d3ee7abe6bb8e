"""Our policies against others: the JSON that the benchmark prints."""

import json

import numpy as np

from benchmarks import clouds
from benchmarks import policies
from benchmarks import policy_cells
from tests.unit.test_clouds import KIBI_PER_GIB
from tests.unit.test_clouds import TraceCase
from watcher_tsmig.plan.values import Mode

HOSTS = ('--hosts', '6', '--drain', '2')
FIGURES = {
    'makespan_s',
    'data_gib',
    'lost_gib',
    'lost_share',
    'lost_vm_s',
    'outage_s',
    'harm_vm_s',
    'worst_downtime_s',
    'unfinished',
    'planned_s',
    'post_copies',
}


class PoliciesCase(TraceCase):
    command = staticmethod(policies.main)

    def folder_of_trace(self, **changes):
        random = np.random.default_rng(1)
        return self.trace(
            mem_used_kB=random.uniform(0, 2 * KIBI_PER_GIB, (12, 3)),
            cpu_pct=random.uniform(0, 20, (12, 3)),
            **changes,
        )


class TestPolicies(PoliciesCase):
    def compared(self, *words):
        folder = self.folder_of_trace()
        code, out, _ = self.run_main(
            *('--data', str(folder), *HOSTS),
            *('--at', '1000', '--nic-gbit-s', '1', *words),
        )
        self.assertEqual(0, code)
        return json.loads(out)

    def test_every_cell_tells_ours_and_each_baseline(self):
        found = self.compared()
        self.assertEqual(2, len(found['cells']))
        for cell in found['cells']:
            self.assertEqual(4, cell['vms'])
            self.assertEqual(7, len(cell['baselines']))
            for figures in cell['baselines'].values():
                self.assertEqual(FIGURES, set(figures))
            for name in policies.policies.NAMES:
                verdict = cell[name]
                self.assertEqual(
                    {'ours', *(f'all {mode}' for mode in Mode)},
                    set(verdict['figures']),
                )
                self.assertEqual(verdict['rank'] == 1, verdict['first'])
                self.assertEqual(verdict['rank'] - 1, len(verdict['better']))
        for name in policies.policies.NAMES:
            first = sum(cell[name]['first'] for cell in found['cells'])
            self.assertEqual(f'{first} of 2', found['first'][name])
        # the same input gives the same output, cell by cell
        again = self.compared('--traffic-scale', '100')
        self.assertEqual(again['cells'], found['cells'][1:])

    def test_bad_input_is_one_line(self):
        folder = str(self.folder_of_trace())
        lacking = str(self.trace())
        for words, text in (
            (('--data', lacking), 'lacks the arrays mem_used_kB'),
            (('--data', folder, '--drain', '40'), '--drain'),
            (('--data', folder, '--nic-gbit-s', '0'), '--nic-gbit-s'),
        ):
            code, out, err = self.run_main(*words)
            self.assertEqual((1, ''), (code, out))
            self.assertIn(text, err)


class TestJudge(PoliciesCase):
    def judge(self, policy, **candidates):
        return policies.judge(
            policy,
            {
                name: {
                    'makespan_s': makespan,
                    'harm_vm_s': harm,
                    'toll_s': 0.0,
                    'unfinished': stay,
                }
                for name, (makespan, harm, stay) in candidates.items()
            },
        )

    def test_each_policy_is_judged_by_its_own_price(self):
        found = {
            name: self.judge(
                name, ours=(10.0, 9.0, 0), x=(12.0, 1.0, 0), y=(5.0, 50.0, 0)
            )['better']
            for name in policies.policies.NAMES
        }
        self.assertEqual(
            {'fast': ['y'], 'balanced': ['x'], 'gentle': ['x']}, found
        )

    def test_who_leaves_vms_behind_is_never_better(self):
        found = self.judge('fast', ours=(10.0, 9.0, 0), x=(1.0, 1.0, 1))
        self.assertTrue(found['first'])
        found = self.judge('fast', ours=(1.0, 1.0, 1), x=(10.0, 9.0, 0))
        self.assertEqual(2, found['rank'])


class TestCells(PoliciesCase):
    def cell(self, **changes):
        arrays = clouds.trace(self.folder_of_trace(**changes), policies.ARRAYS)
        return policy_cells.cell(
            arrays,
            0,
            hosts=6,
            drain=2,
            nic=125e6,
            traffic_scale=10.0,
            seed=0,
        )

    def test_the_planner_is_told_something_else_than_is_true(self):
        cell = self.cell()
        for told, true in zip(cell.told.vms, cell.truth.vms, strict=True):
            self.assertEqual(told.traffic, true.traffic)
            self.assertNotEqual(told.working_set, true.working_set)
            self.assertTrue(true.working_set.resident <= true.memory)

    def test_traffic_goes_on_as_the_trace_does(self):
        cell = self.cell()
        self.assertEqual(
            {(300.0, 600.0)},
            {tuple(at for at, _, _ in s) for s in cell.traffic.values()},
        )

    def test_a_missing_sample_changes_nothing(self):
        tx = np.full((12, 3), 5.0)
        tx[:, 1] = np.nan
        cell = self.cell(tx_kBps=tx)
        self.assertEqual({1}, {len(s) for s in cell.traffic.values()})

    def test_what_a_vm_writes_is_a_curve_that_bends(self):
        for vm in self.cell().told.vms:
            d = np.array([0.0, *(d for _, d in vm.working_set.samples)])
            t = np.array([0.0, *policy_cells.HORIZONS])
            rise = np.diff(d) / np.diff(t)
            self.assertTrue((np.diff(rise) <= 1e-6 * rise[0]).all())
            self.assertTrue(d[-1] <= vm.working_set.resident)
