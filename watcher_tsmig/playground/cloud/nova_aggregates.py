"""Host aggregates as Nova writes them, made from what the cloud says.

One for each value that an operator would declare with one. No request is
looked at here and nothing is changed.
"""

import collections
from collections.abc import Iterable
from typing import Any

from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.playground.cloud import bonds
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.cloud import identify
from watcher_tsmig.telemetry.inventory.declarations import BANDWIDTH
from watcher_tsmig.telemetry.inventory.declarations import MAX_OUTGOING
from watcher_tsmig.telemetry.inventory.declarations import MIGRATION_NIC_MBIT_S
from watcher_tsmig.telemetry.inventory.declarations import NIC_MBIT_S

Json = dict[str, Any]
# Name, metadata, hosts
Row = tuple[str, dict[str, str], Iterable[str]]


def aggregates(sim: SimCloud) -> list[Json]:
    """All of them; their numbers never change."""
    rows = [
        *_abilities(sim.cloud),
        *_zones(sim.cloud),
        *map(_link, sim.cloud.links),
        *(
            (mark.name, {bonds.KEY: mark.name}, mark.hosts)
            for mark in sim.marks.values()
            if not mark.is_trait
        ),
    ]
    return [
        {
            'id': number,
            'uuid': identify('aggregate', name),
            'name': name,
            'availability_zone': metadata.get('availability_zone'),
            'hosts': list(hosts),
            'metadata': metadata,
            'created_at': sim.instant(0),
            'updated_at': None,
            'deleted': False,
            'deleted_at': None,
        }
        for number, (name, metadata, hosts) in enumerate(rows, 1)
    ]


def _abilities(cloud: Cloud) -> Iterable[Row]:
    """What the hosts can do, one aggregate for each value."""
    groups: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for host in cloud.hosts:
        if host.post_copy is not None:
            value = 'true' if host.post_copy else 'false'
            groups['tsmig:post_copy', value].append(host.name)
        if host.nic is not None:
            for key, speed in _speeds(host.nic):
                groups[key, f'{units.to_mbit_s(speed):g}'].append(host.name)
        if host.max_outgoing is not None:
            groups[MAX_OUTGOING, f'{host.max_outgoing}'].append(host.name)
        if host.bandwidth is not None:
            memory = host.bandwidth * Rules().efficiency / units.MIB
            groups[BANDWIDTH, f'{memory:g}'].append(host.name)
    for (key, value), hosts in groups.items():
        yield f'{key.partition(":")[2]}-{value}', {key: value}, hosts


def _speeds(nic: Nic) -> Iterable[tuple[str, float]]:
    if not nic.separate:
        yield NIC_MBIT_S, nic.capacity
        return
    yield MIGRATION_NIC_MBIT_S, nic.capacity
    if nic.tenants is not None:
        yield NIC_MBIT_S, nic.tenants


def _zones(cloud: Cloud) -> Iterable[Row]:
    zones: dict[str, list[str]] = collections.defaultdict(list)
    for host in cloud.hosts:
        if host.zone is not None:
            zones[host.zone].append(host.name)
    for zone, hosts in zones.items():
        yield f'zone-{zone}', {'availability_zone': zone}, hosts


def _link(link: Link) -> Row:
    values = {
        'link_mbit_s': units.to_mbit_s(link.capacity),
        'link_rtt_ms': link.rtt * 1e3,
        'link_background_out_mbit_s': units.to_mbit_s(link.background_out),
        'link_background_in_mbit_s': units.to_mbit_s(link.background_in),
    }
    metadata = {f'tsmig:{k}': f'{v:.12g}' for k, v in values.items() if v}
    return link.name, metadata, link.hosts
