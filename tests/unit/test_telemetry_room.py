"""Room that only Placement knows to be taken."""

import contextlib
import threading
import types
import unittest

from openstack import exceptions as sdk_errors

from tests.unit.builders import host
from tests.unit.builders import vm
from watcher_tsmig.model import Passage
from watcher_tsmig.telemetry.inventory import providers
from watcher_tsmig.telemetry.inventory import room
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB


class SmallPlacement:
    """Usages by provider; an error instead of a table is raised."""

    def __init__(self, **usages):
        self.usages = usages
        self.asked = []

    @contextlib.contextmanager
    def open(self):
        if isinstance(self.usages.get('opens'), Exception):
            raise self.usages['opens']
        yield self

    def get(self, path):
        self.asked.append(path)
        found = self.usages[path.split('/')[2]]
        if isinstance(found, Exception):
            raise found
        status, body = (found, {}) if isinstance(found, int) else (200, found)
        return types.SimpleNamespace(
            status_code=status,
            json=lambda: {'usages': body},
            headers={},
            url='http://placement',
            reason='no',
            text='',
            content=b'',
        )


HOSTS = {
    name: host(name, memory=64 * GIB, vcpus=32.0, disk=500 * GIB)
    for name in 'ab'
}
NODES = {'a': 'uuid-a', 'b': 'uuid-b'}
ONE = vm('one', 'a', memory=4 * GIB, vcpus=2.0, disk=20 * GIB)
USAGE = {'MEMORY_MB': 4096, 'VCPU': 2, 'DISK_GB': 20}


