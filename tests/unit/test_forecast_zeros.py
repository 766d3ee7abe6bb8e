"""Pages of zeros: they take time, in every mode and on every host its own."""

import dataclasses
import itertools

import numpy as np
import testtools

from tests.unit.builders import GIGABIT
from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig import forecast
from watcher_tsmig import simulate
from watcher_tsmig.forecast.hybrid import Switch
from watcher_tsmig.forecast.hybrid import hybrid
from watcher_tsmig.forecast.learned.zeros import middle
from watcher_tsmig.forecast.learned.zeros import speeds
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model import Speeds
from watcher_tsmig.model.rules import QEMU
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.model.trace import Trace
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode

PAGE = 4096.0
MILLION = 1e6 * PAGE
RULES = Rules(efficiency=1.0, zero_page=0.0, switchover=0.0)
STILL = forecast.fit([writes(0.0)])
BUSY = forecast.fit([writes(50e6)])
EMPTY = forecast.Terms(zero=2 * MILLION)


class TestTime(testtools.TestCase):
    def test_they_take_longer_before_the_switch_than_after_it(self):
        pre = forecast.pre_copy(STILL, 1e8, RULES, terms=EMPTY)
        post = forecast.post_copy(STILL, 1e8, RULES, EMPTY)
        self.assertAlmostEqual(10 + 2.2, float(pre.t_sum[0]))
        self.assertAlmostEqual(10 + 0.98, float(post.t_sum[0]))

    def test_one_that_switches_within_the_pass_is_between(self):
        times = [
            float(
                hybrid(STILL, 1e8, RULES, at, terms=EMPTY).forecasts.t_sum[0]
            )
            for at in (0.0, 3.0, 6.0, 9.0)
        ]
        self.assertAlmostEqual(10.98, times[0])
        self.assertEqual(sorted(times), times)
        self.assertLess(times[-1], 12.2)

    def test_qemu_s_own_walk_has_them_too(self):
        without, found = (
            forecast.pre_copy(BUSY, 1e8, QEMU, terms=terms)
            for terms in (forecast.Terms(), EMPTY)
        )
        longer = float(found.t_sum[0] - without.t_sum[0])
        self.assertTrue(2.2 < longer < 5.0, longer)

    def test_what_is_written_meanwhile_goes_again(self):
        found = forecast.pre_copy(BUSY, 1e8, RULES, terms=EMPTY)
        self.assertAlmostEqual(50e6 * 12.2, float(found.rounds[0, 1]))

    def test_no_link_is_so_fast_that_they_take_none(self):
        found = forecast.pre_copy(STILL, 1e13, RULES, terms=EMPTY)
        self.assertAlmostEqual(2.2, float(found.t_sum[0]), 3)

    def test_the_lcb_is_there_however_long_they_take(self):
        terms = forecast.Terms(zero=100 * MILLION)
        for deadline in (np.inf, 200.0):
            lcb = forecast.least_convergent_bandwidth(
                BUSY, RULES, deadline, terms=terms
            )
            enough, less = (
                forecast.pre_copy(BUSY, lcb * share, RULES, terms=terms)
                for share in (1.0, 0.999)
            )
            self.assertTrue(enough.t_sum[0] <= deadline)
            self.assertFalse(less.t_sum[0] <= min(deadline, 1e9))
        late = forecast.least_convergent_bandwidth(
            BUSY, RULES, 100.0, terms=terms
        )
        self.assertEqual(np.inf, late[0])

    def test_many_equal_one_by_one(self):
        curves = forecast.fit([writes(r) for r in (0.0, 2e7, 5e7, 2e8)])
        terms = forecast.Terms(
            zero=np.array([0.0, 1.0, 2.0, 9.0]) * MILLION,
            blank=np.array([0.5, 0.0, 0.1, 0.9]),
        )
        for rules in (RULES, QEMU, dataclasses.replace(RULES, preempt=True)):
            many = forecast.pre_copy(curves, 1e8, rules, terms=terms)
            for i in range(4):
                row = np.array([i])
                one = forecast.pre_copy(
                    curves.take(row), 1e8, rules, terms=terms.take(row, 4)
                )
                self.assertAlmostEqual(
                    float(many.t_sum[i]), float(one.t_sum[0])
                )


