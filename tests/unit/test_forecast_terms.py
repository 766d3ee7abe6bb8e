"""What one migration has beside its curve, worked by hand."""

import dataclasses
import math

import numpy as np
import testtools

from watcher_tsmig import forecast
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast.terms import course
from watcher_tsmig.forecast.terms import limit_after
from watcher_tsmig.forecast.terms import settings
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import GIB
from watcher_tsmig.model.rules import NOVA
from watcher_tsmig.model.rules import Rules

PLAIN = Rules(downtime_limit=0.3, efficiency=1.0, zero_pre_copy=0.0)


def writers(*rates, resident=1000.0):
    return forecast.fit(
        [WorkingSet(resident=resident, samples=((1.0, r),)) for r in rates]
    )


STILL = writers(0.0)


def how(rules=PLAIN, bandwidth=300.0, curves=STILL, **values):
    """The numbers of one migration, at 300 bytes/s."""
    rates = np.full(len(curves), bandwidth)
    return course(curves, rates, rules, Terms(**values))


class TestValues(testtools.TestCase):
    def test_what_is_not_possible_is_named(self):
        for values, text in (
            ({'zero': -1.0}, 'zero: a value is negative'),
            ({'memory': np.array([1.0, -1.0])}, 'memory: a value is negative'),
            ({'stream': math.nan}, 'stream: a value is negative'),
            ({'blank': 1.01}, 'blank: a share is above 1'),
            ({'duplicate': 1.01}, 'duplicate: a share is above 1'),
            ({'throttle': 1.01}, 'throttle: a share is above 1'),
            ({'link': np.array([1.0, 0.0])}, 'link: a link without bandwidth'),
        ):
            error = self.assertRaises(ValueError, Terms, **values)
            self.assertEqual(text, str(error))
        Terms(blank=1.0, duplicate=1.0, throttle=1.0, zero=0.0, link=1e-3)

    def test_some_rows_have_what_is_theirs_and_what_is_of_all(self):
        terms = Terms(
            zero=np.array([1.0, 2.0, 3.0]), disks=2.0, raised=np.True_
        )
        some = terms.take(np.array([2, 0]), 3)
        self.assertEqual([3.0, 1.0], some.zero.tolist())
        self.assertEqual((2.0, None), (some.disks, some.link))

    def test_the_whole_limit_may_hold_from_the_start(self):
        terms = Terms(downtime_steps=9.0, completion_timeout=5.0, disks=2.0)
        found = how(**dataclasses.asdict(terms.without_delays()))
        self.assertEqual(0.0, found.steps[0])
        self.assertEqual(math.inf, found.timeout[0])

    def test_each_host_has_its_own_settings(self):
        rules = [
            dataclasses.replace(
                PLAIN,
                downtime_limit=0.1 * k,
                downtime_steps=k,
                downtime_delay=20.0 * k,
                completion_timeout=100.0 * k,
                stream_ceiling=30.0 * k,
                zero_pre_copy=k * 1e-6,
                zero_post_copy=k * 1e-7,
            )
            for k in (1, 2)
        ]
        own = settings(rules)
        curves = writers(0.0, 0.0)
        terms = Terms(zero=4096e6, **own)
        for switched, zeros in ((False, 1e-6), (True, 1e-7)):
            found = course(
                curves, np.full(2, 300.0), PLAIN, terms, switched=switched
            )
            for name, one in (
                ('limit', 0.1),
                ('steps', 1.0),
                ('rate', 30.0),
                ('idle', zeros * 1e6),
            ):
                np.testing.assert_allclose(
                    getattr(found, name), [one, 2 * one], err_msg=name
                )
        # per GiB: of 3.8 GiB
        weight = (4096e6 + 1000) / GIB
        np.testing.assert_allclose(
            found.delay, np.floor([20 * weight, 40 * weight])
        )
        np.testing.assert_allclose(found.timeout, [100 * weight, 200 * weight])


