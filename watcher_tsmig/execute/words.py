"""How the end of a migration is told, with where its VM is."""

from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.sight import NOWHERE
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Outcome
from watcher_tsmig.model.cloud import LIVE
from watcher_tsmig.units import human_time

# What to do about a guest of which each host had a part.
LOST = (
    'check the network; if it does not run, "openstack server reboot --hard"'
)


# What to do about a nova-compute that died before its VM left.
REVIVE = 'start it, then plan again'
# What to do where a VM does not run where Nova counts it to.
SPLIT = 'correct its host in Nova, and do not start it again'


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


def gone(order: Order, seconds: float, *, moved: bool = True) -> Outcome:
    """The outcome of a migration whose VM was deleted meanwhile.

    :param moved: it was under way then
    """
    return Outcome(
        vm=order.vm,
        host='',
        seconds=seconds,
        mode=order.mode,
        remark=f'was deleted {"while" if moved else "before"} it moved',
    )


def at_rest(order: Order, server: Server | None) -> bool:
    """Whether the VM is where it was, and nothing is done with it."""
    return (
        server is not None
        and server.host == order.source
        and server.task is None
        and server.vm_state in LIVE
    )


def whereabouts(
    order: Order,
    server: Server | None,
    runs: str | None = None,
    then: str = '',
    split: str = SPLIT,
) -> str:
    """Where the VM is and what to do next; first match wins.

    :param runs: the host where it runs by its agents; empty: nowhere; None:
        nobody can tell
    :param then: what to do next; empty: what follows from where it is
    :param split: the same, where Nova is wrong about where it runs
    """
    if server is None:
        return 'where it is now is unknown'
    place = f'on {server.host}'
    broken, here = server.vm_state == 'error', runs == server.host
    state = 'in ERROR' if broken else server.task or server.vm_state
    rows = (
        (
            bool(runs) and not here,
            f'it runs on {runs}, but Nova counts it to {server.host}',
            split,
        ),
        (
            runs == NOWHERE,
            f'it is {state} {place} and runs on neither host',
            '"openstack server reboot --hard"',
        ),
        (
            broken and here,
            f'it is in ERROR {place}, but runs there',
            '"openstack server set --state active"',
        ),
        (
            broken,
            f'it is in ERROR {place}',
            'if it runs there, "openstack server set --state active"',
        ),
        (
            server.host == order.destination,
            f'it is {state} {place}, its destination',
            '',
        ),
        (bool(server.task), f'it is {state} {place}', ''),
        (True, f'it is {state} {place}', 'plan again'),
    )
    where, next_step = next((w, n) for holds, w, n in rows if holds)
    if then and next_step != split:
        next_step = then
    return '; '.join(filter(None, (where, next_step)))


def unhurried(order: Order) -> str:
    """What to do about a nova-compute that died during a post-copy."""
    return f'do not start it before {order.source} has stopped sending'


def halfway(
    order: Order, status: str, seconds: float, *, down: bool = False
) -> str:
    """The one state in which a hasty hand loses the VM.

    Half of its memory is on either host.

    :param down: nova-compute on its destination is
    """
    then = f'start that on {order.destination}, which is down'
    return (
        f'has been {status} for {human_time(seconds)}; it cannot be stopped '
        f'any more. Do not restart nova-compute on {order.source}; '
        + (then if down else 'check the network')
    )


def sentence(order: Order, text: str) -> str:
    """A text about a VM, with as much of its name as is useful."""
    name = order.name if len(order.name) <= 40 else order.name[:39] + '…'
    return f'{name}: {text}'
