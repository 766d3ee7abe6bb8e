"""Status messages word by word: what fits, what is cut, and one or many."""

import dataclasses
import unittest

from tests.unit import builders
from watcher_tsmig.execute import Outcome
from watcher_tsmig.model.passage import Passage
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Purchase
from watcher_tsmig.plugin import story
from watcher_tsmig.reasons import Reason
from watcher_tsmig.units import MIB


def stays(*names):
    return tuple(
        LeftOut(
            vm=f'id-{name}',
            name=name,
            host='a',
            reason=Reason.LOCKED,
            because='is locked',
        )
        for name in names
    )


class TestLists(unittest.TestCase):
    def test_what_fits_is_listed_and_the_rest_is_counted(self):
        names = ['aaaa', 'bbbb', 'cccc']
        self.assertEqual('aaaa, bbbb, cccc', story.listed(names, 21))
        self.assertEqual('aaaa and 2 more', story.listed(names, 20))
        self.assertEqual(
            'aaaa, bbbb and 2 more', story.listed([*names, 'dddd'], 21)
        )
        self.assertEqual('aaaa and 3 more', story.listed([*names, 'dddd'], 20))
        self.assertEqual('', story.listed([], 10))

    def test_one_that_is_too_long_is_cut(self):
        self.assertEqual('xxxxxxxxx…', story.listed(['x' * 11], 10))
        self.assertEqual('x' * 10, story.listed(['x' * 10], 10))
        # something of it is told in any case
        self.assertEqual('xxxxxxx…', story.listed(['x' * 11], 2))
        self.assertEqual('x' * 8, story.listed(['x' * 8], 2))

    def test_a_text_of_255_fits_and_one_more_does_not(self):
        self.assertEqual('x' * 255, story.clipped('x' * 255))
        self.assertEqual('x' * 254 + '…', story.clipped('x' * 256))

    def test_parts_fit_with_a_blank_between_them(self):
        first = 'x' * 200
        self.assertEqual(2, story.fitting([first, 'y' * 54]))
        self.assertEqual(1, story.fitting([first, 'y' * 55]))
        self.assertEqual(1, story.fitting(['x' * 300]))
        self.assertEqual(0, story.fitting([]))
        self.assertEqual(3, story.fitting(['a', 'b', 'c']))
        text = f'{first} {"y" * 54}'
        self.assertEqual(text, story.joined([first, 'y' * 54]))
        self.assertEqual(255, len(text))


