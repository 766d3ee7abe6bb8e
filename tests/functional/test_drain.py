"""Audit, plan, apply: the plugin in a real Watcher on the playground.

Everything goes over HTTP through unmodified clients. The hosts of the rack
are shared out among the tests, so that they can share one playground.
"""

import contextlib
import pathlib

import testtools

from tests.functional import fixtures
from watcher_tsmig.plugin.lessons import Lessons

GOAL = 'traffic_sensitive_migration'
STRATEGY = 'traffic_sensitive_drain'
VERIFY = 'traffic_sensitive_verify'
DESTINATIONS = ['spare-01', 'spare-02', 'spare-03', 'spare-04']
ENDED = ('SUCCEEDED', 'FAILED', 'CANCELLED')
# Watcher 14, of API 1.4, has neither status messages nor skipped actions.
MESSAGES_SINCE = (1, 5)
QUICK = (
    *('--set', 'watcher_actions.traffic_sensitive_migrate/poll_interval=0.1'),
    # its clock runs faster than the wall's
    *('--set', 'watcher_actions.traffic_sensitive_migrate/nova_requests=900'),
    '--set',
    'watcher_actions.traffic_sensitive_migrate/force_complete_interval=0.2',
)


class Drains(testtools.TestCase):
    """What the tests share; it has none itself."""

    CLOUD = None
    SPEED = 20.0
    ARGUMENTS = QUICK
    MODULE = 'watcher_tsmig.playground'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.playground = stack.enter_context(
            fixtures.Playground(
                cls.CLOUD,
                speed=cls.SPEED,
                watcher=True,
                arguments=cls.ARGUMENTS,
                module=cls.MODULE,
            )
        )
        cls.watcher = cls.playground.watcher
        cls.has_messages = cls.playground.watcher_api >= MESSAGES_SINCE
        vms = cls.playground.state()['vms']
        cls.ids = {vm['name']: vm_id for vm_id, vm in vms.items()}

    def audit(self, goal_only=False, **parameters):
        """An audit that has ended."""
        given = {'strategy': STRATEGY, 'parameters': parameters}
        return self.audited(goal=GOAL, **({} if goal_only else given))

    def audited(self, **given):
        self.logged = self.log.stat().st_size
        made = self.watcher.audit.create(audit_type='ONESHOT', **given)
        fixtures.poll(
            lambda: self.watcher.audit.get(made.uuid).state,
            (*ENDED, 'SUSPENDED'),
        )
        return self.watcher.audit.get(made.uuid)

    @property
    def log(self):
        return pathlib.Path(self.playground.log)

    def said(self, thing):
        """What Watcher says of an audit or an action.

        Where it keeps no messages, they are in its log; that is taken from
        the beginning of the last audit.
        """
        if self.has_messages:
            return thing.status_message
        return self.log.read_bytes()[self.logged :].decode()

    def plan(self, audit):
        """The audit's only action plan."""
        (plan,) = self.watcher.action_plan.list(audit=audit.uuid)
        return self.watcher.action_plan.get(plan.uuid)

    def actions(self, plan):
        """The plan's actions by the name of their VM or host.

        Without the last looks, which are at hosts, too.
        """
        found = self.watcher.action.list(action_plan=plan.uuid, detail=True)
        return {
            a.input_parameters['resource_name']: a
            for a in found
            if a.action_type != VERIFY
        }

    def looks(self, plan):
        """The plan's last looks, by host."""
        found = self.watcher.action.list(action_plan=plan.uuid, detail=True)
        return {
            a.input_parameters['resource_name']: a
            for a in found
            if a.action_type == VERIFY
        }

    def indicators(self, plan):
        return {i['name']: i['value'] for i in plan.efficacy_indicators}

    def apply(self, plan):
        """Start the plan and wait for its end."""
        self.watcher.action_plan.start(plan.uuid)
        return self.ended(plan)

    def ended(self, plan):
        fixtures.poll(
            lambda: self.watcher.action_plan.get(plan.uuid).state, ENDED
        )
        return self.watcher.action_plan.get(plan.uuid)

    def where(self, name):
        return self.playground.state()['vms'][self.ids[name]]['host']

    def change(self, name, undo, **changes):
        vm = self.ids[name]
        self.playground.change(vm, **changes)
        self.addCleanup(self.playground.change, vm, **undo)

    def enable_afterwards(self, *hosts):
        for host in hosts:
            self.addCleanup(self.playground.change_host, host, enabled=True)