class TestSwitch(testtools.TestCase):
    def test_an_order_is_obeyed_although_pre_copy_would_end(self):
        self.assertTrue(forecast.pre_copy(STILL, 1e8, RULES).converges[0])
        times = np.array([0.0, 5.0, 9.9])
        curves = forecast.fit([writes(0.0)] * 3)
        self.assertTrue(hybrid(curves, 1e8, RULES, times).switched.all())
        # its first pass fits the downtime limit, but so the order was
        quick = hybrid(STILL, 1e11, RULES, Switch.AT_ONCE)
        self.assertTrue(quick.switched[0])

    def test_who_waits_for_the_pass_comes_after_qemu(self):
        for switch in (Switch.FIRST_PASS, Switch.STALL):
            self.assertFalse(hybrid(STILL, 1e8, RULES, switch).switched[0])

    def test_pause_and_slow_phase_are_two_figures(self):
        rules = Rules()
        for found in (
            forecast.post_copy(BUSY, 1e8, rules),
            hybrid(BUSY, 1e8, rules).forecasts,
        ):
            self.assertAlmostEqual(rules.switchover, float(found.t_pause[0]))
            self.assertGreater(float(found.t_slow[0]), 0.0)
            self.assertAlmostEqual(
                float(found.t_downtime[0]),
                float(found.t_pause[0] + found.t_slow[0]),
            )
        found = forecast.pre_copy(BUSY, 1e8, rules)
        self.assertEqual(0.0, float(found.t_slow[0]))
        self.assertEqual(float(found.t_downtime[0]), float(found.t_pause[0]))


class TestHosts(testtools.TestCase):
    def plan(self, mode, **values):
        built = cloud('a b', vm('v', 'a', memory=40e9), a=host('a', **values))
        plan = make_plan(
            built,
            policies.request('gentle', hosts=('a',), only_mode=mode),
        )
        self.assertEqual([], check(built, plan))
        (found,) = plan.migrations
        return built, plan, found

    def test_each_has_its_own_and_the_simulation_agrees(self):
        zeros = 39e9 / PAGE
        for mode, name in (
            (Mode.PRE_COPY, 'zero_pre_copy'),
            (Mode.POST_COPY, 'zero_post_copy'),
        ):
            slow = Speeds(**{name: 5e-6})
            built, plan, found = self.plan(mode, speeds=slow)
            happened = simulate.replay(built, plan)
            self.assertAlmostEqual(plan.makespan, happened.makespan, places=2)
            quick = Speeds(**{name: 0.0})
            _, _, usual = self.plan(mode, speeds=quick)
            self.assertGreaterEqual(
                found.takes - usual.takes, zeros * 5e-6 * 0.99
            )

    def test_its_connections_carry_what_one_does_times_their_number(self):
        for streams in (1, 2, 4):
            _, _, found = self.plan(
                Mode.PRE_COPY,
                nova=NovaSettings(downtime_limit=0.5, streams=streams),
                speeds=Speeds(stream_ceiling=GIGABIT / 5),
            )
            self.assertLessEqual(found.most, streams * GIGABIT / 5 + 1e-6)
            self.assertGreater(found.most, 0.9 * streams * GIGABIT / 5)

    def test_a_speed_that_cannot_be_is_refused(self):
        for name, value in (
            ('stream_ceiling', 0.0),
            ('zero_pre_copy', -1e-6),
            ('zero_post_copy', 'slow'),
        ):
            self.assertRaises(ValueError, Speeds, **{name: value})


