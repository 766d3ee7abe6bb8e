"""What holds for every choice of VMs and for every dry run."""

import itertools
import math

import hypothesis
import numpy as np
import testtools
from hypothesis import strategies as st

from watcher_tsmig import forecast
from watcher_tsmig.forecast import contents
from watcher_tsmig.forecast import dryrun
from watcher_tsmig.forecast import pages
from watcher_tsmig.forecast.candidates import Amounts
from watcher_tsmig.forecast.candidates import Candidate
from watcher_tsmig.forecast.candidates import select
from watcher_tsmig.forecast.pages import PAGE
from watcher_tsmig.forecast.pages import Method
from watcher_tsmig.forecast.pages import Mix
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

FEW = hypothesis.settings(max_examples=60, deadline=None)
RULES = Rules(downtime_limit=0.3)


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
        if found.runner_up:
            self.assertLessEqual(found.best.cost, found.runner_up.cost)
            self.assertFalse(set(found.best.vms) <= set(found.runner_up.vms))

    @FEW
    @hypothesis.given(offers(), st.integers(0, 12), st.randoms())
    def test_the_order_of_the_vms_does_not_matter(self, vms, memory, random):
        wanted = Amounts(memory=float(memory))
        mixed = vms[:]
        random.shuffle(mixed)
        self.assertEqual(select(vms, wanted).best, select(mixed, wanted).best)


def decoded(old, encoding):
    """What QEMU's destination makes of an XBZRLE encoding."""
    new, i, at = bytearray(old), 0, 0

    def length():
        nonlocal at
        value = encoding[at] & 0x7F
        if encoding[at] & 0x80:
            at += 1
            value |= encoding[at] << 7
        at += 1
        return value

    while at < len(encoding):
        i += length()
        run = length()
        new[i : i + run] = encoding[at : at + run]
        i, at = i + run, at + run
    return bytes(new)


def encoded(old, new):
    """An XBZRLE encoding of one page, however long."""
    out = b''
    runs = [
        (same, len(list(group)))
        for same, group in itertools.groupby(
            a == b for a, b in zip(old, new, strict=True)
        )
    ]
    if runs[-1][0]:
        runs.pop()
    if runs and not runs[0][0]:
        runs.insert(0, (True, 0))
    i = 0
    for same, run in runs:
        high, low = divmod(run, 128)
        out += bytes([low | 128, high]) if high else bytes([low])
        if not same:
            out += new[i : i + run]
        i += run
    return out


class TestXbzrle(testtools.TestCase):
    @FEW
    @hypothesis.given(
        st.lists(
            st.tuples(st.integers(0, PAGE - 1), st.integers(0, 300)),
            max_size=40,
        )
    )
    def test_the_length_is_that_of_an_encoding_that_can_be_undone(self, runs):
        old = bytes(i * 7 % 251 for i in range(PAGE))
        new = bytearray(old)
        for start, length in runs:
            for i in range(start, min(start + length, PAGE)):
                new[i] = old[i] ^ 0x55
        encoding = encoded(old, bytes(new))
        self.assertEqual(bytes(new), decoded(old, encoding))
        (size,) = pages.xbzrle(pages.as_pages(old), pages.as_pages(new))
        if size >= 0:
            self.assertEqual(len(encoding), size)
        else:
            self.assertGreater(len(encoding) + 2, PAGE)


@st.composite
def vms(draw, least=0.0):
    """A curve and what its pages weigh under multifd."""
    resident = draw(st.floats(1e8, 1e10))
    rate = draw(st.floats(least, 1e9))
    packed = draw(st.floats(10, PAGE))
    later = draw(st.floats(10, PAGE))
    curves = forecast.fit(
        [WorkingSet(resident=resident, samples=((1.0, min(rate, resident)),))]
    )
    kind = contents.counted(Method.ZLIB, Mix(packed=packed), Mix(packed=later))
    return curves, kind


class TestDryRun(testtools.TestCase):
    @FEW
    @hypothesis.given(vms(), st.floats(1e6, 1e9), st.floats(1.0, 4.0))
    def test_more_bandwidth_never_takes_longer(self, vm, rate, more):
        curves, kind = vm
        slow, fast = (
            dryrun.dry_run(curves, b, RULES, [kind]).forecasts
            for b in (rate, rate * more)
        )
        if slow.converges[0]:
            self.assertTrue(fast.converges[0])
            self.assertLessEqual(
                float(fast.t_sum[0]), float(slow.t_sum[0]) * (1 + 1e-9)
            )

    @FEW
    @hypothesis.given(vms(least=1e5))
    def test_the_lcb_is_the_boundary(self, vm):
        curves, kind = vm
        lcb = dryrun.least_convergent_bandwidth(curves, RULES, [kind])
        at = dryrun.dry_run(curves, lcb, RULES, [kind]).forecasts
        less = dryrun.dry_run(curves, lcb * (1 - 1e-6), RULES, [kind])
        self.assertTrue(at.converges[0])
        self.assertFalse(less.forecasts.converges[0])

    @FEW
    @hypothesis.given(vms(), st.floats(1e6, 1e9))
    def test_smaller_pages_never_take_longer(self, vm, rate):
        curves, kind = vm
        plain = contents.counted(Method.ZLIB, Mix(), Mix())
        big, small = (
            dryrun.dry_run(curves, rate, RULES, [k]).forecasts
            for k in (plain, kind)
        )
        if big.converges[0]:
            self.assertTrue(small.converges[0])
            self.assertLessEqual(
                float(small.t_sum[0]), float(big.t_sum[0]) * (1 + 1e-9)
            )
        self.assertFalse(np.isnan(small.t_sum[0]))
