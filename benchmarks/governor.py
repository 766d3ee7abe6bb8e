"""Migrations whose forecasts are wrong, with a governor and without.

    python -m benchmarks.governor --vms 24 --wrong 0.5 2 --seed 1

VMs leave their hosts by pre-copy, at caps that were made with what they write
taken `wrong` times; so do they at caps made with the truth. Each plan is
carried out in the fluid model of what is true. Invented, with a seed: VMs,
what they write, hosts. The governor sees the model's counters every second or
every 5 s, with the round's number as an agent tells it or without; the last
view is Nova's API alone, with nobody who could change a cap. Without a
governor, a migration is aborted at its deadline. Prints one JSON object.
"""

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Sequence

from benchmarks.governed_moves import GIB
from benchmarks.governed_moves import SPEED
from benchmarks.governed_moves import Move
from benchmarks.governed_moves import cloud
from benchmarks.governed_moves import moves
from watcher_tsmig import errors
from watcher_tsmig.execute.governor.govern import Code
from watcher_tsmig.execute.governor.govern import Counters
from watcher_tsmig.execute.governor.govern import Decision
from watcher_tsmig.execute.governor.govern import Does
from watcher_tsmig.execute.governor.govern import Governor
from watcher_tsmig.execute.governor.govern import Kind
from watcher_tsmig.execute.governor.govern import Policy
from watcher_tsmig.execute.governor.govern import Prospect
from watcher_tsmig.model import Cloud
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.simulate.values import Done
from watcher_tsmig.simulate.values import Progress
from watcher_tsmig.simulate.world import World

SAME = 1e-9
WARNS = (Code.LATE, Code.NEAR)
# The plugin's own defaults of a deadline.
FACTOR, SLACK = 3.0, 120.0
# What never ends is given up after so many s.
PATIENCE = 20_000.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How counters are seen, and what can be done about them.

    :ivar every: s between two looks
    :ivar told: the number of the round and the cap are told
    :ivar caps: a cap can be changed
    """

    every: float
    told: bool
    caps: bool


VIEWS = {
    'agent, 1 s': View(every=1.0, told=True, caps=True),
    'agent, 5 s': View(every=5.0, told=True, caps=True),
    'counters alone, 1 s': View(every=1.0, told=False, caps=True),
    'counters alone, 5 s': View(every=5.0, told=False, caps=True),
    'Nova, 5 s': View(every=5.0, told=False, caps=False),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A decision about a migration, when, in s."""

    at: float
    vm: str
    decision: Decision


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ridden:
    """What came of a plan; s.

    :ivar done: by VM
    :ivar deadlines: when each one's deadline was, by VM
    :ivar aborted: VMs given up at their deadline
    """

    done: dict[str, Done]
    deadlines: dict[str, float]
    aborted: tuple[str, ...]
    unfinished: tuple[str, ...]
    said: tuple[Said, ...]

    @property
    def total(self) -> float:
        """When the last one ended; inf where one never did."""
        if self.unfinished:
            return math.inf
        return max((d.ended for d in self.done.values()), default=0.0)

    @property
    def unnoticed(self) -> tuple[str, ...]:
        """VMs that passed their deadline, and nobody was told before."""
        late = [
            vm
            for vm, at in self.deadlines.items()
            if vm not in self.done or self.done[vm].ended > at
        ]
        warned = {
            s.vm
            for s in self.said
            if s.decision.code in WARNS and s.at < self.deadlines[s.vm]
        }
        return tuple(vm for vm in late if vm not in warned)


