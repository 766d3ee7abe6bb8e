"""What a VM's devices keep it from, as Nova and QEMU have it."""

import itertools
import types
import unittest

from tests.unit import builders
from tests.unit import test_telemetry_inventory as cloud
from watcher_tsmig.model import snapshot
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason
from watcher_tsmig.telemetry import read_cloud
from watcher_tsmig.telemetry.needs import devices
from watcher_tsmig.telemetry.needs import ports
from watcher_tsmig.telemetry.settings import Settings

# (extra specs) -> never live, never post-copied, by the newest Nova
ROWS = (
    ({}, False, False),
    ({'hw:mem_encryption': 'True'}, True, True),
    ({'hw:mem_encryption': 'false'}, False, False),
    *(
        ({'hw:mem_encryption': word}, True, True)
        for word in ('true', 'yes', '1', 'on', 't', 'y')
    ),
    ({'hw_mem_encryption': 'yes'}, True, True),
    ({'hw_tpm_version': '1.2'}, True, True),
    ({'hw:tpm_version': ''}, False, False),
    ({'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb'}, True, True),
    (
        {'hw:tpm_version': '2.0', 'hw:tpm_secret_security': 'user'},
        True,
        True,
    ),
    (
        {'hw:tpm_version': '2.0', 'hw:tpm_secret_security': 'host'},
        False,
        False,
    ),
    ({'accel:device_profile': 'fpga'}, True, True),
    ({'pci_passthrough:alias': 'a1:2'}, False, True),
    ({'resources:VGPU': '1'}, False, True),
    ({'resources_of1:VGPU': '1'}, False, True),
    ({'hw:pmem': '6GB'}, False, True),
    ({'hw:mem_page_size': '1GB'}, False, True),
    *(
        ({'hw:mem_page_size': word}, False, True)
        for word in ('1GiB', '1048576', '1048576kB', 'large_1GB')
    ),
    ({'hw_mem_page_size': '1GB'}, False, True),
    ({'hw:mem_page_size': 'large'}, False, False),
    ({'hw:mem_page_size': '2MB'}, False, False),
    ({'hw:cpu_realtime': 'yes'}, False, True),
    ({'hw_cpu_realtime': 'yes'}, False, True),
    ({'hw:cpu_realtime': 'no'}, False, False),
    ({'resources:VGPU_DISPLAY': '1'}, False, True),
    ({'my_resources:VGPU': '1'}, False, False),
    ({'hw:cpu_policy': 'dedicated', 'hw:numa_nodes': '2'}, False, False),
)
# (kind of a port) likewise
PORTS = (
    ('direct', False, True),
    ('direct-physical', False, True),
    ('remote-managed', False, True),
    ('vdpa', False, True),
    ('macvtap', False, False),
    ('accelerator-direct', True, True),
    ('accelerator-direct-physical', True, True),
    (ports.VHOST_USER, False, True),
    (ports.ASKING, False, False),
    (ports.ASKING_GROUPS, False, False),
    (ports.UNBOUND, True, True),
)
# What is refused by the first microversion, and not by the second any more:
# the newest of a release and of the next (nova/api/openstack/
# api_version_request.py)
HOST_TPM = {'hw:tpm_version': '2.0', 'hw:tpm_secret_security': 'host'}
UNTIL = (
    (HOST_TPM, None, (2, 100), (2, 103)),  # 32, 33
    ({'pci_passthrough:alias': 'a:1'}, None, (2, 96), (2, 100)),  # 30, 31
    ({'resources:VGPU': '1'}, None, (2, 95), (2, 96)),  # 28, 29
    ({}, 'vdpa', (2, 90), (2, 93)),  # 25, 26
    ({}, ports.ASKING_GROUPS, (2, 89), (2, 90)),  # 24, 25
    ({}, ports.ASKING, (2, 79), (2, 87)),  # 20, 21
    ({'hw:pmem': '6GB'}, None, (2, 79), (2, 87)),
    ({'hw:cpu_policy': 'dedicated'}, None, (2, 72), (2, 79)),  # 19, 20
    ({'hw:mem_page_size': 'large'}, None, (2, 72), (2, 79)),
    ({'resources:PCPU': '2'}, None, (2, 72), (2, 79)),
    ({'resources_2:PCPU': '2'}, None, (2, 72), (2, 79)),
    ({'hw:numa_nodes': '2'}, None, (2, 72), (2, 79)),
    ({'hw_numa_nodes': '2'}, None, (2, 72), (2, 79)),
    ({'hw_mem_page_size': 'any'}, None, (2, 72), (2, 79)),
    ({'hw_cpu_policy': 'mixed'}, None, (2, 72), (2, 79)),
)
# By the first that a release's Nova has, it is known that it moves this
SINCE = (
    ({}, ports.ASKING, (2, 80)),
    ({}, ports.ASKING_GROUPS, (2, 90)),
    ({}, 'vdpa', (2, 91)),
    ({'hw:pmem': '6GB'}, None, (2, 80)),
    ({'hw:numa_nodes': '2'}, None, (2, 73)),
    ({'resources:VGPU': '1'}, None, (2, 96)),
    ({'pci_passthrough:alias': 'a:1'}, None, (2, 97)),
    (HOST_TPM, None, (2, 101)),
)
# (extra specs, kind of a port) -> words of why, of an old Nova and of a new
# one; who has several things is told the first
WHY = (
    ({'hw:mem_encryption': '1', **HOST_TPM}, None, 'encrypted', 'encrypted'),
    ({'hw:tpm_version': '2.0'}, None, 'not move before Nova 33', 'secret is'),
    (HOST_TPM, None, 'before Nova 33', None),
    ({'accel:device_profile': 'x'}, 'vdpa', 'accelerator (acc', 'tor (accel'),
    ({}, 'accelerator-direct', 'with an accelerator', 'with an accelerator'),
    ({}, 'vdpa', 'vDPA port', 'SR-IOV port, which is unplugged'),
    ({}, ports.ASKING_GROUPS, 'groups of resources (QoS)', None),
    ({}, ports.ASKING, 'asks for resources (QoS)', None),
    ({}, ports.UNBOUND, 'binding-extended', 'binding-extended'),
    (
        {'pci_passthrough:alias': 'a:1', 'resources:VGPU': '1'},
        None,
        'PCI device (pci_passthrough:alias), which does',
        'PCI device (pci_passthrough:alias)',
    ),
    ({'resources:VGPU': '1', 'hw:pmem': 'x'}, None, 'a vGPU', 'a vGPU'),
    (
        {'hw:pmem': 'x', 'hw:mem_page_size': '1GB'},
        None,
        'persistent memory (hw:pmem), which does',
        'persistent memory (hw:pmem)',
    ),
    (
        {'hw:mem_page_size': '1GB', 'hw:cpu_realtime': 'yes'},
        None,
        'NUMA cells, huge pages',
        'pages have 1 GiB',
    ),
    ({'hw:cpu_realtime': 'yes'}, 'direct', 'real-time', 'real-time'),
    ({}, 'direct', 'unplugged while', 'unplugged while'),
    ({}, ports.VHOST_USER, 'on vhost-user', 'on vhost-user'),
    ({}, 'virtio-forwarder', 'on vhost-user', 'on vhost-user'),
    ({}, None, None, None),
)
NEWEST = (2, 104)
# (extra specs, kind of a port, words of why): of two things the first is told,
# by a Nova that refuses all of them, ...
REFUSED = (
    ({'hw:mem_encryption': '1'}, None, 'encrypted'),
    (HOST_TPM, None, 'before Nova 33'),
    ({'accel:device_profile': 'x'}, None, '(accel:device_profile)'),
    ({}, 'accelerator-direct', 'a port with an accelerator'),
    ({}, 'vdpa', 'vDPA port'),
    ({}, ports.ASKING_GROUPS, 'groups of resources (QoS)'),
    ({}, ports.ASKING, 'asks for resources (QoS)'),
    ({}, ports.UNBOUND, 'binding-extended'),
    ({'pci_passthrough:alias': 'a:1'}, None, 'before Nova 31'),
    ({'resources:VGPU': '1'}, None, 'before Nova 29'),
    ({'hw:pmem': 'x'}, None, 'persistent memory'),
    ({'hw:numa_nodes': '2'}, None, 'NUMA cells'),
)
# ... by one that refuses as little as any, ...
STILL_REFUSED = (
    ({'hw:mem_encryption': '1'}, None, 'encrypted'),
    ({'hw:tpm_version': '2.0'}, None, "secret is not the host's"),
    ({'accel:device_profile': 'x'}, None, '(accel:device_profile)'),
    ({}, 'accelerator-direct', 'a port with an accelerator'),
    ({}, ports.UNBOUND, 'binding-extended'),
)
# ... and of what it moves, but never by post-copy
PRE_COPIED = (
    ({'pci_passthrough:alias': 'a:1'}, None, '(pci_passthrough:alias)'),
    ({'resources:VGPU': '1'}, None, '(resources:VGPU)'),
    ({'hw:pmem': 'x'}, None, '(hw:pmem)'),
    ({'hw:mem_page_size': '1GB'}, None, '(hw:mem_page_size)'),
    ({'hw:cpu_realtime': 'yes'}, None, '(hw:cpu_realtime)'),
    ({}, 'direct', 'unplugged'),
    ({}, ports.VHOST_USER, 'on vhost-user'),
)


