"""The stages of the manager's ladder: each admits a VM, or says why not.

What a VM may be put through, what a stage foretells, and one test a stage,
which says with numbers what it decides. The order is ladder.py's; the
arithmetic is that of each stage's own module. Source: MigVisor, "Migvisor
Modules Functionality" and "PC vs. DR".
"""

import dataclasses
import math

import numpy as np

from watcher_tsmig import errors
from watcher_tsmig import units
from watcher_tsmig.forecast import dryrun
from watcher_tsmig.forecast import throttle
from watcher_tsmig.forecast.contents import Contents
from watcher_tsmig.forecast.curves import Curves
from watcher_tsmig.forecast.curves import fit
from watcher_tsmig.forecast.hybrid import Switch
from watcher_tsmig.forecast.hybrid import hybrid
from watcher_tsmig.forecast.migrations import Ending
from watcher_tsmig.forecast.migrations import Forecasts
from watcher_tsmig.forecast.migrations import least_convergent_bandwidth
from watcher_tsmig.forecast.migrations import pre_copy
from watcher_tsmig.model import WorkingSet
from watcher_tsmig.model.rules import Rules


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a migration may take, s; inf for any time.

    :ivar total: of the transfer
    :ivar downtime: of the VM serving nobody or hardly anybody
    """

    total: float = math.inf
    downtime: float = math.inf

    def __post_init__(self) -> None:
        for name in ('total', 'downtime'):
            if not getattr(self, name) > 0:
                raise errors.InputError('is not above 0', name)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One VM that wants to move, and what it may be put through.

    :ivar bandwidth: that it would get, bytes/s on the wire
    :ivar contents: what its pages weigh; None where nobody looked
    :ivar may_post_copy: its owner permits post-copy
    :ivar hosts_post_copy: of (source, destination); None where nobody
        said, which counts as no
    :ivar auto_converge: the source host permits auto-converge
    :ivar max_throttle: share of its CPUs that the SLA lets be taken
    """

    working_set: WorkingSet
    bandwidth: float
    rules: Rules = Rules()
    limits: Limits = Limits()
    contents: Contents | None = None
    may_post_copy: bool = True
    hosts_post_copy: tuple[bool | None, bool | None] = (None, None)
    auto_converge: bool = False
    max_throttle: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.bandwidth < math.inf:
            raise errors.InputError('is not above 0 and finite', 'bandwidth')
        if not 0 <= self.max_throttle < 1:
            raise errors.InputError('is not in [0, 1)', 'max_throttle')

    @property
    def curves(self) -> Curves:
        """Its working-set curve, as one row."""
        return fit([self.working_set])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a stage foretells; times in s, data in bytes, inf for never.

    :ivar lcb: the least bandwidth at which this stage would admit the VM,
        bytes/s; NaN where the stage has none
    :ivar throttle: share of the VM's CPUs taken at the end
    :ivar switch: when post-copy begins; None where it does not
    """

    t_sum: float
    t_downtime: float
    data: float
    rounds: int
    lcb: float = math.nan
    throttle: float = 0.0
    switch: Switch | None = None


#: Whether a stage admits the VM, why, and what it foretells.
Answer = tuple[bool, str, Outcome | None]


def _outcome(found: Forecasts, lcb: float = math.nan) -> Outcome:
    return Outcome(
        t_sum=float(found.t_sum[0]),
        t_downtime=float(found.t_downtime[0]),
        data=float(found.data[0]),
        rounds=int(np.count_nonzero(found.rounds[0] > 0)),
        lcb=lcb,
    )


def _ends(what: str, outcome: Outcome) -> str:
    return (
        f'{what} ends after {outcome.rounds} rounds in '
        f'{units.human_time(outcome.t_sum)} with '
        f'{units.human_time(outcome.t_downtime)} downtime'
    )


def _over(outcome: Outcome, limits: Limits) -> str:
    """Which limit the outcome exceeds, as a sentence's end; '' if none."""
    for what, takes, most in (
        ('takes', outcome.t_sum, limits.total),
        ('stops the VM for', outcome.t_downtime, limits.downtime),
    ):
        if takes > most:
            return (
                f'{what} {units.human_time(takes)}, the limit is '
                f'{units.human_time(most)}'
            )
    return ''


def _judged(case: Case, what: str, found: Forecasts, lcb: float) -> Answer:
    outcome = _outcome(found, lcb)
    if found.ending[0] == Ending.TIMES_OUT:
        return False, f'{what} would be ended by Nova as too long', outcome
    if not found.converges[0]:
        needs = (
            f'needs {units.human_rate(lcb)}'
            if math.isfinite(lcb)
            else 'ends in time at no bandwidth'
        )
        return (
            False,
            f'{what} {needs}, it would get {units.human_rate(case.bandwidth)}',
            outcome,
        )
    over = _over(outcome, case.limits)
    if over:
        return False, f'{what} {over}', outcome
    return True, _ends(what, outcome), outcome


