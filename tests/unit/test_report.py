"""The table says a migration the same way wherever it comes from."""

import dataclasses

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import plan
from tests.unit.builders import step
from tests.unit.builders import vm
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Purchase
from watcher_tsmig.plugin.schema import parameters
from watcher_tsmig.report import summary
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

    def test_what_binds_a_migration_is_on_its_line(self):
        for migration in self.plan.migrations:
            line = table.table([table.of_migration(migration)])[1]
            self.assertTrue(migration.binding)
            self.assertTrue(line.endswith(migration.binding), line)

    def test_a_way_through_a_third_host_is_two_lines(self):
        found = plan(
            dataclasses.replace(step('one', 'a>c'), because='small'),
            step('two', 'b>a', 30.0),
            step('one', 'c>b', 60.0, hop=2),
        )
        lines = summary.of_plan(found)
        self.assertIn('one (1 of 2)  a     c', lines[1])
        self.assertIn('on its way to b; small', lines[1])
        self.assertIn('one (2 of 2)  c     b', lines[3])
        given = parameters.of_migration(
            found.migrations[0], factor=2.0, slack=30.0, goes_on_to='b'
        )
        row = table.of_parameters({'resource_id': 'id-one', **given})
        self.assertEqual(lines[1].split(), table.table([row])[1].split(), row)

    def test_below_the_table_is_what_binds_the_whole(self):
        found = dataclasses.replace(
            self.plan,
            purchases=(
                Purchase(what='1 more of it', spares=40.0),
                Purchase(what='1 more minute', spares=0.0, moves=1),
            ),
            request=dataclasses.replace(self.plan.request, deadline=60.0),
            shortfall=46.0,
        )
        text = '\n'.join(summary.lines(found))
        self.assertIn(f'by {self.plan.critical} (gap ', text)
        self.assertIn(f'at most {self.plan.peak_load:.1%} of a link', text)
        self.assertIn('less than ', text)
        self.assertIn('1 more of it would spare 40 s.', text)
        self.assertIn('1 more minute would move 1 more VM.', text)
        self.assertIn('miss the deadline of 60 s by 46 s.', text)
        nothing = summary.lines(plan(vms=('id-x',)))
        self.assertEqual([], nothing)

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
        found = make_plan(
            cloud('a b', vm('v', 'a', traffic=None)),
            policies.request('balanced', hosts=('a',)),
        )
        line = table.table(map(table.of_migration, found.migrations))[1]
        self.assertIn('(assumed: traffic)', line)
