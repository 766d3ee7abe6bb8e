"""What hosts' NICs carry, from node_exporter's metrics.

Nova is the playground's. The names are those of node_exporter 1.5.
"""

import contextlib
import dataclasses
import time

import testtools

from tests.functional import fixtures
from tests.functional.prometheus import Prometheus
from tests.functional.test_read_cloud import CLOUD
from tests.functional.test_read_cloud import Model
from watcher_tsmig.playground.cloud.cloud import identify
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import read_cloud
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import open_source

MBIT = 125e3
NAMED = Settings(migration_devices=('bond0',))
# All that the playground's aggregates would declare of NICs is taken away.
UNDECLARED = dataclasses.replace(
    CLOUD,
    hosts=tuple(dataclasses.replace(h, nic=None) for h in CLOUD.hosts),
)


def grows(rate, *, since=0.0, until=float('inf'), reset=None):
    """A counter that grows by so many bytes a second.

    :param reset: when its host was started anew
    """

    def value(at):
        if not since <= at <= until:
            return None
        if reset is not None and at >= reset:
            return rate * (at - reset)
        return 1e12 + rate * (at - 1.7e9)

    return value


class TestHosts(testtools.TestCase):
    cloud = UNDECLARED

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        playground = stack.enter_context(fixtures.Playground(cls.cloud))
        cls.compute = playground.cloud.compute
        cls.model = Model(playground.cloud)

    def setUp(self):
        super().setUp()
        self.now = time.time()
        self.server = Prometheus(self)

    def device(self, host, tx, rx, device='bond0', speed=1e4 * MBIT):
        labels = {'instance': host, 'device': device, 'job': 'node'}
        for name, value in (
            ('transmit_bytes_total', tx),
            ('receive_bytes_total', rx),
            ('speed_bytes', lambda _: speed),
        ):
            self.server.add(f'node_network_{name}', value, **labels)

    def vm(self, name, tx, rx):
        resource = f'instance-1-{identify("vm", name)}-tap0'
        for way, rate in (('outgoing', tx), ('incoming', rx)):
            self.server.add(
                f'ceilometer_network_{way}_bytes',
                grows(rate),
                resource=resource,
            )

    def read(self, settings=NAMED):
        source = open_source(
            'prometheus', Reach(place=self.server.url, timeout=10.0), settings
        )
        found = read_cloud(
            self.model, self.compute, source, settings, now=self.now
        )
        self.notes = '\n'.join(found.notes)
        return {host.name: host.nic for host in found.cloud.hosts}

    def near(self, expected, got):
        self.assertLess(abs(got / expected - 1), 0.03, got)

    def test_background_and_speed_are_what_the_host_counts(self):
        for host in ('east-1', 'EAST-2.example.org:9100', 'west-1:9100'):
            self.device(host, grows(5e7), grows(2e7))
        found = self.read()
        for host in ('east-1', 'east-2', 'west-1'):
            self.near(5e7, found[host].background_tx)
            self.near(2e7, found[host].background_rx)
            self.assertEqual(1e4 * MBIT, found[host].capacity)
        self.assertIsNone(found['west-2'])
        self.assertIn('1 of 4 hosts tell prometheus nothing', self.notes)

    def test_what_its_vms_send_is_not_background(self):
        self.device('east-1:9100', grows(5e7), grows(2e7))
        self.vm('big', 1e7, 1e7)
        self.vm('bound', 2e7, 5e6)
        found = self.read()['east-1']
        self.near(2e7, found.background_tx)
        self.near(5e6, found.background_rx)
        self.assertGreaterEqual(found.upper_tx, 4.9e7)

    def test_migrations_on_a_network_of_their_own_share_it_with_nobody(self):
        self.device('east-1:9100', grows(5e7), grows(2e7))
        self.device('east-1:9100', grows(4e7), grows(4e7), 'bond1', 1e3 * MBIT)
        self.vm('big', 1e7, 1e7)
        settings = dataclasses.replace(NAMED, tenant_devices=('bond1',))
        found = self.read(settings)['east-1']
        self.assertTrue(found.separate)
        self.near(5e7, found.background_tx)
        self.assertEqual(1e3 * MBIT, found.tenants)

    def test_a_host_that_was_started_anew_sent_nothing_backwards(self):
        tx = grows(5e7, reset=self.now - 1300)
        self.device('east-1:9100', tx, tx)
        self.near(5e7, self.read()['east-1'].background_tx)

    def test_an_exporter_that_is_silent_leaves_the_host_unknown(self):
        tx = grows(5e7, until=self.now - 3600)
        self.device('east-1:9100', tx, tx)
        found = self.read()['east-1']
        # its speed is what it was told to be, its load is not told
        self.assertEqual(0.0, found.background_tx)
        self.assertIsNone(found.upper_tx)

    def test_a_host_scraped_twice_is_counted_once(self):
        self.device('east-1:9100', grows(5e7), grows(2e7))
        self.device('east-1:9100', grows(5e7), grows(2e7))
        self.device('east-10:9100', grows(9e8), grows(9e8))
        found = self.read()['east-1']
        self.near(5e7, found.background_tx)
        self.assertEqual(1e4 * MBIT, found.capacity)

    def test_a_link_that_tells_no_speed_has_none(self):
        # as a device that is down does: -1 Mbit/s
        self.device('east-1:9100', grows(5e7), grows(2e7), speed=-MBIT)
        self.assertIsNone(self.read()['east-1'])

    def test_who_names_no_device_asks_for_none(self):
        self.device('east-1:9100', grows(5e7), grows(2e7))
        self.assertEqual({None}, set(self.read(Settings()).values()))
        self.assertNotIn('node_network', ''.join(self.server.queries))

    def test_a_few_queries_are_for_all_hosts(self):
        self.read()
        asked = [q for q in self.server.queries if 'node_network' in q]
        self.assertEqual(2, len(asked))

    def test_labels_and_names_are_what_the_options_say(self):
        labels = {'nodename': 'east-1', 'device': 'eno1'}
        for name in ('transmit_bytes_total', 'receive_bytes_total'):
            self.server.add(f'my_{name}', grows(5e7), **labels)
        self.server.add('my_speed_bytes', lambda _: 1e4 * MBIT, **labels)
        settings = Settings(
            migration_devices=('bond0', 'eno1'),
            host_metric='my_{metric}',
            host_label='nodename',
        )
        self.near(5e7, self.read(settings)['east-1'].background_tx)


