"""What keeps each migration from an earlier start or a higher cap.

Sentences only: what binds was decided by the schedule.
"""

import bisect
import dataclasses
from collections.abc import Sequence

from watcher_tsmig.plan.problem import permits
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
            link = min(task.ways[b.way].links, key=lambda k: tasks.capacity[k])
            out.append(f'{problem.network.names[link]} limits its bandwidth')
    return out


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
