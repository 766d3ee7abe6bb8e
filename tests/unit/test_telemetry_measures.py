"""How Gnocchi is asked in bulk: how often, for how much, until when.

The client in front of a small Gnocchi; what is refused is of this file.
"""

import threading
import time
import unittest

import requests
from gnocchiclient import exceptions as gnocchi_errors
from keystoneauth1 import exceptions as auth_errors

from tests.unit.test_telemetry_gnocchi import LAST
from tests.unit.test_telemetry_gnocchi import NOW
from tests.unit.test_telemetry_gnocchi import SPAN
from tests.unit.test_telemetry_gnocchi import SmallGnocchi
from tests.unit.test_telemetry_gnocchi import date
from watcher_tsmig import errors
from watcher_tsmig.telemetry.metrics.measures import Gnocchi
from watcher_tsmig.telemetry.sources import Refusal

UNKNOWN = 'Metrics with unknown aggregation'


class Recorded(SmallGnocchi):
    """It keeps what it was asked, and gives no page of more than 1000."""

    def __init__(self):
        super().__init__()
        self.pages = []
        self.posts = []

    def search(self, resource_type, query, limit, marker):
        self.pages.append((limit, marker))
        return super().search(resource_type, query, min(limit, 1000), marker)

    def post(self, url, params, json, headers):
        self.posts.append((url, params, json['operations']))
        return super().post(url, params, json, headers)

    @property
    def starts(self):
        return [params['start'] for _, params, _ in self.posts]


def since(at):
    """As on the wire."""
    return date(at).removesuffix('+00:00')


class Base(unittest.TestCase):
    def setUp(self):
        self.server = Recorded()
        self.at = 0.0

    def gnocchi(self, *, total_time=60.0, batch=2):
        return Gnocchi(
            self.server,
            total_time=total_time,
            batch=batch,
            now=lambda: self.at,
        )

    def gauge(self, name, *ages):
        """A gauge that was measured so long ago each time, oldest first."""
        self.server.rows[name] = [(NOW - age, SPAN, 1.0) for age in ages]


class TestAsking(Base):
    def test_a_probe_is_one_question(self):
        gnocchi = self.gnocchi()
        gnocchi.probe()
        self.assertEqual(1, gnocchi.questions)
        self.server.error = gnocchi_errors.ClientException(503, 'gone  away')
        with self.assertRaisesRegex(errors.CloudError, 'Gnocchi: gone away'):
            gnocchi.probe()
        self.assertEqual(2, gnocchi.questions)

    def test_time_is_over_after_it_and_not_before(self):
        self.at = 100.0
        gnocchi = self.gnocchi(total_time=60.0)
        for at in (100.0, 160.0):
            self.at = at
            gnocchi.probe()
        self.at = 160.1
        with self.assertRaises(errors.CloudError) as caught:
            gnocchi.probe()
        self.assertEqual('Gnocchi took more than 60 s', str(caught.exception))
        # nobody was asked
        self.assertEqual(2, gnocchi.questions)

    def test_an_error_without_words_is_told_by_its_kind(self):
        class Silent(gnocchi_errors.ClientException):
            def __str__(self):
                return ''

        self.server.error = Silent(500)
        with self.assertRaises(errors.CloudError) as caught:
            self.gnocchi().probe()
        self.assertEqual('Gnocchi: Silent', str(caught.exception))

    def test_every_clients_error_is_the_clouds(self):
        for error in (
            gnocchi_errors.ClientException(500, 'x'),
            auth_errors.ClientException('x'),
            requests.ConnectionError('x'),
        ):
            self.server.error = error
            with self.assertRaisesRegex(errors.CloudError, 'Gnocchi: x'):
                self.gnocchi().probe()

    def test_after_an_error_nothing_is_under_way_any_more(self):
        began, over = threading.Event(), threading.Event()

        def post(*_, json, **__):
            if json['operations'][1][0] == 'slow':
                began.set()
                time.sleep(0.05)
                over.set()
            began.wait(10)
            raise gnocchi_errors.ClientException(503)

        self.server.api.post = post
        with self.assertRaises(errors.CloudError):
            self.gnocchi(batch=1).measures(
                ['a', 'slow'], 'mean', granularity=None, start=0.0
            )
        self.assertTrue(over.is_set())

    def test_what_is_no_answer_of_gnocchis_is_not_hidden(self):
        self.server.error = ZeroDivisionError()
        with self.assertRaises(ZeroDivisionError):
            self.gnocchi().probe()


