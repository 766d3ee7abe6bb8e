"""A cloud read from outside Watcher, by whoever may read it.

The same readers as an audit's, on the clients of one openstacksdk
connection. Where the cloud's services are is found here too, by its
catalogue; what they answer is not judged.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from gnocchiclient import client as gnocchi_client
from keystoneauth1 import exceptions as auth_errors

from watcher_tsmig import errors
from watcher_tsmig.telemetry import beside
from watcher_tsmig.telemetry.agents import Asker
from watcher_tsmig.telemetry.asking import CLIENT_ERRORS
from watcher_tsmig.telemetry.asking import text_of
from watcher_tsmig.telemetry.clients import GnocchiClient
from watcher_tsmig.telemetry.clients import Placement
from watcher_tsmig.telemetry.doctor.tally import Tally
from watcher_tsmig.telemetry.inventory.nodes import Nodes
from watcher_tsmig.telemetry.inventory.nodes import read_nodes
from watcher_tsmig.telemetry.read import Reading
from watcher_tsmig.telemetry.read import read_cloud
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import NOBODY
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import Source
from watcher_tsmig.telemetry.sources import open_source
from watcher_tsmig.telemetry.sources import promql

Connection = Any  # openstacksdk's

#: Types of the services that we ask, and what people call them.
SERVICES = {
    'identity': 'Keystone',
    'compute': 'Nova',
    'placement': 'Placement',
    'metric': 'Gnocchi',
    'image': 'Glance',
    'network': 'Neutron',
    'infra-optim': 'Watcher',
}
# Sources of measures that a catalogue has, and the types of their services.
GNOCCHI = 'gnocchi'
IN_CATALOGUE = {GNOCCHI: 'metric', 'aetos': promql.SERVICE_TYPE}
# s that a request may take where the connection says nothing
TIMEOUT = 30.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which source of measures is asked.

    :ivar name: of its entry point, or `none`
    :ivar place: URL or path of what is in no catalogue
    """

    name: str = GNOCCHI
    place: str = ''


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One session with a cloud.

    :ivar endpoints: of `SERVICES` those in its catalogue
    :ivar tally: listens to all requests of the session
    """

    connection: Connection
    endpoints: Mapping[str, str]
    tally: Tally

    def filter(self, service: str) -> dict[str, Any]:
        """How keystoneauth finds a service of this cloud."""
        config = self.connection.config
        return {
            'service_type': service,
            'interface': config.get_interface(service) or 'public',
            'region_name': config.get_region_name(service),
        }

    @contextlib.contextmanager
    def placement(self) -> Iterator[Placement]:
        """openstacksdk's placement proxy, which belongs to the session."""
        yield self.connection.placement

    def gnocchi(self) -> GnocchiClient | None:
        """gnocchiclient, where the catalogue has a Gnocchi."""
        if 'metric' not in self.endpoints:
            return None
        return gnocchi_client.Client(
            '1',
            session=self.connection.session,
            adapter_options=self.filter('metric'),
        )

    def source(self, origin: Origin, settings: Settings) -> Source | None:
        """The source of measures, just opened; None if there is none.

        :raises errors.InputError: there is none of that name, or it is not
            given what it needs
        """
        if origin.name == NOBODY or (
            origin.name == GNOCCHI and 'metric' not in self.endpoints
        ):
            return None
        both = {
            name: {
                k: v
                for k, v in self.filter(service).items()
                if k != 'service_type'
            }
            for name, service in IN_CATALOGUE.items()
        }
        session = self.connection.session
        reach = Reach(
            session=session,
            catalogue=both,
            place=origin.place,
            timeout=session.timeout,
        )
        return open_source(origin.name, reach, settings)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Direct:
    """What was read, and the hosts as they were before it."""

    reading: Reading
    nodes: Nodes


def reach(connection: Connection) -> Access:
    """The services of a cloud.

    A request of the session is bounded from now on.

    :param connection: openstacksdk's
    :raises errors.CloudError: Keystone does not let us in
    """
    session = connection.session
    if session.timeout is None:
        session.timeout = TIMEOUT
    access = Access(connection=connection, endpoints={}, tally=Tally(session))
    try:
        found = {
            name: url for name in SERVICES if (url := _endpoint(access, name))
        }
    except CLIENT_ERRORS as error:
        raise errors.CloudError(f'Keystone: {text_of(error)}') from error
    return dataclasses.replace(access, endpoints=found)


def _endpoint(access: Access, service: str) -> str | None:
    connection = access.connection
    override: str | None = connection.config.get_endpoint(service)
    if override:
        return override
    try:
        found: str | None = connection.session.get_endpoint(
            **access.filter(service)
        )
    except auth_errors.EndpointNotFound:
        return None
    return found


def read_directly(
    access: Access,
    settings: Settings,
    *,
    now: float,
    origin: Origin = Origin(),
    agents: Asker | None = None,
) -> Direct:
    """The whole cloud, as an audit without a scope reads it.

    :param now: seconds since the epoch
    :param origin: who is asked for measures
    :param agents: asks the hosts' agents
    :raises errors.CloudError: Nova does not answer
    :raises errors.InputError: there is no such source of measures
    """
    compute = access.connection.compute
    placement = access.placement if 'placement' in access.endpoints else None
    nodes = read_nodes(compute, placement)
    reading = read_cloud(
        nodes,
        compute,
        access.source(origin, settings),
        settings,
        now=now,
        placement=placement,
        network=beside.neutron(compute),
        agents=agents,
    )
    notes = (*nodes.notes, *reading.notes)
    return Direct(
        reading=dataclasses.replace(reading, notes=notes), nodes=nodes
    )
