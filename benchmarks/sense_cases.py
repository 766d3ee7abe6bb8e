"""A sentence of an experienced operator, a small cloud, and who judges.

Values, and what is asked of plans in words; no sentence lives here.
`Case.holds` gets the plans of its clouds, in their order, under one policy.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from tests.unit import builders
from watcher_tsmig import units
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Vm
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.reasons import Reason

Holds = Callable[..., bool]

# Two instants or rates that differ by less, as a share, are the same.
SAME = 1e-6
# A pre-copy with so much more than its LCB ends also where its VM writes a
# quarter more than was seen.
ROOM = 1.25


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What an operator who knows the trade wants of a cloud.

    :ivar sentence: what is wanted, and why where it is not plain
    :ivar clouds: of which host `a` is emptied, unless `asked` says otherwise
    :ivar holds: whether the plans of these clouds are as wanted
    :ivar policies: under which it is
    :ivar asked: fields of the request over those of the policy
    :ivar made: who plans, of a cloud and a request's policy and fields
    """

    sentence: str
    clouds: tuple[Cloud, ...]
    holds: Holds
    policies: tuple[str, ...] = policies.NAMES
    asked: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    made: Callable[[Cloud, str, Mapping[str, Any]], Plan] | None = None


def drained(cloud: Cloud, policy: str, asked: Mapping[str, Any]) -> Plan:
    """The plan that empties host `a`, or does what is asked instead."""
    return make_plan(
        cloud, policies.request(policy, **{'hosts': ('a',), **asked})
    )


# -- clouds


def host(name: str, gbit: float = 1.0, **values: Any) -> Host:  # noqa: ANN401
    """A host with a NIC so fast; more of the NIC as ``nic={...}``."""
    nic = values.pop('nic', {})
    values['nic'] = Nic(
        capacity=units.from_mbit_s(1000 * gbit),
        **{
            key: units.from_mbit_s(value) if key.startswith('b') else value
            for key, value in nic.items()
        },
    )
    return builders.host(name, **values)


def cloud(hosts: str, *vms: Vm, gbit: float = 1.0, **values: Any) -> Cloud:  # noqa: ANN401
    """A cloud of the hosts named, all with NICs so fast.

    :param values: a host by its name; groups, links
    """
    given = {name: host(name, gbit) for name in hosts.split()}
    return builders.cloud(hosts, *vms, **{**given, **values})


def idle(count: int, at: str = 'a', **values: Any) -> tuple[Vm, ...]:  # noqa: ANN401
    """So many VMs that hardly write, and neither send nor receive."""
    given = {'working_set': builders.writes(1e6), **values}
    return tuple(
        builders.vm(f'idle-{at}-{i}', at, **given) for i in range(count)
    )


def writer(name: str, rate: float, size: float = 4.0, **values: Any) -> Vm:  # noqa: ANN401
    """A VM on host `a` that writes so many MB/s to all of so many GB."""
    given = {
        'memory': size * 1e9,
        'working_set': builders.writes(rate * 1e6, size * 1e9),
    }
    return builders.vm(name, 'a', **{**given, **values})


# Writes faster than 1 Gbit/s carries, to all of its 4 GB.
HOT = writer('db', 400)


def big(name: str, size: float, at: str = 'a', **values: Any) -> Vm:  # noqa: ANN401
    """A VM of so many GB, all resident, that hardly writes."""
    given = {
        'memory': size * 1e9,
        'working_set': builders.writes(1e6, size * 1e9),
    }
    return builders.vm(name, at, **{**given, **values})


# -- what is asked of plans


def modes(plan: Plan) -> dict[str, Mode]:
    """The mode of each VM that moves, by its name."""
    return {m.name: m.mode for m in plan.migrations}


def move(plan: Plan, name: str) -> Migration | None:
    """The VM's only migration; None where it has none, or two."""
    mine = [m for m in plan.migrations if m.name == name]
    return mine[0] if len(mine) == 1 else None


def together(plan: Plan, m: Migration) -> list[Migration]:
    """The migrations that run at some time while this one does, and it."""
    return [
        other
        for other in plan.migrations
        if other.start < m.end * (1 - SAME)
        and m.start < other.end * (1 - SAME)
    ]


def most_at_once(plan: Plan) -> int:
    """How many migrations run at once at most."""
    return max(
        (
            sum(o.start <= m.start * (1 + SAME) for o in together(plan, m))
            for m in plan.migrations
        ),
        default=0,
    )


def moves_all(*plans: Plan) -> bool:
    """Somebody moves, and nobody stays."""
    return all(p.migrations and not p.left_out for p in plans)


def pre_copies_all(*plans: Plan) -> bool:
    """All move, by pre-copy."""
    return moves_all(*plans) and not any(p.post_copies for p in plans)


def switches(*names: str) -> Holds:
    """All move; these by post-copy or hybrid, and the others by pre-copy."""

    def holds(*plans: Plan) -> bool:
        return moves_all(*plans) and all(
            mode.switches is (name in names)
            for p in plans
            for name, mode in modes(p).items()
        )

    return holds


def moves_by(mode: Mode, *names: str) -> Holds:
    """These VMs move in that mode, whatever others do."""
    return lambda *plans: all(
        modes(p).get(name) is mode for p in plans for name in names
    )


def stays(reason: Reason, *names: str) -> Holds:
    """These stay for that reason, and nobody else stays."""
    return lambda *plans: all(
        {x.name: x.reason for x in p.left_out} == dict.fromkeys(names, reason)
        for p in plans
    )


def goes_to(**where: str) -> Holds:
    """Each VM that is named goes to the host that is."""
    return lambda *plans: all(
        (m := move(p, name)) is not None and m.destination == to
        for p in plans
        for name, to in where.items()
    )


def never_switched(*names: str) -> Holds:
    """None of these is switched to post-copy; some may stay."""
    return lambda *plans: (
        not any(
            modes(p)[name].switches
            for p in plans
            for name in names
            if name in modes(p)
        )
    )


def both(*all_of: Holds) -> Holds:
    """All of these hold."""
    return lambda *plans: all(holds(*plans) for holds in all_of)
