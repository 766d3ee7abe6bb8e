"""Where VMs may go, and what more the planner minds between hosts."""

import math

import numpy as np
import testtools

from tests.unit.builders import GIGABIT
from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import vm
from tests.unit.builders import writes
from tests.unit.test_plan import PlanCase
from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Group
from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import gentlest
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.placement import joint
from watcher_tsmig.plan.placement import place
from watcher_tsmig.plan.problem.problem import build
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Placement
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason


def group(policy, *names, most=1):
    members = tuple(f'id-{name}' for name in names)
    return Group(id='g', policy=policy, members=members, max_per_host=most)


class TestAdmission(PlanCase):
    def goes(self, plan):
        return {m.name: m.destination for m in plan.migrations}

    def test_a_vm_pinned_to_its_zone_stays_in_it(self):
        zones = {'b': host('b', zone='one'), 'c': host('c', zone='two')}
        plan = self.plan(cloud('a b c', vm('v', 'a', zone='two'), **zones))
        self.assertEqual('c', self.only(plan).destination)

    def test_a_vm_without_a_host_in_its_zone_is_left_out(self):
        left = self.stays(self.plan(cloud('a b', vm('v', 'a', zone='two'))))
        self.assertIs(Reason.NOT_ALLOWED, left.reason)

    def test_traits_and_aggregates_admit_only_some_hosts(self):
        plan = self.plan(cloud('a b c', vm('v', 'a', allowed=('c',))))
        self.assertEqual('c', self.only(plan).destination)

    def test_local_disk_is_room_too(self):
        disks = {'b': host('b', disk=10e9), 'c': host('c', disk=100e9)}
        plan = self.plan(cloud('a b c', vm('v', 'a', disk=50e9), **disks))
        self.assertEqual('c', self.only(plan).destination)

    def test_too_little_disk_is_told(self):
        disks = {'b': host('b', disk=10e9)}
        left = self.stays(
            self.plan(cloud('a b', vm('v', 'a', disk=50e9), **disks))
        )
        self.assertIs(Reason.NO_DESTINATION, left.reason)
        self.assertIn('of disk', left.because)

    def test_members_of_an_anti_affinity_group_go_apart(self):
        vms = [vm('v', 'a'), vm('w', 'a')]
        apart = group(Affinity.APART, 'v', 'w', most=2)
        one_each = group(Affinity.APART, 'v', 'w')
        for groups in ((apart,), (one_each,)):
            plan = self.plan(
                cloud('a b c', *vms, groups=groups),
                placement=Placement.PACK,
            )
            hosts = set(self.goes(plan).values())
            self.assertEqual(2 if groups == (one_each,) else 1, len(hosts))

    def test_a_member_too_many_is_left_out(self):
        vms = [vm('v', 'a'), vm('w', 'a')]
        plan = self.plan(
            cloud('a b', *vms, groups=(group(Affinity.APART, 'v', 'w'),))
        )
        self.assertEqual(1, len(plan.migrations))
        self.assertIs(Reason.SERVER_GROUP, plan.left_out[0].reason)

    def test_members_of_one_group_go_one_after_the_other(self):
        vms = [vm('v', 'a'), vm('w', 'a')]
        groups = (group(Affinity.APART, 'v', 'w'),)
        plan = self.plan(cloud('a b c', *vms, groups=groups))
        one, other = sorted(plan.migrations, key=lambda m: m.start)
        self.assertLessEqual(one.end, other.start)
        self.assertIn(one.id, other.after)

    def test_an_affinity_member_goes_only_where_another_stays(self):
        vms = [vm('v', 'a'), vm('w', 'c')]
        groups = (group(Affinity.TOGETHER, 'v', 'w'),)
        plan = self.plan(cloud('a b c', *vms, groups=groups))
        self.assertEqual('c', self.only(plan).destination)

    def test_an_affinity_group_that_leaves_its_host_has_nowhere_to_go(self):
        vms = [vm('v', 'a'), vm('w', 'a')]
        groups = (group(Affinity.TOGETHER, 'v', 'w'),)
        plan = self.plan(cloud('a b', *vms, groups=groups))
        self.assertEqual((), plan.migrations)
        self.assertEqual(
            {Reason.NOT_ALLOWED}, {x.reason for x in plan.left_out}
        )

    def test_soft_policies_are_wishes(self):
        vms = [vm(name, 'a') for name in ('u', 'v', 'w')]
        names = [v.name for v in vms]
        for policy, hosts in (
            (Affinity.SOFT_TOGETHER, 1),
            (Affinity.SOFT_APART, 2),
        ):
            plan = self.plan(
                cloud('a b c', *vms, groups=(group(policy, *names),))
            )
            self.assertEqual(3, len(plan.migrations))
            self.assertEqual(hosts, len(set(self.goes(plan).values())))


