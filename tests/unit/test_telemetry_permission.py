"""What one VM's migration may do just before it starts: each answer alone.

What devices, disks and hosts' declarations mean is tested beside them.
"""

import types
import unittest

from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from tests.unit.test_telemetry_devices import HOST_TPM
from tests.unit.test_telemetry_inventory import SmallCompute
from tests.unit.test_telemetry_inventory import aggregate
from tests.unit.test_telemetry_inventory import answered
from tests.unit.test_telemetry_inventory import server
from tests.unit.test_telemetry_inventory import thing
from tests.unit.test_telemetry_ports import SmallNeutron
from tests.unit.test_telemetry_ports import port
from watcher_tsmig import errors
from watcher_tsmig.agent import values
from watcher_tsmig.telemetry.permission import Permission
from watcher_tsmig.telemetry.permission import permission


class Compute(SmallCompute):
    """It tells how new it is, and of shares.

    :param gone: is raised where the server is asked for
    """

    region_name, interface = 'one', 'internal'

    def __init__(self, *servers, hosts='ab', newest=(2, 104), shares=()):
        declared = aggregate(hosts, post_copy='true', nic_mbit_s='800')
        super().__init__(servers, [declared])
        self.newest, self.shares, self.gone = newest, list(shares), None
        self.session = types.SimpleNamespace(get_endpoint=lambda **_: 'x')

    def get_endpoint_data(self):
        return thing(max_microversion=self.newest, min_microversion=(2, 1))

    def get(self, path, microversion):
        assert path == '/servers/id-one/shares', path
        return answered({'shares': self.shares})

    def get_server(self, vm):
        if self.gone:
            raise self.gone
        return super().get_server(vm)


def asking(specs):
    return server('one', flavor=thing(ram=512, vcpus=2, extra_specs=specs))


class TestPermission(unittest.TestCase):
    def may(self, compute, **given):
        return permission(compute, None, 'id-one', 'a', 'b', **given)

    def test_where_all_permit_it_a_vm_may_be_post_copied_and_moved(self):
        self.assertEqual(
            Permission(post_copy=True, links=(1e8, 1e8)),
            self.may(Compute(server('one'))),
        )

    def test_each_host_has_to_permit_post_copy(self):
        for hosts, links in (('a', (1e8, None)), ('b', (None, 1e8))):
            found = self.may(Compute(server('one'), hosts=hosts))
            self.assertEqual((False, links), (found.post_copy, found.links))

    def test_the_owner_forbids_post_copy_and_permits_a_balloon(self):
        for text, post_copy, balloon in (
            ('true', True, True), ('false', False, False),
        ):  # fmt: skip
            metadata = {'tsmig:post_copy': text, 'tsmig:balloon': text}
            found = self.may(Compute(server('one', metadata=metadata)))
            self.assertEqual(
                (post_copy, balloon), (found.post_copy, found.balloon)
            )

    def test_a_server_without_metadata_permits_what_nobody_forbids(self):
        found = self.may(Compute(server('one', metadata=None)))
        self.assertEqual((True, False), (found.post_copy, found.balloon))

    def test_what_nova_refuses_is_told_with_why_and_others_may(self):
        found = self.may(Compute(asking({'hw:mem_encryption': 'true'})))
        self.assertIn('encrypted', found.refused)
        self.assertFalse(found.post_copy)
        self.assertEqual('', self.may(Compute(asking({}))).refused)

    def test_how_new_nova_is_counts(self):
        one = asking(HOST_TPM)
        self.assertIn('before', self.may(Compute(one, newest=(2, 99))).refused)
        self.assertEqual('', self.may(Compute(one)).refused)

    def test_so_do_its_ports(self):
        for kind, post_copy in (('vdpa', False), ('normal', True)):
            network = SmallNeutron(
                [port(0, 'id-one', binding__vnic_type=kind)]
            )
            found = self.may(Compute(server('one')), network=network)
            self.assertIs(post_copy, found.post_copy, kind)

    def test_one_that_has_shares_is_not_moved_live(self):
        compute = Compute(server('one'), shares=['share'])
        self.assertEqual('it has shares of Manila', self.may(compute).refused)
        encrypted = asking({'hw:mem_encryption': 'true'})
        found = self.may(Compute(encrypted, shares=['share']))
        self.assertIn('encrypted', found.refused)

    def test_what_a_second_proves_is_the_sources_to_say(self):
        nova = {
            'downtime_limit': 0.5, 'completion_timeout': 0,
            'auto_converge': False,
        }  # fmt: skip
        for source, proves in (('a', True), ('b', False)):
            for other in ({**nova, 'auto_converge': True}, None):
                told = {
                    host: {'format': values.FORMAT, 'nova': one}
                    for host, one in (
                        ('a', nova if source == 'a' else other),
                        ('b', nova if source == 'b' else other),
                    )
                }
                agents = types.SimpleNamespace(
                    ask=lambda host, *_, t=told, **__: t[host]
                )
                compute = Compute(server('one'))
                found = permission(compute, agents, 'id-one', 'a', 'b')
                self.assertIs(proves, found.provable, told)

    def test_disks_go_along_where_the_source_does_not_share_them(self):
        local = server(
            'one',
            image={'id': 'i', 'properties': {}},
            flavor=thing(
                ram=512, vcpus=2, disk=20, ephemeral=0, swap=0, extra_specs={}
            ),
        )
        for host, disks in (('a', False), ('b', True)):
            compute = SmallCompute(
                [local], [aggregate(host, shared_disk='true')]
            )
            found = permission(compute, None, 'id-one', 'a', 'b')
            self.assertIs(disks, found.disks, host)

    def test_a_nic_for_migrations_alone_is_the_link(self):
        declared = aggregate(
            'a', nic_mbit_s='800', migration_nic_mbit_s='1600'
        )
        compute = SmallCompute([server('one')], [declared])
        found = permission(compute, None, 'id-one', 'a', 'b')
        self.assertEqual((2e8, None), found.links)

    def test_an_agent_is_insisted_on_only_where_that_is_asked_for(self):
        asked = []

        def ask(host, verb, arguments, *, insist=False):
            asked.append((host, insist))
            raise errors.CloudError('away')

        agents = types.SimpleNamespace(ask=ask)
        compute = Compute(server('one'))
        permission(compute, agents, 'id-one', 'a', 'b')
        self.assertEqual({('a', False), ('b', False)}, set(asked))
        asked.clear()
        permission(compute, agents, 'id-one', 'a', 'b', insist=True)
        self.assertEqual({('a', True), ('b', True)}, set(asked))

    def test_a_server_that_is_gone_may_nothing(self):
        compute = Compute(server('one'))
        compute.gone = sdk_errors.NotFoundException('gone')
        self.assertEqual(
            Permission(
                post_copy=False, balloon=False, disks=False,
                links=(None, None), provable=False, refused='',
            ),
            self.may(compute),
        )  # fmt: skip

    def test_a_nova_that_does_not_tell_is_an_error(self):
        compute = Compute(server('one'))
        compute.gone = auth_errors.ConnectFailure('refused')
        with self.assertRaisesRegex(errors.CloudError, 'Nova: server: '):
            self.may(compute)
