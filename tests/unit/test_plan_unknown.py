"""What one number more would have changed in a plan."""

import dataclasses

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig.model.observed import Basis
from watcher_tsmig.plan import policies
from watcher_tsmig.plan import unknown
from watcher_tsmig.plan.make import make_plan

# of a link of 125e6 bytes/s
BUSY = 200e6


class TestAsked(testtools.TestCase):
    def plan(self, *vms, **values):
        whole = cloud('a b c', *vms)
        request = policies.request(
            'balanced', hosts=('a',), assume_dirty_rate=BUSY, **values
        )
        plan = make_plan(whole, request)
        found = unknown.asked(whole, plan)
        self.assertEqual(
            plan, dataclasses.replace(found, purchases=plan.purchases)
        )
        return found.purchases[len(plan.purchases) :]

    def usual(self, many=3, **values):
        return [
            vm(f'known{i}', 'b', working_set=writes(10e6 * (i + 1)), **values)
            for i in range(many)
        ]

    def test_a_vm_that_stays_for_what_it_may_write_would_move(self):
        (found,) = self.plan(
            vm('db', 'a', working_set=None),
            *self.usual(),
            allow_post_copy=False,
        )
        self.assertEqual(1, found.moves)
        self.assertEqual(
            'To know what db writes, if it is the usual 160 Mbit/s,',
            found.what,
        )

    def test_one_that_only_its_like_showed_is_asked_for_too(self):
        like = dataclasses.replace(writes(BUSY), basis=Basis.LIKE.value)
        (found,) = self.plan(
            vm('db', 'a', working_set=like),
            *self.usual(),
            allow_post_copy=False,
        )
        self.assertEqual(1, found.moves)

    def test_what_would_change_nothing_is_not_told(self):
        self.assertEqual(
            (), self.plan(vm('db', 'a'), vm('web', 'a'), *self.usual())
        )
        # nor where nobody knows what is usual
        self.assertEqual(
            (),
            self.plan(
                vm('db', 'a', working_set=None),
                *self.usual(2),
                allow_post_copy=False,
            ),
        )

    def test_traffic_that_is_assumed_to_fill_a_link_is_worth_knowing(self):
        (found,) = self.plan(
            vm('db', 'a', traffic=None),
            *self.usual(),
            assume_traffic=100e6,
            allow_post_copy=False,
        )
        self.assertEqual(
            'To know the traffic of db, if it is as usual,', found.what
        )
        self.assertGreater(found.spares + found.moves, 0)

    def test_only_so_many_numbers_are_asked_for(self):
        some = [vm(f'db{i}', 'a', working_set=None) for i in range(9)]
        found = self.plan(*some, *self.usual(), allow_post_copy=False)
        self.assertEqual(unknown.MOST, len(found))

    def test_a_large_plan_is_not_made_again(self):
        some = [
            vm(f'db{i}', 'a', working_set=None, memory=1e8)
            for i in range(unknown.SMALL + 1)
        ]
        self.assertEqual(
            (), self.plan(*some, *self.usual(), allow_post_copy=False)
        )
