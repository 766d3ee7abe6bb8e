"""Orders that leave no gap on a link that all tasks share.

Where all tasks use the link at one and the same rate, it is a number of
lanes, and a task fills one of them for its time. The lanes are packed with
as much as a target permits (patterns: Gilmore and Gomory 1961), which gives
slots; tasks then exchange slots of their length until none runs beside one
that it excludes (quadratic assignment, tabu search: Taillard 1991). Only
rigid tasks belong here, see neighbourhood.py.
"""

import collections
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
from scipy import optimize

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.schedule import bounds
from watcher_tsmig.plan.schedule.bounds import Least
from watcher_tsmig.plan.schedule.tasks import Tasks

# Beyond so many tasks or patterns it takes longer than repairing, which
# then is nearly always as good: long lanes are easily packed.
TASKS = 500
PATTERNS = 5000
# Nodes of branch and bound, of which mostly one is enough.
NODES = 100
# Two exchanged tasks do not come back for so many exchanges.
TABU = (50, 150)
# A time within this share of the lane is no overlap.
NOTHING = 1e-9


def order(
    tasks: Tasks,
    need: Least,
    target: float,
    random: np.random.Generator,
    steps: int,
) -> list[int] | None:
    """Tasks by start, of a timetable that ends by the target.

    Stores and links that admit a few at once are not looked at: whoever
    lists the tasks in this order may end later.

    :param target: s, when all are to have ended
    :param steps: at most so many exchanges
    :returns: None where none was found, or no such link binds
    """
    n = len(tasks.tasks)
    seconds = np.array([need.seconds[i] for i in range(n)])
    heads, tails = set(need.head.values()), set(need.tail.values())
    if n > TASKS or len(need.head) < n or len(heads) > 1 or tails != {0.0}:
        return None
    lanes = min(
        (many for many, group in bounds.even(tasks, need) if len(group) == n),
        default=0.0,
    )
    if not lanes:
        return None
    packed = _packed(seconds, int(lanes), target - min(heads))
    if packed is None:
        return None
    start, end = _slots(packed, random)
    exclude = np.zeros((n, n))
    for group in need.alone.values():
        exclude[np.ix_(group, group)] = 1.0
    np.fill_diagonal(exclude, 0.0)
    slack = NOTHING * float(end.max())
    beside = (start[:, None] < end - slack) & (start < end[:, None] - slack)
    slot = _exchanged(seconds, end - start, exclude, beside, random, steps)
    if slot is None:
        return None
    out: list[int] = np.argsort(start[slot], kind='stable').tolist()
    return out


def _packed(
    seconds: FloatArray, lanes: int, room: float
) -> list[list[float]] | None:
    """For each lane what it is filled with; None: not all fits, or who knows.

    :param room: what fits into a lane, s
    """
    lengths, count = np.unique(seconds, return_counts=True)
    patterns = []
    room *= 1 + NOTHING
    for pattern in _patterns(lengths.tolist(), count.tolist(), room):
        patterns.append(pattern)
        if len(patterns) > PATTERNS:
            return None
    if not patterns:
        return None
    found = optimize.milp(
        np.zeros(len(patterns)),
        constraints=[
            optimize.LinearConstraint(np.array(patterns).T, lb=count),
            optimize.LinearConstraint(np.ones(len(patterns)), ub=lanes),
        ],
        integrality=np.ones(len(patterns)),
        options={'node_limit': NODES},
    )
    if found.x is None:
        return None
    rest = collections.Counter(seconds.tolist())
    out = []
    for pattern, many in zip(patterns, np.round(found.x), strict=True):
        for _ in range(int(many)):
            lane: list[float] = []
            for length, most in zip(lengths.tolist(), pattern, strict=True):
                used = min(most, rest[length])
                rest[length] -= used
                lane += [length] * used
            out.append(lane)
    return out


def _patterns(
    lengths: Sequence[float], count: Sequence[int], room: float
) -> Iterator[tuple[int, ...]]:
    """How many of each length fill a lane, so that no more fits."""
    if len(lengths) == 1:
        yield (min(count[0], int(room // lengths[0])),)
        return
    for many in range(min(count[-1], int(room // lengths[-1])), -1, -1):
        left = room - many * lengths[-1]
        for rest in _patterns(lengths[:-1], count[:-1], left):
            yield (*rest, many)


def _slots(
    packed: Sequence[Sequence[float]], random: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """(start, end) of each slot, in each lane in any order."""
    start: list[float] = []
    end: list[float] = []
    for lane in packed:
        ends = np.cumsum(random.permutation(np.array(lane)))
        start += [0.0, *ends[:-1].tolist()][: len(lane)]
        end += ends.tolist()
    return np.array(start), np.array(end)


def _exchanged(
    seconds: FloatArray,
    length: FloatArray,
    exclude: FloatArray,
    beside: BoolArray,
    random: np.random.Generator,
    steps: int,
) -> IntArray | None:
    """A slot for each task, in which it is beside none that it excludes.

    :param seconds: shape (n,), of the tasks
    :param length: shape (n,), of the slots, the same but for their order
    :param exclude: shape (n, n), 1 for tasks that exclude each other
    :param beside: shape (n, n), whether slots overlap
    :returns: shape (n,); None where none was found
    """
    n = len(seconds)
    over = beside.astype(np.float64)
    slot = np.empty(n, dtype=np.intp)
    # slots' lengths are sums' differences: their ranks are the tasks' own
    slot[np.argsort(seconds, kind='stable')] = np.argsort(length)
    one, two = np.triu_indices(n, 1)
    alike = seconds[one] == seconds[two]
    one, two = one[alike], two[alike]
    both = exclude[one, two]
    clash = exclude @ over[slot]  # (task, slot) -> what it would exclude
    every = np.arange(n)
    cost = float(clash[every, slot].sum()) / 2
    least = cost
    until = np.zeros((n, n))
    for step in range(steps if len(one) else 1):
        if cost < 0.5:
            return slot
        at, to = slot[one], slot[two]
        change = clash[one, to] + clash[two, at]
        change -= clash[one, at] + clash[two, to]
        change -= 2 * both * (1.0 - over[at, to])
        barred = (until[one, to] > step) & (until[two, at] > step)
        change[barred & (cost + change >= least)] = np.inf
        if not np.isfinite(change).any():
            continue
        best = int(random.choice(np.flatnonzero(change == change.min())))
        i, j = int(one[best]), int(two[best])
        until[i, slot[i]], until[j, slot[j]] = step + random.integers(*TABU, 2)
        clash += np.outer(
            exclude[:, i] - exclude[:, j], over[slot[j]] - over[slot[i]]
        )
        slot[[i, j]] = slot[[j, i]]
        cost += float(change[best])
        least = min(least, cost)
    return None
