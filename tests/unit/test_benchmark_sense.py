"""The benchmark of sentences tells a sensible planner from others."""

import contextlib
import dataclasses
import io
import json

import testtools

from benchmarks import sense
from benchmarks.sense_cases import Case
from benchmarks.sense_cases import cloud
from benchmarks.sense_cases import drained
from benchmarks.sense_cases import idle
from benchmarks.sense_cases import move
from benchmarks.sense_cases import pre_copies_all
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason

LEAST = 40
IDLE = Case(
    sentence='Idle VMs are pre-copied',
    clouds=(cloud('a b', *idle(2)),),
    holds=pre_copies_all,
    policies=('gentle',),
)


def post_copying(a_cloud, policy, asked):
    """A planner that post-copies everybody."""
    return drained(a_cloud, policy, {**asked, 'only_mode': Mode.POST_COPY})


def shy(a_cloud, policy, asked):
    """A planner that leaves the first VM where it is."""
    plan = drained(a_cloud, policy, asked)
    first, *others = plan.migrations
    return dataclasses.replace(plan, migrations=tuple(others))


class TestSentences(testtools.TestCase):
    def test_there_are_enough_of_them_and_none_is_there_twice(self):
        sentences = [case.sentence for case in sense.CASES]
        self.assertGreaterEqual(len(sentences), LEAST)
        self.assertEqual(len(sentences), len(set(sentences)))

    def test_each_is_asked_under_policies_that_there_are(self):
        for case in sense.CASES:
            self.assertTrue(case.policies, case.sentence)
            self.assertLessEqual(set(case.policies), set(policies.NAMES))
            self.assertTrue(case.clouds, case.sentence)

    def test_most_are_asked_under_every_policy(self):
        everywhere = [c for c in sense.CASES if c.policies == policies.NAMES]
        self.assertGreater(len(everywhere), len(sense.CASES) / 2)


class TestPlanners(testtools.TestCase):
    def test_a_sensible_planner_is_told_from_one_that_post_copies_all(self):
        self.assertEqual([], sense.asked(IDLE, 'gentle'))
        (line,) = sense.asked(IDLE, 'gentle', post_copying)
        self.assertIn('idle-a-0 post-copy to b at 0.0 s', line)

    def test_one_that_the_checker_refuses_is_not_sensible(self):
        said = sense.asked(IDLE, 'gentle', shy)
        self.assertIn('refused by the checker: id-idle-a-0', said[0])

    def test_who_stays_is_told(self):
        stays = dataclasses.replace(
            IDLE, clouds=(cloud('a b', *idle(1, locked=True)),)
        )
        self.assertEqual(
            [f'idle-a-0 stays [{Reason.LOCKED}]'], sense.asked(stays, 'fast')
        )

    def test_sentences_that_fail_are_counted_by_policy(self):
        found = sense.report([IDLE], planner=post_copying)
        self.assertEqual((1, 0), (found['asked'], found['hold']))
        self.assertEqual(1, found['fail_by_policy']['gentle'])
        self.assertEqual(0, found['fail_by_policy']['fast'])
        (row,) = found['sentences']
        self.assertEqual(['gentle'], list(row['instead']))

    def test_two_moves_of_one_vm_are_not_taken_for_its_only_one(self):
        plan = drained(IDLE.clouds[0], 'gentle', {})
        first, second = plan.migrations
        again = dataclasses.replace(second, name=first.name)
        twice = dataclasses.replace(plan, migrations=(first, again))
        self.assertIsNone(move(twice, first.name))
        self.assertEqual(first, move(plan, first.name))


class TestCommand(testtools.TestCase):
    def run_main(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = sense.main(words)
        return code, out.getvalue(), err.getvalue()

    def test_it_prints_one_object_and_ends_well_only_if_all_hold(self):
        only = ('--only', 'SR-IOV')
        code, out, err = self.run_main(*only)
        found = json.loads(out)
        self.assertEqual((0, ''), (code, err))
        self.assertEqual((1, 1), (found['asked'], found['hold']))

    def test_it_asks_under_one_policy_only_if_told_so(self):
        _, out, _ = self.run_main('--only', 'SR-IOV', '--policy', 'fast')
        (row,) = json.loads(out)['sentences']
        self.assertEqual(['fast'], row['policies'])

    def test_words_that_no_sentence_has_are_one_line(self):
        code, out, err = self.run_main('--only', 'no such words')
        self.assertEqual((1, ''), (code, out))
        self.assertIn('no such words', err)
