"""The manager says which stage lets a VM migrate, and why, with numbers."""

import math

import testtools

from tests.unit.builders import writes
from watcher_tsmig import errors
from watcher_tsmig import forecast
from watcher_tsmig.forecast import contents
from watcher_tsmig.forecast import ladder
from watcher_tsmig.forecast import throttle
from watcher_tsmig.forecast.hybrid import Switch
from watcher_tsmig.forecast.ladder import Stage
from watcher_tsmig.forecast.ladder import Verdict
from watcher_tsmig.forecast.pages import Method
from watcher_tsmig.forecast.pages import Mix
from watcher_tsmig.forecast.stages import UNMEASURED
from watcher_tsmig.forecast.stages import Case
from watcher_tsmig.forecast.stages import Limits
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

PLAIN = Rules(downtime_limit=0.3, efficiency=1.0)
HALVES = contents.counted(Method.ZLIB, Mix(packed=2e3), Mix(packed=2e3))
BOTH = (True, True)


def case(rate, bandwidth=100e6, **values):
    """A VM of 1 GB that writes `rate` bytes/s on and on."""
    given = {
        'working_set': writes(rate),
        'bandwidth': bandwidth,
        'rules': PLAIN,
    }
    return Case(**{**given, **values})


class TestLadder(testtools.TestCase):
    def test_its_rungs_are_the_stages_in_the_designs_order(self):
        self.assertEqual(list(Stage), [rung.stage for rung in ladder.LADDER])
        self.assertEqual(
            list(Verdict), [rung.verdict for rung in ladder.LADDER]
        )

    def test_a_calm_vm_is_admitted_by_its_pattern(self):
        found = ladder.decide(case(20e6))
        self.assertEqual(Stage.PATTERN, found.stage)
        self.assertEqual(Verdict.CONVERGES, found.verdict)
        self.assertEqual(1, len(found.attempts))
        self.assertIn('ends after 4 rounds in 12 s', found.because)
        self.assertLess(found.outcome.lcb, 100e6)

    def test_one_that_compresses_is_admitted_by_the_dry_run(self):
        found = ladder.decide(case(120e6, contents=HALVES))
        self.assertEqual(Stage.DRY_RUN, found.stage)
        self.assertEqual(
            [Stage.PATTERN, Stage.DRY_RUN], [a.stage for a in found.attempts]
        )
        self.assertFalse(found.attempts[0].admits)
        self.assertIn('it would get 800 Mbit/s', found.attempts[0].because)
        self.assertLess(found.outcome.lcb, 100e6)
        self.assertLess(100e6, found.attempts[0].outcome.lcb)

    def test_one_that_does_not_is_post_copied_where_all_permit_it(self):
        found = ladder.decide(
            case(400e6, contents=HALVES, hosts_post_copy=BOTH)
        )
        self.assertEqual(Stage.POST_COPY, found.stage)
        self.assertEqual(Verdict.WRITES_TOO_FAST, found.verdict)
        self.assertEqual(3, len(found.attempts))
        self.assertEqual(Switch.FIRST_PASS, found.outcome.switch)

    def test_post_copy_begins_at_once_where_a_first_pass_takes_too_long(self):
        found = ladder.decide(
            case(400e6, limits=Limits(total=15.0), hosts_post_copy=BOTH)
        )
        self.assertEqual(Switch.AT_ONCE, found.outcome.switch)
        self.assertIn('post-copy at once takes 10 s', found.because)

    def test_who_does_not_permit_post_copy_is_told(self):
        for values, who in (
            ({'may_post_copy': False, 'hosts_post_copy': BOTH}, 'its owner'),
            ({'hosts_post_copy': (False, True)}, 'the source'),
            ({'hosts_post_copy': (True, None)}, 'the destination'),
        ):
            found = ladder.decide(case(400e6, **values))
            self.assertEqual(Stage.LEFT_OUT, found.stage)
            self.assertIn(f'{who} does not permit', found.because)

    def test_it_is_throttled_where_the_sla_bears_it(self):
        found = ladder.decide(
            case(150e6, auto_converge=True, max_throttle=0.8)
        )
        self.assertEqual(Stage.FORCED, found.stage)
        self.assertEqual(Verdict.THROTTLES, found.verdict)
        # QEMU goes on until half of what is sent is dirtied: 1.5 (1 - x)
        self.assertEqual(0.7, found.outcome.throttle)
        # 1 - 100/150 of its CPUs would be enough
        self.assertIn('70% of its CPUs (at least 33%', found.because)

    def test_it_is_left_out_where_the_sla_does_not(self):
        found = ladder.decide(
            case(150e6, auto_converge=True, max_throttle=0.6)
        )
        self.assertEqual(Stage.LEFT_OUT, found.stage)
        self.assertIsNone(found.outcome)
        for part in (
            'nobody looked at its pages',
            'the source does not permit post-copy',
            'the SLA lets 60% be taken',
        ):
            self.assertIn(part, found.because)

    def test_nova_does_not_throttle_where_a_host_permits_post_copy(self):
        found = ladder.decide(
            case(
                150e6,
                auto_converge=True,
                max_throttle=0.9,
                hosts_post_copy=(True, False),
            )
        )
        self.assertEqual(Stage.LEFT_OUT, found.stage)
        self.assertIn('Nova leaves auto-converge off', found.because)

    def test_a_limit_of_time_sends_a_converging_vm_on(self):
        calm = case(20e6, limits=Limits(total=12.2), hosts_post_copy=BOTH)
        found = ladder.decide(calm)
        self.assertEqual(Stage.POST_COPY, found.stage)
        self.assertIn('the limit is 12 s', found.attempts[0].because)

    def test_a_limit_of_downtime_forbids_post_copy(self):
        found = ladder.decide(
            case(400e6, limits=Limits(downtime=0.2), hosts_post_copy=BOTH)
        )
        self.assertEqual(Stage.LEFT_OUT, found.stage)
        self.assertIn('stops the VM for', found.because)

    def test_a_vm_that_nobody_measured_is_not_trusted_to_converge(self):
        unknown = WorkingSet(resident=1e9, samples=())
        found = ladder.decide(
            case(0.0, working_set=unknown, hosts_post_copy=BOTH)
        )
        self.assertEqual(Stage.POST_COPY, found.stage)
        self.assertIn(UNMEASURED, found.attempts[0].because)
        self.assertEqual(Switch.AT_ONCE, found.outcome.switch)
        self.assertEqual(PLAIN.post_copy_outage, found.outcome.t_downtime)

    def test_novas_timeout_is_told(self):
        rules = Rules(efficiency=1.0, completion_timeout=4.0)
        found = ladder.decide(case(20e6, rules=rules))
        self.assertEqual(Stage.LEFT_OUT, found.stage)
        self.assertIn('ended by Nova as too long', found.because)

    def test_what_cannot_be_a_case_is_refused_by_name(self):
        for make, place in (
            (lambda: case(1.0, bandwidth=0.0), 'bandwidth'),
            (lambda: case(1.0, bandwidth=math.inf), 'bandwidth'),
            (lambda: case(1.0, max_throttle=1.0), 'max_throttle'),
            (lambda: Limits(total=0.0), 'total'),
        ):
            error = self.assertRaises(errors.InputError, make)
            self.assertEqual(place, error.place)


