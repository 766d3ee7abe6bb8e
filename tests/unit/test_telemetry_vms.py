"""Each VM, from what was read of it; from Nova to here is the inventory's."""

import types
import unittest

from tests.unit.builders import host
from watcher_tsmig.telemetry.inventory import vms
from watcher_tsmig.telemetry.needs.destinations import Destinations
from watcher_tsmig.telemetry.needs.devices import had_of
from watcher_tsmig.units import GIB
from watcher_tsmig.units import from_mib


def server(**values):
    given = {
        'id': 'id-1', 'name': 'one', 'compute_host': 'a',
        'vm_state': 'active', 'task_state': None, 'is_locked': False,
        'metadata': {},
        'flavor': types.SimpleNamespace(
            ram=512, vcpus=2, disk=20, ephemeral=0, swap=0, extra_specs={}
        ),
        'image': {'id': 'i', 'properties': {}}, 'attached_volumes': (),
        'project_id': 'p', 'availability_zone': 'east',
        'pinned_availability_zone': None, 'microversion': '2.95',
    }  # fmt: skip
    return types.SimpleNamespace(**{**given, **values})


def small(**values):
    """A flavor that an older Nova names, without its numbers."""
    return types.SimpleNamespace(
        **{'ram': None, 'vcpus': None, 'disk': 0, 'ephemeral': 0, 'swap': 0}
        | values
    )


def instance(**values):
    given = {'memory': 256, 'vcpus': 1, 'watcher_exclude': False}
    return types.SimpleNamespace(**{**given, **values})


class Case(unittest.TestCase):
    def read(self, one, its=None, scoped=False, keep=True, disk=None):
        """The VM of a server; None where it is left out."""
        known = vms.Known(
            hosts={'a': host('a', disk=disk)},
            instances={one.id: its} if its else {},
            destinations=Destinations([], ['a'], {}),
            scoped=scoped,
            keep_zone=keep,
        )
        having = vms.Having(
            sizes={'i': 3.0 * GIB},
            had={one.id: had_of(one)},
            wanted={one.id: {}},
            newest=(2, 104),
        )
        self.notes = []
        found = vms.vms_of([one], known, having, self.notes)
        return found[0] if found else None


class TestSize(Case):
    def test_it_is_the_flavors_and_not_watchers(self):
        found = self.read(server(), instance())
        self.assertEqual((from_mib(512), 2.0), (found.memory, found.vcpus))
        self.assertEqual([], self.notes)

    def test_where_nova_names_no_numbers_it_is_watchers(self):
        found = self.read(server(flavor=small()), instance())
        self.assertEqual((from_mib(256), 1.0), (found.memory, found.vcpus))

    def test_whose_size_nobody_knows_is_left_out_and_told(self):
        for flavor, its in (
            (small(), None), (small(ram=0), None),
            (small(), instance(memory=None)),
        ):  # fmt: skip
            self.assertIsNone(self.read(server(flavor=flavor), its))
            self.assertEqual(
                ['one: its size is unknown, it is ignored'], self.notes
            )

    def test_who_come_after_one_without_a_size_are_read(self):
        found = vms.vms_of(
            [server(flavor=small()), server(id='id-2')],
            vms.Known(
                hosts={'a': host('a')}, instances={},
                destinations=Destinations([], ['a'], {}),
                scoped=False, keep_zone=True,
            ),
            vms.Having(
                sizes={}, had={'id-2': had_of(server())},
                wanted={'id-2': {}}, newest=None,
            ),
            [],
        )  # fmt: skip
        self.assertEqual(['id-2'], [vm.id for vm in found])

    def test_cpus_that_nobody_knows_are_none(self):
        found = self.read(server(flavor=small(ram=512)))
        self.assertEqual(0.0, found.vcpus)


