"""Hosts without Watcher, and what requests were: at their bounds.

Against the real HTTP APIs they are tested in tests/functional.
"""

import contextlib
import datetime
import types
import unittest
from unittest import mock

import requests

from tests.unit.test_telemetry_inventory import answered
from watcher_tsmig import errors
from watcher_tsmig.telemetry.doctor.tally import Tally
from watcher_tsmig.telemetry.inventory import nodes
from watcher_tsmig.telemetry.inventory.nodes import read_nodes
from watcher_tsmig.telemetry.metrics.metering import spread

STOCK = {
    'VCPU': {'total': 16, 'reserved': 2, 'allocation_ratio': 4.0},
    'MEMORY_MB': {'total': 1024, 'reserved': 512, 'allocation_ratio': 1.5},
    'DISK_GB': {'total': 100, 'reserved': 10, 'allocation_ratio': 1.0},
}
ENDPOINTS = {
    'compute': 'http://cloud/compute/v2.1',
    'placement': 'http://cloud/placement',
    'metric': 'http://cloud:8041/',
}
NOON = 1_700_000_000.0


def hypervisor(name, **values):
    return types.SimpleNamespace(
        **{
            'id': f'uuid-{name}',
            'name': f'{name}.example',
            'service_details': {'host': name},
            'hypervisor_type': 'QEMU',
            'memory_size': 2048,
            'vcpus': 8,
            'local_disk_size': 50,
            **values,
        }
    )


class Data(types.SimpleNamespace):
    """What Nova's endpoint tells of its versions."""

    min_microversion = (2, 1)


class Compute:
    """Nova in front of a list."""

    service_type, default_microversion = 'compute', None

    def __init__(self, *rows, newest=(2, 96)):
        self._rows = rows
        self._data = Data(max_microversion=newest)
        self.asked = []

    def get_endpoint_data(self):
        return self._data

    def hypervisors(self, **query):
        self.asked.append(query)
        return iter(self._rows)


class TestNodes(unittest.TestCase):
    def setUp(self):
        self.stocks = {'uuid-a': STOCK, 'uuid-b': STOCK}

    @contextlib.contextmanager
    def placement(self):
        yield self

    def get(self, path):
        uuid = path.split('/')[2]
        found = self.stocks.get(uuid)
        if isinstance(found, Exception):
            raise found
        answer = answered({'inventories': found})
        if found is None:
            answer.status_code = 404
        return answer

    def read(self, *rows, **values):
        return read_nodes(Compute(*rows, **values), self.placement)

    def test_room_is_what_the_scheduler_may_give(self):
        (node,) = self.read(hypervisor('a')).nodes.values()
        self.assertEqual(
            nodes.Node(
                uuid='uuid-a',
                hostname='a',
                memory_mb_capacity=768.0,
                vcpus=16.0,
                vcpu_capacity=56.0,
                disk=100.0,
                disk_gb_capacity=90.0,
            ),
            node,
        )

    def test_where_placement_has_nothing_of_a_kind_it_is_novas(self):
        self.stocks['uuid-a'] = {'VCPU': STOCK['VCPU']}
        found = self.read(hypervisor('a', local_disk_size=None))
        (node,) = found.nodes.values()
        self.assertEqual(2048.0, node.memory_mb_capacity)
        self.assertEqual((0.0, 0.0), (node.disk, node.disk_gb_capacity))
        self.assertEqual((), found.notes)

    def test_what_neither_has_is_nothing(self):
        self.stocks['uuid-a'] = {}
        bare = hypervisor('a', memory_size=None, vcpus=None)
        (node,) = self.read(bare).nodes.values()
        self.assertEqual((0.0, 0.0), (node.memory_mb_capacity, node.vcpus))
        self.assertEqual((0.0, 50.0), (node.vcpu_capacity, node.disk))

    def test_why_the_room_is_novas_is_told(self):
        found = read_nodes(Compute(hypervisor('a'), hypervisor('b')), None)
        self.assertEqual(
            (
                "of 2 of 2 hosts the room is Nova's, without allocation "
                'ratios and reservations (Placement is not asked)',
            ),
            found.notes,
        )

    def test_details_are_asked_for(self):
        compute = Compute(hypervisor('a'))
        read_nodes(compute, self.placement)
        self.assertIs(True, compute.asked[0]['details'])

    def test_what_is_unknown_of_some_hosts_is_told(self):
        for wrong in (
            None,
            requests.ConnectionError('away'),
            {'VCPU': {'total': 1}},
            {'VCPU': {**STOCK['VCPU'], 'total': 'many'}},
        ):
            self.stocks['uuid-b'] = wrong
            found = self.read(hypervisor('a'), hypervisor('b'))
            self.assertIn('of 1 of 2 hosts', found.notes[0])
            self.assertEqual(8.0, found.nodes['uuid-b'].vcpus)
            self.assertEqual(16.0, found.nodes['uuid-a'].vcpus)

    def test_without_placement_all_of_it_is_novas(self):
        found = read_nodes(Compute(hypervisor('a')), None)
        self.assertIn('of 1 of 1 hosts', found.notes[0])
        self.assertIn('Placement is not asked', found.notes[0])

    def test_bare_metal_has_no_vms(self):
        bare = hypervisor('b', hypervisor_type='Ironic')
        found = self.read(hypervisor('a'), bare)
        self.assertEqual({'uuid-a'}, set(found.nodes))
        self.assertEqual({}, found.get_all_instances())

    def test_a_host_is_called_as_its_service_is(self):
        self.stocks['uuid-c'] = STOCK
        found = self.read(hypervisor('c', service_details=None))
        self.assertEqual('c.example', found.nodes['uuid-c'].hostname)

    def test_a_nova_that_is_too_old_is_an_error_that_says_so(self):
        with self.assertRaisesRegex(errors.CloudError, '2.53'):
            self.read(hypervisor('a'), newest=(2, 52))

    def test_sizes_are_asked_for_as_long_as_nova_tells_them(self):
        for newest, asked in (((2, 96), '2.87'), ((2, 60), '2.60')):
            compute = Compute(hypervisor('a'), newest=newest)
            read_nodes(compute, self.placement)
            self.assertEqual(asked, compute.asked[0]['microversion'])