class TestCourse(testtools.TestCase):
    def test_nova_counts_memory_and_disks_and_two_gib_at_least(self):
        rules = dataclasses.replace(
            PLAIN, downtime_delay=10.0, completion_timeout=100.0
        )
        for values, weight in (
            ({}, 2.0),
            ({'zero': 3 * GIB - 1000}, 3.0),
            ({'memory': 4 * GIB}, 4.0),
            ({'memory': 4 * GIB, 'disk': 0.5 * GIB, 'disks': 1.0}, 4.5),
            ({'memory': 4 * GIB, 'zero': 9 * GIB}, 4.0),
        ):
            found = how(rules, **values)
            self.assertEqual(math.floor(10 * weight), found.delay[0])
            self.assertAlmostEqual(100 * weight, found.timeout[0])

    def test_a_link_is_no_slower_than_the_cap_nor_faster_than_the_stream(
        self,
    ):
        rules = dataclasses.replace(
            PLAIN, efficiency=0.5, stream_ceiling=800.0
        )
        for link, rate in (
            (None, 150.0),
            (200.0, 150.0),
            (600.0, 300.0),
            (900.0, 400.0),
        ):
            found = how(rules, link=link)
            self.assertEqual(
                (150.0, rate), (found.rate[0], found.last_rate[0])
            )

    def test_zeros_weigh_a_few_bytes_and_the_rest_its_headers(self):
        rules = dataclasses.replace(PLAIN, page_header=8.0)
        full, empty = 4104 / 4096, 9 / 4096
        found = how(rules, blank=0.25, duplicate=0.5, zero=4096.0)
        self.assertAlmostEqual(750 * full + 250 * empty + 9, found.first[0])
        self.assertAlmostEqual((full + empty) / 2, found.factor[0])
        self.assertAlmostEqual(2 * full / (full + empty), found.full[0])

    def test_zeros_take_time_in_which_nothing_goes(self):
        # half of 1000 bytes and as many beside, 0.1 s each page
        rules = dataclasses.replace(
            PLAIN, zero_pre_copy=0.1, zero_page=0.0, page=10.0
        )
        found = how(rules, blank=0.5, zero=500.0)
        self.assertAlmostEqual(10.0, found.idle[0])
        self.assertAlmostEqual(500.0, found.first[0])
        self.assertAlmostEqual(500 / 300 + 10, 500 / found.first_rate[0])
        self.assertEqual(300.0, found.rate[0])

    def test_disks_wait_for_the_largest_under_a_cap(self):
        two = {'disks': 2.0, 'disk': 5000.0}
        for values, ahead in (
            (two, 2500 * 3 / 300),
            ({**two, 'largest_disk': 4000.0}, 4000 * 3 / 300),
            ({**two, 'uncapped': True}, 5000 / 300),
            # one connection may carry less than the share of the cap
            ({**two, 'stream': 80.0}, 2500 / 80),
            ({**two, 'largest_disk': 4000.0, 'stream': 80.0}, 50.0),
            ({**two, 'uncapped': True, 'stream': 80.0}, 2500 / 80),
            ({}, 0.0),
        ):
            self.assertAlmostEqual(ahead, how(**values).begin[0], msg=values)
            half = dataclasses.replace(PLAIN, efficiency=0.5)
            self.assertAlmostEqual(2 * ahead, how(half, **values).begin[0])

    def test_memory_shares_the_cap_with_the_disks_unless_it_is_raised(self):
        for disks, raised, rate in (
            (0.0, False, 300.0),
            (2.0, False, 100.0),
            (2.0, True, 300.0),
        ):
            self.assertEqual(rate, how(disks=disks, raised=raised).rate[0])


class TestRisingLimit(testtools.TestCase):
    def test_nova_raises_the_limit_from_a_tenth_in_ten_steps(self):
        # 8 GiB: 600 s a step, in whole milliseconds
        for elapsed, limit in (
            (0.0, 0.05),
            (599.0, 0.05),
            (600.0, 0.095),
            (1200.0, 0.14),
            (5999.0, 0.455),
            (6000.0, 0.5),
            (1e9, 0.5),
        ):
            nova = how(NOVA, memory=8 * GIB)
            found = limit_after(nova, np.array([elapsed]))
            self.assertAlmostEqual(limit, float(found[0]), msg=elapsed)

    def test_without_delay_the_whole_limit_holds_at_once(self):
        rules = dataclasses.replace(NOVA, downtime_delay=0.0)
        found = limit_after(how(rules), np.zeros(1))
        self.assertEqual([0.5], found.tolist())


