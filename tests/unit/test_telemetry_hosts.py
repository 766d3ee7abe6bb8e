"""What an inventory is put together of: each part, and whose word counts."""

import types
import unittest

from keystoneauth1 import exceptions as auth_errors

from tests.unit.test_telemetry_destinations import SmallPlacement
from tests.unit.test_telemetry_devices import HOST_TPM
from tests.unit.test_telemetry_inventory import SmallCompute
from tests.unit.test_telemetry_inventory import SmallModel
from tests.unit.test_telemetry_inventory import aggregate
from tests.unit.test_telemetry_inventory import answered
from tests.unit.test_telemetry_inventory import instance
from tests.unit.test_telemetry_inventory import node
from tests.unit.test_telemetry_inventory import server
from tests.unit.test_telemetry_inventory import thing
from tests.unit.test_telemetry_ports import SmallNeutron
from tests.unit.test_telemetry_ports import port
from watcher_tsmig import errors
from watcher_tsmig.agent.values import FORMAT
from watcher_tsmig.model import Nic
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry.inventory import inventory
from watcher_tsmig.telemetry.inventory.declarations import Declaration
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

NOVA = {
    'max_outgoing': 3,
    'post_copy': True,
    'bandwidth': 5e6,
    'downtime_limit': 0.5,
    'completion_timeout': 800,
}
AGENT = {
    'format': FORMAT,
    'userfaultfd': True,
    'nova': NOVA,
    'nic': {'capacity': 1e9, 'separate': False},
}


class Agents:
    """One on host a."""

    def ask(self, host, verb, arguments, *, insist=False):
        if host != 'a':
            raise errors.CloudError('none')
        return AGENT


class Compute(SmallCompute):
    """It keeps which services it was asked for."""

    newest = None

    def services(self, binary):
        self.asked = binary
        return super().services(binary)

    def get_endpoint_data(self):
        if self.newest:
            return thing(max_microversion=self.newest, min_microversion=(2, 1))
        return None


def service(host, **values):
    return thing(
        **{
            'host': host, 'binary': 'nova-compute', 'status': 'enabled',
            'state': 'up', **values,
        }
    )  # fmt: skip


def read(compute, nodes='ab', instances=(), **options):
    model = SmallModel([node(name) for name in nodes], instances)
    return inventory.read_inventory(
        model, compute, **{'scoped': False, **options}
    )


