"""Caps kept on a host of more than one domain, through whatever happens."""

import json
import os
import threading

from tests.unit.test_agent import FREE
from tests.unit.test_agent import OTHER
from tests.unit.test_agent import VM
from tests.unit.test_agent import WIRE
from tests.unit.test_agent import Base
from tests.unit.test_agent import Libvirtd
from watcher_tsmig import files
from watcher_tsmig.agent import journal
from watcher_tsmig.agent.ledger import FORM
from watcher_tsmig.agent.values import UNLIMITED
from watcher_tsmig.agent.values import VALID
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.agent.values import Speeds
from watcher_tsmig.errors import InputError
from watcher_tsmig.units import MIB

KEEPER = 'watcher_tsmig.agent.keeper'
JOURNAL = 'watcher_tsmig.agent.journal'


class Libvirtds:
    """As many domains as are there, each as of the other test."""

    def __init__(self, *names):
        self.of = {}
        for name in names:
            self.of[name] = Libvirtd()
            self.of[name].set = 0
        self.busy = set()

    def __getattr__(self, call):
        def asked(vm, *more):
            if vm in self.busy:
                raise Refusal(Code.BUSY, f'{vm} is held by somebody')
            if call == 'set_speeds':
                self.of[vm].set += 1
            return getattr(self.of[vm], call)(VM, *more)

        return asked


class Domains(Base):
    def setUp(self):
        super().setUp()
        self.libvirt = Libvirtds(VM, OTHER)
        self.boot()
        self.one, self.other = self.libvirt.of[VM], self.libvirt.of[OTHER]

    def both(self):
        self.cap(16, ttl=60)
        self.cap(8, ttl=60, vm=OTHER)

    def corrected(self):
        return self.ask('job')['result']['corrected']


class TestCorrected(Domains):
    def test_a_cap_that_we_change_is_not_one_that_somebody_changed(self):
        self.cap(16)
        self.cap(8)
        self.assertEqual(0, self.corrected())
        self.one.now_in_force = Speeds(pre=99)
        self.cap(8)
        self.assertEqual(1, self.corrected())
        self.assertEqual(8, self.one.now_in_force.pre)

    def test_what_somebody_else_has_set_is_told_until_it_is_put_right(self):
        self.cap(16)
        self.one.now_in_force = Speeds(pre=99)
        found = self.ask('job')['result']
        self.assertAlmostEqual(99 * WIRE, found['caps']['pre'])
        self.assertAlmostEqual(16 * WIRE, found['wanted']['pre'])

    def test_of_a_domain_that_is_not_ours_its_own_cap_is_told(self):
        self.one.now_in_force = Speeds(pre=50)
        found = self.ask('job')['result']
        self.assertAlmostEqual(50 * WIRE, found['caps']['pre'])
        self.assertIsNone(found['wanted'])

    def test_a_cap_that_holds_is_not_set_again(self):
        self.cap(16)
        for _ in range(3):
            self.keeper.tick()
        self.assertEqual(1, self.one.set)

    def test_a_domain_that_is_given_back_is_counted_anew(self):
        self.cap(16)
        self.one.now_in_force = Speeds(pre=99)
        self.keeper.tick()
        self.ask('clear_caps')
        self.cap(16)
        self.assertEqual(0, self.corrected())


class TestTwo(Domains):
    def test_one_that_libvirt_holds_does_not_hold_up_the_other(self):
        self.both()
        self.one.now_in_force = self.other.now_in_force = FREE
        self.libvirt.busy = {VM}
        with self.assertLogs(KEEPER, 'WARNING') as logs:
            self.keeper.tick()
        self.assertIn('is held by somebody', logs.output[0])
        self.assertEqual(8, self.other.now_in_force.pre)

    def test_at_the_end_one_that_keeps_its_caps_is_told(self):
        self.both()
        self.libvirt.busy = {VM}
        with self.assertLogs(KEEPER, 'ERROR') as logs:
            self.assertEqual(1, self.keeper.restore())
        self.assertIn(f'{VM} keeps its caps', logs.output[0])
        self.assertEqual(FREE, self.other.now_in_force)

    def test_what_was_to_be_taken_back_is_never_set_again(self):
        self.both()
        self.one.begin()
        self.assertEqual(1, self.keeper.restore())
        self.assertEqual(FREE, self.one.now_in_force)
        self.boot()
        self.keeper.tick()
        self.assertEqual(FREE, self.one.now_in_force)
        self.assertIn(VM, self.keeper.entries())

    def test_the_caps_of_all_survive_an_agent(self):
        self.both()
        self.boot()
        self.assertEqual({VM, OTHER}, set(self.keeper.entries()))
        self.ask('clear_caps')
        self.boot()
        self.assertEqual({OTHER}, set(self.keeper.entries()))
        self.keeper.tick()
        self.assertEqual(8, self.other.now_in_force.pre)


