"""One `Cloud` from all that is known of a real one, and notes about it.

The order of reading and what happens if a source is silent live here; how a
source is read lives in its own module. Without Nova there is no cloud;
without Placement there is one whose traits are unknown; without a source of
measures there is one with unknown traffic and memory writes, which the
planner then treats conservatively.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from typing import TypeVar

from watcher_tsmig import errors
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.model.history import VmLoad
from watcher_tsmig.model.trace import Trace
from watcher_tsmig.telemetry import bulk
from watcher_tsmig.telemetry.agents import Asker
from watcher_tsmig.telemetry.asking import MALFORMED
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Model
from watcher_tsmig.telemetry.clients import NetworkSource
from watcher_tsmig.telemetry.clients import PlacementSource
from watcher_tsmig.telemetry.inventory.inventory import Inventory
from watcher_tsmig.telemetry.inventory.inventory import read_inventory
from watcher_tsmig.telemetry.inventory.past import read_past
from watcher_tsmig.telemetry.metrics.dirty import Writing
from watcher_tsmig.telemetry.metrics.dirty import read_writing
from watcher_tsmig.telemetry.metrics.loads import of_traffic
from watcher_tsmig.telemetry.metrics.nics import Known
from watcher_tsmig.telemetry.metrics.nics import notes_of
from watcher_tsmig.telemetry.metrics.nics import with_nics
from watcher_tsmig.telemetry.metrics.traffic import Seen
from watcher_tsmig.telemetry.metrics.traffic import foretold
from watcher_tsmig.telemetry.metrics.traffic import seen_of
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Device
from watcher_tsmig.telemetry.sources import Source

T = TypeVar('T')

UNMEASURED = 'no source of measures is configured; nothing is measured'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A cloud as it was read; its VMs have no working sets yet.

    :ivar writing: what was measured for them, by id of the VM
    :ivar loads: how busy VMs were, by id, as far as `Settings.history`
    :ivar past: earlier migrations by Nova's records, asked for where
        writing was not measured
    :ivar kin: what VMs share with others, by id
    :ivar cpus: each host's own CPUs, before any allocation ratio, by name
    :ivar node_ids: Nova's uuid of each host's hypervisor, by host name
    :ivar notes: what could not be read or was odd, one sentence each
    :ivar questions: requests that were sent to the source of measures
    """

    cloud: Cloud
    node_ids: Mapping[str, str]
    notes: tuple[str, ...]
    writing: Mapping[str, Writing] = dataclasses.field(default_factory=dict)
    loads: Mapping[str, VmLoad] = dataclasses.field(default_factory=dict)
    past: tuple[Trace, ...] = ()
    kin: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict
    )
    cpus: Mapping[str, float] = dataclasses.field(default_factory=dict)
    questions: int = 0


@dataclasses.dataclass(slots=True, kw_only=True)
class Measured:
    """What the source told so far, by id of the VM."""

    vms: dict[str, Vm]
    seen: dict[str, Seen] = dataclasses.field(default_factory=dict)
    devices: Mapping[str, Mapping[str, Device]] | None = None
    writing: dict[str, Writing] = dataclasses.field(default_factory=dict)
    loads: dict[str, VmLoad] = dataclasses.field(default_factory=dict)


