"""The cloud as frozen values that validate themselves.

Only values live here: no I/O, no clock, no options, nothing that plans.
Sizes are bytes, rates bytes per second, times seconds (instants: seconds
since the epoch). `None` means unknown and stays `None`: what to assume
instead is the planner's decision, and it says so in the plan.
"""

import dataclasses
from collections.abc import Iterator

from watcher_tsmig import errors
from watcher_tsmig.model import fields
from watcher_tsmig.model.bonds import Group
from watcher_tsmig.model.bonds import Link
from watcher_tsmig.model.observed import Contents
from watcher_tsmig.model.observed import WorkingSet
from watcher_tsmig.model.passage import Passage
from watcher_tsmig.model.rules import NovaSettings
from watcher_tsmig.model.rules import Speeds
from watcher_tsmig.model.traffic import Traffic


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A host's full-duplex network interface; rates in bytes per second.

    `capacity` holds for each direction. The background is what runs over
    the interface beside the traffic of the VMs known to the cloud.

    :ivar separate: the VMs' traffic goes another way, so that it is not in
        the way of migrations, nor they in its
    :ivar tenants: bytes/s of the NIC that it then goes over; None where
        nobody said
    :ivar upper_tx: bytes/s that all it sends in the next quarter of an hour
        will most likely not exceed, as things are; None where unknown
    :ivar upper_rx: likewise what it receives
    """

    capacity: float
    background_tx: float = 0.0
    background_rx: float = 0.0
    separate: bool = False
    tenants: float | None = None
    upper_tx: float | None = None
    upper_rx: float | None = None

    def __post_init__(self) -> None:
        fields.number('capacity', self.capacity, low=0, above=True)
        fields.number('background_tx', self.background_tx, low=0)
        fields.number('background_rx', self.background_rx, low=0)
        fields.flag('separate', self.separate)
        if self.tenants is not None:
            fields.number('tenants', self.tenants, low=0, above=True)
        for name in ('upper_tx', 'upper_rx'):
            if getattr(self, name) is not None:
                fields.number(name, getattr(self, name), low=0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A compute host; memory in bytes, both capacities as schedulable.

    :ivar memory: bytes that the scheduler may give to VMs (after
        allocation ratio and reservation)
    :ivar vcpus: virtual CPUs that the scheduler may give, likewise
    :ivar nic: the interface that migrations use; None where unknown
    :ivar post_copy: whether the host is declared able to post-copy; None
        where nobody said, which counts as no
    :ivar disk: bytes of local disk that the scheduler may give to VMs;
        None where nobody said, which counts as enough
    :ivar zone: availability zone
    :ivar max_outgoing: live migrations that may leave it at once by Nova's
        own setting; None where nobody said
    :ivar agent: somebody on it puts bandwidths in force
    :ivar bandwidth: bytes/s on the wire that Nova gives each migration that
        leaves it, where no agent does; None: as much as there is
    :ivar nova: how Nova ends those that leave it; None where nobody said
    :ivar speeds: what migrations that leave it can do; None where nobody
        knows
    :ivar enabled: the compute service may receive VMs
    :ivar up: the compute service answers
    """

    name: str
    memory: float
    vcpus: float
    nic: Nic | None = None
    post_copy: bool | None = None
    enabled: bool = True
    up: bool = True
    disk: float | None = None
    zone: str | None = None
    max_outgoing: int | None = None
    agent: bool = False
    bandwidth: float | None = None
    nova: NovaSettings | None = None
    speeds: Speeds | None = None

    def __post_init__(self) -> None:
        fields.text('name', self.name)
        fields.number('memory', self.memory, low=0)
        fields.number('vcpus', self.vcpus, low=0)
        fields.kind('nic', self.nic, Nic)
        fields.kind('nova', self.nova, NovaSettings)
        fields.kind('speeds', self.speeds, Speeds)
        fields.flag('post_copy', self.post_copy, optional=True)
        fields.flag('enabled', self.enabled)
        fields.flag('up', self.up)
        fields.flag('agent', self.agent)
        if self.max_outgoing is not None:
            fields.whole('max_outgoing', self.max_outgoing, low=1)
        if self.bandwidth is not None:
            fields.number('bandwidth', self.bandwidth, low=0, above=True)
        if self.disk is not None:
            fields.number('disk', self.disk, low=0)
        if self.zone is not None:
            fields.text('zone', self.zone)


