"""What is ordered of one migration, how patiently, and what came of it.

Frozen values only: no clock, no compute API, no decision. Sizes are bytes,
rates bytes per second, times seconds on the wall clock.
"""

import dataclasses
import math
import time
from typing import Any
from typing import Protocol

from watcher_tsmig import errors
from watcher_tsmig.plan.values import Enforcement
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.units import MIB

# openstacksdk's compute proxy, of an administrator; it has no types
Compute = Any


class Clock(Protocol):
    """Where the time comes from; the tests bring their own."""

    def now(self) -> float:
        """Seconds that never run backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait that long."""


class WallClock:
    """The real time."""

    def now(self) -> float:
        """Seconds since some fixed instant."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
        time.sleep(seconds)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One VM's move as the plan wants it.

    :ivar vm: Nova's id of the server
    :ivar deadline: how long its memory may take in pre-copy before it is
        given up, and how long post-copy may take before we stop waiting, s
    :ivar disk_deadline: how long its disks may take before that, s; 0:
        nobody foretold any
    :ivar post_copy_permitted: the source host is declared able to
        post-copy now; without it a forced completion would pause the VM
    :ivar cap: bandwidth that the plan wants, bytes/s
    :ivar room: what its cap may be raised to, bytes/s; None: no more than
        `cap`
    :ivar floor: least convergent bandwidth, bytes/s
    :ivar takes: forecast total time, s; inf where nobody foretold it
    :ivar copies: of that, what its disks take before its memory, s
    :ivar settles: until so many s after its begin it is foretold to send
        about the same again and again
    :ivar disks: local disks of the VM go along, and share the cap
    :ivar balloon: the VM's owner lets its caches be given back first
    :ivar source_link: what the source's NIC can send, bytes/s; None: unknown
    :ivar destination_link: what its destination's can receive
    :ivar provable: what the VM writes in a second can prove that a pre-copy
        never ends: nothing slows the VM down, nor may it stop for longer
    :ivar refused: why Nova does not move the VM live, as of now; empty if
        nothing is known against it
    :ivar hop: 2 where an earlier migration of the plan brings the VM to
        `source`, a third host
    :ivar goes_on_to: where a later migration of the plan takes the VM;
        empty where it stays on `destination`
    """

    vm: str
    name: str
    source: str
    destination: str
    mode: Mode
    deadline: float
    post_copy_permitted: bool = False
    cap: float | None = None
    room: float | None = None
    floor: float = 0.0
    disk_deadline: float = 0.0
    takes: float = math.inf
    copies: float = 0.0
    settles: float = 0.0
    disks: bool = False
    balloon: bool = False
    source_link: float | None = None
    destination_link: float | None = None
    provable: bool = False
    refused: str = ''
    hop: int = 1
    goes_on_to: str = ''

    @property
    def copies_disks(self) -> bool:
        """Its disks go before its memory, as now found or as planned."""
        return self.disks or self.disk_deadline > 0

    def arrived(self, host: str) -> bool:
        """Whether a VM on that host needs no move by this order."""
        return bool(host) and host in (self.destination, self.goes_on_to)

    def __post_init__(self) -> None:
        for field in ('vm', 'name', 'source', 'destination'):
            if not getattr(self, field):
                raise errors.InputError('is empty', field)
        if not self.deadline > 0:
            raise errors.InputError('is not above 0', 'deadline')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Every wait of an execution and its bound, s.

    :ivar poll: between two looks at the plan and at the agent; at most 2, so
        that a cancelled plan is noticed within 2 s
    :ivar appear: for Nova's record of an accepted migration (1 to 5 s)
    :ivar queue: for Nova to start it, behind others on the same host
    :ivar ill: for a service that Nova needs, before the start
    :ivar present: for links and the VM to be about as planned, before the
        start; 0: nobody looks
    :ivar switch_again: between two forced completions; Nova loses those
        that come too early
    :ivar switch_tries: forced completions before the VM stays in pre-copy
    :ivar stop: for an abort to take effect
    :ivar settle: for the server to be at its destination and at rest once
        the migration's record is completed
    :ivar quiet: Nova's record of a migration stands still for so long before
        both hosts' services are looked at; it writes every 5 s while it can
    :ivar outage: for a compute API that does not answer while a migration
        runs, which it outlives
    :ivar abort_late: a pre-copy that runs past its deadline is aborted;
        else it is left running until it ends, or Nova ends it
    :ivar resets: no time: a VM that failed into ERROR and runs on at its
        source by both agents is set active again
    :ivar cap_life: after which a cap ends that nobody renews
    :ivar balloon_keep: no time but bytes: what stays available to a guest
        whose caches are given back
    :ivar requests: to Nova about one migration, no seconds but in a minute
    :ivar http_tries: attempts at one read of the compute API
    :ivar http_wait: before the second attempt; doubles each time
    """

    poll: float = 1.0
    appear: float = 60.0
    queue: float = 3600.0
    ill: float = 120.0
    present: float = 120.0
    switch_again: float = 3.0
    switch_tries: int = 20
    stop: float = 60.0
    settle: float = 60.0
    quiet: float = 15.0
    outage: float = 300.0
    cap_life: float = 120.0
    abort_late: bool = True
    resets: bool = False
    balloon_keep: float = 256.0 * MIB
    requests: int = 15
    http_tries: int = 3
    http_wait: float = 0.5

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name in ('abort_late', 'resets', 'present'):
                continue
            if not getattr(self, field.name) > 0:
                raise errors.InputError('is not above 0', field.name)
        if not self.present >= 0:
            raise errors.InputError('is negative', 'present')
        if self.poll > 2:
            raise errors.InputError('is above 2 s', 'poll')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A look at a migration; `None` where Nova has no number for it.

    :ivar note: what the governor does or would do, for people; else empty
    """

    vm: str
    name: str
    status: str
    elapsed: float
    processed: float | None = None
    remaining: float | None = None
    total: float | None = None
    note: str = ''


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a migration that reached its true end went.

    :ivar host: where the VM is now; empty where it was deleted meanwhile
    :ivar seconds: from the request to the VM at rest on `host`
    :ivar took: the same by Nova's record, which does not depend on how
        often we look; None where Nova does not tell
    :ivar queued: s of these that it stood in Nova's queue
    :ivar mode: how its memory really travelled
    :ivar data: bytes sent as last seen, at most 5 s old; None if not seen
    :ivar downtime: s; None, because Nova's API does not tell it
    :ivar cap: who enforced the plan's bandwidth
    :ivar cap_rate: that was read back in force, bytes/s; None: none was
    :ivar adapted: it was begun with another cap or mode than planned
    :ivar remark: what an operator should know about it; may be empty
    """

    vm: str
    host: str
    seconds: float
    mode: Mode
    took: float | None = None
    queued: float = 0.0
    data: float | None = None
    downtime: float | None = None
    cap: Enforcement = Enforcement.ADVISORY
    cap_rate: float | None = None
    adapted: bool = False
    remark: str = ''
