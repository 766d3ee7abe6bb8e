"""Traffic and working sets from the answers of a Gnocchi of this file.

The real gnocchiclient reads the playground in tests/functional.
"""

import datetime
import types
import unittest

from gnocchiclient import exceptions as gnocchi_errors

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import dirty
from watcher_tsmig.telemetry import traffic
from watcher_tsmig.telemetry.measures import Gnocchi

NOW = 1_700_000_100.0
SPAN = 300.0
LAST = NOW // SPAN * SPAN - SPAN  # start of the last whole span


def thing(**values):
    return types.SimpleNamespace(**values)


class SmallGnocchi:
    """gnocchiclient in front of resources and last measures by metric."""

    def __init__(self):
        self.by_kind = {'instance_network_interface': [], 'instance': []}
        self.rows = {}
        self.searches = []
        self.fetches = []
        # whether it says which metrics it does not give
        self.names = True
        self.error = None
        self.resource = thing(search=self.search)
        self.aggregates = thing(fetch=self.fetch)
        self.capabilities = thing(list=self.list)

    def interface(self, vm, tx, rx, *, name='tap0', start=LAST, points=3):
        ids = {}
        for metric, rate in (
            ('network.outgoing.bytes', tx),
            ('network.incoming.bytes', rx),
        ):
            ids[metric] = f'{vm}-{name}-{metric}'
            self.rows[ids[metric]] = [
                (start - i * SPAN, SPAN, rate * SPAN)
                for i in reversed(range(points))
            ]
        self.by_kind['instance_network_interface'].append(
            {'id': f'{vm}-{name}', 'instance_id': vm, 'metrics': ids}
        )

    def instance(self, vm, **gauges):
        ids = {}
        for key, value in gauges.items():
            metric = 'memory.' + key.replace('_', '.')
            ids[metric] = f'{vm}-{metric}'
            self.rows[ids[metric]] = [(LAST, SPAN, value)]
        self.by_kind['instance'].append({'id': vm, 'metrics': ids})

    def list(self):
        if self.error:
            raise self.error
        return {}

    def search(self, resource_type, query, limit, marker):
        self.searches.append(resource_type)
        if self.error:
            raise self.error
        ((attribute, values),) = query['in'].items()
        if resource_type not in self.by_kind:
            raise gnocchi_errors.NotFound(404)
        found = [
            r
            for r in self.by_kind[resource_type]
            if r[attribute] in values and (not marker or r['id'] > marker)
        ]
        return sorted(found, key=lambda r: r['id'])[:limit]

    def _rows(self, metric):
        return [
            (datetime.datetime.fromtimestamp(at, datetime.UTC), span, value)
            for at, span, value in self.rows[metric]
        ]

    def fetch(self, operations, start, granularity):
        self.fetches.append(len(operations) - 1)
        broken = [m for m, _ in operations[1:] if m.startswith('broken')]
        if broken:
            raise gnocchi_errors.BadRequest(
                400,
                {
                    'cause': 'Metrics with unknown aggregation',
                    'detail': broken if self.names else [],
                },
            )
        return {
            'measures': {
                metric: {how: self._rows(metric)}
                for metric, how in operations[1:]
            }
        }


class Base(unittest.TestCase):
    def setUp(self):
        self.server = SmallGnocchi()
        self.settings = Settings()

    def gnocchi(self, **values):
        given = {'total_time': 60.0, 'batch': 2, **values}
        return Gnocchi(self.server, **given)


