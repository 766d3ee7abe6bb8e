"""The least makespan that any plan for these migrations could have.

Every term holds whatever the modes, the order and the destinations: the
volume that must leave a host through the largest room its NIC ever has,
the volume that must enter the destinations through theirs, the longest
single migration, and the caps on concurrent migrations.
"""

import dataclasses

import numpy as np

from watcher_tsmig.forecast import post_copy
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.plan import problem as problem_module
from watcher_tsmig.plan.problem import BoolArray
from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.values import Mode


def best_rooms(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """The most that migrations can ever have out of and into each host.

    Out: once all VMs that could move have taken their traffic away. Into:
    before any has arrived.

    :returns: two arrays of shape (h,), bytes/s
    """
    h = len(problem.capacity)
    moving = np.bincount(problem.source, problem.tx, h)
    still_tx = np.maximum(problem.app_tx - moving, 0.0)
    out = problem_module.room(problem, problem.capacity, still_tx)
    into = problem_module.room(problem, problem.capacity, problem.app_rx)
    return out, np.where(problem.receives, into, 0.0)


def least(problem: Problem, moved: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Least time and least bytes of each migration at its best bandwidth.

    :param moved: shape (n,); the others get zeros
    :returns: (s with set-up, bytes), each of shape (n,)
    """
    n = len(problem.vms)
    if not moved.any():
        return np.zeros(n), np.zeros(n)
    out, into = best_rooms(problem)
    best = np.minimum(out[problem.source], into.max())
    best = np.minimum(best, problem.request.ceiling)
    best = np.where(moved, best, 1.0)
    only = problem.request.only_mode
    # Steps of the downtime limit only delay: without them the time is the
    # least, and it falls with the room.
    rules = dataclasses.replace(
        problem.rules, downtime_steps=0, completion_timeout=np.inf
    )
    before = pre_copy(problem.curves, best, rules)
    after = post_copy(problem.curves, best, rules)
    may_post = problem.post_allowed & problem.post_capable[problem.source]
    may_post &= bool((problem.post_capable & problem.receives).any())
    use_post = may_post & (only is not Mode.PRE_COPY)
    seconds = np.where(use_post, after.t_sum, before.t_sum)
    data = np.where(use_post, after.data, before.data)
    return (
        np.where(moved, seconds + problem.rules.overhead, 0.0),
        np.where(moved, data, 0.0),
    )


def lower_bound(problem: Problem, moved: BoolArray) -> float:
    """No plan that moves these VMs has a smaller makespan, s.

    :param moved: shape (n,), the VMs that the plan moves
    """
    if not moved.any():
        return 0.0
    request = problem.request
    seconds, data = least(problem, moved)
    out, into = best_rooms(problem)
    h = len(problem.capacity)
    efficiency, setup = problem.rules.efficiency, problem.rules.overhead
    leaving = np.bincount(problem.source, data, h)
    holding = np.bincount(problem.source, seconds, h)
    return float(
        max(
            seconds.max(),
            (leaving / np.maximum(out, 1e-9)).max() / efficiency + setup,
            data.sum() / into.sum() / efficiency + setup,
            holding.max() / request.max_per_source,
            seconds.sum() / request.max_in_cluster,
        )
    )
