"""What a pre-copy must have to be better than a post-copy."""

import hypothesis
import numpy as np
import testtools
from hypothesis import strategies as st

from tests.property.strategies import working_sets
from tests.unit.builders import writes
from watcher_tsmig.forecast import economic_bandwidth
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import least_convergent_bandwidth
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.economy import busier
from watcher_tsmig.model.rules import NOVA
from watcher_tsmig.model.rules import Rules


class TestEconomicBandwidth(testtools.TestCase):
    def test_a_constant_writer_needs_a_multiple_of_what_it_writes(self):
        # V (1 + r + r^2 + ...) = V / (1 - r) <= 1.5 V asks for r <= 1/3;
        # the rounds end before, so a little less will do
        rules = Rules(efficiency=1.0)
        found = economic_bandwidth(fit([writes(1e7, 1e10)]), rules, 1.5)
        self.assertLess(2.9e7, found[0])
        self.assertLessEqual(found[0], 3.0e7)

    def test_a_vm_that_writes_nothing_needs_hardly_any(self):
        curves = fit([writes(0.0)])
        lcb = least_convergent_bandwidth(curves, Rules())
        found = economic_bandwidth(curves, Rules(), 1.5, 2.0)
        self.assertTrue((found >= lcb).all())
        self.assertTrue(np.isfinite(found).all())

    @hypothesis.settings(max_examples=60, deadline=None)
    @hypothesis.given(
        st.lists(working_sets(), min_size=1, max_size=4),
        st.sampled_from((1.1, 1.5, 3.0)),
        st.sampled_from((1.0, 1.5)),
        st.sampled_from((Rules(), NOVA)),
    )
    def test_it_sends_no_more_there_and_more_below(
        self, sets, resend, caution, rules
    ):
        curves = fit(sets)
        found = economic_bandwidth(curves, rules, resend, caution)
        lcb = least_convergent_bandwidth(curves, rules)
        able = np.isfinite(found)
        self.assertTrue((found[able] >= lcb[able] * (1 - 1e-6)).all())
        written = busier(curves, caution)
        most = resend * curves.resident * rules.carried
        at = pre_copy(written, np.where(able, found, 1e12), rules).data
        self.assertTrue((at[able] <= most[able] * (1 + 1e-9)).all())

    def test_more_caution_asks_for_more(self):
        curves = fit([writes(1e7), writes(5e7)])
        calm = economic_bandwidth(curves, Rules(), 1.5)
        wary = economic_bandwidth(curves, Rules(), 1.5, 1.5)
        self.assertTrue((wary > calm).all())