def server(specs, **values):
    flavor = types.SimpleNamespace(ram=4096, vcpus=2, extra_specs=specs)
    return cloud.server('one', flavor=flavor, **values)


def having(specs=None, *kinds):
    return devices.had_of(server(specs or {}), kinds=frozenset(kinds))


class TestDevices(unittest.TestCase):
    def judge(self, had, never, only_pre):
        for newest in (NEWEST, None):
            self.assertIs(never, devices.refused(had, newest) is not None)
            self.assertIs(
                only_pre, devices.pre_copy_only(had, newest) is not None
            )

    def test_what_is_refused_and_what_must_not_be_post_copied(self):
        for specs, never, only_pre in ROWS:
            with self.subTest(specs):
                self.judge(having(specs), never, only_pre)

    def test_and_for_which_ports(self):
        for kind, never, only_pre in PORTS:
            with self.subTest(kind):
                self.judge(having({}, kind), never, only_pre)

    def test_an_older_nova_refuses_what_a_newer_one_moves(self):
        for specs, kind, refuses, moves in UNTIL:
            with self.subTest(specs, kind=kind):
                had = having(specs, *([kind] if kind else []))
                why = devices.refused(had, refuses)
                self.assertIn('before Nova', why)
                self.assertEqual(why, devices.pre_copy_only(had, refuses))
                self.assertIsNone(devices.refused(had, moves))
                self.assertIsNone(devices.refused(had, None))

    def test_a_release_is_known_by_its_first_microversion(self):
        for specs, kind, first in SINCE:
            with self.subTest(specs, kind=kind):
                had = having(specs, *([kind] if kind else []))
                self.assertIsNone(devices.refused(had, first))
                before = (first[0], first[1] - 1)
                self.assertIsNotNone(devices.refused(had, before))

    def test_why_is_told_and_of_several_reasons_the_first(self):
        for specs, kind, by_old, by_new in WHY:
            had = having(specs, *([kind] if kind else []))
            for newest, words in (((2, 1), by_old), (NEWEST, by_new)):
                with self.subTest(specs, kind=kind, newest=newest):
                    why = devices.pre_copy_only(had, newest)
                    if words is None:
                        self.assertIsNone(why)
                    else:
                        self.assertIn(words, why)

    def test_of_two_things_the_first_is_told(self):
        for rows, newest in (
            (REFUSED, (2, 1)),
            (STILL_REFUSED, NEWEST),
            (PRE_COPIED, NEWEST),
        ):
            for (one, kind, words), (other, also, _) in itertools.combinations(
                rows, 2
            ):
                with self.subTest(words, newest=newest):
                    kinds = [k for k in (kind, also) if k]
                    had = having({**other, **one}, *kinds)
                    self.assertIn(words, devices.pre_copy_only(had, newest))

    def test_a_flavor_outdoes_its_image_and_what_nova_shows_outdoes_glance(
        self,
    ):
        shown = {'hw_mem_page_size': 'large', 'hw_numa_nodes': '2'}
        found = devices.had_of(
            server(
                {'HW_Numa_Nodes': ' FOUR ', 'hw:pmem': 6},
                image={'id': 'i', 'properties': shown},
            ),
            {'hw_mem_page_size': '1GB', 'hw_cpu_policy': 'Mixed'},
            frozenset(('vdpa',)),
        )
        self.assertEqual(
            {
                'hw_mem_page_size': 'large',
                'hw_numa_nodes': 'four',
                'hw:pmem': '6',
                'hw_cpu_policy': 'mixed',
            },
            found.asked,
        )
        self.assertEqual({'vdpa'}, found.ports)
        # of a server that boots from a volume Nova has no image, but ''
        for image in ('', None):
            self.assertEqual({}, devices.had_of(server({}, image=image)).asked)

    def test_an_images_wish_counts_whoever_shows_it(self):
        wish = {'hw_mem_encryption': 'true'}
        by_nova = server({}, image={'id': 'i', 'properties': wish})
        untold = server({}, image={'id': 'i'})
        for had in (
            devices.had_of(by_nova),
            devices.had_of(untold, wish),
        ):
            self.assertIn('encrypted', devices.refused(had, NEWEST))

    def test_a_flavor_without_specs_forbids_nothing(self):
        for specs in (None, {}):
            found = devices.had_of(server(specs))
            self.assertIsNone(devices.pre_copy_only(found, NEWEST))


