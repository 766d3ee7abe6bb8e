"""Trouble in the simulated cloud, as real clients meet it.

Simulated time stands still but where a test pushes it.
"""

import openstack.exceptions
from keystoneauth1 import exceptions as auth_errors
from openstack import connection

from tests.functional.test_playground_migrations import FIRST
from tests.functional.test_playground_migrations import Migrations
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk


class Troubles(Migrations):
    """What the tests share; it has none."""

    def setUp(self):
        super().setUp()
        self.start()
        self.vm = self.ids[FIRST]

    def control(self, method, path, **body):
        answer = self.playground.session.request(
            f'{self.playground.control_url}{path}', method, json=body
        )
        return answer.json() if answer.content else None

    def trouble(self, match, kind, **more):
        return self.control(
            'POST', '/troubles', match=match, kind=kind, **more
        )['number']

    def truth(self):
        return self.playground.state()['vms'][self.vm]


class TestRequests(Troubles):
    def test_so_many_requests_meet_an_error_and_the_rest_do_not(self):
        number = self.trouble(
            f'GET .*/servers/{self.vm}', 'status', status=500, times=1
        )
        with self.assertRaisesRegex(
            openstack.exceptions.HttpException, 'asked to fail'
        ):
            self.server()
        self.assertEqual('ACTIVE', self.server().status)
        told = self.control('GET', '/troubles')
        self.assertEqual({str(number): 1}, told['struck'])

    def test_a_revoked_token_is_followed_by_another(self):
        self.trouble('GET .*/servers/', 'status', status=401, times=1)
        self.assertEqual('ACTIVE', self.server().status)

    def test_half_an_answer_is_none(self):
        self.trouble('GET .*/servers/', 'truncated', times=1)
        with self.assertRaises(auth_errors.ConnectionError):
            self.server()

    def test_a_lost_answer_was_done_and_a_silent_service_did_nothing(self):
        for kind, began in (('silent', None), ('lost', 'migrating')):
            self.trouble('POST .*/action', kind, times=1)
            compute = connection.Connection(
                session=self.playground.session
            ).compute
            with self.assertRaises(auth_errors.ConnectionError):
                compute.live_migrate_server(self.vm, 'spare-01', 'auto')
            self.assertEqual(began, self.server().task_state)
        started = self.control('GET', '/troubles')['started']
        # what it never got, Nova was not asked for
        self.assertEqual([[self.vm, 'spare-01']], started)


class TestMishaps(Troubles):
    def test_a_host_goes_down_while_its_vm_migrates(self):
        self.control(
            'POST', '/hosts/cmp-01',
            up=False, when={'vm': self.vm, 'status': 'running', 'after': 2},
        )  # fmt: skip
        self.migrate(push=60.0)
        self.assertEqual('running', self.status())
        self.assertEqual('cmp-01', self.server().compute_host)
        # QEMU needs no nova-compute
        self.assertEqual('spare-01', self.truth()['runs_on'])
        (service,) = self.compute.services(host='cmp-01')
        self.assertEqual('down', service.state)

    def test_a_destination_that_is_down_at_the_end_leaves_the_vm_behind(self):
        self.control(
            'POST', '/hosts/spare-01',
            up=False, when={'vm': self.vm, 'status': 'running', 'after': 2},
        )  # fmt: skip
        self.migrate(push=200.0)
        self.assertEqual('completed', self.status())
        server = self.server()
        self.assertEqual(
            ('cmp-01', 'migrating'), (server.compute_host, server.task_state)
        )
        self.assertEqual('spare-01', self.truth()['runs_on'])

    def test_a_stalled_migration_sends_nothing_more(self):
        self.playground.change(self.vm, fault={'kind': 'stall', 'after': 3})
        self.migrate(push=20.0)
        before = self.statistics().memory_processed_bytes
        self.assertGreater(before, 0)
        self.playground.push(100.0)
        self.assertEqual(before, self.statistics().memory_processed_bytes)
        self.playground.change(self.vm, repaired=True)
        self.assertEqual('error', self.status())
        self.assertEqual(0, self.playground.state()['sending'])

    def test_a_deleted_vm_takes_its_records_along(self):
        self.migrate(push=8.0)
        self.playground.change(self.vm, deleted=True)
        self.assertEqual([], list(self.compute.migrations(server_id=self.vm)))
        with self.assertRaises(openstack.exceptions.NotFoundException):
            self.server()

    def test_instance_actions_tell_why_a_destination_did_not_do(self):
        self.playground.change(self.vm, fault={'kind': 'unfit'})
        self.migrate(push=5.0)
        driver = OpenStackSdk(self.compute)
        (action,) = driver.actions(self.vm)
        (event,) = driver.events(self.vm, action.request)
        self.assertTrue(event.failed)
        self.assertIn('Unacceptable CPU info', event.details)

    def test_a_lost_post_copy_leaves_the_vm_in_error(self):
        self.playground.change(self.vm, fault={'kind': 'lose', 'after': 1})
        self.migrate(push=7.0)
        self.compute.force_complete_server_migration(self.record().id, self.vm)
        self.playground.push(0.5)
        self.assertEqual('running (post-copy)', self.status())
        self.playground.push(5.0)
        self.assertEqual(
            ('error', 'ERROR'), (self.status(), self.server().status)
        )
