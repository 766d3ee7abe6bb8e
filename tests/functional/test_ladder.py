"""The dry run in an audit: agents count pages, and the plan says so.

Agents, bus and audit are those of a cloud; only the guests' pages are made
when somebody reads them.
"""

import dataclasses

from tests.functional import test_choices
from tests.functional import test_drain
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Contents
from watcher_tsmig.model import WorkingSet

# Distinct MiB within so many s: a link of 1 Gbit/s carries 113 in one.
WRITES = tuple((float(s), units.from_mib(250.0 * s)) for s in (1, 2, 4, 8))
PAGES = Contents(pages=4096, zero=0.1, written=1000)


def vm(name, contents):
    return dataclasses.replace(
        test_choices.vm(name, 'cmp-1', 4),
        post_copy=False,
        working_set=WorkingSet(
            resident=2.0 * units.GIB, samples=WRITES, source='test'
        ),
        contents=contents,
    )


class TestDryRun(test_drain.Drains):
    CLOUD = Cloud(
        hosts=tuple(map(test_choices.host, ('cmp-1', 'spare-1', 'spare-2'))),
        vms=(
            vm('blanks', dataclasses.replace(PAGES, blanked=0.95)),
            vm('texts', PAGES),
            vm('unseen', None),
        ),
    )

    def test_who_writes_zeros_is_moved_by_what_its_agent_counted(self):
        audit = self.audit(hosts=['cmp-1'])
        plan = self.plan(audit)
        (action,) = (
            a for name, a in self.actions(plan).items() if name in self.ids
        )
        given = action.input_parameters
        self.assertEqual('blanks', given['resource_name'])
        self.assertEqual('pre-copy', given['mode'])
        self.assertIs(True, given['by_dry_run'])
        self.assertIn('% of its writes are zeros', given['because'])
        said = self.said(audit)
        self.assertIn('sampled pages of 2 VMs', said)
        self.assertIn(
            'pages of 1 of 3 VMs were not sampled, such as unseen', said
        )
        self.assertIn('2 stay: texts (does-not-converge)', said)
        # and it ends, as the dry run had it
        self.assertEqual('SUCCEEDED', self.apply(plan).state)
        (record,) = self.playground.state()['migrations']
        self.assertEqual(self.ids['blanks'], record['vm'])
        self.assertEqual('completed', record['status'])
