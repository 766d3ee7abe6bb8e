"""A migration that is about to begin: what is there, and whether it may.

Obstacles, others' migrations, and what holds now instead of what was planned,
each in its turn; what each of them is lives in a module of its own.
"""

import dataclasses

from watcher_tsmig import errors
from watcher_tsmig.execute import words
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.starting.admission import Gate
from watcher_tsmig.execute.starting.obstacle import check
from watcher_tsmig.execute.starting.obstacle import under_way
from watcher_tsmig.execute.starting.present import Fit
from watcher_tsmig.execute.values import Order

# s after which it is looked again at what was seen before a wait
STALE = 3.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What is there before the start.

    :ivar server: the VM; None: it is gone
    :ivar order: as it may start now
    :ivar adapted: that is not as it was planned
    :ivar why: for people
    :ivar going: its migration, where it is under way already
    :ivar known: the records that there are already
    """

    server: Server | None
    order: Order
    adapted: bool = False
    why: str = ''
    going: Record | None = None
    known: frozenset[str] = frozenset()


def made_ready(
    nova: Nova, order: Order, gate: Gate, fit: Fit, *, begins: bool
) -> Ready:
    """What is there, once it may start.

    :raises errors.MigrationError: it cannot start
    """
    planned, why = order, ''
    try:
        server = nova.server(order.vm)
        if server is None or order.arrived(server.host):
            return Ready(server=server, order=order)
        going = under_way(nova, order, server)
        if going is None and not begins:
            raise errors.MigrationError(
                words.sentence(
                    order, f'is on {server.host}, and is not under way'
                )
            )
        if going is None:
            check(nova, order, server)
            began = fit.clock.now()
            order, why = fit.fitted(order, gate)
            # what was seen before a wait is old
            if fit.clock.now() - began > STALE:
                server = nova.server(order.vm)
                if server is None:
                    return Ready(server=None, order=order)
                check(nova, order, server)
        known = frozenset(record.id for record in nova.records(order.vm))
    except errors.MigrationError:
        raise
    except errors.CloudError as error:
        raise errors.MigrationError(
            words.sentence(
                order, f'was not moved, Nova does not answer: {error}'
            )
        ) from error
    return Ready(
        server=server,
        order=order,
        adapted=order is not planned,
        why=why,
        going=going,
        known=known,
    )
