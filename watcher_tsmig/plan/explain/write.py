"""The plan's migrations, from what was decided: numbers and sentences.

Nothing is decided here. Bookings become migrations with their forecasts,
slots, predecessors and reasons (why.py).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from watcher_tsmig.forecast import Bracket
from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import copying
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.explain import binding
from watcher_tsmig.plan.explain import cases as booked
from watcher_tsmig.plan.explain import spare
from watcher_tsmig.plan.explain import why
from watcher_tsmig.plan.placement import place
from watcher_tsmig.plan.placement.joint import Settled
from watcher_tsmig.plan.problem import foretold
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule import precedence
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.tasks.moves import Moves
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.units import human_time

# What a forecast gives for each booking, as `_forecasts` says.
SAID = (
    'low', 'high', 'downtime', 'slow', 'data', 'copies', 'settles', 'waits',
)  # fmt: skip


def migrations(
    problem: Problem,
    settled: Settled,
    moves: Moves,
    tasks: Tasks,
    found: Timetable,
) -> tuple[Migration, ...]:
    """One migration for each booking, by start."""
    slot = precedence.lanes(tasks, found.bookings, 2 * len(problem.names))
    bookings = sorted(found.bookings, key=lambda b: (b.start, slot[b.task]))
    if not bookings:
        return ()
    said = _forecasts(problem, moves, tasks, bookings)
    cases = booked.cases(problem, settled, moves, tasks, bookings)
    beside = _beside(problem, moves, tasks, bookings)
    out: list[Migration] = []
    for i, (booking, case) in enumerate(zip(bookings, cases, strict=True)):
        row = int(moves.rows[booking.task])
        way = tasks.tasks[booking.task].ways[booking.way]
        mode = Mode(way.label)
        code, because = why.reason(case)
        out.append(
            Migration(
                vm=problem.vms[row].id,
                name=problem.vms[row].name,
                hop=_hop(moves, booking.task),
                source=problem.names[moves.source[booking.task]],
                destination=problem.names[moves.destination[booking.task]],
                mode=mode,
                cap=booking.rate,
                copies=float(said['copies'][i]),
                settles=float(said['settles'][i]),
                lcb=0.0 if mode.switches else float(problem.lcb[row]),
                slot=slot[booking.task],
                start=booking.start,
                takes=booking.takes,
                takes_low=float(said['low'][i]),
                takes_high=float(said['high'][i]),
                downtime=float(said['downtime'][i]),
                slow=float(said['slow'][i]),
                data=float(said['data'][i]),
                reason=code,
                because=because + _waits(float(said['waits'][i])),
                runner_up=why.runner_up(case),
                assumed=_assumed(problem, moves, booking.task),
                crosses=problem.network.crosses(way.links),
                **beside[i],
                cap_enforcement=_enforced(problem, moves, booking, mode),
            )
        )
    return tuple(out)


def _beside(
    problem: Problem, moves: Moves, tasks: Tasks, bookings: list[Booking]
) -> list[dict[str, Any]]:
    """What each booking has from all others: fields of `Migration`."""
    after = precedence.predecessors(tasks, bookings)
    binds = binding.binding(problem, moves, tasks, bookings, after)
    limits, rooms = spare.both(problem, tasks, bookings, after)
    booked = [b.task for b in bookings]
    instead = place.alternatives(
        problem,
        moves.rows[booked],
        moves.source[booked],
        moves.destination[booked],
    )
    ids = _ids(problem, moves)
    return [
        {
            'limit': limits[i],
            'room': rooms[i],
            'binding': binds[i],
            'alternatives': instead[i],
            'after': tuple(ids[task] for task in after[i]),
        }
        for i in range(len(bookings))
    ]


def _waits(seconds: float) -> str:
    """What follows the reason of one that waits for Nova, for people."""
    if seconds < 1.0:
        return ''
    much = human_time(seconds)
    return f"; waits {much} of its time for Nova's downtime limit to rise"


def _enforced(
    problem: Problem, moves: Moves, booking: Booking, mode: Mode
) -> Enforcement:
    host = moves.source[booking.task]
    if problem.capped[host]:
        return Enforcement.ENFORCED
    # of a post-copy Nova limits nothing
    if not mode.early and booking.rate >= problem.given[host]:
        return Enforcement.HOST_DEFAULT
    return Enforcement.ADVISORY


def _hop(moves: Moves, task: int) -> int:
    return 1 + int((moves.rows[:task] == moves.rows[task]).any())


def _ids(problem: Problem, moves: Moves) -> list[str]:
    """The id that each move's migration has."""
    out = []
    seen: set[int] = set()
    for row in map(int, moves.rows):
        vm = problem.vms[row].id
        out.append(f'{vm}#2' if row in seen else vm)
        seen.add(row)
    return out


