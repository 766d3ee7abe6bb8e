"""What Gnocchi has of some VMs, from answers of a small one.

The real gnocchiclient reads the playground in tests/functional.
"""

import types
import unittest

from gnocchiclient import exceptions as gnocchi_errors

from tests.unit import builders
from tests.unit.test_telemetry_gnocchi import LAST
from tests.unit.test_telemetry_gnocchi import NOW
from tests.unit.test_telemetry_gnocchi import SPAN
from tests.unit.test_telemetry_gnocchi import SmallGnocchi
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.metrics import metering
from watcher_tsmig.telemetry.metrics.metering import Metering
from watcher_tsmig.telemetry.metrics.metering import Series

TX, RX = 'network.outgoing.bytes', 'network.incoming.bytes'


class Metered(SmallGnocchi):
    """It also tells of each metric by which policy it is kept."""

    def __init__(self):
        super().__init__()
        self.policies = {}
        self.metric = types.SimpleNamespace(get=self.get)
        self.asked = []

    def get(self, metric):
        self.asked.append(metric)
        if metric in self.policies:
            found = self.policies[metric]
            if isinstance(found, Exception):
                raise found
            return {'archive_policy': found}
        return {
            'archive_policy': {
                'name': 'low',
                'aggregation_methods': ['rate:mean', 'mean'],
                'definition': [
                    {'granularity': '1:00:00'},
                    {'granularity': '0:05:00'},
                ],
            }
        }


def active(name, **values):
    return builders.vm(name, 'a', **{'state': 'active', **values})


