"""What aggregates say of hosts and links: every word, every bound."""

import types
import unittest

from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.telemetry.inventory import declarations
from watcher_tsmig.telemetry.inventory.declarations import Declaration

NOVA = NovaSettings(
    downtime_limit=0.5,
    downtime_steps=10,
    downtime_delay=75.0,
    completion_timeout=800.0,
)


def aggregate(hosts='a', name='rack', **metadata):
    given = {f'tsmig:{key}': value for key, value in metadata.items()}
    return types.SimpleNamespace(
        name=name, hosts=list(hosts), metadata=given or None
    )


class Declared(unittest.TestCase):
    def of(self, **metadata):
        """What is declared of host a, and the notes."""
        notes = []
        found = declarations.declared_of([aggregate(**metadata)], notes)
        return found['a'], notes


class TestHosts(Declared):
    def test_every_word_for_yes_and_no_is_understood(self):
        for said, words in (
            (True, ('true', 'yes', '1', 'on', ' True ', 'YES', True)),
            (False, ('false', 'no', '0', 'off', 'Off ', False)),
        ):
            for word in words:
                with self.subTest(word):
                    found, notes = self.of(post_copy=word, shared_disk=word)
                    self.assertIs(said, found.post_copy)
                    self.assertIs(said, found.shared_disk)
                    self.assertEqual([], notes)

    def test_another_word_is_no_and_told_with_its_place(self):
        found, notes = self.of(post_copy='maybe', shared_disk='')
        self.assertIs(False, found.post_copy)
        self.assertIs(False, found.shared_disk)
        self.assertEqual(
            [
                "rack: tsmig:post_copy='maybe' is neither true nor false and "
                'counts as false',
                "rack: tsmig:shared_disk='' is neither true nor false and "
                'counts as false',
            ],
            notes,
        )

    def test_whoever_says_nothing_declares_nothing(self):
        self.assertEqual((Declaration(), []), self.of())

    def test_speeds_are_above_0_and_below_a_billion_mbit_s(self):
        for text, speed in (
            ('0.001', 125.0), ('1', 125e3), ('999999999', 124999999875e3),
            ('0', None), ('-1', None), ('1e9', None), ('inf', None),
            ('nan', None), ('fast', None),
        ):  # fmt: skip
            for key, name in (
                ('nic_mbit_s', 'nic'), ('migration_nic_mbit_s', 'own_nic'),
            ):  # fmt: skip
                with self.subTest(text, key=key):
                    found, notes = self.of(**{key: text})
                    self.assertEqual(speed, getattr(found, name))
                    expected = (
                        f'rack: tsmig:{key}={text!r} is not a number of '
                        'Mbit/s and is ignored'
                    )
                    self.assertEqual([] if speed else [expected], notes)

    def test_at_once_may_go_one_to_a_thousand_whole_ones(self):
        key = 'max_concurrent_live_migrations'
        for text, many in (
            ('1', 1), ('3.0', 3), ('1000', 1000), ('0', None), ('-1', None),
            ('1001', None), ('1.5', None), ('nan', None), ('some', None),
        ):  # fmt: skip
            with self.subTest(text):
                found, notes = self.of(**{key: text})
                self.assertEqual(many, found.max_outgoing)
                expected = (
                    f'rack: tsmig:{key}={text!r} is not a number of '
                    'migrations and is ignored'
                )
                self.assertEqual([] if many else [expected], notes)

    def test_novas_bandwidth_is_from_0_to_a_million_mib_s(self):
        key = 'live_migration_bandwidth'
        for text, known, fine in (
            ('0', False, True), ('0.5', True, True), ('1e6', True, True),
            ('1000001', False, False), ('-1', False, False),
        ):  # fmt: skip
            with self.subTest(text):
                found, notes = self.of(**{key: text})
                self.assertIs(known, found.bandwidth is not None)
                expected = (
                    f'rack: tsmig:{key}={text!r} is not a number of MiB/s '
                    'and is ignored'
                )
                self.assertEqual([] if fine else [expected], notes)
        # on the wire there is more than memory
        found, _ = self.of(**{key: '100'})
        self.assertGreater(found.bandwidth, 100 * 2**20)

    def test_a_network_is_shared_or_separate(self):
        for given, separate in (
            ({'migration_network': 'shared'}, False),
            ({'migration_network': ' Separate '}, True),
            ({'migration_nic_mbit_s': '10'}, True),
            ({'nic_mbit_s': '10'}, None),
            (
                {'migration_network': 'shared', 'migration_nic_mbit_s': '10'},
                False,
            ),
        ):
            with self.subTest(given):
                found, notes = self.of(**given)
                self.assertIs(separate, found.separate)
                self.assertEqual([], notes)
        found, (note,) = self.of(migration_network='both')
        self.assertIs(False, found.separate)
        self.assertEqual(
            "rack: tsmig:migration_network='both' is neither shared nor "
            'separate and counts as shared',
            note,
        )

    def test_a_host_is_in_as_many_aggregates_as_there_are(self):
        found = declarations.declared_of(
            [
                aggregate('ab', nic_mbit_s='10'),
                types.SimpleNamespace(name='none', hosts=None, metadata={}),
                aggregate('b', post_copy='yes'),
                aggregate('b', nic_mbit_s='8'),
            ],
            [],
        )
        self.assertEqual(
            {
                'a': Declaration(nic=1.25e6),
                'b': Declaration(nic=1e6, post_copy=True),
            },
            found,
        )


