"""What a Prometheus is asked, as whom, and what its answers mean."""

import json
import unittest
from urllib import parse

import requests_mock
from keystoneauth1 import adapter
from keystoneauth1 import noauth
from keystoneauth1 import session

from watcher_tsmig import errors
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.sources import Interface
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import promql

URL = 'http://prometheus.test:9090'
ONE = '11111111-2222-3333-4444-555555555555'
NOW, SPAN = 1_700_000_100.0, 300.0
TX, RX = (
    'ceilometer_network_outgoing_bytes',
    'ceilometer_network_incoming_bytes',
)
EMPTY = {'status': 'success', 'data': {'resultType': 'vector', 'result': []}}


def matrix(*rows):
    """An answer with these series: (labels, samples)."""
    result = [
        {'metric': labels, 'values': [[at, str(x)] for at, x in samples]}
        for labels, samples in rows
    ]
    data = {'resultType': 'matrix', 'result': result}
    return {'status': 'success', 'data': data}


def labels(metric=TX, resource=f'instance-1-{ONE}-tap0', **more):
    return {'__name__': metric, 'resource': resource, **more}


def growing(rate, *, ends=NOW, many=30, every=60.0, begins=1e9):
    """Samples of a counter that grows so many bytes a second."""
    first = ends - every * (many - 1)
    return [
        (first + every * i, begins + rate * every * i) for i in range(many)
    ]


class Case(unittest.TestCase):
    def setUp(self):
        self.wire = self.enterContext(requests_mock.Mocker())
        self.answers = []
        self.queries = []
        self.wire.get(f'{URL}/api/v1/query', text=self.answer)

    def answer(self, request, context):
        asked = parse.parse_qs(parse.urlsplit(request.url).query)
        self.queries.append(asked['query'][0])
        told = self.answers.pop(0) if self.answers else EMPTY
        if isinstance(told, int):
            context.status_code, told = told, {}
        return json.dumps(told)

    def source(self, *answers, clock=None, **settings):
        self.answers = list(answers)
        self.queries.clear()
        there = session.Session(auth=noauth.NoAuth(endpoint=URL))
        client = adapter.Adapter(there, endpoint_override=URL)
        return promql.PromSource(
            'prometheus',
            client,
            Settings(**settings),
            **({'clock': clock} if clock else {}),
        )


class TestReach(Case):
    def probe(self, **reach):
        promql.of_prometheus(Reach(place=URL, **reach), Settings()).probe()
        return self.wire.last_request

    def test_it_is_asked_as_it_is_to_be_reached(self):
        for verify in (False, '/etc/ssl/ca.pem'):
            sent = self.probe(verify=verify, timeout=7.0, cert=('c', 'k'))
            self.assertEqual(
                (verify, 7.0, ('c', 'k')),
                (sent.verify, sent.timeout, sent.cert),
            )

    def test_without_an_account_nobody_is_named(self):
        self.assertNotIn('Authorization', self.probe().headers)
        sent = self.probe(account=('me', 'secret'))
        # me:secret
        self.assertEqual('Basic bWU6c2VjcmV0', sent.headers['Authorization'])

    def test_json_is_asked_for(self):
        self.assertEqual('application/json', self.probe().headers['Accept'])

    def test_a_place_is_needed(self):
        with self.assertRaises(errors.InputError) as raised:
            promql.of_prometheus(Reach(), Settings())
        self.assertEqual(
            'metrics_place: is not set, and neither is '
            '[prometheus_client]host',
            str(raised.exception),
        )

    def test_aetos_is_found_by_its_type_at_the_interface_that_is_given(self):
        asked = []

        class Catalogue(noauth.NoAuth):
            def get_endpoint(self, session, **given):
                asked.append(given)
                return super().get_endpoint(session, **given)

        there = session.Session(auth=Catalogue(endpoint=URL))
        given = {'interface': 'internal', 'region_name': 'two'}
        source = promql.of_aetos(
            Reach(session=there, catalogue={'aetos': given}), Settings()
        )
        source.probe()
        self.assertEqual('aetos', source.name)
        wanted = {'service_type': 'metric-storage', **given}
        self.assertEqual(wanted, {key: asked[0][key] for key in wanted})


