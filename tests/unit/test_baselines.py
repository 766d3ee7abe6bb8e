"""Published models: hand-worked figures, limits, and vectors."""

import dataclasses
import math
import unittest

import numpy as np

from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.baselines import BASELINES
from watcher_tsmig.forecast.baselines import STOP_BYTES
from watcher_tsmig.forecast.baselines import Situations
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

MB = 1e6


def situations(*rows):
    """Rows of (memory, bandwidth, hot, cold), MB and MB/s; period 2 s."""
    memory, bandwidth, hot, cold = (
        np.array(column) * MB for column in zip(*rows, strict=True)
    )
    n = len(rows)
    curves = fit(
        [
            WorkingSet(
                resident=memory[i],
                samples=(
                    (2.0, hot[i]),
                    (60.0, hot[i] + 58 * cold[i]),
                ),
            )
            for i in range(n)
        ]
    )
    return Situations(
        memory=memory,
        bandwidth=bandwidth,
        dirty_rate=hot / 2.0 + cold,
        hot=hot,
        hot_period=np.full(n, 2.0),
        cold_rate=cold,
        curves=curves,
    )


QUIET = (2000, 100, 0, 0)
BUSY = (2000, 100, 60, 2)
TOO_BUSY = (2000, 100, 400, 2)


class TestBaselines(unittest.TestCase):
    def test_a_vm_that_writes_nothing_takes_memory_over_bandwidth(self):
        longer = {'mvm_published': 9 / 8, 'qemu_developers': 4104 / 4096}
        for name, model in BASELINES.items():
            factor = longer.get(name, 1.0)
            time = model(situations(QUIET)).time[0]
            self.assertAlmostEqual(20.0 * factor, time, places=2, msg=name)

    def test_qemu_s_developers_count_headers_and_pages_of_zeros(self):
        model = BASELINES['qemu_developers']
        quiet = situations(QUIET)
        empty = dataclasses.replace(quiet, zero=np.array([4096e6]))
        longer = model(empty).data[0] - model(quiet).data[0]
        self.assertAlmostEqual(9e6, longer, delta=1.0)
        # counts at growing periods: 60 MB within 2 s, then 2 MB/s
        first = 2000 * MB * 4104 / 4096
        again = (60 * MB + (first / 100e6 - 2) * 2 * MB) * 4104 / 4096
        found = model(situations(BUSY))
        self.assertAlmostEqual(1.0, found.data[0] / (first + again), 1)
        self.assertLessEqual(found.downtime[0], 0.3)
        self.assertEqual(math.inf, model(situations(TOO_BUSY)).time[0])

    def test_mvm_as_worked_by_hand(self):
        # t0 = 2000/62.5 = 32; (96 + 30 x 2)/(62.5 - 2) = 2.5785;
        # 96/62.5 x 48/(62.5 - 48) = 5.0847
        found = BASELINES['mvm'](situations((2000, 62.5, 96, 2)))
        self.assertAlmostEqual(39.6632, found.time[0], places=3)

    def test_mvm_published_is_mvm_on_a_slower_link(self):
        published = BASELINES['mvm_published'](situations(BUSY)).time
        slower = BASELINES['mvm'](situations((2000, 800 / 9, 60, 2))).time
        np.testing.assert_allclose(slower, published)

    def test_mvm_never_ends_below_the_hot_sets_rate(self):
        self.assertEqual(math.inf, BASELINES['mvm'](situations(TOO_BUSY)).time)

    def test_liu_base_is_the_geometric_series(self):
        of = situations((2000, 100, 100, 0))  # lambda = 1/2
        rounds = math.ceil(math.log(STOP_BYTES / (2000 * MB), 0.5))
        found = BASELINES['liu_base'](of)
        self.assertAlmostEqual(
            20.0 * (2 - 0.5**rounds), found.time[0], places=6
        )
        self.assertAlmostEqual(20.0 * 0.5**rounds, found.downtime[0])

    def test_liu_refined_sends_the_hot_set_once_at_the_end(self):
        base = BASELINES['liu_base'](situations(BUSY))
        refined = BASELINES['liu_refined'](situations(BUSY))
        self.assertLess(refined.time[0], base.time[0])
        self.assertGreaterEqual(refined.downtime[0], 0.6)

    def test_akoush_stops_by_xens_rules(self):
        for name in ('akoush_avg', 'akoush_hist'):
            found = BASELINES[name](situations(TOO_BUSY))
            self.assertTrue(math.isfinite(found.time[0]))
            # at most 5 times the memory, as the paper bounds it
            self.assertLessEqual(found.data[0], 5 * 2000 * MB)

    def test_hist_is_our_recursion_but_for_where_it_stops(self):
        of = situations(BUSY)
        rules = Rules(downtime_limit=STOP_BYTES / (100 * MB), efficiency=1.0)
        ours = pre_copy(of.curves, of.bandwidth, rules)
        theirs = BASELINES['akoush_hist'](of)
        np.testing.assert_allclose(ours.t_sum, theirs.time, rtol=1e-3)

    def test_a_vector_is_its_scalars(self):
        rows = (QUIET, BUSY, TOO_BUSY)
        for name, model in BASELINES.items():
            together = model(situations(*rows))
            for i, row in enumerate(rows):
                alone = model(situations(row))
                for field in ('time', 'downtime', 'data'):
                    self.assertEqual(
                        getattr(alone, field)[0],
                        getattr(together, field)[i],
                        (name, field),
                    )

    def test_more_bandwidth_never_takes_longer(self):
        rates = (30, 60, 100, 200, 1000)
        of = situations(*((2000, rate, 20, 2) for rate in rates))
        for name, model in BASELINES.items():
            time = model(of).time
            self.assertTrue(np.all(np.diff(time) <= 0), name)

    def test_nonsense_is_refused(self):
        with self.assertRaisesRegex(ValueError, 'bandwidth'):
            situations((2000, 0, 0, 0))


if __name__ == '__main__':
    unittest.main()
