"""Services that a migration needs besides Nova, asked before its start."""

import types
import unittest

import requests
import requests_mock
from keystoneauth1 import fixture
from keystoneauth1 import session
from keystoneauth1.identity import v3

from tests.unit.test_execute_migration import Base
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk
from watcher_tsmig.execute.starting import health

KEYSTONE = 'http://keystone'
PLACEMENT = 'http://placement/allocations/vm-1'
NEUTRON = 'http://neutron/v2.0/ports?device_id=vm-1&fields=id'
CINDER = 'http://cinder/v3/p/volumes?limit=1'
ENDPOINTS = {
    'placement': 'http://placement',
    'network': 'http://neutron',
    'volumev3': 'http://cinder/v3/p',
}


class TestTrouble(unittest.TestCase):
    def setUp(self):
        self.web = requests_mock.Mocker()
        self.web.start()
        self.addCleanup(self.web.stop)
        for url in (PLACEMENT, NEUTRON, CINDER):
            self.web.get(url, json={})

    def cloud(self, *kinds):
        token = fixture.V3Token(project_id='p')
        for kind in kinds or ENDPOINTS:
            service = token.add_service(kind)
            service.add_standard_endpoints(
                internal=ENDPOINTS[kind], region='one'
            )
        self.web.get(f'{KEYSTONE}/v3', json=fixture.V3Discovery(KEYSTONE))
        self.web.post(
            f'{KEYSTONE}/v3/auth/tokens',
            json=token,
            headers={'X-Subject-Token': 't'},
        )
        auth = v3.Password(
            f'{KEYSTONE}/v3', username='u', password='x', project_id='p'
        )
        return types.SimpleNamespace(
            session=session.Session(auth=auth),
            interface='internal',
            region_name='one',
        )

    def trouble(self, *kinds):
        return health.trouble(self.cloud(*kinds), 'vm-1')

    def asked(self):
        return [r.url for r in self.web.request_history if r.method == 'GET']

    def test_each_is_asked_for_what_nova_needs_of_it(self):
        self.assertEqual('', self.trouble())
        self.assertEqual([PLACEMENT, NEUTRON, CINDER], self.asked())

    def test_what_the_cloud_has_not_is_not_asked(self):
        self.assertEqual('', self.trouble('network'))
        self.assertEqual([NEUTRON], self.asked())

    def test_one_that_fails_is_named_with_its_answer(self):
        for url, name in (
            (PLACEMENT, 'Placement'),
            (NEUTRON, 'Neutron'),
            (CINDER, 'Cinder'),
        ):
            self.web.get(url, status_code=503)
            self.assertEqual(f'{name} answers 503', self.trouble())
            self.web.get(url, status_code=500)
            self.assertEqual(f'{name} answers 500', self.trouble())
            self.web.get(url, json={})

    def test_one_that_is_not_reached_is_named_with_why(self):
        self.web.get(CINDER, exc=requests.exceptions.ConnectTimeout)
        self.assertEqual(
            'Cinder does not answer (ConnectTimeout)', self.trouble()
        )
        self.web.get(CINDER, exc=requests.exceptions.ConnectionError)
        self.assertEqual(
            'Cinder does not answer (ConnectFailure)', self.trouble()
        )

    def test_one_that_refuses_us_works(self):
        for status in (401, 403, 404):
            self.web.get(NEUTRON, status_code=status)
            self.assertEqual('', self.trouble())


class TestGate(Base):
    def moved(self, *answers, **how):
        """What comes of a start while these are said; the last one stays."""
        said = list(answers)

        def ill():
            return said.pop(0) if said[1:] else said[0]

        return carry_out(
            OpenStackSdk(self.nova),
            order(),
            cancelled=how.pop('cancelled', lambda: False),
            pace=Pace(**how),
            clock=self.clock,
            ill=ill,
        )

    def test_a_blip_holds_the_start_up_and_is_told(self):
        outcome = self.moved('Neutron answers 503', 'Neutron answers 503', '')
        self.assertEqual('cmp-2', outcome.host)
        self.assertIn('waited 10 s (Neutron answers 503)', outcome.remark)
        self.assertEqual(1, len(self.asked('start')))

    def test_what_lasts_leaves_the_vm_where_it_is(self):
        began = self.clock.now()
        with self.assertRaises(errors.MigrationError) as caught:
            self.moved('Cinder does not answer (ConnectFailure)', ill=60.0)
        text = str(caught.exception)
        self.assertIn('Cinder does not answer', text)
        self.assertIn('plan again when it works', text)
        self.assertEqual([], self.nova.calls)
        self.assertLess(self.clock.now() - began, 80)

    def test_a_plan_that_is_cancelled_meanwhile_starts_nothing(self):
        with self.assertRaises(errors.MigrationError) as caught:
            self.moved('Neutron answers 503', cancelled=lambda: True)
        self.assertIn('was cancelled', str(caught.exception))
        self.assertEqual([], self.nova.calls)
