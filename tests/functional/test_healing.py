"""Drains that end: hosts fail, fill and are drained by others meanwhile."""

import contextlib
import io
import json
import logging
import unittest

from benchmarks import healing

CLOUDS = 2


class TestHealing(unittest.TestCase):
    def test_a_host_is_empty_where_there_is_room(self):
        # which the benchmark silences
        logger = logging.getLogger('watcher_tsmig')
        self.addCleanup(logger.setLevel, logger.level)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = healing.main(['--seed', '5', '--clouds', str(CLOUDS)])
        self.assertEqual(0, status)
        found = json.loads(out.getvalue())
        ours = found['totals'][healing.OURS]
        self.assertGreaterEqual(ours['with_room'], CLOUDS)
        self.assertEqual(ours['with_room'], ours['emptied'])
        for name in ('reported_empty_but_not', 'vms_in_error', 'vms_lost'):
            self.assertEqual(0, ours[name], name)
        # what befalls them is not nothing
        others = [t for n, t in found['totals'].items() if n != healing.OURS]
        self.assertLess(
            min(other['emptied'] for other in others), ours['emptied']
        )
