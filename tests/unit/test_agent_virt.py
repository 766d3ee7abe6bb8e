"""What an agent sees of its host through libvirt, and what it tells it."""

import sys
import threading
import unittest

from tests.unit import libvirts
from tests.unit.libvirts import VM
from tests.unit.libvirts import Error
from watcher_tsmig.agent import virt
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.errors import InputError
from watcher_tsmig.units import MIB

OTHER = '5f1c7c7e-0000-4000-8000-000000000002'
KIB = 1024


class Host(unittest.TestCase):
    def setUp(self):
        self.bindings = libvirts.installed(self)
        self.domain = self.bindings.domain
        self.addCleanup(setattr, virt, '_events_run', virt._events_run)
        # but where it is what the test is about
        virt._events_run = True
        self.virt = virt.Libvirt()

    def refused(self, code, call, *arguments):
        with self.assertRaises(Refusal) as caught:
            call(*arguments)
        self.assertIs(code, caught.exception.code)
        return caught.exception.reason


class TestCaps(Host):
    def test_both_caps_are_read_and_set_each_for_its_own_phase(self):
        self.domain.speeds = {0: 100, 1: 7}
        self.assertEqual(Speeds(pre=100, post=7), self.virt.speeds(VM))
        self.virt.set_speeds(VM, Speeds(pre=20, post=30))
        self.assertEqual({0: 20, 1: 30}, self.domain.speeds)


class TestDomain(Host):
    def test_whether_a_guest_runs_is_libvirts_word(self):
        self.assertIs(True, self.virt.runs(VM))
        self.domain.active = 0
        self.assertIs(False, self.virt.runs(VM))

    def test_only_disks_of_this_host_that_may_be_written_are_copied(self):
        for disk, copied in (
            ('<disk type="file" device="disk"/>', 1),
            ('<disk type="file"/>', 1),
            ('<disk type="block" device="disk"/>', 1),
            ('<disk type="network" device="disk"/>', 0),
            ('<disk type="file" device="cdrom"/>', 0),
            ('<disk type="file"><readonly/></disk>', 0),
            ('<disk type="file"><shareable/></disk>', 0),
            ('<interface type="file"/>', 0),
        ):
            self.domain.devices = disk
            self.assertEqual(copied, self.virt.disks(VM), disk)
            self.domain.devices = disk + '<disk type="file"/>'
            self.assertEqual(copied + 1, self.virt.disks(VM), disk)

    def test_memory_is_told_in_bytes(self):
        self.domain.kib = 3 << 20
        self.assertEqual(3 * 1024 * MIB, self.virt.memory(VM))

    def test_pages_are_read_at_physical_addresses_in_their_order(self):
        found = self.virt.read(VM, (512, 0), 4)
        self.assertEqual(bytes((0, 1, 2, 3)) * 2, found)
        self.virt.read(VM, (5,), 3)
        self.assertEqual(('peek', 5, 3, 2), self.domain.calls[-1])

    def test_domains_that_run_are_listed_by_their_uuids(self):
        self.assertEqual([VM], self.virt.domains())

    def test_versions_are_read_as_people_write_them(self):
        self.assertEqual(
            {'libvirt': '10.2.3', 'qemu': '8.1.45'}, self.virt.versions()
        )
        self.bindings.versions = 8_000_000, 1_999_999
        self.assertEqual(
            {'libvirt': '8.0.0', 'qemu': '1.999.999'}, self.virt.versions()
        )


class TestJob(Host):
    GOING = {
        'type': 2,
        'operation': 5,
        'time_elapsed': 1500,
        'memory_total': 1000,
        'memory_processed': 400,
        'memory_remaining': 600,
        'disk_processed': 30,
        'disk_remaining': 70,
        'memory_iteration': 3,
        'memory_dirty_rate': 10,
        'memory_page_size': 8192,
        'memory_bps': 5000,
        'memory_postcopy_requests': 9,
    }

    def job(self, **more):
        self.domain.stats = {**self.GOING, **more}
        return self.virt.job(VM)

    def test_a_migration_is_told_in_bytes_and_seconds(self):
        self.assertEqual(
            Job(
                direction=Direction.OUTGOING,
                elapsed=1.5,
                total=1000.0,
                processed=400.0,
                remaining=600.0,
                disk_processed=30.0,
                disk_remaining=70.0,
                iteration=3,
                dirty_rate=10 * 8192.0,
                rate=5000.0,
                requests=9,
            ),
            self.job(),
        )

    def test_only_what_is_under_way_is_a_job(self):
        for kind, under_way in (
            (0, 0),
            (1, 1),
            (2, 1),
            (3, 0),
            (4, 0),
            (5, 0),
        ):
            found = self.job(type=kind)
            self.assertIs(bool(under_way), found != Job(), kind)
        self.domain.stats = {}
        self.assertEqual(Job(), self.virt.job(VM))

    def test_which_way_it_goes(self):
        for operation, direction in (
            (4, Direction.INCOMING),
            (5, Direction.OUTGOING),
            (6, Direction.OTHER),
            (0, Direction.OTHER),
        ):
            self.assertIs(direction, self.job(operation=operation).direction)
        self.domain.stats = {'type': 2}
        self.assertIs(Direction.OTHER, self.virt.job(VM).direction)

    def test_what_is_not_told_is_not_made_up(self):
        self.domain.stats = {'type': 1, 'operation': 5}
        self.assertEqual(Job(direction=Direction.OUTGOING), self.virt.job(VM))

    def test_a_guest_that_writes_nothing_is_told_so(self):
        self.assertEqual(0.0, self.job(memory_dirty_rate=0).dirty_rate)

    def test_pages_are_of_4_kib_where_nobody_says(self):
        for size in (0, None):
            found = self.job(memory_page_size=size)
            self.assertEqual(40960.0, found.dirty_rate)

    def test_a_guest_runs_there_when_it_is_paused_for_a_post_copy(self):
        for where, post_copy in (
            ((3, 12), True),
            ((3, 13), True),
            ((3, 2), False),
            ((1, 12), False),
            (libvirts.RUNNING, False),
        ):
            self.domain.where = where
            self.assertIs(post_copy, self.job().post_copy, where)