class TestRoom(unittest.TestCase):
    def left(self, a=USAGE, b=None, passages=(), vms=(ONE,), **more):
        self.notes = []
        usages = {'uuid-a': a, 'uuid-b': b or {}, **more}
        self.placement = SmallPlacement(**usages)
        return room.without_held(
            HOSTS, vms, passages, self.placement.open, NODES, self.notes
        )

    def test_what_novas_vms_account_for_is_no_difference(self):
        self.assertEqual(HOSTS, self.left())
        self.assertEqual([], self.notes)

    def test_what_nobody_accounts_for_is_no_room(self):
        found = self.left(
            {'MEMORY_MB': 4096 + 8192, 'VCPU': 5, 'PCPU': 1, 'DISK_GB': 51}
        )
        self.assertEqual(56 * GIB, found['a'].memory)
        self.assertEqual(28.0, found['a'].vcpus)
        self.assertEqual(470 * GIB, found['a'].disk)
        self.assertEqual(HOSTS['b'], found['b'])
        self.assertEqual(
            [
                'a: 8.0 GiB of memory, 4 vCPUs, 30.0 GiB of disk taken by no '
                'VM (Placement)'
            ],
            self.notes,
        )

    def test_a_cpu_is_a_difference_and_a_part_of_one_is_none(self):
        for vcpus, left in ((2, 32.0), (2.9, 32.0), (3, 31.0), (5, 29.0)):
            found = self.left({**USAGE, 'VCPU': vcpus})['a']
            self.assertEqual(left, found.vcpus, vcpus)

    def test_answers_that_make_no_sense_are_no_knowledge(self):
        for wrong in (None, [], {'MEMORY_MB': None}, {'VCPU': 'x'}):
            self.left(b=None)
            self.placement.usages['uuid-b'] = {}
            real = self.placement.get

            def get(path, wrong=wrong, real=real):
                answer = real(path)
                if path.endswith('uuid-b/usages'):
                    answer.json = lambda: (
                        {} if wrong == [] else {'usages': wrong}
                    )
                return answer

            self.placement.get = get
            notes = []
            found = room.without_held(
                HOSTS, (ONE,), (), self.placement.open, NODES, notes
            )
            self.assertEqual(HOSTS, found, wrong)
            self.assertIn('Placement: b: ', notes[0])

    def test_the_first_that_is_unknown_is_named(self):
        self.placement = SmallPlacement(
            **{'uuid-a': {}, 'uuid-b': 503, 'uuid-c': 503}
        )
        notes = []
        room.without_held(
            HOSTS, (), (), self.placement.open,
            {**NODES, 'c': 'uuid-c'}, notes,
        )  # fmt: skip
        self.assertIn('Placement: b: ', notes[0])
        self.assertEqual(1, len(notes))

    def late(self, seconds):
        """The hosts where b's usages come so late, and the notes."""
        over, self.answered = threading.Event(), False
        self.addCleanup(over.set)
        placement = SmallPlacement(**{'uuid-a': USAGE, 'uuid-b': USAGE})
        real = placement.get

        def get(path):
            if 'uuid-b' in path:
                over.wait(seconds)
                self.answered = True
            return real(path)

        placement.get = get
        notes = []
        found = room.without_held(
            HOSTS, (ONE,), (), placement.open, NODES, notes
        )
        return found, notes

    def test_who_answers_too_late_is_unknown(self):
        self.addCleanup(setattr, providers, 'WITHIN', providers.WITHIN)
        providers.WITHIN = 0.05
        found, (note,) = self.late(60)
        self.assertEqual(HOSTS, found)
        self.assertIn('Placement: b: ', note)
        self.assertFalse(self.answered)

    def test_who_takes_a_moment_is_waited_for(self):
        found, notes = self.late(0.2)
        self.assertEqual(60 * GIB, found['b'].memory)
        self.assertEqual(1, len(notes))

    def test_a_cloud_without_hosts_asks_nobody(self):
        notes = []
        placement = SmallPlacement()
        self.assertEqual(
            {},
            room.without_held({}, (), (), placement.open, {}, notes),
        )
        self.assertEqual([], notes)

    def test_a_host_has_never_less_than_nothing(self):
        huge = {'MEMORY_MB': 1 << 20, 'VCPU': 999, 'DISK_GB': 9999}
        found = self.left(huge)['a']
        self.assertEqual((0.0, 0.0, 0.0), (
            found.memory, found.vcpus, found.disk
        ))  # fmt: skip

    def test_less_than_is_known_is_no_more_room(self):
        self.assertEqual(HOSTS, self.left({}))

    def test_only_what_is_held_is_told(self):
        for more, told in (
            ({'MEMORY_MB': 4097}, '1 MiB of memory'),
            ({'PCPU': 1}, '1 vCPUs'),
            ({'DISK_GB': 22}, '1.0 GiB of disk'),
        ):
            self.left({**USAGE, **more})
            self.assertEqual(
                [f'a: {told} taken by no VM (Placement)'], self.notes
            )

    def test_less_than_placements_own_units_is_nobodys(self):
        for more in (
            {'MEMORY_MB': 4096.9},
            {'VCPU': 2.9},
            {'DISK_GB': 21.9},
        ):
            self.assertEqual(HOSTS, self.left({**USAGE, **more}), more)
            self.assertEqual([], self.notes)

    def test_without_hosts_known_to_placement_nobody_is_asked(self):
        placement = SmallPlacement()
        found = room.without_held(HOSTS, (), (), placement.open, {}, [])
        self.assertEqual((HOSTS, []), (found, placement.asked))

    def test_a_vm_that_came_to_the_host_it_is_on_is_counted_once(self):
        passage = Passage(vm=ONE.id, source='b', destination='a')
        found = self.left(b=USAGE, passages=(passage,))
        self.assertEqual(HOSTS, found)
        twice = {'MEMORY_MB': 8192, 'VCPU': 2, 'DISK_GB': 20}
        found = self.left(twice, USAGE, passages=(passage,))
        self.assertEqual(60 * GIB, found['a'].memory)

    def test_what_is_rounded_is_no_difference(self):
        for disk, held in ((21, 0), (22, 1)):
            found = self.left({**USAGE, 'DISK_GB': disk})['a']
            self.assertEqual((500 - held) * GIB, found.disk, disk)

    def test_a_vm_under_way_is_counted_at_both_ends(self):
        for end in ({'destination': 'b'}, {'source': 'b'}):
            passage = Passage(vm=ONE.id, **end)
            self.assertEqual(HOSTS, self.left(b=USAGE, passages=(passage,)))
        twice = {'MEMORY_MB': 8192, 'VCPU': 4, 'DISK_GB': 40}
        passage = Passage(vm=ONE.id, source='a', destination='b')
        found = self.left(twice, USAGE, passages=(passage,))
        self.assertEqual(60 * GIB, found['a'].memory)
        self.assertEqual(HOSTS['b'], found['b'])
        stranger = Passage(vm='gone', destination='b')
        found = self.left(b={'MEMORY_MB': 1}, passages=(stranger,))
        self.assertEqual(64 * GIB - MIB, found['b'].memory)

    def test_a_shared_disk_stays_nobodys(self):
        hosts = {'a': host('a', disk=None)}
        placement = SmallPlacement(**{'uuid-a': {**USAGE, 'DISK_GB': 99}})
        found = room.without_held(
            hosts, (ONE,), (), placement.open, {'a': 'uuid-a'}, []
        )
        self.assertIsNone(found['a'].disk)

    def test_where_placement_does_not_tell_the_vms_alone_count(self):
        for error in (
            sdk_errors.SDKException('away'), 503, {'MEMORY_MB': 'many'},
        ):  # fmt: skip
            much = {'MEMORY_MB': 8192, 'VCPU': 2}
            found = self.left(much, error)
            self.assertEqual(60 * GIB, found['a'].memory)
            self.assertEqual(HOSTS['b'], found['b'])
            self.assertIn('Placement: b: ', self.notes[0])
            self.assertIn('room is what the VMs', self.notes[0])
            # and who does not answer of the first is not asked again
            self.assertEqual(HOSTS, self.left(error, much))
            self.assertEqual(1, len(self.placement.asked))
        self.assertEqual(HOSTS, self.left(opens=sdk_errors.SDKException('x')))
        self.assertIn('Placement: x', self.notes[0])

    def test_without_placement_nobody_is_asked(self):
        notes = []
        found = room.without_held(HOSTS, (ONE,), (), None, NODES, notes)
        self.assertEqual((HOSTS, []), (found, notes))

    def test_one_request_for_each_host(self):
        self.left()
        self.assertEqual(
            [f'/resource_providers/uuid-{x}/usages' for x in 'ab'],
            sorted(self.placement.asked),
        )
