"""Hosts and VMs from Watcher's compute model and from Nova.

Watcher's model knows capacities, the audit's scope and what is excluded
from it; Nova knows where a VM is now, what state it is in and what the
operators declared of a host. Where both know, Nova's word counts. The model
is used by the names of its methods only; nothing of Watcher is imported.
"""

import dataclasses
import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import TypeVar

import requests
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from watcher_tsmig import errors
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Vm
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Instance
from watcher_tsmig.telemetry.clients import Model
from watcher_tsmig.telemetry.clients import Node
from watcher_tsmig.telemetry.clients import Server
from watcher_tsmig.telemetry.clients import Service
from watcher_tsmig.units import from_mbit_s
from watcher_tsmig.units import from_mib

T = TypeVar('T')

# Metadata that operators set on host aggregates, owners on their servers
POST_COPY = 'tsmig:post_copy'
NIC_MBIT_S = 'tsmig:nic_mbit_s'
YES = ('true', 'yes', '1', 'on')
NO = ('false', 'no', '0', 'off')

CLIENT_ERRORS = (
    sdk_errors.SDKException,
    auth_errors.ClientException,
    requests.exceptions.RequestException,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What operators declared of a host; None where they did not."""

    post_copy: bool | None = None
    nic: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The scoped part of a cloud, without any measurement.

    :ivar node_ids: Nova's uuid of each host's hypervisor, by host name
    :ivar cpus: each host's own CPUs, before any allocation ratio
    :ivar notes: what was odd, one sentence each
    """

    hosts: tuple[Host, ...]
    vms: tuple[Vm, ...]
    node_ids: Mapping[str, str]
    cpus: Mapping[str, float]
    notes: tuple[str, ...]


def ask(what: str, call: Callable[[], T]) -> T:
    """The answer of the compute API.

    :raises errors.CloudError: there is none
    """
    try:
        return call()
    except CLIENT_ERRORS as error:
        text = ' '.join(str(error).split())
        raise errors.CloudError(f'Nova: {what}: {text}') from error


def read_declarations(
    compute: Compute,
) -> tuple[dict[str, Declaration], list[str]]:
    """What is declared of each host that is in an aggregate, and notes.

    :raises errors.CloudError: Nova does not answer
    """
    aggregates = ask('aggregates', lambda: list(compute.aggregates()))
    found: dict[str, Declaration] = {}
    notes: list[str] = []
    for aggregate in aggregates:
        metadata = aggregate.metadata or {}
        said = Declaration(
            post_copy=_flag(metadata.get(POST_COPY), aggregate.name, notes),
            nic=_nic(metadata.get(NIC_MBIT_S), aggregate.name, notes),
        )
        for host in aggregate.hosts or ():
            found[host] = merged(found.get(host, Declaration()), said)
    return found, notes


def post_copy_permitted(
    compute: Compute, vm: str, source: str, destination: str
) -> bool:
    """Whether both hosts and the VM's owner permit post-copy now.

    :raises errors.CloudError: Nova does not answer
    """
    declared, notes = read_declarations(compute)
    hosts = all(
        declared.get(host, Declaration()).post_copy is True
        for host in (source, destination)
    )
    if not hosts:
        return False
    server = ask('server', lambda: compute.get_server(vm))
    owner = _flag((server.metadata or {}).get(POST_COPY), vm, notes)
    return owner is not False


def merged(one: Declaration, other: Declaration) -> Declaration:
    """Both declarations; where they differ, the careful one."""
    flags = [x for x in (one.post_copy, other.post_copy) if x is not None]
    nics = [x for x in (one.nic, other.nic) if x is not None]
    return Declaration(
        post_copy=all(flags) if flags else None,
        nic=min(nics) if nics else None,
    )


def read_inventory(
    model: Model, compute: Compute, *, scoped: bool
) -> Inventory:
    """Hosts of the model and the VMs that Nova has on them.

    :param scoped: the audit has a scope, so that a VM which the model does
        not know may be out of it, and is left alone
    :raises errors.CloudError: Nova does not answer
    """
    declared, notes = read_declarations(compute)
    services = {
        service.host: service
        for service in ask(
            'services', lambda: list(compute.services(binary='nova-compute'))
        )
        if service.binary == 'nova-compute'
    }
    nodes = list(model.get_all_compute_nodes().values())
    hosts = {
        node.hostname: _host(
            node,
            services.get(node.hostname),
            declared.get(node.hostname, Declaration()),
        )
        for node in nodes
    }
    servers = ask(
        'servers',
        lambda: list(compute.servers(details=True, all_projects=True)),
    )
    vms = _vms(servers, hosts, model.get_all_instances(), scoped, notes)
    return Inventory(
        hosts=tuple(hosts[name] for name in sorted(hosts)),
        vms=tuple(sorted(vms, key=lambda vm: (vm.host, vm.name, vm.id))),
        node_ids={node.hostname: node.uuid for node in nodes},
        cpus={node.hostname: _cpus(node) for node in nodes},
        notes=tuple(notes),
    )


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
        nic=Nic(capacity=declared.nic) if declared.nic else None,
        post_copy=declared.post_copy,
        enabled=status == 'enabled',
        up=state == 'up',
    )


def _vms(
    servers: Iterable[Server],
    hosts: Mapping[str, Host],
    instances: Mapping[str, Instance],
    scoped: bool,
    notes: list[str],
) -> list[Vm]:
    vms = []
    for server in servers:
        if server.compute_host not in hosts:
            continue
        instance = instances.get(server.id)
        memory, vcpus = _size(server, instance)
        if not memory:
            notes.append(f'{server.name}: its size is unknown, it is ignored')
            continue
        excluded = scoped
        if instance is not None:
            excluded = bool(instance.watcher_exclude)
        elif scoped:
            notes.append(f'{server.name}: too new for Watcher, left alone')
        permitted = (server.metadata or {}).get(POST_COPY)
        vms.append(
            Vm(
                id=server.id,
                name=server.name or server.id,
                host=server.compute_host,
                memory=memory,
                vcpus=vcpus,
                post_copy=_flag(permitted, server.name, notes) is not False,
                active=(
                    str(server.vm_state).lower() == 'active'
                    and not server.task_state
                ),
                locked=bool(server.is_locked),
                excluded=excluded,
            )
        )
    return vms


def _size(server: Server, instance: Instance | None) -> tuple[float, float]:
    """Memory in bytes and vCPUs; zeros where nobody knows."""
    flavor = server.flavor
    memory = getattr(flavor, 'ram', None)
    vcpus = getattr(flavor, 'vcpus', None)
    if memory is None and instance is not None:
        # an API below 2.47 names the flavor without its numbers
        memory, vcpus = instance.memory, instance.vcpus
    return from_mib(float(memory or 0)), float(vcpus or 0)


def _flag(text: object, where: str, notes: list[str]) -> bool | None:
    if text is None:
        return None
    word = str(text).strip().lower()
    if word in YES:
        return True
    if word not in NO:
        notes.append(
            f'{where}: {POST_COPY}={text!r} is neither true nor false and '
            'counts as false'
        )
    return False


def _nic(text: object, where: str, notes: list[str]) -> float | None:
    if text is None:
        return None
    try:
        speed = float(str(text))
    except ValueError:
        speed = math.nan
    if 0 < speed < 1e9:
        return from_mbit_s(speed)
    notes.append(
        f'{where}: {NIC_MBIT_S}={text!r} is not a number of Mbit/s and '
        'is ignored'
    )
    return None
