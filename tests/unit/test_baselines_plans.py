"""What others would do, as plans that the simulator follows."""

import math

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig import simulate
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Request
from watcher_tsmig.simulate import baselines
from watcher_tsmig.simulate import mvm

REQUEST = Request(hosts=('a', 'b'))


def together(found, moves):
    """The most of these that ran at one moment."""
    spans = [(found.done[vm].began, found.done[vm].ended) for vm in moves]
    return max(
        sum(began <= at < ended for began, ended in spans) for at, _ in spans
    )


class BaselineCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud(
            'a b c d',
            *(vm(f'a{i}', 'a', working_set=writes(1e6)) for i in range(3)),
            *(vm(f'b{i}', 'b', working_set=writes(1e6)) for i in range(3)),
        )
        self.to = {v.id: 'cd'[i % 2] for i, v in enumerate(self.cloud.vms)}

    def replayed(self, plan):
        found = simulate.replay(self.cloud, plan)
        self.assertEqual((), found.unfinished)
        self.assertEqual(
            self.to, {m.vm: m.destination for m in plan.migrations}
        )
        self.assertEqual({math.inf}, {m.cap for m in plan.migrations})
        return found


class TestBaselines(BaselineCase):
    def test_nova_s_default_moves_one_vm_at_a_time_from_each_host(self):
        found = self.replayed(
            baselines.nova_default(self.cloud, REQUEST, self.to)
        )
        for name in 'ab':
            ids = [v.id for v in self.cloud.vms if v.host == name]
            self.assertEqual(1, together(found, ids))
        self.assertEqual(2, together(found, self.to))

    def test_a_fixed_parallelism_keeps_so_many_in_flight(self):
        for k in (1, 2, 4):
            found = self.replayed(
                baselines.fixed_parallelism(self.cloud, REQUEST, self.to, k=k)
            )
            self.assertEqual(k, together(found, self.to))

    def test_watcher_s_weight_planner_waits_for_both_of_a_chunk(self):
        plan = baselines.watcher_weight(self.cloud, REQUEST, self.to)
        found = self.replayed(plan)
        chunks = [plan.migrations[i : i + 2] for i in (0, 2, 4)]
        for first, second in zip(chunks, chunks[1:], strict=False):
            self.assertEqual({m.vm for m in first}, set(second[0].after))
            ends = max(found.done[m.vm].ended for m in first)
            begins = min(found.done[m.vm].began for m in second)
            self.assertTrue(ends <= begins)

    def test_no_vm_moves_that_was_given_no_destination(self):
        only = {'id-a1': 'c'}
        for make in (
            baselines.nova_default,
            baselines.watcher_weight,
            baselines.static_choice,
            mvm.mvm,
        ):
            plan = make(self.cloud, REQUEST, only)
            self.assertEqual(['id-a1'], [m.vm for m in plan.migrations])

    def test_nobody_to_move_is_an_empty_plan(self):
        for make in (baselines.nova_default, mvm.mvm):
            self.assertEqual((), make(self.cloud, REQUEST, {}).migrations)


class TestStaticChoice(testtools.TestCase):
    def modes(self, built, request=REQUEST):
        to = {v.id: 'c' for v in built.vms if v.host == 'a'}
        plan = baselines.static_choice(built, request, to)
        self.assertEqual({()}, {m.after for m in plan.migrations})
        return [m.mode for m in plan.migrations]

    def test_the_seed_s_example_has_the_seed_s_answer(self):
        built = cloud('a b c', vm('1', 'a', 200, 400), vm('2', 'a', 300, 500))
        self.assertEqual([Mode.POST_COPY, Mode.PRE_COPY], self.modes(built))

    def test_background_traffic_counts(self):
        built = cloud(
            'a b c',
            vm('1', 'a', 200, 400),
            vm('2', 'a', 300, 500),
            vm('busy', 'c', 0, 900),
        )
        self.assertEqual([Mode.PRE_COPY] * 2, self.modes(built))

    def test_a_pair_of_many_vms_is_chosen_group_by_group(self):
        built = cloud('a b c', *(vm(f'{i}', 'a', 20, 30) for i in range(17)))
        modes = self.modes(built)
        post = sum(mode is Mode.POST_COPY for mode in modes)
        self.assertTrue(5 <= post <= 8, post)

    def test_post_copy_that_is_not_permitted_is_no_candidate(self):
        vms = vm('1', 'a', 500, 0, post_copy=False), vm('2', 'a', 500, 0)
        self.assertEqual(
            [Mode.PRE_COPY, Mode.POST_COPY], self.modes(cloud('a b c', *vms))
        )
        unable = cloud('a b c', *vms, c=host('c', post_copy=False))
        self.assertEqual([Mode.PRE_COPY] * 2, self.modes(unable))


class TestMvm(BaselineCase):
    def test_no_two_share_a_nic(self):
        plan = mvm.mvm(self.cloud, REQUEST, self.to)
        found = self.replayed(plan)
        for side in ('source', 'destination'):
            for name in 'abcd':
                ids = [
                    m.vm for m in plan.migrations if getattr(m, side) == name
                ]
                if ids:
                    self.assertEqual(1, together(found, ids))
        self.assertEqual(2, together(found, self.to))

    def test_the_duration_is_that_of_its_formula(self):
        """96 MB rewritten every 2 s, 2 MB/s cold; 1 GB at 100 MB/s."""
        hot, horizon, cold, b = 96e6, 2.0, 2e6, 100e6
        work = WorkingSet(
            resident=1e9,
            samples=tuple(
                (t, min(hot * t / horizon, hot) + cold * t)
                for t in (1.0, 2.0, 4.0, 8.0)
            ),
        )
        steep = hot / horizon + cold
        first = 10.0
        length = hot / steep
        expected = (
            first
            + (hot + (first - length) * cold) / (b - cold)
            + hot / b * steep / (b - steep)
        )
        self.assertAlmostEqual(expected, mvm.seconds(work, b))

    def test_a_short_first_pass_meets_only_the_hot_set(self):
        work = WorkingSet(resident=1e8, samples=((2.0, 9.6e7), (20.0, 9.6e7)))
        rate = 4.8e7
        self.assertAlmostEqual(
            1.0 + rate * 1.0 / (1e8 - rate), mvm.seconds(work, 1e8)
        )

    def test_who_writes_nothing_takes_one_pass(self):
        work = WorkingSet(resident=1e9, samples=())
        self.assertAlmostEqual(10.0, mvm.seconds(work, 1e8))

    def test_who_writes_faster_than_the_path_is_still_scheduled(self):
        work = writes(3e8)
        self.assertAlmostEqual(64 * 10.0, mvm.seconds(work, 1e8))
