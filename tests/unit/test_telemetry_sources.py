"""Prometheus and Aetos as sources, and how one is chosen.

A real Prometheus is read in tools/telemetry-it.sh.
"""

import json
import re
import sys
import unittest
from unittest import mock
from urllib import parse

import requests_mock
from keystoneauth1 import noauth
from keystoneauth1 import session

from tests.unit.test_telemetry_gnocchi import NOW
from tests.unit.test_telemetry_gnocchi import line
from watcher_tsmig import errors
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.metrics import dirty
from watcher_tsmig.telemetry.metrics import traffic
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import open_source

URL = 'http://prometheus.test:9090'
ONE = '11111111-2222-3333-4444-555555555555'
TWO = '11111111-2222-3333-4444-666666666666'
QUERY = re.compile(
    r'\{__name__=~"(?P<metrics>[^"]*)",(?P<label>\w+)=~"(?P<of>[^"]*)"\}'
    r'(\[(?P<back>\d+)s(:(?P<step>\d+)s)?\])?'
)


def scraped(samples, every=15.0, ends=NOW):
    """What a scrape sees of a gauge that is set from time to time."""
    seen, at = [], samples[0][0] // every * every + every
    while at <= ends:
        seen.append((at, [v for t, v in samples if t <= at][-1]))
        at += every
    return seen


