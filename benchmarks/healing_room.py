"""Whether a host could be emptied, whoever does it: an exact answer.

Knows what befalls a cloud beforehand, and is strict: a host that is closed
at any time takes nobody, what others take is taken from the start, and whoever
is ever on a host that is emptied needs room elsewhere, with all others that
do. Where it finds room there was room at every moment, if only for somebody
who knew what comes: a large VM that comes late may find it broken into parts.
"""

import numpy as np
from scipy import optimize
from scipy import sparse

from benchmarks.healing_clouds import CLOSES
from benchmarks.healing_clouds import STAYS
from benchmarks.healing_clouds import Case
from benchmarks.healing_clouds import Kind
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.plan.placement.rescue import MOST_NODES
from watcher_tsmig.plan.placement.rescue import PRESOLVE

# Also what is said where the search does not end within `MOST_NODES`.
NO_ROOM = 'no room'


def emptiable(case: Case) -> dict[str, str]:
    """For each host that is emptied, why it cannot be; empty if it can."""
    by_kind = {
        kind: [e for e in case.events if e.kind is kind] for kind in Kind
    }
    emptied = [case.host, *(e.host for e in by_kind[Kind.DRAINED])]
    closed = {e.host for kind in CLOSES for e in by_kind[kind]} | {case.host}
    come = {e.vm for e in by_kind[Kind.ARRIVES]}
    # who is deleted may have left before, and who comes may be kept from it
    movers = [
        vm for vm in case.cloud.vms if vm.host in emptied or vm.id in come
    ]
    movers += [vm for e in by_kind[Kind.BOOTED] for vm in e.boots]
    stay = [vm for vm in case.cloud.vms if vm.host not in emptied]
    stay += [vm for e in by_kind[Kind.FILLED] for vm in e.boots]
    hosts = [h for h in case.cloud.hosts if h.name not in closed]
    fits = not movers or _packs(case, movers, stay, hosts)
    out = {host: '' if fits else NO_ROOM for host in emptied}
    for kind in STAYS:
        if by_kind[kind]:
            out[case.host] = str(kind)
    return out


def _packs(
    case: Case, movers: list[Vm], stay: list[Vm], hosts: list[Host]
) -> bool:
    """Whether all of them have room on these hosts at once."""
    pairs = [
        (v, h)
        for v, vm in enumerate(movers)
        for h, host in enumerate(hosts)
        if vm.allowed is None or host.name in vm.allowed
    ]
    if not pairs:
        return False
    rows, limits = [], []
    for h, host in enumerate(hosts):
        here = np.array([_size(vm) for vm in stay if vm.host == host.name])
        limit = np.array([host.memory, host.vcpus, host.disk or np.inf])
        free = np.maximum(limit - here.sum(axis=0), 0.0)
        for r in range(len(limit)):
            rows.append([_size(movers[v])[r] * (h == at) for v, at in pairs])
            limits.append(free[r])
        for group in case.cloud.groups:
            there = sum(
                vm.id in group.members for vm in stay if vm.host == host.name
            )
            rows.append(
                [
                    float(at == h and movers[v].id in group.members)
                    for v, at in pairs
                ]
            )
            limits.append(max(group.max_per_host - there, 0.0))
    once = [[float(v == i) for v, _ in pairs] for i in range(len(movers))]
    found = optimize.milp(
        np.zeros(len(pairs)),
        integrality=np.ones(len(pairs)),
        bounds=optimize.Bounds(0, 1),
        constraints=[
            optimize.LinearConstraint(sparse.csr_array(rows), ub=limits),
            optimize.LinearConstraint(sparse.csr_array(once), lb=1, ub=1),
        ],
        options={'node_limit': MOST_NODES, 'presolve': PRESOLVE},
    )
    return bool(found.status == 0)


def _size(vm: Vm) -> tuple[float, float, float]:
    return vm.memory, vm.vcpus, vm.disk
