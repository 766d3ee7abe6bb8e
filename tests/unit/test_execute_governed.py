"""A running pre-copy under the governor: what is done, told, and left."""

import contextlib
import unittest

from openstack import exceptions as sdk_errors

from tests.unit.small_cloud import Clock
from tests.unit.small_cloud import statistics
from tests.unit.test_execute_migration import SmallNova
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Held
from watcher_tsmig.agent.values import Job
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute import carry_out
from watcher_tsmig.execute.drivers.sdk import OpenStackSdk
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plugin import story

RATE, MEMORY, AGAIN = 100e6, 1e9, 500e6
LONG = ((2, None), (1, 'preparing'), (400, 'running'), (None, 'completed'))


class Stalled(SmallNova):
    """A pre-copy of which each round has as much to send as the last."""

    def counters(self):
        sent = max(self.clock.now() - self.began - 3, 0.0) * RATE
        left = MEMORY - sent
        if left < 0:
            left = AGAIN - (sent - MEMORY) % AGAIN
        return sent, left

    def get_server_migration(self, record, vm, ignore_missing):
        if self.status() != 'running':
            raise sdk_errors.NotFoundException('not in progress')
        sent, left = self.counters()
        return statistics(MEMORY, sent, left)


class Agents:
    """A cap driver that remembers."""

    def __init__(self, nova, clock):
        self.nova, self.clock = nova, clock
        self.asked, self.cleared = [], []
        self.pre = self.post = None
        self.wanted = None
        self.away = False

    def set(self, host, vm, *, pre, post, ttl, disks, least):
        if self.away:
            raise errors.CloudError('no agent answers on cmp-1')
        self.asked.append((self.clock.now(), host, vm, pre))
        # whole MiB/s a part, as libvirt has them
        self.pre, self.post = self.whole(pre), post
        self.wanted = self.pre
        return self.look(host, vm)

    def look(self, host, vm):
        status = self.nova.status()
        runs = status in ('running', 'running (post-copy)')
        job = Job()
        if runs:
            sent, left = self.nova.counters()
            job = Job(
                direction=Direction.OUTGOING,
                post_copy=status != 'running',
                total=MEMORY,
                processed=sent,
                remaining=left,
                dirty_rate=RATE,
            )
        holds = self.pre == self.wanted
        return Held(
            pre=self.pre, post=self.post, ours=True, holds=holds, job=job
        )

    @staticmethod
    def whole(rate):
        return rate

    def clear(self, host, vm):
        self.cleared.append((host, vm))

    def ask(self, host, verb, arguments, **_):
        raise errors.CloudError('nobody')


