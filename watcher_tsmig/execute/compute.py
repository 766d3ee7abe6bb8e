"""What an execution asks of the compute API, and the answers.

The interface of every compute driver: small values, three errors and one
abstract class. No client and no decision lives here. A driver translates
and does nothing else: asking again, bounds and judgement are in nova.py,
once for all drivers.
"""

import abc
import dataclasses

from watcher_tsmig import errors
from watcher_tsmig.execute.values import Compute


class Refused(errors.CloudError):
    """Nova refused a request for good; the text is Nova's."""


class Missing(Refused):
    """What was asked for does not exist (404)."""


class Unanswered(errors.CloudError):
    """No connection, 429 or 5xx: asking again may help.

    Whether Nova did what it was asked to is unknown.
    """


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What Nova says of a VM; `task` is None when it is at rest."""

    host: str | None
    vm_state: str
    task: str | None
    locked: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A VM that Nova counts to a host; `memory` is its flavor's, bytes."""

    vm: str
    name: str
    vm_state: str
    task: str | None
    memory: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A migration of any kind that leaves a host or comes to it.

    :ivar destination: empty while Nova has not chosen one
    """

    vm: str
    source: str
    destination: str
    status: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of the compute API; `reason` is why it is disabled."""

    host: str
    binary: str
    up: bool
    enabled: bool
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A migration as os-migrations lists it.

    :ivar took: s between its creation and its last change, by Nova's own
        clock; None where Nova does not tell
    :ivar destination: empty while Nova has not chosen one
    """

    id: str
    status: str
    took: float | None = None
    source: str = ''
    destination: str = ''


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """A migration in progress, its memory in bytes, up to 5 s old.

    :ivar disk_remaining: of its local disks, where they go along
    :ivar status: and `took` as its record has them
    """

    total: float | None
    processed: float | None
    remaining: float | None
    disk_remaining: float | None = None
    status: str = 'running'
    took: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What was once asked of a VM: Nova's name of it, and its request."""

    name: str
    request: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A step of an action; `details` say why it failed, if Nova tells."""

    failed: bool
    details: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """A server group that a VM is in.

    :ivar members: ids of servers, the VM's own among them
    :ivar most: members that one host may have, where they are to be apart
    """

    name: str
    policy: str
    members: tuple[str, ...]
    most: int = 1


class ComputeDriver(abc.ABC):
    """One client of the compute API; every method is one question to Nova.

    The constructor asks Nova nothing. Every method raises `Missing`,
    `Refused` or `Unanswered`, whatever its client raises.

    :param compute: openstacksdk's compute proxy of an administrator. It is a
        keystoneauth adapter: a driver of another client takes its session,
        region, interface and endpoint.
    """

    @abc.abstractmethod
    def __init__(self, compute: Compute) -> None: ...

    @abc.abstractmethod
    def server(self, vm: str) -> Server:
        """The VM."""

    @abc.abstractmethod
    def services(self, host: str) -> list[Service]:
        """Of the host, and of others where an old Nova does not filter."""

    @abc.abstractmethod
    def residents(self, host: str) -> list[Resident]:
        """All VMs of the host, of whatever project and state."""

    @abc.abstractmethod
    def passages(self, host: str) -> list[Passage]:
        """Migrations of the host that were changed last, ended or not.

        :param host: empty for all hosts
        """

    @abc.abstractmethod
    def records(self, vm: str) -> list[Record]:
        """The VM's live migrations, newest first."""

    @abc.abstractmethod
    def statistics(self, vm: str, record: str) -> Statistics:
        """Of a migration that runs in pre-copy; any other is missing."""

    @abc.abstractmethod
    def bonds(self, vm: str) -> list[Bond]:
        """Server groups of the VM; Nova tells them from 2.71 on."""

    @abc.abstractmethod
    def start(self, vm: str, host: str) -> None:
        """Ask for a live migration.

        Nova answers before it has checked it where it can (2.34), and finds
        out itself whether there are disks to be copied.
        """

    @abc.abstractmethod
    def switch(self, vm: str, record: str) -> None:
        """Force the completion of a migration."""

    @abc.abstractmethod
    def abort(self, vm: str, record: str) -> None:
        """Abort a migration."""

    @abc.abstractmethod
    def reset(self, vm: str) -> None:
        """Have a VM that is in ERROR be active again, as far as Nova knows."""

    @abc.abstractmethod
    def actions(self, vm: str) -> list[Action]:
        """What was asked of the VM, newest first."""

    @abc.abstractmethod
    def events(self, vm: str, request: str) -> list[Event]:
        """Steps of an action, newest first, with details from 2.84 on."""
