"""What must end before what: a timetable as precedence, and its knots.

A plan is followed by precedence, not by the clock: migrations take longer
or shorter than forecast. So whatever must not run together in whatever way
times turn out is kept apart here by an order, with few edges.
"""

import collections
import dataclasses
import heapq
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Left
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way

# Sums of amounts are floats: a share of one that is nothing.
NOTHING = 1e-9

# (time, kind, place in the bookings). At the same time: first what ended,
# then what starts, then the end of what takes no time.
Event = tuple[float, int, int]
ENDED, STARTS, ENDS_AT_ONCE = range(3)


def predecessors(
    tasks: Tasks, bookings: Sequence[Booking]
) -> list[tuple[int, ...]]:
    """For each booking the tasks that must end before it starts.

    On a link, and in a lane of a counter, whatever did not overlap in the
    timetable is kept apart. Intervals that overlap in pairs share an
    instant (Helly), so whatever then runs together also did in the
    timetable, and the applications' traffic was counted with it. What is
    only summed, a store, is passed on like a token from the task that gives
    it back to the one that takes it (resource flow: Artigues, Michelon and
    Reusser 2003), which needs fewer edges.
    """
    at = {b.task: i for i, b in enumerate(bookings)}
    after: list[set[int]] = [
        {before for before in tasks.tasks[b.task].after if before in at}
        for b in bookings
    ]
    ways = [tasks.tasks[b.task].ways[b.way] for b in bookings]
    groups: dict[int, list[int]] = collections.defaultdict(list)
    for i, way in enumerate(ways):
        for link in _touches(way):
            groups[link].append(i)
    for group in groups.values():
        _apart(bookings, group, after)
    counted: dict[int, list[int]] = collections.defaultdict(list)
    for i, way in enumerate(ways):
        for counter in way.counters:
            counted[counter].append(i)
    for group in counted.values():
        _lanes_apart(bookings, group, _lanes(bookings, group), after)
    for start, flow in _flows(tasks, ways):
        _pass_on(bookings, start, flow, after)
    return [tuple(sorted(found)) for found in after]


def lanes(
    tasks: Tasks, bookings: Sequence[Booking], counter: int
) -> dict[int, int]:
    """A lane from 1 for each task that the counter counts, by task.

    In each lane there is one task at a time, and no more lanes are used
    than tasks run at once.
    """
    counted = [
        i
        for i, b in enumerate(bookings)
        if counter in tasks.tasks[b.task].ways[b.way].counters
    ]
    return _lanes(bookings, counted)


def _lanes(
    bookings: Sequence[Booking], counted: Sequence[int]
) -> dict[int, int]:
    lane: dict[int, int] = {}
    free: list[int] = []
    used = 0
    for _, kind, i in _events(bookings, counted):
        task = bookings[i].task
        if kind != STARTS:
            heapq.heappush(free, lane[task])
        elif free:
            lane[task] = heapq.heappop(free)
        else:
            used += 1
            lane[task] = used
    return lane


def _touches(way: Way) -> set[int]:
    """Links that it uses or whose applications' traffic it moves."""
    return {*way.links, *(link for link, _ in (*way.leaves, *way.brings))}


def _events(bookings: Sequence[Booking], group: Iterable[int]) -> list[Event]:
    """Starts and ends in their order."""
    events: list[Event] = []
    for i in group:
        booking = bookings[i]
        kind = ENDED if booking.end > booking.start else ENDS_AT_ONCE
        events.append((booking.start, STARTS, i))
        events.append((booking.end, kind, i))
    return sorted(events)


def _apart(
    bookings: Sequence[Booking], group: list[int], after: list[set[int]]
) -> None:
    """Keep apart what did not overlap.

    Of those before, only what overlaps the one that started last is kept:
    the rest ended before that one.
    """
    done: list[int] = []  # may still be a direct predecessor
    for _, kind, i in _events(bookings, group):
        if kind != STARTS:
            done.append(i)
            continue
        if done:
            latest = max(bookings[j].start for j in done)
            done = [j for j in done if bookings[j].end > latest]
            after[i].update(bookings[j].task for j in done)


