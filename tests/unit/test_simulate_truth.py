"""Links, changing traffic, losses, failures and wrong measurements."""

import dataclasses
import math

import testtools

from tests.unit.builders import GIGABIT
from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig import errors
from watcher_tsmig import simulate
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan


def mbit(rate):
    return units.from_mbit_s(rate)


class TestLinks(testtools.TestCase):
    def takes(self, destination, *vms, hosts=('a', 'b'), capacity=100):
        built = dataclasses.replace(
            cloud(
                'a b c d',
                vm('v', 'a', memory=1e9, working_set=writes(0)),
                *vms,
            ),
            links=(Link(name='rack', hosts=hosts, capacity=mbit(capacity)),),
        )
        world = simulate.World(built)
        world.start('id-v', destination)
        world.advance(1000.0)
        return world.done['id-v'].ended

    def test_a_migration_out_of_a_rack_is_as_fast_as_its_uplink(self):
        self.assertAlmostEqual(8e9 / 100e6 / 0.9493, self.takes('c'), 1)

    def test_a_migration_within_the_rack_does_not_know_the_uplink(self):
        self.assertAlmostEqual(8e9 / 1e9 / 0.9493, self.takes('b'), 1)

    def test_applications_behind_a_link_share_it_whoever_migrates(self):
        other = vm('o', 'b', tx=80)
        self.assertGreater(self.takes('c', other), 1.9 * self.takes('c'))
        self.assertAlmostEqual(
            self.takes('c'), self.takes('c', vm('o', 'b', rx=80))
        )

    def test_towards_the_hosts_behind_a_link_is_its_other_direction(self):
        incoming = vm('o', 'd', rx=80)
        alone = self.takes('c', hosts=('c', 'd'))
        self.assertAlmostEqual(8e9 / 100e6 / 0.9493, alone, 1)
        self.assertGreater(
            self.takes('c', incoming, hosts=('c', 'd')), 1.9 * alone
        )


class TestTraffic(testtools.TestCase):
    def test_a_migration_slows_down_when_traffic_rises(self):
        built = cloud('a b', vm('v', 'a', memory=1e9, working_set=writes(0)))
        rising = {'id-v': ((0.0, 0.0, 0.0), (4.0, GIGABIT, 0.0))}
        world = simulate.World(built, traffic=rising)
        world.start('id-v', 'b')
        world.advance(100.0)
        rate = GIGABIT * Rules().efficiency
        self.assertAlmostEqual(
            4.0 + (1e9 - 4 * rate) / (rate / 2), world.done['id-v'].ended, 3
        )

    def test_a_series_of_an_unknown_vm_is_refused(self):
        self.assertRaises(
            errors.InputError,
            simulate.World,
            cloud('a b', vm('v', 'a')),
            traffic={'id-w': ((0.0, 1.0, 1.0),)},
        )


class TestLosses(testtools.TestCase):
    def test_every_byte_is_delivered_lost_or_not_asked_for(self):
        """On the only full NIC what was got and sent is its capacity."""
        built = cloud(
            'a b',
            vm('v', 'a', memory=1e9, working_set=writes(0)),
            *(vm(f'x{i}', 'a', tx=300) for i in range(4)),
        )
        world = simulate.World(built)
        world.start('id-v', 'b')
        world.advance(20.0)
        sent = world.progress('id-v').processed / Rules().efficiency
        services = [world.service(v.id) for v in built.vms]
        asked = sum(s.asked for s in services)
        got = asked - sum(s.lost for s in services)
        self.assertAlmostEqual(20 * 4 * mbit(300), asked, delta=1)
        self.assertAlmostEqual(20 * GIGABIT, got + sent, delta=1)

    def test_what_is_lost_without_migrations_is_not_their_fault(self):
        built = cloud('a b', *(vm(f'x{i}', 'a', tx=300) for i in range(4)))
        world = simulate.World(built)
        world.advance(10.0)
        for a_vm in built.vms:
            found = world.service(a_vm.id)
            self.assertAlmostEqual(10 * mbit(50), found.lost, delta=1)
            self.assertEqual(0.0, found.contended)

    def test_nobody_loses_where_there_is_room_for_all(self):
        built = cloud('a b', vm('v', 'a', tx=100), vm('x', 'a', tx=100))
        world = simulate.World(built)
        world.start('id-v', 'b', cap=mbit(700))
        world.advance(100.0)
        self.assertEqual(0.0, world.service('id-x').lost)
        self.assertGreater(world.service('id-x').asked, 0.0)

    def test_a_vm_asks_for_nothing_while_it_stands(self):
        built = cloud('a b', vm('v', 'a', tx=100, working_set=writes(2e8)))
        world = simulate.World(built)
        world.start('id-v', 'b')
        world.advance(1.0)
        world.pause('id-v')
        world.advance(100.0)
        found = world.service('id-v')
        down = world.done['id-v'].downtime
        self.assertAlmostEqual(down, found.outage)
        self.assertAlmostEqual((100 - down) * mbit(100), found.asked, delta=9)


