"""The operator's own destinations in a real Watcher on the playground.

Two hosts so full that neither VM can leave before the other has, and a
third one with room for the smaller of them.
"""

from tests.functional import test_drain
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.playground.cloud.cloud import identify

GIGABIT = units.from_mbit_s(1000)


def host(name):
    return Host(
        name=name,
        memory=16 * units.GIB,
        vcpus=8.0,
        nic=Nic(capacity=GIGABIT),
        post_copy=True,
    )


def vm(name, at, memory):
    return Vm(
        id=identify('vm', name),
        name=name,
        host=at,
        memory=memory * units.GIB,
        vcpus=2.0,
        traffic=Traffic(tx=0.1 * GIGABIT, rx=0.2 * GIGABIT),
        working_set=WorkingSet(
            resident=units.GIB, samples=((1.0, units.from_mib(10)),)
        ),
    )


class TestChoices(test_drain.Drains):
    CLOUD = Cloud(
        hosts=tuple(host(f'cmp-{n}') for n in (1, 2, 3)),
        vms=(
            vm('big', 'cmp-1', 12),
            vm('small', 'cmp-2', 10),
            vm('tiny', 'cmp-3', 5),
        ),
    )

    def test_two_full_hosts_swap_through_a_third(self):
        audit = self.audit(choices=['big=cmp-2', f'{self.ids["small"]}=cmp-1'])
        self.assertEqual('SUCCEEDED', audit.state)
        self.assertIn('2 VMs move in', self.said(audit))
        self.assertIn('1 through a third host', self.said(audit))
        plan = self.plan(audit)
        values = self.indicators(plan)
        self.assertEqual((2, 0), (values['migrations'], values['left_out']))
        actions = self.watcher.action.list(action_plan=plan.uuid, detail=True)
        self.assertEqual(
            3 * ['traffic_sensitive_migrate'], [a.action_type for a in actions]
        )
        given = {
            (p['resource_name'], p.get('hop', 1)): (action, p)
            for action in actions
            for p in [action.input_parameters]
        }
        first, there = given['small', 1]
        other, _ = given['big', 1]
        last, onward = given['small', 2]
        self.assertEqual('cmp-3', there['destination_node'])
        self.assertEqual('cmp-1', there['goes_on_to'])
        self.assertEqual('cmp-3', onward['source_node'])
        self.assertEqual([], first.parents)
        self.assertEqual([first.uuid], other.parents)
        self.assertCountEqual([first.uuid, other.uuid], last.parents)

        plan = self.apply(plan)
        self.assertEqual('SUCCEEDED', plan.state)
        self.assertEqual('cmp-2', self.where('big'))
        self.assertEqual('cmp-1', self.where('small'))
        self.assertEqual('cmp-3', self.where('tiny'))
        self.assertEqual(
            3 * ['enabled'],
            [s.status for s in self.playground.cloud.compute.services()],
        )

    def test_what_is_not_there_is_told(self):
        table = (
            ({'vms': ['bog']}, 'vms names bog', 'big, small, tiny'),
            ({'choices': ['big']}, "'big'", 'VM=HOST'),
            ({'choices': ['big=cmp-9']}, 'choices names cmp-9', 'cmp-1, cmp-'),
            ({'vms': ['big'], 'finish_by': 'soon'}, "'soon'", 'HH:MM'),
            (
                {'vms': ['big'], 'finish_by': '2020-01-01T00:00Z'},
                'finish_by',
                'has passed',
            ),
        )
        for given, *parts in table:
            with self.subTest(**given):
                audit = self.audit(**given)
                self.assertEqual('SUCCEEDED', audit.state)
                for part in parts:
                    self.assertIn(part, self.said(audit))
                self.assertEqual({}, self.actions(self.plan(audit)))
