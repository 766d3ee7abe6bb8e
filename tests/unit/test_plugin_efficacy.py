"""The numbers beside a plan, and the words that Horizon shows with them."""

import dataclasses
import math
import unittest

import jsonschema

from tests.unit import builders
from tests.unit.test_plugin_status_texts import stays
from watcher_tsmig import units
from watcher_tsmig.plan.prices import Prices
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plugin import efficacy

UNITS = {
    'migrations': ('VMs', 'integer'),
    'post_copies': ('VMs', 'integer'),
    'left_out': ('VMs', 'integer'),
    'makespan_s': ('s', 'number'),
    'worst_downtime_ms': ('ms', 'number'),
    'data_gib': ('GiB', 'number'),
    'peak_nic_load_pct': ('%', 'number'),
    'lower_bound_s': ('s', 'number'),
    'price_s': ('s', 'number'),
    'price_pre_copy_s': ('s', 'number'),
    'price_post_copy_s': ('s', 'number'),
}


def plan(*steps, **values):
    found = builders.plan(*steps, vms=('id-x',))
    return dataclasses.replace(found, **values)


def step(name, because, **values):
    return dataclasses.replace(
        builders.step(name, 'a>b', **values), because=because
    )


class TestIndicators(unittest.TestCase):
    def setUp(self):
        self.spec = efficacy.TrafficSensitiveMigration()
        self.found = self.spec.get_indicators_specifications()

    def test_names_units_and_kinds_are_stable(self):
        # another one makes Watcher cancel every audit of the goal
        self.assertEqual(
            UNITS, {i.name: (i.unit, i.schema['type']) for i in self.found}
        )
        self.assertEqual([*UNITS], [i.name for i in self.found])

    def test_vms_are_whole_ones_and_nothing_is_negative(self):
        for indicator in self.found:
            whole = indicator.schema['type'] == 'integer'
            for value, right in ((0, True), (7, True), (1.5, not whole),
                                 (-1, False)):  # fmt: skip
                try:
                    jsonschema.validate(value, indicator.schema)
                    taken = True
                except jsonschema.ValidationError:
                    taken = False
                self.assertIs(right, taken, (indicator.name, value))

    def test_a_plan_is_told_in_the_units_of_people(self):
        found = plan(
            builders.step(
                'one', 'a>b', takes=30.04, downtime=0.12345,
                data=1.5 * units.GIB,
            ),
            builders.step(
                'two', 'a>b', 30.0, mode=Mode.POST_COPY, takes=10.0,
                downtime=0.2, data=0.123 * units.GIB,
            ),
            left_out=stays('x', 'y', 'z'),
            peak_load=0.12345,
            lower_bound=12.34,
            prices=Prices(plan=4.567, pre_copy=9.0, post_copy=math.inf),
        )  # fmt: skip
        self.assertEqual(
            {
                'migrations': 2,
                'post_copies': 1,
                'left_out': 3,
                'makespan_s': 40.0,
                'worst_downtime_ms': 200.0,
                'data_gib': 1.62,
                'peak_nic_load_pct': 12.3,
                'lower_bound_s': 12.3,
                'price_s': 4.57,
                'price_pre_copy_s': 9.0,
                'price_post_copy_s': 1e9,
            },
            efficacy.indicators_of(found),
        )
        alone = plan(found.migrations[0])
        values = efficacy.indicators_of(alone)
        self.assertEqual(30.0, values['makespan_s'])
        self.assertEqual(123.5, values['worst_downtime_ms'])

    def test_no_plan_is_zeros(self):
        self.assertEqual(dict.fromkeys(UNITS, 0), efficacy.indicators_of(None))

    def test_the_share_that_moves_is_in_per_cent(self):
        for moved, left, share in ((2, 1, 66.7), (3, 0, 100.0), (0, 4, 0.0)):
            (found,) = self.spec.get_global_efficacy_indicator(
                {'migrations': moved, 'left_out': left}
            )
            self.assertEqual(
                ('moved_pct', '%', share),
                (found.name, found.unit, found.value),
            )
        for none in (None, {}, {'migrations': 0, 'left_out': 0}):
            self.assertEqual([], self.spec.get_global_efficacy_indicator(none))


class TestDescriptions(unittest.TestCase):
    def test_each_says_who_and_why(self):
        found = plan(
            step('calm', 'not told'),
            step('now', 'sends', mode=Mode.POST_COPY),
            step('late', 'writes', mode=Mode.HYBRID),
            builders.step('new', 'a>b', assumed=('nic', 'traffic')),
            left_out=stays('x', 'y'),
            critical='nic of a',
        )
        self.assertEqual(
            {
                'left_out': 'Stay: x (locked): is locked, y (locked): is '
                'locked.',
                'post_copies': 'By post-copy: now: sends, late, after a '
                'first pass: writes.',
                'migrations': 'Planned on assumed values: new (nic, traffic).',
                'lower_bound_s': 'No plan for these migrations can end '
                'sooner: nic of a.',
            },
            efficacy.descriptions(found),
        )

    def test_where_there_is_nothing_to_say_watchers_words_stay(self):
        found = plan(builders.step('calm', 'a>b'))
        self.assertEqual({}, efficacy.descriptions(found))

    def test_all_255_characters_are_used_and_no_more(self):
        names = [f'vm-{i:02}' for i in range(60)]
        text = efficacy.descriptions(plan(left_out=stays(*names)))['left_out']
        self.assertLessEqual(len(text), 255)
        self.assertGreater(len(text), 225)
        critical = plan(critical='n' * 300)
        text = efficacy.descriptions(critical)['lower_bound_s']
        self.assertEqual(255, len(text))
