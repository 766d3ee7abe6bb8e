"""Plans serve what the operator put first."""

import dataclasses

import numpy as np
import testtools

from tests.unit.builders import GIGABIT
from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import vm
from tests.unit.builders import writes
from tests.unit.test_plan import PlanCase
from watcher_tsmig.model import Nic
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.explain import why
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.schedule import timetable
from watcher_tsmig.plan.schedule.links import Links
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason


class TestObjectives(PlanCase):
    def mixed(self):
        sizes = (3e9, 1e9, 1e9, 5e8, 2e8, 1e8)
        return cloud(
            'a b c',
            *[
                vm(
                    f'v{i}',
                    'a',
                    40,
                    40,
                    memory=size,
                    working_set=writes(2e7, size),
                )
                for i, size in enumerate(sizes)
            ],
        )

    def test_fast_uses_the_bottleneck_to_the_end(self):
        plan = self.plan(self.mixed(), 'fast', post_copy_saves=0.01)
        self.assertLess(plan.gap, 0.02)

    def test_post_copies_that_each_save_little_are_none(self):
        # together they would save 38 % of it, none of them a tenth
        plan = self.plan(self.mixed(), 'fast')
        self.assertEqual(0, plan.post_copies)

    def test_each_policy_is_best_at_what_it_is_for(self):
        plans = {
            name: self.plan(self.mixed(), name, post_copy_saves=0.01)
            for name in policies.NAMES
        }
        spans = {name: plan.makespan for name, plan in plans.items()}
        self.assertEqual(min(spans.values()), spans['fast'])
        posts = {name: plan.post_copies for name, plan in plans.items()}
        self.assertEqual(min(posts.values()), posts['gentle'])
        self.assertLess(posts['gentle'], posts['fast'])

    def test_who_fills_the_link_goes_first(self):
        vms = [idle(f'v{i}', 'a') for i in range(4)]
        talker = vm('talks', 'a', 900, 0, working_set=writes(1e6, 1e8))
        plan = self.plan(cloud('a b c', *vms, talker), 'balanced')
        first = min(plan.migrations, key=lambda m: (m.end, m.start))
        self.assertEqual('talks', first.name)

    def test_only_who_fills_the_link_is_post_copied_gently(self):
        # beside it no pre-copy is worth it, and after it each of them is
        vms = [
            vm(f'v{i}', 'a', 1, 1, working_set=writes(2.4e7, 3e8))
            for i in range(4)
        ]
        talker = vm('talks', 'a', 990, 990, working_set=writes(4e7, 3e8))
        plan = self.plan(cloud('a b c', *vms, talker), 'gentle')
        posts = [m.name for m in plan.migrations if m.mode is Mode.POST_COPY]
        self.assertEqual(['talks'], posts)

    def test_who_would_stand_for_long_waits_for_who_fills_the_link(self):
        # beside it the floor is left, at which it would stand 4 times as
        # long
        heavy = vm('heavy', 'a', 1, 1, working_set=writes(8e8, 3e9))
        talker = vm('talks', 'a', 990, 10, working_set=writes(4e7, 2e8))
        plan = self.plan(cloud('a b c', heavy, talker), 'gentle')
        by_name = {m.name: m for m in plan.migrations}
        self.assertIs(Mode.POST_COPY, by_name['heavy'].mode)
        self.assertEqual(0.0, by_name['talks'].start)
        self.assertGreaterEqual(by_name['heavy'].start, by_name['talks'].end)
        self.assertGreater(by_name['heavy'].cap, 0.6 * GIGABIT)

    def test_a_post_copy_for_less_harm_says_so(self):
        case = why.Case(
            mode=Mode.POST_COPY,
            wanted=False,
            price=2.0,
            other_price=3.0,
            fell_back=False,
            forced=False,
            may_pre=True,
            may_post=True,
            tx=0.0,
            rx=0.0,
            needs=1e6,
            dry=1e6,
            room=1e8,
            load=0.2,
            other_load=0.1,
            longer=None,
        )
        self.assertIs(Reason.HARMS_LESS, why.reason(case)[0])
        fast = dataclasses.replace(case, other_price=1.0)
        self.assertIs(Reason.MAKES_IT_SHORTER, why.reason(fast)[0])

    def test_who_sends_leaves_before_who_receives_comes(self):
        # measured in the laboratory; together they would take 15 s
        samples = ((0.03, 1.06e6), (0.3, 1.41e6), (1.0, 2.7e6), (3.0, 5.5e6))
        memory = WorkingSet(resident=103.5e6, samples=samples)
        two = cloud(
            'a b',
            vm('receiver', 'a', 0.1, 84, memory=128e6, working_set=memory),
            vm('sender', 'a', 80, 0.4, memory=128e6, working_set=memory),
            **{n: host(n, nic=Nic(capacity=25e6)) for n in 'ab'},
        )
        plan = make_plan(
            two,
            policies.request('fast', hosts=('a',), downtime_limit=0.3),
            Rules(setup=0.1),
        )
        modes = {m.name: m.mode for m in plan.migrations}
        self.assertEqual(Mode.POST_COPY, modes['sender'])
        self.assertEqual(Mode.PRE_COPY, modes['receiver'])
        self.assertLess(plan.gap, 0.1)

    def test_an_important_vm_is_spared_the_outage(self):
        # fast post-copies both; the promise to the gold one stands
        vms = [vm('plain', 'a', 300, 10), vm('gold', 'a', 300, 10, sla='gold')]
        plan = self.plan(cloud('a b', *vms), 'fast')
        modes = {m.name: m.mode for m in plan.migrations}
        self.assertIs(Mode.POST_COPY, modes['plain'])
        self.assertIs(Mode.PRE_COPY, modes['gold'])


class TestTrust(testtools.TestCase):
    """Traffic that a running post-copy has taken away."""

    def tasks(self, trusting):
        # 60 of 100 are the first one's own traffic; both could run at once
        # if that is believed gone when it starts.
        leaver = Way(
            links=(0,),
            takes=lambda rate: 500 / rate,
            most=50.0,
            least=50.0,
            volume=500.0,
            early=True,
            leaves=((0, 60.0),),
        )
        other = dataclasses.replace(leaver, early=False, leaves=())
        return Tasks(
            tasks=(Task(ways=(leaver,)), Task(ways=(other,))),
            capacity=np.array([100.0]),
            app=np.array([60.0]),
            trusting=trusting,
        )

    def test_others_count_on_it_only_where_tasks_are_trusting(self):
        spans = {
            trusting: timetable.timetable(self.tasks(trusting)).makespan
            for trusting in (False, True)
        }
        self.assertEqual({False: 20.0, True: 10.0}, spans)

    def test_no_more_than_counters_admit_share_a_link(self):
        way = Way(links=(0,), takes=lambda rate: 100 / rate, counters=(0, 1))
        tasks = Tasks(
            tasks=tuple(Task(ways=(way,)) for _ in range(8)),
            capacity=np.array([GIGABIT]),
            app=np.zeros(1),
            limits=np.array([3.0, 16.0]),
        )
        self.assertEqual([3], Links(tasks).crowd)
