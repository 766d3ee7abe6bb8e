"""Other services of the compute API's cloud, by its session.

Who asks Nova as an administrator may ask these as one, too. What becomes of
one that is not there, or refuses, is its reader's business.
"""

import functools
from typing import Any

from keystoneauth1 import exceptions as auth_errors
from openstack import connection

from watcher_tsmig import errors
from watcher_tsmig.telemetry.clients import Compute
from watcher_tsmig.telemetry.clients import Network
from watcher_tsmig.telemetry.clients import NetworkSource

Image = Any  # openstacksdk's image proxy

MANILA, NEUTRON = 'shared-file-system', 'network'


def _where(compute: Compute) -> dict[str, str | None]:
    return {
        'region_name': compute.region_name,
        'interface': compute.interface,
    }


def glance(compute: Compute) -> Image:
    """The image service."""
    there = connection.Connection(session=compute.session, **_where(compute))
    return there.image


def _neutron(compute: Compute) -> Network:
    if not listed(compute, NEUTRON):
        raise errors.CloudError('Neutron is not in the catalogue')
    there = connection.Connection(session=compute.session, **_where(compute))
    return there.network


def neutron(compute: Compute) -> NetworkSource:
    """The network service, once it is needed.

    Making it raises `errors.CloudError` where there is none.
    """
    return functools.partial(_neutron, compute)


def listed(compute: Compute, service: str) -> bool:
    """Whether the catalogue has that service; no request is sent for it.

    :param service: its type
    """
    try:
        return bool(
            compute.session.get_endpoint(
                service_type=service, **_where(compute)
            )
        )
    except auth_errors.EndpointNotFound:
        return False
