"""Orders and paces that make no sense are refused; refusals are cut short."""

import dataclasses
import math
import types
import unittest
from unittest import mock

from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.healing import healed
from watcher_tsmig.execute.starting.obstacle import check
from watcher_tsmig.execute.starting.obstacle import obstacle
from watcher_tsmig.execute.starting.obstacle import under_way
from watcher_tsmig.execute.values import Outcome
from watcher_tsmig.execute.values import WallClock
from watcher_tsmig.plan.values import Mode


def server(**values):
    given = {'host': 'cmp-1', 'vm_state': 'active', 'task': None}
    return Server(**{'locked': False, **given, **values})


class TestValues(unittest.TestCase):
    def test_an_order_says_what_it_lacks(self):
        for name in ('vm', 'name', 'source', 'destination'):
            with self.assertRaises(errors.InputError) as caught:
                order(**{name: ''})
            self.assertIn(f'{name}: is empty', str(caught.exception))
        with self.assertRaises(errors.InputError) as caught:
            order(deadline=0.0)
        self.assertIn('deadline: is not above 0', str(caught.exception))
        self.assertEqual(0.1, order(deadline=0.1).deadline)

    def test_a_vm_has_arrived_where_it_goes_or_goes_on_to_and_nowhere(self):
        wanted = order(goes_on_to='cmp-9')
        for host, arrived in (
            ('cmp-2', True), ('cmp-9', True), ('cmp-1', False), ('', False)
        ):  # fmt: skip
            self.assertIs(arrived, wanted.arrived(host), host)
        self.assertIs(False, order().arrived(''))

    def test_every_wait_of_a_pace_is_some_time(self):
        for name in (field.name for field in dataclasses.fields(Pace)):
            if name in ('abort_late', 'resets'):
                for value in (True, False):
                    made = Pace(**{name: value})
                    self.assertIs(value, getattr(made, name))
                continue
            if name == 'present':  # 0: nobody looks
                self.assertRaises(errors.InputError, Pace, present=-0.1)
                self.assertEqual(0.0, Pace(present=0.0).present)
                continue
            with self.assertRaises(errors.InputError) as caught:
                Pace(**{name: 0})
            self.assertIn(f'{name}: is not above 0', str(caught.exception))
            self.assertTrue(Pace(**{name: 0.5}))

    def test_who_sets_no_option_has_the_same_waits_after_an_upgrade(self):
        self.assertEqual(
            {
                'poll': 1.0,
                'appear': 60.0,
                'queue': 3600.0,
                'ill': 120.0,
                'present': 120.0,
                'switch_again': 3.0,
                'switch_tries': 20,
                'stop': 60.0,
                'settle': 60.0,
                'quiet': 15.0,
                'outage': 300.0,
                'cap_life': 120.0,
                'resets': False,
                'abort_late': True,
                'balloon_keep': 256.0 * 2**20,
                'requests': 15,
                'http_tries': 3,
                'http_wait': 0.5,
            },
            dataclasses.asdict(Pace()),
        )

    def test_a_plan_that_is_cancelled_is_noticed_within_2_s(self):
        self.assertEqual(2.0, Pace(poll=2.0).poll)
        with self.assertRaises(errors.InputError) as caught:
            Pace(poll=2.1)
        self.assertIn('poll: is above 2 s', str(caught.exception))

    def test_what_nobody_foretold_of_an_order_is_none(self):
        found = order()
        self.assertEqual(
            (0.0, 0.0, 0.0, 0.0, math.inf, 1),
            (
                found.floor, found.disk_deadline, found.copies, found.settles,
                found.takes, found.hop,
            ),
        )  # fmt: skip

    def test_disks_go_along_where_they_are_there_or_were_planned(self):
        self.assertIs(False, order().copies_disks)
        self.assertTrue(order(disks=True).copies_disks)
        self.assertTrue(order(disk_deadline=0.5).copies_disks)

    def test_the_real_time_is_that_of_the_machine(self):
        clock = WallClock()
        with mock.patch('time.sleep') as slept:
            clock.sleep(7.0)
        slept.assert_called_once_with(7.0)
        with mock.patch('time.monotonic', return_value=5.0):
            self.assertEqual(5.0, clock.now())


