"""What agents tell of their hosts, beside what operators declared."""

import itertools
import threading
import time
import types
import unittest

from watcher_tsmig import errors
from watcher_tsmig.agent.values import FORMAT
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.telemetry import agents
from watcher_tsmig.telemetry.inventory.declarations import Declaration
from watcher_tsmig.telemetry.inventory.declarations import declared_of
from watcher_tsmig.telemetry.inventory.declarations import merged
from watcher_tsmig.units import human_rate

TOLD = {
    'format': FORMAT,
    'userfaultfd': True,
    'nova': {'max_outgoing': 3, 'post_copy': True},
    'nic': {'capacity': 1.25e9, 'separate': True},
    'notes': ['eth0 tells no speed'],
}


def rates(*values):
    return map(human_rate, values)


class Aggregate:
    def __init__(self, hosts, **metadata):
        self.name = 'rack'
        self.hosts = hosts
        self.metadata = {f'tsmig:{k}': v for k, v in metadata.items()}


class Cloud:
    """Agents on some hosts, and who was asked."""

    def __init__(self, **told):
        self.told = told
        self.asked = []

    def ask(self, host, verb, arguments, *, insist=False):
        self.asked.append(host)
        if host not in self.told:
            raise errors.CloudError(f'no agent answers on {host}')
        return self.told[host]


