"""An action's parameters as they are read back, perhaps by another release."""

import dataclasses
import math
import unittest

import jsonschema

from tests.unit import builders
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plugin.schema import parameters
from watcher_tsmig.reasons import Reason
from watcher_tsmig.units import MIB
from watcher_tsmig.units import from_mbit_s

LEAST = {
    'resource_id': 'vm-1',
    'source_node': 'cmp-1',
    'destination_node': 'cmp-2',
    'mode': 'pre-copy',
    'deadline_s': 60.0,
}
LOOK = {'resource_id': 'a', 'planned': [], 'stays': {}, 'destinations': []}
NUMBERS = (
    'cap_mbit_s', 'lcb_mbit_s', 'room_mbit_s', 'settles_s',
    'planned_start_s', 'planned_duration_s', 'planned_low_s',
    'planned_high_s', 'planned_downtime_ms', 'planned_data_mib',
    'disk_deadline_s',
)  # fmt: skip
TEXTS = (
    'goes_on_to', 'alternatives', 'because', 'runner_up', 'binding',
    'cap_enforcement', 'mode_enforcement', 'assumed', 'action_plan_uuid',
    'action_uuid',
)  # fmt: skip


def fits(given, schema=parameters.SCHEMA):
    try:
        jsonschema.validate(given, schema)
    except jsonschema.ValidationError:
        return False
    return True


class TestForm(unittest.TestCase):
    """What Watcher lets through to an action."""

    def test_the_least_is_where_from_where_to_how_and_how_long(self):
        self.assertTrue(fits(LEAST))
        # a newer plugin may say more
        self.assertTrue(fits({**LEAST, 'newer': 1}))
        self.assertFalse(fits([]))
        for name in LEAST:
            given = {k: v for k, v in LEAST.items() if k != name}
            self.assertFalse(fits(given), name)

    def test_a_name_has_1_to_255_characters(self):
        for name in (
            'resource_id', 'resource_name', 'source_node', 'destination_node'
        ):  # fmt: skip
            for length, right in ((0, 0), (1, 1), (255, 1), (256, 0)):
                given = {**LEAST, name: 'x' * length}
                self.assertEqual(bool(right), fits(given), (name, length))
            self.assertFalse(fits({**LEAST, name: 7}))

    def test_no_size_is_negative_or_a_word(self):
        for name in NUMBERS:
            for value, right in ((0, 1), (0.5, 1), (-0.5, 0), ('much', 0)):
                given = {**LEAST, name: value}
                self.assertEqual(bool(right), fits(given), (name, value))

    def test_slots_and_hops_count_from_1(self):
        for name in ('slot', 'hop'):
            for value, right in ((1, 1), (2, 1), (0, 0), (1.5, 0)):
                given = {**LEAST, name: value}
                self.assertEqual(bool(right), fits(given), (name, value))

    def test_words_are_words(self):
        for name in TEXTS:
            self.assertTrue(fits({**LEAST, name: ''}), name)
            self.assertFalse(fits({**LEAST, name: 1}), name)
        self.assertFalse(fits({**LEAST, 'mode': 'by-foot'}))

    def test_a_deadline_is_some_time(self):
        for value, right in ((0.001, 1), (1e6, 1), (0.0, 0), (-1.0, 0)):
            given = {**LEAST, 'deadline_s': value}
            self.assertEqual(bool(right), fits(given), value)

    def test_a_last_look_needs_its_host_and_what_the_plan_had(self):
        self.assertTrue(fits({**LOOK, 'newer': 1}, parameters.VERIFY))
        self.assertFalse(fits([], parameters.VERIFY))
        for name in LOOK:
            given = {k: v for k, v in LOOK.items() if k != name}
            self.assertFalse(fits(given, parameters.VERIFY), name)
        for name, value in (
            ('planned', ['']),
            ('planned', 'vm-1'),
            ('destinations', [1]),
            ('destinations', 'b'),
            ('stays', {'vm-1': 1}),
            ('stays', []),
            ('resource_id', ''),
            ('resource_name', ''),
            ('action_plan_uuid', 1),
            ('action_uuid', 1),
        ):
            given = {**LOOK, name: value}
            self.assertFalse(fits(given, parameters.VERIFY), (name, value))


