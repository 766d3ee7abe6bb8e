"""What every compute driver must do, on any cloud.

A class of tests to be mixed into a case, which says where the cloud is and
how time passes there. Here are no assumptions about who answers: a
simulated cloud, whose time a test moves, and a real one run the same.
"""

import uuid

from openstack import connection

from watcher_tsmig.execute import Order
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import drivers
from watcher_tsmig.execute.compute import Missing
from watcher_tsmig.execute.compute import Refused
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import WallClock
from watcher_tsmig.plan.values import Mode

DRIVERS = ('openstacksdk', 'novaclient')
ENDED = ('completed', 'failed', 'error', 'cancelled')


class Contract:
    """The tests; each runs with `name`, the driver's.

    A case provides: `session` (keystoneauth's, of an administrator),
    `endpoint` (region_name and interface, as openstacksdk takes them), `vm`
    (the id of an active VM whose pre-copy lasts until it is ended), `source`
    where it is, `destination` where it can go, and the methods below.
    """

    name = ''
    endpoint: dict[str, str] = {}
    clock = WallClock()

    def elapse(self, seconds):
        """Let the cloud's time pass."""
        raise NotImplementedError

    def set_service(self, host, status, reason=None):
        """Enable or disable a host's compute service."""
        raise NotImplementedError

    # -- what the tests share

    def driver(self):
        compute = connection.Connection(
            session=self.session, **self.endpoint
        ).compute
        return drivers.load(self.name, compute)

    def nova(self, **pace):
        return Nova(self.driver(), Pace(**pace), self.clock)

    def order(self, destination=None):
        return Order(
            vm=self.vm,
            name='one',
            source=self.source,
            destination=destination or self.destination,
            mode=Mode.PRE_COPY,
            deadline=600.0,
        )

    def reached(self, nova, *wanted):
        """The newest record, once its status is one of those."""
        seen = ()
        for _ in range(240):
            seen = nova.records(self.vm)
            if seen and seen[0].status in wanted:
                return seen[0]
            self.elapse(0.5)
        raise AssertionError(f'{wanted}: not in {seen}')

    def running(self, nova):
        """A migration of which Nova has statistics, so that it can switch."""
        self.assertEqual('', nova.start(self.order()))
        record = self.reached(nova, 'running')
        for _ in range(240):
            seen = nova.statistics(self.vm, record.id)
            if seen and seen.processed:
                return record, seen
            self.elapse(0.5)
        raise AssertionError('no statistics')

    # -- the tests

    def test_a_vm_at_rest_is_told_with_its_host(self):
        server = self.nova().server(self.vm)
        self.assertEqual(
            (self.source, 'active', None, False),
            (server.host, server.vm_state, server.task, server.locked),
        )

    def test_a_host_tells_its_vms_and_what_passes(self):
        nova = self.nova()
        mine = {r.vm: r for r in nova.residents(self.source)}
        self.assertIn(self.vm, mine)
        self.assertNotIn(
            self.vm, {r.vm for r in nova.residents(self.destination)}
        )
        found = mine[self.vm]
        self.assertEqual(('active', None), (found.vm_state, found.task))
        self.assertGreater(found.memory, 0)
        record, _ = self.running(nova)
        for host in (self.source, self.destination):
            (seen,) = [p for p in nova.passages(host) if p.vm == self.vm]
            self.assertEqual(self.source, seen.source)
            self.assertEqual(self.destination, seen.destination)
        nova.abort(self.vm, record.id)
        self.reached(nova, *ENDED)
        self.assertNotIn(self.vm, {p.vm for p in nova.passages(self.source)})

    def test_a_vm_that_is_not_there_is_none_for_every_question(self):
        gone = str(uuid.uuid4())
        nova, driver = self.nova(), self.driver()
        self.assertIsNone(nova.server(gone))
        self.assertEqual([], nova.records(gone))
        self.assertIsNone(nova.statistics(gone, '1'))
        self.assertEqual('', nova.reason(gone))
        for call in (
            lambda: driver.server(gone),
            lambda: driver.statistics(gone, '1'),
            lambda: driver.start(gone, self.destination),
            lambda: driver.switch(gone, '1'),
            lambda: driver.abort(gone, '1'),
            lambda: driver.reset(gone),
            lambda: driver.actions(gone),
            lambda: driver.events(gone, 'req-1'),
        ):
            with self.assertRaises(Missing):
                call()

    def test_a_vm_that_is_active_may_be_set_active(self):
        nova = self.nova()
        self.assertEqual('', nova.reset(self.vm))
        self.assertEqual('active', nova.server(self.vm).vm_state)
        self.assertIn('could not be found', nova.reset(str(uuid.uuid4())))

    def test_a_disabled_host_is_told_with_the_reason(self):
        nova = self.nova()
        self.assertIsNone(nova.service_trouble(self.destination))
        self.assertEqual('', nova.disabled_reason(self.destination))
        self.addCleanup(self.set_service, self.destination, 'enabled')
        self.set_service(self.destination, 'disabled', 'broken fan')
        self.assertEqual('is disabled', nova.service_trouble(self.destination))
        self.assertEqual('broken fan', nova.disabled_reason(self.destination))
        self.assertEqual(
            'has no compute service', nova.service_trouble('nowhere')
        )

    def test_what_nova_refuses_at_once_is_refused_in_its_words(self):
        nova = self.nova()
        before = nova.records(self.vm)
        with self.assertRaisesRegex(Refused, 'nowhere'):
            nova.start(self.order('nowhere'))
        self.assertEqual(before, nova.records(self.vm))

    def test_an_abort_ends_a_running_migration_and_no_second_starts(self):
        nova = self.nova()
        record, seen = self.running(nova)
        self.assertGreaterEqual(seen.total, seen.remaining)
        self.assertEqual('migrating', nova.server(self.vm).task)
        with self.assertRaisesRegex(Refused, 'task_state migrating'):
            nova.start(self.order())
        self.assertEqual('', nova.abort(self.vm, record.id))
        ended = self.reached(nova, *ENDED)
        self.assertEqual((record.id, 'cancelled'), (ended.id, ended.status))

    def test_a_forced_completion_ends_and_then_all_is_refused(self):
        nova = self.nova()
        record, _ = self.running(nova)
        self.assertEqual('', nova.switch(self.vm, record.id))
        # no statistics of a post-copy, nor of what has ended
        self.reached(nova, 'running (post-copy)', *ENDED)
        self.assertIsNone(nova.statistics(self.vm, record.id))
        ended = self.reached(nova, *ENDED)
        self.assertEqual((record.id, 'completed'), (ended.id, ended.status))
        self.assertGreater(ended.took, 0.0)
        for _ in range(60):
            if nova.server(self.vm).task is None:
                break
            self.elapse(0.5)
        self.assertEqual(self.destination, nova.server(self.vm).host)
        for call in (nova.switch, nova.abort):
            self.assertIn('in an invalid state', call(self.vm, record.id))
