"""VMs in every state that Nova knows, gone ones and refused ones."""

import unittest

from tests.minicloud import stages
from tests.minicloud.operators import Operator
from tests.minicloud.operators import eventually
from tests.minicloud.stages import COMPUTES


class Base(unittest.TestCase):
    def setUp(self):
        self.operator = Operator()
        self.addCleanup(self.operator.sweep)
        self.operator.aggregate(
            'nics', list(COMPUTES), **{'tsmig:nic_mbit_s': '1000'}
        )

    def boot(self, name, host='compute1', **more):
        server = self.operator.boot(name, host, **more)
        self.operator.at_rest(server)
        return server

    def permit_post_copy(self):
        self.operator.aggregate(
            'able', list(COMPUTES), **{'tsmig:post_copy': 'true'}
        )

    def running(self):
        """A plan, and the VM whose migration does not end by itself."""
        server = self.boot(
            'busy', flavor='big', metadata={'tsmig:post_copy': 'false'}
        )
        plan = self.operator.plan_of(self.operator.audit(vms=[server]))
        self.operator.start(plan)
        self.operator.never_ends(server)
        return plan, server

    def without_agents(self):
        """Nobody caps anything until the test has ended."""
        self.operator.bed.stop('agents')
        self.addCleanup(self.agents_return)

    def agents_return(self):
        """They serve again, and plans count on them again."""
        stages.start_agents(self.operator.bed).ready(says='agents serve')
        server = self.boot('again')

        def look():
            plan = self.operator.plan_of(self.operator.audit(vms=[server]))
            (move,) = self.operator.moves(plan)
            return move['input_parameters']['cap_enforcement'] == 'enforced'

        eventually('caps in force', look, 60)


class TestStates(Base):
    def test_a_paused_vm_leaves_and_others_stay_each_with_its_reason(self):
        acts = {
            'held': ('pause', 'PAUSED'),
            'off': ('os-stop', 'SHUTOFF'),
            'asleep': ('suspend', 'SUSPENDED'),
        }
        ids = {name: self.boot(name, flavor='tiny') for name in acts}
        for name, (act, status) in acts.items():
            self.operator.act(ids[name], act)
            self.operator.at_rest(ids[name], status)
        broken = self.boot('broken', flavor='tiny')
        self.operator.act(broken, 'os-resetState', {'state': 'error'})
        audit = self.operator.audit(hosts=['compute1'], inactive='leave')
        self.operator.tells(
            audit, 'off (stopped)', 'asleep (suspended)', 'broken (in-error)'
        )
        plan = self.operator.plan_of(audit)
        (move,) = self.operator.moves(plan)
        given = move['input_parameters']
        self.assertEqual('held', given['resource_name'])
        self.assertEqual('pre-copy', given['mode'])
        self.operator.start(plan)
        self.operator.succeeds(plan)
        found = self.operator.at_rest(ids['held'], 'PAUSED')
        self.assertNotEqual('compute1', found['OS-EXT-SRV-ATTR:host'])

    def test_f11_a_stopped_vm_follows_cold_and_stays_stopped(self):
        off = [self.boot(name, flavor='tiny') for name in ('off', 'out')]
        on = self.boot('on', flavor='tiny')
        for server in off:
            self.operator.act(server, 'os-stop')
            self.operator.at_rest(server, 'SHUTOFF')
        audit = self.operator.audit(hosts=['compute1'])
        self.operator.tells(audit, '1 VM leaves', 'then 2 cold')
        plan = self.operator.plan_of(audit)
        self.operator.start(plan)
        ended = self.operator.ended(plan)
        self.operator.tells(ended, 'compute1 is empty')
        self.assertEqual('SUCCEEDED', ended['state'])
        self.assertNotEqual('compute1', self.operator.host_of(on))
        cold = {
            action['input_parameters']['resource_id']: action
            for action in self.operator.actions(plan)
            if action['action_type'] == 'migrate'
        }
        self.assertEqual(set(off), set(cold))
        for server in off:
            found = self.operator.at_rest(server, 'SHUTOFF')
            self.assertEqual(
                cold[server]['input_parameters']['destination_node'],
                found['OS-EXT-SRV-ATTR:host'],
            )

    def test_a_vm_deleted_after_it_was_planned_is_skipped(self):
        self.permit_post_copy()
        for policy, mode in (('fast', 'post-copy'), ('gentle', 'pre-copy')):
            server = self.boot(f'soon-gone-{policy}')
            if mode == 'pre-copy':
                self.operator.act(server, 'pause')
                self.operator.at_rest(server, 'PAUSED')
            audit = self.operator.audit(
                vms=[server],
                policy=policy,
                post_copy_assumed=mode == 'post-copy',
            )
            plan = self.operator.plan_of(audit)
            (move,) = self.operator.moves(plan)
            self.assertEqual(mode, move['input_parameters']['mode'])
            self.operator.delete(server)
            self.operator.start(plan)
            self.operator.succeeds(plan)
            (move,) = self.operator.moves(plan)
            self.assertEqual(self.operator.skipped, move['state'])
            self.operator.tells(move, 'no longer exists')


class TestRefusals(Base):
    def test_a_refusal_at_the_destination_says_what_nova_says(self):
        """And the last look of the drain tries that destination again."""
        server = self.boot('refused')
        self.operator.hypervisors('shape', uuid=server, fails='pre')
        # there is no other that it could go to instead
        audit = self.operator.audit(
            hosts=['compute1'], destinations=['compute2']
        )
        plan = self.operator.plan_of(audit)
        self.operator.start(plan)
        ended = self.operator.ended(plan)
        self.assertEqual('FAILED', ended['state'])
        (move,) = self.operator.moves(plan)
        self.operator.tells(move, 'refused on order')
        self.operator.tells(
            ended,
            'compute1 stays disabled',
            'compute1 is empty',
            'left at another try',
        )
        self.assertEqual('compute2', self.operator.host_of(server))

    def test_a_destination_that_refuses_is_replaced_by_the_next(self):
        server = self.boot('refused')
        self.operator.hypervisors('shape', uuid=server, fails='pre')
        audit = self.operator.audit(hosts=['compute1'])
        plan = self.operator.plan_of(audit)
        (move,) = self.operator.moves(plan)
        planned = move['input_parameters']['destination_node']
        self.operator.start(plan)
        self.operator.succeeds(plan)
        self.assertNotIn(self.operator.host_of(server), ('compute1', planned))
        (move,) = self.operator.moves(plan)
        self.operator.tells(move, f'instead of {planned}')

    def test_unknown_names_are_told_and_move_nothing(self):
        audit = self.operator.audit(hosts=['compute9'])
        plan = self.operator.plan_of(audit)
        self.assertEqual('FAILED', plan['state'])
        self.operator.tells(plan, 'compute9')
        self.assertEqual([], self.operator.moves(plan))
        for row in plan['efficacy_indicators']:
            self.assertNotEqual(100, row['value'], row)
