"""Why each VM got its mode, and what the other had cost.

Reasons are decided by a table, first match wins; the sentences say the
numbers that decided.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence

from scipy import sparse

from watcher_tsmig import units
from watcher_tsmig.plan import game as game_module
from watcher_tsmig.plan import problem as problem_module
from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.joint import Settled
from watcher_tsmig.plan.problem import Problem
from watcher_tsmig.plan.tasks import Booking
from watcher_tsmig.plan.tasks import Tasks
from watcher_tsmig.plan.tasks import Way
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Objective
from watcher_tsmig.plan.ways import Moves
from watcher_tsmig.reasons import Reason

# Said of what is in no migration's way.
OVER = ' over another network'
# Said before what follows from writing that nobody measured.
IF_SO = 'if it writes as assumed, '


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What decides one VM's reason; rates in bytes/s, loads as shares.

    :ivar mode: its mode
    :ivar wanted: whether contention alone would have post-copied it
    :ivar gentle: whether what tenants lose comes first
    :ivar fell_back: it switches because no turn left enough for pre-copy
    :ivar needs: the least bandwidth of its pre-copy that would do
    :ivar room: what the path leaves for it at best; of one that fell back,
        before anybody has moved
    :ivar load: of the busiest link that it could add to, in this mode
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
    gentle: bool
    fell_back: bool
    forced: bool
    may_pre: bool
    may_post: bool
    tx: float
    rx: float
    needs: float
    room: float
    load: float
    other_load: float
    longer: float | None
    assumed: tuple[str, ...] = ()
    unearned: bool = False
    sends_apart: bool = False
    receives_apart: bool = False

    @property
    def near_equal(self) -> bool:
        """Neither mode's load differs by more than a percent of a NIC."""
        return abs(self.load - self.other_load) < 0.01

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
    if 'dirtying' in case.assumed:
        return 'is assumed to write too fast'
    return 'writes too fast'


def _needs(case: Case) -> str:
    if case.fell_back:
        return (
            f'no turn left it the {units.human_rate(case.needs)} that '
            'pre-copy needs: beside the traffic that is there, the link '
            f'leaves {units.human_rate(case.room)}'
        )
    return (
        f'pre-copy would need {units.human_rate(case.needs)}, the link '
        f'leaves {units.human_rate(case.room)}'
    )


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
        lambda c: c.mode.switches and not c.wanted and c.gentle,
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
        return (
            'post-copy is not permitted by its owner, its service class, '
            'its hosts or the request'
        )
    if case.mode.early and (case.fell_back or not case.may_pre):
        guess = 'dirtying' in case.assumed
        return f'{IF_SO if guess else ""}{_needs(case)}'
    if case.near_equal:
        load = f'{other} would load the NICs about as much'
    else:
        load = (
            f'{other} would load the busier NIC to {case.other_load:.0%} '
            f'instead of {case.load:.0%}'
        )
    return f'{load}{_price(case)}'


def _price(case: Case) -> str:
    if case.longer is None or abs(case.longer) < 1.0:
        return ''
    much = units.human_time(abs(case.longer))
    return f', and take {much} {"longer" if case.longer > 0 else "less"}'


def loads(
    settled: Settled, tasks: Tasks, bookings: Sequence[Booking]
) -> FloatArray:
    """Contention on each link, in the modes booked, shape (m,)."""
    return game_module.loads(settled.game, _booked(settled, tasks, bookings))


def _booked(
    settled: Settled, tasks: Tasks, bookings: Sequence[Booking]
) -> BoolArray:
    """The choice, with the modes booked where they differ, shape (k,)."""
    post = settled.choice.post.copy()
    for b in bookings:
        if b.task < len(post):
            post[b.task] = tasks.tasks[b.task].ways[b.way].early
    return post


def cases(
    problem: Problem,
    settled: Settled,
    moves: Moves,
    tasks: Tasks,
    bookings: Sequence[Booking],
) -> list[Case]:
    """One case for each booking."""
    may, choice = settled.may, _booked(settled, tasks, bookings)
    load = game_module.loads(settled.game, choice)
    place = {int(row): i for i, row in enumerate(settled.rows)}
    now = problem_module.room(problem, problem.app)
    gentle = problem.request.objective is Objective.GENTLE
    found: list[Case] = []
    for b in bookings:
        row = int(moves.rows[b.task])
        i = place[row]
        ways = tasks.tasks[b.task].ways
        way = ways[b.way]
        others = [w for w in ways if w.early != way.early]
        best = float(settled.best[row])
        mode = Mode(way.label)
        switches = bool(may.hybrid[row] or may.post[row])
        needs = problem_module.pre_copy_needs(problem, row, switches)
        left = _room(now, way)
        wanted = bool(settled.wanted[row])
        fell_back = mode.switches and not wanted and left < needs <= best
        as_pre, as_post = _as_either(settled, load, i, bool(choice[i]))
        longer = None
        if others and b.rate >= others[-1].least:
            longer = others[-1].takes(b.rate) - b.takes
        found.append(
            Case(
                mode=mode,
                wanted=wanted,
                gentle=gentle,
                fell_back=fell_back,
                forced=problem.request.only_mode is not None,
                may_pre=needs <= best,
                may_post=switches,
                tx=float(problem.tx[row]),
                rx=float(problem.rx[row]),
                needs=needs,
                room=left if fell_back else best,
                load=as_post if way.early else as_pre,
                other_load=as_pre if way.early else as_post,
                longer=longer,
                assumed=problem.assumed[row],
                unearned=_unearned(problem, moves, b.task),
                sends_apart=_apart(problem, way, out=True),
                receives_apart=_apart(problem, way, out=False),
            )
        )
    return found


def _unearned(problem: Problem, moves: Moves, task: int) -> bool:
    ends = [moves.source[task], moves.destination[task]]
    capable = problem.post_capable[ends].all()
    return bool(problem.unearned[moves.rows[task]] and capable)


def _apart(problem: Problem, way: Way, *, out: bool) -> bool:
    """Tenants' traffic is on no link of the path in that direction."""
    links = problem.network
    mine = [link for link in way.links if links.is_out(link) is out]
    return not links.tenants[mine].any()


def _room(rooms: FloatArray, way: Way) -> float:
    """What the narrowest link of the path leaves, bytes/s."""
    return float(rooms[list(way.links)].min())


def _as_either(
    settled: Settled, load: FloatArray, i: int, post: bool
) -> tuple[float, float]:
    """Load of the busiest link it could add to: (pre-copied, post-copied)."""
    game = settled.game
    adds = [_column(matrix, i) for matrix in (game.pre, game.post)]
    links = sorted({link for part in adds for link in part})
    mine = adds[int(post)]
    found = []
    for part in adds:
        loads = [
            load[link]
            + (part.get(link, 0.0) - mine.get(link, 0.0)) / game.capacity[link]
            for link in links
        ]
        found.append(float(max(loads, default=0.0)))
    return found[0], found[1]


def _column(matrix: sparse.csc_array, i: int) -> dict[int, float]:
    begin, end = matrix.indptr[i], matrix.indptr[i + 1]
    return dict(
        zip(
            matrix.indices[begin:end].tolist(),
            matrix.data[begin:end].tolist(),
            strict=True,
        )
    )
