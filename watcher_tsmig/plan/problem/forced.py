"""What follows where no pre-copy ends, before anything is placed.

Who goes only where post-copy is possible, and who is let onto the ladder's
last stage: pre-copies that end while a VM is slowed down. Whom pre-copy moves
in any other way is not asked.
"""

import dataclasses

import numpy as np

from watcher_tsmig.forecast import least_convergent_bandwidth
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem import headroom
from watcher_tsmig.plan.problem import problem as problem_module
from watcher_tsmig.plan.problem.known import seen_writing
from watcher_tsmig.plan.problem.problem import Problem


def allowed(problem: Problem) -> Problem:
    """The problem with auto-converge where nothing else lets a VM move.

    Where it is on and may take something, and the VM's pre-copy does not
    end at the most that any of its ways ever leaves. Not where one mode is
    asked for, so that modes are compared and not what helps them.
    """
    rungs = problem.rungs
    if problem.request.only_mode is not None:
        return problem
    measured = [seen_writing(names) for names in problem.assumed]
    may = _throttles(problem) & (rungs.throttle > 0)
    may &= np.array(measured, dtype=bool)
    left = headroom.left(problem)
    for row in np.flatnonzero(may).tolist():
        needs = problem_module.pre_copy_needs(problem, row)
        may[row] = needs > _most(problem, row, left)
    rows = np.flatnonzero(may)
    if not len(rows):
        return problem
    terms = dataclasses.replace(
        problem.terms, throttle=np.where(may, rungs.throttle, 0.0)
    )
    lcb = problem.lcb.copy()
    lcb[rows] = least_convergent_bandwidth(
        problem.curves.take(rows),
        problem.rules,
        terms=terms.take(rows, len(may)),
    )
    return dataclasses.replace(problem, terms=terms, lcb=lcb)


def switchable(problem: Problem) -> Problem:
    """The problem with those whom only post-copy moves where it is possible.

    Not where no host that admits them is capable of it.
    """
    admitted = problem.admitted.copy()
    left = headroom.left(problem)
    may = problem.post_allowed & problem.post_capable[problem.source]
    if problem.request.only_mode is not None or problem.post_capable.all():
        return problem
    for row in np.flatnonzero(may).tolist():
        capable = admitted[row] & problem.post_capable
        needs = problem_module.pre_copy_needs(problem, row)
        if capable.any() and needs > _most(problem, row, left):
            admitted[row] = capable
    return dataclasses.replace(problem, admitted=admitted)


def _throttles(problem: Problem) -> BoolArray:
    """At whose host auto-converge is in force, shape (n,).

    Nova leaves it off where a host permits post-copy (libvirt driver,
    `_parse_live_migration_flags`: one flag excludes the other).
    """
    on = np.array([r.auto_converge for r in problem.theirs], dtype=bool)
    out: BoolArray = (on & ~problem.post_capable)[problem.source]
    return out


def _most(problem: Problem, row: int, left: FloatArray) -> float:
    """The most that its pre-copy ever has on any of its ways, bytes/s."""
    source, found = int(problem.source[row]), 0.0
    for host in np.flatnonzero(problem.admitted[row]).tolist():
        path = problem.network.path(source, host)
        reach = problem.theirs[source].reach(problem.network.delay(path))
        room = headroom.best_rate(problem, left, row, path, source)
        found = max(found, min(room, reach))
    return min(found, problem.request.ceiling, float(problem.given[source]))


def why_not(problem: Problem, row: int) -> str:
    """Why neither post-copy nor this moves a VM, the end of a sentence."""
    rungs = problem.rungs
    post = 'post-copy is not permitted'
    if not _throttles(problem)[row]:
        return f'and {post}'
    share = float(rungs.throttle[row])
    if not share:
        return f'{post}, and auto-converge may take none of its CPUs'
    return f'{post}, and to take {share:.0%} of its CPUs is not enough'
