"""What binds a VM to hosts: zones, disk, aggregates, traits, groups, links.

The fakes are those of test_telemetry_inventory; the real openstacksdk reads
the same from the playground in tests/functional.
"""

import contextlib
import dataclasses
import unittest

from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from tests.unit.test_telemetry_inventory import SmallCompute
from tests.unit.test_telemetry_inventory import SmallModel
from tests.unit.test_telemetry_inventory import node
from tests.unit.test_telemetry_inventory import server
from tests.unit.test_telemetry_inventory import thing
from watcher_tsmig.model import Group
from watcher_tsmig.model import Link
from watcher_tsmig.telemetry.inventory import inventory
from watcher_tsmig.telemetry.needs import traits
from watcher_tsmig.telemetry.needs.destinations import matches

SCOPE = 'aggregate_instance_extra_specs:'
# (an aggregate's value, what a flavor asks for) -> whether that fits
OPERATORS = (
    ('10', '10', True),
    ('10', '10.0', False),
    ('10', '== 10.0', True),
    ('10', '= 8', True),
    ('10', '>= 11', False),
    ('10', '<= 11', True),
    ('10', '!= 10', False),
    ('10', '!= 9', True),
    ('10', '== 9', False),
    # what comes after is not looked at
    ('10', '== 10 9', True),
    ('ten', 's== ten nine', True),
    ('10', '= 10', True),
    ('10', '= 11', False),
    ('10', '>= 10', True),
    ('10', '>= 9', True),
    ('10', '<= 10', True),
    ('10', '<= 9', False),
    ('ten', '== 10', False),
    ('ten', 's== ten', True),
    ('ten', 's== nine', False),
    ('ten', 's!= ten', False),
    ('ten', 's!= nine', True),
    ('b', 's> a', True),
    ('b', 's> b', False),
    ('b', 's< c', True),
    ('b', 's< b', False),
    ('b', 's< a', False),
    ('b', 's<= b', True),
    ('b', 's<= a', False),
    ('b', 's>= b', True),
    ('b', 's>= c', False),
    ('gpu-a100', '<in> gpu', True),
    ('cpu', '<in> gpu', False),
    ('avx avx2', '<all-in> avx avx2', True),
    ('avx', '<all-in> avx avx2', False),
    ('b', '<or> a <or> b', True),
    ('c', '<or> a <or> b', False),
    ('<or>', '<or> a <or> b', False),
    ('c', '<or>', False),
    ('c', '<all-in>', False),
    ('c', 's!=', False),
    ('c', '==', False),
    ('10', '==', False),
    ('10', '== ten', False),
    ('', '', True),
    ('a', '', False),
    # what is no operator is taken as it is
    ('10', '!== 10', False),
    ('!== 10', '!== 10', True),
)


def flavor(**values):
    return thing(**{'ram': 512, 'vcpus': 2, **values})


def picky(name, specs, **values):
    return server(name, flavor=flavor(extra_specs=specs), **values)


def aggregate(name, hosts, metadata):
    return thing(name=name, hosts=list(hosts), metadata=metadata)


class SmallPlacement:
    """Placement's proxy in front of a table: trait -> provider ids."""

    def __init__(self, having, error=None):
        self.having = having
        self.error = error
        self.asked = []

    @contextlib.contextmanager
    def open(self):
        yield self

    def get(self, path):
        if self.error is not None:
            raise self.error
        return thing(status_code=200, json=lambda: {'usages': {}})

    def resource_providers(self, required):
        self.asked.append(required)
        if self.error is not None:
            raise self.error
        if required not in self.having:
            raise sdk_errors.BadRequestException(f'No such trait: {required}')
        return [
            thing(id=one, root_provider_id=root)
            for one, root in self.having[required]
        ]


def read(compute, *, placement=None, nodes='abc', **options):
    model = SmallModel([node(name) for name in nodes])
    return inventory.read_inventory(
        model,
        compute,
        scoped=False,
        placement=placement.open if placement else None,
        **options,
    )


def by_name(found):
    return {vm.name: vm for vm in found.vms}


