"""What a VM that is still on the host means, where more than one may hold."""

import unittest

from tests.unit.test_execute_emptying import HOST
from tests.unit.test_execute_emptying import Clock
from tests.unit.test_execute_emptying import Hosts
from tests.unit.test_execute_emptying import passage
from tests.unit.test_execute_emptying import resident
from watcher_tsmig import errors
from watcher_tsmig.execute.emptying import Errand
from watcher_tsmig.execute.emptying import empty


class TestStanding(unittest.TestCase):
    def setUp(self):
        self.moves = []
        self.refusal = None
        self.clock = Clock()
        self.clock.time = 5000.0

    def move(self, who, to):
        self.moves.append((who.name, to))
        if self.refusal is not None:
            raise self.refusal

    def found(self, *looks, to=('b', 'c'), **values):
        given = {'planned': {}, 'stays': {}, 'patience': 60.0}
        return empty(
            Hosts(*looks),
            Errand(host=HOST, destinations=to, **{**given, **values}),
            self.move,
            cancelled=lambda: False,
            clock=self.clock,
        )

    def test_who_was_to_stay_and_leaves_all_the_same_is_awaited(self):
        leaves = ([resident('big')], [passage('big', HOST, 'b')])
        found = self.found(leaves, ([], []), stays={'id-big': 'no-room'})
        self.assertTrue(found.empty)
        self.assertEqual(3.0, found.waited)

    def test_who_was_to_leave_and_is_busy_is_awaited(self):
        busy = ([resident('one', task='migrating')], [])
        found = self.found(busy, ([], []), planned={'id-one': ('b',)})
        self.assertTrue(found.empty)

    def test_who_came_late_goes_where_there_is_only_one_place(self):
        found = self.found(([resident('late')], []), ([], []), to=('b',))
        self.assertEqual([('late', 'b')], self.moves)
        self.assertTrue(found.empty)

    def test_of_two_that_came_late_the_first_goes_first(self):
        both = [resident('one'), resident('two')]
        found = self.found((both, []), (both[1:], []), ([], []))
        self.assertEqual([('one', 'b'), ('two', 'b')], self.moves)
        self.assertEqual(
            'cmp-7 is empty; came late and moved: one to b, two to b',
            found.told(),
        )

    def test_who_has_left_but_is_not_at_rest_does_not_arrive_here(self):
        found = self.found(([], [passage('one', HOST, 'b')]))
        self.assertTrue(found.empty)
        self.assertEqual(0.0, found.waited)

    def test_who_is_resized_where_it_was_does_not_arrive(self):
        self.assertTrue(self.found(([], [passage('x', HOST, HOST)])).empty)

    def test_who_arrives_is_counted_once_it_is_here_as_one(self):
        here = ([resident('one', task='x')], [passage('one', 'b', HOST)])
        found = self.found(here)
        self.assertEqual(0, found.arriving)
        self.assertIn('1 VM: one (x)', found.told())

    def test_what_was_waited_for_is_told_also_after_a_while(self):
        found = self.found(([resident('busy', task='spawning')], []))
        self.assertEqual(63.0, found.waited)

    def test_one_who_leaves_is_told_in_words(self):
        leaves = ([resident('one')], [passage('one', HOST, 'b')])
        found = self.found(leaves, patience=1.0)
        self.assertIn('one (is leaving)', found.told())

    def test_a_long_reason_is_cut(self):
        for refusal in (
            errors.DestinationError('no', 'x' * 99),
            errors.MigrationError('x' * 99),
        ):
            self.setUp()
            self.refusal = refusal
            told = self.found(([resident('late')], []), to=('b',)).told()
            self.assertIn(f'late ({"x" * 60})', told)

    def test_all_patience_is_spent_before_it_is_over(self):
        busy = ([resident('busy', task='spawning')], [])
        found = self.found(busy, busy, ([], []), patience=6.0)
        self.assertTrue(found.empty)
        self.assertEqual(6.0, found.waited)
