"""The judge of NICs: what applications and others leave to migrations.

A `step` takes 50 MB/s; the NICs here carry 100 unless it is said.
"""

import dataclasses

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import lasts
from tests.unit.builders import plan
from tests.unit.builders import step
from tests.unit.judge import MB
from tests.unit.judge import THEN
from tests.unit.judge import JudgeCase
from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Passage
from watcher_tsmig.model import Traffic
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.values import Mode

POST = {'mode': Mode.POST_COPY, 'lcb': 0.0, 'downtime': 3.0}


def talks(name, at, tx=0.0, rx=0.0, **values):
    """An idle VM that sends and receives so many MB/s."""
    traffic = Traffic(tx=tx * MB, rx=rx * MB)
    return idle(name, at, traffic=traffic, **values)


def small(*vms, names='a b c', links=(), passages=(), **nic):
    """A cloud of hosts with 100 MB/s each; `nic` is of all of them."""
    nics = Nic(**{'capacity': 100 * MB, **nic})
    hosts = {n: host(n, nic=nics) for n in names.split()}
    return cloud(names, *vms, links=links, passages=passages, **hosts)


class NicCase(JudgeCase):
    def one(self, where, text='', **asked):
        """v goes from a to b; wrong by `text`, or good."""
        said = plan(step('v', 'a>b'), **asked)
        if text:
            self.only(text, where, said)
        else:
            self.good(where, said)


class TestApplications(NicCase):
    def test_what_they_send_is_in_the_way_out_of_the_source(self):
        self.one(small(talks('v', 'a', tx=50)))
        self.one(
            small(talks('v', 'a', tx=51)),
            'at 0 s migrations use 50000000 bytes/s out of the NIC of a, '
            'which leaves 49000000',
        )
        # each other VM that is there counts, and what is received does not
        both = talks('v', 'a', tx=25), talks('w', 'a', tx=26)
        self.one(small(*both), 'out of the NIC of a')
        self.one(small(talks('v', 'a', rx=60), talks('w', 'b', tx=60)))

    def test_what_they_receive_is_in_the_way_into_the_destination(self):
        v = idle('v', 'a')
        self.one(small(v, talks('w', 'b', rx=50)))
        self.one(
            small(v, talks('w', 'b', rx=51)),
            'into the NIC of b, which leaves 49000000',
        )

    def test_those_that_nobody_measured_are_as_assumed(self):
        where = small(idle('v', 'a', traffic=None), idle('w', 'b'))
        self.one(where, assume_traffic=50 * MB)
        self.one(where, 'out of the NIC of a', assume_traffic=51 * MB)
        where = small(idle('v', 'a'), idle('w', 'b', traffic=None))
        self.one(where, 'into the NIC of b', assume_traffic=51 * MB)

    def test_the_background_counts_in_its_own_direction(self):
        v = idle('v', 'a')
        self.one(small(v, background_tx=50 * MB, background_rx=50 * MB))
        self.one(small(v, background_tx=51 * MB), 'out of the NIC of a')
        self.one(small(v, background_rx=51 * MB), 'into the NIC of b')

    def test_a_separate_nic_carries_none_of_them(self):
        chatty = talks('v', 'a', tx=90), talks('w', 'b', rx=90)
        self.one(small(*chatty, separate=True))

    def test_a_nic_that_nobody_declared_is_as_assumed(self):
        where = cloud(
            'a b', idle('v', 'a'), a=host('a', nic=None), b=host('b', nic=None)
        )
        self.one(where, assume_nic=50 * MB)
        self.one(where, 'the NIC of', assume_nic=49 * MB)

    def test_a_nic_that_is_overfull_without_any_migration_is_no_fault(self):
        # with v its 90 come to b, which has 90 of its own, at the end
        where = small(talks('v', 'a', rx=90, tx=50), talks('w', 'b', tx=90))
        self.one(where, nic_floor=0.0)


