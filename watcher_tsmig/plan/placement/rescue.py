"""Places for VMs that the greedy placement left without one.

An integer program over who goes where: as few VMs left out as can be, and
among these as many as can be where the greedy placement put them. Exact
where it is small enough to be solved within its nodes.
"""

import numpy as np
from scipy import optimize
from scipy import sparse

from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.problem.problem import NOWHERE
from watcher_tsmig.plan.problem.problem import Problem

# Beyond so many pairs of a VM and a host the greedy placement stands.
MOST_PAIRS = 30_000
# Deterministic, unlike a limit of time.
MOST_NODES = 2_000
# HiGHS in SciPy 1.17 prints a debugging line to standard output when a
# solution does not survive the way back through a presolve.
PRESOLVE = False


def rescued(problem: Problem, greedy: IntArray) -> IntArray:
    """The placement with the fewest VMs left out, like `greedy` else.

    :param greedy: shape (n,), host or `NOWHERE`
    :returns: the same; `greedy` itself where nothing better was found
    """
    rows, hosts = np.nonzero(problem.admitted)
    if not 0 < len(rows) <= MOST_PAIRS:
        return greedy
    n = len(greedy)
    stays = 2.0 * n
    # one more placed outweighs any number of others moved elsewhere
    price = np.where(greedy[rows] == hosts, -1.0, 0.0) - stays
    matrix, limit = _constraints(problem, rows, hosts)
    found = optimize.milp(
        price,
        constraints=optimize.LinearConstraint(matrix, -np.inf, limit),
        integrality=np.ones(len(rows)),
        bounds=optimize.Bounds(0, 1),
        options={'node_limit': MOST_NODES, 'presolve': PRESOLVE},
    )
    if found.x is None:
        return greedy
    taken = np.flatnonzero(found.x > 0.5)
    out = np.full(n, NOWHERE, dtype=np.intp)
    out[rows[taken]] = hosts[taken]
    better = (out == NOWHERE).sum() < (greedy == NOWHERE).sum()
    return out if better and _holds(problem, out) else greedy


def _constraints(
    problem: Problem, rows: IntArray, hosts: IntArray
) -> tuple[sparse.csr_array, FloatArray]:
    """Each VM once, each store of each host, each group on each host."""
    n, h = len(problem.vms), len(problem.names)
    each = np.arange(len(rows))
    ones = np.ones(len(rows))
    blocks = [sparse.coo_array((ones, (rows, each)), shape=(n, len(rows)))]
    limits = [np.ones(n)]
    free = problem.free_after()
    for store in range(problem.size.shape[1]):
        blocks.append(
            sparse.coo_array(
                (problem.size[rows, store], (hosts, each)),
                shape=(h, len(rows)),
            )
        )
        limits.append(np.maximum(free[:, store], 0.0))
    for group in problem.groups:
        if np.isfinite(group.most):
            mine = np.isin(rows, list(group.rows)).astype(np.float64)
            blocks.append(
                sparse.coo_array((mine, (hosts, each)), shape=(h, len(rows)))
            )
            limits.append(np.maximum(group.most - group.there, 0.0))
    return sparse.vstack(blocks).tocsr(), np.concatenate(limits)


def _holds(problem: Problem, placed: IntArray) -> bool:
    """Whether it holds exactly; HiGHS rounds."""
    at = placed != NOWHERE
    used = np.zeros_like(problem.free)
    np.add.at(used, placed[at], problem.size[at])
    return bool((used <= np.maximum(problem.free_after(), 0.0)).all())
