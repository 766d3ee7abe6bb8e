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

from openstack import exceptions as sdk_errors

from watcher_tsmig import errors
from watcher_tsmig.model import Link
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.clients import Aggregate
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.units import from_mbit_s

# Of a host, in the metadata of an aggregate; the first of a server as well
POST_COPY = 'tsmig:post_copy'
NIC_MBIT_S = 'tsmig:nic_mbit_s'
SHARED_DISK = 'tsmig:shared_disk'
# Of the link that the hosts of an aggregate share
LINK_MBIT_S = 'tsmig:link_mbit_s'
LINK_RTT_MS = 'tsmig:link_rtt_ms'
LINK_OUT_MBIT_S = 'tsmig:link_background_out_mbit_s'
LINK_IN_MBIT_S = 'tsmig:link_background_in_mbit_s'

YES = ('true', 'yes', '1', 'on')
NO = ('false', 'no', '0', 'off')
MAX_MBIT_S = 1e9
MAX_RTT_MS = 60e3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What operators declared of a host; None where they did not."""

    post_copy: bool | None = None
    nic: float | None = None
    shared_disk: bool | None = None


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
            shared_disk=flag(metadata, SHARED_DISK, name, notes),
        )
        for host in aggregate.hosts or ():
            found[host] = merged(found.get(host, Declaration()), said)
    return found


def merged(one: Declaration, other: Declaration) -> Declaration:
    """Both declarations; where they differ, the careful one."""

    def both(first: bool | None, second: bool | None) -> bool | None:
        flags = [x for x in (first, second) if x is not None]
        return all(flags) if flags else None

    nics = [x for x in (one.nic, other.nic) if x is not None]
    return Declaration(
        post_copy=both(one.post_copy, other.post_copy),
        nic=min(nics) if nics else None,
        shared_disk=both(one.shared_disk, other.shared_disk),
    )


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


def post_copy_permitted(
    compute: Compute, vm: str, source: str, destination: str
) -> bool:
    """Whether both hosts and the VM's owner permit post-copy now.

    No where the VM does not exist any more.

    :raises errors.CloudError: Nova does not answer
    """
    notes: list[str] = []
    declared = declared_of(read_aggregates(compute), notes)
    hosts = all(
        declared.get(host, Declaration()).post_copy is True
        for host in (source, destination)
    )
    if not hosts:
        return False
    try:
        server = ask('server', lambda: compute.get_server(vm))
    except errors.CloudError as error:
        if isinstance(error.__cause__, sdk_errors.NotFoundException):
            return False
        raise
    owner = flag(server.metadata or {}, POST_COPY, vm, notes)
    return owner is not False


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
