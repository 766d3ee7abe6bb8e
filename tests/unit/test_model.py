"""What the values of the model refuse, and how they say it."""

import math
import unittest
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig import model

GIB = 1024.0**3


def host(name: str = 'cmp-01', **changes: Any) -> model.Host:
    return model.Host(
        **({'name': name, 'memory': 64 * GIB, 'vcpus': 16.0} | changes)
    )


def vm(vm_id: str = 'vm-1', **changes: Any) -> model.Vm:
    return model.Vm(
        **(
            {
                'id': vm_id,
                'name': vm_id,
                'host': 'cmp-01',
                'memory': GIB,
                'vcpus': 1.0,
            }
            | changes
        )
    )


def link(**values: Any) -> model.Link:
    given = {'name': 'rack-1', 'hosts': ('cmp-01',), 'capacity': 1e9}
    return model.Link(**{**given, **values})


def group(**values: Any) -> model.Group:
    given = {'id': 'g-1', 'policy': 'affinity', 'members': ('vm-1',)}
    return model.Group(**{**given, **values})


def passage(**values: Any) -> model.Passage:
    return model.Passage(**{'vm': 'vm-1', 'source': 'cmp-01', **values})


class TestNumbers(unittest.TestCase):
    """A quantity is a finite number in its range."""

    def test_what_is_no_number_in_range_is_refused_with_its_field(
        self,
    ) -> None:
        table = (
            (0.0, 'must be above 0'),
            (-1.0, 'must be above 0'),
            (math.nan, 'is not a finite number'),
            (math.inf, 'is not a finite number'),
            (10**400, 'is not a finite number'),
            ('1', 'is not a number'),
            (True, 'is not a number'),
            (None, 'is not a number'),
        )
        for value, text in table:
            with self.subTest(value=str(value)[:9]):
                with self.assertRaises(errors.InputError) as caught:
                    model.Nic(capacity=value)
                self.assertIn(text, caught.exception.message)
                self.assertEqual('capacity', caught.exception.place)

    def test_a_negative_rate_is_refused(self) -> None:
        for field in ('tx', 'rx'):
            with self.subTest(field), self.assertRaises(errors.InputError):
                model.Traffic(**({'tx': 0.0, 'rx': 0.0} | {field: -1.0}))

    def test_a_spread_that_contradicts_itself_is_refused(self) -> None:
        good = {'p50': 1.0, 'p95': 2.0, 'bursts': 0.1, 'watched': 7200.0}
        model.Spread(**good)
        for field, value in (
            ('p95', 0.5),
            ('p50', -1.0),
            ('bursts', 1.1),
            ('watched', 0.0),
        ):
            with self.assertRaises(errors.InputError) as caught:
                model.Spread(**(good | {field: value}))
            self.assertEqual(field, caught.exception.place)

    def test_an_error_is_short_however_long_the_value_is(self) -> None:
        for value in ('x' * 10**6, [0] * 10**6, {'a': [[[0] * 9] * 9] * 99}):
            with self.assertRaises(errors.InputError) as caught:
                host(memory=value)
            self.assertLess(len(str(caught.exception)), 400)


class TestWorkingSets(unittest.TestCase):
    """Samples rise in time and never fall."""

    def test_a_sample_out_of_order_is_named(self) -> None:
        table = (
            (((2.0, 1.0), (1.0, 2.0)), 'does not come after'),
            (((1.0, 1.0), (1.0, 2.0)), 'does not come after'),
            (((1.0, 2.0), (2.0, 1.0)), 'cannot shrink with time'),
            (((1.0, 1.0), (2.0,)), 'is not a pair'),
            (((1.0, 1.0), (2.0, math.nan)), 'is not a finite number'),
        )
        for samples, text in table:
            with self.subTest(samples=samples):
                with self.assertRaises(errors.InputError) as caught:
                    model.WorkingSet(resident=GIB, samples=samples)
                self.assertIn(text, caught.exception.message)
                self.assertEqual('samples[1]', caught.exception.place)

    def test_a_vm_that_writes_nothing_more_is_accepted(self) -> None:
        made = model.WorkingSet(resident=GIB, samples=((1.0, 5.0), (2.0, 5.0)))
        self.assertEqual(2, len(made.samples))

    def test_a_vm_cannot_write_more_than_its_memory(self):
        with self.assertRaises(errors.InputError) as caught:
            model.Vm(
                id='v',
                name='v',
                host='a',
                memory=GIB,
                vcpus=1,
                working_set=model.WorkingSet(
                    resident=GIB, samples=((1.0, 5.0), (2.0, GIB + 1))
                ),
            )
        self.assertEqual('working_set.samples[1]', caught.exception.place)


class TestClouds(unittest.TestCase):
    """Names are unique and every VM is somewhere."""

    def test_what_cannot_be_is_refused_with_its_place(self) -> None:
        table: tuple[tuple[dict[str, Any], str], ...] = (
            ({'hosts': (host(), host())}, 'hosts[1].name'),
            ({'vms': (vm(), vm())}, 'vms[1].id'),
            ({'vms': (vm(), vm('b', host='cmp-99'))}, 'vms[1].host'),
            ({'vms': [vm()]}, 'vms'),
            ({'vms': (vm(), 'vm-2')}, 'vms[1]'),
            ({'hosts': (host(), vm())}, 'hosts[1]'),
            ({'taken_at': -1.0}, 'taken_at'),
            ({'links': (link(), link())}, 'links[1].name'),
            ({'links': (link(hosts=('cmp-99',)),)}, 'links[0].hosts[0]'),
            ({'groups': (group(), group())}, 'groups[1].id'),
            ({'passages': (passage(), passage())}, 'passages[1].vm'),
            (
                {'passages': (passage(destination='cmp-99'),)},
                'passages[0].destination',
            ),
        )
        for changes, place in table:
            with self.subTest(place=place):
                with self.assertRaises(errors.InputError) as caught:
                    model.Cloud(**({'hosts': (host(),), 'vms': ()} | changes))
                self.assertEqual(place, caught.exception.place)

    def test_parts_of_another_kind_are_refused(self) -> None:
        for make in (
            lambda: host(nic=1e9),
            lambda: vm(traffic={'tx': 1.0}),
            lambda: vm(working_set=()),
            lambda: vm(locked=1),
            lambda: host(post_copy='yes'),
            lambda: host(name=''),
            lambda: host(disk=-1.0),
            lambda: vm(allowed=['cmp-01']),
            lambda: link(rtt=-1.0),
            lambda: group(policy='close together'),
            lambda: group(members=('vm-1', 'vm-1')),
            lambda: vm(name='x' * 256),
        ):
            self.assertRaises(errors.InputError, make)

    def test_hosts_and_vms_are_found_by_name_and_id(self) -> None:
        cloud = model.Cloud(hosts=(host(),), vms=(vm(),))
        self.assertEqual(host(), cloud.host('cmp-01'))
        self.assertEqual(vm(), cloud.vm('vm-1'))
        self.assertRaises(KeyError, cloud.host, 'vm-1')
        self.assertRaises(KeyError, cloud.vm, 'cmp-01')
