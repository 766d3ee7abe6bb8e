"""What was measured of many VMs' writing, as arrays.

Only the change of form lives here; what it gives is learning.py's.
"""

import dataclasses
import math
import operator
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.learned import noise
from watcher_tsmig.forecast.learned.regression import BoolArray
from watcher_tsmig.forecast.learned.regression import IntArray
from watcher_tsmig.model.observed import Kind
from watcher_tsmig.model.observed import Observation

SPAN = operator.attrgetter('seconds')
# VMs are taken together up to so many numbers in one array.
MOST_NUMBERS = 4_000_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of one VM.

    :ivar observations: in any order
    :ivar resident: bytes that a first pass sends
    :ivar memory: bytes of the guest; None: resident
    """

    observations: Iterable[Observation]
    resident: float
    memory: float | None = None


def alike(seen: Sequence[Sequence[Observation]]) -> Iterator[list[int]]:
    """The VMs in groups that need arrays of like shapes, not too large."""
    sizes = [
        (len(set(map(SPAN, several))) ** 2, len(several)) for several in seen
    ]
    some: list[int] = []
    most = 0
    for i in sorted(range(len(seen)), key=sizes.__getitem__):
        if not seen[i]:
            continue
        most = max(most, *sizes[i])
        if some and most * (len(some) + 1) > MOST_NUMBERS:
            yield some
            some, most = [], max(sizes[i])
        some.append(i)
    if some:
        yield some


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n VMs with at most m measurements each, oldest first, and k spans.

    :ivar many: shape (n,), measurements of each
    :ivar at: shape (n, m), s; inf where there is none
    :ivar earlier: shape (n, m), measurements from before its moment
    :ivar spread: shape (n, m), bytes, standard deviation
    :ivar knots: shape (n, k), s, the different spans by length; after the
        last one it is repeated
    :ivar knot: shape (n, m), which of them was measured
    :ivar near: shape (n, k, k), whether two spans are within half an octave
    """

    resident: FloatArray
    memory: FloatArray
    many: IntArray
    at: FloatArray
    earlier: IntArray
    seconds: FloatArray
    middle: FloatArray
    lost: FloatArray
    sampling: BoolArray
    spread: FloatArray
    knots: FloatArray
    knot: IntArray
    near: BoolArray


def batch(
    measured: Sequence[Measured], seen: Sequence[Sequence[Observation]]
) -> Batch:
    many = np.array([len(several) for several in seen])
    there = np.arange(many.max()) < many[:, None]

    every = [o for several in seen for o in several]

    def padded(name: str, rest: float = 0.0) -> FloatArray:
        array = np.full(there.shape, rest)
        values = map(operator.attrgetter(name), every)
        array[there] = np.fromiter(values, np.float64, len(every))
        return array

    at, seconds = padded('at', math.inf), padded('seconds')
    lost = noise.lost(seconds, padded('truncated') > 0)
    middle = noise.middle(padded('dirtied'), lost)
    sampling = np.zeros(there.shape, dtype=np.bool_)
    sampling[there] = [o.kind is Kind.SAMPLING for o in every]
    earlier = np.zeros(there.shape, dtype=np.int64)
    earlier[:, 1:] = np.where(
        at[:, 1:] > at[:, :-1], np.arange(1, at.shape[1]), 0
    )
    earlier = np.maximum.accumulate(earlier, axis=1)
    resident = np.array([float(one.resident) for one in measured])
    memory = np.array([float(one.memory or one.resident) for one in measured])
    knots, knot = _knots(np.where(there, seconds, seconds[:, :1]))
    apart = np.log2(knots[:, None, :] / knots[:, :, None])
    return Batch(
        resident=resident,
        memory=memory,
        many=many,
        at=at,
        earlier=earlier,
        seconds=seconds,
        middle=middle,
        lost=lost,
        sampling=sampling,
        spread=noise.deviation(
            seconds, middle, lost, sampling, memory[:, None]
        ),
        knots=knots,
        knot=knot,
        near=np.abs(apart) <= 0.5,
    )


def _knots(seconds: FloatArray) -> tuple[FloatArray, IntArray]:
    """The different seconds of each row, and which of them each is."""
    order = np.argsort(seconds, axis=1, kind='stable')
    rising = np.take_along_axis(seconds, order, axis=1)
    rank = np.zeros(order.shape, dtype=np.int64)
    np.cumsum(rising[:, 1:] > rising[:, :-1], axis=1, out=rank[:, 1:])
    knots = np.repeat(rising[:, -1:], int(rank.max()) + 1, axis=1)
    np.put_along_axis(knots, rank, rising, axis=1)
    knot = np.empty_like(rank)
    np.put_along_axis(knot, order, rank, axis=1)
    return knots, knot