class TestPlans(unittest.TestCase):
    def plan(self, *moves, out=()):
        steps = [builders.step(name, way) for name, way in moves]
        return dataclasses.replace(builders.plan(*steps), left_out=out)

    def test_one_is_told_from_many(self):
        one, two = ('one', 'a>c'), ('two', 'a>c')
        for moves, hosts, text in (
            ((one,), ['a'], '1 VM leaves a in '),
            ((one, two), ['a'], '2 VMs leave a in '),
            ((one,), [], '1 VM moves in '),
            ((one, two), [], '2 VMs move in '),
            ((one, ('two', 'b>c')), ['b'], '2 VMs move, 1 of them from b, in'),
        ):
            told = story.of_plan(self.plan(*moves), hosts)
            self.assertTrue(told.startswith(text), told)

    def test_who_stays_is_told_with_the_reason(self):
        for names, text in (
            (('x',), '1 stays: x (locked).'),
            (('x', 'y'), '2 stay: x (locked), y (locked).'),
        ):
            told = story.of_plan(
                self.plan(('one', 'a>c'), out=stays(*names)), ['a']
            )
            self.assertIn(text, told)

    def test_those_who_stay_leave_room_for_more(self):
        names = [f'vm-{i:02}' for i in range(40)]
        told = story.of_plan(
            self.plan(('one', 'a>c'), out=stays(*names)), ['a']
        )
        part = told[told.index('40 stay') :]
        self.assertLessEqual(len(part), 120)
        self.assertGreater(len(part), 100)
        self.assertRegex(part, r'and \d+ more\.$')

    def test_nothing_to_move_is_told_with_and_without_hosts(self):
        for hosts, text in (
            (['a', 'b'], 'Nothing moves from a, b.'),
            ([], 'Nothing moves.'),
        ):
            found = builders.plan(vms=('id-x',))
            self.assertEqual(text, story.of_plan(found, hosts))

    def test_a_plan_without_post_copies_or_third_hosts_says_nothing_of_them(
        self,
    ):
        told = story.of_plan(self.plan(('one', 'a>c')), ['a'])
        self.assertNotIn('post-copy', told)
        self.assertNotIn('third', told)

    def test_a_note_is_cut_at_a_word_and_only_where_enough_is_left(self):
        found = self.plan(('one', 'a>c'))
        head = story.of_plan(found, ['a'])
        told = story.of_plan(found, ['a'], ['word ' * 60])
        self.assertTrue(told.startswith(f'{head} word word'), told)
        self.assertTrue(told.endswith('word…'), told)
        self.assertGreater(len(told), 245)
        self.assertLessEqual(len(told), 255)
        # of several that do not fit the first is cut
        self.assertEqual(
            told, story.of_plan(found, ['a'], ['word ' * 60, 'more ' * 60])
        )
        # one that leaves 40 characters of a second is told alone
        room = 255 - len(head) - 1
        long = 'y' * (room - 41 - 1)
        told = story.of_plan(found, ['a'], [long, 'word ' * 20])
        self.assertEqual(f'{head} {long}.', told)
        long = 'y' * (room - 55 - 1)
        told = story.of_plan(found, ['a'], [long, 'word ' * 20])
        self.assertTrue(told.endswith('word…'), told)

    def test_those_who_follow_cold_are_counted_behind_the_others(self):
        nobody = builders.plan(vms=('id-x',))
        one = self.plan(('one', 'a>c'))
        for plan, cold, text in (
            (nobody, 1, '1 stopped VM moves cold.'),
            (nobody, 2, '2 stopped VMs move cold.'),
            (one, 1, ', then 1 cold.'),
        ):
            told = story.of_plan(plan, ['a'], cold=cold)
            self.assertIn(text, told)
        self.assertNotIn('cold', story.of_plan(one, ['a']))

    def test_who_comes_and_who_may_come_is_told_beforehand(self):
        here = builders.cloud(
            'a b c',
            passages=(
                Passage(vm='1', source='b', destination='a'),
                Passage(vm='2', source='a', destination='b'),
                Passage(vm='3', destination='c'),
                Passage(vm='4', destination='c'),
                Passage(vm='5', source='c'),
            ),
        )
        found = story.beforehand(here, ('a', 'c'), {'a': 'id', 'c': 'id'})
        self.assertEqual(
            ['1 VM is on the way to a', '2 VMs are on the way to c'], found
        )
        (note,) = story.beforehand(here, ('b',), {})[1:]
        self.assertIn('b stays enabled', note)
        shut = builders.cloud('a', a=builders.host('a', enabled=False))
        self.assertEqual([], story.beforehand(shut, ('a',), {}))

    def test_a_shortfall_is_told_and_where_there_is_none_nothing(self):
        found = self.plan(('one', 'a>c'))
        self.assertNotIn('miss', story.of_plan(found, ['a']))
        request = dataclasses.replace(found.request, deadline=60.0)
        late = dataclasses.replace(found, request=request, shortfall=0.5)
        self.assertIn('miss', story.of_plan(late, ['a']))

    def test_a_purchase_that_spares_a_second_is_worth_its_line(self):
        for spares, told in ((1.0, True), (0.9, False)):
            found = dataclasses.replace(
                self.plan(('one', 'a>c')),
                purchases=(Purchase(what='1 more', spares=spares),),
            )
            self.assertIs(told, '1 more' in story.of_plan(found, ['a']))

    def test_many_hosts_are_cut_and_so_is_what_binds(self):
        hosts = [f'host-{i:03}' for i in range(40)]
        found = dataclasses.replace(
            self.plan(('one', 'host-000>c')), critical='n' * 90
        )
        told = story.of_plan(found, hosts)
        part = told[len('1 VM leaves ') : told.index(' in ')]
        self.assertLessEqual(len(part), 80)
        self.assertGreater(len(part), 65)
        self.assertIn(f'bound 0.0 s: {"n" * 59}…)', told)


