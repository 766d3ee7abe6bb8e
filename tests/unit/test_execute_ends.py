"""How runs end that do not arrive: what is told, and what is done next.

The Nova is that of test_execute_migration; agents here are a table of what
each host's says.
"""

import dataclasses
import types

from openstack import exceptions as sdk_errors

from tests.unit.small_cloud import statistics
from tests.unit.test_execute_migration import Base
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute.caps import NoCaps
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk
from watcher_tsmig.plan.values import Mode


class Agents(NoCaps):
    """Tell where a domain is; a host that is not in the table is silent.

    :ivar hosts: whether the domain is there
    """

    def __init__(self, **hosts):
        self.hosts = {name.replace('_', '-'): v for name, v in hosts.items()}

    def ask(self, host, verb, arguments, **_):
        if host not in self.hosts:
            raise errors.CloudError(f'no agent answers on {host}')
        if not self.hosts[host]:
            raise Refusal(Code.UNKNOWN_VM, 'is not on this host')
        return {'job': Job().told()}


class Ends(Base):
    """What the tests share; it has none."""

    caps = None

    def go(self, wanted=None, **pace):
        return carry_out(
            OpenStackSdk(self.nova),
            wanted or order(),
            cancelled=lambda: False,
            caps=self.caps,
            pace=Pace(**pace),
            clock=self.clock,
        )

    post_copy = order(
        mode=Mode.POST_COPY, post_copy_permitted=True, deadline=3600.0
    )

    def switches_and(self, *story):
        """What follows a forced completion, in pairs."""

        def force(record, vm):
            self.nova.began = self.clock.now()
            self.nova.story = [
                story[i : i + 2] for i in range(0, len(story), 2)
            ]

        self.nova.force_complete_server_migration = force

    def ends_in_error(self):
        real = self.nova.get_server

        def broken(vm):
            found = real(vm)
            if self.nova.status() == 'error' and not self.nova.reset:
                found.vm_state = 'error'
            return found

        self.nova.get_server = broken


