"""What decided each booking's mode, as numbers: the cases of why.py.

Nothing is decided and nothing is worded here.
"""

from collections.abc import Sequence
from typing import Any

from scipy import sparse

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.explain.why import Case
from watcher_tsmig.plan.modes import game as game_module
from watcher_tsmig.plan.placement.joint import Settled
from watcher_tsmig.plan.problem import foretold
from watcher_tsmig.plan.problem import headroom
from watcher_tsmig.plan.problem import problem as problem_module
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way
from watcher_tsmig.plan.tasks.moves import Moves
from watcher_tsmig.plan.values import Mode


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
    now = headroom.room(problem, problem.app)
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
        needs = problem_module.pre_copy_needs(problem, row)
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
                price=way.harm(b.rate),
                other_price=_cheapest(others, b.rate),
                fell_back=fell_back,
                forced=problem.request.only_mode is not None,
                may_pre=needs <= best,
                may_post=switches,
                tx=float(problem.tx[row]),
                rx=float(problem.rx[row]),
                **_rungs(problem, row, b.rate),
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


def _rungs(problem: Problem, row: int, rate: float) -> dict[str, Any]:
    """What the ladder's stages said of one, as fields of `Case`."""
    rungs = problem.rungs
    return {
        'needs': rungs.pattern.of(row),
        'dry': rungs.dry.of(row),
        'stage': rungs.stage(row, rate),
        'sampled': bool(rungs.sampled[row]),
        'zeros': float(rungs.zeros[row]),
        'taken': foretold.taken(problem, row, rate),
    }


def _cheapest(others: Sequence[Way], rate: float) -> float | None:
    """The least harm of these at that rate, or at what they need."""
    return min((w.harm(max(rate, w.least)) for w in others), default=None)


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