class TestZones(unittest.TestCase):
    def test_a_hosts_zone_is_that_of_its_service(self):
        services = [
            thing(
                host=host,
                binary='nova-compute',
                status='enabled',
                state='up',
                availability_zone=zone,
            )
            for host, zone in (('a', 'east'), ('b', ''))
        ]
        found = read(SmallCompute(services=services))
        self.assertEqual(
            ['east', None, None], [host.zone for host in found.hosts]
        )

    def zones(self, **options):
        found = {}
        for name, pinned, version in (
            ('pinned', 'west', '2.100'),
            ('free', None, '2.96'),
            ('old', None, '2.95'),
            ('unknown', None, None),
        ):
            compute = SmallCompute(
                [
                    server(
                        name,
                        availability_zone='east',
                        pinned_availability_zone=pinned,
                    )
                ]
            )
            compute.default_microversion = version
            (vm,) = read(compute, **options).vms
            found[name] = vm.zone
        return found

    def test_a_vm_is_bound_where_nova_says_so_or_cannot_tell(self):
        self.assertEqual(
            {'pinned': 'west', 'free': None, 'old': 'east', 'unknown': 'east'},
            self.zones(),
        )

    def test_what_nova_cannot_tell_may_be_taken_as_free(self):
        self.assertEqual(
            {'pinned': 'west', 'free': None, 'old': None, 'unknown': None},
            self.zones(keep_zone=False),
        )


class TestSla(unittest.TestCase):
    def test_the_owners_metadata_names_the_class(self):
        found = read(
            SmallCompute(
                [
                    server('gold', metadata={'tsmig:sla': ' gold '}),
                    server('none'),
                    server('empty', metadata={'tsmig:sla': ' '}),
                ]
            )
        )
        self.assertEqual(
            {'gold': 'gold', 'none': None, 'empty': None},
            {vm.name: vm.sla for vm in found.vms},
        )
        self.assertIn('empty: tsmig:sla is empty', found.notes[0])


class TestAggregates(unittest.TestCase):
    def allowed(self, servers, aggregates):
        found = read(SmallCompute(servers, aggregates))
        self.assertEqual((), found.notes)
        return {vm.name: vm.allowed for vm in found.vms}

    def test_a_flavor_goes_where_an_aggregate_has_what_it_asks_for(self):
        found = self.allowed(
            [
                picky('ssd', {SCOPE + 'disk': 'ssd'}),
                picky('fast', {SCOPE + 'disk': 'ssd', SCOPE + 'net': '25'}),
                picky('tape', {SCOPE + 'disk': 'tape'}),
                picky('any', {'hw:cpu_policy': 'shared', 'disk': 'ssd'}),
                server('plain'),
            ],
            [
                aggregate('one', 'ab', {'disk': 'ssd, nvme'}),
                aggregate('two', 'bc', {'net': '25'}),
            ],
        )
        self.assertEqual(
            {
                'ssd': ('a', 'b'),
                'fast': ('b',),
                'tape': (),
                'any': None,
                'plain': None,
            },
            found,
        )

    def test_isolated_hosts_are_for_their_projects(self):
        found = self.allowed(
            [
                server('theirs', project_id='p1'),
                server('ours', project_id='p3'),
            ],
            [
                aggregate('one', 'a', {'filter_tenant_id': 'p1,p2'}),
                aggregate('two', 'b', {'filter_tenant_id7': 'p3'}),
                aggregate('three', 'c', {'filter_tenant_id': ''}),
                thing(name='none', hosts=None, metadata={'x': 'y'}),
                thing(name='bare', hosts=['a'], metadata=None),
            ],
        )
        self.assertEqual({'theirs': ('a', 'c'), 'ours': ('b', 'c')}, found)

    def test_a_vm_that_may_be_anywhere_has_no_set(self):
        found = self.allowed(
            [server('all', project_id='p1')],
            [aggregate('one', 'a', {'filter_tenant_id': 'p1'})],
        )
        self.assertEqual({'all': None}, found)

    def test_the_operators_of_nova_mean_what_they_mean_there(self):
        for value, wanted, fits in OPERATORS:
            with self.subTest(value=value, wanted=wanted):
                self.assertEqual(fits, matches(value, wanted))