class TestClosedForm(testtools.TestCase):
    #: 100 bytes in 1 s, and 150 in 2
    curves = forecast.fit(
        [WorkingSet(resident=1e4, samples=((1.0, 100.0), (2.0, 150.0)))]
    )

    def lcb(self, rules, *args, **values):
        found = forecast.closed_form_lcb(
            self.curves, rules, *args, terms=Terms(**values)
        )
        return float(found[0])

    def test_it_is_what_is_written_within_the_limit_by_the_limit(self):
        rules = dataclasses.replace(PLAIN, downtime_limit=2.0)
        self.assertAlmostEqual(75.0, self.lcb(rules))
        # the lesser limit holds
        self.assertAlmostEqual(100.0, self.lcb(rules, 1.0))
        self.assertAlmostEqual(75.0, self.lcb(rules, 4.0))

    def test_what_is_lost_shared_or_taken_counts(self):
        rules = dataclasses.replace(PLAIN, downtime_limit=2.0)
        half = dataclasses.replace(rules, efficiency=0.5)
        self.assertAlmostEqual(150.0, self.lcb(half))
        self.assertAlmostEqual(225.0, self.lcb(rules, disks=2.0))
        # a VM that has half of its CPUs writes in 2 s what it wrote in 1
        self.assertAlmostEqual(50.0, self.lcb(rules, throttle=0.5))

    def test_no_limit_at_all_is_the_callers_fault(self):
        for limit in (0.0, -1.0, math.nan):
            self.assertRaises(ValueError, self.lcb, PLAIN, limit)


class TestLeast(testtools.TestCase):
    def lcb(self, *args, rules=PLAIN, curves=STILL, **values):
        found = forecast.least_convergent_bandwidth(
            curves, rules, *args, terms=Terms(**values)
        )
        return float(found[0])

    def test_who_writes_nothing_needs_what_its_time_asks(self):
        # 1000 bytes in 5 s, with or without a disk of 500 before them
        self.assertAlmostEqual(200.0, self.lcb(5.0), places=4)
        self.assertAlmostEqual(4000.0, self.lcb(0.25), places=4)
        disk = {'disk': 500.0, 'disks': 1.0, 'raised': True, 'uncapped': True}
        self.assertAlmostEqual(300.0, self.lcb(5.0, **disk), places=4)
        # and under a cap the disk has half of it, as the memory has
        disk = {'disk': 500.0, 'disks': 1.0}
        self.assertAlmostEqual(600.0, self.lcb(5.0, **disk), places=4)

    def test_zeros_leave_less_time_for_the_rest(self):
        # 3 of 5 s
        rules = dataclasses.replace(
            PLAIN, zero_pre_copy=0.1, zero_page=0.0, page=10.0
        )
        self.assertAlmostEqual(
            500.0, self.lcb(5.0, rules=rules, zero=300.0), places=3
        )
        self.assertEqual(math.inf, self.lcb(3.0, rules=rules, zero=300.0))

    def test_a_timeout_is_a_deadline_per_gib(self):
        rules = dataclasses.replace(PLAIN, completion_timeout=2.5)
        self.assertAlmostEqual(200.0, self.lcb(rules=rules), places=4)

    def test_under_a_rising_limit_a_deadline_is_kept_by_a_limit(self):
        # 4.7 s are left of 5
        rules = dataclasses.replace(
            PLAIN, downtime_steps=3, downtime_delay=0.0
        )
        self.assertAlmostEqual(
            1000 / 4.7, self.lcb(5.0, rules=rules), places=3
        )

    def test_each_curve_through_the_samples_has_its_own(self):
        # 100 bytes in 1 s; in 2 s as many, or 200
        curves = writers(100.0, resident=1e4)
        rules = dataclasses.replace(PLAIN, downtime_limit=2.0, max_rounds=5000)
        for bracket, expected in (
            (forecast.Bracket.LOWER, 50.0),
            (forecast.Bracket.EXPECTED, 100.0),
            (forecast.Bracket.UPPER, 100.0),
        ):
            found = forecast.least_convergent_bandwidth(
                curves, rules, bracket=bracket
            )
            self.assertAlmostEqual(1.0, found[0] / expected, 2)

    def test_a_writer_needs_its_rate_and_a_little_more_for_its_rounds(self):
        # (1000 / B) (100 / B)^63 is 0.3 s at the last of 64 rounds
        expected = (1000 / 0.3) ** (1 / 64) * 100 ** (63 / 64)
        self.assertAlmostEqual(1.0, self.lcb(curves=writers(100.0)) / expected)


