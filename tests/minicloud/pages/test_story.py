"""From goal to finished plan by clicks, and what the pages tell."""

import re
import unittest
import uuid

from tests.minicloud.operators import Operator
from tests.minicloud.pages import browser
from tests.minicloud.stages import COMPUTES

SERVERS = (
    # name, flavor
    ('web-1', 'small'),
    ('web-2', 'small'),
    ('db-1', 'big'),
    ('cache-1', 'small'),
)


class TestStory(unittest.TestCase):
    """Four VMs on a host that is to be emptied; the owner locked one."""

    def setUp(self):
        self.operator = Operator()
        self.addCleanup(self.operator.sweep)
        self.addCleanup(self.operator.end_audits)
        self.name = f'empty-host-{uuid.uuid4().hex[:6]}'
        self.operator.aggregate(
            'nics', list(COMPUTES), **{'tsmig:nic_mbit_s': '1000'}
        )
        self.ids = {
            name: self.operator.boot(
                name,
                'compute1',
                flavor,
                metadata={'tsmig:post_copy': str(name == 'db-1').lower()},
            )
            for name, flavor in SERVERS
        }
        self.operator.aggregate(
            'permit', list(COMPUTES), **{'tsmig:post_copy': 'true'}
        )
        for server in self.ids.values():
            self.operator.at_rest(server)
        self.operator.act(self.ids['cache-1'], 'lock')
        # so that a post-copy is earned: it was measured
        self.operator.feed_gauges(
            self.ids['db-1'],
            memory_resident=200,
            memory_dirty_t1=190,
            memory_dirty_t60=200,
        )
        self.operator.fed()
        self.pictures = self.operator.bed.folder / 'pictures'
        self.pictures.mkdir(exist_ok=True)

    def test_from_goal_to_finished_plan_by_clicks(self):
        with browser.opened(self.pictures) as page:
            page.log_in('admin', self.operator.bed.password)
            self.make_template(page)
            self.make_audit(page)
            page.press('Go to Action Plan', within=self.name)
            page.says('Related Actions')
            text = page.text()
            page.picture(self.pictures / 'plan.png')
            self.reads_the_story(text)
            plan = re.search(r'Action Plan Details: ([0-9a-f-]+)', text)[1]
            self.approve(page, plan)
            page.press(plan)
            page.says('Related Actions')
            page.picture(self.pictures / 'finished.png')
            self.reads_an_action(page, self.operator.moves({'uuid': plan})[0])
        for name, server in self.ids.items():
            stays = name == 'cache-1'
            host = self.operator.host_of(server)
            self.assertEqual(stays, host == 'compute1', name)

    def make_template(self, page):
        page.panel('goals')
        page.says('Traffic-sensitive migration')
        page.panel('audit_templates')
        page.press('Create Template')
        page.type('name', self.name)
        page.choose('goal', 'Traffic-sensitive migration')
        page.choose('strategy', 'Traffic-sensitive drain')
        page.press('Create Audit Template')
        page.says('successfully created')

    def make_audit(self, page):
        page.panel('audits')
        page.press('Create Audit')
        page.choose('audit_template', self.name)
        page.type('audit_name', self.name)
        page.choose('audit_type', 'ONESHOT')
        page.type('parameters', '{"hosts": ["compute1"], "policy": "fast"}')
        page.submit()
        page.says('successfully created')
        page.until(
            lambda: page.panel('audits'),
            lambda: 'Succeeded' in page.row(self.name),
        )

    def reads_the_story(self, text):
        told = re.search(
            r'3 VMs leave compute1 in ([0-9.]+) s .*, 1 by post-copy\. '
            r'1 stays: cache-1 \(locked\)\.',
            text,
        )
        self.assertTrue(told, text)
        rows = {
            line.split()[0]: line
            for line in text.splitlines()
            if re.match('[a-z_]+ .*[0-9]$', line)
        }
        self.assertRegex(rows['migrations'], r' VMs 3(\.0)?$')
        self.assertRegex(
            rows['post_copies'], r'By post-copy: db-1.* VMs 1(\.0)?$'
        )
        self.assertRegex(
            rows['left_out'],
            r'Stay: cache-1 \(locked\): its owner locked it.* VMs 1(\.0)?$',
        )
        makespan = float(rows['makespan_s'].split()[-1])
        self.assertAlmostEqual(float(told[1]), makespan, delta=0.5)

    def approve(self, page, plan):
        page.panel('action_plans')
        page.press('Start Action Plan', within=plan)
        page.says('started')
        page.until(
            lambda: page.panel('action_plans'),
            lambda: 'Succeeded' in page.row(plan),
        )

    def reads_an_action(self, page, move):
        page.panel('actions')
        page.press(move['uuid'])
        page.says('Related parameters')
        name = move['input_parameters']['resource_name']
        # it has ended, so it says how it went
        self.assertRegex(
            page.text(), rf'{name} is on compute\d after [0-9.]+ s'
        )
        page.picture(self.pictures / 'action.png')
