"""The QEMU/PostgreSQL data set's part of the forecast benchmark.

Walks the runs in file order: forecast, score, and only then learn. Times of
runs that do not converge are no forecast's business: something outside
ended them, so they count as foretold or not, and are left out of the
errors.
"""

import dataclasses
import math
import statistics
from collections.abc import Hashable

from benchmarks import scores
from benchmarks.qemu_forecast import Knowledge
from benchmarks.qemu_forecast import Raw
from benchmarks.qemu_forecast import forecast
from benchmarks.qemu_forecast import situation
from benchmarks.qemu_postgres import Run
from benchmarks.qemu_traces import Way
from watcher_tsmig.forecast.baselines import BASELINES
from watcher_tsmig.forecast.learned.conformal import COLD_ERROR
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.forecast.learned.conformal import Interval
from watcher_tsmig.plan.explain.calibrate import LIKE_ERROR

#: Name in the JSON -> who watched the migrations that are learned from.
WAYS = {'online': Way.AGENT, 'online_by_nova': Way.NOVA}
# Of the same VM, after which a forecast is to be good.
OUTCOMES = 5
FIGURES = ('total_time', 'transferred_bytes', 'downtime')
NOTE = (
    'A plain pre-copy of more than 29 rounds (the number after which Xen '
    'gives up) counts as not converging. Those runs went on until their '
    'workload changed, so their total time and bytes are left out of the '
    'errors; ended_by_history is how well the median of earlier runs of the '
    'same scenario told when that was, and with_runs_ended_from_outside '
    'counts both. In zero_shot nobody measured the dirtying, so that the '
    "planner's assumed rate stands in and nothing can be foretold."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was foretold about one run; `given` by figure.

    :ivar outcomes: of the same workload that were seen before
    :ivar history: medians of earlier runs of the scenario, by figure
    """

    run: Run
    given: dict[str, Interval]
    converges: bool | None
    outcomes: int = 0
    history: dict[str, float] = dataclasses.field(default_factory=dict)

    def score(self, figure: str) -> scores.Score | None:
        """Forecast against outcome, where both are there."""
        given, value = self.given.get(figure), actual(self.run)[figure]
        if given is None or not self.run.converges or not value > 0:
            return None
        return scores.Score(value, given)

    def by_history(self, figure: str) -> scores.Score | None:
        """The same for a run that does not converge, by its like."""
        value = actual(self.run)[figure]
        if figure not in self.history or self.run.converges or not value > 0:
            return None
        return scores.Score(value, scores.exactly(self.history[figure]))


def actual(run: Run) -> dict[str, float]:
    """What came of the run, by figure."""
    return {
        'total_time': run.total,
        'transferred_bytes': run.data,
        'downtime': run.downtime,
    }


class Ours:
    """Our forecaster: knowledge of the workloads, and calibrations."""

    def __init__(self, way: Way = Way.AGENT) -> None:
        self.known = Knowledge(way)
        self.calibrations = {figure: Calibration() for figure in FIGURES}
        self.ends: dict[str, list[Run]] = {}

    def tell(self, run: Run) -> tuple[Told, Raw]:
        """What is foretold of the run by what is known before it."""
        raw = forecast(run.scenario, run.ram, self.known)
        values, groups = self._values(raw), self._groups(run, raw)
        given = {
            figure: self.calibrations[figure].forecast(
                value,
                _keys(run),
                groups,
                _fixed(raw, figure),
                LIKE_ERROR if raw.like else COLD_ERROR,
            )
            for figure, value in values.items()
        }
        ends = self.ends.get(run.scenario.name, [])
        return Told(
            run=run,
            given=given,
            converges=raw.converges,
            outcomes=self.known.outcomes(run.scenario.workload),
            history={
                figure: statistics.median(actual(r)[figure] for r in ends)
                for figure in FIGURES
                if ends
            },
        ), raw

    def learn(self, told: Told, raw: Raw) -> None:
        """Take in how the run went.

        The bias is that of the forecast as it would now be: one made
        before the workload was known says nothing about later ones.
        """
        run = told.run
        groups = self._groups(run, raw)
        self.known.learn(run)
        again = self._values(forecast(run.scenario, run.ram, self.known))
        for figure, given in told.given.items():
            fixed, value = _fixed(raw, figure), actual(run)[figure]
            if run.converges and value > fixed and figure in again:
                self.calibrations[figure].learn(
                    again[figure],
                    value,
                    _keys(run),
                    groups,
                    given,
                    fixed,
                )
        self.ends.setdefault(run.scenario.name, []).append(run)

    def _values(self, raw: Raw) -> dict[str, float]:
        values = {
            'total_time': raw.tail,
            'transferred_bytes': raw.data,
            'downtime': raw.downtime,
        }
        return {k: v for k, v in values.items() if 0 < v < math.inf}

    def _groups(self, run: Run, raw: Raw) -> tuple[str, ...]:
        if raw.like:
            return ('like',)
        kind = 'known' if run.scenario.name in self.ends else 'new'
        return (f'{run.scenario.group} {kind}', kind)


def _fixed(raw: Raw, figure: str) -> float:
    """What of the figure is ordered and cannot be wrong."""
    return raw.ordered if figure == 'total_time' else 0.0


def _keys(run: Run) -> tuple[str, ...]:
    of = run.scenario
    return (
        of.group,
        f'{of.mode}',
        f'{of.mode} {of.workload}',
        f'{of.mode} {of.workload} {of.switch:g}',
    )


def ours(
    runs: list[Run],
    before: list[Run] | None,
    learning: bool,
    way: Way = Way.AGENT,
) -> list[Told]:
    """Our forecasts in file order."""
    mine = Ours(way)
    for run in before or ():
        mine.learn(*mine.tell(run))
    out = []
    for run in runs:
        told, raw = mine.tell(run)
        out.append(told)
        if learning:
            mine.learn(told, raw)
    return out


def comparator(
    name: str, runs: list[Run], before: list[Run] | None, learning: bool
) -> list[Told]:
    """A published model's forecasts; it knows what ours knows.

    The models are ones of pre-copy. Only plain memory over bandwidth says
    something about post-copy.
    """
    known, learned, out = Knowledge(), Calibration(), []
    for run in before or ():
        known.learn(run)
    for run in runs:
        found = BASELINES[name](situation(run.scenario, run.ram, known))
        values = {
            'total_time': float(found.time[0]),
            'transferred_bytes': float(found.data[0]),
            'downtime': float(found.downtime[0]),
        }
        fits = (
            run.scenario.group == 'pre_copy' or name == 'memory_over_bandwidth'
        )
        good = {k: v for k, v in values.items() if fits and 0 < v < math.inf}
        given = {k: scores.exactly(v) for k, v in good.items()}
        if 'total_time' in good:
            time = good['total_time']
            given['total_time'] = learned.forecast(time, (), ('pre_copy',))
            if learning and run.converges:
                learned.learn(time, run.total, (), ('pre_copy',))
        converges = math.isfinite(values['total_time']) if fits else None
        out.append(Told(run=run, given=given, converges=converges))
        if learning:
            known.learn(run)
    return out


def report(runs: list[Run], before: list[Run] | None) -> dict[str, object]:
    """The data set's part of the benchmark's JSON."""
    out: dict[str, object] = {
        'ours': {
            'zero_shot': _entry(ours(runs, None, learning=False)),
            **{
                name: _learned(ours(runs, before, learning=True, way=way))
                for name, way in WAYS.items()
            },
        }
    }
    for name in BASELINES:
        out[name] = {
            'zero_shot': _entry(comparator(name, runs, None, learning=False)),
            'online': _entry(comparator(name, runs, before, learning=True)),
        }
    out['noise_floor'] = noise(runs)
    out['note'] = NOTE
    return out


def _learned(told: list[Told]) -> dict[str, object]:
    late = [t for t in told if t.outcomes >= OUTCOMES]
    return {**_entry(told), 'after_five_outcomes': _entry(late)}


def _entry(told: list[Told]) -> dict[str, object]:
    names = dict.fromkeys(t.run.scenario.name for t in told)
    return {
        **_summary(told, 'total_time'),
        'by_mode': {
            group: _summary(
                [t for t in told if t.run.scenario.group == group],
                'total_time',
            )
            for group in ('pre_copy', 'post_copy')
        },
        'transferred_bytes': _summary(told, 'transferred_bytes'),
        'downtime': _summary(told, 'downtime'),
        'with_runs_ended_from_outside': {
            figure: _points(told, figure) for figure in FIGURES[:2]
        },
        'convergence': _convergence(told),
        'scenarios': {
            name: _scenario([t for t in told if t.run.scenario.name == name])
            for name in names
        },
    }


def _summary(told: list[Told], figure: str) -> dict[str, object]:
    found = [t.score(figure) for t in told]
    return scores.summary([s for s in found if s is not None])


def _convergence(told: list[Told]) -> dict[str, object]:
    never = [t for t in told if not t.run.converges]
    ends = [t for t in told if t.run.converges]
    return {
        'not_converging': len(never),
        'foretold': sum(t.converges is False for t in never),
        'false_alarms': sum(t.converges is False for t in ends),
    }


def _scenario(told: list[Told]) -> dict[str, object]:
    out: dict[str, object] = {
        'runs': len(told),
        'convergence': _convergence(told),
        **{figure: _summary(told, figure) for figure in FIGURES},
    }
    if not all(t.run.converges for t in told):
        out['ended_by_history'] = {
            figure: scores.summary(_by_history(told, figure))
            for figure in FIGURES[:2]
        }
    return out


def _points(told: list[Told], figure: str) -> dict[str, object]:
    """Errors over all runs; the history's forecasts have no interval."""
    own = [t.score(figure) for t in told]
    found = [s for s in own if s is not None] + _by_history(told, figure)
    return scores.summary(
        [scores.Score(s.actual, scores.exactly(s.given.point)) for s in found]
    )


def _by_history(told: list[Told], figure: str) -> list[scores.Score]:
    found = [t.by_history(figure) for t in told]
    return [s for s in found if s is not None]


def noise(runs: list[Run]) -> dict[str, object]:
    """How far runs of one scenario are from each other."""
    out: dict[str, object] = {}
    for name, value in (
        ('total_time', lambda r: r.total),
        ('transferred_bytes', lambda r: r.data),
        ('downtime', lambda r: max(r.downtime, 1e-3)),
    ):
        groups: dict[Hashable, list[float]] = {}
        for run in runs:
            groups.setdefault(run.scenario.name, []).append(value(run))
        out[name] = scores.floor(groups)
    return out
