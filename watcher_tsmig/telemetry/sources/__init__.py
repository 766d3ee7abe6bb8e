"""Who measured a cloud's VMs: all that a source of measures is.

A source tells what it has, and judges nothing: how old is too old, what a
VM's interfaces add up to and what its writing is like is for others to say.
It is a plug-in: an entry point of `watcher_tsmig.metrics` names a function
that makes one of a `Reach` and the `Settings`.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Protocol

import stevedore
from stevedore import exception as stevedore_errors

from watcher_tsmig import errors
from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.settings import Settings

GROUP = 'watcher_tsmig.metrics'
OPTION = 'metrics_source'
#: Instead of a source's name: nobody is asked, and nothing is measured.
NOBODY = 'none'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How to get at a source.

    :ivar session: keystoneauth's, of an administrator
    :ivar catalogue: by name of a service of Watcher's configuration
        (gnocchi, aetos), the interface and region of its endpoint, as
        keystoneauth's Adapter takes them
    :ivar place: URL or path of what is in no catalogue
    :ivar account: user and password for that; None for nobody
    :ivar verify: as requests takes it: whether, or by which authorities
    :ivar cert: paths of a client's certificate and key
    :ivar timeout: of one request, s
    """

    session: Any = None
    catalogue: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )
    place: str = ''
    account: tuple[str, str] | None = dataclasses.field(
        default=None, repr=False
    )
    verify: bool | str = True
    cert: tuple[str, str] | None = None
    timeout: float = 60.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface's traffic, bytes per second, oldest first.

    Points of all interfaces lie on one grid of `Settings.granularity`, so
    that they can be added; what nobody measured is not there.
    """

    tx: tuple[Point, ...] = ()
    rx: tuple[Point, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A host's own network device, as the host itself counts.

    :ivar tx: bytes per second, oldest first, on the grid of `Interface`
    :ivar speed: of its link, bytes/s each way; None where it does not tell
    """

    name: str
    tx: tuple[Point, ...] = ()
    rx: tuple[Point, ...] = ()
    speed: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A metric that the source has, or should have, and does not give.

    :ivar vm: id of the VM that it is of; empty where that is unknown
    :ivar metric: its name, or its id
    :ivar id: by which the source knows it
    """

    vm: str
    metric: str
    why: str
    id: str = ''


class Source(Protocol):
    """What somebody measured of VMs, asked for within one bound of time.

    Each question raises `errors.CloudError` where the source does not
    answer in time. `now` is seconds since the epoch.

    :ivar name: stable; a `Traffic` carries it as its source
    :ivar questions: how many requests were sent so far
    :ivar refusals: what was not given
    """

    name: str

    @property
    def questions(self) -> int:
        """How many requests were sent."""

    @property
    def refusals(self) -> Sequence[Refusal]:
        """What was not given."""

    def probe(self) -> None:
        """Ask one cheap question, so that a dead source costs one wait."""

    def traffic(
        self, vms: Sequence[str], now: float
    ) -> Mapping[str, Sequence[Interface]]:
        """The interfaces of each VM that has any, as far as needed."""

    def cpu(
        self, vms: Sequence[str], now: float
    ) -> Mapping[str, Sequence[Point]]:
        """CPUs that were busy for each VM, as far back as `history`."""

    def gauges(
        self, vms: Sequence[str], names: Sequence[str], now: float
    ) -> Mapping[str, Mapping[str, Sequence[Point]]]:
        """Measures of the metrics of each VM, up to `dirty_age` old.

        Of each metric the newest `settings.NEWEST` are used; older ones
        need not be told.

        :param names: as Ceilometer names them
        """

    def devices(
        self, hosts: Sequence[str], now: float
    ) -> Mapping[str, Mapping[str, Device]] | None:
        """Of each host that has any, the devices that `Settings` name.

        :param hosts: by Nova's names
        :returns: by host and device; None of a source that knows nothing of
            hosts
        """


def open_source(name: str, reach: Reach, settings: Settings) -> Source:
    """The source of that name.

    :raises errors.InputError: there is no such source, or it is not given
        what it needs
    """
    try:
        manager = stevedore.DriverManager(
            GROUP, name, on_load_failure_callback=_unusable
        )
    except stevedore_errors.NoMatches:
        known = stevedore.ExtensionManager(GROUP).entry_points_names()
        raise errors.InputError(
            f'there is no "{name}"; take one of '
            f'{", ".join(sorted((*known, NOBODY)))}',
            OPTION,
        ) from None
    made: Source = manager.driver(reach, settings)
    return made


def _unusable(_manager: Any, entry: Any, error: Exception) -> None:  # noqa: ANN401
    raise errors.InputError(f'{entry.name} cannot be loaded: {error}', OPTION)
