"""Modes: pre-copy or post-copy for each VM, by least contention.

VMs that share no link, directly or by others, are decided apart. A part
is exact up to `ENUMERATE` VMs, and with two links (one pair of hosts) at
any number that its Pareto front allows. Beyond, the linear relaxation
gives a bound and a start; branch and bound is tried where few links hold
the bound, the links' knapsacks raise it and cycles of transfers come near
it where many do; a descent sees to the rest of the sorted loads. What is
minimised is in game.py.
"""

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.modes import cycles
from watcher_tsmig.plan.modes import descent
from watcher_tsmig.plan.modes import exact
from watcher_tsmig.plan.modes import knapsacks
from watcher_tsmig.plan.modes import relax
from watcher_tsmig.plan.modes.effort import Effort
from watcher_tsmig.plan.modes.game import Choice
from watcher_tsmig.plan.modes.game import Game
from watcher_tsmig.plan.modes.game import better
from watcher_tsmig.plan.modes.game import decided
from watcher_tsmig.plan.modes.game import key
from watcher_tsmig.plan.modes.game import loads
from watcher_tsmig.plan.modes.game import part

ENUMERATE = 20
# Branch and bound closes nearly always where at most so many links hold
# the relaxation's bound, and nearly never where hundreds do.
FEW = 40
# The share of the time that each of branch and bound and knapsacks may
# take.
PROOF = 0.3
# The share of the time at which the search for cycles ends; the rest is
# the descent's.
SEARCH = 0.95


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

    def flipped(start: BoolArray) -> BoolArray:
        return descent.descend(game, parts, start, effort, pairs=False)

    best = flipped(descent.own_direction(parts))
    relaxed = relax.bound(parts, _value(game, best))
    lower = relaxed.bound
    if _open(game, best, lower):
        best = _better(game, best, flipped(relaxed.x > 0.5))
    few = (relaxed.price > relax.TRUST).sum() <= FEW
    if _open(game, best, lower) and few:
        found, bound = relax.milp(
            parts,
            _value(game, best),
            effort.nodes,
            effort.part(0.0, PROOF).seconds,
        )
        lower = max(lower, bound)
        if found is not None:
            best = _better(game, best, flipped(found))
    if _open(game, best, lower):
        mine = effort.from_now(effort.spent() + PROOF)
        lower = knapsacks.bound(
            parts, relaxed, lower, _value(game, best), mine
        )
    if _open(game, best, lower):
        found = cycles.search(
            parts,
            relaxed,
            best,
            effort.from_now(SEARCH),
            _enough(game, lower),
        )
        best = _better(game, best, flipped(found))
    return descent.descend(game, parts, best, effort), lower


def _enough(game: Game, lower: float) -> float:
    """A largest load below which nobody wants to come."""
    return lower * (1 + relax.TRUST) + game.grain


def _open(game: Game, post: BoolArray, lower: float) -> bool:
    return _value(game, post) > _enough(game, lower)


def _better(game: Game, one: BoolArray, other: BoolArray) -> BoolArray:
    return other if better(key(game, other), key(game, one)) else one