class TestActions(unittest.TestCase):
    GIVEN = {
        'resource_id': 'vm-1',
        'source_node': 'cmp-1',
        'destination_node': 'cmp-2',
        'mode': 'pre-copy',
    }

    def test_a_migration_says_who_from_where_to_where_and_how(self):
        self.assertEqual(
            'vm-1 leaves cmp-1 for cmp-2 by pre-copy',
            story.of_action(self.GIVEN),
        )
        self.assertEqual(
            'db leaves cmp-1 for cmp-2 by pre-copy',
            story.of_action({**self.GIVEN, 'resource_name': 'db'}),
        )

    def test_a_last_look_says_where(self):
        self.assertEqual(
            'cmp-7 is to be empty then',
            story.of_action({'resource_name': 'cmp-7'}),
        )

    def test_an_outcome_says_where_how_long_and_what_was_foretold(self):
        outcome = Outcome(
            vm='vm-1',
            host='cmp-2',
            seconds=50.0,
            mode=Mode.POST_COPY,
            took=41.0,
            data=512 * MIB,
            remark='cap 1.0 Gbit/s enforced',
        )
        self.assertEqual(
            'db is on cmp-2 after 41 s of 30 s planned (post-copy, 512 MiB '
            'sent); cap 1.0 Gbit/s enforced.',
            story.of_outcome('db', outcome, 30.0),
        )
        stood = dataclasses.replace(outcome, took=161.0, queued=120.0)
        self.assertIn(
            "after 41 s of 30 s planned and 2 min in Nova's queue (post-copy",
            story.of_outcome('db', stood, 30.0),
        )
        gone = Outcome(
            vm='vm-1', host='', seconds=9.0, mode=Mode.PRE_COPY,
            remark='was deleted while it moved',
        )  # fmt: skip
        self.assertEqual(
            'db was deleted while it moved.',
            story.of_outcome('db', gone, 30.0),
        )
        less = Outcome(
            vm='vm-1', host='cmp-2', seconds=50.0, mode=Mode.PRE_COPY
        )
        self.assertEqual(
            'db is on cmp-2 after 50 s (pre-copy).',
            story.of_outcome('db', less, 0.0),
        )


class TestRefusals(unittest.TestCase):
    def test_what_is_wrong_is_told_with_what_would_be_right(self):
        for text, expected in (
            (
                story.unknown_vms('vms', ['x', 'z'], ['b', 'a']),
                'Nothing planned: vms names x, z, neither the name nor the '
                "id of a VM in the audit's scope. Known: a, b.",
            ),
            (
                story.unknown_hosts('hosts', ['x'], ['b', 'a']),
                "Nothing planned: hosts names x, not in the audit's scope. "
                'Known: a, b.',
            ),
            (
                story.shared_name('vms', 'web', ['2', '1']),
                'Nothing planned: vms names web, which 2 VMs are called. '
                'Give the id: 1, 2.',
            ),
            (
                story.no_choice('choices', 'x'),
                "Nothing planned: choices has 'x', which is not VM=HOST, the "
                'name or id of a VM and the name of a host.',
            ),
            (
                story.two_hosts('choices', 'web', 'a', 'b'),
                'Nothing planned: choices sends web to a and to b.',
            ),
            (story.failed('no'), 'Nothing planned: no'),
        ):
            self.assertEqual(expected, text)

    def test_with_many_names_all_255_characters_are_used(self):
        many = [f'name-{i:03}' for i in range(99)]
        for text in (
            story.unknown_vms('vms', ['x'], many),
            story.unknown_hosts('hosts', ['x'], many),
            story.shared_name('vms', 'web', many),
        ):
            self.assertRegex(text, r'name-000, .* and \d+ more\.$')
            self.assertLessEqual(len(text), 255)
            self.assertGreater(len(text), 240)

    def test_long_names_leave_room_for_the_rest(self):
        long = 'x' * 255
        for text in (
            story.unknown_vms('vms', [long], ['a']),
            story.unknown_hosts('hosts', [long], ['a']),
            story.shared_name('vms', long, ['1']),
            story.two_hosts('choices', long, 'a', 'b'),
            story.two_hosts('choices', 'web', long, 'b'),
            story.two_hosts('choices', 'web', 'a', long),
            story.all_closed([long], 'plan-1'),
        ):
            self.assertIn('x' * 59 + '…', text)
            self.assertNotIn('x' * 60, text)
        text = story.no_choice('choices', long)
        self.assertIn('x' * 78 + '…', text)
