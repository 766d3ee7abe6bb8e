"""From a planned move to an action's parameters, and back at its start."""

import dataclasses
import math
import unittest

from tests.unit import builders
from tests.unit.test_plugin_actions_read import LEAST
from tests.unit.test_plugin_actions_read import LOOK
from tests.unit.test_plugin_actions_read import fits
from tests.unit.test_plugin_status_texts import stays
from watcher_tsmig.execute.starting.admission import Limits
from watcher_tsmig.plan.cold import Cold
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Request
from watcher_tsmig.plugin.schema import parameters

COUNTS = (
    'stop_after_failures', 'max_per_source', 'max_per_destination',
    'max_in_cluster',
)  # fmt: skip


def given(step, factor=2.0, slack=10.0):
    return parameters.of_migration(step, factor=factor, slack=slack)


class TestForm(unittest.TestCase):
    def test_counts_are_whole_and_none_is_less_than_nothing(self):
        for name in COUNTS:
            for value, right in (
                (0, True), (1, True), (-1, False), (0.5, False), ('x', False),
            ):  # fmt: skip
                found = fits({**LEAST, name: value})
                self.assertIs(right, found, (name, value))
        for value, right in ((0, True), (1, True), (-1, False), ('1', False)):
            found = fits(
                {**LOOK, 'stop_after_failures': value}, parameters.VERIFY
            )
            self.assertIs(right, found, value)

    def test_what_disks_take_is_some_time(self):
        for name in ('planned_disks_s', 'disk_deadline_s'):
            for value, right in ((0, True), (0.5, True), (-0.5, False)):
                self.assertIs(right, fits({**LEAST, name: value}), name)


class TestDisks(unittest.TestCase):
    def test_disks_have_a_deadline_beside_that_of_memory(self):
        step = builders.step('db', 'a>b', copies=40.0, takes=100.0,
                             takes_high=150.0)  # fmt: skip
        copies = step.copies
        self.assertGreater(copies, 0)
        found = given(step)
        self.assertEqual(
            {
                'planned_disks_s': round(copies, 1),
                'deadline_s': round((150.0 - copies) * 2 + 10, 1),
                'disk_deadline_s': round(copies * 2 + 10, 1),
            },
            {
                name: found[name]
                for name in (
                    'planned_disks_s', 'deadline_s', 'disk_deadline_s',
                )
            },
        )  # fmt: skip
        order = parameters.to_order(
            {'resource_id': 'vm', **found}, permitted=False
        )
        self.assertEqual(found['planned_disks_s'], order.copies)
        self.assertEqual(found['disk_deadline_s'], order.disk_deadline)
        self.assertTrue(order.copies_disks)

    def test_a_vm_without_local_disks_has_none(self):
        found = given(builders.step('db', 'a>b'))
        self.assertEqual((0.0, 0.0), (
            found['planned_disks_s'], found['disk_deadline_s']
        ))  # fmt: skip
        order = parameters.to_order(LEAST, permitted=False)
        self.assertEqual((0.0, 0.0), (order.copies, order.disk_deadline))
        self.assertFalse(order.copies_disks)

    def test_where_nobody_measured_the_forecast_itself_is_the_longest(self):
        step = dataclasses.replace(
            builders.step('db', 'a>b', takes=20.0), takes_high=math.inf
        )
        self.assertEqual(50.0, given(step)['deadline_s'])


class TestPostCopy(unittest.TestCase):
    def test_what_the_plan_forbids_stays_forbidden(self):
        for planned, now, permitted in (
            ({}, True, True),
            ({}, False, False),
            ({'allow_post_copy': True}, True, True),
            ({'allow_post_copy': True}, False, False),
            ({'allow_post_copy': False}, True, False),
        ):
            order = parameters.to_order({**LEAST, **planned}, permitted=now)
            self.assertIs(permitted, order.post_copy_permitted, planned)

    def test_whether_it_is_forbidden_is_yes_or_no(self):
        for value, right in ((True, True), (False, True), ('no', False)):
            self.assertIs(right, fits({**LEAST, 'allow_post_copy': value}))


