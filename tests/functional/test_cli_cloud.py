"""The commands that ask a cloud, on the playground's real HTTP APIs.

By the real clients; whatever is wrong with a cloud is told, never raised.
"""

import contextlib
import io
import json
import pathlib
import time
import types
from unittest import mock

import fixtures as testing
import testtools
from cliff import app
from cliff import commandmanager

from tests.functional import fixtures
from watcher_tsmig.cli import doctor
from watcher_tsmig.cli import snapshots
from watcher_tsmig.model import snapshot
from watcher_tsmig.playground.cloud.rack import rack

COMMANDS = {'doctor': doctor.Doctor, 'snapshot create': snapshots.Create}
#: What may be wrong with an API: of a request that matches, and by what
#: severity the doctor's check of rights or services tells it.
WRONG = (
    ('compute', {'kind': 'status', 'status': 500}, 'error'),
    ('compute', {'kind': 'status', 'status': 403}, 'error'),
    ('compute', {'kind': 'status', 'status': 200}, 'error'),
    ('compute', {'kind': 'truncated'}, 'error'),
    ('compute', {'kind': 'silent'}, 'error'),
    ('placement', {'kind': 'status', 'status': 500}, 'warning'),
    ('placement', {'kind': 'status', 'status': 200}, 'warning'),
    ('placement', {'kind': 'truncated'}, 'warning'),
    ('placement', {'kind': 'silent'}, 'warning'),
    ('metric', {'kind': 'status', 'status': 500}, 'warning'),
    ('metric', {'kind': 'status', 'status': 200}, 'warning'),
    ('metric', {'kind': 'truncated'}, 'warning'),
    ('metric', {'kind': 'silent'}, 'warning'),
    ('image', {'kind': 'status', 'status': 500}, 'warning'),
    ('network', {'kind': 'status', 'status': 403}, 'warning'),
)


def asked(service):
    """All requests to a service but those for its versions."""
    return rf'[A-Z]+ /{service}/(v[\d.]+/)?(?!v\d)[a-z]'


class Client(app.App):
    """A cliff program with these commands, logged in to a cloud."""

    client_manager = None

    def configure_logging(self):
        """The test listens instead."""


class Shared(testtools.TestCase):
    WATCHER = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.playground = stack.enter_context(
            fixtures.Playground(rack(), watcher=cls.WATCHER)
        )

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(testing.FakeLogger(format='%(message)s'))
        self.folder = pathlib.Path(self.useFixture(testing.TempDir()).path)
        self.path = self.folder / 'cloud.json'

    def run_it(self, words, *args, env=None):
        """Exit code and standard output of a command."""
        out = io.StringIO()
        commands = commandmanager.CommandManager('tsmig.none')
        for name, command in COMMANDS.items():
            commands.add_command(name, command)
        client = Client('test', '0', commands, stdout=out, stderr=out)
        cloud = self.playground.cloud
        if env is not None:
            session = self.playground.session_of(env)
            cloud = type(cloud)(session=session)
        client.client_manager = types.SimpleNamespace(sdk_connection=cloud)
        code = client.run([*words.split(), *map(str, args)])
        return code, out.getvalue()

    def findings(self, *args, **given):
        """Exit code, and by check the severities and all that is told."""
        code, text = self.run_it('doctor', '-f', 'json', *args, **given)
        self.assertTrue(text, self.log.output)
        severities, told = {}, {}
        for row in json.loads(text):
            severities.setdefault(row['Check'], []).append(row['Severity'])
            told.setdefault(row['Check'], []).append(row['Finding'])
        return code, severities, {k: ' / '.join(v) for k, v in told.items()}

    def trouble(self, match, **values):
        """From now on to the end of the test."""
        url = f'{self.playground.control_url}/troubles'
        body = {'match': match, **values}
        number = self.playground.session.post(url, json=body).json()['number']

        def end():
            self.playground.session.delete(f'{url}/{number}', raise_exc=False)

        self.addCleanup(end)
        return end


class TestDoctor(Shared):
    WATCHER = True

    def test_a_cloud_without_agents_on_a_bus_has_warnings_only(self):
        code, severities, told = self.findings()
        self.assertEqual(1, code)
        self.assertEqual(['warning'], severities.pop('limits'))
        self.assertEqual(['not-asked'], severities.pop('agents'))
        self.assertEqual(['not-asked'], severities.pop('workers'))
        self.assertEqual(['ok', 'not-asked'], severities.pop('watcher'))
        self.assertEqual({'ok'}, {s for v in severities.values() for s in v})
        self.assertIn('16 hosts are up, with 16 VMs', told['hosts'])
        self.assertIn('polled every 5 min', told['interval'])
        # a client asks three servers, over two interfaces
        self.assertIn('grows by 462 Mbit/s', told['scale'])

    def test_a_user_who_may_not_is_told_of_every_right_that_is_missing(self):
        code, severities, told = self.findings(env=self.playground.reader)
        self.assertEqual(2, code)
        self.assertEqual(4, severities['rights'].count('error') - 1)
        self.assertIn('HTTP 403', told['rights'])
        for check in ('hosts', 'placement', 'nics', 'metrics', 'traffic'):
            self.assertEqual(['not-asked'], severities[check], check)


