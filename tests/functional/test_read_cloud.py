"""The reader on the playground, through the real openstacksdk.

What the simulated cloud is made of must come back from its APIs. Only
Watcher's model is made here; the last class has the real one.
"""

import contextlib
import dataclasses
import types

import testtools

from tests.functional import fixtures
from tests.functional.test_drain import Drains
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Group
from watcher_tsmig.model import Host
from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Vm
from watcher_tsmig.playground.cloud.cloud import identify
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import read_cloud

HOSTS = ('east-1', 'east-2', 'west-1', 'west-2')


def host(name):
    return Host(
        name=name,
        memory=64 * units.GIB,
        vcpus=32.0,
        nic=Nic(capacity=units.from_mbit_s(10000)),
        post_copy=True,
        disk=500 * units.GIB,
        zone=name.partition('-')[0],
    )


def vm(name, where, **values):
    return Vm(
        id=identify('vm', name),
        name=name,
        host=where,
        memory=4 * units.GIB,
        vcpus=2.0,
        state='active',
        **values,
    )


def group(name, policy, *members, **values):
    ids = tuple(identify('vm', member) for member in members)
    return Group(id=name, policy=policy, members=ids, **values)


DISK = 40.0 * units.GIB
CLOUD = Cloud(
    hosts=tuple(map(host, HOSTS)),
    vms=(
        vm('big', 'east-1', disk=DISK, disks=(DISK,), sla='gold'),
        vm('bound', 'east-1', zone='east'),
        # Placement counts no root disk that the image makes
        vm('imaged', 'east-1', disks=(7.0 * units.GIB,)),
        vm('marked', 'east-1', allowed=('east-1', 'west-1')),
        vm('traited', 'east-1', allowed=('east-1', 'east-2', 'west-2')),
        vm('twin', 'west-1', post_copy=False),
    ),
    links=(
        Link(
            name='wan',
            hosts=('west-1', 'west-2'),
            capacity=units.from_mbit_s(1234.5678),
            background_out=units.from_mbit_s(20),
            background_in=units.from_mbit_s(0.5),
            rtt=0.0305,
        ),
    ),
    groups=(
        group('g1', 'anti-affinity', 'big', 'twin', max_per_host=2),
        group('g2', 'affinity', 'bound', 'marked'),
        group('g3', 'soft-affinity', 'bound', 'marked'),
        group('g4', 'soft-anti-affinity', 'bound', 'twin'),
    ),
)


# In which a migration of `big` takes some minutes.
SLOW = dataclasses.replace(
    CLOUD,
    hosts=tuple(
        dataclasses.replace(h, nic=Nic(capacity=units.from_mbit_s(1000)))
        for h in CLOUD.hosts
    ),
)


class Model:
    """Watcher's compute model, as its collector makes it of Placement."""

    def __init__(self, cloud):
        self.nodes = {}
        for node in cloud.compute.hypervisors(details=True):
            size = {
                i.resource_class: (i.total - i.reserved) * i.allocation_ratio
                for i in cloud.placement.resource_provider_inventories(node.id)
            }
            self.nodes[node.id] = types.SimpleNamespace(
                uuid=node.id,
                hostname=node.name,
                memory_mb_capacity=size['MEMORY_MB'],
                vcpu_capacity=size['VCPU'],
                disk=size['DISK_GB'],
                disk_gb_capacity=size['DISK_GB'],
            )

    def get_all_compute_nodes(self):
        return self.nodes

    def get_all_instances(self):
        return {}