class TestPlacing(PlanCase):
    def test_a_placement_that_greed_misses_is_found(self):
        # 6 GB go to the roomier host first; then 5 and 5 no longer fit.
        room = {'b': host('b', memory=10e9), 'c': host('c', memory=6e9)}
        sizes = {'u': 6e9, 'v': 5e9, 'w': 5e9}
        vms = [vm(name, 'a', memory=size) for name, size in sizes.items()]
        plan = self.plan(cloud('a b c', *vms, **room))
        self.assertEqual((), plan.left_out)

    def test_the_operators_word_comes_first(self):
        choices = (('id-v', 'c'),)
        for placement in Placement:
            plan = self.plan(
                cloud('a b c', vm('v', 'a'), vm('w', 'c')),
                choices=choices,
                placement=placement,
                destinations=('b',),
            )
            self.assertEqual('c', self.only(plan).destination)

    def test_a_choice_that_cannot_be_is_refused_with_its_name(self):
        small = {'c': host('c', memory=1e9)}
        left = self.stays(
            self.plan(
                cloud('a b c', vm('v', 'a'), **small),
                choices=(('id-v', 'c'),),
            )
        )
        self.assertIs(Reason.NO_DESTINATION, left.reason)
        self.assertIn('c, which was chosen', left.because)

    def test_single_vms_may_move(self):
        a_cloud = cloud('a b', vm('v', 'a'), vm('w', 'a'))
        plan = self.plan(a_cloud, hosts=(), vms=('id-w',))
        self.assertEqual('w', self.only(plan).name)

    def test_what_is_named_must_be_there(self):
        a_cloud = cloud('a b', vm('v', 'a'))
        for values in (
            {'vms': ('id-x',)},
            {'choices': (('id-x', 'b'),)},
            {'choices': (('id-v', 'x'),)},
            {'choices': (('id-v', 'b'), ('id-v', 'b'))},
            {'releases': (('x', 1.0),)},
        ):
            request = Request(hosts=('a',), **values)
            self.assertRaises(errors.InputError, make_plan, a_cloud, request)

    def test_a_sender_goes_where_the_nic_receives_less(self):
        # b has more memory free, but their rx would meet there what b
        # receives already.
        busy = {
            'b': host('b', memory=90e9, nic=_nic(rx=800)),
            'c': host('c', memory=80e9),
        }
        vms = [vm('v', 'a', 400, 200), vm('w', 'a', 400, 200)]
        plan = self.plan(cloud('a b c', *vms, **busy))
        posts = [m for m in plan.migrations if m.mode is Mode.POST_COPY]
        self.assertTrue(posts)
        self.assertEqual({'c'}, {m.destination for m in posts})


def _nic(tx=0.0, rx=0.0):
    return Nic(
        capacity=GIGABIT,
        background_tx=units.from_mbit_s(tx),
        background_rx=units.from_mbit_s(rx),
    )


