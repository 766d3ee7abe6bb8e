"""The manager's ladder: which stage lets a VM's pre-copy be a way at all.

What each stage asks of the bandwidth lives here; which mode is best among
those that are possible is the planner's. The order is fixed: the forecast
from what the VM writes, the dry run on its sampled pages, post-copy, forced
convergence (auto-converge), left out. Source: MigVisor, "Migvisor Manager",
four stages, with post-copy between the dry run and forced convergence.
"""

import dataclasses
import enum
from collections.abc import Iterable

import numpy as np

from watcher_tsmig.forecast import Curves
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import least_convergent_bandwidth
from watcher_tsmig.model import Cloud
from watcher_tsmig.model import Vm
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.plan.values import Migration
from watcher_tsmig.reasons import Reason

Decided = Migration | LeftOut
# What is decided so where the forecast from the writing says no.
NOT_BY_PATTERN = (
    Reason.DOES_NOT_CONVERGE,
    Reason.WRITES_TOO_FAST,
    Reason.THROTTLED,
)
# So much above the LCB, as a share of it.
HAIR = 1e-4


class Stage(enum.StrEnum):
    """What lets a VM move, in the order in which it is asked."""

    PATTERN = 'pattern'  # pre-copy ends by what it writes
    DRY_RUN = 'dry-run'  # it ends by what its pages hold
    POST_COPY = 'post-copy'
    FORCED = 'forced'  # pre-copy ends while the VM is slowed down
    LEFT_OUT = 'left-out'


MEANING = {
    Stage.PATTERN: 'The forecast from what the VM writes: pre-copy ends at '
    'what the links leave.',
    Stage.DRY_RUN: 'The same on sampled pages: pre-copy ends because pages '
    'of zeros go for a few bytes. Where an agent could count them.',
    Stage.POST_COPY: 'Post-copy, at once or after the first pass, where its '
    'owner, its service class and both hosts permit it.',
    Stage.FORCED: 'Pre-copy of a VM that auto-converge slows down, where '
    "its host's Nova permits that and max_throttle_percent does.",
    Stage.LEFT_OUT: 'It stays, and what each stage said is told.',
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """What pre-copies need by one stage; shape (n,), bytes/s.

    :ivar lcb: the least at which each ends; inf: none
    """

    lcb: FloatArray

    def of(self, row: int) -> float:
        """The least that a pre-copy is given, bytes/s.

        A hair above its LCB, where whether a round fits is no question of
        rounding. Whether so little is worth it, its price says.
        """
        return float(self.lcb[row]) * (1 + HAIR)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Rungs:
    """What the stages that are pre-copies ask, and who may be asked.

    :ivar pattern: by what the VMs write
    :ivar dry: by what their pages hold; where nobody knows, `pattern`
    :ivar sampled: shape (n,), whose pages somebody sampled
    :ivar zeros: shape (n,), share of what each writes that surely is zero
    :ivar throttle: shape (n,), share of its CPUs that auto-converge may take
    """

    pattern: Needs
    dry: Needs
    sampled: BoolArray
    zeros: FloatArray
    throttle: FloatArray

    def stage(self, row: int, bandwidth: float) -> Stage:
        """The first stage by which a pre-copy ends at this bandwidth."""
        for stage, needs in (
            (Stage.PATTERN, self.pattern),
            (Stage.DRY_RUN, self.dry),
        ):
            if needs.of(row) <= bandwidth:
                return stage
        return Stage.FORCED


def needs(curves: Curves, rules: Rules, terms: Terms) -> Needs:
    """What these pre-copies need."""
    return Needs(lcb=least_convergent_bandwidth(curves, rules, terms=terms))


def after_dry_run(
    before: Needs,
    curves: Curves,
    rules: Rules,
    terms: Terms,
    sampled: BoolArray,
) -> Needs:
    """What those need whose pages were sampled, and all others `before`.

    :param terms: with what the pages hold
    """
    rows = np.flatnonzero(sampled)
    if not len(rows):
        return before
    some = needs(curves.take(rows), rules, terms.take(rows, len(sampled)))
    out = Needs(before.lcb.copy())
    out.lcb[rows] = some.lcb
    return out


def doubtful(cloud: Cloud, decided: Iterable[Decided]) -> tuple[Vm, ...]:
    """The VMs of which the dry run could tell more, had anybody looked.

    Their writing was measured and does not let a pre-copy end, nobody sampled
    their pages, and there is an agent on their host that can.

    :param decided: what was decided of VMs; their order is kept
    """
    vms = {vm.id: vm for vm in cloud.vms}
    agents = {host.name for host in cloud.hosts if host.agent}
    found = {
        vm.id: vm
        for item in decided
        if item.reason in NOT_BY_PATTERN
        for vm in (vms[item.vm],)
        if vm.contents is None and vm.host in agents
        if vm.working_set is not None and vm.working_set.samples
    }
    return tuple(found.values())
