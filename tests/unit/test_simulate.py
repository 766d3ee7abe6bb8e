"""The fluid model shares NICs fairly and agrees with the forecast."""

import dataclasses
import math

import numpy as np
import testtools

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig import errors
from watcher_tsmig import forecast
from watcher_tsmig import simulate
from watcher_tsmig.forecast.hybrid import Switch
from watcher_tsmig.forecast.hybrid import hybrid
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model.rules import NOVA
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.simulate.sharing import NOWHERE
from watcher_tsmig.simulate.sharing import max_min


class TestMaxMin(testtools.TestCase):
    def share(self, capacity, path, demand):
        return max_min(
            np.array(capacity, dtype=float),
            np.array(path, dtype=np.intp),
            np.array(demand, dtype=float),
        ).tolist()

    def test_equal_flows_get_equal_shares(self):
        path = [(0, NOWHERE)] * 4
        self.assertEqual([25.0] * 4, self.share([100], path, [math.inf] * 4))

    def test_what_one_does_not_want_the_others_get(self):
        path = [(0, NOWHERE)] * 3
        self.assertEqual(
            [10.0, 45.0, 45.0], self.share([100], path, [10, 99, math.inf])
        )

    def test_a_flow_is_as_fast_as_its_tighter_nic(self):
        path = [(0, 1), (0, NOWHERE)]
        self.assertEqual(
            [30.0, 70.0], self.share([100, 30], path, [math.inf] * 2)
        )

    def test_a_flow_of_two_connections_gets_twice_as_much(self):
        path = np.array([(0, NOWHERE)] * 2)
        self.assertEqual(
            [20.0, 40.0],
            max_min(
                np.array([60.0]),
                path,
                np.array([math.inf, math.inf]),
                np.array([1.0, 2.0]),
            ).tolist(),
        )

    def test_no_flow_could_have_more_without_a_poorer_one_having_less(self):
        random = np.random.default_rng(7)
        for _ in range(20):
            capacity = random.uniform(50, 200, 8)
            path = np.array(
                [random.permutation(8)[:3] for _ in range(40)], dtype=np.intp
            )
            path[random.random(40) < 0.5, 2] = NOWHERE
            demand = random.uniform(1, 60, 40)
            rate = max_min(capacity, path, demand)
            used = np.zeros(9)
            np.add.at(used, path.ravel(), np.repeat(rate, 3))
            self.assertTrue((used[:8] <= capacity * (1 + 1e-6)).all())
            for flow in np.flatnonzero(rate < demand * (1 - 1e-6)):
                nodes = path[flow][path[flow] != NOWHERE]
                full = nodes[used[nodes] >= capacity[nodes] * (1 - 1e-6)]
                most = [rate[(path == n).any(axis=1)].max() for n in full]
                self.assertTrue(min(most) <= rate[flow] * (1 + 1e-6))

    def test_no_demand_no_rate(self):
        self.assertEqual([0.0], self.share([100], [(0, NOWHERE)], [0]))


