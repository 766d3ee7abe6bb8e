"""What Gnocchi is asked of VMs: which metrics, how far back, how often.

What its answers become is tested in test_telemetry_gnocchi.
"""

import unittest

import requests_mock
from keystoneauth1 import noauth
from keystoneauth1 import session

from tests.unit.test_telemetry_gnocchi import LAST
from tests.unit.test_telemetry_gnocchi import LOW
from tests.unit.test_telemetry_gnocchi import NOW
from tests.unit.test_telemetry_gnocchi import SPAN
from tests.unit.test_telemetry_gnocchi import SmallGnocchi
from tests.unit.test_telemetry_gnocchi import counted
from tests.unit.test_telemetry_gnocchi import line
from tests.unit.test_telemetry_gnocchi import moment
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import gnocchi
from watcher_tsmig.telemetry.sources.gnocchi import GnocchiSource


class Asked(SmallGnocchi):
    """It notes what it was asked: metrics and methods, and since when."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.wanted = []

    def post(self, url, params, json, headers):
        operations = {tuple(one) for one in json['operations'][1:]}
        self.asked.append((operations, moment(params['start'])))
        return super().post(url, params, json, headers)

    def search(self, resource_type, query, limit, marker):
        ((attribute, values),) = query['in'].items()
        self.wanted.append((resource_type, attribute, list(values)))
        return super().search(resource_type, query, limit, marker)


class Case(unittest.TestCase):
    def setUp(self):
        self.server = Asked()

    def source(self, **settings):
        return GnocchiSource(self.server, Settings(**settings))

    def instance(self, vm, metrics=None, **rows):
        """An instance resource, with rows by the name of each metric."""
        ids = {name: f'{vm}-{name}' for name in rows}
        self.server.rows |= {ids[name]: rows[name] for name in rows}
        self.server.by_kind['instance'].append(
            {'id': vm, 'metrics': ids if metrics is None else metrics}
        )


class TestTraffic(Case):
    def test_interfaces_of_vms_are_asked_for_by_their_instance(self):
        self.server.by_kind['tap'] = []
        self.source(interface_type='tap').traffic(['a', 'b'], NOW)
        self.assertEqual(
            [('tap', 'instance_id', ['a', 'b'])], self.server.wanted
        )

    def test_counters_are_asked_for_as_far_back_as_matters_and_a_bit(self):
        self.server.interface('a', 1.0, 1.0)
        self.source(window=3600.0, burst_window=0.0).traffic(['a'], NOW)
        ((operations, since),) = self.server.asked
        self.assertEqual(
            {
                ('a-tap0-network.outgoing.bytes', 'mean'),
                ('a-tap0-network.incoming.bytes', 'mean'),
            },
            operations,
        )
        self.assertEqual(NOW - 3600 - 3 * SPAN, since)

    def test_an_interface_without_metrics_tells_nothing(self):
        for metrics in (None, {}, {'network.outgoing.bytes': None}):
            self.server.by_kind['instance_network_interface'] = [
                {'id': 'x', 'instance_id': 'a', 'metrics': metrics}
            ]
            (found,) = self.source().traffic(['a'], NOW)['a']
            self.assertEqual(((), ()), (found.tx, found.rx))
        self.assertEqual([], self.server.asked)

    def test_each_direction_is_its_own(self):
        self.server.interface('a', 1000.0, 10.0)
        (found,) = self.source().traffic(['a'], NOW)['a']
        self.assertEqual((1000.0, 10.0), (found.tx[-1][2], found.rx[-1][2]))

    def test_all_that_is_told_lies_on_one_grid_whatever_is_kept(self):
        samples = line(30.0)
        for i, methods in enumerate((('mean',), ('rate:mean', 'count'))):
            self.server.sampled(f'v{i}', samples, samples, LOW, methods)
        found = self.source().traffic(['v0', 'v1'], NOW)
        begins = [{at for at, _, _ in found[vm][0].tx} for vm in found]
        self.assertEqual(
            {SPAN / 2}, {at % SPAN for some in begins for at in some}
        )
        self.assertLess(10, len(begins[0] & begins[1]))

    def test_what_is_refused_is_told_of_its_vm_and_metric(self):
        samples = line(30.0)
        self.server.sampled('a', samples, samples, LOW, ('rate:mean',))
        source = self.source()
        source.traffic(['a'], NOW)
        self.assertEqual(
            [
                (
                    'a',
                    f'network.{way}.bytes',
                    f'a-tap0-network.{way}.bytes',
                    gnocchi.NO_SPAN,
                )
                for way in ('incoming', 'outgoing')
            ],
            sorted((r.vm, r.metric, r.id, r.why) for r in source.refusals),
        )

    def test_it_knows_nothing_of_hosts(self):
        self.assertIsNone(self.source().devices(['a'], NOW))


class TestCpu(Case):
    def test_it_is_told_in_cpus_as_far_back_as_loads_go(self):
        self.instance('a', cpu=counted(1.5e9, 0.5e9))
        found = self.source(history=3600.0).cpu(['a', 'b'], NOW)
        self.assertEqual(['a'], list(found))
        self.assertEqual([1.5, 0.5], [busy for _, _, busy in found['a']])
        self.assertEqual((LAST - SPAN / 2, SPAN), found['a'][-1][:2])
        (_, since), *_ = self.server.asked
        self.assertEqual(NOW - 3600 - 3 * SPAN, since)

    def test_nobody_is_asked_where_it_is_not_wanted(self):
        self.instance('a', cpu=counted(1e9))
        for settings in ({}, {'history': 3600.0, 'cpu_metric': ''}):
            self.assertEqual({}, self.source(**settings).cpu(['a'], NOW))
        self.assertEqual([], self.server.wanted)

    def test_who_has_no_such_metric_or_no_point_is_not_told_of(self):
        self.instance('a', memory=[])
        self.instance('b', metrics={'cpu': None})
        self.instance('c', cpu=[])
        found = self.source(history=3600.0).cpu(['a', 'b', 'c'], NOW)
        self.assertEqual({}, found)


class TestGauges(Case):
    def test_they_are_the_named_ones_as_far_back_as_they_count(self):
        self.instance('a', x=[(LAST, SPAN, 5.0)], y=[(LAST, SPAN, 6.0)])
        found = self.source(dirty_age=3600.0).gauges(['a'], ['x', 'z'], NOW)
        self.assertEqual({'a': {'x': [(LAST, SPAN, 5.0)]}}, found)
        ((operations, since),) = self.server.asked
        self.assertEqual({('a-x', 'mean')}, operations)
        self.assertEqual(NOW - 3600.0, since)

    def test_who_has_none_has_none_and_who_is_unknown_is_not_told_of(self):
        self.instance('a', metrics={'x': None})
        self.server.by_kind['instance'].append({'id': 'b', 'metrics': None})
        found = self.source().gauges(['a', 'b', 'c'], ['x'], NOW)
        self.assertEqual({'a': {}, 'b': {}}, found)

    def test_the_resource_of_a_vm_is_asked_for_once(self):
        self.instance('a', x=[(LAST, SPAN, 5.0)])
        source = self.source(history=3600.0)
        source.gauges(['a', 'b'], ['x'], NOW)
        source.cpu(['a', 'b'], NOW)
        source.gauges(['a', 'b', 'c'], ['x'], NOW)
        self.assertEqual(
            [('instance', 'id', ['a', 'b']), ('instance', 'id', ['c'])],
            [one for one in self.server.wanted if one[2]],
        )


class TestReach(unittest.TestCase):
    def test_it_is_found_where_the_catalogue_is_to_be_looked_into(self):
        asked = []

        class Catalogue(noauth.NoAuth):
            def get_endpoint(self, session, **given):
                asked.append(given)
                return 'http://gnocchi.test'

        there = session.Session(auth=Catalogue())
        given = {'interface': 'internal', 'region_name': 'two'}
        source = gnocchi.from_catalogue(
            Reach(session=there, catalogue={'gnocchi': given}), Settings()
        )
        self.assertEqual('gnocchi', source.name)
        with requests_mock.Mocker() as wire:
            wire.get('http://gnocchi.test/v1/capabilities/', json={})
            source.probe()
        self.assertEqual(given, {key: asked[0][key] for key in given})
