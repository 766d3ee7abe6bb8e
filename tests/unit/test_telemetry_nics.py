"""What hosts' NICs carry, from points and declarations."""

import dataclasses
import unittest

import numpy as np

from tests.unit import builders
from watcher_tsmig import errors
from watcher_tsmig.model import Passage
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.inventory.declarations import Declaration
from watcher_tsmig.telemetry.metrics import nics
from watcher_tsmig.telemetry.metrics.traffic import Seen
from watcher_tsmig.telemetry.metrics.upper import upper
from watcher_tsmig.telemetry.sources import Device
from watcher_tsmig.telemetry.sources.promhosts import Names

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

    def test_before_they_came_vms_sent_nothing_whenever_each_came(self):
        # what is usual is of all that was measured, not of the last points
        found = self.nic(
            device('bond0', [9e6] * 15 + [15e6] * 5),
            vms={'one': seen(*[2e6] * 20), 'two': seen(*[3e6] * 5)},
            passages=[Passage(vm='x', source='a', destination='b', rate=1e7)],
        )
        self.assertAlmostEqual(7e6, found.background_tx)

    def test_where_one_of_several_vms_is_not_yet_known_nothing_is_told(self):
        found = self.nic(
            device('bond0', [9e6] * 18 + [9e7] * 2),
            vms={
                'one': seen(*[2e6] * 20),
                'two': seen(*[3e6] * 10, end=END - 2 * SPAN),
            },
        )
        self.assertAlmostEqual(4e6, found.background_tx)

    def test_a_vm_that_has_no_point_in_one_direction_sent_none_there(self):
        one_way = Seen(end=END, tx=points(*[2e6] * 20), rx=())
        found = self.nic(device('bond0', [9e6] * 20), vms={'one': one_way})
        self.assertEqual(
            (7e6, 9e6), (found.background_tx, found.background_rx)
        )

    def test_the_parts_of_a_load_are_those_of_its_direction(self):
        there = Device(
            name='bond0',
            tx=points(*[9e6] * 20),
            rx=points(*[5e6] * 20),
            speed=GBIT,
        )
        found = self.nic(there)
        self.assertEqual(
            (9e6, 5e6), (found.background_tx, found.background_rx)
        )
        self.assertEqual((9e6, 5e6), (found.upper_tx, found.upper_rx))

    def test_measures_count_until_they_are_too_old(self):
        for age, known in ((0.0, True), (1.0, False)):
            late = device('bond0', [9e6] * 20, end=NOW - 1800.0 - age)
            found = self.nic(late)
            self.assertEqual(9e6 * known, found.background_tx, age)
            self.assertIs(known, found.upper_tx is not None)

    def test_a_migration_that_nobody_timed_takes_nothing_off(self):
        rates = [2e6] * 15 + [6e7] * 5
        for move in (
            Passage(vm='x', source='a', destination='b', rate=None),
            Passage(vm='x', source='c', destination='b', rate=5.8e7),
        ):
            found = self.nic(device('bond0', rates), passages=[move])
            self.assertEqual(6e7, found.background_tx)

    def test_a_host_counts_its_own_vms_only(self):
        known = nics.Known(
            declared={},
            devices={
                name: {'bond0': device('bond0', [9e6] * 20)} for name in 'ab'
            },
            seen={'id-one': seen(*[2e6] * 20), 'id-two': seen(*[3e6] * 20)},
        )
        a, b = nics.with_nics(
            [builders.host(name, nic=None) for name in 'ab'],
            [builders.vm('one', 'a'), builders.vm('two', 'b')],
            known,
            self.settings,
            NOW,
        )
        self.assertEqual(
            (7e6, 6e6), (a.nic.background_tx, b.nic.background_tx)
        )

    def test_a_vm_that_has_only_just_come_has_one_point(self):
        found = self.nic(
            device('bond0', [3e6] * 19 + [8e6]), vms={'one': seen(5e6)}
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

    def test_a_network_that_is_declared_apart_has_not_the_speed_of_another(
        self,
    ):
        # the device of both is one: what tenants have is not told
        found = self.nic(
            device('bond0', [1.0]),
            declared=Declaration(separate=True),
            tenant_devices=('bond0',),
        )
        self.assertEqual((10 * GBIT, None), (found.capacity, found.tenants))

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
        (told,) = nics.notes_of({}, ['c', 'a'], self.settings, 'prometheus')
        self.assertTrue(told.endswith('such as c'), told)
        one_way = dataclasses.replace(device('bond0', [1.0]), rx=())
        for half in (one_way, dataclasses.replace(one_way, tx=())):
            told = nics.notes_of(
                {'a': {'bond0': half}}, ['a'], self.settings, 'prometheus'
            )
            self.assertIn('1 of 1 hosts', told[0])
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

    def test_of_too_few_points_it_is_unknown_and_the_background_is_not(self):
        found = self.nic(device('bond0', [9e6] * 3))
        self.assertEqual((9e6, None), (found.background_tx, found.upper_tx))
        self.assertEqual(9e6, self.nic(device('bond0', [9e6] * 4)).upper_tx)

    def test_it_is_no_less_than_what_is_foretold(self):
        # the last point is a lull
        found = self.nic(device('bond0', [9e6] * 20 + [0.0]))
        self.assertEqual(9e6, found.upper_tx)

    def test_where_nothing_goes_it_is_nothing(self):
        self.assertEqual(0.0, self.nic(device('bond0', [0.0] * 20)).upper_tx)

    def test_a_quarter_of_an_hour_is_as_many_points_as_it_takes(self):
        rates = [float(i % 7) for i in range(40)]
        for span, steps in ((300.0, 3), (600.0, 2), (3600.0, 1)):
            found = self.nic(device('bond0', rates), granularity=span)
            told = upper(np.array([rates]), np.array([40]), steps, span)
            self.assertEqual(told[0], found.upper_tx, span)

    def test_a_vm_that_is_off_does_not_make_it_unknown(self):
        known = nics.Known(
            declared={'a': Declaration(nic=GBIT)},
            devices=None,
            seen={'id-one': seen(*[2e6] * 20)},
        )
        for state, told in (('stopped', 2e6), ('active', None)):
            (found,) = nics.with_nics(
                [builders.host('a', nic=None)],
                [
                    builders.vm('one', 'a', state='active'),
                    builders.vm(
                        'two', 'a', state=state, active=state == 'active'
                    ),
                ],
                known,
                self.settings,
                NOW,
            )
            self.assertEqual(told, found.nic.upper_tx, state)

    def test_without_a_measured_host_it_is_of_its_vms(self):
        declared = Declaration(nic=GBIT)
        vms = {'one': seen(*[2e6] * 20), 'two': seen(*[3e6] * 20)}
        found = self.nic(declared=declared, vms=vms)
        self.assertEqual((5e6, 5e6), (found.upper_tx, found.upper_rx))

    def test_vms_that_were_measured_long_ago_tell_nothing(self):
        vms = {'one': seen(*[2e6] * 20, end=END - 7200)}
        found = self.nic(declared=Declaration(nic=GBIT), vms=vms)
        self.assertIsNone(found.upper_tx)

    def test_a_vm_that_nobody_measured_makes_it_unknown(self):
        vms = {'one': seen(*[2e6] * 20), 'two': None}
        found = self.nic(declared=Declaration(nic=GBIT), vms=vms)
        self.assertIsNone(found.upper_tx)
        self.assertIsNone(self.nic(declared=Declaration(nic=GBIT)).upper_tx)

    def test_what_tenants_send_another_way_is_not_in_it(self):
        declared = Declaration(separate=True, nic=GBIT)
        vms = {'one': seen(*[2e6] * 20)}
        self.assertIsNone(self.nic(declared=declared, vms=vms).upper_tx)
