"""Guests measured in the background, on a host whose time is made up."""

import json
import pathlib
import random
import tempfile
import types
import unittest

from tests.unit.test_agent import OTHER
from tests.unit.test_agent import VM
from tests.unit.test_agent_writing import Guests
from watcher_tsmig.agent import spool
from watcher_tsmig.agent.measure import contents
from watcher_tsmig.agent.measure import survey
from watcher_tsmig.agent.measure import turns
from watcher_tsmig.agent.measure import writing
from watcher_tsmig.agent.measure.survey import Survey
from watcher_tsmig.agent.measure.survey import Terms
from watcher_tsmig.agent.measure.writing import Measurements
from watcher_tsmig.agent.spool import Value
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

EPOCH = 1_800_000_000.0
EVERY = 600.0
MIX = {'pages': 512, 'zero': 0.5, 'written': 512, 'blanked': 0.25}


class Here(Guests):
    """Guests that are here, and how long was slept."""

    def __init__(self):
        super().__init__()
        self.here = [VM]
        self.stopped = False
        self.listed = 0

    def domains(self):
        self.listed += 1
        return list(self.here)

    def memory(self, vm):
        return 4 * GIB

    def wait(self, seconds):
        self.sleep(seconds)
        return self.stopped


class Costs:
    """Each look at what others worked finds a ms more."""

    def __init__(self):
        self.spent = 0.0
        self.hash = 0.003

    def working(self, vm):
        self.spent += 0.001
        return self.spent

    def hashing(self, vm, memory):
        return self.hash


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / 'writing.json'
        self.guests = Here()
        self.costs = Costs()
        self.moving = set()
        self.thread_time = 0.0
        clock = types.SimpleNamespace(
            sleep=self.guests.sleep,
            monotonic=lambda: self.guests.now,
            time=lambda: EPOCH + self.guests.now,
            thread_time=lambda: self.thread_time,
        )
        for module in (writing, survey):
            self.addCleanup(setattr, module, 'time', module.time)
            module.time = clock
        self.addCleanup(setattr, survey, 'sample', survey.sample)
        survey.sample = lambda *given: MIX
        self.begin()

    def begin(self, **terms):
        given = {'budget': 0.02, 'every': EVERY, 'at_once': 2, **terms}
        self.measurements = Measurements(self.guests)
        self.survey = Survey(
            self.guests,
            self.measurements,
            self.path,
            Terms(**given),
            lambda: self.moving,
            self.costs,
        )
        self.survey._stop = types.SimpleNamespace(
            wait=self.guests.wait,
            is_set=lambda: self.guests.stopped,
            set=lambda: None,
        )
        return self.survey

    def turn(self):
        """One turn: whether somebody was measured, and what it cost."""
        spent = [0.0]
        try:
            return self.survey._turn(spent), spent[0]
        except Refusal:
            return None, spent[0]

    def turns(self, count=8):
        return [self.turn()[0] for _ in range(count)]