class TestTraits(unittest.TestCase):
    REQUIRED = {'trait:HW_X': 'required'}

    def setUp(self):
        self.placement = SmallPlacement(
            {
                'HW_X': [('uuid-a', 'uuid-a'), ('numa', 'uuid-b')],
                'HW_Y': [('uuid-b', None), ('elsewhere', 'elsewhere')],
            }
        )

    def read(self, *servers, placement=None):
        return read(
            SmallCompute(servers), placement=placement or self.placement
        )

    def test_without_such_flavors_no_trait_is_asked_for(self):
        self.read(
            server('one'),
            picky('two', {'trait:HW_X': 'maybe'}),
            picky('three', {'hw:pci_numa_affinity_policy': 'required'}),
        )
        self.assertEqual([], self.placement.asked)

    def test_a_vm_goes_where_the_traits_of_its_flavor_are(self):
        found = self.read(
            picky('one', self.REQUIRED),
            picky(
                'two', {'trait:HW_X': 'required', 'trait1:HW_Y': 'required'}
            ),
            picky('three', {'trait:HW_Y': 'forbidden'}),
            picky('four', {'trait_GPU:HW_Y': 'forbidden'}),
        )
        self.assertEqual(
            {
                'one': ('a', 'b'),
                'two': ('b',),
                'three': ('a', 'c'),
                'four': None,
            },
            {vm.name: vm.allowed for vm in found.vms},
        )
        self.assertEqual((), found.notes)
        self.assertEqual(['HW_X', 'HW_Y'], self.placement.asked)

    def test_a_placement_that_is_away_costs_one_question_and_notes(self):
        self.placement.error = auth_errors.ConnectFailure('refused')
        found = self.read(
            picky('one', self.REQUIRED),
            picky('two', {'trait:HW_Y': 'required'}),
        )
        self.assertEqual([None, None], [vm.allowed for vm in found.vms])
        self.assertEqual(1, len(self.placement.asked))
        self.assertEqual(
            '2 of 2 traits of flavors are not minded, such as HW_X: '
            'Placement: refused',
            found.notes[0],
        )

    def test_one_trait_that_does_not_exist_hides_no_other(self):
        found = self.read(
            picky('one', self.REQUIRED),
            picky('two', {'trait:CUSTOM_TYPO': 'required'}),
            picky('both', {'trait:CUSTOM_TYPO': 'required', **self.REQUIRED}),
        )
        vms = by_name(found)
        self.assertEqual(('a', 'b'), vms['one'].allowed)
        self.assertIsNone(vms['two'].allowed)
        self.assertEqual(('a', 'b'), vms['both'].allowed)
        (note,) = found.notes
        self.assertIn('1 of 2', note)
        self.assertIn('No such trait: CUSTOM_TYPO', note)

    def test_without_a_placement_the_traits_are_unknown(self):
        found = read(SmallCompute([picky('one', self.REQUIRED)]))
        self.assertIsNone(found.vms[0].allowed)
        self.assertEqual(1, len(found.notes))

    def test_there_is_a_bound_on_the_questions(self):
        names = [f'CUSTOM_{n:03}' for n in range(traits.MAX_TRAITS + 3)]
        placement = SmallPlacement(dict.fromkeys(names, ()))
        specs = {f'trait:{name}': 'required' for name in names}
        found = self.read(picky('one', specs), placement=placement)
        self.assertEqual(traits.MAX_TRAITS, len(placement.asked))
        (note,) = found.notes
        self.assertIn(f'3 of {len(names)} traits', note)


def group(name, policy, members, **values):
    return thing(
        **{
            'id': name,
            'policy': policy,
            'policies': None,
            'rules': None,
            'member_ids': [f'id-{m}' for m in members],
            **values,
        }
    )


