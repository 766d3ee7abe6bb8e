"""The cloud's clients as each Watcher release gives them.

Every difference between Watcher 14 and 17 in getting at Nova, Placement and
Gnocchi is here and nowhere else.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from openstack import connection
from oslo_config import cfg
from oslo_log import log
from watcher.common import clients
from watcher.common import nova_helper
from watcher.common import placement_helper

from watcher_tsmig.execute.values import Compute
from watcher_tsmig.telemetry.clients import GnocchiClient
from watcher_tsmig.telemetry.clients import Placement

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


def gnocchi(osc: Osc, timeout: float) -> GnocchiClient:
    """gnocchiclient, with Watcher's [gnocchi_client] settings.

    :param timeout: of one request where the configuration has none, s
    """
    _bound(osc.session, timeout)
    return osc.gnocchi()


def _bound(session: Any, timeout: float) -> None:  # noqa: ANN401 - keystoneauth
    # A request without a timeout can hold a worker for ever
    if session.timeout is None:
        session.timeout = timeout
