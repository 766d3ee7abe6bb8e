"""Modes by local search: from any start to where no small move is better.

A move flips one VM. It is judged by the links that it touches alone:
leximin of all loads falls if and only if leximin of the touched ones does,
because the others are the same before and after. Where that ends too soon,
simulated annealing comes first. Loads are plain lists, as numpy is slow on
two numbers at a time. Every VM here has a choice.
"""

import dataclasses
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.modes.game import EQUAL
from watcher_tsmig.plan.modes.game import Game
from watcher_tsmig.plan.modes.game import loads
from watcher_tsmig.plan.modes.relax import Shares

# Annealing lowers the sum of exp((load - peak) / soft) over links, a smooth
# stand-in for the largest load. How soft it is, as a share of what a VM adds
# to a link in the mean, at the start and at the end (it falls with the root of
# what is done); and by how much of the peak's own term a move may be worse, in
# the mean. All by trial.
SOFT = (1.0, 0.02)
HEAT = 0.2
# A load so many softnesses above the peak is refused unseen, before its
# exponential overflows.
FAR = 50.0


def _nothing() -> float:
    return 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long mode choice may search: counts, so that it is repeatable.

    A caller that has a clock may end a search by it, and then gives up that
    the same input always has the same output.

    :ivar moves: flips that a search tries
    :ivar seed: of all that is random
    :ivar spent: the share of the caller's time that is over; at 1 what was
        found so far is the result
    """

    moves: int = 300_000
    seed: int = 0
    spent: Callable[[], float] = _nothing

    def part(self, start: float, end: float) -> 'Effort':
        """This effort's time from one share of it to another."""

        def spent() -> float:
            return (self.spent() - start) / max(end - start, EQUAL)

        return dataclasses.replace(self, spent=spent)


class Descent:
    """Modes in the course of being bettered; n VMs on m links.

    :ivar post: n flags, which VMs are post-copied
    :ivar load: m loads, as shares of capacities
    """

    def __init__(self, game: Game, parts: Shares, start: BoolArray) -> None:
        delta = parts.delta
        self.post: list[bool] = start.tolist()
        self.load: list[float] = (
            parts.base + delta @ start.astype(np.float64)
        ).tolist()
        self._mean = float(np.abs(delta.data).mean()) if delta.nnz else 1.0
        ends = delta.indptr.tolist()
        pairs = list(
            zip(delta.indices.tolist(), delta.data.tolist(), strict=True)
        )
        self._steps: list[list[tuple[int, float]]] = [
            pairs[a:b] for a, b in itertools.pairwise(ends)
        ]
        rows = delta.tocsr()
        near = rows.indices.tolist()
        self._near: list[list[int]] = [
            near[a:b] for a, b in itertools.pairwise(rows.indptr.tolist())
        ]
        self._risk: list[float] = game.risk.tolist()
        self._extra: list[float] = game.extra.tolist()

    def flips(self, effort: Effort) -> None:
        """Flip VMs while that is better."""
        queue = _Queue(range(len(self.post)))
        for _ in range(effort.moves):
            if not queue:
                break
            row = queue.pop()
            if self._better(row):
                self._flip(row)
                for link, _ in self._steps[row]:
                    queue.add(self._near[link])

    def _flip(self, row: int) -> None:
        turn = -1.0 if self.post[row] else 1.0
        for link, step in self._steps[row]:
            self.load[link] += turn * step
        self.post[row] = not self.post[row]

    def _better(self, row: int) -> bool:
        """Whether flipping the VM is, by leximin, then risk, then bytes."""
        turn = -1.0 if self.post[row] else 1.0
        steps = self._steps[row]
        before = sorted((self.load[link] for link, _ in steps), reverse=True)
        after = sorted(
            (self.load[link] + turn * step for link, step in steps),
            reverse=True,
        )
        for old, new in zip(before, after, strict=True):
            if abs(new - old) > EQUAL:
                return new < old
        risk, extra = turn * self._risk[row], -turn * self._extra[row]
        return (risk, extra) < (0.0, 0.0)

    def anneal(self, effort: Effort, aim: float) -> None:
        """Flip VMs at random, ever less where that is worse.

        It ends with the modes of the least largest load that was met.

        :param aim: a largest load that is good enough
        """
        draw = random.Random(effort.seed)
        best, least = list(self.post), max(self.load)
        sweeps = max(effort.moves // len(best), 1)
        for k in range(sweeps):
            done = max(k / sweeps, effort.spent())
            if done >= 1 or least <= aim:
                break
            harder = (SOFT[1] / SOFT[0]) ** math.sqrt(done)
            soft = self._mean * SOFT[0] * harder
            self._sweep(draw, soft)
            if max(self.load) < least:
                best, least = list(self.post), max(self.load)
        for row, (now, then) in enumerate(zip(self.post, best, strict=True)):
            if now != then:
                self._flip(row)

    def _sweep(self, draw: random.Random, soft: float) -> None:
        """Try as many flips as there are VMs, at one softness."""
        post, load, steps = self.post, self.load, self._steps
        peak, n, exp = max(load), len(post), math.exp
        term = [exp((x - peak) / soft) for x in load]
        for _ in range(n):
            row = int(draw.random() * n)
            turn = -1.0 if post[row] else 1.0
            change = 0.0
            for link, step in steps[row]:
                after = (load[link] + turn * step - peak) / soft
                change += (exp(after) if after < FAR else math.inf) - term[
                    link
                ]
            if change <= 0 or draw.random() < exp(-change / HEAT):
                self._flip(row)
                for link, _ in steps[row]:
                    term[link] = exp((load[link] - peak) / soft)


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
    game: Game, parts: Shares, start: BoolArray, effort: Effort
) -> BoolArray:
    """The start, bettered by flips; shape (n,)."""
    search = Descent(game, parts, start)
    search.flips(effort)
    return np.array(search.post, dtype=bool)


def annealed(
    game: Game, parts: Shares, start: BoolArray, effort: Effort, aim: float
) -> BoolArray:
    """The start, bettered by annealing, then by flips; shape (n,).

    :param aim: a largest load that is good enough
    """
    search = Descent(game, parts, start)
    search.anneal(effort, aim)
    search.flips(effort)
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
