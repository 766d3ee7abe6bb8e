"""Hosts and VMs from Watcher's compute model and from Nova.

Watcher's model knows capacities, the audit's scope and what is excluded
from it; Nova knows where a VM is now, what state it is in and what the
operators declared of a host. Where both know, Nova's word counts. The model
is used by the names of its methods only; nothing of Watcher is imported.
"""

import dataclasses
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping

from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Group
from watcher_tsmig.model import Host
from watcher_tsmig.model import Link
from watcher_tsmig.model import Passage
from watcher_tsmig.model import Vm
from watcher_tsmig.telemetry.agents import Asker
from watcher_tsmig.telemetry.agents import careful
from watcher_tsmig.telemetry.agents import read_agents
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Model
from watcher_tsmig.telemetry.clients import NetworkSource
from watcher_tsmig.telemetry.clients import Node
from watcher_tsmig.telemetry.clients import PlacementSource
from watcher_tsmig.telemetry.clients import Server
from watcher_tsmig.telemetry.clients import Service
from watcher_tsmig.telemetry.inventory.declarations import Declaration
from watcher_tsmig.telemetry.inventory.declarations import declared_of
from watcher_tsmig.telemetry.inventory.declarations import links_of
from watcher_tsmig.telemetry.inventory.declarations import nic_of
from watcher_tsmig.telemetry.inventory.declarations import read_aggregates
from watcher_tsmig.telemetry.inventory.groups import read_groups
from watcher_tsmig.telemetry.inventory.kin import kin_of
from watcher_tsmig.telemetry.inventory.passages import read_passages
from watcher_tsmig.telemetry.inventory.room import without_held
from watcher_tsmig.telemetry.inventory.servers import newest_version
from watcher_tsmig.telemetry.inventory.servers import read_servers
from watcher_tsmig.telemetry.inventory.vms import Having
from watcher_tsmig.telemetry.inventory.vms import Known
from watcher_tsmig.telemetry.inventory.vms import vms_of
from watcher_tsmig.telemetry.needs.destinations import Destinations
from watcher_tsmig.telemetry.needs.destinations import required_traits
from watcher_tsmig.telemetry.needs.destinations import specs_of
from watcher_tsmig.telemetry.needs.devices import cautions
from watcher_tsmig.telemetry.needs.devices import had_of
from watcher_tsmig.telemetry.needs.disks import image_of
from watcher_tsmig.telemetry.needs.images import read_images
from watcher_tsmig.telemetry.needs.ports import read_ports
from watcher_tsmig.telemetry.needs.scheduled import wanted
from watcher_tsmig.telemetry.needs.traits import read_traits
from watcher_tsmig.units import GIB
from watcher_tsmig.units import from_mib


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The scoped part of a cloud, without any measurement.

    :ivar passages: migrations that are under way between them
    :ivar node_ids: Nova's uuid of each host's hypervisor, by host name
    :ivar declared: what is declared of each host
    :ivar cpus: each host's own CPUs, before any allocation ratio
    :ivar kin: what VMs share with others, by their ids
    :ivar notes: what was odd, one sentence each
    :ivar asides: what comes after all other notes, for it can wait
    """

    hosts: tuple[Host, ...]
    vms: tuple[Vm, ...]
    links: tuple[Link, ...]
    groups: tuple[Group, ...]
    passages: tuple[Passage, ...]
    node_ids: Mapping[str, str]
    cpus: Mapping[str, float]
    declared: Mapping[str, Declaration]
    kin: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    asides: tuple[str, ...] = ()

    def cloud(
        self, hosts: Iterable[Host], vms: Iterable[Vm], taken_at: float
    ) -> Cloud:
        """The cloud with these hosts and VMs in place of its own."""
        return Cloud(
            hosts=tuple(hosts),
            vms=tuple(vms),
            taken_at=taken_at,
            links=self.links,
            groups=self.groups,
            passages=self.passages,
        )


def read_inventory(
    model: Model,
    compute: Compute,
    *,
    scoped: bool,
    keep_zone: bool = True,
    placement: PlacementSource | None = None,
    network: NetworkSource | None = None,
    agents: Asker | None = None,
) -> Inventory:
    """Hosts of the model and the VMs that Nova has on them.

    :param scoped: the audit has a scope, so that a VM which the model does
        not know may be out of it, and is left alone
    :param keep_zone: a VM is bound to its zone where Nova does not tell
    :param placement: opens openstacksdk's placement proxy
    :param network: makes openstacksdk's network proxy
    :param agents: asks the agents of compute hosts
    :raises errors.CloudError: Nova does not answer
    """
    notes, asides = list[str](), list[str]()
    aggregates = read_aggregates(compute)
    nodes = list(model.get_all_compute_nodes().values())
    told = read_agents(agents, [node.hostname for node in nodes], notes)
    declared = careful(told, declared_of(aggregates, notes), notes)
    hosts = _hosts(nodes, compute, declared)
    servers = _servers(compute, hosts)
    node_ids = {node.hostname: node.uuid for node in nodes}
    having = _having(compute, network, servers, hosts, notes, asides)
    asked = required_traits([*map(specs_of, servers), *having.wanted.values()])
    names = {uuid: name for name, uuid in node_ids.items()}
    traits = read_traits(placement, asked, names, notes)
    known = Known(
        hosts=hosts,
        instances=model.get_all_instances(),
        destinations=Destinations(aggregates, hosts, traits),
        scoped=scoped,
        keep_zone=keep_zone,
    )
    vms = vms_of(servers, known, having, notes)
    passages = read_passages(compute, hosts, _at_rest(vms), notes)
    hosts = without_held(hosts, vms, passages, placement, node_ids, notes)
    return Inventory(
        hosts=tuple(hosts[name] for name in sorted(hosts)),
        vms=tuple(sorted(vms, key=lambda vm: (vm.host, vm.name, vm.id))),
        links=links_of(aggregates, hosts, notes),
        groups=read_groups(compute, [vm.id for vm in vms], notes),
        passages=passages,
        node_ids=node_ids,
        cpus={node.hostname: _cpus(node) for node in nodes},
        declared=declared,
        kin={server.id: kin_of(server) for server in servers},
        notes=tuple(notes),
        asides=tuple(asides),
    )


def _servers(compute: Compute, hosts: Mapping[str, Host]) -> list[Server]:
    """All servers on these hosts."""
    found = read_servers(compute)
    return [server for server in found if server.compute_host in hosts]


def _having(
    compute: Compute,
    network: NetworkSource | None,
    servers: Collection[Server],
    hosts: Mapping[str, Host],
    notes: list[str],
    asides: list[str],
) -> Having:
    """What the servers have, of Nova, Glance and Neutron."""
    images = read_images(compute, servers, _local(servers, hosts), notes)
    on = {server.id: server.compute_host for server in servers}
    kinds = read_ports(network, on, asides)
    newest = newest_version(compute)
    had = {
        server.id: had_of(
            server,
            images.properties.get(image_of(server) or ''),
            kinds.get(server.id, frozenset()),
        )
        for server in servers
    }
    cautions(had.values(), newest, asides)
    asked = {vm: wanted(what, newest) for vm, what in had.items()}
    return Having(sizes=images.sizes, had=had, wanted=asked, newest=newest)


def _local(
    servers: Iterable[Server], hosts: Mapping[str, Host]
) -> list[Server]:
    """Those whose host has disks of its own."""
    return [s for s in servers if hosts[s.compute_host].disk is not None]


def _at_rest(vms: Iterable[Vm]) -> list[str]:
    """Ids of those for which Nova has no task."""
    return [vm.id for vm in vms if vm.state != 'busy']


def _hosts(
    nodes: Iterable[Node],
    compute: Compute,
    declared: Mapping[str, Declaration],
) -> dict[str, Host]:
    services = {
        service.host: service
        for service in ask(
            'services',
            lambda: list(compute.services(binary='nova-compute')),
        )
        if service.binary == 'nova-compute'
    }
    return {
        node.hostname: _host(
            node,
            services.get(node.hostname),
            declared.get(node.hostname, Declaration()),
        )
        for node in nodes
    }


def _cpus(node: Node) -> float:
    # Placement's inventory of VCPU without its allocation ratio
    return max(float(getattr(node, 'vcpus', 0) or 0), 0.0)


def _host(node: Node, service: Service | None, declared: Declaration) -> Host:
    # A service that Nova does not list any more cannot take or give VMs
    status = service.status if service is not None else 'disabled'
    state = service.state if service is not None else 'down'
    return Host(
        name=node.hostname,
        memory=max(from_mib(float(node.memory_mb_capacity)), 0.0),
        vcpus=max(float(node.vcpu_capacity), 0.0),
        nic=nic_of(declared),
        post_copy=declared.post_copy,
        enabled=status == 'enabled',
        up=state == 'up',
        disk=None if declared.shared_disk else _disk_of_host(node),
        zone=getattr(service, 'availability_zone', None) or None,
        max_outgoing=declared.max_outgoing,
        bandwidth=declared.bandwidth,
        agent=declared.agent,
        nova=declared.nova,
    )


def _disk_of_host(node: Node) -> float | None:
    # Watcher has 0 where neither Placement nor Nova knows of a local disk
    if not getattr(node, 'disk', None):
        return None
    return max(float(node.disk_gb_capacity) * GIB, 0.0)
