"""Why each VM got its mode, in one sentence, and what the other had cost.

Reasons are decided by a table, first match wins; the sentences say the
numbers that decided.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from watcher_tsmig import units
from watcher_tsmig.plan import bound
from watcher_tsmig.plan import game as game_module
from watcher_tsmig.plan.game import Game
from watcher_tsmig.plan.lists import Booking
from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What decides one VM's reason; rates in bytes/s, loads as shares.

    :ivar fell_back: post-copied because no turn left enough for pre-copy
    :ivar resend: times its memory that pre-copy would send at best
    """

    post: bool
    fell_back: bool
    forced: bool
    may_pre: bool
    may_post: bool
    tx: float
    rx: float
    lcb: float
    resend: float
    room: float
    load: float
    other_load: float

    @property
    def near_equal(self) -> bool:
        """Neither mode's load differs by more than a percent of a NIC."""
        return abs(self.load - self.other_load) < 0.01


def _traffic(case: Case) -> str:
    tx, rx = units.human_rate(case.tx), units.human_rate(case.rx)
    return f'sends {tx}, receives {rx}'


def _needs(case: Case) -> str:
    if not case.may_pre and case.lcb <= case.room:
        return f'pre-copy would send its memory {case.resend:.1f} times'
    return (
        f'pre-copy would need {units.human_rate(case.lcb)}, the link '
        f'leaves {units.human_rate(case.room)}'
    )


Row = tuple[Reason, Callable[[Case], bool], Callable[[Case], str]]

REASONS: tuple[Row, ...] = (
    (
        Reason.MODE_FORCED,
        lambda c: c.forced,
        lambda c: f'asked for; {_traffic(c)}',
    ),
    (
        Reason.WRITES_TOO_FAST,
        lambda c: c.post and (c.fell_back or not c.may_pre),
        lambda c: f'writes too fast: {_needs(c)}',
    ),
    (
        Reason.ONLY_PRE_COPY,
        lambda c: not c.post and not c.may_post,
        lambda c: f'post-copy not permitted; {_traffic(c)}',
    ),
    (
        Reason.NO_CONTENTION,
        lambda c: not c.post and c.near_equal,
        lambda c: f'either mode would do; {_traffic(c)}',
    ),
    (
        Reason.SENDS_LESS,
        lambda c: not c.post and c.tx < c.rx,
        lambda c: f'{_traffic(c)}: the source stays free',
    ),
    (
        Reason.RECEIVES_LESS,
        lambda c: c.post and c.rx < c.tx,
        lambda c: f'{_traffic(c)}: the destination stays free',
    ),
    (
        Reason.BALANCES,
        lambda c: True,
        lambda c: f'{_traffic(c)}: balances the NICs of both hosts',
    ),
)


def reason(case: Case) -> tuple[Reason, str]:
    """The reason code and the sentence for people."""
    for code, applies, sentence in REASONS:
        if applies(case):
            return code, sentence(case)
    raise AssertionError('the last row of REASONS applies always')


def runner_up(case: Case) -> str:
    """What the other mode would have meant, for people."""
    other = Mode.PRE_COPY if case.post else Mode.POST_COPY
    if not case.post and not case.may_post:
        return 'post-copy is not permitted by its owner, host or request'
    if case.post and (case.fell_back or not case.may_pre):
        return _needs(case)
    if case.near_equal:
        return f'{other} would load the NICs about as much'
    return (
        f'{other} would load the busier NIC to {case.other_load:.0%} '
        f'instead of {case.load:.0%}'
    )


def cases(
    problem: Problem, game: Game, bookings: tuple[Booking, ...]
) -> list[Case]:
    """One case for each booking; `game` has the bookings' rows in order.

    The room is the most that the VM's NICs ever leave, or what they left
    when it had to fall back.
    """
    post = np.array([b.job.post for b in bookings], dtype=bool)
    out_of, into = bound.best_rooms(problem)
    sources = [b.job.source for b in bookings]
    destinations = [b.job.destination for b in bookings]
    best = np.minimum(out_of[sources], into[destinations])
    best = np.minimum(best, problem.request.ceiling)
    tx, rx = np.split(game_module.loads(game, post), 2)
    out: list[Case] = []
    for i, booking in enumerate(bookings):
        row, s, d = (
            booking.job.row,
            booking.job.source,
            booking.job.destination,
        )
        fell_to = booking.job.left
        own_tx = problem.tx[row] / problem.capacity[s]
        own_rx = problem.rx[row] / problem.capacity[d]
        without_tx = tx[s] - (0.0 if post[i] else own_tx)
        without_rx = rx[d] - (own_rx if post[i] else 0.0)
        as_pre = max(without_tx + own_tx, without_rx)
        as_post = max(without_tx, without_rx + own_rx)
        out.append(
            Case(
                post=bool(post[i]),
                fell_back=fell_to is not None,
                forced=problem.request.only_mode is not None,
                may_pre=bool(game.may_pre[i]),
                may_post=bool(game.may_post[i]),
                tx=float(problem.tx[row]),
                rx=float(problem.rx[row]),
                lcb=float(problem.lcb[row]),
                resend=1 + float(game.extra[i] / problem.curves.resident[row]),
                room=float(best[i] if fell_to is None else fell_to),
                load=float(as_post if post[i] else as_pre),
                other_load=float(as_pre if post[i] else as_post),
            )
        )
    return out