class TestResources(Base):
    def add(self, *names, **values):
        for name in names:
            self.server.by_kind['instance'].append(
                {'id': name, 'metrics': {}, **values}
            )

    def test_pages_are_as_large_as_gnocchi_gives_and_follow_each_other(self):
        names = [f'{i:05}' for i in range(1001)]
        self.add(*names)
        found = self.gnocchi(batch=5000).resources('instance', 'id', names)
        self.assertEqual(names, [resource['id'] for resource in found])
        self.assertEqual([(1000, None), (1000, '00999')], self.server.pages)

    def test_values_are_asked_for_in_batches_and_told_in_their_order(self):
        names = [f'{i}' for i in range(5)]
        self.add(*names)
        gnocchi = self.gnocchi(batch=2)
        found = gnocchi.resources('instance', 'id', names)
        self.assertEqual(names, [resource['id'] for resource in found])
        self.assertEqual(3, gnocchi.questions)
        self.assertEqual([], gnocchi.resources('instance', 'id', []))
        self.assertEqual(3, gnocchi.questions)

    def test_a_kind_that_nobody_ever_measured_has_none(self):
        found = self.gnocchi().resources('no_such', 'id', ['x'])
        self.assertEqual([], found)

    def test_another_refusal_is_an_error(self):
        self.server.error = gnocchi_errors.ClientException(403)
        with self.assertRaises(errors.CloudError):
            self.gnocchi().resources('instance', 'id', ['x'])

    def test_a_refused_metric_is_told_of_the_vm_whose_it_is(self):
        self.add('tap', instance_id='vm-1', metrics={'out': 'broken-1'})
        self.add('vm-2', metrics={'cpu': 'broken-2'})
        self.add('vm-3', metrics=None)
        gnocchi = self.gnocchi()
        gnocchi.resources('instance', 'id', ['tap', 'vm-2', 'vm-3'])
        for name in ('broken-1', 'broken-2', 'broken-3'):
            self.gauge(name, SPAN)
        found = gnocchi.measures(
            self.server.rows, 'mean', granularity=None, start=NOW - 7200
        )
        self.assertEqual([[], [], []], list(found.values()))
        self.assertEqual(
            [
                Refusal(vm=vm, metric=name, why=UNKNOWN, id=one)
                for vm, name, one in (
                    ('vm-1', 'out', 'broken-1'),
                    ('vm-2', 'cpu', 'broken-2'),
                    ('', 'broken-3', 'broken-3'),
                )
            ],
            sorted(gnocchi.refusals, key=lambda refusal: refusal.id),
        )


