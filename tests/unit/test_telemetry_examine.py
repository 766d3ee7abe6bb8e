"""A cloud read from outside: who is asked, how, and what silence becomes.

The clients are real; what they get over the wire is written here.
"""

import types

import fixtures
import requests
import requests_mock
import testtools
from keystoneauth1 import fixture as ksa_fixture
from openstack import config as cloud_config
from openstack import connection

from watcher_tsmig import errors
from watcher_tsmig.agent.values import FORMAT
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry import direct
from watcher_tsmig.telemetry.direct import Origin
from watcher_tsmig.telemetry.doctor import examine
from watcher_tsmig.telemetry.doctor.probes import PROBES
from watcher_tsmig.telemetry.doctor.probes import Answer

KEYSTONE = 'http://keystone.example/v3'
URLS = {
    'identity': KEYSTONE,
    'compute': 'http://nova.example/v2.1',
    'placement': 'http://placement.example',
    'metric': 'http://gnocchi.example:8041',
    'image': 'http://glance.example',
    'network': 'http://neutron.example:9696',
    'infra-optim': 'http://watcher.example:9322',
}
NOVA, PLACEMENT, GNOCCHI = URLS['compute'], URLS['placement'], URLS['metric']
NOW = 1_700_000_170.0

HYPERVISOR = {
    'id': 'uuid-a', 'hypervisor_hostname': 'a', 'hypervisor_type': 'QEMU',
    'service': {'host': 'a'}, 'memory_mb': 2048, 'vcpus': 8, 'local_gb': 0,
    'servers': [],
}  # fmt: skip
SERVER = {
    'id': 'id-one', 'name': 'one', 'OS-EXT-SRV-ATTR:host': 'a',
    'OS-EXT-STS:vm_state': 'active', 'OS-EXT-STS:task_state': None,
    'tenant_id': 'p', 'metadata': {}, 'image': '', 'locked': False,
    'flavor': {'ram': 512, 'vcpus': 1, 'disk': 0, 'original_name': 'm1'},
}  # fmt: skip
SERVICE = {
    'id': 's', 'host': 'a', 'binary': 'nova-compute', 'status': 'enabled',
    'state': 'up', 'zone': 'nova',
}  # fmt: skip
STOCK = {'MEMORY_MB': {'total': 1024, 'reserved': 0, 'allocation_ratio': 1.0}}
AGENT = {'format': FORMAT, 'nova': None, 'nic': None}


class Agents:
    """Each host has one."""

    def ask(self, host, verb, arguments, *, insist=False):
        return AGENT


class Case(testtools.TestCase):
    def setUp(self):
        super().setUp()
        # clients tell of each service that is away
        self.useFixture(fixtures.FakeLogger())
        self.wire = requests_mock.Mocker()
        self.wire.start()
        # whoever is not served is away
        self.wire.register_uri(
            requests_mock.ANY, requests_mock.ANY, exc=requests.ConnectionError
        )
        self.addCleanup(self.wire.stop)

    def connect(self, *services, region='one', **values):
        """A connection to a cloud whose catalogue has these services."""
        token = ksa_fixture.V3Token()
        token.set_project_scope()
        for service in services or URLS:
            url = URLS[service]
            there = token.add_service(service)
            there.add_standard_endpoints(
                public=url, internal=f'{url}/inside', region='one'
            )
            there.add_standard_endpoints(public=f'{url}/far', region='two')
        self.wire.get(
            KEYSTONE, json={'version': ksa_fixture.V3Discovery(KEYSTONE)}
        )
        self.wire.post(
            f'{KEYSTONE}/auth/tokens', json=token,
            headers={'X-Subject-Token': 'token'},
        )  # fmt: skip
        here = cloud_config.OpenStackConfig(
            config_files=[], vendor_files=[], load_envvars=False
        )
        return connection.Connection(
            config=here.get_one(
                auth={
                    'auth_url': KEYSTONE, 'username': 'u', 'password': 'p',
                    'project_name': 'p', 'user_domain_id': 'd',
                    'project_domain_id': 'd',
                },
                region_name=region,
                **values,
            )
        )  # fmt: skip

    def serve(self):
        """A small cloud answers: a host, a VM, nothing measured."""
        version = versioned(NOVA, 'v2.1', version='2.96', min_version='2.1')
        date = {'Date': 'Tue, 14 Nov 2023 22:14:20 GMT'}
        self.wire.get(NOVA, json={'version': version}, headers=date)
        self.wire.get(f'{NOVA}/', json={'version': version})
        for path, rows in (
            ('os-hypervisors/detail', {'hypervisors': [HYPERVISOR]}),
            ('os-services', {'services': [SERVICE]}),
            ('servers/detail', {'servers': [SERVER]}),
            ('os-aggregates', {'aggregates': []}),
            ('os-server-groups', {'server_groups': []}),
            ('os-migrations', {'migrations': []}),
        ):
            self.wire.get(f'{NOVA}/{path}', json=rows, headers=date)
        self.wire.get(PLACEMENT, json={'versions': [versioned(PLACEMENT)]})
        self.wire.get(
            f'{PLACEMENT}/resource_providers', json={'resource_providers': []}
        )
        self.wire.get(
            f'{PLACEMENT}/resource_providers/uuid-a/inventories',
            json={'inventories': STOCK},
        )
        for end in ('', '/'):
            self.wire.get(
                f'{GNOCCHI}/v1/capabilities{end}',
                json={'aggregation_methods': ['mean']},
            )
        self.wire.get(f'{GNOCCHI}/v1/resource/instance', json=[])
        self.wire.post(requests_mock.ANY, json=[], additional_matcher=searches)

    def asked(self, url):
        """Requests below that address."""
        return [r for r in self.wire.request_history if r.url.startswith(url)]