class TestTurns(Case):
    def test_each_span_and_the_contents_come_once_then_nobody_is_due(self):
        self.assertEqual([True] * 8 + [False], self.turns(9))
        spans = sorted(seconds for _, seconds, _ in self.guests.asked)
        self.assertEqual(list(spool.DIRTY_SPANS), spans)
        # the eighth was a second in which nothing is asked of libvirt
        self.assertAlmostEqual(123, self.guests.now)
        found = self.survey._values[VM]
        self.assertEqual(set(spool.metrics()), set(found))
        # 12 MiB/s, and half of the MiB that is cut off
        self.assertEqual(12.5 * MIB * 4, found['memory.dirty.t4'].value)
        self.assertEqual(2 * GIB, found['memory.nonzero'].value)

    def test_it_begins_again_when_the_oldest_is_due(self):
        self.survey._last = {(VM, 'contents'): 1e12}
        self.turns(7)
        first = self.guests.asked[0]
        self.guests.now = EVERY - 1
        self.assertEqual((False, 0.0), self.turn())
        self.guests.now = EVERY + 70
        self.assertTrue(self.turn()[0])
        self.assertEqual(first, self.guests.asked[-1])

    def test_writing_is_never_more_than_the_guest_has(self):
        self.guests.rates = [5000]
        self.turns()
        found = self.survey._values[VM]
        self.assertEqual(4 * GIB, found['memory.dirty.t60'].value)

    def test_who_is_about_to_migrate_or_is_measured_is_left_alone(self):
        self.moving = {VM}
        self.assertEqual((False, 0.0), self.turn())
        self.moving = set()
        with self.measurements.hold(VM):
            self.assertIsNone(self.turn()[0])
        self.assertEqual([], self.guests.asked)

    def test_who_is_measured_on_request_is_not_by_the_survey_and_reverse(self):
        self.guests.go.clear()
        self.measurements.begin(VM, 1, 1, Method.SAMPLING)
        self.assertIsNone(self.turn()[0])
        with self.measurements.hold(OTHER):
            for ask in (
                lambda: self.measurements.begin(OTHER, 1, 1, Method.SAMPLING),
                lambda: self.measurements.hold(OTHER).__enter__(),
            ):
                with self.assertRaisesRegex(Refusal, 'is being measured'):
                    ask()
        self.guests.go.set()
        with self.measurements.hold(OTHER):
            """It is free again."""

    def test_during_a_migration_nobody_is_asked_and_it_is_tried_later(self):
        self.guests.going = Job(direction=Direction.OUTGOING)
        self.assertEqual([None] * 8 + [False], self.turns(9))
        self.assertEqual([], self.guests.asked)
        self.guests.going = Job()
        self.guests.now = survey.RETRY - 1
        self.assertFalse(self.turn()[0])
        self.guests.now = survey.RETRY
        self.assertTrue(self.turn()[0])

    def test_what_was_measured_while_one_began_does_not_count(self):
        def moves():
            self.guests.going = Job(direction=Direction.OUTGOING)

        self.guests.meanwhile = moves
        self.turns(20)
        self.assertEqual(
            set(), {m for m in self.survey._values.get(VM, {}) if '.t' in m}
        )

    def test_a_stop_ends_it_without_a_value(self):
        self.guests.stopped = True
        self.turns()
        self.assertEqual(
            set(), {m for m in self.survey._values[VM] if '.t' in m}
        )

    def test_the_other_ones_guest_is_not_chosen(self):
        self.guests.here = [VM, OTHER]
        seen = []

        def sleep(seconds):
            if not seen:
                seen.append(self.guests.asked[-1][0])
                self.turns(4)
            self.guests.now += seconds

        self.guests.sleep = sleep
        survey.sample = lambda *given: sleep(1) or MIX
        self.survey._last = {(VM, 'contents'): 1e12, (OTHER, 'contents'): 1e12}
        self.turn()
        others = [vm for vm, *_ in self.guests.asked[1:5]]
        self.assertEqual({VM, OTHER} - set(seen), set(others))


