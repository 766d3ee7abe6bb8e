"""What measurements teach of a VM's writing, worked by hand.

Each is of 100 MB within 4 s, of which 3.5 % is noise, unless it is said.
"""

import math

import fixtures
import numpy as np
import testtools
from scipy import optimize

from watcher_tsmig.forecast.learned import measured
from watcher_tsmig.forecast.learned.learning import Manner
from watcher_tsmig.forecast.learned.learning import bracket
from watcher_tsmig.forecast.learned.learning import learn
from watcher_tsmig.forecast.learned.regression import concaves
from watcher_tsmig.model.observed import Kind
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.units import GIB

NOISE = 3.5e6
#: Ages do not count.
NEVER = 1e12


def seen(at=0.0, dirtied=1e8, seconds=4.0, **values):
    return Observation(at=at, seconds=seconds, dirtied=dirtied, **values)


def manner(**values):
    return Manner(**{'half_life': NEVER, **values})


class TestDeviation(testtools.TestCase):
    def off(self, *some, **values):
        return learn(some, GIB, **values).deviation

    def test_it_falls_by_the_root_of_how_many_agree(self):
        for many in (1, 4, 9):
            (found,) = self.off(*[seen()] * many)
            self.assertAlmostEqual(NOISE / math.sqrt(many), found, delta=1.0)

    def test_where_they_disagree_it_is_more_than_their_noise(self):
        # 90 and 110 MB, known to 3.5 %: weighed by that, and off by more
        values, noise = (90e6, 110e6), (3.15e6, 3.85e6)
        weight = [1 / n**2 for n in noise]
        mean = np.average(values, weights=weight)
        misfit = sum(
            w * (v - mean) ** 2 for w, v in zip(weight, values, strict=True)
        )
        expected = math.sqrt(misfit / 2 / sum(weight))
        pattern = learn([seen(dirtied=v) for v in values], GIB)
        self.assertAlmostEqual(mean, pattern.dirtied[0], delta=1.0)
        self.assertAlmostEqual(expected, pattern.deviation[0], delta=1.0)

    def test_spans_within_half_an_octave_vouch_for_each_other(self):
        # of 4 s and of 5.6 s, but not of 5.7
        for seconds, both in ((5.6, True), (5.7, False)):
            one, other = self.off(seen(), seen(seconds=seconds))
            expected = NOISE / math.sqrt(2) if both else NOISE
            self.assertAlmostEqual(expected, one, delta=1.0)
            self.assertAlmostEqual(expected, other, delta=1.0)

    def test_a_half_life_halves_the_weight(self):
        # so the deviation grows by the root of two
        (found,) = self.off(seen(), now=900.0)
        self.assertAlmostEqual(NOISE * math.sqrt(2), found, delta=1.0)
        # but 60 half-lives are enough, and what is to come is new
        old, older = (self.off(seen(), now=900.0 * k) for k in (60, 90))
        self.assertEqual(old, older)
        self.assertAlmostEqual(1.0, old[0] / NOISE / 2**30)
        self.assertEqual(self.off(seen()), self.off(seen(at=9.0), now=0.0))

    def test_what_is_above_resident_is_cut_down_to_it(self):
        pattern = learn([seen(dirtied=9e9), seen(dirtied=9e9)], 1e8)
        self.assertEqual((1e8,), pattern.dirtied)

    def test_sampling_draws_from_the_memory_of_the_guest(self):
        one = seen(kind=Kind.SAMPLING)
        # a fortieth of 4 GiB, of which 2048 pages are looked at
        p = (1e8 / (4 * GIB) * 2048 + 0.5) / 2049
        drawn = 4 * GIB * math.sqrt(p * (1 - p) / 2048)
        (found,) = learn([one], GIB, 4 * GIB).deviation
        self.assertAlmostEqual(1.0, found / math.hypot(NOISE, drawn))


