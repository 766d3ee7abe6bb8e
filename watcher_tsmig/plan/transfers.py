"""Cycles of transfers by which loads fall, found by a beam.

Each VM is one possible transfer: from the link that bears it to the one
that would. A cycle of transfers gives each link that it passes one VM and
takes one from it, so that no load changes by more than the difference of
two VMs; a path changes its two ends by a whole one. Minimised is the sum
over links of exp((load - peak) / soft), a smooth stand-in for the largest
load, of which a transition from one transfer to the next changes one term;
negative cycles are looked for by a beam. Sources: Thompson and Psaraftis
1993; Ahuja, Orlin and Sharma 2003. Every VM here has a choice.
"""

import dataclasses

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray

# By trial: transfers in a cycle, paths that are followed at once, and
# cycles that are tried of each length.
LENGTH = 10
BEAM = 1000
TRIED = 200
# A change of the sum, whose largest term is 1, that is not rounding.
GAIN = 1e-6


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Transfers:
    """k transfers over m links; link m stands for none.

    :ivar tail: shape (k,), the link that bears the VM; `head`: that would
    :ivar out: shape (k,), factor of the tail's term if the VM leaves
    :ivar into: shape (k,), factor of the head's term if it comes
    :ivar side: shape (k,), change of the terms of its other links
    :ivar term: shape (m + 1,), terms of the sum
    :ivar order: shape (k,), the transfers by their tails
    :ivar first: shape (m + 1,), where in `order` those of a link begin
    :ivar count: shape (m + 1,), how many they are
    """

    tail: IntArray
    head: IntArray
    out: FloatArray
    into: FloatArray
    side: FloatArray
    term: FloatArray
    order: IntArray
    first: IntArray
    count: IntArray

    def next(self, at: IntArray) -> tuple[IntArray, IntArray]:
        """(i, transfer) for all transfers that leave link at[i]."""
        many = self.count[at]
        i = np.repeat(np.arange(len(at)), many)
        skip = np.cumsum(many) - many
        place = np.arange(len(i)) + np.repeat(self.first[at] - skip, many)
        return i, self.order[place]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Paths:
    """b paths of d transfers.

    :ivar path: shape (b, d)
    :ivar cost: shape (b,), what they change the sum by, without the link
        that a cycle closes at, and without the end of a path
    :ivar open: shape (b,), those that will not be closed
    """

    path: IntArray
    cost: FloatArray
    open: BoolArray

    def take(self, rows: IntArray | BoolArray) -> '_Paths':
        return _Paths(self.path[rows], self.cost[rows], self.open[rows])


def power(x: FloatArray) -> FloatArray:
    """The exponential, kept far from overflow."""
    out: FloatArray = np.exp(np.clip(x, -60.0, 60.0))
    return out


def _starts(t: Transfers, hot: BoolArray) -> _Paths:
    """All transfers to a hot link, and paths that begin at one."""
    closed = np.flatnonzero(hot[t.head])
    ends = np.flatnonzero(hot[t.tail])
    leave = t.side[ends] + t.term[t.tail[ends]] * (t.out[ends] - 1.0)
    return _Paths(
        np.concatenate((closed, ends))[:, None],
        np.concatenate((t.side[closed], leave)),
        np.arange(len(closed) + len(ends)) >= len(closed),
    )


def _longer(t: Transfers, paths: _Paths) -> _Paths:
    """The paths with one more transfer, no link twice, while they gain."""
    last = paths.path[:, -1]
    i, new = t.next(t.head[last])
    term = t.term[t.tail[new]]
    cost = paths.cost[i] + t.side[new]
    cost += term * (t.into[last[i]] * t.out[new] - 1.0)
    gains = np.flatnonzero(cost < -GAIN)
    i, new = i[gains], new[gains]
    to = t.head[new]
    fresh = ~paths.open[i] | (t.tail[paths.path[i, 0]] != to)
    for middle in paths.path.T[1:]:
        fresh &= t.tail[middle[i]] != to
    fresh &= t.tail[new] != to
    i, new = i[fresh], new[fresh]
    path = np.column_stack((paths.path[i], new))
    return _Paths(path, cost[gains[fresh]], paths.open[i])


def _ended(t: Transfers, paths: _Paths) -> tuple[FloatArray, BoolArray]:
    """(the sum's change by those that are at an end, who closes)."""
    first, last = paths.path[:, 0], paths.path[:, -1]
    closes = ~paths.open & (t.tail[first] == t.head[last])
    leaves = np.where(paths.open, 1.0, t.out[first])
    change = t.term[t.head[last]] * (t.into[last] * leaves - 1.0)
    ends = closes | paths.open
    return np.where(ends, paths.cost + change, 0.0), closes


def _beam(t: Transfers, paths: _Paths) -> _Paths:
    """The cheapest paths, one for each start link and last transfer."""
    if len(paths.cost) > 2 * BEAM:
        paths = paths.take(np.argpartition(paths.cost, 2 * BEAM)[: 2 * BEAM])
    paths = paths.take(np.argsort(paths.cost, kind='stable'))
    root = np.where(paths.open, len(t.term), t.tail[paths.path[:, 0]])
    same = root * len(t.tail) + paths.path[:, -1]
    _, first = np.unique(same, return_index=True)
    return paths.take(np.sort(first)[:BEAM])


def cycles(t: Transfers, hot: BoolArray) -> list[IntArray]:
    """Cycles and paths by which the sum falls, the best first."""
    found: list[tuple[float, IntArray]] = []
    paths = _starts(t, hot)
    while len(paths.cost):
        change, closes = _ended(t, paths)
        good = np.flatnonzero(change < -GAIN)
        good = good[np.argsort(change[good], kind='stable')][:TRIED]
        found += zip(change[good], paths.path[good], strict=True)
        if paths.path.shape[1] == LENGTH:
            break
        paths = _beam(t, paths.take(~closes))
        paths = _longer(t, paths)
    found.sort(key=lambda item: item[0])
    return [path for _, path in found]
