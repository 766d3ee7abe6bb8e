"""What the hypervisor and Nova do by rule shows in the forecast."""

import dataclasses
import math

import numpy as np
import testtools

from tests.unit import builders
from tests.unit.builders import writes
from watcher_tsmig import errors
from watcher_tsmig import forecast
from watcher_tsmig.forecast import Bracket
from watcher_tsmig.forecast import Ending
from watcher_tsmig.forecast import Terms
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import NOVA
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan

PLAIN = Rules(downtime_limit=0.3, efficiency=1.0)
GIB = 1024.0**3
PAGE = 4096.0

# Working sets of four guests (s, pages) and QEMU's own migrations of them
# at caps in Mbit/s: total time in s, None where it never ended.
GUESTS = (
    (
        36979,
        ((0.1, 522), (0.3, 1424), (1.0, 3956), (3.001, 7842), (6, 9554)),
        ((100, None), (160, 16.162), (260, 6.44)),
    ),
    (
        36987,
        ((0.1, 621), (0.3, 1164), (1.001, 1824), (3.002, 3306), (6, 5262)),
        ((160, 9.366), (260, 5.279)),
    ),
    (
        36987,
        ((0.1, 430), (0.301, 1234), (1.0, 4026), (3.0, 8059), (6, 8065)),
        ((100, None), (160, 13.831), (260, 6.182)),
    ),
    (
        36987,
        ((0.101, 127), (0.301, 315), (1.001, 832), (3.0, 1620), (6, 1974)),
        ((100, 12.67), (160, 7.749), (260, 4.809)),
    ),
)


def one(samples, resident=1000.0):
    return forecast.fit([WorkingSet(resident=resident, samples=samples)])


class TestRules(testtools.TestCase):
    def test_a_wrong_value_is_named(self):
        table = (
            {'downtime_limit': 0.0},
            {'downtime_steps': -1},
            {'streams': 0},
            {'stream_ceiling': 0.0},
            {'stream_window': 0.0},
            {'page_header': -8.0},
            {'efficiency': 1.1},
            {'completion_timeout': math.nan},
        )
        for values in table:
            error = self.assertRaises(errors.InputError, Rules, **values)
            self.assertEqual(*values, error.place)

    def test_nova_raises_the_limit_from_a_tenth_in_ten_steps(self):
        # 8 GiB: 600 s a step, as the reference of the rule says
        for elapsed, limit in (
            (0, 0.05),
            (599, 0.05),
            (600, 0.095),
            (1200, 0.14),
            (5999, 0.455),
            (6000, 0.5),
            (1e9, 0.5),
        ):
            self.assertAlmostEqual(limit, NOVA.limit_at(elapsed, 8.0))

    def test_without_steps_the_limit_holds_from_the_start(self):
        self.assertEqual(0.5, Rules().limit_at(0.0, 8.0))

    def test_a_small_guest_counts_as_two_gib(self):
        self.assertEqual(2.0, NOVA.weight(0.5 * GIB))
        self.assertEqual(8.0, NOVA.weight(8 * GIB))


class TestAgainstQemu(testtools.TestCase):
    def test_its_own_migrations_are_foretold(self):
        rules = Rules(downtime_limit=0.3, efficiency=1.0)
        wrong = []
        for resident, samples, runs in GUESTS:
            curve = one(
                tuple((float(t), d * PAGE) for t, d in samples),
                resident * PAGE,
            )
            for cap, total in runs:
                found = forecast.pre_copy(curve, cap * 1e6 / 8, rules)
                self.assertEqual(total is not None, bool(found.converges[0]))
                if total is not None:
                    wrong.append(abs(float(found.t_sum[0]) / total - 1))
        self.assertLess(max(wrong), 0.05)
        self.assertLess(sum(wrong) / len(wrong), 0.03)


