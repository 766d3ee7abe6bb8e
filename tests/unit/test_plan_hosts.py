"""What hosts can do by themselves: Nova's limit, networks, agents."""

import dataclasses
import math

from tests.unit.builders import GIGABIT
from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import vm
from tests.unit.builders import writes
from tests.unit.test_plan import PlanCase
from watcher_tsmig import simulate
from watcher_tsmig.model import Nic
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan.relief import loads
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason

# Stock Nova's limit rises from 50 ms to 500 ms, a step each 75 s and GiB.
STOCK = NovaSettings(
    downtime_limit=0.5,
    downtime_steps=10,
    downtime_delay=75.0,
    completion_timeout=800.0,
)
# Of which hot pages are written at once, so that 50 ms are too little.
HOT = WorkingSet(resident=1e9, samples=((0.05, 9e6), (0.5, 11e6), (60, 40e6)))
APART = Nic(capacity=GIGABIT, separate=True)
# What the balanced policy takes of a NIC without traffic.
WHOLE = 0.9 * GIGABIT


def most_at_once(plan, source='a'):
    mine = [m for m in plan.migrations if m.source == source]
    return max(
        sum(o.start <= m.start < o.end - 1e-6 for o in mine) for m in mine
    )


class TestNovasLimit(PlanCase):
    VMS = tuple(idle(name, 'a') for name in ('one', 'two', 'three'))

    def test_no_more_leave_a_host_than_nova_runs_at_once(self):
        for limit, most in ((1, 1), (2, 2), (None, 3)):
            plan = self.plan(
                cloud('a b', *self.VMS, a=host('a', max_outgoing=limit)),
                'fast',
                max_per_source=3,
                max_per_destination=3,
            )
            self.assertEqual(most, most_at_once(plan))

    def test_what_nobody_said_is_assumed_and_told(self):
        plan = self.plan(
            cloud('a b', *self.VMS),
            'fast',
            max_per_source=3,
            assume_outgoing=1.0,
        )
        self.assertEqual(1, most_at_once(plan))
        for m in plan.migrations:
            self.assertIn('source limit', m.assumed)
        said = self.plan(
            cloud('a b', *self.VMS, a=host('a', max_outgoing=1)),
            'fast',
            max_per_source=3,
            assume_outgoing=1.0,
        )
        self.assertEqual({()}, {m.assumed for m in said.migrations})

    def test_it_is_named_where_it_binds(self):
        plan = self.plan(
            cloud('a b', *self.VMS, a=host('a', max_outgoing=1)),
            'fast',
            max_per_source=3,
            ceiling=GIGABIT / 4,
        )
        waits = [m.binding for m in plan.migrations if m.start > 0]
        self.assertEqual(2, len(waits))
        for text in waits:
            self.assertIn("a's only slot (Nova's limit)", text)
        self.assertIn("Nova's limit on a", plan.critical)

    def test_it_is_named_where_it_is_more_than_one(self):
        plan = self.plan(
            cloud('a b', *self.VMS, a=host('a', max_outgoing=2)),
            'fast',
            max_per_source=3,
            ceiling=GIGABIT / 4,
        )
        (waits,) = [m.binding for m in plan.migrations if m.start > 0]
        self.assertIn("one of a's 2 slots (Nova's limit)", waits)

    def test_one_more_of_what_binds_names_whose_it_is(self):
        option = '[DEFAULT]max_concurrent_live_migrations'
        ours = '1 more at once from and to a host'
        for ours_is, novas, wanted in (
            (3, 1, {f"1 more in Nova's {option}"}),
            (1, 1, {f"{ours} and in Nova's {option}"}),
            (1, 3, {ours}),
        ):
            plan = self.plan(
                cloud('a b', *self.VMS, a=host('a', max_outgoing=novas)),
                'fast',
                max_per_source=ours_is,
                max_per_destination=3,
                ceiling=GIGABIT / 4,
            )
            self.assertEqual(wanted, {p.what for p in plan.purchases})


