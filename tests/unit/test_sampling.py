"""Agents are asked for the pages of few VMs, and only where that decides."""

import random
import threading
import types
import unittest

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import vm
from tests.unit.builders import writes
from watcher_tsmig import errors
from watcher_tsmig.agent.measure import contents as agents_contents
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.model import Contents
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.problem.ladder import doubtful
from watcher_tsmig.plan.values import Request
from watcher_tsmig.playground.cloud import memory
from watcher_tsmig.plugin import agents
from watcher_tsmig.plugin.audits.sampling import Sampler
from watcher_tsmig.reasons import Reason
from watcher_tsmig.telemetry import contents

FAST = writes(300e6, 3e9)
ZEROS = {
    'pages': 1024, 'zero': 0.5, 'written': 512, 'blanked': 1.0, 'apart': 3.5,
}  # fmt: skip
TEXT = {**ZEROS, 'zero': 0.0, 'blanked': 0.0}
CALM = host('a', post_copy=False)


class Agents:
    """Answers by the name of a VM, and what was asked of whom."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def ask(self, at, verb, arguments, *, insist=False):
        self.asked.append((at, arguments['vm']))
        assert verb == 'sample_contents'
        self.arguments = arguments
        found = self.answers.get(arguments['vm'].removeprefix('id-'))
        if found is None:
            raise errors.CloudError(f'no agent answers on {at}')
        if isinstance(found, Exception):
            raise found
        return found


def fast(name, at='a', **values):
    return vm(name, at, **{'working_set': FAST, **values})


class TestReading(unittest.TestCase):
    def read(self, asker, *vms, timeout=5.0):
        self.notes = []
        return contents.read_contents(asker, vms, self.notes, timeout=timeout)

    def test_an_answer_becomes_a_value_with_its_age_and_source(self):
        asker = Agents(one=ZEROS)
        found = self.read(asker, fast('one'))['id-one']
        self.assertEqual(
            Contents(**ZEROS, measured_at=found.measured_at, source='agent'),
            found,
        )
        self.assertGreater(found.measured_at, 1.7e9)
        self.assertEqual([], self.notes)
        self.assertEqual(
            {'vm': 'id-one', 'pages': 1024, 'apart': 2.0}, asker.arguments
        )

    def test_two_looks_fit_into_the_time_of_an_answer(self):
        asker = Agents(one=ZEROS)
        self.read(asker, fast('one'), timeout=2.0)
        self.assertEqual(0.8, asker.arguments['apart'])
        # and are no further apart than a round
        self.read(asker, fast('one'), timeout=60.0)
        self.assertEqual(2.0, asker.arguments['apart'])

    def test_whoever_cannot_be_sampled_is_unknown_and_one_is_named(self):
        found = self.read(
            Agents(
                one=ZEROS,
                busy=Refusal(Code.BUSY, 'has a job under way'),
                old={'first': {}, 'dirty': None},
                odd={**ZEROS, 'zero': 7.0},
            ),
            *map(fast, ('busy', 'old', 'odd', 'gone', 'one')),
        )
        self.assertEqual(['id-one'], list(found))
        (note,) = self.notes
        self.assertIn('pages of 4 of 5 VMs were not sampled', note)
        self.assertIn('such as busy: has a job under way', note)

    def test_an_agent_of_another_version_is_told(self):
        self.read(Agents(old={'first': {}}), fast('old'))
        self.assertIn('speaks another version', self.notes[0])

    def test_nobody_is_asked_once_the_time_is_over(self):
        self.addCleanup(setattr, contents, 'WITHIN', contents.WITHIN)
        contents.WITHIN = -1.0
        asker = Agents(one=ZEROS)
        self.assertEqual({}, self.read(asker, fast('one')))
        self.assertEqual([], asker.asked)
        self.assertIn('no time left', self.notes[0])

    def test_half_a_minute_is_for_all_of_them(self):
        clock = iter((100.0, 130.0, 130.1))
        self.addCleanup(setattr, contents, 'time', contents.time)
        contents.time = types.SimpleNamespace(
            monotonic=lambda: next(clock), time=contents.time.time
        )
        asker = Agents(one=ZEROS, two=ZEROS)
        found = self.read(asker, fast('one'), fast('two'))
        self.assertEqual(['id-one'], list(found))
        self.assertIn(
            'pages of 1 of 2 VMs were not sampled, such as two: there was no '
            'time left of 30 s',
            self.notes,
        )

    def test_hosts_are_asked_side_by_side_and_each_one_vm_at_a_time(self):
        gate = threading.Barrier(8, timeout=10)
        busy, crowded = set(), []
        asker = Agents()

        def ask(at, *_):
            crowded.extend({at} & busy)
            busy.add(at)
            gate.wait()
            busy.discard(at)
            return ZEROS

        asker.ask = ask
        vms = [fast(f'{at}{n}', at) for at in 'abcdefgh' for n in '12']
        self.assertEqual(16, len(self.read(asker, *vms)))
        self.assertEqual([], crowded)

    def test_no_more_than_eight_hosts_are_asked_at_once(self):
        under_way, most = [], []
        lock = threading.Lock()
        more = threading.Event()
        asker = Agents()

        def ask(*_):
            with lock:
                under_way.append(1)
                most.append(len(under_way))
                if len(under_way) > 8:
                    more.set()
            more.wait(0.2)
            with lock:
                under_way.pop()
            return ZEROS

        asker.ask = ask
        self.read(asker, *(fast(at, at) for at in 'abcdefghijkl'))
        self.assertLessEqual(max(most), 8)

    def test_of_nobody_nothing_is_asked(self):
        self.assertEqual({}, self.read(Agents()))


class TestDoubtful(unittest.TestCase):
    def doubtful(self, a_cloud, **values):
        plan = make_plan(a_cloud, Request(hosts=('a',), **values))
        decided = (*plan.left_out, *plan.migrations)
        return [vm.name for vm in doubtful(a_cloud, decided)]

    def test_only_whom_measured_writing_does_not_let_end(self):
        seen = Contents(pages=16, zero=0.0)
        self.assertEqual(
            ['stays'],
            self.doubtful(
                cloud(
                    'a b',
                    fast('stays'),
                    fast('seen', contents=seen),
                    vm('calm', 'a'),
                    vm('unknown', 'a', working_set=None),
                    fast('locked', locked=True),
                    a=CALM,
                ),
                assume_dirty_rate=300e6,
            ),
        )

    def test_whom_post_copy_moves_too_but_after_whom_nothing_does(self):
        self.assertEqual(
            ['stays', 'moves'],
            self.doubtful(
                cloud('a b', fast('moves'), fast('stays', post_copy=False))
            ),
        )

    def test_where_no_agent_is_nobody_can_look(self):
        alone = host('a', post_copy=False, agent=False)
        self.assertEqual([], self.doubtful(cloud('a b', fast('x'), a=alone)))


class TestSampler(unittest.TestCase):
    def sampler(self, asker, most=16):
        self.addCleanup(setattr, agents, 'cap_driver', agents.cap_driver)
        agents.cap_driver = lambda config: asker
        return Sampler(
            types.SimpleNamespace(sampled_vms=most, agent_timeout=5.0)
        )

    def plan(self, sampler, a_cloud):
        self.made = 0

        def make(some):
            self.made += 1
            return make_plan(some, Request(hosts=('a',)))

        return sampler.plan(a_cloud, make)

    def test_a_plan_is_made_again_with_what_agents_counted(self):
        asker = Agents(blanks=ZEROS, texts=TEXT)
        sampler = self.sampler(asker)
        found = self.plan(
            sampler, cloud('a b', fast('blanks'), fast('texts'), a=CALM)
        )
        (move,) = found.migrations
        self.assertEqual(('blanks', Reason.DRY_RUN), (move.name, move.reason))
        (out,) = found.left_out
        self.assertIn('the dry run needs 2.7 Gbit/s', out.because)
        self.assertEqual(['sampled pages of 2 VMs'], sampler.notes)
        self.assertEqual(2, self.made)
        # another plan of the same audit asks nobody again
        self.plan(sampler, cloud('a b', fast('blanks'), fast('texts'), a=CALM))
        self.assertEqual((2, 1), (len(asker.asked), self.made))

    def test_a_plan_that_needs_none_is_made_once_and_asks_nobody(self):
        asker = Agents()
        sampler = self.sampler(asker)
        self.plan(sampler, cloud('a b', vm('web', 'a')))
        self.assertEqual((0, 1), (len(asker.asked), self.made))
        self.assertEqual([], sampler.notes)

    def test_without_an_answer_the_first_plan_holds(self):
        sampler = self.sampler(Agents())
        found = self.plan(sampler, cloud('a b', fast('x'), a=CALM))
        self.assertEqual(1, self.made)
        (out,) = found.left_out
        self.assertIn('nobody sampled its pages', out.because)
        self.assertIn('were not sampled', sampler.notes[0])

    def test_no_more_are_sampled_than_the_option_says(self):
        for most in (0, 2):
            asker = Agents(**{f'x{i}': TEXT for i in range(4)})
            self.plan(
                self.sampler(asker, most),
                cloud('a b', *(fast(f'x{i}') for i in range(4)), a=CALM),
            )
            self.assertEqual(most, len(asker.asked))


class TestSimulatedPages(unittest.TestCase):
    def test_two_looks_of_a_real_agent_find_what_was_told(self):
        told = Contents(pages=4096, zero=0.3, written=1024, blanked=0.75)
        guest = types.SimpleNamespace(looks=0, memory=lambda vm: 4e9)

        def read(vm, addresses, size):
            guest.looks += 1
            return memory.read(told, addresses, size, guest.looks - 1)

        guest.read = read
        found = agents_contents.sample(
            guest, 'vm-1', 4096, 1e-3, random.Random(1)
        )
        self.assertAlmostEqual(0.3, found['zero'], delta=0.03)
        written = found['written'] / found['pages']
        self.assertAlmostEqual(0.25, written, delta=0.03)
        self.assertAlmostEqual(0.75, found['blanked'], delta=0.05)