class TestDeadComputes(Ends):
    def dies(self, host, story=((2, None), (None, 'running')), after=10.0):
        self.nova.story = list(story)
        self.nova.down = {host: self.clock.now() + after}

    def test_a_dead_source_is_noticed_within_a_minute(self):
        self.dies('cmp-1')
        began = self.clock.now()
        text = self.fails(order(deadline=3600.0))
        self.assertLessEqual(self.clock.now() - began - 10.0, 60.0)
        self.assertIn('nova-compute on cmp-1 is down (Nova: running)', text)
        self.assertIn('start it, then plan again', text)

    def test_the_agents_say_where_its_vm_runs_meanwhile(self):
        self.dies('cmp-1')
        self.caps = Agents(cmp_1=False, cmp_2=True)
        text = self.fails(order(deadline=3600.0))
        self.assertIn('runs on cmp-2, but Nova counts it to cmp-1', text)
        self.assertIn('correct its host', text)

    def test_before_it_runs_it_is_noticed_too(self):
        self.dies('cmp-1', ((None, 'queued'),))
        text = self.fails(order(deadline=3600.0))
        self.assertIn('nova-compute on cmp-1 is down (Nova: queued)', text)

    def test_what_a_dead_destination_would_not_take_over_is_aborted(self):
        self.dies('cmp-2')
        text = self.fails(order(deadline=3600.0))
        self.assertIn('nova-compute on its destination is down', text)
        self.assertIn('active on cmp-1', text)
        self.assertEqual([('abort', '8')], self.asked('abort'))

    def test_what_has_not_begun_may_go_elsewhere(self):
        self.dies('cmp-2', ((None, 'preparing'),))
        with self.assertRaises(errors.DestinationError):
            self.go(order(deadline=3600.0))

    def test_a_post_copy_is_left_alone_and_nobody_told_to_hurry(self):
        self.dies('cmp-1')
        self.switches_and(None, 'running (post-copy)')
        text = self.fails(self.post_copy)
        self.assertIn('do not start it before cmp-1 has stopped', text)
        self.assertEqual([], self.asked('abort'))

    def test_where_a_post_copy_runs_nobody_is_told_to_correct_it_yet(self):
        self.dies('cmp-1')
        self.switches_and(None, 'running (post-copy)')
        self.caps = Agents(cmp_1=False, cmp_2=True)
        text = self.fails(self.post_copy)
        self.assertIn('do not start it before cmp-1 has stopped', text)

    def test_a_completed_migration_names_the_destination_that_died(self):
        self.nova.arrives = False
        self.dies('cmp-2', ((9, 'running'), (None, 'completed')), after=5.0)
        text = self.fails(settle=5.0)
        self.assertIn('completed, but nova-compute on cmp-2 is down', text)

    def test_no_destination_is_tried_for_a_source_that_is_down(self):
        self.dies('cmp-1', after=0.0)
        self.nova.start_error = sdk_errors.BadRequestException(
            'Compute service of cmp-1 is unavailable at this time.'
        )
        with self.assertRaises(errors.MigrationError) as caught:
            self.go()
        self.assertNotIsInstance(caught.exception, errors.DestinationError)
        self.assertIn('whose nova-compute is down', str(caught.exception))

    def test_while_nova_writes_its_record_nobody_is_suspected(self):
        self.dies('cmp-1', ((90, 'running'), (None, 'completed')))
        real = self.nova.migrations

        def written(**query):
            for record in real(**query):
                began = self.nova.began or self.clock.now()
                passed = int(self.clock.now() - began)
                record.updated_at = (
                    f'2026-01-01T00:{passed // 60:02}:{passed % 60:02}.0'
                )
                yield record

        self.nova.migrations = written

        def moving(record, vm, ignore_missing):
            if self.nova.status() != 'running':
                raise sdk_errors.NotFoundException('not in progress')
            sent = self.clock.now() - self.nova.began
            # it writes every 5 s
            return statistics(1e3, sent, 1e3 - sent, sent // 5 * 5 % 60)

        self.nova.get_server_migration = moving
        self.assertEqual('cmp-2', self.go(order(deadline=3600.0)).host)

    def test_what_nova_has_forgotten_is_not_waited_for(self):
        self.nova.story = [(None, 'queued')]
        real = self.nova.get_server

        def restarted(vm):
            found = real(vm)
            found.task_state = None
            return found

        self.nova.get_server = restarted
        began = self.clock.now()
        text = self.fails(order(deadline=3600.0))
        self.assertLessEqual(self.clock.now() - began, 60.0)
        self.assertIn('Nova works on it no longer (Nova: queued)', text)

    def test_a_source_that_tidies_up_for_long_is_waited_for(self):
        self.nova.story = [(50, 'running'), (None, 'completed')]
        real = self.nova.get_server

        def early(vm):
            found = real(vm)
            if self.nova.began and self.clock.now() - self.nova.began > 10:
                found.compute_host, found.task_state = 'cmp-2', None
            return found

        self.nova.get_server = early
        self.assertEqual('cmp-2', self.go(order(deadline=3600.0)).host)


class TestEnds(Ends):
    def test_what_somebody_aborted_is_not_tried_elsewhere(self):
        self.nova.story = [(2, 'queued'), (None, 'cancelled')]
        with self.assertRaises(errors.MigrationError) as caught:
            self.go()
        self.assertNotIsInstance(caught.exception, errors.DestinationError)
        self.assertIn('somebody aborted it', str(caught.exception))

    def test_a_server_in_error_whose_guest_runs_on_needs_its_state_only(self):
        self.nova.story = [(3, 'running'), (None, 'error')]
        self.ends_in_error()
        self.caps = Agents(cmp_1=True, cmp_2=False)
        text = self.fails()
        self.assertIn('in ERROR on cmp-1, but runs there', text)
        self.assertIn('"openstack server set --state active"', text)

    def test_what_arrived_while_nobody_at_its_source_looked_is_told(self):
        self.nova.story = [(3, 'running'), (None, 'error')]
        self.caps = Agents(cmp_1=False, cmp_2=True)
        text = self.fails()
        self.assertIn('runs on cmp-2, but Nova counts it to cmp-1', text)
        self.assertIn('do not start it again', text)
        self.assertNotIn('plan again', text)

    def test_a_server_in_error_that_runs_nowhere_is_to_be_started(self):
        self.nova.story = [(3, 'running'), (None, 'error')]
        self.ends_in_error()
        self.caps = Agents(cmp_1=False, cmp_2=False)
        text = self.fails()
        self.assertIn('runs on neither host', text)
        self.assertIn('reboot --hard', text)

    def test_an_error_that_no_agent_sees_is_told_with_an_if(self):
        self.nova.story = [(3, 'running'), (None, 'error')]
        self.ends_in_error()
        self.caps = Agents(cmp_1=False)
        self.assertIn('ERROR on cmp-1; if it runs there', self.fails())

    def test_a_state_is_set_only_where_it_is_wanted_and_both_agents_agree(
        self,
    ):
        self.ends_in_error()
        real = self.nova.get_server
        for resets, caps, change, done in (
            (True, Agents(cmp_1=True, cmp_2=False), {}, True),
            (False, Agents(cmp_1=True, cmp_2=False), {}, False),
            (True, Agents(cmp_1=True, cmp_2=True), {}, False),
            (True, Agents(cmp_1=True), {}, False),
            (True, Agents(cmp_1=False, cmp_2=True), {}, False),
            (True, Agents(cmp_1=False, cmp_2=False), {}, False),
            (
                True,
                Agents(cmp_1=True, cmp_2=False),
                {'compute_host': 'cmp-2'},
                False,
            ),
            (
                True,
                Agents(cmp_1=True, cmp_2=False),
                {'task_state': 'rebuilding'},
                False,
            ),
        ):
            self.nova.server.vm_state, self.nova.reset = 'active', False
            self.nova.server.compute_host = 'cmp-1'
            self.nova.began, self.caps = None, caps
            self.nova.story = [(3, 'running'), (None, 'error')]
            self.nova.calls.clear()

            def server(vm, change=change):
                found = real(vm)
                if self.nova.status() == 'error':
                    vars(found).update(change)
                return found

            self.nova.get_server = server
            text = self.fails(resets=resets)
            calls = [('reset', 'active')] if done else []
            self.assertEqual(calls, self.asked('reset'), change)
            self.assertIs(done, 'was set active' in text, text)
            self.assertIs(done, 'it is active on cmp-1' in text, text)

    def test_what_had_sent_nothing_may_go_elsewhere_once_it_is_active(self):
        self.nova.story = [(2, 'accepted'), (None, 'error')]
        self.ends_in_error()
        self.caps = Agents(cmp_1=True, cmp_2=False)
        with self.assertRaises(errors.DestinationError):
            self.go(resets=True)

    def test_a_state_that_nova_does_not_set_stays_as_it_is(self):
        self.nova.story = [(3, 'running'), (None, 'error')]
        self.ends_in_error()
        self.caps = Agents(cmp_1=True, cmp_2=False)
        self.nova.abort_refused = True
        text = self.fails(resets=True)
        self.assertIn('in ERROR on cmp-1, but runs there', text)
        self.assertNotIn('was set active', text)

    def test_a_post_copy_that_failed_is_never_set_active(self):
        self.nova.story = [(None, 'running')]
        self.switches_and(5, 'running (post-copy)', None, 'error')
        self.ends_in_error()
        self.caps = Agents(cmp_1=True, cmp_2=False)
        self.fails(self.post_copy, resets=True)
        self.assertEqual([], self.asked('reset'))

    def test_nor_is_one_that_was_to_be_stopped_meanwhile(self):
        self.nova.story = [(None, 'running')]
        self.switches_and(5, 'running (post-copy)', None, 'error')
        self.ends_in_error()
        self.caps = Agents(cmp_1=True, cmp_2=False)
        with self.assertRaises(errors.MigrationError) as caught:
            carry_out(
                OpenStackSdk(self.nova),
                self.post_copy,
                cancelled=lambda: self.nova.status() == 'running (post-copy)',
                caps=self.caps,
                pace=Pace(resets=True),
                clock=self.clock,
            )
        self.assertEqual([], self.asked('reset'))
        self.assertIn('its post-copy failed', str(caught.exception))

    def test_a_post_copy_that_failed_is_told_from_a_pre_copy(self):
        self.nova.story = [(None, 'running')]
        self.switches_and(5, 'running (post-copy)', None, 'error')
        self.ends_in_error()
        text = self.fails(self.post_copy)
        self.assertIn('its post-copy failed (Nova: error)', text)
        self.assertIn('check the network', text)
        self.assertIn('reboot --hard', text)

    def test_a_post_copy_whose_destination_is_down_names_that(self):
        self.nova.story = [(None, 'running')]
        self.switches_and(None, 'running (post-copy)')
        self.nova.down = {'cmp-2': self.clock.now() + 10}
        wanted = dataclasses.replace(self.post_copy, deadline=30.0)
        text = self.fails(wanted, quiet=600.0)
        self.assertIn('start that on cmp-2, which is down', text)

    def test_one_that_is_deleted_as_it_arrives_fails_nothing(self):
        self.nova.arrives = False
        real = self.nova.get_server

        def deleted(vm):
            self.nova.gone = self.nova.status() == 'completed'
            return real(vm)

        self.nova.get_server = deleted
        outcome = self.go()
        self.assertEqual('', outcome.host)
        self.assertEqual('was deleted while it moved', outcome.remark)

    def test_completed_on_the_source_is_told_with_where_it_runs(self):
        self.nova.arrives = False
        self.caps = Agents(cmp_1=False, cmp_2=True)
        text = self.fails(settle=5.0)
        self.assertIn('Nova reports completed', text)
        self.assertIn('runs on cmp-2, but Nova counts it to cmp-1', text)
        self.assertIn('do not start it again', text)


class TestUnderWay(Ends):
    def setUp(self):
        super().setUp()
        # asked for by an applier that was killed
        self.nova.began, self.nova.destination = self.clock.now(), 'cmp-2'
        self.nova.story = [(30, 'running'), (None, 'completed')]

    def test_what_is_under_way_is_followed_and_not_asked_for_again(self):
        outcome = self.go()
        self.assertEqual('cmp-2', outcome.host)
        self.assertIn('was under way already', outcome.remark)
        self.assertEqual([], self.asked('start'))

    def test_its_deadline_is_minded(self):
        self.nova.story = [(None, 'running')]
        self.assertIn('past its deadline', self.fails(order(deadline=20.0)))
        self.assertEqual([('abort', '8')], self.asked('abort'))

    def test_it_is_switched_where_that_was_planned(self):
        self.nova.story = [(None, 'running')]
        self.assertIs(Mode.POST_COPY, self.go(self.post_copy).mode)

    def test_one_to_somewhere_else_is_not_ours(self):
        with self.assertRaisesRegex(errors.MigrationError, 'is busy'):
            self.go(order(destination='cmp-3'))
        self.assertEqual([], self.asked('start'))


class TestNoValidHost(Ends):
    def setUp(self):
        super().setUp()
        self.nova.story = [(2, 'accepted'), (None, 'error')]
        path = '/servers/vm-1/os-instance-actions'
        action = {'action': 'live-migration', 'request_id': 'req-1'}
        event = {'result': 'Error', 'details': 'No valid host was found.'}
        self.nova.answers |= {
            path: {'instanceActions': [action]},
            f'{path}/req-1': {'instanceAction': {**action, 'events': [event]}},
            '/servers/vm-1': {'server': {'server_groups': ['g-1']}},
        }
        self.others = [('vm-2', 'db-2', 'cmp-2')]
        self.nova.servers = lambda **_: [
            types.SimpleNamespace(
                id=vm, name=name, compute_host=host, vm_state='active',
                task_state=None, flavor=None,
            )
            for vm, name, host in self.others
        ]  # fmt: skip

    def group(self, policy, **rules):
        self.nova.answers['/os-server-groups/g-1'] = {
            'server_group': {
                'id': 'g-1',
                'name': 'databases',
                'policy': policy,
                'rules': rules,
                'members': ['vm-1', 'vm-2'],
            }
        }
        with self.assertRaises(errors.DestinationError) as caught:
            self.go()
        return str(caught.exception)

    def test_a_group_that_keeps_its_members_apart_is_named(self):
        self.assertIn(
            'No valid host: server group databases (anti-affinity): db-2 on '
            'cmp-2',
            self.group('anti-affinity'),
        )

    def test_but_not_where_it_lets_two_be_together(self):
        text = self.group('anti-affinity', max_server_per_host=2)
        self.assertIn('it failed: No valid host was found. (Nova:', text)

    def test_a_group_that_keeps_its_members_together_is_named(self):
        other = types.SimpleNamespace(
            **{**vars(self.nova.server), 'id': 'vm-2', 'compute_host': 'cmp-1'}
        )
        real = self.nova.get_server
        self.nova.get_server = lambda vm: other if vm == 'vm-2' else real(vm)
        self.assertIn(
            '(affinity): a member is on cmp-1', self.group('affinity')
        )

    def test_a_destination_that_was_disabled_meanwhile_is_named(self):
        real = self.nova.post

        def post(*args, **kw):
            self.nova.service.status = 'disabled'
            return real(*args, **kw)

        self.nova.post = post
        self.assertIn('No valid host: cmp-2 is disabled', self.group('other'))
