"""What a cloud is, in a few numbers: for people and for programs.

Pure: a cloud in, names and columns out.
"""

import datetime
import math
from collections.abc import Iterable

from cliff import columns as cliff_columns

from watcher_tsmig.cli import columns
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.model.observed import Basis
from watcher_tsmig.report import bursts

Told = tuple[tuple[str, object], ...]


class Instant(cliff_columns.FormattableColumn):
    """Seconds since the epoch, or None."""

    def human_readable(self) -> str:
        """UTC, to the second; ``-`` where it is unknown."""
        if self._value is None:
            return columns.UNKNOWN
        moment = datetime.datetime.fromtimestamp(self._value, datetime.UTC)
        return moment.strftime('%Y-%m-%d %H:%M:%S UTC')

    def machine_readable(self) -> float | None:
        """As it is."""
        found: float | None = self._value
        return found


class Share(cliff_columns.FormattableColumn):
    """So many of so many."""

    def human_readable(self) -> str:
        """``12 of 16``."""
        return '{} of {}'.format(*self._value)

    def machine_readable(self) -> list[int]:
        """A list of both."""
        return list(self._value)


class Exposed(cliff_columns.FormattableColumn):
    """Names of VMs, and the share of an hour in which each bursts."""

    def human_readable(self) -> str:
        """``db-1 (7 min an hour)``, one a line."""
        rows = [f'{name} ({bursts.minutes(x)})' for name, x in self._value]
        return '\n'.join(rows) or columns.UNKNOWN

    def machine_readable(self) -> dict[str, float]:
        """An object."""
        return dict(self._value)


def share(found: Iterable[object], of: int) -> Share:
    """How many of them are true."""
    return Share((sum(map(bool, found)), of))


def _bases(vm: Vm) -> tuple[str, ...]:
    work = vm.working_set
    return (work.basis,) if work is not None else ()


def _full(host: Host) -> bool:
    """Whether its NIC may have to carry all it can, without migrations."""
    nic = host.nic
    return nic is not None and nic.capacity <= max(
        nic.upper_tx or 0.0, nic.upper_rx or 0.0
    )


def summary(cloud: Cloud) -> Told:
    """Names and columns."""
    hosts, vms = cloud.hosts, cloud.vms
    taken = [(cloud.taken_at, vm) for vm in vms if cloud.taken_at is not None]
    ages = [
        at - vm.traffic.measured_at
        for at, vm in taken
        if vm.traffic is not None and vm.traffic.measured_at is not None
    ]
    return (
        ('Taken at', Instant(cloud.taken_at)),
        ('Hosts', columns.Count(len(hosts))),
        ('Hosts up', share((h.up for h in hosts), len(hosts))),
        ('Hosts with a known NIC', share((h.nic for h in hosts), len(hosts))),
        ('NICs that may be full', share(map(_full, hosts), len(hosts))),
        (
            'Hosts that can post-copy',
            share((h.post_copy for h in hosts), len(hosts)),
        ),
        ('Hosts with an agent', share((h.agent for h in hosts), len(hosts))),
        ('VMs', columns.Count(len(vms))),
        ('VMs that move live', share((v.active for v in vms), len(vms))),
        (
            'VMs with known traffic',
            share((v.traffic is not None for v in vms), len(vms)),
        ),
        (
            'VMs with measured writing',
            share((Basis.MEASURED in _bases(v) for v in vms), len(vms)),
        ),
        (
            'VMs whose own migrations tell it',
            share((Basis.OWN in _bases(v) for v in vms), len(vms)),
        ),
        (
            'VMs that are like some of these',
            share((Basis.LIKE in _bases(v) for v in vms), len(vms)),
        ),
        ('Memory of VMs', columns.Size(math.fsum(v.memory for v in vms))),
        (
            'Age of the oldest traffic',
            columns.Span(max(ages, default=math.nan)),
        ),
        (
            'VMs with known bursts',
            share((v.traffic and v.traffic.bursts for v in vms), len(vms)),
        ),
        ('Most exposed to bursts', Exposed(bursts.exposed(vms))),
        ('Groups', columns.Count(len(cloud.groups))),
        ('Links', columns.Count(len(cloud.links))),
        ('Migrations under way', columns.Count(len(cloud.passages))),
    )