class TestFaults(Shared):
    def test_whatever_is_wrong_with_an_api_is_told_by_the_doctor(self):
        for service, wrong, severity in WRONG:
            with self.subTest(service=service, **wrong):
                end = self.trouble(asked(service), **wrong)
                code, severities, told = self.findings()
                end()
                seen = severities['rights'] + severities['services']
                self.assertIn(severity, seen, told)
                self.assertEqual(2, code)  # there is no Watcher

    def test_a_snapshot_is_written_or_refused_and_says_why(self):
        for service, wrong, _ in WRONG:
            with self.subTest(service=service, **wrong):
                end = self.trouble(asked(service), **wrong)
                code, text = self.run_it(
                    'snapshot create', self.path, '-f', 'json'
                )
                end()
                if service == 'compute':
                    self.assertEqual((1, False), (code, self.path.exists()))
                    self.assertIn('Nova', self.log.output)
                elif service in ('placement', 'metric'):
                    self.assertEqual(0, code, self.log.output)
                    self.assertTrue(json.loads(text)['Notes'])
                self.path.unlink(missing_ok=True)

    def test_a_service_that_is_slow_is_told(self):
        self.trouble('GET /image/v2/images', kind='slow', seconds=6)
        _, severities, told = self.findings()
        self.assertIn('Glance: a small question took 6', told['services'])

    def test_vms_that_nobody_measures_are_unknown_and_counted(self):
        gone = [vm for vm in rack().vms if vm.name < 'redis-09']
        for vm in gone:
            self.playground.change(vm.id, metrics='gone')
            self.addCleanup(self.playground.change, vm.id, metrics='live')
        _, severities, told = self.findings()
        self.assertEqual(['warning'], severities['metrics'])
        self.assertIn('8 of 16 VMs have no network.', told['metrics'])
        self.assertIn('traffic of 8 of 16 VMs', told['traffic'])
        self.assertIn('what 8 of 16 VMs write', told['writing'])
        code, text = self.run_it('snapshot create', self.path, '-f', 'json')
        self.assertEqual(0, code)
        self.assertEqual([8, 16], json.loads(text)['VMs with known traffic'])
        found = snapshot.load(self.path)
        self.assertEqual(
            {vm.name for vm in gone},
            {vm.name for vm in found.vms if vm.traffic is None},
        )

    def test_what_was_measured_long_ago_is_told(self):
        for vm in rack().vms:
            self.playground.change(vm.id, metrics='stale')
            self.addCleanup(self.playground.change, vm.id, metrics='live')
        _, severities, told = self.findings()
        self.assertEqual(['warning'], severities['freshness'])
        self.assertIn('VMs nothing was measured for 30 min', told['freshness'])
        _, text = self.run_it('snapshot create', self.path, '-f', 'json')
        self.assertEqual([0, 16], json.loads(text)['VMs with known traffic'])

    def test_clocks_that_are_an_hour_apart_are_an_error(self):
        real = time.time
        for off, way in ((-3600, 'ahead of'), (3600, 'behind')):
            with (
                self.subTest(off=off),
                mock.patch('time.time', lambda off=off: real() + off),
            ):
                _, severities, told = self.findings()
            self.assertIn('error', severities['clocks'])
            self.assertIn(f'1 h 0 min {way} ours', told['clocks'])
            self.assertNotEqual(['ok'], severities['freshness'])

    def test_a_configuration_that_cannot_be_used_is_one_line(self):
        conf = self.folder / 'watcher.conf'
        conf.write_text(
            '[watcher_strategies.traffic_sensitive_drain]\n'
            'traffic_max_age = secret\n'
        )
        code, _ = self.run_it('doctor', '--config-file', conf)
        self.assertEqual(1, code)
        self.assertIn('--config-file', self.log.output)
        self.assertNotIn('secret', self.log.output)

    def test_a_configuration_says_how_telemetry_is_read(self):
        conf = self.folder / 'watcher.conf'
        conf.write_text(
            '[watcher_strategies.traffic_sensitive_drain]\n'
            'tx_metric = something.else\n'
            '[watcher_workflow_engines.taskflow]\n'
            'max_workers = 64\n'
        )
        _, severities, told = self.findings('--config-file', str(conf))
        self.assertIn('16 of 16 VMs have no something.else', told['metrics'])
        self.assertEqual(['ok'], severities['workers'])
        self.assertEqual(['not-asked'], severities['agents'])


class TestCreate(Shared):
    def test_it_tells_what_it_wrote_and_asked(self):
        code, text = self.run_it('snapshot create', self.path, '-f', 'json')
        self.assertEqual(0, code, self.log.output)
        found = json.loads(text)
        self.assertEqual(16, found['VMs'])
        self.assertEqual([16, 16], found['VMs with measured writing'])
        self.assertEqual(32, found['Requests']['Placement'])
        self.assertEqual(str(self.path), found['File'])
        self.assertEqual(0o600, self.path.stat().st_mode & 0o777)
        self.assertEqual([self.path], list(self.folder.iterdir()))
        cloud = snapshot.load(self.path)
        self.assertEqual(
            {vm.name for vm in rack().vms}, {vm.name for vm in cloud.vms}
        )

    def test_a_file_that_cannot_be_written_is_one_line(self):
        code, _ = self.run_it('snapshot create', self.folder / 'no' / 'file')
        self.assertEqual(1, code)
        self.assertIn('cannot write', self.log.output)