class TestQuestions(Case):
    def test_a_probe_is_one_question(self):
        source = self.source()
        source.probe()
        self.assertEqual(['vector(1)'], self.queries)
        self.assertEqual(1, source.questions)

    def test_what_is_asked_is_of_a_moment(self):
        self.source().cpu([ONE], NOW)
        self.source(history=SPAN).cpu([ONE], NOW + 0.1234)
        query = parse.urlsplit(self.wire.last_request.url).query
        self.assertEqual(['1700000100.123'], parse.parse_qs(query)['time'])

    def test_counters_are_asked_for_by_name_and_id(self):
        self.source(burst_window=0.0, window=3600.0).traffic([ONE], NOW)
        self.assertEqual(
            [f'{{__name__=~"{TX}|{RX}",resource=~".*({ONE}).*"}}[4200s]'],
            self.queries,
        )

    def test_a_history_is_asked_for_as_far_as_it_goes(self):
        self.source(history=9000.0, burst_window=0.0).traffic([ONE], NOW)
        self.assertTrue(self.queries[0].endswith('[9600s]'))

    def test_so_many_ids_are_in_one_query(self):
        for many, batches in ((0, 0), (1, 1), (100, 1), (101, 2), (201, 3)):
            source = self.source(burst_window=0.0)
            source.traffic([f'vm-{i}' for i in range(many)], NOW)
            self.assertEqual(batches, len(self.queries), many)
            self.assertEqual(batches, source.questions)

    def test_an_id_that_a_query_cannot_carry_is_not_asked_for(self):
        for vm, asked in (
            ('x' * 64, 1), ('x' * 65, 0), ('', 0), ('a|b', 0), ('_-9Z', 1)
        ):  # fmt: skip
            self.source(burst_window=0.0).traffic([vm], NOW)
            self.assertEqual(asked, len(self.queries), vm)

    def test_nobody_is_asked_where_nothing_is_wanted(self):
        for settings in (
            {'history': 0.0},
            {'history': SPAN, 'cpu_metric': ''},
        ):
            self.assertEqual({}, self.source(**settings).cpu([ONE], NOW))
            self.assertEqual([], self.queries)
        self.assertEqual({}, self.source().devices(['a'], NOW))
        self.assertEqual([], self.queries)
        self.assertEqual({}, self.source().traffic([], NOW))
        self.assertEqual([], self.queries)

    def test_devices_that_are_named_are_asked_for(self):
        source = self.source(tenant_devices=('eno1',))
        self.assertEqual({}, source.devices(['a'], NOW))
        self.assertIn('device=~"eno1"', self.queries[0])

    def test_gauges_are_looked_at_every_half_hour_of_a_day_and_now(self):
        for age, span in ((86400.0, '86400s:1800s'), (10.0, '10s:1s')):
            self.source(dirty_age=age).gauges([ONE], ['memory.dirty.t1'], NOW)
            wanted = (
                '{__name__=~"ceilometer_memory_dirty_t1",'
                f'resource=~".*({ONE}).*"}}'
            )
            self.assertEqual([f'{wanted}[{span}]', wanted], self.queries)

    def test_time_is_bounded_over_all_questions(self):
        clock = iter((100.0, 107.0, 107.1))
        source = self.source(clock=lambda: next(clock), total_time=7.0)
        source.probe()
        with self.assertRaises(errors.CloudError) as raised:
            source.probe()
        self.assertEqual(
            'prometheus took more than 7 s', str(raised.exception)
        )
        self.assertEqual(1, source.questions)


