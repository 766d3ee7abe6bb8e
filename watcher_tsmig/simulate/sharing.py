"""Who gets how much of NICs and links: max-min fairness with demands.

Pure arithmetic. Every flow crosses a few directions of NICs and links and
asks for a rate; all are raised together until a direction is full or a
flow has what it asks for (Bertsekas and Gallager, "Data Networks", section
6.5.2). It is what TCP flows of equal round-trip time come to; a weight
stands for so many of them.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

NOWHERE = -1
# Directions and demands within this share of each other count as equal.
REACHED = 1e-9


def max_min(
    capacity: FloatArray,
    path: IntArray,
    demand: FloatArray,
    weight: FloatArray | None = None,
) -> FloatArray:
    """The max-min fair rate of each flow.

    In each turn every direction is filled
    that is the tightest of all the flows that still cross it, so that the
    turns are as many as the longest chain of them, not as the flows.

    :param capacity: shape (r,), bytes/s of each direction
    :param path: shape (f, w), the directions that each flow crosses, at
        least one, none twice; `NOWHERE` where it crosses fewer than w
    :param demand: shape (f,), bytes/s that each asks for; inf is allowed
    :param weight: shape (f,), connections of each; None: one
    :returns: shape (f,), bytes/s
    """
    r = len(capacity)
    weights = np.ones(len(demand)) if weight is None else weight
    across = np.ascontiguousarray(np.where(path == NOWHERE, r, path).T)
    return fill(np.append(capacity, np.inf), across, demand, weights)


def fill(
    capacity: FloatArray,
    across: IntArray,
    demand: FloatArray,
    weight: FloatArray,
) -> FloatArray:
    """The same, on arrays that are quick to go through.

    :param capacity: shape (r + 1,), the last one inf
    :param across: shape (w, f), r where a flow crosses fewer than w
    """
    width, nodes = len(across), len(capacity)
    rate = np.zeros(len(demand))
    left = capacity.astype(np.float64)
    flows = np.flatnonzero(demand > 0)
    across, share, want = across[:, flows], weight[flows], demand[flows]
    while len(flows):
        heavy = np.bincount(across.ravel(), np.tile(share, width), nodes)
        level = np.full(nodes, np.inf)
        np.divide(np.maximum(left, 0.0), heavy, out=level, where=heavy > 0)
        there = level[across]
        bound = there.min(axis=0)
        value = want
        fixed = want <= bound * share * (1 + REACHED)
        if not fixed.any():
            fixed = _settled(level, across, there, bound)
            value = bound * share
        rate[flows[fixed]] = value[fixed]
        used = np.tile(value[fixed], width)
        left -= np.bincount(across[:, fixed].ravel(), used, nodes)
        left[-1] = np.inf
        rest = ~fixed
        flows, across = flows[rest], across[:, rest]
        share, want = share[rest], want[rest]
    return rate


def _settled(
    level: FloatArray, across: IntArray, there: FloatArray, bound: FloatArray
) -> npt.NDArray[np.bool_]:
    """Flows of a direction that is the tightest of all that cross it."""
    tight = there <= bound * (1 + REACHED)
    every = np.bincount(across.ravel(), minlength=len(level))
    held = np.bincount(across.ravel(), tight.ravel(), len(level))
    full = (held >= every) & np.isfinite(level)
    return np.asarray((full[across] & tight).any(axis=0))
