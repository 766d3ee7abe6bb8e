"""Live migrations of the simulated Nova, with the quirks of the real one.

Simulated time stands still but where a test pushes it.
"""

import dataclasses

import openstack.exceptions
import testtools

from tests.functional import fixtures
from watcher_tsmig.playground.cloud.rack import rack

FIRST = 'redis-01'


def _without_post_copy():
    cloud = rack()
    hosts = tuple(dataclasses.replace(h, post_copy=False) for h in cloud.hosts)
    return dataclasses.replace(cloud, hosts=hosts)


class Migrations(testtools.TestCase):
    """What tests of migrations share; it has no tests."""

    def start(self, cloud=None):
        self.playground = self.useFixture(fixtures.Playground(cloud))
        self.compute = self.playground.cloud.compute
        servers = self.compute.servers(all_projects=True)
        self.ids = {s.name: s.id for s in servers}

    def migrate(self, name=FIRST, host='spare-01', push=0.0):
        self.compute.live_migrate_server(
            self.ids[name], host, block_migration='auto'
        )
        self.playground.push(push)

    def record(self, name=FIRST):
        rows = self.compute.migrations(server_id=self.ids[name])
        return next(iter(rows), None)

    def status(self, name=FIRST):
        record = self.record(name)
        return record and record.status

    def server(self, name=FIRST):
        return self.compute.get_server(self.ids[name])

    def statistics(self, name=FIRST):
        return next(iter(self.compute.server_migrations(self.ids[name])), None)

    def statuses(self, seconds, step=0.5):
        """What a client sees that looks twice a simulated second."""
        seen = [self.status()]
        for _ in range(round(seconds / step)):
            self.playground.push(step)
            if self.status() != seen[-1]:
                seen.append(self.status())
        return seen


