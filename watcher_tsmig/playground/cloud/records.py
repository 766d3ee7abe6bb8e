"""What Nova knows of servers and their live migrations, as values.

Statuses, settings, servers and records live here; what happens to them, and
when, is in migrations.
"""

import dataclasses
import enum
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.model import Vm
from watcher_tsmig.playground.web import HttpError


class Status(enum.StrEnum):
    """Of a migration record, as Nova spells it."""

    ACCEPTED = 'accepted'
    QUEUED = 'queued'
    PREPARING = 'preparing'
    RUNNING = 'running'
    POST_COPY = 'running (post-copy)'
    POST_MIGRATING = 'post-migrating'
    COMPLETED = 'completed'
    FAILED = 'failed'
    ERROR = 'error'
    CANCELLED = 'cancelled'


# what Nova lists under a server: `running (post-copy)` was forgotten there
LISTED = frozenset(
    {
        Status.QUEUED,
        Status.PREPARING,
        Status.RUNNING,
        Status.POST_MIGRATING,
    }
)
ENDED = frozenset(
    {Status.COMPLETED, Status.FAILED, Status.ERROR, Status.CANCELLED}
)


class Fault(enum.StrEnum):
    """What may be made to happen to the next migration of a VM."""

    REFUSE = 'refuse'  # the POST is answered with 400
    NO_HOST = 'no-host'  # accepted, then no valid host: record in error
    UNFIT = 'unfit'  # accepted, then the destination's check fails: error
    FAIL = 'fail'  # breaks while running; the VM stays, ACTIVE
    ERROR = 'error'  # breaks while running; the VM stays, in ERROR
    CANCEL = 'cancel'  # somebody aborts it while it is running
    STALL = 'stall'  # nothing is sent any more, and nobody notices
    LOSE = 'lose'  # the post-copy breaks: the guest is lost, in ERROR


#: What may happen to a migration that is sending, and in which status.
WHILE_SENDING = {
    Fault.FAIL: Status.RUNNING,
    Fault.ERROR: Status.RUNNING,
    Fault.CANCEL: Status.RUNNING,
    Fault.STALL: None,
    Fault.LOSE: Status.POST_COPY,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """Nova's settings and delays; simulated seconds.

    :ivar max_concurrent: max_concurrent_live_migrations of every host
    :ivar unrecorded: from the POST to a record, 1 to 5 s measured
    :ivar queueing: from the record to the source's queue
    :ivar preparing: the source's turn to `running`
    :ivar handshake: `running` to QEMU sending; 0.5 to 3 s measured, and a
        force_complete meanwhile is lost
    :ivar statistics: between refreshes of memory_*_bytes, 5 s in Nova
    :ivar lagging: from the VM's arrival to its record's end; up to 2 s
        measured, with the server ACTIVE on its new host all the while
    :ivar timeout: completion timeout, s per GiB of memory, 800 in Nova
    """

    max_concurrent: int = 1
    unrecorded: float = 1.5
    queueing: float = 0.2
    preparing: float = 1.0
    handshake: float = 1.0
    statistics: float = 5.0
    lagging: float = 1.5
    timeout: float = 800.0

    def __post_init__(self) -> None:
        if not 1 <= self.max_concurrent <= 1000:
            raise errors.InputError('is not in 1 to 1000', 'max_concurrent')


@dataclasses.dataclass(slots=True)
class Server:
    """A VM as Nova knows it; the extra specs are its flavor's.

    :ivar ports: of each what is not as of a plain one, as Neutron has it
    :ivar shares: ids of its shares of Manila
    :ivar properties: of the image that it boots from
    :ivar lost: its guest is, which Nova does not know
    """

    vm: Vm
    host: str
    number: int
    locked: bool
    vm_state: str = 'active'
    task_state: str | None = None
    paused: bool = False
    lost: bool = False
    fault: str | None = None
    updated: float = 0.0
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ports: Sequence[Mapping[str, Any]] = ({},)
    shares: Sequence[str] = ()
    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class Record:
    """A row of os-migrations; memory, disk in bytes, None where unknown.

    :ivar why: what failed first, as instance actions tell it
    """

    id: int
    uuid: str
    server: Server
    source: str
    destination: str
    created: float
    updated: float
    status: Status = Status.ACCEPTED
    memory: tuple[float, float, float] | None = None
    disk: tuple[float, float, float] | None = None
    sending: bool = False
    arrived: bool = False
    stalled: bool = False
    why: str = ''


def check_abort(record: Record, early: bool) -> None:
    """Whether Nova lets this migration be aborted.

    :param early: the request may reach a migration before it runs
    :raises HttpError: 400, it may not
    """
    allowed = {Status.RUNNING}
    if early:
        allowed |= {Status.QUEUED, Status.PREPARING}
    if record.status not in allowed:
        raise HttpError(
            400,
            f'Migration {record.id} of instance {record.server.vm.id} is in '
            f'status {record.status}: it cannot be aborted',
        )
