"""The planner: from a cloud and a request to a plan.

The way: who can move (problem), where to (place), how (joint), when and how
fast (ways, timetable), through which third host (detour), how good (bound),
why (explain). Pure: the same cloud and request give the same plan, byte for
byte.
"""

import dataclasses
import math

import numpy as np

from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.explain import sensitivity
from watcher_tsmig.plan.explain import shortest
from watcher_tsmig.plan.explain import why
from watcher_tsmig.plan.explain import write
from watcher_tsmig.plan.placement import joint
from watcher_tsmig.plan.placement import place
from watcher_tsmig.plan.placement.joint import Settled
from watcher_tsmig.plan.problem import forced
from watcher_tsmig.plan.problem import permits
from watcher_tsmig.plan.problem import problem as problem_module
from watcher_tsmig.plan.problem.known import seen_writing
from watcher_tsmig.plan.problem.problem import NOWHERE
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Left
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.timetable import timetable
from watcher_tsmig.plan.tasks import bypass
from watcher_tsmig.plan.tasks import portfolio
from watcher_tsmig.plan.tasks.moves import Moves
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason

# How often the worth of time is halved, on a scale of its logarithm.
HALVINGS = 3
# Shares of a fair share of time up to which one host's VMs stay together.
KEPT = (1.0, 0.7)


def make_plan(
    cloud: Cloud, request: Request, rules: Rules | None = None
) -> Plan:
    """Plan the moves that the request asks for.

    :param rules: the hypervisor's; its downtime limit is the request's
    :raises errors.InputError: the request names what is not there
    """
    rules = dataclasses.replace(
        rules or Rules(), downtime_limit=request.downtime_limit
    )
    request = permits.kept(cloud, request)
    problem = problem_module.build(cloud, request, rules)
    problem = forced.allowed(forced.switchable(problem))
    if request.post_copy_assumed or request.only_mode is not None:
        return _best(problem)
    # a post-copy for writing that is only assumed is the last resort
    allowed = problem.post_allowed
    earned = permits.earned(problem.assumed) & allowed
    plan = _best(_permitting(problem, earned))
    stuck = {
        out.vm
        for out in plan.left_out
        if out.reason is Reason.DOES_NOT_CONVERGE
    }
    needed = np.array([vm.id in stuck for vm in problem.vms], dtype=bool)
    needed &= allowed & ~earned
    if not needed.any():
        return plan
    return _best(_permitting(problem, earned | needed))


def _permitting(problem: Problem, some: BoolArray) -> Problem:
    """The problem with only these of the post-copies that are allowed."""
    return dataclasses.replace(
        problem, post_allowed=some, unearned=problem.post_allowed & ~some
    )


def _best(problem: Problem) -> Plan:
    tried = [
        (homeless, settled, *_scheduled(problem, settled))
        for homeless, settled in _settled(problem)
    ]
    scores = [portfolio.score(problem, t[3], t[4]) for t in tried]
    if len(problem.vms) > portfolio.FEW_MOVES:
        tried = [tried[scores.index(min(scores))]]
    best = None
    for homeless, settled, moves, tasks, first in tried:
        found = portfolio.improved(problem, tasks, first)
        score = portfolio.score(problem, tasks, found)
        if best is None or score < best[0]:
            best = score, (homeless, settled, moves, tasks, found)
    assert best is not None
    return _plan(problem, *best[1])


def _settled(problem: Problem) -> list[tuple[list[LeftOut], Settled]]:
    """Destinations and modes of least contention.

    How far one host's VMs should stay together nobody knows before the times
    are known, so few VMs try both.
    """
    out = []
    few = len(problem.vms) <= portfolio.FEW_MOVES
    for kept in KEPT if few else KEPT[:1]:
        destination, homeless = place.destinations(problem, kept)
        out.append((homeless, joint.settle(problem, destination)))
    return out


def _scheduled(
    problem: Problem, settled: Settled
) -> tuple[Moves, Tasks, Timetable]:
    return bypass.opened(
        problem,
        _moves(problem, settled),
        lambda moves: portfolio.first(problem, moves),
    )


def gentlest(
    cloud: Cloud,
    values: dict[str, object],
    deadline: float,
    rules: Rules | None = None,
) -> Plan:
    """The gentlest plan that meets a deadline.

    Of the first policy that does, and of few VMs with time worth as little as
    will do. Where none does, the fastest one: it leaves out what would end
    later, and says by how much the whole would miss the deadline.

    :param values: fields of `Request` over those of the policy
    :param deadline: s from the start of the plan
    :raises errors.InputError: as `make_plan`
    """
    before = None
    for name in policies.NAMES:
        request = policies.request(name, **{**values, 'deadline': math.inf})
        plan = make_plan(cloud, request, rules)
        if plan.makespan <= deadline:
            if before and len(plan.migrations) <= portfolio.FEW_MOVES:
                plan = _gentler(cloud, plan, before, deadline, rules)
            request = dataclasses.replace(plan.request, deadline=deadline)
            return dataclasses.replace(plan, request=request)
        before = request.urgency
    request = dataclasses.replace(request, deadline=deadline)
    return make_plan(cloud, request, rules)


