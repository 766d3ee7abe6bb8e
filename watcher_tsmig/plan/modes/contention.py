"""Modes: pre-copy or post-copy for each VM, by least contention.

VMs that share no link, directly or by others, are decided apart. A part
is exact up to `ENUMERATE` VMs, and with two links (one pair of hosts) at
any number that its Pareto front allows. Beyond, the linear relaxation
gives a bound and a start, and a descent, annealed where it does not reach
the bound, sees to the rest. What is minimised is in game.py.
"""

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.modes import descent
from watcher_tsmig.plan.modes import exact
from watcher_tsmig.plan.modes import relax
from watcher_tsmig.plan.modes.descent import Effort
from watcher_tsmig.plan.modes.game import Choice
from watcher_tsmig.plan.modes.game import Game
from watcher_tsmig.plan.modes.game import better
from watcher_tsmig.plan.modes.game import decided
from watcher_tsmig.plan.modes.game import key
from watcher_tsmig.plan.modes.game import loads
from watcher_tsmig.plan.modes.game import part

ENUMERATE = 20


def modes(game: Game, effort: Effort | None = None) -> Choice:
    """Which VMs are post-copied, and how good that provably is.

    VMs with one mode only are constraints: their loads are background to
    the choice of the others.
    """
    effort = effort or Effort()
    post = game.may_post & ~game.may_pre
    rest = decided(game)
    rows_of_rest = np.flatnonzero(game.free)
    lower = float((rest.base / rest.capacity).max(initial=0.0))
    done = 0.0
    for rows, links in _parts(rest):
        share = len(rows) / len(rows_of_rest)
        mine = effort.part(done, done + share)
        post[rows_of_rest[rows]], bound = _choose(
            part(rest, rows, links), mine
        )
        lower = max(lower, bound)
        done += share
    post = descent.undo(game, post)
    value = float(loads(game, post).max(initial=0.0))
    return Choice(post=post, value=value, lower_bound=min(lower, value))


def _parts(game: Game) -> list[tuple[IntArray, IntArray]]:
    """(VMs, links) of each connected part that has VMs."""
    m, n = game.pre.shape
    if n == 0:
        return []
    uses = sparse.coo_array(abs(game.pre) + abs(game.post))
    edges = sparse.coo_array(
        (np.ones(uses.nnz), (uses.row, m + uses.col)), shape=(m + n, m + n)
    )
    _, label = csgraph.connected_components(edges, directed=False)
    vms, links = _groups(label[m:]), _groups(label[:m])
    none = np.zeros(0, dtype=np.intp)
    return [(rows, links.get(at, none)) for at, rows in vms.items()]


def _groups(label: IntArray) -> dict[int, IntArray]:
    """Places of each label."""
    order = np.argsort(label, kind='stable')
    values, starts = np.unique(label[order], return_index=True)
    parts = np.split(order, starts[1:])
    return dict(zip(values.tolist(), parts, strict=True))


def _choose(game: Game, effort: Effort) -> tuple[BoolArray, float]:
    """(modes, bound) of one part, all of whose VMs have a choice."""
    m, n = game.pre.shape
    if n <= ENUMERATE:
        post = exact.enumerate_all(game)
        return post, _value(game, post)
    if m == 2:
        post, proven = exact.front(game)
        if proven:
            return post, _value(game, post)
        bound = relax.bound(relax.shares(game), _value(game, post)).bound
        return post, bound
    return _search(game, effort)


def _value(game: Game, post: BoolArray) -> float:
    return float(loads(game, post).max(initial=0.0))


def _search(game: Game, effort: Effort) -> tuple[BoolArray, float]:
    """(modes, bound) of a part that is too large to enumerate."""
    parts = relax.shares(game)
    best = descent.descend(game, parts, descent.own_direction(parts), effort)
    relaxed = relax.bound(parts, _value(game, best))
    aim = relaxed.bound * (1 + relax.TRUST) + game.grain
    if _value(game, best) > aim:
        found = descent.descend(game, parts, relaxed.x > 0.5, effort)
        best = _better(game, best, found)
    if _value(game, best) > aim:
        found = descent.annealed(game, parts, best, effort, aim)
        best = _better(game, best, found)
        # what is reached is often proven the best
        again = relax.bound(parts, _value(game, best))
        return best, max(relaxed.bound, again.bound)
    return best, relaxed.bound


def _better(game: Game, one: BoolArray, other: BoolArray) -> BoolArray:
    return other if better(key(game, other), key(game, one)) else one
