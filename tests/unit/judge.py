"""What tests of the judge share: good plans, and those wrong in one thing."""

import testtools

from tests.unit.builders import lasts
from watcher_tsmig.plan.check import check

#: When a `step` that starts at once has ended, s.
THEN = lasts(50e6)


class JudgeCase(testtools.TestCase):
    def good(self, where, said, rules=None):
        self.assertEqual([], check(where, said, rules))

    def only(self, text, where, said, rules=None):
        """The plan is wrong, and in nothing but this."""
        found = check(where, said, rules)
        self.assertTrue(found, text)
        for sentence in found:
            self.assertIn(text, sentence)
