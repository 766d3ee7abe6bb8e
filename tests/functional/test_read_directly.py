"""A cloud read without Watcher is the cloud that Watcher's model gives."""

import contextlib
import dataclasses

import testtools

from tests.functional import fixtures
from tests.functional.test_read_cloud import CLOUD
from tests.functional.watcher_model import WatcherModel
from watcher_tsmig import errors
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry import read_cloud
from watcher_tsmig.telemetry.direct import Origin
from watcher_tsmig.telemetry.direct import reach
from watcher_tsmig.telemetry.direct import read_directly
from watcher_tsmig.units import GIB


class Shared(testtools.TestCase):
    WATCHER = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.playground = stack.enter_context(
            fixtures.Playground(CLOUD, watcher=cls.WATCHER)
        )

    def setUp(self):
        super().setUp()
        self.access = reach(self.playground.cloud)

    def read(self):
        return read_directly(self.access, Settings(), now=1.0)

    def trouble(self, match, kind, **values):
        """From now on to the end of the test."""
        url = f'{self.playground.control_url}/troubles'
        body = {'match': match, 'kind': kind, **values}
        number = self.playground.session.post(url, json=body).json()['number']
        self.addCleanup(self.playground.session.delete, f'{url}/{number}')


class TestBesideWatcher(Shared):
    WATCHER = True

    def test_it_is_the_cloud_of_watchers_own_model(self):
        connection = self.access.connection
        by_watcher = read_cloud(
            WatcherModel(self.playground.watcher),
            connection.compute,
            self.access.source(Origin(), Settings()),
            Settings(),
            now=1.0,
            placement=self.access.placement,
            network=beside.neutron(connection.compute),
        )
        found = self.read().reading
        self.assertEqual(by_watcher.cloud, found.cloud)
        for field in ('node_ids', 'notes', 'cpus', 'writing', 'loads'):
            self.assertEqual(
                getattr(by_watcher, field), getattr(found, field), field
            )


class TestDirectly(Shared):
    def test_what_the_cloud_is_made_of_comes_back(self):
        found = self.read().reading
        self.assertEqual((), found.notes)
        self.assertEqual(dataclasses.replace(CLOUD, taken_at=1.0), found.cloud)

    def test_requests_are_counted_by_service(self):
        self.read()
        counted = self.access.tally.requests(self.access.endpoints)
        # inventories and usages of 4 hosts, and one trait
        self.assertEqual(9, counted['placement'])
        self.assertEqual(sum(counted.values()), self.access.tally.total)
        self.assertLessEqual(
            {'compute', 'placement', 'metric', 'image', 'network'},
            set(counted),
        )

    def test_without_placement_room_is_novas_and_that_is_told(self):
        self.trouble('/placement/', 'status', status=503)
        found = self.read().reading
        self.assertIn('of 4 of 4 hosts the room is Nova', found.notes[0])
        self.assertEqual(
            {64 * GIB}, {host.memory for host in found.cloud.hosts}
        )

    def test_one_host_that_placement_does_not_tell_of_is_told(self):
        self.trouble('/inventories', 'status', status=500, passes=1, times=1)
        found = self.read().reading
        self.assertIn('of 1 of 4 hosts the room is Nova', found.notes[0])
        self.assertEqual(dataclasses.replace(CLOUD, taken_at=1.0), found.cloud)

    def test_what_is_no_inventory_is_told(self):
        for kind, values in (
            ('truncated', {}),
            ('status', {'status': 404}),
        ):
            with self.subTest(kind=kind):
                self.trouble('/inventories', kind, times=1, **values)
                note = self.read().reading.notes[0]
                self.assertIn('of 4 of 4 hosts the room is Nova', note)

    def test_a_nova_that_does_not_answer_is_an_error_that_says_so(self):
        for kind, values in (
            ('status', {'status': 500}),
            ('status', {'status': 403}),
            ('truncated', {}),
            ('silent', {}),
        ):
            for what in ('os-hypervisors', 'servers/detail', 'os-services'):
                with self.subTest(kind=kind, what=what, **values):
                    self.trouble(what, kind, times=5, **values)
                    with self.assertRaises(errors.CloudError) as caught:
                        self.read()
                    self.assertIn('Nova', str(caught.exception))
                    self.doCleanups()
