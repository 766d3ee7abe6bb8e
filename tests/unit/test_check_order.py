"""The judge of order: what `after` keeps apart, on hosts, slots and links."""

import dataclasses

from tests.unit.builders import cloud
from tests.unit.builders import host
from tests.unit.builders import idle
from tests.unit.builders import lasts
from tests.unit.builders import plan
from tests.unit.builders import step
from tests.unit.builders import vm
from tests.unit.judge import THEN
from tests.unit.judge import JudgeCase
from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.plan.check import check


class TestOrder(JudgeCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud('a b c d', idle('v', 'a'), idle('w', 'b'))

    def test_what_is_waited_for_has_ended(self):
        two = (step('v', 'a>c'), step('w', 'b>d', slot=2, after=('id-v',)))
        self.only('id-w: starts before id-v ends', self.cloud, plan(*two))

    def test_nothing_waits_for_itself(self):
        two = (
            step('v', 'a>c', after=('id-w',)),
            step('w', 'b>d', slot=2, after=('id-v',)),
        )
        found = check(self.cloud, plan(*two))
        self.assertIn('id-v: waits for itself, maybe through others', found)

    def test_each_side_of_a_host_and_each_slot_is_in_order(self):
        where = cloud('a b c d', idle('v', 'a'), idle('w', 'a'))
        for other, text in (
            (step('w', 'a>d', THEN, slot=2), 'id-v, which leaves a'),
            (step('w', 'b>c', THEN, slot=2), 'id-v, which enters c'),
            (step('w', 'b>d', THEN), 'id-v, which holds slot 1'),
        ):
            at = where if other.source == 'a' else self.cloud
            self.only(text, at, plan(step('v', 'a>c'), other))
            waits = dataclasses.replace(other, after=('id-v',))
            self.good(at, plan(step('v', 'a>c'), waits))

    def test_waiting_for_one_that_waits_is_enough(self):
        where = cloud('a b', *(idle(n, 'a') for n in 'vwx'))
        chain = (
            step('v', 'a>b'),
            step('w', 'a>b', THEN, after=('id-v',)),
            step('x', 'a>b', 2 * THEN, after=('id-w',)),
        )
        self.good(where, plan(*chain))

    def test_a_nic_carries_its_applications_where_they_are_by_then(self):
        talker = vm('t', 'a', 500, 0).traffic
        where = cloud(
            'a b c',
            idle('v', 'a', traffic=talker),
            idle('w', 'a'),
            a=host('a', nic=Nic(capacity=125e6)),
        )
        slow = step('v', 'a>b', takes=lasts(50e6))
        at_once = step('w', 'a>c', slot=2)
        self.only('out of the NIC of a', where, plan(slow, at_once))
        after = step('w', 'a>c', THEN, after=('id-v',), cap=120e6)
        self.good(where, plan(slow, after))


class TestCrowded(JudgeCase):
    """Three that leave by one link, 50 MB/s each, one after the other.

    The third waits for nobody, so that it may run beside either.
    """

    def judged(self, ways, slots, capacity, second='id-v'):
        """The plan of v, w and x; w waits for v, or for nobody."""
        link = Link(name='up', hosts=('a', 'b', 'e'), capacity=capacity)
        steps = [
            step(
                name,
                way,
                i * THEN,
                slot=slot,
                crosses=('up',),
                after=(second,) if i == 1 and second else (),
            )
            for i, (name, way, slot) in enumerate(
                zip('vwx', ways, slots, strict=True)
            )
        ]
        vms = [idle(s.name, s.source) for s in steps]
        where = cloud('a b c d e f', *vms, links=(link,))
        return check(where, plan(*steps))

    def test_those_of_one_slot_source_or_destination_are_one_at_a_time(self):
        apart = ('a>c', 'b>d', 'e>f')
        for ways, slots in (
            (apart, (1, 1, 2)),
            (('a>c', 'a>d', 'e>f'), (1, 2, 3)),
            (('a>c', 'b>c', 'e>f'), (1, 2, 3)),
        ):
            self.assertEqual([], self.judged(ways, slots, 120e6))
            # where two are too many it waits for the last that has ended
            self.assertEqual(
                [
                    'id-x: nothing makes it wait for id-w, and out of up '
                    'does not carry both and what else may run'
                ],
                self.judged(ways, slots, 99e6),
            )

    def test_the_most_of_a_host_counts_whenever_it_is(self):
        # v, then two at once from the same host, and y from another one
        link = Link(name='up', hosts=('a', 'e'), capacity=120e6)
        where = cloud(
            'a b c d e f',
            *(idle(n, at) for n, at in zip('vwxy', 'aaae', strict=True)),
            links=(link,),
        )
        up, then = {'crosses': ('up',)}, {'after': ('id-v',)}
        four = [
            step('v', 'a>c', **up),
            step('w', 'a>c', THEN, **then, **up),
            step('x', 'a>d', THEN, slot=2, **then, **up),
            step('y', 'e>f', 2 * THEN, slot=3, **up),
        ]
        self.only(
            'id-y: nothing makes it wait for id-w, and out of up',
            where,
            plan(*four),
        )
        waits = {'after': ('id-x',)}
        four[3] = dataclasses.replace(four[3], **waits)
        self.good(where, plan(*four))

    def test_what_is_ordered_does_not_run_at_once(self):
        # the second has the third after it; the first may run beside either
        link = Link(name='up', hosts=('a', 'b', 'e'), capacity=120e6)
        where = cloud(
            'a b c d e f',
            *(idle(n, at) for n, at in zip('vwx', 'abe', strict=True)),
            links=(link,),
        )
        crosses = {'crosses': ('up',)}
        three = (
            step('v', 'a>c', **crosses),
            step('w', 'b>d', THEN, slot=2, **crosses),
            step('x', 'e>f', 2 * THEN, slot=3, after=('id-w',), **crosses),
        )
        self.good(where, plan(*three))
        # where all three may, each waits for the last that has ended
        loose = dataclasses.replace(three[2], after=())
        found = check(where, plan(*three[:2], loose))
        self.assertEqual(
            [
                'id-w: nothing makes it wait for id-v',
                'id-x: nothing makes it wait for id-w',
            ],
            [sentence.split(', and')[0] for sentence in found],
        )

    def test_the_order_of_the_list_says_nothing(self):
        where = cloud('a b c', idle('v', 'a'), idle('w', 'a'))
        two = (step('w', 'a>c', THEN, slot=2), step('v', 'a>b'))
        self.only(
            'id-w: nothing makes it wait for id-v, which leaves a',
            where,
            plan(*two),
        )
