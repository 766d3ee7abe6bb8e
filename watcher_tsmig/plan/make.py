"""The planner: from a cloud and a request to a plan.

The way: who can move (problem), where to (place), how (contention), when
and how fast (schedule), why (explain), how good (bound). Pure: the same
cloud and request give the same plan, byte for byte.
"""

import dataclasses

import numpy as np

from watcher_tsmig import units
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.model import Cloud
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import bound
from watcher_tsmig.plan import contention
from watcher_tsmig.plan import explain
from watcher_tsmig.plan import game as game_module
from watcher_tsmig.plan import place
from watcher_tsmig.plan import problem as problem_module
from watcher_tsmig.plan import schedule as schedule_module
from watcher_tsmig.plan.game import Game
from watcher_tsmig.plan.lists import Booking
from watcher_tsmig.plan.lists import Job
from watcher_tsmig.plan.problem import BoolArray
from watcher_tsmig.plan.problem import IntArray
from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason


def make_plan(
    cloud: Cloud, request: Request, rules: Rules | None = None
) -> Plan:
    """Plan the emptying of the request's hosts.

    :param rules: the hypervisor's; its downtime limit is the request's
    :raises errors.InputError: the request names a host that is not there
    """
    rules = dataclasses.replace(
        rules or Rules(), downtime_limit=request.downtime_limit
    )
    problem = problem_module.build(cloud, request, rules)
    destination, homeless = place.destinations(problem)
    game = _game(problem, destination)
    able = game.may_pre | game.may_post
    placed = destination != place.NOWHERE
    rows = np.flatnonzero(placed & able)
    stuck = [
        _does_not_converge(problem, destination, int(row))
        for row in np.flatnonzero(placed & ~able)
    ]
    choice = contention.modes(game_module.take(game, rows)).post
    jobs = [
        Job(
            row=int(row),
            source=int(problem.source[row]),
            destination=int(destination[row]),
            post=bool(post),
            may_fall_back=bool(game.may_post[row] and not post),
        )
        for row, post in zip(rows, choice, strict=True)
    ]
    found = schedule_module.schedule(problem, jobs)
    moved = np.zeros(len(problem.vms), dtype=bool)
    moved[[b.job.row for b in found.bookings]] = True
    left_out = [*problem.left_out, *homeless, *stuck, *found.left_out]
    return Plan(
        request=request,
        migrations=_migrations(problem, game, found.bookings),
        left_out=tuple(sorted(left_out, key=lambda x: (x.host, x.vm))),
        lower_bound=bound.lower_bound(problem, moved),
        peak_load=_peak_load(game, found.bookings),
    )


def _game(problem: Problem, destination: IntArray) -> Game:
    """What mode choice sees; VMs without a destination have no mode."""
    placed = destination != place.NOWHERE
    request = problem.request
    only = request.only_mode
    h = len(problem.capacity)
    out, into = bound.best_rooms(problem)
    best = np.minimum(out[problem.source], into[destination])
    best = np.minimum(best, request.ceiling)
    may_post = (
        placed
        & problem.post_allowed
        & problem.post_capable[problem.source]
        & problem.post_capable[destination]
        & (only is not Mode.PRE_COPY)
    )
    converges = placed & (problem.lcb <= best)
    extra = _extra(problem, best, converges)
    resent = extra > (request.max_resend - 1) * problem.curves.resident
    return game_module.of_pairs(
        source=problem.source,
        destination=destination,
        tx=problem.tx,
        rx=problem.rx,
        capacity=problem.capacity,
        base_tx=np.maximum(
            problem.app_tx - np.bincount(problem.source, problem.tx, h), 0.0
        ),
        base_rx=problem.app_rx,
        may_pre=converges
        & ~(resent & may_post)
        & (only is not Mode.POST_COPY),
        may_post=may_post,
        extra=extra,
    )


def _extra(
    problem: Problem, bandwidth: np.ndarray, converges: BoolArray
) -> np.ndarray:
    """Bytes that pre-copy sends beyond post-copy at that bandwidth."""
    rate = np.where(converges, bandwidth, 1.0)
    data = pre_copy(
        problem.curves, rate, problem.rules, terms=problem.terms
    ).data
    once = problem.curves.resident * problem.rules.carried
    return np.where(converges, data - once, 0.0)


def _does_not_converge(
    problem: Problem, destination: IntArray, row: int
) -> LeftOut:
    out, into = bound.best_rooms(problem)
    left = min(
        float(out[problem.source[row]]),
        float(into[destination[row]]),
        problem.request.ceiling,
    )
    return problem_module.left_out(
        problem,
        row,
        Reason.DOES_NOT_CONVERGE,
        f'pre-copy needs {units.human_rate(float(problem.lcb[row]))}, the '
        f'link leaves {units.human_rate(left)} at best, and post-copy is '
        'not permitted',
    )


def _migrations(
    problem: Problem, game: Game, bookings: tuple[Booking, ...]
) -> tuple[Migration, ...]:
    rows = np.array([b.job.row for b in bookings], dtype=np.intp)
    said = schedule_module.forecasts(problem, bookings)
    cases = explain.cases(problem, game_module.take(game, rows), bookings)
    out: list[Migration] = []
    for i, (booking, case) in enumerate(zip(bookings, cases, strict=True)):
        job = booking.job
        vm = problem.vms[job.row]
        code, because = explain.reason(case)
        out.append(
            Migration(
                vm=vm.id,
                name=vm.name,
                source=problem.names[job.source],
                destination=problem.names[job.destination],
                mode=Mode.POST_COPY if job.post else Mode.PRE_COPY,
                cap=booking.cap,
                lcb=0.0 if job.post else float(problem.lcb[job.row]),
                slot=booking.slot,
                start=booking.start,
                takes=booking.takes,
                takes_low=float(said['low'][i]),
                takes_high=float(said['high'][i]),
                downtime=float(said['downtime'][i]),
                data=float(said['data'][i]),
                reason=code,
                because=because,
                runner_up=explain.runner_up(case),
                assumed=_assumed(problem, booking),
                after=tuple(problem.vms[row].id for row in booking.after),
            )
        )
    return tuple(out)


def _assumed(problem: Problem, booking: Booking) -> tuple[str, ...]:
    job = booking.job
    nics = (
        ('source nic', problem.nic_assumed[job.source]),
        ('destination nic', problem.nic_assumed[job.destination]),
    )
    return problem.assumed[job.row] + tuple(
        name for name, assumed in nics if assumed
    )


def _peak_load(game: Game, bookings: tuple[Booking, ...]) -> float:
    if not bookings:
        return 0.0
    rows = np.array([b.job.row for b in bookings], dtype=np.intp)
    moved = game_module.take(game, rows)
    post = np.array([b.job.post for b in bookings], dtype=bool)
    tx, rx = np.split(game_module.loads(moved, post), 2)
    sources = [b.job.source for b in bookings]
    destinations = [b.job.destination for b in bookings]
    return float(max(tx[sources].max(), rx[destinations].max()))
