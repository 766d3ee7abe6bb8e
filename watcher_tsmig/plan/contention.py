"""Modes: pre-copy or post-copy for each VM, by least contention.

Hosts that share no migration are decided apart. A part with one pair of
hosts is exact: all combinations up to `ENUMERATE` VMs, beyond that the
Pareto front. A part with several pairs is exact up to `MANY` VMs, and
searched beyond. What is minimised is in game.py.
"""

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from watcher_tsmig.plan import descent
from watcher_tsmig.plan import exact
from watcher_tsmig.plan.game import Game
from watcher_tsmig.plan.game import take
from watcher_tsmig.plan.problem import BoolArray
from watcher_tsmig.plan.problem import IntArray

ENUMERATE = 20
MANY = 14


def modes(game: Game) -> BoolArray:
    """Which VMs are post-copied; shape (n,).

    Hosts that share no migration do not meet in the sorted vector of
    loads, so every connected part of the graph of hosts is on its own.
    """
    post = np.zeros(len(game.source), dtype=bool)
    for rows in _parts(game):
        part = take(game, rows)
        pairs = set(zip(part.source, part.destination, strict=True))
        if len(pairs) == 1:
            choose = exact.one_pair if len(rows) <= ENUMERATE else exact.front
        else:
            choose = (
                exact.several_pairs if len(rows) <= MANY else descent.search
            )
        post[rows] = choose(part)
    return post


def _parts(game: Game) -> list[IntArray]:
    """Rows of each connected part of the graph of hosts."""
    n, h = len(game.source), len(game.capacity)
    if n == 0:
        return []
    edges = sparse.coo_array(
        (np.ones(n), (game.source, h + game.destination)),
        shape=(2 * h, 2 * h),
    )
    _, label = csgraph.connected_components(edges, directed=False)
    mine = label[game.source]
    return [np.flatnonzero(mine == part) for part in np.unique(mine)]
