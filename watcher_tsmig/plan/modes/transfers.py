"""Cycles of transfers by which loads fall, found from both ends at once.

Each VM is one possible transfer: from the link that bears it to the one
that would. A cycle of transfers gives each link that it passes one VM and
takes one from it, so that no load changes by more than the difference of
two VMs; a path changes its two ends by a whole one. Minimised is the sum
over links of exp((load - peak) / soft), a smooth stand-in for the largest
load, of which a transition from one transfer to the next changes one term.
What leaves a link is followed forwards by a beam, what would come to it
backwards by another, and any two that meet elsewhere close a cycle: the
pairs are far more than either beam. Sources: Thompson and Psaraftis 1993;
Ahuja, Orlin and Sharma 2003; both ends at once is ours. Every VM here has
a choice.
"""

import dataclasses

import numpy as np

from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray

# By trial: transfers from either end, and cycles that are looked at more
# closely.
LENGTH = 5
TRIED = 50
# No such transfer: a path is shorter than LENGTH.
NONE = -1

Found = list[tuple[float, IntArray]]


def power(x: FloatArray) -> FloatArray:
    """The exponential, kept far from overflow."""
    out: FloatArray = np.exp(np.clip(x, -60.0, 60.0))
    return out


class Shelves:
    """Which of n transfers are at each of m + 1 links; they come and go."""

    def __init__(self, at: IntArray, room: IntArray, rows: IntArray) -> None:
        """Put these transfers where they are.

        :param at: shape (n,), the link of each
        :param room: shape (m + 1,), the most that will be at each
        :param rows: the transfers that count; the others are nowhere
        """
        self._first = np.cumsum(room) - room
        self._count = np.bincount(at[rows], minlength=len(room))
        self._order = np.zeros(int(room.sum()), dtype=np.intp)
        self._place = np.full(len(at), NONE)
        order = rows[np.argsort(at[rows], kind='stable')]
        skip = np.cumsum(self._count) - self._count
        place = np.arange(len(order)) + (self._first - skip)[at[order]]
        self._order[place] = order
        self._place[order] = place

    def move(self, row: int, old: int, new: int) -> None:
        """One transfer goes to another link."""
        place = self._place[row]
        if place == NONE:
            return
        self._count[old] -= 1
        last = self._order[self._first[old] + self._count[old]]
        self._order[place] = last
        self._place[last] = place
        place = self._first[new] + self._count[new]
        self._count[new] += 1
        self._order[place] = row
        self._place[row] = place

    def at(self, link: int) -> IntArray:
        """The transfers at one link."""
        first = self._first[link]
        out: IntArray = self._order[first : first + self._count[link]]
        return out

    def each(self, links: IntArray) -> tuple[IntArray, IntArray]:
        """(i, transfer) for all transfers at links[i]."""
        return _spread(self._order, self._first, self._count, links)


def _spread(
    order: IntArray, first: IntArray, count: IntArray, links: IntArray
) -> tuple[IntArray, IntArray]:
    many = count[links]
    i = np.repeat(np.arange(len(links)), many)
    skip = first[links] - (np.cumsum(many) - many)
    return i, order[np.arange(len(i)) + skip[i]]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Transfers:
    """n transfers over m links; link m stands for none.

    :ivar tail: shape (n,), the link that bears the VM; `head`: that would
    :ivar out: shape (n,), factor of the tail's term if the VM leaves
    :ivar into: shape (n,), factor of the head's term if it comes
    :ivar by_tail: the transfers by their tails; `by_head`
    """

    tail: IntArray
    head: IntArray
    out: FloatArray
    into: FloatArray
    by_tail: Shelves
    by_head: Shelves

    def turn(self, row: int) -> None:
        """What goes there comes back."""
        tail, head = int(self.tail[row]), int(self.head[row])
        self.by_tail.move(row, tail, head)
        self.by_head.move(row, head, tail)
        self.tail[row], self.head[row] = head, tail
        out, into = float(self.out[row]), float(self.into[row])
        self.out[row], self.into[row] = 1.0 / into, 1.0 / out


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Half:
    """b paths from one link on, up to LENGTH transfers long.

    :ivar path: shape (b, d), transfers; NONE behind the last
    :ivar links: shape (b, d), the links that they come to
    :ivar end: shape (b,), the last of them
    :ivar cost: shape (b,), what the sum changes by at the links between
        the first and the last
    :ivar factor: shape (b,), of the last link's term
    """

    path: IntArray
    links: IntArray
    end: IntArray
    cost: FloatArray
    factor: FloatArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """Forwards or backwards: what is near and far, and its factors."""

    shelves: Shelves
    far: IntArray
    near_factor: FloatArray
    far_factor: FloatArray


