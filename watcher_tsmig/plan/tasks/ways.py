"""From placed VMs with their modes to the scheduler's tasks.

Each VM becomes a task with one way for each mode that it may have, the
chosen one first. What a way uses, claims and moves is said here in links,
stores and counters (tasks.py); when it does so is the scheduler's.
"""

import dataclasses

import numpy as np

from watcher_tsmig.plan.arrays import BoolArray
from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.arrays import IntArray
from watcher_tsmig.plan.problem import foretold
from watcher_tsmig.plan.problem import passing
from watcher_tsmig.plan.problem import problem as problem_module
from watcher_tsmig.plan.problem.ladder import HAIR
from watcher_tsmig.plan.problem.problem import STORES
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Amounts
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way
from watcher_tsmig.plan.tasks import harm
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.plan.values import Objective

# In which order modes are tried, by whether the VM should go at the start.
TRIED = {
    False: (Mode.PRE_COPY, Mode.HYBRID, Mode.POST_COPY),
    True: (Mode.POST_COPY, Mode.PRE_COPY, Mode.HYBRID),
}
# A post-copy whose VM would stand long waits for this share of the best
# rate that its path ever has.
PATIENT = 0.7


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """Migrations to schedule; arrays of shape (k,), one for each.

    :ivar rows: of the problem; a VM with two hops has two
    :ivar source: host
    :ivar destination: host
    :ivar post: whether it should go at the start, by post-copy
    :ivar may_pre: pre-copy is possible
    :ivar may_hybrid: post-copy after the first pass is, and of use
    :ivar may_post: post-copy at once is permitted
    :ivar after: indices of the moves that must end before it, for each
    """

    rows: IntArray
    source: IntArray
    destination: IntArray
    post: BoolArray
    may_pre: BoolArray
    may_hybrid: BoolArray
    may_post: BoolArray
    after: tuple[tuple[int, ...], ...]

    @property
    def may(self) -> dict[Mode, BoolArray]:
        """By mode, shape (k,): who may have it."""
        return {
            Mode.PRE_COPY: self.may_pre,
            Mode.HYBRID: self.may_hybrid,
            Mode.POST_COPY: self.may_post,
        }

    @property
    def late(self) -> BoolArray:
        """Whose traffic may stay at the source until the end; (k,)."""
        out: BoolArray = self.may_pre | self.may_hybrid
        return out


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is computed for all moves at once.

    :ivar most: shape (k,), bytes/s, that the operator and the way permit
    :ivar given: shape (k,), bytes/s, that Nova gives a pre-copy
    :ivar faults: shape (k,), see `harm.faults`
    :ivar volumes: by mode, shape (k,), bytes on the wire
    :ivar left: shape (m,), traffic on each link once all have left
    :ivar shared: what moves with each VM, whatever its mode
    """

    paths: list[tuple[int, ...]]
    most: FloatArray
    given: FloatArray
    faults: FloatArray
    volumes: dict[Mode, FloatArray]
    counters: list[tuple[int, ...]]
    releases: FloatArray
    left: FloatArray
    shared: list[dict[str, Amounts]]

    def most_of(self, i: int, mode: Mode) -> float:
        """Bytes/s; Nova gives a post-copy whatever there is."""
        most = float(self.most[i])
        return most if mode.early else min(most, float(self.given[i]))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """The ways that one move has, whatever is chosen for it.

    :ivar any: by mode, at any rate that will do
    :ivar calm: by mode, at rates that harm little; where that asks for more
    :ivar release: it may not start earlier, s
    """

    any: dict[Mode, Way]
    calm: dict[Mode, Way]
    release: float

    def of(self, post: bool, calm: bool) -> tuple[Way, ...]:
        """The preferred one first.

        :param calm: a calm way comes before any in its mode, and not last
        """
        modes, both = TRIED[post], (self.calm, self.any)
        if calm:
            order = [ways.get(mode) for mode in modes for ways in both]
        else:
            order = [ways.get(mode) for ways in both[::-1] for mode in modes]
        return tuple(way for way in order if way is not None)


def ways(problem: Problem, moves: Moves) -> list[Ways]:
    """What all moves may do."""
    known = _known(problem, moves)
    return [_ways(problem, moves, known, i) for i in range(len(moves.rows))]


def tasks(
    problem: Problem, moves: Moves, ways: list[Ways], lanes: int
) -> Tasks:
    """The moves as tasks, in their order and modes.

    :param ways: of these moves
    :param lanes: at most so many at once from a host, and to a host; the
        request may allow fewer
    """
    request, links = problem.request, problem.network
    gentle = request.objective is Objective.GENTLE
    return Tasks(
        tasks=tuple(
            Task(
                ways=mine.of(bool(post), gentle),
                release=mine.release,
                after=after,
            )
            for mine, post, after in zip(
                ways, moves.post, moves.after, strict=True
            )
        ),
        capacity=links.capacity,
        app=problem.app,
        share=request.nic_share,
        floor=request.nic_floor,
        stores=problem.free.reshape(-1),
        limits=_limits(problem, lanes),
        deadline=request.deadline,
        trusting=not gentle,
        running=passing.tasks(problem.passing, len(problem.names)),
    )


def _known(problem: Problem, moves: Moves) -> _Known:
    rooms = problem_module.best_room(problem)
    paths = [
        problem.network.path(int(s), int(d))
        for s, d in zip(moves.source, moves.destination, strict=True)
    ]
    most = np.array(
        [
            _most(problem, int(host), path)
            for host, path in zip(moves.source, paths, strict=True)
        ]
    )
    best = np.array([rooms[list(path)].min() for path in paths])
    gets = set(map(int, moves.destination))
    return _Known(
        paths=paths,
        most=most,
        given=problem.given[moves.source],
        faults=foretold.faults(problem, moves.rows),
        volumes=foretold.volumes(problem, moves.rows, np.minimum(most, best)),
        counters=_counters(problem, moves),
        releases=np.maximum(
            problem.release[moves.source], problem.release[moves.destination]
        ),
        left=problem_module.left(problem),
        shared=[_shared(problem, moves, i, gets) for i in range(len(paths))],
    )


def _way(
    problem: Problem,
    moves: Moves,
    known: _Known,
    i: int,
    mode: Mode,
    least: float,
    by_rate: foretold.ByRate,
) -> Way:
    shared = known.shared[i]
    return Way(
        links=known.paths[i],
        takes=lambda rate: by_rate(rate)[0],
        least=least,
        most=known.most_of(i, mode),
        setup=problem.rules.overhead,
        volume=float(known.volumes[mode][i]),
        early=mode.early,
        label=mode,
        counters=known.counters[i],
        harm=harm.of_way(
            problem,
            int(moves.rows[i]),
            known.paths[i],
            by_rate,
            harm.Switched(mode, float(known.faults[i])),
            shared['leaves'],
        ),
        **shared,
    )


def _ways(problem: Problem, moves: Moves, known: _Known, i: int) -> Ways:
    """Where time is not all, a rate that harms little is waited for."""
    row = int(moves.rows[i])
    switches = bool(moves.may_hybrid[i] or moves.may_post[i])
    needs = problem_module.pre_copy_needs(problem, row, switches)
    least = {
        mode: 0.0 if mode.switches else needs
        for mode, may in moves.may.items()
        if may[i]
    }
    calm = {}
    if problem.request.objective is not Objective.FAST:
        calm = {mode: _calm(problem, known, i, mode) for mode in least}
    stream = problem.stream(int(moves.source[i]), known.paths[i])
    by_rate = {
        mode: foretold.by_rate(problem, row, mode, stream) for mode in least
    }

    def way(mode: Mode, rate: float) -> Way:
        return _way(problem, moves, known, i, mode, rate, by_rate[mode])

    return Ways(
        any={mode: way(mode, rate) for mode, rate in least.items()},
        calm={
            mode: way(mode, rate)
            for mode, rate in calm.items()
            if rate > least[mode]
        },
        release=float(known.releases[i]),
    )


def _calm(problem: Problem, known: _Known, i: int, mode: Mode) -> float:
    """The rate that a move waits for, bytes/s; 0: any.

    More than the floor of a full link, and of a post-copy one at which its
    VM does not stand for long, or most of the best that there will be.
    """
    path = list(known.paths[i])
    request, capacity = problem.request, problem.network.capacity[path]
    floor = request.nic_floor * capacity
    comes = dict(known.shared[i]['brings']) if mode.early else {}
    then = known.left[path] + [comes.get(link, 0.0) for link in path]
    room = np.maximum(request.nic_share * (capacity - then), floor)
    best = min(known.most_of(i, mode), float(room.min()))
    calm = float(floor.max()) * (1 + HAIR)
    if mode.early:
        enough = float(known.faults[i]) / problem.rules.post_copy_outage
        calm = max(calm, min(enough, PATIENT * best))
    return calm if calm < best else 0.0


def _most(problem: Problem, source: int, path: tuple[int, ...]) -> float:
    reach = problem.theirs[source].reach(problem.network.delay(path))
    return min(problem.request.ceiling, reach)


def _shared(
    problem: Problem, moves: Moves, i: int, gets: set[int]
) -> dict[str, Amounts]:
    """What moves with the VM, whatever its mode."""
    row = int(moves.rows[i])
    source, destination = int(moves.source[i]), int(moves.destination[i])
    leaves: list[tuple[int, float]] = []
    brings: list[tuple[int, float]] = []
    for sides, rate in (
        (problem.network.sends, float(problem.tx[row])),
        (problem.network.receives, float(problem.rx[row])),
    ):
        if rate <= 0:
            continue
        there, then = sides[source], sides[destination]
        on = problem.network.tenants
        leaves += [(k, rate) for k in there if k not in then and on[k]]
        brings += [(k, rate) for k in then if k not in there and on[k]]
    size = [(k, float(x)) for k, x in enumerate(problem.size[row]) if x > 0]
    width = len(STORES)
    return {
        'leaves': tuple(leaves),
        'brings': tuple(brings),
        'claims': tuple((destination * width + k, x) for k, x in size),
        # nobody waits for what becomes free where nobody goes
        'frees': tuple((source * width + k, x) for k, x in size)
        if source in gets
        else (),
    }


# Counters: migrations out of each host, into each host, in all, and of each
# server group.
def _limits(problem: Problem, lanes: int) -> FloatArray:
    request, h = problem.request, len(problem.names)
    return np.array(
        [min(most, lanes) for most in problem.outgoing]
        + [min(request.max_per_destination, lanes)] * h
        + [request.max_in_cluster]
        + [request.max_per_group] * len(problem.groups),
        dtype=np.float64,
    )


def _counters(problem: Problem, moves: Moves) -> list[tuple[int, ...]]:
    h = len(problem.names)
    out = []
    for row, s, d in zip(
        moves.rows, moves.source, moves.destination, strict=True
    ):
        mine = [
            2 * h + 1 + g
            for g, group in enumerate(problem.groups)
            if int(row) in group.rows
        ]
        out.append((int(s), h + int(d), 2 * h, *mine))
    return out
