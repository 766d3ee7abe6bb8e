"""Modes by ejection chains, where single flips no longer help.

A chain relieves a link by a flip that overloads another, relieves that
one by the next flip, and so on, until no link is overloaded: most often
where it comes back to the link that it relieved first. Without chains a
search gets stuck as soon as what is free on every link is less than one
VM. Every VM here has a choice.
"""

import math

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.effort import Effort
from watcher_tsmig.plan.relax import Shares

# Flips in a chain, and flips that are looked at for one link.
DEPTH = 10
LOOKS = 3000
# How far below its aim a chain may leave a link that it passes, as a share
# of the aim: what is free there is missing elsewhere.
WASTE = 0.04
# A chain must bring its link down by this share of its load.
STEP = 5e-4
# Rounds over the busiest links, and which share of the links these are.
ROUNDS = 20
BUSIEST = 4


class Chains:
    """Modes in the course of being bettered; n VMs on m links.

    :ivar post: n flags, which VMs are post-copied
    :ivar load: m loads, as shares of capacities
    """

    def __init__(self, parts: Shares, start: BoolArray) -> None:
        delta = parts.delta
        self.post: list[bool] = start.tolist()
        self.load: list[float] = (
            parts.base + delta @ start.astype(np.float64)
        ).tolist()
        ends = delta.indptr.tolist()
        pairs = list(
            zip(delta.indices.tolist(), delta.data.tolist(), strict=True)
        )
        self._steps: list[list[tuple[int, float]]] = [
            pairs[a:b] for a, b in zip(ends, ends[1:], strict=False)
        ]
        rows = delta.tocsr()
        ends = rows.indptr.tolist()
        pairs = list(
            zip(rows.indices.tolist(), rows.data.tolist(), strict=True)
        )
        self._near: list[list[tuple[int, float]]] = [
            pairs[a:b] for a, b in zip(ends, ends[1:], strict=False)
        ]
        self._looks = 0
        self._flipped: set[int] = set()

    def relieve(self, link: int, aim: float) -> bool:
        """Bring the link below the aim, and no other above it."""
        self._looks = LOOKS
        return self._eject(link, True, aim, DEPTH)

    def _eject(self, link: int, first: bool, aim: float, depth: int) -> bool:
        """Flip VMs off this link until none is above the aim, or undo."""
        over = self.load[link] - aim
        most = math.inf if first else over + aim * WASTE
        ranked = sorted(
            (less, row)
            for row, step in self._near[link]
            if over <= (less := step if self.post[row] else -step) <= most
            and row not in self._flipped
        )
        for _, row in ranked:
            self._looks -= 1
            if self._looks < 0:
                return False
            self._flip(row)
            self._flipped.add(row)
            above = [i for i, _ in self._steps[row] if self.load[i] > aim]
            if not above:
                self._flipped.clear()
                return True
            if len(above) == 1 and depth > 1:
                if self._eject(above[0], False, aim, depth - 1):
                    return True
            self._flip(row)
            self._flipped.discard(row)
        return False

    def _flip(self, row: int) -> None:
        turn = -1.0 if self.post[row] else 1.0
        for link, step in self._steps[row]:
            self.load[link] += turn * step
        self.post[row] = not self.post[row]


def relieve_all(parts: Shares, start: BoolArray, effort: Effort) -> BoolArray:
    """The start with its busiest links relieved as far as chains go."""
    search = Chains(parts, start)
    for _ in range(ROUNDS):
        order = sorted(range(len(search.load)), key=lambda i: -search.load[i])
        relieved = 0
        for link in order[: max(1, len(order) // BUSIEST)]:
            if effort.spent() >= 1:
                return np.array(search.post, dtype=bool)
            relieved += search.relieve(link, search.load[link] * (1 - STEP))
        if not relieved:
            break
    return np.array(search.post, dtype=bool)
