"""Relief never moves load in circles, however often it is asked for.

A cloud is audited some hundred times, each time from where the last plan
left it, with traffic that is constant or noisy.
"""

import dataclasses
import random

import hypothesis
import testtools
from hypothesis import strategies as st

from tests.unit import builders
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Traffic
from watcher_tsmig.model.history import Moved
from watcher_tsmig.model.history import VmLoad
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.relief.busy import Limits
from watcher_tsmig.plan.relief.floor import Floor
from watcher_tsmig.plan.relief.loads import Usage
from watcher_tsmig.plan.relief.relief import relieve

FEW = hypothesis.settings(max_examples=12, deadline=None)
AUDITS = 200
SPAN = 300.0
CPUS = 16.0
POINTS = 3


@st.composite
def worlds(draw):
    """A cloud, CPUs busy by VM; some hosts overloaded, most not."""
    names = [f'h{i}' for i in range(draw(st.integers(2, 7)))]
    vms, busy = [], {}
    for i in range(draw(st.integers(1, 24))):
        vm = builders.vm(
            f'v{i:02}',
            draw(st.sampled_from(names[: 1 + len(names) // 2] * 2 + names)),
            tx=draw(st.integers(0, 40)) * 10.0,
            rx=draw(st.integers(0, 40)) * 10.0,
            locked=draw(st.sampled_from((False, False, False, True))),
            working_set=builders.writes(draw(st.sampled_from((1e6, 2e7)))),
        )
        if draw(st.integers(0, 9)) == 0:
            vm = dataclasses.replace(vm, traffic=None)
        busy[vm.id] = draw(st.integers(0, 8)) / 2
        vms.append(vm)
    return builders.cloud(' '.join(names), *vms), busy


@st.composite
def limits(draw):
    return Limits(
        held=draw(st.sampled_from((0.0, 600.0, 900.0))),
        cool_down=draw(st.sampled_from((0.0, 0.0, 3600.0))),
        max_vms=draw(st.sampled_from((1, 3, 100))),
    )


class Life:
    """A cloud whose audits are carried out, one each 300 s.

    :param noise: share by which each VM's load differs in each span
    """

    def __init__(self, cloud, busy, given, seed, noise=0.0):
        self.start = cloud
        self.at = {vm.id: vm.host for vm in cloud.vms}
        self.busy = busy
        self.limits = given
        self.random = random.Random(seed)
        self.noise = noise
        self.now = 1e6
        self.moves = []
        self.spans = [self.span() for _ in range(POINTS)]

    def span(self):
        """How much of its usual load each VM has now."""
        return {
            vm.id: 1 + self.random.uniform(-self.noise, self.noise)
            for vm in self.start.vms
        }

    @property
    def cloud(self):
        vms = []
        for vm in self.start.vms:
            factor = sum(s[vm.id] for s in self.spans) / POINTS
            traffic = vm.traffic and Traffic(
                tx=vm.traffic.tx * factor, rx=vm.traffic.rx * factor
            )
            vms.append(
                dataclasses.replace(vm, host=self.at[vm.id], traffic=traffic)
            )
        return Cloud(hosts=self.start.hosts, vms=tuple(vms))

    @property
    def usage(self):
        def points(vm, value):
            return tuple(
                (self.now - SPAN * (POINTS - i), SPAN, value * span[vm])
                for i, span in enumerate(self.spans)
            )

        loads = {
            vm.id: VmLoad(
                tx=points(vm.id, vm.traffic.tx) if vm.traffic else (),
                rx=points(vm.id, vm.traffic.rx) if vm.traffic else (),
                cpu=points(vm.id, self.busy[vm.id]),
            )
            for vm in self.start.vms
        }
        cpus = {host.name: CPUS for host in self.start.hosts}
        return Usage(vms=loads, cpus=cpus)

    def request(self, **given):
        everybody = tuple(vm.id for vm in self.start.vms)
        return policies.request('balanced', **{'vms': everybody, **given})

    def audit(self):
        """One audit, its plan carried out; what was found."""
        cloud = self.cloud
        found = relieve(
            cloud,
            self.usage,
            self.moves,
            self.limits,
            self.request(),
            now=self.now,
        )
        for vm, host in found.choices:
            self.moves.append(
                Moved(vm=vm, source=self.at[vm], destination=host, at=self.now)
            )
            self.at[vm] = host
        self.now += SPAN
        self.spans = [*self.spans[1:], self.span()]
        return found

    def peak(self):
        """The largest load of any host, relative to its threshold."""
        floor = Floor(self.cloud, self.usage, self.limits, self.request())
        return max(
            float((floor.share(host.name) / self.limits.highs).max())
            for host in self.start.hosts
        )


class TestCircles(testtools.TestCase):
    @FEW
    @hypothesis.given(worlds(), limits(), st.integers(0, 2**32))
    def test_with_constant_traffic_the_peak_falls_to_a_fixed_point(
        self, world, given, seed
    ):
        life = Life(*world, given, seed)
        peak = life.peak()
        for _ in range(AUDITS):
            found = life.audit()
            self.assertLessEqual(len(found.choices), given.max_vms)
            self.assertLessEqual(life.peak(), peak + 1e-9)
            peak = life.peak()
        self.assert_settled(life)

    @FEW
    @hypothesis.given(
        worlds(), limits(), st.integers(0, 2**32), st.floats(0.0, 0.05)
    )
    def test_with_noise_within_the_margin_nothing_moves_back(
        self, world, given, seed, noise
    ):
        life = Life(*world, given, seed, noise)
        for _ in range(AUDITS):
            life.audit()
        self.assert_settled(life)

    def assert_settled(self, life):
        """Nobody moved twice, and long ago the last one did."""
        vms = [move.vm for move in life.moves]
        self.assertEqual(len(set(vms)), len(vms))
        received = {move.destination for move in life.moves}
        self.assertFalse(received & {move.source for move in life.moves})
        if life.noise == 0 and life.moves:
            quiet = life.now - life.moves[-1].at
            self.assertGreater(quiet, AUDITS * SPAN / 2)

    @FEW
    @hypothesis.given(worlds(), limits())
    def test_the_planner_carries_it_out_or_says_why_not(self, world, given):
        life = Life(*world, given, 0)
        cloud = life.cloud
        found = life.audit()
        if not found.choices:
            return
        plan = make_plan(
            cloud, life.request(vms=found.vms, choices=found.choices)
        )
        self.assertEqual([], check(cloud, plan))
        moved = {(m.vm, m.destination) for m in plan.migrations}
        stayed = {item.vm for item in plan.left_out}
        self.assertLessEqual(moved, set(found.choices))
        self.assertEqual(set(found.vms), {vm for vm, _ in moved} | stayed)

    @FEW
    @hypothesis.given(worlds(), limits())
    def test_no_destination_gets_above_what_it_may(self, world, given):
        life = Life(*world, given, 0)
        found = life.audit()
        floor = Floor(life.cloud, life.usage, given, life.request())
        for _, host in found.choices:
            self.assertTrue((floor.share(host) <= given.lows + 1e-9).all())
        sources = {move.source for move in life.moves}
        self.assertFalse(sources & {host for _, host in found.choices})
