"""Faults as values: at which step something strikes, what, and what then.

Who can strike, and how, is a bed's business (fault_bed.py); nothing here
knows the cloud that is struck.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any


class End(enum.StrEnum):
    """Where a VM is once everything has come to rest."""

    ARRIVED = 'arrived'
    STAYED = 'stayed'
    ELSEWHERE = 'elsewhere'  # somebody else moved it
    ERROR = 'error'  # Nova has it in ERROR
    SPLIT = 'split'  # it does not run where Nova counts it to
    BUSY = 'busy'  # Nova still has a task for it
    DELETED = 'deleted'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """A status of the VM's migration, and s after that."""

    status: str
    after: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Requests to Nova that meet trouble.

    :ivar call: a key of CALLS
    :ivar times: so many of them; None: all
    :ivar passes: so many do not meet it
    :ivar at: from then on; None: from before the plan's start
    """

    call: str
    kind: str
    status: int = 500
    seconds: float = 0.0
    times: int | None = 1
    passes: int = 0
    at: At | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OnHost:
    """Something happens to a host: `source` or `destination`."""

    which: str
    change: Mapping[str, Any]
    at: At | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OnVm:
    """Something happens to the VM.

    `host` may be `elsewhere`, and is then the host that nobody planned.
    """

    change: Mapping[str, Any]
    at: At | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OnWatcher:
    """Something happens to Watcher's own machine.

    While memory is sent Watcher writes nothing of its own. What holds for
    longer, until an action or the plan has ended, Watcher does not survive:
    it cannot write that it has, and the plan stays ONGOING to its restart.

    :ivar what: a name of fault_bed.MACHINE
    :ivar at: a status; its `after` is not minded
    :ivar seconds: wall time until it is over
    """

    what: str
    at: At
    seconds: float = 1.0


Strike = Requests | OnHost | OnVm | OnWatcher


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong at one step.

    :ivar ends: where the struck VM may be in the end
    :ivar says: regular expression: what its action or plan says, unless it
        arrived
    :ivar of: the same, where it ended so
    :ivar writer: the VM writes too fast for a pre-copy
    :ivar drained: another plan empties its destination
    :ivar alone: nobody else may be struck by it, so nobody else runs
    :ivar killed: Watcher is, so it has to have a process of its own
    """

    name: str
    step: str
    strikes: tuple[Strike, ...] = ()
    ends: frozenset[End]
    says: str = '.'
    of: Mapping[End, str] = dataclasses.field(default_factory=dict)
    writer: bool = False
    drained: bool = False
    alone: bool = False
    killed: bool = False

    @property
    def spoils(self) -> bool:
        """Its hosts and VMs cannot be used for another fault at once."""
        return any(
            'deleted' in s.change or 'agent' in s.change
            for s in self.strikes
            if isinstance(s, OnVm | OnHost)
        )
