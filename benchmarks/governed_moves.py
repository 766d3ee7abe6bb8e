"""VMs that are to move, and how: planned as if they wrote otherwise.

Invented, with a seed. Only values live here; `benchmarks.governor` carries
the moves out.
"""

import dataclasses
import math
import random

import numpy as np

from watcher_tsmig import units
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import least_convergent_bandwidth
from watcher_tsmig.forecast import pre_copy
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules

GIB = units.GIB
SPEED = units.from_mbit_s(1_000)
SOURCES, AT_ONCE = 4, 2
# How long a working set is told, s.
SPANS = (0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
# What a VM writes within LIMIT s, again and again, as a share of a link; one
# that may not post-copy at most half of MOST, so that it ends beside another.
# HOT s of that are a hot set.
LEAST, MOST, HOT, LIMIT = 0.03, 0.8, (0.05, 0.45), 0.5
# Share of the VMs that may post-copy, and of the LCB that a plan gives.
MAY, SPARE = 0.7, 1.1


def cloud(vms: int, seed: int) -> Cloud:
    """Hosts full of VMs, and as many empty ones, at 1 Gbit/s."""
    drawn = random.Random(seed)
    hosts = [
        Host(
            name=name,
            memory=16 * GIB * vms,
            vcpus=2.0 * vms,
            nic=Nic(capacity=SPEED),
            post_copy=True,
        )
        for i in range(SOURCES)
        for name in (f'from{i}', f'to{i}')
    ]
    guests = []
    for i in range(vms):
        memory = drawn.choice((2, 4, 8, 16)) * GIB
        may = drawn.random() < MAY
        needs = drawn.uniform(LEAST, MOST if may else MOST / 2) * SPEED
        hot = drawn.uniform(*HOT) * needs
        cold = needs - hot / LIMIT
        guests.append(
            Vm(
                id=f'vm{i}',
                name=f'vm{i}',
                host=f'from{i % SOURCES}',
                memory=memory,
                vcpus=2.0,
                traffic=Traffic(tx=0.0, rx=0.0),
                post_copy=may,
                working_set=WorkingSet(
                    resident=memory,
                    samples=tuple(
                        (s, min(hot * min(s / LIMIT, 1.0) + cold * s, memory))
                        for s in SPANS
                    ),
                ),
            )
        )
    return Cloud(hosts=tuple(hosts), vms=tuple(guests))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One VM's move as it was planned; bytes/s, s.

    :ivar takes: foretold; inf where it is foretold not to end
    """

    vm: Vm
    cap: float
    floor: float
    takes: float
    post_copy: bool = False


def moves(truth: Cloud, wrong: float) -> list[Move]:
    """Each VM's move, planned as if it wrote `wrong` times as much.

    As much as its LCB and a tenth, and no less than its share of the link;
    what is not foretold to end on a link goes by post-copy where it may.
    """
    rules = Rules()
    told = [
        WorkingSet(
            resident=vm.memory,
            samples=tuple(
                (s, min(d * wrong, vm.memory))
                for s, d in vm.working_set.samples
            ),
        )
        for vm in truth.vms
        if vm.working_set
    ]
    curves = fit(told)
    least = least_convergent_bandwidth(curves, rules)
    caps = np.clip(least * SPARE, SPEED / AT_ONCE, SPEED)
    ends = pre_copy(curves, caps, rules).t_sum
    return [
        Move(
            vm=vm,
            cap=float(caps[i]),
            floor=float(min(least[i], SPEED)),
            takes=float(ends[i]),
            post_copy=vm.post_copy and not ends[i] < math.inf,
        )
        for i, vm in enumerate(truth.vms)
    ]
