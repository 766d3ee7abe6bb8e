"""What one VM's migration may do now, looked at again before its start.

A plan may be a day old; what hosts and owners permit is asked anew.
"""

import dataclasses
import logging

from openstack import exceptions as sdk_errors

from watcher_tsmig import errors
from watcher_tsmig.telemetry.agents import Asker
from watcher_tsmig.telemetry.agents import careful
from watcher_tsmig.telemetry.agents import read_agents
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import NetworkSource
from watcher_tsmig.telemetry.inventory.declarations import BALLOON
from watcher_tsmig.telemetry.inventory.declarations import POST_COPY
from watcher_tsmig.telemetry.inventory.declarations import Declaration
from watcher_tsmig.telemetry.inventory.declarations import declared_of
from watcher_tsmig.telemetry.inventory.declarations import flag
from watcher_tsmig.telemetry.inventory.declarations import read_aggregates
from watcher_tsmig.telemetry.inventory.servers import newest_version
from watcher_tsmig.telemetry.needs.devices import had_of
from watcher_tsmig.telemetry.needs.devices import pre_copy_only
from watcher_tsmig.telemetry.needs.devices import refused
from watcher_tsmig.telemetry.needs.disks import has_local_disks
from watcher_tsmig.telemetry.needs.ports import ports_of
from watcher_tsmig.telemetry.needs.shares import has_shares

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What holds for one migration.

    :ivar post_copy: both hosts, the VM's owner and its devices permit it
    :ivar balloon: the VM's owner lets its caches be given back
    :ivar disks: the VM has local disks, which would go along
    :ivar links: bytes/s of the NICs by which migrations leave the source and
        enter the destination; None: nobody told
    :ivar refused: why Nova does not move it live; empty if it may
    :ivar provable: what the VM writes within a second can prove that its
        pre-copy never ends; not where the hypervisor slows it down, or may
        stop it for longer than that
    """

    post_copy: bool = False
    balloon: bool = False
    disks: bool = False
    links: tuple[float | None, float | None] = (None, None)
    provable: bool = False
    refused: str = ''


def permission(
    compute: Compute,
    agents: Asker | None,
    vm: str,
    source: str,
    destination: str,
    *,
    network: NetworkSource | None = None,
    insist: bool = False,
) -> Permission:
    """What one VM's migration may do now; nothing where the VM is gone.

    What its image wants is as in the plan: it does not change.

    :param network: makes openstacksdk's network proxy
    :param agents: asks the agents of compute hosts
    :param insist: ask an agent even if it did not answer lately: it may have
        been restarted, and the migration depends on what it says
    :raises errors.CloudError: Nova does not answer
    """
    notes: list[str] = []
    known = careful(
        read_agents(agents, (source, destination), notes, insist=insist),
        declared_of(read_aggregates(compute), notes),
        notes,
    )
    try:
        server = ask('server', lambda: compute.get_server(vm))
    except errors.CloudError as error:
        if isinstance(error.__cause__, sdk_errors.NotFoundException):
            return Permission()
        raise
    hosts = [known.get(h, Declaration()) for h in (source, destination)]
    nova = hosts[0].nova
    newest = newest_version(compute)
    had = had_of(server, kinds=ports_of(network, vm, notes))
    why = refused(had, newest) or ''
    if not why and has_shares(compute, vm, newest, notes):
        why = 'it has shares of Manila'
    for note in notes:
        LOG.info('%s: %s', vm, note)
    owner = flag(server.metadata or {}, POST_COPY, vm, notes)
    return Permission(
        post_copy=owner is not False
        and pre_copy_only(had, newest) is None
        and all(host.post_copy is True for host in hosts),
        balloon=flag(server.metadata or {}, BALLOON, vm, notes) is True,
        disks=not hosts[0].shared_disk and has_local_disks(server),
        refused=why,
        links=(_link(hosts[0]), _link(hosts[1])),
        provable=nova is not None
        and hosts[0].throttles is False
        and nova.downtime_limit <= 1.0,
    )


def _link(host: Declaration) -> float | None:
    return host.own_nic or host.nic
