"""The rounds of a pre-copy: the recursion under a hypervisor's rules.

Only the walk lives here, once on arrays and once on plain floats with the
same arithmetic, because an array of one costs fifty times a float; what it
means for a migration is said in migrations.py. Sources: MigVisor, "Pre-copy
VMLM General Model", equations 1-5; Nova, libvirt driver, `downtime_steps`.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from watcher_tsmig.forecast.curves import Bracket
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.curves import Line
from watcher_tsmig.forecast.terms import Course
from watcher_tsmig.forecast.terms import limit_after
from watcher_tsmig.forecast.terms import limit_at

IntArray = npt.NDArray[np.int_]

CONVERGES, STALLS, TOO_MANY_ROUNDS = 0, 1, 2

# Rounds walked one by one while the downtime limit is waited for; after
# them, or once they no longer fall, the last one stands for the others.
WAITING_ROUNDS = 256
STANDS_STILL = 1 - 1e-9


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """n walks; arrays of shape (n,), lists by round in (n, r).

    :ivar elapsed: s until the VM stops
    :ivar sent: bytes of all rounds before that
    :ivar rest: bytes sent while it stands
    :ivar rounds: bytes of each round, NaN-padded
    :ivar repeats: how often each was sent; None: each once
    :ivar ending: CONVERGES, STALLS or TOO_MANY_ROUNDS
    :ivar slowed: s of its CPUs that each VM lost to auto-converge; None:
        nobody slowed it down
    :ivar taken: share of them that was taken in the end, likewise
    """

    elapsed: FloatArray
    sent: FloatArray
    rest: FloatArray
    rounds: FloatArray
    repeats: FloatArray | None
    ending: IntArray
    slowed: FloatArray | None = None
    taken: FloatArray | None = None


def walk(curves: Curves, how: Course, bracket: Bracket) -> Walked:
    """Walk the rounds of each migration.

    D(1) = all; T(i) = D(i) / B; D(i+1) = W(T(i)); the first round that
    fits the limit in force at its begin is sent with the VM stopped. W is
    concave with W(0) = 0, so the rounds only get shorter, and one that
    does not is the fixed point W(T) = B T.

    With a limit that rises, whether a migration ends is asked of the
    limit's last step, so that it is the same set of bandwidths as without
    the steps. When it ends does then not fall with B in every case: a
    faster one may miss a step by a moment and go another round. But it is
    late by no more than the downtime limit. (Say the slower one stops at
    t before its round i. The faster one has begun round i or a later one
    by then, because its rounds are shorter; its rounds from there on are
    no longer than the slower's round i, which fits the limit; so at the
    end of the one under way, within the limit after t, it stops too.)
    Of more than WAITING_ROUNDS that wait and still get shorter the last
    one stands for the others: then the end told is the latest it can be.
    """
    if len(curves) == 1:
        return _walk_one(curves.line(0, bracket), how)
    return _walk_many(curves, how, bracket)


def _walk_one(line: Line, how: Course) -> Walked:
    send, factor = float(how.first[0]), float(how.factor[0])
    rate, limit = float(how.first_rate[0]), float(how.limit[0])
    elapsed, sent, full = float(how.begin[0]), 0.0, float(how.full[0])
    seconds, ending = math.inf, TOO_MANY_ROUNDS
    rounds: list[float] = []
    for _ in range(how.max_rounds):
        before, seconds = seconds, send / rate
        rounds.append(send)
        if seconds * full <= limit:
            ending = CONVERGES
            break
        if seconds >= before:
            ending = STALLS
            break
        elapsed += seconds
        sent += send
        send, rate = factor * line.at(seconds), float(how.rate[0])
    times = 1.0
    if ending == CONVERGES and how.steps[0]:
        elapsed, sent, send, times = _wait_one(
            line, how, (elapsed, sent, send), rounds
        )
    repeats = None
    if times > 1.0:
        repeats = np.ones((1, len(rounds)))
        repeats[0, -1] = times
    return Walked(
        np.array([elapsed]),
        np.array([sent]),
        np.array([send]),
        np.array([rounds]),
        repeats,
        np.array([ending]),
    )


def _wait_one(
    line: Line,
    how: Course,
    at: tuple[float, float, float],
    rounds: list[float],
) -> tuple[float, float, float, float]:
    """(s, bytes, last round, times it went) once the limit admits it."""
    elapsed, sent, send = at
    factor = float(how.factor[0])
    rate = float((how.first_rate if len(rounds) == 1 else how.rate)[0])
    delay, full = float(how.delay[0]), float(how.full[0])
    steps = int(how.steps[0])
    begins = delay * np.arange(steps + 1, dtype=np.float64)
    limits = limit_after(how, begins).tolist()
    seconds = math.inf
    for k in range(WAITING_ROUNDS):
        before, seconds = seconds, send / rate
        step = int(min(elapsed / delay, steps)) if delay else steps
        if seconds * full <= limits[step]:
            return elapsed, sent, send, 1.0
        if k and seconds >= before * STANDS_STILL:
            break
        elapsed += seconds
        sent += send
        send, rate = factor * line.at(seconds), float(how.rate[0])
        rounds.append(send)
    seconds = send / rate
    times = float(_repeats(how, np.array([elapsed]), np.array([seconds]))[0])
    return elapsed + times * seconds, sent + times * send, send, times + 1


def _walk_many(curves: Curves, how: Course, bracket: Bracket) -> Walked:
    n = len(curves)
    send, rest = how.first.copy(), np.zeros(n)
    elapsed, sent = how.begin.copy(), np.zeros(n)
    seconds = np.full(n, np.inf)
    ending = np.full(n, TOO_MANY_ROUNDS)
    active, rate = np.ones(n, dtype=bool), how.first_rate
    rounds: list[FloatArray] = []
    for _ in range(how.max_rounds):
        before, seconds = seconds, send / rate
        rounds.append(np.where(active, send, np.nan))
        fits = active & (seconds * how.full <= how.limit)
        stalls = active & ~fits & (seconds >= before)
        ending[fits] = CONVERGES
        ending[stalls] = STALLS
        rest = np.where(fits, send, rest)
        active &= ~(fits | stalls)
        if not active.any():
            break
        elapsed = np.where(active, elapsed + seconds, elapsed)
        sent = np.where(active, sent + send, sent)
        send, rate = how.factor * curves.at(seconds, bracket), how.rate
    rest = np.where(ending == CONVERGES, rest, send)
    listed = np.stack(rounds, axis=1) if rounds else np.empty((n, 0))
    walked = Walked(elapsed, sent, rest, listed, None, ending)
    if not how.steps.any():
        return walked
    return _wait_many(curves, how, bracket, walked)


def _wait_many(
    curves: Curves, how: Course, bracket: Bracket, walked: Walked
) -> Walked:
    elapsed, sent = walked.elapsed.copy(), walked.sent.copy()
    send, times = walked.rest.copy(), np.zeros(len(curves))
    seconds = send / np.where(_at_first(walked, how), how.first_rate, how.rate)
    columns: list[FloatArray] = []
    rows = np.flatnonzero(walked.ending == CONVERGES)
    rows = rows[(seconds * how.full > limit_after(how, elapsed))[rows]]
    some, theirs = curves.take(rows), how.take(rows)
    for _ in range(WAITING_ROUNDS):
        if not len(rows):
            break
        before = seconds[rows]
        elapsed[rows] += before
        sent[rows] += send[rows]
        send[rows] = theirs.factor * some.at(before, bracket)
        seconds[rows] = send[rows] / theirs.rate
        column = np.full(len(curves), np.nan)
        column[rows] = send[rows]
        columns.append(column)
        waits = seconds[rows] * theirs.full > limit_after(
            theirs, elapsed[rows]
        )
        stands = waits & (seconds[rows] >= before * STANDS_STILL)
        stay = rows[stands]
        times[stay] = _repeats(how.take(stay), elapsed[stay], seconds[stay])
        moves = np.flatnonzero(waits & ~stands)
        if len(moves) < len(rows):
            rows = rows[moves]
            some, theirs = curves.take(rows), how.take(rows)
    times[rows] = _repeats(theirs, elapsed[rows], seconds[rows])
    listed = _packed(walked.rounds, columns)
    last = np.maximum((~np.isnan(listed)).sum(axis=1) - 1, 0)
    repeats = np.where(np.isnan(listed), np.nan, 1.0)
    repeats[np.arange(len(curves)), last] += times
    return Walked(
        elapsed + times * seconds,
        sent + times * send,
        send,
        listed,
        repeats if times.any() else None,
        walked.ending,
    )


def standing(walked: Walked, how: Course) -> FloatArray:
    """How long the VM stands for what is sent last, s; shape (n,).

    At the link's rate, and as long as its pages of zeros take.
    """
    seconds = walked.rest / how.last_rate
    if not how.idle.any():
        return seconds
    zeros = walked.rest / how.first_rate - walked.rest / how.rate
    out: FloatArray = seconds + np.where(_at_first(walked, how), zeros, 0.0)
    return out


def _at_first(walked: Walked, how: Course) -> npt.NDArray[np.bool_]:
    """Where nothing was sent before what is sent last, shape (n,)."""
    out: npt.NDArray[np.bool_] = walked.elapsed <= how.begin
    return out


def _packed(rounds: FloatArray, more: list[FloatArray]) -> FloatArray:
    """The columns side by side, each row's NaN moved to its end."""
    if not more:
        return rounds
    both = np.concatenate([rounds, np.stack(more, axis=1)], axis=1)
    order = np.argsort(np.isnan(both), axis=1, kind='stable')
    out: FloatArray = np.take_along_axis(both, order, axis=1)
    return out[:, : int((~np.isnan(out)).sum(axis=1).max())]


def _repeats(
    how: Course, elapsed: FloatArray, seconds: FloatArray
) -> FloatArray:
    """How many rounds of `seconds` go until the limit admits one."""
    steps = np.arange(how.steps.max(initial=0.0) + 1.0)[:, None]
    admits = seconds * how.full <= limit_at(how, steps)
    due = np.where(
        admits.any(axis=0), how.delay * admits.argmax(axis=0), np.inf
    )
    with np.errstate(divide='ignore', invalid='ignore'):
        rounds = np.ceil((due - elapsed) / seconds)
    return np.where(np.isfinite(rounds), np.maximum(rounds, 0.0), 0.0)