#: What a VM is doing, as far as it matters to a move: Nova's vm_state, or
#: `busy` while Nova has a task for it, or `other`.
STATES = (
    'active',
    'paused',
    'stopped',
    'suspended',
    'error',
    'busy',
    'other',
)
PAUSED = 'paused'
# Nova moves these live (compute/api.py, live_migrate) and no others.
LIVE = ('active', PAUSED)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """A virtual machine on a host; memory in bytes as its flavor says.

    :ivar traffic: None where nobody measured it
    :ivar working_set: None where nobody measured it
    :ivar contents: of its pages; None where nobody sampled them
    :ivar post_copy: whether the VM's owner and its devices permit post-copy
    :ivar active: whether its state lets it move live
    :ivar state: one of `STATES`; where nobody said, what `active` says
    :ivar locked: its owner locked it against actions
    :ivar excluded: the audit's scope wants it left alone
    :ivar disk: bytes of local disk that it takes on its host
    :ivar disks: bytes of each of them, which go along when it moves; one of
        `disk` where nobody said
    :ivar zone: availability zone that it must stay in; None for any
    :ivar allowed: names of the hosts that its traits and aggregates allow;
        None for any
    :ivar sla: service class that its owner has, for the planner's table
        of classes; None for the default one
    :ivar refused: why Nova would not move it live; None if it may be
    """

    id: str
    name: str
    host: str
    memory: float
    vcpus: float
    traffic: Traffic | None = None
    working_set: WorkingSet | None = None
    post_copy: bool = True
    active: bool = True
    locked: bool = False
    excluded: bool = False
    disk: float = 0.0
    disks: tuple[float, ...] = ()
    zone: str | None = None
    allowed: tuple[str, ...] | None = None
    sla: str | None = None
    state: str | None = None
    contents: Contents | None = None
    refused: str | None = None

    def __post_init__(self) -> None:
        fields.text('id', self.id)
        fields.text('name', self.name)
        fields.text('host', self.host)
        fields.number('memory', self.memory, low=0, above=True)
        fields.number('vcpus', self.vcpus, low=0)
        fields.kind('traffic', self.traffic, Traffic)
        fields.kind('working_set', self.working_set, WorkingSet)
        fields.kind('contents', self.contents, Contents)
        for flag in ('post_copy', 'active', 'locked', 'excluded'):
            fields.flag(flag, getattr(self, flag))
        fields.number('disk', self.disk, low=0)
        fields.items('disks', self.disks, object)
        for i, size in enumerate(self.disks):
            fields.number(f'disks[{i}]', size, low=0, above=True)
        self._check_writing()
        if self.state is not None:
            fields.choice('state', self.state, STATES)
            if self.active is not (self.state in LIVE):
                raise errors.InputError(
                    f'is {self.active}, but the state is {self.state}',
                    'active',
                )
        for name in ('zone', 'sla', 'refused'):
            if getattr(self, name) is not None:
                fields.text(name, getattr(self, name))
        if self.allowed is not None:
            fields.items('allowed', self.allowed, str)

    @property
    def going_along(self) -> tuple[float, ...]:
        """Bytes of each local disk that a migration copies."""
        return self.disks or ((self.disk,) if self.disk else ())

    def _check_writing(self) -> None:
        known = self.working_set.samples if self.working_set else ()
        for i, (seconds, dirtied) in enumerate(known):
            if dirtied > self.memory:
                raise errors.InputError(
                    f'{dirtied:.0f} bytes after {seconds:g} s is more than '
                    f'its memory of {self.memory:.0f} bytes',
                    f'working_set.samples[{i}]',
                )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """Hosts and the VMs on them at one instant.

    :ivar taken_at: seconds since the epoch; None for an invented cloud
    :ivar passages: migrations that were under way, one of a VM at most
    """

    hosts: tuple[Host, ...]
    vms: tuple[Vm, ...]
    taken_at: float | None = None
    links: tuple[Link, ...] = ()
    groups: tuple[Group, ...] = ()
    passages: tuple[Passage, ...] = ()

    def __post_init__(self) -> None:
        if self.taken_at is not None:
            fields.number('taken_at', self.taken_at, low=0)
        fields.items('hosts', self.hosts, Host)
        fields.items('vms', self.vms, Vm)
        fields.items('links', self.links, Link)
        fields.items('groups', self.groups, Group)
        fields.items('passages', self.passages, Passage)
        names = fields.unique('hosts', 'name', [h.name for h in self.hosts])
        fields.unique('vms', 'id', [v.id for v in self.vms])
        fields.unique('links', 'name', [k.name for k in self.links])
        fields.unique('groups', 'id', [g.id for g in self.groups])
        fields.unique('passages', 'vm', [p.vm for p in self.passages])
        for name, place in self._named():
            if name not in names:
                raise errors.InputError(
                    f'{name!r} is not among the hosts', place
                )

    def _named(self) -> Iterator[tuple[str, str]]:
        """Hosts that others than the hosts name, and where."""
        for i, link in enumerate(self.links):
            for j, name in enumerate(link.hosts):
                yield name, f'links[{i}].hosts[{j}]'
        for i, vm in enumerate(self.vms):
            yield vm.host, f'vms[{i}].host'
        for i, passage in enumerate(self.passages):
            for end in ('source', 'destination'):
                host = getattr(passage, end)
                if host is not None:
                    yield host, f'passages[{i}].{end}'

    @property
    def arriving(self) -> dict[str, str]:
        """Where VMs are on their way to, by their ids."""
        return {
            p.vm: p.destination
            for p in self.passages
            if p.destination is not None
        }

    def host(self, name: str) -> Host:
        """The host of that name.

        :raises KeyError: there is none (the caller's fault)
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def vm(self, vm_id: str) -> Vm:
        """The VM of that id.

        :raises KeyError: there is none (the caller's fault)
        """
        for vm in self.vms:
            if vm.id == vm_id:
                return vm
        raise KeyError(vm_id)
