"""Relief in a real Watcher on the playground: once, and not in circles."""

from tests.functional import fixtures
from tests.functional import test_drain

STRATEGY = 'traffic_sensitive_relief'


class TestRelief(test_drain.Drains):
    def relief(self, **parameters):
        """An audit of this strategy that has ended."""
        return self.audited(
            goal=test_drain.GOAL,
            strategy=STRATEGY,
            parameters={'destinations': test_drain.DESTINATIONS, **parameters},
        )

    def settle(self):
        """Until Nova has no migration under way."""
        fixtures.poll(
            lambda: {
                m['status'] for m in self.playground.state()['migrations']
            },
            ({'completed'},),
        )

    def busy(self, name, times):
        self.change(name, {'traffic': 1.0}, traffic=times)

    def test_an_overloaded_host_is_relieved_once(self):
        # cmp-01 sends 2 x 220 Mbit/s of its 1000; now twice of it
        self.assertIn('Nothing to do: no NIC', self.said(self.relief()))
        for name in ('redis-01', 'redis-09'):
            self.busy(name, 2.0)
        audit = self.relief()
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('cmp-01 sends 88% of its NIC for', self.said(audit))
        plan = self.plan(audit)
        self.assertEqual('RECOMMENDED', plan.state)
        ((name, action),) = self.actions(plan).items()
        self.assertIn(name, ('redis-01', 'redis-09'))
        self.assertEqual('traffic_sensitive_migrate', action.action_type)
        self.assertEqual('SUCCEEDED', self.apply(plan).state)
        where = self.where(name)
        self.assertIn(where, test_drain.DESTINATIONS)
        self.settle()

        again = self.relief()
        self.assertIn('Nothing to do: no NIC', self.said(again))
        self.assertEqual({}, self.actions(self.plan(again)))

        # within the cool-down it stays, however much it sends
        self.busy(name, 4.0)
        third = self.relief()
        self.assertIn(f'{where} sends 88%', self.said(third))
        self.assertIn('received a VM within', self.said(third))
        self.assertEqual({}, self.actions(self.plan(third)))

        # and without one, because it would overload every other host
        last = self.relief(cool_down_s=0)
        self.assertIn(
            f'no VM that can go would be enough, not {name} (no-destination)',
            self.said(last),
        )
        self.assertEqual({}, self.actions(self.plan(last)))

    def test_the_cpus_of_a_host_are_measured_too(self):
        # each VM keeps 0.6 of the 8 CPUs busy
        audit = self.relief(
            hosts=['cmp-02'], cpu_threshold_pct=14, cpu_relieve_to_pct=8
        )
        self.assertIn('cmp-02 keeps 15% of its CPUs busy', self.said(audit))
        self.assertEqual(1, len(self.actions(self.plan(audit))))

    def test_parameters_that_make_no_sense_are_told(self):
        audit = self.relief(nic_relieve_to_pct=79)
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('nic_relieve_to_pct', self.said(audit))