class TestMoving(NicCase):
    def two(self, mode, start, **values):
        """v, which sends 60 MB/s, goes; then w from the same host."""
        first = step('v', 'a>b', **(POST if mode is Mode.POST_COPY else {}))
        other = step('w', 'a>c', start, slot=2, **values)
        return plan(first, other)

    def test_traffic_goes_with_a_post_copy_at_once(self):
        where = small(talks('v', 'a', tx=60), idle('w', 'a'))
        self.good(where, self.two(Mode.POST_COPY, 1.0))

    def test_traffic_goes_with_a_pre_copy_at_its_end(self):
        where = small(talks('v', 'a', tx=40), idle('w', 'a'))
        self.only(
            'out of the NIC of a', where, self.two(Mode.PRE_COPY, THEN - 1)
        )
        after = {'after': ('id-v',)}
        self.good(where, self.two(Mode.PRE_COPY, THEN, **after))
        # then it has all that is there
        fast = {**after, 'cap': 100 * MB, 'takes': lasts(100 * MB)}
        self.good(where, self.two(Mode.PRE_COPY, THEN, **fast))

    def test_traffic_arrives_where_its_vm_does(self):
        # 60 that v receives go into b from then on, and w goes there, too
        where = small(talks('v', 'a', rx=60), idle('w', 'c'))
        for mode, start, after in (
            (POST, 1.0, ()),
            ({}, 1.0, ()),
            ({}, THEN, ('id-v',)),
        ):
            other = step('w', 'c>b', start, slot=2, after=after)
            said = plan(step('v', 'a>b', **mode), other)
            self.only('into the NIC of b', where, said)
        quiet = small(talks('v', 'a', tx=40), idle('w', 'c'))
        self.good(quiet, plan(step('v', 'a>b'), other))

    def test_traffic_comes_and_goes_as_much_as_it_is(self):
        # 40 that v sends and 45 that it receives: 100 are left of a's way
        # out, and 55 of b's way in
        where = small(talks('v', 'a', tx=40, rx=45), idle('w', 'a'))
        for way, cap, text in (
            ('a>c', 100, ''),
            ('a>c', 101, 'out of the NIC of a, which leaves 100000000'),
            ('a>b', 55, ''),
            ('a>b', 56, 'into the NIC of b, which leaves 55000000'),
        ):
            rate = {'cap': cap * MB, 'takes': lasts(cap * MB)}
            then = step('w', way, THEN, after=('id-v',), **rate)
            found = check(where, plan(step('v', 'a>b'), then))
            self.assertEqual(bool(text), bool(found))
            self.assertIn(text, ' / '.join(found))

    def test_who_has_ended_uses_nothing(self):
        # two at once, then the third beside the longer of the two
        where = small(*(idle(n, 'a') for n in 'vwx'))
        long = step('w', 'a>c', cap=40 * MB, slot=2)
        self.assertGreater(long.takes, THEN)
        third = step('x', 'a>b', THEN, after=('id-v',))
        self.good(where, plan(step('v', 'a>b'), long, third))
        wide = dataclasses.replace(
            third, cap=61 * MB, takes=lasts(61 * MB), takes_low=1.0
        )
        self.only(
            'use 101000000 bytes/s out of the NIC of a',
            where,
            plan(step('v', 'a>b'), long, wide),
        )


class TestOthers(NicCase):
    def passing(self, source, destination, **values):
        return Passage(
            vm='id-w', source=source, destination=destination, **values
        )

    def test_a_vm_on_its_way_talks_from_both_hosts(self):
        for source, destination, vms in (
            ('c', 'a', (idle('v', 'a'), talks('w', 'c', tx=51))),
            ('c', 'b', (idle('v', 'a'), talks('w', 'c', rx=51))),
        ):
            self.one(small(*vms))
            way = self.passing(source, destination)
            self.one(small(*vms, passages=(way,)), 'which leaves 49000000')
            # to where nobody knows it is not added
            unknown = self.passing(source, None)
            self.one(small(*vms, passages=(unknown,)))

    def test_on_a_link_that_both_hosts_are_behind_it_talks_once(self):
        # and its migration does not go over it
        up = Link(name='up', hosts=('a', 'b'), capacity=90 * MB)
        where = small(
            idle('v', 'a'),
            talks('w', 'b', tx=40),
            links=(up,),
            passages=(self.passing('b', 'a', left=1e9, rate=10 * MB),),
            capacity=200 * MB,
        )
        self.good(where, plan(step('v', 'a>c', crosses=('up',))))

    def test_what_others_send_is_in_the_way_until_it_is_sent(self):
        # 5 s at 51 MB/s, out of a or into b
        for source, destination, text in (
            ('a', 'c', 'out of the NIC of a'),
            ('c', 'b', 'into the NIC of b'),
            ('a', None, 'out of the NIC of a'),
            (None, 'b', 'into the NIC of b'),
        ):
            way = self.passing(source, destination, left=255e6, rate=51e6)
            where = small(idle('v', 'a'), passages=(way,))
            early, late = (plan(step('v', 'a>b', at)) for at in (4.9, 5.0))
            self.only(text, where, early)
            self.good(where, late)

    def test_what_others_send_elsewhere_is_in_nobodys_way(self):
        for source, destination in (('b', 'c'), ('c', 'a')):
            way = self.passing(source, destination, left=255e6, rate=99e6)
            self.one(small(idle('v', 'a'), passages=(way,)))

    def test_others_of_which_nobody_tells_what_is_left_are_left_out(self):
        for values in ({'left': 1e9}, {'rate': 99e6}):
            way = self.passing('a', 'c', **values)
            self.one(small(idle('v', 'a'), passages=(way,)))

    def test_they_count_as_migrations_of_their_hosts(self):
        # for 5 s
        for source, destination, asked, text in (
            ('a', 'c', {'max_per_source': 1}, '2 leave a at once'),
            ('c', 'b', {'max_per_destination': 1}, '2 enter b at once'),
            ('c', 'c', {'max_in_cluster': 1}, '2 run at once'),
        ):
            way = self.passing(source, destination, left=5e6, rate=1e6)
            where = small(idle('v', 'a'), passages=(way,))
            early, late = (
                plan(step('v', 'a>b', at), **asked) for at in (4.9, 5.0)
            )
            self.only(text, where, early)
            self.good(where, late)
            # and one that has sent all does not
            sent = self.passing(source, destination, left=0.0, rate=1e6)
            self.one(small(idle('v', 'a'), passages=(sent,)), **asked)

    def test_a_host_that_gives_away_one_at_a_time_counts_them_too(self):
        way = self.passing('a', 'c', left=5e6, rate=1e6)
        hosts = {'a': host('a', max_outgoing=1)}
        where = cloud('a b c', idle('v', 'a'), passages=(way,), **hosts)
        self.one(where, '2 leave a at once, at most 1 may')
        where = cloud('a b c', idle('v', 'a'), passages=(way,))
        self.one(where)
        self.one(where, '2 leave a at once, at most 1', assume_outgoing=1)
