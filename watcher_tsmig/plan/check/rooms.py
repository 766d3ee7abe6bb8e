"""What hosts hold: memory, CPUs, disk and members of server groups.

A VM is on its destination from the start of its migration and on its
source until the end, as Nova allocates it; one that is under way before the
plan starts is on both. A host's places for members of
an anti-affinity group are a room like its memory, and judged alike.
"""

import collections
import dataclasses
import itertools
from collections.abc import Callable
from collections.abc import Iterator

from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Group
from watcher_tsmig.model import Host
from watcher_tsmig.model import Vm
from watcher_tsmig.plan.check.view import AGREE
from watcher_tsmig.plan.check.view import View

# Share of all that was ever added up in which rounding shows.
ROUNDING = 1e-12

#: what, how much a VM takes of it, how much a host has of it
AMOUNTS: tuple[
    tuple[str, Callable[[Vm], float], Callable[[Host], float | None]], ...
] = (
    ('bytes of VMs', lambda v: v.memory, lambda h: h.memory),
    ('vCPUs of VMs', lambda v: v.vcpus, lambda h: h.vcpus),
    ('bytes of disk of VMs', lambda v: v.disk, lambda h: h.disk),
)

# Rows with what each brings or takes away.
Amounts = dict[int, float]


@dataclasses.dataclass(slots=True, kw_only=True, eq=False)
class Room:
    """One kind of room on one host that some migration enters.

    :ivar there: what is taken before the plan
    """

    host: str
    what: str
    most: float
    there: float = 0.0
    comes: Amounts = dataclasses.field(default_factory=dict)
    goes: Amounts = dataclasses.field(default_factory=dict)

    def holds(self, amount: float) -> bool:
        """Whether that much fits, but for rounding."""
        total = self.there + sum(self.comes.values())
        return amount <= self.most * (1 + AGREE) + total * ROUNDING


def _rooms(view: View) -> Iterator[Room]:
    """The rooms that some migration with a need of them enters."""
    on: dict[str, list[Vm]] = collections.defaultdict(list)
    comes: dict[str, list[int]] = collections.defaultdict(list)
    goes: dict[str, list[int]] = collections.defaultdict(list)
    arriving = {p.vm: p.destination for p in view.cloud.passages}
    for vm in view.cloud.vms:
        on[vm.host].append(vm)
        to = arriving.get(vm.id)
        if to not in (None, vm.host):
            on[to].append(vm)
    for i, m in enumerate(view.moves):
        comes[m.destination].append(i)
        goes[m.source].append(i)

    def room(
        host: str, what: str, most: float, need: Callable[[Vm], float]
    ) -> Room:
        needs = {
            i: need(view.vms[view.moves[i].vm])
            for i in comes[host] + goes[host]
        }
        return Room(
            host=host,
            what=what,
            most=most,
            there=sum(map(need, on[host])),
            comes={i: needs[i] for i in comes[host] if needs[i]},
            goes={i: needs[i] for i in goes[host] if needs[i]},
        )

    for name in list(comes):
        for what, need, has in AMOUNTS:
            most = has(view.hosts[name])
            if most is not None:
                yield room(name, what, most, need)
        apart = {
            group.id: group
            for i in comes[name]
            for group in view.groups.get(view.moves[i].vm, ())
            if group.policy == Affinity.APART
        }
        for group in apart.values():
            yield room(
                name,
                f'members of group {group.id}',
                group.max_per_host,
                _counts(group),
            )


def _counts(group: Group) -> Callable[[Vm], float]:
    members = frozenset(group.members)
    return lambda vm: float(vm.id in members)


def fits(view: View) -> Iterator[str]:
    """There is room for what comes: in the plan, and whatever is late.

    A host that is too full already gets nothing that needs what it lacks,
    but is not itself a fault of the plan.
    """
    for room in _rooms(view):
        planned = list(_planned(view, room))
        yield from planned or _late(view, room)


def _planned(view: View, room: Room) -> Iterator[str]:
    """At every start, as the plan has it."""
    events = [(view.moves[i].start, i, by) for i, by in room.comes.items()]
    events += [(view.over[i], -1, -by) for i, by in room.goes.items()]
    events.sort()
    held = room.there
    for _, same in itertools.groupby(events, key=lambda event: event[0]):
        now = list(same)
        held += sum(by for _, _, by in now)
        for _, i, _ in now:
            if i >= 0 and not room.holds(held):
                yield (
                    f'{view.moves[i].id}: {room.host} would hold '
                    f'{held:.0f} {room.what}, not {room.most:.0f}'
                )


