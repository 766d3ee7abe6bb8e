"""From a cloud and a request to the arrays that the planner computes with.

Here, and only here, unknowns become assumptions, and every one is written
down with the VM that it concerns. Also here: which VMs cannot move at all.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import least_convergent_bandwidth
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason

IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Hosts as arrays of shape (h,), VMs that could move of shape (n,).

    :ivar names: host names; a host is its index from here on
    :ivar capacity: NIC capacity, bytes/s
    :ivar app_tx: applications' and background tx before the plan, bytes/s
    :ivar app_rx: likewise rx
    :ivar receives: hosts that may be destinations
    :ivar post_capable: hosts declared able to post-copy
    :ivar vms: the VMs that could move, by id
    :ivar source: shape (n,), host of each
    :ivar post_allowed: shape (n,), owner and request permit post-copy
    :ivar terms: what each migration has beside its curve: its flavor's
        memory, by which Nova counts delays
    :ivar lcb: shape (n,), bytes/s
    :ivar assumed: what was assumed for each VM
    """

    request: Request
    rules: Rules
    names: tuple[str, ...]
    capacity: FloatArray
    app_tx: FloatArray
    app_rx: FloatArray
    free_memory: FloatArray
    free_vcpus: FloatArray
    receives: BoolArray
    post_capable: BoolArray
    vms: tuple[Vm, ...]
    source: IntArray
    tx: FloatArray
    rx: FloatArray
    curves: Curves
    terms: Terms
    lcb: FloatArray
    post_allowed: BoolArray
    assumed: tuple[tuple[str, ...], ...]
    nic_assumed: BoolArray
    left_out: tuple[LeftOut, ...]


# Who stays, checked in this order: (reason, sentence, test on VM).
_STAYS = (
    (Reason.EXCLUDED, "the audit's scope excludes it", lambda v: v.excluded),
    (
        Reason.NOT_ACTIVE,
        'it is not running, or paused: only an active VM moves live',
        lambda v: not v.active,
    ),
    (
        Reason.LOCKED,
        'its owner locked it: unlock it, or move it by hand',
        lambda v: v.locked,
    ),
)


def _stays(vm: Vm, host_up: bool) -> LeftOut | None:
    for reason, because, test in _STAYS:
        if test(vm):
            return LeftOut(
                vm=vm.id,
                name=vm.name,
                host=vm.host,
                reason=reason,
                because=because,
            )
    if not host_up:
        return LeftOut(
            vm=vm.id,
            name=vm.name,
            host=vm.host,
            reason=Reason.HOST_DOWN,
            because=(
                f'{vm.host} is down: nothing moves live from it, evacuate'
            ),
        )
    return None


def _check_names(cloud: Cloud, request: Request) -> None:
    known = {host.name for host in cloud.hosts}
    for field in ('hosts', 'destinations'):
        for i, name in enumerate(getattr(request, field)):
            if name not in known:
                raise errors.InputError(
                    f'{name!r} is not a host of this cloud; it has '
                    f'{", ".join(sorted(known)[:8])}'
                    f'{", ..." if len(known) > 8 else ""}',
                    f'{field}[{i}]',
                )
    vms = {vm.id for vm in cloud.vms}
    for i, vm_id in enumerate(request.vms):
        if vm_id not in vms:
            raise errors.InputError(
                f'{vm_id!r} is not a VM of this cloud', f'vms[{i}]'
            )
    for i, (vm_id, name) in enumerate(request.choices):
        if vm_id not in vms or name not in known:
            raise errors.InputError(
                f'{vm_id!r} to {name!r}: not a VM and a host of this cloud',
                f'choices[{i}]',
            )


def _named(request: Request) -> set[str]:
    """The VMs that move beside those of the hosts to empty, by id."""
    return {*request.vms, *(vm for vm, _ in request.choices)}


def _working_set(vm: Vm, request: Request) -> WorkingSet:
    """What is known, with what is assumed where nothing is.

    Unmeasured dirtying is a constant rate up to the whole memory, the
    shape that forecasts the longest migration for its rate at 1 s.
    """
    known = vm.working_set
    if known is not None and known.samples:
        return known
    resident = known.resident if known is not None else vm.memory
    return WorkingSet(
        resident=resident,
        samples=((1.0, min(request.assume_dirty_rate, resident)),),
        source='assumed',
    )


def _assumptions(vm: Vm) -> tuple[str, ...]:
    unknown = (
        ('traffic', vm.traffic is None),
        (
            'dirtying',
            vm.working_set is None or not vm.working_set.samples,
        ),
    )
    return tuple(name for name, missing in unknown if missing)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Hosts:
    """What VMs use on each host; arrays of shape (h,)."""

    app_tx: FloatArray
    app_rx: FloatArray
    free_memory: FloatArray
    free_vcpus: FloatArray


