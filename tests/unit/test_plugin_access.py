"""The cloud's clients out of what each Watcher release has."""

import types
import unittest

import requests_mock
from keystoneauth1 import session as ksa_session
from keystoneauth1 import token_endpoint
from oslo_config import cfg
from watcher import conf as _  # noqa: F401 - registers its options
from watcher.common import clients
from watcher.common import nova_helper
from watcher.common import placement_helper

from tests.unit.test_compute_drivers import version_document
from watcher_tsmig.plugin import access

CONF = cfg.CONF


def session(timeout=None):
    return ksa_session.Session(
        auth=token_endpoint.Token('http://x', 't'), timeout=timeout
    )


class Connected:
    """A connection that Watcher's helper opens for us."""

    def __init__(self, timeout):
        self.session = session(timeout)
        self.compute, self.placement = object(), object()
        self.closed = False

    def close(self):
        self.closed = True


class Base(unittest.TestCase):
    def replace(self, where, name, value):
        self.addCleanup(setattr, where, name, getattr(where, name))
        setattr(where, name, value)

    def set(self, group, **values):
        for name, value in values.items():
            CONF.set_override(name, value, group)
            self.addCleanup(CONF.clear_override, name, group)


@unittest.skipUnless(
    hasattr(clients, 'get_sdk_connection'), 'Watcher 16 and later'
)
class TestOwn(Base):
    """Watcher 16 and later open a connection of their own kind."""

    ROWS = (
        (access.compute, 'compute', nova_helper, 'NovaHelper'),
        (access.placement, 'placement', placement_helper, 'PlacementHelper'),
    )

    def opened(self, timeout=None):
        for call, name, where, helper in self.ROWS:
            made = Connected(timeout)
            self.replace(
                where,
                helper,
                lambda made=made: types.SimpleNamespace(connection=made),
            )
            yield call, getattr(made, name), made

    def test_what_is_opened_for_us_is_closed_afterwards(self):
        for call, proxy, made in self.opened():
            with call(object(), 30.0) as found:
                self.assertIs(proxy, found)
                self.assertFalse(made.closed)
            self.assertTrue(made.closed)

    def test_it_is_closed_where_something_fails_too(self):
        for call, _proxy, made in self.opened():
            with self.assertRaises(ZeroDivisionError), call(object(), 30.0):
                raise ZeroDivisionError
            self.assertTrue(made.closed)

    def test_a_request_has_a_bound_that_of_the_configuration_first(self):
        for configured, bound in ((None, 30.0), (7.0, 7.0)):
            for call, _proxy, made in self.opened(configured):
                with call(object(), 30.0):
                    self.assertEqual(bound, made.session.timeout)


class TestShared(Base):
    """Before, there is one session, and it is Watcher's."""

    def setUp(self):
        self.osc = types.SimpleNamespace(
            session=session(), placement=lambda: None, gnocchi=lambda: 'g'
        )
        wire = requests_mock.Mocker()
        wire.start()
        self.addCleanup(wire.stop)
        wire.get(
            requests_mock.ANY,
            json={'version': version_document('http://x/', '2.96')},
        )
        before = vars(clients).pop('get_sdk_connection', None)
        if before is not None:
            self.addCleanup(setattr, clients, 'get_sdk_connection', before)

    def test_region_and_interface_are_those_of_watchers_client(self):
        self.set('nova_client', region_name='two', endpoint_type='internal')
        self.set('placement_client', region_name='three', interface='admin')
        for call, region, interface in (
            (access.compute, 'two', 'internal'),
            (access.placement, 'three', 'admin'),
        ):
            self.osc.session.timeout = None
            with call(self.osc, 30.0) as proxy:
                self.assertIs(self.osc.session.auth, proxy.session.auth)
                self.assertEqual(region, proxy.region_name)
                self.assertEqual(interface, proxy.interface)
                self.assertEqual(30.0, self.osc.session.timeout)

    def test_requests_to_a_source_have_a_bound_too(self):
        self.assertEqual(20.0, access.reach(self.osc, 20.0).timeout)
        self.assertEqual(20.0, self.osc.session.timeout)
        self.assertEqual(20.0, access.reach(self.osc, 10.0).timeout)

    def test_a_source_is_where_watcher_would_look_for_it(self):
        self.set('gnocchi_client', region_name='two', endpoint_type='admin')
        found = access.reach(self.osc, 20.0)
        self.assertIs(self.osc.session, found.session)
        self.assertEqual(
            {'interface': 'admin', 'region_name': 'two'},
            found.catalogue['gnocchi'],
        )
        self.assertEqual('', found.place)

    def test_a_prometheus_is_that_of_watcher_with_what_it_wants(self):
        self.set(
            'prometheus_client', host='::1', username='me', password='secret'
        )
        found = access.reach(self.osc, 20.0)
        self.assertEqual('http://[::1]:9090', found.place)
        self.assertEqual(('me', 'secret'), found.account)
        self.assertNotIn('secret', repr(found))
        self.set('prometheus_client', cafile='/ca', keyfile='/k')
        self.set('prometheus_client', certfile='/c')
        found = access.reach(self.osc, 20.0)
        self.assertEqual('https://[::1]:9090', found.place)
        self.assertEqual('/ca', found.verify)
        self.assertEqual(('/c', '/k'), found.cert)
        # what is somewhere else gets no password
        found = access.reach(self.osc, 20.0, 'http://other')
        self.assertEqual(('http://other', None), (found.place, found.account))
