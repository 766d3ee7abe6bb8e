"""What an operator reads: status messages, parameters, indicators."""

import dataclasses
import json
import unittest

import jsonschema
from oslo_config import cfg

from tests.unit import builders
from watcher_tsmig.execute import Order
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Purchase
from watcher_tsmig.plugin import efficacy
from watcher_tsmig.plugin import story
from watcher_tsmig.plugin.actions.acting import ActionFailed
from watcher_tsmig.plugin.goal import TrafficSensitiveMigration
from watcher_tsmig.plugin.migrate import TrafficSensitiveMigrate
from watcher_tsmig.plugin.options import action_options
from watcher_tsmig.plugin.options import options
from watcher_tsmig.plugin.schema import parameters
from watcher_tsmig.reasons import MEANING
from watcher_tsmig.reasons import Reason


def plan():
    cloud = builders.cloud(
        'a b c',
        builders.vm('db', 'a', tx=400, rx=20),
        builders.vm('web', 'a', tx=20, rx=400),
        builders.vm('stuck', 'a', locked=True),
    )
    return make_plan(cloud, policies.request('balanced', hosts=('a',)))


def plan_of(left_out, migrations=()):
    return Plan(
        request=policies.request('balanced', hosts=('a',)),
        migrations=migrations,
        left_out=left_out,
        lower_bound=0.0,
        peak_load=0.0,
    )


def through():
    """Two VMs swap hosts, one of them by post-copies through a third."""
    post = {'mode': Mode.POST_COPY}
    return builders.plan(
        builders.step('one', 'a>c', **post),
        builders.step('two', 'b>a', 30.0, after=('id-one',)),
        builders.step(
            'one', 'c>b', 60.0, hop=2, after=('id-one', 'id-two'), **post
        ),
    )


def left_out(count):
    return tuple(
        LeftOut(
            vm=f'id-{i}',
            name=f'a-rather-long-name-{i}',
            host='a',
            reason=Reason.NO_DESTINATION,
            because='no room',
        )
        for i in range(count)
    )


