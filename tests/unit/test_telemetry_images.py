"""What Glance is asked of images, and what is told of those it is silent on.

The real openstacksdk asks the playground in tests/functional.
"""

import types
import unittest

import requests
from openstack import exceptions as sdk_errors

from tests.unit.test_telemetry_inventory import answered
from tests.unit.test_telemetry_inventory import server
from tests.unit.test_telemetry_inventory import thing
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry.needs import disks
from watcher_tsmig.telemetry.needs import images
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

SIZED = 'the size is unknown'
WANTED = 'the properties are unknown'


class Glance:
    """The image service in front of a table; it remembers who was asked."""

    def __init__(self, **known):
        self.known = known
        self.asked = []

    def get(self, path):
        image = path.removeprefix('/images/')
        self.asked.append(image)
        found = self.known.get(image)
        if isinstance(found, Exception):
            raise found
        answer = answered(found or {})
        if found is None:
            answer.status_code = 404
            answer.url = path
        return answer


def booted(image, *, disk=0, told=False, **values):
    """A server of that image, which Nova shows with properties or without."""
    shown = {'id': image, 'properties': {}} if told else {'id': image}
    return server(
        f'of-{image}',
        image=shown if image else '',
        flavor=thing(ram=1, vcpus=1, disk=disk),
        **values,
    )


class TestImages(unittest.TestCase):
    def read(self, glance, *servers, local=None):
        before = beside.glance
        self.addCleanup(setattr, beside, 'glance', before)
        beside.glance = lambda compute: glance
        self.notes = []
        return images.read_images(
            None, servers, servers if local is None else local, self.notes
        )

    def test_a_size_and_what_nova_heeds_come_of_one_question(self):
        glance = Glance(
            i={
                'size': 3 * GIB,
                'hw_mem_page_size': 'large',
                'hw_numa_nodes': 2,
                'hw_none': None,
                'os_type': 'linux',
            }
        )
        found = self.read(glance, booted('i'), booted('i'))
        self.assertEqual({'i': 3.0 * GIB}, found.sizes)
        self.assertEqual(
            {'i': {'hw_mem_page_size': 'large', 'hw_numa_nodes': '2'}},
            found.properties,
        )
        self.assertEqual(['i'], glance.asked)
        self.assertEqual([], self.notes)

    def test_a_size_is_told_only_where_it_matters(self):
        # its flavor has a root disk, its host none of its own
        for servers, local in (
            ([booted('i', disk=5)], None),
            ([booted('i')], ()),
        ):
            found = self.read(Glance(i={'size': 1}), *servers, local=local)
            self.assertEqual({}, found.sizes)
            self.assertEqual({'i': {}}, found.properties)

    def test_whose_properties_nova_shows_is_asked_only_for_a_size(self):
        glance = Glance(i={'size': 1}, j={'size': 1})
        self.read(
            glance, booted('i', told=True), booted('j', told=True, disk=1)
        )
        self.assertEqual(['i'], glance.asked)
        self.assertEqual([], self.notes)

    def test_sizes_are_asked_for_first_and_then_what_most_boot_from(self):
        glance = Glance(**{name: {'size': 1} for name in 'abcd'})
        self.read(
            glance,
            booted('c', disk=1),
            booted('d', disk=1),
            booted('d', disk=1),
            booted('b'),
            booted('a'),
        )
        self.assertEqual(['a', 'b', 'd', 'c'], glance.asked)

    def test_at_most_so_many_are_asked_for_and_the_others_told(self):
        names = [f'i{i:03}' for i in range(130)]
        glance = Glance(**{name: {'size': 1} for name in names})
        found = self.read(glance, *map(booted, names))
        self.assertEqual(names[:128], glance.asked)
        self.assertEqual(128, len(found.sizes))
        self.assertEqual(
            [
                'of 2 images the size is unknown; root disks that they make '
                'are not counted',
                'of 2 images the properties are unknown, and what Nova '
                'refuses for them is not seen',
            ],
            self.notes,
        )

    def test_an_image_that_is_gone_hides_no_other(self):
        glance = Glance(b={'size': 1, 'hw_x': 'y'}, d={'size': 1})
        servers = [
            booted('a', told=True),
            booted('b'),
            booted('c', disk=1),
            booted('d', told=True),
        ]
        found = self.read(glance, *servers)
        self.assertEqual(['a', 'b', 'd', 'c'], glance.asked)
        self.assertEqual({'b': 1.0, 'd': 1.0}, found.sizes)
        sized, wanted = self.notes
        self.assertIn(f'of 1 images {SIZED}', sized)
        self.assertIn(f'of 1 images {WANTED}', wanted)
        for note in self.notes:
            # of the first that failed
            self.assertIn('(Glance: image: ', note)
            self.assertIn('404', note)
            self.assertTrue(note.endswith(')'), note)

    def test_a_glance_that_is_away_is_asked_once(self):
        away = requests.ConnectionError('refused')
        glance = Glance(a=away, b={'size': 1})
        found = self.read(glance, booted('a'), booted('b'))
        self.assertEqual(['a'], glance.asked)
        self.assertEqual({}, found.properties)
        self.assertIn(f'of 2 images {SIZED}', self.notes[0])
        self.assertIn('(Glance: image: refused)', self.notes[0])

    def test_why_is_that_of_the_first_that_failed(self):
        glance = Glance(
            a=sdk_errors.NotFoundException('first'),
            b=sdk_errors.NotFoundException('second'),
        )
        self.read(glance, booted('a'), booted('b'))
        self.assertIn('first', self.notes[0])
        self.assertNotIn('second', self.notes[0])

    def test_a_glance_that_refuses_is_told(self):
        glance = Glance(a=sdk_errors.ForbiddenException('policy'))
        self.read(glance, booted('a'), booted('b'))
        self.assertEqual(['a'], glance.asked)
        self.assertIn('(Glance: image: policy)', self.notes[1])

    def test_an_image_whose_size_is_no_number_is_unknown(self):
        found = self.read(Glance(i={'size': 'much'}), booted('i'))
        self.assertEqual(({}, {}), (found.sizes, found.properties))
        self.assertIn('its answer is not as expected', self.notes[0])

    def test_an_answer_of_another_status_is_no_image(self):
        glance = Glance(i={'size': 1})
        get = glance.get

        def broken(path):
            answer = get(path)
            answer.status_code, answer.url = 500, path
            return answer

        glance.get = broken
        self.assertEqual({}, self.read(glance, booted('i')).properties)
        self.assertEqual(2, len(self.notes))


