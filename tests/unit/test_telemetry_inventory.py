"""Hosts and VMs from a Nova and a Watcher model of this file.

The real openstacksdk reads the playground in tests/functional.
"""

import json
import types
import unittest

import requests
from gnocchiclient import exceptions as gnocchi_errors
from keystoneauth1 import exceptions as auth_errors

from tests.unit.test_telemetry_gnocchi import NOW
from tests.unit.test_telemetry_gnocchi import SmallGnocchi
from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.agent import values
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import read_cloud
from watcher_tsmig.telemetry.inventory import inventory
from watcher_tsmig.telemetry.permission import permission
from watcher_tsmig.telemetry.sources.gnocchi import GnocchiSource


def thing(**values):
    return types.SimpleNamespace(**values)


class SmallModel:
    """Watcher's compute model: nodes, instances, nothing else."""

    def __init__(self, nodes, instances=()):
        self.nodes = nodes
        self.instances = instances

    def get_all_compute_nodes(self):
        return {node.uuid: node for node in self.nodes}

    def get_all_instances(self):
        return {instance.uuid: instance for instance in self.instances}


def node(name):
    return thing(
        uuid=f'uuid-{name}',
        hostname=name,
        memory_mb_capacity=1024.0,
        vcpu_capacity=16.0,
    )


def server(name, host='a', **values):
    return thing(
        **{
            'id': f'id-{name}',
            'name': name,
            'compute_host': host,
            'vm_state': 'active',
            'task_state': None,
            'is_locked': False,
            'metadata': {},
            'flavor': thing(ram=512, vcpus=2),
            **values,
        }
    )


def instance(name, **values):
    return thing(
        **{
            'uuid': f'id-{name}',
            'memory': 256,
            'vcpus': 1,
            'watcher_exclude': False,
            **values,
        }
    )


#: What Nova calls what openstacksdk calls otherwise.
NOVA = {
    'compute_host': 'OS-EXT-SRV-ATTR:host',
    'vm_state': 'OS-EXT-STS:vm_state',
    'task_state': 'OS-EXT-STS:task_state',
    'is_locked': 'locked',
    'project_id': 'tenant_id',
    'availability_zone': 'OS-EXT-AZ:availability_zone',
    'attached_volumes': 'os-extended-volumes:volumes_attached',
}


def row_of(server):
    """The server in Nova's JSON."""
    row = {NOVA.get(k, k): v for k, v in vars(server).items()}
    return {
        k: vars(v) if isinstance(v, types.SimpleNamespace) else v
        for k, v in row.items()
    }


def answered(body):
    """What requests would have of it."""
    answer = requests.Response()
    answer.status_code = 200
    answer._content = json.dumps(body).encode()
    return answer


class SmallCompute:
    """openstacksdk's compute proxy in front of lists."""

    def __init__(self, servers=(), aggregates=(), services=None, groups=()):
        self._servers = servers
        self._aggregates = aggregates
        self._groups = groups
        self._migrations, self._progress = [], {}
        self._services = services or [
            thing(host=h, binary='nova-compute', status='enabled', state='up')
            for h in 'ab'
        ]

    def aggregates(self):
        return self._aggregates

    def services(self, binary):
        return self._services

    service_type = 'compute'
    default_microversion = None

    def get_endpoint_data(self):
        """Nova does not tell its versions."""

    def get(self, path, params, microversion):
        # as Nova: two at once, and after the marker
        rows = [row_of(server) for server in self._servers]
        ids = [row['id'] for row in rows]
        first = ids.index(params['marker']) + 1 if 'marker' in params else 0
        body = {'servers': rows[first : first + 2]}
        if rows[first + 2 :]:
            body['servers_links'] = [{'rel': 'next', 'href': 'http://nova'}]
        return answered(body)

    def server_groups(self, all_projects, base_path):
        # as Nova: two at once, and from an offset on
        first = int(base_path.partition('?offset=')[2])
        return iter(self._groups[first : first + 2])

    def migrations(self, **query):
        return self._migrations

    def server_migrations(self, vm):
        return self._progress.get(vm, [])

    def get_server(self, vm):
        (found,) = [s for s in self._servers if s.id == vm]
        return found


def aggregate(hosts, **metadata):
    given = {f'tsmig:{k}': v for k, v in metadata.items()}
    return thing(name='agg', hosts=list(hosts), metadata=given)


def read(compute, instances=(), scoped=False):
    model = SmallModel([node('a'), node('b')], instances)
    return inventory.read_inventory(model, compute, scoped=scoped)


