"""VMs that burst: who of them is most exposed, for people.

Choosing and texts only. A migration beside a burst is slower than planned,
or in the way of it; what that costs is the planner's.
"""

from collections.abc import Iterable

from watcher_tsmig.model import Vm

# So many are named, of those that burst this share of an hour: 3 min.
NAMED = 3
LEAST = 0.05


def exposed(vms: Iterable[Vm]) -> list[tuple[str, float]]:
    """Name and share of the next hour of those that burst most."""
    known = [
        (vm.traffic.bursts, vm.name)
        for vm in vms
        if vm.traffic is not None and vm.traffic.bursts is not None
    ]
    worst = sorted(known, key=lambda found: (-found[0], found[1]))[:NAMED]
    return [(name, share) for share, name in worst if share >= LEAST]


def minutes(share: float) -> str:
    """Of an hour, for people."""
    return f'{share * 60:.0f} min an hour'


def notes(vms: Iterable[Vm]) -> list[str]:
    """One that names them, if there are any."""
    found = exposed(vms)
    names = ', '.join(f'{name} ({minutes(share)})' for name, share in found)
    return [f'likely to burst: {names}'] if found else []
