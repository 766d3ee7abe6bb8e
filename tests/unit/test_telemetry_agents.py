"""What agents tell of their hosts, beside what operators declared."""

import unittest

from watcher_tsmig import errors
from watcher_tsmig.agent.values import FORMAT
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.telemetry import agents
from watcher_tsmig.telemetry.declarations import Declaration
from watcher_tsmig.telemetry.declarations import declared_of

TOLD = {
    'format': FORMAT,
    'userfaultfd': True,
    'nova': {'max_outgoing': 3, 'post_copy': True},
    'nic': {'capacity': 1.25e9, 'separate': True},
    'notes': ['eth0 tells no speed'],
}


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
