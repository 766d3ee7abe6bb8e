"""Who is to move, who stays whatever is planned, and who may go where.

The rules of Nova and of the operator about single VMs live here, each with
the sentence that says why; nothing about links, modes or times.
"""

import dataclasses

import numpy as np

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.model.passage import Passage
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason

# Who stays, checked in this order: (reason, sentence, test on VM).
_STAYS = (
    (Reason.EXCLUDED, "the audit's scope excludes it", lambda v: v.excluded),
    (
        Reason.IN_ERROR,
        'it is in ERROR: look why, and if it runs, "openstack server set '
        '--state active"',
        lambda v: v.state == 'error',
    ),
    (
        Reason.BUSY,
        'Nova has a task for it: plan again when that is done, or reset it '
        'if nobody works on it',
        lambda v: v.state == 'busy',
    ),
    (
        Reason.STOPPED,
        'it is stopped: "openstack server migrate" moves it cold',
        lambda v: v.state == 'stopped',
    ),
    (
        Reason.SUSPENDED,
        'it is suspended: resume it first',
        lambda v: v.state == 'suspended',
    ),
    (
        Reason.NOT_ACTIVE,
        'it is not active: only an active or paused VM moves live',
        lambda v: not v.active,
    ),
    (
        Reason.LOCKED,
        'its owner locked it: unlock it, or move it by hand',
        lambda v: v.locked,
    ),
)


def stays(vm: Vm, host_up: bool) -> LeftOut | None:
    """Why it does not move live, whatever is planned; None: it may."""
    for reason, because, test in _STAYS:
        if test(vm):
            return left_out(vm, reason, because)
    if vm.refused:
        return left_out(
            vm,
            Reason.REFUSED,
            f'{vm.refused}: Nova does not move it live, stop it first',
        )
    if not host_up:
        return left_out(
            vm,
            Reason.HOST_DOWN,
            f'{vm.host} is down: nothing moves live from it, evacuate',
        )
    return None


def _passes(vm: Vm, passage: Passage) -> LeftOut:
    to = passage.destination or 'another host'
    return left_out(
        vm,
        Reason.BUSY,
        f'it is on its way to {to} already: plan again if it does not arrive',
    )


def left_out(vm: Vm, reason: Reason, because: str) -> LeftOut:
    """That VM stays."""
    return LeftOut(
        vm=vm.id, name=vm.name, host=vm.host, reason=reason, because=because
    )


def check_names(cloud: Cloud, request: Request) -> None:
    """Every host and VM that the request names is there.

    :raises errors.InputError: one is not
    """
    hosts = {host.name for host in cloud.hosts}
    vms = {vm.id for vm in cloud.vms}
    named = (
        ('hosts', request.hosts, hosts, 'host'),
        ('destinations', request.destinations, hosts, 'host'),
        ('releases', [host for host, _ in request.releases], hosts, 'host'),
        ('vms', request.vms, vms, 'VM'),
        ('choices', [vm for vm, _ in request.choices], vms, 'VM'),
        ('choices', [host for _, host in request.choices], hosts, 'host'),
    )
    for field, names, known, kind in named:
        for i, name in enumerate(names):
            if name not in known:
                raise errors.InputError(
                    f'{name!r} is not a {kind} of this cloud; it has '
                    f'{", ".join(sorted(known)[:8])}'
                    f'{", ..." if len(known) > 8 else ""}',
                    f'{field}[{i}]',
                )
    chosen = [vm for vm, _ in request.choices]
    if len(set(chosen)) < len(chosen):
        raise errors.InputError('names one VM twice', 'choices')


def movers(
    cloud: Cloud, request: Request
) -> tuple[list[Vm], tuple[LeftOut, ...]]:
    """The VMs that could move, by id, and those that stay."""
    up = {host.name: host.up for host in cloud.hosts}
    goes = {one.vm: one for one in cloud.passages}
    choice = dict(request.choices)
    emptied, asked = set(request.hosts), set(request.vms)
    moving: list[Vm] = []
    staying: list[LeftOut] = []
    for vm in sorted(cloud.vms, key=lambda v: v.id):
        elsewhere = choice.get(vm.id, vm.host) != vm.host
        if not (vm.host in emptied or vm.id in asked or elsewhere):
            continue
        why = (
            _passes(vm, goes[vm.id])
            if vm.id in goes
            else stays(vm, up[vm.host])
        )
        if why is None:
            moving.append(vm)
        else:
            staying.append(why)
    return moving, tuple(staying)


