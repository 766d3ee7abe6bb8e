"""A bound on the largest load: the linear relaxation, pruned.

With x_j the share of VM j that is post-copied, minimise z subject to
base + pre (1 - x) + post x <= z capacity on every link. Whatever has a
largest load of at most z leaves no VM in a mode that alone lifts a link
above z, so at a guess z such modes are forbidden before the relaxation is
solved; without it elephants make it up to 42 % too low. Solver: HiGHS.
Every VM here has a choice.
"""

import dataclasses

import numpy as np
from scipy import optimize
from scipy import sparse

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.modes.game import EQUAL
from watcher_tsmig.plan.modes.game import Game

# Guesses at which the relaxation is pruned; each is one linear program,
# and nearly always the second confirms the first.
GUESSES = 16
# A relaxation's value is believed to this share of itself.
TRUST = 1e-7


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """The relaxation's optimum; m links, n VMs.

    :ivar bound: no modes have a smaller largest load
    :ivar x: shape (n,), share of each VM that is post-copied
    :ivar price: shape (m,), >= 0, sum 1: how each link holds the bound
    """

    bound: float
    x: FloatArray
    price: FloatArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """A game's loads as shares of capacities: base + delta @ x.

    :ivar base: shape (m,), loads with every VM pre-copied
    :ivar delta: csc_array (m, n), what post-copying adds
    :ivar pre: csc_array (m, n), what pre-copying adds, within `base`
    :ivar post: csc_array (m, n)
    """

    base: FloatArray
    delta: sparse.csc_array
    pre: sparse.csc_array
    post: sparse.csc_array


def shares(game: Game) -> Shares:
    """The game in shares of its links' capacities."""
    inverse = sparse.diags_array(1.0 / game.capacity)
    pre = sparse.csc_array(inverse @ game.pre)
    post = sparse.csc_array(inverse @ game.post)
    return Shares(
        base=game.base / game.capacity + pre.sum(axis=1),
        delta=sparse.csc_array(post - pre),
        pre=pre,
        post=post,
    )


def _alone(matrix: sparse.csc_array, room: FloatArray) -> BoolArray:
    """VMs that alone exceed the room of a link; shape (n,)."""
    over = matrix.data > room[matrix.indices]
    columns = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    out: BoolArray = np.bincount(columns[over], minlength=matrix.shape[1]) > 0
    return out


def allowed(parts: Shares, z: float) -> tuple[BoolArray, BoolArray]:
    """(may be pre-copied, may be post-copied), if no load exceeds z."""
    n = parts.delta.shape[1]
    may_pre, may_post = np.ones(n, dtype=bool), np.ones(n, dtype=bool)
    background = parts.base - parts.pre.sum(axis=1)
    for _ in range(n):
        only_pre = (may_pre & ~may_post).astype(np.float64)
        only_post = (may_post & ~may_pre).astype(np.float64)
        held = background + parts.pre @ only_pre + parts.post @ only_post
        room = z * (1 + EQUAL) + EQUAL - held
        free = may_pre & may_post
        no_pre = free & _alone(parts.pre, room)
        no_post = free & _alone(parts.post, room)
        if not (no_pre.any() or no_post.any()):
            break
        may_pre &= ~no_pre
        may_post &= ~no_post
    return may_pre, may_post


def _program(parts: Shares) -> tuple[FloatArray, sparse.csr_array]:
    """(objective, rows): variables x of all VMs, then z."""
    m, n = parts.delta.shape
    rows = sparse.hstack((parts.delta, -np.ones((m, 1))), format='csr')
    return np.append(np.zeros(n), 1.0), rows


def solve(
    parts: Shares, may_pre: BoolArray, may_post: BoolArray
) -> Relaxed | None:
    """The relaxation with these modes; None if a VM has none."""
    if not (may_pre | may_post).all():
        return None
    objective, rows = _program(parts)
    low = np.append(np.where(may_pre, 0.0, 1.0), 0.0)
    high = np.append(np.where(may_post, 1.0, 0.0), np.inf)
    found = optimize.linprog(
        objective,
        A_ub=rows,
        b_ub=-parts.base,
        bounds=np.column_stack((low, high)),
        method='highs',
    )
    if found.x is None:
        return None
    n = parts.delta.shape[1]
    price = np.maximum(-found.ineqlin.marginals, 0.0)
    price /= max(float(price.sum()), EQUAL)
    return Relaxed(
        bound=_dual_bound(parts, price, may_pre, may_post),
        x=np.clip(found.x[:n], 0.0, 1.0),
        price=price,
    )


def _dual_bound(
    parts: Shares, price: FloatArray, may_pre: BoolArray, may_post: BoolArray
) -> float:
    """What these prices prove, whatever tolerance the solver had.

    The largest load is at least any average of the loads, and in an
    average each VM has its own best mode.
    """
    change = price @ parts.delta
    best = np.where(may_post & (~may_pre | (change < 0)), change, 0.0)
    return float(price @ parts.base + best.sum())


def bound(parts: Shares, most: float) -> Relaxed:
    """The best bound of the relaxation, pruned at guesses.

    At any guess z, the smaller of z and the relaxation pruned at z is a
    bound: either no modes reach z, or the pruning was right. The first
    guess is a hair less than what is reached already, which it often proves
    the best; the second is the bound without pruning, which it often
    confirms.

    :param most: a largest load that is known to be reachable
    """
    every = np.ones(parts.delta.shape[1], dtype=bool)
    best = solve(parts, every, every)
    assert best is not None
    low, high = min(best.bound, most), most
    guess = most * (1 - TRUST / 2)
    for turn in range(GUESSES):
        pruned = solve(parts, *allowed(parts, guess))
        if pruned is None or pruned.bound > guess:
            low = guess
        else:
            high, low, best = guess, max(low, pruned.bound), pruned
        if low >= high * (1 - TRUST):
            break
        guess = (low + high) / 2 if turn else low * (1 + TRUST)
    return dataclasses.replace(best, bound=low)
