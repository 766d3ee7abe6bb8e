"""Evacuations of a vSphere host, and how many at once the planner would do.

Nobody says how large the VMs are and what they write: both are taken from
the bytes of two settings, with fewest and with most at once, all VMs alike.
What is judged is what follows: how many the planner, free to have any
number under way, has under way, and its bytes there. How many were at once
is read from the progress of the VMs, as the file's names for it were
inferred by others.
"""

import dataclasses
import itertools
import pathlib
import statistics
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from benchmarks import scores
from watcher_tsmig import units
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan

FILE = 'vmotion_evacuation.csv'
COLUMNS = ('setting', 'kind', 'object', 'nic', 'seconds', 'value')
FASTEST = 'nic_max_mbit'
# Of a search for a size or a rate.
HALVINGS = 40
# So many of the settings count as good.
BEST = 2
# What the planner may do at once: more than there are VMs.
FREE = 64
NOTE = (
    'A choice between two measured settings is among the best two if both '
    'are, and its bytes are held against what lies between theirs.'
)
Points = list[tuple[float, float]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evacuation:
    """One setting; s, bytes and bytes/s.

    :ivar nics: rate of each interface over time
    :ivar progress: of each VM, percent over time
    """

    name: str
    capacity: float
    nics: tuple[Points, ...]
    progress: dict[str, Points]

    @property
    def ends(self) -> dict[str, float]:
        """When each VM's last word came, s."""
        return {vm: points[-1][0] for vm, points in self.progress.items()}

    @property
    def last(self) -> float:
        """When all had ended, s."""
        return max(self.ends.values())

    @property
    def at_once(self) -> int:
        """How many had moved on before the first had ended."""
        first = min(self.ends.values())
        return sum(
            any(p != points[0][1] for t, p in points if t <= first)
            for points in self.progress.values()
        )

    def sent(self, until: float) -> float:
        """Bytes that went until then, as the interfaces agree."""
        return statistics.fmean(
            float(
                np.trapezoid(
                    np.interp(grid := np.linspace(0, until, 512), *_xy(nic)),
                    grid,
                )
            )
            for nic in self.nics
        )

    @property
    def data(self) -> float:
        """Bytes in all."""
        return self.sent(max(nic[-1][0] for nic in self.nics))


def _xy(points: Points) -> tuple[list[float], list[float]]:
    return [t for t, _ in points], [v for _, v in points]


def load(folder: pathlib.Path) -> list[Evacuation] | None:
    """The settings in file order; None where there is no such file.

    :raises errors.InputError: the file cannot be used; says where
    """
    path = folder / FILE
    if not path.is_file():
        return None
    rows = [
        (f'{path}: line {i}', row)
        for i, row in enumerate(scores.read(path, COLUMNS), 2)
    ]
    out = []
    for name, some in itertools.groupby(rows, lambda r: r[1]['setting']):
        its = list(some)
        out.append(_evacuation(name, its))
    return out


def _evacuation(
    name: str, rows: Sequence[tuple[str, dict[str, str]]]
) -> Evacuation:
    series: dict[tuple[str, str], Points] = {}
    fastest = 0.0
    for at, row in rows:
        point = (
            scores.number(row, 'seconds', at),
            scores.number(row, 'value', at),
        )
        series.setdefault((row['kind'], row['object']), []).append(point)
        if row['kind'] == 'nic':
            fastest = max(fastest, scores.positive(row, FASTEST, at))
    return Evacuation(
        name=name,
        capacity=units.from_mbit_s(fastest),
        nics=tuple(
            [(t, units.from_mbit_s(v)) for t, v in points]
            for (kind, _), points in series.items()
            if kind == 'nic'
        ),
        progress={
            name: sorted(points)
            for (kind, name), points in series.items()
            if kind == 'vm'
        },
    )


def sends(size: float, writes: float, at_once: int, nic: float) -> float:
    """Bytes of the pre-copy of one VM that has its share of the interface."""
    work = WorkingSet(resident=size, samples=((1.0, min(writes, size)),))
    return float(pre_copy(fit([work]), nic / at_once, Rules()).data[0])


def guests(rows: Sequence[Evacuation]) -> tuple[float, float]:
    """Bytes of a VM, and bytes/s that it writes, as two settings say.

    More at once have less each, and send again what is written meanwhile.
    """
    few, most = rows[0], rows[-1]
    nic, many = most.capacity, len(most.progress)

    def writes(size: float) -> float:
        return _least(
            lambda w: sends(size, w, most.at_once, nic) * many > most.data,
            nic / most.at_once,
        )

    size = _least(
        lambda m: (
            sends(m, writes(m), few.at_once, nic) * len(few.progress)
            > few.data
        ),
        few.data / len(few.progress),
    )
    return size, writes(size)


def _least(enough: Callable[[float], bool], high: float) -> float:
    """The least number up to `high` that is enough, by bisection."""
    low = 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def cloud(rows: Sequence[Evacuation]) -> Cloud:
    """The host with its VMs, as these settings show them."""
    size, writes = guests(rows)
    names = rows[-1].progress
    nic = Nic(capacity=rows[-1].capacity)
    whole = {
        'memory': 2 * len(names) * size,
        'vcpus': 2.0 * len(names),
        'nic': nic,
    }
    return Cloud(
        hosts=tuple(
            Host(name=name, agent=True, max_outgoing=FREE, **whole)
            for name in ('host1', 'host2')
        ),
        vms=tuple(
            Vm(
                id=vm,
                name=vm,
                host='host1',
                memory=size,
                vcpus=1.0,
                working_set=WorkingSet(
                    resident=size, samples=((1.0, min(writes, size)),)
                ),
            )
            for vm in names
        ),
    )


def planned(rows: Sequence[Evacuation], policy: str) -> Plan:
    """What the planner does, free to have as many at once as it likes."""
    request = policies.request(
        policy,
        hosts=('host1',),
        only_mode=Mode.PRE_COPY,
        max_per_source=FREE,
        max_per_destination=FREE,
        max_in_cluster=FREE,
        assume_traffic=0.0,
    )
    return make_plan(cloud(rows), request)


def at_once(plan: Plan) -> int:
    """How many of its migrations send at once at most."""
    setup = Rules().setup
    spans = [(m.start + setup, m.end) for m in plan.migrations]
    return max(sum(a <= t < b for a, b in spans) for t, _ in spans)


def report(
    rows: list[Evacuation], before: list[Evacuation] | None
) -> dict[str, object]:
    """The data set's part of the benchmark's JSON."""
    measured = sorted(rows, key=lambda r: (r.at_once, r.data))
    size, writes = guests(measured)
    return {
        'measured': {
            r.name: {
                'at_once': r.at_once,
                'last_end_s': round(r.last, 1),
                'gb': round(r.data / 1e9, 1),
            }
            for r in measured
        },
        'guests': {
            'gb': round(size / 1e9, 2),
            'writes_mb_s': round(writes / 1e6, 1),
            'from': [measured[0].name, measured[-1].name],
        },
        'foretold_of_the_others': {
            r.name: _off(sends(size, writes, r.at_once, r.capacity), r)
            for r in measured[1:-1]
        },
        'planned': {
            policy: _judged(planned(measured, policy), measured)
            for policy in policies.POLICIES
        },
        'note': NOTE,
    }


def _off(each: float, row: Evacuation) -> float:
    """By how much that many bytes of each VM are off, as a share."""
    return round(each * len(row.progress) / row.data - 1, 3)


def _judged(plan: Plan, measured: list[Evacuation]) -> dict[str, object]:
    chosen = at_once(plan)
    levels = [r.at_once for r in measured]
    good = {r.at_once for r in sorted(measured, key=lambda r: r.last)[:BEST]}
    beside = {
        max((n for n in levels if n <= chosen), default=levels[0]),
        min((n for n in levels if n >= chosen), default=levels[-1]),
    }
    data = float(np.interp(chosen, levels, [r.data for r in measured]))
    return {
        'at_once': chosen,
        'among_the_best_two': beside <= good,
        'makespan_s': round(plan.makespan, 1),
        'gb': round(plan.data / 1e9, 1),
        'gb_error': round(plan.data / data - 1, 3),
    }
