"""What the links carry and the VM writes just before a start."""

import dataclasses
import math
import unittest

from tests.unit.small_cloud import Clock
from tests.unit.test_execute_migration import order
from watcher_tsmig import errors
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute.starting import present
from watcher_tsmig.execute.starting.present import Link
from watcher_tsmig.execute.starting.present import Present
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

LINK = 1000.0 * MIB
PLANNED = order(
    cap=400.0 * MIB,
    room=600.0 * MIB,
    floor=100.0 * MIB,
    deadline=60.0,
    disk_deadline=30.0,
    takes=40.0,
    copies=10.0,
    settles=5.0,
    source_link=LINK,
    destination_link=LINK,
    provable=True,
)


def sends(free, host='cmp-1', does='sends'):
    return Link(host=host, does=does, capacity=LINK, load=LINK - free * MIB)


def caps(mib_s, **more):
    return dataclasses.replace(PLANNED, cap=mib_s * MIB, **more)


class TestJudged(unittest.TestCase):
    def judged(self, *free, writes=0.0, wanted=PLANNED):
        links = tuple(sends(f) for f in free)
        return present.judged(
            wanted, Present(links=links, writes=writes * MIB)
        )

    def test_it_starts_as_planned_where_all_is_about_as_planned(self):
        for free, writes in (
            ((), 0), ((400,), 0), ((1000, 381), 0), ((400,), 400), ((), 400),
        ):  # fmt: skip
            found = self.judged(*free, writes=writes)
            self.assertIs(PLANNED, found.order, (free, writes))
            self.assertEqual('', found.why)

    def test_on_a_fuller_link_it_gets_what_is_left_down_to_its_floor(self):
        for free, writes, cap in (
            ((1000, 379), 0, 379),
            ((200,), 0, 200),
            ((100,), 0, 100),
            ((200,), 200, 200),
            ((99,), 0, None),
            ((200,), 201, None),
            ((0,), 0, None),
        ):
            found = self.judged(*free, writes=writes)
            made = found.order and found.order.cap
            self.assertEqual(cap and cap * MIB, made, (free, writes))
            self.assertIn('cmp-1 sends', found.why)

    def test_what_is_slower_may_take_as_much_longer(self):
        found = self.judged(200).order
        self.assertEqual(
            caps(
                200, deadline=120.0, disk_deadline=60.0, takes=80.0,
                copies=20.0, settles=10.0,
            ),
            found,
        )  # fmt: skip

    def test_who_writes_faster_gets_the_room_that_there_is(self):
        for free, writes, cap in (
            ((), 401, 600),
            ((), 600, 600),
            ((), 601, None),
            ((500,), 450, 500),
            ((500,), 501, None),
        ):
            found = self.judged(*free, writes=writes)
            made = found.order and found.order.cap
            self.assertEqual(cap and cap * MIB, made, (free, writes))
            self.assertIn('it writes', found.why)
            self.assertIsNone(found.link)
        faster = self.judged(writes=500).order
        self.assertEqual(caps(600), faster)

    def test_without_room_no_cap_is_more_than_planned(self):
        wanted = dataclasses.replace(PLANNED, room=None)
        self.assertIsNone(self.judged(writes=401, wanted=wanted).order)

    def test_a_post_copy_gets_what_is_left_down_to_half_of_its_cap(self):
        for mode in (Mode.POST_COPY, Mode.HYBRID):
            wanted = dataclasses.replace(PLANNED, mode=mode)
            for free, cap in (
                (400, 400), (380, 400), (379, 379), (200, 200), (199, None),
            ):  # fmt: skip
                found = self.judged(free, writes=9999, wanted=wanted)
                made = found.order and found.order.cap
                self.assertEqual(cap and cap * MIB, made, free)
            self.assertEqual(sends(199), found.link)

    def test_without_a_planned_cap_nothing_is_judged(self):
        wanted = dataclasses.replace(PLANNED, cap=None)
        found = self.judged(0, writes=9999, wanted=wanted)
        self.assertIs(wanted, found.order)

    def test_the_fuller_link_is_named_as_people_have_it(self):
        full = sends(10, 'cmp-2', 'receives')
        found = present.judged(PLANNED, Present(links=(sends(50), full)))
        self.assertEqual(full, found.link)
        self.assertEqual('cmp-2 receives 8.3 Gbit/s of 8.4 Gbit/s', found.why)

    def test_a_link_that_carries_more_than_it_can_has_nothing_left(self):
        self.assertEqual(0.0, sends(-5).free)


