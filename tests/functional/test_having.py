"""What VMs have that Nova does not move live: told before it is asked.

Ports, shares, images and flavors of the playground, whose Nova refuses as a
real one does; read through the real openstacksdk.
"""

import contextlib

import testtools
from openstack import connection
from openstack import exceptions as sdk_errors

from tests.functional import fixtures
from tests.functional.test_drain import Drains
from tests.functional.test_read_cloud import CLOUD
from tests.functional.test_read_cloud import Model
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.playground.cloud.cloud import identify
from watcher_tsmig.reasons import Reason
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry import read_cloud
from watcher_tsmig.telemetry.permission import permission

BIG, MARKED = identify('vm', 'big'), identify('vm', 'marked')
ACCELERATED = [{'binding:vnic_type': 'accelerator-direct'}]
DIRECT = [{}, {'binding:vnic_type': 'direct', 'binding:vif_type': 'hw_veb'}]


class Shared(testtools.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.playground = stack.enter_context(fixtures.Playground(CLOUD))
        cls.compute = cls.playground.cloud.compute
        cls.model = Model(cls.playground.cloud)

    def change(self, vm, **changes):
        """Until the end of the test."""
        plain = {'ports': [{}], 'shares': [], 'properties': {}}
        self.playground.change(vm, **changes)
        self.addCleanup(
            self.playground.change, vm, **{k: plain[k] for k in changes}
        )

    def pin(self, version):
        """Nova is asked no newer question, to the end of the test."""
        self.compute.default_microversion = version
        self.addCleanup(setattr, self.compute, 'default_microversion', None)

    def fail(self, match):
        """Requests that match are answered with 500."""
        url = f'{self.playground.control_url}/troubles'
        body = {'match': match, 'kind': 'status', 'status': 500}
        number = self.playground.session.post(url, json=body).json()['number']
        self.addCleanup(self.playground.session.delete, f'{url}/{number}')

    def read(self):
        return read_cloud(
            self.model,
            self.compute,
            None,
            Settings(),
            now=1.0,
            network=beside.neutron(self.compute),
        )

    def refused(self):
        """Why, by the name of each VM that is."""
        vms = self.read().cloud.vms
        return {vm.name: vm.refused for vm in vms if vm.refused}


class TestRead(Shared):
    def test_plain_ports_are_nobodys_matter(self):
        found = self.read()
        self.assertEqual({}, self.refused())
        self.assertFalse([n for n in found.notes if 'port' in n])

    def test_a_port_that_does_not_move_keeps_its_vm_and_is_the_reason(self):
        self.change(MARKED, ports=ACCELERATED)
        found = self.read().cloud
        plan = make_plan(found, Request(hosts=('east-1',)))
        (left,) = [left for left in plan.left_out if left.vm == MARKED]
        self.assertIs(Reason.REFUSED, left.reason)
        self.assertIn('a port with an accelerator', left.because)

    def test_a_port_that_is_unplugged_is_told_and_not_post_copied(self):
        self.change(BIG, ports=DIRECT)
        found = self.read()
        self.assertEqual(
            {'big', 'twin'},
            {vm.name for vm in found.cloud.vms if not vm.post_copy},
        )
        self.assertEqual({}, self.refused())
        self.assertIn('1 VM with SR-IOV ports', ' '.join(found.notes))

    def test_what_its_image_wants_is_told_by_nova_or_by_glance(self):
        self.change(BIG, properties={'hw_tpm_version': '2.0'})
        by_nova = self.refused()
        self.assertIn("vTPM's secret", by_nova['big'])
        for version in ('2.97', '2.56'):
            self.pin(version)
            self.assertEqual(by_nova, self.refused(), version)

    def test_an_image_that_nobody_knows_is_told(self):
        self.pin('2.97')
        self.fail('/image/v2/images')
        text = ' '.join(self.read().notes)
        self.assertIn('of 2 images the properties are unknown', text)

    def test_a_neutron_that_is_away_is_told_and_no_error(self):
        self.change(MARKED, ports=ACCELERATED)
        self.fail('/network/v2.0/ports')
        found = self.read()
        self.assertEqual({}, self.refused())
        text = ' '.join(found.notes)
        self.assertIn('kinds of ports of 6 VMs are unknown', text)
        self.assertIn('Neutron: ports', text)

    def test_who_is_no_administrator_there_is_told(self):
        session = self.playground.session_of(self.playground.reader)
        reader = connection.Connection(session=session)
        found = read_cloud(
            self.model,
            self.compute,
            None,
            Settings(),
            now=1.0,
            network=beside.neutron(reader.compute),
        )
        self.assertIn('Neutron shows none', ' '.join(found.notes))


class TestStart(Shared):
    def why(self, vm=BIG):
        return permission(
            self.compute,
            None,
            vm,
            'east-1',
            'east-2',
            network=beside.neutron(self.compute),
        ).refused

    def refusal(self, vm=BIG):
        """What Nova itself says."""
        error = self.assertRaises(
            sdk_errors.HttpException,
            self.compute.live_migrate_server,
            vm,
            host='east-2',
            block_migration='auto',
        )
        return str(error)

    def test_shares_are_seen_just_before_the_start(self):
        self.assertEqual('', self.why())
        self.change(BIG, shares=['share-1'])
        self.assertEqual('it has shares of Manila', self.why())
        self.assertIn('instances that have shares', self.refusal())

    def test_so_is_a_port_that_has_come_since(self):
        self.change(BIG, ports=ACCELERATED)
        self.assertIn('a port with an accelerator', self.why())
        self.assertIn('Ports that have accelerators', self.refusal())

    def test_a_neutron_that_is_away_holds_nobody_up(self):
        self.fail('/network/v2.0/ports')
        self.assertEqual('', self.why())


class TestAudit(Drains):
    CLOUD = CLOUD

    def test_a_vm_whose_port_does_not_move_stays_and_a_share_is_no_surprise(
        self,
    ):
        self.change('marked', {'ports': [{}]}, ports=ACCELERATED)
        audit = self.audit(hosts=['east-1'])
        plan = self.plan(audit)
        self.assertNotIn('marked', self.actions(plan))
        self.assertIn('big', self.actions(plan))
        self.change('big', {'shares': []}, shares=['share-1'])
        self.apply(plan)
        self.assertEqual('east-1', self.where('big'))
        big = self.actions(plan)['big']
        self.assertEqual('FAILED', big.state)
        self.assertIn('it has shares of Manila', self.said(big))
