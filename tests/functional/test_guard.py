"""A planner that is wrong, in a real Watcher: nobody is shown its plans."""

from tests.functional import test_drain


class TestWrongPlans(test_drain.Drains):
    MODULE = 'tests.functional.starving'

    def test_a_plan_that_is_wrong_is_not_recommended_and_told_as_ours(self):
        audit = self.audit(
            hosts=['cmp-01'],
            destinations=test_drain.DESTINATIONS,
            allow_post_copy=False,
        )
        self.assertEqual('SUCCEEDED', audit.state)
        said = self.said(audit)
        self.assertIn('Nothing planned, by a bug of watcher-tsmig:', said)
        self.assertIn('cap below its LCB', said)
        self.assertIn('openstack optimize tsmig snapshot create', said)
        self.assertNotIn('Traceback', said)
        plan = self.plan(audit)
        self.assertEqual('FAILED', plan.state)
        self.assertEqual({}, self.actions(plan))
        services = self.playground.cloud.compute.services(host='cmp-01')
        self.assertEqual(['enabled'], [s.status for s in services])

    def test_nor_is_it_carried_out_by_an_audit_that_starts_its_plan(self):
        audit = self.audited(
            goal=test_drain.GOAL,
            strategy=test_drain.STRATEGY,
            auto_trigger=True,
            parameters={
                'hosts': ['cmp-02'],
                'destinations': test_drain.DESTINATIONS,
                'allow_post_copy': False,
            },
        )
        plan = self.plan(audit)
        self.assertEqual('CANCELLED', plan.state)
        self.assertEqual([], self.playground.state()['migrations'])