class TestDrain(Drains):
    def test_named_hosts_are_disabled_and_emptied(self):
        self.enable_afterwards('cmp-01', 'cmp-05')
        audit = self.audit(
            hosts=['cmp-01', 'cmp-05'], destinations=DESTINATIONS
        )
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('4 VMs leave cmp-01, cmp-05 in', self.said(audit))
        plan = self.plan(audit)
        self.assertEqual('RECOMMENDED', plan.state)
        self.assertEqual(4, self.indicators(plan)['migrations'])
        actions = self.actions(plan)
        self.assertEqual(
            {'cmp-01', 'cmp-05', 'redis-01', 'redis-09', 'redis-05', 'ycsb-1'},
            set(actions),
        )
        for name in ('redis-01', 'redis-09'):
            self.assertIn(actions['cmp-01'].uuid, actions[name].parents)
            self.assertEqual(
                'nothing', actions[name].input_parameters['assumed']
            )
        self.assertEqual(
            plan.uuid,
            actions['ycsb-1'].input_parameters['action_plan_uuid'],
        )
        plan = self.apply(plan)
        self.assertEqual('SUCCEEDED', plan.state, self.messages(plan))
        for name in ('redis-01', 'redis-09', 'redis-05', 'ycsb-1'):
            wanted = actions[name].input_parameters['destination_node']
            self.assertEqual(wanted, self.where(name))
        looks = self.looks(plan)
        self.assertEqual({'cmp-01', 'cmp-05'}, set(looks))
        self.assertEqual(
            {actions['redis-01'].uuid, actions['redis-09'].uuid},
            set(looks['cmp-01'].parents),
        )
        for name, look in looks.items():
            self.assertIn(f'{name} is empty', self.said(look))
            self.assertIn(f'{name} is empty', self.said(plan))
        services = self.playground.cloud.compute.services(host='cmp-01')
        self.assertEqual(
            [('disabled', 'watcher_disabled')],
            [(s.status, s.disabled_reason) for s in services],
        )
        # What they took is there for the next plan; other tests share it.
        path = pathlib.Path(self.playground.log).with_name('calibration.json')
        known = Lessons.loads(path.read_text())
        self.assertGreaterEqual(known.calibration.outcomes, 4)
        moved = {self.ids[name] for name in ('redis-01', 'redis-09')}
        self.assertTrue(moved & {trace.vm for trace in known.traces})

    def messages(self, plan):
        return {
            name: (action.state, self.said(action))
            for name, action in self.actions(plan).items()
        }

    def test_a_failed_migration_says_why_and_is_tried_again_at_the_end(self):
        self.enable_afterwards('cmp-02')
        self.change(
            'redis-02',
            {'fault': None},
            # it is seen to run before
            fault={'kind': 'fail', 'after': 25.0},
        )
        plan = self.plan(
            self.audit(
                hosts=['cmp-02'],
                destinations=DESTINATIONS,
                allow_post_copy=False,
            )
        )
        plan = self.apply(plan)
        self.assertEqual('FAILED', plan.state, self.messages(plan))
        state, message = self.messages(plan)['redis-02']
        self.assertEqual('FAILED', state)
        self.assertIn('redis-02', message)
        self.assertIn('cmp-02', message)
        self.assertEqual('SUCCEEDED', self.messages(plan)['redis-10'][0])
        self.assertIn(self.where('redis-10'), DESTINATIONS)
        look = self.looks(plan)['cmp-02']
        self.assertEqual('SUCCEEDED', look.state)
        went = self.where('redis-02')
        self.assertIn(went, DESTINATIONS)
        self.assertIn(
            f'cmp-02 is empty; left at another try: redis-02 to {went}',
            self.said(look),
        )

    def test_without_names_the_hosts_in_maintenance_are_emptied(self):
        self.enable_afterwards('cmp-03')
        self.playground.change_host('cmp-03', enabled=False)
        audit = self.audit(destinations=DESTINATIONS)
        actions = self.actions(self.plan(audit))
        self.assertEqual({'redis-03', 'redis-11'}, set(actions))
        self.assertIn('leave cmp-03 in', self.said(audit))

    def test_without_metrics_the_plan_is_careful_and_says_so(self):
        for name in ('redis-04', 'redis-12'):
            self.change(name, {'metrics': 'live'}, metrics='gone')
        audit = self.audit(hosts=['cmp-04'], destinations=DESTINATIONS)
        self.assertIn('2 planned on assumed values.', self.said(audit))
        actions = self.actions(self.plan(audit))
        assumed = actions['redis-04'].input_parameters['assumed']
        # what it writes an earlier migration may have shown
        self.assertIn('traffic', assumed)

    def test_stale_metrics_count_as_none(self):
        for name in ('redis-04', 'redis-12'):
            self.change(name, {'metrics': 'live'}, metrics='stale')
        audit = self.audit(hosts=['cmp-04'], destinations=DESTINATIONS)
        actions = self.actions(self.plan(audit))
        assumed = actions['redis-04'].input_parameters['assumed']
        self.assertIn('traffic', assumed)

    def test_an_empty_host_is_disabled_and_nothing_moves(self):
        self.enable_afterwards('spare-08')
        audit = self.audit(hosts=['spare-08'])
        self.assertIn('Nothing moves from spare-08', self.said(audit))
        plan = self.plan(audit)
        self.assertEqual({'spare-08'}, set(self.actions(plan)))
        self.assertEqual('SUCCEEDED', self.apply(plan).state)

    def test_a_vm_that_cannot_leave_stays_with_its_reason(self):
        self.change('redis-06', {'locked': False}, locked=True)
        audit = self.audit(hosts=['cmp-06'], destinations=DESTINATIONS)
        self.assertIn('1 stays: redis-06 (locked)', self.said(audit))
        plan = self.plan(audit)
        self.assertEqual(1, self.indicators(plan)['left_out'])
        self.assertEqual({'cmp-06', 'ycsb-2'}, set(self.actions(plan)))

    def test_a_vm_out_of_the_audits_scope_stays(self):
        excluded = {'instances': [{'uuid': self.ids['redis-06']}]}
        template = self.watcher.audit_template.create(
            name='all but redis-06',
            goal=GOAL,
            strategy=STRATEGY,
            scope=[{'compute': [{'exclude': [excluded]}]}],
        )
        audit = self.audited(
            audit_template_uuid=template.uuid,
            parameters={'hosts': ['cmp-06'], 'destinations': DESTINATIONS},
        )
        self.assertIn('1 stays: redis-06 (excluded)', self.said(audit))
        actions = self.actions(self.plan(audit))
        self.assertEqual({'cmp-06', 'ycsb-2'}, set(actions))

    def test_if_no_vm_can_leave_the_plan_is_empty_and_succeeded(self):
        for name in ('redis-06', 'ycsb-2'):
            self.change(name, {'locked': False}, locked=True)
        audit = self.audit(hosts=['cmp-06'])
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('Nothing moves from cmp-06.', self.said(audit))
        self.assertIn('(locked)', self.said(audit))
        plan = self.plan(audit)
        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual({}, self.actions(plan))

    def test_a_wrong_host_name_is_answered_with_the_known_ones(self):
        audit = self.audit(hosts=['cmp-01', 'cmp-77'])
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('cmp-77', self.said(audit))
        self.assertIn('Known: cmp-01, cmp-02', self.said(audit))
        self.assertEqual({}, self.actions(self.plan(audit)))

    def test_an_audit_of_the_goal_alone_takes_the_defaults(self):
        audit = self.audit(goal_only=True)
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('no host in maintenance', self.said(audit))

    def test_a_vm_that_went_there_by_itself_is_skipped(self):
        self.enable_afterwards('cmp-07')
        plan = self.plan(
            self.audit(hosts=['cmp-07'], destinations=DESTINATIONS)
        )
        action = self.actions(plan)['redis-07']
        wanted = action.input_parameters['destination_node']
        self.playground.change(self.ids['redis-07'], host=wanted)
        plan = self.apply(plan)
        self.assertEqual('SUCCEEDED', plan.state, self.messages(plan))
        state, message = self.messages(plan)['redis-07']
        skipped = 'SKIPPED' if self.has_messages else 'SUCCEEDED'
        self.assertEqual(skipped, state)
        self.assertIn(f'is on {wanted} already', message)

    def test_a_host_that_another_plan_empties_receives_nothing(self):
        first = self.audit(hosts=['spare-05'])
        audit = self.audit(
            hosts=['cmp-08'], destinations=['spare-05', 'spare-06']
        )
        self.assertIn('spare-05 is emptied by another plan', self.said(audit))
        moves = [
            action.input_parameters
            for action in self.actions(self.plan(audit)).values()
            if 'mode' in action.input_parameters
        ]
        self.assertTrue(moves)
        for given in moves:
            self.assertEqual('spare-06', given['destination_node'])
            self.assertEqual('', given['alternatives'])
        self.watcher.action_plan.delete(self.plan(first).uuid)

    def test_a_vm_that_came_late_is_moved_on(self):
        self.enable_afterwards('cmp-04')
        for name in ('redis-04', 'redis-12', 'ycsb-2'):
            self.addCleanup(
                self.playground.change, self.ids[name], host=self.where(name)
            )
        plan = self.plan(
            self.audit(hosts=['cmp-04'], destinations=DESTINATIONS)
        )
        self.playground.change(self.ids['ycsb-2'], host='cmp-04')
        plan = self.apply(plan)
        self.assertEqual('SUCCEEDED', plan.state, self.messages(plan))
        self.assertIn(self.where('ycsb-2'), DESTINATIONS)
        look = self.looks(plan)['cmp-04']
        self.assertIn('came late and moved: ycsb-2 to', self.said(look))

    def test_a_vm_that_went_elsewhere_is_not_touched(self):
        self.enable_afterwards('cmp-08')
        plan = self.plan(
            self.audit(hosts=['cmp-08'], destinations=DESTINATIONS)
        )
        self.playground.change(self.ids['redis-08'], host='spare-07')
        plan = self.apply(plan)
        self.assertEqual('FAILED', plan.state)
        state, message = self.messages(plan)['redis-08']
        self.assertEqual('FAILED', state)
        self.assertIn('is on spare-07, not on cmp-08 any more', message)
        self.assertEqual('spare-07', self.where('redis-08'))


