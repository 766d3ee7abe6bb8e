"""What an agent reads of its host: Nova's files, devices, the kernel."""

import pathlib
import platform
import tempfile
import time
import types
import unittest

from tests.unit.test_agent import Libvirtd
from watcher_tsmig.agent import facts
from watcher_tsmig.agent.values import CARRIED
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.units import MIB
from watcher_tsmig.units import from_mbit_s

HERE = '192.0.2.7'
ADDRESS = f'[DEFAULT]\nmy_ip = {HERE}\n'
POST_COPY = '[libvirt]\nlive_migration_permit_post_copy = true\n'


class Host(unittest.TestCase):
    """A host with `eth0` of 10 Gbit/s, which has the address."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.hypervisor = Libvirtd()
        self.speeds = {}
        self.addresses = {}
        for name in ('SYS', 'TCP_WMEM', 'USERFAULTFD', 'USERFAULTFD_DEVICE'):
            self.put(name, self.folder / name)
        self.put(
            'psutil',
            types.SimpleNamespace(
                net_if_addrs=lambda: {
                    name: [types.SimpleNamespace(address=a) for a in found]
                    for name, found in self.addresses.items()
                },
                net_if_stats=lambda: {
                    name: types.SimpleNamespace(speed=speed)
                    for name, speed in self.speeds.items()
                },
            ),
        )
        self.device('eth0', 10000)
        self.addresses['eth0'] = [HERE]

    def put(self, name, value):
        self.addCleanup(setattr, facts, name, getattr(facts, name))
        setattr(facts, name, value)

    def device(self, name, speed=None, of=(), ports=(), real=True):
        """As the kernel lists it; a bond is `of` others, a bridge has ports"""
        folder = self.folder / 'SYS' / name
        folder.mkdir(parents=True)
        if real:
            (folder / 'device').mkdir()
        for below in of:
            (folder / f'lower_{below}').mkdir()
        for port in ports:
            (folder / 'brif' / port).mkdir(parents=True)
        if speed is not None:
            self.speeds[name] = speed

    def told(self, text=ADDRESS, tenants=()):
        path = self.folder / 'nova.conf'
        path.write_text(text)
        return facts.capabilities(self.hypervisor, [str(path)], tenants)


class TestNova(Host):
    def test_what_nova_does_by_itself_where_nothing_is_set(self):
        self.assertEqual(
            {
                'max_outgoing': 1,
                'bandwidth': None,
                'downtime_limit': 0.5,
                'downtime_steps': 10,
                'downtime_delay': 75,
                'completion_timeout': 800,
                'timeout_action': 'abort',
                'post_copy': False,
                'auto_converge': False,
                'streams': 1,
                'stream_window': None,
                'monitor_interval': 5,
            },
            self.told()['nova'],
        )

    def test_every_setting_is_read_and_told_in_our_units(self):
        nova = self.told(
            '[DEFAULT]\nmax_concurrent_live_migrations = 3\n[libvirt]\n'
            + ''.join(
                f'live_migration_{name}\n'
                for name in (
                    'bandwidth = 1', 'downtime = 300', 'downtime_steps = 4',
                    'downtime_delay = 30', 'completion_timeout = 60',
                    'timeout_action = force_complete',
                    'permit_auto_converge = true',
                    'parallel_connections = 4', 'monitor_interval = 2',
                )
            )
        )['nova']  # fmt: skip
        self.assertEqual(3, nova['max_outgoing'])
        self.assertAlmostEqual(MIB / CARRIED, nova['bandwidth'])
        self.assertEqual(0.3, nova['downtime_limit'])
        self.assertEqual(4, nova['downtime_steps'])
        self.assertEqual(30, nova['downtime_delay'])
        self.assertEqual(60, nova['completion_timeout'])
        self.assertEqual('force_complete', nova['timeout_action'])
        self.assertIs(True, nova['auto_converge'])
        self.assertEqual(4, nova['streams'])
        self.assertEqual(2, nova['monitor_interval'])

    def test_without_a_limit_nova_runs_five_at_once(self):
        limit = '[DEFAULT]\nmax_concurrent_live_migrations = {}\n'
        for given, at_once in ((0, 5), (1, 1), (2, 2)):
            nova = self.told(limit.format(given))['nova']
            self.assertEqual(at_once, nova['max_outgoing'])

    def test_no_connections_in_parallel_is_one(self):
        text = '[libvirt]\nlive_migration_parallel_connections = 0\n'
        self.assertEqual(1, self.told(text)['nova']['streams'])

    def test_where_no_file_is_there_it_is_said_and_the_rest_is_told(self):
        told = facts.capabilities(self.hypervisor, ['/not/there'])
        self.assertIsNone(told['nova'])
        self.assertIsNone(told['nic'])
        self.assertEqual(
            ['no configuration of nova-compute was found'], told['notes']
        )
        self.assertEqual('8.0.0', told['versions']['qemu'])

    def test_a_file_that_is_wrong_is_told_by_the_kind_of_what_is_wrong(self):
        # not by its text, which may hold a password
        told = self.told('[DEFAULT]\nmax_concurrent_live_migrations = x\n')
        self.assertEqual(
            [
                'the configuration of nova-compute cannot be read '
                '(ConfigFileValueError)'
            ],
            told['notes'],
        )

    def test_a_later_file_wins(self):
        paths = []
        for name, limit in (('b', 2), ('a', 3)):
            paths.append(str(self.folder / name))
            pathlib.Path(paths[-1]).write_text(
                f'[DEFAULT]\nmax_concurrent_live_migrations = {limit}\n'
            )
        told = facts.nova_settings(paths, [])
        self.assertEqual(3, told['max_concurrent_live_migrations'])


class TestKernel(Host):
    def test_the_window_of_a_connection_is_the_largest_that_is_allowed(self):
        for text, window in (
            ('4096\t16384\t4194304\n', 4194304.0),
            ('4096 16384', None),
            ('a b c', None),
        ):
            (self.folder / 'TCP_WMEM').write_text(text)
            self.assertEqual(window, self.told()['nova']['stream_window'])

    def test_page_faults_are_for_all_or_by_a_device_that_others_may_open(self):
        device = self.folder / 'USERFAULTFD_DEVICE'
        device.touch()
        for kernel, mode, allowed in (
            ('1\n', 0o600, True),
            ('0\n', 0o600, False),
            ('0\n', 0o606, True),
            ('0\n', 0o660, True),
            ('0\n', 0o711, False),
        ):
            (self.folder / 'USERFAULTFD').write_text(kernel)
            device.chmod(mode)
            found = self.told()['userfaultfd']
            self.assertIs(allowed, found, (kernel, oct(mode)))

    def test_that_post_copy_cannot_start_is_said_only_where_nova_permits_it(
        self,
    ):
        for text, allowed, said in (
            (POST_COPY, '0', True),
            (POST_COPY, '1', False),
            ('[libvirt]\n', '0', False),
        ):
            (self.folder / 'USERFAULTFD').write_text(allowed)
            notes = ' '.join(self.told(text)['notes'])
            self.assertIs(said, 'no migration would start' in notes)

    def test_versions_are_of_all_three_and_a_daemon_that_is_away_a_note(self):
        kernel = platform.release()
        self.assertEqual(
            {'libvirt': '9.0.0', 'qemu': '8.0.0', 'kernel': kernel},
            self.told()['versions'],
        )

        def away():
            raise Refusal(Code.HYPERVISOR, 'libvirt: is away')

        self.hypervisor.versions = away
        told = self.told()
        self.assertEqual({'kernel': kernel}, told['versions'])
        self.assertIn('libvirt: is away', told['notes'])
        self.assertEqual('eth0', told['nic']['name'])
        self.assertEqual('1', told['format'])


class TestNic(Host):
    def test_migrations_come_in_by_novas_address(self):
        told = self.told()
        self.assertEqual(
            {
                'name': 'eth0',
                'address': HERE,
                'capacity': from_mbit_s(10000),
                'separate': None,
            },
            told['nic'],
        )
        self.assertEqual([], told['notes'])

    def test_their_own_address_goes_before_the_hosts(self):
        self.device('eth1', 25000)
        self.addresses['eth1'] = ['198.51.100.7']
        told = self.told(
            ADDRESS + '[libvirt]\nlive_migration_inbound_addr = 198.51.100.7\n'
        )
        self.assertEqual('eth1', told['nic']['name'])

    def test_an_address_is_found_by_name_and_with_a_zone(self):
        self.addresses['eth0'] = ['fe80::1%eth0']
        self.assertEqual('eth0', facts.interface_of('fe80::1'))
        self.addresses['lo'] = ['127.0.0.1']
        self.assertEqual('lo', facts.interface_of('localhost'))
        self.assertIsNone(facts.interface_of('not-a-host.invalid'))

    def test_one_that_is_not_found_is_named(self):
        for text, missing in (
            ('[DEFAULT]\nmy_ip = 203.0.113.9\n', 'the address 203.0.113.9;'),
            ('[DEFAULT]\n', 'the address of Nova (my_ip);'),
        ):
            told = self.told(text)
            self.assertIsNone(told['nic'])
            (note,) = told['notes']
            self.assertIn(f'no interface has {missing}', note)

    def test_a_speed_that_no_device_has_is_none(self):
        for speed, fits in (
            (0, False), (-1, False), (1, True), (10_000_000, True),
            (10_000_001, False),
        ):  # fmt: skip
            self.speeds['eth0'] = speed
            told = self.told()
            expected = from_mbit_s(speed) if fits else None
            self.assertEqual(expected, told['nic']['capacity'])
            self.assertEqual(
                [] if fits else ['eth0 tells no speed'], told['notes']
            )

    def test_a_bridge_is_as_fast_as_the_fastest_real_device_below(self):
        self.device('bond0', of=('eth0', 'eth1'), real=False)
        self.device('eth1', 25000)
        self.device('tap1', 40000, real=False)
        self.device('br0', 100, ports=('bond0', 'tap1'), real=False)
        self.assertEqual(from_mbit_s(25000), facts.speed_of('br0'))
        # one that was just taken away is in no statistics
        del self.speeds['eth1']
        self.assertEqual(from_mbit_s(10000), facts.speed_of('br0'))
        self.assertEqual(from_mbit_s(40000), facts.speed_of('tap1'))

    def test_all_that_an_interface_is_made_of(self):
        self.device('bond0', of=('eth0', 'eth1'), real=False)
        self.device('br0', ports=('bond0', 'tap1'), real=False)
        self.assertEqual(
            {'br0', 'bond0', 'eth0', 'eth1', 'tap1'}, facts.devices('br0')
        )
        self.assertEqual({'eth0'}, facts.devices('eth0'))

    def test_devices_that_name_each_other_and_paths_do_no_harm(self):
        self.device('a', of=('b',))
        self.device('b', of=('a', 'x' * 32, 'y' * 33))
        self.assertEqual({'a', 'b', 'x' * 32}, facts.devices('a'))
        self.assertEqual(set(), facts.devices('../a'))

    def test_it_is_separate_where_no_tenant_shares_a_device(self):
        self.device('bond1', of=('eth0', 'eth1'), real=False)
        self.device('eth2', 1000)
        for tenants, separate in (
            (('bond1',), False),
            (('eth2',), True),
            (('eth2', 'eth0'), False),
            ((), None),
        ):
            nic = self.told(tenants=tenants)['nic']
            self.assertIs(separate, nic['separate'], tenants)


class TestTraffic(Host):
    def setUp(self):
        super().setUp()
        self.carried = {'eth0': (5, 7), 'lo': (99, 99)}
        facts.psutil.net_io_counters = lambda pernic: (
            pernic
            and {
                name: types.SimpleNamespace(bytes_sent=tx, bytes_recv=rx)
                for name, (tx, rx) in self.carried.items()
            }
        )

    def traffic(self, text=ADDRESS):
        path = self.folder / 'nova.conf'
        path.write_text(text)
        return facts.traffic([str(path)])

    def test_it_is_that_of_the_nic_of_migrations(self):
        before = time.monotonic()
        found = self.traffic()
        self.assertTrue(before <= found['at'] <= time.monotonic())
        self.assertEqual({'eth0': {'tx': 5, 'rx': 7}}, found['carried'])

    def test_a_bridge_carries_what_the_hardware_below_it_does(self):
        self.device('eth1', 10000)
        self.device('tap0', 10, real=False)
        self.device('br0', ports=('eth1', 'tap0'), real=False)
        self.addresses = {'br0': [HERE]}
        self.carried |= {'br0': (1, 1), 'eth1': (50, 60), 'tap0': (70, 70)}
        self.assertEqual(
            {'br0': {'tx': 1, 'rx': 1}, 'eth1': {'tx': 50, 'rx': 60}},
            self.traffic()['carried'],
        )

    def test_one_that_is_not_known_is_refused(self):
        for text in ('[DEFAULT]\nmy_ip = 203.0.113.9\n', '[DEFAULT]\n'):
            with self.assertRaises(Refusal) as caught:
                self.traffic(text)
            self.assertIs(Code.UNFIT, caught.exception.code)
        with self.assertRaises(Refusal):
            facts.traffic([str(self.folder / 'none.conf')])


class TestName(Host):
    def test_a_host_is_called_as_nova_calls_it(self):
        path = self.folder / 'nova.conf'
        path.write_text('[DEFAULT]\nhost = cmp-07.rack\n')
        nova = [str(path)]
        self.assertEqual('mine', facts.host_name('mine', nova))
        self.assertEqual('cmp-07.rack', facts.host_name(None, nova))
        path.write_text('[DEFAULT]\n')
        self.assertEqual(platform.node(), facts.host_name(None, nova))
        self.assertEqual(platform.node(), facts.host_name(None, []))
