"""The VMs whose leaving relieves a host are the cheapest that do."""

import dataclasses
import itertools
import math
import random

import testtools

from tests.unit import builders
from tests.unit.builders import writes
from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.model import Contents
from watcher_tsmig.model import Traffic
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.relief import candidates
from watcher_tsmig.plan.relief import offers
from watcher_tsmig.plan.relief.candidates import Amounts
from watcher_tsmig.plan.relief.candidates import Candidate
from watcher_tsmig.plan.relief.candidates import select
from watcher_tsmig.plan.relief.offers import Conditions
from watcher_tsmig.reasons import Reason

PLAIN = Rules(downtime_limit=0.3, efficiency=1.0)


def vm(name, cost, memory=0.0, vcpus=0.0, **values):
    return Candidate(
        id=name,
        name=name,
        cost=cost,
        relief=Amounts(memory=memory, vcpus=vcpus),
        mode='pre-copy',
        **values,
    )


def refused(name, why=Reason.LOCKED, memory=9e9):
    return Candidate(
        id=name,
        name=name,
        cost=math.inf,
        relief=Amounts(memory=memory),
        refusal=why,
    )


class TestSelect(testtools.TestCase):
    def test_one_dear_vm_gives_way_to_two_cheap_ones(self):
        found = select(
            [vm('big', 100, 8), vm('a', 30, 4), vm('b', 40, 4)],
            Amounts(memory=8),
        )
        self.assertEqual(('a', 'b'), found.best.vms)
        self.assertEqual(70.0, found.best.cost)
        self.assertEqual(8.0, found.best.relief.memory)
        self.assertEqual(70.0, found.bound)

    def test_every_kind_of_load_is_relieved(self):
        found = select(
            [vm('ram', 1, 8, 0), vm('cpu', 2, 0, 8), vm('both', 4, 8, 8)],
            Amounts(memory=8, vcpus=8),
        )
        self.assertEqual(('cpu', 'ram'), found.best.vms)

    def test_a_vm_that_cannot_go_is_told_and_not_taken(self):
        found = select([refused('x'), vm('a', 5, 4)], Amounts(memory=4))
        self.assertEqual(('a',), found.best.vms)
        self.assertEqual(['x'], [c.id for c in found.refused])

    def test_what_cannot_be_relieved_is_told(self):
        found = select(
            [refused('x'), vm('a', 5, 4, 1)], Amounts(memory=7, vcpus=1)
        )
        self.assertIsNone(found.best)
        self.assertEqual(Amounts(memory=3), found.missing)
        self.assertEqual(math.inf, found.bound)

    def test_nothing_wanted_is_nothing_moved(self):
        for vms in ([], [vm('a', 1, 4)]):
            found = select(vms, Amounts())
            self.assertEqual((), found.best.vms)
            self.assertEqual(0.0, found.best.cost)

    def test_ties_go_to_fewer_vms_then_to_the_first_ids(self):
        vms = [vm(n, c, m) for n, c, m in (
            ('d', 2, 4), ('c', 2, 4), ('b', 1, 2), ('a', 1, 2), ('e', 2, 4),
        )]  # fmt: skip
        for order in itertools.islice(itertools.permutations(vms), 0, 120, 7):
            found = select(order, Amounts(memory=4))
            self.assertEqual(('c',), found.best.vms)

    def test_free_vms_are_taken_only_where_needed(self):
        found = select(
            [vm('a', 0, 4), vm('b', 0, 4), vm('c', 0, 4)], Amounts(memory=5)
        )
        self.assertEqual(('a', 'b'), found.best.vms)

    def test_two_of_one_id_are_refused(self):
        self.assertRaises(
            errors.InputError, select, [vm('a', 1), vm('a', 1)], Amounts()
        )

    def test_numbers_that_are_none_are_refused_by_name(self):
        for make, place in (
            (lambda: Amounts(tx=-1.0), 'tx'),
            (lambda: Amounts(rx=math.nan), 'rx'),
            (lambda: vm('a', math.nan), 'cost'),
            (lambda: vm('a', math.inf), 'cost'),
        ):
            error = self.assertRaises(errors.InputError, make)
            self.assertEqual(place, error.place)


def many(count, seed, whole):
    rng = random.Random(seed)
    return [
        Candidate(
            id=f'vm-{i:03}',
            name=f'vm-{i:03}',
            relief=Amounts(
                vcpus=rng.choice((1, 2, 4, 8)),
                memory=rng.choice((1, 2, 4, 8, 16)) * units.GIB,
                tx=rng.lognormvariate(15, 1),
            ),
            cost=float(rng.randint(1, 9)) if whole else rng.uniform(1, 90),
            mode='pre-copy',
        )
        for i in range(count)
    ]


WANTED = Amounts(vcpus=9, memory=20 * units.GIB, tx=8e6)