def versioned(url, name='v1.0', **values):
    """One version of an API, as it tells of itself."""
    links = [{'rel': 'self', 'href': url}]
    return {'id': name, 'status': 'CURRENT', 'links': links, **values}


def searches(request):
    return request.url.startswith(f'{GNOCCHI}/v1/search/')


class TestReach(Case):
    def test_the_services_are_those_of_the_catalogue(self):
        access = direct.reach(self.connect())
        self.assertEqual(URLS, access.endpoints)
        access = direct.reach(self.connect('identity', 'compute'))
        self.assertEqual(
            {'identity': KEYSTONE, 'compute': NOVA}, access.endpoints
        )

    def test_people_know_each_by_its_name(self):
        self.assertEqual(
            'Keystone Nova Placement Gnocchi Glance Neutron Watcher'.split(),
            [direct.SERVICES[service] for service in URLS],
        )

    def test_a_region_and_an_interface_are_minded(self):
        access = direct.reach(self.connect('compute', region='two'))
        self.assertEqual({'compute': f'{NOVA}/far'}, access.endpoints)
        access = direct.reach(self.connect('compute', interface='internal'))
        self.assertEqual({'compute': f'{NOVA}/inside'}, access.endpoints)
        self.assertEqual(
            {
                'service_type': 'compute',
                'interface': 'internal',
                'region_name': 'one',
            },
            access.filter('compute'),
        )
        self.assertEqual(
            'public', direct.reach(self.connect()).filter('x')['interface']
        )

    def test_where_nobody_says_which_interface_it_is_the_public_one(self):
        there = self.connect()
        there.config.config['interface'] = None
        access = direct.reach(there)
        self.assertEqual('public', access.filter('metric')['interface'])
        self.assertEqual(URLS, access.endpoints)

    def test_an_endpoint_that_somebody_set_is_taken(self):
        access = direct.reach(
            self.connect('compute', metric_endpoint_override='http://here')
        )
        self.assertEqual(
            {'compute': NOVA, 'metric': 'http://here'}, access.endpoints
        )

    def test_a_request_is_bounded_unless_somebody_bounded_it(self):
        there = self.connect()
        there.session.timeout = None
        direct.reach(there)
        self.assertEqual(30.0, there.session.timeout)
        there.session.timeout = 7.0
        direct.reach(there)
        self.assertEqual(7.0, there.session.timeout)

    def test_a_keystone_that_does_not_let_us_in_is_an_error_of_its_name(self):
        there = self.connect()
        self.wire.post(f'{KEYSTONE}/auth/tokens', status_code=401)
        error = self.assertRaises(errors.CloudError, direct.reach, there)
        self.assertStartsWith(str(error), 'Keystone: ')

    def assertStartsWith(self, text, start):
        self.assertEqual(start, text[: len(start)])

    def test_requests_of_the_session_are_counted(self):
        access = direct.reach(self.connect())
        self.serve()
        access.connection.session.get(f'{NOVA}/os-services')
        self.assertEqual(1, access.tally.requests(access.endpoints)['compute'])


