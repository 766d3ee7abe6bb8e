"""What VMs will send and receive in the next quarter of an hour.

Arithmetic on series. Traffic is spiky and each VM's in a way of its own: the
median of its last points forgets a spike, the last point alone follows a
change at once. Which of them would have been right for this VM lately is
counted, and the best is taken: prediction with expert advice, following the
leader with discounted losses (Cesa-Bianchi and Lugosi, "Prediction,
Learning, and Games", section 2.11).
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: s for which traffic is foretold: until most of a plan has been carried out
AHEAD = 900.0
#: Points whose median is one answer. The first wins where nothing is known
#: yet: one lull, or one spike, makes nobody idle or busy.
MEDIANS = (3, 1, 5, 7, 12, 24)
#: Points after which an error counts half.
HALF = 36.0


def ahead(series: FloatArray, known: IntArray, steps: int) -> FloatArray:
    """The mean of each series over its next `steps` points.

    :param series: shape (n, k), the newest last; what lies before the known
        points is not looked at
    :param known: shape (n,), points at the end of each that are known, >= 1
    :returns: shape (n,), in the series' unit
    """
    _, width = series.shape
    begins = width - known
    index = np.maximum(np.arange(width), begins[:, None])
    series = np.take_along_axis(series, index, 1)
    # before its first point, a series is taken to have been at that
    padded = np.pad(series, ((0, 0), (max(MEDIANS) - 1, 0)), 'edge')
    answers = np.stack(
        [
            np.median(sliding_window_view(padded, many, 1)[:, -width:], axis=2)
            for many in MEDIANS
        ]
    )
    judged = width - steps
    if judged < 1:
        return np.asarray(answers[0, :, -1])
    came = sliding_window_view(series[:, 1:], steps, 1).mean(2)
    losses = np.abs(answers[:, :, :judged] - came)
    weights = 0.5 ** (np.arange(judged)[::-1] / HALF) * (
        np.arange(judged) >= begins[:, None]
    )
    best = np.argmin((losses * weights).sum(2), axis=0)
    return np.asarray(answers[best, np.arange(len(series)), -1])
