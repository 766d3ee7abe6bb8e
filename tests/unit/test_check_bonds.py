"""The judge knows links, groups, zones, rooms, classes and choices.

Plans written by hand, good ones and the same with one thing wrong, so that
nothing that plans is needed to judge the judge.
"""

import dataclasses
import math

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import lasts
from tests.unit.builders import plan
from tests.unit.builders import step
from tests.unit.builders import vm
from tests.unit.judge import THEN
from tests.unit.judge import JudgeCase
from watcher_tsmig.model import Group
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason


class TestWho(JudgeCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud(
            'a b c', idle('v', 'a'), idle('w', 'a'), idle('x', 'b')
        )
        self.good(self.cloud, plan(step('v', 'a>b')))

    def test_a_vm_that_is_asked_for_by_its_id_moves_or_stays(self):
        asked = {'vms': ('id-v', 'id-w')}
        self.only(
            'id-w: neither moves', self.cloud, plan(step('v', 'a>b'), **asked)
        )
        stays = LeftOut(
            vm='id-w', name='w', host='a', reason=Reason.LOCKED, because=''
        )
        self.good(
            self.cloud,
            dataclasses.replace(
                plan(step('v', 'a>b'), **asked), left_out=(stays,)
            ),
        )

    def test_nobody_else_is_named(self):
        said = plan(step('v', 'a>b'), vms=('id-v',), choices=())
        self.good(self.cloud, said)
        other = plan(step('v', 'a>b'), step('w', 'a>c', slot=2), vms=('id-v',))
        self.only('id-w: is not on a host to be emptied', self.cloud, other)

    def test_a_chosen_vm_moves_unless_it_is_there_already(self):
        chosen = (('id-w', 'c'), ('id-x', 'b'))
        self.only(
            'id-w: neither moves',
            self.cloud,
            plan(step('v', 'a>b'), choices=chosen),
        )
        self.good(
            self.cloud,
            plan(
                step('v', 'a>b'),
                step('w', 'a>c', slot=2),
                choices=chosen,
            ),
        )

    def test_a_chosen_vm_ends_where_the_operator_wants_it(self):
        self.only(
            'the operator chose c',
            self.cloud,
            plan(step('v', 'a>b'), choices=(('id-v', 'c'),)),
        )

    def test_destinations_do_not_bind_a_chosen_vm(self):
        self.only(
            'not an allowed destination',
            self.cloud,
            plan(step('v', 'a>b'), destinations=('c',)),
        )
        self.good(
            self.cloud,
            plan(
                step('v', 'a>b'),
                destinations=('c',),
                choices=(('id-v', 'b'),),
            ),
        )

    def test_a_host_that_gives_vms_away_gets_none_but_by_choice(self):
        out = step('x', 'b>c')
        self.only(
            'b gives VMs away',
            self.cloud,
            plan(step('v', 'a>b', slot=2), out),
        )
        self.good(
            self.cloud,
            plan(step('v', 'a>b', slot=2), out, choices=(('id-v', 'b'),)),
        )

    def test_a_host_to_be_emptied_gets_none_even_by_choice(self):
        self.only(
            'b is to be emptied',
            self.cloud,
            plan(
                step('x', 'b>c'),
                step('v', 'a>b', slot=2),
                hosts=('b',),
                choices=(('id-v', 'b'),),
            ),
        )

    def test_a_vm_does_not_go_to_where_it_is(self):
        found = check(
            self.cloud, plan(step('v', 'a>a'), choices=(('id-v', 'b'),))
        )
        self.assertIn('id-v: a is where it is', found)

    def test_unknown_names_and_numbers_end_the_judgement(self):
        cases = (
            (plan(step('z', 'a>b')), 'id-z is not a VM'),
            (plan(step('v', 'nowhere>b')), 'nowhere is not a host'),
            (plan(step('v', 'a>b', start=float('nan'))), 'starts at nan'),
            (plan(step('v', 'a>b', start=-1.0)), 'starts at -1'),
            (
                plan(dataclasses.replace(step('v', 'a>b'), cap=0.0)),
                'has cap 0',
            ),
            (plan(step('v', 'a>b', lcb=float('inf'))), 'and LCB inf'),
            (plan(step('v', 'a>b', after=('id-q',))), 'does not move'),
        )
        for said, text in cases:
            self.only(text, self.cloud, said)

    def test_a_vm_stays_in_its_zone_and_where_its_traits_allow(self):
        for bound, text in (
            ({'zone': 'one'}, 'c is not in zone one'),
            ({'allowed': ('b',)}, 'not one of the hosts that suit its flavor'),
        ):
            where = cloud(
                'a b c', idle('v', 'a', **bound), b=host('b', zone='one')
            )
            self.good(where, plan(step('v', 'a>b')))
            self.only(text, where, plan(step('v', 'a>c')))
            chosen = (('id-v', 'c'),)
            self.only(text, where, plan(step('v', 'a>c'), choices=chosen))

    def test_what_cannot_move_live_does_not(self):
        for values, text in (
            ({'active': False}, 'id-v: is not active'),
            ({'locked': True}, 'id-v: is locked'),
            ({'excluded': True}, 'id-v: is excluded'),
        ):
            where = cloud('a b', idle('v', 'a', **values))
            self.only(text, where, plan(step('v', 'a>b')))
        down = cloud('a b', idle('v', 'a'), a=host('a', up=False))
        self.only('id-v: a is down', down, plan(step('v', 'a>b')))

    def test_post_copy_is_permitted_by_all_or_not_at_all(self):
        post = step('v', 'a>b', mode=Mode.POST_COPY)
        cases = (
            cloud('a b', idle('v', 'a', post_copy=False)),
            cloud('a b', idle('v', 'a'), a=host('a', post_copy=None)),
            cloud('a b', idle('v', 'a'), b=host('b', post_copy=False)),
        )
        for where in cases:
            self.only('post-copy is not permitted', where, plan(post))
        here = cloud('a b', idle('v', 'a'))
        self.good(here, plan(post))
        self.only(
            'post-copy is not permitted',
            here,
            plan(post, allow_post_copy=False),
        )
        self.only('is not pre-copy', here, plan(post, only_mode=Mode.PRE_COPY))

    def test_a_class_that_bears_no_outage_is_not_post_copied(self):
        where = cloud('a b', idle('v', 'a', sla='gold'))
        post = plan(step('v', 'a>b', mode=Mode.POST_COPY))
        self.only('from a VM of class gold', where, post)
        self.good(where, plan(step('v', 'a>b')))
        for sla in ('silver', 'unheard of', None):
            self.good(cloud('a b', idle('v', 'a', sla=sla)), post)
        short = Rules(post_copy_outage=0.5)
        said = plan(step('v', 'a>b', mode=Mode.POST_COPY, downtime=0.5))
        self.good(where, said, short)


class TestTimes(JudgeCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud('a b c', idle('v', 'a'), idle('w', 'b'))

    def test_nothing_leaves_or_enters_a_host_before_its_release(self):
        for name in ('a', 'c'):
            late = {'releases': ((name, 60.0), ('b', 500.0))}
            self.only(
                f'{name} is not released before 60 s',
                self.cloud,
                plan(step('v', 'a>c', 59.0), **late),
            )
            self.good(self.cloud, plan(step('v', 'a>c', 60.0), **late))

    def test_one_slot_holds_one(self):
        two = (step('v', 'a>c'), step('w', 'b>c'))
        self.only(
            '2 hold slot 1 at once, at most 1 may',
            self.cloud,
            plan(*two),
        )

    def test_hosts_and_the_whole_take_so_many(self):
        where = cloud('a b', idle('v', 'a'), idle('w', 'a'))
        two = (step('v', 'a>b'), step('w', 'a>b', slot=2))
        self.good(where, plan(*two))
        self.only('2 leave a', where, plan(*two, max_per_source=1))
        self.only('2 enter b', where, plan(*two, max_per_destination=1))
        self.assertIn(
            'id-w: 2 run at once, at most 1 may',
            check(where, plan(*two, max_in_cluster=1)),
        )

    def test_what_bounds_the_whole_is_not_above_it(self):
        good = plan(step('v', 'a>c'))
        for wrong, text in (
            ({'lower_bound': 1e3}, 'lower bound 1000 s'),
            ({'lower_bound': THEN + 0.01}, 'is above the makespan'),
            ({'lower_bound': math.nan}, 'lower bound nan s'),
            ({'peak_bound': 0.2, 'peak_load': 0.1}, 'bound 0.2 of the load'),
            ({'peak_bound': 0.01}, 'bound 0.01 of the load'),
            ({'peak_bound': math.nan}, 'bound nan of the load'),
            ({'shortfall': -1.0}, 'less than 0'),
            ({'shortfall': math.nan}, 'less than 0'),
        ):
            self.only(text, self.cloud, dataclasses.replace(good, **wrong))
        reached = {'lower_bound': THEN, 'peak_bound': 0.3, 'peak_load': 0.3}
        self.good(self.cloud, dataclasses.replace(good, **reached))
        late = dataclasses.replace(good, shortfall=1.0)
        self.good(self.cloud, late)

    def test_slots_are_counted_from_one_to_as_many_as_may_run(self):
        for slot, good in ((0, False), (1, True), (3, True), (4, False)):
            said = plan(step('v', 'a>c', slot=slot), max_in_cluster=3)
            if good:
                self.good(self.cloud, said)
            else:
                self.only(f'no slot {slot}', self.cloud, said)

    def test_of_two_releases_of_a_host_the_later_counts(self):
        for releases in ((60.0, 30.0), (30.0, 60.0)):
            late = {'releases': tuple(('a', at) for at in releases)}
            self.only(
                'a is not released before 60 s',
                self.cloud,
                plan(step('v', 'a>c', 59.9), **late),
            )
            self.good(self.cloud, plan(step('v', 'a>c', 60.0), **late))

    def test_a_deadline_is_met_at_its_moment(self):
        said = step('v', 'a>c')
        self.good(self.cloud, plan(said, deadline=said.end))
        self.only(
            'ends after the deadline',
            self.cloud,
            plan(said, deadline=said.end - 0.01),
        )

    def test_one_may_start_as_another_ends(self):
        where = cloud('a b', idle('v', 'a'), idle('w', 'a'))
        two = (step('v', 'a>b'), step('w', 'a>b', THEN, after=('id-v',)))
        one = {'max_per_source': 1, 'max_per_destination': 1}
        self.good(where, plan(*two, **one, max_in_cluster=1))

    def test_each_that_starts_too_many_is_named(self):
        where = cloud('a b c d', *(idle(n, 'a') for n in 'vwx'))
        three = [
            step(n, f'a>{to}', at, slot=i + 1, cap=30e6, takes=lasts(30e6))
            for i, (n, to, at) in enumerate(
                (('v', 'b', 0.0), ('w', 'c', 1.0), ('x', 'd', 2.0))
            )
        ]
        self.good(where, plan(*three, max_per_source=3))
        self.assertEqual(
            ['id-x: 3 leave a at once, at most 2 may'],
            check(where, plan(*three, max_per_source=2)),
        )
        self.assertEqual(
            [
                'id-w: 2 leave a at once, at most 1 may',
                'id-x: 3 leave a at once, at most 1 may',
            ],
            check(where, plan(*three, max_per_source=1)),
        )

    def test_an_lcb_is_the_least(self):
        where = cloud('a b', vm('v', 'a'))
        found = check(where, plan(step('v', 'a>b', lcb=50e6)))
        self.assertIn('id-v: would converge below its LCB', found)

    def test_caps_and_deadlines_hold(self):
        said = step('v', 'a>c')
        self.only(
            'cap above the ceiling', self.cloud, plan(said, ceiling=40e6)
        )
        self.only(
            'ends after the deadline', self.cloud, plan(said, deadline=20.0)
        )
        busy = plan(dataclasses.replace(said, lcb=60e6))
        self.only('cap below its LCB', self.cloud, busy)
        self.only('no slot 17', self.cloud, plan(step('v', 'a>c', slot=17)))

    def test_an_interval_holds_its_forecast(self):
        for bound, text in (
            ({'takes_low': 1e3}, 'duration below its interval'),
            ({'takes_high': 1.0}, 'duration above its interval'),
            ({'takes_low': THEN + 0.01}, 'duration below its interval'),
            ({'takes_high': THEN - 0.01}, 'duration above its interval'),
        ):
            self.only(text, self.cloud, plan(step('v', 'a>c', **bound)))

    def test_a_wrong_forecast_of_the_second_hop_names_it(self):
        hops = plan(
            step('v', 'a>c'),
            step('v', 'c>b', THEN, hop=2, after=('id-v',), data=7.0),
        )
        self.only('id-v#2: data is 7', self.cloud, hops)


class TestGroups(JudgeCase):
    def group(self, policy, members, **values):
        ids = tuple(f'id-{name}' for name in members.split())
        return Group(id='g', policy=policy, members=ids, **values)

    def pair(self, policy, **values):
        return cloud(
            'a b c d',
            idle('v', 'a'),
            idle('w', 'c'),
            groups=(self.group(policy, 'v w', **values),),
        )

    def test_members_apart_do_not_meet_on_a_host(self):
        two = (
            step('v', 'a>b'),
            step('w', 'c>b', THEN, after=('id-v',)),
        )
        where = self.pair('anti-affinity')
        self.only('b would hold 2 members of group g', where, plan(*two))
        for soft in ('soft-anti-affinity', 'soft-affinity'):
            self.good(self.pair(soft), plan(*two))
        self.good(self.pair('anti-affinity', max_per_host=2), plan(*two))

    def test_a_member_on_its_way_out_counts_until_it_has_left(self):
        where = self.pair('anti-affinity')
        asked = {'choices': (('id-v', 'c'),), 'max_per_group': 2}
        swap = (
            step('w', 'c>b'),
            step('v', 'a>c', THEN, after=('id-w',)),
        )
        self.good(where, plan(*swap, **asked))
        early = (swap[0], step('v', 'a>c', slot=2))
        self.only('c would hold 2 members', where, plan(*early, **asked))

    def test_members_that_share_a_host_already_are_no_fault(self):
        where = cloud(
            'a b',
            idle('v', 'a'),
            idle('w', 'a'),
            idle('x', 'b'),
            groups=(self.group('anti-affinity', 'v w'),),
        )
        self.good(where, plan(step('x', 'b>a')))
        self.good(where, plan(step('v', 'a>b')))

    def test_few_of_a_group_move_at_once(self):
        where = self.pair('anti-affinity')
        two = (step('v', 'a>b'), step('w', 'c>d', slot=2))
        self.only('2 are of group g at once', where, plan(*two))
        self.good(where, plan(*two, max_per_group=2))
        self.good(self.pair('soft-anti-affinity'), plan(*two))

    def test_members_that_do_not_meet_wait_for_each_other(self):
        where = self.pair('anti-affinity')
        two = (step('v', 'a>b'), step('w', 'c>d', THEN, slot=2))
        self.only('nothing makes it wait for id-v, of', where, plan(*two))
        self.good(where, plan(*two, max_per_group=2))

    def test_members_together_go_only_to_one_another(self):
        where = cloud(
            'a b c',
            idle('v', 'a'),
            idle('w', 'b'),
            groups=(self.group('affinity', 'v w unknown'),),
        )
        self.good(where, plan(step('v', 'a>b')))
        self.only('no other member of group g', where, plan(step('v', 'a>c')))

    def test_the_member_to_go_to_stays_and_has_come(self):
        where = cloud(
            'a b c',
            idle('v', 'a'),
            idle('w', 'b'),
            idle('x', 'c'),
            groups=(self.group('affinity', 'v w x'),),
        )
        asked = {'choices': (('id-v', 'b'),), 'max_per_group': 2}
        text = 'no other member of group g is sure to be on b'
        leaves = step('w', 'b>c', THEN, after=('id-v',))
        self.good(where, plan(step('v', 'a>b'), leaves, **asked))
        free = step('w', 'b>c', THEN, slot=2)
        self.only(text, where, plan(step('v', 'a>b'), free, **asked))
        comes = dataclasses.replace(
            where,
            vms=tuple(
                dataclasses.replace(v, host='c') if v.name == 'w' else v
                for v in where.vms
            ),
        )
        found = check(
            comes,
            plan(
                step('w', 'c>b'),
                step('v', 'a>b', THEN, after=('id-w',)),
                choices=(('id-w', 'b'),),
            ),
        )
        self.assertEqual(
            ['id-w: no other member of group g is sure to be on b'], found
        )
