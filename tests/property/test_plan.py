"""What holds for every cloud, whatever it looks like."""

import dataclasses

import hypothesis
import numpy as np
import testtools
from hypothesis import strategies as st

from tests.property import strategies
from watcher_tsmig import forecast
from watcher_tsmig import model
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Placement

FEW = hypothesis.settings(max_examples=60, deadline=None)
MANY = hypothesis.settings(max_examples=200, deadline=None)


@st.composite
def drains(draw):
    """A cloud and a request to empty some of its hosts."""
    cloud = draw(
        strategies.clouds(min_hosts=2)
        | strategies.clouds(min_hosts=2, roomy=True)
    )
    names = [h.name for h in cloud.hosts]
    hosts = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    values = draw(
        st.fixed_dictionaries(
            {},
            optional={
                'max_per_source': st.integers(1, 5),
                'max_per_destination': st.integers(1, 5),
                'max_in_cluster': st.integers(1, 8),
                'ceiling': st.floats(1e5, 1e10),
                'downtime_limit': st.floats(0.01, 5.0),
                'deadline': st.floats(1.0, 1e4),
                'allow_post_copy': st.booleans(),
                'max_throttle': st.floats(0, 0.99),
                'only_mode': st.sampled_from((None, *Mode)),
                'placement': st.sampled_from(Placement),
                'releases': st.tuples(
                    st.tuples(st.sampled_from(names), st.floats(0, 100))
                ),
            },
        )
    )
    ids = [vm.id for vm in cloud.vms]
    if ids:
        chosen = draw(st.lists(st.sampled_from(ids), max_size=3, unique=True))
        values['choices'] = tuple(
            (vm, draw(st.sampled_from(names))) for vm in chosen
        )
        values['vms'] = tuple(
            draw(st.lists(st.sampled_from(ids), max_size=3, unique=True))
        )
    policy = draw(st.sampled_from(policies.NAMES))
    return cloud, policies.request(policy, hosts=tuple(hosts), **values)


class TestPlans(testtools.TestCase):
    @FEW
    @hypothesis.given(drains())
    def test_the_checker_accepts_every_plan(self, drain):
        cloud, request = drain
        self.assertEqual([], check(cloud, make_plan(cloud, request)))

    @FEW
    @hypothesis.given(drains())
    def test_no_cap_is_below_its_lcb(self, drain):
        cloud, request = drain
        for migration in make_plan(cloud, request).migrations:
            self.assertGreaterEqual(migration.cap, migration.lcb)

    @FEW
    @hypothesis.given(drains())
    def test_pages_without_zeros_change_no_number_of_a_plan(self, drain):
        cloud, request = drain
        unseen, full = (
            dataclasses.replace(
                cloud,
                vms=tuple(
                    dataclasses.replace(vm, contents=contents)
                    for vm in cloud.vms
                ),
            )
            for contents in (
                None,
                model.Contents(pages=1024, zero=0.0, written=512),
            )
        )
        self.assertEqual(
            *(numbers(make_plan(seen, request)) for seen in (unseen, full))
        )


def numbers(plan):
    """A plan without its sentences, which say what was asked."""
    return dataclasses.replace(
        plan,
        migrations=tuple(
            dataclasses.replace(m, because='', runner_up='')
            for m in plan.migrations
        ),
        left_out=tuple(
            dataclasses.replace(out, because='') for out in plan.left_out
        ),
    )


class TestForecasts(testtools.TestCase):
    @MANY
    @hypothesis.given(
        strategies.working_sets(),
        st.floats(1e4, 1e10),
        st.floats(1.0, 100.0),
    )
    def test_more_bandwidth_never_forecasts_a_longer_migration(
        self, working_set, bandwidth, factor
    ):
        curves = forecast.fit([working_set])
        rules = Rules()
        for foretell in (forecast.pre_copy, forecast.post_copy):
            slow = foretell(curves, bandwidth, rules)
            fast = foretell(curves, bandwidth * factor, rules)
            self.assertLessEqual(fast.t_sum[0], slow.t_sum[0] * (1 + 1e-9))
            self.assertLessEqual(fast.data[0], slow.data[0] * (1 + 1e-9))

    @MANY
    @hypothesis.given(strategies.working_sets())
    def test_pre_copy_converges_at_its_lcb(self, working_set):
        curves = forecast.fit([working_set])
        rules = Rules()
        lcb = forecast.least_convergent_bandwidth(curves, rules)
        self.assertTrue(forecast.pre_copy(curves, lcb, rules).converges.all())

    @MANY
    @hypothesis.given(
        strategies.working_sets(), st.lists(st.floats(0, 1e6), min_size=2)
    )
    def test_curves_rise_are_concave_and_bracketed(self, work, times):
        curves = forecast.fit([work])
        t = np.sort(np.array(times))
        rows = curves.take(np.zeros(len(t), dtype=np.intp))
        low, mid, high = (rows.at(t, b) for b in forecast.Bracket)
        slack = 1e-6 * work.resident + 1e-6
        self.assertTrue((np.diff(mid) >= -slack).all())
        self.assertTrue((low <= mid + slack).all())
        self.assertTrue((mid <= high + slack).all())
        self.assertTrue((mid <= work.resident).all())
        half = rows.at(t / 2)
        self.assertTrue((half >= mid / 2 - slack).all())
