"""Why a VM cannot be moved now as it was planned, with what to do about it.

Only the looking again lives here: a plan may be a day old, so each thing
that it relied on is judged by what Nova says at the start.
"""

from watcher_tsmig import errors
from watcher_tsmig.execute import words
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.follow import PHASES
from watcher_tsmig.execute.follow import Phase
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import Order
from watcher_tsmig.model.cloud import LIVE
from watcher_tsmig.model.cloud import PAUSED

# Nova's task of a server while it is migrated live.
MIGRATING = 'migrating'
# Phases of a migration that has not ended.
GOING = (Phase.WAITING, Phase.RUNNING, Phase.POST_COPY)

# What an operator does about a VM that does not move live, by its state.
REMEDIES = {
    'stopped': 'move it cold (openstack server migrate) or start it',
    'suspended': 'resume it first',
    'error': 'if it runs, "openstack server set --state active"',
}


def under_way(nova: Nova, order: Order, server: Server) -> Record | None:
    """The VM's migration that does already what is ordered; None: none does.

    Whoever asked for it may have been killed, and nobody minds it now.

    :raises errors.CloudError: Nova does not answer
    """
    if server.task != MIGRATING:
        return None
    newest = next(iter(nova.records(order.vm)), None)
    if newest is None or PHASES.get(newest.status) not in GOING:
        return None
    wanted = (order.source, order.destination)
    return newest if (newest.source, newest.destination) == wanted else None


def obstacle(order: Order, server: Server) -> str:
    """Why the VM cannot be moved now, wherever to; empty if it can.

    The plan may be a day old, so that each thing it relied on is looked at
    again. First match wins.
    """
    checks = (
        (
            server.host != order.source,
            _not_there(order, server.host),
        ),
        (server.locked, 'is locked; unlock it and plan again'),
        (
            server.vm_state not in LIVE,
            f'is {server.vm_state}; '
            + REMEDIES.get(server.vm_state, 'only an active VM moves live'),
        ),
        (
            server.task is not None,
            f'is busy ({server.task}); plan again when that is done, or '
            'reset it if nobody works on it',
        ),
        (
            bool(order.refused),
            f'is not moved live by Nova: {order.refused}; stop it first',
        ),
        (
            order.mode.switches and server.vm_state == PAUSED,
            'is paused and cannot be post-copied; plan again',
        ),
    )
    return next((text for applies, text in checks if applies), '')


def refusal(nova: Nova, order: Order) -> str:
    """Why it cannot be moved to its destination; empty if it can.

    Another destination may do.
    """
    if order.mode.switches and not order.post_copy_permitted:
        return (
            f'nobody says any more that {order.source}, {order.destination} '
            'and the VM permit post-copy (nova.conf, as their agents read '
            'it, or tsmig:post_copy)'
        )
    trouble = nova.service_trouble(order.destination)
    return f'{order.destination} {trouble}' if trouble else ''


def refused(why: str) -> str:
    """What follows from a destination's refusal, for people."""
    return f'was not moved, {why}; plan again'


def check(nova: Nova, order: Order, server: Server) -> None:
    """Nothing stands in its way.

    :raises errors.DestinationError: its destination does
    :raises errors.MigrationError: something else does
    """
    trouble = obstacle(order, server)
    if trouble:
        raise errors.MigrationError(words.sentence(order, trouble))
    if nova.is_down(order.source):
        raise errors.MigrationError(
            words.sentence(
                order,
                f'stays on {order.source}, whose nova-compute is down; start '
                'it, then plan again',
            )
        )
    why = refusal(nova, order)
    if why:
        raise errors.DestinationError(words.sentence(order, refused(why)), why)


def _not_there(order: Order, host: str) -> str:
    if order.hop > 1:
        return (
            f'is on {host}: it was not brought to {order.source}, from where '
            f'it would go on to {order.destination}; plan again'
        )
    return f'is on {host}, not on {order.source} any more; plan again'
