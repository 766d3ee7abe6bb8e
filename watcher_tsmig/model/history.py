"""What was: how busy VMs were over a time, and what moved when.

Only values live here. A `Cloud` is one instant; who wants to know whether a
load has lasted, or where a VM came from, needs what is here beside it.
"""

import dataclasses
import enum

from watcher_tsmig.model import fields

#: Start, s since the epoch; length of the span, s; mean value over it.
Point = tuple[float, float, float]


class Load(enum.StrEnum):
    """What can be overloaded on a host."""

    TX = 'tx'
    RX = 'rx'
    CPU = 'cpu'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VmLoad:
    """What one VM used, oldest first; empty where nobody measured.

    :ivar tx: bytes/s sent by its applications
    :ivar rx: bytes/s received
    :ivar cpu: CPUs busy for it
    """

    tx: tuple[Point, ...] = ()
    rx: tuple[Point, ...] = ()
    cpu: tuple[Point, ...] = ()

    def of(self, load: Load) -> tuple[Point, ...]:
        """The points of one kind of load."""
        found: tuple[Point, ...] = getattr(self, load.value)
        return found


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One VM's move between hosts, ended or under way.

    :ivar at: when it last was heard of, s since the epoch
    :ivar failed: it was tried, and the VM is where it was
    """

    vm: str
    source: str
    destination: str
    at: float
    failed: bool = False

    def __post_init__(self) -> None:
        fields.text('vm', self.vm)
        fields.text('source', self.source)
        fields.text('destination', self.destination)
        fields.number('at', self.at, low=0)
        fields.flag('failed', self.failed)
