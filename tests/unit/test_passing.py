"""Migrations of others that run when a plan is made count in it."""

from tests.unit.builders import GIGABIT
from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import plan
from tests.unit.builders import step
from tests.unit.builders import vm
from tests.unit.builders import writes
from tests.unit.test_plan import PlanCase
from watcher_tsmig.model import Group
from watcher_tsmig.model import Passage
from watcher_tsmig.plan.check import check
from watcher_tsmig.reasons import Reason

OTHER = idle('other', 'a')


def passage(way: str = 'a>b', left: float = 1e9, rate: float = 5e7) -> Passage:
    """Of `OTHER`, with 20 s to go at 400 Mbit/s."""
    source, to = way.split('>')
    return Passage(
        vm=OTHER.id,
        source=source or None,
        destination=to or None,
        left=left,
        rate=rate,
    )


class PassingCase(PlanCase):
    def under_way(self, *vms, passages=(), hosts='a b c', **values):
        return cloud(hosts, OTHER, *vms, passages=passages, **values)

    def first(self, where, **values):
        asked = {'hosts': (), 'vms': ('id-v',), 'nic_share': 1.0}
        plan = self.plan(where, **{**asked, **values})
        return self.only(plan)


class TestTurns(PassingCase):
    def test_who_leaves_a_host_holds_novas_only_turn_until_it_has_left(self):
        where = self.under_way(
            idle('v', 'a'),
            passages=(passage(),),
            a=host('a', max_outgoing=1),
        )
        found = self.first(where, destinations=('c',))
        self.assertAlmostEqual(20, found.start)
        self.assertEqual(
            'waits for a migration that is under way already', found.binding
        )
        free = self.under_way(idle('v', 'a'), a=host('a', max_outgoing=1))
        self.assertEqual(0, self.first(free, destinations=('c',)).start)

    def test_three_in_novas_queue_leave_no_turn_before_the_last_has_gone(self):
        where = cloud(
            'a b c',
            idle('v', 'a'),
            a=host('a', max_outgoing=1),
            passages=tuple(
                Passage(
                    vm=f'x{i}', source='a', destination='b', left=x, rate=1e7
                )
                for i, x in enumerate((1e8, 3e8, 2e8))
            ),
        )
        self.assertAlmostEqual(
            30, self.first(where, destinations=('c',)).start
        )

    def test_who_enters_a_host_and_who_runs_at_all_hold_turns_too(self):
        for limits in ({'max_per_destination': 1}, {'max_in_cluster': 1}):
            where = self.under_way(
                idle('v', 'c'), passages=(passage('a>b'),), hosts='a b c'
            )
            found = self.first(where, destinations=('b',), **limits)
            self.assertAlmostEqual(20, found.start, msg=limits)

    def test_one_that_has_nothing_left_holds_none(self):
        where = self.under_way(
            idle('v', 'a'),
            passages=(passage(left=0.0),),
            a=host('a', max_outgoing=1),
        )
        self.assertEqual(0, self.first(where).start)


