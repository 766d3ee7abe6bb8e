"""The table says a migration the same way wherever it comes from."""

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import vm
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plugin import parameters
from watcher_tsmig.report import table


class TestTable(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.plan = make_plan(
            cloud('a b', vm('send', 'a', 300, 10), vm('idle', 'a')),
            policies.request('balanced', hosts=('a',)),
        )

    def test_one_line_a_vm_with_units(self):
        rows = [table.of_migration(m) for m in self.plan.migrations]
        lines = table.table(rows)
        self.assertEqual(3, len(lines))
        self.assertEqual('VM', lines[0].split()[0])
        line = next(line for line in lines if line.startswith('send'))
        for part in ('a', 'b', 'post-copy', 'Mbit/s', '0:00', '~3.0 s'):
            self.assertIn(part, line)
        self.assertIn('sends 300 Mbit/s, receives 10 Mbit/s', line)

    def test_an_action_reads_as_its_migration(self):
        for migration in self.plan.migrations:
            given = parameters.of_migration(migration, factor=2.0, slack=30.0)
            given['resource_id'] = migration.vm
            self.assertEqual(
                table.table([table.of_migration(migration)]),
                table.table([table.of_parameters(given)]),
            )

    def test_an_action_of_an_older_plugin_is_still_a_line(self):
        row = table.of_parameters(
            {
                'resource_id': 'some-id',
                'source_node': 'a',
                'destination_node': 'b',
                'mode': 'pre-copy',
            }
        )
        self.assertIn('some-id', table.table([row])[1])

    def test_an_assumption_is_on_the_line(self):
        plan = make_plan(
            cloud('a b', vm('v', 'a', traffic=None)),
            policies.request('balanced', hosts=('a',)),
        )
        line = table.table(map(table.of_migration, plan.migrations))[1]
        self.assertIn('(assumed: traffic)', line)
