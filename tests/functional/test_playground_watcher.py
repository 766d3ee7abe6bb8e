"""Real Watcher in front of the simulated cloud, with its stock strategies.

What works here without the plug-in is the ground on which the plug-in is
tested: API, tokens, collector, planner, applier.
"""

from keystoneauth1 import exceptions as ksa_exceptions

from tests.functional import fixtures

DONE = ('SUCCEEDED', 'FAILED', 'CANCELLED')


class TestWatcher(fixtures.SharedPlayground):
    SPEED = 100.0
    WATCHER = True

    def audit(self, goal, strategy, **parameters):
        """An audit that has ended."""
        audits = self.playground.watcher.audit
        audit = audits.create(
            audit_type='ONESHOT',
            goal=goal,
            strategy=strategy,
            parameters=parameters,
        )
        fixtures.poll(lambda: audits.get(audit.uuid).state, DONE)
        return audits.get(audit.uuid)

    def carry_out(self, audit):
        """The audit's action plan, started and ended."""
        plans = self.playground.watcher.action_plan
        (plan,) = plans.list(audit=audit.uuid)
        plans.start(plan.uuid)
        fixtures.poll(lambda: plans.get(plan.uuid).state, DONE)
        return plans.get(plan.uuid)

    def test_watchers_api_checks_tokens_with_keystone(self):
        answer = self.playground.session.get(
            '/v1/goals',
            endpoint_filter={'service_type': 'infra-optim'},
            authenticated=False,
            headers={'X-Auth-Token': 'guess'},
            raise_exc=False,
        )
        self.assertEqual(401, answer.status_code)

    def test_a_user_without_the_admin_role_sees_no_audits(self):
        session = self.playground.session_of(self.playground.reader)
        self.assertRaises(
            ksa_exceptions.Forbidden,
            session.get,
            '/v1/audits',
            endpoint_filter={'service_type': 'infra-optim'},
        )

    def test_both_syncers_have_run(self):
        watcher = self.playground.watcher
        strategies = {s.name for s in watcher.strategy.list()}
        self.assertLessEqual({'dummy', 'host_maintenance'}, strategies)
        answer = self.playground.session.get(
            '/v1/services',
            endpoint_filter={'service_type': 'infra-optim'},
            headers={'OpenStack-API-Version': 'infra-optim 1.7'},
        )
        self.assertEqual(
            {'watcher-applier', 'watcher-decision-engine'},
            {s['name'] for s in answer.json()['services']},
        )

    def test_a_dummy_audit_and_its_plan_succeed(self):
        audit = self.audit('dummy', 'dummy', para1=1.0, para2='hello')
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertEqual('SUCCEEDED', self.carry_out(audit).state)

    def test_stock_host_maintenance_empties_a_host(self):
        audit = self.audit(
            'cluster_maintaining',
            'host_maintenance',
            maintenance_node='cmp-02',
        )
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertEqual('SUCCEEDED', self.carry_out(audit).state)
        compute = self.playground.cloud.compute
        hosts = {s.compute_host for s in compute.servers(all_projects=True)}
        self.assertNotIn('cmp-02', hosts)
        (service,) = compute.services(host='cmp-02', binary='nova-compute')
        self.assertEqual('disabled', service.status)
        moved = [m.source_compute for m in compute.migrations()]
        self.assertEqual(['cmp-02', 'cmp-02'], moved)