class TestReading(unittest.TestCase):
    def test_an_answer_becomes_a_declaration(self):
        notes = []
        found = agents.read_agents(Cloud(a=TOLD), ['a', 'b'], notes)
        self.assertEqual(
            {
                'a': Declaration(
                    post_copy=True,
                    own_nic=1.25e9,
                    max_outgoing=3,
                    separate=True,
                    agent=True,
                )
            },
            found,
        )
        self.assertIn('a: eth0 tells no speed', notes)
        self.assertIn('1 of 2 hosts have no agent', notes)

    def test_post_copy_needs_the_kernel_too(self):
        told = {**TOLD, 'userfaultfd': False}
        found = agents.declared(told, 'a', [])
        self.assertIs(False, found.post_copy)

    def test_nothing_is_known_where_nova_conf_was_not_found(self):
        told = {**TOLD, 'nova': None, 'nic': None}
        found = agents.declared(told, 'a', [])
        self.assertEqual(Declaration(agent=True), found)

    def test_auto_converge_is_on_where_the_agent_says_so(self):
        for said, on in ((True, True), (False, False), (None, False)):
            nova = {
                **TOLD['nova'],
                'downtime_limit': 0.5,
                'completion_timeout': 800,
                'auto_converge': said,
            }
            notes = []
            found = agents.declared({**TOLD, 'nova': nova}, 'a', notes)
            self.assertIs(on, found.nova.auto_converge)
            self.assertIs(on, Rules().under(found.nova).auto_converge)
            self.assertEqual(TOLD['notes'], [n[3:] for n in notes])

    def test_how_nova_ends_migrations_is_told(self):
        nova = {
            **TOLD['nova'],
            'downtime_limit': 0.5,
            'downtime_steps': 10,
            'downtime_delay': 75,
            'completion_timeout': 0,
            'streams': 4,
            'stream_window': 4194304.0,
        }
        notes = []
        found = agents.declared({**TOLD, 'nova': nova}, 'a', notes)
        self.assertEqual(
            NovaSettings(
                downtime_limit=0.5,
                downtime_steps=10,
                downtime_delay=75,
                streams=4,
                stream_window=4194304.0,
            ),
            found.nova,
        )
        for wrong in ('much', -1, float('inf')):
            nova['downtime_limit'] = wrong
            found = agents.declared({**TOLD, 'nova': nova}, 'a', notes)
            self.assertIsNone(found.nova)
            self.assertIn('downtime_limit', notes[-1])
            self.assertIn('a: ', notes[-1])

    def test_another_version_is_told_and_not_used(self):
        notes = []
        found = agents.declared({**TOLD, 'format': '9'}, 'a', notes)
        self.assertEqual(Declaration(), found)
        self.assertIn('a: its agent speaks another version', notes)

    def test_a_cloud_without_agents_is_asked_for_a_few_hosts_only(self):
        asker, notes = Cloud(), []
        hosts = [f'h{i:03}' for i in range(200)]
        self.assertEqual({}, agents.read_agents(asker, hosts, notes))
        self.assertEqual(agents.FIRST, len(asker.asked))
        self.assertEqual([], notes)

    def test_thirty_two_hosts_tell_whether_anybody_else_is_asked(self):
        hosts = [f'h{i:03}' for i in range(40)]
        for having, asked in (('h031', 40), ('h032', 32)):
            asker, notes = Cloud(**{having: TOLD}), []
            # in whatever order they are named
            found = agents.read_agents(asker, hosts[::-1], notes)
            self.assertEqual(asked, len(asker.asked))
            self.assertEqual([having] if asked == 40 else [], list(found))
            self.assertEqual(asked == 40, bool(notes))
        self.assertEqual(hosts[:32], sorted(asker.asked))

    def test_nobody_is_asked_without_an_asker_or_hosts(self):
        asker = Cloud(a=TOLD)
        self.assertEqual({}, agents.read_agents(None, ['a'], []))
        self.assertEqual({}, agents.read_agents(asker, [], []))
        self.assertEqual([], asker.asked)

    def test_where_all_have_one_nothing_is_told_of_that(self):
        notes = []
        told = {**TOLD, 'notes': []}
        found = agents.read_agents(Cloud(a=told, b=told), ['b', 'a'], notes)
        self.assertEqual(({'a', 'b'}, []), (set(found), notes))

    def test_an_agent_is_asked_what_it_can_and_whether_one_insists(self):
        asked = []

        def ask(*words, insist=False):
            asked.append((*words, insist))
            return TOLD

        asker = types.SimpleNamespace(ask=ask)
        agents.read_agents(asker, ['a'], [])
        agents.read_agents(asker, ['a'], [], insist=True)
        question = ('a', 'capabilities', {})
        self.assertEqual([(*question, False), (*question, True)], asked)

    def test_one_that_refuses_is_as_if_there_were_none(self):
        def ask(host, *_, **__):
            if host == 'a':
                raise Refusal(Code.BUSY, 'later')
            return TOLD

        notes = []
        asker = types.SimpleNamespace(ask=ask)
        found = agents.read_agents(asker, ['a', 'b'], notes)
        self.assertEqual(['b'], list(found))
        self.assertIn('1 of 2 hosts have no agent', notes)

    def test_one_that_is_late_is_as_if_there_were_none(self):
        leave, over = threading.Event(), threading.Event()
        self.addCleanup(leave.set)
        self.within(0.5)

        def ask(host, *_, **__):
            if host == 'a':
                leave.wait(3)
                over.set()
            return TOLD

        asker = types.SimpleNamespace(ask=ask)
        found = agents.read_agents(asker, ['a', 'b'], [])
        self.assertEqual(['b'], list(found))
        # nobody waited for it
        self.assertFalse(over.is_set())

    def test_who_had_no_turn_in_time_is_not_asked_later(self):
        leave = threading.Event()
        self.within(0.1)
        asked = []

        def ask(host, *_, **__):
            asked.append(host)
            if host >= 'h032':
                leave.wait(3)
            return TOLD

        asker = types.SimpleNamespace(ask=ask)
        before = set(threading.enumerate())
        agents.read_agents(asker, [f'h{i:03}' for i in range(70)], [])
        leave.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(3)
        # at most 32 each time
        self.assertLessEqual(len(asked), 64)

    def test_half_a_minute_is_for_all_of_them(self):
        for passed, answers in ((29.0, True), (30.0, False)):
            clock = itertools.chain((100.0,), itertools.repeat(100 + passed))
            self.addCleanup(setattr, agents, 'time', agents.time)
            agents.time = types.SimpleNamespace(
                monotonic=lambda c=clock: next(c)
            )

            def ask(*_, **__):
                time.sleep(0.3)
                return TOLD

            asker = types.SimpleNamespace(ask=ask)
            found = agents.read_agents(asker, ['a'], [])
            self.assertIs(answers, bool(found), passed)

    def within(self, seconds):
        self.addCleanup(setattr, agents, 'WITHIN', agents.WITHIN)
        agents.WITHIN = seconds

    def test_whatever_an_agent_tells_has_its_place(self):
        notes = []
        nova = {
            'max_outgoing': 3,
            'post_copy': False,
            'bandwidth': 5e6,
            'auto_converge': True,
        }
        told = {
            'format': FORMAT,
            'userfaultfd': True,
            'nova': nova,
            'nic': {'capacity': 1e9, 'separate': False},
        }
        self.assertEqual(
            Declaration(
                post_copy=False,
                nic=1e9,
                max_outgoing=3,
                bandwidth=5e6,
                separate=False,
                agent=True,
                throttles=True,
            ),
            agents.declared(told, 'a', notes),
        )
        del nova['post_copy']
        self.assertIsNone(agents.declared(told, 'a', notes).post_copy)
        self.assertEqual([], notes)

    def test_a_nova_whose_timeout_is_not_told_is_unknown(self):
        nova = {'downtime_limit': 0.5}
        notes = []
        found = agents.declared({**TOLD, 'nova': nova}, 'a', notes)
        self.assertIsNone(found.nova)
        self.assertEqual(
            "a: its agent tells of its Nova: 'completion_timeout'", notes[-1]
        )
        nova['completion_timeout'] = 800
        found = agents.declared({**TOLD, 'nova': nova}, 'a', notes)
        self.assertEqual(800, found.nova.completion_timeout)

    def test_each_difference_is_told_in_words_and_units(self):
        one = Declaration(
            post_copy=True, nic=1.25e8, own_nic=1.25e9, shared_disk=True,
            max_outgoing=3, bandwidth=1.25e6, separate=True, agent=True,
        )  # fmt: skip
        other = Declaration(
            post_copy=False, nic=1.25e9, own_nic=1.25e8, shared_disk=False,
            max_outgoing=5, bandwidth=1.25e7, separate=False,
        )  # fmt: skip
        notes = []
        found = agents.careful({'a': one}, {'a': other}, notes)
        self.assertEqual(
            [
                f'a: {what} is {mine} by its agent, {its} by its aggregates'
                for what, mine, its in (
                    ('whether it can post-copy', True, False),
                    ('the NIC of migrations', *rates(1.25e8, 1.25e9)),
                    ("migrations' own NIC", *rates(1.25e9, 1.25e8)),
                    ('whether its disks are shared', True, False),
                    ('max_concurrent_live_migrations', 3, 5),
                    ('live_migration_bandwidth', *rates(1.25e6, 1.25e7)),
                    (
                        'whether migrations have a network of their own',
                        True,
                        False,
                    ),
                )
            ],
            notes,
        )
        self.assertEqual(merged(one, other), found['a'])

    def test_who_only_one_of_them_knows_is_known(self):
        one, other = Declaration(nic=1.0), Declaration(nic=2.0)
        notes = []
        self.assertEqual(
            {'a': one, 'b': other},
            agents.careful({'a': one}, {'b': other}, notes),
        )
        self.assertEqual([], notes)

    def test_where_both_speak_the_careful_one_holds_and_is_told(self):
        notes = []
        declared = declared_of(
            [
                Aggregate(
                    ['a'],
                    nic_mbit_s='1000',
                    max_concurrent_live_migrations='5',
                    migration_network='shared',
                    post_copy='true',
                )
            ],
            notes,
        )
        told = {'a': agents.declared(TOLD, 'a', [])}
        found = agents.careful(told, declared, notes)['a']
        self.assertEqual(125e6, found.nic)
        self.assertEqual(1.25e9, found.own_nic)
        self.assertEqual(3, found.max_outgoing)
        self.assertIs(False, found.separate)
        self.assertIs(True, found.post_copy)
        self.assertIs(True, found.agent)
        text = '; '.join(notes)
        self.assertIn(
            'a: max_concurrent_live_migrations is 3 by its agent, 5 by its '
            'aggregates',
            text,
        )
        self.assertIn('of their own is True by its agent, False by', text)
        self.assertNotIn('can post-copy', text)


