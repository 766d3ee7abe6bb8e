"""The judge of who moves whither: names, numbers, permits, alternatives."""

import dataclasses
import math

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import plan
from tests.unit.builders import step
from tests.unit.judge import THEN
from tests.unit.judge import JudgeCase
from watcher_tsmig.model import Link
from watcher_tsmig.model import Passage
from watcher_tsmig.plan.check import check
from watcher_tsmig.plan.classes import ServiceClass
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason


def left(name, host='a'):
    return LeftOut(
        vm=f'id-{name}', name=name, host=host, reason=Reason.LOCKED, because=''
    )


class TestKnown(JudgeCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud('a b c', idle('v', 'a'), idle('w', 'a'))

    def test_numbers_that_no_migration_can_have_end_the_judgement(self):
        for values, text in (
            ({'takes': 0.0}, 'starts at 0, ends at 0'),
            ({'takes': -1.0, 'start': 5.0}, 'starts at 5, ends at 4'),
            ({'takes': math.inf}, 'starts at 0, ends at inf'),
            ({'start': math.inf}, 'starts at inf'),
            ({'cap': -1.0}, 'has cap -1'),
            ({'cap': math.inf}, 'has cap inf'),
            ({'cap': math.nan}, 'has cap nan'),
            ({'lcb': -1.0}, 'and LCB -1'),
            ({'lcb': math.nan}, 'and LCB nan'),
        ):
            said = dataclasses.replace(step('v', 'a>b'), **values)
            self.only(text, self.cloud, plan(said))

    def test_an_unknown_destination_ends_it_too(self):
        self.only('x is not a host', self.cloud, plan(step('v', 'a>x')))

    def test_each_vm_of_a_host_to_be_emptied_is_named_once(self):
        said = plan(step('v', 'a>b'), hosts=('a',))
        self.only('id-w: neither moves nor is left out', self.cloud, said)
        both = plan(step('v', 'a>b'), step('w', 'a>b', slot=2), hosts=('a',))
        self.good(self.cloud, both)
        stays = dataclasses.replace(said, left_out=(left('w'),))
        self.good(self.cloud, stays)
        twice = dataclasses.replace(said, left_out=(left('w'), left('w')))
        self.only('id-w: appears more than once', self.cloud, twice)

    def test_a_vm_does_not_move_and_stay(self):
        said = plan(step('v', 'a>b'))
        both = dataclasses.replace(said, left_out=(left('v'),))
        self.only('id-v: appears more than once', self.cloud, both)

    def test_a_vm_that_nobody_asked_for_is_not_left_out_either(self):
        said = dataclasses.replace(
            plan(step('v', 'a>b')), left_out=(left('w'),)
        )
        self.only(
            'id-w: is not on a host to be emptied, nor asked to move',
            self.cloud,
            said,
        )

    def test_a_vm_that_is_where_it_was_sent_may_stay_unnamed(self):
        said = plan(step('v', 'a>b'), choices=(('id-w', 'a'),))
        self.good(self.cloud, said)


class TestPermitted(JudgeCase):
    def post(self, **values):
        return step('v', 'a>b', mode=Mode.POST_COPY, **values)

    def test_a_paused_vm_is_not_post_copied(self):
        where = cloud('a b', idle('v', 'a', state='paused'))
        self.only('post-copy is not permitted', where, plan(self.post()))
        self.good(where, plan(step('v', 'a>b')))

    def test_a_hybrid_needs_the_permit_of_a_post_copy(self):
        where = cloud('a b', idle('v', 'a', post_copy=False))
        said = plan(step('v', 'a>b', mode=Mode.HYBRID))
        self.only('post-copy is not permitted', where, said)

    def test_only_who_moves_is_not_under_way_already(self):
        way = Passage(vm='id-v', source='a', destination='c')
        where = cloud('a b c', idle('v', 'a'), idle('w', 'a'), passages=(way,))
        text = 'id-v: is under way already'
        self.only(text, where, plan(step('v', 'a>b')))
        self.good(where, plan(step('w', 'a>b')))

    def test_a_class_bears_so_much_and_no_more(self):
        # a post-copy takes 3 s
        where = cloud('a b', idle('v', 'a', sla='mine'))
        for bears, good in ((3.0, True), (2.9, False)):
            classes = (ServiceClass(name='mine', max_outage=bears),)
            said = plan(self.post(), classes=classes)
            if good:
                self.good(where, said)
            else:
                text = 'id-v: post-copy takes 3 s from a VM of class mine'
                self.only(text, where, said)

    def test_only_the_mode_that_was_asked_for_is_used(self):
        where = cloud('a b', idle('v', 'a'))
        self.good(where, plan(self.post(), only_mode=Mode.POST_COPY))
        said = plan(step('v', 'a>b'), only_mode=Mode.POST_COPY)
        self.only('id-v: is not post-copy', where, said)


class TestDestinations(JudgeCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud('a b c d', idle('v', 'a'), idle('w', 'd'))

    def said(self, *alternatives, **asked):
        return plan(step('v', 'a>b', alternatives=alternatives), **asked)

    def test_an_alternative_is_another_host_that_may_receive_it(self):
        self.good(self.cloud, self.said('c', 'd'))
        self.only('id-v: b is no alternative', self.cloud, self.said('b'))
        self.only('id-v: a is where it is', self.cloud, self.said('c', 'a'))
        for change, text in (
            ({'enabled': False}, 'id-v: c cannot receive'),
            ({'up': False}, 'id-v: c cannot receive'),
        ):
            where = cloud('a b c d', idle('v', 'a'), c=host('c', **change))
            self.only(text, where, self.said('c'))
        self.only(
            'id-v: c is not an allowed destination',
            self.cloud,
            self.said('c', destinations=('b',)),
        )
        self.only(
            'id-v: d is to be emptied',
            self.cloud,
            dataclasses.replace(
                self.said('d', hosts=('d',)), left_out=(left('w', 'd'),)
            ),
        )

    def test_an_alternative_is_in_the_zone_of_the_vm(self):
        zones = {n: host(n, zone='one') for n in 'ab'}
        where = cloud('a b c', idle('v', 'a', zone='one'), **zones)
        self.only('c is not in zone one', where, self.said('c'))

    def test_who_was_sent_to_a_host_has_no_alternative(self):
        self.only(
            'id-v: c is no alternative',
            self.cloud,
            self.said('c', choices=(('id-v', 'b'),)),
        )

    def test_a_way_through_a_third_host_has_no_alternative(self):
        hops = (
            step('v', 'a>c', alternatives=('d',)),
            step('v', 'c>b', THEN, hop=2, after=('id-v',)),
        )
        self.only('id-v: d is no alternative', self.cloud, plan(*hops))

    def test_a_host_that_does_not_answer_receives_nothing(self):
        for change in ({'enabled': False}, {'up': False}):
            where = cloud('a b', idle('v', 'a'), b=host('b', **change))
            said = plan(step('v', 'a>b'))
            self.only('id-v: b cannot receive', where, said)

    def test_a_vm_chosen_for_two_hosts_cannot_please_both(self):
        choices = (('id-v', 'b'), ('id-v', 'c'))
        self.only(
            'id-v: the operator chose c for it',
            self.cloud,
            plan(step('v', 'a>b'), choices=choices),
        )

    def test_a_host_of_which_a_chosen_vm_leaves_may_receive_others(self):
        # only those give VMs away of which a VM is asked for by its name
        both = (step('v', 'a>d'), step('w', 'd>b', slot=2))
        self.good(self.cloud, plan(*both, choices=(('id-w', 'b'),)))
        self.only('d gives VMs away', self.cloud, plan(*both))


class TestHops(JudgeCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud('a b c d', idle('v', 'a'))

    def way(self, *steps):
        return plan(*steps, choices=(('id-v', 'b'),))

    def test_the_hops_of_a_way_are_numbered(self):
        only = step('v', 'a>b', hop=2)
        self.only('id-v: has hops [2]; 1, or 1 and 2', self.cloud, plan(only))
        three = (
            step('v', 'a>c'),
            step('v', 'c>d', THEN, hop=2, after=('id-v',)),
            step('v', 'd>b', 2 * THEN, hop=3, after=('id-v#2',)),
        )
        self.only('id-v: has hops [1, 2, 3]', self.cloud, plan(*three))

    def test_the_second_may_be_told_before_the_first(self):
        second = step('v', 'c>b', THEN, hop=2, after=('id-v',))
        self.good(self.cloud, self.way(second, step('v', 'a>c')))

    def test_it_may_start_as_the_first_ends(self):
        first = step('v', 'a>c')
        for start, good in ((first.end, True), (first.end - 0.01, False)):
            second = step('v', 'c>b', start, hop=2, slot=2, after=('id-v',))
            said = self.way(first, second)
            if good:
                self.good(self.cloud, said)
            else:
                text = 'id-v#2: starts before its first hop ends'
                self.assertIn(text, check(self.cloud, said))

    def test_the_first_starts_where_the_vm_is(self):
        self.only('id-v: is on a, not c', self.cloud, plan(step('v', 'c>b')))


class TestLinks(JudgeCase):
    def test_every_link_on_the_path_is_told_once(self):
        links = tuple(
            Link(name=name, hosts=hosts, capacity=125e6)
            for name, hosts in (('up', ('a',)), ('far', ('a', 'c')))
        )
        where = cloud('a b c', idle('v', 'a'), links=links)
        for crosses, text in (
            (('far', 'up'), ''),
            (('up', 'far'), ''),
            (('up',), 'crosses far, up, not up'),
            (('up', 'up'), 'crosses far, up, not up, up'),
            (('up', 'far', 'up'), 'crosses far, up, not up, far, up'),
        ):
            said = plan(step('v', 'a>b', crosses=crosses))
            if text:
                self.only(f'id-v: {text}', where, said)
            else:
                self.good(where, said)
        # behind `far` both are
        self.good(where, plan(step('v', 'a>c', crosses=('up',))))