class TestCancel(Drains):
    SPEED = 2.0

    def test_a_cancelled_plan_aborts_what_runs_and_starts_no_more(self):
        plan = self.plan(
            self.audit(
                hosts=['cmp-01'],
                destinations=DESTINATIONS,
                allow_post_copy=False,
                max_per_source=1,
            )
        )
        self.watcher.action_plan.start(plan.uuid)
        vms = {self.ids[name]: name for name in ('redis-01', 'redis-09')}

        def running():
            state = self.playground.state()['vms']
            return [
                name
                for vm, name in vms.items()
                if state[vm]['migration'] == 'running'
            ]

        fixtures.poll(running, (['redis-01'], ['redis-09']))
        (first,) = running()
        (second,) = set(vms.values()) - {first}
        self.watcher.action_plan.cancel(plan.uuid)
        plan = self.ended(plan)
        self.assertEqual('CANCELLED', plan.state)
        actions = self.actions(plan)
        self.assertEqual('FAILED', actions[first].state)
        self.assertIn('cancelled', self.said(actions[first]))
        self.assertIn('cmp-01', self.said(actions[first]))
        self.assertEqual('CANCELLED', actions[second].state)
        self.assertEqual('cmp-01', self.where(first))
        self.assertEqual('cmp-01', self.where(second))


