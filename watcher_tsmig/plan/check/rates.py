"""What migrations use of NICs and shared links, beside the applications.

A NIC is a link with one host behind it, so one table holds both: a
migration goes out of each that its source is behind and its destination is
not, and into each the other way round. So do the applications when they
move with their VM: a post-copied one's at the start, a pre-copied one's at
the end.
"""

import dataclasses
from collections.abc import Iterator

from watcher_tsmig.plan.check import order
from watcher_tsmig.plan.check.view import AGREE
from watcher_tsmig.plan.check.view import View
from watcher_tsmig.plan.check.view import moments

# Bytes/s that rounding may make of many sums.
DRIFT = 1.0


@dataclasses.dataclass(slots=True, kw_only=True, eq=False)
class Lane:
    """One direction of a NIC or link, as the plan goes on.

    :ivar app: bytes/s of the applications and the background
    :ivar used: bytes/s of the migrations
    :ivar users: rows that use it now
    :ivar least: the least that migrations may use in all the plan
    :ivar others: until when migrations of others use it, s, and how much
    """

    name: str
    shared: bool
    capacity: float
    app: float
    used: float = 0.0
    users: set[int] = dataclasses.field(default_factory=set)
    least: float = 0.0
    others: list[tuple[float, float]] = dataclasses.field(default_factory=list)

    def taken(self, at: float) -> float:
        """What all migrations use at that instant."""
        others = (by for until, by in self.others if at < until * (1 - AGREE))
        return self.used + sum(others)

    def room(self, share: float, floor: float) -> float:
        """What migrations may use now."""
        return max(share * (self.capacity - self.app), floor * self.capacity)


@dataclasses.dataclass(slots=True, eq=False)
class Port:
    """Both lanes of a NIC or link; a separate one carries no traffic."""

    out: Lane
    into: Lane
    separate: bool = False


Ports = dict[str, list[Port]]


def crossed(view: View) -> Iterator[str]:
    """The shared links that are said to be on the path are."""
    for m in view.moves:
        right = view.behind[m.source] ^ view.behind[m.destination]
        if sorted(m.crosses) != sorted(right):
            yield (
                f'{m.id}: crosses {", ".join(sorted(right)) or "no link"}, '
                f'not {", ".join(m.crosses) or "none"}'
            )


def flows(view: View) -> Iterator[str]:
    """The caps fit what the applications leave, whatever is late.

    At every start and end they fit as the plan has it. And on a link, the
    migrations that nothing keeps apart fit the least room that it has in
    the plan, or meet in the plan; on a NIC all that do not meet are
    ordered (`order.exclusive`).
    """
    ports = _ports(view)
    paths = [_path(ports, m.source, m.destination) for m in view.moves]
    yield from _replay(view, ports, paths)
    users: dict[int, tuple[Lane, list[int]]] = {}
    for i, (outward, inward) in enumerate(paths):
        for lane in (*(p.out for p in outward), *(p.into for p in inward)):
            if lane.shared:
                users.setdefault(id(lane), (lane, []))[1].append(i)
    for lane, rows in users.values():
        caps = [view.moves[i].cap for i in rows]
        for i, k in order.crowded(view, rows, caps, lane.least + DRIFT):
            yield (
                f'{view.moves[i].id}: nothing makes it wait for '
                f'{view.moves[k].id}, and {lane.name} does not carry both '
                'and what else may run'
            )


def _ports(view: View) -> Ports:
    """The NIC and links of each host, with the applications on them."""
    request = view.plan.request
    ports: Ports = {}
    for host in view.cloud.hosts:
        nic = host.nic
        capacity = nic.capacity if nic else request.assume_nic
        ports[host.name] = [
            _port(
                f'the NIC of {host.name}',
                False,
                capacity,
                nic.background_tx if nic else 0.0,
                nic.background_rx if nic else 0.0,
                separate=nic is not None and nic.separate,
            )
        ]
    for link in view.cloud.links:
        port = _port(
            link.name,
            True,
            link.capacity,
            link.background_out,
            link.background_in,
        )
        for name in link.hosts:
            ports[name].append(port)
    _load(view, ports)
    _pass(view, ports)
    share, floor = request.nic_share, request.nic_floor
    for row in ports.values():
        for port in row:
            for lane in (port.out, port.into):
                lane.least = lane.room(share, floor)
    return ports


