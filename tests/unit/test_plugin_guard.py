"""A plan that the judge refuses is not written, and that is told as ours."""

import dataclasses
import unittest

import testtools
from oslo_config import cfg

from tests.unit import builders
from tests.unit import test_plugin_drain
from tests.unit import test_plugin_relief
from watcher_tsmig import errors
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.plugin import story
from watcher_tsmig.plugin.audits import guard
from watcher_tsmig.plugin.audits import strategy

CONF = cfg.CONF
REPORT = 'openstack optimize tsmig snapshot create'


def setUpModule():
    CONF([], project='watcher', default_config_files=[])
    unittest.addModuleCleanup(CONF.reset)


def starving(cloud, request, rules=None):
    """A planner that gives every pre-copy a tenth of what it needs."""
    plan = make_plan(cloud, request, rules)
    return dataclasses.replace(
        plan,
        migrations=tuple(
            dataclasses.replace(m, cap=m.lcb / 10, limit=None, room=None)
            for m in plan.migrations
        ),
    )


def broken(cloud, plan):
    """A judge that breaks on every plan."""
    raise ZeroDivisionError('float division by zero')


class TestGuard(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = builders.cloud('a b', builders.vm('v', 'a'))
        self.request = Request(hosts=('a',), allow_post_copy=False)

    def test_a_right_plan_passes(self):
        guard.judge(self.cloud, make_plan(self.cloud, self.request))

    def test_a_wrong_plan_is_our_fault_with_the_first_complaint(self):
        wrong = starving(self.cloud, self.request)
        error = self.assertRaises(
            errors.InternalError, guard.judge, self.cloud, wrong
        )
        self.assertIn('id-v: cap below its LCB', error.message)
        self.assertRegex(error.message, r'the plan is wrong \(and \d+ more\)')

    def test_all_complaints_are_in_the_log(self):
        wrong = starving(self.cloud, self.request)
        with self.assertLogs(guard.LOG.logger, 'ERROR') as logs:
            self.assertRaises(
                errors.InternalError, guard.judge, self.cloud, wrong
            )
        self.assertGreater(len(logs.output), 1)

    def test_a_judge_that_breaks_is_our_fault_too(self):
        self.addCleanup(setattr, guard, 'check', guard.check)
        guard.check = broken
        error = self.assertRaises(
            errors.InternalError,
            guard.judge,
            self.cloud,
            make_plan(self.cloud, self.request),
        )
        self.assertIn(
            'could not be judged (ZeroDivisionError: float division by zero)',
            error.message,
        )

    def test_what_is_told_fits_and_says_how_to_report_it(self):
        for message in ('short', 'x' * 500):
            text = story.ours(errors.InternalError(message))
            self.assertLessEqual(len(text), story.LIMIT)
            self.assertIn('by a bug of watcher-tsmig', text)
            self.assertTrue(text.endswith(REPORT), text)


class TestDrain(test_plugin_drain.Base):
    def refused(self, **asked):
        found = self.run_it(**asked)
        self.assertEqual([], found.solution.actions)
        self.assertEqual({}, found.after)
        self.assertTrue(found.failed)
        self.assertIsNone(found.plan)
        self.assertEqual(found.told, self.audit.status_message)
        self.assertLessEqual(len(self.audit.status_message), story.LIMIT)
        self.assertIn(REPORT, self.audit.status_message)
        return self.audit.status_message

    def test_a_wrong_plan_is_not_written_and_no_host_is_disabled(self):
        self._replace(strategy, 'make_plan', starving)
        said = self.refused(hosts=['a'], allow_post_copy=False)
        self.assertIn('id-one: cap below its LCB', said)

    def test_nor_is_one_that_nobody_could_judge(self):
        self._replace(guard, 'check', broken)
        self.assertIn('could not be judged', self.refused(hosts=['a']))

    def test_what_is_told_has_no_traceback(self):
        self._replace(guard, 'check', broken)
        self.assertNotIn('Traceback', self.refused(hosts=['a']))

    def test_who_is_late_by_a_batch_that_goes_first_is_told_not_refused(self):
        for first in (0, 1):
            found = self.run_it(hosts=['a'], first=first)
            late = dataclasses.replace(
                found.plan,
                request=dataclasses.replace(found.plan.request, deadline=1.0),
            )
            limit = found.whole(late).request.deadline
            self.assertEqual(first, int(limit >= late.makespan))

    def test_whom_stopped_vms_follow_is_judged_with_them(self):
        self.compute._servers[0].vm_state = 'stopped'
        found = self.run_it(hosts=['a'])
        self.assertFalse(found.failed, self.audit.status_message)
        self.assertEqual((), found.plan.left_out)
        self.assertIn('then 1 cold', self.audit.status_message)


class TestRelief(test_plugin_relief.Base):
    def test_a_plan_that_nobody_could_judge_is_not_written(self):
        self._replace(guard, 'check', broken)
        self.assertEqual([], self.run_it())
        self.assertIn('by a bug of watcher-tsmig', self.audit.status_message)
        self.assertIn(REPORT, self.audit.status_message)