class TestInformation(testtools.TestCase):
    def test_who_falls_by_less_than_a_tenth_lingers(self):
        for rate, lingers in ((89.0, False), (91.0, True)):
            rules = dataclasses.replace(PLAIN, max_rounds=200)
            found = forecast.pre_copy(writers(rate), 100.0, rules)
            self.assertTrue(found.converges[0])
            self.assertEqual([lingers], found.lingers.tolist())
        # one that sends all at once does not
        found = forecast.pre_copy(writers(10.0), 1e6, PLAIN)
        self.assertEqual([False], found.lingers.tolist())

    def test_who_waits_for_a_step_lingers(self):
        # a third of a second again and again, where 0.3 s come in the end
        rules = dataclasses.replace(
            PLAIN, downtime_steps=2, downtime_delay=5.0
        )
        hot = WorkingSet(resident=1000.0, samples=((0.1, 25.0), (1.0, 25.0)))
        found = forecast.pre_copy(forecast.fit([hot]), 100.0, rules)
        self.assertTrue(found.converges[0])
        self.assertEqual([True], found.lingers.tolist())

    def test_without_an_end_there_are_no_figures(self):
        found = forecast.pre_copy(writers(200.0, 10.0), 100.0, PLAIN)
        for name in ('t_converge', 't_downtime', 't_sum', 'data'):
            value = getattr(found, name)
            self.assertEqual(math.inf, value[0], name)
            self.assertTrue(math.isfinite(value[1]), name)

    def test_one_that_ends_as_its_time_does_is_not_late(self):
        # 12.48 s by the worked example; Nova counts 2 GiB
        for timeout, ends in ((6.2401, True), (6.2399, False)):
            rules = dataclasses.replace(PLAIN, completion_timeout=timeout)
            found = forecast.pre_copy(writers(20.0), 100.0, rules)
            self.assertEqual(ends, bool(found.converges[0]))

    def test_a_post_copy_is_one_pass_with_its_disks_before(self):
        terms = Terms(disks=1.0, disk=500.0)
        found = forecast.post_copy(writers(900.0), 100.0, PLAIN, terms)
        self.assertEqual(10 + 20.0, found.t_sum[0])
        self.assertEqual(1500.0, found.data[0])
        self.assertEqual([[1000.0]], found.rounds.tolist())
        self.assertEqual(found.t_sum[0], found.t_converge[0])

    def test_an_outage_below_the_pause_has_no_slow_phase(self):
        short = dataclasses.replace(PLAIN, post_copy_outage=0.02)
        found = forecast.post_copy(writers(0.0), 100.0, short)
        self.assertEqual((0.02, 0.0), (found.t_pause[0], found.t_slow[0]))

    def test_the_latest_start_leaves_time_for_what_surrounds_it(self):
        rules = dataclasses.replace(PLAIN, setup=3.0, teardown=2.0)
        found = forecast.latest_start(STILL, 100.0, rules, 100.0)
        self.assertAlmostEqual(85.0, found[0])

    def test_nothing_costs_for_its_bytes_unless_it_is_asked(self):
        found = forecast.pre_copy(writers(20.0), 100.0, PLAIN)
        self.assertAlmostEqual(
            12.48 + 0.08,
            float(forecast.cost(found, forecast.CostWeights())[0]),
        )


class TestCurves(testtools.TestCase):
    def test_a_busier_vm_writes_so_many_times_as_much(self):
        curves = writers(100.0, 400.0).busier(np.array([2.0, 3.0]))
        for seconds, bracket, expected in (
            (0.5, forecast.Bracket.EXPECTED, [100.0, 600.0]),
            (9.0, forecast.Bracket.EXPECTED, [1000.0, 1000.0]),
            (9.0, forecast.Bracket.LOWER, [200.0, 1000.0]),
            (0.5, forecast.Bracket.UPPER, [200.0, 1000.0]),
        ):
            found = curves.at(np.full(2, seconds), bracket)
            self.assertEqual(expected, found.tolist())

    def test_one_line_is_the_row_of_the_array(self):
        some = [
            WorkingSet(resident=300.0, samples=samples)
            for samples in (
                (),
                ((1.0, 0.0),),
                ((1.0, 100.0),),
                ((1.0, 100.0), (2.0, 150.0), (4.0, 180.0)),
                ((1.0, 300.0), (2.0, 500.0)),
            )
        ]
        curves = forecast.fit(some)
        for bracket in forecast.Bracket:
            for t in (0.0, 0.3, 1.0, 1.5, 2.0, 3.0, 4.0, 9.0, 99.0):
                expected = curves.at(np.full(5, t), bracket)
                for i in range(5):
                    self.assertEqual(
                        expected[i], curves.line(i, bracket).at(t)
                    )

    def test_flat_beyond_its_samples_is_the_lower_bound(self):
        curves = writers(0.0, 100.0)
        late = np.array([9.0, 9.0])
        lower = forecast.Bracket.LOWER
        self.assertEqual([0.0, 100.0], curves.at(late, lower).tolist())
        # of whom nothing was sampled nothing is written
        none = forecast.fit([WorkingSet(resident=9.0, samples=())])
        self.assertEqual([0.0], none.at(late[:1], lower).tolist())
        self.assertEqual(0.0, none.line(0, lower).at(9.0))
