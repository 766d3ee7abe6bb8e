"""Every command in README and documentation is run by a test.

Commands are taken from the texts themselves. What asks Watcher is run in the
mini-cloud (tests/minicloud/cases/test_documents.py), the scripts by
continuous integration, and the rest here, as it stands there.
"""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import unittest

import fixtures
import testtools

from tests.functional.fixtures import Playground
from tests.minicloud.cases import test_documents as in_the_cloud

#: Ask a cloud; a doctor who finds something to mend ends with 1
ASKS_CLOUD = re.compile(r'openstack optimize tsmig (doctor|snapshot create)')
DATA = os.environ.get('TSMIG_DATA', '')
ROOT = pathlib.Path(__file__).parents[2]
TEXTS = ('README.rst', *sorted((ROOT / 'doc/source').rglob('*.rst')))
PROGRAM = re.compile(
    r'(\w+=\$\()?(\.venv/bin/)?'
    r'(sh|pip|python|openstack|oslo-config-generator|benchmarks\.\w+) '
)
INLINE = re.compile(r'``([^`]+)``')
ASKS_WATCHER = re.compile(r'(\w+=\$\()?openstack optimize (?!tsmig)')
HERE = re.compile(
    r'(\.venv/bin/)?python -m|openstack optimize tsmig|oslo-config-generator'
)
#: not run by any test, and why
BY_HAND = {
    'sh tools/matrix.sh': 'some minutes a release',
    'sh tools/mutants.sh': 'hours; its parts have tests of their own',
    'sh tools/minicloud.sh test --watcher RELEASE': 'as above; CI has 17',
    'sh tools/lab.sh full': 'hours; `smoke` runs the same in short',
    'sh tools/minicloud.sh libvirt': 'slow; fetches the kit',
    'benchmarks.overhead --guests 1,5,20': 'a quarter of an hour, as root',
    'sh tools/demo.sh --serve': 'serves until it is interrupted; `demo.sh` '
    'runs what it serves',
    'pip install --constraint upper-constraints.txt /path/to/watcher-tsmig': (
        'the mini-cloud installs the checkout so, by the devstack plugin'
    ),
}
SERVES = 'watcher_tsmig.playground'
PATIENCE = 600


def blocks(text):
    """The commands of the literal blocks, continued lines as one."""
    found, under_way = [], ''
    for line in text.splitlines():
        words = line.strip().removeprefix('$ ')
        if under_way or (line.startswith('   ') and PROGRAM.match(words)):
            under_way += ' ' + words.removesuffix('\\')
            if not words.endswith('\\'):
                found.append(' '.join(under_way.split()))
                under_way = ''
    return found


def inlines(text):
    """The commands in running text."""
    quoted = [' '.join(part.split()) for part in INLINE.findall(text)]
    return [part for part in quoted if PROGRAM.match(part)]


def all_of(kind):
    """Each command with the text that has it."""
    return sorted(
        {
            (command, str(path))
            for path in TEXTS
            for command in kind((ROOT / path).read_text())
        }
    )


def steps():
    """What continuous integration runs."""
    lines = (ROOT / '.ci/run').read_text().splitlines()
    return {
        f'sh {line.removeprefix("step ")}'
        for line in lines
        if line.startswith('step ')
    }


def in_ci(command):
    """Whether a step does it, with or without a choice of tests."""
    ran = steps() | {'sh tools/minicloud.sh up'}
    return any(command == s or command.startswith(s + ' test_') for s in ran)


def by_hand(command):
    """Whether it is listed with a reason."""
    return any(command.startswith(known) for known in BY_HAND)


class TestCommands(testtools.TestCase):
    def test_every_command_is_run_by_somebody(self):
        for command, path in all_of(blocks):
            if ASKS_WATCHER.match(command):
                documents = {str(ROOT / d) for d in in_the_cloud.DOCUMENTS}
                self.assertIn(str(ROOT / path), documents, command)
                continue
            known = HERE.match(command) or in_ci(command) or by_hand(command)
            self.assertTrue(known, f'{path}: no test runs: {command}')

    def test_every_script_in_running_text_is_run_by_somebody(self):
        for command, path in all_of(inlines):
            if command.startswith('sh '):
                self.assertTrue(
                    in_ci(command) or by_hand(command),
                    f'{path}: no test runs: {command}',
                )

    def test_what_is_said_to_be_done_by_hand_is_there(self):
        text = ' '.join((ROOT / path).read_text() for path in TEXTS)
        for command in BY_HAND:
            self.assertIn(command, ' '.join(text.split()))

    def test_usages_name_options_that_exist(self):
        for command, path in all_of(inlines):
            words = command.removeprefix('python -m ').split()
            if not words[0].startswith('benchmarks.'):
                continue
            helped = self.run_one(f'python -m {words[0]} --help', ROOT)
            for word in words:
                option = word.strip('[]')
                if option.startswith('--'):
                    self.assertIn(option, helped, f'{path}: {command}')

    def test_the_others_work_as_they_stand(self):
        self.run_all(lambda command: ' DIR' not in command)

    @unittest.skipUnless(DATA, 'TSMIG_DATA names no folder of measurements')
    def test_those_that_read_measurements_work_too(self):
        self.run_all(lambda command: ' DIR' in command)

    def run_all(self, chosen):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'benchmarks').symlink_to(ROOT / 'benchmarks')
        (folder / 'rack7.json').write_text(snapshot())
        commands = [
            (command, path)
            for command, path in all_of(blocks)
            if HERE.match(command) and chosen(command)
        ]
        self.assertTrue(commands)
        for command, path in commands:
            if ASKS_CLOUD.match(command):
                continue
            command = command.replace(' DIR', f' {DATA}')
            command = command.replace('--out doc/source', '--out made')
            with self.subTest(path=path, command=command):
                self.run_one(command, folder)

    def test_those_that_ask_a_cloud_work_on_the_playground(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        cloud = self.useFixture(Playground(watcher=True))
        commands = [c for c, _ in all_of(blocks) if ASKS_CLOUD.match(c)]
        self.assertTrue(commands)
        for command in commands:
            with self.subTest(command=command):
                ends = (0, 1) if ' doctor' in command else (0,)
                self.run_one(command, folder, ends, cloud.env)

    def run_one(self, command, folder, ends=(0,), env=None):
        """What it says; it ends well, or serves until it is told to end."""
        words = shlex.split(command.removeprefix('.venv/bin/'))
        programs = pathlib.Path(sys.executable).parent
        words[0] = str(programs / words[0])
        serves = SERVES in words
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env={**os.environ, **(env or {}), 'PYTHONPATH': str(ROOT)},
        )
        with process:
            said = ''
            if serves:
                said = process.stdout.readline()
                process.send_signal(signal.SIGINT)
            try:
                said += process.communicate(timeout=PATIENCE)[0]
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        self.assertIn(process.returncode, (*ends, -signal.SIGINT), said)
        return said


def snapshot():
    """The one that the documentation shows."""
    text = (ROOT / 'doc/source/user/snapshot.rst').read_text()
    block = text.partition('.. code-block:: json\n')[2]
    lines = []
    for line in block.splitlines():
        if line and not line.startswith('   '):
            break
        lines.append(line)
    return '\n'.join(lines)
