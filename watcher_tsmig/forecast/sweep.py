"""The rounds of a pre-copy as QEMU walks them, not as the models have it.

Same place in the house as rounds.py, and the same result. QEMU does not end
a round when all is sent: it looks every window (100 ms) whether what is left
would fit the downtime limit, and if so reads the dirty log at once; what was
not sent yet stays, and the hand that sends goes on from where it was.
Sources: QEMU, migration/migration.c, migration_iteration_run and
migration_update_counters; migration/ram.c, find_dirty_block.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from watcher_tsmig.forecast import rounds
from watcher_tsmig.forecast import throttle
from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.rounds import CONVERGES
from watcher_tsmig.forecast.rounds import STALLS
from watcher_tsmig.forecast.rounds import TOO_MANY_ROUNDS
from watcher_tsmig.forecast.rounds import IntArray
from watcher_tsmig.forecast.rounds import Walked
from watcher_tsmig.forecast.terms import Course
from watcher_tsmig.forecast.terms import limit_after
from watcher_tsmig.model.rules import Rules

BoolArray = npt.NDArray[np.bool_]

# Parts of memory that are told apart by when they were read last; more
# than a sweep of the hand has rounds, so that merging is rare.
PARTS = 24
# Rounds without a new least of what is left, after which none will come:
# several sweeps of the hand.
PATIENCE = 3 * PARTS
LESS = 1 - 1e-4
# A sync, then another: more are not walked, whatever the rules say.
MOST_ROUNDS = 2000


@dataclasses.dataclass(slots=True, eq=False)
class _Memory:
    """n guests' memories, in the order in which the hand comes to them.

    Arrays of shape (n, PARTS), empty parts at the end.

    :ivar share: of the memory
    :ivar left: bytes of it that are to be sent
    :ivar since: when its dirtying was last read before it was sent, s;
        -inf: it was never sent
    """

    share: FloatArray
    left: FloatArray
    since: FloatArray


def walk(
    curves: Curves, how: Course, bracket: Bracket, window: float
) -> Walked:
    """Walk the rounds of each migration.

    A part of the memory that the hand passed after the log was read at s
    holds, when it is read again at t, what was dirtied in t - s: share x
    W(t - s), as writes know nothing of the order of sending.

    :param window: s between two looks at what is left
    """
    n = len(curves)
    memory = _fresh(how, n)
    elapsed, sent = how.begin.copy(), np.zeros(n)
    read = how.begin.copy()  # when the log was last read
    rest, least = how.first.copy(), np.full(n, np.inf)
    since_least = np.zeros(n, dtype=int)
    ending: IntArray = np.full(n, TOO_MANY_ROUNDS)
    active = np.ones(n, dtype=bool)
    listed: list[FloatArray] = []
    for _ in range(MOST_ROUNDS):
        rows = np.flatnonzero(active)
        if not len(rows):
            break
        some, theirs = curves.take(rows), how.take(rows)
        part = _Memory(
            memory.share[rows], memory.left[rows], memory.since[rows]
        )
        paced = _paced(theirs, part)
        went, seconds = _due(paced, rest[rows], elapsed[rows], window)
        column = np.full(n, np.nan)
        column[rows] = went
        listed.append(column)
        elapsed[rows] += seconds
        sent[rows] += went
        _pass(part, went, read[rows])
        _sync(part, some, theirs, elapsed[rows], bracket)
        for name in ('share', 'left', 'since'):
            getattr(memory, name)[rows] = getattr(part, name)
        read[rows] = elapsed[rows]
        rest[rows] = part.left.sum(axis=1)
        most = theirs.rate * limit_after(theirs, elapsed[rows])
        fits = rest[rows] * theirs.full <= most
        better = rest[rows] < least[rows] * LESS
        least[rows] = np.minimum(least[rows], rest[rows])
        since_least[rows] = np.where(better, 0, since_least[rows] + 1)
        stuck = ~fits & (since_least[rows] > PATIENCE)
        stuck &= ~_rises(theirs, elapsed[rows])
        ending[rows[fits]] = CONVERGES
        ending[rows[stuck]] = STALLS
        active[rows] = ~(fits | stuck)
    return Walked(
        elapsed, sent, rest, _listed(listed, ending, rest), None, ending
    )


def walked_by(
    rules: Rules, curves: Curves, how: Course, bracket: Bracket
) -> Walked:
    """The walk that the rules ask for: the models', or QEMU's own.

    Of those that auto-converge may slow down, the one that does.
    """
    slowed = how.throttle > 0
    if slowed.any() and not slowed.all():
        parts = np.flatnonzero(slowed), np.flatnonzero(~slowed)
        back = np.argsort(np.concatenate(parts))
        some = [
            walked_by(rules, curves.take(rows), how.take(rows), bracket)
            for rows in parts
        ]
        return throttle.joined(some, back)
    if slowed.any():
        return throttle.walk(curves, how, bracket)
    if rules.window:
        return walk(curves, how, bracket, rules.window)
    return rounds.walk(curves, how, bracket)


def _listed(
    columns: list[FloatArray], ending: IntArray, rest: FloatArray
) -> FloatArray:
    """Bytes by round, (n, r), what is sent while it stands at the end."""
    n = len(rest)
    out = np.stack([*columns, np.full(n, np.nan)], axis=1)
    last = (~np.isnan(out)).sum(axis=1)
    out[np.arange(n), last] = np.where(ending == CONVERGES, rest, np.nan)
    width = int((~np.isnan(out)).sum(axis=1).max(initial=1))
    return out[:, :width]


def _fresh(how: Course, n: int) -> _Memory:
    shape = (n, PARTS)
    memory = _Memory(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    memory.share[:, 0] = 1.0
    memory.left[:, 0] = how.first
    memory.since[:, 0] = -np.inf
    return memory


def _rises(how: Course, elapsed: FloatArray) -> BoolArray:
    """Where the downtime limit will still be raised, shape (n,)."""
    out: BoolArray = limit_after(how, elapsed) < how.limit
    return out


def _paced(how: Course, memory: _Memory) -> Course:
    """With the mean rate of what is left, of which some was never sent."""
    if bool((how.first_rate == how.rate).all()):
        return how
    left = memory.left.sum(axis=1)
    never = np.where(np.isinf(memory.since), memory.left, 0.0).sum(axis=1)
    seconds = never / how.first_rate + (left - never) / how.rate
    rate = np.divide(left, seconds, out=how.rate.copy(), where=seconds > 0)
    return dataclasses.replace(how, rate=rate)


def _due(
    how: Course, rest: FloatArray, elapsed: FloatArray, window: float
) -> tuple[FloatArray, FloatArray]:
    """Bytes that go until the log is read again, and s that they take."""
    quota = how.rate * window
    enough = how.rate * limit_after(how, elapsed) / how.full
    windows = np.maximum(np.floor((rest - enough) / quota) + 1, 1.0)
    went = np.minimum(windows * quota, rest)
    return went, went / how.rate


def _pass(memory: _Memory, went: FloatArray, read: FloatArray) -> None:
    """The hand passes what holds so many bytes; in place."""
    before = np.cumsum(memory.left, axis=1) - memory.left
    taken = np.clip(went[:, None] - before, 0.0, memory.left)
    with np.errstate(divide='ignore', invalid='ignore'):
        part = np.where(memory.left > 0, taken / memory.left, 0.0)
    # what holds nothing is passed with what is before it
    whole = (memory.left <= 0) & (before <= went[:, None])
    part = np.where(whole, 1.0, part)
    passed = (memory.share * part).sum(axis=1)
    memory.share *= 1 - part
    memory.left -= taken
    _append(memory, passed, read)


def _append(memory: _Memory, share: FloatArray, since: FloatArray) -> None:
    """Close up, and put the passed share at the end; in place."""
    order = np.argsort(memory.share <= 0, axis=1, kind='stable')
    for name in ('share', 'left', 'since'):
        values = np.take_along_axis(getattr(memory, name), order, axis=1)
        setattr(memory, name, values)
    used = (memory.share > 0).sum(axis=1)
    full = np.flatnonzero(used == PARTS)
    if len(full):
        # the two youngest become one, of the older's age
        memory.share[full, -2] += memory.share[full, -1]
        memory.left[full, -2] += memory.left[full, -1]
        used[full] -= 1
    rows = np.arange(len(used))
    memory.share[rows, used] = share
    memory.left[rows, used] = 0.0
    memory.since[rows, used] = since


def _sync(
    memory: _Memory,
    curves: Curves,
    how: Course,
    now: FloatArray,
    bracket: Bracket,
) -> None:
    """Read the log: every part that was sent once holds what was dirtied."""
    for k in range(int((memory.share > 0).sum(axis=1).max(initial=0))):
        since = memory.since[:, k]
        age = np.where(np.isfinite(since), now - since, 0.0)
        dirty = memory.share[:, k] * how.factor * curves.at(age, bracket)
        memory.left[:, k] = np.where(
            np.isfinite(since), dirty, memory.left[:, k]
        )
