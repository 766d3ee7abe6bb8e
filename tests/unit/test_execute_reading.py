"""What Nova and the agent show of a migration, and when Nova is asked."""

import types
import unittest

from tests.unit.small_cloud import Clock
from tests.unit.test_execute_migration import order
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.execute import Pace
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Statistics
from watcher_tsmig.execute.follow import Stop
from watcher_tsmig.execute.follow import Watch
from watcher_tsmig.execute.reading import Reading
from watcher_tsmig.plan.values import Mode

MEMORY = 1000.0


class Nova:
    """Its records and counters are what a test says; questions are kept."""

    def __init__(self):
        self.found, self.counted, self.there = [], None, True
        self.asked, self.spread, self.urgent = [], 0.0, []

    def records(self, vm):
        self.asked.append('records')
        return self.found

    def statistics(self, vm, record):
        self.asked.append(f'statistics {record}')
        return self.counted

    def server(self, vm):
        self.asked.append('server')
        return object() if self.there else None

    def pause(self, wanted, *, urgent=False):
        self.urgent.append(urgent)
        return max(wanted, 0.0 if urgent else self.spread)


class Keeping:
    def __init__(self):
        self.job, self.in_force, self.tended, self.waited = None, None, 0, 0

    def tend(self):
        self.tended += 1
        return self.job and types.SimpleNamespace(job=self.job)

    def wait(self):
        self.waited += 1


def sends(sent, left, **values):
    return Job(
        direction=Direction.OUTGOING,
        total=MEMORY,
        processed=sent,
        remaining=left,
        **values,
    )


class Base(unittest.TestCase):
    def setUp(self):
        self.clock, self.nova, self.keeping = Clock(), Nova(), Keeping()
        self.start()

    def start(self, poll=1.0, **values):
        wanted = order(deadline=900.0, **values)
        self.reading = Reading(
            self.nova, wanted, self.clock, self.keeping, frozenset('7'), poll
        )
        self.watch = Watch(wanted, Pace(), self.clock.now())

    def says(self, status, record='8', took=1.0):
        old = Record(id='7', status='completed', took=9.0)
        new = Record(id=record, status=status, took=took)
        self.nova.found = [new, old] if status else [old]

    def counts(self, sent, left, status='running', took=2.0):
        self.nova.counted = Statistics(
            total=MEMORY,
            processed=sent,
            remaining=left,
            status=status,
            took=took,
        )

    def look(self, after=0.0):
        """What Nova was asked at a look so many s later."""
        self.clock.sleep(after)
        self.nova.asked.clear()
        seen = self.reading
        seen.look(self.watch)
        if seen.status is not None:
            self.watch.look(self.clock.now(), seen.status)
        return list(self.nova.asked)

    def due(self):
        """How long after its last question Nova is asked again, s."""
        return self.reading.due - self.reading.read


class TestRecords(Base):
    def test_the_newest_that_was_not_there_before_is_it(self):
        self.says(None)
        self.assertEqual(['records'], self.look())
        self.assertIsNone(self.reading.record)
        self.nova.found = [
            Record(id='9', status='queued'),
            Record(id='8', status='error'),
            Record(id='7', status='completed'),
        ]
        self.look(60)
        self.assertEqual('9', self.reading.record.id)

    def test_a_vm_is_gone_once_it_took_its_records_along(self):
        self.says('preparing')
        self.look()
        self.nova.found = []
        self.assertEqual(['records', 'server'], self.look(60))
        self.assertFalse(self.reading.gone)
        self.says('preparing')
        self.look(60)
        self.nova.found, self.nova.there = [], False
        self.look(60)
        self.assertTrue(self.reading.gone)

    def test_before_there_is_a_record_nobody_is_gone(self):
        self.nova.there = False
        self.assertEqual(['records'], self.look())
        self.assertFalse(self.reading.gone)

    def test_what_it_stood_in_novas_queue_is_told_apart(self):
        for after, status, queued in (
            (0, 'accepted', 0.0),
            (2, 'queued', 0.0),
            (4, 'queued', 0.0),
            (6, 'queued', 0.0),
            # 10 s after the first look it stood there, 6 s later no more
            (6, 'preparing', 13.0),
            (6, 'running', 13.0),
        ):
            self.says(status)
            self.look(after)
            self.assertEqual(queued, self.reading.queued, status)

    def test_one_that_never_stood_there_did_not_wait(self):
        for status in ('accepted', 'preparing', 'running', 'completed'):
            self.says(status)
            self.look(60)
        self.assertEqual(0.0, self.reading.queued)