class TestTerms(testtools.TestCase):
    def test_the_last_round_goes_at_the_links_rate_and_not_at_the_caps(self):
        curve = one(((1.0, 20.0),))
        capped = forecast.pre_copy(curve, 100.0, PLAIN)
        found = forecast.pre_copy(
            curve, 100.0, PLAIN, terms=Terms(link=1000.0)
        )
        self.assertEqual(capped.t_converge[0], found.t_converge[0])
        self.assertAlmostEqual(0.008, float(found.t_downtime[0]))

    def test_zero_pages_cost_their_header_in_the_first_pass_only(self):
        curve = one(((1.0, 20.0),))
        found = forecast.pre_copy(
            curve, 100.0, PLAIN, terms=Terms(zero=40960.0)
        )
        self.assertAlmostEqual(1000 + 90, float(found.rounds[0, 0]))

    def test_pages_that_are_zero_again_cost_their_header(self):
        rules = dataclasses.replace(PLAIN, page_header=8.0)
        found = forecast.pre_copy(
            one(((1.0, 20.0),)), 100.0, rules, terms=Terms(duplicate=1.0)
        )
        first = 1000 * (1 + 8 / 4096)
        self.assertAlmostEqual(first, float(found.rounds[0, 0]))
        self.assertAlmostEqual(
            first / 100 * 20 * 9 / 4096, float(found.rounds[0, 1])
        )

    def test_a_stream_cannot_carry_more_than_it_can(self):
        rules = dataclasses.replace(PLAIN, stream_ceiling=50.0)
        curve = one(((1.0, 20.0),))
        for streams, rate in ((1, 50.0), (2, 100.0), (9, 200.0)):
            found = forecast.pre_copy(
                curve, 200.0, dataclasses.replace(rules, streams=streams)
            )
            same = forecast.pre_copy(curve, rate, PLAIN)
            self.assertEqual(same.t_sum[0], found.t_sum[0])

    def test_a_disk_takes_its_share_of_the_cap_and_goes_first(self):
        curve = one(((1.0, 20.0),))
        found = forecast.pre_copy(
            curve, 300.0, PLAIN, terms=Terms(disks=2, disk=5000.0)
        )
        memory = forecast.pre_copy(curve, 100.0, PLAIN)
        # two disks of 2500 bytes at 100 bytes/s each, at once
        self.assertAlmostEqual(25 + memory.t_sum[0], found.t_sum[0])
        self.assertAlmostEqual(5000 + memory.data[0], found.data[0])

    def test_an_agent_gives_memory_the_whole_cap_when_the_disks_are_there(
        self,
    ):
        curve = one(((1.0, 20.0),))
        memory = forecast.pre_copy(curve, 300.0, PLAIN)
        for uncapped, ahead in ((False, 25.0), (True, 5000 / 300)):
            terms = Terms(disks=2, disk=5000.0, raised=True, uncapped=uncapped)
            found = forecast.pre_copy(curve, 300.0, PLAIN, terms=terms)
            self.assertAlmostEqual(ahead + memory.t_sum[0], found.t_sum[0])
        self.assertEqual(
            forecast.least_convergent_bandwidth(curve, PLAIN)[0],
            forecast.least_convergent_bandwidth(
                curve, PLAIN, terms=Terms(disks=2, disk=5000.0, raised=True)
            )[0],
        )

    def test_what_is_not_possible_is_the_callers_fault(self):
        for values in (
            {'zero': -1.0},
            {'link': 0.0},
            {'duplicate': 2.0},
            {'disks': math.nan},
        ):
            self.assertRaises(ValueError, Terms, **values)


