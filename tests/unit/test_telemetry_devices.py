"""What a VM's devices keep it from, as Nova and QEMU have it."""

import types
import unittest

from tests.unit import builders
from tests.unit import test_telemetry_inventory as cloud
from watcher_tsmig.model import snapshot
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason
from watcher_tsmig.telemetry import devices
from watcher_tsmig.telemetry import read_cloud
from watcher_tsmig.telemetry.settings import Settings

# (extra specs) -> never live, never post-copied
ROWS = (
    ({}, False, False),
    ({'hw:mem_encryption': 'True'}, True, True),
    ({'hw:mem_encryption': 'false'}, False, False),
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
    ({'hw:pmem': '6GB'}, False, True),
    ({'hw:mem_page_size': '1GB'}, False, True),
    ({'hw:mem_page_size': '1048576'}, False, True),
    ({'hw:mem_page_size': 'large'}, False, False),
    ({'hw:mem_page_size': '2MB'}, False, False),
    ({'hw:cpu_realtime': 'yes'}, False, True),
    ({'hw:cpu_policy': 'dedicated', 'hw:numa_nodes': '2'}, False, False),
)


def server(specs, **values):
    flavor = types.SimpleNamespace(ram=4096, vcpus=2, extra_specs=specs)
    return cloud.server('one', flavor=flavor, **values)


class TestDevices(unittest.TestCase):
    def test_what_is_refused_and_what_must_not_be_post_copied(self):
        for specs, never, only_pre in ROWS:
            with self.subTest(specs):
                found = server(specs)
                self.assertIs(never, devices.refused(found) is not None)
                self.assertIs(
                    only_pre, devices.pre_copy_only(found) is not None
                )

    def test_an_images_wish_counts_where_nova_shows_it(self):
        image = types.SimpleNamespace(
            id='i', properties={'hw_mem_encryption': 'true'}
        )
        self.assertIn('encrypted', devices.refused(server({}, image=image)))

    def test_a_flavor_without_specs_forbids_nothing(self):
        for specs in (None, {}):
            self.assertIsNone(devices.pre_copy_only(server(specs)))


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