class TestDeclaring(unittest.TestCase):
    def of(self, **metadata):
        notes = []
        found = declared_of([Aggregate(['a'], **metadata)], notes)
        return found['a'], notes

    def test_a_network_of_their_own_has_its_own_speed(self):
        found, notes = self.of(nic_mbit_s='1000', migration_nic_mbit_s='10000')
        self.assertEqual(1.25e9, found.own_nic)
        self.assertEqual(125e6, found.nic)
        self.assertIs(True, found.separate)
        self.assertEqual([], notes)

    def test_novas_bandwidth_is_of_memory_and_its_0_is_no_limit(self):
        found, notes = self.of(live_migration_bandwidth='500')
        memory = found.bandwidth * Rules().efficiency
        self.assertAlmostEqual(500.0, memory / 1048576)
        self.assertIsNone(self.of(live_migration_bandwidth='0')[0].bandwidth)
        self.assertEqual([], notes)
        found, notes = self.of(live_migration_bandwidth='-1')
        self.assertIsNone(found.bandwidth)
        self.assertEqual(1, len(notes))

    def test_a_wrong_value_is_a_note_and_the_careful_one(self):
        found, notes = self.of(
            migration_network='both', max_concurrent_live_migrations='1.5'
        )
        self.assertIs(False, found.separate)
        self.assertIsNone(found.max_outgoing)
        self.assertEqual(2, len(notes))
        self.assertIn(
            "'both' is neither shared nor separate", notes[0] + notes[1]
        )