class TestRelief(testtools.TestCase):
    """A busy source's VMs look elsewhere."""

    def test_they_do_not_all_come_to_the_one_host_that_is_idlest(self):
        busy = {
            name: host(name, nic=Nic(capacity=GIGABIT, background_rx=3e7))
            for name in 'cde'
        }
        vms = [vm(f'v{i}', 'a', 100, 1) for i in range(8)]
        problem = build(
            cloud('a b c d e', *vms, **busy),
            policies.request('fast', hosts=('a',)),
            Rules(),
        )
        destination, _ = place.destinations(problem)
        settled = joint.settle(problem, destination)
        self.assertLess(np.bincount(settled.destination).max(), 6)


class TestSwaps(PlanCase):
    def full(self, name):
        return host(name, memory=4e9)

    def test_two_full_hosts_swap_through_a_third(self):
        a_cloud = cloud(
            'a b c',
            vm('v', 'a'),
            vm('w', 'b', working_set=writes(1e6, 5e8)),
            a=self.full('a'),
            b=self.full('b'),
        )
        choices = (('id-v', 'b'), ('id-w', 'a'))
        plan = self.plan(a_cloud, hosts=(), choices=choices)
        steps = {m.id: (m.source, m.destination) for m in plan.migrations}
        self.assertEqual(
            {'id-w': ('b', 'c'), 'id-v': ('a', 'b'), 'id-w#2': ('c', 'a')},
            steps,
        )
        by_id = {m.id: m for m in plan.migrations}
        self.assertIn('id-w', by_id['id-v'].after)
        self.assertIn('id-v', by_id['id-w#2'].after)

    def test_without_a_third_host_it_is_reported(self):
        a_cloud = cloud(
            'a b',
            vm('v', 'a'),
            vm('w', 'b'),
            a=self.full('a'),
            b=self.full('b'),
        )
        choices = (('id-v', 'b'), ('id-w', 'a'))
        plan = self.plan(a_cloud, hosts=(), choices=choices)
        self.assertEqual((), plan.migrations)
        self.assertEqual(
            {Reason.MEMORY_CYCLE}, {x.reason for x in plan.left_out}
        )

    def test_a_chain_needs_no_third_host(self):
        a_cloud = cloud(
            'a b c',
            vm('v', 'a'),
            vm('w', 'b'),
            b=self.full('b'),
            c=self.full('c'),
        )
        choices = (('id-v', 'b'), ('id-w', 'c'))
        plan = self.plan(a_cloud, hosts=(), choices=choices)
        self.assertEqual(['w', 'v'], [m.name for m in plan.migrations])
        self.assertEqual(('id-w',), plan.migrations[1].after)


class TestLinks(PlanCase):
    def test_an_uplink_limits_what_crosses_it(self):
        full = {'memory': 33e9, 'working_set': writes(1e6, 33e9)}
        vms = [vm('v', 'a', **full), vm('w', 'b', **full)]
        uplink = Link(name='rack', hosts=('a', 'b'), capacity=GIGABIT)
        plan = self.plan(
            cloud('a b c d', *vms, links=(uplink,)), hosts=('a', 'b')
        )
        self.assertEqual({('rack',)}, {m.crosses for m in plan.migrations})
        free = self.plan(cloud('a b c d', *vms), hosts=('a', 'b'))
        # set-up does not cross the uplink
        setup = Rules().overhead
        self.assertGreater(
            plan.makespan - setup, 1.8 * (free.makespan - setup)
        )
        self.assertIn('rack', plan.critical)

    def test_what_stays_in_its_rack_does_not_cross_the_uplink(self):
        uplink = Link(name='rack', hosts=('a', 'b'), capacity=1e3)
        plan = self.plan(cloud('a b', vm('v', 'a'), links=(uplink,)))
        self.assertEqual((), self.only(plan).crosses)

    def test_a_destination_over_a_free_uplink_is_preferred(self):
        vms = [idle(f'v{i}', 'a') for i in range(4)]
        thin = Link(name='thin', hosts=('b',), capacity=GIGABIT / 10)
        plan = self.plan(cloud('a b c', *vms, links=(thin,)))
        self.assertEqual({'c'}, {m.destination for m in plan.migrations})

    def test_a_long_way_carries_a_window_each_round_trip(self):
        wan = Link(name='wan', hosts=('a',), capacity=GIGABIT, rtt=0.1)
        a_cloud = cloud('a b', idle('v', 'a'), links=(wan,))
        rules = Rules(stream_window=4e6, streams=2)
        plan = make_plan(a_cloud, Request(hosts=('a',)), rules)
        self.assertEqual([], check(a_cloud, plan, rules))
        self.assertEqual(8e7, plan.migrations[0].cap)

    def test_nothing_leaves_a_host_before_it_is_released(self):
        plan = self.plan(
            cloud('a b', idle('v', 'a')), releases=(('b', 120.0),)
        )
        self.assertEqual(120.0, self.only(plan).start)
        self.assertIn('released', self.only(plan).binding)


