"""What is told of a VM whose migration has ended, and what to do next."""

import unittest

from tests.unit.test_execute_migration import order
from tests.unit.test_execute_orders import server
from watcher_tsmig.execute import words
from watcher_tsmig.execute.sight import NOWHERE
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Mode

HARD = '"openstack server reboot --hard"'
ACTIVE = '"openstack server set --state active"'
SPLIT = 'correct its host in Nova, and do not start it again'


class TestWhereabouts(unittest.TestCase):
    def told(self, runs=None, then='', **values):
        return words.whereabouts(order(), server(**values), runs, then)

    def test_where_it_is_comes_first_and_then_what_to_do(self):
        for runs, values, text in (
            (None, {}, 'it is active on cmp-1; plan again'),
            (None, {'task': 'migrating'}, 'it is migrating on cmp-1'),
            (
                None,
                {'host': 'cmp-2'},
                'it is active on cmp-2, its destination',
            ),
            (
                None,
                {'host': 'cmp-2', 'task': 'migrating'},
                'it is migrating on cmp-2, its destination',
            ),
            (
                None,
                {'vm_state': 'error'},
                f'it is in ERROR on cmp-1; if it runs there, {ACTIVE}',
            ),
            (
                'cmp-1',
                {'vm_state': 'error'},
                f'it is in ERROR on cmp-1, but runs there; {ACTIVE}',
            ),
            ('cmp-1', {}, 'it is active on cmp-1; plan again'),
            (
                'cmp-2',
                {},
                f'it runs on cmp-2, but Nova counts it to cmp-1; {SPLIT}',
            ),
            # wherever it runs and whatever Nova thinks of it
            (
                'cmp-2',
                {'vm_state': 'error'},
                f'it runs on cmp-2, but Nova counts it to cmp-1; {SPLIT}',
            ),
            (
                NOWHERE,
                {},
                f'it is active on cmp-1 and runs on neither host; {HARD}',
            ),
            (
                NOWHERE,
                {'vm_state': 'error'},
                f'it is in ERROR on cmp-1 and runs on neither host; {HARD}',
            ),
        ):
            self.assertEqual(text, self.told(runs, **values), (runs, values))

    def test_a_vm_that_nobody_can_ask_for_is_nowhere_known(self):
        self.assertEqual(
            'where it is now is unknown', words.whereabouts(order(), None)
        )

    def test_who_knows_better_what_to_do_is_heard_but_about_a_split(self):
        self.assertEqual('it is active on cmp-1; wait', self.told(then='wait'))
        self.assertEqual(
            'it is migrating on cmp-1; wait',
            self.told(then='wait', task='migrating'),
        )
        self.assertIn(SPLIT, self.told('cmp-2', then='wait'))
        found = words.whereabouts(
            order(), server(), 'cmp-2', then='wait', split='not yet'
        )
        self.assertTrue(found.endswith('; not yet'), found)


class TestRest(unittest.TestCase):
    def test_it_is_at_rest_where_it_was_alive_and_left_alone(self):
        for values, rests in (
            ({}, True),
            ({'vm_state': 'paused'}, True),
            ({'host': 'cmp-2'}, False),
            ({'task': 'migrating'}, False),
            ({'vm_state': 'error'}, False),
            ({'vm_state': 'stopped'}, False),
        ):
            found = words.at_rest(order(), server(**values))
            self.assertIs(rests, found, values)
        self.assertFalse(words.at_rest(order(), None))


class TestOutcomes(unittest.TestCase):
    def test_what_nobody_needed_took_no_time_and_sent_nothing(self):
        found = words.already_there(order(mode=Mode.POST_COPY), 'cmp-9')
        self.assertEqual(
            ('cmp-9', 0.0, Mode.POST_COPY, 0.0, 'was already there'),
            (found.host, found.seconds, found.mode, found.data, found.remark),
        )
        self.assertIs(Enforcement.ADVISORY, found.cap)
        self.assertEqual(0.0, found.queued)

    def test_a_vm_that_was_deleted_is_nowhere(self):
        found = words.gone(order(), 12.0)
        self.assertEqual(
            ('', 12.0, 'was deleted while it moved'),
            (found.host, found.seconds, found.remark),
        )
        self.assertIsNone(found.data)


class TestSentences(unittest.TestCase):
    def test_a_long_name_is_cut_so_that_the_text_is_read(self):
        for length, shown in ((40, 'x' * 40), (41, 'x' * 39 + '…')):
            found = words.sentence(order(name='x' * length), 'is there')
            self.assertEqual(f'{shown}: is there', found)

    def test_a_post_copy_that_stands_says_what_not_to_do(self):
        self.assertEqual(
            'has been running for 2 min; it cannot be stopped any more. Do '
            'not restart nova-compute on cmp-1; check the network',
            words.halfway(order(), 'running', 120.0),
        )
        self.assertIn(
            'cmp-1; start that on cmp-2, which is down',
            words.halfway(order(), 'running', 120.0, down=True),
        )
        self.assertEqual(
            'do not start it before cmp-1 has stopped sending',
            words.unhurried(order()),
        )
