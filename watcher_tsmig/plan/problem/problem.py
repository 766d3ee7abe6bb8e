"""From a cloud and a request to the arrays that the planner computes with.

Only assembling lives here: what is assumed of a VM says known.py, what it may
permits.py and eligibility.py.
"""

import dataclasses

import numpy as np

from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import Terms
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.problem import eligibility
from watcher_tsmig.plan.problem import known
from watcher_tsmig.plan.problem import ladder
from watcher_tsmig.plan.problem import network
from watcher_tsmig.plan.problem import passing
from watcher_tsmig.plan.problem import permits
from watcher_tsmig.plan.problem import vacancy
from watcher_tsmig.plan.problem.eligibility import Apart
from watcher_tsmig.plan.problem.ladder import Needs
from watcher_tsmig.plan.problem.ladder import Rungs
from watcher_tsmig.plan.problem.network import Network
from watcher_tsmig.plan.problem.passing import Passing
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Request
from watcher_tsmig.reasons import Reason

NOWHERE = -1
# A time may be exceeded by rounding, not by another VM.
SLACK = 1e-6
# What a VM takes of a host, in this order.
STORES = ('memory', 'vcpus', 'disk')


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Hosts as arrays of shape (h,), VMs that could move of shape (n,).

    :ivar names: host names; a host is its index from here on
    :ivar network: the m links
    :ivar rules: where a host has no others of its own
    :ivar theirs: shape (h,), the rules of migrations that leave each host
    :ivar app: shape (m,), what applications use before the plan, bytes/s
    :ivar free: shape (h, 3), of `STORES`, before the plan
    :ivar release: s before which nothing leaves or enters the host
    :ivar novas: shape (h,), migrations that Nova runs at once from it
    :ivar outgoing: likewise, but no more than the request wants
    :ivar post_capable: hosts declared able to post-copy
    :ivar vms: the VMs that could move, by id
    :ivar source: shape (n,), host of each
    :ivar chosen: shape (n,), the host that it must go to, or `NOWHERE`
    :ivar opened: shape (h,), hosts that may receive at all
    :ivar admitted: shape (n, h), hosts that name and policy admit
    :ivar stopover: shape (n, h), hosts that admit the VM on its way to the
        host that was chosen for it; `admitted` for all others
    :ivar groups: server groups with a policy about their hosts
    :ivar size: shape (n, 3), of `STORES`
    :ivar post_allowed: shape (n,), owner, class and request permit it
    :ivar unearned: shape (n,), they permit it, but the VM's writing is only
        assumed, so that it is not in `post_allowed`
    :ivar weight: shape (n,), of the VM's outage against that of others
    :ivar terms: what each migration has beside its curve: its flavor's
        memory, by which Nova counts delays, and the settings of that Nova
    :ivar lcb: shape (n,), bytes/s
    :ivar width: shape (n,), how far its writing may be from what is known:
        the deviation of the logarithm
    :ivar exposed: shape (m,), VMs that burst at once on each link, weighed,
        on average
    :ivar rungs: the LCBs as each stage of the ladder has them
    :ivar assumed: what was assumed for each VM
    :ivar nic_assumed: shape (h,), nobody said what its NIC carries
    :ivar outgoing_assumed: shape (h,), nobody said how many may leave it,
        and what is assumed is less than the request wants
    :ivar capped: shape (h,), somebody puts bandwidths in force there
    :ivar given: shape (h,), bytes/s that Nova gives each pre-copy from
        there, where nobody else does; inf: as much as there is
    :ivar passing: migrations of others that run when the plan starts
    """

    request: Request
    rules: Rules
    theirs: tuple[Rules, ...]
    names: tuple[str, ...]
    network: Network
    app: FloatArray
    free: FloatArray
    release: FloatArray
    novas: FloatArray
    outgoing: FloatArray
    post_capable: BoolArray
    vms: tuple[Vm, ...]
    source: IntArray
    chosen: IntArray
    opened: BoolArray
    admitted: BoolArray
    stopover: BoolArray
    groups: tuple[Apart, ...]
    size: FloatArray
    tx: FloatArray
    rx: FloatArray
    curves: Curves
    terms: Terms
    lcb: FloatArray
    width: FloatArray
    exposed: FloatArray
    rungs: Rungs
    post_allowed: BoolArray
    unearned: BoolArray
    weight: FloatArray
    assumed: tuple[tuple[str, ...], ...]
    nic_assumed: BoolArray
    outgoing_assumed: BoolArray
    capped: BoolArray
    given: FloatArray
    left_out: tuple[LeftOut, ...]
    passing: tuple[Passing, ...] = ()

    @property
    def receives(self) -> BoolArray:
        """Hosts that are some VM's destination, shape (h,)."""
        out: BoolArray = np.any(self.admitted, axis=0)
        return out

    def alike(self, host: int) -> BoolArray:
        """Hosts that migrations leave by the same rules, shape (h,)."""
        mine = self.theirs[host]
        return np.array([rules == mine for rules in self.theirs], dtype=bool)

    def stream(self, host: int, path: tuple[int, ...]) -> float:
        """Bytes/s that one connection from that host has on that path."""
        return self.theirs[host].stream(self.network.delay(path))

    def free_after(self) -> FloatArray:
        """Free of each host once every VM that could move has left it.

        Shape (h, 3). Only hosts that give VMs and get some differ from
        `free`: whether the one is gone when the other comes is a matter of
        time, and the schedule's.
        """
        out = self.free.copy()
        np.add.at(out, self.source, self.size)
        return out


