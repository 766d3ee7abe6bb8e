"""The QEMU 8.1/sysbench data set's part of the forecast benchmark.

Walks each series in file order: forecast, score, and only then learn, by the
product's own code. `given_the_bytes` knows what was sent, and is judged by
what it makes of that alone. Where rules are learned, they are the host's:
each series is one.
"""

import dataclasses
import math
import statistics
from collections.abc import Hashable
from collections.abc import Iterable

from benchmarks import scores
from benchmarks.qemu_sysbench import Mode
from benchmarks.qemu_sysbench import Run
from watcher_tsmig import units
from watcher_tsmig.forecast import Forecasts
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import hybrid
from watcher_tsmig.forecast import post_copy
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.learned.conformal import Calibration
from watcher_tsmig.forecast.learned.experience import Prior
from watcher_tsmig.forecast.learned.experience import Subject
from watcher_tsmig.forecast.learned.experience import working_sets
from watcher_tsmig.forecast.learned.zeros import speeds
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.model.trace import CLOCK
from watcher_tsmig.model.trace import Trace

# 1 GbE, and of a full frame what Linux leaves to a stream: its TCP has time
# stamps. QEMU's own downtime limit; Nova had no part in it.
LINK = units.from_mbit_s(1000.0)
RULES = Rules(downtime_limit=0.3, efficiency=1448 / 1538, setup=0.0)
# What the planner assumes of a VM that nobody measured, bytes/s.
ASSUMED_DIRTY_RATE = 50e6
# s between two runs, as far as learning from them goes.
APART = 3600.0
NOTE = (
    'A run is one line of final totals. Of a switch only what was sent before '
    'it is known, so that given_the_bytes takes it for ordered then, and '
    'online for ordered when the series has had it so far; at once before '
    'there was any. The first run of a series has nothing to learn from, and '
    'is counted apart. noise_floor is the median of all other repetitions, '
    'which no forecast has.'
)


def told(
    mode: Mode, work: WorkingSet, ram: float, rules: Rules, before: float
) -> Forecasts:
    """What is foretold of one migration.

    :param before: bytes that it sends before the switch, if it has one
    """
    curves = fit([work])
    terms = Terms(zero=max(ram - work.resident, 0.0))
    if mode is Mode.POST_COPY:
        return post_copy(curves, LINK, rules, terms)
    if mode is Mode.PRE_COPY:
        return pre_copy(curves, LINK, rules, terms=terms)
    passed = pre_copy(curves, LINK, rules, terms=terms)
    share = before / float(passed.rounds[0, 0])
    at = share * float(passed.t_converge[0])
    return hybrid(curves, LINK, rules, at, terms=terms).forecasts


def given(run: Run) -> float:
    """s, from what was sent: the first pass as long as all of it."""
    sent = run.data - run.zeros * RULES.zero_page
    work = WorkingSet(resident=sent, samples=())
    ram = sent + run.zeros * RULES.page
    return float(told(run.mode, work, ram, RULES, run.before).t_sum[0])


class Ours:
    """What earlier runs of all guests have taught."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.before: dict[str, list[float]] = {}
        self.times = Calibration()

    def tell(self, run: Run) -> Forecasts:
        """What is foretold of the run by what is known before it."""
        found = working_sets(
            [Subject(id=run.guest, memory=run.ram, kin=(run.series,))],
            self.traces,
            {t.vm: (t.source or '',) for t in self.traces},
            Prior(rate=ASSUMED_DIRTY_RATE, link=LINK, rules=RULES),
        ).get(run.guest)
        usual = (1.0, ASSUMED_DIRTY_RATE)
        work = found or WorkingSet(resident=run.ram, samples=(usual,))
        work = dataclasses.replace(work, samples=work.samples or (usual,))
        rules = RULES.under(None, speeds(self.traces, RULES).get(run.series))
        before = statistics.median(self.before.get(run.series, [0.0]))
        return told(run.mode, work, run.ram, rules, before)

    def learn(self, run: Run) -> None:
        """Take in what a finished run has left behind."""
        self.traces.append(
            Trace(
                vm=run.guest,
                at=len(self.traces) * APART,
                memory=run.ram,
                first_pass=run.first_pass,
                rounds=run.rounds,
                took=max(run.total, CLOCK),
                rate=LINK,
                switched=run.mode is not Mode.PRE_COPY,
                source=run.series,
            )
        )
        if run.mode is Mode.HYBRID:
            self.before.setdefault(run.series, []).append(run.before)


def keys(run: Run) -> tuple[str, ...]:
    """From coarse to fine, as the planner's: a mode, a VM in it."""
    return (f'{run.mode}', f'{run.mode}/{run.guest}')


Scored = tuple[Run, scores.Score]


def online(runs: Iterable[Run]) -> tuple[list[Scored], list[Scored]]:
    """Forecasts of the total time in file order, learning as it goes.

    :returns: those of runs of which none before could teach anything; the
        others
    """
    of: dict[str, Ours] = {}
    out: tuple[list[Scored], list[Scored]] = [], []
    for run in runs:
        mine = of.setdefault(run.series, Ours())
        taught = bool(mine.traces)
        groups = (f'{run.mode}',)
        raw = float(mine.tell(run).t_sum[0])
        found = scores.exactly(raw)
        if math.isfinite(raw):
            found = mine.times.forecast(raw, keys(run), groups)
        out[taught].append((run, scores.Score(run.total, found)))
        mine.learn(run)
        again = float(mine.tell(run).t_sum[0])
        if math.isfinite(again):
            mine.times.learn(again, run.total, keys(run), groups, found)
    return out


def report(runs: list[Run], before: list[Run] | None) -> dict[str, object]:
    """The data set's part of the benchmark's JSON."""
    exact = [
        (r, scores.Score(r.total, scores.exactly(given(r)))) for r in runs
    ]
    bytes_only = [
        (r, scores.Score(r.total, scores.exactly(_by_bytes(r)))) for r in runs
    ]
    earlier = before or []
    cold, learned = online([*earlier, *runs])
    both = {id(run) for run in runs}
    cold, learned = (
        [(r, s) for r, s in some if id(r) in both] for some in (cold, learned)
    )
    return {
        'given_the_bytes': _by_mode(exact),
        'given_the_bytes_without_zeros': _by_mode(bytes_only),
        'online': _by_mode(learned),
        'online_before_any_outcome': scores.summary([s for _, s in cold]),
        'online_by_memory': {
            f'{size:g}': scores.summary(
                [s for r, s in learned if r.size == size]
            )
            for size in sorted({r.size for r in runs})
        },
        'noise_floor': {
            mode.name.lower(): _floor(runs, mode) for mode in Mode
        },
        'note': NOTE,
    }


def _by_bytes(run: Run) -> float:
    return run.data / (LINK * RULES.efficiency)


def _by_mode(
    found: list[Scored],
) -> dict[str, dict[str, object]]:
    return {
        mode.name.lower(): scores.summary(
            [score for run, score in found if run.mode is mode]
        )
        for mode in Mode
    }


def _floor(runs: list[Run], mode: Mode) -> dict[str, object]:
    groups: dict[Hashable, list[float]] = {}
    for run in runs:
        if run.mode is mode:
            groups.setdefault(run.guest, []).append(run.total)
    return scores.floor(groups)
