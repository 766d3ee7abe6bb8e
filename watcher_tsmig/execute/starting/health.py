"""Whether the services that a migration needs besides Nova answer now.

Nova asks Placement, Neutron and Cinder in the middle of a migration, and what
is a blip there leaves a VM in ERROR here. So each that is in the catalogue is
asked for what Nova will need of it, before the start.
"""

import dataclasses
import logging

from keystoneauth1 import exceptions

from watcher_tsmig.execute.values import Compute

LOG = logging.getLogger(__name__)
# s that one answer may take; a service that takes longer is in trouble.
TIMEOUT = 10.0
# Any other answer, as that one may not ask, comes from a service that works.
TROUBLE = 500


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One that Nova needs.

    :ivar kind: its type in the catalogue
    :ivar path: a small question that its database has to answer
    """

    name: str
    kind: str
    path: str


SERVICES = (
    Service(name='Placement', kind='placement', path='/allocations/{vm}'),
    Service(
        name='Neutron',
        kind='network',
        path='/v2.0/ports?device_id={vm}&fields=id',
    ),
    Service(name='Cinder', kind='block-storage', path='/volumes?limit=1'),
)


def trouble(compute: Compute, vm: str) -> str:
    """Which of them does not work, for people; empty if all do."""
    return next(filter(None, (_ask(compute, s, vm) for s in SERVICES)), '')


def _ask(compute: Compute, service: Service, vm: str) -> str:
    try:
        answer = compute.session.get(
            service.path.format(vm=vm),
            endpoint_filter={
                'service_type': service.kind,
                'interface': compute.interface,
                'region_name': compute.region_name,
            },
            raise_exc=False,
            timeout=TIMEOUT,
        )
    except (exceptions.EndpointNotFound, exceptions.EmptyCatalog):
        return ''  # this cloud has none
    except exceptions.ClientException as error:
        LOG.info('%s: %s', service.name, error)
        return f'{service.name} does not answer ({type(error).__name__})'
    if answer.status_code < TROUBLE:
        return ''
    return f'{service.name} answers {answer.status_code}'
