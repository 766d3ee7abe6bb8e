"""Invented clouds with a host to be emptied, and what befalls them meanwhile.

Values and their drawing, with a seed; nothing happens here. What befalls a
cloud is drawn once, so that every way to empty its host meets the same.
"""

import dataclasses
import enum
import math
import random

from watcher_tsmig import units
from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Group
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.playground.cloud.cloud import identify

GIB = units.GIB
HOSTS = 6, 12
MEMORY = (128, 192, 256)  # GiB of a host
VCPUS_PER_GIB, DISK_PER_GIB = 0.5, 8.0
# GiB of a VM, and how often.
FLAVORS = {2: 3, 4: 5, 8: 6, 16: 4, 32: 2, 64: 1}
NICS = (1_000, 2_500, 10_000, 10_000)  # Mbit/s
# Share of the hosts' memory that is taken; a host has so much more or less.
TAKEN, UNEVEN = (0.35, 0.75), 0.1
# Share of the VMs that only some hosts admit, and of those hosts.
PICKY, ADMITS = 0.15, 0.5
# Members of an anti-affinity group, and the share of clouds with one.
APART, GROUPED = (3, 5), 0.5
# What a VM writes as a share of its NIC's speed, and its hot set as one of
# what is resident: so little that each pre-copy ends, beside another, too.
WRITES, HOT = (0.002, 0.1), (0.02, 0.2)
# What a VM sends and receives at most, as a share of its NIC's speed.
SENDS = 0.03
SPANS = (0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
OUTGOING = 2


class Kind(enum.StrEnum):
    """What may befall a cloud while a host of it is emptied."""

    DOWN = 'nova-compute of a destination stops'
    DISABLED = 'a destination is disabled'
    FILLED = 'other tenants boot VMs on a destination'
    DRAINED = 'another operator empties a destination'
    BOOTED = 'a VM is booted on the host that is emptied'
    ARRIVES = 'a VM is moved to the host that is emptied'
    DELETED = 'a VM that is to move is deleted'
    MOVED = 'a VM that is to move is moved by somebody else'
    BUSY = 'a VM that is to move is busy for a while'
    BREAKS = 'the first migration of a VM breaks'
    STOPPED = 'a VM that is to move is stopped'
    LOCKED = 'a VM that is to move is locked'


# How often each befalls a cloud, beside each other.
OFTEN = {
    Kind.DOWN: 5,
    Kind.DISABLED: 4,
    Kind.FILLED: 6,
    Kind.DRAINED: 4,
    Kind.BOOTED: 4,
    Kind.ARRIVES: 4,
    Kind.DELETED: 2,
    Kind.MOVED: 3,
    Kind.BUSY: 3,
    Kind.BREAKS: 4,
    Kind.STOPPED: 0.5,
    Kind.LOCKED: 0.5,
}
# The host that they befall is no destination any more.
CLOSES = (Kind.DOWN, Kind.DISABLED, Kind.DRAINED)
# Who they befall does not leave by a live migration.
STAYS = (Kind.STOPPED, Kind.LOCKED)
# So many a cloud, of which so many close a host, within so much of the time
# that was planned.
MOST, MOST_CLOSED, UNTIL = (2, 8), 3, 1.1
# Share of what is free on a host that others take, and s of being busy.
TAKE, BUSY = (0.5, 1.0), (20.0, 120.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What befalls the cloud, when, in s.

    :ivar host: that it befalls; or from where a VM arrives
    :ivar vm: that it befalls
    :ivar boots: VMs that others boot
    :ivar lasts: how long, s
    """

    at: float
    kind: Kind
    host: str = ''
    vm: str = ''
    boots: tuple[Vm, ...] = ()
    lasts: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A cloud, the host to be emptied, and what befalls them.

    :ivar plan: ours to empty it
    """

    cloud: Cloud
    host: str
    plan: Plan
    events: tuple[Event, ...]


def draw(seed: int, number: int) -> Case:
    """One case; the same for the same numbers."""
    drawn = random.Random(f'{seed}/{number}')
    cloud = _cloud(drawn)
    full = [h.name for h in cloud.hosts if any(_on(cloud, h.name))]
    host = drawn.choice(full)
    plan = make_plan(cloud, policies.request(policies.DEFAULT, hosts=(host,)))
    # a host that the plan sends VMs to is what its events are about
    targets = sorted({m.destination for m in plan.migrations})
    drawing = _Drawing(drawn, cloud, host, targets, plan.makespan)
    events = [drawing.event() for _ in range(drawn.randint(*MOST))]
    found = tuple(sorted(filter(None, events), key=lambda e: e.at))
    return Case(cloud=cloud, host=host, plan=plan, events=found)


def _on(cloud: Cloud, host: str) -> list[Vm]:
    return [vm for vm in cloud.vms if vm.host == host]


def _cloud(drawn: random.Random) -> Cloud:
    count = drawn.randint(*HOSTS)
    nic = units.from_mbit_s(drawn.choice(NICS))
    taken = drawn.uniform(*TAKEN)
    hosts, vms = [], []
    names = [f'cmp-{i:02}' for i in range(count)]
    for name in names:
        size = drawn.choice(MEMORY)
        hosts.append(
            Host(
                name=name,
                memory=size * GIB,
                vcpus=size * VCPUS_PER_GIB,
                disk=size * DISK_PER_GIB * GIB,
                nic=Nic(capacity=nic),
                post_copy=True,
                max_outgoing=OUTGOING,
            )
        )
        share = taken + drawn.uniform(-UNEVEN, UNEVEN)
        left = share * size * GIB
        while left > 0:
            vm = _vm(drawn, f'vm-{len(vms):03}', name, nic)
            left -= vm.memory
            if left >= 0:
                vms.append(_picky(drawn, vm, names))
    return Cloud(
        hosts=tuple(hosts), vms=tuple(vms), groups=_groups(drawn, vms)
    )


def _vm(drawn: random.Random, name: str, host: str, nic: float) -> Vm:
    sizes = list(FLAVORS)
    gib = drawn.choices(sizes, [FLAVORS[size] for size in sizes])[0]
    memory = gib * GIB
    resident = drawn.uniform(0.3, 0.95) * memory
    hot = drawn.uniform(*HOT) * resident
    rate = nic * math.exp(drawn.uniform(*map(math.log, WRITES)))
    curve = [(s, hot * -math.expm1(-rate * s / hot)) for s in SPANS]
    return Vm(
        id=identify('vm', name),
        name=name,
        host=host,
        memory=memory,
        vcpus=float(max(1, round(gib * drawn.choice((0.1, 0.25, 0.5))))),
        disk=drawn.choice((0, 0, 10, 40)) * GIB,
        traffic=Traffic(
            tx=drawn.uniform(0, SENDS) * nic, rx=drawn.uniform(0, SENDS) * nic
        ),
        working_set=WorkingSet(resident=resident, samples=tuple(curve)),
    )


def _picky(drawn: random.Random, vm: Vm, names: list[str]) -> Vm:
    if drawn.random() >= PICKY:
        return vm
    some = drawn.sample(names, math.ceil(ADMITS * len(names)))
    allowed = tuple(sorted({vm.host, *some}))
    return dataclasses.replace(vm, allowed=allowed)


def _groups(drawn: random.Random, vms: list[Vm]) -> tuple[Group, ...]:
    """One whose members are on different hosts, in some of the clouds."""
    if drawn.random() >= GROUPED:
        return ()
    by_host = {vm.host: vm for vm in drawn.sample(vms, len(vms))}
    # a quarter of the hosts at least has none of it
    size = min(drawn.randint(*APART), len(by_host) * 3 // 4)
    members = drawn.sample(sorted(by_host), size)
    return (
        Group(
            id='apart',
            policy=Affinity.APART,
            members=tuple(by_host[host].id for host in members),
        ),
    )


class _Drawing:
    """Events of one case, of which no two befall the same host or VM."""

    def __init__(
        self,
        drawn: random.Random,
        cloud: Cloud,
        host: str,
        targets: list[str],
        planned: float,
    ) -> None:
        self.drawn, self.cloud, self.host = drawn, cloud, host
        self.until = UNTIL * planned
        self.targets = drawn.sample(targets, len(targets))
        mine = _on(cloud, host)
        self.mine = [vm.id for vm in drawn.sample(mine, len(mine))]
        others = [
            vm
            for vm in cloud.vms
            if vm.host != host and vm.allowed is None
            if not any(vm.id in g.members for g in cloud.groups)
        ]
        self.others = drawn.sample(others, len(others))
        # their NICs are alike
        self.nic = next(h.nic.capacity for h in cloud.hosts if h.nic)
        self.closed = 0
        self.booted = 0

    def event(self) -> Event | None:
        """The next one; None where nothing is left that it could befall."""
        kinds = list(OFTEN)
        kind = self.drawn.choices(kinds, [OFTEN[k] for k in kinds])[0]
        at = self.drawn.uniform(0.0, self.until)
        lasts = self.drawn.uniform(*BUSY)
        if kind in (*CLOSES, Kind.FILLED):
            return self._of_host(at, kind)
        if kind is Kind.BOOTED:
            return Event(at=at, kind=kind, boots=(self._boot(self.host),))
        whose = self.mine
        if kind is Kind.ARRIVES:
            whose = [
                vm.id for vm in self.others if vm.host not in self.targets
            ]
        if not whose:
            return None
        vm = whose[-1]
        self.mine = [one for one in self.mine if one != vm]
        self.others = [one for one in self.others if one.id != vm]
        return Event(at=at, kind=kind, vm=vm, lasts=lasts)

    def _of_host(self, at: float, kind: Kind) -> Event | None:
        if not self.targets:
            return None
        if kind is not Kind.FILLED and self.closed >= MOST_CLOSED:
            return None
        host = self.targets.pop()
        self.closed += kind in CLOSES
        boots: list[Vm] = []
        if kind is Kind.FILLED:
            size = next(h for h in self.cloud.hosts if h.name == host).memory
            used = sum(vm.memory for vm in _on(self.cloud, host))
            left = (size - used) * self.drawn.uniform(*TAKE)
            while left > 0:
                vm = self._boot(host)
                left -= vm.memory
                if left >= 0:
                    boots.append(vm)
        return Event(at=at, kind=kind, host=host, boots=tuple(boots))

    def _boot(self, host: str) -> Vm:
        self.booted += 1
        return _vm(self.drawn, f'new-{self.booted:03}', host, self.nic)