def _gentler(
    cloud: Cloud,
    plan: Plan,
    too_gentle: float,
    deadline: float,
    rules: Rules | None,
) -> Plan:
    """The plan, or one whose time is worth less and that is in time.

    :param too_gentle: an urgency by which none was
    """
    low, best = too_gentle, plan
    for _ in range(HALVINGS):
        urgency = math.sqrt(low * best.request.urgency)
        request = dataclasses.replace(plan.request, urgency=urgency)
        other = make_plan(cloud, request, rules)
        if other.makespan <= deadline:
            best = other
        else:
            low = urgency
    return best


def _moves(problem: Problem, settled: Settled) -> Moves:
    rows, may = settled.rows, settled.may
    return Moves(
        rows=rows,
        source=problem.source[rows],
        destination=settled.destination[rows],
        post=settled.choice.post,
        may_pre=may.pre[rows],
        may_hybrid=may.hybrid[rows],
        may_post=may.post[rows],
        after=((),) * len(rows),
    )


def _plan(
    problem: Problem,
    homeless: list[LeftOut],
    settled: Settled,
    moves: Moves,
    tasks: Tasks,
    found: Timetable,
) -> Plan:
    stuck = settled.destination != NOWHERE
    stuck[settled.rows] = False
    left_out = [
        *problem.left_out,
        *homeless,
        *(_too_fast(problem, settled, int(r)) for r in np.flatnonzero(stuck)),
        *(_left(problem, moves, x) for x in found.left),
    ]
    moved = np.zeros(len(problem.vms), dtype=bool)
    moved[moves.rows[[b.task for b in found.bookings]]] = True
    least = shortest.lower_bound(problem, moved)
    peak = write.peak_load(settled, tasks, found.bookings)
    return Plan(
        request=problem.request,
        migrations=write.migrations(problem, settled, moves, tasks, found),
        left_out=tuple(sorted(left_out, key=lambda x: (x.host, x.vm))),
        lower_bound=least.seconds,
        peak_load=peak,
        peak_bound=min(settled.choice.lower_bound, peak),
        critical=least.what,
        purchases=sensitivity.purchases(problem, tasks, found, least),
        shortfall=_shortfall(tasks, found),
        prices=portfolio.prices(tasks, found),
    )


def _shortfall(tasks: Tasks, found: Timetable) -> float:
    """By how much the whole would miss the deadline, s."""
    if not any(x.late for x in found.left):
        return 0.0
    whole = timetable(dataclasses.replace(tasks, deadline=np.inf))
    return max(whole.makespan - tasks.deadline, 0.0)


def _too_fast(problem: Problem, settled: Settled, row: int) -> LeftOut:
    """Neither mode is possible on the best that its path ever leaves."""
    return _does_not_converge(
        problem, row, float(settled.best[row]), ' at best'
    )


def _does_not_converge(
    problem: Problem, row: int, rate: float, when: str
) -> LeftOut:
    """What each stage of the ladder said."""
    if_so = '' if seen_writing(problem.assumed[row]) else why.IF_SO
    rungs = problem.rungs
    needs = units.human_rate(float(rungs.pattern.lcb[row]))
    said = [
        f'{if_so}pre-copy needs {needs}, the link leaves '
        f'{units.human_rate(rate)}{when}'
    ]
    if rungs.sampled[row]:
        dry = units.human_rate(float(rungs.dry.lcb[row]))
        said.append(f'the dry run needs {dry}')
    elif not if_so:
        said.append('nobody sampled its pages')
    said.append(forced.why_not(problem, row))
    return problem_module.left_out(
        problem, row, Reason.DOES_NOT_CONVERGE, ', '.join(said)
    )


def _left(problem: Problem, moves: Moves, left: Left) -> LeftOut:
    row = int(moves.rows[left.task])
    if left.late:
        return problem_module.left_out(
            problem,
            row,
            Reason.AFTER_DEADLINE,
            f'it would end at {units.human_time(left.end)}, after the '
            f'deadline of {units.human_time(problem.request.deadline)}',
        )
    if np.isfinite(left.rate):
        return _does_not_converge(problem, row, left.rate, '')
    to = problem.names[moves.destination[left.task]]
    return problem_module.left_out(
        problem,
        row,
        Reason.MEMORY_CYCLE,
        f'it waits for room on {to} that only others free which wait for '
        'its own, and no third host has room for one of them',
    )