@bulk.seldom_collected()
def read_cloud(
    model: Model,
    compute: Compute,
    source: Source | None,
    settings: Settings,
    *,
    now: float,
    scoped: bool = False,
    placement: PlacementSource | None = None,
    network: NetworkSource | None = None,
    agents: Asker | None = None,
) -> Reading:
    """The cloud of Watcher's model, with what is measured of it.

    :param model: Watcher's compute model, already scoped
    :param compute: openstacksdk's compute proxy
    :param source: of measures, just opened; None if there is none
    :param scoped: the audit has a scope
    :param placement: opens openstacksdk's placement proxy
    :param network: makes openstacksdk's network proxy
    :param agents: asks the hosts' agents
    :raises errors.CloudError: Nova does not answer
    """
    inventory = read_inventory(
        model,
        compute,
        scoped=scoped,
        keep_zone=settings.keep_zone,
        placement=placement,
        network=network,
        agents=agents,
    )
    notes, questions = list(inventory.notes), 0
    measured = Measured(vms={vm.id: vm for vm in inventory.vms})
    if source is None:
        notes.append(UNMEASURED)
    elif inventory.vms:
        if _measure(measured, source, settings, now, notes):
            _ask_hosts(measured, source, inventory, settings, now, notes)
        questions = source.questions
    hosts = _hosts(inventory, measured, settings, now)
    past: tuple[Trace, ...] = ()
    if any(vm.id not in measured.writing for vm in inventory.vms):
        past = read_past(compute, hosts, inventory.vms, now, notes)
    return Reading(
        cloud=inventory.cloud(hosts, measured.vms.values(), now),
        node_ids=inventory.node_ids,
        notes=(*notes, *inventory.asides),
        writing=measured.writing,
        loads=measured.loads,
        past=past,
        kin=inventory.kin,
        cpus=inventory.cpus,
        questions=questions,
    )


def _hosts(
    inventory: Inventory, found: Measured, settings: Settings, now: float
) -> tuple[Host, ...]:
    known = Known(
        declared=inventory.declared,
        devices=found.devices,
        seen=found.seen,
        passages=inventory.passages,
    )
    return with_nics(inventory.hosts, inventory.vms, known, settings, now)


def _told(source: Source, question: Callable[[], T]) -> T:
    """The answer of a source.

    :raises errors.CloudError: there is none, or it is not as expected
    """
    try:
        return question()
    except MALFORMED as error:
        raise errors.CloudError(
            f'{source.name}: its answer is not as expected ({error!r})'
        ) from error


def _measure(
    found: Measured,
    source: Source,
    settings: Settings,
    now: float,
    notes: list[str],
) -> bool:
    """Fill in what the source tells of VMs; whether it told all of it."""
    vms, told_all = dict(found.vms), True
    try:
        _told(source, source.probe)
        interfaces = _told(source, lambda: source.traffic(list(vms), now))
        found.loads = of_traffic(interfaces, settings, now)
        found.seen = seen_of(interfaces, settings, now)
        traffic = foretold(found.seen, settings, now, source.name)
        for vm, value in traffic.items():
            found.vms[vm] = dataclasses.replace(vms[vm], traffic=value)
        memory = {vm.id: vm.memory for vm in vms.values()}
        found.writing = _told(
            source, lambda: read_writing(source, memory, settings, now)
        )
        if settings.history:
            busy = _told(source, lambda: source.cpu(list(vms), now))
            for vm, cpu in busy.items():
                load = found.loads.get(vm, VmLoad())
                found.loads[vm] = dataclasses.replace(load, cpu=tuple(cpu))
    except errors.CloudError as error:
        told_all = False
        notes.append(f'{error}; what it would have told is unknown')
    if source.refusals:
        first = source.refusals[0]
        of = vms[first.vm].name if first.vm in vms else 'an unknown VM'
        notes.append(
            f'{len(source.refusals)} metrics were refused, such as '
            f'{first.metric} of {of}: {first.why}'
        )
    return told_all


def _ask_hosts(
    found: Measured,
    source: Source,
    inventory: Inventory,
    settings: Settings,
    now: float,
    notes: list[str],
) -> None:
    """Fill in what hosts' own devices carry, where somebody named them."""
    if not settings.migration_devices:
        return
    hosts = [host.name for host in inventory.hosts]
    try:
        found.devices = _told(source, lambda: source.devices(hosts, now))
        notes += notes_of(found.devices, hosts, settings, source.name)
    except errors.CloudError as error:
        notes.append(f'{error}; what hosts carry is unknown')