class TestCautions(unittest.TestCase):
    def told(self, *all_had, newest=NEWEST):
        notes = []
        devices.cautions(all_had, newest, notes)
        return notes

    def test_what_only_nova_can_know_is_told_with_a_count(self):
        pinned = having({'hw:cpu_policy': 'dedicated'})
        pages = having({'hw:mem_page_size': 'large'})
        (note,) = self.told(pinned, pages, having())
        self.assertTrue(note.startswith('2 VMs with NUMA cells'), note)
        (note,) = self.told(having({'pci_passthrough:alias': 'a:1'}))
        self.assertTrue(note.startswith('1 VM with PCI devices'), note)
        (note,) = self.told(having({}, 'direct'))
        self.assertIn('unplugs', note)

    def test_who_has_several_things_is_told_of_each_in_one_order(self):
        every = having(
            {'hw:numa_nodes': '2', 'pci_passthrough:alias': 'a:1'}, 'direct'
        )
        self.assertEqual(
            [
                '2 VMs with PCI devices, which move only where their alias '
                'says live_migratable',
                '1 VM with SR-IOV ports, which Nova unplugs for as long as '
                'they move',
                '1 VM with NUMA cells, huge pages or CPUs of their own: only '
                'Nova knows whether a destination has these free',
            ],
            self.told(every, having({'pci_passthrough:alias': 'a:1'})),
        )

    def test_not_of_whom_nova_refuses_anyway(self):
        both = {'hw:cpu_policy': 'dedicated', 'accel:device_profile': 'x'}
        self.assertEqual([], self.told(having(both)))
        pinned = having({'hw:cpu_policy': 'dedicated'})
        self.assertEqual([], self.told(pinned, newest=(2, 72)))


class TestPlan(unittest.TestCase):
    def read(self, specs):
        return read_cloud(
            cloud.SmallModel([cloud.node('a'), cloud.node('b')]),
            cloud.SmallCompute([server(specs)]),
            None,
            Settings(),
            now=1.7e9,
        ).cloud

    def test_who_would_be_refused_is_left_out_and_told_why(self):
        found = self.read({'accel:device_profile': 'fpga'})
        plan = make_plan(found, Request(hosts=('a',)))
        (left,) = plan.left_out
        self.assertIs(Reason.REFUSED, left.reason)
        self.assertIn('accel:device_profile', left.because)
        self.assertEqual((), plan.migrations)

    def test_who_may_only_be_pre_copied_moves(self):
        found = self.read({'resources:VGPU': '1'})
        self.assertFalse(found.vms[0].post_copy)
        plan = make_plan(found, Request(hosts=('a',)))
        self.assertNotIn(Reason.REFUSED, [s.reason for s in plan.left_out])

    def test_a_snapshot_keeps_why(self):
        vm = builders.vm('one', at='a', refused='it has an accelerator')
        there = builders.cloud('a', vm)
        again = snapshot.loads(snapshot.dumps(there))
        self.assertEqual('it has an accelerator', again.vms[0].refused)