class TestInventory(unittest.TestCase):
    def test_the_nic_of_tenants_is_known_beside_that_of_migrations(self):
        for more, separate, capacity, tenants in (
            ({'migration_nic_mbit_s': '10000'}, True, 10000, 1000),
            ({'migration_network': 'separate'}, True, 1000, None),
            ({'migration_network': 'shared'}, False, 1000, None),
        ):
            metadata = aggregate('a', nic_mbit_s='1000', **more)
            nic = read(SmallCompute(aggregates=[metadata])).hosts[0].nic
            self.assertIs(separate, nic.separate)
            self.assertEqual(units.from_mbit_s(capacity), nic.capacity)
            self.assertEqual(
                tenants and units.from_mbit_s(tenants), nic.tenants
            )

    def test_hosts_have_schedulable_capacity_and_what_is_declared(self):
        found = read(
            SmallCompute(
                aggregates=[
                    aggregate('a', post_copy='true', nic_mbit_s='10000')
                ]
            )
        )
        a, b = found.hosts
        self.assertEqual(units.from_mib(1024), a.memory)
        self.assertEqual(units.from_mbit_s(10000), a.nic.capacity)
        self.assertIs(True, a.post_copy)
        self.assertEqual((None, None), (b.nic, b.post_copy))
        self.assertEqual({'a': 'uuid-a', 'b': 'uuid-b'}, found.node_ids)

    def test_of_two_declarations_the_careful_one_holds(self):
        found = read(
            SmallCompute(
                aggregates=[
                    aggregate('a', post_copy='true', nic_mbit_s='10000'),
                    aggregate('ab', post_copy='no', nic_mbit_s='1000'),
                ]
            )
        )
        self.assertIs(False, found.hosts[0].post_copy)
        self.assertEqual(125e6, found.hosts[0].nic.capacity)

    def test_nonsense_in_metadata_is_noted_and_unknown(self):
        found = read(
            SmallCompute(
                aggregates=[aggregate('a', post_copy='maybe', nic_mbit_s='x')]
            )
        )
        self.assertIs(False, found.hosts[0].post_copy)
        self.assertIsNone(found.hosts[0].nic)
        self.assertEqual(2, len(found.notes))

    def test_services_say_whether_a_host_is_enabled_and_up(self):
        found = read(
            SmallCompute(
                services=[
                    thing(
                        host='a',
                        binary='nova-compute',
                        status='disabled',
                        state='up',
                    )
                ]
            )
        )
        a, b = found.hosts
        self.assertEqual((False, True), (a.enabled, a.up))
        self.assertEqual((False, False), (b.enabled, b.up))

    def test_nova_says_where_a_vm_is_and_in_what_state(self):
        found = read(
            SmallCompute(
                [
                    server('one'),
                    server('busy', task_state='migrating'),
                    server('off', vm_state='stopped'),
                    server('held', vm_state='paused'),
                    server('lost', vm_state='error', task_state='deleting'),
                    server('mine', is_locked=True),
                    server('refuses', metadata={'tsmig:post_copy': 'false'}),
                    server('elsewhere', host='z'),
                ]
            )
        )
        vms = {vm.name: vm for vm in found.vms}
        self.assertNotIn('elsewhere', vms)
        self.assertEqual(units.from_mib(512), vms['one'].memory)
        self.assertTrue(vms['one'].active and vms['one'].post_copy)
        self.assertFalse(vms['busy'].active)
        self.assertFalse(vms['off'].active)
        self.assertTrue(vms['held'].active)
        states = {name: vm.state for name, vm in vms.items()}
        self.assertEqual('active', states['one'])
        self.assertEqual('busy', states['busy'])
        self.assertEqual('stopped', states['off'])
        self.assertEqual('paused', states['held'])
        self.assertEqual('error', states['lost'])
        self.assertTrue(vms['mine'].locked)
        self.assertFalse(vms['refuses'].post_copy)

    def test_an_old_api_without_sizes_falls_back_on_the_model(self):
        bare = thing(original_name='m1')
        found = read(
            SmallCompute([server('one', flavor=bare)]), [instance('one')]
        )
        self.assertEqual(units.from_mib(256), found.vms[0].memory)
        found = read(SmallCompute([server('two', flavor=bare)]))
        self.assertEqual((), found.vms)
        self.assertIn('size is unknown', found.notes[0])

    def test_the_audits_scope_excludes(self):
        compute = SmallCompute([server('one'), server('new')])
        known = [instance('one', watcher_exclude=True)]
        scoped = {v.name: v for v in read(compute, known, scoped=True).vms}
        self.assertTrue(scoped['one'].excluded)
        self.assertTrue(scoped['new'].excluded)
        free = {v.name: v for v in read(compute, known).vms}
        self.assertFalse(free['new'].excluded)

    def test_post_copy_needs_both_hosts_and_the_owner(self):
        compute = SmallCompute(
            [
                server('one'),
                server('no', metadata={'tsmig:post_copy': 'false'}),
            ],
            [aggregate('ab', post_copy='true')],
        )
        for vm, source, destination, wanted in (
            ('id-one', 'a', 'b', True),
            ('id-one', 'a', 'c', False),
            ('id-no', 'a', 'b', False),
        ):
            found = permission(compute, None, vm, source, destination)
            self.assertIs(wanted, found.post_copy)

    def test_an_agent_that_was_away_is_asked_again_before_a_post_copy(self):
        def answers(host, verb, arguments, *, insist=False):
            if not insist:
                raise errors.CloudError(f'no agent answers on {host}')
            return {
                'format': values.FORMAT,
                'nova': {'post_copy': True},
                'userfaultfd': True,
            }

        agents = types.SimpleNamespace(ask=answers)
        compute = SmallCompute([server('one')])
        for insist in (True, False):
            found = permission(
                compute, agents, 'id-one', 'a', 'b', insist=insist
            )
            self.assertIs(insist, found.post_copy)

    def test_links_are_as_fast_as_the_careful_one_says(self):
        compute = SmallCompute(
            [server('one')], [aggregate('b', nic_mbit_s='800')]
        )
        for nic, link in (
            ({'capacity': 1e9}, 1e9),
            ({'capacity': 1e9, 'separate': True}, 1e9),
            ({'capacity': None}, None),
            (None, None),
        ):
            told = {'format': values.FORMAT, 'nic': nic}
            agents = types.SimpleNamespace(ask=lambda *_, t=told, **__: t)
            found = permission(compute, agents, 'id-one', 'a', 'b')
            self.assertEqual(link, found.links[0], nic)
            own = bool(nic and nic.get('separate'))
            self.assertEqual(1e9 if own else 1e8, found.links[1], nic)

    def test_a_second_of_writing_proves_something_where_nothing_slows_it(
        self,
    ):
        compute = SmallCompute([server('one')])
        for change, proves in (
            ({}, True),
            ({'downtime_limit': 1.0}, True),
            ({'downtime_limit': 1.1}, False),
            ({'auto_converge': True}, False),
            ({'auto_converge': None}, False),
            ({'downtime_limit': None}, False),
        ):
            nova = {
                'downtime_limit': 0.5,
                'completion_timeout': 0,
                'auto_converge': False,
                **change,
            }
            told = {'format': values.FORMAT, 'nova': nova}
            agents = types.SimpleNamespace(ask=lambda *_, t=told, **__: t)
            found = permission(compute, agents, 'id-one', 'a', 'b')
            self.assertIs(proves, found.provable, change)
        found = permission(compute, None, 'id-one', 'a', 'b')
        self.assertIs(False, found.provable)


