"""The cloud's clients as each Watcher release gives them.

Every difference between Watcher 14 and 17 in getting at Nova, Placement and
sources of measures is here and nowhere else.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from openstack import connection
from oslo_config import cfg
from oslo_log import log
from watcher.common import clients
from watcher.common import nova_helper
from watcher.common import placement_helper

from watcher_tsmig.execute.values import Compute
from watcher_tsmig.telemetry.clients import Placement
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import NOBODY
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import Source
from watcher_tsmig.telemetry.sources import open_source

LOG = log.getLogger(__name__)
CONF = cfg.CONF

Osc = Any  # Watcher's OpenStackClients


@contextlib.contextmanager
def compute(osc: Osc, timeout: float) -> Iterator[Compute]:
    """openstacksdk's compute proxy; what we opened is closed afterwards.

    :param timeout: of one request where the configuration has none, s
    """
    if hasattr(clients, 'get_sdk_connection'):
        # 16 and later: Watcher's own kind of connection, with credentials,
        # interface and region of [nova], and a session of its own
        connected = nova_helper.NovaHelper().connection
        _bound(connected.session, timeout)
        with contextlib.closing(connected):
            yield connected.compute
    else:
        # 14 and 15: the session belongs to Watcher, so it stays open
        _bound(osc.session, timeout)
        connected = connection.Connection(
            session=osc.session,
            region_name=CONF.nova_client.region_name,
            interface=CONF.nova_client.endpoint_type,
        )
        yield connected.compute


@contextlib.contextmanager
def placement(osc: Osc, timeout: float) -> Iterator[Placement]:
    """openstacksdk's placement proxy; what we opened is closed afterwards.

    :param timeout: of one request where the configuration has none, s
    """
    if hasattr(osc, 'placement'):
        # up to 16: the session belongs to Watcher, so it stays open
        _bound(osc.session, timeout)
        yield connection.Connection(
            session=osc.session,
            region_name=CONF.placement_client.region_name,
            interface=CONF.placement_client.interface,
        ).placement
    else:
        # 17: as in `compute`, with credentials and region of [placement]
        connected = placement_helper.PlacementHelper().connection
        _bound(connected.session, timeout)
        with contextlib.closing(connected):
            yield connected.placement


def source(osc: Osc, config: Any, settings: Settings) -> Source | None:  # noqa: ANN401 - Watcher's Struct
    """The source of measures that the strategy's options name, if any.

    :raises errors.InputError: there is none of that name
    """
    if config.metrics_source == NOBODY:
        return None
    there = reach(osc, config.request_timeout, config.metrics_place)
    return open_source(config.metrics_source, there, settings)


def reach(osc: Osc, timeout: float, place: str = '') -> Reach:
    """How to get at sources of measures, by Watcher's own settings.

    :param timeout: of one request where the configuration has none, s
    :param place: instead of the host of [prometheus_client]; or a path
    """
    _bound(osc.session, timeout)
    found = Reach(
        session=osc.session,
        catalogue={
            'gnocchi': {
                'interface': CONF.gnocchi_client.endpoint_type,
                'region_name': CONF.gnocchi_client.region_name,
            },
            'aetos': _aetos(),
        },
        place=place,
        timeout=osc.session.timeout,
    )
    # its group goes with the datasource in 2027.1
    told = getattr(CONF, 'prometheus_client', None)
    if place or not told or not told.host:
        return found
    scheme = 'https' if told.cafile else 'http'
    host = f'[{told.host}]' if ':' in told.host else told.host
    both = told.username and told.password
    return dataclasses.replace(
        found,
        place=f'{scheme}://{host}:{told.port}',
        account=(told.username, told.password) if both else None,
        verify=told.cafile or True,
        cert=(told.certfile, told.keyfile) if told.keyfile else None,
    )


def _aetos() -> dict[str, Any]:
    told = getattr(CONF, 'aetos_client', None)  # 16 and later
    if told is None:
        return {}
    return {'interface': told.interface, 'region_name': told.region_name}


def _bound(session: Any, timeout: float) -> None:  # noqa: ANN401 - keystoneauth
    # A request without a timeout can hold a worker for ever
    if session.timeout is None:
        session.timeout = timeout
