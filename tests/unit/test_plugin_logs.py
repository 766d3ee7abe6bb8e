"""What an operator finds in the log of the decision engine."""

from watcher.common import exception

from tests.unit import test_plugin_drain
from watcher_tsmig.plugin.audits import strategy as strategies

LOG = 'watcher_tsmig.plugin.audits.strategy'


class TestLog(test_plugin_drain.Base):
    def logged(self, **values):
        with self.assertLogs(LOG, 'WARNING') as logs:
            self.run_it(**values)
        return [record.getMessage() for record in logs.records], logs.records

    def test_who_stays_is_named_with_host_code_and_reason(self):
        self.compute._servers[0].is_locked = True
        texts, _ = self.logged(hosts=['a'])
        (text,) = (text for text in texts if 'stays on' in text)
        self.assertRegex(
            text, r'^one \(id-one\) stays on a \[locked\]: its owner'
        )

    def test_what_telemetry_could_not_read_is_noted(self):
        texts, _ = self.logged(hosts=['a'])
        self.assertIn(
            'no source of measures is configured; nothing is measured', texts
        )

    def test_why_nothing_is_planned(self):
        texts, _ = self.logged(hosts=['a'], given={'dirty_metric': 'x'})
        self.assertRegex(texts[-1], '^Nothing planned: .*dirty_metric')

    def test_what_kept_watchers_model_away_is_there_with_its_trace(self):
        texts, records = self.logged(hosts=['a'], error=AttributeError('x'))
        self.assertEqual('No compute model', texts[0])
        self.assertIs(AttributeError, records[0].exc_info[0])

    def test_a_stale_model_is_told_with_the_option_that_rebuilds_it(self):
        self.run_it(hosts=['a'], error=exception.ClusterStateStale())
        self.assertIn(
            "Watcher's compute model is stale; it is rebuilt every "
            '[watcher_cluster_data_model_collectors.compute]period',
            self.audit.status_message,
        )

    def test_what_the_audit_is_told_is_kept_for_the_plan(self):
        found = self.run_it(hosts=['a'])
        self.assertEqual(self.audit.status_message, found.told)
        self.assertFalse(found.failed)
        self.assertEqual(2, len(found.plan.migrations))
        found = self.run_it(hosts=['z'])
        self.assertTrue(found.failed)
        self.assertIsNone(found.plan)
        # all is as it should be, which is no failure
        self.assertFalse(self.run_it().failed)

    def test_an_audit_that_nobody_gave_is_told_nothing(self):
        self.audit = None
        self.assertIn('2 VMs leave a', self.run_it(hosts=['a']).told)


class TestActions(test_plugin_drain.Base):
    def test_each_migration_is_told_the_limits_and_deadlines_of_its_plan(
        self,
    ):
        found = self.run_it(
            hosts=['a'], max_per_source=1, max_per_destination=2,
            max_in_cluster=3,
            given={'deadline_factor': 2.0, 'deadline_slack': 1000.0},
        )  # fmt: skip
        first = found.solution.actions[1]['input_parameters']
        self.assertEqual(
            (1, 2, 3),
            (
                first['max_per_source'],
                first['max_per_destination'],
                first['max_in_cluster'],
            ),
        )
        (plan,) = (m for m in found.plan.migrations
                   if m.vm == first['resource_id'])  # fmt: skip
        self.assertGreaterEqual(
            first['deadline_s'], 1000 + 2 * plan.takes - 0.1
        )
        self.assertEqual(strategies.MIGRATE, found.solution.actions[1][
            'action_type'
        ])  # fmt: skip

    def test_one_at_a_time_waits_for_the_one_before_and_the_host(self):
        found = self.run_it(hosts=['a'], max_per_source=1)
        first, second = sorted(found.plan.migrations, key=lambda m: m.start)
        self.assertEqual(('uuid-a',), found.after[first.id])
        self.assertEqual(('uuid-a', first.id), found.after[second.id])
