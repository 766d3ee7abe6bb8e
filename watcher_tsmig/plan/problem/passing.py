"""Migrations that run when the plan starts: what they hold, till when.

A turn of Nova and bandwidth on their way, until they have sent what is left.
What nobody tells of them is assumed here. Their room is problem.py's: whether
one fails nobody knows, so it counts at both ends whatever the time.
"""

import dataclasses
from collections.abc import Callable

from watcher_tsmig.model import Cloud
from watcher_tsmig.model.passage import Passage
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem import known
from watcher_tsmig.plan.problem import permits
from watcher_tsmig.plan.problem.network import Network
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Way
from watcher_tsmig.plan.values import Request


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """One that runs; hosts by index, None where it is not in the cloud.

    :ivar rate: bytes/s
    :ivar seconds: from the start of the plan until it has ended
    """

    source: int | None
    destination: int | None
    links: tuple[int, ...]
    rate: float
    seconds: float


def passing(
    cloud: Cloud,
    request: Request,
    links: Network,
    app: FloatArray,
) -> tuple[Passing, ...]:
    """All that hold something; hosts in the order of their names.

    :param app: shape (m,), what applications use of each link, bytes/s
    """
    hosts = sorted(cloud.hosts, key=lambda host: host.name)
    index: dict[str | None, int] = {h.name: i for i, h in enumerate(hosts)}
    given = permits.given(hosts)
    sizes = {
        vm.id: known.resident(vm) + sum(vm.going_along) for vm in cloud.vms
    }
    found = []
    for one in cloud.passages:
        source, to = index.get(one.source), index.get(one.destination)
        path = _path(links, source, to)
        rate = one.rate or min(
            max(
                float(links.capacity[k] - app[k]),
                request.nic_floor * float(links.capacity[k]),
            )
            for k in path
        )
        if one.rate is None and source is not None:
            rate = min(rate, float(given[source]))
        left = _left(one, sizes)
        if left > 0:
            found.append(
                Passing(
                    source=source,
                    destination=to,
                    links=path,
                    rate=rate,
                    seconds=left / rate,
                )
            )
    return tuple(found)


def _left(one: Passage, sizes: dict[str, float]) -> float:
    """Bytes; of an unknown VM of which nobody tells them none."""
    return sizes.get(one.vm, 0.0) if one.left is None else one.left


def _path(
    links: Network, source: int | None, to: int | None
) -> tuple[int, ...]:
    """The links that it crosses; from or to elsewhere all of its host."""
    if source is None:
        return links.receives[to] if to is not None else ()
    return links.sends[source] if to is None else links.path(source, to)


def tasks(found: tuple[Passing, ...], hosts: int) -> tuple[Task, ...]:
    """The same as the scheduler has them, by the counters of ways.py."""
    out = []
    for one in found:
        mine = [] if one.source is None else [one.source]
        mine += [] if one.destination is None else [hosts + one.destination]
        way = Way(
            links=one.links,
            takes=_always(one.seconds),
            least=one.rate,
            most=one.rate,
            counters=(*mine, 2 * hosts),
        )
        out.append(Task(ways=(way,)))
    return tuple(out)


def _always(seconds: float) -> Callable[[float], float]:
    return lambda rate: seconds
