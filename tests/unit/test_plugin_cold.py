"""Stopped VMs of a host that is emptied: who follows cold, and whither."""

from tests.unit import test_plugin_drain
from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.test_plan import PlanCase
from watcher_tsmig.plan.cold import cold
from watcher_tsmig.plan.cold import followers
from watcher_tsmig.plugin import drain
from watcher_tsmig.reasons import Reason


class TestCold(PlanCase):
    def found(self, where, **request):
        plan = self.plan(where, **request)
        return cold(where, plan, followers(plan))

    def off(self, name, **values):
        return idle(name, 'a', active=False, state='stopped', **values)

    def test_stopped_vms_go_where_the_others_have_left_room(self):
        where = cloud(
            'a b c',
            idle('on', 'a', memory=40e9),
            self.off('off', memory=30e9),
            b=host('b', memory=64e9),
            c=host('c', memory=35e9),
        )
        moves, plan = self.found(where)
        (live,) = plan.migrations
        self.assertEqual('b', live.destination)
        self.assertEqual(
            [('id-off', 'off', 'a', 'c')],
            [(m.vm, m.name, m.source, m.destination) for m in moves],
        )
        self.assertEqual((), plan.left_out)

    def test_who_finds_no_room_stays_for_that_reason(self):
        where = cloud(
            'a b',
            idle('on', 'a', memory=40e9),
            self.off('off', memory=30e9),
            self.off('small', memory=2e9),
        )
        moves, plan = self.found(where)
        self.assertEqual(['id-small'], [m.vm for m in moves])
        (out,) = plan.left_out
        self.assertEqual('id-off', out.vm)
        self.assertIs(Reason.NO_DESTINATION, out.reason)

    def test_a_locked_one_stays_and_a_suspended_one_is_no_follower(self):
        where = cloud(
            'a b',
            self.off('held', locked=True),
            idle('asleep', 'a', active=False, state='suspended'),
        )
        moves, plan = self.found(where)
        self.assertEqual((), moves)
        self.assertEqual(
            {'id-held': Reason.LOCKED, 'id-asleep': Reason.SUSPENDED},
            {out.vm: out.reason for out in plan.left_out},
        )

    def test_it_goes_where_it_was_chosen_to(self):
        where = cloud('a b c', self.off('off'), c=host('c', memory=5e9))
        moves, _ = self.found(where, hosts=(), choices=(('id-off', 'c'),))
        self.assertEqual(['c'], [m.destination for m in moves])


class TestDrain(test_plugin_drain.Base):
    def setUp(self):
        super().setUp()
        self.compute._servers[0].vm_state = 'stopped'

    def test_a_stopped_vm_follows_by_watchers_own_action(self):
        strategy = self.run_it(hosts=['a'])
        self.assertEqual(
            [
                'change_nova_service_state',
                'traffic_sensitive_migrate',
                'migrate',
                'traffic_sensitive_verify',
            ],
            self.kinds(strategy),
        )
        given = strategy.solution.actions[2]['input_parameters']
        self.assertEqual(
            {
                'resource_id': 'id-one',
                'resource_name': 'one',
                'migration_type': 'cold',
                'source_node': 'a',
                'destination_node': 'b',
            },
            given,
        )
        self.assertEqual(('id-two',), strategy.after['id-one'])
        self.assertEqual(('id-one',), strategy.after['a'])
        look = strategy.solution.actions[3]['input_parameters']
        self.assertEqual(['id-one', 'id-two'], look['planned'])
        self.assertEqual({}, look['stays'])
        self.assertIn('then 1 cold', self.audit.status_message)

    def test_where_all_are_stopped_they_follow_one_another(self):
        self.compute._servers[1].vm_state = 'stopped'
        strategy = self.run_it(hosts=['a'])
        self.assertEqual(('uuid-a',), strategy.after['id-one'])
        self.assertEqual(('id-one',), strategy.after['id-two'])
        self.assertEqual(('id-two',), strategy.after['a'])
        self.assertIn('2 stopped VMs move cold', self.audit.status_message)

    def test_who_is_only_named_stays_unless_that_is_wanted(self):
        for wanted, cold_ones in (('auto', 0), ('leave', 0), ('cold', 1)):
            strategy = self.run_it(vms=['one', 'two'], inactive=wanted)
            kinds = self.kinds(strategy)
            self.assertEqual(cold_ones, kinds.count(drain.COLD), wanted)

    def test_all_stay_where_that_is_wanted(self):
        strategy = self.run_it(hosts=['a'], inactive='leave')
        self.assertNotIn(drain.COLD, self.kinds(strategy))
        self.assertIn('one (stopped)', self.audit.status_message)
