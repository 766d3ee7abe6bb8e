"""Plans as an operator sees them; every one is judged by the checker."""

import dataclasses
import math

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.model import Group
from watcher_tsmig.model import Nic
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Placement
from watcher_tsmig.reasons import Reason


class PlanCase(testtools.TestCase):
    def plan(self, a_cloud, policy='balanced', hosts=('a',), **values):
        plan = make_plan(
            a_cloud, policies.request(policy, hosts=hosts, **values)
        )
        self.assertEqual([], check(a_cloud, plan))
        return plan

    def only(self, plan):
        self.assertEqual(1, len(plan.migrations), plan.left_out)
        return plan.migrations[0]

    def stays(self, plan):
        self.assertEqual((), plan.migrations)
        self.assertEqual(1, len(plan.left_out))
        return plan.left_out[0]


class TestModes(PlanCase):
    def test_a_sender_is_post_copied_and_a_receiver_pre_copied(self):
        plan = self.plan(
            cloud('a b', vm('send', 'a', 300, 10), vm('take', 'a', 10, 300))
        )
        modes = {m.name: (m.mode, m.reason) for m in plan.migrations}
        self.assertEqual((Mode.POST_COPY, Reason.RECEIVES_LESS), modes['send'])
        self.assertEqual((Mode.PRE_COPY, Reason.SENDS_LESS), modes['take'])

    def test_an_idle_vm_is_pre_copied(self):
        migration = self.only(self.plan(cloud('a b', vm('idle', 'a'))))
        self.assertIs(Mode.PRE_COPY, migration.mode)
        self.assertIs(Reason.NO_CONTENTION, migration.reason)

    def test_a_vm_that_writes_faster_than_its_link_is_post_copied(self):
        migration = self.only(
            self.plan(cloud('a b', vm('db', 'a', working_set=writes(4e8))))
        )
        self.assertIs(Mode.POST_COPY, migration.mode)
        self.assertIs(Reason.WRITES_TOO_FAST, migration.reason)
        self.assertIn('pre-copy would', migration.runner_up)

    def test_what_it_receives_stays_out_of_the_way_of_a_fast_writer(self):
        # which no pre-copy moves: at once, 900 Mbit/s would come to where
        # its memory goes; after the first pass, with the little that is left
        hot = writes(2e8, 4e8)
        migration = self.only(
            self.plan(cloud('a b', vm('db', 'a', 5, 900, working_set=hot)))
        )
        self.assertIs(Mode.HYBRID, migration.mode)
        self.assertIs(Reason.WRITES_TOO_FAST, migration.reason)
        self.assertIn('pre-copy would need', migration.because)
        self.assertIn('post-copy would load', migration.runner_up)
        self.assertEqual(0.0, migration.lcb)

    def test_a_vm_for_which_no_turn_leaves_enough_falls_back(self):
        # It needs 823 Mbit/s; contention prefers pre-copy, for which
        # its own 300 Mbit/s leave 700.
        plan = self.plan(
            cloud('a b', vm('v', 'a', 300, 400, working_set=writes(9.3e7))),
            nic_share=1.0,
        )
        migration = self.only(plan)
        self.assertIs(Mode.POST_COPY, migration.mode)
        self.assertIs(Reason.WRITES_TOO_FAST, migration.reason)
        self.assertIn('823 Mbit/s', migration.because)
        self.assertIn('the link leaves 700 Mbit/s', migration.because)

    def test_it_stays_where_its_owner_forbids_post_copy(self):
        left = self.stays(
            self.plan(
                cloud(
                    'a b',
                    vm('db', 'a', working_set=writes(4e8), post_copy=False),
                )
            )
        )
        self.assertIs(Reason.DOES_NOT_CONVERGE, left.reason)
        self.assertIn('Mbit/s', left.because)

    def test_post_copy_needs_both_hosts(self):
        for broken in ('a', 'b'):
            for said in (None, False):
                hosts = {broken: host(broken, post_copy=said)}
                plan = self.plan(cloud('a b', vm('v', 'a', 300), **hosts))
                self.assertIs(Mode.PRE_COPY, self.only(plan).mode)
                self.assertIs(Reason.ONLY_PRE_COPY, self.only(plan).reason)

    def test_post_copy_can_be_forbidden_for_the_whole_audit(self):
        plan = self.plan(
            cloud('a b', vm('v', 'a', 300)), allow_post_copy=False
        )
        self.assertIs(Mode.PRE_COPY, self.only(plan).mode)

    def test_a_forced_mode_is_said_to_be_forced(self):
        for mode in Mode:
            plan = self.plan(cloud('a b', vm('v', 'a')), only_mode=mode)
            self.assertIs(mode, self.only(plan).mode)
            self.assertIs(Reason.MODE_FORCED, self.only(plan).reason)

    def test_a_pre_copy_that_resends_too_much_is_post_copied(self):
        # Converges at 1 Gbit/s, but sends its memory many times.
        busy = vm('v', 'a', working_set=writes(9e7, 4e9))
        self.assertIs(
            Mode.POST_COPY, self.only(self.plan(cloud('a b', busy))).mode
        )
        tied = dataclasses.replace(busy, post_copy=False)
        self.assertIs(
            Mode.PRE_COPY, self.only(self.plan(cloud('a b', tied))).mode
        )


