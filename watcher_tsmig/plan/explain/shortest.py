"""The least makespan that any plan for these migrations could have.

Every term holds whatever the modes, the order and the destinations: the
volume that must leave a host or cross a shared link through the largest
room that it ever has, the volume that must enter the destinations through
theirs, the longest single migration, and the caps on concurrent ones. The
largest term is the bound, and its name is what binds the plan.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from watcher_tsmig.forecast import post_copy
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem import headroom
from watcher_tsmig.plan.problem import permits
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.values import Mode


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A lower bound of the makespan.

    :ivar seconds: no plan that moves these VMs ends sooner
    :ivar what: what makes it so, for people
    :ivar link: the link that does; None where none does
    """

    seconds: float
    what: str = ''
    link: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Least:
    """Of each migration at its best bandwidth, shape (n,); 0: not moved."""

    seconds: FloatArray
    data: FloatArray


def best_bandwidth(problem: Problem, rooms: FloatArray) -> FloatArray:
    """The most that each migration could have anywhere, shape (n,).

    :param rooms: shape (m,), the most that each link ever leaves
    """
    h = len(problem.names)
    into = np.where(problem.admitted, rooms[h : 2 * h], 0.0)
    reach = min(problem.request.ceiling, problem.rules.ceiling)
    best = np.minimum(rooms[problem.source], into.max(axis=1, initial=0.0))
    out: FloatArray = np.minimum(best, reach)
    return out


def _least(problem: Problem, rooms: FloatArray, moved: BoolArray) -> _Least:
    best = np.where(moved, best_bandwidth(problem, rooms), 1.0)
    best = np.maximum(best, 1e-9)
    only = problem.request.only_mode
    # Steps of the downtime limit only delay: without them the time is the
    # least, and it falls with the room.
    rules, terms = problem.rules, problem.terms.without_delays()
    before = pre_copy(problem.curves, best, rules, terms=terms)
    after = post_copy(problem.curves, best, rules, terms)
    may_post = problem.post_allowed & problem.post_capable[problem.source]
    may_post &= (problem.admitted & problem.post_capable).any(axis=1)
    use_post = may_post & (only is not Mode.PRE_COPY)
    seconds = np.where(use_post, after.t_sum, before.t_sum)
    data = np.where(use_post, after.data, before.data)
    return _Least(
        np.where(moved, seconds + problem.rules.overhead, 0.0),
        np.where(moved, data, 0.0),
    )


def lower_bound(problem: Problem, moved: BoolArray) -> Bound:
    """No plan that moves these VMs has a smaller makespan.

    :param moved: shape (n,), the VMs that the plan moves
    """
    if not moved.any():
        return Bound(seconds=0.0)
    rooms = headroom.best_room(problem)
    least = _least(problem, rooms, moved)
    found = [
        *_links(problem, rooms, least, moved),
        *_together(problem, rooms, least),
    ]
    return max(found, key=lambda b: b.seconds)


def _links(
    problem: Problem, rooms: FloatArray, least: _Least, moved: BoolArray
) -> Iterator[Bound]:
    """What must cross one link, through the most that it ever leaves."""
    rules = problem.rules
    wire = least.data / rules.efficiency
    volume = np.zeros(len(rooms))
    h = len(problem.names)
    volume[:h] = np.bincount(problem.source, wire, h)
    alone = moved & (problem.admitted.sum(axis=1) == 1)
    only = problem.admitted.argmax(axis=1)
    volume[h : 2 * h] = np.bincount(only[alone], wire[alone], h)
    for k, inside in enumerate(problem.network.behind):
        here = inside[problem.source]
        goes_in = problem.admitted[:, inside].any(axis=1)
        goes_out = problem.admitted[:, ~inside].any(axis=1)
        volume[2 * h + 2 * k] = wire[here & ~goes_in].sum()
        volume[2 * h + 2 * k + 1] = wire[~here & ~goes_out].sum()
    seconds = np.where(volume > 0, volume / np.maximum(rooms, 1e-9), 0.0)
    link = int(seconds.argmax())
    yield Bound(
        seconds=float(seconds[link]) + rules.overhead,
        what=problem.network.names[link],
        link=link,
    )


def _together(
    problem: Problem, rooms: FloatArray, least: _Least
) -> Iterator[Bound]:
    """What all migrations share, and the longest one."""
    request, h = problem.request, len(problem.names)
    receives = problem.receives
    into = float(rooms[h : 2 * h][receives].sum())
    wire = float(least.data.sum()) / problem.rules.efficiency
    yield Bound(
        seconds=wire / max(into, 1e-9) + problem.rules.overhead,
        what='the incoming NICs of all destinations',
    )
    longest = int(least.seconds.argmax())
    released = problem.release[problem.source]
    yield Bound(
        seconds=float((least.seconds + released)[longest]),
        what=f"{problem.vms[longest].name}'s own migration",
    )
    holding = np.bincount(problem.source, least.seconds, h) / problem.outgoing
    busiest = int(holding.argmax())
    yield Bound(
        seconds=float(holding[busiest]),
        what=f'{permits.limiter(problem.novas[busiest], request)} on '
        f'{problem.names[busiest]}',
    )
    total = float(least.seconds.sum())
    yield Bound(seconds=total / request.max_in_cluster, what='max_in_cluster')
    places = max(int(receives.sum()), 1) * request.max_per_destination
    yield Bound(seconds=total / places, what='max_per_destination')
    for group in problem.groups:
        rows = list(group.rows)
        yield Bound(
            seconds=float(least.seconds[rows].sum()) / request.max_per_group,
            what='max_per_group',
        )