class TestBack(Domains):
    def test_where_nothing_is_ours_nothing_is_taken_back(self):
        found = self.ask('clear_caps')
        self.assertEqual({'ours': False}, found['result'])
        self.assertEqual(0, self.one.set)

    def test_a_domain_that_has_left_is_given_back_without_a_word(self):
        self.cap(16)
        self.one.there = False
        self.assertEqual({'ours': False}, self.ask('clear_caps')['result'])

    def test_one_that_is_held_is_not_given_back_yet(self):
        self.cap(16)
        self.libvirt.busy = {VM}
        self.assertEqual('busy', self.code(self.ask('clear_caps')))
        self.libvirt.busy = set()
        self.assertIn(VM, self.keeper.entries())
        self.keeper.tick()
        self.assertEqual(FREE, self.one.now_in_force)

    def test_a_domain_that_does_not_run_has_no_cap_to_go_back_from(self):
        self.cap(16)
        self.one.active = False
        self.ask('clear_caps')
        self.assertEqual(1, self.one.set)
        self.assertEqual({}, self.keeper.entries())

    def test_what_libvirt_has_taken_back_itself_is_not_set(self):
        self.cap(16)
        self.one.now_in_force = FREE
        self.ask('clear_caps')
        self.assertEqual(1, self.one.set)

    def test_one_that_was_set_in_flight_goes_back_in_flight_too(self):
        self.one.begin(bandwidth=50)
        self.cap(16)
        self.ask('clear_caps')
        self.assertEqual(50, self.one.now_in_force.pre)

    def test_one_that_ends_in_flight_says_so_once(self):
        self.cap(16, ttl=10)
        until = self.time + 10
        self.one.begin()
        self.time = until
        self.keeper.tick()
        self.assertEqual(16, self.one.now_in_force.pre)
        with self.assertLogs(KEEPER, 'WARNING') as logs:
            for _ in range(3):
                self.time += 1
                self.keeper.tick()
        self.assertEqual(1, len(logs.output))
        self.assertEqual(FREE, self.one.now_in_force)

    def test_one_that_ends_says_so(self):
        self.cap(16, ttl=10)
        with self.assertLogs(KEEPER, 'WARNING') as logs:
            self.time += 11
            self.keeper.tick()
        self.assertIn('nobody renewed its caps', logs.output[0])


class TestDisks(Domains):
    """Memory gets what its disks leave, once they are copied."""

    def flows(self, copied, after=1.0, iteration=1):
        self.time += after
        self.one.going = Job(
            direction=Direction.OUTGOING,
            iteration=iteration,
            disk_processed=copied,
        )
        self.keeper.tick()
        return self.one.now_in_force.pre

    def test_one_disk_and_the_memory_are_two_parts(self):
        self.one.local_disks = 1
        self.cap(30, disks=True)
        self.one.begin(iteration=0)
        self.assertEqual(15, self.flows(0.0, iteration=0))
        self.assertEqual(30, self.flows(0.0))
        self.assertEqual(26, self.flows(4 * MIB))
        # a byte more is a MiB/s less
        self.one.fail()
        self.one.begin(iteration=0)
        self.flows(0.0, iteration=0)
        self.flows(0.0)
        self.assertEqual(25, self.flows(4 * MIB + 1))
        self.flows(4 * MIB)
        # in twice the time
        self.assertEqual(26, self.flows(12 * MIB, after=2.0))
        # whatever disks take, memory keeps its share
        self.assertEqual(15, self.flows(99 * MIB))

    def test_what_is_not_counted_yet_is_nothing(self):
        self.one.local_disks = 1
        self.cap(30, disks=True)
        self.one.begin()
        self.assertEqual(30, self.flows(None))
        self.assertEqual(28, self.flows(2 * MIB))

    def test_a_second_migration_starts_from_its_own_disks(self):
        self.one.local_disks = 1
        self.cap(30, disks=True)
        self.one.begin()
        self.flows(90 * MIB)
        self.one.fail()
        self.keeper.tick()
        self.one.begin(iteration=0)
        self.assertEqual(15, self.flows(0.0, iteration=0))
        self.assertEqual(30, self.flows(10 * MIB))

    def test_memory_alone_has_all_and_no_more(self):
        self.cap(30)
        self.one.begin()
        self.assertEqual(30, self.flows(0.0))
        self.assertEqual(30, self.flows(10 * MIB))