class TestMigration(Migrations):
    def test_a_migration_goes_through_novas_statuses(self):
        self.start()
        self.migrate()
        seen = self.statuses(120)
        self.assertEqual(None, seen[0])
        self.assertEqual(
            ['preparing', 'running', 'completed'],
            [s for s in seen if s in ('preparing', 'running', 'completed')],
        )
        server = self.server()
        self.assertEqual(
            ('spare-01', 'ACTIVE', None),
            (server.compute_host, server.status, server.task_state),
        )

    def test_there_is_no_record_at_first_but_the_server_is_migrating(self):
        self.start()
        self.migrate(push=1.0)
        self.assertIsNone(self.record())
        self.assertEqual('MIGRATING', self.server().status)
        self.playground.push(1.0)
        self.assertIsNotNone(self.record())

    def test_the_server_is_active_before_its_migration_has_ended(self):
        self.start()
        self.migrate()
        between = []
        for _ in range(400):
            self.playground.push(0.5)
            server, status = self.server(), self.status()
            if server.compute_host == 'spare-01' and status != 'completed':
                between.append((server.status, status))
            if status == 'completed':
                break
        self.assertIn(('ACTIVE', 'running'), between)

    def test_statistics_are_zero_then_refreshed_every_five_seconds(self):
        self.start()
        self.migrate(push=3.0)
        self.assertEqual(0, self.statistics().memory_total_bytes)
        self.playground.push(5.0)
        first = self.statistics().memory_processed_bytes
        self.assertLess(0, first)
        self.playground.push(1.0)
        self.assertEqual(first, self.statistics().memory_processed_bytes)
        self.playground.push(4.0)
        self.assertLess(first, self.statistics().memory_processed_bytes)

    def test_records_come_newest_first(self):
        self.start()
        self.migrate(push=200)
        self.migrate(host='spare-02', push=200)
        rows = self.compute.migrations(server_id=self.ids[FIRST])
        self.assertEqual(
            ['spare-02', 'spare-01'], [r.dest_compute for r in rows]
        )

    def test_a_host_sends_one_at_once_and_queues_the_others(self):
        whole = rack()
        # Without their traffic, or three servers' would leave too little
        # of the link for pre-copy to converge.
        vms = tuple(
            dataclasses.replace(vm, host='cmp-01', traffic=None)
            for vm in whole.vms[:3]
        )
        self.start(dataclasses.replace(whole, vms=vms))
        for n, vm in enumerate(vms, 1):
            self.migrate(vm.name, f'spare-0{n}')
        self.playground.push(5)
        found = sorted(self.status(vm.name) for vm in vms)
        self.assertEqual(['queued', 'queued', 'running'], found)
        self.playground.push(2000)
        found = {self.status(vm.name) for vm in vms}
        self.assertEqual({'completed'}, found)

    def test_what_has_ended_is_in_an_invalid_state_for_both_requests(self):
        self.start()
        self.migrate(push=2000)
        record = self.record()
        self.assertEqual('completed', record.status)
        for ask in (
            lambda: self.compute.force_complete_server_migration(
                record.id, record.server_id
            ),
            lambda: self.compute.abort_server_migration(
                record.id, record.server_id, ignore_missing=False
            ),
        ):
            error = self.assertRaises(
                openstack.exceptions.ConflictException, ask
            )
            self.assertIn('in an invalid state for', str(error))

    def test_all_pages_are_read(self):
        self.start()
        everything = {server.id for server in self.compute.servers()}
        self.assertGreater(len(everything), 5)
        pages = {server.id for server in self.compute.servers(limit=5)}
        self.assertEqual(everything, pages)

    def test_force_complete_switches_to_post_copy_where_permitted(self):
        self.start()
        self.migrate(push=9)
        record = self.record()
        self.compute.force_complete_server_migration(
            record.id, self.ids[FIRST]
        )
        self.assertEqual('running (post-copy)', self.status())
        # Nova forgets this status in the list below the server
        self.assertIsNone(self.statistics())
        self.assertEqual('cmp-01', self.server().compute_host)
        self.playground.push(200)
        self.assertEqual('completed', self.status())
        self.assertEqual('spare-01', self.server().compute_host)

    def test_force_complete_is_lost_before_the_first_byte(self):
        self.start()
        self.migrate(push=3.0)
        record = self.record()
        self.assertEqual('running', record.status)
        self.compute.force_complete_server_migration(
            record.id, self.ids[FIRST]
        )
        self.playground.push(0.5)
        self.assertEqual('running', self.status())

    def test_force_complete_pauses_where_post_copy_is_not_permitted(self):
        self.start(_without_post_copy())
        self.migrate(push=9)
        self.compute.force_complete_server_migration(
            self.record().id, self.ids[FIRST]
        )
        server = self.server()
        self.assertEqual(('running', 3), (self.status(), server.power_state))
        self.playground.push(200)
        self.assertEqual('completed', self.status())
        self.assertEqual(1, self.server().power_state)

    def test_an_abort_leaves_the_vm_where_it_was(self):
        self.start()
        self.migrate(push=9)
        self.compute.abort_server_migration(self.record().id, self.ids[FIRST])
        server = self.server()
        self.assertEqual('cancelled', self.status())
        self.assertEqual(
            ('cmp-01', 'ACTIVE'), (server.compute_host, server.status)
        )

    def test_an_abort_in_post_copy_is_refused(self):
        self.start()
        self.migrate(push=9)
        record = self.record()
        self.compute.force_complete_server_migration(
            record.id, self.ids[FIRST]
        )
        self.assertRaises(
            openstack.exceptions.BadRequestException,
            self.compute.abort_server_migration,
            record.id,
            self.ids[FIRST],
        )
        self.playground.push(200)
        self.assertEqual('completed', self.status())

    def test_a_second_migration_of_a_moving_vm_is_a_conflict(self):
        self.start()
        self.migrate(push=5)
        self.assertRaises(
            openstack.exceptions.ConflictException,
            self.migrate,
            host='spare-02',
        )

    def test_a_destination_without_room_fails_after_it_was_accepted(self):
        whole = rack()
        hosts = tuple(
            dataclasses.replace(h, memory=1e9) if h.name == 'spare-01' else h
            for h in whole.hosts
        )
        self.start(dataclasses.replace(whole, hosts=hosts))
        self.migrate(push=2)
        self.assertEqual('error', self.status())
        server = self.server()
        self.assertEqual(
            ('cmp-01', 'ACTIVE'), (server.compute_host, server.status)
        )

    def test_without_a_destination_the_scheduler_finds_one(self):
        self.start()
        self.migrate(host=None, push=200)
        self.assertEqual('completed', self.status())
        self.assertNotEqual('cmp-01', self.server().compute_host)


class TestFaults(Migrations):
    def fault(self, kind, after=0.0):
        self.start()
        self.playground.change(
            self.ids[FIRST], fault={'kind': kind, 'after': after}
        )

    def test_a_failure_leaves_the_vm_active_at_its_source(self):
        self.fault('fail', after=5.0)
        self.migrate(push=12)
        self.assertEqual('failed', self.status())
        server = self.server()
        self.assertEqual(
            ('cmp-01', 'ACTIVE'), (server.compute_host, server.status)
        )

    def test_an_error_leaves_the_vm_in_error(self):
        self.fault('error', after=5.0)
        self.migrate(push=12)
        self.assertEqual('error', self.status())
        server = self.server()
        self.assertEqual(
            ('cmp-01', 'ERROR'), (server.compute_host, server.status)
        )

    def test_only_the_next_migration_fails(self):
        self.fault('fail')
        self.migrate(push=12)
        self.migrate(push=200)
        self.assertEqual('completed', self.status())

    def test_a_refusal_is_an_answer_and_leaves_no_trace(self):
        self.fault('refuse')
        self.assertRaises(
            openstack.exceptions.BadRequestException, self.migrate
        )
        self.playground.push(10)
        self.assertIsNone(self.record())

    def test_a_vm_can_move_behind_everybodys_back(self):
        self.start()
        self.playground.change(self.ids[FIRST], host='spare-05')
        self.assertEqual('spare-05', self.server().compute_host)
        self.assertIsNone(self.record())
        self.migrate(push=200)
        self.assertEqual('spare-01', self.server().compute_host)

    def test_a_lock_is_seen(self):
        self.start()
        self.playground.change(self.ids[FIRST], locked=True)
        self.assertTrue(self.server().is_locked)
