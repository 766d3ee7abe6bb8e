"""Migrations against applications: plans carried out on a shared link.

The cloud is what was measured of the scene; the plans are the planner's and
the comparators', and all of them are carried out by the same code. First
the experiment of the seed (seeds/deshpande, figure 3) in miniature: one
guest that sends and one that receives leave a host. Then four guests for
which two destinations are there, one of them busy receiving.
"""

import dataclasses
import pathlib
from collections.abc import AsyncIterator
from collections.abc import Callable

from tests.lab.machine import Program
from tests.lab.migration import How
from tests.lab.network import Network
from tests.lab.prepare import Kit
from tests.lab.scene import SEND_BUFFER
from tests.lab.scene import App
from tests.lab.scene import Move
from tests.lab.scene import Scene
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Host
from watcher_tsmig.model import Nic
from watcher_tsmig.model import Traffic
from watcher_tsmig.model import Vm
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan import policies
from watcher_tsmig.plan.make import make_plan
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.plan.values import Request
from watcher_tsmig.simulate import baselines

MBIT = 1e6 / 8
LINK = 200 * MBIT
APP = 80 * MBIT
LIMIT = 0.3
# s; four pre-copies at once beside their applications took 144
# s; the pre-copies of four guests together may have no end at all
PATIENCE = 120.0
# no Nova here: what a migration takes beside its transfer
RULES = Rules(setup=0.1, post_copy_queue=SEND_BUFFER)

PAIR = [App(name='sender', sends=APP), App(name='receiver', receives=APP)]
FOUR = [
    App(name='sender1', sends=60 * MBIT),
    App(name='sender2', sends=40 * MBIT),
    App(name='receiver1', receives=60 * MBIT),
    App(name='receiver2', receives=40 * MBIT),
]
# of the second destination, received from outside
BUSY = 80 * MBIT


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to carry the moves out.

    :ivar plan: from the cloud and the host to leave
    :ivar caps: whether the plan's caps and its order are kept; else all
        begin at once and share the link, as in the seed
    """

    plan: Callable[[Cloud, str], Plan]
    caps: bool = False


def _request(
    leaves: str, policy: str = 'fast', only: Mode | None = None
) -> Request:
    return policies.request(
        policy, hosts=(leaves,), downtime_limit=LIMIT, only_mode=only
    )


def _ours(
    policy: str, only: Mode | None = None
) -> Callable[[Cloud, str], Plan]:
    def plan(cloud: Cloud, leaves: str) -> Plan:
        return make_plan(cloud, _request(leaves, policy, only), RULES)

    return plan


def _all(mode: Mode) -> Callable[[Cloud, str], Plan]:
    """Every guest by this mode, to the first or to each host in turn."""

    def plan(cloud: Cloud, leaves: str) -> Plan:
        steps = [
            baselines.Step(vm=v, destination=to, mode=mode, seconds=1.0)
            for v, to in zip(cloud.vms, _in_turn(cloud, leaves), strict=True)
        ]
        return baselines.plan_of(_request(leaves), steps, mode.value)

    return plan


def _in_turn(cloud: Cloud, leaves: str) -> list[str]:
    others = [h.name for h in cloud.hosts if h.name != leaves]
    return [others[i % len(others)] for i in range(len(cloud.vms))]


def _seed(cloud: Cloud, leaves: str) -> Plan:
    """The seed's rule: modes of each pair of hosts, destinations given."""
    to = dict(
        zip((v.id for v in cloud.vms), _in_turn(cloud, leaves), strict=True)
    )
    return baselines.static_choice(cloud, _request(leaves), to)


def _opposite(cloud: Cloud, leaves: str) -> Plan:
    """Each guest by the mode that the fast plan does not give it."""
    plan = _ours('fast')(cloud, leaves)
    return dataclasses.replace(
        plan,
        migrations=tuple(
            dataclasses.replace(
                m,
                mode=Mode.PRE_COPY if m.mode.early else Mode.POST_COPY,
                after=(),
            )
            for m in plan.migrations
        ),
    )


#: Name -> how; the order in which they are run, again and again.
OF_PAIR = {
    'all pre-copy': Variant(plan=_all(Mode.PRE_COPY)),
    'all post-copy': Variant(plan=_all(Mode.POST_COPY)),
    'planned modes': Variant(plan=_ours('fast')),
    'opposite modes': Variant(plan=_opposite),
    'planned fast': Variant(plan=_ours('fast'), caps=True),
    'planned gentle, hybrid': Variant(
        plan=_ours('gentle', Mode.HYBRID), caps=True
    ),
}
OF_FOUR = {
    'all pre-copy': Variant(plan=_all(Mode.PRE_COPY)),
    'all post-copy': Variant(plan=_all(Mode.POST_COPY)),
    "seed's rule": Variant(plan=_seed),
    'planned modes': Variant(plan=_ours('fast')),
    'planned fast': Variant(plan=_ours('fast'), caps=True),
    'planned gentle, hybrid': Variant(
        plan=_ours('gentle', Mode.HYBRID), caps=True
    ),
}