class TestMerging(unittest.TestCase):
    def test_of_two_the_careful_one_holds_in_each_respect(self):
        for name, low, high in (
            ('post_copy', False, True),
            ('nic', 1.0, 2.0),
            ('own_nic', 1.0, 2.0),
            ('shared_disk', False, True),
            ('max_outgoing', 1, 2),
            ('bandwidth', 1.0, 2.0),
            ('separate', False, True),
        ):
            with self.subTest(name):
                one = Declaration(**{name: low})
                other = Declaration(**{name: high})
                for a, b, expected in (
                    (one, other, low),
                    (other, one, low),
                    (other, other, high),
                    (other, Declaration(), high),
                    (Declaration(), other, high),
                    (Declaration(), one, low),
                ):
                    self.assertEqual(
                        Declaration(**{name: expected}),
                        declarations.merged(a, b),
                    )

    def test_what_only_an_agent_tells_is_its(self):
        agents = Declaration(agent=True, nova=NOVA, throttles=False)
        for pair in ((agents, Declaration()), (Declaration(), agents)):
            self.assertEqual(agents, declarations.merged(*pair))
        both = declarations.merged(
            Declaration(throttles=True), Declaration(throttles=False)
        )
        self.assertIs(False, both.throttles)
        self.assertIs(False, both.agent)


class TestNic(unittest.TestCase):
    def test_migrations_use_their_own_nic_where_they_have_one(self):
        for declared, nic in (
            (Declaration(), None),
            (Declaration(nic=1.0), Nic(capacity=1.0)),
            (
                Declaration(nic=1.0, own_nic=2.0, separate=True),
                Nic(capacity=2.0, separate=True, tenants=1.0),
            ),
            # tenants' is unknown where the one speed is that of migrations
            (
                Declaration(nic=1.0, separate=True),
                Nic(capacity=1.0, separate=True),
            ),
            (
                Declaration(own_nic=2.0, separate=True),
                Nic(capacity=2.0, separate=True),
            ),
            (
                Declaration(nic=1.0, own_nic=2.0, separate=False),
                Nic(capacity=1.0),
            ),
            (Declaration(own_nic=2.0), None),
        ):
            with self.subTest(declared):
                self.assertEqual(nic, declarations.nic_of(declared))