def _load(view: View, ports: Ports) -> None:
    """Put the applications on them; who is on the way may come, or stay."""
    arriving = {p.vm: p.destination or '' for p in view.cloud.passages}
    for vm in view.cloud.vms:
        tx, rx = view.rates(vm)
        mine = ports[vm.host]
        new = ports[arriving.get(vm.id) or vm.host]
        for port in (*mine, *(p for p in new if p not in mine)):
            if not port.separate:
                port.out.app += tx
                port.into.app += rx


def _pass(view: View, ports: Ports) -> None:
    """Migrations of others, as far as it is told what they still take."""
    for p in view.cloud.passages:
        if p.left is None or p.rate is None:
            continue
        ends = (
            ports.get(p.source or '', []),
            ports.get(p.destination or '', []),
        )
        use = p.left / p.rate, p.rate
        for port in ends[0]:
            if port not in ends[1]:
                port.out.others.append(use)
        for port in ends[1]:
            if port not in ends[0]:
                port.into.others.append(use)


def _port(
    name: str,
    shared: bool,
    capacity: float,
    out: float,
    into: float,
    separate: bool = False,
) -> Port:
    return Port(
        Lane(name=f'out of {name}', shared=shared, capacity=capacity, app=out),
        Lane(name=f'into {name}', shared=shared, capacity=capacity, app=into),
        separate,
    )


def _path(
    ports: Ports, source: str, destination: str
) -> tuple[list[Port], list[Port]]:
    """(ports that it goes out of, ports that it goes into)."""
    mine, others = ports[source], ports[destination]
    return (
        [p for p in mine if p not in others],
        [p for p in others if p not in mine],
    )


def _replay(
    view: View, ports: Ports, paths: list[tuple[list[Port], list[Port]]]
) -> Iterator[str]:
    """From start to end, what is used of every lane that changes."""
    request = view.plan.request
    for at, ended, started in moments(view):
        changed: dict[int, tuple[Lane, int]] = {}
        for rows, starts in ((ended, False), (started, True)):
            for i in rows:
                lanes = _use(view, i, paths[i], starts)
                changed.update((id(lane), (lane, i)) for lane in lanes)
        for lane, i in changed.values():
            room = lane.room(request.nic_share, request.nic_floor)
            lane.least = min(lane.least, room)
            taken = lane.taken(at)
            if lane.users and taken > room * (1 + AGREE) + DRIFT:
                yield (
                    f'{view.moves[i].id}: at {at:g} s migrations use '
                    f'{taken:.0f} bytes/s {lane.name}, which leaves '
                    f'{room:.0f}'
                )


def _use(
    view: View, i: int, path: tuple[list[Port], list[Port]], starts: bool
) -> list[Lane]:
    """One migration starts or ends; the lanes that it changes."""
    m = view.moves[i]
    outward, inward = path
    lanes = [p.out for p in outward] + [p.into for p in inward]
    for lane in lanes:
        (lane.users.add if starts else lane.users.discard)(i)
        lane.used += m.cap if starts else -m.cap
        if not lane.users:
            lane.used = 0.0
    if starts is m.mode.early:
        tx, rx = view.rates(view.vms[m.vm])
        for ports, sign in ((outward, -1.0), (inward, 1.0)):
            for port in ports:
                if not port.separate:
                    port.out.app += sign * tx
                    port.into.app += sign * rx
        lanes = [lane for p in outward + inward for lane in (p.out, p.into)]
    return lanes