class TestWriting(Host):
    def test_each_method_is_asked_for_by_libvirts_flag(self):
        for method, flag in (
            (Method.SAMPLING, 0),
            (Method.BITMAP, 1),
            (Method.RING, 2),
        ):
            self.virt.measure(VM, 7, method)
            self.assertEqual(('measure', 7, flag), self.domain.calls[-1])

    def test_a_measurement_is_told_in_bytes_per_second(self):
        self.domain.dirty = {
            'dirtyrate.calc_status': 2,
            'dirtyrate.calc_start_time': 5000,
            'dirtyrate.calc_period': 3,
            'dirtyrate.megabytes_per_second': 12,
            'dirtyrate.calc_mode': 'dirty-ring',
        }
        found = self.virt.writing(VM)
        self.assertEqual('measured', found.status)
        self.assertEqual(5000.0, found.began)
        self.assertEqual(3.0, found.seconds)
        self.assertEqual(12 * MIB, found.rate)
        self.assertEqual('dirty-ring', found.method)
        self.assertEqual([512], self.bindings.kinds)

    def test_how_far_it_is(self):
        for number, status in enumerate(('unstarted', 'measuring')):
            self.domain.dirty = {'dirtyrate.calc_status': number}
            self.assertEqual(status, self.virt.writing(VM).status)

    def test_what_was_never_measured_is_nothing(self):
        found = self.virt.writing(VM)
        self.assertEqual('unstarted', found.status)
        self.assertEqual((0.0, 0.0), (found.rate, found.seconds))
        self.assertEqual(0.0, found.began)
        self.assertEqual('page-sampling', found.method)


class TestBalloon(Host):
    DEVICE = '<memballoon model="{}"><stats period="10"/></memballoon>'
    TOLD = {
        'actual': 800,
        'usable': 500,
        'unused': 100,
        'disk_caches': 300,
        'swap_in': 20,
        'swap_out': 30,
        'last_update': 1234,
    }

    def memory(self, model='virtio', **more):
        self.domain.devices = self.DEVICE.format(model)
        self.domain.balloon = {**self.TOLD, **more}
        self.domain.kib = 1000
        return self.virt.guest_memory(VM)

    def test_what_a_guest_tells_is_told_in_bytes(self):
        found = self.memory()
        self.assertEqual(1000 * KIB, found.most)
        self.assertEqual(800 * KIB, found.size)
        self.assertIs(True, found.balloon)
        self.assertEqual(500 * KIB, found.usable)
        self.assertEqual(100 * KIB, found.unused)
        self.assertEqual(300 * KIB, found.caches)
        self.assertEqual(50 * KIB, found.swapped)
        self.assertEqual(1234.0, found.told_at)
        self.assertEqual(10, found.period)

    def test_a_guest_without_the_device_has_all_its_memory(self):
        self.domain.kib = 1000
        found = self.virt.guest_memory(VM)
        self.assertIs(False, found.balloon)
        self.assertEqual(1000 * KIB, found.size)
        self.assertEqual(0, found.period)
        self.assertEqual(0.0, found.told_at)
        self.assertFalse(found.tells)
        self.assertIs(False, self.memory('none').balloon)

    def test_a_guest_that_never_tells_has_no_period(self):
        self.domain.devices = (
            '<memballoon model="virtio"><stats/></memballoon>'
        )
        self.assertEqual(0, self.virt.guest_memory(VM).period)
        self.domain.devices = '<memballoon model="virtio"/>'
        self.assertEqual(0, self.virt.guest_memory(VM).period)

    def test_swapping_is_known_only_where_both_ways_are_told(self):
        self.assertIsNone(self.memory(swap_in=None).swapped)
        self.assertIsNone(self.memory(swap_out=None).swapped)
        self.assertEqual(0.0, self.memory(swap_in=0, swap_out=0).swapped)

    def test_the_balloons_target_is_set_in_kib_and_live(self):
        self.virt.set_memory(VM, 700 * KIB + 600)
        self.virt.set_period(VM, 2)
        self.assertEqual(
            [('memory', 701, 1), ('period', 2, 1)], self.domain.calls
        )


