"""What no timetable can beat: least makespan and least sum of ends.

Every bound holds whichever ways, rates and orders are chosen: what a task
needs is the least over its ways, what a link gives is the most that it
will ever give. A bound may be weak; it is never wrong.
"""

import collections
import dataclasses
import heapq
import math
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence

from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way


@dataclasses.dataclass(frozen=True, slots=True)
class Least:
    """The least that some tasks need; keyed by task, or by link.

    :ivar head: it cannot start earlier, s
    :ivar seconds: it takes at least as long
    :ivar tail: from its end, what must follow it takes at least as long
    :ivar setup: s of it during which the links are not used
    :ivar work: link -> task -> s, were the whole link used for it
    :ivar alone: link -> tasks of which no two fit beside each other
    :ivar counted: counter -> tasks
    """

    head: dict[int, float]
    seconds: dict[int, float]
    tail: dict[int, float]
    setup: dict[int, float]
    work: dict[int, dict[int, float]]
    alone: dict[int, list[int]]
    counted: dict[int, list[int]]


def least(tasks: Tasks, moved: Collection[int] | None = None) -> Least:
    """What these tasks need at least; None for all.

    Tasks for which no link will ever give enough are not among them.
    """
    rooms = best_rooms(tasks)
    every = range(len(tasks.tasks)) if moved is None else sorted(moved)
    seconds = {
        row: min(_seconds(way, rooms) for way in tasks.tasks[row].ways)
        for row in every
    }
    rows = [row for row in every if seconds[row] < math.inf]
    setup: dict[int, float] = {}
    work: dict[int, dict[int, float]] = collections.defaultdict(dict)
    narrow: dict[int, list[int]] = collections.defaultdict(list)
    counted: dict[int, list[int]] = collections.defaultdict(list)
    for row in rows:
        ways = tasks.tasks[row].ways
        setup[row] = min(way.setup for way in ways)
        shared = set.intersection(*(set(way.links) for way in ways))
        for link in shared:
            if rooms[link] > 0:
                volume = min(way.volume for way in ways)
                work[link][row] = volume / rooms[link]
            if 2 * min(way.least for way in ways) > rooms[link] * (1 + 1e-6):
                narrow[link].append(row)
        counters = set.intersection(*(set(way.counters) for way in ways))
        for counter in counters:
            counted[counter].append(row)
    head, tail = _heads_and_tails(tasks, rows, seconds)
    return Least(head, seconds, tail, setup, work, narrow, counted)


def harms(tasks: Tasks) -> list[float]:
    """The least harm of each task, alone at the best its links ever have.

    :returns: shape (n,), weighed s; inf where no way is possible even so
    """
    rooms = best_rooms(tasks)
    return [
        min(_harm(way, rooms) for way in task.ways) for task in tasks.tasks
    ]


def _harm(way: Way, rooms: Sequence[float]) -> float:
    rate = min([way.most, *(rooms[link] for link in way.links)])
    if rate < way.least or not 0 < rate < math.inf:
        return math.inf
    return way.harm(rate)


def best_rooms(tasks: Tasks) -> list[float]:
    """The most that migrations can ever use of each link, bytes/s.

    All that could be moved away is away, and nothing has arrived.
    """
    app = tasks.app.tolist()
    for task in tasks.tasks:
        away: dict[int, float] = {}
        for way in task.ways:
            for link, rate in way.leaves:
                away[link] = max(away.get(link, 0.0), rate)
        for link, rate in away.items():
            app[link] -= rate
    return [
        max(tasks.share * (c - max(a, 0.0)), tasks.floor * c)
        for c, a in zip(tasks.capacity.tolist(), app, strict=True)
    ]


def _seconds(way: Way, rooms: Sequence[float]) -> float:
    rate = min((rooms[link] for link in way.links), default=math.inf)
    rate = min(rate, way.most)
    # less than it needs: it will not be used, and bounds nothing
    return way.takes(rate) if rate >= way.least * (1 - 1e-6) else math.inf


def _heads_and_tails(
    tasks: Tasks, rows: Sequence[int], seconds: dict[int, float]
) -> tuple[dict[int, float], dict[int, float]]:
    """What goes before a task and what comes after it, by `after`."""
    head = {row: tasks.tasks[row].release for row in rows}
    tail = dict.fromkeys(rows, 0.0)
    before = {
        row: [b for b in tasks.tasks[row].after if b in head] for row in rows
    }
    waits = {row: len(before[row]) for row in rows}
    followers: dict[int, list[int]] = collections.defaultdict(list)
    for row in rows:
        for other in before[row]:
            followers[other].append(row)
    order = [row for row in rows if not waits[row]]
    for row in order:
        for other in followers[row]:
            head[other] = max(head[other], head[row] + seconds[row])
            waits[other] -= 1
            if not waits[other]:
                order.append(other)
    for row in reversed(order):
        for other in before[row]:
            tail[other] = max(tail[other], tail[row] + seconds[row])
    return head, tail


def makespan(tasks: Tasks, moved: Collection[int] | None = None) -> float:
    """No timetable of these tasks ends sooner, s; None for all."""
    return shortest(tasks, least(tasks, moved))


def shortest(tasks: Tasks, need: Least) -> float:
    """No timetable of tasks that need so much ends sooner, s."""
    if not need.head:
        return 0.0
    longest = max(
        need.head[i] + need.seconds[i] + need.tail[i] for i in need.head
    )
    found = [longest]
    for work in need.work.values():
        found.append(
            min(need.head[i] for i in work)
            + min(need.setup[i] for i in work)
            + sum(work.values())
            + min(need.tail[i] for i in work)
        )
    for lanes, group in even(tasks, need):
        found.append(_in_lanes(need, group, lanes))
    found += _stores(tasks, need)
    for group in need.alone.values():
        found.append(one_at_a_time(need, group))
    for counter, group in need.counted.items():
        limit = float(tasks.limits[counter])
        found.append(
            min(need.head[i] for i in group)
            + sum(need.seconds[i] for i in group) / max(limit, 1.0)
            + min(need.tail[i] for i in group)
        )
    return max(found)