class TestRead(testtools.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.playground = stack.enter_context(fixtures.Playground(CLOUD))
        cls.cloud = cls.playground.cloud
        cls.model = Model(cls.cloud)

    @contextlib.contextmanager
    def placement(self):
        yield self.cloud.placement

    def read(self, **settings):
        return read_cloud(
            self.model,
            self.cloud.compute,
            None,
            Settings(**settings),
            now=1.0,
            placement=self.placement,
        )

    def test_what_the_cloud_is_made_of_comes_back(self):
        found = self.read()
        self.assertEqual(
            ('no source of measures is configured; nothing is measured',),
            found.notes,
        )
        self.assertEqual(dataclasses.replace(CLOUD, taken_at=1.0), found.cloud)

    def test_an_older_nova_knows_less_and_stays_careful(self):
        compute = self.cloud.compute
        compute.default_microversion = '2.56'
        self.addCleanup(setattr, compute, 'default_microversion', None)
        found = {v.name: v for v in self.read().cloud.vms}
        self.assertEqual('west', found['twin'].zone)
        found = self.read(keep_zone=False).cloud
        self.assertIsNone(found.vm(identify('vm', 'bound')).zone)
        self.assertEqual(CLOUD.vms[0].disk, found.vms[0].disk)
        self.assertEqual(CLOUD.vms[3].allowed, found.vms[3].allowed)
        self.assertEqual(
            [(g.id, g.policy, 1.0) for g in CLOUD.groups],
            [(g.id, g.policy, g.max_per_host) for g in found.groups],
        )

    def test_a_placement_that_is_down_hides_only_traits(self):
        self.playground.change_service('placement', up=False)
        self.addCleanup(self.playground.change_service, 'placement', up=True)
        found = self.read()
        vms = {vm.name: vm for vm in found.cloud.vms}
        self.assertIsNone(vms['traited'].allowed)
        self.assertEqual(('east-1', 'west-1'), vms['marked'].allowed)
        self.assertIn('1 of 1 traits', found.notes[0])

    def test_without_glance_disks_that_images_make_are_not_counted(self):
        self.playground.change_service('image', up=False)
        self.addCleanup(self.playground.change_service, 'image', up=True)
        found = self.read()
        self.assertEqual((), found.cloud.vm(identify('vm', 'imaged')).disks)
        self.assertIn('of 1 images the size is unknown', found.notes[0])
        self.assertEqual(CLOUD.vms[0].disks, found.cloud.vms[0].disks)


class TestUnderWay(testtools.TestCase):
    def test_a_migration_that_runs_is_told_with_what_it_has_to_send(self):
        playground = self.useFixture(fixtures.Playground(SLOW))
        cloud = playground.cloud
        big = identify('vm', 'big')
        cloud.compute.live_migrate_server(
            big, host='east-2', block_migration='auto'
        )
        model = Model(cloud)

        def seen():
            found = read_cloud(
                model, cloud.compute, None, Settings(), now=1.0
            ).cloud
            (passage,) = found.passages
            self.assertEqual(
                (big, 'east-1', 'east-2'),
                (passage.vm, passage.source, passage.destination),
            )
            return passage

        playground.push(2)
        self.assertIsNone(seen().left)
        # disks go first, and Nova tells of the memory once it goes
        before = seen()
        while before.left is None:
            playground.push(10)
            before = seen()
        playground.push(5)
        self.assertLess(seen().left, before.left)
        self.assertLess(abs(before.rate / 1.25e8 - 1), 0.2)
        playground.push(3600)
        found = read_cloud(model, cloud.compute, None, Settings(), now=1.0)
        self.assertEqual((), found.cloud.passages)
        self.assertEqual('east-2', found.cloud.vm(big).host)


class TestScheduler(testtools.TestCase):
    """The playground's own Nova minds what it tells."""

    def test_a_destination_that_binds_forbid_is_no_valid_host(self):
        playground = self.useFixture(fixtures.Playground(CLOUD))
        compute = playground.cloud.compute
        moves = {
            'bound': 'west-2',  # another zone
            'marked': 'east-2',  # not in its aggregate
            'traited': 'west-1',  # lacks the trait
            'big': 'east-2',
        }
        for name, where in moves.items():
            compute.live_migrate_server(
                identify('vm', name), host=where, block_migration='auto'
            )
        playground.push(3600)
        state = playground.state()['vms']
        self.assertEqual(
            {
                'bound': 'east-1',
                'marked': 'east-1',
                'traited': 'east-1',
                'big': 'east-2',
            },
            {name: state[identify('vm', name)]['host'] for name in moves},
        )


class TestAudit(Drains):
    CLOUD = CLOUD

    def test_an_audit_asks_placement_and_says_if_it_is_silent(self):
        audit = self.audit(hosts=['east-1'])
        self.assertIn('leave east-1', self.said(audit))
        self.assertNotIn('Placement', self.said(audit))
        self.assertNotIn('server groups', self.said(audit))
        self.playground.change_service('placement', up=False)
        audit = self.audit(hosts=['east-1'])
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('Placement', self.said(audit))
        self.assertIn('leave east-1', self.said(audit))


class TestAuditBesideOthers(Drains):
    CLOUD = SLOW

    def test_an_audit_counts_with_what_somebody_has_under_way(self):
        compute = self.playground.cloud.compute
        compute.live_migrate_server(
            self.ids['big'], host='east-2', block_migration='auto'
        )
        fixtures.poll(lambda: any(compute.migrations()), (True,))
        audit = self.audit(hosts=['east-1'])
        self.assertIn('1 VM is being migrated already', self.said(audit))
        plan = self.plan(audit)
        self.assertNotIn('big', self.actions(plan))