class TestWorld(testtools.TestCase):
    def world(self, *vms, **values):
        return simulate.World(cloud('a b c', *vms), **values)

    def run_alone(self, a_vm, cap, post=False):
        world = self.world(a_vm)
        world.start(a_vm.id, 'b', cap=cap)
        if post:
            world.switch(a_vm.id)
        world.advance(1000.0)
        return world.done[a_vm.id]

    def test_alone_on_its_link_it_does_what_was_forecast(self):
        rules, zeros = Rules(), forecast.Terms(zero=3e9)
        for rate in (1e6, 2e7, 5e7):
            a_vm = vm('v', 'a', working_set=writes(rate))
            curves = forecast.fit([a_vm.working_set])
            for post, model in (
                (False, forecast.pre_copy),
                (True, forecast.post_copy),
            ):
                said = model(curves, 1e8, rules, terms=zeros)
                done = self.run_alone(a_vm, 1e8, post)
                self.assertAlmostEqual(
                    float(said.t_sum[0]), done.ended, places=6
                )
                self.assertAlmostEqual(
                    float(said.data[0]), done.data, delta=2.0
                )
                if not post:
                    self.assertAlmostEqual(
                        float(said.t_downtime[0]), done.downtime, places=6
                    )

    def test_a_cap_that_changes_under_way_holds_from_then_on(self):
        a_vm = vm('v', 'a', memory=1e9, working_set=writes(0.0))
        world = self.world(a_vm)
        world.start(a_vm.id, 'b', cap=1e7)
        world.advance(1.0)
        before = world.progress(a_vm.id)
        world.cap(a_vm.id, 5e7)
        world.advance(2.0)
        sent = world.progress(a_vm.id).processed - before.processed
        self.assertAlmostEqual(5.0, sent / before.processed, places=3)
        self.assertRaises(errors.InputError, world.cap, a_vm.id, 0.0)
        self.assertRaises(errors.InputError, world.cap, 'nobody', 1.0)

    def test_migrations_go_on_while_vms_come_and_go(self):
        a_vm = vm('v', 'a', working_set=writes(0.0))
        alone = self.run_alone(a_vm, 1e8)
        world = self.world(a_vm, vm('old', 'b'))
        world.start(a_vm.id, 'b', cap=1e8)
        world.advance(0.5)
        world = world.with_cloud(cloud('a b c', vm('new', 'c'), a_vm))
        world.advance(1000.0)
        self.assertAlmostEqual(
            alone.ended, world.done[a_vm.id].ended, places=6
        )
        world = self.world(a_vm)
        world.start(a_vm.id, 'b')
        for other in (cloud('a b c'), cloud('a b', a_vm)):
            self.assertRaises(errors.InputError, world.with_cloud, other)

    def test_a_migration_goes_on_as_its_vm_writes_now(self):
        quiet = vm('v', 'a', working_set=writes(0.0))
        busy = vm('v', 'a', working_set=writes(2e8))
        world = self.world(quiet)
        world.start(quiet.id, 'b', cap=1e8)
        world.advance(0.5)
        world = world.with_cloud(cloud('a b c', busy))
        world.advance(100.0)
        # it never gets down to what fits into a stop
        self.assertEqual((busy.id,), world.running())
        self.assertGreater(world.progress(busy.id).rounds, 2)
        world = world.with_cloud(cloud('a b c', quiet))
        world.advance(200.0)
        self.assertIn(quiet.id, world.done)

    def test_the_outage_of_a_post_copy_is_the_forecast_s(self):
        rules = Rules()
        a_vm = vm('v', 'a', working_set=writes(2e7))
        curves = forecast.fit([a_vm.working_set])
        said = hybrid(curves, 1e8, rules, Switch.AT_ONCE).forecasts
        done = self.run_alone(a_vm, 1e8, post=True)
        self.assertAlmostEqual(float(said.t_downtime[0]), done.downtime)

    def test_of_a_vm_that_nobody_measured_the_outage_is_the_flat_one(self):
        done = self.run_alone(vm('v', 'a', working_set=None), 1e8, post=True)
        self.assertEqual(Rules().post_copy_outage, done.downtime)

    def test_it_follows_nova_s_rules_as_the_forecast_does(self):
        rules = dataclasses.replace(NOVA, downtime_delay=2.0)
        for rate in (1e6, 2e7, 4e7):
            a_vm = vm('v', 'a', working_set=writes(rate))
            said = forecast.pre_copy(
                forecast.fit([a_vm.working_set]),
                1e8,
                rules,
                terms=forecast.Terms(memory=a_vm.memory, zero=3e9),
            )
            world = self.world(a_vm, rules=rules)
            world.start('id-v', 'b', cap=1e8)
            world.advance(1000.0)
            done = world.done['id-v']
            self.assertAlmostEqual(float(said.t_sum[0]), done.ended, 3)
            self.assertAlmostEqual(
                float(said.data[0]) / done.data, 1.0, places=6
            )

    def test_the_completion_timeout_ends_what_does_not_end(self):
        rules = dataclasses.replace(NOVA, completion_timeout=50.0)
        world = self.world(vm('v', 'a', working_set=writes(2e8)), rules=rules)
        world.start('id-v', 'b')
        events = world.advance(1000.0)
        self.assertEqual('aborted', events[-1].kind)
        self.assertAlmostEqual(50 * 4e9 / 1024**3, events[-1].time)
        self.assertEqual('a', world.host_of('id-v'))
        self.assertEqual(1, len(world.broken))

    def test_the_rules_are_those_of_the_host_that_it_leaves(self):
        hurried = NovaSettings(downtime_limit=0.5, completion_timeout=50.0)
        vms = [vm(name, name, working_set=writes(2e8)) for name in 'ab']
        world = simulate.World(cloud('a b c', *vms, a=host('a', nova=hurried)))
        for name in 'ab':
            world.start(f'id-{name}', 'c', cap=1e7)
        events = world.advance(1000.0)
        self.assertEqual(['id-a'], [e.vm for e in events if e.kind != 'round'])
        self.assertAlmostEqual(50 * 4e9 / 1024**3, world.broken[0].ended)

    def test_traffic_the_same_way_competes_and_the_other_way_does_not(self):
        ends = {
            name: self.run_alone(vm('v', 'a', tx, rx), 125e6).ended
            for name, tx, rx in (
                ('idle', 0, 0),
                ('sender', 800, 0),
                ('receiver', 0, 800),
            )
        }
        self.assertGreater(ends['sender'], 1.5 * ends['idle'])
        self.assertAlmostEqual(ends['idle'], ends['receiver'])

    def test_a_post_copied_vm_takes_its_traffic_along(self):
        sender = vm('v', 'a', 800, 0)
        alone = self.run_alone(sender, 125e6, post=True).ended
        idle = self.run_alone(vm('v', 'a'), 125e6, post=True).ended
        self.assertAlmostEqual(idle, alone)

    def test_where_the_vm_runs(self):
        world = self.world(vm('v', 'a'), vm('w', 'a'))
        world.start('id-v', 'b')
        world.start('id-w', 'b')
        world.advance(1.0)
        self.assertEqual('a', world.host_of('id-v'))
        world.switch('id-v')
        self.assertEqual('b', world.host_of('id-v'))
        world.advance(100.0)
        self.assertEqual('b', world.host_of('id-w'))
        self.assertEqual((), world.running())

    def test_a_late_switch_sends_again_what_was_written(self):
        world = self.world(vm('v', 'a', working_set=writes(2e7)))
        world.start('id-v', 'b', cap=5e7)
        world.advance(10.0)
        before = world.progress('id-v')
        world.switch('id-v')
        after = world.progress('id-v')
        self.assertGreater(after.remaining, before.remaining)
        self.assertEqual(Mode.POST_COPY, after.phase)

    def test_what_writes_faster_than_the_link_goes_on_for_ever(self):
        world = self.world(vm('v', 'a', working_set=writes(2e8)))
        world.start('id-v', 'b')
        world.advance(600.0)
        self.assertEqual(('id-v',), world.running())
        self.assertGreater(world.progress('id-v').rounds, 10)

    def test_a_paused_vm_ends_however_fast_it_writes(self):
        world = self.world(vm('v', 'a', 500, 0, working_set=writes(2e8)))
        world.start('id-v', 'b')
        world.advance(30.0)
        world.pause('id-v')
        self.assertEqual('a', world.host_of('id-v'))
        world.advance(60.0)
        done = world.done['id-v']
        # All of 1 GB at the whole link: its own traffic has stopped too.
        self.assertAlmostEqual(done.ended - 30.0, done.downtime)
        self.assertAlmostEqual(1e9 / 125e6 / 0.949, done.downtime, 1)

    def test_an_abort_leaves_the_vm_where_it_was(self):
        world = self.world(vm('v', 'a'))
        world.start('id-v', 'b')
        world.advance(1.0)
        world.abort('id-v')
        self.assertEqual('a', world.host_of('id-v'))
        self.assertRaises(errors.InputError, world.progress, 'id-v')

    def test_there_is_no_way_back_from_post_copy(self):
        world = self.world(vm('v', 'a'))
        world.start('id-v', 'b')
        world.switch('id-v')
        self.assertRaises(errors.InputError, world.abort, 'id-v')
        self.assertRaises(errors.InputError, world.switch, 'id-v')

    def test_wrong_calls_are_refused(self):
        world = self.world(vm('v', 'a'))
        for bad in (('id-z', 'b'), ('id-v', 'z'), ('id-v', 'a')):
            self.assertRaises(errors.InputError, world.start, *bad)
        world.start('id-v', 'b')
        self.assertRaises(errors.InputError, world.start, 'id-v', 'c')