def even(tasks: Tasks, need: Least) -> Iterator[tuple[float, list[int]]]:
    """(lanes, tasks) of links that all use at one and the same rate."""
    rooms = best_rooms(tasks)
    for link, work in need.work.items():
        ways = [way for i in work for way in tasks.tasks[i].ways]
        rate = ways[0].least
        if rate > 0 and all(way.least == rate == way.most for way in ways):
            lanes = math.floor(rooms[link] / rate * (1 + 1e-9))
            if lanes:
                yield lanes, list(work)


def _in_lanes(need: Least, group: Sequence[int], lanes: float) -> float:
    """Some lane is as full as all are on average, and ends with a task.

    Where all times are multiples of one, so is what fills a lane.
    """
    seconds = [need.seconds[i] for i in group]
    fill = sum(seconds) / lanes
    if all(x == round(x) for x in seconds):
        unit = math.gcd(*(round(x) for x in seconds))
        if unit:
            fill = math.ceil(fill / unit - 1e-9) * unit
    return (
        min(need.head[i] for i in group)
        + fill
        + min(need.tail[i] for i in group)
    )


def _stores(tasks: Tasks, need: Least) -> Iterator[float]:
    """The last to claim a store wait for others to have freed it.

    Where those that free it exclude each other, and those that claim it
    too: whichever m of these come last, enough for all before them must
    have been freed first, one after another.
    """
    sides = ('claims', 'frees')
    by_store: dict[int, tuple[dict[int, float], dict[int, float]]] = {}
    for i in need.head:
        for side, name in enumerate(sides):
            for way in tasks.tasks[i].ways:
                for store, amount in getattr(way, name):
                    both = by_store.setdefault(store, ({}, {}))
                    both[side][i] = amount
    single = {i for i in need.head if len(tasks.tasks[i].ways) == 1}
    groups = [set(group) for group in need.alone.values()]
    for store, (claims, frees) in by_store.items():
        lacks = sum(claims.values()) - float(tasks.stores[store])
        if lacks <= 0 or not frees or not claims.keys() <= single:
            continue
        if not all(
            any(side.keys() <= group for group in groups)
            for side in (claims, frees)
        ):
            continue
        shortest = sorted(need.seconds[i] for i in claims)
        follow = 0.0
        for one, seconds in zip(
            sorted(claims.values(), reverse=True), shortest, strict=True
        ):
            follow += seconds
            if lacks > 0:
                head = min(need.head[i] for i in frees)
                yield head + _freed(need, frees, lacks) + follow
            lacks -= one


def _freed(need: Least, frees: dict[int, float], lacks: float) -> float:
    """So long it takes, one after another, to free so much, s.

    No less than the shortest of as many as it needs, and no less than the
    best by time for the amount.
    """
    lacks *= 1 - 1e-9
    count, sums = 0, 0.0
    for amount in sorted(frees.values(), reverse=True):
        if sums >= lacks:
            break
        count, sums = count + 1, sums + amount
    seconds = sorted(need.seconds[i] for i in frees)
    parts = 0.0
    for i in sorted(frees, key=lambda i: need.seconds[i] / frees[i]):
        part = min(frees[i], lacks)
        parts += need.seconds[i] * part / frees[i]
        lacks -= part
    return max(sum(seconds[:count]), parts)


def one_at_a_time(need: Least, group: Sequence[int]) -> float:
    """Jackson's preemptive schedule of tasks that exclude each other, s.

    At any time the one with the longest tail goes on. Source: Carlier,
    The one-machine sequencing problem, EJOR 11 (1982).
    """
    waiting = sorted((need.head[i], i) for i in group)
    ready: list[tuple[float, float]] = []
    now = best = 0.0
    at = 0
    while at < len(waiting) or ready:
        if not ready:
            now = max(now, waiting[at][0])
        while at < len(waiting) and waiting[at][0] <= now:
            i = waiting[at][1]
            heapq.heappush(ready, (-need.tail[i], need.seconds[i]))
            at += 1
        tail, rest = heapq.heappop(ready)
        until = waiting[at][0] if at < len(waiting) else math.inf
        if now + rest > until:
            heapq.heappush(ready, (tail, now + rest - until))
            now = until
        else:
            now += rest
            best = max(best, now - tail)
    return best


def sum_of_ends(tasks: Tasks, moved: Collection[int] | None = None) -> float:
    """No timetable of these tasks has a smaller sum of ends, s.

    Each task counts on one link, the busiest that it uses. Were the whole
    link given to one task after another, the shortest first, none of the
    ends in their order could come sooner (Smith 1956).
    """
    need = least(tasks, moved)
    load = {link: sum(work.values()) for link, work in need.work.items()}
    busiest: dict[int, int] = {}
    for link in sorted(load, key=lambda k: load[k]):
        busiest.update(dict.fromkeys(need.work[link], link))
    groups: dict[int, list[int]] = collections.defaultdict(list)
    for i in need.head:
        groups[busiest.get(i, -1)].append(i)
    total = 0.0
    for link, group in groups.items():
        at_once = sum(need.head[i] + need.seconds[i] for i in group)
        if link < 0:
            total += at_once
            continue
        end = min(need.head[i] for i in group)
        in_turn = 0.0
        for work in sorted(need.work[link][i] for i in group):
            end += work
            in_turn += end
        total += max(at_once, in_turn)
    return total