def moves(plan: Plan, variant: Variant) -> list[Move]:
    """What to carry out of the plan."""
    out = []
    for m in plan.migrations:
        out.append(
            Move(
                app=m.vm,
                to=m.destination,
                how=How(
                    mode=m.mode.value,
                    downtime_limit=LIMIT,
                    patience=PATIENCE,
                ),
                cap=m.most if variant.caps else None,
                start=m.start if variant.caps and not m.after else 0.0,
                after=m.after if variant.caps else (),
            )
        )
    return out


def cloud(
    scene: Scene,
    traffic: dict[str, list[float]],
    sets: dict[str, dict[str, object]],
    busy: dict[str, float],
) -> Cloud:
    """The scene as the planner sees it, from what was measured."""
    hosts = tuple(
        Host(
            name=name,
            memory=2.0**33,
            vcpus=64.0,
            nic=Nic(capacity=LINK, background_rx=busy.get(name, 0.0)),
            post_copy=True,
        )
        for name in scene.network.hosts
    )
    return Cloud(hosts=hosts, vms=tuple(
        _vm(scene, name, traffic[name], sets[name]) for name in scene.at
    ))  # fmt: skip


def _vm(
    scene: Scene, name: str, traffic: list[float], measured: dict[str, object]
) -> Vm:
    memory = float(scene.apps[name].memory)
    samples = measured['samples']
    assert isinstance(samples, list)
    rising: list[tuple[float, float]] = []
    for seconds, dirtied in sorted(samples):
        most = max(dirtied, rising[-1][1] if rising else 0.0)
        rising.append((seconds, most))
    zero = measured['zero']
    assert isinstance(zero, int)
    return Vm(
        id=name,
        name=name,
        host=scene.at[name].host,
        memory=memory,
        vcpus=1.0,
        traffic=Traffic(tx=traffic[0], rx=traffic[1], source='tap'),
        working_set=WorkingSet(
            resident=memory - zero, samples=tuple(rising), source='compared'
        ),
    )


Wanted = Callable[[str], bool]


def every(name: str) -> bool:
    """Each variant is wanted."""
    return bool(name)


async def pair(
    kit: Kit, folder: pathlib.Path, repeats: int, wanted: Wanted = every
) -> AsyncIterator[dict[str, object]]:
    """The seed's experiment; guests go to and fro between two hosts."""
    with Network(2, SEND_BUFFER) as network:
        async with Scene(kit, network, folder, PAIR, LINK) as scene:
            async for found in _repeated(scene, OF_PAIR, repeats, wanted, {}):
                yield found


async def four(
    kit: Kit, folder: pathlib.Path, repeats: int, wanted: Wanted = every
) -> AsyncIterator[dict[str, object]]:
    """Four guests and two destinations, one of which receives much.

    Every run leaves the guests on two hosts, so they are brought home
    between two runs.
    """
    with Network(3, SEND_BUFFER) as network:
        async with Scene(kit, network, folder, FOUR, LINK) as scene:
            programs = [
                Program(kit, network, 'h3', 'receive', 'port=5500'),
                Program(
                    kit, network, 'outside', 'send',
                    f'address={network.address("h3")}', 'port=5500',
                    f'rate={BUSY}',
                ),
            ]  # fmt: skip
            try:
                for program in programs:
                    await program.start()
                async for found in _repeated(
                    scene, OF_FOUR, repeats, wanted, {'h3': BUSY}
                ):
                    yield found
                    await _home(scene)
            finally:
                for program in programs:
                    await program.close()


async def _home(scene: Scene) -> None:
    """Back to the first host, without limits."""
    away = [n for n, machine in scene.at.items() if machine.host != 'h1']
    if not away:
        return
    scene.network.shape(None)
    await scene.run([Move(app=name, to='h1', how=How()) for name in away])
    scene.network.shape(scene.link)


async def _repeated(
    scene: Scene,
    variants: dict[str, Variant],
    repeats: int,
    wanted: Wanted,
    busy: dict[str, float],
) -> AsyncIterator[dict[str, object]]:
    traffic = await scene.traffic()
    sets = await scene.working_sets()
    for repeat in range(repeats):
        for name, variant in variants.items():
            if not wanted(name):
                continue
            leaves = next(iter(scene.at.values())).host
            plan = variant.plan(cloud(scene, traffic, sets, busy), leaves)
            found = await scene.run(moves(plan, variant))
            yield {
                'variant': name,
                'repeat': repeat + 1,
                'measured': {'traffic': traffic, 'writes': sets},
                'foretold': plan.makespan if variant.caps else None,
                **found,
            }