class Base(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.nova = Stalled(self.clock, LONG)
        self.agents = Agents(self.nova, self.clock)
        self.seen = []

    def go(self, does, *, caps=None, pace=None, abort=False, **values):
        wanted = {
            'deadline': 300.0,
            'takes': 15.0,
            'post_copy_permitted': True,
            **values,
        }
        return carry_out(
            OpenStackSdk(self.nova),
            order(**wanted),
            cancelled=lambda: False,
            report=self.seen.append,
            caps=caps,
            governor=Policy(does=does, abort=abort),
            pace=pace or Pace(),
            clock=self.clock,
        )

    def forced(self):
        return [call for call in self.nova.calls if call[0] == 'force']


class TestStall(Base):
    def test_it_is_switched_to_post_copy_where_that_is_permitted(self):
        began = self.clock.now()
        outcome = self.go(Does.ACT)
        self.assertEqual(1, len(self.forced()))
        self.assertIs(Mode.HYBRID, outcome.mode)
        # the first pass and a few looks of Nova's budget
        self.assertLess(self.clock.now() - began, 100)
        self.assertIn('post-copy', outcome.remark)

    def test_but_not_where_nothing_is_sent_any_more(self):
        for asked in (False, True):
            self.setUp()
            self.nova.counters = self.frozen(self.nova.counters)
            with contextlib.suppress(errors.MigrationError):
                self.go(Does.ACT, caps=self.agents if asked else None)
            self.assertEqual([], self.forced())

    def frozen(self, real):
        """Counters that stand still after 15 s."""
        last = []

        def counters():
            if self.clock.now() - self.nova.began < 15:
                last[:] = real()
            return tuple(last)

        return counters

    def test_it_is_only_told_where_the_governor_observes(self):
        outcome = self.go(Does.OBSERVE, deadline=1000.0)
        self.assertEqual([], self.forced())
        self.assertIs(Mode.PRE_COPY, outcome.mode)
        self.assertIn('would switch it to post-copy', outcome.remark)
        told = [p for p in self.seen if p.note]
        self.assertLess(told[0].elapsed, 60)

    def test_nobody_watches_where_it_is_off(self):
        outcome = self.go(Does.OFF, deadline=1000.0)
        self.assertEqual('', outcome.remark)
        self.assertFalse(any(p.note for p in self.seen))

    def test_without_post_copy_it_is_left_running_past_its_deadline(self):
        outcome = self.go(
            Does.ACT,
            post_copy_permitted=False,
            pace=Pace(abort_late=False),
        )
        self.assertEqual([], self.forced())
        self.assertGreater(outcome.seconds, 300)
        self.assertNotIn('abort', [call[0] for call in self.nova.calls])

    def test_but_not_for_ever(self):
        self.nova.story = [(2, None), (None, 'running')]
        with self.assertRaisesRegex(errors.MigrationError, 'has been running'):
            self.go(
                Does.ACT,
                post_copy_permitted=False,
                deadline=20.0,
                pace=Pace(abort_late=False),
            )
        self.assertLess(self.clock.now(), 1000 + 20 * 11)


class TestCaps(Base):
    CAP = 50 * 1048576.0

    def test_a_cap_is_set_before_the_start_read_back_and_cleared(self):
        began = self.clock.now()
        outcome = self.go(Does.OFF, caps=self.agents, cap=self.CAP,
                          deadline=1000.0)  # fmt: skip
        self.assertEqual(
            (began, 'cmp-1', 'vm-1', self.CAP), self.agents.asked[0]
        )
        self.assertIs(Enforcement.ENFORCED, outcome.cap)
        self.assertEqual(self.CAP, outcome.cap_rate)
        self.assertIn('cap 419 Mbit/s enforced', outcome.remark)
        self.assertEqual([('cmp-1', 'vm-1')], self.agents.cleared)

    def test_it_is_renewed_before_it_ends(self):
        self.go(Does.OFF, caps=self.agents, cap=self.CAP, deadline=1000.0,
                pace=Pace(cap_life=40.0))  # fmt: skip
        times = [at for at, *_ in self.agents.asked]
        gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
        self.assertGreater(len(gaps), 30)
        self.assertLess(max(gaps), 20)

    def test_it_is_cleared_however_the_migration_ends(self):
        self.nova.story = [(2, None), (5, 'running'), (None, 'failed')]
        with self.assertRaises(errors.MigrationError):
            self.go(Does.OFF, caps=self.agents, cap=self.CAP)
        self.assertEqual([('cmp-1', 'vm-1')], self.agents.cleared)

    def test_another_cap_in_force_is_advisory(self):
        real = self.agents.look

        def other(host, vm):
            # Nova's own bandwidth has overridden it
            self.agents.pre = self.CAP * 2
            return real(host, vm)

        self.agents.look = other
        outcome = self.go(Does.OFF, caps=self.agents, cap=self.CAP,
                          deadline=1000.0)  # fmt: skip
        self.assertIs(Enforcement.ADVISORY, outcome.cap)
        self.assertIsNone(outcome.cap_rate)

    def test_one_that_is_less_is_not_in_force_whatever_the_agent_says(self):
        # of 50 MiB/s it needs 45
        self.agents.whole = lambda rate: rate * 0.8
        outcome = self.go(
            Does.OFF,
            caps=self.agents,
            cap=self.CAP,
            floor=self.CAP * 0.9,
            deadline=1000.0,
        )
        self.assertIs(Enforcement.ADVISORY, outcome.cap)
        self.assertIn('advisory (nobody saw it in force)', outcome.remark)

    def test_a_cap_of_many_disks_is_rounded_up_and_in_force(self):
        # 50 MiB/s for three parts are 17 each
        self.agents.whole = lambda rate: 3 * 17 * 1048576.0
        outcome = self.go(
            Does.OFF, caps=self.agents, cap=self.CAP, deadline=1000.0
        )
        self.assertIs(Enforcement.ENFORCED, outcome.cap)
        self.assertEqual(51 * 1048576.0, outcome.cap_rate)

    def test_one_that_is_less_is_advisory_even_where_anything_would_do(self):
        self.agents.whole = lambda rate: rate * 0.9
        outcome = self.go(
            Does.OFF, caps=self.agents, cap=self.CAP, deadline=1000.0
        )
        self.assertIs(Enforcement.ADVISORY, outcome.cap)

    def most_asked(self, **values):
        self.go(
            Does.ACT,
            caps=self.agents,
            cap=self.CAP,
            deadline=1000.0,
            post_copy_permitted=False,
            **values,
        )
        return max(pre for *_, pre in self.agents.asked)

    def test_in_trouble_it_is_raised_to_what_the_links_have(self):
        room = self.CAP * 4
        self.assertAlmostEqual(room, self.most_asked(room=room))

    def test_nobody_raises_it_where_no_plan_tells_what_they_have(self):
        self.assertAlmostEqual(self.CAP, self.most_asked())

    def test_it_outlives_novas_queue(self):
        self.nova.story = [
            (2, None),
            (900, 'queued'),
            (20, 'running'),
            (None, 'completed'),
        ]
        self.go(Does.OFF, caps=self.agents, cap=self.CAP)
        times = [at for at, *_ in self.agents.asked]
        gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
        self.assertGreater(len(times), 20)
        self.assertLess(max(gaps), Pace().cap_life)

    def test_a_renewal_that_failed_is_none(self):
        self.nova.story = [(2, None), (300, 'running'), (None, 'completed')]
        real = self.agents.set
        began = self.clock.now()

        def away(*args, **values):
            # for a moment, just as it is to be renewed
            self.agents.away = 30 < self.clock.now() - began < 40
            return real(*args, **values)

        self.agents.set = away
        self.go(Does.OFF, caps=self.agents, cap=self.CAP, deadline=1000.0)
        times = [at for at, *_ in self.agents.asked]
        gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
        self.assertLess(max(gaps), Pace().cap_life * 0.6)

    def test_without_an_agent_it_is_advisory_and_says_why(self):
        outcome = self.go(Does.OFF, cap=self.CAP, deadline=1000.0)
        self.assertIs(Enforcement.ADVISORY, outcome.cap)
        self.assertIn('advisory (no agent is used)', outcome.remark)


class TestDeleted(Base):
    def test_a_vm_that_is_deleted_while_it_moves_fails_nothing(self):
        real = self.nova.migrations
        began = self.clock.now()

        def later(**query):
            if self.clock.now() - began <= 10:
                return real(**query)
            self.nova.gone = True
            return []

        self.nova.migrations = later
        counted = self.nova.get_server_migration

        def there(*args, **query):
            later()
            if self.nova.gone:
                raise sdk_errors.NotFoundException('no such server')
            return counted(*args, **query)

        self.nova.get_server_migration = there
        outcome = self.go(Does.OFF)
        self.assertEqual('', outcome.host)
        self.assertIsNone(outcome.took)
        self.assertLess(outcome.seconds, 20)
        self.assertEqual(
            'db-1 was deleted while it moved.',
            story.of_outcome('db-1', outcome, 15.0),
        )
        self.assertLess(self.clock.now() - began, 20)
