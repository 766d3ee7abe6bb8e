"""How busy VMs were, and what moved, from answers made here."""

import types
import unittest

from keystoneauth1 import exceptions as auth_errors

from tests.unit import test_telemetry_inventory as cloud
from tests.unit.test_telemetry_gnocchi import LAST
from tests.unit.test_telemetry_gnocchi import NOW
from tests.unit.test_telemetry_gnocchi import SPAN
from tests.unit.test_telemetry_gnocchi import SmallGnocchi
from tests.unit.test_telemetry_gnocchi import counted
from watcher_tsmig import errors
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import read_cloud
from watcher_tsmig.telemetry.inventory import moves
from watcher_tsmig.telemetry.metrics.loads import of_traffic
from watcher_tsmig.telemetry.sources import Interface
from watcher_tsmig.telemetry.sources.gnocchi import GnocchiSource

HISTORY = Settings(history=2 * SPAN)


class TestOfTraffic(unittest.TestCase):
    def test_loads_reach_back_by_the_history_and_a_span_more(self):
        series = tuple(
            (NOW - ago, SPAN, ago)
            for ago in (HISTORY.history + 2 * SPAN + d for d in (1, 0, -1))
        )
        several = [
            Interface(tx=series, rx=series[:1]),
            Interface(tx=series[2:], rx=series[2:]),
        ]
        found = of_traffic({'vm': several, 'idle': ()}, HISTORY, NOW)
        (at, _, value) = series[2]
        self.assertEqual(((at, SPAN, 2 * value),), found['vm'].tx)
        self.assertEqual(((at, SPAN, value),), found['vm'].rx)
        self.assertEqual(((), ()), (found['idle'].tx, found['idle'].rx))
        self.assertEqual({}, of_traffic({'vm': several}, Settings(), NOW))


class TestLoads(unittest.TestCase):
    def setUp(self):
        self.gnocchi = SmallGnocchi()
        self.model = cloud.SmallModel([cloud.node('a'), cloud.node('b')])
        self.compute = cloud.SmallCompute([cloud.server('one')])

    def read(self, settings=HISTORY):
        return read_cloud(
            self.model,
            self.compute,
            GnocchiSource(self.gnocchi, settings),
            settings,
            now=NOW,
        )

    def busy(self, vm, *cpus):
        """CPUs busy in each of the last spans."""
        metric = f'{vm}-cpu'
        self.gnocchi.by_kind['instance'].append(
            {'id': vm, 'metrics': {'cpu': metric}}
        )
        self.gnocchi.rows[metric] = counted(*(x * 1e9 for x in cpus))

    def test_the_interfaces_of_a_vm_are_summed_span_by_span(self):
        self.gnocchi.interface('id-one', 1000, 10)
        self.gnocchi.interface('id-one', 500, 5, name='tap1', points=1)
        load = self.read().loads['id-one']
        end = LAST + SPAN / 2
        self.assertEqual(
            [(end - 2 * SPAN, SPAN, 1000.0), (end - SPAN, SPAN, 1500.0)],
            list(load.tx[-2:]),
        )
        self.assertEqual(15.0, load.rx[-1][2])
        self.assertEqual((), load.cpu)

    def test_cpu_time_becomes_busy_cpus(self):
        self.busy('id-one', 0.5, 1.5)
        load = self.read().loads['id-one']
        self.assertEqual([0.5, 1.5], [x for _, _, x in load.cpu])

    def test_without_a_history_nobody_asks_for_cpu_time(self):
        self.busy('id-one', 0.5)
        self.gnocchi.interface('id-one', 1000, 10)
        found = self.read(Settings())
        self.assertEqual({}, found.loads)
        few = self.gnocchi.searches.count('instance')
        self.read()
        self.assertEqual(2 * few, self.gnocchi.searches.count('instance'))
        self.assertTrue(self.read().loads['id-one'].cpu)

    def test_the_cpus_of_a_host_are_those_before_the_ratio(self):
        self.model.nodes[0].vcpus = 4
        self.assertEqual({'a': 4.0, 'b': 0.0}, self.read().cpus)


