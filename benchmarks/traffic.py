"""Forecasts of traffic on a real trace: ours against those that others take.

    python -m benchmarks.traffic --data DIR [--days FROM TO] [--seed S]

Bitbrains (GWA-T-12): 500 VMs of a hosting provider, every 5 minutes. At many
moments each VM's mean over the next 5 and 15 minutes is foretold from what
came before, and compared with what came. `wape` is the sum of all errors over
the sum of what came, so that it is told by the VMs that have traffic. Of a NIC
of 20 VMs, drawn, `under` is how often it got more than the sum of its
forecasts, `missed` how much more in such a case, of what came; `over` is by
how much all forecasts together were above what came, of what came, and
`pinball` their loss as a quantile of 0.95, likewise. `upper` is no forecast of
VMs but our upper value of the NIC. Whose bursts come is traffic_bursts.py's.
One JSON object.
"""

import argparse
import dataclasses
import json
import pathlib
from collections.abc import Callable

import numpy as np

from benchmarks import traffic_bursts
from watcher_tsmig.telemetry.metrics.ahead import AHEAD
from watcher_tsmig.telemetry.metrics.ahead import ahead
from watcher_tsmig.telemetry.metrics.upper import LEVEL
from watcher_tsmig.telemetry.metrics.upper import upper
from watcher_tsmig.telemetry.settings import Settings

TRACE = 'bitbrains_rnd_july_5min.npz'
SPAN = 300.0
DAY = int(86400 / SPAN)
WAYS = {'tx': 'tx_kBps', 'rx': 'rx_kBps'}
STEPS = {'5 min': 1, '15 min': int(AHEAD / SPAN)}
BACK = int(Settings().window / SPAN)
VMS_OF_A_NIC = 20
# Every so many points a moment is judged: no divisor of a day
EVERY = 7
# Beside the methods: ours of the NIC, not of its VMs
UPPER = 'upper'

Method = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def ours(series: np.ndarray, known: np.ndarray, steps: int) -> np.ndarray:
    """As an audit foretells."""
    return ahead(series, known, steps)


def newest(
    many: int, what: Callable[..., np.ndarray]
) -> Callable[..., object]:
    """A forecast that takes the newest points and nothing else."""

    def answer(
        series: np.ndarray, known: np.ndarray, steps: int
    ) -> np.ndarray:
        there = np.arange(series.shape[1]) >= (
            series.shape[1] - np.minimum(known, many)[:, None]
        )
        return what(np.where(there, series, np.nan), axis=1)

    return answer


METHODS: dict[str, Method] = {
    'ours': ours,
    'last value': newest(1, np.nanmax),
    'mean of 3': newest(3, np.nanmean),
    'max of 12': newest(12, np.nanmax),
}


@dataclasses.dataclass(slots=True)
class Judged:
    """What one rule told of NICs, beside what came."""

    many: int = 0
    load: float = 0.0
    under: int = 0
    over: float = 0.0
    loss: float = 0.0
    missed: list[float] = dataclasses.field(default_factory=list)

    def add(self, told: np.ndarray, load: np.ndarray) -> None:
        """Each NIC at one moment."""
        short = told < load
        self.many += len(load)
        self.load += float(load.sum())
        self.under += int(short.sum())
        self.missed += (1 - told[short] / load[short]).tolist()
        above = float((told - load)[~short].sum())
        below = float((load - told)[short].sum())
        self.over += above
        self.loss += LEVEL * below + (1 - LEVEL) * above

    def figures(self) -> dict[str, float]:
        """By the name of each figure."""
        missed = float(np.mean(self.missed)) if self.missed else 0.0
        return {
            'under': round(self.under / self.many, 4),
            'missed': round(missed, 4),
            'over': round(self.over / self.load, 4),
            'pinball': round(self.loss / self.load, 4),
        }


FIGURES = tuple(Judged(many=1, load=1.0).figures())


def main() -> None:
    """Judge every method, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('--data', type=pathlib.Path, required=True)
    parser.add_argument('--days', type=float, nargs=2, default=(0.5, 14.0))
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    with np.load(args.data / TRACE, allow_pickle=False) as trace:
        traces = {w: trace[name].astype(float) for w, name in WAYS.items()}
    first, last = (int(day * DAY) for day in args.days)
    nics = (
        np.random.default_rng(args.seed).permutation(len(traces['tx']))
        // VMS_OF_A_NIC
    )
    print(
        json.dumps(
            {
                'days': args.days,
                'vms': len(nics),
                'cells': [
                    cell(trace, way, what, (first, last), nics)
                    for way, trace in traces.items()
                    for what in STEPS
                ],
                'bursts': [
                    traffic_bursts.judge(trace, way, (first, last))
                    for way, trace in traces.items()
                ],
            },
            indent=2,
        )
    )


def cell(
    trace: np.ndarray,
    way: str,
    what: str,
    between: tuple[int, int],
    nics: np.ndarray,
) -> dict[str, object]:
    """One direction and one horizon, by every method."""
    steps = STEPS[what]
    off = dict.fromkeys(METHODS, 0.0)
    judged = {name: Judged() for name in (*METHODS, UPPER)}
    came_in_all, moments, many = 0.0, 0, int(nics.max()) + 1
    first, last = max(between[0], BACK), between[1] - steps
    for at in range(first, min(last, trace.shape[1] - steps), EVERY):
        before = trace[:, at - BACK : at]
        came = trace[:, at : at + steps].mean(1)
        # the points up to the last hole before now
        known = np.isnan(before)[:, ::-1].argmax(1)
        known[~np.isnan(before).any(1)] = BACK
        live = (known > 0) & ~np.isnan(came)
        series, known, of = (
            np.nan_to_num(before[live]),
            known[live],
            nics[live],
        )
        came_in_all += came[live].sum()
        load = np.bincount(of, came[live], many)
        moments += 1
        totals = {}
        for name, method in METHODS.items():
            told = method(series, known, steps)
            off[name] += np.abs(told - came[live]).sum()
            totals[name] = np.bincount(of, told, many)
            judged[name].add(totals[name], load)
        sums = np.zeros((many, BACK))
        # what nobody knows of a VM adds nothing, as an audit sums them
        there = np.arange(BACK) >= (BACK - known)[:, None]
        np.add.at(sums, of, np.where(there, series, 0.0))
        told = upper(sums, np.full(many, BACK), steps, SPAN)
        judged[UPPER].add(np.maximum(told, totals['ours']), load)
    figures = {name: of.figures() for name, of in judged.items()}
    return {
        'direction': way,
        'ahead': what,
        'moments': moments,
        'wape': {n: round(float(x) / came_in_all, 4) for n, x in off.items()},
        **{
            figure: {name: of[figure] for name, of in figures.items()}
            for figure in FIGURES
        },
    }


if __name__ == '__main__':
    main()