class TestRegression(testtools.TestCase):
    """Ten thousand VMs at once, not one by one."""

    def setUp(self):
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch(
                'watcher_tsmig.forecast.learned.regression._one_by_one',
                self.refuse,
            )
        )

    def refuse(self, *_):
        self.fail('a row of ordinary measurements is taken by itself')

    def concaves(self, knots, means, weight):
        known = np.full(len(means), len(knots))
        return concaves(np.tile(knots, (len(means), 1)), means, weight, known)

    def test_rows_of_ordinary_measurements_settle_together(self):
        random = np.random.default_rng(3)
        knots = np.array([1.0, 2.0, 4.0, 8.0, 20.0, 60.0])
        means = knots**0.6 * np.exp(random.normal(0, 0.3, (300, 6)))
        weight = np.exp(random.normal(0, 0.5, (300, 6)))
        found = self.concaves(knots, means, weight)
        basis = np.minimum(knots[:, None], knots[None, :])
        for values, y, w in zip(found, means, weight, strict=True):
            # Lawson and Hanson's algorithm, which is exact, as the oracle
            root = np.sqrt(w)
            parts, _ = optimize.nnls(basis * root[:, None], y * root)
            np.testing.assert_allclose(values, basis @ parts, rtol=1e-6)

    def test_a_dent_and_what_it_stands_between_share_their_misfit(self):
        # at 1, 2 and 3 s: from 4 to 4 bytes/s there is none; 0 in the middle
        # pulls both down to the line of least squares from the origin
        knots, ones = np.array([1.0, 2.0, 3.0]), np.ones((1, 3))
        slope = (1 * 4 + 2 * 0 + 3 * 12) / (1 + 4 + 9)
        found = self.concaves(knots, np.array([[4.0, 0.0, 12.0]]), ones)
        np.testing.assert_allclose(found, [[slope, 2 * slope, 3 * slope]])
        # what falls is flat: the middle of 10 and 4
        found = self.concaves(knots, np.array([[5.0, 10.0, 4.0]]), ones)
        np.testing.assert_allclose(found, [[5.0, 7.0, 7.0]])


class TestMemory(testtools.TestCase):
    def test_the_newest_128_count(self):
        some = [seen(float(k)) for k in range(200)]
        pattern = learn(some, GIB)
        self.assertEqual((72.0, 199.0), (pattern.since, pattern.measured_at))
        self.assertEqual(0.0, learn(some[:128], GIB).since)
        (off,) = learn(some, GIB, manner=manner()).deviation
        self.assertAlmostEqual(NOISE / math.sqrt(128), off, delta=1.0)

    def test_no_span_is_told_that_was_forgotten(self):
        old = [seen(float(k), seconds=1.0) for k in range(100)]
        new = [seen(1000.0 + k) for k in range(128)]
        self.assertEqual((4.0,), learn(old + new, GIB).seconds)


