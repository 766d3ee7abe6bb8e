"""What Nova's records of ended migrations tell; answers are of this file.

The real openstacksdk reads the playground in tests/functional.
"""

import unittest

from openstack import exceptions as sdk_errors

from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.test_telemetry_inventory import SmallCompute
from tests.unit.test_telemetry_inventory import thing
from watcher_tsmig.model import Nic
from watcher_tsmig.model.trace import CLOCK
from watcher_tsmig.telemetry.inventory import past

NOW = 1772345000.0
BEGAN = 1772344800.0  # 2026-03-01T06:00:00Z


def clock(seconds):
    minutes, rest = divmod(seconds, 60)
    return f'2026-03-01T06:{minutes:02d}:{rest:02d}'


def record(name='v', began=0, ended=60, **values):
    return thing(
        **{
            'server_id': f'id-{name}',
            'migration_type': 'live-migration',
            'status': 'completed',
            'source_compute': 'a',
            'dest_compute': 'b',
            'created_at': clock(began),
            'updated_at': clock(ended),
            **values,
        }
    )


class Compute(SmallCompute):
    def __init__(self, *records):
        super().__init__()
        self._migrations = records
        self.asked = []

    def migrations(self, **query):
        self.asked.append(query)
        if None in self._migrations:
            raise sdk_errors.HttpException('down')
        return list(self._migrations)


class TestPast(unittest.TestCase):
    def setUp(self):
        self.notes = []
        self.hosts = {name: host(name, post_copy=None) for name in 'abc'}
        self.vms = [vm('v', 'b'), vm('w', 'b'), vm('disk', 'b', disk=1e9)]

    def read(self, *records):
        self.compute = Compute(*records)
        return past.read_past(
            self.compute, self.hosts.values(), self.vms, NOW, self.notes
        )

    def test_a_record_is_a_time_without_what_novas_part_takes(self):
        (found,) = self.read(record())
        self.assertEqual('id-v', found.vm)
        self.assertEqual(BEGAN + 60, found.at)
        self.assertAlmostEqual(60 - past.BESIDE, found.took)
        self.assertEqual((4e9, 125e6), (found.memory, found.rate))
        self.assertEqual((None, ()), (found.first_pass, found.rounds))
        self.assertEqual(
            [{'migration_type': 'live-migration'}], self.compute.asked
        )
        self.assertEqual([], self.notes)

    def test_what_tells_no_time_of_a_memory_is_left_out(self):
        for values in (
            {'status': 'error'},
            {'status': 'running'},
            {'migration_type': 'migration'},
            {'server_id': 'id-gone'},
            {'server_id': None},
            {'source_compute': None},
            {'began': 9, 'ended': 9},
            {'name': 'disk'},
            {'created_at': None, 'updated_at': None},
        ):
            self.assertEqual((), self.read(record(**values)), values)

    def test_what_was_over_at_once_took_as_long_as_a_clock_may_be_off(self):
        for ended in (1, 3, 4):
            (found,) = self.read(record(ended=ended))
            self.assertEqual(CLOCK, found.took)

    def test_what_may_have_been_post_copied_tells_nothing_of_writing(self):
        self.hosts['a'] = host('a', post_copy=True)
        self.assertEqual((), self.read(record()))
        self.hosts['a'] = host('a', post_copy=False)
        self.hosts['b'] = host('b', post_copy=True)
        self.assertEqual(1, len(self.read(record())))

    def test_what_may_have_stood_in_a_queue_tells_nothing(self):
        first = record('v', 0, 30)
        for second, many in (
            (record('w', 10, 90), 1),
            (record('w', 0, 90), 0),  # nobody knows which went first
            (record('w', 30, 90), 2),
            (record('w', 10, 90, source_compute='c'), 2),
        ):
            found = self.read(second, first)
            self.assertEqual(many, len(found), second)
        self.hosts['a'] = host('a', max_outgoing=2, post_copy=None)
        self.assertEqual(2, len(self.read(record('w', 10, 90), first)))

    def test_one_that_failed_held_the_queue_up_all_the_same(self):
        found = self.read(
            record('w', 10, 90), record('v', 0, 30, status='error')
        )
        self.assertEqual((), found)

    def test_it_went_no_faster_than_either_nic_and_novas_own_limit(self):
        for values, rate in (
            ({'b': host('b', nic=Nic(capacity=5e7), post_copy=None)}, 5e7),
            ({'a': host('a', bandwidth=2e7, post_copy=None)}, 2e7),
            (
                {
                    'a': host('a', nic=None, post_copy=None),
                    'b': host('b', nic=None),
                },
                None,
            ),
            ({'a': host('a', nic=None, post_copy=None)}, 125e6),
        ):
            self.setUp()
            self.hosts |= values
            (found,) = self.read(record())
            self.assertEqual(rate, found.rate, values)

    def test_without_novas_records_there_are_none_and_a_note(self):
        for records in ((None,), (thing(),)):
            self.notes.clear()
            self.assertEqual((), self.read(*records))
            (note,) = self.notes
            self.assertTrue(note.startswith('earlier migrations are unknown'))

    def test_one_page_of_records_is_enough(self):
        many = [
            record('v', began=i % 50, source_compute=f'x{i}')
            for i in range(1050)
        ]
        self.assertEqual(1000, len(self.read(*many)))

    def test_where_it_went_is_not_needed(self):
        (found,) = self.read(record(dest_compute=None))
        self.assertEqual(125e6, found.rate)

    def test_one_without_a_kind_is_taken_for_live_as_it_was_asked_for(self):
        self.assertEqual(1, len(self.read(record(migration_type=None))))

    def test_of_a_host_that_is_gone_one_went_at_a_time(self):
        for host_name, many in (('gone', 1), ('a', 1)):
            found = self.read(
                record('w', 10, 90, source_compute=host_name),
                record('v', 0, 30, source_compute=host_name),
            )
            self.assertEqual(many, len(found))
            self.assertEqual('id-v', found[0].vm)

    def test_one_that_ended_as_the_next_began_held_nobody_up(self):
        found = self.read(record('w', 30, 90), record('v', 29, 30))
        self.assertEqual(2, len(found))
