"""What binds the simulated VMs to hosts, and how Nova's scheduler minds it.

The hosts that a VM is allowed on have no field in Nova: an operator says
them with aggregates or with traits. Both ways are used here, turn by turn,
so that a reader has to know both.
"""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping

from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Group
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm

KEY = 'tsmig_playground'
SCOPE = 'aggregate_instance_extra_specs'


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """Hosts that some VMs are allowed on; odd numbers are traits."""

    number: int
    hosts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The trait, or the value in the aggregate's metadata."""
        return f'CUSTOM_{KEY.upper()}_{self.number}'

    @property
    def is_trait(self) -> bool:
        """Whether Placement has it, and not an aggregate."""
        return self.number % 2 == 1

    @property
    def extra_specs(self) -> dict[str, str]:
        """What a flavor says that asks for these hosts."""
        if self.is_trait:
            return {f'trait:{self.name}': 'required'}
        return {f'{SCOPE}:{KEY}': self.name}


def marks_of(cloud: Cloud) -> dict[tuple[str, ...], Mark]:
    """A mark for each set of hosts that a VM of the cloud is allowed on."""
    found: dict[tuple[str, ...], Mark] = {}
    for vm in cloud.vms:
        if vm.allowed is not None and vm.allowed not in found:
            found[vm.allowed] = Mark(len(found), vm.allowed)
    return found


def suits(vm: Vm, host: Host, used_disk: float) -> bool:
    """Whether zone, aggregates, traits and disk let the VM there."""
    return (
        vm.zone in (None, host.zone)
        and (vm.allowed is None or host.name in vm.allowed)
        and (host.disk is None or used_disk + vm.disk <= host.disk)
    )


def grouped(
    vm: str, host: str, groups: Iterable[Group], places: Mapping[str, str]
) -> bool:
    """Whether the hard policies of its groups let the VM there.

    :param places: the host of each VM, or the one that it is heading for
    """
    for group in groups:
        if vm not in group.members:
            continue
        others = [places[m] for m in group.members if m != vm and m in places]
        if group.policy == Affinity.TOGETHER and others:
            if host not in others:
                return False
        elif group.policy == Affinity.APART:
            if others.count(host) >= group.max_per_host:
                return False
    return True
