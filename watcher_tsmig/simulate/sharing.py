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
    r, width = len(capacity), path.shape[1]
    rate = np.zeros(len(demand))
    weights = np.ones(len(demand)) if weight is None else weight
    left = np.append(capacity.astype(np.float64), np.inf)
    flows = np.flatnonzero(demand > 0)
    across = np.where(path == NOWHERE, r, path)[flows]
    while len(flows):
        share, want = weights[flows], demand[flows]
        level = _levels(left, across, share)
        bound = level[across].min(axis=1)
        fixed = want <= bound * share * (1 + REACHED)
        value = want
        if not fixed.any():
            fixed = _settled(level, across, bound, r)
            value = bound * share
        rate[flows[fixed]] = value[fixed]
        used = np.repeat(value[fixed], width)
        left -= np.bincount(across[fixed].ravel(), used, r + 1)
        left[r] = np.inf
        flows, across = flows[~fixed], across[~fixed]
    return rate


def _levels(
    left: FloatArray, across: IntArray, share: FloatArray
) -> FloatArray:
    """What each direction has left for a connection, shape (r + 1,)."""
    width = across.shape[1]
    heavy = np.bincount(across.ravel(), np.repeat(share, width), len(left))
    level = np.full(len(left), np.inf)
    some = heavy[:-1] > 0
    level[:-1][some] = np.maximum(left[:-1][some], 0.0) / heavy[:-1][some]
    return level


def _settled(
    level: FloatArray, across: IntArray, bound: FloatArray, r: int
) -> npt.NDArray[np.bool_]:
    """Flows of a direction that is the tightest of all that cross it."""
    tight = level[across] <= bound[:, None] * (1 + REACHED)
    every = np.bincount(across.ravel(), minlength=r + 1)
    held = np.bincount(across.ravel(), tight.ravel(), r + 1)
    full = (held >= every) & np.isfinite(level)
    return np.asarray((full[across] & tight).any(axis=1))