class TestDeclared(TestHosts):
    """The same where operators declared the NICs: their word counts."""

    cloud = CLOUD

    def read(self, settings=NAMED):
        self.declared = 1e4 * MBIT
        found = super().read(settings)
        for nic in found.values():
            self.assertEqual(self.declared, nic.capacity)
        return found

    def test_background_and_speed_are_what_the_host_counts(self):
        self.device('east-1:9100', grows(5e7), grows(2e7), speed=25e3 * MBIT)
        self.near(5e7, self.read()['east-1'].background_tx)

    def test_a_link_that_tells_no_speed_has_none(self):
        self.device('east-1:9100', grows(5e7), grows(2e7), speed=-MBIT)
        self.near(5e7, self.read()['east-1'].background_tx)

    def test_migrations_on_a_network_of_their_own_share_it_with_nobody(self):
        """The declared NIC is the tenants' then."""
        self.device('east-1:9100', grows(5e7), grows(2e7))
        self.device('east-1:9100', grows(4e7), grows(4e7), 'bond1')
        settings = dataclasses.replace(NAMED, tenant_devices=('bond1',))
        self.assertTrue(self.read(settings)['east-1'].separate)

    def test_who_names_no_device_asks_for_none(self):
        self.read(Settings())
        self.assertNotIn('node_network', ''.join(self.server.queries))

    def test_gnocchi_knows_nothing_of_hosts(self):
        source = open_source('gnocchi', Reach(session=object()), NAMED)
        self.assertIsNone(source.devices(['east-1'], self.now))