class TestSource(Case):
    def source(self, name, *services, place='', timeout=None):
        access = direct.reach(self.connect(*services))
        access.connection.session.timeout = timeout
        taken = []
        self.patch(
            direct, 'open_source', lambda *words: taken.append(words) or 'x'
        )
        origin = Origin(name=name, place=place)
        found = access.source(origin, Settings())
        return found, taken, access.connection.session

    def test_nobody_is_asked_where_nobody_is_or_no_gnocchi(self):
        for name, services in (
            ('none', ()),
            ('gnocchi', ('identity', 'compute')),
        ):
            found, taken, _ = self.source(name, *services)
            self.assertIsNone(found)
            self.assertEqual([], taken)

    def test_a_source_gets_the_session_and_where_its_service_is(self):
        for name, services in (
            ('gnocchi', ()),
            ('prometheus', ('identity', 'compute')),
        ):
            found, ((asked, reach, settings),), session = self.source(
                name, *services, place='http://here', timeout=9.0
            )
            self.assertEqual(('x', name), (found, asked))
            self.assertIs(session, reach.session)
            self.assertEqual(
                ('http://here', 9.0), (reach.place, reach.timeout)
            )
            where = {'interface': 'public', 'region_name': 'one'}
            self.assertEqual(
                {'gnocchi': where, 'aetos': where}, reach.catalogue
            )
            self.assertEqual(Settings(), settings)

    def test_a_source_that_there_is_not_is_the_callers_fault(self):
        access = direct.reach(self.connect())
        self.assertRaises(
            errors.InputError, access.source, Origin(name='tea'), Settings()
        )

    def test_a_gnocchi_is_asked_where_the_catalogue_has_it(self):
        access = direct.reach(self.connect('compute'))
        self.assertIsNone(access.gnocchi())
        self.serve()
        for region, url in (('one', GNOCCHI), ('two', f'{GNOCCHI}/far')):
            there = direct.reach(self.connect(region=region))
            self.wire.get(f'{url}/v1/capabilities/', json={'of': region})
            self.assertEqual(
                {'of': region}, there.gnocchi().capabilities.list()
            )


class TestBeside(Case):
    def test_a_service_is_listed_by_region_and_interface(self):
        compute = self.connect('compute', 'network').compute
        self.assertIs(True, beside.listed(compute, 'network'))
        self.assertIs(False, beside.listed(compute, 'shared-file-system'))
        for region, interface, there in (
            ('two', 'public', True),
            ('two', 'internal', False),
            ('three', 'public', False),
        ):
            other = types.SimpleNamespace(
                session=compute.session,
                region_name=region,
                interface=interface,
            )
            self.assertIs(there, beside.listed(other, 'network'))

    def test_other_services_are_those_of_the_same_region(self):
        for region, interface, ends in (
            ('one', 'public', ''),
            ('one', 'internal', '/inside'),
            ('two', 'public', '/far'),
        ):
            for service, name in (('image', 'v2.9'), ('network', 'v2.0')):
                url = f'{URLS[service]}{ends}'
                versions = {'versions': [versioned(f'{url}/v2', name)]}
                for end in ('', '/'):
                    self.wire.get(f'{url}{end}', json=versions)
            compute = self.connect(region=region, interface=interface).compute
            for proxy in (beside.glance(compute), beside.neutron(compute)()):
                self.assertEqual(
                    (region, interface), (proxy.region_name, proxy.interface)
                )
                self.assertIs(compute.session, proxy.session)
                url = URLS[proxy.service_type]
                self.assertEqual(
                    f'{url}{ends}',
                    compute.session.get_endpoint(
                        service_type=proxy.service_type,
                        region_name=proxy.region_name,
                        interface=proxy.interface,
                    ),
                )

    def test_without_a_neutron_that_is_told_once_it_is_needed(self):
        source = beside.neutron(self.connect('compute').compute)
        error = self.assertRaises(errors.CloudError, source)
        self.assertEqual('Neutron is not in the catalogue', str(error))


class Reading(Case):
    def setUp(self):
        super().setUp()
        self.serve()

    def access(self, *services):
        return direct.reach(self.connect(*services))


class TestDirectly(Reading):
    def read(self, *services, **values):
        return direct.read_directly(
            self.access(*services), Settings(), now=NOW, **values
        )

    def test_the_whole_cloud_is_read_with_all_that_answers(self):
        found = self.read(agents=Agents())
        cloud = found.reading.cloud
        (host,) = cloud.hosts
        self.assertEqual(('a', True, True), (host.name, host.up, host.agent))
        # Placement's, not Nova's
        self.assertEqual(1024 * 2**20, host.memory)
        self.assertEqual(['one'], [vm.name for vm in cloud.vms])
        self.assertEqual(NOW, cloud.taken_at)
        self.assertEqual({'uuid-a'}, set(found.nodes.nodes))
        self.assertNotEqual([], self.asked(URLS['network']))
        self.assertNotEqual([], self.asked(f'{GNOCCHI}/v1/search/'))

    def test_notes_about_hosts_come_before_those_about_vms(self):
        found = self.read('identity', 'compute')
        notes = found.reading.notes
        self.assertEqual(found.nodes.notes, notes[:1])
        self.assertIn('Placement is not asked', notes[0])
        self.assertGreater(len(notes), 1)
        self.assertEqual(2048 * 2**20, found.reading.cloud.hosts[0].memory)
        self.assertFalse(found.reading.cloud.hosts[0].agent)

    def test_another_source_of_measures_is_asked_instead(self):
        self.read(origin=Origin(name='none'))
        self.assertEqual([], self.asked(GNOCCHI))


