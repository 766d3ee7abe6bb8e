"""Modes by exact methods: few VMs, or two links.

All combinations in blocks, and for two links with many VMs dynamic
programming over the Pareto front of their loads. Every VM here has a
choice. What "best" means is in game.py.
"""

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.modes.game import EQUAL
from watcher_tsmig.plan.modes.game import Game

# Combinations of the VMs of one half, and halves that are joined at once:
# together they bound the memory, not the result.
HALF = 10
BLOCK = 32

# States kept by the dynamic programme; beyond it, states that share a cell
# of a grid this fine are merged, which costs at most 1 / FRONT per VM.
FRONT = 200_000


def _shares(game: Game) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(base (m,), pre (n, m), post (n, m)), as shares of capacities."""
    return (
        game.base / game.capacity,
        (game.pre.toarray() / game.capacity[:, None]).T,
        (game.post.toarray() / game.capacity[:, None]).T,
    )


def _first(keys: list[FloatArray]) -> int:
    """Row that is least by the first key, then the next, with slack."""
    rows = np.arange(len(keys[0]))
    for key in keys:
        values = key[rows]
        least = values.min()
        rows = rows[values <= least + EQUAL * max(1.0, abs(least))]
        if len(rows) == 1:
            break
    return int(rows[0])


def _sums(pre: FloatArray, post: FloatArray) -> FloatArray:
    """What all combinations of these VMs add; row c has the modes c.

    :param pre: shape (k, q), what VM i adds if its bit is 0
    :param post: shape (k, q), what it adds if its bit is 1
    :returns: shape (2^k, q)
    """
    out: FloatArray = np.zeros((1, pre.shape[1]))
    for as_pre, as_post in zip(pre, post, strict=True):
        out = np.concatenate((out + as_pre, out + as_post))
    return out


def enumerate_all(game: Game) -> BoolArray:
    """The best of all 2^n combinations.

    Low VMs and high VMs make a table each; a block of their sums at a
    time is cut down to the smallest largest load, and only what is left
    of it is sorted.
    """
    base, pre, post = _shares(game)
    n, m = len(pre), len(base)
    none = np.zeros(n)
    scale = max(float(game.extra.sum()), 1.0)
    pre = np.column_stack((pre, none, game.extra / scale))
    post = np.column_stack((post, game.risk, none))
    low = _sums(pre[:HALF], post[:HALF]) + np.append(base, (0.0, 0.0))
    high = _sums(pre[HALF:], post[HALF:])
    # Contiguous links make the largest load a few passes over memory.
    low_links, high_links = low[:, :m].T.copy(), high[:, :m].T.copy()
    found: list[FloatArray] = []
    codes: list[int] = []
    least = np.inf
    for start in range(0, len(high), BLOCK):
        chunk = slice(start, start + BLOCK)
        peak = np.full((len(high[chunk]), len(low)), -np.inf)
        for link in range(m):
            joined = high_links[link, chunk, None] + low_links[link]
            np.maximum(peak, joined, out=peak)
        least = min(least, float(peak.min()))
        i, j = np.nonzero(peak <= least + EQUAL)
        if len(i):
            row, sums = _best_row(high[start + i] + low[j], m)
            found.append(sums)
            codes.append(int((start + i[row]) * len(low) + j[row]))
    best = codes[_best_row(np.array(found), m)[0]]
    return np.array([bool(best >> i & 1) for i in range(n)])


def _best_row(sums: FloatArray, m: int) -> tuple[int, FloatArray]:
    """The best row of (loads (m), risk, bytes), and what it holds."""
    load = np.sort(sums[:, :m], axis=1)
    keys = [load[:, -1 - j] for j in range(m)]
    row = _first([*keys, sums[:, m], sums[:, m + 1]])
    return row, sums[row]


def front(game: Game) -> tuple[BoolArray, bool]:
    """The best combination by the Pareto front of two links' loads.

    A state with less on both stays better whatever is added, so only the
    front is kept (Nemhauser and Ullmann); among equal loads the one with
    less risk, then fewer bytes.

    :returns: (the modes, whether no states had to be merged)
    """
    base, pre, post = _shares(game)
    order = np.argsort(-np.maximum(pre, post).sum(axis=1), kind='stable')
    state = np.array([[*base, 0.0, 0.0]])
    history: list[tuple[IntArray, BoolArray]] = []
    proven = True
    for i in order:
        here = len(state)
        both = np.concatenate(
            (
                state + [*pre[i], 0.0, game.extra[i]],
                state + [*post[i], game.risk[i], 0.0],
            )
        )
        proven &= len(both) <= FRONT
        keep = _pareto(both)
        state = both[keep]
        history.append((keep % here, keep >= here))
    high = np.maximum(state[:, 0], state[:, 1])
    low = np.minimum(state[:, 0], state[:, 1])
    row = _first([high, low, state[:, 2], state[:, 3]])
    chosen = np.zeros(len(pre), dtype=bool)
    for i, (parents, posts) in zip(order[::-1], history[::-1], strict=True):
        chosen[i] = posts[row]
        row = int(parents[row])
    return chosen, proven


def _pareto(state: FloatArray) -> IntArray:
    """Rows that no other row beats on both loads."""
    cell = EQUAL if len(state) <= FRONT else 1.0 / FRONT
    one = np.round(state[:, 0] / cell)
    order = np.lexsort((state[:, 3], state[:, 2], state[:, 1], one))
    other = np.round(state[order, 1] / cell)
    before = np.concatenate(([np.inf], np.minimum.accumulate(other)[:-1]))
    out: IntArray = order[other < before]
    return out
