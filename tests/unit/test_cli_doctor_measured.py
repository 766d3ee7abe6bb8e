"""Checks of what is measured, and what they make of counters."""

import testtools

from tests.unit import builders
from tests.unit.test_cli_doctor import NOW
from tests.unit.test_cli_doctor import RX
from tests.unit.test_cli_doctor import TX
from tests.unit.test_cli_doctor import counter
from tests.unit.test_cli_doctor import direct
from tests.unit.test_cli_doctor import metering
from tests.unit.test_cli_doctor import series
from tests.unit.test_cli_doctor import told
from watcher_tsmig.cli.checks_measured import growth
from watcher_tsmig.cli.checks_measured import polled
from watcher_tsmig.telemetry.direct import SERVICES
from watcher_tsmig.telemetry.metrics.metering import seconds
from watcher_tsmig.telemetry.metrics.metering import spread

LATER = NOW + 3600.0


class TestMeasured(testtools.TestCase):
    def test_vms_whose_traffic_or_writing_is_unknown_are_named(self):
        read = builders.cloud(
            'a b',
            builders.vm('one', 'a', state='active', traffic=None),
            builders.vm('two', 'b', state='active'),
            builders.vm(
                'off', 'b', state='stopped', active=False, traffic=None
            ),
        )
        found = direct(read, writes=('id-one',))
        severities, text = told('traffic', direct=found, source='aetos')
        self.assertEqual(['warning'], severities)
        self.assertIn('1 of 2 VMs is unknown to aetos: one', text)
        severities, text = told('writing', direct=found)
        self.assertEqual(['warning'], severities)
        self.assertIn('what 1 of 2 VMs write is measured by nobody: two', text)

    def test_what_is_not_asked_of_gnocchi_is_told_as_that(self):
        given = {'source': 'prometheus', 'metering': None}
        for check in ('metrics', 'policies', 'freshness', 'interval', 'scale'):
            self.assertEqual(['not-asked'], told(check, **given)[0])
        self.assertEqual(['ok'], told('traffic', **given)[0])
        endpoints = {s: 'http://cloud' for s in SERVICES if s != 'metric'}
        severities, _ = told('services', endpoints=endpoints, **given)
        self.assertEqual(1, severities.count('not-asked'))
        self.assertEqual(6, severities.count('ok'))
        self.assertEqual(['warning'], told('traffic', source='none')[0])

    def test_vms_without_metrics_are_counted_and_named(self):
        one = frozenset(('id-one',))
        few = metering(having={TX: one, RX: one})
        severities, text = told('metrics', metering=few)
        self.assertEqual(['warning'], severities)
        self.assertIn('1 of 2 VMs have no', text)
        self.assertIn(': two ->', text)

    def test_a_gnocchi_that_fails_is_told_once(self):
        failed = metering(why='Gnocchi: 500')
        self.assertEqual(['error'], told('metrics', metering=failed)[0])
        for check in ('policies', 'freshness', 'interval', 'scale'):
            self.assertEqual(['not-asked'], told(check, metering=failed)[0])

    def test_policies_are_judged_by_what_they_keep(self):
        for change, severity in (
            ({}, 'ok'),
            ({'methods': ('std',), 'aggregation': ''}, 'error'),
            ({'granularities': (3600.0, 86400.0)}, 'error'),
            ({'aggregation': 'rate:mean'}, 'error'),
            (
                {
                    'aggregation': 'rate:mean',
                    'methods': ('rate:mean', 'count'),
                },
                'ok',
            ),
        ):
            found = metering(series(**change))
            self.assertEqual([severity], told('policies', metering=found)[0])

    def test_old_measures_and_those_of_the_future_are_told(self):
        late = series('two', measures=counter(1e6, start=NOW - 7000.0))
        severities, text = told('freshness', metering=metering(series(), late))
        self.assertEqual(['warning'], severities)
        self.assertIn('of 1 of 2 VMs nothing was measured for 30 min', text)
        none = series('two', measures=())
        severities, _ = told('freshness', metering=metering(series(), none))
        self.assertEqual(['warning'], severities)
        under_way = series('two', measures=counter(1e6, start=NOW - 2760.0))
        severities, _ = told('freshness', metering=metering(under_way))
        self.assertEqual(['ok'], severities)
        ahead = series('two', measures=counter(1e6, start=NOW + 600.0))
        severities, text = told(
            'freshness', metering=metering(series(), ahead)
        )
        self.assertEqual(['error'], severities)
        self.assertIn('two are up to 55 min in the future', text)

    def test_how_often_vms_are_polled_is_found_in_the_data(self):
        self.assertEqual(300.0, polled(series()))
        counts = tuple((start, 300.0, 5.0) for start, _, _ in counter(0.0))
        self.assertEqual(60.0, polled(series(counts=counts)))
        # nothing in every other granule: one sample in two of them
        sparse = tuple((s, 300.0, 1.0) for s, _, _ in counter(0.0)[::2])
        self.assertEqual(
            600.0, polled(series(counts=sparse, measures=counter(0.0)[::2]))
        )
        self.assertEqual(600.0, polled(series(measures=counter(0.0)[::2])))
        self.assertIsNone(polled(series(measures=counter(0.0, points=2))))

    def test_an_interval_that_is_too_long_or_differs_is_told(self):
        slow = series(measures=counter(1.0, span=1000.0))
        severities, text = told('interval', metering=metering(slow))
        self.assertEqual(['warning'], severities)
        self.assertIn('every 16 min 40 s', text)
        mixed = metering(
            series(),
            series(),
            series('two', measures=counter(1.0, span=700.0)),
        )
        severities, text = told('interval', metering=mixed)
        self.assertEqual(['warning'], severities)
        self.assertIn('some only every 11 min 40 s', text)

    def test_a_counter_faster_than_its_nic_is_no_counter_of_bytes(self):
        nic = builders.GIGABIT
        severities, text = told(
            'scale', metering=metering(series(rate=1.2 * nic), series('two'))
        )
        self.assertEqual(['ok'], severities)
        severities, text = told(
            'scale', metering=metering(series(rate=1.3 * nic), series('two'))
        )
        self.assertEqual(['error'], severities)
        self.assertIn('counters of one grow faster', text)

    def test_a_cloud_in_which_no_counter_grows_is_told(self):
        still = metering(series(rate=0.0), series('two', rate=0.0))
        self.assertEqual(['warning'], told('scale', metering=still)[0])
        half = metering(series(rate=0.0), series('two'))
        self.assertEqual(['ok'], told('scale', metering=half)[0])

    def test_a_counter_that_starts_again_did_not_grow_then(self):
        fell = (*counter(1e6), (NOW, 300.0, 10.0))
        self.assertEqual({1e6}, set(growth(series(measures=fell), LATER)))

    def test_growth_that_is_stored_is_set_against_the_interval(self):
        grown = tuple((s, 300.0, 3e8) for s, _, _ in counter(0.0))
        counts = tuple((s, 300.0, 5.0) for s, _, _ in counter(0.0))
        one = series(aggregation='rate:mean', measures=grown, counts=counts)
        self.assertEqual({5e6}, set(growth(one, LATER)))
        blind = series(aggregation='rate:mean', measures=grown)
        self.assertEqual([], growth(blind, LATER))


class TestMetering(testtools.TestCase):
    def test_timespans_of_gnocchi_are_seconds(self):
        for text, span in (
            ('0:05:00', 300.0),
            ('1:00:00', 3600.0),
            ('1 day, 0:00:00', 86400.0),
            ('30 days, 0:00:10', 30 * 86400.0 + 10),
            (60.0, 60.0),
        ):
            self.assertEqual(span, seconds(text))
        self.assertRaises(ValueError, seconds, 'soon')

    def test_some_of_many_come_from_all_along(self):
        self.assertEqual((0, 3, 6), spread(range(10), 3))
        self.assertEqual((0, 1), spread(range(2), 3))
        self.assertEqual((), spread([], 3))
