"""What one number more would have changed, of those that a plan assumed.

Each answer is the same planner on the cloud as it would be if that number
were known and as usual there, so it is a what-if and no estimate.
"""

import dataclasses
import statistics
from collections.abc import Iterator

from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.problem import known
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Purchase
from watcher_tsmig.reasons import Reason

# So many numbers are asked for, each a plan of its own, and only of plans of
# so many VMs: a what-if must not take longer than the plan.
MOST, SMALL = 3, 60
# What is usual is the median of so many VMs at least.
FEW = 3
# A number that spares less than this share of the makespan is noise.
WORTH = 0.02
SOURCE = 'as usual'


def asked(cloud: Cloud, plan: Plan) -> Plan:
    """The plan with what numbers that were assumed in it would change.

    :param cloud: that it was made for
    """
    if len(plan.migrations) + len(plan.left_out) > SMALL:
        return plan
    offers = []
    for vm, what in list(_numbers(cloud, plan))[:MOST]:
        vms = tuple(vm if v.id == vm.id else v for v in cloud.vms)
        then = make_plan(dataclasses.replace(cloud, vms=vms), plan.request)
        moves = len(then.migrations) - len(plan.migrations)
        spares = plan.makespan - then.makespan if moves <= 0 else 0.0
        if moves > 0 or spares > WORTH * plan.makespan:
            offers.append(
                Purchase(what=what, spares=spares, moves=max(moves, 0))
            )
    return dataclasses.replace(plan, purchases=(*plan.purchases, *offers))


def _numbers(cloud: Cloud, plan: Plan) -> Iterator[tuple[Vm, str]]:
    """VMs with one more number, and what it is: what it may change most."""
    vms = {vm.id: vm for vm in cloud.vms}
    stay = [
        vms[out.vm]
        for out in plan.left_out
        if out.reason is Reason.DOES_NOT_CONVERGE
    ]
    longest = sorted(plan.migrations, key=lambda m: m.takes, reverse=True)
    writing, traffic = _usual_writing(cloud), _usual_traffic(cloud)
    for vm in dict.fromkeys([*stay, *(vms[m.vm] for m in longest)]):
        assumed = known.assumptions(vm)
        if writing is not None and not known.seen_writing(assumed):
            rate = units.human_rate(_rate(writing))
            yield (
                dataclasses.replace(vm, working_set=_of(vm, *writing)),
                f'To know what {vm.name} writes, if it is the usual {rate},',
            )
        if traffic is not None and known.TRAFFIC in assumed:
            yield (
                dataclasses.replace(vm, traffic=traffic),
                f'To know the traffic of {vm.name}, if it is as usual,',
            )


# Share of its memory that a first pass sends, and (s, bytes dirtied).
Usual = tuple[float, tuple[tuple[float, float], ...]]


def _usual_writing(cloud: Cloud) -> Usual | None:
    """The median share that is sent, and the samples of a median writer."""
    some = [
        (vm, vm.working_set)
        for vm in cloud.vms
        if vm.working_set is not None
        and vm.working_set.samples
        and known.seen_writing(known.assumptions(vm))
    ]
    if len(some) < FEW:
        return None
    share = statistics.median(w.resident / vm.memory for vm, w in some)
    ordered = sorted(
        (w.samples for _, w in some), key=lambda s: s[-1][1] / s[-1][0]
    )
    return min(share, 1.0), ordered[len(ordered) // 2]


def _rate(usual: Usual) -> float:
    seconds, dirtied = usual[1][-1]
    return dirtied / seconds


def _of(
    vm: Vm, share: float, samples: tuple[tuple[float, float], ...]
) -> WorkingSet:
    resident = share * vm.memory
    return WorkingSet(
        resident=resident,
        samples=tuple((t, min(n, resident)) for t, n in samples),
        source=SOURCE,
    )


def _usual_traffic(cloud: Cloud) -> Traffic | None:
    some = [vm.traffic for vm in cloud.vms if vm.traffic is not None]
    if len(some) < FEW:
        return None
    return Traffic(
        tx=statistics.median(t.tx for t in some),
        rx=statistics.median(t.rx for t in some),
        source=SOURCE,
    )
