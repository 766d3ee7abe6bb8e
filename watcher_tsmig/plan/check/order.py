"""Whether `after` alone keeps apart what must not meet.

Forecasts err, so a plan's times do not hold; what holds is that nothing
starts before all that it waits for has ended. Then whatever may run at
once is an antichain of `after`: migrations of which none is, by whatever
way, after another.
"""

from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from watcher_tsmig.plan.check.view import AGREE
from watcher_tsmig.plan.check.view import View

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]


def honoured(view: View) -> Iterator[str]:
    """Nothing starts before what it waits for has ended."""
    ids = {m.id: i for i, m in enumerate(view.moves)}
    for i in view.circular:
        yield f'{view.moves[i].id}: waits for itself, maybe through others'
    for m in view.moves:
        for other in m.after:
            if view.over[ids[other]] > m.start:
                yield f'{m.id}: starts before {other} ends'


def exclusive(view: View) -> Iterator[str]:
    """On one side of a host, and in a slot, all that did not meet waits.

    So an antichain of them is of migrations that all meet in the plan, and
    intervals of which any two meet have a moment in common: the plan has
    tried it already.
    """
    users: dict[str, list[int]] = {}
    for i, m in enumerate(view.moves):
        for what in (
            f'leaves {m.source}',
            f'enters {m.destination}',
            f'holds slot {m.slot}',
        ):
            users.setdefault(what, []).append(i)
    for what, rows in users.items():
        by_end = sorted(rows, key=lambda i: view.over[i])
        ended, done = 0, 0
        for i in sorted(rows, key=lambda i: view.moves[i].start):
            m = view.moves[i]
            while done < len(rows) and view.over[by_end[done]] <= m.start:
                ended |= 1 << by_end[done]
                done += 1
            missing = ended & ~view.before[i] & ~(1 << i)
            if missing:
                k = view.moves[missing.bit_length() - 1]
                yield f'{m.id}: nothing makes it wait for {k.id}, which {what}'


def one_group(view: View) -> Iterator[str]:
    """No more of a server group can run at once than may."""
    members: dict[str, list[int]] = {}
    for i, m in enumerate(view.moves):
        for group in view.groups.get(m.vm, ()):
            members.setdefault(group.id, []).append(i)
    most = float(view.plan.request.max_per_group)
    for name, rows in members.items():
        for i, k in crowded(view, rows, [1.0] * len(rows), most):
            yield (
                f'{view.moves[i].id}: nothing makes it wait for '
                f'{view.moves[k].id}, of group {name}'
            )


def crowded(
    view: View, rows: Sequence[int], weights: Sequence[float], most: float
) -> Iterator[tuple[int, int]]:
    """Pairs (i, k) where i should wait for k, or too much may run at once.

    One pair for each i, of which k is the last that it does not wait for.

    Asked of `rows` is that no antichain of them weighs more than `most`,
    if none that meets in the plan does. For each row a bound is computed
    of all antichains with it; where that is too much, each row that is not
    ordered with it must meet it in the plan. That is enough: in an
    antichain that weighs too much every member's bound is too much, so any
    two of them meet, so there is a moment in the plan when all do.

    The bound is the least of three sums over all rows not ordered with it:
    by slot the heaviest only, for a slot's migrations are ordered; and by
    source, and by destination, not more than ever meet in the plan, for
    the rest of a host's side are ordered (`exclusive`).
    """
    row = np.array(rows, dtype=np.intp)
    weight = np.array(weights, dtype=np.float64)
    sides = [
        _Side(view, [getattr(view.moves[i], side) for i in rows], row, weight)
        for side in ('source', 'destination')
    ]
    enough = most * (1 + AGREE)
    if min(side.peak.sum() for side in sides) <= enough:
        return
    slots = [view.moves[i].slot for i in rows]
    slot = np.unique(slots, return_inverse=True)[1]
    start = np.array([view.moves[i].start for i in rows])
    over = np.array([view.over[i] for i in rows])
    for j, i in enumerate(rows):
        free = _unordered(view, i)[row]
        loose = np.where(free, weight, 0.0)
        heaviest = np.zeros(slot.max() + 1)
        np.maximum.at(heaviest, slot, loose)
        heaviest[slot[j]] = weight[j]
        loose[j] = weight[j]
        bound = min(heaviest.sum(), *(side.bound(loose) for side in sides))
        if bound > enough:
            passed = free & (over <= start[j])
            if passed.any():
                last = int(np.where(passed, over, -1.0).argmax())
                yield i, rows[last]


def _unordered(view: View, i: int) -> BoolArray:
    """Which rows are neither before nor later than it, nor itself."""
    n = len(view.moves)
    ordered = view.before[i] | view.later[i] | 1 << i
    octets = np.frombuffer(ordered.to_bytes(n // 8 + 1, 'little'), np.uint8)
    ordered_rows = np.unpackbits(octets, count=n, bitorder='little')
    return np.logical_not(ordered_rows)


class _Side:
    """What rows weigh by their host on one side."""

    def __init__(
        self,
        view: View,
        names: list[str],
        rows: IntArray,
        weight: FloatArray,
    ) -> None:
        known, self.label = np.unique(names, return_inverse=True)
        #: the most that is there at once in the plan, by host
        self.peak = np.zeros(len(known))
        now = np.zeros(len(known))
        events = [(view.moves[i].start, 1, j) for j, i in enumerate(rows)]
        events += [(view.over[i], -1, j) for j, i in enumerate(rows)]
        for _, sign, j in sorted(events):
            host = self.label[j]
            now[host] += sign * weight[j]
            self.peak[host] = max(self.peak[host], now[host])

    def bound(self, loose: FloatArray) -> float:
        """At most this much of some loose weights is there at once."""
        total = np.bincount(self.label, loose, len(self.peak))
        return float(np.minimum(total, self.peak).sum())
