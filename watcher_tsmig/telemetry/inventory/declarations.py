"""What operators declare in the metadata of host aggregates.

The keys, their forms, and what a wrong value becomes live here: a note and
nothing known. An aggregate may be any set of hosts, and a host in any
number of them; where two differ about a host, the careful one holds.
"""

import dataclasses
import math
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from typing import TypeVar

from watcher_tsmig.model import Link
from watcher_tsmig.model import Nic
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.clients import Aggregate
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.units import MIB
from watcher_tsmig.units import from_mbit_s

N = TypeVar('N', int, float)

# Of a host, in the metadata of an aggregate; the first of a server as well
POST_COPY = 'tsmig:post_copy'
# Of a server only
BALLOON = 'tsmig:balloon'
NIC_MBIT_S = 'tsmig:nic_mbit_s'
SHARED_DISK = 'tsmig:shared_disk'
MAX_OUTGOING = 'tsmig:max_concurrent_live_migrations'
BANDWIDTH = 'tsmig:live_migration_bandwidth'
NETWORK = 'tsmig:migration_network'
MIGRATION_NIC_MBIT_S = 'tsmig:migration_nic_mbit_s'
# Of the link that the hosts of an aggregate share
LINK_MBIT_S = 'tsmig:link_mbit_s'
LINK_RTT_MS = 'tsmig:link_rtt_ms'
LINK_OUT_MBIT_S = 'tsmig:link_background_out_mbit_s'
LINK_IN_MBIT_S = 'tsmig:link_background_in_mbit_s'