class TestMeasures(Base):
    def test_a_question_says_from_when_on_and_how_fine(self):
        self.gauge('g', SPAN)
        for given, sent in (
            (None, None), (300.0, 300), (300, 300),
        ):  # fmt: skip
            found = self.gnocchi().measures(
                ['g', 'g'], 'mean', granularity=given, start=NOW - 7200
            )
            self.assertEqual({'g': [(NOW - SPAN, SPAN, 1.0)]}, found)
            url, params, operations = self.server.posts.pop()
            self.assertEqual('v1/aggregates', url)
            self.assertEqual(
                {'start': since(NOW - 7200), 'granularity': sent}, params
            )
            self.assertIs(type(sent), type(params['granularity']))
            self.assertEqual(['metric', ['g', 'mean']], operations)
        self.assertEqual([], self.server.posts)

    def test_half_a_second_is_asked_for_as_that(self):
        self.server.rows['g'] = [(LAST, 0.5, 1.0)]
        self.gnocchi().measures(
            ['g'], 'mean', granularity=0.5, start=NOW - 7200
        )
        self.assertEqual(0.5, self.server.posts[0][1]['granularity'])

    def test_of_several_granularities_one_is_taken(self):
        self.server.rows['g'] = [
            (LAST, 60.0, 1.0), (LAST, 300.0, 2.0), (LAST, 3600.0, 3.0),
        ]  # fmt: skip
        for about, span in (
            (None, 60.0), (30.0, 60.0), (60.0, 60.0), (300.0, 300.0),
            (3599.0, 300.0), (3600.0, 3600.0),
        ):  # fmt: skip
            more = {} if about is None else {'about': about}
            found = self.gnocchi().measures(
                ['g'], 'mean', granularity=None, start=NOW - 7200, **more
            )
            self.assertEqual([span], [s for _, s, _ in found['g']], about)

    def test_the_finest_is_taken_where_nobody_says_which(self):
        self.server.rows['g'] = [(LAST, 1.0, 1.0), (LAST, 0.5, 2.0)]
        found = self.gnocchi().measures(
            ['g'], 'mean', granularity=None, start=NOW - 7200
        )
        self.assertEqual({'g': [(LAST, 0.5, 2.0)]}, found)

    def test_a_gnocchi_in_trouble_is_no_refusal(self):
        for code in (500, 401):
            self.gauge('g', SPAN)
            self.server.api.post = self.fails(code)
            with self.assertRaises(errors.CloudError):
                self.gnocchi().measures(
                    ['g'], 'mean', granularity=None, start=0.0
                )

    @staticmethod
    def fails(code):
        def post(*_, **__):
            raise gnocchi_errors.ClientException(code)

        return post

    def test_where_no_metric_is_named_halves_are_asked_for(self):
        self.server.names = False
        for name in ('a-1', 'a-2', 'broken', 'c-1'):
            self.gauge(name, SPAN)
        gnocchi = self.gnocchi(batch=4)
        found = gnocchi.measures(
            self.server.rows, 'mean', granularity=None, start=NOW - 7200
        )
        self.assertEqual(
            {'a-1': 1, 'a-2': 1, 'broken': 0, 'c-1': 1},
            {name: len(points) for name, points in found.items()},
        )
        # all; the first two; the others; each of these
        self.assertEqual([4, 2, 2, 1, 1], self.server.fetches)
        self.assertEqual(['broken'], [r.id for r in gnocchi.refusals])

    def test_where_some_are_named_the_others_are_asked_for_at_once(self):
        for name in ('a-1', 'a-2', 'broken1', 'broken2', 'c-1'):
            self.gauge(name, SPAN)
        gnocchi = self.gnocchi(batch=5)
        gnocchi.measures(
            self.server.rows, 'mean', granularity=None, start=NOW - 7200
        )
        self.assertEqual([5, 3], self.server.fetches)
        # nobody is left
        gnocchi.measures(
            ['broken1'], 'mean', granularity=None, start=NOW - 7200
        )
        self.assertEqual([5, 3, 1], self.server.fetches)

    def test_a_metric_that_an_answer_lacks_has_no_measures(self):
        class Answer:
            @staticmethod
            def json():
                return {'measures': {'a': {}}}

        self.server.api.post = lambda *_, **__: Answer
        found = self.gnocchi().measures(
            ['a', 'b'], 'mean', granularity=None, start=0.0
        )
        self.assertEqual({'a': [], 'b': []}, found)