class TestExamine(Reading):
    def examine(self, *services, origin='gnocchi', **values):
        return examine.examine(
            self.access(*services),
            Settings(),
            now=NOW,
            origin=Origin(name=origin),
            **values,
        )

    def test_all_that_answers_is_told(self):
        options = {'watcher/option': 3}
        seen = self.examine(agents=Agents(), options=options)
        self.assertEqual(
            (NOW, Settings(), 'gnocchi', URLS, True, options, '2.96', ''),
            (
                seen.now, seen.settings, seen.source, seen.endpoints,
                seen.agents, seen.options, seen.nova, seen.failure,
            ),
        )  # fmt: skip
        (vm,) = seen.direct.reading.cloud.vms
        self.assertEqual((vm,), seen.metering.looked_for)
        self.assertEqual('', seen.metering.why)
        self.assertTrue(seen.direct.reading.cloud.hosts[0].agent)
        self.assertEqual(['compute'], list(seen.skews))
        for service, answers in (
            ('compute', True), ('metric', True), ('placement', True),
            ('image', False), ('infra-optim', False), ('tea', False),
        ):  # fmt: skip
            self.assertIs(answers, seen.answered(service), service)

    def test_who_has_no_agents_asks_none(self):
        seen = self.examine()
        self.assertIs(False, seen.agents)
        self.assertIsNone(seen.options)
        self.assertFalse(seen.direct.reading.cloud.hosts[0].agent)

    def test_a_nova_that_does_not_answer_is_not_asked_any_more(self):
        seen = self.examine('identity', 'metric')
        self.assertEqual(
            (None, '', '', None),
            (seen.direct, seen.failure, seen.nova, seen.metering),
        )
        self.assertNotEqual((), seen.answers)

    def test_a_nova_that_refuses_is_why_there_is_no_cloud(self):
        self.wire.get(f'{NOVA}/servers/detail', status_code=403)
        seen = self.examine()
        self.assertIsNone(seen.direct)
        self.assertIn('Nova: servers', seen.failure)
        self.assertIsNone(seen.metering)

    def test_a_gnocchi_is_metered_only_if_it_is_the_source_and_answers(self):
        for services, origin in (
            ((), 'none'),
            (('identity', 'compute', 'placement'), 'gnocchi'),
        ):
            seen = self.examine(*services, origin=origin)
            self.assertEqual(origin, seen.source)
            self.assertIsNotNone(seen.direct)
            self.assertIsNone(seen.metering)

    def test_a_gnocchi_that_is_away_is_not_asked_for_measures(self):
        for path in ('capabilities', 'resource/instance'):
            self.wire.get(f'{GNOCCHI}/v1/{path}', exc=requests.ConnectionError)
        seen = self.examine()
        self.assertIsNotNone(seen.direct)
        self.assertIsNone(seen.metering)


class TestSeen(testtools.TestCase):
    def test_who_asked_nobody_saw_nothing(self):
        seen = examine.Seen(now=NOW, settings=Settings(), endpoints={})
        self.assertEqual(
            ('gnocchi', (), {}, '', None, '', None, False, None),
            (
                seen.source, seen.answers, seen.skews, seen.nova,
                seen.direct, seen.failure, seen.metering, seen.agents,
                seen.options,
            ),
        )  # fmt: skip

    def test_a_service_answered_if_any_of_its_questions_was(self):
        nova, gnocchi = (
            next(probe for probe in PROBES if probe.service == service)
            for service in ('compute', 'metric')
        )
        seen = examine.Seen(
            now=NOW,
            settings=Settings(),
            endpoints={},
            answers=(
                Answer(probe=nova),
                Answer(probe=nova, status=500),
                Answer(probe=gnocchi),
            ),
        )
        self.assertIs(True, seen.answered('compute'))
        self.assertIs(False, seen.answered('metric'))
        self.assertIs(False, seen.answered('image'))
