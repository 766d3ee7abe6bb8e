"""Small questions to each API: which, how they are asked, what comes of it."""

import types
import unittest

import requests
import requests_mock
from keystoneauth1 import noauth
from keystoneauth1 import session

from watcher_tsmig.telemetry.direct import Access
from watcher_tsmig.telemetry.doctor import probes
from watcher_tsmig.telemetry.doctor.probes import PROBES
from watcher_tsmig.telemetry.doctor.probes import Probe

NOVA = 'http://cloud/compute/v2.1'
# service, what is wanted of the answer, microversion
ASKED = (
    ('compute', 'hypervisors', '2.53'),
    ('compute', 'services', '2.53'),
    ('compute', 'servers', '2.53'),
    ('compute', 'aggregates', ''),
    ('compute', 'server_groups', ''),
    ('compute', 'migrations', '2.59'),
    ('placement', 'resource_providers', '1.18'),
    ('metric', 'aggregation_methods', ''),
    ('metric', '', ''),
    ('image', 'images', ''),
    ('network', 'ports', ''),
    ('infra-optim', 'strategies', ''),
    ('infra-optim', 'services', ''),
)
HOST, STATE = 'OS-EXT-SRV-ATTR:host', 'OS-EXT-STS:vm_state'
SERVERS = Probe(
    service='compute',
    path='/servers',
    key='servers',
    gives='VMs',
    policy='all of them',
    within=(HOST, STATE),
)


class TestTable(unittest.TestCase):
    def test_what_every_plan_needs_is_asked_first(self):
        self.assertEqual(
            list(ASKED), [(p.service, p.key, p.version) for p in PROBES]
        )

    def test_without_hosts_services_servers_and_aggregates_is_no_plan(self):
        self.assertEqual(
            ['hypervisors', 'services', 'servers', 'aggregates'],
            [probe.key for probe in PROBES if probe.vital],
        )

    def test_members_that_a_policy_hides_are_looked_for(self):
        self.assertEqual(
            {'servers': (HOST, STATE), 'ports': ('binding:vif_type',)},
            {probe.key: probe.within for probe in PROBES if probe.within},
        )

    def test_each_says_what_it_gives_and_who_has_to_allow_it(self):
        for probe in PROBES:
            self.assertTrue(probe.gives and probe.policy, probe.path)


class TestAsked(unittest.TestCase):
    def setUp(self):
        self.wire = self.enterContext(requests_mock.Mocker())

    def ask(self, *asked, **endpoints):
        there = session.Session(auth=noauth.NoAuth())
        access = Access(
            connection=types.SimpleNamespace(session=there),
            endpoints={'compute': NOVA, **endpoints},
            tally=None,
        )
        return probes.probe_all(access, asked)

    def told(self, body, probe=SERVERS, **given):
        """What is found in an answer, and why it is not there."""
        given = {'json': body, **given}
        self.wire.get(f'{NOVA}{probe.path}', **given)
        (answer,) = self.ask(probe)
        self.assertIs(probe, answer.probe)
        self.assertEqual(given.get('status_code', 200), answer.status)
        self.assertTrue(0 <= answer.took < 60, answer.took)
        return answer.found, answer.why

    def test_a_microversion_is_asked_for_where_one_is_needed(self):
        for version, sent in (('2.53', 'compute 2.53'), ('', None)):
            probe = Probe(
                service='compute', path='/servers', key='servers',
                gives='', policy='', version=version,
            )  # fmt: skip
            self.assertEqual(([], ''), self.told({'servers': []}, probe))
            headers = self.wire.last_request.headers
            self.assertEqual(sent, headers.get('OpenStack-API-Version'))
            self.assertEqual('application/json', headers['Accept'])

    def test_what_is_wanted_is_a_list_that_hides_nothing(self):
        whole = {HOST: 'a', STATE: 'active'}
        for rows in ([], [whole], [whole, {}]):
            self.assertEqual((rows, ''), self.told({'servers': rows}))
        for rows, hidden in (
            ([{HOST: 'a'}], STATE),
            ([{STATE: 'active', HOST: None}], HOST),
            ([{}, whole], f'{HOST}, {STATE}'),
        ):
            self.assertEqual(
                (None, f'its answer hides {hidden}'),
                self.told({'servers': rows}),
            )

    def test_an_answer_that_has_it_not_says_what_it_lacks(self):
        for body in ({}, {'servers': {}}, {'servers': None}, [], 5):
            self.assertEqual(
                (None, 'its answer lacks servers'), self.told(body)
            )
        whole = Probe(
            service='compute', path='/all', key='', gives='', policy=''
        )
        self.assertEqual(
            (None, 'its answer lacks a list'), self.told({}, whole)
        )
        self.assertEqual(([1], ''), self.told([1], whole))

    def test_a_refusal_is_told_by_its_number(self):
        for status in (201, 403, 404, 500):
            self.assertEqual(
                (None, f'HTTP {status}'), self.told({}, status_code=status)
            )

    def test_an_answer_that_is_no_json_is_told(self):
        self.assertEqual(
            (None, 'its answer is not JSON'),
            self.told(None, json=None, text='<html>'),
        )

    def test_who_does_not_answer_is_asked_once_and_the_others_are_asked(self):
        self.wire.get(
            f'{NOVA}/servers', exc=requests.ConnectTimeout('too late')
        )
        self.wire.get('http://glance/v2/images', json={'images': []})
        image = Probe(
            service='image', path='/v2/images', key='images', gives='',
            policy='',
        )  # fmt: skip
        found = self.ask(SERVERS, image, SERVERS, image, image='http://glance')
        self.assertEqual([None, 200, None, 200], [a.status for a in found])
        self.assertEqual(3, self.wire.call_count)
        self.assertTrue(found[0].why.startswith('it does not answer: '))
        self.assertEqual(found[0].why, found[2].why)
        self.assertTrue(0 <= found[0].took < 60)
        self.assertEqual(0.0, found[2].took)

    def test_who_answers_with_a_refusal_is_asked_on(self):
        self.wire.get(f'{NOVA}/servers', status_code=403)
        self.assertEqual(2, len(self.ask(SERVERS, SERVERS)))
        self.assertEqual(2, self.wire.call_count)

    def test_who_is_not_in_the_catalogue_is_not_asked(self):
        image = Probe(service='image', path='/x', key='', gives='', policy='')
        self.wire.get(f'{NOVA}/servers', json={'servers': []})
        (answer,) = self.ask(image, SERVERS)
        self.assertIs(SERVERS, answer.probe)

    def test_a_path_with_a_version_is_below_the_service_itself(self):
        for base in ('http://cloud/image/v2', 'http://cloud/image/'):
            self.wire.get('http://cloud/image/v2/images', json={'images': []})
            image = Probe(
                service='image', path='/v2/images', key='images', gives='',
                policy='',
            )  # fmt: skip
            (answer,) = self.ask(image, image=base)
            self.assertEqual(200, answer.status)
        self.wire.get('http://cloud/at/x', json=[])
        plain = Probe(service='at', path='/x', key='', gives='', policy='')
        (answer,) = self.ask(plain, at='http://cloud/at/')
        self.assertEqual(200, answer.status)