class TestHosts(unittest.TestCase):
    def test_a_host_is_what_its_agent_its_service_and_its_model_tell(self):
        compute = Compute(services=[service('a', availability_zone='east')])
        found = read(compute, agents=Agents(), nodes='a').hosts[0]
        self.assertEqual(
            (
                'a', 1024 * MIB, 16.0, Nic(capacity=1e9), True, True, True,
                None, 'east', 3, 5e6, True, 0.5,
            ),
            (
                found.name, found.memory, found.vcpus, found.nic,
                found.post_copy, found.enabled, found.up, found.disk,
                found.zone, found.max_outgoing, found.bandwidth,
                found.agent, found.nova.downtime_limit,
            ),
        )  # fmt: skip
        self.assertEqual('nova-compute', compute.asked)

    def test_who_has_neither_agent_nor_aggregate_is_unknown(self):
        found = read(Compute(), agents=Agents())
        a, b = found.hosts
        self.assertEqual((True, False), (a.agent, b.agent))
        self.assertEqual(
            (None,) * 5,
            (b.nic, b.post_copy, b.max_outgoing, b.bandwidth, b.nova),
        )
        self.assertEqual({'a'}, set(found.declared))
        self.assertEqual(('1 of 2 hosts have no agent',), found.notes)

    def test_of_agent_and_aggregate_the_careful_one_holds_and_is_told(self):
        compute = Compute(aggregates=[aggregate('ab', post_copy='no')])
        found = read(compute, agents=Agents())
        self.assertEqual(
            [False, False], [host.post_copy for host in found.hosts]
        )
        self.assertEqual(Declaration(post_copy=False), found.declared['b'])
        self.assertIn(
            'a: whether it can post-copy is True by its agent, False by its '
            'aggregates',
            found.notes,
        )

    def test_a_service_is_up_and_enabled_only_by_these_words(self):
        for given, enabled, up in (
            ({}, True, True),
            ({'status': 'disabled'}, False, True),
            ({'state': 'down'}, True, False),
            # another service of that host does not count
            ({'binary': 'nova-conductor'}, False, False),
        ):
            compute = Compute(services=[service('a', **given)])
            (found,) = read(compute, nodes='a').hosts
            self.assertEqual((enabled, up), (found.enabled, found.up))
            self.assertIsNone(found.zone)

    def test_a_model_that_has_less_than_nothing_has_nothing(self):
        bad = node('a')
        bad.memory_mb_capacity = bad.vcpu_capacity = bad.vcpus = -1.0
        bad.disk, bad.disk_gb_capacity = 5, -1.0
        found = inventory.read_inventory(
            SmallModel([bad]), Compute(), scoped=False
        )
        (host,) = found.hosts
        self.assertEqual((0.0, 0.0, 0.0), (host.memory, host.vcpus, host.disk))
        self.assertEqual({'a': 0.0}, found.cpus)

    def test_own_cpus_and_ids_are_told_by_name(self):
        there = [node('b'), node('a'), node('c')]
        there[0].vcpus = 4
        there[1].vcpus = None
        found = inventory.read_inventory(
            SmallModel(there), Compute(), scoped=False
        )
        self.assertEqual({'a': 0.0, 'b': 4.0, 'c': 0.0}, found.cpus)
        self.assertEqual(
            {name: f'uuid-{name}' for name in 'abc'}, found.node_ids
        )
        self.assertEqual(['a', 'b', 'c'], [host.name for host in found.hosts])

    def test_a_disk_counts_unless_it_is_shared(self):
        there = node('a')
        there.disk, there.disk_gb_capacity = 100, 80.0
        for shared, disk in (('yes', None), ('no', 80 * GIB)):
            compute = Compute(aggregates=[aggregate('a', shared_disk=shared)])
            found = inventory.read_inventory(
                SmallModel([there]), compute, scoped=False
            )
            self.assertEqual(disk, found.hosts[0].disk)

    def test_without_services_there_is_no_cloud(self):
        def services(binary):
            raise auth_errors.ConnectFailure('refused')

        compute = Compute()
        compute.services = services
        with self.assertRaisesRegex(errors.CloudError, 'Nova: services'):
            read(compute)


