"""A small batch that goes first, of a plan that is there already."""

import unittest

from tests.unit import builders
from watcher_tsmig.plan import batch
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Request


class TestFirst(unittest.TestCase):
    def setUp(self):
        vms = [builders.idle(f'v{i}', 'abc'[i % 3]) for i in range(9)]
        self.cloud = builders.cloud('a b c d e', *vms)
        self.plan = self.made()

    def made(self, **asked):
        request = Request(hosts=('a', 'b', 'c'), **asked)
        return make_plan(self.cloud, request)

    def test_the_others_begin_when_all_of_it_have_ended(self):
        for count in (1, 2, 5, 8):
            found = batch.first(self.plan, count)
            early, later = found.migrations[:count], found.migrations[count:]
            ends = max(m.end for m in early)
            self.assertEqual(9, len(found.migrations))
            for migration in later:
                self.assertGreaterEqual(migration.start, ends)
                self.assertLessEqual(
                    {m.id for m in early}, set(migration.after)
                )

    def test_the_judge_accepts_it(self):
        for count in (1, 3, 8):
            self.assertEqual(
                [], check(self.cloud, batch.first(self.plan, count))
            )

    def test_the_batch_is_what_began_first_and_begins_as_before(self):
        early = batch.first(self.plan, 3).migrations[:3]
        by_start = sorted(self.plan.migrations, key=lambda m: (m.start, m.end))
        self.assertEqual(by_start[:3], list(early))

    def test_nobody_waits_where_all_of_them_or_none_are_the_batch(self):
        for count in (0, 9, 64):
            self.assertIs(self.plan, batch.first(self.plan, count))

    def test_a_deadline_that_is_missed_by_it_is_told(self):
        whole = self.plan.makespan
        plan = self.made(deadline=whole * 1.01)
        found = batch.first(plan, 1)
        self.assertAlmostEqual(
            found.makespan - plan.request.deadline, found.shortfall
        )
        self.assertGreater(found.shortfall, 0.0)
