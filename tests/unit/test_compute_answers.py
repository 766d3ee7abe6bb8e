"""What both compute drivers make of Nova's answers, word by word.

As Nova writes them on the wire; the clients are real.
"""

import types
import unittest

import requests
from keystoneauth1 import exceptions as auth_errors

from tests.unit.test_compute_drivers import URL
from tests.unit.test_compute_drivers import Case
from watcher_tsmig.execute.compute import Bond
from watcher_tsmig.execute.compute import Missing
from watcher_tsmig.execute.compute import Passage
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Refused
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.compute import Service
from watcher_tsmig.execute.compute import Statistics
from watcher_tsmig.execute.compute import Unanswered
from watcher_tsmig.execute.drivers import dialect
from watcher_tsmig.execute.drivers.nova_client import NovaClient
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk
from watcher_tsmig.units import MIB

HOST, STATE, TASK = (
    'OS-EXT-SRV-ATTR:host', 'OS-EXT-STS:vm_state', 'OS-EXT-STS:task_state',
)  # fmt: skip
BEGAN, ENDED = '2026-03-01T12:00:00.000000', '2026-03-01T12:01:30.500000'


class Answers(Case):
    def each(self):
        """Both drivers, on a Nova of today."""
        for kind in (OpenStackSdk, NovaClient):
            yield kind(self.compute())

    def says(self, path, **answer):
        self.wire.get(f'{URL}{path}', json=answer)

    @property
    def query(self):
        """Of the last request, parameter by parameter."""
        return self.wire.last_request.qs


class TestServer(Answers):
    def test_a_server_is_told_with_its_host_state_task_and_lock(self):
        for found, expected in (
            (
                {HOST: 'cmp-1', STATE: 'ACTIVE', TASK: None, 'locked': False},
                Server(
                    host='cmp-1', vm_state='active', task=None, locked=False
                ),
            ),
            (
                {HOST: 'b', STATE: 'x', TASK: 'migrating', 'locked': True},
                Server(host='b', vm_state='x', task='migrating', locked=True),
            ),
            (
                {HOST: '', STATE: None, TASK: ''},
                Server(host=None, vm_state='unknown', task=None, locked=False),
            ),
        ):
            self.says('/servers/vm-1', server={'id': 'vm-1', **found})
            for driver in self.each():
                self.assertEqual(expected, driver.server('vm-1'))

    def test_a_server_that_is_gone_is_missing_and_not_refused(self):
        self.wire.get(
            f'{URL}/servers/vm-1', status_code=404,
            json={'itemNotFound': {'message': 'no vm-1', 'code': 404}},
        )  # fmt: skip
        for driver in self.each():
            with self.assertRaisesRegex(Missing, 'no vm-1'):
                driver.server('vm-1')

    def test_the_vms_of_a_host_are_told_and_nobody_elses(self):
        servers = [
            {
                'id': 'vm-1', 'name': 'db', HOST: 'a', STATE: 'active',
                TASK: None, 'flavor': {'ram': 512},
            },
            {'id': 'vm-2', 'name': '', HOST: 'a', TASK: 'migrating'},
            # an old Nova ignores the filter
            {'id': 'vm-3', 'name': 'x', HOST: 'b', STATE: 'active'},
        ]  # fmt: skip

        def pages(request, _):
            # one page, then none
            return {'servers': [] if 'marker' in request.qs else servers}

        self.wire.get(f'{URL}/servers/detail', json=pages)
        for driver in self.each():
            self.assertEqual(
                [
                    Resident(
                        vm='vm-1', name='db', vm_state='active', task=None,
                        memory=512 * MIB,
                    ),
                    Resident(
                        vm='vm-2', name='vm-2', vm_state='unknown',
                        task='migrating', memory=0.0,
                    ),
                ],
                driver.residents('a'),
            )  # fmt: skip
            asked = self.wire.request_history
            first = [r.qs for r in asked if r.path.endswith('/detail')][-1]
            self.assertIn('all_tenants', first)
            self.assertEqual(['a'], first['host'])


class TestServices(Answers):
    def test_a_service_is_up_and_enabled_or_says_why_not(self):
        self.says(
            '/os-services',
            services=[
                {
                    'id': '1', 'host': 'a', 'binary': 'nova-compute',
                    'state': 'up', 'status': 'enabled',
                    'disabled_reason': None,
                },
                {
                    'id': '2', 'host': 'a', 'binary': 'nova-compute',
                    'state': 'down', 'status': 'disabled',
                    'disabled_reason': 'fan',
                },
            ],
        )  # fmt: skip
        for driver in self.each():
            self.assertEqual(
                [
                    Service(
                        host='a', binary='nova-compute', up=True,
                        enabled=True, reason='',
                    ),
                    Service(
                        host='a', binary='nova-compute', up=False,
                        enabled=False, reason='fan',
                    ),
                ],
                driver.services('a'),
            )  # fmt: skip
            self.assertEqual(['a'], self.query['host'])
            self.assertEqual(['nova-compute'], self.query['binary'])


