"""Each stage of the manager's ladder decides in a real plan, and says so."""

import dataclasses

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.builders import writes
from tests.unit.test_plan import PlanCase
from watcher_tsmig import errors
from watcher_tsmig.model import Contents
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.plan.problem import ladder
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason

# A pass of 1 Gbit/s leaves 118 MB/s of memory; it writes far more.
FAST = writes(300e6, 3e9)
ZEROS = Contents(pages=4096, zero=0.5, written=2000, blanked=0.95, apart=2.0)
TEXT = Contents(pages=4096, zero=0.01, written=2000, blanked=0.0, apart=2.0)
NO_POST = host('a', post_copy=False)
SLOWS = NovaSettings(downtime_limit=0.5, auto_converge=True)
SLOWED = host('a', post_copy=False, nova=SLOWS)


def busy(**values):
    """The VM that writes too fast for its link."""
    return vm('db', 'a', **{'working_set': FAST, **values})


class TestStages(PlanCase):
    def test_they_are_tried_in_the_designs_order(self):
        self.assertEqual(
            ['pattern', 'dry-run', 'post-copy', 'forced', 'left-out'],
            list(ladder.MEANING),
        )

    def test_one_that_its_writing_lets_end_is_not_asked_any_further(self):
        calm = vm('web', 'a', contents=ZEROS)
        found = self.only(self.plan(cloud('a b', calm, a=NO_POST)))
        self.assertIs(Reason.ONLY_PRE_COPY, found.reason)
        self.assertNotIn('dry run', found.because + found.runner_up)

    def test_the_dry_run_lets_one_move_that_writes_zeros(self):
        found = self.only(
            self.plan(cloud('a b', busy(contents=ZEROS), a=NO_POST))
        )
        self.assertIs(Mode.PRE_COPY, found.mode)
        self.assertIs(Reason.DRY_RUN, found.reason)
        self.assertEqual(
            'dry run: 93% of its writes are zeros, so 195 Mbit/s do; by its '
            'writing alone pre-copy would need 2.7 Gbit/s',
            found.because,
        )
        # with what it really sends: of 4 GB 2 are zeros, of its writes most
        self.assertLess(found.data, 2.4e9)
        self.assertLess(found.lcb, 25e6)

    def test_it_does_where_post_copy_is_permitted_too(self):
        contents = dataclasses.replace(ZEROS, blanked=1.0)
        found = self.only(self.plan(cloud('a b', busy(contents=contents))))
        self.assertIs(Mode.PRE_COPY, found.mode)
        self.assertIs(Reason.DRY_RUN, found.reason)

    def test_post_copy_moves_one_that_the_dry_run_does_not(self):
        found = self.only(self.plan(cloud('a b', busy(contents=TEXT))))
        self.assertIs(Reason.WRITES_TOO_FAST, found.reason)
        self.assertTrue(found.mode.switches)
        self.assertIn(', by the dry run 2.', found.because)
        self.assertNotIn('nobody sampled', found.runner_up)

    def test_post_copy_says_that_nobody_sampled(self):
        found = self.only(self.plan(cloud('a b', busy())))
        self.assertIs(Reason.WRITES_TOO_FAST, found.reason)
        self.assertNotIn('dry run', found.because)
        self.assertIn('; nobody sampled its pages', found.runner_up)

    def test_one_that_nothing_else_moves_is_slowed_down_if_it_may_be(self):
        found = self.only(
            self.plan(cloud('a b', busy(), a=SLOWED), max_throttle=0.9)
        )
        self.assertIs(Reason.THROTTLED, found.reason)
        self.assertIn('auto-converge takes 90% of its CPUs', found.because)
        self.assertIn('nobody sampled its pages', found.runner_up)
        # it grinds on for long: rounds of all its memory until 90 %
        self.assertGreater(found.takes, 300)

    def test_the_dry_run_comes_before_slowing_down(self):
        found = self.only(
            self.plan(
                cloud('a b', busy(contents=ZEROS), a=SLOWED), max_throttle=0.9
            )
        )
        self.assertIs(Reason.DRY_RUN, found.reason)

    def test_post_copy_comes_before_slowing_down(self):
        found = self.only(
            self.plan(
                cloud('a b', busy(), a=host('a', nova=SLOWS)),
                max_throttle=0.9,
            )
        )
        self.assertTrue(found.mode.switches)

    def test_one_that_moves_by_itself_is_not_slowed_down(self):
        calm = vm('web', 'a')
        free, slowed = (
            self.only(self.plan(cloud('a b', calm, a=SLOWED), **values))
            for values in ({}, {'max_throttle': 0.9})
        )
        self.assertEqual(free, slowed)

    def test_one_left_out_is_told_what_each_stage_said(self):
        for values, at, asked, said in (
            (
                {},
                NO_POST,
                {},
                'nobody sampled its pages, and post-copy is not permitted',
            ),
            (
                {'contents': TEXT},
                NO_POST,
                {},
                'the dry run needs 2.7 Gbit/s, and post-copy is not permitted',
            ),
            (
                {},
                SLOWED,
                {},
                'post-copy is not permitted, and auto-converge may take none '
                'of its CPUs',
            ),
            (
                {},
                SLOWED,
                {'max_throttle': 0.8},
                'and to take 80% of its CPUs is not enough',
            ),
            (
                {'sla': 'gold'},
                SLOWED,
                {'max_throttle': 0.9},
                'auto-converge may take none of its CPUs',
            ),
        ):
            found = self.stays(
                self.plan(cloud('a b', busy(**values), a=at), **asked)
            )
            self.assertIs(Reason.DOES_NOT_CONVERGE, found.reason)
            self.assertIn('pre-copy needs 2.7 Gbit/s, the link', found.because)
            self.assertIn(said, found.because)

    def test_writing_that_is_only_assumed_is_no_case_for_the_later_stages(
        self,
    ):
        unknown = busy(working_set=None, contents=ZEROS)
        asked = {'assume_dirty_rate': 300e6, 'max_throttle': 0.9}
        found = self.stays(self.plan(cloud('a b', unknown, a=SLOWED), **asked))
        self.assertIn('if it writes as assumed, ', found.because)
        self.assertNotIn('dry run', found.because)
        self.assertNotIn('sampled', found.because)

    def test_a_small_sample_is_not_believed_as_far_as_a_large_one(self):
        needs = []
        for pages in (400, 4000):
            contents = dataclasses.replace(ZEROS, written=pages, pages=4096)
            plan = self.plan(cloud('a b', busy(contents=contents), a=NO_POST))
            needs.append(self.only(plan).lcb)
        self.assertGreater(needs[0], needs[1] * 1.3)

    def test_only_a_part_of_its_cpus_can_be_given_away(self):
        for share in (-0.1, 1.0):
            error = self.assertRaises(
                errors.InputError, Request, hosts=('a',), max_throttle=share
            )
            self.assertEqual('max_throttle', error.place)