def _lanes_apart(
    bookings: Sequence[Booking],
    group: list[int],
    lane: dict[int, int],
    after: list[set[int]],
) -> None:
    """One task at a time in each lane."""
    last: dict[int, int] = {}
    for i in sorted(group, key=lambda i: bookings[i].start):
        task = bookings[i].task
        if lane[task] in last:
            after[i].add(last[lane[task]])
        last[lane[task]] = task


@dataclasses.dataclass(slots=True)
class _Flow:
    """What each booking takes of one thing, and what it gives back."""

    takes: dict[int, float] = dataclasses.field(default_factory=dict)
    gives: dict[int, float] = dataclasses.field(default_factory=dict)


def _flows(tasks: Tasks, ways: list[Way]) -> Iterator[tuple[float, _Flow]]:
    """(what is there before the plan, flow) of each store."""
    stores: dict[int, _Flow] = collections.defaultdict(_Flow)
    for i, way in enumerate(ways):
        for store, amount in way.claims:
            stores[store].takes[i] = amount
        for store, amount in way.frees:
            stores[store].gives[i] = amount
    for store, flow in stores.items():
        yield float(tasks.stores[store]), flow


def _pass_on(
    bookings: Sequence[Booking],
    start: float,
    flow: _Flow,
    after: list[set[int]],
) -> None:
    """Edges from those that give to those that take.

    First what nobody had, then what those before it anyway gave, then
    what was given first.
    """
    pool: dict[int, float] = {}
    for _, kind, i in _events(bookings, {*flow.takes, *flow.gives}):
        if kind != STARTS:
            if flow.gives.get(i, 0.0) > 0:
                pool[bookings[i].task] = flow.gives[i]
            continue
        needs = flow.takes.get(i, 0.0)
        nothing = NOTHING * needs
        own = min(start, needs)
        start, needs = start - own, needs - own
        while needs > nothing and pool:
            # the sorted first: the same timetable gives the same edges
            near = sorted(after[i] & pool.keys())
            giver = near[0] if near else next(iter(pool))
            given = min(pool[giver], needs)
            needs -= given
            pool[giver] -= given
            if pool[giver] <= nothing:
                del pool[giver]
            after[i].add(giver)


def cycles(
    tasks: Tasks, bookings: Sequence[Booking], left: Sequence[Left]
) -> tuple[tuple[int, ...], ...]:
    """Tasks left out that wait for each other's stores, round by round.

    Each of a group waits for what another of it would free; moving one of
    them to a third place first opens the whole group.

    :returns: groups of two or more tasks (strongly connected components)
    """
    free = tasks.stores.tolist()
    for booking in bookings:
        way = tasks.tasks[booking.task].ways[booking.way]
        for store, amount in way.claims:
            free[store] -= amount
        for store, amount in way.frees:
            free[store] += amount
    freers: dict[int, list[int]] = collections.defaultdict(list)
    for one in left:
        frees = {s for w in tasks.tasks[one.task].ways for s, _ in w.frees}
        for store in frees:
            freers[store].append(one.task)
    waits_for = {
        one.task: sorted(
            {
                other
                for way in tasks.tasks[one.task].ways
                for store, amount in way.claims
                if amount > free[store] + NOTHING * amount
                for other in freers[store]
            }
        )
        for one in left
    }
    return tuple(
        tuple(sorted(group)) for group in _knots(waits_for) if len(group) > 1
    )


def _knots(edges: dict[int, list[int]]) -> Iterator[list[int]]:
    """Strongly connected components (Kosaraju, without recursion)."""
    order = _finished(edges, edges)
    reverse: dict[int, list[int]] = {node: [] for node in edges}
    for node, others in edges.items():
        for other in others:
            reverse[other].append(node)
    seen: set[int] = set()
    for node in reversed(order):
        if node not in seen:
            yield _finished(reverse, (node,), seen)


def _finished(
    edges: dict[int, list[int]],
    roots: Iterable[int],
    seen: set[int] | None = None,
) -> list[int]:
    """Nodes reached from the roots, in the order in which they are left."""
    seen = set() if seen is None else seen
    order: list[int] = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(edges[root]))]
        while stack:
            node, others = stack[-1]
            for other in others:
                if other not in seen:
                    seen.add(other)
                    stack.append((other, iter(edges[other])))
                    break
            else:
                stack.pop()
                order.append(node)
    return order