class TestReplay(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud(
            'a b c d',
            *(vm(f's{i}', 'a', 150, 10) for i in range(3)),
            *(vm(f'r{i}', 'b', 10, 150) for i in range(3)),
        )

    def plan(self, **values):
        return make_plan(
            self.cloud,
            policies.request('balanced', hosts=('a', 'b'), **values),
        )

    def test_a_hybrid_is_late_by_what_comes_beside_its_tail(self):
        # its traffic goes at the switch; planned is that it goes at the end
        plan = self.plan(only_mode=Mode.HYBRID)
        happened = simulate.replay(self.cloud, plan)
        self.assertEqual((), happened.unfinished)
        self.assertGreater(happened.makespan, 0.999 * plan.makespan)
        self.assertLess(happened.makespan, 1.01 * plan.makespan)
        for migration in plan.migrations:
            done = happened.done[migration.vm]
            self.assertIs(Mode.POST_COPY, done.mode)
            self.assertAlmostEqual(1.0, done.data / migration.data, delta=0.01)

    def test_with_caps_in_force_it_happens_as_planned(self):
        for mode in (None, Mode.PRE_COPY, Mode.POST_COPY):
            plan = self.plan(only_mode=mode)
            happened = simulate.replay(self.cloud, plan)
            self.assertEqual((), happened.unfinished)
            self.assertAlmostEqual(plan.makespan, happened.makespan, places=3)
            for migration in plan.migrations:
                self.assertAlmostEqual(
                    migration.end,
                    happened.done[migration.vm].ended,
                    places=3,
                )

    def test_what_nobody_caps_is_planned_as_it_will_go(self):
        alone = dataclasses.replace(
            self.cloud,
            hosts=tuple(
                dataclasses.replace(h, agent=False) for h in self.cloud.hosts
            ),
        )
        for policy in policies.NAMES:
            plan = make_plan(alone, policies.request(policy, hosts=('a', 'b')))
            happened = simulate.replay(alone, plan, capped=False)
            self.assertAlmostEqual(
                1.0, happened.makespan / plan.makespan, delta=0.03
            )
            self.assertEqual([], check(alone, plan))

    def swapped(self, **values):
        full = {'memory': 60e9}
        swap = cloud(
            'a b c',
            vm('one', 'a', 20, 300, **full),
            vm('two', 'b', 300, 20, **full),
        )
        plan = make_plan(
            swap,
            policies.request(
                'balanced', choices=(('id-one', 'b'), ('id-two', 'a'))
            ),
        )
        return plan, simulate.replay(swap, plan, **values)

    def test_a_vm_goes_through_a_third_host_in_two_migrations(self):
        plan, happened = self.swapped()
        self.assertEqual({m.id for m in plan.migrations}, set(happened.done))
        self.assertEqual(3, len(happened.done))
        self.assertEqual((), happened.unfinished)
        self.assertAlmostEqual(plan.makespan, happened.makespan, places=3)

    def test_a_second_hop_has_nowhere_to_begin_if_the_first_failed(self):
        plan, happened = self.swapped(
            fails=lambda vm, attempt: 1.0 if vm == 'id-one' else None
        )
        self.assertEqual({'id-two'}, set(happened.done))
        self.assertEqual({'id-one', 'id-one#2'}, set(happened.unfinished))
        self.assertGreater(happened.ended, 0)

    def test_without_caps_every_migration_still_ends(self):
        happened = simulate.replay(self.cloud, self.plan(), capped=False)
        self.assertEqual((), happened.unfinished)
        self.assertLess(happened.makespan, math.inf)
