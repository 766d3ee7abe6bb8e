"""A plan played out in the fluid model: what would really happen.

Ours, a baseline's, anybody's: a plan is followed in its order (`after`),
not by its clock, as an applier does it, so what runs late pushes back what
waits for it. A migration that fails is over, too: what waits for it goes
on, but for the VM's own second hop, which has nowhere to begin.
"""

import dataclasses
import heapq
import itertools
import math
from collections.abc import Callable
from collections.abc import Mapping

from watcher_tsmig.model import Cloud
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.plan.values import Plan
from watcher_tsmig.simulate.applications import Series
from watcher_tsmig.simulate.values import Done
from watcher_tsmig.simulate.values import Service
from watcher_tsmig.simulate.world import World

# A replay that lasts longer than this many times the plan, and this many
# seconds more, is given up: something never converges.
PATIENCE_FACTOR = 20.0
PATIENCE_SECONDS = 3600.0

# (id of the VM, attempt from 0) -> s after its transfer began; None: not.
Fails = Callable[[str, int], float | None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What happened; times in s, data in bytes.

    :ivar done: by the migration's id, which is the VM's but for a second hop;
        `began` and `ended` include set-up and tear-down
    :ivar unfinished: ids of migrations that never got there
    :ivar broken: migrations that failed or ran into the completion timeout,
        by their end; a VM that was tried again may be in `done`, too
    :ivar services: by VM id, what its applications had of the network, of
        every VM of the cloud
    :ivar ended: when the last migration was over, whether it got there or
        not; where one never was, when the replay was given up
    """

    done: dict[str, Done]
    unfinished: tuple[str, ...]
    broken: tuple[Done, ...] = ()
    services: Mapping[str, Service] = dataclasses.field(default_factory=dict)
    ended: float = 0.0

    @property
    def makespan(self) -> float:
        """When the last migration ended, s; inf if one never did."""
        if self.unfinished:
            return math.inf
        return max((d.ended for d in self.done.values()), default=0.0)

    @property
    def data(self) -> float:
        """Bytes sent by all migrations, in vain or not."""
        return sum(d.data for d in (*self.done.values(), *self.broken))

    @property
    def worst_downtime(self) -> float:
        """Longest downtime, s."""
        return max((d.downtime for d in self.done.values()), default=0.0)

    @property
    def asked(self) -> float:
        """Bytes that the applications had to send and receive."""
        return sum(s.asked for s in self.services.values())

    @property
    def lost(self) -> float:
        """Bytes of these that full NICs and links did not deliver."""
        return sum(s.lost for s in self.services.values())

    @property
    def contended(self) -> float:
        """Bytes of the lost that are the migrations' fault."""
        return sum(s.contended for s in self.services.values())

    @property
    def outage(self) -> float:
        """Seconds that VMs stood or hardly served, summed over VMs."""
        return sum(s.outage for s in self.services.values())


def replay(
    cloud: Cloud,
    plan: Plan,
    *,
    rules: Rules | None = None,
    capped: bool = True,
    traffic: Mapping[str, Series] | None = None,
    fails: Fails | None = None,
    retries: int = 0,
    app_flows: float = 1.0,
    patience: float | None = None,
) -> Replayed:
    """Play the plan out.

    Never more than the request's `max_in_cluster` are in flight, in the
    order of the plan: that queue is all that a fixed parallelism has.

    :param cloud: what is true, which may differ from what was planned with
    :param capped: whether the plan's caps hold; without, the migrations
        take what they get, as where nothing enforces them
    :param traffic: see `World`
    :param fails: which migrations fail, and when; post-copy has no way
        back, so one that would fail after the switch does not
    :param retries: how often a migration that failed is tried again
    :param app_flows: see `World`
    :param patience: s after which the replay is given up
    """
    rules = rules or Rules(downtime_limit=plan.request.downtime_limit)
    world = World(cloud, rules=rules, traffic=traffic, app_flows=app_flows)
    if patience is None:
        patience = PATIENCE_FACTOR * plan.makespan + PATIENCE_SECONDS
    player = _Player(world, plan, capped, fails, retries)
    player.play(patience)
    return Replayed(
        done=player.done,
        unfinished=tuple(
            m.id for m in plan.migrations if m.id not in player.done
        ),
        broken=tuple(world.broken),
        services={vm.id: world.service(vm.id) for vm in cloud.vms},
        ended=player.ended,
    )


class _Player:
    """A plan being followed."""

    def __init__(
        self,
        world: World,
        plan: Plan,
        capped: bool,
        fails: Fails | None,
        retries: int,
    ) -> None:
        self.world = world
        self.capped = capped
        self.fails = fails
        self.retries = retries
        self.most = plan.request.max_in_cluster
        self.migrations = {m.id: m for m in plan.migrations}
        # the one that is under way, by VM id
        self.current: dict[str, str] = {}
        self.waiting = list(plan.migrations)
        self.attempts = dict.fromkeys(self.migrations, 0)
        self.began: dict[str, float] = {}
        self.over: set[str] = set()
        self.done: dict[str, Done] = {}
        self.ended = 0.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._ticket = itertools.count()

    def play(self, patience: float) -> None:
        """Until everything is over, or for so many seconds."""
        world = self.world
        self._admit()
        while len(self.over) < len(self.migrations):
            if world.now >= patience:
                self.ended = world.now
                return
            due = self._timers[0][0] if self._timers else patience
            if world.now < due:
                for event in world.step(min(due, patience)):
                    if event.kind == 'completed':
                        self._arrived(self.current[event.vm])
                    elif event.kind == 'aborted':
                        self._broken(self.current[event.vm])
            while self._timers and self._timers[0][0] <= world.now:
                heapq.heappop(self._timers)[2]()

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        entry = (self.world.now + seconds, next(self._ticket), then)
        heapq.heappush(self._timers, entry)

    def _admit(self) -> None:
        """Begin what waits for nothing any more."""
        flying = len(self.began) - len(self.over)
        nowhere: list[str] = []
        rest: list[Migration] = []
        for migration in self.waiting:
            ready = all(name in self.over for name in migration.after)
            lost = migration.hop > 1 and migration.vm not in self.done
            if ready and lost:
                self.began[migration.id] = self.world.now
                nowhere.append(migration.id)
            elif ready and flying < self.most:
                self.began[migration.id] = self.world.now
                self._set_up(migration)
                flying += 1
            else:
                rest.append(migration)
        self.waiting = rest
        for name in nowhere:
            self._close(name)

    def _set_up(self, migration: Migration) -> None:
        self._after(self.world.rules.setup, lambda: self._send(migration))

    def _send(self, migration: Migration) -> None:
        vm, name = migration.vm, migration.id
        attempt = self.attempts[name]
        self.current[vm] = name
        cap = migration.most if self.capped else math.inf
        self.world.start(vm, migration.destination, cap=cap)
        at = self.fails(vm, attempt) if self.fails else None
        if at == 0:
            self._fail(name, attempt)
            return
        if migration.mode.switches:
            self.world.switch(vm, passed=not migration.mode.early)
        elif at is not None:
            self._after(at, lambda: self._fail(name, attempt))

    def _fail(self, name: str, attempt: int) -> None:
        vm = self.migrations[name].vm
        mine = self.current[vm] == name and attempt == self.attempts[name]
        if vm in self.world.running() and mine:
            self.world.fail(vm)
            self._broken(name)

    def _broken(self, name: str) -> None:
        self.attempts[name] += 1
        if self.attempts[name] <= self.retries:
            self._set_up(self.migrations[name])
        else:
            self._close(name)

    def _arrived(self, name: str) -> None:
        teardown = self.world.rules.teardown
        done = dataclasses.replace(
            self.world.done[self.migrations[name].vm],
            began=self.began[name],
            ended=self.world.now + teardown,
        )
        if teardown:
            self._after(teardown, lambda: self._close(name, done))
        else:
            self._close(name, done)

    def _close(self, name: str, done: Done | None = None) -> None:
        """The migration is over: what waits for it goes on."""
        if done:
            self.done[name] = done
        self.over.add(name)
        self.ended = self.world.now
        self._admit()
