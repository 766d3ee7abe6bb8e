"""Where a VM really runs, and what refuses it, as far as can be found out."""

import types
import unittest

from tests.unit.test_execute_migration import order
from tests.unit.test_execute_orders import server
from watcher_tsmig import errors
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute.cause import hindrance
from watcher_tsmig.execute.compute import Bond
from watcher_tsmig.execute.sight import NOWHERE
from watcher_tsmig.execute.sight import runs_on

HERE = Job()
SENDS = Job(direction=Direction.OUTGOING)
LEFT = Job(direction=Direction.OUTGOING, post_copy=True)
COMES = Job(direction=Direction.INCOMING)
ABSENT = Refusal(Code.UNKNOWN_VM, 'not here')
BUSY = Refusal(Code.BUSY, 'busy')
AWAY = errors.CloudError('no agent')


class TestRuns(unittest.TestCase):
    def runs(self, source, destination):
        said = {'cmp-1': source, 'cmp-2': destination}

        def ask(host, verb, arguments):
            self.assertEqual(('job', {'vm': 'vm-1'}), (verb, arguments))
            found = said[host]
            if isinstance(found, Exception):
                raise found
            return {'job': found.told()} if isinstance(found, Job) else found

        return runs_on(types.SimpleNamespace(ask=ask), order())

    def test_two_agents_tell_it_and_one_that_sends_is_enough(self):
        for source, destination, host in (
            (SENDS, AWAY, 'cmp-1'),
            (LEFT, AWAY, 'cmp-2'),
            (HERE, ABSENT, 'cmp-1'),
            (ABSENT, HERE, 'cmp-2'),
            (ABSENT, COMES, 'cmp-2'),
            (ABSENT, ABSENT, NOWHERE),
        ):
            self.assertEqual(host, self.runs(source, destination))

    def test_where_one_cannot_tell_nothing_is_known(self):
        for source, destination in (
            (HERE, HERE), (HERE, AWAY), (ABSENT, AWAY), (AWAY, ABSENT),
            (AWAY, HERE), (BUSY, ABSENT), (ABSENT, BUSY), (HERE, BUSY),
            # of another release
            ({}, ABSENT),
            ({'job': {'direction': 'up'}}, ABSENT),
            ({'job': 'outgoing'}, ABSENT),
            ({'job': ['outgoing']}, ABSENT),
        ):  # fmt: skip
            self.assertIsNone(self.runs(source, destination))


class TestHindrance(unittest.TestCase):
    """What "No valid host" means for a VM that is to go to cmp-2."""

    def setUp(self):
        self.trouble, self.there, self.asked = None, [], []
        self.at = {}

    def told(self, *bonds):
        nova = types.SimpleNamespace(
            service_trouble=lambda host: self.trouble,
            bonds=lambda vm: list(bonds),
            residents=lambda host: self.there,
            server=self.server,
        )
        return hindrance(nova, order())

    def server(self, vm):
        self.asked.append(vm)
        host = self.at.get(vm, 'cmp-2')
        return None if host == 'deleted' else server(host=host)

    def bond(self, policy, *members, most=1):
        return Bond(
            name='g', policy=policy, members=('vm-1', *members), most=most
        )

    def resident(self, vm):
        return types.SimpleNamespace(vm=vm, name=f'{vm}-name')

    def test_a_service_that_takes_no_vm_comes_first(self):
        self.trouble = 'is down'
        self.assertEqual('cmp-2 is down', self.told(self.bond('affinity')))

    def test_members_that_are_kept_apart_are_named(self):
        self.there = [self.resident(vm) for vm in ('x', 'vm-1', 'y')]
        apart = self.bond('anti-affinity', 'x', 'z')
        self.assertEqual(
            'server group g (anti-affinity): x-name on cmp-2',
            self.told(apart),
        )
        # as many as the group lets be together
        self.assertEqual(
            '', self.told(self.bond('anti-affinity', 'x', most=2))
        )
        both = self.bond('anti-affinity', 'x', 'y', most=2)
        self.assertIn('x-name, y-name on cmp-2', self.told(both))

    def test_members_that_are_kept_together_are_found_elsewhere(self):
        together = self.bond('affinity', 'x', 'y')
        self.assertEqual('', self.told(together))
        self.at = {'x': None, 'y': 'cmp-9'}
        self.assertEqual(
            'server group g (affinity): a member is on cmp-9',
            self.told(together),
        )
        self.at = {'x': 'deleted', 'y': 'cmp-2'}
        self.assertEqual('', self.told(together))
        self.assertNotIn('vm-1', self.asked)

    def test_of_a_large_group_ten_members_are_asked_for(self):
        many = self.bond('affinity', *(f'm-{i}' for i in range(20)))
        self.at = {'m-10': 'cmp-9'}
        self.assertEqual('', self.told(many))
        self.assertEqual(10, len(self.asked))
        self.at = {'m-9': 'cmp-9'}
        self.assertIn('cmp-9', self.told(many))

    def test_the_first_group_that_refuses_is_told_and_soft_ones_do_not(self):
        self.there, self.at = [self.resident('x')], {'x': 'cmp-9'}
        for policy in ('soft-affinity', 'soft-anti-affinity', ''):
            self.assertEqual('', self.told(self.bond(policy, 'x')))
        found = self.told(
            self.bond('soft-affinity', 'x'), self.bond('affinity', 'x')
        )
        self.assertIn('(affinity)', found)

    def test_a_nova_that_does_not_answer_refuses_for_unknown_reasons(self):
        def away(host):
            raise errors.CloudError('away')

        nova = types.SimpleNamespace(service_trouble=away)
        self.assertEqual('', hindrance(nova, order()))
