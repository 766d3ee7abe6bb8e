"""The devstack plugin configured this cloud, and takes back what it set."""

import pathlib
import tempfile
import unittest

from tests.minicloud import stages
from tests.minicloud.operators import Operator

SET = ('live_migration_permit_post_copy', 'max_concurrent_live_migrations')


class TestDevstack(unittest.TestCase):
    def test_nova_runs_with_what_the_phases_set_and_clean_takes_it_away(self):
        bed = Operator().bed
        conf = (bed.conf / 'compute1/nova.conf').read_text()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        copy = pathlib.Path(folder.name) / 'nova.conf'
        copy.write_text(conf)
        for phase in ('unstack', 'clean'):
            stages.devstack(
                bed, phase, ENABLED_SERVICES='n-cpu', NOVA_CONF=str(copy)
            )
        for option in SET:
            self.assertIn(option, conf)
            self.assertNotIn(option, copy.read_text())
