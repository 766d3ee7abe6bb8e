"""Who gets how much of the NICs: max-min fairness with demands.

Pure arithmetic. Every flow crosses one or two NIC directions and asks for
a rate; progressive filling raises all flows together until a direction is
full or a flow has what it asks for (Bertsekas and Gallager, "Data
Networks", section 6.5.2). It is what TCP flows of equal round-trip time
come to.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

NOWHERE = -1
# Directions and demands within this share of a capacity count as reached.
REACHED = 1e-9


def max_min(
    capacity: FloatArray, path: IntArray, demand: FloatArray
) -> FloatArray:
    """The max-min fair rate of each flow.

    :param capacity: shape (r,), bytes/s of each NIC direction
    :param path: shape (f, 2), the directions that each flow crosses;
        `NOWHERE` where it crosses only one
    :param demand: shape (f,), bytes/s that each asks for; inf is allowed
    :returns: shape (f,), bytes/s
    """
    rate = np.zeros(len(demand))
    left = capacity.astype(np.float64)
    open_flows = demand > 0
    crosses = np.zeros((len(demand), len(capacity)), dtype=bool)
    for column in (0, 1):
        rows = np.flatnonzero(path[:, column] != NOWHERE)
        crosses[rows, path[rows, column]] = True
    while open_flows.any():
        count = crosses[open_flows].sum(axis=0)
        share = np.full(len(capacity), np.inf)
        used = count > 0
        share[used] = np.maximum(left[used], 0.0) / count[used]
        step = min(
            float(share.min(initial=np.inf)),
            float((demand - rate)[open_flows].min()),
        )
        rate[open_flows] += step
        left -= step * count
        full = used & (left <= REACHED * capacity)
        met = rate >= demand * (1 - REACHED)
        stopped = open_flows & (met | crosses[:, full].any(axis=1))
        if not stopped.any():
            break
        open_flows &= ~stopped
    return rate
