"""Forecasts that are wrong by a factor of 2, governed, on the playground.

One host's VMs write twice as much as was measured, another's half. What the
clock of the playground says of their migrations is compared with a plan that
knew the truth.
"""

import dataclasses

from tests.functional import test_choices
from tests.functional import test_drain
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import WorkingSet

# So many GiB that Watcher's own time between two actions counts little.
RESIDENT = 3.0
NAMES = ('one', 'two', 'three')
SPARE = ['spare-1', 'spare-2']
# No plan takes longer, against one that knew the truth.
WITHIN = 1.25


def vm(name, at):
    samples = ((1.0, 20.0), (4.0, 80.0), (60.0, 200.0))
    return dataclasses.replace(
        test_choices.vm(f'{name}-{at}', at, 4),
        working_set=WorkingSet(
            resident=RESIDENT * units.GIB,
            samples=tuple((s, units.from_mib(mib)) for s, mib in samples),
        ),
    )


class TestWrongForecasts(test_drain.Drains):
    # Watcher takes some seconds of its own, which count so many times
    SPEED = 2.5
    ARGUMENTS = (
        *test_drain.QUICK,
        *('--max-concurrent', '2'),
        *('--set', 'watcher_actions.traffic_sensitive_migrate/governor=act'),
    )
    CLOUD = Cloud(
        hosts=tuple(map(test_choices.host, ('cmp-1', 'cmp-2', *SPARE))),
        vms=tuple(vm(name, at) for at in ('cmp-1', 'cmp-2') for name in NAMES),
    )

    def planned(self, host):
        return self.plan(self.audit(hosts=[host], destinations=SPARE))

    def migrated(self, host):
        """What became of the host's migrations, by VM."""
        records = self.playground.state()['migrations']
        return {r['vm']: r for r in records if r['source'] == host}

    def wrong_by(self, host, measured):
        mine = [self.ids[f'{name}-{host}'] for name in NAMES]
        for vm_id in mine:
            self.playground.change(vm_id, writing=measured)
        plan = self.planned(host)
        for vm_id in mine:
            self.playground.change(vm_id, writing=1.0)
        right = self.indicators(self.planned(host))['makespan_s']
        self.assertEqual('SUCCEEDED', self.apply(plan).state)
        found = self.migrated(host)
        self.assertEqual(set(mine), set(found))
        took = max(r['updated'] for r in found.values())
        took -= min(r['created'] for r in found.values())
        self.assertLess(took / right, WITHIN, (took, right))
        for action in self.actions(plan).values():
            given = action.input_parameters
            record = found.get(given.get('resource_id'))
            if record is None:
                continue
            lasted = record['updated'] - record['created']
            if lasted > given['deadline_s']:
                self.assertIn('deadline', self.said(action))

    def test_vms_that_write_twice_as_much(self):
        self.wrong_by('cmp-1', 0.5)

    def test_vms_that_write_half_as_much(self):
        self.wrong_by('cmp-2', 2.0)
