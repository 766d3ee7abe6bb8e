"""Moves to schedule, and what is computed for all of them at once.

Paths, volumes, what moves with each VM and what counts it live here, whatever
its mode; what a mode means for a move is ways.py's.
"""

import dataclasses

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.problem import foretold
from watcher_tsmig.plan.problem import headroom
from watcher_tsmig.plan.problem.problem import STORES
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Amounts
from watcher_tsmig.plan.values import Mode


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Migrations to schedule; arrays of shape (k,), one for each.

    :ivar rows: of the problem; a VM with two hops has two
    :ivar source: host
    :ivar destination: host
    :ivar post: whether it should go at the start, by post-copy
    :ivar may_pre: pre-copy is possible
    :ivar may_hybrid: post-copy after the first pass is, and of use
    :ivar may_post: post-copy at once is permitted
    :ivar after: indices of the moves that must end before it, for each
    """

    rows: IntArray
    source: IntArray
    destination: IntArray
    post: BoolArray
    may_pre: BoolArray
    may_hybrid: BoolArray
    may_post: BoolArray
    after: tuple[tuple[int, ...], ...]

    @property
    def may(self) -> dict[Mode, BoolArray]:
        """By mode, shape (k,): who may have it."""
        return {
            Mode.PRE_COPY: self.may_pre,
            Mode.HYBRID: self.may_hybrid,
            Mode.POST_COPY: self.may_post,
        }

    @property
    def late(self) -> BoolArray:
        """Whose traffic may stay at the source until the end; (k,)."""
        out: BoolArray = self.may_pre | self.may_hybrid
        return out


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is computed for all moves at once.

    :ivar most: shape (k,), bytes/s, that the operator and the way permit
    :ivar given: shape (k,), bytes/s, that Nova gives a pre-copy
    :ivar faults: shape (k,), see `harm.faults`
    :ivar volumes: by mode, shape (k,), bytes on the wire
    :ivar left: shape (m,), traffic on each link once all have left
    :ivar shared: what moves with each VM, whatever its mode
    """

    paths: list[tuple[int, ...]]
    most: FloatArray
    given: FloatArray
    faults: FloatArray
    volumes: dict[Mode, FloatArray]
    counters: list[tuple[int, ...]]
    releases: FloatArray
    left: FloatArray
    shared: list[dict[str, Amounts]]

    def most_of(self, i: int, mode: Mode) -> float:
        """Bytes/s; Nova gives a post-copy whatever there is."""
        most = float(self.most[i])
        return most if mode.early else min(most, float(self.given[i]))


def known(problem: Problem, moves: Moves) -> Known:
    """What is computed for all moves at once."""
    left = headroom.left(problem)
    paths = [
        problem.network.path(int(s), int(d))
        for s, d in zip(moves.source, moves.destination, strict=True)
    ]
    most = np.array(
        [
            _most(problem, int(host), path)
            for host, path in zip(moves.source, paths, strict=True)
        ]
    )
    best = np.array(
        [
            headroom.best_rate(problem, left, int(row), path, int(host))
            for row, path, host in zip(
                moves.rows, paths, moves.source, strict=True
            )
        ]
    )
    gets = set(map(int, moves.destination))
    return Known(
        paths=paths,
        most=most,
        given=problem.given[moves.source],
        faults=foretold.faults(problem, moves.rows),
        volumes=foretold.volumes(problem, moves.rows, np.minimum(most, best)),
        counters=_counters(problem, moves),
        releases=np.maximum(
            problem.release[moves.source], problem.release[moves.destination]
        ),
        left=left,
        shared=[_shared(problem, moves, i, gets) for i in range(len(paths))],
    )


def _most(problem: Problem, source: int, path: tuple[int, ...]) -> float:
    reach = problem.theirs[source].reach(problem.network.delay(path))
    return min(problem.request.ceiling, reach)


def _shared(
    problem: Problem, moves: Moves, i: int, gets: set[int]
) -> dict[str, Amounts]:
    """What moves with the VM, whatever its mode."""
    row = int(moves.rows[i])
    source, destination = int(moves.source[i]), int(moves.destination[i])
    leaves: list[tuple[int, float]] = []
    brings: list[tuple[int, float]] = []
    for sides, rate in (
        (problem.network.sends, float(problem.tx[row])),
        (problem.network.receives, float(problem.rx[row])),
    ):
        if rate <= 0:
            continue
        there, then = sides[source], sides[destination]
        on = problem.network.tenants
        leaves += [(k, rate) for k in there if k not in then and on[k]]
        brings += [(k, rate) for k in then if k not in there and on[k]]
    size = [(k, float(x)) for k, x in enumerate(problem.size[row]) if x > 0]
    width = len(STORES)
    return {
        'leaves': tuple(leaves),
        'brings': tuple(brings),
        'claims': tuple((destination * width + k, x) for k, x in size),
        # nobody waits for what becomes free where nobody goes
        'frees': tuple((source * width + k, x) for k, x in size)
        if source in gets
        else (),
    }


# Counters, as ways.limits has them.
def _counters(problem: Problem, moves: Moves) -> list[tuple[int, ...]]:
    h = len(problem.names)
    out = []
    for row, s, d in zip(
        moves.rows, moves.source, moves.destination, strict=True
    ):
        mine = [
            2 * h + 1 + g
            for g, group in enumerate(problem.groups)
            if int(row) in group.rows
        ]
        out.append((int(s), h + int(d), 2 * h, *mine))
    return out
