"""How far measurements of writing can be wrong.

Only arithmetic on arrays lives here; what was measured is the model's.
Sources: QEMU, migration/dirtyrate.c (pages sampled per GiB); libvirt,
qemu_driver.c (a rate in whole MiB/s, cut off); the spread is that of real
migrations of one VM, of the same rounds in repeated runs.
"""

import math

import numpy as np
import numpy.typing as npt

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.model.observed import Kind
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

BoolArray = npt.NDArray[np.bool_]

# Pages that QEMU looks at per GiB, by default (dirtyrate.h).
SAMPLED_PER_GIB = 512
# How much a workload itself differs between measurements: coefficient of
# variation over repeated runs, by horizons below so many s. Measured 2 to
# 5 % from 3 s on, 7 to 13 % at 1 to 2 s, nothing below: the upper end.
SPREAD = ((1.0, 0.13), (3.0, 0.10), (math.inf, 0.035))
# A page: nothing is known better than it is counted.
PAGE = 4096.0


def lost(seconds: FloatArray, truncated: BoolArray) -> FloatArray:
    """Bytes that the cut to whole MiB/s may have taken at most."""
    return np.where(truncated, seconds * MIB, 0.0)


def middle(dirtied: FloatArray, lost: FloatArray) -> FloatArray:
    """Bytes dirtied, as expected: half of the cut given back."""
    return dirtied + lost / 2


def deviation(
    seconds: FloatArray,
    middle: FloatArray,
    lost: FloatArray,
    sampling: BoolArray,
    memory: FloatArray,
) -> FloatArray:
    """Standard deviation of `middle`, bytes.

    The workload's spread, the cut (uniform: its width / sqrt 12) and, of
    sampling, the binomial M sqrt(p (1 - p) / n), with p drawn from 0 and 1
    by half a page, or a quiet VM would seem exactly known. All arrays are
    of one shape, or broadcast to it.

    :param seconds: s, measured
    :param middle: bytes, see `middle`
    :param lost: bytes, see `lost`
    :param sampling: whether some pages stand for all
    :param memory: bytes of the guest that sampling draws from
    """
    bounds, spreads = zip(*SPREAD, strict=True)
    which = np.searchsorted(np.array(bounds[:-1]), seconds, side='right')
    spread = np.array(spreads)[which]
    variance = (spread * middle) ** 2 + lost**2 / 12
    pages = np.maximum(SAMPLED_PER_GIB * memory / GIB, 1.0)
    share = np.minimum(middle / memory, 1.0)
    share = (share * pages + 0.5) / (pages + 1)
    drawn = memory**2 * share * (1 - share) / pages
    variance = variance + np.where(sampling, drawn, 0.0)
    out: FloatArray = np.maximum(np.sqrt(variance), PAGE)
    return out


def of_one(seen: Observation, memory: float) -> float:
    """The `deviation` of one measurement, bytes.

    :param memory: bytes of the guest
    """
    seconds = np.array([seen.seconds])
    off = lost(seconds, np.array([seen.truncated]))
    (found,) = deviation(
        seconds,
        middle(np.array([seen.dirtied]), off),
        off,
        np.array([seen.kind is Kind.SAMPLING]),
        np.array([memory]),
    ).tolist()
    return float(found)
