"""How a VM's traffic varies: its middle, its upper end, and its bursts.

Arithmetic on series. A burst is a span in which a VM sends more than twice
the median of the hour before, and a Mbit/s more than that: what nothing lately
foretold. Bursts are not for everybody. On a provider's trace 96 % of them are
those of the quarter of VMs that had one within the day before
(benchmarks/traffic.py), so that how often a VM burst tells how often it will.
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from watcher_tsmig.model.traffic import Spread
from watcher_tsmig.units import from_mbit_s

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: s whose median a burst is seen against
BEFORE = 3600.0
#: Of that median, what is a burst if it is also `OVER` more, bytes/s
TIMES = 2.0
OVER = from_mbit_s(1.0)
#: What is known of a VM before anything was seen of it: so many s, in which
#: it burst so much of the time. Chosen on the first week of the trace, where
#: shares told and shares that came then agree from 0.2 % to 30 %.
PRIOR, USUAL = 4800.0, 0.02


def bursts(
    series: FloatArray, known: IntArray, span: float
) -> tuple[BoolArray, BoolArray]:
    """Which points of each series are bursts, and which can be judged.

    :param series: shape (n, k), bytes/s, the newest last
    :param known: shape (n,), points at the end of each that are known
    :param span: of a point, s
    :returns: both of shape (n, k); a point is judged that has an hour of
        known points before it, and nothing is a burst that is not
    """
    many, width = series.shape
    hour = max(round(BEFORE / span), 3)
    judged = np.arange(width) >= (width - known + hour)[:, None]
    found = np.zeros((many, width), dtype=bool)
    if width > hour:
        usual = np.median(sliding_window_view(series, hour, 1)[:, :-1], axis=2)
        least = np.maximum(TIMES * usual, usual + OVER)
        found[:, hour:] = series[:, hour:] > least
    return found & judged, judged


def spreads(
    series: FloatArray, known: IntArray, span: float
) -> list[Spread | None]:
    """How each series varied.

    The share of time in bursts is the mean of what was seen and of what is
    usual, each weighed by its time (a beta prior's posterior mean).

    :param series: shape (n, k), bytes/s, the newest last
    :param known: shape (n,), points at the end of each that are known
    :param span: of a point, s
    :returns: None for one whose bursts were watched for less than an hour
    """
    found, judged = bursts(series, known, span)
    _, width = series.shape
    burst = found.sum(1) * span
    seen = judged.sum(1) * span
    share = (burst + PRIOR * USUAL) / (seen + PRIOR)
    told: list[Spread | None] = []
    for i, many in enumerate(known.tolist()):
        if seen[i] < BEFORE:
            told.append(None)
            continue
        p50, p95 = np.quantile(series[i, width - many :], (0.5, 0.95))
        told.append(
            Spread(
                p50=float(p50),
                p95=float(max(p95, p50)),
                bursts=float(share[i]),
                watched=many * span,
            )
        )
    return told