class TestReadCloud(unittest.TestCase):
    def setUp(self):
        self.server = SmallGnocchi()
        self.settings = Settings()

    def read(self, gnocchi):
        source = gnocchi and GnocchiSource(gnocchi, self.settings)
        return read_cloud(
            SmallModel([node('a'), node('b')]),
            SmallCompute([server('one')]),
            source,
            self.settings,
            now=NOW,
        )

    def test_measurements_are_put_to_their_vms(self):
        self.server.interface('id-one', 1000.0, 10.0)
        self.server.instance('id-one', dirty_t1=10, resident=100)
        found = self.read(self.server)
        (vm,) = found.cloud.vms
        self.assertEqual(1000.0, vm.traffic.tx)
        self.assertIn(vm.id, found.writing)
        self.assertEqual(NOW, found.cloud.taken_at)
        self.assertEqual((), found.notes)

    def test_a_gnocchi_that_is_away_costs_one_question_and_a_note(self):
        for error in (
            gnocchi_errors.ConnectionFailure(message='refused'),
            auth_errors.EndpointNotFound(),
            gnocchi_errors.ClientException(500, 'oops'),
        ):
            with self.subTest(error):
                self.setUp()
                self.server.error = error
                found = self.read(self.server)
                self.assertIsNone(found.cloud.vms[0].traffic)
                self.assertEqual(1, found.questions)
                self.assertEqual(1, len(found.notes))
                self.assertEqual([], self.server.searches)

    def test_without_gnocchi_nothing_is_known(self):
        found = self.read(None)
        self.assertIsNone(found.cloud.vms[0].working_set)
        self.assertIn('no source', found.notes[0])

    def test_without_nova_there_is_no_cloud(self):
        compute = SmallCompute()

        def get(path, **query):
            raise auth_errors.ConnectFailure('refused')

        compute.get = get
        with self.assertRaisesRegex(errors.CloudError, 'Nova: servers'):
            read_cloud(
                SmallModel([node('a')]),
                compute,
                None,
                self.settings,
                now=NOW,
            )
