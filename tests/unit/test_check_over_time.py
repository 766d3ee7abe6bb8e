"""The judge follows links, NICs, rooms and hops, and asks what `after` does.

Plans written by hand, good ones and the same with one thing wrong, so that
nothing that plans is needed to judge the judge.
"""

import dataclasses

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import plan
from tests.unit.builders import step
from tests.unit.builders import vm
from tests.unit.judge import THEN
from tests.unit.judge import JudgeCase
from watcher_tsmig import units
from watcher_tsmig.model import Link
from watcher_tsmig.model import Passage
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.values import Mode


class TestLinks(JudgeCase):
    def uplink(self, *vms, capacity=125e6, **values):
        """a and b behind the link, c and d not."""
        link = Link(name='up', hosts=('a', 'b'), capacity=capacity, **values)
        return cloud('a b c d', *vms, links=(link,))

    def pair(self, **values):
        return self.uplink(idle('v', 'a'), idle('w', 'b'), **values)

    def two(self, start=0.0, **values):
        crosses = {'crosses': ('up',)}
        return plan(
            step('v', 'a>c', **crosses),
            step('w', 'b>d', start, **crosses, slot=2, **values),
        )

    def test_the_path_is_told(self):
        where = self.pair()
        self.only('crosses up, not none', where, plan(step('v', 'a>c')))
        inside = step('v', 'a>b', crosses=('up',))
        self.only('crosses no link, not up', where, plan(inside))
        self.good(where, plan(step('v', 'a>b')))

    def test_caps_fit_a_shared_link(self):
        self.good(self.pair(), self.two())
        self.only(
            'use 100000000 bytes/s out of up, which leaves 99000000',
            self.pair(capacity=99e6),
            self.two(),
        )
        self.good(self.pair(capacity=99e6), self.two(THEN, after=('id-v',)))

    def test_both_directions_are_apart(self):
        where = self.uplink(idle('v', 'a'), idle('w', 'c'), capacity=60e6)
        crosses = {'crosses': ('up',)}
        both = plan(
            step('v', 'a>d', **crosses), step('w', 'c>b', slot=2, **crosses)
        )
        self.good(where, both)

    def test_share_and_floor_hold_for_links(self):
        half = dataclasses.replace(self.two().request, nic_share=0.5)
        said = dataclasses.replace(self.two(), request=half)
        self.only('out of up', self.pair(), said)
        busy = {'background_out': 120e6, 'background_in': 120e6}
        self.only('out of up', self.pair(**busy), self.two())
        floor = dataclasses.replace(self.two().request, nic_floor=0.9)
        said = dataclasses.replace(self.two(), request=floor)
        self.good(self.pair(**busy), said)

    def test_applications_move_over_the_link_with_their_vms(self):
        talks = units.to_mbit_s(40e6)
        vms = (
            idle('v', 'a'),
            idle('w', 'b', traffic=vm('t', 'a', talks, 0.0).traffic),
        )
        where = self.uplink(*vms, capacity=130e6)
        self.only('out of up', where, self.two())
        # a post-copied VM's own traffic leaves with its start
        self.good(where, self.two(mode=Mode.POST_COPY, lcb=0.0, downtime=3.0))

    def test_what_a_link_does_not_carry_waits(self):
        late = self.two(THEN)
        self.only(
            'nothing makes it wait for id-v, and out of up',
            self.pair(capacity=99e6),
            late,
        )
        self.good(self.pair(capacity=101e6), late)

    def test_one_slot_at_a_time_needs_no_more_order(self):
        vms = [idle(n, at) for n, at in zip('vwx', 'aab', strict=True)]
        where = self.uplink(*vms, capacity=100e6)
        crosses = {'crosses': ('up',)}
        said = plan(
            step('v', 'a>c', **crosses),
            step('w', 'a>c', THEN, **crosses, after=('id-v',)),
            step('x', 'b>d', 2 * THEN, slot=2, **crosses),
        )
        self.good(where, said)

    def test_a_window_limits_a_long_path(self):
        where = self.pair(rtt=0.1)
        said = plan(step('v', 'a>c', crosses=('up',)))
        self.good(where, said)
        self.only(
            'cap above what 1 streams carry over a path of 0.1 s',
            where,
            said,
            Rules(stream_window=4e6),
        )
        self.good(where, said, Rules(stream_window=4e6, streams=2))
        self.good(where, said, Rules(stream_ceiling=25e6, streams=2))
        self.good(
            where,
            plan(step('v', 'a>b'), choices=()),
            Rules(stream_window=4e6),
        )


