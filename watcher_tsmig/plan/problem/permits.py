"""What Nova, operators and owners permit: post-copies, and how many at once.

From hosts and VMs to arrays, as in problem.py. Where nobody said how many
migrations a host runs at once, what is assumed is told apart.
"""

import dataclasses
import math

import numpy as np

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.model.cloud import PAUSED
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.classes import ServiceClass
from watcher_tsmig.plan.problem.known import seen_writing
from watcher_tsmig.plan.values import Request

OURS = 'max_per_source'
NOVAS = "Nova's limit"
# Where nova-compute reads it.
OPTION = '[DEFAULT]max_concurrent_live_migrations'


def novas(hosts: list[Host], request: Request) -> FloatArray:
    """How many migrations Nova runs at once from each host, shape (h,)."""
    return np.array(
        [host.max_outgoing or request.assume_outgoing for host in hosts],
        dtype=np.float64,
    )


def outgoing(hosts: list[Host], request: Request) -> FloatArray:
    """How many migrations may leave each host at once, shape (h,).

    What exceeds Nova's own limit waits in its queue, holding a slot of ours
    and a destination's memory, so it is never planned.
    """
    return np.minimum(novas(hosts, request), request.max_per_source)


def outgoing_assumed(hosts: list[Host], request: Request) -> BoolArray:
    """Of which hosts nobody said it and it binds, shape (h,)."""
    binds = request.assume_outgoing < request.max_per_source
    return np.array(
        [host.max_outgoing is None and binds for host in hosts], dtype=bool
    )


def limiter(novas: float, request: Request) -> str:
    """What it is that admits no more from a host at once, for people.

    :param novas: how many Nova runs at once from it
    """
    ours = request.max_per_source
    if novas == ours:
        return f'{OURS} and {NOVAS}'
    return OURS if novas > ours else NOVAS


def more(
    novas: FloatArray, request: Request
) -> list[tuple[str, FloatArray, int]]:
    """One more of what admits no more from a host at once, for people.

    What is the lesser of two binds; one more of the other is nothing.

    :returns: (of what; shape (h,), how many more may then leave each host;
        how many more may then enter one)
    """
    ours = request.max_per_source
    now = np.minimum(novas, ours)
    of_ours = np.minimum(novas, ours + 1) - now
    of_novas = np.minimum(novas + 1, ours) - now
    of_both = np.minimum(novas + 1, ours + 1) - now
    found = [('1 more at once from and to a host', of_ours, 1)]
    if of_novas.any():
        found.append((f"1 more in Nova's {OPTION}", of_novas, 0))
    if (of_both > np.maximum(of_ours, of_novas)).any():
        found.append(
            (
                f"1 more at once from and to a host and in Nova's {OPTION}",
                of_both,
                1,
            )
        )
    return found


def kept(cloud: Cloud, request: Request) -> Request:
    """The request as anybody can keep it in this cloud.

    Where nobody caps a migration it takes what TCP gives it beside the
    applications, to the end of the link: a share that is to be left is
    left by nobody, and a plan that counts on it is too long.
    """
    if request.nic_share == 1.0 or any(h.agent for h in cloud.hosts):
        return request
    return dataclasses.replace(request, nic_share=1.0)


def given(hosts: list[Host]) -> FloatArray:
    """What Nova gives each pre-copy from a host, bytes/s, shape (h,).

    An agent overrides it, and of a post-copy Nova limits nothing.
    """
    return np.array(
        [
            math.inf if host.agent or not host.bandwidth else host.bandwidth
            for host in hosts
        ],
        dtype=np.float64,
    )


def weights(moving: list[Vm], request: Request) -> FloatArray:
    """Of each VM's outage against that of others, shape (n,)."""
    return np.array([c.weight for c in _classes(moving, request)])


def _classes(moving: list[Vm], request: Request) -> list[ServiceClass]:
    known = {c.name: c for c in request.classes}
    plain = ServiceClass(name='none')
    return [known.get(vm.sla or '', plain) for vm in moving]


def post_copy(moving: list[Vm], request: Request, rules: Rules) -> BoolArray:
    """Whether owner, class and request permit it, shape (n,)."""
    served = _classes(moving, request)
    return np.array(
        [
            vm.post_copy
            and vm.state != PAUSED
            and request.allow_post_copy
            and mine.max_outage >= rules.post_copy_outage
            for vm, mine in zip(moving, served, strict=True)
        ],
        dtype=bool,
    )


def throttle(moving: list[Vm], request: Request) -> FloatArray:
    """Share of its CPUs that may be taken from each VM, shape (n,).

    None of a VM whose class bounds how long it may hardly serve.
    """
    served = _classes(moving, request)
    unbound = np.array([math.isinf(mine.max_outage) for mine in served], bool)
    return np.where(unbound, request.max_throttle, 0.0)


def pre_copy_only(cloud: Cloud, request: Request) -> frozenset[str]:
    """Ids of the VMs that nobody may post-copy, wherever they are.

    Also not once they move: what their owner, their class or the request
    forbids holds for as long as the plan does.
    """
    vms = list(cloud.vms)
    may = post_copy(vms, request, Rules())
    return frozenset(
        vm.id for vm, permitted in zip(vms, may, strict=True) if not permitted
    )


def earned(assumed: tuple[tuple[str, ...], ...]) -> BoolArray:
    """Of which VMs a post-copy may be worth its risk, shape (n,).

    Not of one whose writing is only assumed: the risk is worth it for a need
    that was seen. Where no pre-copy is possible even so, it is the last
    resort (make.py).
    """
    return np.array([seen_writing(names) for names in assumed], dtype=bool)
