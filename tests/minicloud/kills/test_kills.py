"""A run that is killed in mid-stage is cleared away, and the next one works.

The mini-cloud is driven from outside, by the commands that a person gives.
"""

import os
import pathlib
import subprocess
import sys
import time
import unittest

from tests.minicloud.bed import CHECKOUT
from tests.minicloud.bed import Bed
from tests.minicloud.operators import eventually

#: stage, and the service whose record says that it is under way
STAGES = (('rabbit', 'rabbit'), ('apis', 'glance'), ('computes', 'compute2'))
# s for a stage to be under way; the first run installs everything
PATIENCE = 900


class TestKills(unittest.TestCase):
    def setUp(self):
        self.bed = Bed(pathlib.Path(os.environ['TSMIG_MINICLOUD']))
        self.addCleanup(self.say, 'down')
        self.say('down')

    def command(self, *words):
        program = [sys.executable, '-m', 'tests.minicloud']
        return [*program, '--bed', str(self.bed.folder), *words]

    def say(self, *words):
        """What a command says; it works."""
        done = subprocess.run(
            self.command(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=CHECKOUT,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def kill_when(self, service):
        """Have `up` killed as soon as the service has been started."""
        before = time.time()

        def started():
            record = self.bed.record(service)
            return record.exists() and record.stat().st_mtime > before

        with subprocess.Popen(
            self.command('up'),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=CHECKOUT,
        ) as run:
            try:
                eventually(
                    service,
                    lambda: started() or run.poll() is not None,
                    PATIENCE,
                )
                self.assertIsNone(run.poll(), 'it ended by itself')
            finally:
                run.kill()

    def test_after_a_kill_in_any_stage_nothing_is_left_and_up_works(self):
        for stage, service in STAGES:
            with self.subTest(stage=stage):
                self.kill_when(service)
                self.assertTrue(self.bed.pids(), 'it was killed too early')
                self.say('down')
                self.assertEqual([], self.bed.pids())
                self.assertIn('nothing is running', self.say('status'))
        # over what a killed run has left, without a `down` between them
        self.kill_when('mariadb')
        self.assertIn('processes of an earlier run ended', self.say('up'))
        self.assertNotIn('does not run', self.say('status'))
