"""Rates of many counters at once are those of each by itself."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import testtools

from watcher_tsmig.telemetry.metrics import counters

NOW = 1e9
SPAN = 300.0


@st.composite
def sampled(draw):
    """A counter's measures: in spans or at moments, with holes and resets."""
    many = draw(st.integers(0, 12))
    span = draw(st.sampled_from((0.0, 60.0, SPAN, 3600.0)))
    holes = draw(st.sets(st.integers(0, 12), max_size=2))
    grew = draw(st.lists(st.floats(0.0, 1e12), min_size=many, max_size=many))
    values = np.cumsum(grew)
    for at in draw(st.sets(st.integers(0, 12), max_size=1)):
        values[at:] -= values[at] if at < many else 0.0
    return [
        (NOW - (many - i) * (span or 100.0), span, float(value))
        for i, value in enumerate(values)
        if i not in holes
    ]


class TestRates(testtools.TestCase):
    @hypothesis.settings(max_examples=200, deadline=None)
    @hypothesis.given(
        st.lists(sampled(), max_size=6), st.sampled_from((0.0, SPAN / 2))
    )
    def test_a_counter_is_told_alike_alone_and_among_others(
        self, several, phase
    ):
        told = {f'c{i}': points for i, points in enumerate(several)}
        found = counters.rates(told, NOW, SPAN, phase)
        self.assertEqual(list(told), list(found))
        for name, points in told.items():
            alone = counters.on_grid(
                counters.growth(counters.whole(points, NOW)), SPAN, phase
            )
            self.assertEqual(
                [point[:2] for point in alone],
                [point[:2] for point in found[name]],
            )
            # of differences of what was counted
            most = max((value for _, _, value in points), default=0.0)
            np.testing.assert_allclose(
                [rate for _, _, rate in found[name]],
                [rate for _, _, rate in alone],
                rtol=1e-9,
                atol=1e-12 * most / SPAN,
            )