class TestScope(Case):
    def test_watcher_says_who_is_left_alone(self):
        for excluded in (True, False):
            for scoped in (True, False):
                its = instance(watcher_exclude=excluded)
                found = self.read(server(), its, scoped=scoped)
                self.assertIs(excluded, found.excluded)
                self.assertEqual([], self.notes)

    def test_of_a_scope_whom_watcher_does_not_know_is_left_alone(self):
        self.assertTrue(self.read(server(), scoped=True).excluded)
        self.assertEqual(['one: too new for Watcher, left alone'], self.notes)
        self.assertFalse(self.read(server(), scoped=False).excluded)
        self.assertEqual([], self.notes)


class TestState(Case):
    def test_a_task_keeps_a_vm_busy_unless_it_failed_in_it(self):
        for state, task, expected, live in (
            ('active', None, 'active', True),
            ('active', '', 'active', True),
            ('ACTIVE', None, 'active', True),
            ('active', 'migrating', 'busy', False),
            ('error', 'migrating', 'error', False),
            ('error', None, 'error', False),
            ('stopped', None, 'stopped', False),
            ('paused', None, 'paused', True),
            ('odd', None, 'other', False),
            (None, None, 'other', False),
        ):
            found = self.read(server(vm_state=state, task_state=task))
            self.assertEqual(
                (expected, live), (found.state, found.active), (state, task)
            )

    def test_a_lock_is_a_lock(self):
        for locked in (True, False, None):
            found = self.read(server(is_locked=locked))
            self.assertIs(bool(locked), found.locked)


class TestOwner(Case):
    def test_a_server_without_metadata_or_a_name_is_a_vm_all_the_same(self):
        found = self.read(server(metadata=None, name=''))
        self.assertEqual('id-1', found.name)
        self.assertIsNone(found.sla)
        self.assertTrue(found.post_copy)

    def test_its_owner_may_forbid_post_copy_and_no_more(self):
        for text, permits in (('false', False), ('true', True)):
            given = {'tsmig:post_copy': text}
            found = self.read(server(metadata=given))
            self.assertIs(permits, found.post_copy)

    def test_so_may_its_devices(self):
        flavor = small(ram=512, extra_specs={'hw:pmem': '6GB'})
        for metadata in ({}, {'tsmig:post_copy': 'true'}):
            found = self.read(server(flavor=flavor, metadata=metadata))
            self.assertFalse(found.post_copy)

    def test_a_class_is_named_or_told_to_be_empty(self):
        for text, name, notes in (
            ('gold', 'gold', 0), (' gold ', 'gold', 0), ('  ', None, 1)
        ):  # fmt: skip
            found = self.read(server(metadata={'tsmig:sla': text}))
            self.assertEqual(name, found.sla)
            self.assertEqual(
                ['one: tsmig:sla is empty and is ignored'][:notes], self.notes
            )


class TestZone(Case):
    def test_a_zone_is_kept_where_nova_cannot_tell_and_it_is_to_be(self):
        for version, pinned, keep, zone in (
            ('2.95', None, True, 'east'),
            ('2.95', None, False, None),
            ('2.95', 'west', False, 'west'),
            ('2.96', None, True, None),
            ('2.96', 'west', True, 'west'),
            ('2.100', '', True, None),
            ('', None, True, 'east'),
            (None, None, True, 'east'),
            ('latest', None, True, 'east'),
        ):
            one = server(microversion=version, pinned_availability_zone=pinned)
            found = self.read(one, keep=keep)
            self.assertEqual(zone, found.zone, (version, pinned, keep))

    def test_a_zone_without_a_name_is_none(self):
        for zone in ('', None):
            found = self.read(server(availability_zone=zone))
            self.assertIsNone(found.zone)


class TestDisks(Case):
    def test_local_disks_count_on_a_host_that_has_any(self):
        found = self.read(server(), disk=100.0 * GIB)
        self.assertEqual(20 * GIB, found.disk)
        self.assertEqual((20 * GIB,), found.disks)
        found = self.read(server(), disk=None)
        self.assertEqual((0.0, ()), (found.disk, found.disks))
