"""What one plan's migrations took is in the next plan's intervals."""

import dataclasses
import json
import math
import pathlib
import threading

import fixtures
import testtools

from tests.unit.builders import cloud
from tests.unit.builders import vm
from watcher_tsmig import errors
from watcher_tsmig.execute import Outcome
from watcher_tsmig.execute import calibration
from watcher_tsmig.execute.governor.rounds import Ended
from watcher_tsmig.execute.governor.rounds import Rounds
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.problem.known import AS_ITS_LIKE
from watcher_tsmig.plan.problem.known import WRITING
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plugin import learning
from watcher_tsmig.plugin.lessons import Lessons


class LearningCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        self.path = str(pathlib.Path(folder) / 'calibration.json')
        self.cloud = cloud('a b', *(vm(f'v{i}', 'a') for i in range(3)))
        self.plan = make_plan(
            self.cloud,
            policies.request('balanced', hosts=('a',), allow_post_copy=False),
        )

    def learn(self, factor, times, path=None, **more):
        for i in range(times):
            planned = self.plan.migrations[i % 3]
            outcome = Outcome(
                vm=planned.vm,
                host='b',
                seconds=1.0,
                mode=Mode.PRE_COPY,
                took=planned.takes * factor,
                **more,
            )
            learning.learn(path or self.path, planned.takes, outcome)

    def outcomes(self):
        text = calibration.read(pathlib.Path(self.path))
        return Lessons.loads(text).calibration.outcomes


