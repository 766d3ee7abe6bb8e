"""Traffic and working sets from the answers of a Gnocchi of this file.

The real gnocchiclient reads the playground in tests/functional.
"""

import dataclasses
import datetime
import threading
import types
import unittest

from gnocchiclient import exceptions as gnocchi_errors

from watcher_tsmig import errors
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.metrics import traffic
from watcher_tsmig.telemetry.metrics.measures import AT_ONCE
from watcher_tsmig.telemetry.metrics.measures import Gnocchi
from watcher_tsmig.telemetry.sources.gnocchi import CUMULATIVE
from watcher_tsmig.telemetry.sources.gnocchi import NO_SPAN
from watcher_tsmig.telemetry.sources.gnocchi import GnocchiSource

NOW = 1_700_000_170.0  # the last span is over, and worked in
SPAN = 300.0
LAST = NOW // SPAN * SPAN - SPAN  # start of the last whole span
BEGAN = 5e9  # what a counter had before
METHODS = ('mean', 'rate:mean')  # that Ceilometer's policies keep


def counted(*rates, start=LAST):
    """Means of a counter in spans that end with `start`'s.

    The first span of a run tells a part of its time, so one more is there.
    """
    value, rows = BEGAN, []
    first = start - SPAN * (len(rates) + 1)
    for i, rate in enumerate((rates[0], *rates, None)):
        rows.append((first + SPAN * i, SPAN, value))
        value += (rate or 0.0) * SPAN
    return rows


def archived(samples, granularity):
    """What Gnocchi keeps of samples, by aggregation method."""
    spans = {}
    before = None
    for at, value in samples:
        begin = at // granularity * granularity
        values, grew = spans.setdefault(begin, ([], []))
        values.append(value)
        if before is not None:
            grew.append(value - before)
        before = value
    made = {
        'mean': lambda values, _: sum(values) / len(values),
        'last': lambda values, _: values[-1],
        'max': lambda values, _: max(values),
        'min': lambda values, _: min(values),
        'count': lambda values, _: len(values),
        'rate:mean': lambda _, grew: sum(grew) / len(grew) if grew else None,
    }
    return {
        how: [
            (begin, granularity, found)
            for begin, (values, grew) in spans.items()
            if (found := make(values, grew)) is not None
        ]
        for how, make in made.items()
    }


def thing(**values):
    return types.SimpleNamespace(**values)


def date(at):
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()


def moment(text):
    at = datetime.datetime.fromisoformat(text)
    return at.replace(tzinfo=datetime.UTC).timestamp()


