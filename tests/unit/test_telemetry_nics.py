"""What hosts' NICs carry, from points and declarations."""

import dataclasses
import unittest

import numpy as np

from tests.unit import builders
from watcher_tsmig import errors
from watcher_tsmig.model import Passage
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import nics
from watcher_tsmig.telemetry.declarations import Declaration
from watcher_tsmig.telemetry.sources import Device
from watcher_tsmig.telemetry.sources.promhosts import Names
from watcher_tsmig.telemetry.traffic import Seen

NOW, SPAN = 1_700_000_170.0, 300.0
END = NOW - 170.0
GBIT = 125e6


def points(*rates, end=END):
    begin = end - SPAN * len(rates)
    return tuple(
        (begin + SPAN * i, SPAN, float(rate))
        for i, rate in enumerate(rates)
        if rate is not None
    )


def device(name, rates, speed=10 * GBIT, **given):
    series = points(*rates, **given)
    return Device(name=name, tx=series, rx=series, speed=speed)


def seen(*rates, end=END):
    series = points(*rates, end=end)
    return Seen(end=end, tx=series, rx=series)


class Case(unittest.TestCase):
    settings = Settings(migration_devices=('bond0', 'eno1'))

    def nic(self, *devices, declared=None, vms=None, passages=(), **settings):
        """The NIC of host a."""
        known = nics.Known(
            declared={'a': declared or Declaration()},
            devices={'a': {d.name: d for d in devices}},
            seen={
                f'id-{name}': one
                for name, one in (vms or {}).items()
                if one is not None
            },
            passages=passages,
        )
        there = [
            builders.vm(name, 'a', traffic=None, state='active')
            for name in vms or {}
        ]
        (host,) = nics.with_nics(
            [builders.host('a', nic=None)],
            there,
            known,
            dataclasses.replace(self.settings, **settings),
            NOW,
        )
        return host.nic


class TestBackground(Case):
    def test_it_is_what_the_vms_did_not_send(self):
        found = self.nic(
            device('bond0', [9e6] * 20),
            vms={'one': seen(*[2e6] * 20), 'two': seen(*[3e6] * 20)},
        )
        self.assertEqual(
            (4e6, 4e6), (found.background_tx, found.background_rx)
        )

    def test_it_is_never_below_nothing(self):
        # VMs of one host talk to each other, and no NIC sees it
        found = self.nic(
            device('bond0', [1e6] * 20), vms={'one': seen(*[2e6] * 20)}
        )
        self.assertEqual(0.0, found.background_tx)

    def test_nor_more_than_the_link_carries(self):
        found = self.nic(device('bond0', [2 * GBIT] * 20, speed=GBIT))
        self.assertEqual(GBIT, found.background_tx)

    def test_where_tenants_go_another_way_all_of_it_is_background(self):
        found = self.nic(
            device('bond0', [9e6] * 20),
            device('bond1', [5e7] * 20, speed=GBIT),
            vms={'one': seen(*[2e6] * 20)},
            tenant_devices=('bond1',),
        )
        self.assertTrue(found.separate)
        self.assertEqual(9e6, found.background_tx)
        self.assertEqual((10 * GBIT, GBIT), (found.capacity, found.tenants))

    def test_a_burst_of_a_vm_is_not_the_hosts_own(self):
        wild = np.tile([1e6, 1e6, 8e7], 10)
        found = self.nic(device('bond0', 2e6 + wild), vms={'one': seen(*wild)})
        self.assertAlmostEqual(2e6, found.background_tx)

    def test_what_a_vm_is_not_yet_known_of_is_left_out_and_not_the_hosts(self):
        # Ceilometer comes a while after node_exporter
        late = seen(*[5e7] * 18, end=END - 2 * SPAN)
        found = self.nic(
            device('bond0', [5.2e7] * 18 + [9e7] * 2), vms={'one': late}
        )
        self.assertAlmostEqual(2e6, found.background_tx)

    def test_before_it_came_a_vm_sent_nothing_here(self):
        found = self.nic(
            device('bond0', [3e6] * 15 + [8e6] * 5),
            vms={'one': seen(*[5e6] * 5)},
        )
        self.assertEqual(3e6, found.background_tx)

    def test_what_is_old_or_not_there_tells_nothing(self):
        old = device('bond0', [9e6] * 20, end=END - 7200)
        for devices in ((old,), (device('bond0', []),), ()):
            found = self.nic(*devices, declared=Declaration(nic=GBIT))
            self.assertEqual(0.0, found.background_tx)
            self.assertIsNone(found.upper_tx)

    def test_a_migration_under_way_is_not_counted_twice(self):
        rates = [2e6] * 15 + [6e7] * 5
        move = Passage(vm='x', source='a', destination='b', rate=5.8e7)
        found = self.nic(device('bond0', rates), passages=[move])
        self.assertEqual(2e6, found.background_tx)
        self.assertEqual(6e7, found.background_rx)
        # of one that has just begun nothing was measured yet
        found = self.nic(device('bond0', [2e6] * 20), passages=[move])
        self.assertEqual(2e6, found.background_tx)


