"""What holds for every choice of VMs."""

import itertools
import math

import hypothesis
import testtools
from hypothesis import strategies as st

from watcher_tsmig.plan.relief.candidates import Amounts
from watcher_tsmig.plan.relief.candidates import Candidate
from watcher_tsmig.plan.relief.candidates import select

FEW = hypothesis.settings(max_examples=60, deadline=None)


@st.composite
def offers(draw):
    """Up to 7 VMs with small whole numbers, so that ties are frequent."""
    count = draw(st.integers(0, 7))
    small = st.integers(0, 6).map(float)
    return [
        Candidate(
            id=f'v{i}',
            name=f'v{i}',
            relief=Amounts(memory=draw(small), tx=draw(small)),
            cost=draw(small),
            mode='pre-copy',
        )
        for i in range(count)
    ]


def best_by_looking(vms, wanted):
    """Least (cost, number, ids) of the sets that relieve enough."""
    found = []
    for size in range(len(vms) + 1):
        for chosen in itertools.combinations(vms, size):
            enough = all(
                math.fsum(getattr(c.relief, name) for c in chosen) >= need
                for name, need in wanted.items()
            )
            if enough:
                cost = math.fsum(c.cost for c in chosen)
                found.append((cost, size, tuple(c.id for c in chosen)))
    return min(found, default=None)


class TestSelect(testtools.TestCase):
    @FEW
    @hypothesis.given(offers(), st.integers(0, 12), st.integers(0, 12))
    def test_no_set_is_better_than_the_best(self, vms, memory, tx):
        wanted = Amounts(memory=float(memory), tx=float(tx))
        expected = best_by_looking(vms, wanted)
        found = select(vms, wanted)
        if expected is None:
            self.assertIsNone(found.best)
            self.assertTrue(any(v > 0 for _, v in found.missing.items()))
            return
        self.assertEqual(expected[0], found.best.cost)
        self.assertEqual(expected[2], found.best.vms)
        self.assertAlmostEqual(found.best.cost, found.bound)

    @FEW
    @hypothesis.given(offers(), st.integers(0, 12), st.randoms())
    def test_the_order_of_the_vms_does_not_matter(self, vms, memory, random):
        wanted = Amounts(memory=float(memory))
        mixed = vms[:]
        random.shuffle(mixed)
        self.assertEqual(select(vms, wanted).best, select(mixed, wanted).best)