class TestDisks(unittest.TestCase):
    def test_the_size_of_an_image_matters_only_where_it_makes_the_disk(self):
        volumes = {'attached_volumes': [{'id': 'v'}]}
        for given, matters in (
            (booted('i'), True),
            (booted('i', disk=5), False),
            # one of the volumes may be the root disk
            (booted('i', disk=5, **volumes), True),
            (booted('i', disk=5, attached_volumes=[]), False),
            # nobody knows, of an old Nova
            (booted('i', disk=None), False),
            (booted('', disk=0), False),
        ):
            self.assertEqual(
                {'i'} if matters else set(), disks.sized_by_image([given])
            )

    def test_an_image_is_known_by_its_id_however_it_is_shown(self):
        for image, found in (
            ({'id': 'i'}, 'i'), (IdOnly('i'), 'i'), ('', None), (None, None),
        ):  # fmt: skip
            self.assertEqual(found, disks.image_of(server('v', image=image)))
        self.assertIsNone(disks.image_of(server('v')))

    def test_a_root_disk_is_none_whose_image_makes_a_volume(self):
        for disk, sizes, found in (
            (5, {'i': 0.0}, ()),
            (5, {}, (5 * GIB,)),
            (5, {'i': 9.0 * GIB}, (5 * GIB,)),
            (0, {'i': 9.0 * GIB}, (9 * GIB,)),
            (0, {'i': 0.0}, ()),
            (0, {}, ()),
        ):
            given = booted('i', disk=disk)
            self.assertEqual(found, disks.local_disks(given, sizes))

    def test_placement_counts_whole_gib_of_each_disk(self):
        flavor = thing(ram=1, vcpus=1, disk=1, ephemeral=2, swap=1025)
        given = server('v', image={'id': 'i'}, flavor=flavor)
        self.assertEqual(5 * GIB, disks.local_disk(given, {}))
        self.assertEqual(
            (GIB, 2 * GIB, 1025 * MIB), disks.local_disks(given, {})
        )

    def test_a_swap_alone_goes_along_too(self):
        for values, goes in (
            ({'swap': 1}, True), ({'ephemeral': 1}, True), ({}, False),
            ({'disk': 9}, False),
        ):  # fmt: skip
            given = server('v', image='', flavor=thing(**values))
            self.assertIs(goes, disks.has_local_disks(given))
        self.assertIs(True, disks.has_local_disks(booted('i', disk=None)))

    def test_what_an_image_makes_is_at_least_what_its_owner_asks_for(self):
        for given, found in (
            ({'virtual_size': 5, 'size': 9, 'min_disk': 1}, 5.0),
            ({'size': 5}, 5.0),
            ({'size': 5, 'min_disk': 1}, float(GIB)),
            ({'size': 3 * GIB, 'min_disk': 1}, 3.0 * GIB),
            ({'size': 0, 'min_disk': 1}, 0.0),
            ({}, 0.0),
        ):
            self.assertEqual(found, disks.root_size(given), given)


class IdOnly(types.SimpleNamespace):
    """An image as openstacksdk's resources have it."""

    def __init__(self, name):
        super().__init__(id=name)