class Rider:
    """Moves carried out in the model, with a governor for each pre-copy.

    A move begins when its link has its cap free, and a governor may take
    what is free then.
    """

    def __init__(
        self, truth: Cloud, planned: Sequence[Move], view: View, does: Does
    ) -> None:
        self.world = World(truth, rules=Rules())
        self.waiting = list(planned)
        self.view = view
        self.policy = Policy(does=does)
        self.governors: dict[str, Governor] = {}
        self.deadlines: dict[str, float] = {}
        self.caps: dict[str, float] = {}
        self.hosts: dict[str, str] = {}
        self.aborted: list[str] = []
        self.said: list[Said] = []

    def ride(self) -> Ridden:
        """Until all is over, or for so long that it never will be."""
        world = self.world
        planned = [move.vm.id for move in self.waiting]
        self._start()
        while world.running() and world.now < PATIENCE:
            until = world.now + self.view.every
            while world.now < until:
                if world.step(until):
                    self._start()
            for vm in world.running():
                if vm in self.governors:
                    self._look(vm)
        return Ridden(
            done=dict(world.done),
            deadlines=self.deadlines,
            aborted=tuple(self.aborted),
            unfinished=tuple(vm for vm in planned if vm not in world.done),
            said=tuple(self.said),
        )

    def _start(self) -> None:
        """Begin what the links have room for, in the order of the plan."""
        for move in list(self.waiting):
            if move.cap <= self._free(move.vm.host) * (1 + SAME):
                self.waiting.remove(move)
                self._send(move)

    def _free(self, host: str) -> float:
        """What no migration that leaves the host is capped to, bytes/s."""
        mine = [v for v in self.world.running() if self.hosts[v] == host]
        return SPEED - sum(self.caps[v] for v in mine)

    def _send(self, move: Move) -> None:
        world, vm = self.world, move.vm.id
        self.hosts[vm] = move.vm.host
        self.caps[vm] = move.cap
        world.start(vm, move.vm.host.replace('from', 'to'), cap=move.cap)
        if move.post_copy:
            world.switch(vm)
            return
        foretold = move.takes if math.isfinite(move.takes) else 0.0
        allowed = foretold * FACTOR + SLACK
        self.deadlines[vm] = world.now + allowed
        self.governors[vm] = Governor(
            self.policy,
            Prospect(
                deadline=allowed,
                takes=move.takes,
                cap=move.cap,
                floor=move.floor,
                ceiling=SPEED,
                caps=self.view.caps,
                post_copy=move.vm.post_copy,
            ),
            world.now,
        )

    def _look(self, vm: str) -> None:
        world = self.world
        seen = world.progress(vm)
        if seen.phase is not Mode.PRE_COPY:
            return
        if self.policy.does is Does.OFF:
            if world.now >= self.deadlines[vm]:
                world.abort(vm)
                self.aborted.append(vm)
                self._start()
            return
        free = self._free(self.hosts[vm])
        governor = self.governors[vm]
        governor.prospect = dataclasses.replace(
            governor.prospect, ceiling=max(self.caps[vm] + free, 1.0)
        )
        told = counters(seen, self.caps[vm], self.view)
        decision = governor.look(world.now, told)
        if decision is None:
            return
        self.said.append(Said(at=world.now, vm=vm, decision=decision))
        if decision.act and decision.kind is Kind.CAP and decision.cap:
            self.caps[vm] = decision.cap
            world.cap(vm, decision.cap)
        if decision.act and decision.kind is Kind.SWITCH:
            world.switch(vm)


def counters(seen: Progress, cap: float, view: View) -> Counters:
    """What the view shows of the model."""
    plain = Counters(
        total=seen.total, processed=seen.processed, remaining=seen.remaining
    )
    if not view.told:
        return plain
    return dataclasses.replace(
        plain, iteration=seen.rounds, bandwidth=seen.rate, cap=cap
    )


Figures = dict[str, object]


def figures(found: Ridden, true: Ridden) -> Figures:
    """One plan carried out, beside the one that was made with the truth."""
    kinds = [s.decision.kind for s in found.said if s.decision.act]
    return {
        'total_s': _number(found.total),
        'of_true': _number(found.total / true.total),
        'passed_deadline': sum(
            vm not in found.done or found.done[vm].ended > at
            for vm, at in found.deadlines.items()
        ),
        'unnoticed': len(found.unnoticed),
        'aborted': len(found.aborted),
        'unfinished': len(found.unfinished),
        'caps': kinds.count(Kind.CAP),
        'switches': kinds.count(Kind.SWITCH),
        'data_gib': round(sum(d.data for d in found.done.values()) / GIB, 1),
        'downtime_s': round(sum(d.downtime for d in found.done.values()), 2),
    }


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def compare(vms: int, seed: int, wrong: float) -> Figures:
    """With forecasts so wrong: no governor, and one for each view."""
    truth = cloud(vms, seed)
    view = VIEWS['agent, 1 s']
    true = Rider(truth, moves(truth, 1.0), view, Does.OFF).ride()
    plan = moves(truth, wrong)
    none = Rider(truth, plan, view, Does.OFF).ride()
    return {
        'wrong': wrong,
        'true': figures(true, true),
        'no governor': figures(none, true),
        **{
            name: figures(Rider(truth, plan, view, Does.ACT).ride(), true)
            for name, view in VIEWS.items()
        },
    }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made_by = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    made_by.add_argument('--vms', type=int, default=24)
    made_by.add_argument('--wrong', type=float, nargs='+', default=[0.5, 2.0])
    made_by.add_argument('--seed', type=int, default=1)
    return made_by


def main(argv: Sequence[str] | None = None) -> int:
    """Print one JSON object."""
    args = parser().parse_args(argv)
    try:
        if args.vms < 1 or args.seed < 0:
            raise errors.InputError('must be positive', '--vms and --seed')
        if not all(0 < wrong < math.inf for wrong in args.wrong):
            raise errors.InputError('must be above 0', '--wrong')
    except errors.TsmigError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    found = [compare(args.vms, args.seed, wrong) for wrong in args.wrong]
    print(json.dumps({**vars(args), 'found': found}, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main())
