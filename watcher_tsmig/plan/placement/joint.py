"""Destinations and modes together: less contention by going elsewhere.

Modes are chosen for the destinations at hand (contention.py); then VMs on
the busiest links look for a destination, and a mode, that loads them less,
without making any link's incoming volume take longer; then modes are chosen
anew. It ends when that no longer helps.
"""

import dataclasses
import math

import numpy as np
from scipy import sparse

from watcher_tsmig.forecast import Forecasts
from watcher_tsmig.forecast import weight_once
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.modes import contention
from watcher_tsmig.plan.modes import game as game_module
from watcher_tsmig.plan.modes.game import Choice
from watcher_tsmig.plan.modes.game import Game
from watcher_tsmig.plan.placement.place import State
from watcher_tsmig.plan.problem import foretold
from watcher_tsmig.plan.problem import headroom
from watcher_tsmig.plan.problem import problem as problem_module
from watcher_tsmig.plan.problem.problem import NOWHERE
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Placement
from watcher_tsmig.plan.values import Request

# Times that all VMs look elsewhere; each must have helped.
ROUNDS = 3
# For less contention a destination may be busy for so many times as long as
# the busiest link: not quite, for what comes may be more than was measured.
MAY_TAKE, IN_A_HURRY = 0.8, 0.7
# A load that is less by this share of a link is worth a post-copy, and one
# that differs by less is the same: traffic is not known better.
GRAIN = 0.05

# A rate at which any pre-copy ends, where its rounds are not asked for.
AT_ONCE = 1e15


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """What each migration may be, by permission and writing; shape (n,).

    :ivar pre: a pre-copy, which ends at the best bandwidth
    :ivar hybrid: a pre-copy that switches after its first pass
    :ivar post: a post-copy at once
    :ivar extra: bytes that the better of the first two sends beyond the
        third
    """

    pre: BoolArray
    hybrid: BoolArray
    post: BoolArray
    extra: FloatArray

    @property
    def late(self) -> BoolArray:
        """Its traffic may stay at its source until the end."""
        out: BoolArray = self.pre | self.hybrid
        return out


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Destinations and modes of those that can move.

    :ivar destination: shape (n,), host or `NOWHERE`
    :ivar best: shape (n,), the most that each migration's path ever leaves
    :ivar may: shape (n,), the modes that each may have
    :ivar rows: shape (k,), the VMs that have a destination and a mode
    :ivar game: of these
    :ivar choice: their modes
    :ivar wanted: shape (n,), whom least contention would post-copy
    """

    destination: IntArray
    best: FloatArray
    may: Modes
    rows: IntArray
    game: Game
    choice: Choice
    wanted: BoolArray

    def key(self) -> tuple[int, game_module.Key]:
        """Less is better: VMs that cannot move, then contention."""
        return -len(self.rows), game_module.key(self.game, self.choice.post)


def settle(problem: Problem, destination: IntArray) -> Settled:
    """The best destinations and modes found, from these destinations on.

    :param destination: shape (n,), host or `NOWHERE`
    """
    best = _settled(problem, destination)
    for _ in range(ROUNDS if len(best.rows) else 0):
        elsewhere = _elsewhere(problem, best)
        if (elsewhere == best.destination).all():
            break
        other = _settled(problem, elsewhere)
        if not _better(other, best):
            break
        best = other
    return best


def _better(one: Settled, other: Settled) -> bool:
    if len(one.rows) != len(other.rows):
        return len(one.rows) > len(other.rows)
    return game_module.better(one.key()[1], other.key()[1])


def _settled(problem: Problem, destination: IntArray) -> Settled:
    placed = destination != NOWHERE
    paths = [
        problem.network.path(int(s), int(d)) if d != NOWHERE else ()
        for s, d in zip(problem.source, destination, strict=True)
    ]
    best = _best(problem, paths)
    may = _modes(problem, destination, best)
    rows = np.flatnonzero(placed & (may.late | may.post))
    game = _game(problem, paths, rows, may)
    choice = contention.modes(game)
    wanted = np.zeros(len(destination), dtype=bool)
    wanted[rows] = choice.post
    return Settled(destination, best, may, rows, game, choice, wanted)


def _best(problem: Problem, paths: list[tuple[int, ...]]) -> FloatArray:
    """The most that each pre-copy ever has, shape (n,); 0 without a path."""
    left = headroom.left(problem)
    out = np.zeros(len(paths))
    for row, path in enumerate(paths):
        if path:
            host = int(problem.source[row])
            room = headroom.best_rate(problem, left, row, path, host)
            delay = problem.network.delay(path)
            out[row] = min(room, problem.theirs[host].reach(delay))
    most = np.minimum(problem.request.ceiling, problem.given[problem.source])
    return np.minimum(out, most)


def _modes(problem: Problem, destination: IntArray, best: FloatArray) -> Modes:
    """What these VMs may be on paths that leave so much at best."""
    only = problem.request.only_mode
    placed = destination != NOWHERE
    switches = (
        placed
        & problem.post_allowed
        & problem.post_capable[problem.source]
        & problem.post_capable[destination]
    )
    least = np.array(
        [problem_module.pre_copy_needs(problem, r) for r in range(len(best))]
    )
    pre = placed & (least <= best) & (only in (None, Mode.PRE_COPY))
    late = switches & (only in (None, Mode.HYBRID))
    rounds = _at(problem, Mode.PRE_COPY, np.where(pre, best, AT_ONCE))
    passed = _at(problem, Mode.HYBRID, np.where(late, best, AT_ONCE))
    weight = weight_once(problem.rules, problem.terms)
    once = problem.curves.resident * weight
    data = np.where(pre, rounds.data, np.where(late, passed.data, once))
    return Modes(
        pre=pre,
        hybrid=late,
        post=switches & (only in (None, Mode.POST_COPY)),
        extra=np.where(np.isfinite(data), data - once, 0.0),
    )


def _at(problem: Problem, mode: Mode, best: FloatArray) -> Forecasts:
    curves, rules, terms = problem.curves, problem.rules, problem.terms
    return foretold.forecast(mode, curves, best, rules, terms)


def _game(
    problem: Problem,
    paths: list[tuple[int, ...]],
    rows: IntArray,
    may: Modes,
) -> Game:
    """What mode choice sees of these rows.

    A pre-copied VM's source still sends for it, beside the migration, on
    every outgoing link of the path, and so does a hybrid's; a post-copied
    one's destination receives for it already, on every incoming link.
    """
    links = problem.network
    base = problem.app.copy()
    for row, host in enumerate(problem.source):
        out = list(links.sends[host])
        base[out] -= problem.tx[row] * links.tenants[out]
    pre = _Entries()
    post = _Entries()
    for column, row in enumerate(rows):
        for link in paths[row]:
            if links.is_out(link):
                pre.add(link, column, problem.tx[row] * links.tenants[link])
            else:
                post.add(link, column, problem.rx[row] * links.tenants[link])
    shape = (len(base), len(rows))
    return Game(
        capacity=links.capacity,
        base=np.maximum(base, 0.0),
        pre=pre.matrix(shape),
        post=post.matrix(shape),
        may_pre=may.late[rows],
        may_post=may.post[rows],
        risk=problem.weight[rows] * problem.rules.post_copy_outage,
        extra=may.extra[rows],
        grain=GRAIN,
    )


class _Entries:
    """A sparse matrix in the making."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.columns: list[int] = []
        self.values: list[float] = []

    def add(self, row: int, column: int, value: float) -> None:
        self.rows.append(row)
        self.columns.append(column)
        self.values.append(float(value))

    def matrix(self, shape: tuple[int, int]) -> sparse.csc_array:
        return sparse.csc_array(
            (self.values, (self.rows, self.columns)), shape=shape
        )


