"""Links by one index, and what a migration crosses."""

import testtools

from tests.unit.builders import GIGABIT
from tests.unit.builders import host
from watcher_tsmig.model import Link
from watcher_tsmig.plan.problem.network import network


def rack(name, *hosts, **values):
    return Link(name=name, hosts=hosts, capacity=GIGABIT, **values)


class TestPaths(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.hosts = [host(name) for name in 'abcd']
        self.links = (
            rack('r1', 'a', 'b'),
            rack('r2', 'c'),
            rack('wan', 'a', 'b', 'c', rtt=0.02, background_in=5.0),
        )
        self.network = network(self.hosts, self.links, GIGABIT)

    def names(self, source, destination):
        path = self.network.path(
            'abcd'.index(source), 'abcd'.index(destination)
        )
        return {self.network.names[link] for link in path}

    def test_within_a_rack_only_the_two_nics_are_crossed(self):
        self.assertEqual(
            {"a's outgoing NIC", "b's incoming NIC"}, self.names('a', 'b')
        )

    def test_between_racks_of_a_site_both_uplinks_and_no_wan(self):
        self.assertEqual(
            {"a's outgoing NIC", 'r1 out', 'r2 in', "c's incoming NIC"},
            self.names('a', 'c'),
        )

    def test_out_of_the_site_the_wan_too(self):
        self.assertEqual(
            {"a's outgoing NIC", 'r1 out', 'wan out', "d's incoming NIC"},
            self.names('a', 'd'),
        )
        self.assertEqual(
            {"d's outgoing NIC", 'wan in', 'r2 in', "c's incoming NIC"},
            self.names('d', 'c'),
        )

    def test_round_trips_add_up_along_the_path(self):
        delay = self.network.delay
        self.assertEqual(0.02, delay(self.network.path(0, 3)))
        self.assertEqual(0.0, delay(self.network.path(0, 2)))

    def test_background_is_each_links_own(self):
        at = self.network.names.index('wan in')
        self.assertEqual(5.0, self.network.background[at])
        self.assertFalse(self.network.is_out(at))
        self.assertTrue(self.network.is_out(at - 1))