UNMEASURED = 'nobody measured what it writes'


def by_pattern(case: Case) -> Answer:
    """The forecast from the working-set pattern (PC)."""
    if not case.working_set.samples:
        return False, UNMEASURED, None
    curves = case.curves
    found = pre_copy(curves, case.bandwidth, case.rules)
    lcb = least_convergent_bandwidth(curves, case.rules, case.limits.total)
    return _judged(case, 'pre-copy', found, float(lcb[0]))


def by_dry_run(case: Case) -> Answer:
    """The emulated migration over the pages' contents (DR)."""
    if not case.working_set.samples:
        return False, UNMEASURED, None
    if case.contents is None:
        return False, 'nobody looked at its pages', None
    curves, contents = case.curves, [case.contents]
    found = dryrun.dry_run(curves, case.bandwidth, case.rules, contents)
    lcb = dryrun.least_convergent_bandwidth(
        curves, case.rules, contents, case.limits.total
    )
    return _judged(case, 'compressed pre-copy', found.forecasts, float(lcb[0]))


#: How post-copy may begin, the milder first: after a first pass less is
#: missing, so the VM stands for a shorter time, but the transfer is longer.
SWITCHES = (Switch.FIRST_PASS, Switch.AT_ONCE)


def _post_copied(case: Case, switch: Switch) -> Outcome:
    found = hybrid(case.curves, case.bandwidth, case.rules, switch).forecasts
    outcome = _outcome(found)
    outage = outcome.t_downtime
    if not case.working_set.samples:
        # what it works with is unknown, so is how long it waits for it
        outage = max(outage, case.rules.post_copy_outage)
    return dataclasses.replace(outcome, t_downtime=outage, switch=switch)


def by_post_copy(case: Case) -> Answer:
    """Post-copy where its owner and both hosts permit it."""
    source, destination = case.hosts_post_copy
    for permitted, who in (
        (case.may_post_copy, 'its owner'),
        (source, 'the source'),
        (destination, 'the destination'),
    ):
        if not permitted:
            return False, f'{who} does not permit post-copy', None
    over = ''
    for switch in SWITCHES:
        if switch is Switch.FIRST_PASS and not case.working_set.samples:
            # nobody knows what a first pass would leave to do
            continue
        outcome = _post_copied(case, switch)
        over = _over(outcome, case.limits)
        if not over:
            return (
                True,
                f'post-copy {switch.value} takes '
                f'{units.human_time(outcome.t_sum)}, the VM hardly serves '
                f'for {units.human_time(outcome.t_downtime)}',
                outcome,
            )
    return False, f'post-copy {switch.value} {over}', outcome


def by_force(case: Case) -> Answer:
    """Auto-converge where the host permits it and the SLA bears it."""
    refused = (
        (not case.working_set.samples, UNMEASURED),
        (not case.auto_converge, 'the source does not permit auto-converge'),
        (
            # nova/virt/libvirt/driver.py: one flag excludes the other
            bool(case.hosts_post_copy[0]),
            'Nova leaves auto-converge off where a host permits post-copy',
        ),
        (case.max_throttle <= 0, 'the SLA lets none of its CPUs be taken'),
    )
    for wrong, text in refused:
        if wrong:
            return False, text, None
    curves = case.curves
    found = throttle.auto_converge(curves, case.bandwidth, case.rules)
    least = throttle.least_throttle(curves, case.bandwidth, case.rules)
    outcome = Outcome(
        t_sum=found.t_sum,
        t_downtime=found.t_downtime,
        data=found.data,
        rounds=found.rounds,
        throttle=found.throttle,
    )
    if found.ending is not Ending.CONVERGES:
        return False, 'pre-copy does not end however throttled', outcome
    if found.throttle > case.max_throttle:
        return (
            False,
            f'auto-converge takes {found.throttle:.0%} of its CPUs (at least '
            f'{least:.0%} are needed), the SLA lets {case.max_throttle:.0%} '
            'be taken',
            outcome,
        )
    over = _over(outcome, case.limits)
    if over:
        return False, f'throttled pre-copy {over}', outcome
    text = _ends('pre-copy', outcome)
    return (
        True,
        f'{text} while auto-converge takes {found.throttle:.0%} of its CPUs '
        f'(at least {least:.0%} are needed)',
        outcome,
    )


def left_out(case: Case) -> Answer:
    """Nothing admits it."""
    return True, 'no stage admits it', None
