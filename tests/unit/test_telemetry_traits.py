"""Traits by Placement: what is asked, who has them, what is unknown and why.

What they bind a VM to is tested in test_telemetry_destinations.
"""

import contextlib
import unittest

import requests
from openstack import exceptions as sdk_errors

from tests.unit.test_telemetry_destinations import SmallPlacement
from watcher_tsmig.telemetry.needs import traits

NODES = {'uuid-a': 'a', 'uuid-b': 'b'}
A, B = ('uuid-a', None), ('uuid-b', None)


class TestTraits(unittest.TestCase):
    def read(self, placement, *wanted):
        self.notes = []
        return traits.read_traits(
            placement and placement.open, wanted, NODES, self.notes
        )

    def test_hosts_have_what_they_or_a_part_of_them_has(self):
        placement = SmallPlacement(
            {
                'X': [A],
                'Y': [('uuid-part', 'uuid-b'), A, ('uuid-elsewhere', None)],
                'Z': [],
            }
        )
        found = self.read(placement, 'Z', 'Y', 'X')
        self.assertEqual({'X': {'a'}, 'Y': {'a', 'b'}, 'Z': set()}, found)
        self.assertEqual([], self.notes)
        self.assertEqual(['X', 'Y', 'Z'], placement.asked)

    def test_a_trait_that_does_not_exist_is_told_and_others_are_known(self):
        found = self.read(SmallPlacement({'Y': [B]}), 'X', 'Y', 'Z')
        self.assertEqual({'Y': {'b'}}, found)
        self.assertEqual(
            [
                '2 of 3 traits of flavors are not minded, such as X: '
                'Placement: No such trait: Z'
            ],
            self.notes,
        )

    def test_without_placement_all_are_unknown(self):
        self.assertEqual({}, self.read(None, 'X'))
        self.assertEqual(
            [
                '1 of 1 traits of flavors are not minded, such as X: '
                'no Placement is configured'
            ],
            self.notes,
        )
        self.assertEqual({}, self.read(None))
        self.assertEqual([], self.notes)

    def test_a_placement_that_is_away_is_asked_once(self):
        for error in (
            requests.ConnectionError('refused'),
            sdk_errors.HttpException('refused'),
        ):
            placement = SmallPlacement({}, error)
            self.assertEqual({}, self.read(placement, 'X', 'Y'))
            self.assertEqual(['X'], placement.asked)
            self.assertIn('2 of 2 traits', self.notes[0])
            self.assertIn('Placement: ', self.notes[0])
            self.assertIn('refused', self.notes[0])

    def test_nobody_is_asked_where_no_flavor_asks(self):
        class Shut(SmallPlacement):
            @contextlib.contextmanager
            def open(self):
                raise requests.ConnectionError('nobody should come here')
                yield

        self.assertEqual({}, self.read(Shut({})))
        self.assertEqual([], self.notes)

    def test_of_many_the_first_64_are_asked_for(self):
        many = [f'T{i:02}' for i in range(66)]
        placement = SmallPlacement({name: [A] for name in many})
        found = self.read(placement, *reversed(many))
        self.assertEqual(many[:64], list(found))
        self.assertEqual(
            [
                '2 of 66 traits of flavors are not minded, such as T64: '
                'at most 64 are asked for'
            ],
            self.notes,
        )
