"""What the playground's scheduler lets a VM do, group by group."""

import unittest

from tests.unit import builders
from watcher_tsmig import units
from watcher_tsmig.model import Group
from watcher_tsmig.playground.cloud import bonds

HOSTS = ('a', 'b', 'c')
PLACES = {'one': 'a', 'two': 'b', 'three': 'b'}


def group(policy, *members, **values):
    return Group(id='g', policy=policy, members=members, **values)


class TestGrouped(unittest.TestCase):
    def where(self, *groups):
        return [
            host
            for host in HOSTS
            if bonds.grouped('one', host, groups, PLACES)
        ]

    def test_hard_policies_bind(self):
        self.assertEqual(
            ['a', 'c'], self.where(group('anti-affinity', *PLACES))
        )
        self.assertEqual(['b'], self.where(group('affinity', *PLACES)))
        self.assertEqual(
            [],
            self.where(
                group('affinity', 'one', 'two'),
                group('anti-affinity', 'one', 'three'),
            ),
        )

    def test_more_than_one_may_share_a_host_where_the_rule_says_so(self):
        for most, hosts in ((2, ['a', 'c']), (3, ['a', 'b', 'c'])):
            with self.subTest(most=most):
                self.assertEqual(
                    hosts,
                    self.where(
                        group('anti-affinity', *PLACES, max_per_host=most)
                    ),
                )

    def test_soft_policies_other_groups_and_the_gone_do_not(self):
        self.assertEqual(
            list(HOSTS),
            self.where(
                group('soft-affinity', *PLACES),
                group('soft-anti-affinity', *PLACES),
                group('affinity', 'two', 'three'),
                group('affinity', 'one', 'gone'),
            ),
        )


class TestSuits(unittest.TestCase):
    def test_disk_counts_where_it_is_known(self):
        vm = builders.vm('one', 'a', disk=10 * units.GIB)
        small = builders.host('a', disk=15 * units.GIB)
        self.assertTrue(bonds.suits(vm, small, 5 * units.GIB))
        self.assertFalse(bonds.suits(vm, small, 6 * units.GIB))
        self.assertTrue(bonds.suits(vm, builders.host('a'), 1e6 * units.GIB))


class TestMarks(unittest.TestCase):
    def test_one_mark_for_each_set_by_turns_aggregate_and_trait(self):
        sets = (('a',), None, ('a', 'b'), ('a',))
        cloud = builders.cloud(
            'a b c',
            *(
                builders.vm(f'vm{n}', 'a', allowed=allowed)
                for n, allowed in enumerate(sets)
            ),
        )
        marks = bonds.marks_of(cloud)
        self.assertEqual(
            {('a',): False, ('a', 'b'): True},
            {hosts: mark.is_trait for hosts, mark in marks.items()},
        )
