"""What mode choice is about: loads on links, and which is better.

A link is one direction of a NIC or of a rack's uplink. A VM adds to some
links if it is pre-copied (its source still sends for it) and to others if
it is post-copied (its destination receives already); less is better by
leximin: the largest load/capacity, then the next largest, then less risk
of post-copies, then fewer bytes. Source: Deshpande and Keahey, "Design:
Calculating Contention"; leximin, several hosts and links are ours.
"""

import dataclasses

import numpy as np
from scipy import sparse

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray

# Loads closer than this share of a link count as equal, or rounding in the
# last digit would decide instead of the risk of post-copies.
EQUAL = 1e-9

Key = tuple[FloatArray, float, float]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Game:
    """What mode choice sees: n VMs, each in one of two modes, m links.

    :ivar capacity: shape (m,), bytes/s, > 0
    :ivar base: shape (m,), load that no mode changes, bytes/s
    :ivar pre: csc_array (m, n), what a pre-copied VM adds, bytes/s
    :ivar post: csc_array (m, n), what a post-copied VM adds, bytes/s
    :ivar may_pre: shape (n,), VMs that may be pre-copied
    :ivar may_post: shape (n,), likewise post-copied; one of both holds
    :ivar risk: shape (n,), > 0: weight of post-copying the VM (predicted
        outage times the weight of its service)
    :ivar extra: shape (n,), bytes that pre-copy sends beyond post-copy
    :ivar grain: share of a capacity below which a load is not worth a
        post-copy; 0 keeps every post-copy that lessens a load
    """

    capacity: FloatArray
    base: FloatArray
    pre: sparse.csc_array
    post: sparse.csc_array
    may_pre: BoolArray
    may_post: BoolArray
    risk: FloatArray
    extra: FloatArray
    grain: float = 0.0

    @property
    def free(self) -> BoolArray:
        """VMs that have a choice; shape (n,)."""
        out: BoolArray = self.may_pre & self.may_post
        return out


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Modes that were chosen; loads as shares of a capacity.

    :ivar post: shape (n,), which VMs are post-copied
    :ivar value: the largest load
    :ivar lower_bound: no choice has a smaller largest load than this,
        proven. `value - lower_bound` includes what `grain` gave away
    """

    post: BoolArray
    value: float
    lower_bound: float

    @property
    def gap(self) -> float:
        """How far the value may be from the best, as a share of it."""
        if self.value <= self.lower_bound:
            return 0.0
        if self.lower_bound <= 0:
            return float('inf')
        return self.value / self.lower_bound - 1


def loads(game: Game, post: BoolArray) -> FloatArray:
    """The contention on each link, as shares of its capacity.

    :param post: shape (n,), which VMs are post-copied
    :returns: shape (m,)
    """
    chosen = post.astype(np.float64)
    added = game.pre @ (1.0 - chosen) + game.post @ chosen
    out: FloatArray = (game.base + added) / game.capacity
    return out


def take(game: Game, rows: IntArray) -> Game:
    """The game of these VMs alone; the links stay all."""
    return dataclasses.replace(
        game,
        pre=game.pre[:, rows],
        post=game.post[:, rows],
        may_pre=game.may_pre[rows],
        may_post=game.may_post[rows],
        risk=game.risk[rows],
        extra=game.extra[rows],
    )


def part(game: Game, rows: IntArray, links: IntArray) -> Game:
    """The game of these VMs on these links, which are all that they use."""
    mine = take(game, rows)
    return dataclasses.replace(
        mine,
        capacity=game.capacity[links],
        base=game.base[links],
        pre=mine.pre[links],
        post=mine.post[links],
    )


def decided(game: Game) -> Game:
    """The game of the VMs with a choice, the others' loads in `base`."""
    free = game.free
    forced = (game.may_post & ~free).astype(np.float64)
    added = game.pre @ (1.0 - forced - free) + game.post @ forced
    out = take(game, np.flatnonzero(free))
    return dataclasses.replace(out, base=game.base + added)


def key(game: Game, post: BoolArray) -> Key:
    """What is minimised: (loads, largest first; risk; bytes)."""
    vector = loads(game, post)
    vector[::-1].sort()
    return (
        vector,
        float(game.risk[post].sum()),
        float(game.extra[~post].sum()),
    )


def better(one: Key, other: Key) -> bool:
    """Whether the first key is less than the second, with slack."""
    differ = np.flatnonzero(np.abs(one[0] - other[0]) > EQUAL)
    if len(differ):
        return bool(one[0][differ[0]] < other[0][differ[0]])
    slack = EQUAL * max(abs(one[1]), abs(other[1]))
    if abs(one[1] - other[1]) > slack:
        return one[1] < other[1]
    return one[2] < other[2]