def _assumed(problem: Problem, moves: Moves, task: int) -> tuple[str, ...]:
    nics = (
        ('source nic', problem.nic_assumed[moves.source[task]]),
        ('destination nic', problem.nic_assumed[moves.destination[task]]),
        ('source limit', problem.outgoing_assumed[moves.source[task]]),
    )
    return problem.assumed[moves.rows[task]] + tuple(
        name for name, assumed in nics if assumed
    )


def _forecasts(
    problem: Problem, moves: Moves, tasks: Tasks, bookings: list[Booking]
) -> dict[str, FloatArray]:
    """What the plan says of each booking; arrays of shape (k,).

    :returns: `low`, `high` (interval of the total time with set-up, s; an
        upper end that may not converge is inf), `downtime` (s), `slow`
        (s), `data` (bytes), `copies` (s), `settles` (s after the start),
        `waits` (s)
    """
    rows = moves.rows[[b.task for b in bookings]]
    caps = np.array([b.rate for b in bookings])
    modes = np.array([tasks.tasks[b.task].ways[b.way].label for b in bookings])
    curves = problem.curves.take(rows)
    streams = [
        problem.stream(
            int(moves.source[b.task]), tasks.tasks[b.task].ways[b.way].links
        )
        for b in bookings
    ]
    terms = dataclasses.replace(
        problem.terms.take(rows, len(problem.vms)), stream=np.array(streams)
    )
    out = {name: np.zeros(len(rows)) for name in SAID}
    for mode in Mode:
        mine = np.flatnonzero(modes == mode)
        if not len(mine):
            continue
        some = curves.take(mine), caps[mine], terms.take(mine, len(rows))
        for name, values in _said(mode, *some, problem.rules).items():
            out[name][mine] = values
    return out


def _said(
    mode: Mode, curves: Curves, caps: FloatArray, terms: Terms, rules: Rules
) -> dict[str, FloatArray]:
    low, expected, high = (
        foretold.forecast(mode, curves, caps, rules, terms, bracket)
        for bracket in (Bracket.LOWER, Bracket.EXPECTED, Bracket.UPPER)
    )
    out = {
        'low': low.t_sum + rules.overhead,
        'high': high.t_sum + rules.overhead,
        'downtime': expected.t_downtime,
        'slow': expected.t_slow,
        'data': expected.data,
        'copies': copying(caps, rules, terms),
    }
    if mode is Mode.PRE_COPY:
        at_once = foretold.forecast(
            mode, curves, caps, rules, terms.without_delays()
        )
        # until its later end it is foretold, and no stall
        last = np.where(high.converges, high.t_sum, expected.t_sum)
        out['settles'] = expected.lingers * (last + rules.overhead)
        out['waits'] = expected.t_sum - at_once.t_sum
    return out


def peak_load(
    settled: Settled, tasks: Tasks, bookings: Sequence[Booking]
) -> float:
    """The largest contention on a link that a booked migration crosses."""
    if not bookings:
        return 0.0
    load = booked.loads(settled, tasks, bookings)
    crossed = {
        link
        for b in bookings
        for link in tasks.tasks[b.task].ways[b.way].links
    }
    return float(load[sorted(crossed)].max())