class TestTraffic(Base):
    def read(self, *vms):
        return traffic.read_traffic(self.gnocchi(), vms, self.settings, NOW)

    def test_rates_are_per_second_and_summed_over_the_interfaces(self):
        self.server.interface('vm-1', 1000.0, 10.0, name='tap0')
        self.server.interface('vm-1', 500.0, 5.0, name='tap1')
        found = self.read('vm-1')['vm-1']
        self.assertEqual((1500.0, 15.0), (found.tx, found.rx))
        self.assertEqual(LAST + SPAN, found.measured_at)
        self.assertEqual('gnocchi', found.source)

    def test_a_sampling_interval_of_its_own_is_what_a_rate_spans(self):
        self.settings = Settings(sampling=60.0)
        self.server.interface('vm-1', 1000.0, 10.0)
        self.assertEqual(5000.0, self.read('vm-1')['vm-1'].tx)

    def test_a_vm_that_nobody_measures_is_unknown(self):
        self.assertEqual({}, self.read('vm-1'))

    def test_an_interface_type_that_does_not_exist_is_unknown(self):
        self.settings = Settings(interface_type='no_such')
        self.assertEqual({}, self.read('vm-1'))

    def test_the_interface_of_an_earlier_host_is_left_out(self):
        self.server.interface('vm-1', 1000.0, 10.0, name='new')
        self.server.interface(
            'vm-1', 9999.0, 99.0, name='old', start=LAST - 7200
        )
        self.assertEqual(1000.0, self.read('vm-1')['vm-1'].tx)

    def test_traffic_is_known_up_to_its_age_and_not_longer(self):
        self.server.interface('vm-1', 1000.0, 10.0)
        ended = LAST + SPAN
        for age in (60.0, self.settings.traffic_age):
            settings = Settings(traffic_age=age)
            for late, known in ((0.0, True), (1.0, False)):
                with self.subTest(age=age, late=late):
                    found = traffic.read_traffic(
                        self.gnocchi(), ['vm-1'], settings, ended + age + late
                    )
                    self.assertIs(known, 'vm-1' in found)

    def test_old_measures_are_unknown(self):
        self.server.interface('vm-1', 1000.0, 10.0, start=LAST - 7200)
        self.assertEqual({}, self.read('vm-1'))

    def test_a_counter_that_started_again_is_not_negative_traffic(self):
        measures = [
            (LAST - SPAN, SPAN, 3000.0),
            (LAST, SPAN, -5e12),
        ]
        rate, end = traffic.rate(measures, self.settings, NOW)
        self.assertEqual(10.0, rate)
        self.assertEqual(LAST, end)
        self.assertIsNone(
            traffic.rate([(LAST, SPAN, -1.0)], self.settings, NOW)
        )

    def test_one_lull_does_not_make_a_busy_vm_idle(self):
        measures = [
            (LAST - 2 * SPAN, SPAN, 3000.0),
            (LAST - SPAN, SPAN, 3000.0),
            (LAST, SPAN, 0.0),
        ]
        rate, _ = traffic.rate(measures, self.settings, NOW)
        self.assertAlmostEqual(2000.0 / SPAN, rate)

    def test_many_vms_are_asked_for_in_few_questions(self):
        for i in range(5):
            self.server.interface(f'vm-{i}', 1.0, 1.0)
        gnocchi = self.gnocchi(batch=200)
        found = traffic.read_traffic(
            gnocchi, [f'vm-{i}' for i in range(5)], self.settings, NOW
        )
        self.assertEqual(5, len(found))
        self.assertEqual(2, gnocchi.questions)
        self.assertEqual([10], self.server.fetches)

    def test_what_is_refused_costs_a_question_and_hides_nothing_else(self):
        vms = [f'vm-{i}' for i in range(7)]
        for vm in (*vms, 'broken'):
            self.server.interface(vm, 1000.0, 10.0)
        # named, it is one question more; else as many as halves it takes
        for names, most in ((True, 3), (False, 1 + 2 * 5)):
            self.server.names, self.server.fetches = names, []
            gnocchi = self.gnocchi(batch=200)
            found = traffic.read_traffic(
                gnocchi, [*vms, 'broken'], self.settings, NOW
            )
            self.assertEqual(vms, sorted(found))
            self.assertLessEqual(len(self.server.fetches), most, names)
            self.assertEqual(
                {
                    ('broken', f'network.{way}.bytes')
                    for way in ('incoming', 'outgoing')
                },
                {(r.vm, r.metric) for r in gnocchi.refusals},
            )
            self.assertEqual(
                {'Metrics with unknown aggregation'},
                {r.why for r in gnocchi.refusals},
            )

    def test_where_all_are_refused_nothing_is_left_to_ask_for(self):
        self.server.interface('broken', 1.0, 1.0)
        gnocchi = self.gnocchi(batch=200)
        found = traffic.read_traffic(gnocchi, ['broken'], self.settings, NOW)
        self.assertEqual({}, found)
        self.assertEqual([2], self.server.fetches)

    def test_a_gnocchi_that_is_away_is_asked_once(self):
        self.server.interface('vm-1', 1.0, 1.0)
        self.server.interface('vm-2', 1.0, 1.0)
        gone = gnocchi_errors.ClientException(503)
        asked = []

        def fetch(*args, **kw):
            asked.append(args)
            raise gone

        self.server.aggregates.fetch = fetch
        with self.assertRaises(errors.CloudError):
            traffic.read_traffic(
                self.gnocchi(batch=200), ['vm-1', 'vm-2'], self.settings, NOW
            )
        self.assertEqual(1, len(asked))

    def test_more_resources_than_a_page_are_all_found(self):
        for i in range(2500):
            self.server.by_kind['instance'].append(
                {'id': f'{i:05}', 'metrics': {}}
            )
        gnocchi = self.gnocchi(batch=5000)
        ids = [f'{i:05}' for i in range(2500)]
        found = gnocchi.resources('instance', 'id', ids)
        self.assertEqual(ids, [r['id'] for r in found])

    def test_time_is_bounded(self):
        ticks = iter(range(0, 1000, 20))
        gnocchi = self.gnocchi(now=lambda: next(ticks))
        self.server.interface('vm-1', 1000.0, 10.0)
        with self.assertRaisesRegex(errors.CloudError, 'more than 60 s'):
            for _ in range(9):
                traffic.read_traffic(gnocchi, ['vm-1'], self.settings, NOW)


