"""The least bandwidth at which a pre-copy is worth what it sends.

At its LCB a pre-copy ends in the end, having sent its memory many times
over, and only if the VM writes no more than was measured. Whoever has
another choice asks for more: that it still ends, and sends little again,
though the VM writes more than it did. Only arithmetic on values lives here.
"""

import dataclasses

import numpy as np

from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.lcb import least_convergent_bandwidth
from watcher_tsmig.forecast.migrations import pre_copy
from watcher_tsmig.forecast.terms import PLAIN_TERMS
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.forecast.terms import weight_once
from watcher_tsmig.model.rules import Rules

# Halvings on a logarithmic scale: of a factor of a million to a thousandth.
HALVINGS = 14
# At this many times its LCB, hardly any pre-copy sends anything twice.
PLENTY = 1e6


def busier(curves: Curves, factor: float) -> Curves:
    """The same VMs, writing so many times as much; never above resident."""
    return dataclasses.replace(
        curves,
        slope=curves.slope * factor,
        intercept=curves.intercept * factor,
        knot=curves.knot * factor,
    )


def economic_bandwidth(
    curves: Curves,
    rules: Rules,
    resend: float,
    caution: float = 1.0,
    terms: Terms = PLAIN_TERMS,
) -> FloatArray:
    """The least bandwidth at which each pre-copy sends little again.

    Bytes sent fall as the bandwidth grows (MigVisor's recursion), so a
    bisection finds it, on the sufficient side.

    :param resend: it sends at most this many times its memory, >= 1
    :param caution: the VM writes this many times as much as its curve says
    :returns: shape (n,), bytes/s on the wire, >= the LCB; inf where none
        will do
    """
    written = busier(curves, caution)
    low = least_convergent_bandwidth(written, rules, terms=terms)
    possible = np.isfinite(low) & (low > 0)
    low = np.where(possible, low, 1.0)
    most = resend * curves.resident * weight_once(rules, terms)

    def enough(bandwidth: FloatArray) -> np.ndarray:
        return pre_copy(written, bandwidth, rules, terms=terms).data <= most

    high = low * PLENTY
    possible &= enough(high)
    high = np.where(enough(low), low, high)
    for _ in range(HALVINGS):
        middle = np.sqrt(low * high)
        good = enough(middle)
        high = np.where(good, middle, high)
        low = np.where(good, low, middle)
    return np.where(possible, high, np.inf)