class TestPromises(PlanCase):
    def test_a_gold_vm_is_not_post_copied(self):
        sender = vm('v', 'a', 500, 10, sla='gold')
        migration = self.only(self.plan(cloud('a b', sender)))
        self.assertIs(Mode.PRE_COPY, migration.mode)
        self.assertIs(Reason.ONLY_PRE_COPY, migration.reason)
        self.assertIn('service class', migration.runner_up)

    def test_a_post_copy_must_be_worth_it(self):
        plan = self.plan(cloud('a b', vm('v', 'a', 5, 0)))
        self.assertIs(Mode.PRE_COPY, self.only(plan).mode)

    def test_the_gentlest_plan_that_meets_the_deadline_is_taken(self):
        # so small that most of the time is setting up, one after another
        small = writes(1e6, 2e8)
        vms = [vm(f'v{i}', 'a', 50, 50, working_set=small) for i in range(6)]
        a_cloud = cloud('a b c', *vms)
        spans = {
            name: make_plan(a_cloud, self.asked(name)).makespan
            for name in ('gentle', 'balanced', 'fast')
        }
        self.assertEqual(3, len(set(spans.values())), spans)
        for name, span in spans.items():
            plan = gentlest(a_cloud, {'hosts': ('a',)}, span * 1.001)
            self.assertLessEqual(
                plan.request.urgency, policies.POLICIES[name].urgency
            )
            self.assertEqual(0.0, plan.shortfall)
            self.assertEqual((), plan.left_out)

    def asked(self, policy):
        return policies.request(policy, hosts=('a',))

    def test_a_deadline_that_nothing_meets_tells_by_how_much(self):
        vms = [vm(f'v{i}', 'a') for i in range(6)]
        a_cloud = cloud('a b', *vms)
        plan = gentlest(a_cloud, {'hosts': ('a',)}, 30.0)
        self.assertTrue(plan.left_out)
        whole = make_plan(a_cloud, self.asked('fast')).makespan
        self.assertTrue(
            math.isclose(whole - 30.0, plan.shortfall, rel_tol=0.05)
        )
        self.assertIn('1 more minute', [p.what for p in plan.purchases])

    def test_what_more_would_buy_is_told(self):
        vms = [idle(f'v{i}', 'a') for i in range(6)]
        plan = self.plan(cloud('a b c', *vms))
        spares = {p.what: p.spares for p in plan.purchases}
        self.assertEqual("a's outgoing NIC", plan.critical)
        wider = "1 Gbit/s more on a's outgoing NIC"
        self.assertGreater(spares[wider], 0.3 * plan.makespan)
        narrow = self.plan(cloud('a b c', *vms), max_in_cluster=1)
        self.assertIn(
            '1 more at once in all', [p.what for p in narrow.purchases]
        )

    def test_what_binds_each_migration_is_told(self):
        vms = [idle(f'v{i}', 'a') for i in range(3)]
        plan = self.plan(cloud('a b', *vms), max_per_source=1)
        first, *others = plan.migrations
        self.assertIn('NIC limits its bandwidth', first.binding)
        for m in others:
            self.assertIn("which holds a's outgoing NIC", m.binding)