class TestCost(Case):
    def test_it_is_what_others_worked_and_hashing_twice(self):
        self.survey._last = {(VM, 'contents'): 1e12}
        # begin and end, each a ms more than before
        self.assertAlmostEqual(0.008, self.turn()[1])

    def test_contents_cost_what_others_worked(self):
        self.survey._last = {(VM, s): 1e12 for s in spool.DIRTY_SPANS}
        self.assertAlmostEqual(0.001, self.turn()[1])

    def test_what_fails_costs_too(self):
        self.guests.active = False
        self.assertAlmostEqual(0.001, self.turn()[1])

    def test_a_pause_makes_it_its_share_and_no_more(self):
        for cost, took, share, pause in (
            (0.01, 1.0, 0.01, 0.0),
            (0.02, 1.0, 0.01, 1.0),
            (0.5, 2.0, 0.01, 48.0),
            (0.0, 1.0, 0.01, 0.0),
        ):
            self.assertAlmostEqual(pause, turns.pause(cost, took, share))

    def test_over_an_hour_it_keeps_to_the_budget_whatever_one_costs(self):
        for hash_cost in (0.001, 0.05, 2.0):
            self.guests.now, self.guests.asked = 0.0, []
            self.guests.stopped = False
            self.guests.here = [f'{VM[:-2]}{i:02}' for i in range(20)]
            self.costs.hash = hash_cost
            self.path.unlink(missing_ok=True)
            self.begin(every=60.0, at_once=1)
            self._until(3600)
            share = self.survey._cost / self.guests.now
            self.assertLessEqual(share, 0.02 + 1e-9)
            if hash_cost > 1:
                # and it is used
                self.assertGreater(share, 0.019)

    def _until(self, end):
        real = self.guests.wait

        def wait(seconds):
            # what the thread itself works
            self.thread_time += 0.001
            self.guests.stopped = self.guests.now > end
            return real(seconds)

        self.survey._stop.wait = wait
        self.survey._work()

    def test_where_nobody_is_due_it_looks_from_time_to_time(self):
        self.guests.here = []
        self._until(299)
        self.assertAlmostEqual(300, self.guests.now, delta=6)
        self.assertLessEqual(self.guests.listed, 11)

    def test_a_libvirt_that_is_away_and_a_bug_do_not_end_it(self):
        seen = []

        def domains():
            seen.append(1)
            if len(seen) < 3:
                raise Refusal(Code.HYPERVISOR, 'libvirt: no')
            if len(seen) == 3:
                raise ZeroDivisionError
            return [VM]

        self.guests.domains = domains
        with self.assertLogs(
            'watcher_tsmig.agent.measure.survey', 'ERROR'
        ) as logs:
            self._until(100)
        self.assertEqual(1, len(logs.output))
        self.assertTrue(self.guests.asked)


class TestBitmap(Case):
    def methods(self):
        return [method for *_, method in self.guests.asked]

    def test_never_by_default(self):
        self.guests.now = 1e6
        self.turns()
        self.assertEqual({Method.SAMPLING}, set(self.methods()))

    def test_only_within_the_share_of_the_time_that_the_guest_was_seen(self):
        self.begin(bitmap=0.1, every=60.0)
        self.turns(1)
        used = 0.0
        for _ in range(200):
            self.guests.now += 20
            self.turn()
            used = sum(
                seconds
                for _, seconds, method in self.guests.asked
                if method is Method.BITMAP
            )
            self.assertLessEqual(used, 0.1 * self.guests.now)
        self.assertGreater(used, 0.07 * self.guests.now)


