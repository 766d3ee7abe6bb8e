"""A file as a source: its form, what it tells, and what is wrong with it."""

import json
import pathlib
import tempfile
import unittest
from unittest import mock

from tests.unit.test_telemetry_gnocchi import NOW
from watcher_tsmig import errors
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.metrics import traffic
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import file
from watcher_tsmig.telemetry.sources import open_source

ONE = '11111111-2222-3333-4444-555555555555'
TWO = '11111111-2222-3333-4444-666666666666'
SPAN = Settings().granularity
GAUGE = 'memory.dirty.t1'
BUSY = {'at': NOW - 60, 'tx': 5, 'rx': 7, 'cpu': 0.5}


class Case(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(folder) / 'measures.json'

    def source(self, told):
        text = told if isinstance(told, str) else json.dumps(told)
        self.path.write_text(text)
        return open_source('file', Reach(place=str(self.path)), Settings())

    def of(self, **vms):
        """A source that has read these."""
        source = self.source({'vms': vms})
        source.probe()
        return source

    def refused(self, told):
        """What is said of a file that is none."""
        with self.assertRaises(errors.CloudError) as raised:
            self.source(told).probe()
        text = str(raised.exception)
        self.assertTrue(text.startswith(f'{self.path}: '), text)
        return text.removeprefix(f'{self.path}: ')


class TestTold(Case):
    def test_what_it_tells_is_judged_as_any_other(self):
        source = self.of(
            **{
                ONE: BUSY,
                TWO: {'at': NOW - 7200, 'tx': 5.0, 'rx': 7.0},
                'three': {'at': NOW + 9999, 'tx': 5.0, 'rx': 7.0},
            }
        )
        told = source.traffic([ONE, TWO, 'three', 'four'], NOW)
        found = traffic.by_vm(told, Settings(), NOW, source.name)
        self.assertEqual([ONE], list(found))
        self.assertEqual((5.0, 7.0), (found[ONE].tx, found[ONE].rx))
        self.assertEqual('file', found[ONE].source)
        self.assertEqual(NOW - 60, found[ONE].measured_at)

    def test_the_sample_is_one(self):
        root = pathlib.Path(__file__).parents[2]
        source = self.source((root / 'etc/measures.json.sample').read_text())
        source.probe()
        (vm,) = source.traffic(['3b2c6a10-3f8a-4d7e-9a51-5f1f7d0c2b11'], 1.7e9)
        self.assertTrue(vm)

    def test_a_rate_held_for_a_span_before_it_was_measured(self):
        source = self.of(one=BUSY)
        (interface,) = source.traffic(['one'], NOW)['one']
        begin = NOW - 60 - SPAN
        self.assertEqual(((begin, SPAN, 5.0),), interface.tx)
        self.assertEqual(((begin, SPAN, 7.0),), interface.rx)
        self.assertEqual(
            {'one': [(begin, SPAN, 0.5)]}, source.cpu(['one'], NOW)
        )

    def test_what_is_told_of_a_vm_is_known_of_it_and_nothing_else(self):
        source = self.of(
            cpu={'at': NOW, 'cpu': 1},
            traffic={'at': NOW, 'tx': 0, 'rx': 0},
            none={'at': NOW},
        )
        vms = ['cpu', 'traffic', 'none']
        self.assertEqual(['traffic'], list(source.traffic(vms, NOW)))
        self.assertEqual(['cpu'], list(source.cpu(vms, NOW)))
        self.assertFalse(any(source.gauges(vms, [GAUGE], NOW).values()))

    def test_gauges_are_those_that_are_asked_for(self):
        source = self.of(one={'at': NOW - 60, 'gauges': {GAUGE: 10, 'b': 1}})
        self.assertEqual(
            {'one': {GAUGE: [(NOW - 60, 0.0, 10)]}},
            source.gauges(['one', 'two'], [GAUGE, 'memory.dirty.t8'], NOW),
        )

    def test_a_clock_may_be_ahead_by_a_span_and_no_more(self):
        source = self.of(
            near={**BUSY, 'at': NOW + SPAN}, far={**BUSY, 'at': NOW + SPAN + 1}
        )
        for told in (
            source.traffic(['far', 'near'], NOW),
            source.cpu(['far', 'near'], NOW),
            source.gauges(['far', 'near'], [GAUGE], NOW),
        ):
            self.assertEqual(['near'], list(told))

    def test_of_vms_that_nobody_asks_for_nothing_is_told(self):
        source = self.of(one=BUSY, two=BUSY)
        self.assertEqual(['two'], list(source.traffic(['two'], NOW)))

    def test_it_knows_nothing_of_hosts_and_refuses_nothing(self):
        source = self.of()
        self.assertIsNone(source.devices(['a'], NOW))
        self.assertEqual([], source.refusals)

    def test_it_is_read_once_and_not_before_it_is_probed(self):
        source = self.source({'vms': {'one': BUSY}})
        self.assertEqual(0, source.questions)
        self.assertEqual({}, source.traffic(['one'], NOW))
        source.probe()
        self.path.unlink()
        self.assertEqual(['one'], list(source.traffic(['one'], NOW)))
        self.assertEqual(1, source.questions)


class TestForm(Case):
    def test_what_is_no_such_file_says_where_it_goes_wrong(self):
        for told, where in (
            ('[]', 'the file'),
            ({}, 'the file'),
            ({'vms': {}, 'hosts': {}}, 'the file'),
            ({'vms': []}, 'vms'),
            ({'vms': {'one': 5}}, 'vms.one'),
            ({'vms': {'one': {}}}, 'vms.one'),
            ({'vms': {'one': {'at': 1, 'ty': 1}}}, 'vms.one'),
            ({'vms': {'one': {'at': 1, 'gauges': []}}}, 'vms.one.gauges'),
            ({'vms': {'one': {'at': 1, 'gauges': {'x': -1}}}},
             'vms.one.gauges.x'),
        ):  # fmt: skip
            place, _, why = self.refused(told).partition(': ')
            self.assertEqual(where, place, told)
            self.assertTrue(why)

    def test_a_rate_or_a_moment_is_a_number_that_is_not_negative(self):
        for name in ('at', 'tx', 'rx', 'cpu'):
            fine = {'at': 0, 'tx': 0, 'rx': 0, 'cpu': 0}
            self.of(one={**fine, name: 0.5})
            for wrong in (-0.5, 'many', None):
                text = self.refused({'vms': {'one': {**fine, name: wrong}}})
                self.assertTrue(text.startswith(f'vms.one.{name}: '), text)

    def test_one_direction_of_traffic_needs_the_other(self):
        for way, other in (('tx', 'rx'), ('rx', 'tx')):
            text = self.refused({'vms': {'one': {'at': 1, way: 1}}})
            self.assertTrue(text.startswith('vms.one: '), text)
            self.assertIn(other, text)

    def test_what_is_no_json_is_told_and_does_not_fail(self):
        for text in ('', '{"vms": ', '[' * 100000):
            self.assertTrue(self.refused(text))
        self.path.write_bytes(b'{"vms": "\xff"}')
        source = open_source('file', Reach(place=str(self.path)), Settings())
        with self.assertRaisesRegex(errors.CloudError, "can't decode"):
            source.probe()

    def test_a_file_that_is_not_there_says_so_in_the_systems_words(self):
        source = self.source({})
        self.path.unlink()
        with self.assertRaises(errors.CloudError) as raised:
            source.probe()
        self.assertEqual(
            f'{self.path}: No such file or directory', str(raised.exception)
        )
        self.assertEqual(1, source.questions)

    def test_a_file_that_is_too_long_is_not_read(self):
        source = self.source('')
        with self.path.open('r+b') as sparse:
            sparse.truncate(64 * 1024 * 1024 + 1)
        with self.assertRaisesRegex(errors.CloudError, 'than 67108864 bytes'):
            source.probe()
        text = json.dumps({'vms': {}})
        with mock.patch.object(file, 'MOST', len(text)):
            self.source(text).probe()

    def test_what_is_wrong_is_told_in_a_line(self):
        text = self.refused({'vms': {'one': 'x' * 500}})
        self.assertEqual('vms.one: ' + repr('x' * 500)[:80], text)
        self.path.write_bytes(b' ' * 10**6 + b'\xe2\x82\x28')
        with self.assertRaises(errors.CloudError) as raised:
            open_source(
                'file', Reach(place=str(self.path)), Settings()
            ).probe()
        told = str(raised.exception).removeprefix(f'{self.path}: ')
        self.assertEqual(80, len(told), told)

    def test_a_place_is_needed(self):
        with self.assertRaises(errors.InputError) as raised:
            file.at_path(Reach(), Settings())
        self.assertEqual('metrics_place: is not set', str(raised.exception))