class TestCaps(PlanCase):
    def test_a_cap_leaves_the_applications_their_traffic(self):
        neighbour = vm('stays', 'b', 0, 400)
        migration = self.only(
            self.plan(cloud('a b', vm('v', 'a'), neighbour), nic_share=1.0)
        )
        self.assertAlmostEqual(600.0, units.to_mbit_s(migration.cap))

    def test_a_full_nic_still_gives_its_floor(self):
        full = host('b', nic=Nic(capacity=125e6, background_rx=125e6))
        migration = self.only(
            self.plan(cloud('a b', vm('v', 'a'), b=full), nic_floor=0.2)
        )
        self.assertAlmostEqual(200.0, units.to_mbit_s(migration.cap))

    def test_a_ceiling_holds(self):
        migration = self.only(
            self.plan(
                cloud('a b', vm('v', 'a')), ceiling=units.from_mbit_s(200)
            )
        )
        self.assertAlmostEqual(200.0, units.to_mbit_s(migration.cap))

    def test_no_cap_is_below_the_lcb(self):
        busy = [vm(f'v{i}', 'a', working_set=writes(4e7)) for i in range(6)]
        for policy in policies.NAMES:
            plan = self.plan(cloud('a b c', *busy), policy)
            for m in plan.migrations:
                self.assertGreaterEqual(m.cap, m.lcb)


class TestSlots(PlanCase):
    def test_caps_on_concurrency_hold(self):
        vms = [vm(f'v{i}', 'a', i * 20) for i in range(8)]
        vms += [vm(f'w{i}', 'b', 0, i * 20) for i in range(8)]
        for limit in (1, 2, 3):
            plan = self.plan(
                cloud('a b c d', *vms),
                hosts=('a', 'b'),
                max_per_source=limit,
                max_per_destination=limit,
                max_in_cluster=limit,
            )
            self.assertEqual(16, len(plan.migrations))
            self.assertLessEqual(max(m.slot for m in plan.migrations), limit)

    def test_a_migration_waits_for_those_before_it_on_its_nic(self):
        plan = self.plan(
            cloud('a b', vm('v', 'a'), vm('w', 'a')), policy='gentle'
        )
        first, second = plan.migrations
        self.assertEqual((first.vm,), second.after)
        self.assertEqual((), first.after)

    def test_what_cannot_end_in_time_stays(self):
        plan = self.plan(
            cloud('a b', *(vm(f'v{i}', 'a') for i in range(4))),
            deadline=25.0,
        )
        self.assertTrue(plan.migrations)
        self.assertTrue(plan.left_out)
        self.assertLessEqual(plan.makespan, 25.0)
        for left in plan.left_out:
            self.assertIs(Reason.AFTER_DEADLINE, left.reason)