def _rates(vm: Vm, request: Request) -> tuple[float, float]:
    """(tx, rx) as measured or assumed, bytes/s."""
    if vm.traffic is None:
        return request.assume_traffic, request.assume_traffic
    return vm.traffic.tx, vm.traffic.rx


def _used(
    cloud: Cloud, hosts: list[Host], index: dict[str, int], request: Request
) -> _Hosts:
    nics = [h.nic or Nic(capacity=request.assume_nic) for h in hosts]
    used = _Hosts(
        app_tx=np.array([n.background_tx for n in nics]),
        app_rx=np.array([n.background_rx for n in nics]),
        free_memory=np.array([h.memory for h in hosts], dtype=np.float64),
        free_vcpus=np.array([h.vcpus for h in hosts], dtype=np.float64),
    )
    for vm in cloud.vms:
        where = index[vm.host]
        tx, rx = _rates(vm, request)
        used.app_tx[where] += tx
        used.app_rx[where] += rx
        used.free_memory[where] -= vm.memory
        used.free_vcpus[where] -= vm.vcpus
    return used


def _movers(
    cloud: Cloud, request: Request
) -> tuple[list[Vm], tuple[LeftOut, ...]]:
    """The VMs that could move, by id, and those that stay."""
    up = {host.name: host.up for host in cloud.hosts}
    movers: list[Vm] = []
    left_out: list[LeftOut] = []
    named = _named(request)
    for vm in sorted(cloud.vms, key=lambda v: v.id):
        if vm.host not in request.hosts and vm.id not in named:
            continue
        stays = _stays(vm, up[vm.host])
        if stays is None:
            movers.append(vm)
        else:
            left_out.append(stays)
    return movers, tuple(left_out)


def _receives(host: Host, giving: set[str], request: Request) -> bool:
    """Whether the host may be a destination."""
    allowed = not request.destinations or host.name in request.destinations
    return host.enabled and host.up and allowed and host.name not in giving


def build(cloud: Cloud, request: Request, rules: Rules) -> Problem:
    """The arrays of this cloud under this request.

    :raises errors.InputError: the request names a host that is not there
    """
    _check_names(cloud, request)
    hosts = sorted(cloud.hosts, key=lambda h: h.name)
    index = {host.name: i for i, host in enumerate(hosts)}
    used = _used(cloud, hosts, index, request)
    movers, left_out = _movers(cloud, request)
    giving = {*request.hosts, *(vm.host for vm in movers)}
    rates = [_rates(vm, request) for vm in movers]
    curves = fit([_working_set(vm, request) for vm in movers])
    terms = Terms(memory=np.array([v.memory for v in movers]))
    return Problem(
        request=request,
        rules=rules,
        names=tuple(h.name for h in hosts),
        capacity=np.array(
            [h.nic.capacity if h.nic else request.assume_nic for h in hosts]
        ),
        app_tx=used.app_tx,
        app_rx=used.app_rx,
        free_memory=used.free_memory,
        free_vcpus=used.free_vcpus,
        receives=np.array(
            [_receives(h, giving, request) for h in hosts], dtype=bool
        ),
        post_capable=np.array([h.post_copy is True for h in hosts]),
        vms=tuple(movers),
        source=np.array([index[v.host] for v in movers], dtype=np.intp),
        tx=np.array([tx for tx, _ in rates], dtype=np.float64),
        rx=np.array([rx for _, rx in rates], dtype=np.float64),
        curves=curves,
        terms=terms,
        lcb=least_convergent_bandwidth(curves, rules, terms=terms),
        post_allowed=np.array(
            [v.post_copy and request.allow_post_copy for v in movers],
            dtype=bool,
        ),
        assumed=tuple(_assumptions(v) for v in movers),
        nic_assumed=np.array([h.nic is None for h in hosts], dtype=bool),
        left_out=left_out,
    )


def left_out(
    problem: Problem, row: int, reason: Reason, because: str
) -> LeftOut:
    """The VM of that row stays."""
    vm = problem.vms[row]
    return LeftOut(
        vm=vm.id, name=vm.name, host=vm.host, reason=reason, because=because
    )


def room(
    problem: Problem, capacity: FloatArray, app: FloatArray
) -> FloatArray:
    """What migrations may use of NICs on which applications run `app`.

    :param capacity: bytes/s
    :param app: bytes/s, same shape
    :returns: same shape, bytes/s, >= 0
    """
    request = problem.request
    left = request.nic_share * (capacity - app)
    return np.maximum(left, request.nic_floor * capacity)


def needs(vm: Vm) -> str:
    """What a destination must have free, for people."""
    return f'{units.human_size(vm.memory)} and {vm.vcpus:g} vCPUs'