class TestFile(Domains):
    """What is written down, and what is made of it."""

    def setUp(self):
        super().setUp()
        self.path = self.folder / 'caps.json'

    def load(self):
        return journal.load(self.path, FORM)

    def test_an_old_request_is_known_for_two_minutes(self):
        for age, known in ((2 * VALID, True), (2 * VALID + 1, False)):
            self.setUp()
            self.cap(16, issued=self.time)
            issued = self.time
            self.ask('clear_caps', issued=issued)
            self.time = issued + age
            self.keeper.tick()
            self.assertIs(known, VM in self.load(), age)

    def test_what_is_written_down_outlives_a_loss_of_power(self):
        synced = []
        self.addCleanup(setattr, os, 'fsync', os.fsync)
        os.fsync = synced.append
        self.cap(16)
        self.assertEqual(1, len(synced))

    def test_a_domain_is_changed_by_one_at_a_time(self):
        with self.keeper._journal.alone(VM):
            other = threading.Thread(target=self.cap, args=(16,))
            other.start()
            # it has to wait for as long as we hold it
            other.join(0.3)
            self.assertTrue(other.is_alive())
            self.assertEqual(FREE, self.one.now_in_force)
        other.join(10)
        self.assertEqual(16, self.one.now_in_force.pre)

    def test_what_is_not_undone_is_never_forgotten(self):
        self.cap(16, ttl=86400)
        self.time += 9000
        self.keeper.tick()
        self.assertIn(VM, self.load())

    def test_what_is_undone_is_not_ours(self):
        self.cap(16)
        self.ask('clear_caps')
        self.one.now_in_force = Speeds(pre=77)
        self.keeper.tick()
        self.assertEqual(77, self.one.now_in_force.pre)
        self.assertIsNone(self.ask('job')['result']['wanted'])

    def test_a_file_of_another_form_is_put_aside_and_said(self):
        self.cap(16)
        good = json.loads(self.path.read_text())
        entry = good['caps'][VM]
        for bad in (
            {**good, 'more': 1},
            {**good, 'format': '2'},
            {'caps': {}},
            {'format': '1'},
            {**good, 'caps': {VM: {**entry, 'parts': 0}}},
            {**good, 'caps': {VM: {**entry, 'more': 1}}},
            *(
                {
                    **good,
                    'caps': {
                        VM: {k: v for k, v in entry.items() if k != name}
                    },
                }
                for name in entry
            ),
            *({**good, 'caps': {VM: {**entry, name: 'x'}}} for name in entry),
            *(
                {**good, 'caps': {VM: {**entry, name: speeds}}}
                for name in ('wanted', 'before')
                for speeds in (
                    {'pre': 1},
                    {'post': 1},
                    {'pre': 1, 'post': 1, 'x': 1},
                    {'pre': -1, 'post': 1},
                    {'pre': 1, 'post': UNLIMITED + 1},
                    {'pre': 1.5, 'post': 1},
                )
            ),
            [],
        ):
            self.path.write_text(json.dumps(bad))
            with self.assertLogs(JOURNAL, 'ERROR') as logs:
                self.assertEqual({}, self.load())
            self.assertIn('is no journal of caps', logs.output[0])
            self.assertFalse(self.path.exists(), bad)

    def test_a_file_that_is_too_large_is_not_read_whole(self):
        self.cap(16)
        text = self.path.read_text()
        for size, right in (
            (journal.MAX_BYTES, True),
            (journal.MAX_BYTES + 1, False),
        ):
            self.path.write_text(text + ' ' * (size - len(text)))
            if right:
                self.assertIn(VM, self.load())
                continue
            with self.assertLogs(JOURNAL, 'ERROR') as logs:
                self.assertEqual({}, self.load())
            self.assertIn('is larger than 8 MiB', logs.output[0])

    def test_a_file_that_cannot_be_read_stops_the_agent(self):
        self.path.mkdir()
        with self.assertRaises(InputError) as caught:
            self.load()
        self.assertIn('cannot be read', str(caught.exception))

    def test_a_file_that_cannot_be_written_is_said_and_goes_on(self):
        self.cap(16)
        before = files.replace
        self.addCleanup(setattr, files, 'replace', before)

        def full(path, text, *, durable=False):
            raise InputError('cannot be written: full', str(path))

        files.replace = full
        with self.assertLogs(JOURNAL, 'ERROR') as logs:
            self.ask('clear_caps')
        self.assertIn('may undo again what is', logs.output[0])
        self.assertEqual({}, self.keeper.entries())
