"""Both compute drivers on the playground, by one contract."""

import uuid

import testtools

from tests.functional import fixtures
from tests.functional.compute_contract import Contract
from watcher_tsmig import errors
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute.compute import Unanswered
from watcher_tsmig.execute.drivers.nova_client import NovaClient
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk


class Mending:
    """A clock whose sleeps mend what is broken, and do not last."""

    def __init__(self, mend):
        self.slept = []
        self._mend = mend

    @staticmethod
    def now():
        return 0.0

    def sleep(self, seconds):
        self.slept.append(seconds)
        self._mend()


class Simulated:
    """The playground's time: a sleep pushes it."""

    def __init__(self, push):
        self._now = 0.0
        self._push = push

    def now(self):
        return self._now

    def sleep(self, seconds):
        self._now += seconds
        self._push(seconds)


class OnPlayground(Contract):
    """A rack of its own for each test: a migration changes it."""

    kind: type

    def setUp(self):
        super().setUp()
        self.playground = self.useFixture(fixtures.Playground())
        self.session = self.playground.session
        self.compute = self.playground.cloud.compute
        servers = {s.name: s for s in self.compute.servers()}
        server = servers['redis-01']
        self.vm, self.source = server.id, server.compute_host
        self.destination = 'spare-01'

    def elapse(self, seconds):
        self.playground.push(seconds)

    def set_service(self, host, status, reason=None):
        (found,) = self.compute.services(host=host)
        body = {'status': status}
        if reason:
            body['disabled_reason'] = reason
        self.compute.put(
            f'/os-services/{found.id}', json=body, microversion='2.53'
        )

    def test_it_is_the_driver_of_that_name(self):
        self.assertIs(self.kind, type(self.driver()))

    def test_a_nova_that_is_away_for_a_moment_is_asked_again(self):
        self.playground.change_service('compute', up=False)
        self.clock = Mending(
            lambda: self.playground.change_service('compute', up=True)
        )
        nova = self.nova(http_tries=2, http_wait=0.5)
        self.assertEqual(self.source, nova.server(self.vm).host)
        self.assertEqual([0.5], self.clock.slept)

    def test_a_nova_that_stays_away_is_the_clouds_error(self):
        driver = self.driver()
        driver.server(self.vm)
        self.playground.change_service('compute', up=False)
        self.clock = Mending(lambda: None)
        nova = self.nova(http_tries=3)
        for call in (nova.server, nova.records):
            self.clock.slept.clear()
            self.assertRaises(errors.CloudError, call, self.vm)
            self.assertEqual(2, len(self.clock.slept))
        # whether it was begun is unknown, which is no refusal
        self.assertRaises(Unanswered, driver.start, self.vm, self.destination)
        self.assertNotEqual('', nova.start(self.order()))
        self.assertEqual('', nova.reason(str(uuid.uuid4())))

    def test_a_whole_migration_is_carried_out_to_its_true_end(self):
        outcome = carry_out(
            self.driver(),
            self.order(),
            cancelled=lambda: False,
            clock=Simulated(self.elapse),
        )
        self.assertEqual(self.destination, outcome.host)
        self.assertGreater(outcome.data, 0.0)
        self.assertGreater(outcome.took, 0.0)
        self.assertEqual(
            self.destination, self.compute.get_server(self.vm).compute_host
        )

    def test_a_keystone_that_knows_no_nova_is_no_missing_vm(self):
        self.endpoint = {'region_name': 'elsewhere'}
        self.assertRaises(errors.CloudError, self.nova().server, self.vm)


class TestOpenStackSdk(OnPlayground, testtools.TestCase):
    name = 'openstacksdk'
    kind = OpenStackSdk


class TestNovaClient(OnPlayground, testtools.TestCase):
    name = 'novaclient'
    kind = NovaClient