class TestSearch(testtools.TestCase):
    """Branch and bound equals looking at every subset, ties included."""

    def test_it_finds_what_enumeration_finds(self):
        for seed in range(24):
            vms = many(11, seed, whole=bool(seed % 2))
            looked = select(vms, WANTED)
            self.patch(candidates, 'ENUMERATED', 0)
            searched = select(vms, WANTED)
            self.patch(candidates, 'ENUMERATED', 14)
            self.assertEqual(looked.best, searched.best, seed)

    def test_a_host_of_sixty_is_solved_to_proven_optimality(self):
        found = select(many(60, 1, whole=True), WANTED)
        self.assertAlmostEqual(found.best.cost, found.bound)
        for name, wanted in WANTED.items():
            self.assertGreaterEqual(
                getattr(found.best.relief, name), wanted * (1 - 1e-9)
            )


def host(**values):
    calm = builders.vm('calm', 'a', memory=1e9, working_set=writes(10e6))
    return builders.cloud(
        'a b',
        calm,
        builders.vm('wild', 'a', working_set=writes(400e6)),
        builders.vm('new', 'a', working_set=None, traffic=None),
        builders.vm('else', 'b'),
        **values,
    )


class TestOffers(testtools.TestCase):
    TERMS = Conditions(bandwidth=100e6, rules=PLAIN)

    def of(self, conditions, **values):
        found = offers.offers(host(**values), 'a', conditions)
        return {c.name: c for c in found}

    def test_a_vm_goes_by_pre_copy_if_its_lcb_is_available(self):
        found = self.of(self.TERMS)['calm']
        self.assertEqual('pre-copy', found.mode)
        self.assertIn('needs ', found.because)
        self.assertIn('800 Mbit/s are available', found.because)

    def test_else_by_post_copy_where_all_permit_it(self):
        may = dataclasses.replace(self.TERMS, post_copy=True)
        self.assertEqual('post-copy', self.of(may)['wild'].mode)
        self.assertEqual('post-copy', self.of(may)['new'].mode)
        not_here = self.of(may, a=builders.host('a', post_copy=False))
        for found in (self.of(self.TERMS), not_here):
            self.assertEqual(Reason.DOES_NOT_CONVERGE, found['wild'].refusal)
            self.assertIn('post-copy is not permitted', found['wild'].because)
            self.assertEqual(Reason.NOT_MEASURED, found['new'].refusal)

    def test_another_hosts_vm_is_none(self):
        self.assertNotIn('else', self.of(self.TERMS))

    def test_a_deadline_makes_a_slow_vm_infeasible(self):
        late = dataclasses.replace(self.TERMS, deadline=5.0, post_copy=True)
        found = self.of(late)
        self.assertEqual(Reason.DOES_NOT_CONVERGE, found['calm'].refusal)
        self.assertIn('longer than the deadline', found['calm'].because)

    def test_an_assumed_rate_lets_an_unmeasured_vm_go(self):
        bold = dataclasses.replace(self.TERMS, assume_dirty_rate=5e6)
        self.assertEqual('pre-copy', self.of(bold)['new'].mode)

    def test_its_cost_is_that_of_the_named_weights(self):
        found = self.of(self.TERMS)['calm']
        # 1 GB at 100 MB/s: 10 + 1 + 0.1 s, the last with the VM stopped
        self.assertAlmostEqual(11.1 + 8 * 0.1, found.cost)
        fast = dataclasses.replace(
            self.TERMS, weights=candidates.WEIGHTS['fast']
        )
        self.assertAlmostEqual(11.1, self.of(fast)['calm'].cost)

    def test_traffic_that_nobody_measured_is_no_relief(self):
        self.assertEqual(0.0, self.of(self.TERMS)['new'].relief.tx)

    def test_a_host_is_relieved_of_traffic(self):
        talk = builders.cloud(
            'a',
            *(
                builders.vm(
                    f'v{i}',
                    'a',
                    working_set=writes(rate),
                    traffic=Traffic(tx=tx, rx=0.0),
                )
                for i, (rate, tx) in enumerate(
                    ((1e6, 10e6), (50e6, 30e6), (60e6, 30e6), (1e6, 15e6))
                )
            ),
        )
        found = select(offers.offers(talk, 'a', self.TERMS), Amounts(tx=24e6))
        # one busy writer is dearer than no writer: 20 s against 2 x 10 s
        self.assertEqual(('id-v1',), found.best.vms)

    def test_one_that_writes_zeros_is_offered_as_a_pre_copy(self):
        seen = Contents(pages=4096, zero=0.5, written=2000, blanked=0.9)
        for contents, mode in ((None, ''), (seen, 'pre-copy')):
            busy = builders.vm(
                'db', 'a', working_set=writes(300e6, 3e9), contents=contents
            )
            (found,) = offers.offers(
                builders.cloud('a', busy), 'a', self.TERMS
            )
            self.assertEqual(mode, found.mode)
            said = 'needs by the dry run' if contents else 'needs 2.'
            self.assertIn(said, found.because)

    def test_an_empty_host_offers_nothing(self):
        self.assertEqual(
            (), offers.offers(builders.cloud('a'), 'a', self.TERMS)
        )

    def test_an_unknown_host_is_the_callers_fault(self):
        self.assertRaises(
            KeyError, offers.offers, host(), 'nowhere', self.TERMS
        )
