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
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import GnocchiClient
from watcher_tsmig.telemetry.clients import Model
from watcher_tsmig.telemetry.clients import PlacementSource
from watcher_tsmig.telemetry.dirty import Writing
from watcher_tsmig.telemetry.dirty import read_writing
from watcher_tsmig.telemetry.inventory import read_inventory
from watcher_tsmig.telemetry.measures import Gnocchi
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.traffic import read_traffic


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A cloud as it was read; its VMs have no working sets yet.

    :ivar writing: what was measured for them, by id of the VM
    :ivar node_ids: Nova's uuid of each host's hypervisor, by host name
    :ivar notes: what could not be read or was odd, one sentence each
    :ivar questions: requests that were sent to Gnocchi
    """

    cloud: Cloud
    node_ids: Mapping[str, str]
    notes: tuple[str, ...]
    writing: Mapping[str, Writing] = dataclasses.field(default_factory=dict)
    questions: int = 0


def read_cloud(
    model: Model,
    compute: Compute,
    gnocchi: GnocchiClient | None,
    settings: Settings,
    *,
    now: float,
    scoped: bool = False,
    placement: PlacementSource | None = None,
) -> Reading:
    """The cloud of Watcher's model, with what is measured of it.

    :param model: Watcher's compute model, already scoped
    :param compute: openstacksdk's compute proxy
    :param gnocchi: gnocchiclient, or None if there is no Gnocchi
    :param now: seconds since the epoch
    :param scoped: the audit has a scope
    :param placement: opens openstacksdk's placement proxy
    :raises errors.CloudError: Nova does not answer
    """
    inventory = read_inventory(
        model,
        compute,
        scoped=scoped,
        keep_zone=settings.keep_zone,
        placement=placement,
    )
    notes = list(inventory.notes)
    vms = {vm.id: vm for vm in inventory.vms}
    writing: dict[str, Writing] = {}
    questions = 0
    if gnocchi is None:
        notes.append('no Gnocchi is configured; nothing is measured')
    elif vms:
        asked = Gnocchi(
            gnocchi, total_time=settings.total_time, batch=settings.batch
        )
        vms, writing = _measured(vms, asked, settings, now, notes)
        questions = asked.questions
    return Reading(
        cloud=Cloud(
            hosts=inventory.hosts,
            vms=tuple(vms.values()),
            taken_at=now,
            links=inventory.links,
            groups=inventory.groups,
        ),
        node_ids=inventory.node_ids,
        notes=tuple(notes),
        writing=writing,
        questions=questions,
    )


def _measured(
    vms: dict[str, Vm],
    gnocchi: Gnocchi,
    settings: Settings,
    now: float,
    notes: list[str],
) -> tuple[dict[str, Vm], dict[str, Writing]]:
    found = dict(vms)
    writing: dict[str, Writing] = {}
    try:
        gnocchi.probe()
        traffic = read_traffic(gnocchi, list(vms), settings, now)
        for vm, value in traffic.items():
            found[vm] = dataclasses.replace(found[vm], traffic=value)
        memory = {vm.id: vm.memory for vm in vms.values()}
        writing = read_writing(gnocchi, memory, settings, now)
    except errors.CloudError as error:
        notes.append(f'{error}; what it would have told is unknown')
    if gnocchi.refusals:
        notes.append(
            f'{len(gnocchi.refusals)} metrics were refused, for example '
            f'{gnocchi.refusals[0]}'
        )
    return found, writing