class Cycles:
    """The cycles through one link.

    :param term: shape (m + 1,), terms of the sum
    :param side: shape (n,), change of the terms of a VM's other links;
        inf for those that are not to be moved
    :param most: changes of the sum from which on none is wanted
    :param beam: paths of a length that are followed at once
    """

    def __init__(
        self,
        transfers: Transfers,
        term: FloatArray,
        side: FloatArray,
        most: float,
        beam: int,
    ) -> None:
        self._beam = beam
        self._t = transfers
        self._term = term
        self._side = side
        self._most = most
        t = transfers
        self._forth = _Way(t.by_tail, t.head, t.out, t.into)
        self._back = _Way(t.by_head, t.tail, t.into, t.out)

    def through(self, link: int) -> Found:
        """(change of the sum, transfers), the best first."""
        forth = self._half(self._forth, link)
        if not len(forth.end):
            return []
        found = self._ended(forth, link)
        back = self._half(self._back, link)
        if len(back.end):
            found += self._met(forth, back, link)
        found.sort(key=lambda item: item[0])
        return found

    def _half(self, way: _Way, link: int) -> _Half:
        """The paths that one beam finds, of all lengths."""
        start = way.shelves.at(link)
        start = start[way.far[start] != link]
        start = start[np.isfinite(self._side[start])]
        end = way.far[start]
        path = np.full((len(start), LENGTH), NONE)
        path[:, 0] = start
        links = np.full((len(start), LENGTH), NONE)
        links[:, 0] = end
        factor = way.far_factor[start]
        paths = _Half(path, links, end, self._side[start], factor)
        every = [paths]
        while len(every) < LENGTH and len(paths.end):
            paths = self._longer(way, paths, link, len(every))
            every.append(paths)
        return _all(every)

    def _longer(self, way: _Way, paths: _Half, link: int, long: int) -> _Half:
        """The cheapest with one more transfer, no link twice."""
        term = self._term[paths.end]
        i, new = way.shelves.each(paths.end)
        cost = (paths.cost - term)[i] + self._side[new]
        cost += (term * paths.factor)[i] * way.near_factor[new]
        # the link itself gains no more than its term
        good = np.flatnonzero(cost < self._most + self._term[link])
        good = _least(cost, good, 3 * self._beam)
        i, new, cost = i[good], new[good], cost[good]
        to = way.far[new]
        fresh = np.flatnonzero(
            ~(paths.links[i, :long] == to[:, None]).any(axis=1) & (to != link)
        )
        fresh = _least(cost, fresh, self._beam)
        i, new, to = i[fresh], new[fresh], to[fresh]
        path, links = paths.path[i], paths.links[i]
        path[:, long], links[:, long] = new, to
        return _Half(path, links, to, cost[fresh], way.far_factor[new])

    def _ended(self, forth: _Half, link: int) -> Found:
        """Paths that leave their last link the VM that it got."""
        first = forth.path[:, 0]
        change = forth.cost + self._term[link] * (self._t.out[first] - 1.0)
        change += self._term[forth.end] * (forth.factor - 1.0)
        good = _least(change, np.flatnonzero(change < self._most), TRIED)
        return [
            (float(change[k]), forth.path[k][forth.path[k] != NONE])
            for k in good
        ]

    def _met(self, forth: _Half, back: _Half, link: int) -> Found:
        """Cycles of two paths that meet at the ends of both."""
        order = np.argsort(back.end, kind='stable')
        count = np.bincount(back.end, minlength=len(self._term))
        i, j = _spread(order, np.cumsum(count) - count, count, forth.end)
        here, there = self._term[link], self._term[forth.end]
        leaves = here * self._t.out[forth.path[:, 0]]
        change = (forth.cost - there - here)[i] + back.cost[j]
        change += (there * forth.factor)[i] * back.factor[j]
        change += leaves[i] * self._t.into[back.path[:, 0]][j]
        good = np.flatnonzero(change < self._most)
        good = _least(change, good, 4 * TRIED)
        i, j, change = i[good], j[good], change[good]
        one, other = forth.links[i][:, :, None], back.links[j][:, None, :]
        common = ((one == other) & (one != NONE)).sum(axis=(1, 2))
        good = _least(change, np.flatnonzero(common == 1), TRIED)
        paths = np.column_stack((forth.path[i[good]], back.path[j[good]]))
        return [
            (float(cost), path[path != NONE])
            for cost, path in zip(change[good], paths, strict=True)
        ]


def _least(values: FloatArray, rows: IntArray, most: int) -> IntArray:
    """Those of these rows that have the least values, at most so many."""
    if len(rows) <= most:
        return rows
    out: IntArray = rows[np.argpartition(values[rows], most)[:most]]
    return out


def _all(every: list[_Half]) -> _Half:
    """Paths of several lengths together."""
    return _Half(
        *(
            np.concatenate([getattr(paths, field.name) for paths in every])
            for field in dataclasses.fields(_Half)
        )
    )
