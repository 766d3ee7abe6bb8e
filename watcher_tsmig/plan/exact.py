"""Modes by exact methods: few VMs, or one pair of hosts.

All combinations, by doubling or as a table, and for one pair with many
VMs dynamic programming over the Pareto front of (load_tx, load_rx). What
"best" means is in game.py.
"""

import numpy as np

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.plan.game import EQUAL
from watcher_tsmig.plan.game import Game
from watcher_tsmig.plan.problem import BoolArray
from watcher_tsmig.plan.problem import IntArray

# States kept by the dynamic programme; beyond it, states that share a cell
# of a grid this fine are merged, which costs at most 1 / FRONT per VM.
FRONT = 200_000


def _pair_ratios(game: Game) -> tuple[float, float, FloatArray, FloatArray]:
    s, d = game.source[0], game.destination[0]
    return (
        float(game.base_tx[s] / game.capacity[s]),
        float(game.base_rx[d] / game.capacity[d]),
        game.tx / game.capacity[s],
        game.rx / game.capacity[d],
    )


def _first(keys: list[FloatArray]) -> int:
    """Row that is least by the first key, then the next, with slack."""
    rows = np.arange(len(keys[0]))
    for key in keys:
        values = key[rows]
        rows = rows[values <= values.min() + EQUAL]
    return int(rows[0])


def one_pair(game: Game) -> BoolArray:
    """The best of all 2^n combinations, by doubling."""
    base_tx, base_rx, tx, rx = _pair_ratios(game)
    n = len(tx)
    scale = max(float(game.extra.max(initial=0.0)), 1.0)
    sums = {
        'tx': np.array([base_tx]),
        'rx': np.array([base_rx]),
        'posts': np.array([0.0]),
        'extra': np.array([0.0]),
    }
    codes = np.array([0], dtype=np.int64)
    for i in range(n):
        steps = []
        if game.may_pre[i]:
            steps.append((tx[i], 0.0, 0.0, game.extra[i] / scale, 0))
        if game.may_post[i]:
            steps.append((0.0, rx[i], 1.0, 0.0, 1 << i))
        sums = {
            name: np.concatenate([sums[name] + step[j] for step in steps])
            for j, name in enumerate(sums)
        }
        codes = np.concatenate([codes | step[4] for step in steps])
    high = np.maximum(sums['tx'], sums['rx'])
    low = np.minimum(sums['tx'], sums['rx'])
    best = int(codes[_first([high, low, sums['posts'], sums['extra']])])
    return np.array([bool(best >> i & 1) for i in range(n)])


def several_pairs(game: Game) -> BoolArray:
    """The best of all combinations, for VMs of several hosts."""
    n = len(game.source)
    codes = np.arange(1 << n)
    post = (codes[:, None] >> np.arange(n) & 1).astype(bool)
    legal = np.where(post, game.may_post, game.may_pre).all(axis=1)
    post = post[legal]
    sources, s = np.unique(game.source, return_inverse=True)
    destinations, d = np.unique(game.destination, return_inverse=True)
    out = np.where(post, 0.0, game.tx) @ np.eye(len(sources))[s]
    into = np.where(post, game.rx, 0.0) @ np.eye(len(destinations))[d]
    load = np.concatenate(
        (
            (out + game.base_tx[sources]) / game.capacity[sources],
            (into + game.base_rx[destinations]) / game.capacity[destinations],
        ),
        axis=1,
    )
    load.sort(axis=1)
    keys = [load[:, -1 - j] for j in range(load.shape[1])]
    keys += [post.sum(axis=1), np.where(post, 0.0, game.extra).sum(axis=1)]
    out_row: BoolArray = post[_first(keys)]
    return out_row


def front(game: Game) -> BoolArray:
    """The best combination by the Pareto front of (load_tx, load_rx).

    A state with less on both NICs stays better whatever is added, so only
    the front is kept (Nemhauser and Ullmann); among equal loads the one
    with fewer post-copies, then fewer bytes.
    """
    base_tx, base_rx, tx, rx = _pair_ratios(game)
    order = np.argsort(-(tx + rx), kind='stable')
    state = np.array([[base_tx, base_rx, 0.0, 0.0]])
    history: list[tuple[IntArray, BoolArray]] = []
    for i in order:
        grown, parent, posted = [], [], []
        here = np.arange(len(state))
        if game.may_pre[i]:
            grown.append(state + [tx[i], 0.0, 0.0, game.extra[i]])
            parent.append(here)
            posted.append(np.zeros(len(state), dtype=bool))
        if game.may_post[i]:
            grown.append(state + [0.0, rx[i], 1.0, 0.0])
            parent.append(here)
            posted.append(np.ones(len(state), dtype=bool))
        both = np.concatenate(grown)
        keep = _pareto(both)
        state = both[keep]
        history.append(
            (np.concatenate(parent)[keep], np.concatenate(posted)[keep])
        )
    high = np.maximum(state[:, 0], state[:, 1])
    low = np.minimum(state[:, 0], state[:, 1])
    row = _first([high, low, state[:, 2], state[:, 3]])
    post = np.zeros(len(tx), dtype=bool)
    for i, (parents, posts) in zip(order[::-1], history[::-1], strict=True):
        post[i] = posts[row]
        row = int(parents[row])
    return post


def _pareto(state: FloatArray) -> IntArray:
    """Rows that no other row beats on both loads."""
    cell = EQUAL if len(state) <= FRONT else 1.0 / FRONT
    tx = np.round(state[:, 0] / cell)
    order = np.lexsort((state[:, 3], state[:, 2], state[:, 1], tx))
    rx = np.round(state[order, 1] / cell)
    before = np.concatenate(([np.inf], np.minimum.accumulate(rx)[:-1]))
    out: IntArray = order[rx < before]
    return out
