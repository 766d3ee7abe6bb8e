"""From placed VMs with their modes to the scheduler's tasks.

Each VM becomes a task with one way for each mode that it may have, the
chosen one first. What a way uses, claims and moves is said here in links,
stores and counters (tasks.py); when it does so is the scheduler's.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem import foretold
from watcher_tsmig.plan.problem import headroom
from watcher_tsmig.plan.problem import passing
from watcher_tsmig.plan.problem import problem as problem_module
from watcher_tsmig.plan.problem.ladder import HAIR
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Task
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way
from watcher_tsmig.plan.tasks import harm
from watcher_tsmig.plan.tasks import moves as moves_module
from watcher_tsmig.plan.tasks.moves import Known
from watcher_tsmig.plan.tasks.moves import Moves
from watcher_tsmig.plan.values import Mode

# Who would stand long at a low rate, or might not end at all, waits for a
# better one, but for no more than this share of the best that its path ever
# has.
PATIENT = 0.7


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """The ways that one move has, whatever is chosen for it.

    :ivar any: by mode, at any rate that will do
    :ivar calm: by mode, at rates that harm little; where that asks for more
    :ivar risky: a pre-copy at any rate at which it is foretold to end, where
        it should have a better one
    :ivar harms: by mode, at the best rate that its path ever has, weighed s
    :ivar release: it may not start earlier, s
    """

    any: dict[Mode, Way]
    calm: dict[Mode, Way]
    risky: Way | None
    harms: dict[Mode, float]
    release: float

    @property
    def modes(self) -> list[Mode]:
        """The modes that it may have, the one that harms least first."""
        return sorted(self.any, key=lambda mode: self.harms[mode])

    @property
    def spared(self) -> bool:
        """Whether pre-copy is possible, and no switch harms less."""
        return bool(self.any) and self.modes[0] is Mode.PRE_COPY

    def tolled(self, toll: float) -> 'Ways':
        """The same where a switch that nobody needs has to pay.

        :param toll: s by which it must shorten the whole
        """
        if not self.spared:
            return self

        def some(ways: dict[Mode, Way]) -> dict[Mode, Way]:
            return {
                mode: dataclasses.replace(way, toll=toll)
                if mode.switches
                else way
                for mode, way in ways.items()
            }

        return dataclasses.replace(
            self, any=some(self.any), calm=some(self.calm)
        )

    def of(self, first: Mode | None, calm: bool) -> tuple[Way, ...]:
        """The preferred one first.

        :param first: the preferred mode, where it may have it; None: the one
            that harms least
        :param calm: a calm way comes before any in its mode, and not last
        """
        modes = sorted(self.modes, key=lambda mode: mode is not first)
        both = self.calm, self.any
        if calm:
            order = [ways.get(mode) for mode in modes for ways in both]
        else:
            order = [ways.get(mode) for ways in both[::-1] for mode in modes]
        order.append(self.risky)
        return tuple(way for way in order if way is not None)


def ways(problem: Problem, moves: Moves) -> list[Ways]:
    """What all moves may do."""
    known = moves_module.known(problem, moves)
    found = _foretold(problem, moves, known)
    return [
        _ways(problem, moves, known, i, found) for i in range(len(moves.rows))
    ]


def tasks(
    problem: Problem,
    moves: Moves,
    ways: list[Ways],
    first: Sequence[Mode | None],
    lanes: int,
) -> Tasks:
    """The moves as tasks, in their order and modes.

    :param ways: of these moves
    :param first: the mode that each should have; None: what harms least
    :param lanes: at most so many at once from a host, and to a host; the
        request may allow fewer
    """
    request, links = problem.request, problem.network
    patient = request.patient
    return Tasks(
        tasks=tuple(
            Task(
                ways=mine.of(mode, patient),
                release=mine.release,
                after=after,
            )
            for mine, mode, after in zip(ways, first, moves.after, strict=True)
        ),
        capacity=links.capacity,
        app=problem.app,
        share=request.nic_share,
        floor=request.nic_floor,
        stores=problem.free.reshape(-1),
        limits=_limits(problem, lanes),
        deadline=request.deadline,
        trusting=not patient,
        running=passing.tasks(problem.passing, len(problem.names)),
    )


def _way(
    problem: Problem,
    moves: Moves,
    known: Known,
    i: int,
    mode: Mode,
    least: float,
    told: '_Told',
) -> Way:
    shared, by_rate = known.shared[i], told.by_rate
    return Way(
        links=known.paths[i],
        takes=lambda rate: by_rate(rate).whole,
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
            harm.Switched(mode, float(known.faults[i]), told.busy),
            shared['leaves'],
        ),
        late=harm.lateness(by_rate, told.busy),
        leaves=shared['leaves'],
        brings=shared['brings'],
        claims=shared['claims'],
        frees=shared['frees'],
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Told:
    """What is foretold of a move in one mode.

    :ivar best: the best rate that its path ever has, bytes/s
    :ivar busy: of a VM that writes `harm.BUSY` more than is known
    """

    best: float
    by_rate: foretold.ByRate
    busy: foretold.ByRate


_Foretold = dict[tuple[int, Mode], _Told]


def _foretold(problem: Problem, moves: Moves, known: Known) -> _Foretold:
    """Of each mode that a move may have, all of one mode at once."""
    out: _Foretold = {}
    streams = np.array(
        [
            problem.stream(int(host), path)
            for host, path in zip(moves.source, known.paths, strict=True)
        ]
    )
    for mode, may in moves.may.items():
        some = np.flatnonzero(may)
        best = [
            max(_best(problem, moves, known, i, mode), 1.0)
            for i in some.tolist()
        ]
        asked = moves.rows[some], mode, streams[some], np.array(best)
        plain = busy = foretold.by_rates(problem, *asked)
        if not mode.switches:
            busy = foretold.by_rates(problem, *asked, harm.BUSY)
        for k, i in enumerate(some.tolist()):
            out[i, mode] = _Told(best[k], plain[k], busy[k])
    return out


def _ways(
    problem: Problem, moves: Moves, known: Known, i: int, found: _Foretold
) -> Ways:
    """Where time is not all, a rate that harms little is waited for."""
    row = int(moves.rows[i])
    modes = [mode for mode, may in moves.may.items() if may[i]]
    best = {mode: found[i, mode].best for mode in modes}
    least = {
        mode: 0.0 if mode.switches else _sure(problem, row, best[mode])
        for mode in best
    }
    calm = {}
    if not problem.request.hurried:
        calm = {
            mode: _calm(problem, known, i, mode, best[mode]) for mode in least
        }

    def way(mode: Mode, rate: float) -> Way:
        return _way(problem, moves, known, i, mode, rate, found[i, mode])

    every = {mode: way(mode, rate) for mode, rate in least.items()}
    needs = problem_module.pre_copy_needs(problem, row)
    risky = least.get(Mode.PRE_COPY, 0.0) > needs
    return Ways(
        any=every,
        risky=way(Mode.PRE_COPY, needs) if risky else None,
        harms={mode: way.harm(best[mode]) for mode, way in every.items()},
        calm={
            mode: way(mode, rate)
            for mode, rate in calm.items()
            if rate > least[mode]
        },
        release=float(known.releases[i]),
    )


def _best(
    problem: Problem, moves: Moves, known: Known, i: int, mode: Mode
) -> float:
    """The best rate that there will be on its path, bytes/s."""
    host = moves.destination[i] if mode.early else moves.source[i]
    room = headroom.best_rate(
        problem, known.left, int(moves.rows[i]), known.paths[i], int(host)
    )
    return min(known.most_of(i, mode), room)


def _sure(problem: Problem, row: int, best: float) -> float:
    """The least rate at which a pre-copy is begun, bytes/s.

    One at which it ends though its VM writes more than is known, or most of
    the best that there will be.
    """
    needs = problem_module.pre_copy_needs(problem, row)
    sure = needs * math.exp(harm.SURE * float(problem.width[row]))
    return max(needs, min(sure, PATIENT * best))


def _calm(
    problem: Problem, known: Known, i: int, mode: Mode, best: float
) -> float:
    """The rate that a move waits for, bytes/s; 0: any.

    More than the floor of a full link, and of a post-copy one at which its
    VM does not stand for long, or most of the best that there will be.
    """
    capacity = problem.network.capacity[list(known.paths[i])]
    calm = float((problem.request.nic_floor * capacity).max()) * (1 + HAIR)
    if mode.early:
        enough = float(known.faults[i]) / problem.rules.post_copy_outage
        calm = max(calm, min(enough, PATIENT * best))
    return calm if calm < best else 0.0


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
