"""Which disks a server has on its host, and how large they are.

What Glance tells comes from the playground in tests/functional.
"""

import unittest

from tests.unit.test_telemetry_inventory import SmallCompute
from tests.unit.test_telemetry_inventory import SmallModel
from tests.unit.test_telemetry_inventory import aggregate
from tests.unit.test_telemetry_inventory import node
from tests.unit.test_telemetry_inventory import server
from tests.unit.test_telemetry_inventory import thing
from watcher_tsmig.telemetry.inventory import inventory
from watcher_tsmig.telemetry.needs import disks
from watcher_tsmig.telemetry.needs import images
from watcher_tsmig.telemetry.permission import permission
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB
from watcher_tsmig.units import from_mib

# as Nova tells of one that wants nothing
IMAGE = {'id': 'i', 'properties': {}}


def sized(disk=0, ephemeral=0, swap=0, image='i', **values):
    return server(
        'v',
        image={'id': image, 'properties': {}} if image else '',
        flavor=thing(
            ram=512, vcpus=1, disk=disk, ephemeral=ephemeral, swap=swap
        ),
        **values,
    )


def image(**values):
    return {'virtual_size': None, 'size': None, 'min_disk': 0} | values


class TestSizes(unittest.TestCase):
    def test_a_root_disk_is_the_flavors_or_else_the_images(self):
        images = {'i': 3.0 * GIB}
        for given, expected in (
            (sized(disk=20), (20.0 * GIB,)),
            (sized(), (3.0 * GIB,)),
            (sized(image='deleted'), ()),
            (sized(ephemeral=5, swap=512), (3.0 * GIB, 5.0 * GIB, 512 * MIB)),
        ):
            self.assertEqual(expected, disks.local_disks(given, images))

    def test_one_that_boots_from_a_volume_has_no_root_disk_here(self):
        for given, expected in (
            (sized(disk=20, image=''), ()),
            (sized(disk=20, image='', ephemeral=5), (5.0 * GIB,)),
        ):
            self.assertEqual(expected, disks.local_disks(given, {}))
            self.assertIs(bool(expected), disks.has_local_disks(given))

    def test_placement_counts_no_disk_that_an_image_makes(self):
        images = {'i': 3.0 * GIB}
        self.assertEqual(0, disks.local_disk(sized(), images))
        found = disks.local_disk(sized(20, swap=1), images)
        self.assertEqual(21 * GIB, found)

    def test_nor_one_on_a_volume_that_an_image_without_bytes_makes(self):
        given, images = sized(20, ephemeral=5), {'i': 0.0}
        self.assertEqual((5.0 * GIB,), disks.local_disks(given, images))
        self.assertEqual(5 * GIB, disks.local_disk(given, images))

    def test_a_disk_is_as_large_as_its_guest_sees_it_not_as_its_file(self):
        for given, expected in (
            (image(virtual_size=8 * GIB, size=1 * GIB, min_disk=4), 8),
            (image(size=2 * GIB), 2),
            # of a packed one nobody tells; no less than its owner asks for
            (image(size=1 * GIB, min_disk=4), 4),
            # of a server whose root disk was a volume
            (image(size=0, min_disk=4), 0),
        ):
            self.assertEqual(float(expected * GIB), disks.root_size(given))

    def test_glance_is_not_asked_where_nova_and_flavors_tell_all(self):
        notes = []
        asked = (sized(20), sized(0, image=''), server('old'))
        # this compute proxy has no session to ask with
        found = images.read_images(SmallCompute(), asked, asked, notes)
        self.assertEqual({}, found.sizes)
        self.assertEqual([], notes)


class TestInventory(unittest.TestCase):
    def read(self, *servers, metadata=None, **disk):
        declared = [aggregate('a', **(metadata or {}))]
        compute = SmallCompute(servers, declared)
        host = thing(**vars(node('a')), **disk)
        return inventory.read_inventory(
            SmallModel([host]), compute, scoped=False
        )

    def test_a_host_has_what_the_scheduler_may_give(self):
        found = self.read(disk=100, disk_gb_capacity=90.0)
        self.assertEqual(90 * GIB, found.hosts[0].disk)

    def test_a_host_of_unknown_disk_has_enough(self):
        for disk in ({}, {'disk': 0, 'disk_gb_capacity': 0.0}):
            self.assertIsNone(self.read(**disk).hosts[0].disk)

    def test_a_vm_takes_what_placement_counts(self):
        size = thing(ram=512, vcpus=2, disk=20, ephemeral=5, swap=1500)
        found = self.read(
            server('image', flavor=size, image=IMAGE),
            server('volume', flavor=size, image=None),
            server('bare'),
            disk=100,
            disk_gb_capacity=100.0,
        )
        vms = {vm.name: vm for vm in found.vms}
        self.assertEqual(27 * GIB, vms['image'].disk)
        disks = (20 * GIB, 5 * GIB, from_mib(1500))
        self.assertEqual(disks, vms['image'].disks)
        self.assertEqual(disks[1:], vms['volume'].disks)
        self.assertEqual(7 * GIB, vms['volume'].disk)
        self.assertEqual(0.0, vms['bare'].disk)

    def test_on_declared_shared_storage_no_disk_counts(self):
        found = self.read(
            sized(disk=20),
            metadata={'shared_disk': 'true'},
            disk=100,
            disk_gb_capacity=100.0,
        )
        self.assertIsNone(found.hosts[0].disk)
        self.assertEqual(0.0, found.vms[0].disk)


class TestPermission(unittest.TestCase):
    def test_at_the_start_a_disk_of_any_size_goes_along(self):
        for given, shared, expected in (
            (sized(), False, True),
            (sized(), True, False),
            (sized(20), False, True),
            (sized(20, image=''), False, False),
        ):
            declared = [aggregate('a', shared_disk='true')] if shared else []
            compute = SmallCompute([given], declared)
            found = permission(compute, None, 'id-v', 'a', 'b')
            self.assertIs(expected, found.disks)