class TestDestinations(PlanCase):
    def test_spread_uses_both_and_pack_one(self):
        vms = [vm(f'v{i}', 'a') for i in range(4)]
        for placement, hosts in (
            (Placement.SPREAD, {'b', 'c'}),
            (Placement.PACK, {'b'}),
        ):
            plan = self.plan(cloud('a b c', *vms), placement=placement)
            self.assertEqual(hosts, {m.destination for m in plan.migrations})

    def test_a_vm_too_big_for_every_host_stays(self):
        left = self.stays(self.plan(cloud('a b', vm('v', 'a', memory=1e12))))
        self.assertIs(Reason.NO_DESTINATION, left.reason)
        self.assertIn('931.3 GiB', left.because)

    def test_memory_is_not_given_away_twice(self):
        plan = self.plan(
            cloud('a b', *(vm(f'v{i}', 'a', memory=40e9) for i in range(2)))
        )
        self.assertEqual(1, len(plan.migrations))
        self.assertEqual(1, len(plan.left_out))

    def test_only_hosts_that_may_receive_do(self):
        for unfit in (host('b', enabled=False), host('b', up=False)):
            left = self.stays(self.plan(cloud('a b', vm('v', 'a'), b=unfit)))
            self.assertIs(Reason.NO_DESTINATION, left.reason)

    def test_named_destinations_are_kept_to(self):
        plan = self.plan(
            cloud('a b c', *(vm(f'v{i}', 'a') for i in range(3))),
            destinations=('c',),
        )
        self.assertEqual({'c'}, {m.destination for m in plan.migrations})

    def test_an_unknown_host_is_the_callers_fault_and_is_named(self):
        error = self.assertRaises(
            errors.InputError, self.plan, cloud('a b'), hosts=('zzz',)
        )
        self.assertIn("hosts[0]: 'zzz' is not a host", str(error))
        self.assertIn('it has a, b', str(error))


class TestWhoStays(PlanCase):
    def test_each_has_its_reason(self):
        for values, reason in (
            ({'locked': True}, Reason.LOCKED),
            ({'active': False}, Reason.NOT_ACTIVE),
            ({'active': False, 'state': 'stopped'}, Reason.STOPPED),
            ({'active': False, 'state': 'suspended'}, Reason.SUSPENDED),
            ({'active': False, 'state': 'error'}, Reason.IN_ERROR),
            ({'active': False, 'state': 'busy'}, Reason.BUSY),
            ({'active': False, 'state': 'other'}, Reason.NOT_ACTIVE),
            ({'excluded': True}, Reason.EXCLUDED),
        ):
            left = self.stays(self.plan(cloud('a b', vm('v', 'a', **values))))
            self.assertIs(reason, left.reason)

    def test_a_paused_vm_moves_by_pre_copy_and_nothing_is_assumed_of_it(self):
        held = vm('v', 'a', state='paused', working_set=None)
        plan = self.plan(
            cloud('a b', held), assume_dirty_rate=1e12, only_mode=None
        )
        (move,) = plan.migrations
        self.assertIs(Mode.PRE_COPY, move.mode)
        self.assertNotIn('dirtying', move.assumed)

    def test_nothing_moves_live_from_a_host_that_is_down(self):
        left = self.stays(
            self.plan(cloud('a b', vm('v', 'a'), a=host('a', up=False)))
        )
        self.assertIs(Reason.HOST_DOWN, left.reason)

    def test_an_empty_host_gives_an_empty_plan(self):
        plan = self.plan(cloud('a b'))
        self.assertEqual((), plan.migrations + plan.left_out)
        self.assertEqual(0.0, plan.makespan)
        self.assertEqual(0.0, plan.gap)

    def test_one_hard_vm_does_not_block_the_rest(self):
        plan = self.plan(
            cloud('a b', vm('big', 'a', memory=1e12), vm('v', 'a'))
        )
        self.assertEqual('v', self.only(plan).name)


