"""Why each VM got its mode, and what the other had cost.

Reasons are decided by a table, first match wins; the sentences say the
numbers that decided.
"""

import dataclasses
import math
from collections.abc import Callable

from watcher_tsmig import units
from watcher_tsmig.plan.problem.known import seen_writing
from watcher_tsmig.plan.problem.ladder import Stage
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.reasons import Reason

# Said of what is in no migration's way.
OVER = ' over another network'
# Said where the dry run could not be asked.
UNSEEN = '; nobody sampled its pages'
# Said before what follows from writing that nobody measured.
IF_SO = 'if it writes as assumed, '


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What decides one VM's reason; rates in bytes/s, loads as shares.

    :ivar mode: its mode
    :ivar wanted: whether contention alone would have post-copied it
    :ivar fell_back: it switches because no turn left enough for pre-copy
    :ivar stage: by which it moves, of the ladder
    :ivar needs: the least bandwidth of its pre-copy that would do, by what
        it writes
    :ivar dry: likewise by the dry run; where nobody sampled, as `needs`
    :ivar sampled: somebody sampled its pages
    :ivar zeros: share of what it writes that surely is zero, then
    :ivar taken: share of its CPUs that auto-converge takes in the end
    :ivar room: what the path leaves for it at best; of one that fell back,
        before anybody has moved
    :ivar load: of the busiest link that it could add to, in this mode
    :ivar price: what it counts, in seconds in which a VM does not serve,
        weighed
    :ivar other_price: likewise the other mode; None where it is not possible
    :ivar longer: s that the other mode would take longer at the same cap;
        None where it is not possible
    :ivar assumed: what of it nobody measured, as in `Migration.assumed`
    :ivar unearned: a post-copy would be permitted, were its writing
        measured
    :ivar sends_apart: what it sends takes another way than migrations that
        leave its host
    :ivar receives_apart: what it receives takes another way than those that
        come to its destination
    """

    mode: Mode
    wanted: bool
    fell_back: bool
    forced: bool
    may_pre: bool
    may_post: bool
    tx: float
    rx: float
    needs: float
    dry: float
    room: float
    load: float
    other_load: float
    longer: float | None
    price: float = 0.0
    other_price: float | None = None
    stage: Stage = Stage.PATTERN
    sampled: bool = False
    zeros: float = 0.0
    taken: float = 0.0
    assumed: tuple[str, ...] = ()
    unearned: bool = False
    sends_apart: bool = False
    receives_apart: bool = False

    @property
    def near_equal(self) -> bool:
        """Neither mode's load differs by more than a percent of a NIC."""
        return abs(self.load - self.other_load) < 0.01

    @property
    def cheaper(self) -> bool:
        """Whether the other mode would count for more."""
        return self.other_price is not None and self.price < self.other_price

    @property
    def sent_beside(self) -> float:
        """What it sends where it would be in migrations' way, bytes/s."""
        return 0.0 if self.sends_apart else self.tx

    @property
    def received_beside(self) -> float:
        """Likewise what it receives."""
        return 0.0 if self.receives_apart else self.rx


def _traffic(case: Case) -> str:
    if case.sends_apart and case.receives_apart:
        return 'its traffic is on another network'
    tx, rx = units.human_rate(case.tx), units.human_rate(case.rx)
    tx += OVER * case.sends_apart
    rx += OVER * case.receives_apart
    if 'traffic' in case.assumed:
        return f'is assumed to send {tx} and to receive {rx}'
    return f'sends {tx}, receives {rx}'


def _writes(case: Case) -> str:
    if not seen_writing(case.assumed):
        return 'is assumed to write too fast'
    return 'writes too fast'


def _needs(case: Case) -> str:
    if case.fell_back:
        return (
            f'no turn left it the {units.human_rate(case.dry)} that '
            'pre-copy needs: beside the traffic that is there, the link '
            f'leaves {units.human_rate(case.room)}'
        )
    by_dry_run = ''
    if case.sampled:
        by_dry_run = f', by the dry run {units.human_rate(case.dry)}'
    return (
        f'pre-copy would need {units.human_rate(case.needs)}{by_dry_run}, '
        f'the link leaves {units.human_rate(case.room)}'
    )


def _zeros(case: Case) -> str:
    return (
        f'dry run: {case.zeros:.0%} of its writes are zeros, so '
        f'{units.human_rate(case.dry)} do; by its writing alone pre-copy '
        f'would need {units.human_rate(case.needs)}'
    )