class TestLearning(LearningCase):
    def test_without_outcomes_the_interval_is_wide_and_says_so(self):
        plan, notes = learning.apply(self.path, self.plan)
        self.assertIn('not calibrated yet (0 outcomes)', notes[0])
        for migration in plan.migrations:
            self.assertLess(migration.takes_low, 0.7 * migration.takes)
            self.assertGreater(migration.takes_high, 1.4 * migration.takes)

    def test_a_cloud_that_is_slower_gets_intervals_that_say_so(self):
        self.learn(1.2, 30)
        plan, notes = learning.apply(self.path, self.plan)
        self.assertEqual((), notes)
        for migration in plan.migrations:
            self.assertLessEqual(migration.takes_low, migration.takes)
            self.assertGreater(migration.takes_high, 1.15 * migration.takes)
            self.assertLess(migration.takes_high, 1.3 * migration.takes)

    def test_what_was_begun_with_another_cap_teaches_nothing(self):
        self.learn(3.0, 2, adapted=True)
        self.assertIsNone(calibration.read(pathlib.Path(self.path)))
        self.learn(1.0, 2)
        self.assertEqual(2, self.outcomes())

    def test_the_checker_accepts_the_calibrated_plan(self):
        self.learn(0.8, 30)
        plan, _ = learning.apply(self.path, self.plan)
        self.assertEqual([], check(self.cloud, plan))

    def test_no_outcome_is_lost_between_threads(self):
        threads = [
            threading.Thread(target=self.learn, args=(1.0, 5))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(20, self.outcomes())

    def test_what_did_not_move_teaches_nothing(self):
        outcome = Outcome(vm='v', host='b', seconds=0.0, mode=Mode.PRE_COPY)
        learning.learn(self.path, 10.0, outcome)
        self.assertFalse(pathlib.Path(self.path).exists())

    def test_what_was_not_foretold_or_not_told_teaches_nothing(self):
        for planned, took in ((0.0, 5.0), (-1.0, 5.0), (5.0, 0.0)):
            outcome = Outcome(
                vm='v', host='b', seconds=9.0, mode=Mode.PRE_COPY, took=took
            )
            learning.learn(self.path, planned, outcome)
            self.assertFalse(pathlib.Path(self.path).exists())
        outcome = Outcome(
            vm='v', host='b', seconds=9.0, mode=Mode.PRE_COPY, took=1.0
        )
        learning.learn(self.path, 0.5, outcome)
        self.assertEqual(1, self.outcomes())

    def test_what_was_stood_in_a_queue_is_no_duration(self):
        for queued in (0.0, 100.0, 200.0):
            outcome = Outcome(
                vm='v', host='b', seconds=140.0, mode=Mode.PRE_COPY,
                took=120.0, queued=queued,
            )  # fmt: skip
            learning.learn(self.path, 20.0, outcome)
        # the last one left nothing to learn
        self.assertEqual(2, self.outcomes())
        found = json.loads(pathlib.Path(self.path).read_text())['calibration'][
            'ratios'
        ]
        for logarithms in found.values():
            ratios = [round(math.exp(x), 6) for x in logarithms]
            self.assertEqual([6.0, 1.0], ratios)

    def test_how_many_were_learned_is_told_until_they_are_enough(self):
        self.learn(1.0, 2)
        _, notes = learning.apply(self.path, self.plan)
        self.assertEqual(('durations not calibrated yet (2 outcomes)',), notes)

    def test_a_plan_of_no_migrations_needs_none(self):
        empty = dataclasses.replace(self.plan, migrations=())
        self.assertEqual((empty, ()), learning.apply(self.path, empty))

    def test_what_cannot_be_read_or_written_is_a_warning_in_the_log(self):
        pathlib.Path(self.path).write_text('no')
        with self.assertLogs(learning.LOG.logger, 'WARNING') as logged:
            self.learn(1.2, 1)
            learning.apply(self.path, self.plan)
        told = ' '.join(logged.output)
        vm = self.plan.migrations[0].vm
        self.assertIn(f'Nothing learned from {vm}: ', told)
        self.assertIn('The calibration is not used: ', told)


class TestTrouble(LearningCase):
    def test_an_empty_path_learns_nothing_and_changes_nothing(self):
        self.learn(1.2, 1, path='')
        self.assertEqual((self.plan, ()), learning.apply('', self.plan))

    def test_a_broken_file_stops_neither_plan_nor_migration(self):
        pathlib.Path(self.path).write_text('{"no": "calibration"}')
        self.learn(1.2, 1)
        plan, notes = learning.apply(self.path, self.plan)
        self.assertIs(self.plan, plan)
        self.assertIn('cannot be read', notes[0])

    def test_a_folder_that_is_not_there_is_only_a_warning(self):
        self.learn(1.2, 1, path=self.path + '/not/there.json')

    def test_a_lock_that_is_held_is_not_waited_for_for_ever(self):
        self.useFixture(
            fixtures.MonkeyPatch(
                'watcher_tsmig.execute.calibration.LOCKED_WITHIN', 0.1
            )
        )
        path = pathlib.Path(self.path)
        with calibration._alone(path):
            error = self.assertRaises(
                errors.InputError, calibration.update, path, str
            )
        self.assertIn('another writer', str(error))


class TestKinds(LearningCase):
    """How far off a forecast can be goes with what it rests on."""

    def test_a_vm_of_which_less_is_known_has_a_wider_interval(self):
        first, *others = self.plan.migrations
        like = dataclasses.replace(first, assumed=(AS_ITS_LIKE,))
        plan = dataclasses.replace(self.plan, migrations=(like, *others))
        self.learn(1.05, 30)
        found = learning.apply(self.path, plan)[0].migrations
        self.assertGreater(found[0].takes_high, 3.9 * like.takes)
        self.assertLess(found[0].takes_low, 0.3 * like.takes)
        self.assertLess(found[1].takes_high, 1.5 * others[0].takes)

    def test_outcomes_of_one_kind_tell_nothing_of_another(self):
        for assumed in ((AS_ITS_LIKE,), (WRITING, 'source nic')):
            for i in range(12):
                outcome = Outcome(
                    vm=f'v{i}', host='b', seconds=1.0, mode=Mode.PRE_COPY,
                    took=9.0 + 6 * (i % 2),
                )  # fmt: skip
                learning.learn(self.path, 10.0, outcome, assumed)
        wide = {}
        for assumed in ((), ('traffic',), (AS_ITS_LIKE,), (WRITING,)):
            some = dataclasses.replace(
                self.plan,
                migrations=tuple(
                    dataclasses.replace(m, assumed=assumed)
                    for m in self.plan.migrations
                ),
            )
            plan, notes = learning.apply(self.path, some)
            cold = assumed in ((), ('traffic',))
            self.assertEqual(cold, bool(notes), assumed)
            wide[assumed] = plan.migrations[0].takes_high
        self.assertEqual(wide[()], wide['traffic',])


class TestShown(LearningCase):
    def shown(self, memory=8e9):
        rounds = Rounds()
        rounds.look(30.0, memory, 3e9, 2e8)
        rounds.ended(Ended(passed=1, back=4e8, span=25.0, told=True), 2.9e9)
        return rounds

    def traces(self):
        return learning.traces(self.path)

    def test_what_counters_showed_is_there_for_the_next_plan(self):
        self.assertEqual((), self.traces())
        learning.remember(self.path, 'vm', self.shown(), 77.0)
        (found,) = self.traces()
        self.assertEqual(('vm', 77.0, 8e9), (found.vm, found.at, found.memory))
        self.assertEqual(((25.0, 4e8),), found.rounds)
        self.assertEqual(2.9e9, found.first_pass)
        # and outcomes do not displace it, nor it them
        self.learn(1.0, 3)
        self.assertEqual((found,), self.traces())
        learning.remember(self.path, 'w', self.shown(), 78.0)
        self.assertEqual(3, self.outcomes())

    def test_how_long_it_took_goes_with_what_it_showed(self):
        learning.remember(self.path, 'v', self.shown(), 77.0)
        outcome = Outcome(
            vm='v', host='b', seconds=1.0, mode=Mode.PRE_COPY, took=43.0,
            queued=10.0, cap_rate=9e7, adapted=True,
        )  # fmt: skip
        for changed, took in (
            # what of it was pre-copied, nobody knows
            ({'mode': Mode.HYBRID}, None),
            ({'vm': 'w'}, None),
            ({}, 30.0),
            # that is another migration's, of which nothing was seen
            ({'took': 99.0}, 30.0),
        ):
            given = dataclasses.replace(outcome, **changed)
            learning.learn(self.path, 20.0, given)
            (found,) = self.traces()
            self.assertEqual(took, found.took, changed)
        self.assertEqual(9e7, found.rate)
        self.assertEqual(0, self.outcomes())

    def test_a_post_copy_tells_of_its_host_and_not_of_writing(self):
        learning.remember(self.path, 'v', self.shown(), 77.0, 'a')
        outcome = Outcome(
            vm='v', host='b', seconds=1.0, mode=Mode.POST_COPY, took=43.0
        )
        learning.learn(self.path, 20.0, outcome)
        (found,) = self.traces()
        self.assertEqual(('a', True), (found.source, found.switched))
        self.assertEqual(40.0, found.took)

    def test_what_showed_nothing_makes_no_file(self):
        for shown in (Rounds(), self.shown(None)):
            learning.remember(self.path, 'vm', shown, 77.0)
        learning.remember('', 'vm', self.shown(), 77.0)
        self.assertFalse(pathlib.Path(self.path).exists())
        self.assertEqual((), learning.traces(''))

    def test_a_file_that_cannot_be_used_stops_nothing_and_is_kept(self):
        pathlib.Path(self.path).write_text('{}')
        learning.remember(self.path, 'vm', self.shown(), 77.0)
        self.assertEqual((), self.traces())
        self.assertEqual('{}', pathlib.Path(self.path).read_text())
