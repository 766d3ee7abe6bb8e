"""What the simulator tells: events, progress, what ended, what was lost.

Values only; times in simulated s, data in bytes.
"""

import dataclasses

from watcher_tsmig.plan.values import Mode


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened; `time` in simulated s.

    :ivar kind: round (disks count as one), completed, or aborted (by the
        completion timeout)
    """

    time: float
    vm: str
    kind: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A running migration as its hypervisor would tell; bytes, s.

    :ivar total: bytes of the first pass; 0 while disks are copied
    :ivar processed: bytes sent so far, of all rounds
    :ivar remaining: bytes left of this round (post-copy: of all)
    :ivar rounds: rounds begun; 0 while disks are copied
    :ivar disk: bytes of all disks that go along
    :ivar disk_remaining: of which are left
    :ivar downtime: stop-and-copy, or pause and slow phase after a switch,
        so far known, s
    """

    phase: Mode
    total: float
    processed: float
    remaining: float
    elapsed: float
    rounds: int
    downtime: float
    rate: float
    disk: float = 0.0
    disk_remaining: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A migration that has ended; times in s, data in bytes.

    :ivar downtime: in which the VM did not serve, or hardly
    :ivar slow: of it, the slow phase after a switch
    :ivar split: from the switch on, in which its memory is on two hosts
    """

    vm: str
    mode: Mode
    began: float
    ended: float
    downtime: float
    data: float
    rounds: int
    slow: float = 0.0
    split: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a VM's applications had of the network; bytes and s.

    :ivar asked: tx and rx while the VM ran
    :ivar lost: of that, not delivered because a NIC or link was full
    :ivar overload: of the lost, what had been lost without migrations, too
    :ivar outage: s that the VM stood or hardly served
    """

    asked: float
    lost: float
    overload: float
    outage: float

    @property
    def contended(self) -> float:
        """Bytes lost to migrations."""
        return self.lost - self.overload
