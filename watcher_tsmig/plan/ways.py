"""From placed VMs with their modes to the scheduler's tasks.

Each VM becomes a task with one way for each mode that it may have, the
chosen one first. What a way uses, claims and moves is said here in links,
stores and counters (tasks.py); when it does so is the scheduler's.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from watcher_tsmig.forecast import post_copy
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.plan import problem as problem_module
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.problem import STORES
from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.tasks import Amounts
from watcher_tsmig.plan.tasks import Task
from watcher_tsmig.plan.tasks import Tasks
from watcher_tsmig.plan.tasks import Way
from watcher_tsmig.plan.values import Objective


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Migrations to schedule; arrays of shape (k,), one for each.

    :ivar rows: of the problem; a VM with two hops has two
    :ivar source: host
    :ivar destination: host
    :ivar post: the mode chosen
    :ivar may_pre: pre-copy is possible
    :ivar may_post: post-copy is permitted
    :ivar after: indices of the moves that must end before it, for each
    """

    rows: IntArray
    source: IntArray
    destination: IntArray
    post: BoolArray
    may_pre: BoolArray
    may_post: BoolArray
    after: tuple[tuple[int, ...], ...]


def duration(problem: Problem, row: int, post: bool) -> Callable[..., float]:
    """Forecast time of a VM's migration with its set-up, s, by bandwidth."""
    rows = np.array([row], dtype=np.intp)
    curve = problem.curves.take(rows)
    terms = problem.terms.take(rows, len(problem.vms))
    model = post_copy if post else pre_copy
    known: dict[float, float] = {}

    def takes(bandwidth: float) -> float:
        if bandwidth not in known:
            found = model(curve, bandwidth, problem.rules, terms=terms)
            known[bandwidth] = float(found.t_sum[0]) + problem.rules.overhead
        return known[bandwidth]

    return takes


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is computed for all moves at once.

    :ivar most: shape (k,), bytes/s, that the operator and the way permit
    :ivar volumes: shape (2, k), bytes on the wire by pre- and post-copy
    :ivar gets: hosts that a VM comes to
    """

    paths: list[tuple[int, ...]]
    most: FloatArray
    volumes: FloatArray
    counters: list[tuple[int, ...]]
    releases: FloatArray
    gets: set[int]


def tasks(problem: Problem, moves: Moves, lanes: int) -> Tasks:
    """The moves as tasks, in their order.

    :param lanes: at most so many at once from a host, and to a host; the
        request may allow fewer
    """
    request, links = problem.request, problem.network
    known = _known(problem, moves)
    return Tasks(
        tasks=tuple(
            Task(
                ways=tuple(
                    _way(problem, moves, known, i, post)
                    for post in _modes_of(moves, i)
                ),
                release=float(known.releases[i]),
                after=moves.after[i],
            )
            for i in range(len(moves.rows))
        ),
        capacity=links.capacity,
        app=problem.app,
        share=request.nic_share,
        floor=request.nic_floor,
        stores=problem.free.reshape(-1),
        limits=_limits(problem, lanes),
        deadline=request.deadline,
        trusting=request.objective is not Objective.GENTLE,
    )


def _known(problem: Problem, moves: Moves) -> _Known:
    rooms = problem_module.best_room(problem)
    paths = [
        problem.network.path(int(s), int(d))
        for s, d in zip(moves.source, moves.destination, strict=True)
    ]
    most = np.array([_most(problem, path) for path in paths])
    best = np.array([rooms[list(path)].min() for path in paths])
    return _Known(
        paths=paths,
        most=most,
        volumes=_volumes(problem, moves, np.minimum(most, best)),
        counters=_counters(problem, moves),
        releases=np.maximum(
            problem.release[moves.source], problem.release[moves.destination]
        ),
        gets=set(map(int, moves.destination)),
    )


def _way(
    problem: Problem, moves: Moves, known: _Known, i: int, post: bool
) -> Way:
    row = int(moves.rows[i])
    least = problem_module.pre_copy_needs(
        problem, row, bool(moves.may_post[i])
    )
    return Way(
        links=known.paths[i],
        takes=duration(problem, row, post),
        least=0.0 if post else least,
        most=float(known.most[i]),
        setup=problem.rules.overhead,
        volume=float(known.volumes[int(post), i]),
        early=post,
        counters=known.counters[i],
        cost=_cost(problem, row, post),
        **_shared(problem, moves, i, known.gets),
    )


def _modes_of(moves: Moves, i: int) -> list[bool]:
    """The modes that a move may have, as post or not, the chosen first."""
    chosen = bool(moves.post[i])
    may = {False: bool(moves.may_pre[i]), True: bool(moves.may_post[i])}
    return [post for post in (chosen, not chosen) if may[post]]


def _most(problem: Problem, path: tuple[int, ...]) -> float:
    reach = problem.rules.reach(problem.network.delay(path))
    return min(problem.request.ceiling, reach)


def _volumes(problem: Problem, moves: Moves, best: FloatArray) -> FloatArray:
    """Bytes on the wire at the best bandwidth; shape (2, k): pre, post."""
    rules = dataclasses.replace(
        problem.rules, downtime_steps=0, completion_timeout=np.inf
    )
    curves = problem.curves.take(moves.rows)
    data = pre_copy(curves, best, rules).data
    once = curves.resident * rules.carried
    return np.array([np.where(np.isfinite(data), data, once), once]) / (
        rules.efficiency
    )


def _cost(problem: Problem, row: int, post: bool) -> float:
    """Weighed seconds in which the VM does not serve."""
    rules = problem.rules
    outage = rules.post_copy_outage if post else rules.downtime_limit
    return float(problem.weight[row]) * outage


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
        leaves += [(link, rate) for link in there if link not in then]
        brings += [(link, rate) for link in then if link not in there]
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


# Counters: migrations out of each host, into each host, in all, and of each
# server group.
def _limits(problem: Problem, lanes: int) -> FloatArray:
    request, h = problem.request, len(problem.names)
    return np.array(
        [min(request.max_per_source, lanes)] * h
        + [min(request.max_per_destination, lanes)] * h
        + [request.max_in_cluster]
        + [request.max_per_group] * len(problem.groups),
        dtype=np.float64,
    )


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
