"""Forecasts of the Grid'5000 migrations of the mVM study.

What an operator knows before a migration: the memory, the path's bandwidth,
the documented writer, and which migrations are then in flight. Ours and
every comparator get the same. `end_s` and `duration_s` of a row are seen by
later rows only, and within a run only by rows that start after that end.
"""

import dataclasses
import pathlib

import numpy as np

from benchmarks import scores
from watcher_tsmig import units
from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.forecast.baselines import BASELINES
from watcher_tsmig.forecast.baselines import FloatArray
from watcher_tsmig.forecast.baselines import Situations
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.simulate.sharing import max_min

FILE = 'grid5000_migrations.csv'
COLUMNS = (
    'instance', 'run', 'vm', 'source', 'destination', 'bandwidth_mbit_s',
    'memory_mb', 'start_s', 'end_s', 'duration_s',
)  # fmt: skip

# The documented writer: 96 MB rewritten every 2 s, 2 MB/s beside it. MB is
# 10^6 for what the guest writes; QEMU counts its memory in MiB.
HOT = 96e6
HOT_PERIOD = 2.0
COLD_RATE = 2e6
# The writer is described up to here at least; its line goes on beyond.
LONGEST = 60.0
# No downtime limit is documented. The only time scale that is: a round as
# short as the writer's period sends the same hot set again, so such a rest
# counts as the stop-and-copy. This reading was chosen with the data at hand:
# they show no such tail of rounds as QEMU's own default, which is printed
# beside it, would have.
OURS = Rules(downtime_limit=HOT_PERIOD, setup=0.0)
QEMU = Rules(downtime_limit=0.3, setup=0.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured migration; bytes, bytes/s and seconds."""

    instance: str
    run: str
    vm: str
    source: str
    destination: str
    bandwidth: float
    memory: float
    start: float
    end: float
    duration: float

    @property
    def identity(self) -> tuple[object, ...]:
        """What stays the same from run to run of one schedule."""
        return (
            self.instance, self.vm, self.source, self.destination,
            self.memory, self.bandwidth,
        )  # fmt: skip


def load(folder: pathlib.Path) -> list[Row] | None:
    """The rows in file order; None where the folder has no such file.

    :raises errors.InputError: the file cannot be used; says where
    """
    path = folder / FILE
    if not path.is_file():
        return None
    out = []
    for i, row in enumerate(scores.read(path, COLUMNS), 2):
        at = f'{path}: line {i}'
        out.append(
            Row(
                instance=row['instance'],
                run=row['run'],
                vm=row['vm'],
                source=row['source'],
                destination=row['destination'],
                bandwidth=units.from_mbit_s(
                    scores.positive(row, 'bandwidth_mbit_s', at)
                ),
                memory=units.from_mib(scores.positive(row, 'memory_mb', at)),
                start=scores.number(row, 'start_s', at),
                end=scores.number(row, 'end_s', at),
                duration=scores.positive(row, 'duration_s', at),
            )
        )
    return out


def curves(rows: list[Row]) -> Curves:
    """The documented writer as working-set curves of the rows' VMs."""
    samples = (
        (HOT_PERIOD, HOT),
        (LONGEST, HOT + COLD_RATE * (LONGEST - HOT_PERIOD)),
    )
    return fit([WorkingSet(resident=r.memory, samples=samples) for r in rows])


def _situations(rows: list[Row]) -> Situations:
    ones = np.ones(len(rows))
    return Situations(
        # MB as the authors of mVM count them
        memory=np.array([r.memory for r in rows]) / units.MIB * 1e6,
        bandwidth=np.array([r.bandwidth for r in rows]),
        dirty_rate=(HOT / HOT_PERIOD + COLD_RATE) * ones,
        hot=HOT * ones,
        hot_period=HOT_PERIOD * ones,
        cold_rate=COLD_RATE * ones,
        curves=curves(rows),
    )


class Flights:
    """Which migrations run when another starts, and what they take."""

    def __init__(self, rows: list[Row], alone: FloatArray) -> None:
        self.rows = rows
        self.alone = alone
        self.runs: dict[tuple[str, str], list[int]] = {}
        for i, row in enumerate(rows):
            self.runs.setdefault((row.instance, row.run), []).append(i)
        hosts = sorted({h for r in rows for h in (r.source, r.destination)})
        self.at = {host: i for i, host in enumerate(hosts)}
        # a NIC is at least as fast as the fastest path that uses it
        capacity = np.zeros(len(hosts))
        for row in rows:
            for host in (row.source, row.destination):
                i = self.at[host]
                capacity[i] = max(capacity[i], row.bandwidth)
        self.capacity = np.concatenate((capacity, capacity))

    def beside(self, i: int) -> list[int]:
        """What is in flight when row i starts, known at that instant."""
        row = self.rows[i]
        return [
            j
            for j in self.runs[row.instance, row.run]
            if j != i
            and self.rows[j].start <= row.start
            and (self.rows[j].end > row.start)
        ]

    def seconds(self, i: int) -> float:
        """Row i's time in a fluid model of the NICs.

        The others end when their own forecasts say so.
        """
        others = sorted(
            (self.rows[j].start + float(self.alone[j]), j)
            for j in self.beside(i)
        )
        row = self.rows[i]
        now, left = row.start, float(self.alone[i])
        for end, j in others:
            if end <= now:
                continue
            still = [k for e, k in others if e >= end or k == j]
            share = self._rate([i, *still]) / row.bandwidth
            if left <= share * (end - now):
                return now + left / share - row.start
            left -= share * (end - now)
            now = end
        return now + left - row.start

    def _rate(self, flows: list[int]) -> float:
        rows = [self.rows[i] for i in flows]
        half = len(self.at)
        path = np.array(
            [(self.at[r.source], half + self.at[r.destination]) for r in rows]
        )
        demand = np.array([r.bandwidth for r in rows])
        return float(max_min(self.capacity, path, demand)[0])

    def keys(self, i: int) -> tuple[str, ...]:
        """What the row's outcome is filed under, coarse to fine."""
        row = self.rows[i]
        path = f'{row.source}>{row.destination}'
        size = f'{row.bandwidth:.0f}/{row.memory:.0f}'
        near = [self.rows[j] for j in self.beside(i)]
        counts = (
            sum(o.source == row.source for o in near),
            sum(o.destination == row.destination for o in near),
            sum(o.destination == row.source for o in near),
            sum(o.source == row.destination for o in near),
        )
        return (
            f'bandwidth {row.bandwidth:.0f}',
            f'size {size}',
            f'path {path} {size}',
            f'path {path} {size} {counts}',
            f'vm {row.instance}/{row.vm} {path} {size}',
        )


def alone(rows: list[Row], rules: Rules) -> FloatArray:
    """Seconds of each migration if it had its path to itself."""
    found = pre_copy(
        curves(rows), np.array([r.bandwidth for r in rows]), rules
    )
    return found.t_sum


def raw_forecasts(rows: list[Row]) -> dict[str, FloatArray]:
    """Seconds by each predictor, nothing of the data set seen."""
    of = _situations(rows)
    out = {}
    for name, rules in (('ours', OURS), ('ours_qemu_default_limit', QEMU)):
        flights = Flights(rows, alone(rows, rules))
        out[name] = np.array([flights.seconds(i) for i in range(len(rows))])
    for name, model in BASELINES.items():
        out[name] = model(of).time
    return out