class TestLearned(testtools.TestCase):
    clock = itertools.count()

    def trace(self, cost, *, switched=False, late=0.0, **values):
        """A migration of 4 GB at 100 MB/s, 8 million pages of zeros."""
        sending = 4e9 / (1e8 * Rules().efficiency)
        given = {
            'memory': 4e9 + 8 * MILLION,
            'first_pass': 3e9 if not switched else 4e9,
            'rounds': () if switched else ((30.0, 1e9),),
            'took': sending + 8e6 * cost + late,
            'rate': 1e8,
            'source': 'a',
        }
        if not switched:
            given['memory'] -= 1e9
        return Trace(
            vm='v',
            at=float(next(self.clock)),
            switched=switched,
            **{**given, **values},
        )

    def test_a_host_is_believed_once_its_migrations_agree(self):
        one, many = (
            speeds([self.trace(3e-6)] * n, Rules())['a'] for n in (1, 9)
        )
        self.assertTrue(1.1e-6 <= one.zero_pre_copy <= 3e-6)
        self.assertAlmostEqual(3.0, many.zero_pre_copy * 1e6, 6)
        self.assertIsNone(many.zero_post_copy)

    def test_one_that_was_held_up_is_outvoted(self):
        its = [self.trace(2e-6, late=late) for late in (0, 0, 0, 0, 300)]
        self.assertAlmostEqual(
            2.0, speeds(its, Rules())['a'].zero_pre_copy * 1e6, 6
        )

    def learned(self, *traces, rules=None):
        return speeds(traces, rules or Rules())['a']

    def test_one_is_believed_as_far_as_its_clock_tells(self):
        # 8 million pages within 1 s and 2 % of 66 s are surer than what is
        # thought of every host, which is known to a half; 2 million are not
        few = {'memory': 3e9 + 2 * MILLION}
        few['took'] = 4e9 / (1e8 * Rules().efficiency) + 2e6 * 3e-6
        self.assertAlmostEqual(
            3.0, self.learned(self.trace(3e-6)).zero_pre_copy * 1e6
        )
        self.assertEqual(
            Rules().zero_pre_copy,
            self.learned(self.trace(3e-6, **few)).zero_pre_copy,
        )

    def test_no_page_takes_less_than_no_time(self):
        its = [self.trace(-2e-6) for _ in range(9)]
        self.assertEqual(0.0, self.learned(*its).zero_pre_copy)

    def test_the_newest_thirty_count_in_whatever_order_they_come(self):
        old = [self.trace(9e-6) for _ in range(40)]
        new = [self.trace(2e-6) for _ in range(30)]
        for its in (old + new, new[::-1] + old):
            self.assertAlmostEqual(
                2.0, self.learned(*its).zero_pre_copy * 1e6, 6
            )
        old = [self.trace(9e-6) for _ in range(25)]
        new = [self.trace(2e-6) for _ in range(5)]
        self.assertAlmostEqual(
            9.0, self.learned(*old, *new).zero_pre_copy * 1e6, 6
        )

    def test_a_rule_by_which_they_take_none_is_not_unlearned(self):
        rules = Rules(zero_pre_copy=0.0)
        its = [self.trace(3e-6) for _ in range(9)]
        self.assertIsNone(self.learned(*its, rules=rules).zero_pre_copy)

    def test_a_migration_without_such_pages_tells_nothing(self):
        for pages, tells in ((0.5, False), (1.0, True)):
            one = self.trace(0.0, memory=3e9 + pages * PAGE)
            self.assertEqual(tells, 'a' in speeds([one], Rules()))

    def test_what_was_sent_again_took_its_time_but_not_after_a_switch(self):
        # what rounds a migration had before its switch is not counted on
        its = [
            self.trace(1e-6, switched=True, rounds=((30.0, 1e9),))
            for _ in range(9)
        ]
        self.assertAlmostEqual(1.0, self.learned(*its).zero_post_copy * 1e6, 6)

    def test_the_weighted_middle_is_where_half_of_the_weight_is_reached(self):
        for seen, expected in (
            ([(1.0, 1.0)], 1.0),
            ([(2.0, 1.0), (1.0, 1.0)], 1.0),
            ([(1.0, 1.0), (2.0, 1.1)], 2.0),
            ([(3.0, 2.0), (1.0, 1.0), (2.0, 1.0)], 2.0),
            ([(3.0, 2.1), (1.0, 1.0), (2.0, 1.0)], 3.0),
        ):
            self.assertEqual(expected, middle(seen))
        self.assertRaises(ValueError, middle, [])

    def test_modes_and_hosts_are_told_apart(self):
        its = [self.trace(2e-6) for _ in range(9)]
        its += [self.trace(1e-6, switched=True, source='b') for _ in range(9)]
        found = speeds(its, Rules())
        self.assertEqual({'a', 'b'}, set(found))
        self.assertAlmostEqual(1.0, found['b'].zero_post_copy * 1e6, 6)
        self.assertIsNone(found['b'].zero_pre_copy)

    def test_what_shared_its_link_or_showed_no_rounds_teaches_nothing(self):
        for missing in (
            {'rate': None},
            {'rounds': ()},
            {'first_pass': None},
            {'took': None},
            {'source': None},
        ):
            self.assertEqual(
                {}, speeds([self.trace(9e-6, **missing)], Rules())
            )
