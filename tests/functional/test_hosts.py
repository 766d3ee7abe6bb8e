"""What a host is, in a real Watcher on the playground: limit and networks.

No host has an agent: aggregates' metadata and assumptions are all there is,
as in a cloud whose operators have set nothing up.
"""

import dataclasses

from tests.functional import test_choices
from tests.functional import test_drain
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic

GIGABIT = test_choices.GIGABIT
NAMES = ('one', 'two', 'three')


def small(name, at, **values):
    return dataclasses.replace(test_choices.vm(name, at, 2), **values)


def apart(name):
    nic = Nic(capacity=10 * GIGABIT, separate=True, tenants=GIGABIT)
    return dataclasses.replace(test_choices.host(name), nic=nic)


class TestHosts(test_drain.Drains):
    ARGUMENTS = (*test_drain.QUICK, '--without-agents')
    CLOUD = Cloud(
        hosts=(
            *(test_choices.host(f'cmp-{n}') for n in (1, 2)),
            *(apart(f'own-{n}') for n in (1, 2)),
            dataclasses.replace(test_choices.host('two-1'), max_outgoing=2),
        ),
        vms=(
            *(small(name, 'cmp-1', working_set=None) for name in NAMES),
            *(small(f'{name}-too', 'two-1') for name in NAMES),
            small(
                'busy',
                'own-1',
                traffic=Traffic(
                    tx=units.from_mbit_s(600), rx=units.from_mbit_s(1)
                ),
            ),
        ),
    )

    def planned(self, **asked):
        """The parameters of the plan's migrations, by their start."""
        plan = self.plan(self.audit(**asked))
        given = [
            action.input_parameters
            for action in self.actions(plan).values()
            if 'planned_start_s' in action.input_parameters
        ]
        return sorted(given, key=lambda g: g['planned_start_s'])

    def drain(self, host, ceiling=600):
        return self.planned(
            hosts=[host],
            destinations=['cmp-2'],
            policy='fast',
            max_per_source=2,
            bandwidth_ceiling_mbit_s=ceiling,
        )

    def test_a_plan_on_an_untouched_nova_leaves_its_queue_empty(self):
        moves = self.drain('cmp-1')
        self.assertEqual(3, len(moves))
        for one, other in zip(moves, moves[1:], strict=False):
            end = one['planned_start_s'] + one['planned_duration_s']
            self.assertGreaterEqual(other['planned_start_s'], end - 1)
        for given in moves:
            self.assertIn('source limit', given['assumed'])

    def test_where_operators_declared_more_more_leave_at_once(self):
        first, second, third = self.drain('two-1', ceiling=400)
        self.assertEqual(first['planned_start_s'], second['planned_start_s'])
        self.assertGreater(third['planned_start_s'], 0)
        self.assertNotIn('source limit', first['assumed'])

    def test_idle_vms_that_nobody_measured_are_not_post_copied(self):
        modes = {given['mode'] for given in self.drain('cmp-1')}
        self.assertEqual({'pre-copy'}, modes)

    def test_migrations_may_have_a_network_of_their_own(self):
        (move,) = self.planned(vms=['busy'], destinations=['own-2'])
        self.assertGreater(move['cap_mbit_s'], 1000)
        self.assertIn('on another network', move['because'])
