"""Small builders of clouds for tests; every value can be overridden."""

from typing import Any

from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet

GIGABIT = units.from_mbit_s(1000)


def host(name: str, **values: Any) -> Host:
    """A host with 64 GB, 32 vCPUs, 1 Gbit/s, able to post-copy."""
    given = {
        'memory': 64e9,
        'vcpus': 32.0,
        'nic': Nic(capacity=GIGABIT),
        'post_copy': True,
    }
    return Host(name=name, **{**given, **values})


def vm(name: str, at: str, tx: float = 0.0, rx: float = 0.0, **v: Any) -> Vm:
    """A VM of 4 GB, 1 GB resident, writing 10 MB/s; tx, rx in Mbit/s."""
    given: dict[str, Any] = {
        'memory': 4e9,
        'vcpus': 2.0,
        'traffic': Traffic(tx=units.from_mbit_s(tx), rx=units.from_mbit_s(rx)),
        'working_set': writes(10e6),
    }
    return Vm(id=f'id-{name}', name=name, host=at, **{**given, **v})


def writes(rate: float, resident: float = 1e9) -> WorkingSet:
    """A working set that dirties `rate` bytes/s, up to all of it."""
    return WorkingSet(resident=resident, samples=((1.0, min(rate, resident)),))


def cloud(hosts: str, *vms: Vm, **values: Any) -> Cloud:
    """A cloud of the hosts named, separated by spaces.

    `values` override a host by its name: ``b=host('b', up=False)``.
    """
    return Cloud(
        hosts=tuple(values.get(n, host(n)) for n in hosts.split()), vms=vms
    )