class TestAnswers(Case):
    def traffic(self, *answers, **settings):
        given = {'burst_window': 0.0, **settings}
        self.asked = self.source(*answers, **given)
        return self.asked.traffic([ONE], NOW)

    def rates(self, *rows, **settings):
        """What is told to have been sent, of these series."""
        (interface,) = self.traffic(matrix(*rows), **settings)[ONE]
        return [round(rate) for _, _, rate in interface.tx]

    def test_each_resource_is_an_interface_with_both_directions(self):
        other = f'instance-1-{ONE}-tap1'
        found = self.traffic(
            matrix(
                (labels(TX), growing(100)),
                (labels(RX), growing(200)),
                (labels(TX, other), growing(300)),
            )
        )
        tx, rx = found[ONE][0].tx, found[ONE][0].rx
        self.assertEqual((100, 200), (round(tx[-1][2]), round(rx[-1][2])))
        self.assertEqual(300, round(found[ONE][1].tx[-1][2]))
        self.assertEqual((), found[ONE][1].rx)
        self.assertEqual([], self.asked.refusals)

    def test_what_was_not_asked_for_is_not_told(self):
        for wrong in (
            (labels('up'), growing(100)),
            (labels(TX, 'instance-2'), growing(100)),
            (labels(TX), []),
            ({}, growing(100)),
            ({'__name__': TX}, growing(100)),
        ):
            self.assertEqual({}, self.traffic(matrix(wrong)), wrong)

    def test_samples_are_read_in_the_order_of_time(self):
        samples = growing(100)
        self.assertEqual(
            self.rates((labels(), samples)),
            self.rates((labels(), samples[::-1])),
        )

    def test_what_is_no_number_is_left_out(self):
        samples = growing(100)
        odd = [*samples, (NOW + 1, 'NaN'), (NOW + 2, '+Inf')]
        self.assertEqual(
            self.rates((labels(), samples)), self.rates((labels(), odd))
        )

    def test_of_a_resource_on_several_hosts_the_one_that_moved_last_counts(
        self,
    ):
        old, new = growing(900, ends=NOW - 600), growing(100)
        # who stood still since is seen as long as the other
        still = [*old, (NOW, old[-1][1])]
        for rows in ((still, new), (new, still)):
            found = self.rates(*((labels(host=str(r[0])), r) for r in rows))
            self.assertEqual({100}, set(found))

    def test_one_that_never_moved_gives_way_to_one_that_did(self):
        flat, new = growing(0), growing(100)
        for rows in ((flat, new), (new, flat)):
            found = self.rates(*((labels(host=str(r[0])), r) for r in rows))
            self.assertEqual({100}, set(found))

    def test_one_that_never_moved_is_idle(self):
        self.assertEqual({0}, set(self.rates((labels(), growing(0)))))

    def test_one_of_which_there_is_too_little_gives_way_to_the_next(self):
        (_, first), *_ = growing(100)
        short = [(NOW - 1, first), (NOW, first + 1)]
        found = self.rates((labels(), growing(100)), (labels(b='c'), short))
        self.assertIn(100, found)

    def test_cpu_time_is_in_nanoseconds(self):
        told = matrix((labels('ceilometer_cpu', ONE), growing(5e8)))
        found = self.source(told, history=1800.0).cpu([ONE], NOW)
        self.assertEqual([ONE], list(found))
        for _, span, busy in found[ONE]:
            self.assertEqual(SPAN, span)
            self.assertAlmostEqual(0.5, busy)

    def test_gauges_are_told_when_they_changed(self):
        name, metric = 'memory.dirty.t1', 'ceilometer_memory_dirty_t1'
        steps = [(NOW - 900, 5), (NOW - 600, 5), (NOW - 300, 7)]
        latest = {
            'resultType': 'vector',
            'result': [{'metric': labels(metric), 'value': [NOW, '6']}],
        }
        source = self.source(
            matrix((labels(metric), steps)),
            {'status': 'success', 'data': latest},
        )
        self.assertEqual(
            {
                ONE: {
                    name: [
                        (NOW - 900, 0.0, 5.0),
                        (NOW - 300, 0.0, 7.0),
                        (NOW, 0.0, 6.0),
                    ]
                }
            },
            source.gauges([ONE], [name], NOW),
        )

    def test_a_gauge_that_only_just_came_is_told_too(self):
        name, metric = 'memory.dirty.t1', 'ceilometer_memory_dirty_t1'
        now = matrix((labels(metric), [(NOW, 6)]))
        for answers in ((EMPTY, now), (now, EMPTY)):
            found = self.source(*answers).gauges([ONE], [name], NOW)
            self.assertEqual({ONE: {name: [(NOW, 0.0, 6.0)]}}, found)