class TestNetworks(PlanCase):
    def test_traffic_of_another_network_leaves_the_whole_nic(self):
        busy = vm('busy', 'a', tx=600, rx=10)
        pre = {'only_mode': Mode.PRE_COPY}
        shared = self.only(self.plan(cloud('a b', busy), **pre))
        a, b = (host(name, nic=APART) for name in 'ab')
        apart = self.only(self.plan(cloud('a b', busy, a=a, b=b), **pre))
        self.assertLess(shared.cap, WHOLE / 2)
        self.assertAlmostEqual(WHOLE, apart.cap, delta=WHOLE * 1e-6)
        self.assertLess(apart.takes, shared.takes)

    def test_modes_are_not_chosen_for_contention_that_is_not_there(self):
        send = vm('send', 'a', 300, 10)
        a, b = (host(name, nic=APART) for name in 'ab')
        self.assertIs(
            Mode.POST_COPY, self.only(self.plan(cloud('a b', send))).mode
        )
        found = self.only(self.plan(cloud('a b', send, a=a, b=b)))
        self.assertIs(Mode.PRE_COPY, found.mode)
        self.assertIs(Reason.NO_CONTENTION, found.reason)
        self.assertIn('on another network', found.because)

    def test_one_host_apart_and_the_other_not(self):
        # the source's NIC is free of what it sends, the destination's is not
        # free of what a post-copied one receives there
        take = vm('take', 'a', 300, 300)
        found = self.only(
            self.plan(cloud('a b', take, a=host('a', nic=APART)))
        )
        self.assertIs(Mode.PRE_COPY, found.mode)
        self.assertAlmostEqual(WHOLE, found.cap, delta=WHOLE * 1e-6)

    def test_of_a_mixed_pair_it_is_said_what_is_in_no_ones_way(self):
        send = vm('send', 'a', 600, 300)
        for apart, said in (
            ('a', 'sends 600 Mbit/s over another network, receives 300'),
            ('b', 'receives 300 Mbit/s over another network'),
        ):
            hosts = {apart: host(apart, nic=APART)}
            found = self.only(self.plan(cloud('a b', send, **hosts)))
            self.assertIn(said, found.because)
            self.assertNotIn('balances', found.because)

    def test_tenants_are_relieved_by_their_own_nic(self):
        both = Nic(capacity=10 * GIGABIT, separate=True, tenants=GIGABIT)
        for nic, capacity in ((both, GIGABIT), (APART, math.inf)):
            found = loads.Usage().capacity(host('a', nic=nic))
            self.assertEqual(capacity, found[0])
        noisy = dataclasses.replace(both, background_tx=1e6)
        self.assertEqual(0.0, loads.background(host('a', nic=noisy)).sum())

    def test_the_simulation_of_a_mixed_pair_agrees(self):
        busy = vm('busy', 'a', tx=600, rx=300)
        for apart in 'ab':
            where = cloud('a b', busy, **{apart: host(apart, nic=APART)})
            plan = self.plan(where)
            real = simulate.replay(where, plan)
            self.assertLess(abs(real.makespan / plan.makespan - 1), 0.1)

    def test_the_simulation_agrees(self):
        busy = vm('busy', 'a', tx=600, rx=10)
        for nic in (APART, Nic(capacity=GIGABIT)):
            hosts = {name: host(name, nic=nic) for name in 'ab'}
            where = cloud('a b', busy, **hosts)
            plan = self.plan(where)
            real = simulate.replay(where, plan)
            self.assertLess(abs(real.makespan / plan.makespan - 1), 0.1)


class TestAgents(PlanCase):
    def test_a_cap_is_enforced_where_the_source_has_an_agent(self):
        for there, wanted in (
            (True, Enforcement.ENFORCED),
            (False, Enforcement.ADVISORY),
        ):
            plan = self.plan(
                cloud('a b', idle('one', 'a'), a=host('a', agent=there))
            )
            self.assertIs(wanted, self.only(plan).cap_enforcement)


class TestNovasBandwidth(PlanCase):
    GIVEN = 60e6

    def moved(self, **values):
        a = host('a', bandwidth=self.GIVEN, **values.pop('of_a', {}))
        b = host('b', agent=bool(a.agent))
        return self.only(
            self.plan(cloud('a b', idle('one', 'a'), a=a, b=b), **values)
        )

    def test_without_an_agent_it_is_what_a_pre_copy_gets(self):
        found = self.moved(of_a={'agent': False}, only_mode=Mode.PRE_COPY)
        self.assertAlmostEqual(self.GIVEN, found.cap)
        self.assertIs(Enforcement.HOST_DEFAULT, found.cap_enforcement)

    def test_of_a_post_copy_nova_limits_nothing(self):
        found = self.moved(of_a={'agent': False}, only_mode=Mode.POST_COPY)
        self.assertAlmostEqual(GIGABIT, found.cap, delta=1)
        self.assertIs(Enforcement.ADVISORY, found.cap_enforcement)

    def test_an_agent_overrides_it(self):
        found = self.moved(only_mode=Mode.PRE_COPY)
        self.assertAlmostEqual(WHOLE, found.cap, delta=1)
        self.assertIs(Enforcement.ENFORCED, found.cap_enforcement)

    def test_who_is_to_have_less_by_the_plan_has_it_by_nobody(self):
        found = self.moved(
            of_a={'agent': False}, only_mode=Mode.PRE_COPY, ceiling=30e6
        )
        self.assertAlmostEqual(30e6, found.cap)
        self.assertIs(Enforcement.ADVISORY, found.cap_enforcement)