class Agents:
    """Hosts' agents: what links carry, and what the VM writes."""

    def __init__(self, clock):
        self.clock = clock
        self.carries = {'cmp-1': (0.0, 0.0), 'cmp-2': (0.0, 0.0)}
        self.writes = 0.0
        self.takes = 1.2
        self.asked = []
        self.began = None
        self.trouble = ''
        self.silent = set()

    def ask(self, host, verb, arguments, *, insist=False):
        self.asked.append((host, verb, dict(arguments)))
        if host in self.silent:
            raise errors.CloudError(f'no agent answers on {host}')
        return getattr(self, verb)(host)

    def traffic(self, host):
        now = self.clock.now()
        tx, rx = (rate * MIB * now for rate in self.carries[host])
        quiet = {'tx': 0, 'rx': 0}
        return {
            'at': now,
            'carried': {'br0': quiet, 'eth0': {'tx': tx, 'rx': rx}},
        }

    def measure_writing(self, host):
        self.began = self.clock.now()
        if self.trouble == 'refused':
            raise Refusal(Code.BUSY, '2 VMs are being measured')
        return {'status': 'measuring'}

    def writing(self, host):
        if self.clock.now() - self.began < self.takes:
            return {'status': 'measuring', 'dirtied': None, 'trouble': ''}
        return {
            'status': 'measured',
            'dirtied': self.writes * MIB,
            'trouble': self.trouble,
        }

    def set(self, *_, **__):
        raise errors.CloudError('sets nothing')

    def clear(self, *_):
        pass


