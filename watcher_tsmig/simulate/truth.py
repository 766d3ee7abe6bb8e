"""What the planner did not know: a cloud that differs, and failures.

Values and seeded draws only; the same seed gives the same truth, whatever
the order in which it is asked for.
"""

import dataclasses
import zlib

import numpy as np

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How wrong a cloud was measured: factors exp(N(0, sigma)), by VM.

    :ivar writing: sigma of the bytes dirtied, one factor for a VM's curve
    :ivar resident: sigma of the bytes of the first pass, which stay below
        the VM's memory
    :ivar traffic: sigma of tx and of rx, a factor for each
    """

    writing: float = 0.0
    resident: float = 0.0
    traffic: float = 0.0


def perturb(cloud: Cloud, noise: Noise, seed: int = 0) -> Cloud:
    """The cloud as it is where `cloud` is how it was measured.

    What nobody measured stays unknown.
    """
    return dataclasses.replace(
        cloud, vms=tuple(_perturbed(vm, noise, seed) for vm in cloud.vms)
    )


def _perturbed(vm: Vm, noise: Noise, seed: int) -> Vm:
    factor = np.exp(_random(seed, vm.id).standard_normal(4))
    traffic, work = vm.traffic, vm.working_set
    if traffic is not None and noise.traffic:
        traffic = dataclasses.replace(
            traffic,
            tx=float(traffic.tx * factor[0] ** noise.traffic),
            rx=float(traffic.rx * factor[1] ** noise.traffic),
        )
    if work is not None:
        work = _rewritten(
            work,
            float(factor[2] ** noise.writing),
            float(factor[3] ** noise.resident),
            vm.memory,
        )
    return dataclasses.replace(vm, traffic=traffic, working_set=work)


def _rewritten(
    work: WorkingSet, writing: float, resident: float, memory: float
) -> WorkingSet:
    most = max(memory, work.resident)
    return dataclasses.replace(
        work,
        resident=min(work.resident * resident, most),
        # no VM dirties more than it has
        samples=tuple((t, min(d * writing, most)) for t, d in work.samples),
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Every attempt fails with the same probability, independently.

    A call says after how many s of transfer; None where it does not fail.

    :ivar rate: probability that an attempt fails
    :ivar within: it fails at any time up to so many s, if it still runs
    """

    rate: float
    within: float = 60.0
    seed: int = 0

    def __call__(self, vm: str, attempt: int) -> float | None:
        fails, at = _random(self.seed, f'{attempt}:{vm}').random(2)
        return float(at * self.within) if fails < self.rate else None


def _random(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng((seed, zlib.crc32(name.encode())))
