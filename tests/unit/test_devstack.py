"""The devstack plugin's phases, on files of this test."""

import configparser
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
PLUGIN = TOP / 'devstack'
HARNESS = TOP / 'tests' / 'minicloud' / 'devstack.sh'
WATCHER = '[DEFAULT]\nhost = ctl\n\n[watcher_applier]\nkeep = 1\n'
NOVA = '[DEFAULT]\nhost = compute1\n\n[libvirt]\nvirt_type = qemu\n'


class Base(unittest.TestCase):
    services = 'n-cpu,watcher-api,watcher-decision-engine,watcher-applier'

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.watcher = self.folder / 'watcher.conf'
        self.nova = self.folder / 'nova.conf'
        self.watcher.write_text(WATCHER)
        self.nova.write_text(NOVA)

    def phase(self, *words, **values):
        done = subprocess.run(
            ['bash', str(HARNESS), *words],
            env={
                'PATH': os.environ['PATH'],
                'ENABLED_SERVICES': self.services,
                'WATCHER_CONF': str(self.watcher),
                'NOVA_CONF': str(self.nova),
                'PIP': 'echo pip',
                'TSMIG_USERFAULTFD': 'False',
                'TSMIG_SYSCTL_FILE': str(self.folder / 'sysctl.conf'),
                **values,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    @staticmethod
    def read(path):
        found = configparser.RawConfigParser(default_section='none')
        found.read(path)
        return {name: dict(found.items(name)) for name in found.sections()}


class TestPhases(Base):
    def test_install_puts_the_checkout_into_watchers_environment(self):
        self.assertIn(f'pip install {TOP}', self.phase('stack', 'install'))

    def test_post_config_sets_options_and_keeps_the_others(self):
        self.phase('stack', 'post-config', TSMIG_MAX_CONCURRENT='4')
        watcher = self.read(self.watcher)
        self.assertEqual('2', watcher['watcher_applier']['workers'])
        self.assertEqual('1', watcher['watcher_applier']['keep'])
        libvirt = self.read(self.nova)['libvirt']
        self.assertEqual('True', libvirt['live_migration_permit_post_copy'])
        self.assertEqual('qemu', libvirt['virt_type'])
        # Nova reads it in [DEFAULT]
        text = self.nova.read_text()
        head = text[: text.index('[libvirt]')]
        self.assertIn('max_concurrent_live_migrations = 4', head)

    def test_a_second_time_changes_nothing(self):
        self.phase('stack', 'post-config')
        before = self.watcher.read_text(), self.nova.read_text()
        self.phase('stack', 'post-config')
        after = self.watcher.read_text(), self.nova.read_text()
        self.assertEqual(before, after)

    def test_clean_leaves_what_was_there(self):
        self.phase('stack', 'post-config')
        self.phase('unstack')
        self.assertIn('pip uninstall -y watcher-tsmig', self.phase('clean'))
        for path, text in ((self.watcher, WATCHER), (self.nova, NOVA)):
            before = self.folder / 'before.conf'
            before.write_text(text)
            found = self.read(path)
            left = {name: row for name, row in found.items() if row}
            self.assertEqual(self.read(before), left)
        self.phase('clean')

    def test_a_compute_node_alone_gets_novas_options_only(self):
        self.services = 'n-cpu'
        self.assertNotIn('pip', self.phase('stack', 'install'))
        self.phase('stack', 'post-config')
        self.assertEqual(WATCHER, self.watcher.read_text())
        self.assertIn('libvirt', self.read(self.nova))


class TestShellcheck(unittest.TestCase):
    def test_the_plugin_is_clean(self):
        program = pathlib.Path(sys.executable).parent / 'shellcheck'
        done = subprocess.run(
            [program, '-s', 'bash', '-e', 'SC2154,SC2034']
            + [str(PLUGIN / name) for name in ('plugin.sh', 'settings')],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual('', done.stdout)