class TestCapacity(Case):
    def test_what_nobody_declared_is_the_links_speed(self):
        self.assertEqual(10 * GBIT, self.nic(device('bond0', [1.0])).capacity)
        declared = Declaration(nic=GBIT)
        found = self.nic(device('bond0', [1.0]), declared=declared)
        self.assertEqual(GBIT, found.capacity)
        self.assertFalse(found.separate)

    def test_nobody_declared_and_nobody_measured_is_unknown(self):
        self.assertIsNone(self.nic())
        self.assertIsNone(self.nic(device('bond0', [1.0], speed=None)))

    def test_a_network_of_their_own_that_is_declared_has_the_links_speed(self):
        declared = Declaration(separate=True, nic=GBIT)
        found = self.nic(device('bond0', [1.0]), declared=declared)
        self.assertEqual((10 * GBIT, GBIT), (found.capacity, found.tenants))

    def test_what_is_declared_of_the_network_counts_before_devices(self):
        declared = Declaration(separate=False)
        found = self.nic(
            device('bond0', [9e6] * 20),
            device('bond1', [1.0]),
            declared=declared,
            vms={'one': seen(*[2e6] * 20)},
            tenant_devices=('bond1',),
        )
        self.assertFalse(found.separate)
        self.assertEqual(7e6, found.background_tx)


class TestChosen(Case):
    def test_the_first_that_a_host_has_counts(self):
        both = device('eno1', [1e6]), device('bond0', [2e6])
        self.assertEqual(2e6, self.nic(*both).background_tx)
        self.assertEqual(1e6, self.nic(both[0]).background_tx)

    def test_devices_that_share_a_load_are_summed(self):
        parts = {
            'a': device('a', [1e6, 2e6, 3e6], speed=GBIT),
            'b': device('b', [5e6, None, 7e6], speed=GBIT),
        }
        found = nics.chosen(parts, ('c+a', 'a+b'))
        self.assertEqual([6e6, 10e6], [rate for _, _, rate in found.tx])
        self.assertEqual(2 * GBIT, found.speed)
        parts['b'] = dataclasses.replace(parts['b'], speed=None)
        self.assertIsNone(nics.chosen(parts, ('a+b',)).speed)
        self.assertIsNone(nics.chosen(parts, ('a+c',)))

    def test_hosts_that_tell_nothing_are_told_of(self):
        devices = {'a': {'bond0': device('bond0', [1.0])}, 'b': {}}
        told = nics.notes_of(devices, ['a', 'b'], self.settings, 'prometheus')
        self.assertEqual(
            [
                '1 of 2 hosts tell prometheus nothing of migration_devices, '
                'such as b'
            ],
            told,
        )
        self.assertEqual(
            [], nics.notes_of(devices, ['a'], self.settings, 'prometheus')
        )
        (unused,) = nics.notes_of(None, ['a'], self.settings, 'gnocchi')
        self.assertIn('gnocchi knows nothing of hosts', unused)
        self.assertEqual([], nics.notes_of(None, ['a'], Settings(), 'gnocchi'))


