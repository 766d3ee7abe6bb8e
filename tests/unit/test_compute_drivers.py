"""Compute drivers where the playground has no answer: names, old Novas.

The clients are real; what they get over the wire is written here.
"""

import subprocess
import sys
import unittest

import fixtures
import requests
import requests_mock
import testtools
from keystoneauth1 import fixture as ksa_fixture
from keystoneauth1 import session as ksa_session
from keystoneauth1 import token_endpoint
from keystoneauth1.identity import v3
from openstack import connection

from watcher_tsmig import errors
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import drivers
from watcher_tsmig.execute.compute import Refused
from watcher_tsmig.execute.compute import Unanswered
from watcher_tsmig.execute.drivers.nova_client import NovaClient
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import WallClock

URL = 'http://nova.example/v2.1'
BOTH = ('openstacksdk', 'novaclient')
VERSION = 'OpenStack-API-Version'


def version_document(url, newest):
    return {
        'id': 'v2.1',
        'status': 'CURRENT',
        'version': newest,
        'min_version': '2.1',
        'links': [{'rel': 'self', 'href': url}],
    }


class Case(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.wire = self.useFixture(WireFixture()).wire

    def compute(self, newest='2.96'):
        version = version_document(f'{URL}/', newest)
        for url in (URL, f'{URL}/'):
            self.wire.get(url, json={'version': version})
        session = ksa_session.Session(
            auth=token_endpoint.Token(URL, 'token'), timeout=7.0
        )
        return connection.Connection(
            session=session, compute_endpoint_override=URL
        ).compute

    def asked(self):
        """Body and microversion of the last request."""
        last = self.wire.last_request
        return last.json(), last.headers.get(VERSION)


class WireFixture(fixtures.Fixture):
    def _setUp(self):
        self.wire = requests_mock.Mocker()
        self.wire.start()
        self.addCleanup(self.wire.stop)


class TestStart(Case):
    def start(self, name, newest):
        self.wire.post(f'{URL}/servers/vm-1/action', status_code=202)
        drivers.load(name, self.compute(newest)).start('vm-1', 'cmp-2')
        return self.asked()

    def test_a_new_nova_answers_before_it_has_checked(self):
        wanted = {'host': 'cmp-2', 'block_migration': 'auto'}
        for name in BOTH:
            body, version = self.start(name, '2.96')
            self.assertEqual({'os-migrateLive': wanted}, body)
            number = int(version.removeprefix('compute 2.'))
            self.assertGreaterEqual(number, 34)

    def test_an_old_nova_is_asked_in_no_microversion_that_it_lacks(self):
        for name in BOTH:
            body, version = self.start(name, '2.30')
            self.assertEqual('compute 2.30', version)
            asked = body['os-migrateLive']
            self.assertEqual(
                ('cmp-2', 'auto', False),
                (
                    asked['host'],
                    asked['block_migration'],
                    bool(asked.get('force')),
                ),
            )

    def test_a_nova_that_cannot_tell_about_disks_is_too_old(self):
        driver = drivers.load('novaclient', self.compute('2.20'))
        with self.assertRaisesRegex(Refused, r'2\.25'):
            driver.start('vm-1', 'cmp-2')

    def test_novaclient_asks_for_no_more_than_is_read(self):
        _, version = self.start('novaclient', '2.99')
        self.assertEqual('compute 2.84', version)

    def test_the_sessions_timeout_holds_for_both(self):
        for name in BOTH:
            self.start(name, '2.96')
            self.assertEqual(7.0, self.wire.last_request.timeout)

    def test_a_lost_answer_is_no_refusal(self):
        for name in BOTH:
            driver = drivers.load(name, self.compute())
            for status, expected in (
                (429, Unanswered),
                (504, Unanswered),
                (403, Refused),
                (409, Refused),
            ):
                self.wire.post(
                    f'{URL}/servers/vm-1/action',
                    status_code=status,
                    headers={'Content-Type': 'application/json'},
                    json={'x': {'message': 'told so', 'code': status}},
                )
                with self.assertRaisesRegex(expected, '^told so$'):
                    driver.start('vm-1', 'cmp-2')

    def test_half_an_answer_is_no_refusal(self):
        self.wire.post(
            f'{URL}/servers/vm-1/action',
            exc=requests.exceptions.ChunkedEncodingError('cut'),
        )
        for name in BOTH:
            driver = drivers.load(name, self.compute())
            with self.assertRaisesRegex(Unanswered, 'cut'):
                driver.start('vm-1', 'cmp-2')

    def test_an_answer_without_novas_words_is_told_with_its_status(self):
        self.wire.post(
            f'{URL}/servers/vm-1/action', status_code=504, text='<html/>'
        )
        driver = drivers.load('novaclient', self.compute())
        with self.assertRaisesRegex(Unanswered, '504'):
            driver.start('vm-1', 'cmp-2')


class TestEndpoint(Case):
    def test_region_and_interface_are_the_proxys(self):
        token = ksa_fixture.V3Token()
        compute = token.add_service('compute')
        for region in ('one', 'two'):
            compute.add_standard_endpoints(
                region=region,
                **{
                    kind: f'http://{region}-{kind}.example/v2.1'
                    for kind in ('public', 'internal', 'admin')
                },
            )
        self.wire.get('http://keystone.example/v3', status_code=300, json={})
        self.wire.post(
            'http://keystone.example/v3/auth/tokens',
            headers={'X-Subject-Token': 'token'},
            json=token,
        )
        self.wire.get(
            requests_mock.ANY,
            json=lambda request, _: self.answer(request),
        )
        session = ksa_session.Session(
            auth=v3.Password('http://keystone.example/v3', 'u', 'p')
        )
        for name in BOTH:
            proxy = connection.Connection(
                session=session, region_name='two', interface='internal'
            ).compute
            server = drivers.load(name, proxy).server('vm-1')
            self.assertEqual('active', server.vm_state)
            self.assertEqual(
                'two-internal.example', self.wire.last_request.hostname
            )

    @staticmethod
    def answer(request):
        if '/servers/' in request.path:
            return {'server': {'id': 'vm-1', 'OS-EXT-STS:vm_state': 'active'}}
        url = f'http://{request.hostname}/v2.1/'
        return {'version': version_document(url, '2.96')}


class TestReason(Case):
    def reason(self, name, *events, newest='2.96'):
        path = f'{URL}/servers/vm-1/os-instance-actions'
        action = {'action': 'live-migration', 'request_id': 'req-2'}
        older = {'action': 'live-migration', 'request_id': 'req-1'}
        other = {'action': 'lock', 'request_id': 'req-3'}
        self.wire.get(path, json={'instanceActions': [other, action, older]})
        self.wire.get(
            f'{path}/req-2',
            json={'instanceAction': {**action, 'events': list(events)}},
        )
        driver = drivers.load(name, self.compute(newest))
        return Nova(driver, Pace(), WallClock()).reason('vm-1')

    def test_the_first_failure_of_the_last_live_migration_is_told(self):
        for name in BOTH:
            told = self.reason(
                name,
                {'event': 'c', 'result': 'Error', 'details': 'later'},
                {'event': 'b', 'result': 'Error', 'details': 'No valid\nhost'},
                {'event': 'a', 'result': 'Success', 'details': None},
            )
            self.assertEqual('No valid host', told)
            self.assertEqual('compute 2.84', self.version())

    def test_nothing_is_told_where_nova_tells_nothing(self):
        for name in BOTH:
            self.assertEqual('', self.reason(name))
            self.assertEqual('', self.reason(name, {'result': 'Error'}))

    def version(self):
        return self.wire.last_request.headers[VERSION]


class TestBonds(Case):
    def test_both_tell_the_groups_of_a_vm(self):
        self.wire.get(
            f'{URL}/servers/vm-1',
            json={'server': {'id': 'vm-1', 'server_groups': ['g-1']}},
        )
        group = {
            'id': 'g-1',
            'name': 'databases',
            'policy': 'anti-affinity',
            'rules': {'max_server_per_host': 2},
            'members': ['vm-1', 'vm-2'],
        }
        self.wire.get(
            f'{URL}/os-server-groups/g-1', json={'server_group': group}
        )
        for name in BOTH:
            (bond,) = drivers.load(name, self.compute()).bonds('vm-1')
            self.assertEqual(
                ('databases', 'anti-affinity', ('vm-1', 'vm-2'), 2),
                (bond.name, bond.policy, bond.members, bond.most),
            )


class TestLoad(unittest.TestCase):
    def test_each_name_is_that_of_its_client(self):
        for name, kind in zip(BOTH, (OpenStackSdk, NovaClient), strict=True):
            self.assertIsInstance(drivers.load(name, None), kind)

    def test_a_wrong_name_is_told_with_the_right_ones(self):
        with self.assertRaisesRegex(
            errors.InputError,
            'compute_driver: there is no "sdk"; take one of novaclient, '
            'openstacksdk',
        ):
            drivers.load('sdk', None)

    def test_without_novaclient_it_is_said_what_to_install(self):
        code = (
            'import sys; sys.modules["novaclient"] = None\n'
            'from watcher_tsmig.execute import drivers\n'
            'drivers.load("openstacksdk", None)\n'
            'try:\n'
            '    drivers.load("novaclient", None)\n'
            'except drivers.errors.InputError as error:\n'
            '    print(error)\n'
        )
        done = subprocess.run(
            [sys.executable, '-c', code],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        # nothing of that is lost in the 200 characters of a failed action
        text = str(errors.MigrationError(done.stdout))
        self.assertIn("pip install 'watcher-tsmig[novaclient]'", text)
        self.assertIn('take openstacksdk', text)