class TestLook(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.agents = Agents(self.clock)

    def look(self, wanted=PLANNED):
        return present.look(self.agents, wanted, self.clock)

    def loads(self, found):
        return {
            (link.host, link.does): round(link.load / MIB)
            for link in found.links
        }

    def test_the_source_sends_and_the_destination_receives(self):
        self.agents.carries = {'cmp-1': (300, 9), 'cmp-2': (8, 500)}
        found = self.look()
        self.assertEqual(
            {('cmp-1', 'sends'): 300, ('cmp-2', 'receives'): 500},
            self.loads(found),
        )
        self.assertEqual({LINK}, {link.capacity for link in found.links})

    def test_what_was_written_is_what_it_was_at_least(self):
        self.agents.writes = 300.0
        error = math.sqrt(300 * MIB * GIB / 512)
        self.assertAlmostEqual(
            300 * MIB - 2 * error, self.look().writes, places=3
        )
        self.agents.writes = 0.5
        self.assertEqual(0.0, self.look().writes)

    def test_the_vm_is_measured_for_a_second_at_its_source(self):
        self.look()
        self.assertIn(
            ('cmp-1', 'measure_writing', {'vm': 'vm-1', 'seconds': 1}),
            self.agents.asked,
        )

    def test_a_measurement_that_does_not_end_says_nothing(self):
        self.agents.takes, self.agents.writes = 60.0, 900.0
        began = self.clock.now()
        self.assertEqual(0.0, self.look().writes)
        self.assertLess(self.clock.now() - began, 5.0)

    def test_a_measurement_that_failed_says_nothing(self):
        self.agents.writes = 900.0
        for trouble in ('refused', 'no measurement of 1 s'):
            self.agents.trouble = trouble
            self.assertEqual(0.0, self.look().writes, trouble)

    def test_no_writing_is_measured_that_would_prove_nothing(self):
        for change in ({'mode': Mode.POST_COPY}, {'provable': False}):
            self.agents.asked.clear()
            self.look(dataclasses.replace(PLANNED, **change))
            self.assertNotIn(
                'measure_writing', [verb for _, verb, _ in self.agents.asked]
            )

    def test_who_has_no_agent_is_not_waited_for(self):
        self.agents.silent = {'cmp-1', 'cmp-2'}
        began = self.clock.now()
        self.assertEqual(Present(), self.look())
        self.assertEqual(began, self.clock.now())

    def test_one_agent_is_enough_for_what_it_knows(self):
        self.agents.carries['cmp-1'] = (700, 0)
        self.agents.silent = {'cmp-2'}
        self.assertEqual({('cmp-1', 'sends'): 700}, self.loads(self.look()))

    def test_a_link_of_unknown_speed_is_not_judged(self):
        wanted = dataclasses.replace(PLANNED, source_link=None)
        self.assertEqual(
            {('cmp-2', 'receives'): 0}, self.loads(self.look(wanted))
        )

    def test_answers_that_make_no_sense_are_no_knowledge(self):
        for told in (
            {}, {'at': 1}, {'at': 1, 'carried': {}}, {'at': None},
            {'at': 1, 'carried': {'eth0': {}}}, {'at': 1, 'carried': 7},
        ):  # fmt: skip
            self.agents.traffic = lambda host, told=told: told
            self.assertEqual((), self.look().links, told)

    def test_a_host_whose_link_is_unknown_is_not_asked_for_it(self):
        self.look(dataclasses.replace(PLANNED, destination_link=None))
        self.assertEqual(
            {'cmp-1'},
            {host for host, verb, _ in self.agents.asked if verb == 'traffic'},
        )

    def test_writing_is_known_where_no_link_is(self):
        self.agents.writes = 300.0
        wanted = dataclasses.replace(
            PLANNED, source_link=None, destination_link=None
        )
        found = self.look(wanted)
        self.assertGreater(found.writes, 0)
        self.assertEqual((), found.links)

    def test_links_are_known_where_writing_is_not(self):
        self.agents.trouble = 'refused'
        found = self.look()
        self.assertEqual(2, len(found.links))
        self.assertEqual(0.0, found.writes)

    def test_who_does_not_answer_is_asked_once(self):
        self.agents.silent = {'cmp-2'}
        self.look()
        asked = [host for host, verb, _ in self.agents.asked]
        self.assertEqual(1, asked.count('cmp-2'))

    def test_an_agent_that_dies_meanwhile_says_nothing(self):
        self.agents.writes = 900.0
        sleep = self.clock.sleep

        def dies(seconds):
            sleep(seconds)
            self.agents.silent = {'cmp-1', 'cmp-2'}

        self.clock.sleep = dies
        self.assertEqual(Present(), self.look())

    def test_the_time_between_two_counts_is_the_hosts(self):
        self.agents.carries['cmp-1'] = (300, 0)
        real = self.agents.traffic

        def slow(host):
            told = real(host)
            return {**told, 'at': told['at'] * 2}

        self.agents.traffic = slow
        self.assertEqual(150, self.loads(self.look())[('cmp-1', 'sends')])
        still = {**real('cmp-1'), 'at': 1.0}
        self.agents.traffic = lambda host: still
        self.assertEqual((), self.look().links)

    def test_a_measurement_may_take_so_much_longer(self):
        self.agents.writes = 300.0
        for takes, known in ((2.9, True), (3.1, False)):
            self.agents.takes = takes
            self.assertIs(known, self.look().writes > 0, takes)

    def test_a_measurement_without_a_number_says_nothing(self):
        self.agents.writing = lambda host: {
            'status': 'measured', 'dirtied': None, 'trouble': '',
        }  # fmt: skip
        self.assertEqual(0.0, self.look().writes)

    def test_a_counter_that_was_started_anew_is_no_load(self):
        self.agents.carries['cmp-1'] = (-700, 0)
        self.assertNotIn(('cmp-1', 'sends'), [
            key for key, load in self.loads(self.look()).items() if load
        ])  # fmt: skip
