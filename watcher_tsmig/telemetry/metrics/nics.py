"""What hosts' own NICs carry: background, speed, and the upper value.

Arithmetic on points and declarations. Which devices of a host carry
migrations, and which tenants, is the operator's to say; what was declared of a
host counts before what was measured. What nobody measured is as it was: no
background, no speed, no upper value.
"""

import dataclasses
import math
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Passage
from watcher_tsmig.model import Vm
from watcher_tsmig.model.cloud import LIVE
from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.inventory.declarations import Declaration
from watcher_tsmig.telemetry.inventory.declarations import nic_of
from watcher_tsmig.telemetry.metrics.ahead import AHEAD
from watcher_tsmig.telemetry.metrics.ahead import ahead
from watcher_tsmig.telemetry.metrics.traffic import Seen
from watcher_tsmig.telemetry.metrics.upper import upper
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Device

Points = Sequence[Point]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What NICs are told from.

    :ivar declared: by host
    :ivar devices: measured, by host and name; None where the source knows
        nothing of hosts
    :ivar seen: what VMs sent and received, by id
    :ivar passages: migrations that are under way
    """

    declared: Mapping[str, Declaration]
    devices: Mapping[str, Mapping[str, Device]] | None
    seen: Mapping[str, Seen]
    passages: Sequence[Passage] = ()


def with_nics(
    hosts: Iterable[Host],
    vms: Iterable[Vm],
    known: Known,
    settings: Settings,
    now: float,
) -> tuple[Host, ...]:
    """The hosts with what is known of their NICs.

    :param now: seconds since the epoch
    """
    on: dict[str, list[Vm]] = {}
    for vm in vms:
        on.setdefault(vm.host, []).append(vm)
    return tuple(
        dataclasses.replace(
            host,
            nic=_nic(host.name, on.get(host.name, ()), known, settings, now),
        )
        for host in hosts
    )


def notes_of(
    devices: Mapping[str, Mapping[str, Device]] | None,
    hosts: Sequence[str],
    settings: Settings,
    source: str,
) -> list[str]:
    """What an operator should know who named devices.

    :param source: its name
    """
    if not settings.migration_devices:
        return []
    if devices is None:
        return [
            f'{source} knows nothing of hosts; migration_devices is unused'
        ]
    silent = [
        host
        for host in hosts
        if not _counts(
            chosen(devices.get(host, {}), settings.migration_devices)
        )
    ]
    if not silent:
        return []
    return [
        f'{len(silent)} of {len(hosts)} hosts tell {source} nothing of '
        f'migration_devices, such as {silent[0]}'
    ]


def _counts(device: Device | None) -> bool:
    return device is not None and bool(device.tx and device.rx)


def _nic(
    name: str,
    vms: Sequence[Vm],
    known: Known,
    settings: Settings,
    now: float,
) -> Nic | None:
    devices = (known.devices or {}).get(name, {})
    carries = chosen(devices, settings.migration_devices)
    nic = nic_of(
        filled(
            known.declared.get(name, Declaration()),
            carries,
            chosen(devices, settings.tenant_devices),
        )
    )
    if nic is None:
        return None
    its = [] if nic.separate else [vm for vm in vms if vm.id in known.seen]
    complete = not nic.separate and all(
        vm.id in known.seen for vm in vms if vm.state in LIVE
    )
    found: dict[str, Any] = {}
    for way, end in (('tx', 'source'), ('rx', 'destination')):
        theirs: list[Points] = [getattr(known.seen[vm.id], way) for vm in its]
        oldest = now - settings.traffic_age
        measured = _fresh(getattr(carries, way, ()), oldest)
        under_way = math.fsum(
            p.rate or 0.0 for p in known.passages if getattr(p, end) == name
        )
        rest = _fresh(_without(measured, theirs), oldest)
        if rest:
            beside = _background(rest, under_way, settings)
            # counters of several moments may tell more than a link carries
            found[f'background_{way}'] = min(beside, nic.capacity)
        # where nobody measured the host, its VMs are all that is known of it
        all_of_it = measured or (_total(theirs) if complete else ())
        found[f'upper_{way}'] = _upper(_fresh(all_of_it, oldest), settings)
    return dataclasses.replace(nic, **found)


def chosen(
    devices: Mapping[str, Device], alternatives: Iterable[str]
) -> Device | None:
    """What a host's devices carry together, of the first alternative it has.

    :param alternatives: names of devices, joined by `+` where several share
        the load
    """
    for names in alternatives:
        parts = [devices.get(name) for name in names.split('+')]
        there = [part for part in parts if part is not None]
        if len(there) == len(parts):
            speeds = [part.speed for part in there]
            told = [speed for speed in speeds if speed is not None]
            return Device(
                name=names,
                tx=_together([part.tx for part in there]),
                rx=_together([part.rx for part in there]),
                speed=sum(told) if len(told) == len(speeds) else None,
            )
    return None


def filled(
    declared: Declaration, carries: Device | None, tenants: Device | None
) -> Declaration:
    """The declaration, with what was measured where nobody declared it.

    :param carries: what migrations go over
    :param tenants: what VMs' traffic goes over; None where that is the same
    """
    if carries is None:
        return declared
    apart = tenants is not None and tenants.name != carries.name
    separate = apart if declared.separate is None else declared.separate
    if not separate:
        return dataclasses.replace(
            declared, separate=separate, nic=declared.nic or carries.speed
        )
    theirs = tenants.speed if tenants is not None and apart else None
    return dataclasses.replace(
        declared,
        separate=True,
        own_nic=declared.own_nic or carries.speed,
        nic=declared.nic or theirs,
    )


def _background(rest: Points, under_way: float, settings: Settings) -> float:
    """What will run beside the VMs, bytes/s; never below zero.

    Migrations that run are counted by themselves. They are taken off as far
    as there is more than usual: of one that has just begun nothing is
    measured yet.

    :param rest: what was measured beside the VMs
    :param under_way: bytes/s at which migrations that run have sent
    """
    found = _ahead(rest, settings)
    usual = float(np.median([value for _, _, value in rest]))
    return max(found - under_way, min(found, usual), 0.0)


def _ahead(points: Points, settings: Settings) -> float:
    values = np.array([[value for _, _, value in points]])
    known = np.array([len(points)])
    return float(ahead(values, known, _steps(settings))[0])


def _upper(points: Points, settings: Settings) -> float | None:
    """What the load will most likely not exceed; None where nothing tells."""
    if not points:
        return None
    values = np.array([[value for _, _, value in points]])
    known = np.array([len(points)])
    found = float(
        upper(values, known, _steps(settings), settings.granularity)[0]
    )
    if math.isnan(found):
        return None
    return max(found, _ahead(points, settings), 0.0)


def _steps(settings: Settings) -> int:
    return max(round(AHEAD / settings.granularity), 1)


def _fresh(points: Points, oldest: float) -> Points:
    """All of them, or none where the last one is too old."""
    return points if points and sum(points[-1][:2]) >= oldest else ()


def _together(series: Sequence[Points]) -> tuple[Point, ...]:
    """The sum of devices, of the spans that all of them have."""
    values = [{at: value for at, _, value in points} for points in series]
    return tuple(
        (at, span, math.fsum(of[at] for of in values))
        for at, span, _ in series[0]
        if all(at in of for of in values)
    )


def _without(measured: Points, theirs: Sequence[Points]) -> Points:
    """What was measured and is not the VMs'; negative where clocks differ.

    A span of which a VM lacks its part is left out: the part of a VM would
    be told as the host's own.
    """
    if not measured:
        return ()
    sums = {at: value for at, _, value in _total(theirs)}
    first = min(
        (points[0][0] for points in theirs if points), default=math.inf
    )
    return [
        (at, span, value - sums.get(at, 0.0))
        for at, span, value in measured
        if at in sums or at < first
    ]


def _total(theirs: Sequence[Points]) -> Points:
    """The sum of VMs' series, of the spans that none of them lacks.

    Before its first point a VM was not there.
    """
    rows = [np.array(points) for points in theirs if points]
    if not rows:
        return ()
    begins = np.sort([row[0, 0] for row in rows])
    each = np.concatenate(rows)
    at, first, place = np.unique(
        each[:, 0], return_index=True, return_inverse=True
    )
    sums = np.bincount(place, each[:, 2])
    whole = np.bincount(place) == np.searchsorted(begins, at, 'right')
    found = zip(at[whole], each[first[whole], 1], sums[whole], strict=True)
    return [(float(a), float(span), float(x)) for a, span, x in found]
