"""Cells of the policies benchmark: a cloud, what is true of it, a drain.

The trace says each VM's traffic and memory, not what its guest writes. So
that is invented, from the VM's memory in use and CPU at that instant, by a
seeded rule (`invent`), the same for every cell of a run.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from benchmarks import clouds
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.simulate import Noise
from watcher_tsmig.simulate import perturb

Arrays = dict[str, npt.NDArray[np.float64]]
Series = list[tuple[float, float, float]]

WRITING = (
    'invented, seeded: resident = at least the memory in use, else 20 to 70 '
    '% of what the VM was given; hot set = lognormal (median 5 %, sigma 1) '
    'of it, at most 60 %; writes = lognormal (median 40 MB/s, sigma 1.5) '
    'times 0.5 + CPU % / 10, at most 10.5; of these 98 % in the hot set at '
    'random, 2 % cold'
)
HOT, HOT_SIGMA, HOT_MOST = 0.05, 1.0, 0.6
RATE, RATE_SIGMA = 40e6, 1.5
COLD = 0.02
LEAST_RESIDENT = 64 * 1024.0**2
HORIZONS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# How far what the planner was told is from what is true.
NOISE = Noise(writing=0.3, resident=0.05)
# The trace's later samples that the replay sees.
LATER = 48


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One problem; what the planner sees and what is true.

    :ivar drained: names of the hosts to empty
    :ivar traffic: by VM id, what it does later
    """

    told: Cloud
    truth: Cloud
    traffic: dict[str, Series]
    drained: tuple[str, ...]


def cell(
    arrays: Arrays,
    column: int,
    *,
    hosts: int,
    drain: int,
    nic: float,
    traffic_scale: float,
    seed: int,
) -> Cell:
    """The trace at that instant, with the drain of evenly spaced hosts.

    Not of the first host, which has the trace's largest VM (half of a
    terabyte): alone it would be everyone's makespan.
    """
    built = clouds.cloud(
        arrays, column, hosts=hosts, nic=nic, traffic_scale=traffic_scale
    )
    told = dataclasses.replace(
        built,
        vms=tuple(
            dataclasses.replace(
                vm, working_set=invent(arrays, vm, column, seed)
            )
            for vm in built.vms
        ),
    )
    every = hosts / drain
    return Cell(
        told=told,
        truth=perturb(told, NOISE, seed),
        traffic=_later(arrays, told, column, traffic_scale, nic),
        drained=tuple(
            built.hosts[int((i + 0.5) * every)].name for i in range(drain)
        ),
    )


def invent(arrays: Arrays, vm: Vm, column: int, seed: int) -> WorkingSet:
    """The VM's working set, by the rule that `WRITING` tells."""
    row = _row(vm)
    random = np.random.default_rng((seed, row))
    given, hot_draw, rate_draw = (
        random.uniform(0.2, 0.7),
        random.standard_normal(),
        random.standard_normal(),
    )
    used = float(np.nan_to_num(arrays['mem_used_kB'][row, column]))
    cpu = float(np.nan_to_num(arrays['cpu_pct'][row, column]))
    resident = max(used * clouds.KIBI, vm.memory * given, LEAST_RESIDENT)
    resident = min(resident, vm.memory)
    share = min(HOT * float(np.exp(HOT_SIGMA * hot_draw)), HOT_MOST)
    busy = 0.5 + min(cpu, 100.0) / 10
    rate = RATE * float(np.exp(RATE_SIGMA * rate_draw)) * busy
    hot = share * resident
    t = np.array(HORIZONS)
    steep = (1 - COLD) * rate
    dirty = hot * -np.expm1(-steep * t / hot) + COLD * rate * t
    dirty = np.minimum(dirty, resident)
    return WorkingSet(
        resident=resident,
        samples=tuple(zip(HORIZONS, dirty.tolist(), strict=True)),
        source='invented',
    )


def _row(vm: Vm) -> int:
    return int(vm.id.removeprefix('vm-'))


def _later(
    arrays: Arrays, told: Cloud, column: int, scale: float, most: float
) -> dict[str, Series]:
    """What the trace says from then on; a missing sample changes nothing."""
    times = arrays['epoch_s']
    last = min(column + LATER, len(times) - 1)
    out: dict[str, Series] = {}
    for vm in told.vms:
        series: Series = []
        for k in range(column + 1, last + 1):
            traffic = clouds.traffic(arrays, _row(vm), k, scale, most)
            if traffic is not None:
                at = float(times[k] - times[column])
                series.append((at, traffic.tx, traffic.rx))
        out[vm.id] = series
    return out