class TestLimits(unittest.TestCase):
    def test_those_of_the_request_are_kept_at_the_start(self):
        request = Request(
            hosts=('a',), max_per_source=2, max_per_destination=3,
            max_in_cluster=4,
        )  # fmt: skip
        found = parameters.of_request(request)
        self.assertEqual(
            {
                'max_per_source': 2,
                'max_per_destination': 3,
                'max_in_cluster': 4,
            },
            found,
        )
        self.assertEqual(
            Limits(per_source=2, per_destination=3, in_cluster=4),
            parameters.to_limits(found),
        )

    def test_a_plan_of_before_has_none(self):
        none = Limits(per_source=0, per_destination=0, in_cluster=0)
        for old in ({}, dict.fromkeys(COUNTS)):
            self.assertEqual(none, parameters.to_limits(old))


class TestDestinations(unittest.TestCase):
    def test_the_planned_one_comes_first_then_the_others(self):
        for others, expected in (
            ('', ('cmp-2',)),
            (None, ('cmp-2',)),
            ('cmp-3', ('cmp-2', 'cmp-3')),
            ('cmp-4, cmp-3', ('cmp-2', 'cmp-4', 'cmp-3')),
        ):
            found = parameters.destinations({**LEAST, 'alternatives': others})
            self.assertEqual(expected, found)
        self.assertEqual(('cmp-2',), parameters.destinations(LEAST))


class TestErrand(unittest.TestCase):
    def errand(self, moves=(), skipped=(), **values):
        look = {**LOOK, 'planned': ['x', 'y', 'z'], **values}
        return parameters.to_errand(look, dict(moves), 30.0, skipped)

    def test_who_was_not_moved_may_end_where_the_plan_had_it(self):
        found = self.errand(
            {
                'x': {**LEAST, 'alternatives': 'cmp-3'},
                # a third host is no end
                'y': {**LEAST, 'goes_on_to': 'cmp-9', 'alternatives': 'c'},
            }
        )
        self.assertEqual(
            {'x': ('cmp-2', 'cmp-3'), 'y': ('cmp-9',), 'z': ()}, found.planned
        )

    def test_whose_migration_an_operator_took_out_is_to_stay(self):
        found = self.errand(skipped=['y'], stays={'s': 'locked'})
        self.assertEqual({'s': 'locked', 'y': 'skipped'}, found.stays)


class TestHost(unittest.TestCase):
    def test_a_last_look_knows_who_leaves_live_and_cold_and_who_stays(self):
        plan = dataclasses.replace(
            builders.plan(
                builders.step('two', 'a>c'), builders.step('other', 'b>c')
            ),
            left_out=(
                *stays('held'),
                dataclasses.replace(stays('there')[0], host='b'),
            ),
        )
        cold = [
            Cold(vm=f'id-{name}', name=name, source=at, destination='c')
            for name, at in (('off', 'a'), ('else', 'b'))
        ]
        self.assertEqual(
            {
                'resource_name': 'a',
                'planned': ['id-off', 'id-two'],
                'stays': {'id-held': 'locked'},
                'destinations': ['d', 'c'],
            },
            parameters.of_host('a', plan, ('d', 'c'), cold),
        )


class TestMigration(unittest.TestCase):
    def test_all_that_people_read_is_there(self):
        step = dataclasses.replace(
            builders.step('db', 'a>b', slot=3, mode=Mode.POST_COPY),
            because='sends', runner_up='pre-copy', binding='nic of a',
        )  # fmt: skip
        found = given(step)
        self.assertEqual(
            {
                'resource_name': 'db',
                'source_node': 'a',
                'destination_node': 'b',
                'mode': 'post-copy',
                'slot': 3,
                'because': 'sends',
                'runner_up': 'pre-copy',
                'binding': 'nic of a',
                'cap_enforcement': str(step.cap_enforcement),
                'mode_enforcement': str(step.mode_enforcement),
                'assumed': 'nothing',
                'alternatives': '',
            },
            {k: v for k, v in found.items() if isinstance(v, str)}
            | {'slot': found['slot']},
        )

    def test_a_cap_is_the_most_that_its_vm_may_have(self):
        step = builders.step('db', 'a>b', cap=25e6)
        found = given(step)
        self.assertEqual(step.most * 8 / 1e6, found['cap_mbit_s'])
        self.assertEqual(found['cap_mbit_s'], found['room_mbit_s'])
        order = parameters.to_order(
            {'resource_id': 'vm', **found}, permitted=False
        )
        self.assertAlmostEqual(step.most, order.cap, delta=1e4)
