"""Forecasts of the QEMU/PostgreSQL migrations, ours and the comparators'.

Zero-shot, an operator knows the RAM, the link, and what was ordered. Online,
also what the product learns of earlier runs
(forecast/learned/experience.py): what a first pass sent, rounds, and how far
forecasts were off. Nobody measures writing, and a run's own samples are never
seen by its own forecast.
"""

import dataclasses
import math

import numpy as np

from benchmarks.qemu_postgres import Mode
from benchmarks.qemu_postgres import Run
from benchmarks.qemu_postgres import Scenario
from benchmarks.qemu_postgres import Workload
from benchmarks.qemu_traces import Shown
from benchmarks.qemu_traces import Way
from watcher_tsmig import units
from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.baselines import Situations
from watcher_tsmig.forecast.hybrid import hybrid
from watcher_tsmig.forecast.learned.experience import Prior
from watcher_tsmig.forecast.learned.experience import Subject
from watcher_tsmig.forecast.learned.experience import working_sets
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.observed import Basis
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.model.trace import Trace

# README of the data. It is what QEMU was seen to send, so nothing is lost.
LINK = units.from_mbit_s(1080.0)
# QEMU's own downtime limit; the samples' expected downtime starts with it.
RULES = Rules(downtime_limit=0.3, efficiency=1.0, setup=0.0)
# What the planner assumes of a VM that nobody measured, bytes/s.
ASSUMED_DIRTY_RATE = 50e6
# Modes whose time is that of a running guest's memory over the link.
TIMED = (Mode.PRE_COPY, Mode.AUTO_CONVERGE)
# s between two runs, as far as learning from them goes; what all share.
APART, KIN = 3600.0, ('postgres',)
# The comparators' cold rate is that up to so many hot periods.
NEAR = 8.0
# The comparators' hot set: what is written within this time (as in mVM).
HOT_PERIOD = 2.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A forecast before anything is corrected; seconds and bytes.

    :ivar tail: the part of the time that is not ordered (after a switch to
        post-copy at a given time)
    :ivar ordered: the other part
    :ivar like: what it writes was only seen of others
    """

    tail: float
    ordered: float
    data: float
    downtime: float
    converges: bool
    like: bool = False


class Knowledge:
    """What earlier runs have shown to who watched them.

    A workload counts as a VM, and all of them as like each other: they run
    the same software in the same flavor.
    """

    def __init__(self, way: Way = Way.AGENT) -> None:
        self.way = way
        self.traces: list[Trace] = []

    def learn(self, run: Run) -> None:
        """Take in what a finished run has left behind."""
        shown = run.shown.get(self.way, Shown())
        self.traces.append(
            Trace(
                vm=str(run.scenario.workload),
                at=len(self.traces) * APART,
                memory=run.ram,
                first_pass=shown.first_pass,
                rounds=shown.rounds,
                # a post-copy of these went faster than its link, uncapped;
                # a guest that stands says nothing of its writing
                took=run.total if run.scenario.mode in TIMED else None,
                rate=LINK,
            )
        )

    def outcomes(self, work: Workload) -> int:
        """How many runs of the workload were seen."""
        return sum(trace.vm == str(work) for trace in self.traces)

    def working_set(self, scenario: Scenario, ram: float) -> WorkingSet:
        """As learned; all memory, written as is assumed, where nothing is."""
        vm = str(scenario.workload)
        found = working_sets(
            [Subject(id=vm, memory=ram, kin=KIN)],
            self.traces,
            dict.fromkeys((t.vm for t in self.traces), KIN),
            Prior(rate=ASSUMED_DIRTY_RATE, link=LINK, rules=RULES),
        ).get(vm)
        usual = (1.0, min(ASSUMED_DIRTY_RATE, ram))
        if found is None:
            return WorkingSet(resident=ram, samples=(usual,))
        return dataclasses.replace(found, samples=found.samples or (usual,))


def forecast(scenario: Scenario, ram: float, known: Knowledge) -> Raw:
    """Our forecast of one run by what is known before it."""
    found = known.working_set(scenario, ram)
    terms = Terms(zero=max(ram - found.resident, 0.0))
    raw = MODELS[scenario.mode](fit([found]), scenario, terms)
    return dataclasses.replace(raw, like=found.basis == Basis.LIKE)


def _stop_and_copy(curve: Curves, scenario: Scenario, terms: Terms) -> Raw:
    size = float(curve.resident[0])
    still = fit([WorkingSet(resident=size, samples=())])
    found = pre_copy(still, LINK, RULES, terms=terms)
    # The guest stands: a second, empty pass is QEMU's downtime.
    return Raw(
        tail=float(found.t_sum[0]),
        ordered=0.0,
        data=float(found.data[0]),
        downtime=RULES.downtime_limit,
        converges=True,
    )


def _pre_copy(curve: Curves, scenario: Scenario, terms: Terms) -> Raw:
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


def _auto_converge(curve: Curves, scenario: Scenario, terms: Terms) -> Raw:
    slowed = dataclasses.replace(terms, throttle=1.0)
    return _pre_copy(curve, scenario, slowed)


def _post_copy(curve: Curves, scenario: Scenario, terms: Terms) -> Raw:
    """Rounds until the switch, then every page that is left, once."""
    found = hybrid(curve, LINK, RULES, scenario.switch, terms=terms)
    if not found.switched[0]:
        return _pre_copy(curve, scenario, terms)
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
    found = known.working_set(scenario, ram)
    curve, resident = fit([found]), found.resident
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
        zero=np.array([max(ram - resident, 0.0)]),
    )