def record(**values):
    return types.SimpleNamespace(
        **{
            'server_id': 'one',
            'source_compute': 'a',
            'dest_compute': 'b',
            'status': 'completed',
            'created_at': None,
            'updated_at': '2023-11-14T22:13:20.000000',  # 1.7e9
            **values,
        }
    )


class TestMoves(unittest.TestCase):
    def read(self, *records, since=1.7e9 - 100):
        compute = types.SimpleNamespace(migrations=lambda **_: records)
        return moves.read_moves(compute, since, NOW)

    def test_a_finished_move_and_one_under_way_count(self):
        found = self.read(record(), record(status='running'))
        self.assertEqual(
            2 * [('one', 'a', 'b', 1.7e9, False)],
            [(m.vm, m.source, m.destination, m.at, m.failed) for m in found],
        )

    def test_a_failed_one_is_remembered_as_failed(self):
        for status in ('error', 'failed'):
            # also one that came back to where it was
            for there in ('b', 'a', None):
                (move,) = self.read(record(status=status, dest_compute=there))
                self.assertIs(True, move.failed)
                self.assertEqual('a', move.source)
                self.assertEqual(there or 'a', move.destination)
        (move,) = self.read(record(source_compute=None, status='error'))
        self.assertEqual(('b', 'b'), (move.source, move.destination))

    def test_what_was_taken_back_or_stayed_does_not_count(self):
        found = self.read(
            record(status='cancelled'),
            record(status='reverted'),
            record(dest_compute='a'),
        )
        self.assertEqual([], found)

    def test_of_whom_and_whence_nobody_tells_does_not_count(self):
        found = self.read(
            record(server_id=None),
            record(source_compute=None, dest_compute=None, status='error'),
            record(dest_compute=None),
            record(source_compute=''),
        )
        self.assertEqual([], found)

    def test_one_that_does_not_count_hides_none_after_it(self):
        found = self.read(
            record(status='cancelled'),
            record(dest_compute='a'),
            record(server_id='two'),
        )
        self.assertEqual(['two'], [move.vm for move in found])

    def test_older_ones_do_not_count_whatever_nova_filters(self):
        self.assertEqual([], self.read(record(), since=1.7e9 + 1))
        self.assertEqual(1, len(self.read(record(), since=1.7e9)))

    def test_nova_is_asked_for_what_changed_since_in_utc(self):
        asked = []
        compute = types.SimpleNamespace(
            migrations=lambda **query: asked.append(query) or ()
        )
        moves.read_moves(compute, 1.7e9, NOW)
        self.assertEqual([{'changes_since': '2023-11-14T22:13:20Z'}], asked)

    def test_one_that_never_changed_is_as_old_as_it_is(self):
        (move,) = self.read(
            record(updated_at=None, created_at='2023-11-14T22:13:21')
        )
        self.assertEqual(1.7e9 + 1, move.at)
        (move,) = self.read(record(created_at='2023-11-14T22:13:21'))
        self.assertEqual(1.7e9, move.at)

    def test_a_moment_is_utc_unless_it_says_otherwise(self):
        for text, at in (
            ('2023-11-14T22:13:20', 1.7e9),
            ('2023-11-14T22:13:20Z', 1.7e9),
            ('2023-11-14T23:13:20+01:00', 1.7e9),
            ('1970-01-01T00:00:00.500', 0.5),
            ('1960-01-01T00:00:00', 0.0),
            (None, 7.0),
            ('', 7.0),
            ('soon', 7.0),
        ):
            self.assertEqual(at, moves.instant(text, 7.0))

    def test_a_moment_that_nobody_can_read_is_now(self):
        (move,) = self.read(record(updated_at='yesterday'))
        self.assertEqual(NOW, move.at)

    def test_without_nova_there_is_no_memory(self):
        def away(**_):
            raise auth_errors.ConnectFailure('refused')

        compute = types.SimpleNamespace(migrations=away)
        with self.assertRaises(errors.CloudError):
            moves.read_moves(compute, 0.0, NOW)
