"""Stopped VMs, which follow cold once the others have left.

Where each goes is planned as if it were paused and the others had moved
already: rooms, groups, zones and links are the planner's own, on another
cloud. How long it takes is nobody's forecast.
"""

import dataclasses
import math
from collections.abc import Set as AbstractSet
from typing import Any

from watcher_tsmig.model import Cloud
from watcher_tsmig.model.cloud import PAUSED
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.reasons import Reason


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cold:
    """A VM that moves cold."""

    vm: str
    name: str
    source: str
    destination: str


def followers(plan: Plan) -> frozenset[str]:
    """VMs that the plan leaves because they are stopped."""
    return frozenset(
        out.vm for out in plan.left_out if out.reason is Reason.STOPPED
    )


def cold(
    cloud: Cloud, plan: Plan, who: AbstractSet[str]
) -> tuple[tuple[Cold, ...], Plan]:
    """Where these of its followers go, and the plan without those who do.

    Who finds no place stays, with what keeps it there.
    """
    who = who & followers(plan)
    if not who:
        return (), plan
    request = dataclasses.replace(
        plan.request,
        vms=tuple(sorted(who)),
        choices=tuple(c for c in plan.request.choices if c[0] in who),
        deadline=math.inf,
        only_mode=Mode.PRE_COPY,
    )
    found = make_plan(_left(cloud, plan, who), request)
    moves = tuple(
        Cold(vm=m.vm, name=m.name, source=m.source, destination=m.destination)
        for m in found.migrations
        # through a third host it would stop over, which nobody does cold
        if m.vm in who and m.hop == 1 and m.vm not in _twice(found)
    )
    gone = {move.vm for move in moves}
    kept = {out.vm: out for out in found.left_out if out.vm in who}
    left_out = tuple(
        kept.get(out.vm, out) for out in plan.left_out if out.vm not in gone
    )
    return moves, dataclasses.replace(plan, left_out=left_out)


def _twice(plan: Plan) -> set[str]:
    return {m.vm for m in plan.migrations if m.hop > 1}


def _left(cloud: Cloud, plan: Plan, who: AbstractSet[str]) -> Cloud:
    """The cloud once the plan has been carried out, and they are paused."""
    hops = sorted(plan.migrations, key=lambda m: m.hop)
    ends = {m.vm: m.destination for m in hops}
    awake: dict[str, Any] = {'active': True, 'state': PAUSED}
    vms = tuple(
        dataclasses.replace(
            vm,
            host=ends.get(vm.id, vm.host),
            **(awake if vm.id in who else {}),
        )
        for vm in cloud.vms
    )
    return dataclasses.replace(cloud, vms=vms)
