"""Modes by local search: from any start to where no small move is better.

A move flips one VM, or two that share a link. It is judged by the links
that it touches alone: leximin of all loads falls if and only if leximin
of the touched ones does, because the others are the same before and
after. Loads are plain lists, as numpy is slow on two numbers at a time.
Every VM here has a choice.
"""

import itertools
from collections import deque
from collections.abc import Iterable

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.modes.effort import Effort
from watcher_tsmig.plan.modes.game import EQUAL
from watcher_tsmig.plan.modes.game import Game
from watcher_tsmig.plan.modes.game import loads
from watcher_tsmig.plan.modes.relax import Shares

# Efforts are asked for their clock once in so many moves.
ASK = 2000


class Descent:
    """Modes in the course of being bettered; n VMs on m links.

    :ivar post: n flags, which VMs are post-copied
    :ivar load: m loads, as shares of capacities
    """

    def __init__(
        self, game: Game, parts: Shares, start: BoolArray, effort: Effort
    ) -> None:
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
        row_ends = rows.indptr.tolist()
        near = rows.indices.tolist()
        self._near: list[list[int]] = [
            near[a:b] for a, b in zip(row_ends, row_ends[1:], strict=False)
        ]
        self._risk: list[float] = game.risk.tolist()
        self._extra: list[float] = game.extra.tolist()
        self._effort = effort
        self._moves = 0
        self._most = effort.moves
        self._touched: set[int] = set()

    def _over(self) -> bool:
        """Whether the effort is spent; counts one move."""
        self._moves += 1
        if self._moves >= self._most:
            return True
        return self._moves % ASK == 0 and self._effort.spent() >= 1

    def _change(self, *rows: int) -> dict[int, float]:
        """What flipping these VMs adds, by link."""
        out: dict[int, float] = {}
        for row in rows:
            turn = -1.0 if self.post[row] else 1.0
            for link, step in self._steps[row]:
                out[link] = out.get(link, 0.0) + turn * step
        return out

    def _try(self, *rows: int) -> bool:
        """Flip these VMs where that is better."""
        change = self._change(*rows)
        load = self.load
        before = sorted([load[link] for link in change], reverse=True)
        after = sorted(
            [load[link] + step for link, step in change.items()], reverse=True
        )
        for old, new in zip(before, after, strict=True):
            if new < old - EQUAL:
                break
            if new > old + EQUAL:
                return False
        else:
            if self._costs(*rows) >= (0.0, 0.0):
                return False
        for link, step in change.items():
            load[link] += step
        self._touched.update(change)
        for row in rows:
            self.post[row] = not self.post[row]
        return True

    def _costs(self, *rows: int) -> tuple[float, float]:
        """(risk, bytes) that flipping these VMs adds."""
        turns = [-1.0 if self.post[row] else 1.0 for row in rows]
        risk = sum(t * self._risk[r] for t, r in zip(turns, rows, strict=True))
        extra = sum(
            -t * self._extra[r] for t, r in zip(turns, rows, strict=True)
        )
        scale = EQUAL * sum(self._risk[row] for row in rows)
        return (risk if abs(risk) > scale else 0.0), extra

    def flips(self, rows: Iterable[int]) -> None:
        """Flip single VMs while that is better, these first."""
        queue = _Queue(rows)
        while queue and not self._over():
            row = queue.pop()
            if self._try(row):
                for link, _ in self._steps[row]:
                    queue.add(self._near[link])

    def pairs(self) -> None:
        """Flip two VMs that share a link, the busiest links first."""
        self._most = self._moves + self._effort.pairs
        queue = _Queue(
            sorted(range(len(self.load)), key=lambda i: -self.load[i])
        )
        while queue and self._moves < self._most:
            self._touched.clear()
            link = queue.pop()
            if self._pair_on(link):
                for near in sorted(self._touched):
                    self.flips(self._near[near])
                queue.add(sorted({link, *self._touched}))

    def _pair_on(self, link: int) -> bool:
        """Flip the first pair on the link that is better."""
        for one, two in itertools.combinations(self._near[link], 2):
            if self._over():
                return False
            if self._try(one, two):
                return True
        return False


class _Queue:
    """First in, first out, each item once at a time."""

    def __init__(self, items: Iterable[int]) -> None:
        self._items = deque(items)
        self._waiting = set(self._items)

    def __bool__(self) -> bool:
        return bool(self._items)

    def add(self, items: Iterable[int]) -> None:
        """Put those at the end that do not wait already."""
        for item in items:
            if item not in self._waiting:
                self._waiting.add(item)
                self._items.append(item)

    def pop(self) -> int:
        """The next item."""
        item = self._items.popleft()
        self._waiting.discard(item)
        return item


def descend(
    game: Game,
    parts: Shares,
    start: BoolArray,
    effort: Effort,
    *,
    pairs: bool = True,
) -> BoolArray:
    """The start, bettered by flips, and by pairs if wanted; shape (n,)."""
    search = Descent(game, parts, start, effort)
    search.flips(list(range(len(start))))
    if pairs:
        search.pairs()
    return np.array(search.post, dtype=bool)


def own_direction(parts: Shares) -> BoolArray:
    """Each VM in the mode that fills its own links less."""
    pre, post = (m.max(axis=0).toarray() for m in (parts.pre, parts.post))
    out: BoolArray = np.ravel(post < pre - EQUAL)
    return out


def undo(game: Game, post: BoolArray) -> BoolArray:
    """Without the post-copies that are not worth it by the game's grain.

    Riskiest first, a VM is pre-copied instead where no link that it
    touches then is more than `grain` above what it was.
    """
    load: list[float] = loads(game, post).tolist()
    most: list[float] = [value + game.grain + EQUAL for value in load]
    out = post.copy()
    rows = np.flatnonzero(post & game.may_pre)
    for row in rows[np.argsort(-game.risk[rows], kind='stable')].tolist():
        change = _share(game, row)
        if all(load[i] + step <= most[i] for i, step in change):
            out[row] = False
            for i, step in change:
                load[i] += step
    return out


def _share(game: Game, row: int) -> list[tuple[int, float]]:
    """(link, what pre-copying instead adds) for one VM."""
    out: dict[int, float] = {}
    for matrix, sign in ((game.pre, 1.0), (game.post, -1.0)):
        a, b = int(matrix.indptr[row]), int(matrix.indptr[row + 1])
        for i, value in zip(
            matrix.indices[a:b], matrix.data[a:b], strict=True
        ):
            out[int(i)] = out.get(int(i), 0.0) + sign * float(value)
    capacity: FloatArray = game.capacity
    return [(i, step / float(capacity[i])) for i, step in out.items()]
