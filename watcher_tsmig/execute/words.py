"""How the end of a migration is told, with where its VM is."""

from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Outcome
from watcher_tsmig.model.cloud import LIVE
from watcher_tsmig.units import human_time


def already_there(order: Order, host: str) -> Outcome:
    """The outcome of a migration that nobody needed."""
    return Outcome(
        vm=order.vm,
        host=host,
        seconds=0.0,
        mode=order.mode,
        data=0.0,
        remark='was already there',
    )


def gone(order: Order, seconds: float) -> Outcome:
    """The outcome of a migration whose VM was deleted meanwhile."""
    return Outcome(
        vm=order.vm,
        host='',
        seconds=seconds,
        mode=order.mode,
        remark='was deleted while it moved',
    )


def at_rest(order: Order, server: Server | None) -> bool:
    """Whether the VM is where it was, and nothing is done with it."""
    return (
        server is not None
        and server.host == order.source
        and server.task is None
        and server.vm_state in LIVE
    )


def whereabouts(order: Order, server: Server | None) -> str:
    """Where the VM is and what to do next."""
    if server is None:
        return 'where it is now is unknown'
    place = f'on {server.host}'
    if server.vm_state == 'error':
        return (
            f'it is in ERROR {place}: if it runs there, '
            '"openstack server set --state active"'
        )
    if server.host == order.destination:
        return f'it is {server.vm_state} {place}, its destination'
    if server.task:
        return f'it is {server.task} {place}'
    return f'it is {server.vm_state} {place}; plan again'


def halfway(order: Order, status: str, seconds: float) -> str:
    """The one state in which a hasty hand loses the VM.

    Half of its memory is on either host.
    """
    return (
        f'has been {status} for {human_time(seconds)}; it cannot be stopped '
        f'any more. Do not restart nova-compute on {order.source}; check '
        'the network'
    )


def sentence(order: Order, text: str) -> str:
    """A text about a VM, with as much of its name as is useful."""
    name = order.name if len(order.name) <= 40 else order.name[:39] + '…'
    return f'{name}: {text}'
