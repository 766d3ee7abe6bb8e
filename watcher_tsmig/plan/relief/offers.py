"""What the VMs of an overloaded host offer: cost and relief of each.

Turns a cloud into the candidates that candidates.py chooses from. A VM can
go by pre-copy if its least convergent bandwidth is available, else by
post-copy if its owner and both hosts permit it. Source: MigVisor, "VM
Migration Candidate Selection" (LCB against the available bandwidth).
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from watcher_tsmig import units
from watcher_tsmig.forecast.contents import untouched
from watcher_tsmig.forecast.contents import weighed
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.curves import fit
from watcher_tsmig.forecast.migrations import CostWeights
from watcher_tsmig.forecast.migrations import Terms
from watcher_tsmig.forecast.migrations import cost
from watcher_tsmig.forecast.migrations import least_convergent_bandwidth
from watcher_tsmig.forecast.migrations import post_copy
from watcher_tsmig.forecast.migrations import pre_copy
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.relief.candidates import DEFAULT
from watcher_tsmig.plan.relief.candidates import WEIGHTS
from watcher_tsmig.plan.relief.candidates import Amounts
from watcher_tsmig.plan.relief.candidates import Candidate
from watcher_tsmig.reasons import Reason


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under which conditions VMs may leave a host.

    :ivar bandwidth: available to each migration, bytes/s on the wire
    :ivar deadline: of one migration's transfer, s
    :ivar post_copy: the destination permits post-copy
    :ivar assume_dirty_rate: bytes/s that a VM writes which nobody
        measured; None: such a VM cannot go by pre-copy
    """

    bandwidth: float
    rules: Rules = Rules()
    weights: CostWeights = WEIGHTS[DEFAULT]
    deadline: float = math.inf
    post_copy: bool = False
    assume_dirty_rate: float | None = None


def _working_set(vm: Vm, conditions: Conditions) -> WorkingSet:
    known = vm.working_set
    if known is not None and known.samples:
        return known
    resident = known.resident if known else vm.memory
    rate = conditions.assume_dirty_rate
    samples = () if rate is None else ((1.0, min(rate, resident)),)
    return WorkingSet(resident=resident, samples=samples, source='assumed')


def _measured(vm: Vm) -> bool:
    return vm.working_set is not None and bool(vm.working_set.samples)


def _relief(vm: Vm) -> Amounts:
    # Traffic that nobody measured is no relief that anybody can count on.
    return Amounts(
        vcpus=vm.vcpus,
        memory=vm.memory,
        tx=vm.traffic.tx if vm.traffic else 0.0,
        rx=vm.traffic.rx if vm.traffic else 0.0,
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Foretold:
    """Arrays of shape (n,) over the VMs of the host."""

    lcb: FloatArray
    pre_cost: FloatArray
    pre_fits: npt.NDArray[np.bool_]
    post_cost: FloatArray
    post_fits: npt.NDArray[np.bool_]


def _foretell(
    vms: Sequence[Vm], sets: Sequence[WorkingSet], conditions: Conditions
) -> _Foretold:
    curves = fit(sets)
    rules, rate = conditions.rules, conditions.bandwidth
    memory = np.array([vm.memory for vm in vms])
    terms = weighed(
        Terms(zero=untouched(memory, curves.resident)),
        # zeros among what a VM writes are of use where it is known what
        [vm.contents if _measured(vm) else None for vm in vms],
        memory,
        curves.resident,
    )
    pre = pre_copy(curves, rate, rules, terms=terms)
    post = post_copy(curves, rate, rules, terms)
    with np.errstate(invalid='ignore'):
        pre_cost = cost(pre, conditions.weights)
    return _Foretold(
        lcb=least_convergent_bandwidth(
            curves, rules, conditions.deadline, terms=terms
        ),
        pre_cost=pre_cost,
        pre_fits=pre.converges & (pre.t_sum <= conditions.deadline),
        post_cost=cost(post, conditions.weights),
        post_fits=post.t_sum <= conditions.deadline,
    )


def _offer(
    vm: Vm,
    known: bool,
    i: int,
    found: _Foretold,
    conditions: Conditions,
    host: bool,
) -> Candidate:
    def answer(
        mode: str, price: float, why: str, refusal: Reason | None = None
    ) -> Candidate:
        return Candidate(
            id=vm.id,
            name=vm.name,
            relief=_relief(vm),
            cost=price,
            mode=mode,
            because=why,
            refusal=refusal,
        )

    by = ' by the dry run' if vm.contents else ''
    needs = (
        f'needs{by} {units.human_rate(float(found.lcb[i]))}, '
        f'{units.human_rate(conditions.bandwidth)} are available'
        if known
        else 'nobody measured what it writes'
    )
    if known and found.pre_fits[i]:
        return answer('pre-copy', float(found.pre_cost[i]), needs)
    permitted = vm.post_copy and host and conditions.post_copy
    if permitted and found.post_fits[i]:
        return answer('post-copy', float(found.post_cost[i]), needs)
    needs += (
        '; post-copy takes longer than the deadline'
        if permitted
        else '; post-copy is not permitted'
    )
    refusal = Reason.DOES_NOT_CONVERGE if known else Reason.NOT_MEASURED
    return answer('', math.inf, needs, refusal)


def offers(
    cloud: Cloud, host: str, conditions: Conditions
) -> tuple[Candidate, ...]:
    """The candidates on a host, in the cloud's order.

    :raises KeyError: there is no such host (the caller's fault)
    """
    source = cloud.host(host)
    vms = [vm for vm in cloud.vms if vm.host == host]
    sets = [_working_set(vm, conditions) for vm in vms]
    if not vms:
        return ()
    found = _foretell(vms, sets, conditions)
    return tuple(
        _offer(
            vm,
            bool(working_set.samples),
            i,
            found,
            conditions,
            bool(source.post_copy),
        )
        for i, (vm, working_set) in enumerate(zip(vms, sets, strict=True))
    )
