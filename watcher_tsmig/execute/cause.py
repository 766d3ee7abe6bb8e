"""What Nova means by "No valid host", as far as it can be found out.

The scheduler tells nobody which of its filters refused a destination. What
is looked at here are those that hold one up in practice; nothing is changed.
"""

import logging

from watcher_tsmig import errors
from watcher_tsmig.execute.compute import Bond
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import Order

LOG = logging.getLogger(__name__)

NO_HOST = 'No valid host'
# Of a group's members so many are asked for, as each is a request.
MEMBERS = 10


def hindrance(nova: Nova, order: Order) -> str:
    """Why the scheduler refuses the destination; empty if that is unknown."""
    try:
        trouble = nova.service_trouble(order.destination)
        if trouble:
            return f'{order.destination} {trouble}'
        told = (_refuses(nova, order, bond) for bond in nova.bonds(order.vm))
        return next(filter(None, told), '')
    except errors.CloudError as error:
        LOG.info('%s: what refuses is unknown: %s', order.name, error)
        return ''


def _refuses(nova: Nova, order: Order, bond: Bond) -> str:
    """How a server group does; empty if it does not."""
    others = [vm for vm in bond.members if vm != order.vm]
    to = order.destination
    if bond.policy == 'anti-affinity':
        there = [r.name for r in nova.residents(to) if r.vm in others]
        if len(there) >= bond.most:
            names = ', '.join(there)
            return f'server group {bond.name} ({bond.policy}): {names} on {to}'
    if bond.policy == 'affinity':
        for vm in others[:MEMBERS]:
            server = nova.server(vm)
            if server is not None and server.host not in (None, to):
                return (
                    f'server group {bond.name} ({bond.policy}): a member is '
                    f'on {server.host}'
                )
    return ''