class TestNewest(Base):
    FAR = NOW - 86400.0

    def newest(self, many=1, batch=10):
        gnocchi = self.gnocchi(batch=batch)
        names = list(self.server.rows)
        return gnocchi.newest(names, 'mean', many, start=self.FAR, now=NOW)

    def test_the_first_are_asked_from_the_start_and_tell_how_far_back(self):
        for i in range(10):
            self.gauge(f'g{i}', 9000.0, 300.0 * (i + 1))
        self.gauge('last', 600.0)
        found = self.newest()
        self.assertEqual(11, len(found))
        # a quarter more than the oldest of the ten
        self.assertEqual(
            [since(self.FAR), since(NOW - 3750.0)], self.server.starts
        )

    def test_one_in_ten_that_is_older_than_the_others_does_not_count(self):
        for i in range(20):
            self.gauge(f'g{i:02}', 300.0 if i < 18 else 600.0 * (i - 16))
        self.gauge('last', 300.0)
        self.newest(batch=20)
        self.assertEqual(since(NOW - 1500.0), self.server.starts[1])

    def test_who_has_fewer_by_then_is_asked_for_again(self):
        self.gauge('a', 900.0, 600.0, 300.0)
        self.gauge('b', 9000.0, 300.0)
        self.gauge('c', 900.0, 600.0, 300.0)
        found = self.newest(many=2, batch=1)
        self.assertEqual(
            [self.FAR, NOW - 750.0, NOW - 750.0, self.FAR],
            [self.moment(start) for start in self.server.starts],
        )
        self.assertEqual(2, len(found['b']))
        self.assertEqual(['metric', ['b', 'mean']], self.server.posts[-1][2])

    @staticmethod
    def moment(start):
        wanted = {since(at): at for at in (TestNewest.FAR, NOW - 750.0)}
        return wanted[start]

    def test_where_the_first_have_too_few_all_are_asked_from_the_start(self):
        for points in ((300.0,), ()):
            self.setUp()
            self.gauge('a', *points)
            self.gauge('b', 600.0, 300.0)
            self.server.rows['a'] = self.server.rows['a'] or [
                (self.FAR - 9e4, SPAN, 1.0)
            ]
            self.newest(many=2, batch=1)
            self.assertEqual([since(self.FAR)] * 2, self.server.starts)

    def test_as_far_back_as_the_start_is_no_shorter_question(self):
        # a quarter more than this is just the start
        for age, many in ((86400.0 / 1.25, 2), (60000.0, 3)):
            self.setUp()
            self.gauge('a', age)
            self.gauge('b', 9e5)
            self.newest(batch=1)
            self.assertEqual(many, len(self.server.posts))
        self.assertEqual(since(NOW - 75000.0), self.server.starts[1])


class TestFirstOf(Base):
    def first(self, *aggregations, about=300.0):
        self.gnocchi_ = self.gnocchi(batch=9)
        return self.gnocchi_.first_of(
            list(self.server.rows), aggregations, about=about, start=NOW - 7200
        )

    def keep(self, name, *spans, how='mean'):
        self.server.rows[name] = {how: [(LAST, span, span) for span in spans]}

    def test_the_wanted_granularity_alone_is_asked_for_first(self):
        self.keep('a', 60.0, 300.0)
        self.assertEqual(
            ({'a': [(LAST, 300.0, 300.0)]}, []), self.first('mean', 'last')
        )
        self.assertEqual(
            [300], [p['granularity'] for _, p, _ in self.server.posts]
        )

    def test_who_lacks_it_is_asked_for_any_and_then_for_other_methods(self):
        self.keep('kept-a', 300.0)
        self.keep('kept-b', 60.0, 3600.0)
        self.keep('kept-c', 60.0, how='last')
        self.keep('broken', 60.0)
        found, lacking = self.first('mean', 'last')
        self.assertEqual(
            {
                'kept-a': [(LAST, 300.0, 300.0)],
                'kept-b': [(LAST, 60.0, 60.0)],
                'kept-c': [(LAST, 60.0, 60.0)],
            },
            found,
        )
        self.assertEqual(['broken'], [refusal.id for refusal in lacking])
        self.assertEqual([], self.gnocchi_.refusals)
        self.assertEqual(
            {('mean', 300), ('mean', None), ('last', None)},
            {
                (operations[1][1], params['granularity'])
                for _, params, operations in self.server.posts
            },
        )

    def test_of_nobody_nothing_is_asked(self):
        self.assertEqual(({}, []), self.first('mean'))
        self.assertEqual([], self.server.posts)