class TestRefusals(Host):
    def test_a_vm_that_is_elsewhere_is_named(self):
        reason = self.refused(Code.UNKNOWN_VM, self.virt.runs, OTHER)
        self.assertEqual(f'{OTHER} is not on this host', reason)

    def test_what_a_domain_cannot_now_is_unfit_and_the_rest_is_libvirts(self):
        for code, expected in (
            (55, Code.UNFIT),
            (84, Code.UNFIT),
            (74, Code.UNFIT),
            (libvirts.SYSTEM_ERROR, Code.HYPERVISOR),
        ):
            self.domain.fails = [Error(code)]
            reason = self.refused(expected, self.virt.set_period, VM, 1)
            self.assertEqual('libvirt: it failed', reason)

    def test_a_call_that_fails_is_not_made_twice(self):
        # a second one may do again what the first one did
        self.domain.fails = [Error()]
        self.refused(Code.HYPERVISOR, self.virt.set_period, VM, 1)
        self.assertEqual(1, len(self.domain.calls))


class TestConnection(Host):
    def test_it_is_opened_once_and_kept_alive(self):
        self.assertEqual([], self.bindings.opened)
        self.virt.runs(VM)
        self.virt.runs(VM)
        self.assertEqual(['qemu:///system'], self.bindings.opened)
        # given up after 20 s: a hanging libvirtd holds nobody for longer
        interval, missing = self.bindings.connections[0].kept
        self.assertEqual(20, interval * (missing + 1))

    def test_one_that_is_lost_is_opened_anew_without_a_word(self):
        for mute in (False, True):
            self.virt.runs(VM)
            old = self.bindings.connections[-1]
            old.lost, old.mute = True, mute
            self.assertIs(True, self.virt.runs(VM))
            self.assertIsNot(old, self.bindings.connections[-1])

    def test_a_call_that_is_lost_with_it_is_made_again_once(self):
        self.virt.runs(VM)
        self.bindings.connections[-1].lost = True
        self.virt.set_memory(VM, 2 * KIB)
        self.assertEqual([('memory', 2, 1)], self.domain.calls)

    def test_a_daemon_that_is_away_is_told_and_asked_again_later(self):
        self.virt.runs(VM)
        self.bindings.connections[-1].lost = True
        self.bindings.refuses = 2
        reason = self.refused(Code.HYPERVISOR, self.virt.runs, VM)
        self.assertIn('libvirt: ', reason)
        self.bindings.refuses = 0
        self.assertIs(True, self.virt.runs(VM))

    def test_one_that_is_away_at_the_first_call_is_asked_once_more(self):
        self.bindings.refuses = 1
        self.assertIs(True, self.virt.runs(VM))
        self.assertEqual(1, len(self.bindings.connections))

    def test_a_socket_of_this_host_may_be_named(self):
        uri = 'qemu+unix:///system?socket=/run/libvirt/virt-sock'
        virt.Libvirt(uri).runs(VM)
        self.assertEqual([uri], self.bindings.opened)

    def test_what_leaves_the_host_says_which_option_is_wrong(self):
        with self.assertRaises(InputError) as caught:
            virt.Libvirt('qemu+ssh://root@host/system')
        self.assertIn('qemu+ssh://root@host/system', str(caught.exception))
        self.assertIn('libvirt_uri', str(caught.exception))
        self.assertIn('is not a local socket', str(caught.exception))


class TestBindings(Host):
    def test_without_the_bindings_what_to_install_is_said(self):
        # as if nobody had installed them
        sys.modules['libvirt'] = None
        self.addCleanup(sys.modules.__setitem__, 'libvirt', self.bindings)
        with self.assertRaisesRegex(InputError, r'watcher-tsmig\[agent\]'):
            virt.Libvirt()

    def test_libvirts_events_run_once_in_the_background_and_quietly(self):
        # without them no connection is kept alive
        self.assertEqual([], self.bindings.events)
        virt._events_run = False
        for _ in range(2):
            virt.Libvirt()
        self.assertTrue(self.bindings.ran.wait(10))
        self.assertEqual(
            ['registered', 'quiet', 'run', 'run'], self.bindings.events
        )
        (thread,) = (t for t in threading.enumerate() if t.name == 'libvirt')
        self.assertTrue(thread.daemon)
        self.bindings.over.set()
        thread.join(10)
