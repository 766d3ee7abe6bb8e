"""Which action waits for which, and what would make Watcher stumble."""

import unittest

from watcher_tsmig import errors
from watcher_tsmig.plugin import edges


def service(state='disabled', **more):
    return {
        'action_type': 'change_nova_service_state',
        'input_parameters': {'state': state, **more},
    }


def move(vm='vm-1', source='a', **more):
    return {
        'action_type': 'migrate',
        'input_parameters': {
            'resource_id': vm, 'source_node': source, **more
        },
    }  # fmt: skip


class TestDefault(unittest.TestCase):
    """For strategies that say nothing of it, as Watcher's own."""

    def test_disable_then_a_chain_for_each_source_then_enable(self):
        actions = [
            service('enabled'),
            move('1', 'a'),
            service('disabled'),
            move('2', 'b'),
            move('3', 'a'),
            service('down'),
            move('4', 'b'),
            service('up'),
        ]
        both = [2, 5]
        self.assertEqual(
            [[4, 6], both, [], both, [1], [], [3], [4, 6]],
            edges.default(actions),
        )

    def test_where_nothing_moves_enabling_waits_for_disabling(self):
        found = edges.default([service('disabled'), service('enabled')])
        self.assertEqual([[], [0]], found)

    def test_what_has_no_source_is_one_chain(self):
        nop = {'action_type': 'nop'}
        empty = {'action_type': 'sleep', 'input_parameters': None}
        found = edges.default([nop, move('1', 'a'), empty, move('2', None)])
        self.assertEqual([[], [], [0], [2]], found)


class TestExplicit(unittest.TestCase):
    def test_each_waits_for_those_that_the_strategy_named_once(self):
        actions = [move('1'), move('2'), move('3')]
        self.assertEqual(
            [[], [0], [0, 1]],
            edges.explicit(actions, {'2': ['1'], '3': ['2', '1', '2']}),
        )

    def test_the_second_migration_of_a_vm_has_its_hop_behind_its_name(self):
        actions = [move('1'), move('1', hop=2), move('2', hop=1)]
        self.assertEqual(
            ['1', '1#2', '2'], [edges.key(action) for action in actions]
        )
        self.assertEqual(
            [[], [0, 2], []], edges.explicit(actions, {'1#2': ['1', '2']})
        )

    def test_what_has_no_resource_may_be_there_many_times(self):
        nop = {'action_type': 'nop', 'input_parameters': {'message': 'x'}}
        self.assertEqual('', edges.key(nop))
        self.assertEqual([[], []], edges.explicit([nop, nop], {}))

    def test_one_that_is_there_twice_or_not_at_all_is_named(self):
        for actions, after, text in (
            ([move('1'), move('1')], {}, "actions[1]: is a second one of '1'"),
            (
                [move('1'), move('2')],
                {'2': ['9']},
                "actions[1]: waits for '9', which is not in the solution",
            ),
        ):
            with self.assertRaises(errors.InputError) as caught:
                edges.explicit(actions, after)
            self.assertEqual(text, str(caught.exception))


class TestCheck(unittest.TestCase):
    def refused(self, actions, parents):
        with self.assertRaises(errors.InputError) as caught:
            edges.check(actions, parents)
        return str(caught.exception)

    def test_a_thousand_parents_fit_watchers_column_and_no_more(self):
        actions = [move(str(i)) for i in range(1002)]
        rest = [[]] * 1001
        edges.check(actions, [*rest, list(range(1000))])
        text = self.refused(actions, [*rest, list(range(1001))])
        self.assertEqual(
            'actions[1001]: waits for 1001 others; 1000 fit', text
        )

    def test_parameters_have_to_be_json_and_fit(self):
        for value, text in (
            ({1, 2}, 'input parameters are not JSON'),
            (float('nan'), 'input parameters are not JSON'),
            ('x' * 60000, 'input parameters exceed 60000 bytes'),
        ):
            found = self.refused([move(), move('2', x=value)], [[], []])
            self.assertTrue(found.startswith(f'actions[1]: {text}'), found)
        around = len('{"resource_id": "2", "source_node": "a", "x": ""}')
        most = 60000 - around
        edges.check([move('2', x='x' * most)], [[]])
        self.refused([move('2', x='x' * (most + 1))], [[]])

    def test_those_that_wait_for_each_other_are_named_in_their_order(self):
        actions = [move('1'), move('2'), move('3')]
        text = self.refused(actions, [[1], [0], []])
        self.assertRegex(
            text,
            r'^wait for each other: '
            r'actions\[([01])\] -> actions\[[01]\] -> actions\[\1\]$',
        )
        edges.check(actions, [[], [0], [0, 1]])