class TestLinks(PassingCase):
    def test_what_it_sends_is_not_there_for_the_plan_at_either_end(self):
        whole = self.first(self.under_way(idle('v', 'a')))
        for source, to in (('a', 'c'), ('c', 'b')):
            where = self.under_way(
                idle('v', source), passages=(passage('a>b'),)
            )
            found = self.first(where, destinations=(to,))
            self.assertEqual(0, found.start)
            self.assertAlmostEqual(whole.cap - 5e7, found.cap, delta=1)

    def test_where_it_leaves_too_little_its_end_is_waited_for(self):
        where = self.under_way(
            idle('v', 'c'), passages=(passage('a>b', 1.2e9, 1.2e8),)
        )
        found = self.first(where, destinations=('b',))
        self.assertAlmostEqual(10, found.start)
        self.assertAlmostEqual(GIGABIT, found.cap, delta=1)

    def test_of_one_that_nova_does_not_tell_its_memory_is_to_go(self):
        where = self.under_way(
            idle('v', 'a'),
            passages=(Passage(vm=OTHER.id, source='a', destination='b'),),
            a=host('a', max_outgoing=1),
        )
        found = self.first(where, destinations=('c',))
        # 1 GB resident, over the whole NIC
        self.assertAlmostEqual(1e9 / GIGABIT, found.start)

    def test_nor_at_more_than_its_nova_gives(self):
        where = self.under_way(
            idle('v', 'a'),
            passages=(Passage(vm=OTHER.id, source='a', destination='b'),),
            a=host('a', max_outgoing=1, agent=False, bandwidth=1e7),
        )
        self.assertAlmostEqual(
            100, self.first(where, destinations=('c',)).start
        )

    def test_one_to_or_from_a_host_out_of_sight_counts_where_it_is_seen(self):
        for way in ('a>', '>a'):
            where = self.under_way(
                idle('v', 'a' if way == 'a>' else 'c'),
                passages=(passage(way),),
            )
            to = 'b' if way == 'a>' else 'a'
            found = self.first(where, destinations=(to,))
            self.assertAlmostEqual(GIGABIT - 5e7, found.cap, delta=1)

    def test_its_own_traffic_counts_at_both_ends(self):
        busy = vm('other', 'a', rx=400)
        where = cloud(
            'a b c', busy, idle('v', 'c'), passages=(passage(left=0.0),)
        )
        found = self.first(where, destinations=('b',))
        self.assertAlmostEqual(0.6 * GIGABIT, found.cap, delta=1)


class TestRoom(PassingCase):
    def test_who_is_on_the_way_has_its_room_at_both_ends(self):
        full = {'b': host('b', memory=6e9)}
        move = idle('v', 'c', working_set=writes(0.0))
        free = self.under_way(move, **full)
        self.assertEqual(
            'b', self.first(free, destinations=('b',)).destination
        )
        where = self.under_way(move, passages=(passage('a>b'),), **full)
        plan = self.plan(
            where, hosts=(), vms=('id-v',), destinations=('a', 'b')
        )
        self.assertEqual('a', self.only(plan).destination)

    def test_and_its_place_in_a_group(self):
        group = Group(
            id='g', policy='anti-affinity', members=('id-v', OTHER.id)
        )
        where = self.under_way(
            idle('v', 'c'),
            passages=(passage('a>b'),),
            hosts='a b c d',
            groups=(group,),
        )
        self.assertEqual('d', self.first(where).destination)

    def test_who_is_on_the_way_already_is_not_moved_again(self):
        where = self.under_way(passages=(passage('a>b'),))
        stays = self.stays(self.plan(where))
        self.assertIs(Reason.BUSY, stays.reason)
        self.assertIn('on its way to b', stays.because)


class TestJudge(PassingCase):
    def wrong(self, where, *steps, **asked):
        return ' '.join(check(where, plan(*steps, **asked)))

    def test_it_counts_them_on_its_own(self):
        where = self.under_way(
            idle('v', 'a'),
            passages=(passage(rate=1e8),),
            a=host('a', max_outgoing=1),
        )
        # 10 s at 800 Mbit/s
        early = self.wrong(where, step('v', 'a>c', start=5.0, cap=1e8))
        self.assertIn('2 leave a at once', early)
        self.assertIn('migrations use 200000000 bytes/s out of', early)
        self.assertEqual('', self.wrong(where, step('v', 'a>c', start=10.0)))

    def test_it_sees_room_that_is_theirs_and_vms_that_are_under_way(self):
        where = self.under_way(
            idle('v', 'c'),
            passages=(passage('a>b'),),
            b=host('b', memory=6e9),
        )
        self.assertIn(
            'b would hold 8000000000 bytes of VMs',
            self.wrong(where, step('v', 'c>b')),
        )
        self.assertIn(
            'is under way already', self.wrong(where, step('other', 'a>c'))
        )
