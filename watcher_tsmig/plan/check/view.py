"""A plan beside its cloud, for the judge to look things up in.

Tables and the order that `after` makes, nothing that judges. A migration
is its row in the plan from here on; a set of migrations is an int whose bit
i stands for row i, so that ten thousand rows have all their ancestors in
12 MB, and one `&` compares them.
"""

import dataclasses
import itertools
from collections.abc import Iterator

from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Group
from watcher_tsmig.model import Host
from watcher_tsmig.model import Link
from watcher_tsmig.model import Vm
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Plan

# Two numbers of a plan agree when they differ by less than this share.
AGREE = 1e-6
# Likewise two instants, of which one is another with some seconds added.
SAME_INSTANT = 1e-9

# Nova holds VMs to these; the soft ones only weigh hosts.
HARD = (Affinity.TOGETHER, Affinity.APART)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the rules read.

    :ivar over: when each migration counts as ended, s: its end, earlier by
        less than rounding makes of it
    :ivar before: of each migration, those that surely end before it starts
    :ivar later: of each, those that surely start after it has ended
    :ivar circular: rows that wait for themselves; they have no order
    :ivar hops: rows of a VM's migrations, the first hop first
    :ivar groups: the hard server groups of a VM
    :ivar behind: names of the shared links that a host is behind
    """

    cloud: Cloud
    plan: Plan
    rules: Rules
    hosts: dict[str, Host]
    vms: dict[str, Vm]
    over: list[float]
    before: list[int]
    later: list[int]
    circular: list[int]
    hops: dict[str, list[int]]
    groups: dict[str, list[Group]]
    behind: dict[str, set[str]]

    @property
    def moves(self) -> tuple[Migration, ...]:
        """The plan's migrations."""
        return self.plan.migrations

    def links_between(self, one: str, other: str) -> list[Link]:
        """The shared links that stand between two hosts."""
        apart = self.behind[one] ^ self.behind[other]
        return [k for k in self.cloud.links if k.name in apart]

    def rules_of(self, m: Migration) -> Rules:
        """Those of the host that it leaves."""
        host = self.hosts[m.source]
        return self.rules.under(host.nova, host.speeds)

    def rates(self, vm: Vm) -> tuple[float, float]:
        """(tx, rx) of its applications, bytes/s."""
        if vm.traffic is None:
            unknown = self.plan.request.assume_traffic
            return unknown, unknown
        return vm.traffic.tx, vm.traffic.rx


def view(cloud: Cloud, plan: Plan, rules: Rules) -> View:
    """The view of a plan whose names are all known."""
    moves = plan.migrations
    hops: dict[str, list[int]] = {}
    for i in sorted(range(len(moves)), key=lambda i: moves[i].hop):
        hops.setdefault(moves[i].vm, []).append(i)
    groups: dict[str, list[Group]] = {}
    for group in cloud.groups:
        for member in group.members if group.policy in HARD else ():
            groups.setdefault(member, []).append(group)
    behind: dict[str, set[str]] = {h.name: set() for h in cloud.hosts}
    for link in cloud.links:
        for name in link.hosts:
            behind[name].add(link.name)
    before, later, circular = _closure(moves)
    return View(
        cloud=cloud,
        plan=plan,
        rules=rules,
        hosts={h.name: h for h in cloud.hosts},
        vms={v.id: v for v in cloud.vms},
        over=[
            max(m.end - SAME_INSTANT * (1 + m.end), m.start + m.takes / 2)
            for m in moves
        ],
        before=before,
        later=later,
        circular=circular,
        hops=hops,
        groups=groups,
        behind=behind,
    )


def _closure(
    moves: tuple[Migration, ...],
) -> tuple[list[int], list[int], list[int]]:
    """(ancestors, descendants, rows on or behind a circle) by `after`."""
    index = {m.id: i for i, m in enumerate(moves)}
    parents = [[index[other] for other in m.after] for m in moves]
    children: list[list[int]] = [[] for _ in moves]
    for i, row in enumerate(parents):
        for parent in row:
            children[parent].append(i)
    waits = [len(row) for row in parents]
    order = [i for i, count in enumerate(waits) if not count]
    before, later = [0] * len(moves), [0] * len(moves)
    for i in order:  # grows as it is walked
        for parent in parents[i]:
            before[i] |= before[parent] | 1 << parent
        for child in children[i]:
            waits[child] -= 1
            if not waits[child]:
                order.append(child)
    for i in reversed(order):
        for child in children[i]:
            later[i] |= later[child] | 1 << child
    return before, later, sorted(set(range(len(moves))) - set(order))


def moments(
    view: View,
) -> Iterator[tuple[float, list[int], list[int]]]:
    """(instant, rows that end then, rows that start then) in time."""
    events = [(m.start, i, True) for i, m in enumerate(view.moves)]
    events += [(over, i, False) for i, over in enumerate(view.over)]
    events.sort()
    for at, same in itertools.groupby(events, key=lambda event: event[0]):
        now = list(same)
        yield (
            at,
            [i for _, i, starts in now if not starts],
            [i for _, i, starts in now if starts],
        )
