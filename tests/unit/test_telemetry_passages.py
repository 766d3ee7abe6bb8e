"""What is on its way now, from Nova's records; answers are of this file.

The real openstacksdk reads the playground in tests/functional.
"""

import unittest

from openstack import exceptions as sdk_errors

from tests.unit.test_telemetry_inventory import SmallCompute
from tests.unit.test_telemetry_inventory import thing
from watcher_tsmig.model import Passage
from watcher_tsmig.telemetry.inventory import passages

STARTED, SEEN = '2026-03-01T06:00:00.000000', '2026-03-01T06:00:20Z'


def record(vm='v', status='running', source='a', to='b', number=1):
    return thing(
        id=number,
        server_id=vm,
        status=status,
        source_compute=source,
        dest_compute=to,
    )


def progress(number=1, total=8e9, sent=2e9, left=6e9, disk=(None, None)):
    return thing(
        id=number,
        created_at=STARTED,
        updated_at=SEEN,
        memory_total_bytes=total,
        memory_processed_bytes=sent,
        memory_remaining_bytes=left,
        disk_processed_bytes=disk[0],
        disk_remaining_bytes=disk[1],
    )


class Compute(SmallCompute):
    def __init__(self, *records, **seen):
        super().__init__()
        self._migrations = records
        self._progress = {vm: [row] for vm, row in seen.items()}
        self.asked = []

    def server_migrations(self, vm):
        self.asked.append(vm)
        return super().server_migrations(vm)


class TestPassages(unittest.TestCase):
    def setUp(self):
        self.notes = []

    def read(self, *records, at_rest=(), **seen):
        self.compute = Compute(*records, **seen)
        return passages.read_passages(self.compute, 'ab', at_rest, self.notes)

    def one(self, *records, **seen):
        (found,) = self.read(*records, **seen)
        return found

    def test_what_is_left_and_at_what_rate_nova_tells_by_its_own_clock(self):
        self.assertEqual(
            Passage(vm='v', source='a', destination='b', left=6e9, rate=1e8),
            self.one(record(), v=progress()),
        )
        self.assertEqual(['1 VM is being migrated already'], self.notes)

    def test_disks_go_along(self):
        found = self.one(record(), v=progress(disk=(4e9, 1e9)))
        self.assertEqual((7e9, 3e8), (found.left, found.rate))

    def test_while_only_disks_have_gone_what_is_left_is_unknown(self):
        row = progress(total=0, sent=0, left=0, disk=(2e9, 3e9))
        found = self.one(record(), v=row)
        self.assertEqual((None, 1e8), (found.left, found.rate))

    def test_of_one_that_does_not_run_yet_nothing_is_asked(self):
        found = self.one(record(status='queued'), v=progress())
        self.assertEqual((None, None), (found.left, found.rate))
        self.assertEqual([], self.compute.asked)
        self.assertIn('of 1 how much is left is assumed', self.notes[0])

    def test_what_is_left_is_left_where_nothing_was_sent(self):
        found = self.one(record(), v=progress(sent=0, left=8e9))
        self.assertEqual((8e9, None), (found.left, found.rate))
        self.assertEqual(
            [
                '1 VM is being migrated already; of 1 how much is left is '
                'assumed'
            ],
            self.notes,
        )

    def test_a_byte_that_was_sent_is_a_rate(self):
        found = self.one(record(), v=progress(sent=1))
        self.assertEqual(1 / 20, found.rate)

    def test_half_a_second_is_time(self):
        row = progress(sent=1e6)
        row.created_at = '2026-03-01T06:00:00.000000'
        row.updated_at = '2026-03-01T06:00:00.500000'
        self.assertEqual(2e6, self.one(record(), v=row).rate)

    def test_without_its_moments_it_has_no_rate(self):
        row = progress()
        row.created_at = row.updated_at = None
        found = self.one(record(), v=row)
        self.assertEqual((6e9, None), (found.left, found.rate))
        # as it was begun just now
        row.updated_at = SEEN
        self.assertIsNone(self.one(record(), v=row).rate)
        row.created_at = row.updated_at = SEEN
        self.assertIsNone(self.one(record(), v=row).rate)

    def test_how_many_there_are_and_of_how_many_less_is_known_is_told(self):
        self.read(
            record('v'), record('w', number=2), record('x', 'queued'),
            v=progress(), w=progress(number=2),
        )  # fmt: skip
        self.assertEqual(
            [
                '3 VMs are being migrated already; of 1 how much is left is '
                'assumed'
            ],
            self.notes,
        )

    def test_a_record_without_a_vm_is_of_nobody(self):
        self.assertEqual((), self.read(record(vm=None)))

    def test_passages_are_in_the_order_of_their_vms(self):
        found = self.read(record('w'), record('v'), record('x'))
        self.assertEqual(['v', 'w', 'x'], [p.vm for p in found])

    def test_one_that_has_sent_nothing_yet_has_no_rate(self):
        found = self.one(record(), v=progress(total=0, sent=0, left=0))
        self.assertEqual((None, None), (found.left, found.rate))
        # another of the same VM, that has ended
        found = self.one(record(), v=progress(number=7))
        self.assertEqual((None, None), (found.left, found.rate))

    def test_what_has_ended_and_what_is_elsewhere_does_not_count(self):
        over = ('completed', 'failed', 'error', 'cancelled', 'finished')
        rows = [record(f'v{i}', status) for i, status in enumerate(over)]
        self.assertEqual((), self.read(*rows, record(source='x', to='y')))
        self.assertEqual((), self.read(record(source='a', to='a')))
        self.assertEqual([], self.notes)

    def test_an_end_that_is_out_of_sight_or_not_chosen_is_unknown(self):
        found = self.read(
            record('in', source='x'),
            record('out', to='y'),
            record('new', 'accepted', to=None),
        )
        ends = {p.vm: (p.source, p.destination) for p in found}
        self.assertEqual(
            {'in': (None, 'b'), 'out': ('a', None), 'new': ('a', None)}, ends
        )

    def test_what_a_dead_nova_compute_left_behind_is_over(self):
        self.assertEqual((), self.read(record(), at_rest=('v', 'w')))
        self.assertEqual([], self.notes)

    def test_of_a_vm_the_newest_counts(self):
        found = self.one(record(to='b'), record(to='a', source='b'))
        self.assertEqual('b', found.destination)

    def test_of_many_not_all_are_asked(self):
        rows = [record(f'v{i}') for i in range(37)]
        self.assertEqual(37, len(self.read(*rows)))
        self.assertEqual(32, len(self.compute.asked))

    def test_of_very_many_records_the_newest_are_looked_at(self):
        rows = [record(f'v{i}', 'queued') for i in range(502)]
        self.assertEqual(500, len(self.read(*rows)))

    def test_a_nova_that_does_not_tell_is_noted(self):
        def refuse():
            raise sdk_errors.HttpException('no')

        compute = Compute()
        compute.migrations = refuse
        self.assertEqual(
            (), passages.read_passages(compute, 'ab', (), self.notes)
        )
        self.assertIn('who is being migrated is unknown', self.notes[0])

    def test_one_that_ends_while_it_is_asked_is_only_known_less(self):
        def refuse(vm):
            raise sdk_errors.NotFoundException('gone')

        compute = Compute(record())
        compute.server_migrations = refuse
        (found,) = passages.read_passages(compute, 'ab', (), self.notes)
        self.assertIsNone(found.left)
