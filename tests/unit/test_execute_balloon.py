"""What an execution does about a guest's caches, around its migration."""

from tests.unit.test_execute_migration import Base
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Given
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute.balloon import PATIENCE
from watcher_tsmig.execute.caps import NoCaps
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

STAGES = (0.0, 1 * GIB, 2 * GIB)


class Agents(NoCaps):
    """Agents that give memory back and put no caps in force."""

    def __init__(self, nova):
        self.nova = nova
        self.calls = []
        self.silent, self.refuses = set(), ''
        self.stages = list(STAGES)
        self.why = ''

    def give_back(self, host, vm, *, keep, ttl):
        self.calls.append(('give', host, keep, self.nova.began is None))
        if host in self.silent:
            raise errors.CloudError(f'no agent answers on {host}')
        if self.refuses:
            raise Refusal(Code.UNFIT, self.refuses)
        given = self.stages.pop(0)
        return Given(
            before=8 * GIB,
            given=given,
            done=not self.stages,
            why='' if self.stages else self.why,
        )

    def take_again(self, host, vm, *, size=None, ttl=None):
        self.calls.append(('take', host, size, ttl is not None))
        if host in self.silent:
            raise errors.CloudError(f'no agent answers on {host}')
        return host == self.nova.get_server(vm).compute_host


class TestGiving(Base):
    def setUp(self):
        super().setUp()
        self.agents = Agents(self.nova)
        self.cancelled = False

    def moved(self, **values):
        return carry_out(
            OpenStackSdk(self.nova),
            order(balloon=True, **values),
            cancelled=lambda: self.cancelled,
            caps=self.agents,
            pace=Pace(balloon_keep=64 * MIB),
            clock=self.clock,
        )

    def test_caches_go_before_the_start_and_come_back_where_the_vm_is(self):
        outcome = self.moved()
        self.assertEqual(
            [
                ('give', 'cmp-1', 64 * MIB, True),
                ('take', 'cmp-2', 8 * GIB, True),
                ('give', 'cmp-1', 64 * MIB, True),
                ('give', 'cmp-1', 64 * MIB, True),
                ('take', 'cmp-2', 8 * GIB, True),
                ('take', 'cmp-1', None, False),
            ],
            self.agents.calls,
        )
        self.assertIn('2.0 GiB of free memory and caches', outcome.remark)

    def test_a_migration_that_fails_restores_at_the_source(self):
        self.nova.story = [(2, None), (5, 'running'), (None, 'failed')]
        with self.assertRaises(errors.MigrationError):
            self.moved()
        self.assertEqual(
            [('take', 'cmp-1', None, False), ('take', 'cmp-2', None, False)],
            self.agents.calls[-2:],
        )

    def test_where_it_is_unknown_where_the_vm_ends_both_sides_are_ready(self):
        self.nova.story = [(2, None), (5, 'running'), (None, 'failed')]
        self.agents.take_again = self.nowhere
        with self.assertRaises(errors.MigrationError):
            self.moved()
        # the destination's waiting is not taken back
        self.assertEqual(
            [('cmp-2', 8 * GIB), ('cmp-1', None)], self.agents.calls[-2:]
        )

    def nowhere(self, host, vm, *, size=None, ttl=None):
        self.agents.calls = [
            call for call in self.agents.calls if call[0] != 'give'
        ]
        self.agents.calls.append((host, size))
        return False

    def test_nothing_is_given_back_where_the_destination_has_no_agent(self):
        self.agents.silent = {'cmp-2'}
        outcome = self.moved()
        self.assertEqual(
            ['give', 'take', 'take'], [call[0] for call in self.agents.calls]
        )
        self.assertEqual(('take', 'cmp-1', None, False), self.agents.calls[-1])
        self.assertIn('no caches given back (no agent', outcome.remark)

    def test_a_refusal_is_told_and_stops_nothing(self):
        self.agents.refuses = 'it has no balloon device'
        outcome = self.moved()
        self.assertEqual('cmp-2', outcome.host)
        self.assertIn('(it has no balloon device)', outcome.remark)
        self.assertEqual(1, len(self.agents.calls))

    def test_nothing_is_given_back_where_the_destination_refuses(self):
        def refuses(host, vm, **_):
            raise Refusal(Code.UNFIT, 'it is of another release')

        self.agents.take_again = refuses
        outcome = self.moved()
        self.assertEqual('cmp-2', outcome.host)
        self.assertIn('given back (it is of another rel', outcome.remark)

    def test_why_a_guest_gave_less_is_told(self):
        self.agents.why = 'the guest swapped'
        self.assertIn('(the guest swapped)', self.moved().remark)

    def test_a_guest_that_is_slow_is_not_waited_for_longer(self):
        self.agents.stages = [float(i) for i in range(10_000)]
        began = self.clock.now()
        self.assertIn('(the guest is slow)', self.moved().remark)
        self.assertLess(self.clock.now() - began, PATIENCE + 60)

    def test_a_plan_that_is_cancelled_meanwhile_restores(self):
        self.cancelled = True
        with self.assertRaises(errors.MigrationError):
            self.moved()
        self.assertEqual(('take', 'cmp-1', None, False), self.agents.calls[-2])

    def test_without_the_owners_word_or_in_post_copy_nobody_is_asked(self):
        carry_out(
            OpenStackSdk(self.nova),
            order(),
            cancelled=lambda: False,
            caps=self.agents,
            clock=self.clock,
        )
        self.nova.server.compute_host, self.nova.began = 'cmp-1', None
        with self.assertRaises(errors.MigrationError):
            self.moved(mode=Mode.POST_COPY)
        self.assertEqual([], self.agents.calls)

    def test_a_first_pass_does_not_send_caches_either(self):
        self.moved(mode=Mode.HYBRID, post_copy_permitted=True)
        self.assertIn('give', [call[0] for call in self.agents.calls])

    def test_a_cloud_without_agents_is_told_so(self):
        self.agents = None
        self.assertIn('(no agent is used)', self.moved().remark)
