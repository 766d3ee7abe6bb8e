"""Forecasts of the QEMU/PostgreSQL migrations, ours and the comparators'.

Zero-shot, an operator knows the RAM, the link, and what was ordered. Online,
also what earlier runs have left behind: how much a first pass of the same
workload sent, its rounds as a working-set curve, and how far forecasts were
off. A run's own rounds and samples are never seen by its own forecast.
"""

import dataclasses
import math
import statistics

import numpy as np

from benchmarks.qemu_postgres import Mode
from benchmarks.qemu_postgres import Run
from benchmarks.qemu_postgres import Scenario
from benchmarks.qemu_postgres import Workload
from watcher_tsmig import units
from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.baselines import Situations
from watcher_tsmig.forecast.hybrid import hybrid
from watcher_tsmig.forecast.terms import PLAIN_TERMS
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

# README of the data. It is what QEMU was seen to send, so nothing is lost.
LINK = units.from_mbit_s(1080.0)
# QEMU's own downtime limit; the samples' expected downtime starts with it.
RULES = Rules(downtime_limit=0.3, efficiency=1.0, setup=0.0)
# What the planner assumes of a VM that nobody measured, bytes/s.
ASSUMED_DIRTY_RATE = 50e6
# Samples of a curve within this factor of time are one, their median.
BIN = 1.25
# Below the first sample the curve goes on as a power of time, fitted to the
# samples within this factor: chords to the origin would understate it.
NEAR = 8.0
SHORT = (0.1, 0.2, 0.4, 0.7)
# The comparators' hot set: what is written within this time (as in mVM).
HOT_PERIOD = 2.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A forecast before anything is corrected; seconds and bytes.

    :ivar tail: the part of the time that is not ordered (after a switch to
        post-copy at a given time)
    :ivar ordered: the other part
    """

    tail: float
    ordered: float
    data: float
    downtime: float
    converges: bool


class Knowledge:
    """What earlier runs have shown, by workload."""

    def __init__(self) -> None:
        self.passes: dict[tuple[Workload, bool], list[float]] = {}
        self.samples: dict[Workload, list[tuple[float, float]]] = {}

    def learn(self, run: Run) -> None:
        """Take in what a finished run has left behind."""
        work = run.scenario.workload
        if run.first_pass is not None:
            key = (work, _moving(run.scenario))
            self.passes.setdefault(key, []).append(run.first_pass)
        self.samples.setdefault(work, []).extend(run.rounds)

    def resident(self, scenario: Scenario, ram: float) -> float:
        """Bytes of a first pass: of the nearest workload seen so far.

        A pass beside a running guest finds more pages than one that is
        over at once, so the same way of passing counts first.
        """
        work, moving = scenario.workload, _moving(scenario)
        found = min(
            self.passes,
            key=lambda k: (*_distance(k[0], work), k[1] != moving),
            default=None,
        )
        if found is None:
            return ram
        pages = statistics.median(self.passes[found])
        early = self.passes.get((found[0], False))
        if scenario.switch and found[1] and early:
            # a guest makes more pages resident while the pass runs; a
            # switch in the middle comes before some of them
            begin = statistics.median(early)
            share = min(scenario.switch * LINK / pages, 1.0)
            pages = begin + share * (pages - begin)
        return min(pages, ram)

    def curve(self, work: Workload, resident: float) -> Curves:
        """The workload's curve, from its own rounds or the nearest's.

        Another thread count does the same operations at another speed, so
        that its curve is the same over a stretched time (load-covariate
        scaling, reference section 5).
        """
        seen = [w for w in self.samples if self.samples[w]]
        if not seen:
            return fit([_working_set(resident, [(1.0, ASSUMED_DIRTY_RATE)])])
        near = min(seen, key=lambda w: _distance(w, work))
        stretch = near.threads / work.threads
        points = _binned([(t * stretch, n) for t, n in self.samples[near]])
        return fit([_working_set(resident, _towards_zero(points))])


def _moving(scenario: Scenario) -> bool:
    return scenario.mode is not Mode.STOP_AND_COPY and not (
        scenario.mode is Mode.POST_COPY and not scenario.switch
    )


def _distance(one: Workload, other: Workload) -> tuple[float, bool]:
    return (
        abs(math.log(one.threads / other.threads)),
        one.reads_only != other.reads_only,
    )


def _binned(samples: list[tuple[float, float]]) -> list[tuple[float, float]]:
    bins: dict[int, list[tuple[float, float]]] = {}
    for t, n in samples:
        bins.setdefault(math.floor(math.log(t, BIN)), []).append((t, n))
    return [
        (
            statistics.median(t for t, _ in bins[b]),
            statistics.median(n for _, n in bins[b]),
        )
        for b in sorted(bins)
    ]


def _towards_zero(
    points: list[tuple[float, float]],
) -> list[tuple[float, float]]:
    """The samples with the power law below the first of them."""
    first, least = points[0]
    near = [(t, n) for t, n in points if t <= NEAR * first and n > 0]
    if len(near) < 2 or least <= 0:
        return points
    x, y = np.log([t for t, _ in near]), np.log([n for _, n in near])
    # W(t)/t falls and W rises: the exponent is in (0, 1]
    power = float(np.clip(np.polyfit(x, y, 1)[0], 0.0, 1.0))
    short = [
        (share * first, least * share**power)
        for share in SHORT
        if share * first < first
    ]
    return [*short, *points]


def _working_set(
    resident: float, points: list[tuple[float, float]]
) -> WorkingSet:
    rising, most = [], 0.0
    for t, n in points:
        most = max(most, min(n, resident))
        rising.append((t, most))
    return WorkingSet(resident=resident, samples=tuple(rising))


def forecast(scenario: Scenario, ram: float, known: Knowledge) -> Raw:
    """Our forecast of one run by what is known before it."""
    resident = known.resident(scenario, ram)
    curve = known.curve(scenario.workload, resident)
    return MODELS[scenario.mode](curve, scenario)


def _stop_and_copy(curve: Curves, scenario: Scenario) -> Raw:
    size = float(curve.resident[0])
    # The guest stands: a second, empty pass is QEMU's downtime.
    return Raw(
        tail=size / LINK,
        ordered=0.0,
        data=size,
        downtime=RULES.downtime_limit,
        converges=True,
    )


def _pre_copy(
    curve: Curves, scenario: Scenario, terms: Terms = PLAIN_TERMS
) -> Raw:
    found = pre_copy(curve, LINK, RULES, terms=terms)
    converges = bool(found.converges[0])
    # Where it stalls, what was sent until then is a lower bound.
    data = float(np.nansum(found.rounds))
    return Raw(
        tail=float(found.t_sum[0]) if converges else data / LINK,
        ordered=0.0,
        data=float(found.data[0]) if converges else data,
        downtime=float(found.t_downtime[0]) if converges else math.inf,
        converges=converges,
    )


def _auto_converge(curve: Curves, scenario: Scenario) -> Raw:
    return _pre_copy(curve, scenario, Terms(throttle=1.0))


def _post_copy(curve: Curves, scenario: Scenario) -> Raw:
    """Rounds until the switch, then every page that is left, once."""
    found = hybrid(curve, LINK, RULES, scenario.switch)
    if not found.switched[0]:
        return _pre_copy(curve, scenario)
    return Raw(
        tail=float(found.forecasts.t_sum[0]) - scenario.switch,
        ordered=scenario.switch,
        data=float(found.forecasts.data[0]),
        # what QEMU calls so; the VM's outage is not in the data
        downtime=RULES.switchover,
        converges=True,
    )


#: Mode of a run -> how it is forecast.
MODELS = {
    Mode.PRE_COPY: _pre_copy,
    Mode.AUTO_CONVERGE: _auto_converge,
    Mode.POST_COPY: _post_copy,
    Mode.STOP_AND_COPY: _stop_and_copy,
}


def situation(scenario: Scenario, ram: float, known: Knowledge) -> Situations:
    """The same knowledge as the comparators take it."""
    resident = known.resident(scenario, ram)
    curve = known.curve(scenario.workload, resident)
    hot, later = (
        curve.at(np.array([HOT_PERIOD]))[0],
        curve.at(np.array([HOT_PERIOD * NEAR]))[0],
    )
    stands = scenario.mode is Mode.STOP_AND_COPY
    writes = 0.0 if stands else 1.0
    if stands:
        curve = fit([WorkingSet(resident=resident, samples=())])
    return Situations(
        memory=np.array([resident]),
        bandwidth=np.array([LINK]),
        dirty_rate=np.array([writes * hot / HOT_PERIOD]),
        hot=np.array([writes * hot]),
        hot_period=np.array([HOT_PERIOD]),
        cold_rate=np.array(
            [writes * (later - hot) / (HOT_PERIOD * NEAR - HOT_PERIOD)]
        ),
        curves=curve,
    )