class TestCounters(Base):
    def running(self, **values):
        self.start(**values)
        self.assertFalse(self.reading.ran)
        self.says('running')
        self.look()
        self.assertTrue(self.reading.ran)

    def test_without_an_agent_state_and_counters_are_one_request(self):
        self.running()
        self.counts(400.0, 600.0)
        self.assertEqual(['statistics 8'], self.look(60))
        self.assertEqual(400.0, self.reading.memory.processed)
        self.assertEqual(600.0, self.reading.memory.remaining)
        self.assertEqual(MEMORY, self.reading.memory.total)
        self.assertEqual(2.0, self.reading.record.took)
        self.assertEqual(400.0, self.reading.data)

    def test_once_they_are_no_more_its_record_tells(self):
        self.running()
        self.counts(400.0, 600.0)
        self.look(60)
        self.nova.counted = None
        self.says('completed')
        self.assertEqual(['statistics 8', 'records'], self.look(60))
        self.assertEqual('completed', self.reading.status)
        self.assertIsNone(self.reading.memory)
        self.assertEqual(400.0, self.reading.data)
        self.assertTrue(self.reading.ran)

    def test_the_most_that_was_seen_is_what_was_sent(self):
        self.running()
        for sent in (400.0, 900.0, 300.0):
            self.counts(sent, 100.0)
            self.look(60)
        self.assertEqual(900.0, self.reading.data)

    def test_what_waits_has_none_and_never_ran(self):
        self.says('queued')
        self.assertEqual(['records'], self.look())
        self.assertEqual(1, self.keeping.waited)
        self.look(60)
        self.assertEqual(2, self.keeping.waited)
        self.assertEqual(0, self.keeping.tended)
        self.assertIsNone(self.reading.memory)
        self.assertFalse(self.reading.ran)

    def test_an_agent_tells_of_now_at_every_look(self):
        self.running()
        self.keeping.job = sends(100.0, 900.0, iteration=1)
        self.keeping.in_force = 50.0
        self.look(60)
        for sent in (200.0, 300.0):
            self.keeping.job = sends(sent, 10.0, dirty_rate=7.0, rate=8.0)
            self.assertEqual([], self.look(1))
            memory = self.reading.memory
            self.assertTrue(self.reading.fresh)
            self.assertEqual(sent, memory.processed)
            self.assertEqual((7.0, 8.0), (memory.dirty_rate, memory.bandwidth))
            self.assertEqual(50.0, memory.cap)

    def test_what_an_agent_told_before_it_ended_counts_no_more(self):
        self.running()
        self.keeping.job = sends(100.0, 900.0)
        self.look(60)
        self.says('completed')
        self.look(60)
        self.assertIsNone(self.reading.memory)

    def test_what_was_not_counted_was_not_sent_and_nothing_is_nothing(self):
        self.running()
        for sent, data in ((None, None), (0.0, 0.0), (None, 0.0)):
            self.counts(sent, 600.0)
            self.look(60)
            self.assertEqual(data, self.reading.data)

    def test_so_it_does_of_a_post_copy(self):
        self.says('running (post-copy)')
        self.look()
        self.keeping.job = sends(500.0, 500.0, post_copy=True)
        self.look(60)
        self.assertEqual(500.0, self.reading.memory.processed)
        self.assertTrue(self.reading.ran)

    def test_without_one_what_was_read_holds_but_is_not_of_now(self):
        self.running()
        self.counts(400.0, 600.0)
        self.look(60)
        self.assertTrue(self.reading.fresh)
        self.nova.spread = 30.0
        self.counts(400.0, 600.0)
        self.look(60)
        self.assertEqual([], self.look(1))
        self.assertFalse(self.reading.fresh)
        self.assertEqual(400.0, self.reading.memory.processed)

    def test_who_is_to_be_switched_is_counted_as_soon_as_it_runs(self):
        self.counts(10.0, 990.0)
        self.running(mode=Mode.POST_COPY, post_copy_permitted=True)
        self.assertEqual(['records', 'statistics 8'], self.nova.asked)
        self.keeping.job = sends(10.0, 990.0)
        self.assertEqual(['records'], self.look(60))
        self.running(mode=Mode.HYBRID, post_copy_permitted=True)
        self.assertEqual(['records'], self.nova.asked)

    def test_but_not_before_it_runs(self):
        self.start(mode=Mode.POST_COPY, post_copy_permitted=True)
        self.says('preparing')
        self.assertEqual(['records'], self.look())


