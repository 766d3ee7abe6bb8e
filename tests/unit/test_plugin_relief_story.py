"""The status message of a relief, sentence by sentence."""

import dataclasses
import unittest

from tests.unit import builders
from tests.unit.test_plugin_status_texts import stays
from watcher_tsmig.model.history import Load
from watcher_tsmig.plan.relief.busy import Busy
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plan.relief.busy import Relief
from watcher_tsmig.plugin.audits import relief_story
from watcher_tsmig.reasons import Reason


def busy(host='a', load=Load.TX, **values):
    given = {'share': 0.9, 'held': 900.0, 'high': 0.8, 'after': 0.55}
    return Busy(host=host, load=load, **{**given, **values})


def relief(*hosts, left_out=(), unmeasured=None, busiest=None):
    return Relief(
        hosts=hosts,
        busiest=busiest,
        left_out=left_out,
        unmeasured=unmeasured or {},
    )


ONE = busy(choices=(('id-one', 'c'),))
CLOUD = builders.cloud('a b', builders.vm('one', 'a'), builders.vm('x', 'b'))


class TestMoves(unittest.TestCase):
    def told(self, found, *steps, notes=(), **values):
        plan = builders.plan(*steps, vms=('id-one',))
        plan = dataclasses.replace(plan, **values)
        return relief_story.of_plan(plan, found, notes)

    def test_first_how_busy_a_host_is_then_what_leaves_it_then_how_long(self):
        told = self.told(relief(ONE), builders.step('one', 'a>c'))
        self.assertRegex(
            told,
            r'^a sends 90% of its NIC for 15 min; one to c, which leaves '
            r'55%\. 1 VM leaves a in \d+ s \(bound 0.0 s\)\.$',
        )

    def test_each_load_has_its_words(self):
        for load, text in (
            (Load.TX, 'a sends 90% of its NIC for 15 min'),
            (Load.RX, 'a receives 90% of its NIC for 15 min'),
            (Load.CPU, 'a keeps 90% of its CPUs busy for 15 min'),
        ):
            self.assertEqual(text, relief_story.busy_for(busy(load=load)))

    def test_what_is_left_is_told_only_where_all_that_should_leave_does(self):
        both = busy(choices=(('id-one', 'c'), ('id-two', 'c')))
        told = self.told(relief(both), builders.step('one', 'a>c'))
        self.assertIn('for 15 min; one to c. 1 VM', told)
        self.assertNotIn('which leaves', told)

    def test_a_host_that_nothing_leaves_is_told_with_the_reason(self):
        more = busy('b', Load.CPU, reason=Reason.NOT_HELD)
        told = self.told(relief(ONE, more), builders.step('one', 'a>c'))
        self.assertTrue(
            told.endswith(
                ' b keeps 90% of its CPUs busy for 15 min: not for long '
                'enough yet.'
            ),
            told,
        )
        self.assertTrue(told.startswith('a sends'), told)
        self.assertNotIn('b keeps 90% of its CPUs busy for 15 min;', told)

    def test_one_that_is_relieved_in_part_is_told_twice(self):
        part = dataclasses.replace(ONE, reason=Reason.NEXT_AUDIT)
        told = self.told(relief(part), builders.step('one', 'a>c'))
        self.assertIn('15 min; one to c, which leaves 55%.', told)
        self.assertIn('15 min: more is for the next audit.', told)

    def test_notes_and_those_without_a_measure_come_last(self):
        told = self.told(
            relief(ONE, unmeasured={'c': 1}),
            builders.step('one', 'a>c'),
            notes=['odd'],
        )
        self.assertTrue(
            told.endswith(' 1 VM is not measured, on c. odd.'), told
        )


class TestNothing(unittest.TestCase):
    def told(self, found, *notes, limits=None):
        return relief_story.nothing(found, limits or Limits(), CLOUD, notes)

    def test_where_nobody_is_busy_the_busiest_is_named(self):
        calm = busy('b', Load.RX, share=0.42)
        self.assertEqual(
            'Nothing to do: no NIC was above 80%, no CPUs above 90% for 10 '
            'min. The busiest: b receives 42% of its NIC. Nova is slow.',
            self.told(relief(busiest=calm), 'Nova is slow'),
        )

    def test_where_nobody_is_measured_that_is_said(self):
        self.assertEqual(
            'Nothing planned: none of 2 VMs is measured.', self.told(relief())
        )

    def test_a_busy_host_that_keeps_its_vms_says_why(self):
        stuck = busy(reason=Reason.RECEIVED_LATELY)
        self.assertEqual(
            'Nothing moves. a sends 90% of its NIC for 15 min: it received '
            'a VM within the cool-down. 3 VMs are not measured, on a, b.',
            self.told(relief(stuck, unmeasured={'b': 1, 'a': 2})),
        )

    def test_who_cannot_go_is_named_where_that_is_why(self):
        out = (
            *stays('one', 'two'),
            dataclasses.replace(stays('else')[0], host='b'),
        )
        for reason, named in (
            (Reason.NO_CANDIDATE, True),
            (Reason.NO_GAIN, True),
            (Reason.RELIEVED, False),
            (Reason.NOT_HELD, False),
        ):
            told = self.told(relief(busy(reason=reason), left_out=out))
            text = ', not one (locked), two (locked).'
            self.assertIs(named, told.endswith(text), told)
            self.assertNotIn('else', told)
        told = self.told(relief(busy(reason=Reason.NO_GAIN)))
        self.assertTrue(told.endswith('by the margin.'), told)

    def test_long_names_leave_room_for_the_rest(self):
        told = self.told(relief(busiest=busy('h' * 200)))
        self.assertIn(f'{"h" * 59}… sends', told)
        many = {f'host-{i:02}': 1 for i in range(30)}
        told = self.told(relief(busy(reason=Reason.NO_GAIN), unmeasured=many))
        self.assertRegex(told, r'30 VMs are not measured, on host-00, .* more')
        told = self.told(
            relief(
                busy(reason=Reason.NO_GAIN),
                left_out=stays(*(f'name-{i:02}' for i in range(20))),
            )
        )
        part = told[told.index(', not ') + 6 : -1]
        self.assertLessEqual(len(part), 80)
        self.assertGreater(len(part), 60)

    def test_without_vms_there_is_nothing_to_do(self):
        self.assertEqual(
            'Nothing to do: there are no VMs on the hosts to look at.',
            relief_story.no_vms(),
        )


class TestLog(unittest.TestCase):
    def test_it_has_a_line_for_each_host_and_each_vm_that_stays(self):
        two = busy(
            'b', choices=(('id-x', 'c'), ('id-y', 'd')),
            reason=Reason.NEXT_AUDIT,
        )  # fmt: skip
        found = relief(
            ONE, two, busy('d', reason=Reason.NO_GAIN), left_out=stays('z')
        )
        head = 'sends 90% of its NIC for 15 min (threshold 80%):'
        self.assertEqual(
            [
                f'a {head} id-one to c leaves [enough]',
                f'b {head} id-x to c, id-y to d leaves [next-audit]',
                f'd {head} nothing leaves [no-gain]',
                'z (id-z) [locked]: is locked',
            ],
            [*relief_story.lines(found)],
        )