class SmallPrometheus:
    """Prometheus's instant query for the selectors that are asked for."""

    def __init__(self, test):
        self.series = []
        self.queries = []
        self.answer = None
        wire = requests_mock.Mocker()
        wire.start()
        test.addCleanup(wire.stop)
        wire.get(f'{URL}/api/v1/query', text=self.query)

    def interface(self, vm, tx, rx, name='tap0', host='a', **given):
        for metric, samples in (
            ('ceilometer_network_outgoing_bytes', tx),
            ('ceilometer_network_incoming_bytes', rx),
        ):
            resource = f'instance-00000001-{vm}-{name}'
            self.gauge(metric, resource, scraped(samples, **given), host)

    def gauge(self, metric, resource, samples, host='a'):
        labels = {'__name__': metric, 'resource': resource, 'instance': host}
        self.series.append((labels, samples))

    def query(self, request, context):
        # not `request.qs`, which is in lower case
        asked = parse.parse_qs(parse.urlsplit(request.url).query)
        (query,), (at,) = asked['query'], asked['time']
        self.queries.append(query)
        if self.answer:
            context.status_code, text = self.answer
            return text
        if query == 'vector(1)':
            rows = [{'metric': {}, 'value': [float(at), '1']}]
            return self._told('vector', rows)
        found = QUERY.fullmatch(query)
        since = float(at) - float(found['back'] or 300)
        step = float(found['step'] or 0)
        rows = []
        for labels, samples in self.series:
            of = labels['__name__'], labels[found['label']]
            if not all(map(re.fullmatch, found.group('metrics', 'of'), of)):
                continue
            if step:
                samples = self._steps(samples, step, float(at))
            values = [
                [t, str(v)] for t, v in samples if since <= t <= float(at)
            ]
            if not values:
                continue
            if found['back']:
                rows.append({'metric': labels, 'values': values})
            else:
                value = [float(at), values[-1][1]]
                rows.append({'metric': labels, 'value': value})
        return self._told('matrix' if found['back'] else 'vector', rows)

    @staticmethod
    def _steps(samples, step, at):
        moments = [at // step * step - i * step for i in range(2000)]
        return [
            (moment, seen[-1][1])
            for moment in reversed(moments)
            # a sample is seen for five minutes
            if (seen := [s for s in samples if 0 <= moment - s[0] < 300])
        ]

    @staticmethod
    def _told(kind, rows):
        data = {'resultType': kind, 'result': rows}
        return json.dumps({'status': 'success', 'data': data})


class Prom(unittest.TestCase):
    def setUp(self):
        self.server = SmallPrometheus(self)
        self.settings = Settings()

    def source(self, name='prometheus', **reach):
        return open_source(
            name, Reach(place=URL, timeout=5.0, **reach), self.settings
        )

    def read(self, *vms):
        self.last = self.source()
        told = self.last.traffic(vms, NOW)
        return traffic.by_vm(told, self.settings, NOW, self.last.name)


class TestTraffic(Prom):
    def near(self, found, tx=1e6):
        self.assertLess(abs(found.tx / tx - 1), 0.03)
        self.assertLess(abs(found.rx / (tx / 2) - 1), 0.03)

    def test_traffic_is_what_was_sent_however_often_it_is_looked_at(self):
        for every in (10.0, 30.0, 60.0, 120.0, 300.0):
            for scrape in (5.0, 15.0, 30.0, 60.0):
                with self.subTest(every=every, scrape=scrape):
                    self.server.series = []
                    self.server.interface(
                        ONE, line(every), line(every, 5e5), every=scrape
                    )
                    found = self.read(ONE)[ONE]
                    self.near(found)
                    self.assertEqual('prometheus', found.source)
                    self.assertLess(NOW - found.measured_at, 800)

    def test_interfaces_are_summed_and_vms_told_apart(self):
        for name in ('tap0', 'tap1'):
            self.server.interface(ONE, line(60.0), line(60.0, 5e5), name)
        self.server.interface(TWO, line(60.0, 3e6), line(60.0, 15e5))
        found = self.read(ONE, TWO)
        self.near(found[ONE], 2e6)
        self.near(found[TWO], 3e6)
        # one for what is foretold from, one for the day before
        self.assertEqual(2, self.last.questions)

    def test_of_several_hosts_the_one_that_moved_last_counts(self):
        moved = NOW - 3600
        before = [s for s in line(60.0, 9e6) if s[0] < moved]
        after = line(60.0, back=3600.0)
        # who stopped polling may be seen as he was for ever
        self.server.interface(ONE, before, before, host='a')
        self.server.interface(
            ONE, after, [(t, v / 2) for t, v in after], host='b'
        )
        self.near(self.read(ONE)[ONE])

    def test_a_counter_that_starts_anew_is_cut_there(self):
        tx = line(60.0, resets=(NOW - 700,))
        self.server.interface(ONE, tx, [(t, v / 2) for t, v in tx])
        self.near(self.read(ONE)[ONE])

    def test_an_idle_vm_is_idle_and_not_unknown(self):
        self.server.interface(ONE, line(60.0, 0.0), line(60.0, 0.0))
        found = self.read(ONE)[ONE]
        self.assertEqual((0.0, 0.0), (found.tx, found.rx))

    def test_who_stopped_sending_is_idle_from_then_on(self):
        quiet = NOW - 1000
        tx = [(t, v) for t, v in line(60.0) if t < quiet]
        tx += [(t, tx[-1][1]) for t, _ in line(60.0) if t >= quiet]
        self.server.interface(ONE, tx, tx)
        (interface,) = self.source().traffic([ONE], NOW)[ONE]
        self.assertEqual(0.0, interface.tx[-1][2])
        self.assertGreater(interface.tx[0][2], 8e5)

    def test_who_is_not_measured_any_more_is_unknown(self):
        old = [s for s in line(60.0) if s[0] < NOW - 2400]
        self.server.interface(ONE, old, old, ends=NOW - 2400)
        self.assertEqual({}, self.read(ONE, TWO))

    def test_many_vms_are_asked_for_in_batches_that_a_url_holds(self):
        vms = [f'{i:08}-2222-3333-4444-555555555555' for i in range(250)]
        self.read(*vms)
        self.assertEqual(6, self.last.questions)
        self.assertLess(max(map(len, self.server.queries)), 6000)

    def test_of_the_day_before_only_looks_far_apart_are_asked_for(self):
        long = line(300.0, back=81000.0)
        self.server.interface(ONE, long, long, every=60.0)
        (near, far) = self.queries_of(ONE)
        self.assertTrue(near.endswith('[22200s]'), near)
        self.assertTrue(far.endswith('[86400s:150s]'), far)
        (interface,) = self.last.traffic([ONE], NOW)[ONE]
        begins = [at for at, _, _ in interface.tx]
        self.assertEqual(sorted(set(begins)), begins)
        self.assertLess(250, len(begins))
        for _, _, rate in interface.tx:
            self.assertAlmostEqual(1e6, rate, delta=1e5)

    def test_a_burst_of_the_day_before_is_seen(self):
        burst = NOW - 50000
        tx = [
            (at, value + 3e9 * (at >= burst))
            for at, value in line(300.0, back=81000.0)
        ]
        rx = line(300.0, 5e5, back=81000.0)
        self.server.interface(ONE, tx, rx, every=60.0)
        found = self.read(ONE)[ONE]
        self.near(found)
        self.assertGreater(found.tx_spread.watched, 70000)
        self.assertLess(found.rx_spread.bursts, found.tx_spread.bursts)

    def test_a_large_cloud_or_who_wants_none_asks_nothing_of_the_day(self):
        self.settings = Settings(burst_window=0.0)
        self.assertEqual(1, len(self.queries_of(ONE)))

    def queries_of(self, *vms):
        self.server.queries.clear()
        self.read(*vms)
        return self.server.queries

    def test_an_id_that_would_change_the_query_is_not_asked_for(self):
        self.read('x"} or vector(1) #')
        self.assertEqual([], self.server.queries)

    def test_names_are_what_the_options_say(self):
        self.settings = Settings(
            tx_metric='net.out-bytes',
            prometheus_metric='my_{metric}_total',
            prometheus_label='vm',
        )
        self.read(ONE)
        self.assertIn('"my_net_out_bytes_total|', self.server.queries[0])
        self.assertIn(',vm=~"', self.server.queries[0])
        for wrong in (
            {'prometheus_metric': 'none'},
            {'prometheus_metric': '{metric}"'},
            {'prometheus_label': 'a}b'},
        ):
            with self.assertRaises(errors.InputError):
                Settings(**wrong)


class TestLoads(Prom):
    def setUp(self):
        super().setUp()
        self.settings = Settings(history=3600.0)

    def test_cpu_time_becomes_busy_cpus(self):
        samples = scraped(line(60.0, 0.5e9))
        self.server.gauge('ceilometer_cpu', ONE, samples)
        found = self.source().cpu([ONE], NOW)[ONE]
        self.assertGreaterEqual(len(found), 10)
        for _, span, busy in found:
            self.assertEqual(300.0, span)
            self.assertLess(abs(busy - 0.5), 0.05)

    def test_without_a_history_nobody_asks(self):
        self.settings = Settings()
        self.assertEqual({}, self.source().cpu([ONE], NOW))
        self.assertEqual([], self.server.queries)


class TestWriting(Prom):
    def test_gauges_are_told_when_they_changed(self):
        sets = [(NOW - 20000 + 3600 * i, 10.0 + i) for i in range(6)]
        self.server.gauge('ceilometer_memory_dirty_t8', ONE, scraped(sets))
        self.server.gauge(
            'ceilometer_memory_resident', ONE, scraped([(NOW - 900, 100.0)])
        )
        found = dirty.read_writing(
            self.source(), {ONE: 4e9, TWO: 4e9}, self.settings, NOW
        )
        self.assertEqual([ONE], list(found))
        self.assertEqual(
            [10.0 + i for i in range(6)],
            [o.dirtied / 2**20 for o in found[ONE].observations],
        )
        self.assertEqual({8.0}, {o.seconds for o in found[ONE].observations})
        self.assertEqual(100.0 * 2**20, found[ONE].resident)


class TestTrouble(Prom):
    def test_whatever_comes_is_the_clouds_fault_and_says_whose(self):
        for answer in (
            (500, 'oops'),
            (403, '{}'),
            (200, 'x' * 100),
            (200, '{"status": "success"'),
            (200, '[]'),
            (200, '{"status": "error", "error": "too many samples"}'),
            (200, '{"status": "success", "data": {"resultType": "matrix"}}'),
            (
                200,
                '{"status": "success", "data": {"resultType": "matrix", '
                '"result": [{"metric": {}, "values": [[1]]}]}}',
            ),
        ):
            with self.subTest(answer):
                self.server.answer = answer
                with self.assertRaisesRegex(errors.CloudError, 'prometheus'):
                    self.source().traffic([ONE], NOW)
                with self.assertRaisesRegex(errors.CloudError, 'prometheus'):
                    self.source().probe()

    def test_what_is_no_number_is_not_there(self):
        self.server.interface(ONE, line(60.0), line(60.0))
        for _, samples in self.server.series:
            samples[-5:] = [(t, 'NaN') for t, _ in samples[-5:]]
        self.assertIn(ONE, self.read(ONE))

    def test_time_is_bounded(self):
        self.settings = Settings(total_time=1e-9)
        with self.assertRaisesRegex(errors.CloudError, 'took more than'):
            self.source().traffic([ONE], NOW)

    def test_a_live_one_answers_the_probe(self):
        self.source().probe()


class TestAetos(Prom):
    def test_it_is_found_in_the_catalogue_and_asked_alike(self):
        # whatever is in the catalogue, this plugin finds it at one place
        aetos = session.Session(auth=noauth.NoAuth(endpoint=URL))
        self.server.interface(ONE, line(60.0), line(60.0))
        source = self.source(
            'aetos',
            session=aetos,
            catalogue={'aetos': {'interface': 'public', 'region_name': None}},
        )
        self.assertEqual([ONE], list(source.traffic([ONE], NOW)))
        self.assertEqual('aetos', source.name)


class TestChoice(unittest.TestCase):
    def test_a_source_that_is_not_there_names_those_that_are(self):
        with self.assertRaises(errors.InputError) as raised:
            open_source('tea-leaves', Reach(), Settings())
        for name in ('gnocchi', 'prometheus', 'aetos', 'file', 'none'):
            self.assertIn(name, str(raised.exception))
        self.assertEqual('metrics_source', raised.exception.place)

    def test_what_is_in_no_catalogue_needs_a_place(self):
        for name in ('prometheus', 'file'):
            with self.assertRaises(errors.InputError) as raised:
                open_source(name, Reach(), Settings())
            self.assertEqual('metrics_place', raised.exception.place)

    def test_gnocchi_is_that_of_the_catalogue(self):
        there = session.Session(auth=noauth.NoAuth(endpoint=URL))
        source = open_source('gnocchi', Reach(session=there), Settings())
        self.assertEqual('gnocchi', source.name)

    def test_a_source_that_cannot_be_loaded_says_why(self):
        module = 'watcher_tsmig.telemetry.sources.file'
        with mock.patch.dict(sys.modules, {module: None}):
            with self.assertRaises(errors.InputError) as raised:
                open_source('file', Reach(place='/x'), Settings())
        text = str(raised.exception)
        self.assertTrue(
            text.startswith('metrics_source: file cannot be loaded: '), text
        )
        self.assertIn(module, text)

    def test_those_that_are_there_are_told_in_order(self):
        with self.assertRaises(errors.InputError) as raised:
            open_source('tea-leaves', Reach(), Settings())
        self.assertEqual(
            'there is no "tea-leaves"; take one of aetos, file, gnocchi, '
            'none, prometheus',
            raised.exception.message,
        )

    def test_a_reach_that_is_not_told_of_is_careful(self):
        reach = Reach()
        self.assertIs(True, reach.verify)
        self.assertEqual(60.0, reach.timeout)
        self.assertEqual(
            (None, {}, '', None, None),
            (reach.session, reach.catalogue, reach.place, reach.account,
             reach.cert),
        )  # fmt: skip

    def test_a_password_is_not_shown(self):
        self.assertNotIn('secret', repr(Reach(account=('me', 'secret'))))

    def test_a_password_is_sent_where_it_belongs(self):
        with requests_mock.Mocker() as wire:
            told = {'status': 'success'}
            told['data'] = {'resultType': 'vector', 'result': []}
            wire.get(f'{URL}/api/v1/query', json=told)
            reach = Reach(place=URL, account=('me', 'secret'))
            open_source('prometheus', reach, Settings()).probe()
            sent = wire.last_request.headers['Authorization']
        self.assertTrue(sent.startswith('Basic '))