class TestItsOwnTraffic(PlanCase):
    """A VM that is pre-copied runs at its source until it ends."""

    FILLS = vm('fills', 'a', 1000, working_set=writes(40e6))

    def planned(self, *, post_copy):
        hosts = {n: host(n, post_copy=post_copy) for n in 'abc'}
        calm = (vm('one', 'a'), vm('two', 'a'))
        return self.plan(cloud('a b c', self.FILLS, *calm, **hosts))

    def test_it_is_in_the_way_of_its_pre_copy_whoever_else_has_left(self):
        plan = self.planned(post_copy=True)
        (found,) = (m for m in plan.migrations if m.name == 'fills')
        self.assertIs(Mode.POST_COPY, found.mode)
        self.assertIs(Reason.WRITES_TOO_FAST, found.reason)
        # a fifth of 1 Gbit/s is all that a full NIC gives migrations
        self.assertIn('the link leaves 200 Mbit/s', found.because)

    def test_one_that_cannot_end_is_told_what_it_leaves_at_best(self):
        plan = self.planned(post_copy=False)
        (out,) = plan.left_out
        self.assertIn('the link leaves 200 Mbit/s at best', out.because)


class TestAssumedWriting(PlanCase):
    def unknown(self, name):
        return dataclasses.replace(vm(name, 'a'), working_set=None)

    def test_it_makes_no_post_copy_under_any_policy(self):
        where = cloud('a b', *map(self.unknown, ('one', 'two', 'three')))
        for policy in ('gentle', 'balanced', 'fast'):
            plan = self.plan(where, policy, assume_dirty_rate=50e6)
            self.assertEqual(0, plan.post_copies, policy)
            self.assertEqual(3, len(plan.migrations))
            for m in plan.migrations:
                self.assertIn('its writing is only assumed', m.because)
                self.assertIn('post_copy_assumed', m.runner_up)
                self.assertNotIn('not permitted', m.because + m.runner_up)

    def test_unless_it_is_asked_for(self):
        busy = dataclasses.replace(vm('send', 'a', 300, 10), working_set=None)
        for asked, mode in (
            (False, Mode.PRE_COPY),
            (True, Mode.POST_COPY),
        ):
            plan = self.plan(cloud('a b', busy), post_copy_assumed=asked)
            self.assertIs(mode, self.only(plan).mode)

    def test_it_is_the_last_resort_where_no_pre_copy_would_end(self):
        plan = self.plan(
            cloud('a b', self.unknown('one')), assume_dirty_rate=math.inf
        )
        found = self.only(plan)
        self.assertIs(Mode.POST_COPY, found.mode)
        self.assertIn('is assumed to write too fast', found.because)
        self.assertIn('if it writes as assumed', found.runner_up)


class TestNovasSettings(PlanCase):
    """How long a pre-copy takes is its own Nova's to say."""

    HOT = vm('hot', 'a', working_set=HOT)

    def planned(self, nova, *vms, **values):
        a_cloud = cloud('a b c', *(vms or (self.HOT,)), a=host('a', nova=nova))
        plan = self.plan(a_cloud, only_mode=Mode.PRE_COPY, **values)
        done = simulate.replay(a_cloud, plan)
        self.assertAlmostEqual(plan.makespan, done.makespan, delta=1.0)
        return plan

    def test_a_limit_that_rises_is_waited_for(self):
        plain = self.only(self.planned(None, ceiling=1e8))
        stock = self.only(self.planned(STOCK, ceiling=1e8))
        # two steps of 75 s for each of its 4e9 bytes, from the start on
        step = math.floor(75 * 4e9 / 2**30)
        self.assertAlmostEqual(2 * step, stock.takes, delta=5.0)
        self.assertLess(plain.takes, 20.0)
        self.assertLess(stock.downtime, 0.15)
        self.assertIn("for Nova's downtime limit to rise", stock.because)
        self.assertGreaterEqual(stock.settles, stock.takes)
        self.assertEqual(0.0, plain.settles)
        self.assertNotIn('waits', plain.because)

    def test_a_larger_limit_needs_less_bandwidth(self):
        patient = NovaSettings(downtime_limit=2.0)
        self.assertLess(
            self.only(self.planned(patient)).lcb,
            0.5 * self.only(self.planned(None)).lcb,
        )

    def test_no_plan_is_below_its_bound_whatever_the_limit(self):
        plan = self.planned(NovaSettings(downtime_limit=20.0))
        self.assertLessEqual(plan.lower_bound, plan.makespan)

    def test_what_nova_would_end_first_is_not_planned(self):
        hurried = NovaSettings(downtime_limit=0.5, completion_timeout=1.0)
        self.assertIs(
            Reason.DOES_NOT_CONVERGE,
            self.stays(self.planned(hurried)).reason,
        )

    def test_two_hosts_keep_their_own(self):
        other = vm('other', 'b', working_set=HOT)
        plan = self.planned(
            STOCK, self.HOT, other, hosts=('a', 'b'), ceiling=1e8
        )
        takes = {m.source: m.takes for m in plan.migrations}
        self.assertGreater(takes['a'], 10 * takes['b'])
