"""What keeps each migration from an earlier start or a higher cap.

Sentences only: what binds was decided by the schedule.
"""

import bisect
import dataclasses
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.problem import permits
from watcher_tsmig.plan.problem.headroom import room
from watcher_tsmig.plan.problem.problem import Problem
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.tasks.moves import Moves

# A migration starts right when another ends within this share of its start.
AT_ONCE = 1e-9


def binding(
    problem: Problem,
    moves: Moves,
    tasks: Tasks,
    bookings: Sequence[Booking],
    after: Sequence[tuple[int, ...]],
) -> list[str]:
    """A sentence for each booking."""
    ends = {b.task: b.end for b in bookings}
    leaving = _leaving(problem, moves, bookings)
    rooms = _Rooms(problem, tasks, bookings)
    out = []
    for b, before in zip(bookings, after, strict=True):
        last = max(before, key=lambda task: ends[task], default=None)
        task = tasks.tasks[b.task]
        if last is not None and ends[last] >= b.start * (1 - AT_ONCE):
            name = problem.vms[moves.rows[last]].name
            slots = ''
            if moves.source[last] == moves.source[b.task]:
                slots = _slots(problem, moves, leaving, b)
            shared = slots or _shared(problem, tasks, b.task, last)
            out.append(f'waits for {name}, which holds {shared}')
        elif b.start > 0 and b.start <= task.release * (1 + AT_ONCE):
            out.append('waits for a host to be released')
        elif any(
            abs(one.seconds - b.start) <= b.start * AT_ONCE
            for one in problem.passing
        ):
            out.append('waits for a migration that is under way already')
        elif b.rate >= task.ways[b.way].most * (1 - AT_ONCE):
            out.append('its bandwidth is the most that is permitted')
        else:
            links = task.ways[b.way].links
            link = min(links, key=lambda k: rooms.left(k, b.start))
            out.append(f'{problem.network.names[link]} limits its bandwidth')
    return out


class _Rooms:
    """What links have left while a plan is carried out."""

    def __init__(
        self, problem: Problem, tasks: Tasks, bookings: Sequence[Booking]
    ) -> None:
        self._problem, self._tasks = problem, tasks
        self._steps: dict[int, list[tuple[float, float, float]]] = {}
        for b in bookings:
            way = tasks.tasks[b.task].ways[b.way]
            for link in way.links:
                self._step(link, b.start, b.rate, 0.0)
                self._step(link, b.end, -b.rate, 0.0)
            moved = b.start if way.early else b.end
            for link, rate in way.leaves:
                self._step(link, moved, 0.0, -rate)
            for link, rate in way.brings:
                self._step(link, moved, 0.0, rate)
        self._arrays: dict[int, FloatArray] = {}

    def _step(self, link: int, at: float, used: float, app: float) -> None:
        self._steps.setdefault(link, []).append((at, used, app))

    def left(self, link: int, at: float) -> float:
        """Beside applications and all migrations that run then, bytes/s."""
        if link not in self._arrays:
            self._arrays[link] = np.array(self._steps[link])
        steps = self._arrays[link]
        past = steps[steps[:, 0] <= at * (1 + AT_ONCE)].sum(axis=0)
        app = self._tasks.app.copy()
        app[link] += past[2]
        return float(room(self._problem, app)[link] - past[1])


@dataclasses.dataclass(frozen=True, slots=True)
class _Leaving:
    """When migrations leave one host: both lists sorted, s."""

    starts: list[float]
    ends: list[float]

    def before(self, at: float) -> int:
        """How many there are right before an instant."""
        now = at * (1 - AT_ONCE)
        return bisect.bisect_left(self.starts, now) - bisect.bisect_left(
            self.ends, now
        )


def _leaving(
    problem: Problem, moves: Moves, bookings: Sequence[Booking]
) -> list[_Leaving]:
    """Of each host, by its index."""
    found = [_Leaving([], []) for _ in problem.names]
    for b in bookings:
        host = found[int(moves.source[b.task])]
        bisect.insort(host.starts, b.start)
        bisect.insort(host.ends, b.end)
    return found


def _slots(
    problem: Problem, moves: Moves, leaving: list[_Leaving], b: Booking
) -> str:
    """Whose limit holds it back, for people; empty where Nova's does not."""
    host = int(moves.source[b.task])
    most = problem.outgoing[host]
    if (
        problem.novas[host] > problem.request.max_per_source
        or leaving[host].before(b.start) < most
    ):
        return ''
    name = problem.names[host]
    whose = permits.limiter(float(problem.novas[host]), problem.request)
    if most == 1:
        return f"{name}'s only slot ({whose})"
    return f"one of {name}'s {most:g} slots ({whose})"


def _shared(problem: Problem, tasks: Tasks, one: int, other: int) -> str:
    """What two tasks both need, for people."""
    mine, its = tasks.tasks[one].ways[0], tasks.tasks[other].ways[0]
    counters = set(mine.counters) & set(its.counters)
    for link in mine.links:
        if link in its.links:
            return problem.network.names[link]
    if {s for s, _ in mine.claims} & {s for s, _ in its.frees}:
        return 'the memory that it needs'
    if any(c > 2 * len(problem.names) for c in counters):
        return 'the turn of their server group'
    return 'the slot'