class TestDirty(Base):
    def read(self, memory=4e9):
        return dirty.read_writing(
            self.gnocchi(), {'vm-1': memory}, self.settings, NOW
        ).get('vm-1')

    def spans(self, found):
        """(seconds, bytes) of the newest observation of each span."""
        return {o.seconds: o.dirtied for o in found.observations}

    def test_observations_are_bytes_by_seconds(self):
        self.server.instance('vm-1', dirty_t1=10, dirty_t8=50, resident=900)
        found = self.read()
        self.assertEqual(
            {1.0: units.from_mib(10), 8.0: units.from_mib(50)},
            self.spans(found),
        )
        self.assertEqual(units.from_mib(900), found.resident)
        self.assertEqual(LAST + SPAN, found.observations[-1].at)

    def test_only_the_newest_of_each_span_are_taken(self):
        self.server.instance('vm-1', dirty_t1=10, resident=900)
        found = self.read()
        self.assertLessEqual(len(found.observations), dirty.NEWEST)

    def test_without_dirty_pages_the_vm_is_unknown(self):
        self.server.instance('vm-1', resident=900)
        self.assertIsNone(self.read())
        self.assertEqual([], self.server.fetches)

    def test_without_resident_memory_all_of_it_counts(self):
        self.server.instance('vm-1', dirty_t1=10)
        self.assertEqual(4e9, self.read().resident)

    def test_nothing_exceeds_the_flavor(self):
        self.server.instance('vm-1', dirty_t1=9999, resident=9999)
        found = self.read(memory=1e9)
        self.assertEqual(1e9, found.resident)
        self.assertEqual({1.0: 1e9}, self.spans(found))

    def test_old_measures_are_unknown(self):
        self.settings = Settings(dirty_age=60.0)
        self.server.instance('vm-1', dirty_t1=10, resident=900)
        self.assertIsNone(
            dirty.writing_of(
                {'memory.dirty.t1': [(LAST - 3600, SPAN, 10.0)]},
                4e9,
                self.settings,
                NOW,
            )
        )