class TestReplays(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud(
            'a b c d',
            *(vm(f's{i}', 'a', 150, 10) for i in range(3)),
            *(vm(f'r{i}', 'b', 10, 150) for i in range(3)),
        )
        self.plan = make_plan(
            self.cloud, policies.request('balanced', hosts=('a', 'b'))
        )

    def test_what_waits_for_a_migration_that_fails_goes_on(self):
        failing = self.plan.migrations[0].vm

        def fails(vm_id, attempt):
            return 0.0 if vm_id == failing else None

        found = simulate.replay(self.cloud, self.plan, fails=fails)
        self.assertEqual((failing,), found.unfinished)
        self.assertEqual([failing], [d.vm for d in found.broken])
        self.assertEqual(5, len(found.done))
        self.assertEqual(math.inf, found.makespan)
        self.assertTrue(math.isfinite(found.ended))

    def test_a_migration_that_is_tried_again_gets_there_later(self):
        calm = simulate.replay(self.cloud, self.plan)
        shaken = simulate.replay(
            self.cloud,
            self.plan,
            fails=lambda _, attempt: 1.0 if attempt == 0 else None,
            retries=1,
        )
        self.assertEqual((), shaken.unfinished)
        self.assertGreater(shaken.makespan, calm.makespan)
        self.assertGreater(shaken.data, calm.data)
        self.assertTrue(shaken.broken)

    def test_failures_are_the_same_for_the_same_seed(self):
        table = simulate.Failures(rate=0.5, seed=3)
        other = simulate.Failures(rate=0.5, seed=4)
        names = [f'vm-{i}' for i in range(200)]
        one = [table(n, 0) for n in names]
        self.assertEqual(one, [table(n, 0) for n in names])
        self.assertNotEqual(one, [other(n, 0) for n in names])
        struck = sum(at is not None for at in one)
        self.assertTrue(70 < struck < 130)

    def test_in_a_cloud_that_writes_more_the_plan_takes_longer(self):
        noise = simulate.Noise(writing=0.5, resident=0.2, traffic=0.5)
        truth = simulate.perturb(self.cloud, noise, seed=1)
        self.assertEqual(truth, simulate.perturb(self.cloud, noise, seed=1))
        self.assertNotEqual(truth, self.cloud)
        found = simulate.replay(truth, self.plan)
        self.assertNotAlmostEqual(self.plan.makespan, found.makespan, 1)

    def test_no_noise_is_the_same_cloud(self):
        self.assertEqual(
            self.cloud, simulate.perturb(self.cloud, simulate.Noise())
        )

    def test_the_set_up_comes_before_and_the_tear_down_after(self):
        rules = Rules(setup=2.0, teardown=5.0)
        bare = Rules(setup=0.0, teardown=0.0)
        one = dataclasses.replace(
            self.plan, migrations=self.plan.migrations[:1]
        )
        self.assertAlmostEqual(
            7.0,
            simulate.replay(self.cloud, one, rules=rules).makespan
            - simulate.replay(self.cloud, one, rules=bare).makespan,
        )

    def test_what_never_ends_is_given_up(self):
        fast = cloud('a b', vm('v', 'a', working_set=writes(9e8)))
        fast = Cloud(
            hosts=tuple(
                host(h.name, nic=Nic(capacity=mbit(100)), post_copy=False)
                for h in fast.hosts
            ),
            vms=fast.vms,
        )
        planned = make_plan(
            cloud('a b', vm('v', 'a')),
            policies.request('balanced', hosts=('a',)),
        )
        found = simulate.replay(fast, planned)
        self.assertEqual(('id-v',), found.unfinished)