def _elsewhere(problem: Problem, settled: Settled) -> IntArray:
    """Destinations after each VM on a busy link looked for a better one."""
    state = State(problem)
    destination = settled.destination.copy()
    for placed in np.flatnonzero(destination != NOWHERE):
        state.put(int(placed), int(destination[placed]))
    load = game_module.loads(settled.game, settled.choice.post)
    used = np.zeros(len(problem.names), dtype=bool)
    used[destination[destination != NOWHERE]] = True
    spread = problem.request.placement is not Placement.PACK
    open_hosts = problem.post_capable & (used | spread)
    soft = frozenset[int]().union(
        *(g.rows for g in problem.groups if np.isinf(g.most))
    )
    burden = _burden(problem, settled, load)
    longest = _may_take(problem.request) * _longest(problem, state)
    for i in np.argsort(-burden, kind='stable'):
        row = int(settled.rows[i])
        if burden[i] <= 0 or not settled.game.may_post[i] or row in soft:
            continue
        _look(problem, settled, int(i), state, load, open_hosts, longest)
        destination[row] = state.at[row]
    return destination


def _may_take(request: Request) -> float:
    if request.patient:
        return math.inf
    return IN_A_HURRY if request.hurried else MAY_TAKE


def _longest(problem: Problem, state: State) -> float:
    """How long the busiest link is busy, s.

    A source is as its VMs leave it: the traffic that slows it down goes
    with the first of them.
    """
    h = len(problem.names)
    times = state.times()
    best = headroom.best_room(problem)[:h]
    times[:h] = state.volume[:h] / np.maximum(best, game_module.EQUAL)
    return float(times.max())


def _burden(
    problem: Problem, settled: Settled, load: FloatArray
) -> FloatArray:
    """Load of the busiest link that each VM adds to, shape (k,)."""
    out = np.zeros(len(settled.rows))
    h = len(problem.names)
    for i, row in enumerate(settled.rows):
        post = settled.choice.post[i]
        rate = problem.rx[row] if post else problem.tx[row]
        link = h + settled.destination[row] if post else problem.source[row]
        rate = rate * problem.network.tenants[link]
        out[i] = load[link] if rate > 0 else 0.0
    return out


def _look(
    problem: Problem,
    settled: Settled,
    i: int,
    state: State,
    load: FloatArray,
    open_hosts: BoolArray,
    longest: float,
) -> None:
    """Move one VM, as a post-copy, where that lessens its burden."""
    h = len(problem.names)
    row, post = int(settled.rows[i]), bool(settled.choice.post[i])
    old = state.at[row]
    capacity = problem.network.capacity
    here = h + old if post else int(problem.source[row])
    tenants = problem.network.tenants
    rate = float((problem.rx if post else problem.tx)[row] * tenants[here])
    burden = load[here]
    state.take(row)
    fits = state.fits(row) & open_hosts
    busy = state.busy(row, early=True)
    fits &= busy <= longest * (1 + problem_module.SLACK)
    fits[old] = False
    best = old
    if fits.any():
        rows = np.flatnonzero(fits)
        comes = problem.rx[row] * tenants[h + rows]
        then = load[h + rows] + comes / capacity[h + rows]
        # what differs by less than the grain is the same; so not all of
        # them go to the one host that is the idlest by a hair
        j = int(
            np.where(then <= then.min() + GRAIN, busy[rows], np.inf).argmin()
        )
        if then[j] < burden - GRAIN:
            best = int(rows[j])
            load[here] -= rate / capacity[here]
            load[h + best] = then[j]
    state.put(row, best)