class TestStory(unittest.TestCase):
    def test_it_says_what_moves_how_long_and_what_stays(self):
        text = story.of_plan(plan(), ['a'])
        self.assertRegex(text, r'^2 VMs leave a in .* \(bound ')
        self.assertIn('1 stays: stuck (locked).', text)

    def test_a_plan_without_migrations_says_why(self):
        text = story.of_plan(plan_of(left_out(1)), ['a'])
        self.assertIn('Nothing moves from a.', text)
        self.assertIn('(no-destination)', text)

    def test_it_fits_however_much_there_is_to_say(self):
        for count in (0, 1, 2, 7, 500):
            hosts = [f'compute-{i}.rack-{i}.example.org' for i in range(40)]
            notes = ['something odd ' * 10] * 3
            text = story.of_plan(plan_of(left_out(count)), hosts, notes)
            self.assertLessEqual(len(text), 255)
        self.assertIn('and', text)

    def test_one_endless_name_fits_too(self):
        text = story.of_plan(plan_of(()), ['x' * 255])
        self.assertLessEqual(len(text), 255)
        text = story.unknown_hosts('hosts', ['x' * 255], ['y' * 255] * 9)
        self.assertLessEqual(len(text), 255)
        self.assertLessEqual(len(story.failed('z' * 999)), 255)

    def test_a_wrong_host_is_told_the_right_ones(self):
        text = story.unknown_hosts('hosts', ['cmp-77'], ['cmp-2', 'cmp-1'])
        self.assertIn('cmp-77', text)
        self.assertIn('Known: cmp-1, cmp-2.', text)

    def test_it_says_what_binds_and_what_more_of_it_would_do(self):
        text = story.of_plan(plan(), ['a'])
        self.assertIn(f': {plan().critical})', text)
        bought = (
            Purchase(what='1 more of this', spares=40.0),
            Purchase(what='1 more of that', spares=90.0),
            Purchase(what='1 more of the rest', spares=0.0, moves=2),
        )
        found = dataclasses.replace(plan(), purchases=bought)
        self.assertIn(
            '1 more of the rest would move 2 more VMs.',
            story.of_plan(found, ['a']),
        )
        found = dataclasses.replace(plan(), purchases=bought[:2])
        self.assertTrue(
            story.of_plan(found, ['a'], ['a note']).endswith(
                'a note. 1 more of that would spare 90 s.'
            )
        )
        found = dataclasses.replace(
            plan(), purchases=(Purchase(what='a trifle', spares=0.3),)
        )
        self.assertNotIn('a trifle', story.of_plan(found, ['a']))

    def test_nothing_odd_is_lost_for_what_binds(self):
        found = dataclasses.replace(plan(), purchases=())
        head = story.of_plan(found, ['a'])
        self.assertIn(found.critical, head)
        note = 'o' * (255 - len(head) - 2 + len(found.critical) // 2)
        text = story.of_plan(found, ['a'], [note])
        self.assertNotIn(found.critical, text)
        self.assertTrue(text.endswith(f'{note}.'))
        text = story.of_plan(found, ['a'], ['some words ' * 30])
        self.assertIn(found.critical, text)
        self.assertRegex(text, '(words|some)…$')
        self.assertLessEqual(len(text), 255)
        # what does not fit anyhow costs nothing else
        self.assertEqual(head, story.of_plan(found, ['a'], ['o' * 250]))

    def test_who_leaves_hosts_is_told_from_who_moves_beside(self):
        steps = [builders.step('one', 'a>c'), builders.step('two', 'b>c')]
        found = builders.plan(*steps)
        for hosts, expected in (
            (['a', 'b'], '2 VMs leave a, b in'),
            (['a'], '2 VMs move, 1 of them from a, in'),
            ([], '2 VMs move in'),
        ):
            text = story.of_plan(found, hosts)
            self.assertTrue(text.startswith(expected), text)
        text = story.of_plan(builders.plan(vms=('id-x',)), [])
        self.assertEqual('Nothing moves.', text)

    def test_a_vm_that_goes_through_a_third_host_counts_once(self):
        found = through()
        self.assertTrue(
            story.of_plan(found, []).startswith('2 VMs move in'),
            story.of_plan(found, []),
        )
        self.assertIn(', 1 through a third host.', story.of_plan(found, []))
        self.assertIn(', 1 by post-copy', story.of_plan(found, []))
        values = efficacy.indicators_of(found)
        self.assertEqual(2, values['migrations'])
        self.assertEqual(1, values['post_copies'])

    def test_assumed_values_and_notes_are_told(self):
        cloud = builders.cloud(
            'a b', builders.vm('db', 'a', traffic=None, working_set=None)
        )
        found = make_plan(cloud, policies.request('balanced', hosts=('a',)))
        text = story.of_plan(found, ['a'], ['Gnocchi is away'])
        self.assertIn('1 planned on assumed values.', text)
        self.assertIn('Gnocchi is away.', text)


class TestParameters(unittest.TestCase):
    def given(self):
        values = parameters.of_migration(
            plan().migrations[0], factor=3.0, slack=120.0
        )
        return {'resource_id': plan().migrations[0].vm, **values}

    def test_they_are_flat_json_that_fits_the_schema(self):
        given = self.given()
        jsonschema.validate(given, parameters.SCHEMA)
        self.assertEqual(given, json.loads(json.dumps(given)))
        for name, value in given.items():
            self.assertIsInstance(value, (str, int, float), name)

    def test_they_say_whether_the_plan_counts_on_agents(self):
        for mode, enforcement, counts in (
            ('pre-copy', 'advisory', False),
            ('pre-copy', 'host default', False),
            ('pre-copy', 'enforced', True),
            ('post-copy', 'advisory', True),
        ):
            given = {
                **self.given(),
                'mode': mode,
                'cap_enforcement': enforcement,
            }
            self.assertIs(counts, parameters.counts_on_agents(given))
        # of an older plugin
        self.assertFalse(parameters.counts_on_agents({'mode': 'pre-copy'}))

    def test_they_come_back_as_the_order(self):
        migration = plan().migrations[0]
        order = parameters.to_order(self.given(), permitted=True)
        self.assertIsInstance(order, Order)
        self.assertEqual(
            (migration.vm, migration.source, migration.destination),
            (order.vm, order.source, order.destination),
        )
        self.assertIs(migration.mode, order.mode)
        self.assertGreater(order.deadline, 3 * migration.takes)
        self.assertLess(abs(order.cap / migration.cap - 1), 0.01)

    def test_the_deadline_is_the_longest_time_forecast_and_some_slack(self):
        migration = plan().migrations[0]
        for high, longest in (
            (2 * migration.takes, 2 * migration.takes),
            (float('inf'), migration.takes),
        ):
            for factor, slack in ((3.0, 120.0), (1.0, 1.0)):
                given = parameters.of_migration(
                    dataclasses.replace(migration, takes_high=high),
                    factor=factor,
                    slack=slack,
                )
                self.assertAlmostEqual(
                    longest * factor + slack, given['deadline_s'], delta=0.1
                )

    def test_a_newer_plugins_parameters_are_tolerated(self):
        given = {**self.given(), 'colour': 'blue', 'because': ''}
        jsonschema.validate(given, parameters.SCHEMA)
        parameters.to_order(given, permitted=False)

    def test_only_a_way_of_two_migrations_says_so(self):
        first, _, last = through().migrations
        given = parameters.of_migration(
            first, factor=3.0, slack=1.0, goes_on_to='b'
        )
        order = parameters.to_order(
            {'resource_id': 'one', **given}, permitted=True
        )
        self.assertEqual((1, 'b'), (order.hop, order.goes_on_to))
        self.assertTrue(order.arrived('c'))
        self.assertTrue(order.arrived('b'))
        self.assertFalse(order.arrived('a'))
        given = parameters.of_migration(last, factor=3.0, slack=1.0)
        self.assertEqual(2, given['hop'])
        self.assertNotIn('goes_on_to', given)
        jsonschema.validate({'resource_id': 'x', **given}, parameters.SCHEMA)
        self.assertNotIn('hop', self.given())
        self.assertFalse(
            parameters.to_order(self.given(), permitted=True).arrived('')
        )

    def test_every_mode_is_in_the_schema(self):
        modes = parameters.SCHEMA['properties']['mode']['enum']
        self.assertEqual([mode.value for mode in Mode], modes)


class TestEfficacy(unittest.TestCase):
    def setUp(self):
        self.spec = TrafficSensitiveMigration.get_efficacy_specification()

    def test_a_plan_and_no_plan_both_fit_the_specification(self):
        for one in (plan(), plan_of(()), None):
            found = efficacy.indicators_of(one)
            self.spec.validate_efficacy_indicators(found)
            self.assertEqual([row.name for row in efficacy.TABLE], [*found])

    def test_texts_fit_watchers_columns(self):
        for row in efficacy.TABLE:
            self.assertLessEqual(len(row.name), 63)
            self.assertLessEqual(len(row.description), 255)
            self.assertLessEqual(len(row.unit), 63)

    def test_the_global_indicator_is_the_share_that_moves(self):
        found = efficacy.indicators_of(plan())
        (indicator,) = self.spec.get_global_efficacy_indicator(found)
        self.assertEqual(66.7, indicator.value)
        self.assertEqual([], self.spec.get_global_efficacy_indicator(None))

    def test_where_nothing_was_to_move_there_is_no_success_of_100(self):
        found = efficacy.indicators_of(None)
        self.assertEqual([], self.spec.get_global_efficacy_indicator(found))

    def test_indicators_tell_who_stays_and_who_is_post_copied_and_why(self):
        made = plan()
        words = efficacy.descriptions(made)
        self.assertIn('stuck (locked): its owner', words['left_out'])
        self.assertNotIn('migrations', words)  # all was measured
        post = [m for m in made.migrations if m.mode is Mode.POST_COPY]
        for one in post:
            self.assertIn(one.because, words['post_copies'])
        for text in words.values():
            self.assertLessEqual(len(text), 255)

    def test_a_story_of_many_is_cut_between_two_of_them(self):
        many = tuple(
            LeftOut(
                vm=f'id-{i}',
                name=f'vm-{i}',
                host='a',
                reason=Reason.LOCKED,
                because='its owner locked it: unlock it',
            )
            for i in range(40)
        )
        text = efficacy.descriptions(plan_of(many))['left_out']
        self.assertLessEqual(len(text), 255)
        self.assertRegex(text, r'unlock it and \d+ more\.$')


class TestNames(unittest.TestCase):
    def test_names_are_those_of_the_entry_points_and_fit(self):
        goal = TrafficSensitiveMigration
        self.assertEqual('traffic_sensitive_migration', goal.get_name())
        self.assertLessEqual(len(goal.get_translatable_display_name()), 63)

    def test_the_actions_description_fits(self):
        action = TrafficSensitiveMigrate(None)
        self.assertLessEqual(len(action.get_description()), 255)
        self.assertFalse(action.check_abort())

    def test_a_failure_text_fits_whatever_caused_it(self):
        for cause in ('x' * 999, '', ValueError(), OSError('a\nb')):
            text = str(ActionFailed(cause))
            self.assertTrue(text)
            self.assertLessEqual(len(text), 200)
            self.assertNotIn('\n', text)


class TestReasons(unittest.TestCase):
    def test_every_code_has_its_meaning(self):
        self.assertEqual(list(Reason), list(MEANING))
        for code, text in MEANING.items():
            self.assertTrue(text.endswith('.'), code)


class TestOptions(unittest.TestCase):
    def test_every_option_has_help_in_sentences(self):
        for option in (*options.STRATEGY, *action_options.ACTION):
            with self.subTest(option.name):
                self.assertGreater(len(option.help.split()), 5)
                self.assertTrue(option.help.strip().endswith('.'))

    def test_option_names_are_unique(self):
        for group in (options.STRATEGY, action_options.ACTION):
            names = [option.name for option in group]
            self.assertEqual(len(names), len(set(names)))

    def test_what_is_learned_is_kept_where_watcher_keeps_its_state(self):
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.StrOpt('state_path', default='/srv/state'))
        for group in ('watcher_actions.x', 'watcher_strategies.y'):
            conf.register_opt(action_options.calibration_file(), group=group)
        conf([])
        for group in ('watcher_actions.x', 'watcher_strategies.y'):
            self.assertEqual(
                '/srv/state/tsmig-calibration.json',
                conf[group].calibration_file,
            )