def _app(
    cloud: Cloud, index: dict[str, int], links: Network, request: Request
) -> FloatArray:
    """What applications use of each link before the plan, shape (m,)."""
    app = np.zeros(len(links.capacity))
    arriving = cloud.arriving
    for vm in cloud.vms:
        tx, rx = known.rates(vm, request)
        # who is on the way may come, or stay
        at = {index[name] for name in (vm.host, arriving.get(vm.id, vm.host))}
        app[list({k for i in at for k in links.sends[i]})] += tx
        app[list({k for i in at for k in links.receives[i]})] += rx
    out: FloatArray = links.background + app * links.tenants
    return out


def _rates(moving: list[Vm], request: Request) -> dict[str, FloatArray]:
    pairs = [known.rates(vm, request) for vm in moving]
    found = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return {'tx': found[:, 0].copy(), 'rx': found[:, 1].copy()}


def _exposed(
    cloud: Cloud, index: dict[str, int], links: Network, request: Request
) -> FloatArray:
    """VMs that burst at once on each link, weighed, on average."""
    out = np.zeros(len(links.capacity))
    vms = [vm for vm in cloud.vms if vm.traffic is not None]
    for vm, weight in zip(vms, permits.weights(vms, request), strict=True):
        traffic, host = vm.traffic, index[vm.host]
        assert traffic is not None
        for sides, spread in (
            (links.sends, traffic.tx_spread),
            (links.receives, traffic.rx_spread),
        ):
            if spread is not None:
                out[list(sides[host])] += weight * spread.bursts
    return out * links.tenants


def _unchosen(request: Request) -> Request:
    # a request that names nothing is none, so its VMs are named instead
    vms = (*request.vms, *(vm for vm, _ in request.choices))
    return dataclasses.replace(request, vms=vms, choices=())


def _releases(hosts: list[Host], request: Request) -> FloatArray:
    at = dict(request.releases)
    return np.array([at.get(host.name, 0.0) for host in hosts])


def _chosen(
    moving: list[Vm], request: Request, index: dict[str, int]
) -> IntArray:
    to = {vm: index[host] for vm, host in request.choices}
    return np.array([to.get(vm.id, NOWHERE) for vm in moving], dtype=np.intp)


def build(cloud: Cloud, request: Request, rules: Rules) -> Problem:
    """The arrays of this cloud under this request.

    :raises errors.InputError: the request names what is not there
    """
    eligibility.check_names(cloud, request)
    hosts = sorted(cloud.hosts, key=lambda h: h.name)
    index = {host.name: i for i, host in enumerate(hosts)}
    links = network.network(hosts, cloud.links, request.assume_nic)
    app = _app(cloud, index, links, request)
    moving, left = eligibility.movers(cloud, request)
    who = cloud, hosts, moving
    theirs = tuple(rules.under(host.nova, host.speeds) for host in hosts)
    source = np.array([index[v.host] for v in moving], dtype=np.intp)
    capped = np.array([h.agent for h in hosts], dtype=bool)
    found = known.forecasts(moving, request, theirs, source, capped)
    terms, rungs = _rungs(moving, request, rules, found)
    return Problem(
        request=request,
        rules=rules,
        theirs=theirs,
        names=tuple(h.name for h in hosts),
        network=links,
        app=app,
        free=vacancy.free(cloud, hosts),
        release=_releases(hosts, request),
        novas=permits.novas(hosts, request),
        outgoing=permits.outgoing(hosts, request),
        post_capable=np.array([h.post_copy is True for h in hosts]),
        vms=tuple(moving),
        source=source,
        chosen=_chosen(moving, request, index),
        opened=eligibility.opened(hosts, moving, request),
        admitted=eligibility.admitted(*who, request),
        stopover=eligibility.admitted(*who, _unchosen(request)),
        groups=eligibility.groups(cloud, moving, index),
        size=vacancy.sizes(moving),
        **_rates(moving, request),
        curves=found[0],
        terms=terms,
        lcb=rungs.dry.lcb,
        width=known.widths(moving),
        exposed=_exposed(cloud, index, links, request),
        rungs=rungs,
        post_allowed=permits.post_copy(moving, request, rules),
        unearned=np.zeros(len(moving), dtype=bool),
        weight=permits.weights(moving, request),
        assumed=tuple(known.assumptions(v) for v in moving),
        nic_assumed=np.array([h.nic is None for h in hosts], dtype=bool),
        outgoing_assumed=permits.outgoing_assumed(hosts, request),
        capped=capped,
        given=permits.given(hosts),
        passing=passing.passing(cloud, request, links, app),
        left_out=left,
    )


def _rungs(
    moving: list[Vm],
    request: Request,
    rules: Rules,
    known_of: tuple[Curves, Terms],
) -> tuple[Terms, Rungs]:
    """The terms with what is known of pages, and what each stage asks."""
    curves, terms = known_of
    pattern = ladder.needs(curves, rules, terms)
    sampled = np.array([known.contents(v) is not None for v in moving], bool)
    if sampled.any():
        terms = known.weighed(moving, curves, terms)
    return terms, Rungs(
        pattern=pattern,
        dry=ladder.after_dry_run(pattern, curves, rules, terms, sampled),
        sampled=sampled,
        zeros=np.broadcast_to(terms.duplicate, len(moving)),
        throttle=permits.throttle(moving, request),
    )


def left_out(
    problem: Problem, row: int, reason: Reason, because: str
) -> LeftOut:
    """The VM of that row stays."""
    return eligibility.left_out(problem.vms[row], reason, because)


def pre_copy_needs(problem: Problem, row: int) -> float:
    """The least bandwidth that a pre-copy is given, bytes/s; see `Needs`."""
    return Needs(problem.lcb).of(row)
