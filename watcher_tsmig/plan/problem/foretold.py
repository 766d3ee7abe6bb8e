"""What each mode means for a migration: time, outage, bytes, faults.

The forecasts (forecast/) as the planner asks for them, by `Mode`. Nothing
is weighed here: what it costs is harm.py's.
"""

import dataclasses
import functools
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from watcher_tsmig.forecast import Bracket
from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import Forecasts
from watcher_tsmig.forecast import Switch
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import hybrid
from watcher_tsmig.forecast import post_copy
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast import weight_once
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.values import Mode

# A bandwidth at which outages are asked for, bytes/s; any would do.
ASKED = 1e8


class Times(NamedTuple):
    """What one migration takes at a bandwidth, s.

    :ivar whole: with its set-up
    :ivar outage: of it, the VM does not serve
    :ivar split: of it, the VM's memory is on two hosts, after a switch
    """

    whole: float
    outage: float
    split: float


ByRate = Callable[[float], Times]


def forecast(
    mode: Mode,
    curves: Curves,
    bandwidth: FloatArray | float,
    rules: Rules,
    terms: Terms,
    bracket: Bracket = Bracket.EXPECTED,
) -> Forecasts:
    """What the plan foretells of migrations in one mode, shape (n,).

    A post-copy at once depends on no writing, so its brackets are one.
    """
    if mode is Mode.POST_COPY:
        return post_copy(curves, bandwidth, rules, terms)
    if mode is Mode.HYBRID:
        found = hybrid(curves, bandwidth, rules, terms=terms, bracket=bracket)
        # as of a post-copy at once, the devices count as outage only: pages
        # are sent meanwhile, in the plan and in the simulation
        beside = np.where(found.switched, rules.switchover, 0.0)
        return dataclasses.replace(
            found.forecasts, t_sum=found.forecasts.t_sum - beside
        )
    return pre_copy(curves, bandwidth, rules, bracket, terms)


def by_rates(
    problem: Problem,
    rows: IntArray,
    mode: Mode,
    streams: FloatArray,
    asked: FloatArray,
    busier: float = 0.0,
) -> list[ByRate]:
    """What each migration takes, by bandwidth.

    Half of its CPUs taken for 2 s is a second in which a VM does not serve.

    :param rows: shape (k,), of the problem
    :param streams: shape (k,), bytes/s that one connection has on its way
    :param asked: shape (k,), bytes/s that will surely be asked for, > 0;
        foretold for all at once
    :param busier: by so many deviations each VM writes more than is known
    """
    if not len(rows):
        return []
    factors = np.exp(busier * problem.width[rows])
    found = _times(
        problem, mode, _given(problem, rows, streams, factors), asked
    )
    return [
        _by_rate(
            problem,
            mode,
            functools.partial(
                _given,
                problem,
                rows[k : k + 1],
                streams[k : k + 1],
                factors[k : k + 1],
            ),
            {float(asked[k]): found[k]},
        )
        for k in range(len(rows))
    ]


_Given = tuple[Curves, Terms]


def _by_rate(
    problem: Problem,
    mode: Mode,
    given: Callable[[], _Given],
    known: dict[float, Times],
) -> ByRate:
    """Of one migration; what is asked again is remembered.

    :param given: its curve and terms, made only where another rate is asked
    """
    given = functools.cache(given)

    def foretold(bandwidth: float) -> Times:
        if bandwidth not in known:
            asked = np.array([bandwidth])
            (known[bandwidth],) = _times(problem, mode, given(), asked)
        return known[bandwidth]

    return foretold


def _given(
    problem: Problem, rows: IntArray, streams: FloatArray, factors: FloatArray
) -> _Given:
    terms = dataclasses.replace(
        problem.terms.take(rows, len(problem.vms)), stream=streams
    )
    return problem.curves.take(rows).busier(factors), terms


def _times(
    problem: Problem, mode: Mode, given: _Given, bandwidth: FloatArray
) -> Sequence[Times]:
    found = forecast(mode, given[0], bandwidth, problem.rules, given[1])
    slowed = 0.0 if found.slowed is None else found.slowed
    split = np.zeros(len(bandwidth))
    if mode.switches:
        split = found.t_sum - (0 if mode.early else found.t_converge)
    columns = (
        found.t_sum + problem.rules.overhead,
        found.t_downtime + slowed,
        split,
    )
    return [Times(*row) for row in np.column_stack(columns).tolist()]


def taken(problem: Problem, row: int, bandwidth: float) -> float:
    """Share of its CPUs that auto-converge takes of a VM in the end.

    Of one whose pre-copy goes at so many bytes/s, if at all.
    """
    terms = problem.terms.take(np.array([row]), len(problem.vms))
    if not np.any(terms.throttle):
        return 0.0
    curve = problem.curves.take(np.array([row]))
    found = pre_copy(curve, bandwidth, problem.rules, terms=terms)
    return 0.0 if found.taken is None else float(found.taken[0])


def volumes(
    problem: Problem, rows: IntArray, best: FloatArray
) -> dict[Mode, FloatArray]:
    """Bytes on the wire at the best bandwidth, by mode; shape (k,)."""
    rules, curves = problem.rules, problem.curves.take(rows)
    terms = problem.terms.take(rows, len(problem.vms)).without_delays()
    once = curves.resident * weight_once(rules, terms) + terms.disk
    passed = hybrid(curves, best, rules, terms=terms)
    data = {
        Mode.PRE_COPY: pre_copy(curves, best, rules, terms=terms).data,
        Mode.HYBRID: passed.forecasts.data,
        Mode.POST_COPY: once,
    }
    return {
        mode: np.where(np.isfinite(sent), sent, once) / rules.efficiency
        for mode, sent in data.items()
    }


def faults(problem: Problem, rows: IntArray) -> FloatArray:
    """Bytes that pass, at a migration's rate, until a VM serves again.

    After a switch to post-copy at once it waits for what it works with,
    page by page, so that its outage is inversely proportional to the rate
    (forecast.hybrid).

    :returns: shape (k,), bytes on the wire
    """
    if not len(rows):
        return np.zeros(0)
    found = hybrid(
        problem.curves.take(rows),
        ASKED,
        problem.rules,
        Switch.AT_ONCE,
        terms=problem.terms.take(rows, len(problem.vms)).without_delays(),
    )
    late = found.forecasts.t_downtime - problem.rules.switchover
    out: FloatArray = np.maximum(late, 0.0) * ASKED
    return out