def _slowed(case: Case) -> str:
    return f'auto-converge takes {case.taken:.0%} of its CPUs: {_needs(case)}'


Row = tuple[Reason, Callable[[Case], bool], Callable[[Case], str]]

REASONS: tuple[Row, ...] = (
    (
        Reason.MODE_FORCED,
        lambda c: c.forced,
        lambda c: f'asked for; {_traffic(c)}',
    ),
    (
        Reason.WRITES_TOO_FAST,
        lambda c: c.mode.switches and (c.fell_back or not c.may_pre),
        lambda c: f'{_writes(c)}: {_needs(c)}',
    ),
    (
        Reason.DRY_RUN,
        lambda c: not c.mode.switches and c.stage is Stage.DRY_RUN,
        _zeros,
    ),
    (
        Reason.THROTTLED,
        lambda c: not c.mode.switches and c.stage is Stage.FORCED,
        _slowed,
    ),
    (
        Reason.ONLY_PRE_COPY,
        lambda c: not c.mode.switches and c.unearned,
        lambda c: (
            f'its writing is only assumed, no reason to post-copy; '
            f'{_traffic(c)}'
        ),
    ),
    (
        Reason.ONLY_PRE_COPY,
        lambda c: not c.mode.switches and not c.may_post,
        lambda c: f'post-copy not permitted; {_traffic(c)}',
    ),
    (
        Reason.LESS_OUTAGE,
        lambda c: c.wanted and not c.mode.early,
        lambda c: f'its outage would cost more; {_traffic(c)}',
    ),
    (
        Reason.HARMS_LESS,
        lambda c: c.mode.switches and not c.wanted and c.cheaper,
        lambda c: f'tenants lose less in all; {_traffic(c)}',
    ),
    (
        Reason.MAKES_IT_SHORTER,
        lambda c: c.mode.switches and not c.wanted,
        lambda c: f'makes the plan shorter; {_traffic(c)}',
    ),
    (
        Reason.NO_CONTENTION,
        lambda c: not c.mode.early and c.near_equal,
        lambda c: f'either mode would do; {_traffic(c)}',
    ),
    (
        Reason.SENDS_LESS,
        lambda c: not c.mode.early and c.sent_beside < c.received_beside,
        lambda c: f'{_traffic(c)}: the source stays free',
    ),
    (
        Reason.RECEIVES_LESS,
        lambda c: c.mode.early and c.received_beside < c.sent_beside,
        lambda c: f'{_traffic(c)}: the destination stays free',
    ),
    (
        Reason.BALANCES,
        lambda c: True,
        lambda c: f'{_traffic(c)}: balances the NICs of both hosts',
    ),
)


def reason(case: Case) -> tuple[Reason, str]:
    """The reason code and the sentence for people."""
    for code, applies, sentence in REASONS:
        if applies(case):
            return code, sentence(case)
    raise AssertionError('the last row of REASONS applies always')


def runner_up(case: Case) -> str:
    """What the other mode would have meant, for people, with its price."""
    other = Mode.PRE_COPY if case.mode.early else Mode.POST_COPY
    if not case.mode.switches and case.unearned:
        return (
            'post-copy is not tried where writing is only assumed, unless '
            'post_copy_assumed asks for it'
        )
    if not case.mode.switches and not case.may_post:
        asked = case.sampled or case.stage is not Stage.FORCED
        return (
            'post-copy is not permitted by its owner, its service class, '
            f'its hosts or the request{"" if asked else UNSEEN}'
        )
    if case.mode.early and (case.fell_back or not case.may_pre):
        if not seen_writing(case.assumed):
            return f'{IF_SO}{_needs(case)}'
        unseen = not (case.sampled or case.fell_back)
        return f'{_needs(case)}{UNSEEN if unseen else ""}'
    if case.near_equal:
        load = f'{other} would load the NICs about as much'
    else:
        load = (
            f'{other} would load the busier NIC to {case.other_load:.0%} '
            f'instead of {case.load:.0%}'
        )
    return f'{load}{_price(case)}'


def _price(case: Case) -> str:
    said = ''
    if case.longer is not None and abs(case.longer) >= 1.0:
        much = units.human_time(abs(case.longer))
        said = f', and take {much} {"longer" if case.longer > 0 else "less"}'
    if case.other_price is None:
        return said
    return f'{said}; {_counts(case.other_price)} against {case.price:.2g} s'


def _counts(price: float) -> str:
    if price < math.inf:
        return f'its price is {price:.2g} s'
    return 'its price has no bound'
