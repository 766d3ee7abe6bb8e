"""What tests of the judge share: good plans, and those wrong in one thing."""

import dataclasses

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import lasts
from tests.unit.builders import plan
from tests.unit.builders import step
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.check import check

#: When a `step` that starts at once has ended, s.
THEN = lasts(50e6)
MB, GB = 1e6, 1e9
#: Nothing is lost on the wire, by pages of zeros or by set-up.
RULES = Rules(efficiency=1.0, zero_pre_copy=0.0, zero_post_copy=0.0, setup=0.0)


class JudgeCase(testtools.TestCase):
    def good(self, where, said, rules=None):
        self.assertEqual([], check(where, said, rules))

    def only(self, text, where, said, rules=None):
        """The plan is wrong, and in nothing but this."""
        found = check(where, said, rules)
        self.assertTrue(found, text)
        for sentence in found:
            self.assertIn(text, sentence)


class ForecastCase(JudgeCase):
    """A VM v of 1 GB, all of it resident: at 50 MB/s a pass takes 20 s."""

    rules = RULES

    def where(self, work, *, links=(), a=None, **values):
        one = idle('v', 'a', **{'memory': GB, 'working_set': work, **values})
        return cloud('a b', one, links=links, a=host('a', **(a or {})))

    def right(self, where, said, **asked):
        """It is so, and not so with any of its figures a little changed."""
        self.good(where, plan(said, **asked), self.rules)
        for name, by in (
            ('takes', 0.01),
            ('downtime', 0.01),
            ('slow', 0.01),
            ('data', MB / 2),
        ):
            for sign in (1, -1):
                value = getattr(said, name) + sign * by
                given = {name: value}
                if name == 'takes':
                    given |= {'takes_low': value, 'takes_high': value}
                if name == 'slow':
                    given['downtime'] = said.downtime + sign * by
                other = dataclasses.replace(said, **given)
                what = {'takes': 'duration', 'downtime': 'pause'}.get(name)
                what = what or {'slow': 'slow phase'}.get(name, name)
                self.only(
                    f'id-v: {what} is', where, plan(other, **asked), self.rules
                )


def says(takes, pause, slow=0.0, **values):
    """What a migration of v from a to b says of itself."""
    return step(
        'v',
        'a>b',
        takes=takes,
        downtime=pause + slow,
        slow=slow,
        **{'cap': 50 * MB, 'data': 50 * MB * takes, **values},
    )
