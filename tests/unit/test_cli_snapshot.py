"""`openstack optimize tsmig snapshot` on files, without a cloud."""

import io
import json
import pathlib
import stat

import fixtures
import testtools
from cliff import app
from cliff import commandmanager

from tests.unit import builders
from watcher_tsmig.cli import snapshots
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Spread
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import snapshot

COMMANDS = {
    'show': snapshots.Show,
    'validate': snapshots.Validate,
    'anonymise': snapshots.Anonymise,
}


class Client(app.App):
    """A cliff program with these commands."""

    def configure_logging(self):
        """The test listens instead."""


class TestSnapshot(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(format='%(message)s'))
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = self.folder / 'rack7.json'
        self.cloud = builders.cloud(
            'a b',
            builders.vm('one', 'a', state='active'),
            builders.vm('two', 'b', state='stopped', active=False),
            b=builders.host('b', up=False, nic=None),
        )
        snapshot.dump(self.cloud, self.path)

    def run_it(self, *args):
        """Exit code and standard output of a command."""
        out = io.StringIO()
        commands = commandmanager.CommandManager('tsmig.none')
        for name, command in COMMANDS.items():
            commands.add_command(name, command)
        client = Client('test', '0', commands, stdout=out, stderr=out)
        return client.run(list(map(str, args))), out.getvalue()

    def fails(self, *args):
        """The error's one line."""
        code, _ = self.run_it(*args)
        self.assertEqual(1, code)
        lines = self.log.output.strip().splitlines()
        self.assertEqual(1, len(lines), lines)
        return lines[0]

    def shown(self, *args):
        code, text = self.run_it(*args, '-f', 'json')
        self.assertEqual(0, code, self.log.output)
        return json.loads(text)

    def test_what_is_in_it_is_shown(self):
        found = self.shown('show', self.path)
        self.assertEqual(2, found['Hosts'])
        self.assertEqual([1, 2], found['Hosts up'])
        self.assertEqual([1, 2], found['Hosts with a known NIC'])
        self.assertEqual([1, 2], found['VMs that move live'])
        self.assertEqual(8e9, found['Memory of VMs'])
        self.assertIsNone(found['Taken at'])
        self.assertIsNone(found['Age of the oldest traffic'])
        _, text = self.run_it('show', self.path)
        self.assertRegex(text, r'\| Hosts up +\| 1 of 2')

    def test_nics_that_may_be_full_are_counted(self):
        def host(name, **given):
            return builders.host(name, nic=Nic(capacity=125e6, **given))

        cloud = builders.cloud(
            'a b c',
            a=host('a', upper_tx=2e8, upper_rx=1e6),
            b=host('b', upper_tx=1e6, upper_rx=1e6),
            c=host('c', upper_rx=125e6),
        )
        snapshot.dump(cloud, self.path)
        found = self.shown('show', self.path)
        self.assertEqual([2, 3], found['NICs that may be full'])
        self.assertEqual(cloud, snapshot.load(self.path))

    def test_who_bursts_most_is_named(self):
        def vm(name, tx_share, rx_share):
            spreads = {
                way: Spread(p50=1.0, p95=2.0, bursts=share, watched=86400.0)
                for way, share in (
                    ('tx_spread', tx_share),
                    ('rx_spread', rx_share),
                )
            }
            traffic = Traffic(tx=1.0, rx=1.0, **spreads)
            return builders.vm(name, 'a', traffic=traffic)

        cloud = builders.cloud(
            'a',
            *(vm(f'vm{i}', 0.01, (10 + i) / 100) for i in range(5)),
            vm('calm', 0.001, 0.001),
            builders.vm('unknown', 'a'),
        )
        snapshot.dump(cloud, self.path)
        found = self.shown('show', self.path)
        self.assertEqual([6, 7], found['VMs with known bursts'])
        self.assertEqual(
            {'vm4': 0.14, 'vm3': 0.13, 'vm2': 0.12},
            found['Most exposed to bursts'],
        )
        _, text = self.run_it('show', self.path)
        self.assertIn('vm4 (8 min an hour)', text)
        # and what was written is what is read
        self.assertEqual(cloud, snapshot.load(self.path))

    def test_where_nobody_bursts_nobody_is_named(self):
        found = self.shown('show', self.path)
        self.assertEqual([0, 2], found['VMs with known bursts'])
        self.assertEqual({}, found['Most exposed to bursts'])

    def test_the_age_of_traffic_is_at_the_time_of_the_snapshot(self):
        document = json.loads(self.path.read_text())
        document['cloud']['taken_at'] = 86400.0
        for vm, at in zip(
            document['cloud']['vms'], (86100.0, 86300.0), strict=True
        ):
            vm['traffic']['measured_at'] = at
        self.path.write_text(json.dumps(document))
        found = self.shown('show', self.path)
        self.assertEqual(300.0, found['Age of the oldest traffic'])
        _, text = self.run_it('show', self.path)
        self.assertIn('1970-01-02 00:00:00 UTC', text)

    def test_one_that_can_be_used_is_valid(self):
        code, text = self.run_it('validate', self.path)
        self.assertEqual((0, f'{self.path}: 2 hosts, 2 VMs\n'), (code, text))

    def test_one_that_cannot_is_an_error_with_its_place(self):
        self.path.write_text(self.path.read_text().replace('"a"', '"c"', 1))
        self.assertIn(
            'is not among the hosts', self.fails('validate', self.path)
        )

    def test_no_file_is_an_error(self):
        self.assertIn(
            'none.json', self.fails('show', self.folder / 'none.json')
        )

    def test_other_names_are_written_for_the_owner_only(self):
        out, key = self.folder / 'out.json', self.folder / 'key'
        key.write_text('0123456789abcdef\n')
        found = self.shown('anonymise', self.path, out, '--key-file', key)
        self.assertEqual(2, found['VMs'])
        self.assertEqual(0o600, stat.S_IMODE(out.stat().st_mode))
        again = self.folder / 'again.json'
        self.shown('anonymise', self.path, again, '--key-file', key)
        self.assertEqual(out.read_text(), again.read_text())
        self.assertNotIn('"one"', out.read_text())

    def test_without_a_key_nobody_can_tell_the_names(self):
        texts = set()
        for name in ('first', 'second'):
            self.shown('anonymise', self.path, self.folder / name)
            texts.add((self.folder / name).read_text())
        self.assertEqual(2, len(texts))
        for text in texts:
            self.assertIsInstance(snapshot.loads(text), Cloud)

    def test_a_key_that_is_short_or_away_is_an_error(self):
        key = self.folder / 'key'
        given = ('anonymise', self.path, self.folder / 'out')
        self.assertIn('cannot be read', self.fails(*given, '--key-file', key))
        key.write_text('short')
        self.log = self.useFixture(fixtures.FakeLogger(format='%(message)s'))
        self.assertIn('fewer than 16', self.fails(*given, '--key-file', key))
        self.assertFalse((self.folder / 'out').exists())
