"""What a NIC will most likely carry at most in the next quarter of an hour.

Arithmetic on series. A forecast that is right in the middle is too low every
other time, and a link that is full loses packets at once. By how much the
load rose above its last point within the time that is foretold, in the mean
of late, tells how far it may rise now: the upper value is the last point and
so many times that mean. It is a quantile by the pinball loss (Koenker and
Bassett, "Regression Quantiles", 1978) with one coefficient, chosen on the
first week of a trace (benchmarks/traffic.py).
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: How often a load is to stay at or below its upper value.
LEVEL = 0.95
#: Mean rises on top of the last point: an exponential's quantile of 0.95
#: would be 3, but traffic's tail is longer.
RISES = 6.0
#: s after which a rise counts half.
HALF = 3600.0


def upper(
    series: FloatArray, known: IntArray, steps: int, span: float
) -> FloatArray:
    """What the mean over the next `steps` points will most likely not exceed.

    :param series: shape (n, k), the load of each NIC, the newest last; what
        lies before the known points is not looked at
    :param known: shape (n,), points at the end of each that are known
    :param span: of a point, s
    :returns: shape (n,), in the series' unit; NaN where no more than `steps`
        points are known, from which nothing can be told
    """
    _, width = series.shape
    judged = width - steps
    if judged < 1:
        return np.full(len(series), np.nan)
    came = sliding_window_view(series[:, 1:], steps, 1).mean(2)
    rises = np.maximum(came - series[:, :judged], 0.0)
    weights = 0.5 ** (np.arange(judged)[::-1] * span / HALF) * (
        np.arange(judged) >= (width - known)[:, None]
    )
    total = weights.sum(1)
    mean = np.divide(
        (rises * weights).sum(1),
        total,
        out=np.full(len(series), np.nan),
        where=total > 0,
    )
    return np.asarray(series[:, -1] + RISES * mean)