def one(rate, resident=1e9):
    return forecast.fit([writes(rate, resident)])


class TestThrottle(testtools.TestCase):
    def test_a_calm_vm_is_not_throttled(self):
        plain = forecast.pre_copy(one(20e6), 100e6, PLAIN)
        found = throttle.auto_converge(one(20e6), 100e6, PLAIN)
        self.assertEqual(0.0, found.throttle)
        self.assertEqual(float(plain.t_sum[0]), found.t_sum)
        self.assertEqual(float(plain.data[0]), found.data)

    def test_two_strikes_make_a_step_of_qemus_size(self):
        steps = throttle.Throttle()
        walk, now = [], 0.0
        for _ in range(10):
            now = steps.after(now)
            walk.append(now)
        self.assertEqual(
            [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 0.99], walk
        )

    def test_rounds_by_hand(self):
        # 10 s; 0.6 of it dirtied: strike. 6 s, 0.6: strike, 20 %.
        # 3.6 s at 48 MB/s, below the trigger: falls by 0.48 a round.
        found = throttle.auto_converge(one(60e6), 100e6, PLAIN)
        expected = [10.0, 6.0, 3.6]
        while expected[-1] > 0.3:
            expected.append(expected[-1] * 0.48)
        self.assertEqual(0.2, found.throttle)
        self.assertEqual(len(expected), found.rounds)
        self.assertAlmostEqual(sum(expected), found.t_sum)
        self.assertAlmostEqual(sum(expected) * 100e6, found.data, delta=1.0)

    def test_a_writer_beyond_all_throttling_stalls(self):
        # The lab's dirtier: 2 million touches a second, 99 % taken, and
        # still every page was dirty again.
        wild = forecast.fit([WorkingSet(resident=1e9, samples=((1e-4, 1e9),))])
        found = throttle.auto_converge(wild, 100e6, PLAIN)
        self.assertEqual(forecast.Ending.STALLS, found.ending)
        self.assertEqual(0.99, found.throttle)
        self.assertEqual(math.inf, found.t_sum)

    def test_the_least_throttle_is_the_boundary(self):
        least = throttle.least_throttle(one(150e6), 100e6, PLAIN)
        self.assertAlmostEqual(1 / 3, least, delta=2e-4)
        self.assertEqual(0.0, throttle.least_throttle(one(20e6), 100e6, PLAIN))
        for share, converges in ((least + 1e-3, True), (least - 1e-3, False)):
            slowed = one(150e6 * (1 - share))
            endless = Rules(
                downtime_limit=0.3, efficiency=1.0, max_rounds=100_000
            )
            found = forecast.pre_copy(slowed, 100e6, endless)
            self.assertEqual(converges, bool(found.converges[0]))

    def test_what_is_not_one_vm_at_a_rate_is_the_callers_fault(self):
        two = forecast.fit([writes(1e6), writes(1e6)])
        for curves, rate in (
            (two, 1e8),
            (one(1e6), 0.0),
            (one(1e6), math.inf),
        ):
            self.assertRaises(
                ValueError, throttle.auto_converge, curves, rate, PLAIN
            )