class TestOrder(unittest.TestCase):
    def order(self, *, permitted=False, provable=False, **values):
        return parameters.to_order(
            {**LEAST, **values}, permitted=permitted, provable=provable
        )

    def test_who_writes_zeros_is_not_judged_by_all_that_he_writes(self):
        self.assertTrue(self.order(provable=True).provable)
        self.assertFalse(self.order(provable=True, by_dry_run=True).provable)

    def test_the_least_is_an_order_without_a_cap_or_a_forecast(self):
        order = self.order()
        self.assertEqual('vm-1', order.name)
        self.assertEqual(60.0, order.deadline)
        self.assertIsNone(order.cap)
        self.assertIsNone(order.room)
        self.assertEqual(math.inf, order.takes)
        self.assertEqual((0.0, 0.0, 1, ''), (
            order.floor, order.settles, order.hop, order.goes_on_to
        ))  # fmt: skip
        self.assertFalse(order.disks or order.balloon)
        self.assertFalse(order.post_copy_permitted)

    def test_everything_that_was_planned_is_ordered(self):
        order = parameters.to_order(
            {
                **LEAST,
                'resource_name': 'db-1',
                'mode': 'post-copy',
                'cap_mbit_s': 800.0,
                'room_mbit_s': 900.0,
                'lcb_mbit_s': 300.0,
                'planned_duration_s': 41.0,
                'settles_s': 7.0,
                'hop': 2,
                'goes_on_to': 'cmp-9',
            },
            permitted=True,
            disks=True,
            balloon=True,
        )
        self.assertEqual('db-1', order.name)
        self.assertIs(Mode.POST_COPY, order.mode)
        self.assertEqual(from_mbit_s(800.0), order.cap)
        self.assertEqual(from_mbit_s(900.0), order.room)
        self.assertEqual(from_mbit_s(300.0), order.floor)
        self.assertEqual((41.0, 7.0), (order.takes, order.settles))
        self.assertEqual((2, 'cmp-9'), (order.hop, order.goes_on_to))
        self.assertTrue(order.post_copy_permitted)
        self.assertTrue(order.disks and order.balloon)

    def test_a_cap_of_nothing_is_none(self):
        order = self.order(cap_mbit_s=0.0, room_mbit_s=0.0)
        self.assertIsNone(order.cap)
        self.assertIsNone(order.room)


class TestPlanned(unittest.TestCase):
    def setUp(self):
        cloud = builders.cloud(
            'a b c',
            builders.vm('db', 'a', tx=400, rx=20),
            builders.vm('web', 'a', tx=20, rx=400),
        )
        self.plan = make_plan(cloud, policies.request('gentle', hosts=('a',)))
        self.migration = self.plan.migrations[0]

    def given(self, **values):
        return parameters.of_migration(
            dataclasses.replace(self.migration, **values),
            factor=3.0,
            slack=10.0,
        )

    def test_its_numbers_are_in_the_units_that_their_names_say(self):
        given = self.given(
            takes=20.0,
            takes_high=40.0,
            start=7.0,
            downtime=0.25,
            data=512.0 * MIB,
            settles=3.0,
            cap=from_mbit_s(400.0),
            lcb=from_mbit_s(100.0),
            room=from_mbit_s(900.0),
        )
        wanted = {
            'planned_start_s': 7.0,
            'planned_duration_s': 20.0,
            'planned_downtime_ms': 250.0,
            'planned_data_mib': 512.0,
            'settles_s': 3.0,
            'lcb_mbit_s': 100.0,
            'room_mbit_s': 900.0,
            'deadline_s': 130.0,
        }
        self.assertEqual(wanted, {name: given[name] for name in wanted})
        self.assertEqual(
            (self.migration.name, 'a', self.migration.destination),
            tuple(
                given[name]
                for name in (
                    'resource_name', 'source_node', 'destination_node'
                )
            ),
        )  # fmt: skip
        self.assertEqual(self.migration.slot, given['slot'])

    def test_its_reasons_are_those_of_the_plan(self):
        given = self.given(runner_up='pre-copy: 9 s more', binding='nic a')
        self.assertEqual('pre-copy: 9 s more', given['runner_up'])
        self.assertEqual('nic a', given['binding'])
        for name in ('because', 'mode', 'cap_enforcement', 'mode_enforcement'):
            self.assertEqual(str(getattr(self.migration, name)), given[name])

    def test_its_cap_may_be_raised_to_itself_where_there_is_no_more(self):
        given = self.given(room=None)
        self.assertEqual(given['cap_mbit_s'], given['room_mbit_s'])

    def test_a_number_that_has_no_end_is_left_away_and_others_rounded(self):
        given = self.given(downtime=math.inf, takes=12.34, takes_high=1.0)
        self.assertNotIn('planned_downtime_ms', given)
        self.assertEqual(12.3, given['planned_duration_s'])

    def test_what_was_assumed_and_where_else_it_may_go_are_lists(self):
        given = self.given(assumed=('nic', 'traffic'), alternatives=('b', 'c'))
        self.assertEqual('nic, traffic', given['assumed'])
        self.assertEqual('b, c', given['alternatives'])
        given = self.given(assumed=(), alternatives=())
        self.assertEqual(('nothing', ''), (
            given['assumed'], given['alternatives']
        ))  # fmt: skip

    def test_a_last_look_is_for_one_host(self):
        out = tuple(
            LeftOut(
                vm=f'id-{name}',
                name=name,
                host=host,
                reason=Reason.LOCKED,
                because='is locked',
            )
            for name, host in (('off', 'a'), ('other', 'b'))
        )
        plan = Plan(
            request=self.plan.request,
            migrations=(
                *self.plan.migrations,
                dataclasses.replace(self.migration, vm='id-z', source='b'),
            ),
            left_out=out,
            lower_bound=0.0,
            peak_load=0.0,
        )
        given = parameters.of_host('a', plan, ['c', 'b'])
        self.assertEqual('a', given['resource_name'])
        self.assertEqual(
            sorted(m.vm for m in self.plan.migrations), given['planned']
        )
        self.assertEqual({'id-off': 'locked'}, given['stays'])
        errand = parameters.to_errand({**given, 'resource_id': 'a'}, {}, 30.0)
        self.assertEqual(('a', 30.0), (errand.host, errand.patience))
        self.assertEqual(('c', 'b'), errand.destinations)
        self.assertEqual({'id-off': 'locked'}, errand.stays)
        self.assertEqual(set(given['planned']), set(errand.planned))