class TestRooms(JudgeCase):
    def test_a_host_holds_memory_cpus_and_disk(self):
        for scarce, text in (
            ({'memory': 7e9}, 'b would hold 8000000000 bytes of VMs, not 7'),
            ({'vcpus': 3.0}, 'b would hold 4 vCPUs of VMs'),
            ({'disk': 3e9}, 'b would hold 4000000000 bytes of disk'),
        ):
            where = cloud(
                'a b',
                idle('v', 'a', disk=2e9),
                idle('w', 'b', disk=2e9),
                b=host('b', **scarce),
            )
            self.only(text, where, plan(step('v', 'a>b', disk=2e9)))
        self.good(
            cloud('a b', idle('v', 'a', disk=2e12)),
            plan(step('v', 'a>b', disk=2e12)),
        )

    def test_a_host_that_is_too_full_may_give_and_take_what_it_has(self):
        full = {'b': host('b', vcpus=1.0)}
        vms = (idle('w', 'b'), idle('v', 'a', vcpus=0.0))
        self.good(cloud('a b', *vms, **full), plan(step('w', 'b>a')))
        self.good(cloud('a b', *vms, **full), plan(step('v', 'a>b')))

    def test_a_host_may_be_full_to_the_last_byte(self):
        for name, most in (('memory', 8e9), ('vcpus', 4.0), ('disk', 4e9)):
            for share, good in ((1.0, True), (0.999, False)):
                where = cloud(
                    'a b',
                    idle('v', 'a', disk=2e9),
                    idle('w', 'b', disk=2e9),
                    b=host('b', **{name: share * most}),
                )
                said = plan(step('v', 'a>b', disk=2e9))
                if good:
                    self.good(where, said)
                else:
                    self.only('id-v: b would hold', where, said)

    def test_of_two_that_come_at_once_where_one_fits_both_are_named(self):
        where = cloud(
            'a b c', idle('v', 'a'), idle('w', 'c'), b=host('b', memory=5e9)
        )
        two = plan(step('v', 'a>b'), step('w', 'c>b', slot=2))
        text = 'b would hold 8000000000 bytes of VMs, not 5000000000'
        self.assertEqual([f'id-v: {text}', f'id-w: {text}'], check(where, two))

    def test_a_host_that_is_too_full_is_emptied_until_there_is_room(self):
        # three of 4 GB on 5: none that leaves is at fault, nor who comes last
        full = {'b': host('b', memory=5e9)}
        names = 'wxy'
        where = cloud(
            'a b c', idle('v', 'a'), *(idle(n, 'b') for n in names), **full
        )
        out = [
            step(n, 'b>c', i * THEN, after=(f'id-{names[i - 1]}',) * (i > 0))
            for i, n in enumerate(names)
        ]
        asked = {'choices': (('id-v', 'b'),)}
        into = step('v', 'a>b', 3 * THEN, after=('id-y',))
        self.good(where, plan(*out, into, **asked))
        early = step('v', 'a>b', 2 * THEN, slot=2, after=('id-x',))
        self.only(
            'id-v: b would hold 8000000000 bytes of VMs, not 5000000000',
            where,
            plan(*out, early, **asked),
        )

    def test_a_vm_on_its_way_already_is_on_both_hosts(self):
        # 4 GB of w on a and on b, until it is known where it ends
        way = Passage(vm='id-w', source='a', destination='b')
        for most, good in ((8e9, True), (7e9, False)):
            where = cloud(
                'a b',
                idle('v', 'a'),
                idle('w', 'a'),
                passages=(way,),
                b=host('b', memory=most),
            )
            said = plan(step('v', 'a>b'))
            if good:
                self.good(where, said)
            else:
                self.only('id-v: b would hold 8000000000', where, said)

    def test_memory_is_free_once_a_vm_has_left(self):
        where = cloud(
            'a b c',
            idle('v', 'a'),
            idle('w', 'b'),
            b=host('b', memory=5e9),
        )
        asked = {'choices': (('id-v', 'b'),)}
        out = step('w', 'b>c')
        into = step('v', 'a>b', THEN, slot=2, after=('id-w',))
        self.good(where, plan(out, into, **asked))
        early = dataclasses.replace(into, start=THEN - 1, after=())
        self.assertIn(
            'id-v: b would hold 8000000000 bytes of VMs, not 5000000000',
            check(where, plan(out, early, **asked)),
        )
        loose = dataclasses.replace(into, after=())
        self.only(
            'id-v: nothing makes it wait until b has room',
            where,
            plan(out, loose, **asked),
        )

    def test_what_comes_after_room_is_made_does_not_burden_the_rest(self):
        where = cloud(
            'a b c d',
            idle('v', 'a'),
            idle('w', 'b'),
            idle('x', 'd'),
            b=host('b', memory=9e9),
        )
        asked = {'choices': (('id-v', 'b'), ('id-x', 'b'))}
        said = plan(
            step('w', 'b>c'),
            step('v', 'a>b', slot=2),
            step('x', 'd>b', THEN, slot=2, after=('id-w', 'id-v')),
            **asked,
        )
        self.good(where, said)