class TestUnknowns(PlanCase):
    def test_what_was_assumed_is_said(self):
        plan = self.plan(
            cloud(
                'a b',
                vm('v', 'a', traffic=None, working_set=None),
                b=host('b', nic=None),
            )
        )
        self.assertEqual(
            ('traffic', 'dirtying', 'destination nic'),
            self.only(plan).assumed,
        )

    def test_traffic_that_nobody_measured_is_no_fact(self):
        plan = self.plan(cloud('a b', vm('v', 'a', traffic=None)))
        self.assertIn('is assumed to send', self.only(plan).because)

    def test_writing_that_nobody_measured_is_no_fact(self):
        plan = self.plan(
            cloud('a b', vm('v', 'a', working_set=None)),
            assume_dirty_rate=1e12,
        )
        self.assertIs(Reason.WRITES_TOO_FAST, self.only(plan).reason)
        self.assertIn('is assumed to write', self.only(plan).because)

    def test_unknown_dirtying_takes_the_whole_memory(self):
        migration = self.only(
            self.plan(cloud('a b', vm('v', 'a', working_set=None)))
        )
        self.assertGreaterEqual(migration.data, 4e9)


class TestBounds(PlanCase):
    def test_one_migration_meets_its_bound(self):
        plan = self.plan(cloud('a b', vm('v', 'a')), allow_post_copy=False)
        self.assertAlmostEqual(0.0, plan.gap, places=6)

    def test_the_same_input_gives_the_same_plan(self):
        a_cloud = cloud(
            'a b c d', *(vm(f'v{i}', 'a', i, 9 * i) for i in range(12))
        )
        self.assertEqual(self.plan(a_cloud), self.plan(a_cloud))

    def test_the_interval_holds_the_point(self):
        migration = self.only(self.plan(cloud('a b', vm('v', 'a'))))
        self.assertLessEqual(migration.takes_low, migration.takes)
        self.assertLessEqual(migration.takes, migration.takes_high)


class TestRequests(testtools.TestCase):
    def test_bad_values_are_named(self):
        for field, value in (
            ('hosts', ()),
            ('max_per_source', 0),
            ('nic_share', 1.5),
            ('downtime_limit', 0.0),
            ('deadline', -math.inf),
        ):
            values = {'hosts': ('a',), field: value}
            error = self.assertRaises(
                errors.InputError, policies.request, 'fast', **values
            )
            self.assertEqual(field, error.place)

    def test_an_unknown_policy_names_those_there_are(self):
        error = self.assertRaises(
            errors.InputError, policies.request, 'wild', hosts=('a',)
        )
        self.assertIn('gentle, balanced, fast', str(error))


class TestAlternatives(PlanCase):
    def test_hosts_with_room_come_by_it(self):
        m = self.only(
            self.plan(
                cloud(
                    'a b c d e',
                    vm('v', 'a'),
                    c=host('c', memory=16e9),
                    d=host('d', memory=32e9),
                    e=host('e', memory=1e9),
                )
            )
        )
        others = [h for h in ('b', 'd', 'c') if h != m.destination]
        self.assertEqual(tuple(others), m.alternatives)

    def test_room_that_others_of_the_plan_take_is_none(self):
        tight = {name: host(name, memory=5e9) for name in 'bc'}
        plan = self.plan(
            cloud('a b c', vm('one', 'a'), vm('two', 'a'), **tight)
        )
        self.assertEqual(2, len(plan.migrations))
        self.assertEqual({()}, {m.alternatives for m in plan.migrations})

    def test_a_host_that_the_operator_chose_has_none(self):
        plan = self.plan(
            cloud('a b c', vm('v', 'a')), hosts=(), choices=(('id-v', 'b'),)
        )
        self.assertEqual((), self.only(plan).alternatives)

    def test_a_group_keeps_its_members_apart_there_too(self):
        group = Group(id='g', policy='anti-affinity', members=('id-v', 'id-w'))
        plan = self.plan(
            cloud('a b c d', vm('v', 'a'), vm('w', 'd'), groups=(group,))
        )
        self.assertNotIn('d', self.only(plan).alternatives)