def _able(host: Host, request: Request) -> bool:
    """Whether the host can be any VM's destination at all."""
    return host.enabled and host.up and host.name not in request.hosts


def opened(hosts: list[Host], moving: list[Vm], request: Request) -> BoolArray:
    """Hosts that may receive VMs for which nothing else was chosen.

    A host that gives VMs away by name is none of them.

    :returns: shape (h,)
    """
    asked = set(request.vms)
    giving = {vm.host for vm in moving if vm.id in asked}
    return np.array(
        [
            _able(h, request)
            and h.name not in giving
            and (not request.destinations or h.name in request.destinations)
            for h in hosts
        ],
        dtype=bool,
    )


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """An anti-affinity or affinity group among the movers.

    :ivar rows: of its movers
    :ivar there: shape (h,), members on each host before the plan
    :ivar most: members that a host may have; inf for soft policies
    :ivar together: a soft affinity group, whose members like each other
    """

    rows: frozenset[int]
    there: FloatArray
    most: float
    together: bool


def groups(
    cloud: Cloud, moving: list[Vm], index: dict[str, int]
) -> tuple[Apart, ...]:
    """The server groups with a mover, but hard affinity (see `admitted`)."""
    row = {vm.id: i for i, vm in enumerate(moving)}
    at = {vm.id: {index[vm.host]} for vm in cloud.vms}
    for vm, host in cloud.arriving.items():
        at.get(vm, set()).add(index[host])
    found = []
    for group in cloud.groups:
        rows = frozenset(row[m] for m in group.members if m in row)
        if not rows or group.policy == Affinity.TOGETHER:
            continue
        there = np.zeros(len(index))
        for member in group.members:
            there[list(at.get(member, ()))] += 1
        hard = group.policy == Affinity.APART
        found.append(
            Apart(
                rows=rows,
                there=there,
                most=group.max_per_host if hard else np.inf,
                together=group.policy == Affinity.SOFT_TOGETHER,
            )
        )
    return tuple(found)


def admitted(
    cloud: Cloud, hosts: list[Host], moving: list[Vm], request: Request
) -> BoolArray:
    """Which host may be which mover's destination, by name and policy.

    A member of a hard affinity group can only go where another member
    stays: Nova's ServerGroupAffinityFilter admits no host without one.

    :returns: shape (n, h); room is not looked at
    """
    index = {host.name: i for i, host in enumerate(hosts)}
    out = np.tile(opened(hosts, moving, request), (len(moving), 1))
    able = [_able(host, request) for host in hosts]
    choice = dict(request.choices)
    zones = np.array([h.zone or '' for h in hosts])
    for i, vm in enumerate(moving):
        if vm.id in choice:
            out[i] = False
            out[i, index[choice[vm.id]]] = able[index[choice[vm.id]]]
        if vm.zone is not None:
            out[i] &= zones == vm.zone
        if vm.allowed is not None:
            out[i] &= _mask(vm.allowed, index)
        out[i, index[vm.host]] = False
    row = {vm.id: i for i, vm in enumerate(moving)}
    staying = {v.id: v.host for v in cloud.vms if v.id not in row}
    for group in cloud.groups:
        if group.policy == Affinity.TOGETHER:
            fixed = [staying[m] for m in group.members if m in staying]
            for member in group.members:
                if member in row:
                    out[row[member]] &= _mask(tuple(fixed), index)
    return out


def _mask(names: tuple[str, ...], index: dict[str, int]) -> BoolArray:
    out = np.zeros(len(index), dtype=bool)
    rows: IntArray = np.array(
        [index[n] for n in names if n in index], dtype=np.intp
    )
    out[rows] = True
    return out


def needs(vm: Vm) -> str:
    """What a destination must have free, for people."""
    amounts = [units.human_size(vm.memory), f'{vm.vcpus:g} vCPUs']
    if vm.disk:
        amounts.append(f'{units.human_size(vm.disk)} of disk')
    return ' and '.join(amounts)