class TestRisingLimit(testtools.TestCase):
    #: 50 bytes are dirtied in every round, at 100 bytes/s half a second
    stuck = ((0.25, 50.0), (1.0, 50.0), (100.0, 50.0))

    def test_it_is_waited_for_where_rounds_do_not_get_shorter(self):
        rules = Rules(
            downtime_limit=1.0,
            efficiency=1.0,
            downtime_steps=4,
            downtime_delay=10.0,
        )
        found = forecast.pre_copy(one(self.stuck), 100.0, rules)
        # 0.25, 0.4375, 0.625 s: the second step begins at 2 x 20 s
        self.assertTrue(found.converges[0])
        self.assertAlmostEqual(0.5, float(found.t_downtime[0]))
        self.assertAlmostEqual(40.5, float(found.t_sum[0]))
        self.assertAlmostEqual(4050.0, float(found.data[0]))
        self.assertAlmostEqual(
            float(found.data[0]),
            float((found.rounds[0] * found.repeats[0]).sum()),
        )

    def test_pages_that_are_zero_again_wait_as_if_they_were_not(self):
        # half of the 50 bytes: rounds of a quarter of a second, of which
        # each is looked at as half a one, until 40 s
        rules = Rules(
            downtime_limit=1.0,
            efficiency=1.0,
            downtime_steps=4,
            downtime_delay=10.0,
        )
        each = 50 * (0.5 + 0.5 * 9 / 4096) / 100
        rounds = math.ceil(30 / each)
        work = WorkingSet(
            resident=1000.0, samples=((0.1, 50.0), (100.0, 50.0))
        )
        for many in (1, 2):
            found = forecast.pre_copy(
                forecast.fit([work] * many),
                100.0,
                rules,
                terms=Terms(duplicate=0.5),
            )
            for i in range(many):
                self.assertAlmostEqual(
                    10 + (rounds + 1) * each, float(found.t_sum[i])
                )
                self.assertAlmostEqual(each, float(found.t_downtime[i]))

    def test_nor_do_they_fit_a_limit_that_holds_from_the_start(self):
        work = WorkingSet(
            resident=1000.0, samples=((0.1, 50.0), (100.0, 50.0))
        )
        for many in (1, 2):
            for limit, ends in ((0.49, False), (0.51, True)):
                found = forecast.pre_copy(
                    forecast.fit([work] * many),
                    100.0,
                    Rules(downtime_limit=limit, efficiency=1.0),
                    terms=Terms(duplicate=0.5),
                )
                self.assertEqual([ends] * many, found.converges.tolist())

    def test_what_goes_at_once_stands_while_its_zeros_are_looked_at(self):
        # 10 pages of 20 ms; 1000 bytes at the link's rate
        rules = Rules(
            downtime_limit=0.3,
            efficiency=1.0,
            page=10.0,
            zero_page=0.0,
            zero_pre_copy=0.02,
        )
        for many in (1, 2):
            curves = forecast.fit(
                [WorkingSet(resident=1000.0, samples=())] * many
            )
            found = forecast.pre_copy(
                curves, 1e5, rules, terms=Terms(zero=100.0, link=2e5)
            )
            np.testing.assert_allclose(found.t_converge, [0.0] * many)
            np.testing.assert_allclose(found.t_downtime, [0.205] * many)

    def test_the_last_step_is_waited_for_too(self):
        # 0.9 s, and from 80 s on a whole second is permitted
        rules = Rules(
            downtime_limit=1.0,
            efficiency=1.0,
            downtime_steps=4,
            downtime_delay=10.0,
        )
        work = WorkingSet(
            resident=1000.0, samples=((0.25, 90.0), (100.0, 90.0))
        )
        for many in (1, 2):
            found = forecast.pre_copy(
                forecast.fit([work] * many), 100.0, rules
            )
            np.testing.assert_allclose(
                found.t_sum, [10 + 78 * 0.9 + 0.9] * many
            )

    def test_what_just_fits_the_limit_goes_at_once(self):
        work = WorkingSet(resident=30.0, samples=((1.0, 20.0),))
        for many in (1, 2):
            found = forecast.pre_copy(
                forecast.fit([work] * many), 100.0, PLAIN
            )
            self.assertEqual([0.0] * many, found.t_converge.tolist())
            self.assertEqual([0.3] * many, found.t_downtime.tolist())

    def test_off_it_stops_at_once(self):
        rules = Rules(downtime_limit=1.0, efficiency=1.0)
        found = forecast.pre_copy(one(self.stuck), 100.0, rules)
        self.assertAlmostEqual(10.5, float(found.t_sum[0]))
        self.assertIsNone(found.repeats)

    def test_a_round_above_its_last_step_never_ends(self):
        rules = Rules(downtime_limit=0.4, efficiency=1.0, downtime_steps=10)
        found = forecast.pre_copy(one(self.stuck), 100.0, rules)
        self.assertEqual(Ending.STALLS, found.ending[0])

    def test_novas_timeout_ends_what_waits_too_long(self):
        rules = Rules(
            downtime_limit=1.0,
            efficiency=1.0,
            downtime_steps=4,
            downtime_delay=10.0,
            completion_timeout=20.0,
        )
        found = forecast.pre_copy(one(self.stuck), 100.0, rules)
        self.assertEqual(Ending.TIMES_OUT, found.ending[0])
        self.assertEqual(math.inf, found.t_sum[0])

    def test_disks_and_memory_of_the_flavor_lengthen_the_steps(self):
        rules = dataclasses.replace(
            NOVA, efficiency=1.0, page_header=0.0, downtime_limit=5.0
        )
        found = forecast.pre_copy(
            one(self.stuck), 100.0, rules, terms=Terms(memory=8 * GIB)
        )
        # 0.5 s is the limit from the start
        self.assertAlmostEqual(10.5, float(found.t_sum[0]))
        rules = dataclasses.replace(rules, downtime_limit=1.0)
        found = forecast.pre_copy(
            one(self.stuck), 100.0, rules, terms=Terms(memory=8 * GIB)
        )
        # 100, 190, 280, 370, 460, 550 ms: five steps of 600 s
        self.assertAlmostEqual(3000.5, float(found.t_sum[0]))


