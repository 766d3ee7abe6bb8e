"""Cells: hosts and VMs that one fault has for itself, as a cloud."""

import dataclasses
from collections.abc import Sequence

from benchmarks.fault_values import Fault
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.playground.cloud.cloud import identify

GBIT = units.from_mbit_s(1000)
MEMORY = 2 * units.GIB
RESIDENT = 1.2 * units.GIB
CALM = ((1.0, 4.0), (8.0, 16.0), (60.0, 48.0))
WRITER = ((1.0, 300.0), (4.0, 1000.0), (60.0, 1100.0))
ROLES = ('source', 'one', 'two')
# Nobody plans with it, so that it serves all.
ELSEWHERE = 'elsewhere'


def _host(name: str) -> Host:
    return Host(
        name=name,
        memory=16 * units.GIB,
        vcpus=16.0,
        nic=Nic(capacity=GBIT),
        post_copy=True,
    )


def _vm(name: str, host: str, writes: Sequence[tuple[float, float]]) -> Vm:
    samples = tuple((s, units.from_mib(mib)) for s, mib in writes)
    return Vm(
        id=identify('vm', name),
        name=name,
        host=host,
        memory=MEMORY,
        vcpus=1.0,
        traffic=Traffic(tx=1e5, rx=1e5, source='cell'),
        working_set=WorkingSet(
            resident=RESIDENT, samples=samples, source='cell'
        ),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """Hosts and VMs of one fault; the first VM is struck."""

    name: str
    writer: bool

    @property
    def hosts(self) -> dict[str, str]:
        """By what they are for."""
        own = {role: f'{self.name}-{role}' for role in ROLES}
        return {**own, ELSEWHERE: ELSEWHERE}

    @property
    def own(self) -> tuple[str, ...]:
        """The hosts that nobody else has."""
        return tuple(self.hosts[role] for role in ROLES)

    @property
    def vms(self) -> tuple[str, str]:
        """Their names."""
        return f'{self.name}-a', f'{self.name}-b'

    def values(self) -> tuple[list[Host], list[Vm]]:
        """As the planner knows them."""
        source = self.hosts['source']
        first, second = self.vms
        return (
            [_host(self.hosts[role]) for role in ROLES],
            [
                _vm(first, source, WRITER if self.writer else CALM),
                _vm(second, source, CALM),
            ],
        )


def cells(waves: Sequence[Sequence[Fault]]) -> list[Cell]:
    """As many as the widest of these waves needs."""
    return [
        Cell(f'{"w" if writer else "c"}{n:02}', writer)
        for writer in (False, True)
        for n in range(
            max(sum(f.writer is writer for f in wave) for wave in waves)
        )
    ]


def cloud_of(cells: Sequence[Cell]) -> Cloud:
    """All cells in one cloud."""
    values = [cell.values() for cell in cells]
    return Cloud(
        hosts=(
            _host(ELSEWHERE),
            *(host for hosts, _ in values for host in hosts),
        ),
        vms=tuple(vm for _, vms in values for vm in vms),
    )