class SmallGnocchi:
    """gnocchiclient in front of resources and last measures by metric."""

    def __init__(self):
        self.by_kind = {'instance_network_interface': [], 'instance': []}
        # of the method `mean`, or of each that a policy has
        self.rows = {}
        self.searches = []
        self.fetches = []
        # whether it says which metrics it does not give
        self.names = True
        self.error = None
        self.resource = thing(search=self.search)
        self.api = thing(post=self.post)
        self.capabilities = thing(list=self.list)

    def interface(self, vm, tx, rx, *, name='tap0', start=LAST, points=3):
        ids = {}
        for metric, rate in (
            ('network.outgoing.bytes', tx),
            ('network.incoming.bytes', rx),
        ):
            ids[metric] = f'{vm}-{name}-{metric}'
            self.rows[ids[metric]] = counted(*[rate] * points, start=start)
        self.by_kind['instance_network_interface'].append(
            {'id': f'{vm}-{name}', 'instance_id': vm, 'metrics': ids}
        )

    def sampled(self, vm, tx, rx, granularities, methods, *, name='tap0'):
        """An interface whose counters were sampled: (moment, value)."""
        ids = {}
        for way, samples in (('outgoing', tx), ('incoming', rx)):
            metric = f'network.{way}.bytes'
            ids[metric] = f'{vm}-{name}-{metric}'
            rows = {how: [] for how in methods}
            for granularity in granularities:
                kept = archived(samples, granularity)
                for how in methods:
                    rows[how] += kept[how]
            self.rows[ids[metric]] = rows
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

    def _rows(self, metric, how):
        rows = self.rows[metric]
        return rows.get(how) if isinstance(rows, dict) else rows

    def _kept(self, metric, how, granularity, start):
        """Rows on the wire; None if the policy has no such thing."""
        rows = self._rows(metric, how)
        if metric.startswith('broken') or rows is None:
            return None
        if granularity and granularity not in {span for _, span, _ in rows}:
            return None
        return [
            [date(at), span, value]
            for at, span, value in rows
            if not granularity or span == granularity
            # as Gnocchi does: the span that the start is in, too
            if at + span > moment(start)
        ]

    def _spans(self, metric):
        """The granularities of its policy."""
        rows = self.rows[metric]
        kept = rows.values() if isinstance(rows, dict) else [rows]
        return {span for some in kept for _, span, _ in some}

    def post(self, url, params, json, headers):
        # else a real Gnocchi refuses with a page for people
        assert headers['Accept'] == 'application/json'
        start, granularity = params['start'], params['granularity']
        operations = json['operations']
        self.fetches.append(len(operations) - 1)
        found = {
            metric: {how: self._kept(metric, how, granularity, start)}
            for metric, how in operations[1:]
        }
        if not granularity and not set.intersection(
            *(self._spans(metric) for metric in found)
        ):
            # as Gnocchi does: of all of them, which by themselves are given
            raise gnocchi_errors.BadRequest(
                400,
                {
                    'cause': 'Metrics cannot be aggregated',
                    'reason': 'No granularity match',
                    'detail': [[metric, 'mean'] for metric in found],
                },
            )
        broken = [m for m, kept in found.items() if None in kept.values()]
        if broken:
            raise gnocchi_errors.BadRequest(
                400,
                {
                    'cause': 'Metrics with unknown aggregation',
                    'detail': broken if self.names else [],
                },
            )
        return thing(json=lambda: {'measures': found})


class Base(unittest.TestCase):
    def setUp(self):
        self.server = SmallGnocchi()
        self.settings = Settings(batch=2)

    def source(self, **given):
        settings = dataclasses.replace(self.settings, **given)
        return GnocchiSource(self.server, settings)

    def gnocchi(self, **values):
        given = {'total_time': 60.0, 'batch': 2, **values}
        return Gnocchi(self.server, **given)