class TestMetering(unittest.TestCase):
    def setUp(self):
        self.server = Metered()

    def read(self, *vms):
        return metering.read_metering(
            self.server, vms or (active('one'),), Settings(), NOW
        )

    def policy(self, methods):
        """Of the metrics that vm one's interface has."""
        for metric in (f'id-one-tap0-{TX}', f'id-one-tap0-{RX}'):
            self.server.policies[metric] = {
                'name': 'mine',
                'aggregation_methods': methods,
                'definition': [{'granularity': 300.0}],
            }

    def kept(self, **rows):
        """Measures by method, of both counters of vm one."""
        self.policy(list(rows))
        for metric in (f'id-one-tap0-{TX}', f'id-one-tap0-{RX}'):
            self.server.rows[metric] = {
                name.replace('_', ':'): [(LAST, SPAN, float(value))]
                for name, value in rows.items()
            }
        self.policy([name.replace('_', ':') for name in rows])

    def test_each_counter_is_told_with_its_policy_and_what_it_was(self):
        self.server.interface('id-one', 1000.0, 10.0)
        vm = active('one')
        found = self.read(vm)
        self.assertEqual(
            [
                Series(
                    vm=vm,
                    metric=name,
                    policy='low',
                    methods=('rate:mean', 'mean'),
                    granularities=(300.0, 3600.0),
                    aggregation='mean',
                    measures=tuple(self.server.rows[f'id-one-tap0-{name}']),
                )
                for name in (TX, RX)
            ],
            list(found.series),
        )
        self.assertEqual((vm,), found.looked_for)
        self.assertEqual('', found.why)
        one = frozenset(('id-one',))
        self.assertEqual({TX: one, RX: one}, found.having)

    def test_only_vms_that_run_are_looked_for(self):
        vms = (active('one'), active('off', state='stopped', active=False))
        self.assertEqual(vms[:1], self.read(*vms).looked_for)

    def test_two_hundred_of_many_are_looked_for(self):
        vms = tuple(active(f'v{i:03}') for i in range(401))
        found = self.read(*vms).looked_for
        self.assertEqual(200, len(found))
        self.assertEqual((vms[0], vms[2]), found[:2])

    def test_counters_of_sixteen_interfaces_are_read(self):
        vms = tuple(active(f'v{i:03}') for i in range(34))
        for vm in vms:
            self.server.interface(vm.id, 1.0, 1.0)
        found = self.read(*vms)
        self.assertEqual(32, len(found.series))
        self.assertEqual(
            [vms[0], vms[0], vms[2], vms[2]],
            [one.vm for one in found.series[:4]],
        )
        self.assertEqual(34, len(found.having[TX]))

    def test_an_interface_of_a_vm_that_was_not_asked_for_is_left_alone(self):
        self.server.interface('id-one', 1.0, 1.0)
        search = self.server.resource.search
        odd = {'id': 'x', 'instance_id': 'id-gone', 'metrics': {TX: 'gone'}}
        self.server.resource.search = lambda **q: [*search(**q), odd]
        found = self.read()
        self.assertEqual(['one'] * 2, [one.vm.name for one in found.series])

    def test_a_counter_that_an_interface_lacks_is_not_there(self):
        self.server.interface('id-one', 1.0, 1.0)
        (resource,) = self.server.by_kind['instance_network_interface']
        del resource['metrics'][RX]
        found = self.read()
        self.assertEqual([TX], [one.metric for one in found.series])
        self.assertEqual(frozenset(), found.having[RX])
        resource['metrics'] = None
        found = self.read()
        self.assertEqual(((), ''), (found.series, found.why))
        self.assertEqual({TX: frozenset(), RX: frozenset()}, found.having)

    def test_measures_are_read_by_what_tells_the_counter_best(self):
        self.server.interface('id-one', 1.0, 1.0)
        for rows, how, value in (
            ({'min': 1, 'max': 2, 'last': 3, 'mean': 4}, 'mean', 4.0),
            ({'min': 1, 'max': 2, 'last': 3}, 'last', 3.0),
            ({'min': 1, 'max': 2, 'rate_mean': 9}, 'max', 2.0),
            ({'min': 1, 'rate_mean': 9}, 'min', 1.0),
            ({'rate_mean': 9}, 'rate:mean', 9.0),
        ):
            self.kept(**rows)
            for one in self.read().series:
                self.assertEqual(how, one.aggregation)
                self.assertEqual(((LAST, SPAN, value),), one.measures)
                self.assertEqual((), one.counts)

    def test_samples_are_counted_where_the_policy_does(self):
        self.server.interface('id-one', 1.0, 1.0)
        self.kept(rate_mean=9, count=5)
        for one in self.read().series:
            self.assertEqual(((LAST, SPAN, 5.0),), one.counts)
            self.assertEqual('rate:mean', one.aggregation)

    def test_a_policy_that_keeps_nothing_of_use_is_told_without_measures(
        self,
    ):
        self.server.interface('id-one', 1.0, 1.0)
        self.kept(std=1, count=5)
        for one in self.read().series:
            self.assertEqual(('mine', ('std', 'count')), (
                one.policy, one.methods,
            ))  # fmt: skip
            self.assertEqual(('', (), ()), (
                one.aggregation, one.measures, one.counts,
            ))  # fmt: skip

    def test_two_hours_are_read(self):
        self.server.interface('id-one', 1.0, 1.0)
        self.policy(['mean'])
        for metric in list(self.server.rows):
            self.server.rows[metric] = [
                (NOW - 7200.0 + ago, SPAN, 1.0)
                for ago in (-SPAN - 0.5, -SPAN + 1, 0.0, 1.0)
            ]
        (tx, _) = self.read().series
        self.assertEqual(
            [NOW - 7200.0 + ago for ago in (-SPAN + 1, 0.0, 1.0)],
            [at for at, _, _ in tx.measures],
        )

    def test_a_gnocchi_that_is_away_is_why_nothing_is_known(self):
        self.server.error = gnocchi_errors.ClientException(503)
        found = self.read()
        self.assertEqual((active('one'),), found.looked_for)
        self.assertEqual(({}, ()), (found.having, found.series))
        self.assertTrue(found.why.startswith('Gnocchi: '), found.why)

    def test_a_gnocchi_that_cannot_say_what_it_can_is_asked_no_more(self):
        def away():
            raise gnocchi_errors.ClientException(503)

        self.server.capabilities.list = away
        self.assertNotEqual('', self.read().why)
        self.assertEqual([], self.server.searches)

    def test_what_was_found_by_then_is_told_beside_why_no_more_is(self):
        self.server.interface('id-one', 1.0, 1.0)
        metric = f'id-one-tap0-{TX}'
        for failure, why in (
            (
                gnocchi_errors.ClientException(500, 'out  of\nmemory'),
                'Gnocchi: out of memory (HTTP 500)',
            ),
            (KeyError('x'), 'its answer is not as expected'),
            (None, 'its answer is not as expected'),
        ):
            self.server.policies[metric] = failure
            found = self.read()
            self.assertIn(why, found.why)
            self.assertTrue(found.why.startswith('Gnocchi: '), found.why)
            self.assertEqual(frozenset(('id-one',)), found.having[TX])
            self.assertEqual((), found.series)

    def test_an_error_without_words_is_told_by_its_kind(self):
        self.server.interface('id-one', 1.0, 1.0)

        class Silent(gnocchi_errors.ClientException):
            def __str__(self):
                return ' '

        self.server.policies[f'id-one-tap0-{TX}'] = Silent(500)
        self.assertEqual('Gnocchi: Silent', self.read().why)

    def test_nothing_is_known_of_nobody(self):
        found = metering.read_metering(self.server, (), Settings(), NOW)
        self.assertEqual(
            Metering(having={TX: frozenset(), RX: frozenset()}), found
        )


class TestSpread(unittest.TestCase):
    def test_so_many_are_taken_from_all_along(self):
        for many, most, found in (
            (0, 2, ()), (1, 2, (0,)), (2, 2, (0, 1)), (3, 2, (0, 1)),
            (4, 2, (0, 2)), (10, 4, (0, 2, 5, 7)),
        ):  # fmt: skip
            with self.subTest(many=many, most=most):
                self.assertEqual(found, metering.spread(range(many), most))


class TestSeconds(unittest.TestCase):
    def test_a_timespan_is_days_hours_minutes_and_seconds(self):
        for text, seconds in (
            ('0:05:00', 300.0), ('1:02:03', 3723.0), ('0:00:01', 1.0),
            ('1 day, 0:00:00', 86400.0), ('2 days, 1:00:00', 176400.0),
            (300.0, 300.0), ('60', 60.0), ('0:00:00.500000', 0.5),
        ):  # fmt: skip
            with self.subTest(text):
                self.assertEqual(seconds, metering.seconds(text))
        with self.assertRaises(ValueError):
            metering.seconds('soon')
