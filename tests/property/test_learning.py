"""What is learned of many VMs at once is what is learned of each alone."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import testtools
from scipy import optimize

from watcher_tsmig.forecast import Bracket
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast.learned import learning
from watcher_tsmig.forecast.learned.measured import Measured
from watcher_tsmig.forecast.learned.regression import concaves
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.observed import Kind
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

FEW = hypothesis.settings(max_examples=60, deadline=None)
MANY = hypothesis.settings(max_examples=150, deadline=None)
SPANS = (0.1, 1.0, 2.0, 4.0, 7.3, 8.0, 60.0)

observations = st.builds(
    Observation,
    # often at one moment, as of one probe
    at=st.integers(0, 6).map(lambda k: 1e9 + 300.0 * k)
    | st.floats(1e9, 1e9 + 1e5),
    seconds=st.sampled_from(SPANS) | st.floats(0.05, 100.0),
    dirtied=st.floats(0.0, 16 * GIB),
    kind=st.sampled_from(Kind),
    truncated=st.booleans(),
)
vms = st.builds(
    Measured,
    observations=st.lists(observations, max_size=30),
    resident=st.floats(64 * MIB, 16 * GIB),
    memory=st.none() | st.floats(64 * MIB, 32 * GIB),
)


@st.composite
def regressions(draw):
    """Knots, means and weights of one row."""
    many = draw(st.integers(1, 9))
    gaps = draw(st.lists(st.floats(0.01, 20.0), min_size=many, max_size=many))
    means = st.lists(
        st.floats(0.0, 1e9) | st.sampled_from((0.0, 1e8)),
        min_size=many,
        max_size=many,
    )
    halves = st.lists(st.floats(0.0, 10.0), min_size=many, max_size=many)
    return (
        np.cumsum(gaps),
        np.array(draw(means)),
        2.0 ** -np.array(draw(halves)),
    )


def padded(rows):
    """Rows of different lengths as one array; the last is repeated."""
    most = max(map(len, rows))
    return np.array([[*row, *[row[-1]] * (most - len(row))] for row in rows])


class TestRegression(testtools.TestCase):
    @MANY
    @hypothesis.given(st.lists(regressions(), min_size=1, max_size=6))
    def test_no_row_is_farther_from_its_points_than_need_be(self, rows):
        knots, means, weights = (
            padded(part) for part in zip(*rows, strict=True)
        )
        known = np.array([len(row[0]) for row in rows])
        found = concaves(knots, means, weights, known)
        for values, (t, y, w) in zip(found, rows, strict=True):
            # Lawson and Hanson's algorithm, which is exact, as the oracle
            root = np.sqrt(w)
            basis = np.minimum(t[:, None], t[None, :])
            parts, _ = optimize.nnls(basis * root[:, None], y * root)
            np.testing.assert_allclose(
                values[: len(t)], basis @ parts, rtol=1e-7, atol=1.0
            )
            slopes = np.diff([0.0, *values[: len(t)]]) / np.diff([0.0, *t])
            self.assertTrue((slopes >= 0).all())
            self.assertTrue((np.diff(slopes) <= 1e-9 * slopes.max()).all())

    @FEW
    @hypothesis.given(
        st.lists(st.floats(0.1, 20.0), min_size=1, max_size=7),
        st.lists(st.floats(1e3, 1e9), min_size=7, max_size=7, unique=True),
        st.floats(0.01, 200.0),
        st.floats(0.1, 1.2),
    )
    def test_the_bracket_of_corners_is_that_of_curves(
        self, gaps, slopes, seconds, share
    ):
        t = np.cumsum(gaps)
        falling = np.sort(slopes)[::-1][: len(t)]
        values = np.cumsum(falling * np.diff([0.0, *t]))
        resident = share * values[-1]
        samples = tuple(zip(t.tolist(), values.tolist(), strict=True))
        curves = fit([WorkingSet(resident=1e18, samples=samples)])
        found = learning.bracket(
            t[None],
            values[None],
            np.array([len(t)]),
            np.array([seconds]),
            np.array([resident]),
        )
        for side, told in zip(
            (Bracket.LOWER, Bracket.UPPER), found, strict=True
        ):
            expected = curves.at(np.array([seconds]), side)
            np.testing.assert_allclose(
                np.minimum(expected, resident), told, rtol=1e-9
            )

    def test_a_point_of_no_weight_costs_nothing_but_is_no_riddle(self):
        # what is not sure is between two that nearly nobody believes
        t = np.array([1.0, 2.0, 4.0])
        y = np.array([1e8, 4e8, 2e8])
        for weight in (1e-20, 1e-30):
            w = np.array([weight, 1.0, weight])
            found = concaves(t[None], y[None], w[None], np.array([3]))[0]
            self.assertAlmostEqual(4e8, found[1], delta=1.0)
            slopes = np.diff([0.0, *found]) / np.diff([0.0, *t])
            self.assertTrue((np.diff(slopes) <= 1e-6 * slopes[0]).all())


class TestMany(testtools.TestCase):
    @MANY
    @hypothesis.given(
        st.lists(vms, min_size=1, max_size=5), st.none() | st.just(1e9 + 2e5)
    )
    def test_a_vm_is_learned_alike_alone_and_among_others(self, several, now):
        found = learning.patterns(several, now=now)
        for vm, one in zip(several, found, strict=True):
            alone = learning.learn(
                vm.observations, vm.resident, vm.memory, now=now
            )
            self.assertEqual(alone.seconds, one.seconds)
            self.assertEqual(alone.changes, one.changes)
            self.assertEqual(alone.since, one.since)
            self.assertEqual(alone.measured_at, one.measured_at)
            scale = max(one.dirtied, default=0.0)
            np.testing.assert_allclose(
                alone.dirtied, one.dirtied, rtol=1e-9, atol=1e-9 * scale
            )
            np.testing.assert_allclose(
                alone.deviation, one.deviation, rtol=1e-9
            )

    @FEW
    @hypothesis.given(st.lists(vms, min_size=1, max_size=5))
    def test_whatever_was_measured_is_a_working_set(self, several):
        for vm, one in zip(several, learning.patterns(several), strict=True):
            spans = {o.seconds for o in vm.observations}
            self.assertLessEqual(set(one.seconds), spans)
            self.assertEqual(bool(spans), bool(one.seconds))
            for work in (one.low(), one.working_set(), one.high()):
                self.assertEqual(vm.resident, work.resident)
                for _, dirtied in work.samples:
                    self.assertLessEqual(dirtied, vm.resident)

    def test_large_and_small_ones_do_not_wait_for_each_other(self):
        # one array of all would have 300 x 200 x 200 numbers
        large = [
            Observation(at=0.0, seconds=1.0 + i / 7, dirtied=1e6 * (i + 5))
            for i in range(200)
        ]
        several = [
            Measured(observations=large if i == 7 else large[:3], resident=GIB)
            for i in range(300)
        ]
        found = learning.patterns(several)
        self.assertEqual(learning.learn(large, GIB), found[7])
        self.assertEqual({learning.learn(large[:3], GIB)}, {*found[8:]})