class TestTraffic(Base):
    def of(self, source, *vms):
        told = source.traffic(vms, NOW)
        return traffic.by_vm(told, self.settings, NOW, source.name)

    def read(self, *vms):
        return self.of(self.source(), *vms)

    def test_rates_are_per_second_and_summed_over_the_interfaces(self):
        self.server.interface('vm-1', 1000.0, 10.0, name='tap0')
        self.server.interface('vm-1', 500.0, 5.0, name='tap1')
        found = self.read('vm-1')['vm-1']
        self.assertEqual((1500.0, 15.0), (found.tx, found.rx))
        self.assertEqual(LAST + SPAN / 2, found.measured_at)
        self.assertEqual('gnocchi', found.source)

    def test_a_vm_that_nobody_measures_is_unknown(self):
        self.assertEqual({}, self.read('vm-1'))

    def test_an_interface_type_that_does_not_exist_is_unknown(self):
        self.settings = Settings(interface_type='no_such')
        self.assertEqual({}, self.read('vm-1'))

    def test_an_interface_that_lacks_a_direction_is_left_out(self):
        self.server.interface('vm-1', 1000.0, 10.0)
        self.server.interface('vm-1', 500.0, 5.0, name='tap1')
        resource = self.server.by_kind['instance_network_interface'][1]
        del resource['metrics']['network.incoming.bytes']
        self.assertEqual(1000.0, self.read('vm-1')['vm-1'].tx)

    def test_the_interface_of_an_earlier_host_is_left_out(self):
        self.server.interface('vm-1', 1000.0, 10.0, name='new')
        self.server.interface(
            'vm-1', 9999.0, 99.0, name='old', start=LAST - 7200
        )
        self.assertEqual(1000.0, self.read('vm-1')['vm-1'].tx)

    def test_old_measures_are_unknown(self):
        self.server.interface('vm-1', 1000.0, 10.0, start=LAST - 7200)
        self.assertEqual({}, self.read('vm-1'))

    def test_a_span_that_is_not_over_says_nothing(self):
        self.server.interface('vm-1', 1000.0, 10.0, start=LAST + SPAN)
        found = self.read('vm-1')['vm-1']
        self.assertEqual(LAST + SPAN / 2, found.measured_at)

    def test_many_vms_are_asked_for_in_few_questions(self):
        for i in range(5):
            self.server.interface(f'vm-{i}', 1.0, 1.0)
        source = self.source(batch=200)
        found = self.of(source, *(f'vm-{i}' for i in range(5)))
        self.assertEqual(5, len(found))
        self.assertEqual(2, source.questions)
        self.assertEqual([10], self.server.fetches)

    def test_batches_are_asked_side_by_side_a_few_at_once(self):
        vms = [f'vm-{i}' for i in range(12)]
        for vm in vms:
            self.server.interface(vm, 1.0, 1.0)
        # as many as may be wait for each other, and nobody is left over
        gate = threading.Barrier(AT_ONCE, timeout=10)
        under_way, most = [], []
        fetch = self.server.api.post

        def slow(*args, **given):
            under_way.append(1)
            most.append(len(under_way))
            gate.wait()
            under_way.pop()
            return fetch(*args, **given)

        self.server.api.post = slow
        found = self.of(self.source(batch=2), *vms)
        self.assertEqual(sorted(vms), sorted(found))
        self.assertEqual(4, max(most))

    def test_what_is_refused_costs_few_questions_and_hides_nothing(self):
        vms = [f'vm-{i}' for i in range(7)]
        for vm in (*vms, 'broken'):
            self.server.interface(vm, 1000.0, 10.0)
        # Named, it is one question more; else as many as halves it takes.
        # Then each other method of the two is asked for, and a rate.
        others = len(CUMULATIVE) + 2
        for names, most in ((True, 2 + others), (False, 11 + 3 * others)):
            self.server.names, self.server.fetches = names, []
            source = self.source(batch=200)
            found = self.of(source, *vms, 'broken')
            self.assertEqual(vms, sorted(found))
            self.assertLessEqual(len(self.server.fetches), most, names)
            self.assertEqual(
                [
                    ('broken', f'network.{way}.bytes')
                    for way in ('incoming', 'outgoing')
                ],
                sorted((r.vm, r.metric) for r in source.refusals),
            )
            self.assertEqual(
                {'Metrics with unknown aggregation'},
                {r.why for r in source.refusals},
            )

    def test_a_gnocchi_that_is_away_is_asked_once(self):
        self.server.interface('vm-1', 1.0, 1.0)
        self.server.interface('vm-2', 1.0, 1.0)
        gone = gnocchi_errors.ClientException(503)
        asked = []

        def fetch(*args, **kw):
            asked.append(args)
            raise gone

        self.server.api.post = fetch
        with self.assertRaises(errors.CloudError):
            self.of(self.source(batch=200), 'vm-1', 'vm-2')
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
        source = GnocchiSource(
            self.server, self.settings, clock=lambda: next(ticks)
        )
        self.server.interface('vm-1', 1000.0, 10.0)
        with self.assertRaisesRegex(errors.CloudError, 'more than 60 s'):
            for _ in range(9):
                self.of(source, 'vm-1')


def line(every, tx=1e6, *, back=7200.0, resets=(), phase=7.0):
    """Samples of a counter that grows by `tx` a second.

    :param resets: moments at which it starts again at zero
    """
    began = NOW - back
    first = began // every * every + phase % every
    moments = [first + i * every for i in range(int(back / every))]
    return [
        (
            at,
            (BEGAN if at < min(resets, default=NOW) else 0.0)
            + tx * (at - max([r for r in resets if r <= at], default=began)),
        )
        for at in moments
        if at <= NOW
    ]