class TestNames(unittest.TestCase):
    def test_a_label_is_the_host_whose_name_it_is_with_or_without_more(self):
        for hosts, label, host in (
            (('cmp-1',), 'cmp-1', 'cmp-1'),
            (('cmp-1',), 'cmp-1:9100', 'cmp-1'),
            (('cmp-1', 'cmp-10'), 'CMP-1.example.org:9100', 'cmp-1'),
            (('cmp-1.example.org',), 'cmp-1:9100', 'cmp-1.example.org'),
            (('cmp-1.example.org',), 'cmp-1.example', 'cmp-1.example.org'),
            # its whole name counts before a part of it
            (('cmp-1', 'cmp-1.b'), 'cmp-1.b:9100', 'cmp-1.b'),
        ):
            self.assertEqual(host, Names(hosts).host(label), label)

    def test_a_label_of_nobody_or_of_several_is_nobodys(self):
        for hosts, label in (
            (('cmp-1',), 'cmp-10:9100'),
            (('cmp-1',), '10.0.0.5:9100'),
            (('cmp-1',), '[fe80::1]:9100'),
            (('cmp-1',), ''),
            (('cmp-1.a', 'cmp-1.b'), 'cmp-1:9100'),
            (('cmp-1.a',), 'cmp-1.b:9100'),
            (('x"} or y',), 'x"} or y'),
        ):
            self.assertIsNone(Names(hosts).host(label), label)

    def test_queries_are_of_so_many_hosts_that_a_url_holds(self):
        names = Names([f'compute-{i}.example.org' for i in range(250)])
        batches = list(names.batches())
        self.assertEqual([100, 100, 50], [len(some) for some in batches])
        self.assertEqual([], list(Names(['x"}']).batches()))

    def test_what_names_no_device_is_refused(self):
        for wrong in ('', 'a"b', 'eno1+', 'a' * 33, 'x|.*'):
            with self.assertRaises(errors.InputError) as caught:
                Settings(tenant_devices=('bond0', wrong))
            self.assertEqual('tenant_devices', caught.exception.place)
        good = Settings(migration_devices=('b+a', 'bond0.7'))
        self.assertEqual(('a', 'b', 'bond0.7'), good.devices)


class TestUpper(Case):
    def test_it_is_of_all_that_the_host_carries(self):
        wild = np.tile([1e6, 1e6, 8e7], 10)
        found = self.nic(device('bond0', 2e6 + wild), vms={'one': seen(*wild)})
        self.assertGreater(found.upper_tx, 8.2e7)

    def test_without_a_measured_host_it_is_of_its_vms(self):
        declared = Declaration(nic=GBIT)
        vms = {'one': seen(*[2e6] * 20), 'two': seen(*[3e6] * 20)}
        found = self.nic(declared=declared, vms=vms)
        self.assertEqual((5e6, 5e6), (found.upper_tx, found.upper_rx))

    def test_a_vm_that_nobody_measured_makes_it_unknown(self):
        vms = {'one': seen(*[2e6] * 20), 'two': None}
        found = self.nic(declared=Declaration(nic=GBIT), vms=vms)
        self.assertIsNone(found.upper_tx)
        self.assertIsNone(self.nic(declared=Declaration(nic=GBIT)).upper_tx)

    def test_what_tenants_send_another_way_is_not_in_it(self):
        declared = Declaration(separate=True, nic=GBIT)
        vms = {'one': seen(*[2e6] * 20)}
        self.assertIsNone(self.nic(declared=declared, vms=vms).upper_tx)
