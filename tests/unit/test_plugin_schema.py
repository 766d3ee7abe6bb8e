"""The parameters of an audit, as Watcher's API would take them."""

import ast
import json
import math
import unittest

import jsonschema
from watcher.common import utils

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.values import Placement
from watcher_tsmig.plan.values import Request
from watcher_tsmig.plugin.schema import schema


def defaults():
    given = {}
    validator = utils.StrictDefaultValidatingDraft4Validator
    validator(schema.parameters()).validate(given)
    return given


def request(**given):
    return schema.request({**defaults(), **given}, {}, hosts=('cmp-1',))


class TestSchema(unittest.TestCase):
    def test_it_survives_watchers_round_trip(self):
        # otherwise every start of the decision engine cancels all audits
        found = schema.parameters()
        self.assertEqual(found, ast.literal_eval(str(found)))
        self.assertEqual(found, json.loads(json.dumps(found)))

    def test_it_is_draft_4(self):
        jsonschema.Draft4Validator.check_schema(schema.parameters())

    def test_it_is_flat_and_every_parameter_says_its_default(self):
        for name, spec in schema.parameters()['properties'].items():
            with self.subTest(name):
                self.assertNotIn('properties', spec)
                self.assertIn('default', spec)
                self.assertIn('default', spec['description'])

    def test_an_unknown_parameter_is_refused(self):
        validator = utils.StrictDefaultValidatingDraft4Validator
        with self.assertRaises(Exception) as caught:
            validator(schema.parameters()).validate({'hostz': []})
        self.assertIn('hostz', str(caught.exception))

    def test_wrong_values_are_refused(self):
        validator = utils.StrictDefaultValidatingDraft4Validator
        for given in (
            {'policy': 'reckless'},
            {'max_per_source': -1},
            {'max_per_source': 1.5},
            {'hosts': ['']},
            {'deadline_s': 'soon'},
            {'finish_by': 6},
            {'choices': {'db-1': 'cmp-2'}},
            {'post_copy_saves_percent': 100},
        ):
            with self.subTest(given):
                with self.assertRaises(jsonschema.ValidationError):
                    validator(schema.parameters()).validate(given)

    def test_policies_and_placements_are_the_planners(self):
        found = schema.parameters()['properties']
        self.assertEqual(
            [*policies.NAMES, schema.GENTLEST], found['policy']['enum']
        )
        self.assertEqual(policies.DEFAULT, found['policy']['default'])
        self.assertEqual(
            [str(p) for p in Placement], found['placement']['enum']
        )

    def test_what_is_said_of_the_policies_is_stable(self):
        # Watcher cancels all audits of a strategy whose schema's text has
        # changed: a change here needs a note under `upgrade`
        self.assertEqual(
            'How much it may take from the tenants. '
            'gentle: the applications and short outages come first; 90% of '
            'what the applications leave on a NIC, and 20% of the NIC even '
            'where they leave less; from or to one host 1 at once, 8 in all. '
            'balanced (default): a short plan, weighed against what the '
            'applications lose; 90% of what the applications leave on a NIC, '
            'and 20% of the NIC even where they leave less; from or to one '
            'host up to 4 at once, 32 in all. '
            'fast: a short plan before everything else; 100% of what the '
            'applications leave on a NIC, and 20% of the NIC even where they '
            'leave less; from or to one host up to 16 at once, 128 in all.',
            schema.of_policies('it'),
        )


class TestRequest(unittest.TestCase):
    def test_defaults_leave_everything_to_the_policy(self):
        self.assertEqual(
            policies.request('balanced', hosts=('cmp-1',)), request()
        )

    def test_without_any_parameter_the_defaults_hold(self):
        # an audit that names only its goal has no parameters at all
        self.assertEqual(request(), schema.request({}, {}, hosts=('cmp-1',)))

    def test_units_are_converted(self):
        found = request(
            bandwidth_ceiling_mbit_s=800, downtime_limit_ms=300, deadline_s=60
        )
        self.assertEqual(units.from_mbit_s(800), found.ceiling)
        self.assertAlmostEqual(0.3, found.downtime_limit)
        self.assertEqual(60, found.deadline)

    def test_zero_means_absent(self):
        found = request(deadline_s=0, bandwidth_ceiling_mbit_s=0)
        self.assertEqual(math.inf, found.deadline)
        self.assertEqual(math.inf, found.ceiling)

    def test_caps_override_the_policy(self):
        found = request(policy='gentle', max_per_source=3)
        self.assertEqual(3, found.max_per_source)
        self.assertEqual(1, found.max_per_destination)

    def test_post_copy_can_be_forbidden_and_placement_chosen(self):
        found = request(allow_post_copy=False, placement='pack')
        self.assertFalse(found.allow_post_copy)
        self.assertIs(Placement.PACK, found.placement)

    def test_assumed_writing_is_a_reason_only_where_it_is_asked_for(self):
        self.assertFalse(request().post_copy_assumed)
        self.assertTrue(request(post_copy_assumed=True).post_copy_assumed)

    def test_group_and_what_a_post_copy_saves_are_the_operators(self):
        found = request(max_per_group=2, post_copy_saves_percent=20)
        self.assertEqual(2, found.max_per_group)
        self.assertAlmostEqual(0.2, found.post_copy_saves)
        self.assertEqual(0.1, request(policy='gentle').post_copy_saves)

    def test_every_policy_is_found_by_its_request(self):
        for name in policies.NAMES:
            found = schema.policy_of(policies.request(name, hosts=('a',)))
            self.assertEqual(name, found)

    def test_assumptions_are_passed_on(self):
        found = schema.request({}, {'assume_nic': 5e9}, hosts=('cmp-1',))
        self.assertEqual(5e9, found.assume_nic)
        self.assertEqual(Request(hosts=('a',)).assume_traffic, 12.5e6)

    def test_a_wrong_policy_is_an_input_error(self):
        with self.assertRaises(errors.InputError):
            schema.request({'policy': 'x'}, {}, hosts=('cmp-1',))