LOW, HIGH = (300.0,), (1.0, 60.0, 3600.0)  # Ceilometer's archive policies


class TestSampled(Base):
    """However often a counter is sampled, and whatever is kept of it."""

    def read(self, samples, granularities, methods=METHODS):
        self.server = SmallGnocchi()
        half = [(at, value / 2) for at, value in samples]
        self.server.sampled('vm-1', samples, half, granularities, methods)
        self.last = self.source()
        told = self.last.traffic(['vm-1'], NOW)
        found = traffic.by_vm(told, self.settings, NOW, 'gnocchi')
        return found.get('vm-1')

    def near(self, found, tx=1e6):
        self.assertIsNotNone(found)
        self.assertLess(abs(found.tx / tx - 1), 0.03)
        self.assertLess(abs(found.rx / (tx / 2) - 1), 0.03)

    def test_traffic_is_what_was_sent(self):
        for every in (10.0, 30.0, 60.0, 100.0, 300.0, 600.0, 900.0):
            for kept in (LOW, HIGH, (300.0, 3600.0), (60.0,)):
                for methods in (METHODS, ('mean',)):
                    with self.subTest(every=every, kept=kept, how=methods):
                        self.near(self.read(line(every), kept, methods))

    def test_any_method_that_keeps_the_counter_will_do(self):
        for how in ('last', 'max', 'min'):
            for every in (10.0, 60.0, 300.0):
                with self.subTest(how=how, every=every):
                    self.near(self.read(line(every), LOW, (how,)))

    def test_growth_per_sample_is_read_with_the_number_of_samples(self):
        for every in (10.0, 30.0, 300.0, 600.0):
            with self.subTest(every=every):
                found = self.read(line(every), LOW, ('rate:mean', 'count'))
                self.near(found)

    def test_growth_per_sample_alone_tells_of_sparse_samples_only(self):
        self.near(self.read(line(600.0), LOW, ('rate:mean',)))
        self.assertEqual([], self.last.refusals)
        self.assertIsNone(self.read(line(30.0), LOW, ('rate:mean',)))
        self.assertEqual(
            {('vm-1', NO_SPAN)}, {(r.vm, r.why) for r in self.last.refusals}
        )

    def test_a_counter_that_starts_anew_is_cut_there(self):
        for ago in (1000.0, 3600.0, 3650.0, 3800.0):
            for every in (10.0, 60.0, 300.0):
                for kept in (LOW, HIGH):
                    samples = line(every, resets=(NOW - ago,))
                    with self.subTest(ago=ago, every=every, kept=kept):
                        self.near(self.read(samples, kept))

    def test_a_counter_as_young_as_its_vm_is_read_alike(self):
        for back in (1500.0, 2000.0, 3333.0):
            with self.subTest(back=back):
                self.near(self.read(line(30.0, back=back), LOW))

    def test_policies_of_all_kinds_are_read_beside_each_other(self):
        kinds = (
            (HIGH, METHODS),
            (LOW, METHODS),
            ((60.0,), METHODS),
            (HIGH, ('last',)),
            (LOW, ('max',)),
            (LOW, ('rate:mean', 'count')),
        )
        for i, (kept, how) in enumerate(kinds):
            tx = line(30.0)
            half = [(at, value / 2) for at, value in tx]
            self.server.sampled(f'vm-{i}', tx, half, kept, how)
        source = self.source(batch=200)
        told = source.traffic([f'vm-{i}' for i in range(len(kinds))], NOW)
        found = traffic.by_vm(told, self.settings, NOW, 'gnocchi')
        self.assertEqual(len(kinds), len(found))
        for one in found.values():
            self.near(one)
        self.assertEqual([], source.refusals)

    def test_an_idle_vm_is_idle_and_not_unknown(self):
        found = self.read(line(60.0, tx=0.0), LOW)
        self.assertEqual((0.0, 0.0), (found.tx, found.rx))