class TestVms(unittest.TestCase):
    def test_vms_are_in_order_of_host_name_and_id(self):
        compute = Compute(
            [
                server('z', 'b'), server('y', 'b'), server('x', 'z'),
                server('w', 'a'), server('y', 'b', id='id-a'),
            ]
        )  # fmt: skip
        found = read(compute)
        self.assertEqual(
            ['id-w', 'id-a', 'id-y', 'id-z'], [vm.id for vm in found.vms]
        )

    def test_kin_is_told_of_each(self):
        flavor = thing(original_name='m1', ram=512, vcpus=1)
        compute = Compute(
            [
                server('one', flavor=flavor, image='', project_id='p'),
                server('gone', 'z', flavor=flavor, image='', project_id='p'),
            ]
        )
        self.assertEqual(
            {'id-one': ('flavor:m1', 'project:p')},
            read(compute).kin,
        )

    def test_groups_links_and_passages_are_those_of_its_hosts(self):
        member = thing(
            id='g', policy='affinity', policies=None, rules=None,
            member_ids=['id-one'],
        )  # fmt: skip
        links = [aggregate('ac', link_mbit_s='8')]
        compute = Compute(
            [server('one', task_state='migrating'), server('rests')],
            links,
            groups=[member],
        )
        compute._migrations = [
            thing(
                server_id=f'id-{name}', source_compute='a', dest_compute='b',
                status='preparing', id=name, created_at=None, updated_at=None,
            )
            for name in ('one', 'rests')
        ]  # fmt: skip
        found = read(compute)
        self.assertEqual(['g'], [group.id for group in found.groups])
        self.assertEqual([('a',)], [link.hosts for link in found.links])
        # who has no task was left behind by a nova-compute that died
        self.assertEqual(['id-one'], [p.vm for p in found.passages])
        cloud = found.cloud(found.hosts[::-1], found.vms[:1], 7.0)
        self.assertEqual(
            (
                found.hosts[::-1], found.vms[:1], 7.0, found.links,
                found.groups, found.passages,
            ),
            (
                cloud.hosts, cloud.vms, cloud.taken_at, cloud.links,
                cloud.groups, cloud.passages,
            ),
        )  # fmt: skip

    def test_what_ports_vms_have_is_asked_of_neutron(self):
        compute = Compute([server('one'), server('two', 'b')])
        direct = {'binding__vnic_type': 'direct', 'binding__host_id': 'b'}
        neutron = SmallNeutron([port(1, 'id-two', **direct)], page=9)
        found = read(compute, network=neutron)
        self.assertEqual([True, False], [vm.post_copy for vm in found.vms])
        self.assertEqual(
            ('1 VM with SR-IOV ports, which Nova unplugs for as long as they '
             'move',),
            found.asides,
        )  # fmt: skip

    def test_what_an_image_wants_and_makes_is_asked_of_glance(self):
        asked = []

        def get(path):
            asked.append(path.removeprefix('/images/'))
            return answered({'hw_mem_encryption': 'true', 'size': 3 * GIB})

        self.addCleanup(setattr, beside, 'glance', beside.glance)
        beside.glance = lambda compute: thing(get=get)
        flavor = thing(ram=512, vcpus=1, disk=0)
        there = [node('a'), node('b')]
        there[0].disk, there[0].disk_gb_capacity = 100, 80.0
        # b has no disks of its own, and Nova shows what its image wants
        shown = {'id': 'j', 'properties': {}}
        compute = Compute(
            [
                server('one', flavor=flavor, image={'id': 'i'}),
                server('two', 'b', flavor=flavor, image=shown),
            ]
        )
        found = inventory.read_inventory(
            SmallModel(there), compute, scoped=False
        )
        one, two = found.vms
        self.assertIn('encrypted', one.refused)
        self.assertEqual((3.0 * GIB,), one.disks)
        self.assertEqual((None, ()), (two.refused, two.disks))
        self.assertEqual(['i'], asked)

    def test_novas_newest_version_decides_what_is_refused(self):
        flavor = thing(ram=512, vcpus=1, extra_specs=HOST_TPM)
        compute = Compute([server('one', flavor=flavor)])
        for newest, moves in (((2, 100), False), ((2, 101), True)):
            compute.newest = newest
            (vm,) = read(compute).vms
            self.assertIs(moves, vm.refused is None)

    def test_traits_of_flavors_are_asked_of_placement(self):
        flavor = thing(
            ram=512, vcpus=1, extra_specs={'trait:HW_X': 'required'}
        )
        compute = Compute([server('one', flavor=flavor)])
        placement = SmallPlacement({'HW_X': [('uuid-b', None)]})
        found = read(compute, placement=placement.open)
        self.assertEqual(('b',), found.vms[0].allowed)
        self.assertEqual(['HW_X'], placement.asked)

    def test_room_that_placement_knows_to_be_taken_is_none(self):
        placement = SmallPlacement({})
        usages = {'usages': {'MEMORY_MB': 512 + 256}}
        placement.get = lambda path: types.SimpleNamespace(
            status_code=200, json=lambda: usages
        )
        found = read(Compute([server('one')]), placement=placement.open)
        self.assertEqual(
            [768 * MIB, 256 * MIB], [host.memory for host in found.hosts]
        )

    def test_a_vm_out_of_the_audits_scope_is_left_alone(self):
        compute = Compute([server('one'), server('two')])
        for scoped in (True, False):
            found = read(compute, instances=[instance('one')], scoped=scoped)
            self.assertEqual(
                [False, scoped], [vm.excluded for vm in found.vms]
            )

    def test_a_zone_is_kept_unless_somebody_says_it_need_not_be(self):
        compute = Compute([server('one', availability_zone='east')])
        for options, zone in (
            ({}, 'east'), ({'keep_zone': True}, 'east'),
            ({'keep_zone': False}, None),
        ):  # fmt: skip
            self.assertEqual(zone, read(compute, **options).vms[0].zone)
