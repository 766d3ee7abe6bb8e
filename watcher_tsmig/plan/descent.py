"""Modes by search: many VMs whose hosts are entangled.

Three starts (the fractional optimum rounded, largest first to the emptier
NIC, each VM by its own direction), from each a descent by flips. What
"better" means is in game.py.
"""

import numpy as np
from scipy import optimize
from scipy import sparse

from watcher_tsmig.plan.game import EQUAL
from watcher_tsmig.plan.game import Game
from watcher_tsmig.plan.game import Key
from watcher_tsmig.plan.game import better
from watcher_tsmig.plan.game import key
from watcher_tsmig.plan.game import loads
from watcher_tsmig.plan.problem import BoolArray
from watcher_tsmig.plan.problem import IntArray

# Rounds of local search; each must improve, this bounds the time.
SWEEPS = 50


def search(game: Game) -> BoolArray:
    """The best of the descents from all starts."""
    best = _descend(game, _greedy(game))
    for start in (_own_direction(game), _rounded(game)):
        other = _descend(game, start)
        if better(key(game, other), key(game, best)):
            best = other
    return best


def _own_direction(game: Game) -> BoolArray:
    """Each VM away from the NIC that its own traffic fills more."""
    share_tx = game.tx / game.capacity[game.source]
    share_rx = game.rx / game.capacity[game.destination]
    out: BoolArray = game.may_post & ((share_rx < share_tx) | ~game.may_pre)
    return out


def _rounded(game: Game) -> BoolArray:
    """The linear relaxation's optimum, each VM to its larger part.

    Minimise z with x = 1 for pre-copy: for each source
    base + sum tx x <= z C, for each destination
    base + sum rx (1 - x) <= z C.
    """
    n, h = len(game.source), len(game.capacity)
    columns = np.concatenate((np.arange(n), np.arange(n)))
    rows = np.concatenate((game.source, h + game.destination))
    values = np.concatenate((game.tx, -game.rx))
    rows = np.concatenate((rows, np.arange(2 * h)))
    columns = np.concatenate((columns, np.full(2 * h, n)))
    values = np.concatenate((values, -np.tile(game.capacity, 2)))
    constant = np.concatenate(
        (
            game.base_tx,
            game.base_rx + np.bincount(game.destination, game.rx, h),
        )
    )
    found = optimize.linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=sparse.coo_array((values, (rows, columns))).tocsr(),
        b_ub=-constant,
        bounds=[
            (0.0 if post else 1.0, 1.0 if pre else 0.0)
            for pre, post in zip(game.may_pre, game.may_post, strict=True)
        ]
        + [(0.0, None)],
        method='highs',
    )
    if found.x is None:
        return _greedy(game)
    out: BoolArray = found.x[:n] < 0.5
    return out


def _greedy(game: Game) -> BoolArray:
    """Largest first, each to the mode whose NIC it fills less."""
    post = np.zeros(len(game.source), dtype=bool)
    tx = game.base_tx / game.capacity
    rx = game.base_rx / game.capacity
    share_tx = game.tx / game.capacity[game.source]
    share_rx = game.rx / game.capacity[game.destination]
    forced = ~(game.may_pre & game.may_post)
    weight = np.where(forced, np.inf, np.maximum(share_tx, share_rx))
    for i in np.argsort(-weight, kind='stable'):
        s, d = game.source[i], game.destination[i]
        as_pre = tx[s] + share_tx[i]
        as_post = rx[d] + share_rx[i]
        post[i] = game.may_post[i] and (
            not game.may_pre[i] or as_post < as_pre - EQUAL
        )
        if post[i]:
            rx[d] = as_post
        else:
            tx[s] = as_pre
    return post


def _descend(game: Game, post: BoolArray) -> BoolArray:
    """Flips of one VM, and of two near the busiest NIC, while better."""
    free = np.flatnonzero(game.may_pre & game.may_post)
    best = key(game, post)
    for _ in range(SWEEPS):
        improved = False
        for i in map(int, free):
            if (less := _try(game, post, best, [i])) is not None:
                best, improved = less, True
        if improved:
            continue
        for i, j in _pairs(game, post, free):
            if (less := _try(game, post, best, [i, j])) is not None:
                best, improved = less, True
        if not improved:
            break
    return post


def _try(
    game: Game,
    post: BoolArray,
    best: Key,
    rows: list[int],
) -> Key | None:
    """Flip these rows in place where that is better."""
    post[rows] = ~post[rows]
    found = key(game, post)
    if better(found, best):
        return found
    post[rows] = ~post[rows]
    return None


def _pairs(
    game: Game, post: BoolArray, free: IntArray
) -> list[tuple[int, int]]:
    """Pairs of VMs, the first on the busiest NIC, the second near it."""
    tx, rx = loads(game, post)
    if tx.max() >= rx.max():
        mine = free[game.source[free] == int(tx.argmax())]
    else:
        mine = free[game.destination[free] == int(rx.argmax())]
    near = free[
        np.isin(game.source[free], game.source[mine])
        | np.isin(game.destination[free], game.destination[mine])
    ]
    return [(int(i), int(j)) for i in mine for j in near if i != j][
        : 4 * len(free) + 64
    ]
