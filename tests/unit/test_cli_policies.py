"""The command that lists the policies."""

import importlib.metadata

import testtools

from watcher_tsmig.cli import policies as command
from watcher_tsmig.plan import policies


class TestPolicies(testtools.TestCase):
    def rows(self):
        headings, rows = command.Policies(None, None).take_action(None)
        return [dict(zip(headings, row, strict=True)) for row in rows]

    def test_the_gentlest_comes_first_and_its_time_is_worth_least(self):
        found = self.rows()
        self.assertEqual(list(policies.NAMES), [r['Policy'] for r in found])
        urgencies = [row['Urgency'] for row in found]
        self.assertEqual(sorted(urgencies), urgencies)

    def test_it_tells_how_many_go_at_once(self):
        by_name = {row['Policy']: row for row in self.rows()}
        self.assertEqual(1, by_name['gentle']['Per source'])
        self.assertEqual(128, by_name['fast']['In cluster'])

    def test_it_asks_no_cloud(self):
        self.assertFalse(command.Policies.auth_required)

    def test_the_stock_client_finds_it(self):
        (point,) = importlib.metadata.entry_points(
            group='openstack.infra_optim.v1', name='optimize_tsmig_policies'
        )
        self.assertIs(command.Policies, point.load())
