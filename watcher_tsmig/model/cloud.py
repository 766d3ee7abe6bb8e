"""The cloud as frozen values that validate themselves.

Only values live here: no I/O, no clock, no options, nothing that plans.
Sizes are bytes, rates bytes per second, times seconds (instants: seconds
since the epoch). `None` means unknown and stays `None`: what to assume
instead is the planner's decision, and it says so in the plan.
"""

import dataclasses
import reprlib
import sys

from watcher_tsmig import errors

MAX_TEXT = 255
# An integer beyond every float is a number, but cannot be calculated with.
MAX_NUMBER = sys.float_info.max

MAX_SHOWN = 60


def _shown(value: object) -> str:
    # what is not the right kind may be megabytes long; an error is one line
    text = reprlib.repr(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + '...'


def _number(
    name: str, value: object, *, low: float, above: bool = False
) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise errors.InputError(f'{_shown(value)} is not a number', name)
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise errors.InputError(
            f'{_shown(value)} is not a finite number', name
        )
    if value < low or (above and value == low):
        bound = 'above' if above else 'at least'
        raise errors.InputError(
            f'{_shown(value)} must be {bound} {low:g}', name
        )


def _kind(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise errors.InputError(
            f'{_shown(value)} is not a {kind.__name__}', name
        )


def _items(name: str, values: object, kind: type) -> None:
    if not isinstance(values, tuple):
        raise errors.InputError('is not a tuple', name)
    for i, value in enumerate(values):
        if not isinstance(value, kind):
            raise errors.InputError(
                f'{_shown(value)} is not a {kind.__name__}', f'{name}[{i}]'
            )


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise errors.InputError(f'{_shown(value)} is not a text', name)
    if not value or len(value) > MAX_TEXT:
        raise errors.InputError(
            f'must have 1 to {MAX_TEXT} characters, has {len(value)}', name
        )


def _flag(name: str, value: object, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if not isinstance(value, bool):
        raise errors.InputError(f'{_shown(value)} is not true or false', name)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A host's full-duplex network interface; rates in bytes per second.

    `capacity` holds for each direction. The background is what runs over
    the interface beside the traffic of the VMs known to the cloud.
    """

    capacity: float
    background_tx: float = 0.0
    background_rx: float = 0.0

    def __post_init__(self) -> None:
        _number('capacity', self.capacity, low=0, above=True)
        _number('background_tx', self.background_tx, low=0)
        _number('background_rx', self.background_rx, low=0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A compute host; memory in bytes, both capacities as schedulable.

    :ivar memory: bytes that the scheduler may give to VMs (after
        allocation ratio and reservation)
    :ivar vcpus: virtual CPUs that the scheduler may give, likewise
    :ivar nic: the interface that migrations use; None where unknown
    :ivar post_copy: whether the host is declared able to post-copy; None
        where nobody said, which counts as no
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

    def __post_init__(self) -> None:
        _text('name', self.name)
        _number('memory', self.memory, low=0)
        _number('vcpus', self.vcpus, low=0)
        _kind('nic', self.nic, Nic)
        _flag('post_copy', self.post_copy, optional=True)
        _flag('enabled', self.enabled)
        _flag('up', self.up)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A VM's application traffic over all its interfaces, bytes/s.

    :ivar measured_at: when, seconds since the epoch; None where unknown
    :ivar source: who measured, for people (``gnocchi``)
    """

    tx: float
    rx: float
    measured_at: float | None = None
    source: str = 'unknown'

    def __post_init__(self) -> None:
        _number('tx', self.tx, low=0)
        _number('rx', self.rx, low=0)
        if self.measured_at is not None:
            _number('measured_at', self.measured_at, low=0)
        _text('source', self.source)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkingSet:
    """A VM's working-set pattern (WSP): what it writes, by how long.

    :ivar resident: bytes that a first pass sends (resident and not zero)
    :ivar samples: pairs (seconds, distinct bytes dirtied within them), by
        rising seconds; dirtied memory cannot shrink with time
    :ivar measured_at: when, seconds since the epoch; None where unknown
    :ivar source: who measured, for people (``gnocchi``)

    Source: MigVisor, "PC module", equation 12 (the array WSP).
    """

    resident: float
    samples: tuple[tuple[float, float], ...]
    measured_at: float | None = None
    source: str = 'unknown'

    def __post_init__(self) -> None:
        _number('resident', self.resident, low=0, above=True)
        if not isinstance(self.samples, tuple):
            raise errors.InputError('is not a tuple of pairs', 'samples')
        before = (0.0, 0.0)
        for i, sample in enumerate(self.samples):
            place = f'samples[{i}]'
            if not isinstance(sample, tuple) or len(sample) != 2:
                raise errors.InputError(
                    'is not a pair (seconds, bytes)', place
                )
            _number(place, sample[0], low=0, above=True)
            _number(place, sample[1], low=0)
            if sample[0] <= before[0]:
                raise errors.InputError(
                    f'{sample[0]:g} s does not come after {before[0]:g} s; '
                    'sort the samples by time',
                    place,
                )
            if sample[1] < before[1]:
                raise errors.InputError(
                    f'{sample[1]:.0f} bytes after {sample[0]:g} s is less '
                    f'than {before[1]:.0f} bytes after {before[0]:g} s; '
                    'dirtied memory cannot shrink with time',
                    place,
                )
            before = sample
        if self.measured_at is not None:
            _number('measured_at', self.measured_at, low=0)
        _text('source', self.source)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """A virtual machine on a host; memory in bytes as its flavor says.

    :ivar traffic: None where nobody measured it
    :ivar working_set: None where nobody measured it
    :ivar post_copy: whether the VM's owner permits post-copy
    :ivar active: running and not paused, so that it can move live
    :ivar locked: its owner locked it against actions
    :ivar excluded: the audit's scope wants it left alone
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

    def __post_init__(self) -> None:
        _text('id', self.id)
        _text('name', self.name)
        _text('host', self.host)
        _number('memory', self.memory, low=0, above=True)
        _number('vcpus', self.vcpus, low=0)
        _kind('traffic', self.traffic, Traffic)
        _kind('working_set', self.working_set, WorkingSet)
        for flag in ('post_copy', 'active', 'locked', 'excluded'):
            _flag(flag, getattr(self, flag))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """Hosts and the VMs on them at one instant.

    :ivar taken_at: seconds since the epoch; None for an invented cloud
    """

    hosts: tuple[Host, ...]
    vms: tuple[Vm, ...]
    taken_at: float | None = None

    def __post_init__(self) -> None:
        if self.taken_at is not None:
            _number('taken_at', self.taken_at, low=0)
        _items('hosts', self.hosts, Host)
        _items('vms', self.vms, Vm)
        names = _unique('hosts', 'name', [h.name for h in self.hosts])
        _unique('vms', 'id', [v.id for v in self.vms])
        for i, vm in enumerate(self.vms):
            if vm.host not in names:
                raise errors.InputError(
                    f'{vm.host!r} is not among the hosts', f'vms[{i}].host'
                )

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


def _unique(where: str, field: str, values: list[str]) -> set[str]:
    seen: dict[str, int] = {}
    for i, value in enumerate(values):
        if value in seen:
            raise errors.InputError(
                f'{value!r} is already that of {where}[{seen[value]}]',
                f'{where}[{i}].{field}',
            )
        seen[value] = i
    return set(seen)