class TestNoModel(Drains):
    # Watcher finds no Nova, so that it cannot build its compute model.
    # The second group is the one of Watcher up to 15.
    ARGUMENTS = (
        *('--set', 'nova/region_name=nowhere'),
        *('--set', 'nova_client/region_name=nowhere'),
    )

    def test_an_audit_without_a_model_ends_with_the_reason(self):
        audit = self.audit(hosts=['cmp-01'])
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('compute model', self.said(audit))
        self.assertEqual('FAILED', self.plan(audit).state)


class TestNovaDown(Drains):
    # Watcher gives up at once
    ARGUMENTS = (
        *('--set', 'collector/api_query_max_retries=1'),
        *('--set', 'collector/api_query_interval=0'),
    )

    def test_an_audit_while_nova_is_down_ends_with_the_reason(self):
        self.playground.change_service('compute', up=False)
        audit = self.audit(hosts=['cmp-01'])
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('compute model', self.said(audit))
        self.assertEqual('FAILED', self.plan(audit).state)


class TestStaleModel(Drains):
    # The model is rebuilt every second, and Watcher gives up at once.
    ARGUMENTS = (
        *('--set', 'watcher_cluster_data_model_collectors.compute/period=1'),
        *('--set', 'collector/api_query_max_retries=1'),
        *('--set', 'collector/api_query_interval=0'),
    )

    def message(self):
        audit = self.audit(hosts=['cmp-01'], destinations=DESTINATIONS)
        self.assertEqual('SUCCEEDED', audit.state)
        return self.said(audit)

    def test_a_stale_model_is_said_and_the_next_audit_plans_again(self):
        self.assertIn('2 VMs leave cmp-01', self.message())
        self.playground.change_service('compute', up=False)
        # Not at once: until it is rebuilt the old model is a good one,
        # and the strategy then finds that Nova does not answer.
        fixtures.poll(lambda: 'missing or stale' in self.message(), (True,))
        self.playground.change_service('compute', up=True)
        fixtures.poll(lambda: '2 VMs leave cmp-01' in self.message(), (True,))


class TestNoGnocchi(Drains):
    # Gnocchi is in no catalogue of that region
    ARGUMENTS = ('--set', 'gnocchi_client/region_name=nowhere')

    def test_an_audit_without_gnocchi_is_careful_and_says_so(self):
        audit = self.audit(hosts=['cmp-01'], destinations=DESTINATIONS)
        self.assertIn('Gnocchi', self.said(audit))
        actions = self.actions(self.plan(audit))
        assumed = actions['redis-01'].input_parameters['assumed']
        self.assertIn('traffic', assumed)