class TestMigrations(Answers):
    ROW = {
        'id': 7,
        'instance_uuid': 'vm-1',
        'status': 'running',
        'source_compute': 'a',
        'dest_compute': 'b',
        'migration_type': 'live-migration',
        'created_at': BEGAN,
        'updated_at': ENDED,
    }

    def rows(self, *rows):
        self.says('/os-migrations', migrations=list(rows))

    def test_a_live_migration_of_a_vm_is_a_record(self):
        other = {**self.ROW, 'instance_uuid': 'vm-2'}
        cold = {**self.ROW, 'migration_type': 'migration'}
        old = {
            **self.ROW, 'id': 3, 'migration_type': None,
            'source_compute': None, 'dest_compute': None, 'updated_at': None,
        }  # fmt: skip
        self.rows(self.ROW, other, cold, old)
        for driver in self.each():
            self.assertEqual(
                [
                    Record(
                        id='7', status='running', took=90.5, source='a',
                        destination='b',
                    ),
                    Record(
                        id='3', status='running', took=None, source='',
                        destination='',
                    ),
                ],
                driver.records('vm-1'),
            )  # fmt: skip
            self.assertEqual(['vm-1'], self.query['instance_uuid'])

    def test_everyones_migrations_are_told_with_both_hosts(self):
        bare = {**self.ROW, 'source_compute': None, 'dest_compute': None}
        self.rows(self.ROW, bare)
        for driver in self.each():
            for host in ('a', ''):
                self.assertEqual(
                    [
                        Passage(
                            vm='vm-1', source='a', destination='b',
                            status='running',
                        ),
                        Passage(
                            vm='vm-1', source='', destination='',
                            status='running',
                        ),
                    ],
                    driver.passages(host),
                )  # fmt: skip
                # '' asks for those of all hosts
                self.assertEqual(bool(host), 'host' in self.query)

    def test_of_a_long_history_the_newest_500_are_told(self):
        self.rows(*({**self.ROW, 'id': i} for i in range(501)))
        for driver in self.each():
            self.assertEqual(500, len(driver.passages('a')))

    def test_what_runs_is_told_in_bytes(self):
        self.says(
            '/servers/vm-1/migrations/7',
            migration={
                'id': 7, 'memory_total_bytes': 100,
                'memory_processed_bytes': 40, 'memory_remaining_bytes': 60,
                'disk_remaining_bytes': 5, 'status': 'running',
                'created_at': '2026-11-29T10:00:00.000000',
                'updated_at': '2026-11-29T10:00:12.000000',
            },
        )  # fmt: skip
        for driver in self.each():
            self.assertEqual(
                Statistics(
                    total=100,
                    processed=40,
                    remaining=60,
                    disk_remaining=5,
                    status='running',
                    took=12.0,
                ),  # fmt: skip
                driver.statistics('vm-1', '7'),
            )

    def test_one_that_is_over_has_no_statistics(self):
        self.wire.get(
            f'{URL}/servers/vm-1/migrations/7', status_code=404,
            json={'itemNotFound': {'message': 'is over', 'code': 404}},
        )  # fmt: skip
        for driver in self.each():
            self.assertRaises(Missing, driver.statistics, 'vm-1', '7')

    def test_a_switch_and_an_abort_are_asked_of_that_migration(self):
        path = f'{URL}/servers/vm-1/migrations/7'
        self.wire.post(f'{path}/action', status_code=202)
        self.wire.delete(path, status_code=202)
        for driver in self.each():
            driver.switch('vm-1', '7')
            self.assertEqual(['force_complete'], [*self.asked()[0]])
            driver.abort('vm-1', '7')
            last = self.wire.last_request
            self.assertEqual(('DELETE', path), (last.method, last.url))

    def test_one_that_cannot_be_aborted_any_more_is_told_as_nova_does(self):
        path = f'{URL}/servers/vm-1/migrations/7'
        for status, kind in ((404, Missing), (400, Refused)):
            self.wire.delete(
                path, status_code=status,
                headers={'Content-Type': 'application/json'},
                json={'x': {'message': 'too late', 'code': status}},
            )  # fmt: skip
            for driver in self.each():
                with self.assertRaisesRegex(kind, 'too late'):
                    driver.abort('vm-1', '7')