class TestOneAndMany(testtools.TestCase):
    def test_they_agree_to_the_last_bit(self):
        work = [
            writes(rate) for rate in (1e5, 1e6, 9e6, 3e7, 9e7, 1.3e8, 5e8)
        ] + [
            WorkingSet(resident=2e9, samples=((0.1, 9e6), (1, 3e7), (9, 6e7)))
        ]
        curves, n = forecast.fit(work), len(work)
        rates = np.linspace(3e7, 1.4e8, n)
        terms = Terms(link=2e8, zero=np.linspace(0, 1e9, n), disks=1.0)
        for rules in (Rules(), NOVA):
            for bracket in Bracket:
                many = forecast.pre_copy(curves, rates, rules, bracket, terms)
                for i in range(n):
                    row = np.array([i])
                    alone = forecast.pre_copy(
                        curves.take(row),
                        rates[i],
                        rules,
                        bracket,
                        terms.take(row, n),
                    )
                    for name in ('t_sum', 't_downtime', 'data', 'ending'):
                        self.assertEqual(
                            getattr(many, name)[i], getattr(alone, name)[0]
                        )
                    r = many.rounds[i]
                    np.testing.assert_array_equal(
                        r[~np.isnan(r)], alone.rounds[0]
                    )


class TestTheChecker(testtools.TestCase):
    def test_it_accepts_plans_made_under_novas_rules(self):
        cloud = builders.cloud(
            'a b c',
            *(
                builders.vm(f'v{i}', 'a', working_set=writes(i * 9e6, 2e9))
                for i in range(6)
            ),
        )
        request = policies.request('balanced', hosts=('a',))
        for rules in (
            NOVA,
            dataclasses.replace(NOVA, downtime_delay=2.0, max_rounds=300),
            Rules(stream_ceiling=5e7, teardown=2.0, page_header=8.0),
        ):
            plan = make_plan(cloud, request, rules)
            self.assertTrue(plan.migrations)
            self.assertEqual([], check(cloud, plan, rules))

    def test_it_rejects_one_that_forgot_the_rising_limit(self):
        work = WorkingSet(resident=2e9, samples=((0.1, 9e6), (9.0, 4e8)))
        cloud = builders.cloud('a b', builders.vm('v', 'a', working_set=work))
        request = policies.request(
            'balanced', hosts=('a',), allow_post_copy=False
        )
        plan = make_plan(cloud, request, Rules())
        rules = Rules(downtime_steps=10)
        self.assertIn('duration', ' '.join(check(cloud, plan, rules)))