class TestDayBefore(Case):
    def told(self, *answers):
        self.asked = self.source(*answers, window=600.0, burst_window=7200.0)
        found = self.asked.traffic([ONE], NOW)
        return found[ONE][0] if found else Interface()

    def test_it_lies_before_what_is_known_nearby(self):
        near = growing(100, many=20)
        far = growing(900, every=150.0, many=48, begins=0.0)
        found = self.told(matrix((labels(), near)), matrix((labels(), far)))
        alone = self.told(matrix((labels(), near)))
        self.assertEqual(alone.tx, found.tx[-len(alone.tx) :])
        older = found.tx[: -len(alone.tx)]
        self.assertLess(10, len(older))
        self.assertEqual({900}, {round(rate) for _, _, rate in older})

    def test_who_is_not_seen_any_more_is_gone(self):
        far = growing(900, every=150.0, many=48)
        self.assertEqual(
            (),
            self.told(
                matrix((labels(RX), growing(100))), matrix((labels(), far))
            ).tx,
        )

    def test_without_it_a_plan_is_made_and_it_is_told(self):
        found = self.told(matrix((labels(), growing(100))), 503)
        self.assertTrue(found.tx)
        (refusal,) = self.asked.refusals
        self.assertEqual(
            ('', 'network.outgoing.bytes of a day'),
            (refusal.vm, refusal.metric),
        )
        self.assertIn('prometheus: query', refusal.why)

    def test_it_is_asked_for_where_it_reaches_further_and_only_there(self):
        for back, asked in ((3600.0, 1), (3601.0, 2), (600.0, 1)):
            source = self.source(window=3600.0, burst_window=back)
            source.traffic([ONE], NOW)
            self.assertEqual(asked, len(self.queries), back)
        self.source(window=600.0, burst_window=7200.0).traffic([ONE], NOW)
        self.assertTrue(self.queries[1].endswith('[7200s:150s]'))


class TestTrouble(Case):
    def why(self, told):
        with self.assertRaises(errors.CloudError) as raised:
            self.source(told).probe()
        return str(raised.exception)

    def test_its_own_words_are_told(self):
        no = 'prometheus: an answer that is not one of Prometheus: '
        for told, why in (
            (
                {'status': 'error', 'error': 'too many samples'},
                'too many samples',
            ),
            ({'status': 'error'}, 'no success'),
            ({'status': 'error', 'error': 'x' * 99}, 'x' * 80),
            ({}, "'status'"),
        ):
            self.assertEqual(no + why, self.why(told))

    def test_a_number_by_itself_is_no_series(self):
        data = {'resultType': 'scalar', 'result': [NOW, '1']}
        self.source({'status': 'success', 'data': data}).probe()

    def test_an_answer_longer_than_any_is_not_read(self):
        self.assertEqual(64 * 1024 * 1024, promql.MOST)
        length = len(json.dumps(EMPTY))
        self.addCleanup(setattr, promql, 'MOST', promql.MOST)
        promql.MOST = length
        self.source().probe()
        promql.MOST = length - 1
        self.assertIn('longer than any', self.why(EMPTY))