class TestGroups(unittest.TestCase):
    SERVERS = (server('one'), server('two'))

    def test_groups_of_the_clouds_vms_are_read_page_by_page(self):
        compute = SmallCompute(
            self.SERVERS,
            groups=[
                group('c', 'anti-affinity', ['one', 'gone', 'one']),
                group('d', 'affinity', ['gone']),
                group('a', None, ['two'], policies=['soft-affinity']),
                group(
                    'b',
                    'anti-affinity',
                    ['one', 'two'],
                    rules={'max_server_per_host': 3},
                ),
                group('e', 'legacy', ['one']),
            ],
        )
        found = read(compute)
        self.assertEqual(
            (
                Group(id='a', policy='soft-affinity', members=('id-two',)),
                Group(
                    id='b',
                    policy='anti-affinity',
                    members=('id-one', 'id-two'),
                    max_per_host=3.0,
                ),
                Group(
                    id='c',
                    policy='anti-affinity',
                    members=('id-one', 'id-gone'),
                ),
            ),
            found.groups,
        )
        (note,) = found.notes
        self.assertIn("server group e is not minded: 'legacy'", note)

    def test_a_nova_that_refuses_them_costs_a_note(self):
        compute = SmallCompute(self.SERVERS)

        def refuse(**query):
            raise sdk_errors.ForbiddenException('policy\n' + 500 * 'x')

        compute.server_groups = refuse
        found = read(compute)
        self.assertEqual((), found.groups)
        self.assertEqual(2, len(found.vms))
        (note,) = found.notes
        self.assertIn('not minded: Nova: server groups: policy xx', note)
        self.assertLess(len(note), 120)


class TestLinks(unittest.TestCase):
    def links(self, *aggregates):
        found = read(SmallCompute(aggregates=aggregates))
        return found.links, found.notes

    def test_an_aggregate_declares_the_link_of_its_hosts(self):
        links, notes = self.links(
            aggregate(
                'wan',
                'bax',
                {
                    'tsmig:link_mbit_s': '1000',
                    'tsmig:link_rtt_ms': '12.5',
                    'tsmig:link_background_out_mbit_s': '100',
                    'tsmig:link_background_in_mbit_s': '0',
                },
            ),
            aggregate('rack', 'c', {'tsmig:link_mbit_s': '40000'}),
            aggregate('far', 'x', {'tsmig:link_mbit_s': '40000'}),
        )
        rack, wan = links
        self.assertEqual(Link(name='rack', hosts=('c',), capacity=5e9), rack)
        self.assertEqual(
            Link(
                name='wan',
                hosts=('a', 'b'),
                capacity=125e6,
                background_out=12.5e6,
                rtt=0.0125,
            ),
            wan,
        )
        self.assertEqual((), notes)

    def test_nonsense_is_noted_and_ignored(self):
        links, notes = self.links(
            aggregate('one', 'a', {'tsmig:link_mbit_s': 'fast'}),
            aggregate('two', 'a', {'tsmig:link_mbit_s': '0'}),
            aggregate('three', 'a', {'tsmig:link_rtt_ms': '3'}),
            aggregate(
                'four',
                'a',
                {'tsmig:link_mbit_s': '10', 'tsmig:link_rtt_ms': '-1'},
            ),
            aggregate('four', 'b', {'tsmig:link_mbit_s': '10'}),
        )
        (four,) = links
        self.assertEqual((('a',), 0.0), (four.hosts, four.rtt))
        self.assertEqual(5, len(notes))


class TestWhatIsUnknown(unittest.TestCase):
    def test_a_cloud_that_says_nothing_binds_nothing(self):
        found = read(SmallCompute([server('one')]), keep_zone=False)
        (vm,) = found.vms
        self.assertEqual(
            (0.0, None, None, None), (vm.disk, vm.zone, vm.allowed, vm.sla)
        )
        self.assertEqual(((), ()), (found.links, found.groups))
        self.assertEqual(
            {None},
            {
                dataclasses.asdict(host)[field]
                for host in found.hosts
                for field in ('disk', 'zone')
            },
        )