class TestLinks(unittest.TestCase):
    def of(self, *aggregates, hosts='abc'):
        notes = []
        found = declarations.links_of(aggregates, hosts, notes)
        return found, notes

    def one(self, **metadata):
        (link,), notes = self.of(aggregate(link_mbit_s='8', **metadata))
        return link, notes

    def test_a_link_has_a_capacity_a_load_each_way_and_a_round_trip(self):
        link, notes = self.one(
            link_rtt_ms='12.5',
            link_background_out_mbit_s='2',
            link_background_in_mbit_s='4',
        )
        self.assertEqual(
            Link(
                name='rack', hosts=('a',), capacity=1e6, rtt=0.0125,
                background_out=0.25e6, background_in=0.5e6,
            ),
            link,
        )  # fmt: skip
        self.assertEqual([], notes)

    def test_what_nobody_says_of_a_link_is_nothing(self):
        link, notes = self.one()
        self.assertEqual(Link(name='rack', hosts=('a',), capacity=1e6), link)
        self.assertEqual([], notes)

    def test_a_round_trip_takes_at_most_a_minute(self):
        for text, rtt, many in (
            ('0', 0.0, 0), ('60000', 60.0, 0), ('0.5', 0.0005, 0),
            ('60001', 0.0, 1), ('-1', 0.0, 1), ('nan', 0.0, 1),
        ):  # fmt: skip
            with self.subTest(text):
                link, notes = self.one(link_rtt_ms=text)
                self.assertEqual((rtt, many), (link.rtt, len(notes)))
                if notes:
                    self.assertEqual(
                        f'rack: tsmig:link_rtt_ms={text!r} is not a number '
                        'of ms and is ignored',
                        notes[0],
                    )

    def test_a_load_may_be_none_at_all(self):
        for text, many in (('0', 0), ('-1', 1), ('1e9', 1)):
            with self.subTest(text):
                link, notes = self.one(
                    link_background_out_mbit_s=text,
                    link_background_in_mbit_s=text,
                )
                self.assertEqual(0.0, link.background_out)
                self.assertEqual(0.0, link.background_in)
                self.assertEqual(2 * many, len(notes))

    def test_a_capacity_is_above_0(self):
        for text in ('0', '-8', '1e9', 'fast'):
            links, notes = self.of(aggregate(link_mbit_s=text))
            self.assertEqual((), links)
            self.assertEqual(1, len(notes))
            self.assertIn('not a number of Mbit/s', notes[0])

    def test_whatever_else_is_said_of_a_link_without_a_capacity_is_told(self):
        for key in (
            'link_rtt_ms',
            'link_background_out_mbit_s',
            'link_background_in_mbit_s',
        ):
            with self.subTest(key):
                links, notes = self.of(aggregate(**{key: '1'}))
                self.assertEqual((), links)
                self.assertEqual(
                    [
                        'rack: declares a link without tsmig:link_mbit_s, it '
                        'is ignored'
                    ],
                    notes,
                )
        # a wrong capacity has a note of its own
        _, notes = self.of(aggregate(link_mbit_s='x', link_rtt_ms='1'))
        self.assertEqual(1, len(notes))

    def test_links_are_by_name_with_hosts_of_the_cloud(self):
        nobody = aggregate('', name='nobody', link_mbit_s='8')
        nobody.hosts = None
        links, notes = self.of(
            nobody,
            aggregate('ba', name='west', link_mbit_s='8'),
            aggregate('c', name='plain'),
            aggregate('xy', name='far', link_mbit_s='8'),
            aggregate('cx', name='east', link_mbit_s='8'),
            aggregate('c', name='west', link_mbit_s='80'),
            aggregate('c', name='last', link_mbit_s='8'),
        )
        self.assertEqual(
            [
                ('east', ('c',), 1e6),
                ('last', ('c',), 1e6),
                ('west', ('a', 'b'), 1e6),
            ],
            [(link.name, link.hosts, link.capacity) for link in links],
        )
        self.assertEqual(
            [
                'west: another aggregate has that name too, its '
                'tsmig:link_mbit_s is ignored'
            ],
            notes,
        )
