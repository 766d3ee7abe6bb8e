"""The commands of README and documentation, run as they stand there."""

import re
import subprocess
import unittest

from tests.minicloud import stages
from tests.minicloud.bed import CHECKOUT
from tests.minicloud.operators import Operator
from tests.minicloud.stages import COMPUTES

DOCUMENTS = (
    'README.rst',
    'doc/source/install.rst',
    'doc/source/user/tutorial.rst',
    'doc/source/user/strategy.rst',
    'doc/source/user/relief.rst',
)
# What the documents call hosts, and what they are called here.
HOSTS = {
    'cmp-01': 'compute1',
    'cmp-02': 'compute2',
    'cmp-07': 'compute1',
    'cmp-11': 'compute2',
    'cmp-12': 'compute3',
}
COMMAND = re.compile(r'(\w+=\$\()?openstack ')
# A person reads the audit until it has ended.
PATIENCE = r"""
patiently() {
    for _ in $(seq 30); do
        openstack optimize audit list --format value --column State \
            --column 'Audit Type' | grep ONESHOT |
            grep -qE 'PENDING|ONGOING' || return 0
    done
    return 1
}
"""


def commands(text):
    """The commands of the literal blocks, continued lines as one."""
    found, under_way = [], ''
    for line in text.splitlines():
        words = line.strip()
        starts = line.startswith('   ') and COMMAND.match(words)
        if starts or under_way:
            under_way += words.removesuffix('\\')
            if not words.endswith('\\'):
                found.append(under_way)
                under_way = ''
    return found


class TestCommands(unittest.TestCase):
    def setUp(self):
        self.operator = Operator()
        self.addCleanup(self.operator.sweep)
        self.addCleanup(self.operator.end_audits)

    def a_cloud(self):
        self.operator.end_audits()
        self.operator.sweep()
        self.operator.aggregate(
            'nics', list(COMPUTES), **{'tsmig:nic_mbit_s': '1000'}
        )
        for name, host in (
            ('db-1', 'compute2'),
            ('db-2', 'compute3'),
            ('web-4', 'compute1'),
        ):
            server = self.operator.boot(name, host, flavor='tiny')
            self.operator.at_rest(server)

    def test_every_command_that_asks_watcher_works(self):
        for document in DOCUMENTS:
            text = (CHECKOUT / document).read_text()
            asked = [c for c in commands(text) if ' tsmig ' not in c]
            self.assertTrue(asked, document)
            with self.subTest(document=document):
                self.a_cloud()
                self.run_all(asked)

    def run_all(self, asked):
        script = [PATIENCE, 'set -eux']
        for command in asked:
            for name, host in HOSTS.items():
                command = command.replace(f'"{name}"', f'"{host}"')
                command = command.replace(f'={name}"', f'={host}"')
            script.append(command)
            if 'audit create' in command:
                script.append('patiently')
        done = subprocess.run(
            ['bash', '-c', '\n'.join(script)],
            env=self.operator.bed.environment(
                stages.openrc(self.operator.bed)
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.operator.end_audits()
        self.operator.end_plans()
