"""What mode choice is about: loads on NICs, and which is better.

load_tx(h) = background + tx of VMs pre-copied from h,
load_rx(h) = background + rx of VMs post-copied to h; less is better by
leximin: the largest load/capacity, then the next largest, then fewer
post-copies, then fewer bytes. Source: Deshpande and Keahey, "Design:
Calculating Contention"; leximin and several hosts are ours.
"""

import dataclasses

import numpy as np

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.plan.problem import BoolArray
from watcher_tsmig.plan.problem import IntArray

# Loads closer than this share of a NIC count as equal, or rounding in the
# last digit would decide instead of the number of post-copies.
EQUAL = 1e-9

Key = tuple[FloatArray, int, float]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Game:
    """What mode choice sees; VMs of shape (n,), hosts of shape (h,).

    :ivar base_tx: load on each NIC that no mode changes, bytes/s
    :ivar may_pre: VMs that may be pre-copied
    :ivar may_post: VMs that may be post-copied; at least one holds
    :ivar extra: bytes that pre-copy sends beyond post-copy
    """

    source: IntArray
    destination: IntArray
    tx: FloatArray
    rx: FloatArray
    capacity: FloatArray
    base_tx: FloatArray
    base_rx: FloatArray
    may_pre: BoolArray
    may_post: BoolArray
    extra: FloatArray


def loads(game: Game, post: BoolArray) -> tuple[FloatArray, FloatArray]:
    """The contention on each NIC, as shares of its capacity.

    :param post: shape (n,), which VMs are post-copied
    :returns: (load_tx, load_rx), each of shape (h,)
    """
    h = len(game.capacity)
    tx = np.bincount(game.source, np.where(post, 0.0, game.tx), h)
    rx = np.bincount(game.destination, np.where(post, game.rx, 0.0), h)
    return (
        (game.base_tx + tx) / game.capacity,
        (game.base_rx + rx) / game.capacity,
    )


def take(game: Game, rows: IntArray) -> Game:
    """The game of these VMs alone; the hosts stay all."""
    return Game(
        source=game.source[rows],
        destination=game.destination[rows],
        tx=game.tx[rows],
        rx=game.rx[rows],
        capacity=game.capacity,
        base_tx=game.base_tx,
        base_rx=game.base_rx,
        may_pre=game.may_pre[rows],
        may_post=game.may_post[rows],
        extra=game.extra[rows],
    )


def key(game: Game, post: BoolArray) -> Key:
    tx, rx = loads(game, post)
    vector = np.concatenate((tx, rx))
    vector[::-1].sort()
    return vector, int(post.sum()), float(game.extra[~post].sum())


def better(one: Key, other: Key) -> bool:
    differ = np.flatnonzero(np.abs(one[0] - other[0]) > EQUAL)
    if len(differ):
        return bool(one[0][differ[0]] < other[0][differ[0]])
    return one[1:] < other[1:]