class TestTally(unittest.TestCase):
    def setUp(self):
        hooks = {'response': []}
        session = types.SimpleNamespace(hooks=hooks)
        self.tally = Tally(types.SimpleNamespace(session=session))
        (self.hook,) = hooks['response']

    def answer(self, url, *, took=0.2, date=None):
        answer = requests.Response()
        answer.url, answer.elapsed = url, datetime.timedelta(seconds=took)
        if date is not None:
            answer.headers['Date'] = date
        with mock.patch('time.time', lambda: NOON):
            self.hook(answer, timeout=5)

    def test_requests_are_counted_by_the_longest_endpoint_that_fits(self):
        for url in (
            'http://cloud/compute/v2.1/servers/detail?limit=1',
            'http://cloud/compute/',
            'http://cloud/placement/resource_providers',
            'http://cloud:8041/v1/metric',
            'http://elsewhere/v1',
        ):
            self.answer(url)
        self.assertEqual(
            {'compute': 2, 'metric': 1, 'other': 1, 'placement': 1},
            self.tally.requests(ENDPOINTS),
        )
        self.assertEqual(5, self.tally.total)
        self.assertEqual(
            {'compute': 0.4, 'metric': 0.2, 'other': 0.2, 'placement': 0.2},
            self.tally.waits(ENDPOINTS),
        )

    def test_answers_of_one_url_are_summed(self):
        for took in (0.5, 1.5):
            self.answer('http://cloud/placement/usages?a=1', took=took)
        self.assertEqual({'placement': 2.0}, self.tally.waits(ENDPOINTS))
        self.assertEqual({'placement': 2}, self.tally.requests(ENDPOINTS))
        self.assertEqual({}, self.tally.skews(ENDPOINTS))

    def test_the_longest_endpoint_that_fits_is_the_one(self):
        self.answer('http://cloud/a/b/c')
        for endpoints, service in (
            ({'x': 'http://cloud/a', 'y': 'http://cloud/a/b'}, 'y'),
            ({'y': 'http://cloud/a', 'x': 'http://cloud/a/b'}, 'x'),
            ({}, 'other'),
        ):
            self.assertEqual({service: 1}, self.tally.requests(endpoints))

    def test_of_several_urls_of_a_service_the_quickest_tells_the_time(self):
        early = 'Tue, 14 Nov 2023 22:13:10 GMT'  # 10 s before NOON
        late = 'Tue, 14 Nov 2023 22:13:30 GMT'
        self.answer('http://cloud/placement/a', took=2.0, date=early)
        self.answer('http://cloud/placement/b', took=1.0, date=late)
        self.assertEqual({'placement': 11.0}, self.tally.skews(ENDPOINTS))
        # and of two as quick that came one after the other the later
        self.answer('http://cloud/placement/b', took=1.0, date=early)
        self.assertEqual({'placement': -9.0}, self.tally.skews(ENDPOINTS))

    def test_a_clock_is_by_the_date_of_its_quickest_answer(self):
        ahead = 'Tue, 14 Nov 2023 22:14:20 GMT'  # 60 s after NOON
        behind = 'Tue, 14 Nov 2023 22:12:20 GMT'
        url = 'http://cloud/compute/v2.1/servers'
        self.answer(url, took=9.0, date=behind)
        self.answer(url, took=1.0, date=ahead)
        self.answer(url, took=3.0, date=behind)
        self.answer('http://cloud/compute/v2.1/os-services', date='soon')
        self.answer('http://cloud/placement/usages')
        # half of what it took, and of the second that a Date leaves out
        self.assertEqual({'compute': 61.0}, self.tally.skews(ENDPOINTS))


class TestSpread(unittest.TestCase):
    def test_all_are_taken_where_there_are_few(self):
        self.assertEqual((1, 2, 3), spread([1, 2, 3], 3))