class TestSpool(Case):
    def test_it_is_there_from_the_begin_and_lags_a_little(self):
        self.guests.now = 100.0
        self.turn()
        self.assertTrue(self.path.exists())
        self.turns()
        self.assertGreater(len(spool.read(self.path)[VM]), 3)
        self.survey.stop()
        self.assertEqual(self.survey._values, spool.read(self.path))
        self.assertEqual(
            0.02, json.loads(self.path.read_text())['spent']['budget']
        )

    def test_who_is_gone_leaves_and_so_does_what_is_too_old(self):
        self.guests.here = [VM, OTHER]
        self.turns(16)
        self.assertEqual({VM, OTHER}, set(self.survey._values))
        self.guests.here = [VM]
        self.guests.now += survey.LISTED + 1
        self.turn()
        self.assertEqual({VM}, set(self.survey._values))
        self.assertEqual({VM}, {vm for vm, _ in self.survey._last})
        self.moving = {VM}
        self.guests.now += spool.OLD
        self.turn()
        self.assertEqual({VM: {}}, spool.read(self.path))

    def test_a_restart_goes_on_where_it_was(self):
        self.turns()
        self.survey.stop()
        self.guests.asked = []
        self.begin()
        self.assertEqual([False], self.turns(1))
        self.assertEqual([], self.guests.asked)
        self.survey.stop()
        self.assertEqual(10, len(spool.read(self.path)[VM]))

    def test_one_that_is_broken_is_begun_anew_and_told(self):
        self.path.write_text('{')
        with self.assertLogs('watcher_tsmig.agent.measure.survey', 'WARNING'):
            self.begin()
        self.turns()
        self.survey.stop()
        self.assertEqual({VM}, set(spool.read(self.path)))

    def test_one_that_cannot_be_written_is_told_once(self):
        self.path.mkdir()
        with self.assertLogs(
            'watcher_tsmig.agent.measure.survey', 'ERROR'
        ) as logs:
            for _ in range(3):
                self.survey._save()
        self.assertEqual(1, len(logs.output))
        self.assertIn('nobody learns', logs.output[0])

    def test_nothing_new_is_not_written_again(self):
        self.turns()
        self.guests.now += 6
        self.turn()
        before = self.path.stat().st_ino
        self.guests.now += 6
        self.turn()
        self.assertEqual(before, self.path.stat().st_ino)


class TestChoice(unittest.TestCase):
    def chosen(self, last, skip=(), due=100.0, domains=('a', 'b')):
        return turns.choose(domains, last, skip, due, random.Random(1))

    def all(self, at, *domains):
        return {(vm, what): at for vm in domains for what in turns.JOBS}

    def test_the_oldest_comes_first_and_the_never_tried_before_it(self):
        last = {**self.all(50.0, 'a', 'b'), ('b', 4): 40.0}
        self.assertEqual(('b', 4), self.chosen(last))
        del last['a', 'contents']
        self.assertEqual(('a', 'contents'), self.chosen(last))
        self.assertEqual(('b', 4), self.chosen(last, skip={'a'}))

    def test_what_is_not_due_is_not_chosen(self):
        last = self.all(100.5, 'a', 'b')
        self.assertIsNone(self.chosen(last))
        self.assertIsNone(self.chosen({}, domains=()))
        last['a', 1] = 100.0
        self.assertEqual(('a', 1), self.chosen(last))

    def test_of_several_any_is(self):
        chance = random.Random(1)
        found = {
            turns.choose(('a', 'b'), {}, (), 1.0, chance) for _ in range(500)
        }
        self.assertEqual(16, len(found))


class TestWeights(unittest.TestCase):
    def test_a_mix_of_few_pages_is_not_told(self):
        few = {**MIX, 'written': turns.LEAST - 1}
        once = {'pages': 512, 'zero': 0.5}
        for told, count in ((once, 2), (few, 2), (MIX, 3)):
            found = turns.weights(told, 2 * GIB)
            self.assertEqual(count, len(found))
            self.assertEqual(GIB, found['memory.nonzero'])
        self.assertEqual(0.5, found['memory.contents.zero'])
        self.assertEqual(0.25, found['memory.written.zero'])

    def test_a_sample_is_what_the_agent_takes(self):
        guests = types.SimpleNamespace(
            memory=lambda vm: GIB,
            read=lambda vm, where, size: bytes(size * len(where)),
        )
        told = contents.sample(guests, VM, 8, 0.0, random.Random(1))
        self.assertEqual(1.0, turns.weights(told, GIB)['memory.contents.zero'])

    def test_the_last_of_its_metrics_says_when_contents_were_looked_at(self):
        values = {
            VM: {
                'memory.nonzero': Value(value=1.0, at=20.0),
                'memory.written.zero': Value(value=1.0, at=10.0),
                'memory.dirty.t4': Value(value=1.0, at=30.0),
            }
        }
        self.assertEqual(
            {(VM, 'contents'): 20.0, (VM, 4): 30.0}, turns.times(values)
        )
