"""Modes by cyclic transfers, for games too large and too tight to be solved.

The sum of transfers.py is made harder and harder, and all cycles that are
found are applied, until there are none; then a few VMs of a busy link are
flipped at random, what this breaks is mended by cycles, and the result is
kept unless it is worse. Every VM here has a choice.
"""

import itertools

import numpy as np
from scipy import sparse

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.effort import Effort
from watcher_tsmig.plan.relax import TRUST
from watcher_tsmig.plan.relax import Relaxed
from watcher_tsmig.plan.relax import Shares
from watcher_tsmig.plan.transfers import GAIN
from watcher_tsmig.plan.transfers import Transfers
from watcher_tsmig.plan.transfers import cycles
from watcher_tsmig.plan.transfers import power

# How soft the largest load is, as a share of what a VM adds to a link in
# the mean: at the start, at the end, and from one to the next. By trial,
# as all that follows.
SOFT = (0.2, 0.04)
HARDER = 0.9
# A VM stays in the mode that the relaxation gives it, if leaving it costs
# the links that hold the bound more than this share of the mean, in all.
DEAR = 0.7
# Pairs of transfers that a round looks at; beyond, it draws some VMs.
PAIRS = 1_000_000
# Where no cycle helps, so many VMs of a busy link are flipped at random;
# links are drawn as busy by a sum that is BUSY times as soft. What then is
# found may be worse by HEAT, in the mean, to be gone on from.
FLIPS = 2
BUSY = 3.0
HEAT = 0.02


