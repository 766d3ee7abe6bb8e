"""Placement asked of many hosts: side by side, in time, one after a dead one.

What is read of the answers is tested where it is asked for.
"""

import contextlib
import threading
import time
import unittest

import requests

from tests.unit.test_telemetry_inventory import answered
from watcher_tsmig.telemetry.inventory import providers


class SmallPlacement:
    """Each provider's usages; what is an error is raised.

    :param look: is called with a provider before it is answered
    """

    def __init__(self, table, look=None):
        self.table, self.look = table, look
        self.asked = []

    @contextlib.contextmanager
    def open(self):
        yield self

    def get(self, path):
        _, kind, uuid, what = path.split('/')
        assert (kind, what) == ('resource_providers', 'usages'), path
        self.asked.append(uuid)
        if self.look:
            self.look(uuid)
        found = self.table[uuid]
        if isinstance(found, Exception):
            raise found
        answer = answered({'usages': found})
        answer.status_code = found if isinstance(found, int) else 200
        return answer


def hosts(many):
    """Names of hosts, and uuids of their providers."""
    return {f'h{i}': f'uuid-{i}' for i in range(many)}


class TestProviders(unittest.TestCase):
    def read(self, placement, many, read=dict):
        return providers.of_each(placement.open, 'usages', read, hosts(many))

    def test_each_host_has_what_its_provider_tells(self):
        table = {f'uuid-{i}': {'VCPU': i} for i in range(20)}
        found, why = self.read(SmallPlacement(table), 20)
        self.assertEqual({f'h{i}': {'VCPU': i} for i in range(20)}, found)
        self.assertEqual('', why)

    def test_nobody_is_asked_where_there_are_none(self):
        placement = SmallPlacement({})
        self.assertEqual(({}, ''), self.read(placement, 0))
        self.assertEqual([], placement.asked)

    def test_who_is_away_is_away_for_all(self):
        away = requests.ConnectionError('no Placement here')
        placement = SmallPlacement(dict.fromkeys(hosts(9).values(), away))
        found, why = self.read(placement, 9)
        self.assertEqual(({}, 'Placement: no Placement here'), (found, why))
        self.assertEqual(['uuid-0'], placement.asked)

    def test_what_is_wrong_of_one_is_told_with_its_name_and_only_of_one(self):
        table = {uuid: {} for uuid in hosts(5).values()}
        table |= {'uuid-2': 503, 'uuid-4': requests.ConnectionError('late')}
        found, why = self.read(SmallPlacement(table), 5)
        self.assertEqual(['h0', 'h1', 'h3'], sorted(found))
        self.assertTrue(why.startswith('Placement: h2: '), why)
        self.assertIn('503', why)
        self.assertNotIn('h4', why)

    def test_what_cannot_be_read_is_placements_fault(self):
        def read(usages):
            return usages['VCPU']

        found, why = self.read(
            SmallPlacement({'uuid-0': {'VCPU': 1}, 'uuid-1': {}}), 2, read
        )
        self.assertEqual({'h0': 1}, found)
        self.assertEqual("Placement: h1: 'VCPU'", why)

    def test_eight_are_asked_at_once_and_no_more(self):
        gate = threading.Barrier(8, timeout=10)
        under_way, most = [], []

        def look(uuid):
            if uuid != 'uuid-0':
                under_way.append(uuid)
                most.append(len(under_way))
                gate.wait()
                under_way.remove(uuid)

        table = {uuid: {} for uuid in hosts(17).values()}
        found, why = self.read(SmallPlacement(table, look), 17)
        self.assertEqual((17, ''), (len(found), why))
        self.assertLessEqual(max(most), 8)

    def test_they_have_a_minute_together(self):
        self.assertEqual(60.0, providers.WITHIN)

    def test_nobody_is_waited_for_once_the_time_is_over(self):
        over = threading.Event()
        self.addCleanup(over.set)
        self.addCleanup(setattr, providers, 'WITHIN', providers.WITHIN)
        providers.WITHIN = 0.0
        table = {uuid: {} for uuid in hosts(7).values()}
        placement = SmallPlacement(
            table, lambda uuid: uuid == 'uuid-0' or over.wait(30)
        )
        began = time.monotonic()
        found, why = self.read(placement, 7)
        # not a moment for each of the six
        self.assertLess(time.monotonic() - began, 4.0)
        self.assertEqual(['h0'], list(found))
        self.assertEqual('Placement: h1: TimeoutError', why)

    def test_who_waits_when_the_time_is_over_is_not_asked_any_more(self):
        over = threading.Event()
        self.addCleanup(over.set)
        self.addCleanup(setattr, providers, 'WITHIN', providers.WITHIN)
        providers.WITHIN = 0.0
        table = {uuid: {} for uuid in hosts(30).values()}
        placement = SmallPlacement(
            table, lambda uuid: uuid == 'uuid-0' or over.wait(30)
        )
        before = set(threading.enumerate())
        self.read(placement, 30)
        over.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        self.assertLessEqual(len(placement.asked), 1 + 8)