class TestWhen(Base):
    def test_the_agents_word_that_it_has_ended_asks_at_once(self):
        self.says('running')
        self.look()
        self.keeping.job = sends(100.0, 900.0)
        self.assertEqual(['records'], self.look(60))
        self.assertEqual(10.0, self.due())
        self.assertEqual([], self.look(1))
        self.keeping.job = Job()
        self.says('completed')
        self.assertEqual(['statistics 8', 'records'], self.look(1))
        self.assertEqual('completed', self.reading.status)

    def test_so_does_its_word_of_a_switch(self):
        self.says('running')
        self.look()
        self.keeping.job = sends(100.0, 900.0)
        self.look(60)
        self.keeping.job = sends(100.0, 900.0, post_copy=True)
        self.says('running (post-copy)')
        self.assertEqual(['records'], self.look(1))

    def test_the_closer_an_end_is_foretold_the_sooner(self):
        self.start(takes=20.0)
        self.says('running')
        self.look()
        self.assertEqual(6.0, self.due())
        for after, due in ((12.0, 4.0), (5.0, 1.5), (2.0, 1.0), (11.0, 5.0)):
            self.counts(0.0, 0.0)
            self.look(after)
            self.assertEqual(due, self.due(), self.clock.now())

    def test_counters_know_better_than_the_plan(self):
        self.start(takes=999.0)
        self.says('running')
        self.look()
        self.counts(600.0, 200.0)
        self.look(12)
        self.assertEqual(2.0, self.due())

    def test_of_a_hybrid_it_is_its_first_pass_that_is_awaited(self):
        self.start(takes=999.0, mode=Mode.HYBRID, post_copy_permitted=True)
        self.says('running')
        self.look()
        self.counts(750.0, 5.0)
        self.look(12)
        self.assertEqual(2.0, self.due())

    def test_what_waits_is_looked_at_the_less_the_longer_it_does(self):
        self.says('queued')
        self.look()
        dues = [self.due()]
        for after in (1, 3, 4, 60):
            self.look(after)
            dues.append(self.due())
        self.assertEqual([1.0, 1.0, 2.0, 4.0, 6.0], dues)

    def test_so_is_what_is_to_be_switched_once_it_runs(self):
        self.start(mode=Mode.POST_COPY, post_copy_permitted=True)
        self.says('queued')
        for after in (0, 60):
            self.look(after)
        self.assertEqual(6.0, self.due())

    def test_what_is_new_has_just_begun(self):
        self.start(poll=0.1)
        self.says('queued')
        self.look()
        self.assertAlmostEqual(0.1, self.due())

    def test_looks_are_counted_and_not_seconds(self):
        self.start(poll=0.5, takes=10.0)
        self.says('running')
        self.look()
        self.counts(0.0, 0.0)
        self.look(6.0)
        # half of what is left
        self.assertAlmostEqual(2.0, self.due())
        self.start(poll=0.5)
        self.says('queued')
        self.look()
        self.look(4.0)
        self.assertAlmostEqual(2.0, self.due())

    def test_where_nobody_tells_what_is_left_the_plan_does(self):
        self.start(takes=20.0)
        self.says('running')
        self.look()
        self.counts(600.0, None)
        self.look(12)
        self.assertEqual(4.0, self.due())

    def test_what_is_to_be_switched_is_looked_at_also_where_an_agent_tells(
        self,
    ):
        self.start(mode=Mode.POST_COPY, post_copy_permitted=True, takes=999.0)
        self.says('running')
        self.look()
        self.keeping.job = sends(100.0, 900.0)
        self.look(1)
        self.assertEqual(1.0, self.due())
        self.watch.tries = 1
        self.look(60)
        self.assertEqual(10.0, self.due())

    def test_what_arrives_or_is_to_stop_is_expected_at_any_moment(self):
        self.says('post-migrating')
        for after in (0, 60):
            self.look(after)
            self.assertEqual(1.0, self.due())
        self.start(takes=999.0)
        self.says('running')
        self.watch.stop = Stop.CANCELLED
        self.look(60)
        self.assertEqual(1.0, self.due())

    def test_a_faster_clock_is_looked_at_faster(self):
        self.start(poll=0.1, takes=999.0)
        self.says('running')
        self.look()
        self.assertAlmostEqual(0.6, self.due())

    def test_a_switch_that_is_due_is_urgent_until_it_was_asked_for(self):
        self.start(mode=Mode.POST_COPY, post_copy_permitted=True)
        self.nova.spread = 30.0
        self.says('running')
        self.look()
        self.assertEqual((1.0, True), (self.due(), self.nova.urgent[-1]))
        self.watch.tries = 1
        self.look(60)
        self.assertEqual((30.0, False), (self.due(), self.nova.urgent[-1]))

    def test_what_was_asked_for_is_looked_at_soon(self):
        self.nova.spread = 30.0
        self.says('running')
        self.look()
        self.assertEqual(30.0, self.due())
        self.reading.hurry()
        self.assertEqual(1.0, self.due())
        self.assertEqual([], self.look(0.5))
        self.assertEqual(['statistics 8', 'records'], self.look(0.5))
