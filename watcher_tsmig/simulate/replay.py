"""A plan played out in the fluid model: what would really happen.

Ours, a baseline's, anybody's: a plan is followed in its order (`after`),
not by its clock, as an applier does it, so what runs late pushes back what
waits for it.
"""

import dataclasses
import math

from watcher_tsmig.model import Cloud
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.simulate.world import Done
from watcher_tsmig.simulate.world import World

# A replay that lasts longer than this many times the plan, and this many
# seconds more, is given up: something never converges.
PATIENCE_FACTOR = 20.0
PATIENCE_SECONDS = 3600.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What happened; times in s, data in bytes.

    :ivar done: by VM id; `began` and `ended` include the set-up
    :ivar unfinished: ids of VMs that never got there
    """

    done: dict[str, Done]
    unfinished: tuple[str, ...]

    @property
    def makespan(self) -> float:
        """When the last migration ended, s; inf if one never did."""
        if self.unfinished:
            return math.inf
        return max((d.ended for d in self.done.values()), default=0.0)

    @property
    def data(self) -> float:
        """Bytes sent by all migrations."""
        return sum(d.data for d in self.done.values())

    @property
    def worst_downtime(self) -> float:
        """Longest downtime, s."""
        return max((d.downtime for d in self.done.values()), default=0.0)


def replay(
    cloud: Cloud,
    plan: Plan,
    *,
    rules: Rules | None = None,
    capped: bool = True,
) -> Replayed:
    """Play the plan out.

    :param capped: whether the plan's caps hold; without, the migrations
        take what they get, as where nothing enforces them
    """
    rules = rules or Rules(downtime_limit=plan.request.downtime_limit)
    world = World(cloud, rules=rules)
    waiting = list(plan.migrations)
    starting: list[tuple[float, Migration]] = []
    begun: dict[str, float] = {}
    ended: dict[str, Done] = {}
    limit = PATIENCE_FACTOR * plan.makespan + PATIENCE_SECONDS
    moment = 0.0
    while len(ended) < len(plan.migrations) and moment < limit:
        for migration in list(waiting):
            if all(vm in ended for vm in migration.after):
                waiting.remove(migration)
                begun[migration.vm] = moment
                starting.append((moment + rules.setup, migration))
        starting.sort(key=lambda item: item[0])
        target = starting[0][0] if starting else limit
        completed = _until_event(world, target)
        moment = world.now
        while starting and starting[0][0] <= moment:
            _, migration = starting.pop(0)
            _start(world, migration, capped)
        for vm in completed:
            done = world.done[vm]
            ended[vm] = dataclasses.replace(done, began=begun[vm])
    return Replayed(
        done=ended,
        unfinished=tuple(m.vm for m in plan.migrations if m.vm not in ended),
    )


def _start(world: World, migration: Migration, capped: bool) -> None:
    cap = migration.cap if capped else math.inf
    world.start(migration.vm, migration.destination, cap=cap)
    if migration.mode is Mode.POST_COPY:
        world.switch(migration.vm)


def _until_event(world: World, until: float) -> list[str]:
    """Advance to the first completion, or to `until`; VMs completed."""
    completed: list[str] = []
    while world.now < until and not completed:
        completed = [
            event.vm
            for event in world.step(until)
            if event.kind == 'completed'
        ]
    return completed