class TestActions(Answers):
    def test_what_was_done_with_a_vm_and_what_came_of_it(self):
        path = '/servers/vm-1/os-instance-actions'
        done = {'action': 'live-migration', 'request_id': 'req-1'}
        self.says(path, instanceActions=[done])
        events = [
            {'event': 'a', 'result': 'Error', 'details': 'No valid host'},
            {'event': 'b', 'result': 'Success'},
        ]
        self.says(f'{path}/req-1', instanceAction={**done, 'events': events})
        for driver in self.each():
            (action,) = driver.actions('vm-1')
            self.assertEqual(
                ('live-migration', 'req-1'), (action.name, action.request)
            )
            told = driver.events('vm-1', 'req-1')
            self.assertEqual(
                [(True, 'No valid host'), (False, '')],
                [(event.failed, event.details) for event in told],
            )

    def test_where_nova_keeps_none_there_are_none(self):
        path = '/servers/vm-1/os-instance-actions'
        self.says(path, instanceActions=[])
        self.says(f'{path}/r', instanceAction={'action': 'x', 'events': None})
        for driver in self.each():
            self.assertEqual([], driver.actions('vm-1'))
            self.assertEqual([], driver.events('vm-1', 'r'))

    def test_a_vm_of_no_group_has_no_bonds(self):
        self.says('/servers/vm-1', server={'id': 'vm-1'})
        for driver in self.each():
            self.assertEqual([], driver.bonds('vm-1'))


class TestDialect(unittest.TestCase):
    """What is not Nova's: errors without words, answers of old releases."""

    class Own(Exception):
        pass

    class Gone(Own):
        pass

    def raised(self, error, words=None):
        made = dialect.Dialect(
            own=(self.Own,), missing=self.Gone, words=lambda _: words
        )
        kinds = Refused, Unanswered, Missing, ZeroDivisionError
        with self.assertRaises(kinds) as caught, made.translated():
            raise error
        return type(caught.exception), str(caught.exception)

    def coded(self, status, name='status_code'):
        error = self.Own('so')
        setattr(error, name, status)
        return error

    def test_only_what_nobody_answered_may_have_been_done(self):
        for error, kind in (
            (self.Gone('so'), Missing),
            (self.Own('so'), Refused),
            (self.coded(428), Refused),
            (self.coded(429), Unanswered),
            (self.coded(430), Refused),
            (self.coded(499), Refused),
            (self.coded(500), Unanswered),
            (self.coded(503, 'code'), Unanswered),
            (self.coded(503, 'http_status'), Unanswered),
            (self.coded('503'), Refused),
            (auth_errors.ConnectTimeout('so'), Unanswered),
            (auth_errors.ConnectFailure('so'), Unanswered),
            (requests.exceptions.Timeout('so'), Unanswered),
            (requests.exceptions.ReadTimeout('so'), Unanswered),
            (requests.exceptions.ConnectionError('so'), Unanswered),
            (requests.exceptions.ChunkedEncodingError('so'), Unanswered),
            (requests.exceptions.InvalidURL('so'), Refused),
            (auth_errors.UnknownConnectionError('so', None), Unanswered),
            (auth_errors.Unauthorized('so'), Refused),
            (auth_errors.EndpointNotFound('so'), Refused),
        ):
            self.assertIs(kind, self.raised(error)[0], error)

    def test_what_is_no_error_of_a_client_is_a_bug_and_stays_one(self):
        self.assertEqual(
            (ZeroDivisionError, 'x'), self.raised(ZeroDivisionError('x'))
        )

    def test_novas_words_come_first_on_one_line_then_any(self):
        for error, words, text in (
            (self.Own('it\n  is so'), None, 'it is so'),
            (self.Own('http 400'), 'locked\nby you ', 'locked by you'),
            (self.Own('  '), None, 'Own'),
        ):
            self.assertEqual(text, self.raised(error, words)[1])

    def test_the_time_between_two_instants_where_nova_tells_both(self):
        for first, last, seconds in (
            (BEGAN, ENDED, 90.5),
            ('2026-03-01T12:00:00Z', '2026-03-01T12:00:01Z', 1.0),
            (BEGAN, None, None),
            (None, ENDED, None),
            ('2026-03-01T12:00:00Z', BEGAN, None),
        ):
            self.assertEqual(seconds, dialect.between(first, last))

    def test_memory_is_that_of_the_flavor_in_whatever_form(self):
        thing = types.SimpleNamespace
        for flavor, mib in (
            (None, 0), ({}, 0), ({'ram': 3}, 3), (thing(ram=2), 2),
            (thing(ram=None), 0),
        ):  # fmt: skip
            self.assertEqual(mib * MIB, dialect.ram(flavor), flavor)

    def test_a_group_has_a_name_a_rule_and_one_member_a_host(self):
        self.assertEqual(
            Bond(name='g-1', policy='', members=(), most=1),
            dialect.bond({'id': 'g-1', 'name': None, 'rules': None}),
        )
        self.assertEqual(
            Bond(name='n', policy='affinity', members=('vm-1',), most=3),
            dialect.bond(
                {
                    'id': 'g-1', 'name': 'n', 'policy': 'affinity',
                    'members': ['vm-1'], 'rules': {'max_server_per_host': 3},
                }
            ),
        )  # fmt: skip