def _late(view: View, room: Room) -> Iterator[str]:
    """By `after` alone, whatever is late.

    The worst for a room is a set of migrations that came, when of those
    that go only what they waited for has gone. Which set is worst is a
    closure problem: its members count for what they bring, and pay once
    for each that goes before any of them. Its value is all that comes less
    the largest flow from what comes to what goes before it (Picard 1976),
    so it is exact: what passes fits in every order of events that `after`
    admits, and what does not pass has one in which it does not fit.
    """
    before = {i: _earlier(view, i, room.goes) for i in room.comes}
    worst = room.there + sum(room.comes.values())
    if room.holds(worst):
        return
    if room.holds(room.there) and room.holds(
        worst - _flow(room.comes, room.goes, before)
    ):
        return
    for i, brings in room.comes.items():
        # the worst of those with it, for it is there already
        goes = {k: v for k, v in room.goes.items() if k not in before[i]}
        comes = {k: v for k, v in room.comes.items() if k != i}
        gone = sum(room.goes[k] for k in before[i])
        held = room.there + brings - gone + sum(comes.values())
        held -= _flow(comes, goes, before)
        if not room.holds(held):
            yield (
                f'{view.moves[i].id}: nothing makes it wait until '
                f'{room.host} has room; with it there may be '
                f'{held:.0f} {room.what}, not {room.most:.0f}'
            )


def _earlier(view: View, i: int, rows: Amounts) -> set[int]:
    before = view.before[i]
    return {k for k in rows if before >> k & 1}


def _flow(comes: Amounts, goes: Amounts, before: dict[int, set[int]]) -> float:
    """The largest flow from `comes` to what in `goes` is before each."""
    need, left = dict(comes), dict(goes)
    sent: dict[int, Amounts] = {k: {} for k in goes}
    least = ROUNDING * (sum(comes.values()) + sum(goes.values()))
    for root in comes:
        while need[root] > least:
            path = _path(root, before, left, sent, least)
            if not path:
                break
            back = [
                sent[k][j]
                for (_, k), (j, _) in zip(path, path[1:], strict=False)
            ]
            by = min(need[root], left[path[-1][1]], *back)
            for (j, k), following in zip(path, [*path[1:], None], strict=True):
                sent[k][j] = sent[k].get(j, 0.0) + by
                if following is not None:
                    sent[k][following[0]] -= by
            need[root] -= by
            left[path[-1][1]] -= by
    return sum(comes.values()) - sum(need.values())


def _path(
    root: int,
    before: dict[int, set[int]],
    left: Amounts,
    sent: dict[int, Amounts],
    least: float,
) -> list[tuple[int, int]]:
    """Shortest way from what comes to some of what goes that is left.

    Steps (j, k): what j brings goes into the room of k; from one step to
    the next, what j brought into the room of k before makes way.
    """
    came: dict[int, tuple[int, int] | None] = {root: None}
    seen: set[int] = set()
    queue = collections.deque([root])
    while queue:
        j = queue.popleft()
        for k in sorted(before[j]):
            if k not in left or k in seen:
                continue
            seen.add(k)
            if left[k] > least:
                path = [(j, k)]
                while (step := came[path[-1][0]]) is not None:
                    path.append(step)
                return path[::-1]
            for other, amount in sent[k].items():
                if amount > least and other not in came:
                    came[other] = (j, k)
                    queue.append(other)
    return []


def together(view: View) -> Iterator[str]:
    """A member of an affinity group goes only to where another one is.

    Nova admits it only to a host of the group. The other one must be there
    whatever is late: it came before, if it came, and if it leaves, it
    leaves later.
    """
    for i, m in enumerate(view.moves):
        for group in view.groups.get(m.vm, ()):
            if group.policy == Affinity.TOGETHER and not any(
                _surely_on(view, other, m.destination, i)
                for other in group.members
                if other != m.vm and other in view.vms
            ):
                yield (
                    f'{m.id}: no other member of group {group.id} is sure '
                    f'to be on {m.destination}'
                )


def _surely_on(view: View, vm: str, host: str, during: int) -> bool:
    """Whether the VM is on the host, whatever is late, meanwhile."""
    there: str = view.vms[vm].host
    came: int | None = None
    for row in (*view.hops.get(vm, ()), None):
        if (
            there == host
            and (came is None or view.before[during] >> came & 1)
            and (row is None or view.later[during] >> row & 1)
        ):
            return True
        if row is not None:
            there, came = view.moves[row].destination, row
    return False
