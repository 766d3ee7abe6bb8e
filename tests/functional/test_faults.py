"""A few faults of the benchmark, run with real clients and a real Watcher."""

import testtools

from benchmarks import fault_bed
from benchmarks import faults
from benchmarks.fault_table import FAULTS

NAMES = (
    'records truncated, running',
    'start lost, before the start',
    'migration error, running',
    'destination dies, accepted',
    'source dies, running',
    'post-copy lost, running (post-copy)',
)


class TestFaults(testtools.TestCase):
    def test_their_ends_are_told_and_nothing_is_left_behind(self):
        chosen = [fault for fault in FAULTS if fault.name in NAMES]
        self.assertEqual(len(NAMES), len(chosen))
        rows = faults.tried(fault_bed, chosen)
        self.assertEqual(
            {name: {} for name in NAMES},
            {row['fault']: row['wrong'] for row in rows},
        )