class TestChange(testtools.TestCase):
    """A curve of one measurement, and another a moment later.

    Both are off by 3.5 MB, so their difference by the root of two of it.
    """

    both = NOISE * math.sqrt(2)

    def changes(self, *deviations, **how):
        some = [seen()]
        for k, off in enumerate(deviations):
            some.append(seen(1.0 + k, dirtied=1e8 + off * self.both))
        return learn(some, GIB, manner=manner(**how))

    def test_a_sum_of_more_than_five_gives_the_old_curve_up(self):
        # 0.5 is let pass each time
        for off, changed in ((5.4, 0), (5.6, 1), (-5.4, 0), (-5.6, 1)):
            pattern = self.changes(off)
            self.assertEqual(changed, pattern.changes, off)
            self.assertEqual(float(changed), pattern.since, off)
            if changed:
                self.assertAlmostEqual(
                    1e8 + off * self.both, pattern.dirtied[0], delta=1.0
                )

    def test_how_much_is_let_pass_and_when_it_is_too_much_can_be_said(self):
        for how, off, changed in (
            ({'drift': 1.5}, 6.4, 0),
            ({'drift': 1.5}, 6.6, 1),
            ({'alarm': 2.0}, 2.4, 0),
            ({'alarm': 2.0}, 2.6, 1),
        ):
            self.assertEqual(changed, self.changes(off, **how).changes)

    def test_what_contradicts_by_and_by_is_summed_up(self):
        # 2.5 are left of 3. The curve is then that of two, weighed by their
        # noise, and so is what is expected of the third
        off = self.both
        values = [1e8, 1e8 + 3 * off]
        noise = [0.035 * v for v in values]
        weight = [1 / n**2 for n in noise]
        mean = np.average(values, weights=weight)
        misfit = sum(
            w * (v - mean) ** 2 for w, v in zip(weight, values, strict=True)
        )
        curve = math.sqrt(max(misfit / 2, 1.0) / sum(weight))
        expected = math.hypot(0.035 * mean, curve)
        for beyond, changed in ((2.9, 0), (3.1, 1)):
            third = mean + beyond * expected
            some = [seen(), seen(1.0, values[1]), seen(2.0, third)]
            pattern = learn(some, GIB, manner=manner())
            self.assertEqual(changed, pattern.changes, beyond)
            # all since the sum began
            self.assertEqual(float(changed), pattern.since)

    def test_what_agrees_again_is_no_change(self):
        # 2.5 are gone after five that agree
        self.assertEqual(0, self.changes(3.0, *[0.3] * 9, 3.0).changes)

    def test_a_cut_rate_may_be_anything_that_it_was_cut_from(self):
        # 4 MiB are lost at most: 2 are given back, and the rest is noise
        cut = 4 * 2.0**20
        both = math.hypot(self.both, cut / math.sqrt(12))
        for off, changed in ((5.4, 0), (5.6, 1)):
            other = seen(
                1.0, dirtied=1e8 + off * both - cut / 2, truncated=True
            )
            pattern = learn([seen(), other], GIB, manner=manner())
            self.assertEqual(changed, pattern.changes)

    def test_measurements_of_one_moment_do_not_judge_each_other(self):
        some = [seen(), seen(dirtied=9e8), seen(dirtied=2e8)]
        self.assertEqual(0, learn(some, GIB, manner=manner()).changes)


class TestBracket(testtools.TestCase):
    """100 in 1 s, 150 in 2, 180 in 4."""

    def at(self, *seconds, resident=1e9):
        n = len(seconds)
        low, high = bracket(
            np.array([[1.0, 2.0, 4.0, 4.0]] * n),
            np.array([[100.0, 150.0, 180.0, 180.0]] * n),
            np.full(n, 3),
            np.array(seconds),
            np.full(n, resident),
        )
        return [*zip(low.tolist(), high.tolist(), strict=True)]

    def test_at_a_knot_it_is_known(self):
        np.testing.assert_allclose(
            [(100, 100), (150, 150), (180, 180)], self.at(1.0, 2.0, 4.0)
        )

    def test_between_knots_it_is_between_chord_and_prolonged_chords(self):
        # at 0.5 s 50, and 100 - 50 / 2; at 1.5 s 125, and the lesser of
        # 100 + 50 and 150 - 15 / 2; at 3 s 165, and the lesser of 150 + 50
        # and, as nothing comes after, 180
        np.testing.assert_allclose(
            [(50, 75), (125, 142.5), (165, 180)], self.at(0.5, 1.5, 3.0)
        )

    def test_beyond_the_last_it_is_between_flat_and_prolonged(self):
        np.testing.assert_allclose([(180, 240)], self.at(8.0))
        found = self.at(8.0, resident=200.0)
        np.testing.assert_allclose([(180, 200)], found)


class TestGroups(testtools.TestCase):
    def test_vms_are_taken_together_by_what_their_arrays_need(self):
        few, many = [seen()] * 3, [seen(seconds=1.0 + k) for k in range(3000)]
        # 3000 spans are 9 million numbers, above the 4 that go together
        groups = list(measured.alike([many, few, [], few, few]))
        self.assertEqual([[1, 3, 4], [0]], groups)
        self.assertEqual([], list(measured.alike([[], []])))
