"""Pre-copies as their counters would show them, for tests of the governor."""

import itertools

from watcher_tsmig.execute.governor.govern import Counters
from watcher_tsmig.execute.governor.govern import Does
from watcher_tsmig.execute.governor.govern import Governor
from watcher_tsmig.execute.governor.govern import Kind
from watcher_tsmig.execute.governor.govern import Policy
from watcher_tsmig.execute.governor.govern import Prospect

GIB = 1024.0**3


class Course:
    """A pre-copy at one rate; it ends where a round can be the last one.

    :param writes: bytes dirtied within so many s; or the sizes of rounds 2
        and later, of which the last stays
    :param zeros: bytes of the first pass that are not sent
    :param limit: s that a last round may take; 0: it never ends
    :ivar ended: when it did
    """

    def __init__(self, total, rate, writes, *, zeros=0.0, limit=0.5):
        self.total = total
        self.limit = limit
        self.ended = float('inf')
        self.writes = writes
        self.zeros = zeros
        # begin, bytes sent before it, bytes to send, rate
        self.rounds = [(0.0, 0.0, total - zeros, rate)]

    def at(self, now, *, told=False, **more):
        """The counters at that time; the round's number where told."""
        while self._ends(self.rounds[-1]) <= now < self.ended:
            self._next()
        index, row = next(
            (i, row)
            for i, row in reversed(list(enumerate(self.rounds)))
            if row[0] <= now
        )
        begin, before, size, rate = row
        sent = rate * (now - begin)
        rest = max(size - sent, 0.0)
        if index == 0:
            rest *= self.total / size  # zeros go as fast as they are met
        if told:
            more['iteration'] = index + 1
        return Counters(
            total=self.total, processed=before + sent, remaining=rest, **more
        )

    def _ends(self, row):
        begin, _, size, rate = row
        return begin + size / rate

    def _next(self):
        _, before, size, rate = self.rounds[-1]
        count = len(self.rounds)
        if callable(self.writes):
            fresh = self.writes(size / rate)
        else:
            fresh = self.writes[min(count, len(self.writes)) - 1]
        now = self._ends(self.rounds[-1])
        if fresh <= self.limit * rate:
            self.ended = now
        self.rounds.append((now, before + size, min(fresh, self.total), rate))


def governor(*, does='act', **values):
    """One whose prospect has these values, or its policy."""
    fields = {f for f in Policy.__dataclass_fields__ if f != 'does'}
    policy = {k: v for k, v in values.items() if k in fields}
    rest = {k: v for k, v in values.items() if k not in fields}
    return Governor(
        Policy(does=Does(does), **policy),
        Prospect(**{'deadline': float('inf'), **rest}),
        0.0,
    )


def run(gov, course, until, *, every, told=False, moves=None, **more):
    """(time, decision) of every decision until then.

    :param every: s between looks
    :param moves: s between two writings of the counters, if they are rarer
    """
    found = []
    for step in itertools.count(1):
        now = step * every
        seen = now - now % moves if moves else now
        counters = course.at(seen, told=told, **more)
        if now > min(until, course.ended):
            return found
        decision = gov.look(now, counters)
        if decision:
            found.append((now, decision))


def kinds(found):
    return [decision.kind for _, decision in found]


def first(found, *wanted):
    """When the first decision of that kind was made, and the decision."""
    return next((at, d) for at, d in found if d.kind in (wanted or Kind))