class TestUnderWay(unittest.TestCase):
    def under_way(self, *statuses, task='migrating', to='cmp-2'):
        records = [
            Record(
                id=str(i), status=status, source='cmp-1', destination=to,
                took=None,
            )
            for i, status in enumerate(statuses)
        ]  # fmt: skip
        nova = types.SimpleNamespace(records=lambda vm: records)
        return under_way(nova, order(), server(task=task))

    def test_the_newest_one_that_has_not_ended_is(self):
        for status in (
            'queued',
            'preparing',
            'running',
            'running (post-copy)',
        ):
            self.assertEqual('0', self.under_way(status, 'completed').id)

    def test_one_that_has_ended_or_lands_is_not_nor_is_an_older_one(self):
        for status in ('completed', 'failed', 'post-migrating'):
            self.assertIsNone(self.under_way(status, 'running'), status)

    def test_without_a_record_or_a_task_none_is(self):
        self.assertIsNone(self.under_way())
        for task in (None, 'rebuilding'):
            self.assertIsNone(self.under_way('running', task=task))

    def test_one_to_somewhere_else_is_not_what_was_ordered(self):
        self.assertIsNone(self.under_way('running', to='cmp-3'))


class TestCheck(unittest.TestCase):
    def check(self, *, down=False, trouble=None, **values):
        nova = types.SimpleNamespace(
            is_down=lambda host: down and host == 'cmp-1',
            service_trouble=lambda host: trouble,
        )
        with self.assertRaises(errors.MigrationError) as caught:
            check(nova, order(), server(**values))
        return caught.exception

    def test_only_a_destination_that_refuses_makes_another_one_worth_it(self):
        found = self.check(trouble='is down')
        self.assertIsInstance(found, errors.DestinationError)
        self.assertEqual('cmp-2 is down', found.why)
        for found, text in (
            (self.check(down=True, trouble='is down'), 'stays on cmp-1, who'),
            (self.check(locked=True, down=True, trouble='x'), 'is locked'),
        ):
            self.assertNotIsInstance(found, errors.DestinationError)
            self.assertIn(text, str(found))


class TestObstacles(unittest.TestCase):
    def test_of_two_reasons_the_first_to_be_solved_is_told(self):
        for values, text in (
            ({'host': 'cmp-9', 'locked': True}, 'is on cmp-9, not on cmp-1'),
            ({'locked': True, 'vm_state': 'stopped'}, 'is locked'),
            ({'vm_state': 'stopped', 'task': 'x'}, 'is stopped; move it cold'),
            ({'vm_state': 'paused', 'task': 'x'}, 'is busy (x)'),
            ({'vm_state': 'paused'}, 'is paused and cannot be post-copied'),
            ({'vm_state': 'rescued'}, 'is rescued; only an active VM'),
            ({}, ''),
        ):
            found = obstacle(order(mode=Mode.POST_COPY), server(**values))
            self.assertTrue(found.startswith(text), (values, found))
            self.assertEqual(bool(text), bool(found))

    def test_a_paused_vm_may_be_pre_copied(self):
        self.assertEqual('', obstacle(order(), server(vm_state='paused')))

    def test_only_a_second_hop_waits_for_a_first(self):
        for hop, text in ((1, 'not on cmp-1 any more'), (2, 'not brought to')):
            found = obstacle(order(hop=hop), server(host='cmp-5'))
            self.assertIn(text, found)


class TestHealed(unittest.TestCase):
    def healed(self, *refusals, remark=''):
        """Destinations refuse for these reasons; the one after takes it."""
        names = [f'cmp-{i + 2}' for i in range(len(refusals) + 1)]
        why = dict(zip(names, refusals, strict=False))

        def go(to):
            if to in why:
                raise errors.DestinationError(f'no: {why[to]}', why[to])
            return Outcome(
                vm='vm-1',
                host=to,
                seconds=1.0,
                mode=Mode.PRE_COPY,
                remark=remark,
            )

        with self.assertLogs('watcher_tsmig.execute.healing') as logs:
            found = healed(go, names)
        self.assertEqual(len(refusals), len(logs.output))
        return found

    def test_the_planned_one_and_its_reason_are_told_not_those_after(self):
        found = self.healed('is down', 'is full', remark='cap enforced')
        self.assertEqual('cmp-4', found.host)
        self.assertEqual(
            'instead of cmp-2: is down; cap enforced', found.remark
        )

    def test_a_long_reason_is_cut(self):
        found = self.healed('x' * 200)
        self.assertEqual(f'instead of cmp-2: {"x" * 80}', found.remark)