YES = ('true', 'yes', '1', 'on')
NO = ('false', 'no', '0', 'off')
MAX_MBIT_S = 1e9
MAX_RTT_MS = 60e3
MAX_AT_ONCE = 1000
MAX_MIB_S = 1e6
# What NETWORK may say: migrations and tenants on one, or each its own.
NETWORKS = {'shared': False, 'separate': True}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What operators declared of a host, or its agent; None: nobody did.

    :ivar nic: bytes/s of the interface that migrations use, where it is not
        one of their own
    :ivar own_nic: bytes/s of one that is
    :ivar max_outgoing: live migrations that may leave it at once
    :ivar bandwidth: bytes/s on the wire that Nova gives each of them
    :ivar separate: tenants' traffic goes over another network
    :ivar agent: one answers there
    :ivar nova: how Nova ends migrations that leave it, which only an agent
        tells
    :ivar throttles: the hypervisor slows a VM down whose pre-copy does not
        end (auto-converge), which only an agent tells
    """

    post_copy: bool | None = None
    nic: float | None = None
    own_nic: float | None = None
    shared_disk: bool | None = None
    max_outgoing: int | None = None
    bandwidth: float | None = None
    separate: bool | None = None
    agent: bool = False
    nova: NovaSettings | None = None
    throttles: bool | None = None


def read_aggregates(compute: Compute) -> list[Aggregate]:
    """All host aggregates.

    :raises errors.CloudError: Nova does not answer
    """
    return ask('aggregates', lambda: list(compute.aggregates()))


def declared_of(
    aggregates: Iterable[Aggregate], notes: list[str]
) -> dict[str, Declaration]:
    """What is declared of each host that is in an aggregate."""
    found: dict[str, Declaration] = {}
    for aggregate in aggregates:
        metadata, name = aggregate.metadata or {}, aggregate.name
        said = Declaration(
            post_copy=flag(metadata, POST_COPY, name, notes),
            nic=_rate(metadata, NIC_MBIT_S, name, notes, above=True),
            own_nic=_rate(
                metadata, MIGRATION_NIC_MBIT_S, name, notes, above=True
            ),
            shared_disk=flag(metadata, SHARED_DISK, name, notes),
            max_outgoing=_at_once(metadata, name, notes),
            bandwidth=_bandwidth(metadata, name, notes),
            separate=_network(metadata, name, notes),
        )
        for host in aggregate.hosts or ():
            found[host] = merged(found.get(host, Declaration()), said)
    return found


def merged(one: Declaration, other: Declaration) -> Declaration:
    """Both declarations; where they differ, the careful one."""

    def both(first: bool | None, second: bool | None) -> bool | None:
        flags = [x for x in (first, second) if x is not None]
        return all(flags) if flags else None

    def least(first: N | None, second: N | None) -> N | None:
        return min((x for x in (first, second) if x is not None), default=None)

    return Declaration(
        post_copy=both(one.post_copy, other.post_copy),
        nic=least(one.nic, other.nic),
        own_nic=least(one.own_nic, other.own_nic),
        shared_disk=both(one.shared_disk, other.shared_disk),
        max_outgoing=least(one.max_outgoing, other.max_outgoing),
        bandwidth=least(one.bandwidth, other.bandwidth),
        separate=both(one.separate, other.separate),
        agent=one.agent or other.agent,
        nova=one.nova or other.nova,
        throttles=one.throttles
        if other.throttles is None
        else other.throttles,
    )


def nic_of(declared: Declaration) -> Nic | None:
    """The NIC that migrations use; None where nobody told its speed."""
    separate = declared.separate is True
    speed = (declared.own_nic if separate else None) or declared.nic
    if speed is None:
        return None
    tenants = declared.nic if separate and declared.own_nic else None
    return Nic(capacity=speed, separate=separate, tenants=tenants)


def _network(
    metadata: dict[str, str], where: str, notes: list[str]
) -> bool | None:
    """Whether migrations have a network of their own.

    A speed of their own says so, unless the other key says otherwise.
    """
    text = metadata.get(NETWORK)
    if text is None:
        return True if MIGRATION_NIC_MBIT_S in metadata else None
    found = NETWORKS.get(str(text).strip().lower())
    if found is None:
        notes.append(
            f'{where}: {NETWORK}={text!r} is neither shared nor separate and '
            'counts as shared'
        )
    return found or False


def _at_once(
    metadata: dict[str, str], where: str, notes: list[str]
) -> int | None:
    value = _number(
        metadata,
        MAX_OUTGOING,
        where,
        notes,
        'migrations',
        lambda v: 1 <= v <= MAX_AT_ONCE and v == int(v),
    )
    return None if value is None else int(value)


def links_of(
    aggregates: Iterable[Aggregate],
    hosts: Collection[str],
    notes: list[str],
) -> tuple[Link, ...]:
    """The links that aggregates declare, with the hosts of the cloud."""
    found: dict[str, Link] = {}
    for aggregate in aggregates:
        link = _link(aggregate, hosts, notes)
        if link is None or not link.hosts:
            continue
        if link.name in found:
            notes.append(
                f'{link.name}: another aggregate has that name too, its '
                f'{LINK_MBIT_S} is ignored'
            )
            continue
        found[link.name] = link
    return tuple(found[name] for name in sorted(found))


def _link(
    aggregate: Aggregate, hosts: Collection[str], notes: list[str]
) -> Link | None:
    metadata, name = aggregate.metadata or {}, aggregate.name
    capacity = _rate(metadata, LINK_MBIT_S, name, notes, above=True)
    if capacity is None:
        more = (LINK_RTT_MS, LINK_OUT_MBIT_S, LINK_IN_MBIT_S)
        if LINK_MBIT_S not in metadata and any(k in metadata for k in more):
            notes.append(
                f'{name}: declares a link without {LINK_MBIT_S}, it is ignored'
            )
        return None
    return Link(
        name=name,
        hosts=tuple(sorted(set(aggregate.hosts or ()) & set(hosts))),
        capacity=capacity,
        background_out=_rate(metadata, LINK_OUT_MBIT_S, name, notes) or 0.0,
        background_in=_rate(metadata, LINK_IN_MBIT_S, name, notes) or 0.0,
        rtt=_rtt(metadata, name, notes) or 0.0,
    )


def flag(
    metadata: dict[str, str], key: str, where: str, notes: list[str]
) -> bool | None:
    """True, false, or None where the key is not there."""
    text = metadata.get(key)
    if text is None:
        return None
    word = str(text).strip().lower()
    if word in YES:
        return True
    if word not in NO:
        notes.append(
            f'{where}: {key}={text!r} is neither true nor false and '
            'counts as false'
        )
    return False


def _rate(
    metadata: dict[str, str],
    key: str,
    where: str,
    notes: list[str],
    *,
    above: bool = False,
) -> float | None:
    """Bytes per second; `above` 0 or from it on."""

    def fits(value: float) -> bool:
        return value < MAX_MBIT_S and (value > 0 if above else value >= 0)

    value = _number(metadata, key, where, notes, 'Mbit/s', fits)
    return None if value is None else from_mbit_s(value)


def _bandwidth(
    metadata: dict[str, str], where: str, notes: list[str]
) -> float | None:
    """Bytes/s on the wire, of Nova's MiB/s of memory; its 0 is no limit."""

    def fits(value: float) -> bool:
        return 0 <= value <= MAX_MIB_S

    value = _number(metadata, BANDWIDTH, where, notes, 'MiB/s', fits)
    return value * MIB / Rules().efficiency if value else None


def _rtt(
    metadata: dict[str, str], where: str, notes: list[str]
) -> float | None:
    value = _number(
        metadata,
        LINK_RTT_MS,
        where,
        notes,
        'ms',
        lambda v: 0 <= v <= MAX_RTT_MS,
    )
    return None if value is None else value / 1e3


def _number(
    metadata: dict[str, str],
    key: str,
    where: str,
    notes: list[str],
    unit: str,
    fits: Callable[[float], bool],
) -> float | None:
    text = metadata.get(key)
    if text is None:
        return None
    try:
        value = float(str(text))
    except ValueError:
        value = math.nan
    if fits(value):
        return value
    notes.append(
        f'{where}: {key}={text!r} is not a number of {unit} and is ignored'
    )
    return None
