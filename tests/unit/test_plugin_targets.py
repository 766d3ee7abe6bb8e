"""What people name in an audit: VMs, destinations, and the end."""

import dataclasses
import datetime
import unittest

from tests.unit import builders
from tests.unit import test_plugin_drain
from watcher_tsmig import errors
from watcher_tsmig.plugin.audits import moments
from watcher_tsmig.plugin.audits import targets
from watcher_tsmig.plugin.audits.targets import NothingToPlan

NOON = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC).timestamp()


def twin(number, at):
    made = builders.vm('twin', at)
    return dataclasses.replace(made, id=f'id-{number}')


class TestMoments(unittest.TestCase):
    def test_a_clock_is_the_next_time_that_it_shows_it(self):
        table = (
            ('12:01', 60),
            ('13:30', 5400),
            (' 9:00 ', 21 * 3600),
            # now is over when the plan starts
            ('12:00', 86400),
            ('11:59', 86340),
        )
        for text, seconds in table:
            with self.subTest(text):
                self.assertEqual(seconds, moments.until(text, NOON))

    def test_an_instant_is_taken_with_its_offset(self):
        table = (
            ('2026-03-01T14:00+01:00', 3600),
            ('2026-03-01T12:00:30Z', 30),
            ('2026-03-02 12:00:00+00:00', 86400),
        )
        for text, seconds in table:
            with self.subTest(text):
                self.assertEqual(seconds, moments.until(text, NOON))

    def test_what_is_no_instant_is_told_what_would_be_one(self):
        for text in (
            *('soon', '24:00', '12:60', '12', '-1:00', '12:00:00'),
            *('2026-03-01T14:00', '2026-13-01T14:00Z', '2026-03-02'),
        ):
            with self.subTest(text):
                with self.assertRaisesRegex(errors.InputError, 'HH:MM'):
                    moments.until(text, NOON)

    def test_what_has_passed_is_told_the_time(self):
        with self.assertRaisesRegex(
            errors.InputError, 'finish_by.* has passed; it is 2026-03-01T12:00'
        ):
            moments.until('2026-03-01T12:00+01:00', NOON)
        with self.assertRaisesRegex(errors.InputError, 'has passed'):
            moments.until('2026-03-01T12:00Z', NOON)


class TestTargets(unittest.TestCase):
    def setUp(self):
        self.cloud = builders.cloud(
            'a b',
            builders.vm('web', 'a'),
            builders.vm('db', 'a'),
            builders.vm('x=y', 'b'),
            twin('1', 'a'),
            twin('2', 'b'),
        )

    def refused(self, call, *given):
        with self.assertRaises(NothingToPlan) as caught:
            call(self.cloud, 'here', given)
        text = str(caught.exception)
        self.assertLessEqual(len(text), 255)
        self.assertIn('here', text)
        return text

    def test_a_vm_is_named_by_its_name_or_its_id(self):
        self.assertEqual(
            ('id-db', 'id-web', 'id-2'),
            targets.vms(
                self.cloud, 'vms', ['db', 'id-web', 'web', 'id-2', 'db']
            ),
        )

    def test_an_unknown_vm_is_told_the_known_ones(self):
        text = self.refused(targets.vms, 'web', 'dbx')
        self.assertIn('names dbx', text)
        self.assertIn('Known: db, twin, web, x=y.', text)

    def test_a_name_of_two_vms_is_told_their_ids(self):
        text = self.refused(targets.vms, 'twin')
        self.assertIn('twin', text)
        self.assertIn('id-1, id-2', text)

    def test_choices_are_pairs(self):
        self.assertEqual(
            (('id-db', 'b'), ('id-x=y', 'a'), ('id-1', 'b')),
            targets.choices(
                self.cloud,
                'choices',
                ['db=b', 'x=y=a', ' id-1 = b ', 'id-db=b'],
            ),
        )

    def test_a_choice_that_is_none_is_told_why(self):
        table = (
            ('db', 'VM=HOST'),
            ('=b', 'VM=HOST'),
            ('db=', 'VM=HOST'),
            ('db=z', 'names z'),
            ('zz=b', 'names zz'),
            ('twin=b', 'id-1, id-2'),
        )
        for text, part in table:
            with self.subTest(text):
                self.assertIn(part, self.refused(targets.choices, text))
        text = self.refused(targets.choices, 'db=a', 'id-db=b')
        self.assertIn('id-db to a and to b', text)

    def test_endless_names_fit(self):
        for text in ('x' * 255, f'{"x" * 255}={"y" * 255}', f'db={"y" * 255}'):
            self.refused(targets.choices, text)
            self.refused(targets.vms, text)


class TestDrain(test_plugin_drain.Base):
    def moved(self, strategy):
        return {
            (p['resource_id'], p['destination_node'])
            for action in strategy.solution.actions
            for p in [action['input_parameters']]
        }

    def test_a_vm_alone_moves_and_its_host_stays_as_it_is(self):
        strategy = self.run_it(vms=['one'])
        self.assertEqual({('id-one', 'b')}, self.moved(strategy))
        self.assertTrue(self.audit.status_message.startswith('1 VM moves in'))

    def test_a_choice_is_kept_and_nothing_else_is_emptied(self):
        self.compute._services[0].status = 'disabled'
        strategy = self.run_it(choices=['two=b'])
        self.assertEqual({('id-two', 'b')}, self.moved(strategy))

    def test_what_is_not_there_is_nobody_moved(self):
        for given, text in (
            ({'vms': ['nine']}, 'vms names nine'),
            ({'choices': ['one=q']}, 'choices names q'),
            ({'hosts': ['a'], 'finish_by': 'noon'}, "finish_by: 'noon'"),
        ):
            with self.subTest(**given):
                strategy = self.run_it(**given)
                self.assertEqual([], strategy.solution.actions)
                self.assertIn(text, self.audit.status_message)

    def test_the_earlier_deadline_holds(self):
        far = (
            datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
        ).isoformat()
        self.assertEqual(
            600.0,
            self.run_it(
                hosts=['a'], finish_by=far, deadline_s=600
            ).plan.request.deadline,
        )
        found = self.run_it(hosts=['a'], finish_by=far).plan.request.deadline
        self.assertAlmostEqual(30 * 86400.0, found, delta=600)

    def test_the_gentlest_policy_in_time_is_told(self):
        for seconds, text in (
            (10000, 'the gentlest policy in time is gentle.'),
            (1, 'no policy is in time, this is fast.'),
            (0, 'without a deadline the gentlest policy is gentle.'),
        ):
            with self.subTest(seconds):
                self.run_it(hosts=['a'], policy='gentlest', deadline_s=seconds)
                self.assertIn(text, self.audit.status_message)

    def test_a_deadline_that_is_missed_by_half_a_second_is_missed(self):
        takes = self.run_it(hosts=['a'], policy='fast').plan.makespan
        self.run_it(hosts=['a'], policy='gentlest', deadline_s=takes - 0.5)
        self.assertIn('no policy is in time', self.audit.status_message)

    def test_the_shortfall_is_told_before_who_stays(self):
        self.run_it(hosts=['a'], deadline_s=12, max_per_source=1)
        text = self.audit.status_message
        self.assertRegex(
            text, r'All of them would miss the deadline of 12 s by \d'
        )
        self.assertLess(text.index('All of them'), text.index('stay'))
