"""One `Cloud` from all that is known of a real one, and notes about it.

The order of reading and what happens if a source is silent live here; how a
source is read lives in its own module. Without Nova there is no cloud;
without Placement there is one whose traits are unknown; without Gnocchi there
is one with unknown traffic and memory writes, which the planner then treats
conservatively.
"""

import dataclasses
from collections.abc import Mapping

from watcher_tsmig import errors
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model.history import VmLoad
from watcher_tsmig.telemetry.agents import Asker
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import GnocchiClient
from watcher_tsmig.telemetry.clients import Model
from watcher_tsmig.telemetry.clients import PlacementSource
from watcher_tsmig.telemetry.dirty import Writing
from watcher_tsmig.telemetry.dirty import read_writing
from watcher_tsmig.telemetry.inventory import read_inventory
from watcher_tsmig.telemetry.loads import of_traffic
from watcher_tsmig.telemetry.loads import read_cpu
from watcher_tsmig.telemetry.measures import Gnocchi
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.traffic import by_vm
from watcher_tsmig.telemetry.traffic import read_counters


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A cloud as it was read; its VMs have no working sets yet.

    :ivar writing: what was measured for them, by id of the VM
    :ivar loads: how busy VMs were, by id, as far as `Settings.history`
    :ivar cpus: each host's own CPUs, before any allocation ratio, by name
    :ivar node_ids: Nova's uuid of each host's hypervisor, by host name
    :ivar notes: what could not be read or was odd, one sentence each
    :ivar questions: requests that were sent to Gnocchi
    """

    cloud: Cloud
    node_ids: Mapping[str, str]
    notes: tuple[str, ...]
    writing: Mapping[str, Writing] = dataclasses.field(default_factory=dict)
    loads: Mapping[str, VmLoad] = dataclasses.field(default_factory=dict)
    cpus: Mapping[str, float] = dataclasses.field(default_factory=dict)
    questions: int = 0


@dataclasses.dataclass(slots=True, kw_only=True)
class Measured:
    """What Gnocchi told so far, by id of the VM."""

    vms: dict[str, Vm]
    writing: dict[str, Writing] = dataclasses.field(default_factory=dict)
    loads: dict[str, VmLoad] = dataclasses.field(default_factory=dict)


def read_cloud(
    model: Model,
    compute: Compute,
    gnocchi: GnocchiClient | None,
    settings: Settings,
    *,
    now: float,
    scoped: bool = False,
    placement: PlacementSource | None = None,
    agents: Asker | None = None,
) -> Reading:
    """The cloud of Watcher's model, with what is measured of it.

    :param model: Watcher's compute model, already scoped
    :param compute: openstacksdk's compute proxy
    :param gnocchi: gnocchiclient, or None if there is no Gnocchi
    :param now: seconds since the epoch
    :param scoped: the audit has a scope
    :param placement: opens openstacksdk's placement proxy
    :param agents: asks the hosts' agents
    :raises errors.CloudError: Nova does not answer
    """
    inventory = read_inventory(
        model,
        compute,
        scoped=scoped,
        keep_zone=settings.keep_zone,
        placement=placement,
        agents=agents,
    )
    notes, questions = list(inventory.notes), 0
    measured = Measured(vms={vm.id: vm for vm in inventory.vms})
    if gnocchi is None:
        notes.append('no Gnocchi is configured; nothing is measured')
    elif inventory.vms:
        asked = Gnocchi(
            gnocchi, total_time=settings.total_time, batch=settings.batch
        )
        _measure(measured, asked, settings, now, notes)
        questions = asked.questions
    return Reading(
        cloud=inventory.cloud(measured.vms.values(), now),
        node_ids=inventory.node_ids,
        notes=tuple(notes),
        writing=measured.writing,
        loads=measured.loads,
        cpus=inventory.cpus,
        questions=questions,
    )


def _measure(
    found: Measured,
    gnocchi: Gnocchi,
    settings: Settings,
    now: float,
    notes: list[str],
) -> None:
    """Fill in what Gnocchi tells, as far as it does."""
    vms = dict(found.vms)
    try:
        gnocchi.probe()
        counters = read_counters(gnocchi, list(vms), settings, now)
        found.loads = of_traffic(*counters, settings, now)
        for vm, value in by_vm(*counters, settings, now).items():
            found.vms[vm] = dataclasses.replace(vms[vm], traffic=value)
        memory = {vm.id: vm.memory for vm in vms.values()}
        found.writing = read_writing(gnocchi, memory, settings, now)
        for vm, cpu in read_cpu(gnocchi, list(vms), settings, now).items():
            load = found.loads.get(vm, VmLoad())
            found.loads[vm] = dataclasses.replace(load, cpu=cpu)
    except errors.CloudError as error:
        notes.append(f'{error}; what it would have told is unknown')
    if gnocchi.refusals:
        first = gnocchi.refusals[0]
        of = vms[first.vm].name if first.vm in vms else 'an unknown VM'
        notes.append(
            f'{len(gnocchi.refusals)} metrics were refused, such as '
            f'{first.metric} of {of}: {first.why}'
        )