class Search:
    """Modes in the course of being bettered; n VMs on m links.

    :ivar post: shape (n,), who is post-copied
    :ivar load: shape (m,), loads as shares of capacities
    :ivar value: the least largest load that was met
    :ivar best: shape (n,), its modes
    """

    def __init__(
        self,
        parts: Shares,
        relaxed: Relaxed,
        start: BoolArray,
        effort: Effort,
        aim: float,
    ) -> None:
        self._parts = parts
        self._effort = effort
        self._aim = aim
        self._rounds = 0
        self._random = np.random.default_rng(effort.seed)
        self._mean = max(float(np.abs(parts.delta.data).mean()), TRUST)
        holding = int((relaxed.price > TRUST).sum())
        self._near = np.flatnonzero(
            relaxed.cost * holding <= DEAR * self._mean
        )
        self._pre = _main(parts.pre)
        self._as_post = _main(parts.post)
        side = parts.delta.tocoo()
        others = side.row != self._pre[0][side.col]
        others &= side.row != self._as_post[0][side.col]
        self._side = side.row[others], side.col[others], side.data[others]
        ends = parts.delta.indptr.tolist()
        pairs = list(
            zip(
                parts.delta.indices.tolist(),
                parts.delta.data.tolist(),
                strict=True,
            )
        )
        self._each = [pairs[a:b] for a, b in itertools.pairwise(ends)]
        self.post = start.copy()
        self.load = parts.base + parts.delta @ start.astype(np.float64)
        self.best, self.value = start.copy(), float(self.load.max())

    def over(self) -> bool:
        """Whether it is good enough, or the effort is spent."""
        return (
            self.value <= self._aim
            or self._rounds >= self._effort.rounds
            or self._effort.spent() >= 1
        )

    def settle(self, softness: float, hot: BoolArray) -> None:
        """Rounds until nothing is found, from the hot links on."""
        while hot.any() and not self.over():
            hot = self._round(softness, hot)
            peak = float(self.load.max())
            if peak < self.value:
                self.best, self.value = self.post.copy(), peak

    def shake(self, softness: float) -> None:
        """Go elsewhere from here by one busy link, or come back."""
        self._rounds += 1
        soft = softness * self._mean
        post, load = self.post.copy(), self.load.copy()
        peak = float(load.max())
        busy = power((load - peak) / (soft * BUSY))
        link = int(self._random.choice(len(load), p=busy / busy.sum()))
        on = (self._pre[0] == link) | (self._as_post[0] == link)
        rows = self._random.permutation(np.flatnonzero(on))[:FLIPS]
        links, steps = self._steps(rows)
        self.load[links] += steps
        self.post[rows] = ~self.post[rows]
        hot = np.zeros(len(load), dtype=bool)
        hot[links] = True
        self.settle(softness, hot)
        before = float(power((load - peak) / soft).sum())
        after = float(power((self.load - peak) / soft).sum())
        if after > before * (1.0 + HEAT * self._random.exponential()):
            self.post, self.load = post, load

    def _round(self, softness: float, hot: BoolArray) -> BoolArray:
        """Apply the cycles that are found from the hot links on.

        :param hot: shape (m,)
        :returns: shape (m,), the links whose loads changed
        """
        self._rounds += 1
        soft = softness * self._mean
        peak = float(self.load.max())
        rows = self._drawn()
        transfers = self._transfers(rows, soft, peak)
        changed = np.zeros(len(hot), dtype=bool)
        for path in cycles(transfers, np.append(hot, False)):
            if changed[transfers.tail[path]].any():
                continue
            links, steps = self._steps(rows[path])
            if changed[links].any():
                continue
            change = power((self.load[links] + steps - peak) / soft)
            change -= power((self.load[links] - peak) / soft)
            if change.sum() < -GAIN:
                self.load[links] += steps
                self.post[rows[path]] = ~self.post[rows[path]]
                changed[links] = True
        return changed

    def _drawn(self) -> IntArray:
        """VMs that a round looks at."""
        near, m = self._near, len(self.load)
        links = np.array((self._pre[0][near], self._as_post[0][near]))
        tail, head = np.where(self.post[near], links[::-1], links)
        pairs = np.bincount(tail, minlength=m + 1) @ np.bincount(
            head, minlength=m + 1
        )
        share = np.sqrt(PAIRS / max(float(pairs), PAIRS))
        out: IntArray = near[self._random.random(len(near)) <= share]
        return out

    def _steps(self, rows: IntArray) -> tuple[IntArray, FloatArray]:
        """(links, what flipping these VMs adds to each)."""
        out: dict[int, float] = {}
        for row in rows.tolist():
            turn = -1.0 if self.post[row] else 1.0
            for link, step in self._each[row]:
                out[link] = out.get(link, 0.0) + turn * step
        return (
            np.fromiter(out, dtype=np.intp, count=len(out)),
            np.fromiter(out.values(), dtype=np.float64, count=len(out)),
        )

    def _transfers(
        self, rows: IntArray, soft: float, peak: float
    ) -> Transfers:
        """What these VMs, k of them, could do now."""
        m, n = self._parts.delta.shape
        post = self.post[rows]
        pre_link, pre = (values[rows] for values in self._pre)
        post_link, as_post = (values[rows] for values in self._as_post)
        tail = np.where(post, post_link, pre_link)
        term = np.append(power((self.load - peak) / soft), 0.0)
        links, columns, steps = self._side
        turned = np.where(self.post[columns], -steps, steps) / soft
        side: FloatArray = np.bincount(
            columns, term[links] * (power(turned) - 1.0), minlength=n
        ).astype(np.float64)
        count = np.bincount(tail, minlength=m + 1)
        return Transfers(
            tail=tail,
            head=np.where(post, pre_link, post_link),
            out=power(-np.where(post, as_post, pre) / soft),
            into=power(np.where(post, pre, as_post) / soft),
            side=side[rows],
            term=term,
            order=np.argsort(tail, kind='stable'),
            first=np.cumsum(count) - count,
            count=count,
        )


def _main(matrix: sparse.csc_array) -> tuple[IntArray, FloatArray]:
    """(the link that each VM adds most to, what it adds); m for none."""
    m, n = matrix.shape
    columns = np.repeat(np.arange(n), np.diff(matrix.indptr))
    order = np.lexsort((matrix.data, columns))
    link, step = np.full(n, m), np.zeros(n)
    link[columns[order]] = matrix.indices[order]
    step[columns[order]] = matrix.data[order]
    return link, step


def search(
    parts: Shares,
    relaxed: Relaxed,
    start: BoolArray,
    effort: Effort,
    aim: float,
) -> BoolArray:
    """The best modes that are met; shape (n,).

    :param aim: a largest load that is good enough
    """
    out = Search(parts, relaxed, start, effort, aim)
    softness, hardest = SOFT
    while softness > hardest:
        out.settle(softness, np.ones(len(out.load), dtype=bool))
        softness *= HARDER
    while not out.over():
        out.shake(hardest)
    return out.best
