"""What is known of a VM, with what is assumed where nothing is.

Every assumption is written down with the VM that it concerns. Nothing here
knows of other VMs.
"""

import numpy as np

from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import contents as weights
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import settings
from watcher_tsmig.model import Contents
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.cloud import PAUSED
from watcher_tsmig.model.observed import Basis
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.values import Request


def resident(vm: Vm) -> float:
    """Bytes of memory that a first pass sends; all where nobody measured."""
    return vm.memory if vm.working_set is None else vm.working_set.resident


def _working_set(vm: Vm, request: Request) -> WorkingSet:
    """What is known, with what is assumed where nothing is.

    Unmeasured dirtying is a constant rate up to the whole memory, the
    shape that forecasts the longest migration for its rate at 1 s.
    """
    known = vm.working_set
    if vm.state == PAUSED:
        return WorkingSet(resident=resident(vm), samples=((1.0, 0.0),))
    if known is not None and known.samples:
        return known
    return WorkingSet(
        resident=resident(vm),
        samples=((1.0, min(request.assume_dirty_rate, resident(vm))),),
        source='assumed',
    )


# What may be assumed of a VM, as `Migration.assumed` has it.
TRAFFIC, WRITING = 'traffic', 'dirtying'
# Nobody saw it write, but VMs that it is like.
AS_ITS_LIKE = 'dirtying as of like VMs'


def assumptions(vm: Vm) -> tuple[str, ...]:
    work = vm.working_set
    runs = vm.state != PAUSED
    known = work is not None and bool(work.samples)
    like = work is not None and work.basis == Basis.LIKE
    unknown = (
        (TRAFFIC, vm.traffic is None),
        (WRITING, runs and not known),
        (AS_ITS_LIKE, runs and known and like),
    )
    return tuple(name for name, missing in unknown if missing)


# How far a VM's writing may be from what is known of it: the deviation of the
# logarithm. Chosen, not measured: of what was measured, what the benchmark of
# policies draws; of like VMs, so that calibrate.LIKE_ERROR holds in 19 of 20;
# of what is only assumed, so that one in six writes e times as much.
WIDTHS = {Basis.MEASURED: 0.3, Basis.OWN: 0.3, Basis.LIKE: 0.67}
ASSUMED = 1.0
# A VM that is paused does not write.
STILL = 1e-3


def widths(moving: list[Vm]) -> FloatArray:
    """See `WIDTHS`; shape (n,), > 0."""
    return np.array([_width(vm) for vm in moving])


def _width(vm: Vm) -> float:
    work = vm.working_set
    if vm.state == PAUSED:
        return STILL
    if work is None or not work.samples:
        return ASSUMED
    return WIDTHS[Basis(work.basis)]


def seen_writing(assumed: tuple[str, ...]) -> bool:
    """Whether somebody saw what the VM writes, by what is assumed of it."""
    return not {WRITING, AS_ITS_LIKE} & set(assumed)


def rates(vm: Vm, request: Request) -> tuple[float, float]:
    """(tx, rx) as measured or assumed, bytes/s."""
    if vm.traffic is None:
        return request.assume_traffic, request.assume_traffic
    return vm.traffic.tx, vm.traffic.rx


def contents(vm: Vm) -> Contents | None:
    """What its pages hold, where that decides anything.

    Zeros among what a VM writes are of use where it is known what it writes.
    """
    return vm.contents if seen_writing(assumptions(vm)) else None


def weighed(moving: list[Vm], curves: Curves, terms: Terms) -> Terms:
    """The terms with what is known of the VMs' pages."""
    memory = np.array([vm.memory for vm in moving])
    some = [contents(vm) for vm in moving]
    return weights.weighed(terms, some, memory, curves.resident)


def forecasts(
    moving: list[Vm],
    request: Request,
    theirs: tuple[Rules, ...],
    source: IntArray,
    capped: BoolArray,
) -> tuple[Curves, Terms]:
    """What forecasts of these VMs need beside a bandwidth."""
    curves = fit([_working_set(vm, request) for vm in moving])
    novas = settings([theirs[host] for host in source])
    disks = [vm.going_along for vm in moving]
    memory = np.array([v.memory for v in moving])
    return curves, Terms(
        memory=memory,
        zero=weights.untouched(memory, curves.resident),
        disks=np.array([float(len(sizes)) for sizes in disks]),
        disk=np.array([sum(sizes) for sizes in disks]),
        largest_disk=np.array([max(sizes, default=0.0) for sizes in disks]),
        uncapped=~capped[source],
        raised=np.ones(len(moving), dtype=bool),
        **novas,
    )
