"""Modes by cyclic transfers, for games too large and too tight to be solved.

The sum of transfers.py is made harder and harder. A round looks for the
best cycle through one link, the busiest likely first, among most of the
VMs; it is applied unless it is so much worse that chance refuses it, and
the best modes that were met are kept. Where they do not get better, a VM
of their busiest link is moved by force. Every VM here has a choice.
"""

import itertools
import math

import numpy as np
from scipy import sparse

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.modes.effort import Effort
from watcher_tsmig.plan.modes.relax import TRUST
from watcher_tsmig.plan.modes.relax import Relaxed
from watcher_tsmig.plan.modes.relax import Shares
from watcher_tsmig.plan.modes.transfers import Cycles
from watcher_tsmig.plan.modes.transfers import Shelves
from watcher_tsmig.plan.modes.transfers import Transfers
from watcher_tsmig.plan.modes.transfers import power

# How soft the largest load is, as a share of what a VM adds to a link in
# the mean: at the start, at the end, and from one to the next. By trial,
# as all that follows.
SOFT = (0.2, 0.04)
HARDER = 0.9
# So many rounds for each link at each softness before the last, and no
# more than half of all together.
ROUNDS = 0.1
# A VM stays in the mode that the relaxation gives it, if leaving it costs
# the links that hold the bound more than this share of the mean, in all.
DEAR = 2.0
# Links are drawn as busy by a sum that is BUSY times as soft, or the few
# that hold the value would be drawn too rarely. What a round does may be
# worse by HEAT of the sum, in the mean; it does without the share IDLE of
# the VMs, or what it did would often be undone by the next.
BUSY = 0.4
HEAT = 0.02
IDLE = 0.1
# The paths that are followed at once, by how often nothing was found for
# a link: those with few VMs have few cycles, and hold the value.
BEAMS = (300, 300, 600, 1200, 2400)
# After so many rounds for each link, or for MANY, without a better value
# the best modes are gone on from, but for a VM of the busiest link that has
# to leave it: one whose load no cycle lowers a little may be lowered by
# much.
STALE = 1.0
MANY = 100
# Efforts are asked for their clock once in so many rounds.
ASK = 16


class Search:
    """Modes in the course of being bettered; n VMs on m links.

    :ivar post: shape (n,), who is post-copied
    :ivar load: shape (m,), loads as shares of capacities
    :ivar value: the least largest load that was met
    :ivar best: shape (n,), its modes
    """

    _soft: float
    _transfers: Transfers

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
        self._since = 0
        self._moved: list[int] = []
        self._failed = np.zeros(len(self.load), dtype=np.intp)
        self.soften(SOFT[0])

    def over(self) -> bool:
        """Whether it is good enough, or the effort is spent."""
        return (
            self.value <= self._aim
            or self._rounds >= self._effort.rounds
            or (self._rounds % ASK == 0 and self._effort.spent() >= 1)
        )

    def soften(self, softness: float) -> None:
        """From here on the largest load is so soft."""
        self._soft = soft = softness * self._mean
        (pre_link, pre), (post_link, as_post) = self._pre, self._as_post
        tail = np.where(self.post, post_link, pre_link)
        head = np.where(self.post, pre_link, post_link)
        near, m = self._near, len(self.load)
        room = np.bincount(tail[near], minlength=m + 1)
        room += np.bincount(head[near], minlength=m + 1)
        self._transfers = Transfers(
            tail=tail,
            head=head,
            out=power(-np.where(self.post, as_post, pre) / soft),
            into=power(np.where(self.post, pre, as_post) / soft),
            by_tail=Shelves(tail, room, near),
            by_head=Shelves(head, room, near),
        )

    def round(self) -> None:
        """Apply a cycle through a busy link, unless it costs too much."""
        self._rounds += 1
        peak = float(self.load.max())
        busy = power((self.load - peak) / (self._soft * BUSY))
        link = int(self._random.choice(len(busy), p=busy / busy.sum()))
        term = np.append(power((self.load - peak) / self._soft), 0.0)
        most = HEAT * float(term.sum()) * self._random.exponential()
        side = self._sides(term)
        side[self._random.random(len(side)) < IDLE] = np.inf
        side[self._moved] = np.inf
        beam = BEAMS[min(int(self._failed[link]), len(BEAMS) - 1)]
        cycles = Cycles(self._transfers, term, side, most, beam)
        self._failed[link] += 1
        for _, rows in cycles.through(link):
            if self._apply(rows, peak, most):
                break
        peak = float(self.load.max())
        if peak < self.value:
            self.best, self.value = self.post.copy(), peak
            self._since = self._rounds

    def stale(self) -> bool:
        """Whether there was no better value for long."""
        links = max(len(self.load), MANY)
        return self._rounds - self._since > STALE * links

    def kick(self) -> None:
        """Go on from the best, but for a VM of its busiest link."""
        self._since = self._rounds
        self.post = self.best.copy()
        chosen = self.post.astype(np.float64)
        self.load = self._parts.base + self._parts.delta @ chosen
        self.soften(self._soft / self._mean)
        rows = self._transfers.by_tail.at(int(self.load.argmax()))
        if not len(rows):
            return
        row = int(self._random.choice(rows))
        self._moved = [row]
        links, steps = self._steps(np.array([row]))
        self.load[links] += steps
        self.post[row] = ~self.post[row]
        self._transfers.turn(row)

    def _apply(self, rows: IntArray, peak: float, most: float) -> bool:
        """Flip these VMs, if that really changes the sum by less."""
        links, steps = self._steps(rows)
        change = power((self.load[links] + steps - peak) / self._soft)
        change -= power((self.load[links] - peak) / self._soft)
        if change.sum() >= most:
            return False
        self.load[links] += steps
        self._failed[links] = 0
        self.post[rows] = ~self.post[rows]
        for row in rows.tolist():
            self._transfers.turn(row)
        return True

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

    def _sides(self, term: FloatArray) -> FloatArray:
        """What each VM's flip changes at the links beside its two."""
        n = len(self.post)
        links, columns, steps = self._side
        if not len(links):
            return np.zeros(n)
        turned = np.where(self.post[columns], -steps, steps) / self._soft
        change = term[links] * (power(turned) - 1.0)
        out: FloatArray = np.bincount(columns, change, n).astype(np.float64)
        return out


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
    soft, hard = SOFT
    steps = math.ceil(math.log(hard / soft) / math.log(HARDER))
    most = effort.rounds / (2 * steps)
    for step in range(steps):
        out.soften(soft * HARDER**step)
        for _ in range(math.ceil(min(ROUNDS * len(out.load), most))):
            if out.over():
                return out.best
            out.round()
    out.soften(hard)
    while not out.over():
        if out.stale():
            out.kick()
        out.round()
    return out.best
