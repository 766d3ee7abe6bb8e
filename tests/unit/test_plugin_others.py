"""What other plans are about to do, read from Watcher's own rows."""

import types
import unittest

from watcher import objects

from tests.unit import builders
from tests.unit import test_plugin_planner as planned
from watcher_tsmig import errors
from watcher_tsmig.model import Passage
from watcher_tsmig.plugin import others

setUpModule = planned.setUpModule
VM = planned.VM


class Plans(planned.Base):
    """Watcher's database, without plans of other tests."""

    def setUp(self):
        super().setUp()
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


class TestBound(Plans):
    def setUp(self):
        super().setUp()
        self.mine = types.SimpleNamespace(id=self.audit.id + 1000)

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


def disable(host):
    return {
        'action_type': 'change_nova_service_state',
        'resource_id': host,
        'input_parameters': {
            'resource_id': host,
            'resource_name': host,
            'state': 'disabled',
            'disabled_reason': 'drain',
        },
    }


class TestAtTheStart(Plans):
    def setUp(self):
        super().setUp()
        self.started = self.plan(
            'ONGOING', disable('cmp-1'), planned.migrate(1)
        )
        planned.Base.setUp(self)  # other audits from here on

    def closed(self):
        return others.at_the_start(self.started.uuid)

    def message(self):
        found = objects.ActionPlan.get_by_uuid(self.context, self.started.uuid)
        return found.status_message or ''

    def test_what_approved_plans_empty_is_closed_by_now(self):
        runs = self.plan('ONGOING', disable('cmp-2'))
        waits = self.plan('PENDING', disable('cmp-3'), disable('cmp-2'))
        self.plan('RECOMMENDED', disable('cmp-4'))
        self.plan('SUCCEEDED', disable('cmp-5'))
        self.assertEqual(
            {'cmp-2': runs.uuid, 'cmp-3': waits.uuid}, self.closed()
        )

    def test_no_vm_is_sent_there_and_the_plan_is_named(self):
        others.keep_away('db-1', 'cmp-3', {'cmp-2': 'u'})
        with self.assertRaises(errors.DestinationError) as caught:
            others.keep_away('db-1', 'cmp-2', {'cmp-2': 'u' * 36})
        self.assertEqual(
            f'is emptied by plan {"u" * 36}', caught.exception.why
        )

    def test_a_later_plan_for_the_same_hosts_has_overtaken_it(self):
        self.plan('RECOMMENDED', disable('cmp-1'))
        self.plan('ONGOING', disable('cmp-2'))
        self.plan('FAILED', disable('cmp-1'))
        self.closed()
        self.assertNotIn('later', self.message())
        later = self.plan('SUCCEEDED', disable('cmp-1'))
        self.closed()
        self.assertIn(
            f'Plan {later.uuid}, made later, empties cmp-1, too.',
            self.message(),
        )
        self.closed()
        self.assertEqual(1, self.message().count('made later'))

    def test_an_earlier_one_has_not(self):
        later = self.plan('ONGOING', disable('cmp-1'))
        self.assertEqual(
            {'cmp-1': self.started.uuid}, others.at_the_start(later.uuid)
        )
        self.assertEqual('', others.overtaken(later))

    def test_the_next_plan_of_its_audit_has_whatever_it_moves(self):
        self.audit = objects.Audit.get_by_id(
            self.context, self.started.audit_id
        )
        later = self.plan('RECOMMENDED', planned.migrate(2))
        self.assertEqual(
            f'Plan {later.uuid} was made later for the same audit.',
            others.overtaken(self.started),
        )

    def test_where_nobody_tells_nothing_is_stopped(self):
        self.assertEqual({}, others.at_the_start(''))
        self.assertEqual({}, others.at_the_start('no-such-plan'))


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