class TestHops(JudgeCase):
    """v and w swap hosts that hold one of them each, by way of c."""

    def setUp(self):
        super().setUp()
        self.cloud = cloud(
            'a b c',
            idle('v', 'a'),
            idle('w', 'b'),
            a=host('a', memory=5e9),
            b=host('b', memory=5e9),
        )
        self.asked = {'choices': (('id-v', 'b'), ('id-w', 'a'))}
        self.steps = (
            step('v', 'a>c'),
            step('w', 'b>a', THEN, after=('id-v',)),
            step('v', 'c>b', 2 * THEN, hop=2, after=('id-w',)),
        )

    def swap(self, **changed):
        """The swap with some migrations changed or, as None, left off."""
        names = ('first', 'other', 'second')
        steps = [
            dataclasses.replace(s, **changed.get(n, {}))
            for n, s in zip(names, self.steps, strict=True)
            if changed.get(n, {}) is not None
        ]
        return plan(*steps, **self.asked)

    def test_a_swap_by_way_of_a_third_host(self):
        self.good(self.cloud, self.swap())

    def test_the_second_hop_has_a_first(self):
        steps = (
            dataclasses.replace(self.steps[1], after=()),
            self.steps[2],
        )
        self.only('has hops [2]', self.cloud, plan(*steps, **self.asked))

    def test_a_hop_is_gone_once(self):
        twice = plan(*self.steps, self.steps[2], **self.asked)
        self.only('id-v: appears more than once', self.cloud, twice)

    def test_an_id_is_of_one_migration(self):
        where = dataclasses.replace(
            self.cloud,
            vms=(
                *self.cloud.vms,
                dataclasses.replace(idle('v#2', 'c'), memory=1e9),
            ),
        )
        said = plan(*self.steps, step('v#2', 'c>b'), **self.asked)
        self.only('id-v#2: is the id of two', where, said)

    def test_the_second_hop_starts_where_the_first_ended(self):
        found = check(self.cloud, self.swap(first={'destination': 'b'}))
        self.assertIn('id-v#2: is on b, not c', found)

    def test_the_second_hop_starts_after_the_first(self):
        found = check(
            self.cloud, self.swap(second={'start': 1.0, 'after': ()})
        )
        self.assertIn('id-v#2: starts before its first hop ends', found)

    def test_the_second_hop_waits_for_the_first(self):
        roomy = cloud('a b c', idle('v', 'a'))
        hops = (
            step('v', 'a>c'),
            step('v', 'c>b', THEN, hop=2, slot=2, after=('id-v',)),
        )
        asked = {'choices': (('id-v', 'b'),)}
        self.good(roomy, plan(*hops, **asked))
        loose = dataclasses.replace(hops[1], after=())
        self.only(
            'id-v#2: nothing makes it wait for its first hop',
            roomy,
            plan(hops[0], loose, **asked),
        )

    def test_the_way_through_obeys_what_a_destination_does(self):
        for change, text in (
            ({'c': host('c', enabled=False)}, 'c cannot receive'),
            ({'c': host('c', memory=1e9)}, 'c would hold'),
        ):
            by_name = {h.name: h for h in self.cloud.hosts} | change
            where = dataclasses.replace(
                self.cloud, hosts=tuple(by_name.values())
            )
            found = check(where, self.swap())
            self.assertTrue(all(text in x for x in found) and found, found)
        bound = dataclasses.replace(
            self.cloud,
            vms=tuple(
                dataclasses.replace(v, allowed=('a', 'b'))
                for v in self.cloud.vms
            ),
        )
        self.only('c is not one of the hosts', bound, self.swap())

    def test_the_end_of_the_way_is_the_choice(self):
        one = plan(self.steps[0], choices=(('id-v', 'b'),))
        self.only('id-v: the operator chose b for it', self.cloud, one)
