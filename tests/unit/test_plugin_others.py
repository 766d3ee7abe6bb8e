"""What other plans are about to do, read from Watcher's own rows."""

import types
import unittest

from watcher import objects

from tests.unit import builders
from tests.unit import test_plugin_planner as planned
from watcher_tsmig.model import Passage
from watcher_tsmig.plugin import others

setUpModule = planned.setUpModule
VM = planned.VM


class TestBound(planned.Base):
    def setUp(self):
        super().setUp()
        self.mine = types.SimpleNamespace(id=self.audit.id + 1000)
        # rows of other tests are in the same database
        for plan in objects.ActionPlan.list(self.context, eager=True):
            plan.state = 'CANCELLED'
            plan.save()

    def plan(self, state, *actions):
        made = self.schedule(list(actions), {})
        plan = objects.ActionPlan.get_by_uuid(
            self.context, made.uuid, eager=True
        )
        plan.state = state
        plan.save()
        return plan

    def test_an_approved_plan_tells_where_its_vms_will_be(self):
        self.plan('ONGOING', planned.migrate(1))
        self.plan(
            'PENDING',
            planned.migrate(2, destination_node='x', goes_on_to='cmp-3'),
        )
        self.assertEqual(
            {VM.format(1): 'cmp-2', VM.format(2): 'cmp-3'},
            others.bound(self.mine),
        )

    def test_a_stopped_vm_that_will_follow_has_its_place_too(self):
        def follows(number, **where):
            return {
                'action_type': 'migrate',
                'resource_id': VM.format(number),
                'input_parameters': {
                    'resource_id': VM.format(number),
                    'migration_type': 'cold',
                    'source_node': 'cmp-1',
                    **where,
                },
            }

        self.plan('ONGOING', follows(1, destination_node='cmp-4'), follows(2))
        self.assertEqual({VM.format(1): 'cmp-4'}, others.bound(self.mine))

    def test_one_that_is_only_recommended_does_not(self):
        self.plan('RECOMMENDED', planned.migrate(1))
        self.assertEqual({}, others.bound(self.mine))

    def test_nor_does_what_is_over_or_its_own(self):
        plan = self.plan('ONGOING', planned.migrate(1))
        self.assertEqual({}, others.bound(self.audit))
        (found,) = self.rows(plan).values()
        row = objects.Action.get_by_uuid(self.context, found.uuid, eager=True)
        row.state = 'SUCCEEDED'
        row.save()
        self.assertEqual({}, others.bound(self.mine))


class TestReserved(unittest.TestCase):
    def test_who_is_bound_for_a_host_has_its_room(self):
        built = builders.cloud(
            'a b', builders.vm('x', 'a'), b=builders.host('b', disk=10e9)
        )
        b = others.reserved(built, {'id-x': 'b'}).host('b')
        self.assertEqual((60e9, 30.0, 10e9), (b.memory, b.vcpus, b.disk))

    def test_who_is_there_or_unknown_takes_no_more(self):
        built = builders.cloud('a b', builders.vm('x', 'a'))
        found = others.reserved(built, {'id-x': 'a', 'id-y': 'b'})
        self.assertEqual(built, found)

    def test_of_who_is_on_the_way_the_planner_knows_already(self):
        built = builders.cloud(
            'a b c',
            builders.vm('x', 'a'),
            passages=(Passage(vm='id-x', source='a', destination='b'),),
        )
        self.assertEqual(built, others.reserved(built, {'id-x': 'b'}))
        # but not whither from there
        found = others.reserved(built, {'id-x': 'c'})
        self.assertEqual(60e9, found.host('c').memory)

    def test_no_host_has_less_than_nothing(self):
        built = builders.cloud(
            'a b', builders.vm('x', 'a'), b=builders.host('b', memory=1e9)
        )
        self.assertEqual(
            0.0, others.reserved(built, {'id-x': 'b'}).host('b').memory
        )
