"""A timetable repaired piece by piece: ruin a few tasks, recreate them.

For tasks whose rates are given and whose applications' traffic does not
matter: then each link is a step function over time, and a few tasks can
be taken out of the timetable and put back elsewhere without touching the
rest (Shaw 1998; Schrimpf et al. 2000). Tasks are put back as early as
they fit, or as late as the target allows, which gathers the gaps
(justification: Valls, Ballestin and Quintanilla 2005).
"""

import bisect
import collections
import dataclasses
import heapq
import math
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.plan.schedule.links import NOTHING
from watcher_tsmig.plan.schedule.links import Links
from watcher_tsmig.plan.schedule.steps import Steps
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Tasks

# So many tasks are taken out at once.
FEWEST, MOST, TAIL = 3, 12, 30
# A change that is so much worse, relatively, is taken with odds 1 : e at
# first, and ever less.
WARM = 0.02


def suits(tasks: Tasks) -> bool:
    """Whether these tasks are rigid enough to be repaired."""
    return (tasks.deadline == math.inf and not tasks.running) and all(
        len(task.ways) == 1
        and not task.after
        and not task.ways[0].leaves
        and not task.ways[0].brings
        and task.ways[0].least == task.ways[0].most
        for task in tasks.tasks
    )


def _to_end_by(at: float, takes: float) -> float:
    """The latest start of what ends by then, rounding included."""
    start = at - takes
    while start + takes > at:
        start -= max(math.ulp(at), math.ulp(start))
    return start


class Repair:
    """A timetable under repair."""

    def __init__(
        self,
        tasks: Tasks,
        links: Links,
        bookings: Sequence[Booking],
        target: float,
        random: np.random.Generator,
    ) -> None:
        self.tasks, self.target = tasks, target
        self.random = random
        self.power = 2 if target > 0 else 1
        self.booking = {b.task: b for b in bookings}
        self.rows = sorted(self.booking)
        self.start = {i: self.booking[i].start for i in self.rows}
        self.end = {i: self.booking[i].end for i in self.rows}
        self.steps: dict[int, Steps] = collections.defaultdict(Steps)
        self.users: dict[int, list[int]] = collections.defaultdict(list)
        self.uses = {i: self._uses(links, i) for i in self.rows}
        self._tight_stores()
        for i in self.rows:
            self._put(i, self.start[i])
        self.cost = sum(self._late(i) for i in self.rows)
        self.best_cost, self.best = self.cost, dict(self.start)

    def _uses(self, links: Links, i: int) -> list[tuple[int, float, float]]:
        """(thing, amount, what others may use beside it)."""
        way = self.tasks.tasks[i].ways[0]
        m = len(links.capacity)
        out = []
        for use in links.uses[i][0]:
            room = links.room(use.link, links.app[use.link])
            spare = room - way.most + NOTHING * room
            out.append((use.link, way.most, spare))
        for counter in way.counters:
            spare = float(self.tasks.limits[counter]) - 0.5
            out.append((m + counter, 1.0, spare))
        for thing, _, _ in out:
            self.users[thing].append(i)
        return out

    def _tight_stores(self) -> None:
        """Stores that could run out; the others need no watch."""
        claimed: dict[int, float] = collections.defaultdict(float)
        ways = {i: self.tasks.tasks[i].ways[0] for i in self.rows}
        for way in ways.values():
            for store, amount in way.claims:
                claimed[store] += amount
        free = self.tasks.stores.tolist()
        tight = {s for s, amount in claimed.items() if amount > free[s]}
        self.free = free
        self.claims = {
            i: [x for x in way.claims if x[0] in tight]
            for i, way in ways.items()
        }
        self.frees = {
            i: [x for x in way.frees if x[0] in tight]
            for i, way in ways.items()
        }
        # store -> (time, 0 for what is freed, task, amount), sorted
        self.events: dict[int, list[tuple[float, int, int, float]]] = {
            store: [] for store in tight
        }

    def _late(self, i: int) -> float:
        late = self.end[i] - self.target
        return late**self.power if late > 0 else 0.0

    def _store_events(
        self, i: int
    ) -> list[tuple[int, tuple[float, int, int, float]]]:
        claims = [
            (store, (self.start[i], 1, i, -amount))
            for store, amount in self.claims[i]
        ]
        frees = [
            (store, (self.end[i], 0, i, amount))
            for store, amount in self.frees[i]
        ]
        return claims + frees

    def _put(self, i: int, start: float) -> None:
        self.start[i] = start
        self.end[i] = start + self.booking[i].takes
        for thing, amount, _ in self.uses[i]:
            self.steps[thing].add(start, self.end[i], amount)
        for store, event in self._store_events(i):
            bisect.insort(self.events[store], event)

    def _take(self, i: int) -> None:
        for thing, amount, _ in self.uses[i]:
            self.steps[thing].add(self.start[i], self.end[i], -amount)
        for store, event in self._store_events(i):
            self.events[store].remove(event)

    def _window(self, i: int) -> tuple[float, float]:
        """(earliest start, latest end) that the stores permit."""
        first, last = self.tasks.tasks[i].release, math.inf
        for store, amount in self.claims[i]:
            level = self.free[store]
            enough = first if level >= amount else math.inf
            for when, _, _, change in self.events[store]:
                level += change
                if level < amount:
                    enough = math.inf
                elif enough == math.inf:
                    enough = when
            first = max(first, enough)
        for store, _ in self.frees[i]:
            level = self.free[store]
            for when, _, _, change in self.events[store]:
                level += change
                if level < 0:
                    last = min(last, when)
                    break
        return first, last

    def _earliest(self, i: int, since: float = 0.0) -> float:
        """The earliest start that fits; inf: none does."""
        first, last = self._window(i)
        start = max(first, since)
        takes = self.booking[i].takes
        moved = True
        while moved and start + takes <= last:
            moved = False
            for thing, _, spare in self.uses[i]:
                steps = self.steps[thing]
                until = steps.clash(start, start + takes, spare)
                while until > start:
                    start, moved = until, True
                    until = steps.clash(start, start + takes, spare)
        return start if start + takes <= last else math.inf

    def _latest(self, i: int, since: float, by: float) -> float:
        """The latest start that ends by then; else the earliest."""
        first, last = self._window(i)
        first = max(first, since)
        takes = self.booking[i].takes
        start = _to_end_by(min(last, by), takes)
        moved = True
        while moved and start >= first:
            moved = False
            for thing, _, spare in self.uses[i]:
                steps = self.steps[thing]
                at = steps.clash_back(start, start + takes, spare)
                while at < math.inf:
                    start, moved = _to_end_by(at, takes), True
                    at = steps.clash_back(start, start + takes, spare)
        return start if start >= first else self._earliest(i, since)

    def _some(self) -> list[int]:
        """A task, likely a late one, and some that share with it."""
        late = [i for i in self.rows if self.end[i] > self.target]
        task = late[int(self.random.integers(len(late)))]
        if self.uses[task] and self.random.random() < 0.5:
            return self._last(task)
        return self._near(task)

    def _last(self, task: int) -> list[int]:
        """The last of one link of its, the longest likely first."""
        uses = self.uses[task]
        thing = uses[int(self.random.integers(len(uses)))][0]
        size = int(self.random.integers(MOST, TAIL + 1))
        last = heapq.nlargest(
            size, self.users[thing], key=lambda i: (self.end[i], i)
        )
        noise = self.random.uniform(0.5, 1.0, len(last))
        keys = {
            i: -self.booking[i].takes * noise[k] for k, i in enumerate(last)
        }
        return sorted(last, key=lambda i: (keys[i], i))

    def _near(self, task: int) -> list[int]:
        """It, and some that share a link with it or with each other."""
        chosen = {task}
        size = int(self.random.integers(FEWEST, MOST + 1))
        frontier = [task]
        for _ in range(4 * size):
            if len(chosen) >= size:
                break
            of = frontier[int(self.random.integers(len(frontier)))]
            if not self.uses[of]:
                continue
            thing = self.uses[of][
                int(self.random.integers(len(self.uses[of])))
            ][0]
            users = self.users[thing]
            other = users[int(self.random.integers(len(users)))]
            if other not in chosen:
                chosen.add(other)
                frontier.append(other)
        rest = sorted(chosen - {task})
        back = [rest[int(k)] for k in self.random.permutation(len(rest))]
        at = 0 if self.random.random() < 0.5 else len(back)
        back.insert(at, task)
        return back

    def justify(self) -> int:
        """All as late as they can be, then all as early; how many.

        The gaps gather at the front and close. Forward-backward
        improvement: Tormos and Lova 2001.
        """
        by = max(self.end.values())
        front = min(self.start.values())
        for i in sorted(self.rows, key=lambda i: (-self.end[i], i)):
            start = self.start[i]
            self._take(i)
            self._put(i, max(self._latest(i, start, by), start))
        # none can go forward by much more than the front has opened
        reach = min(self.start.values()) - front
        reach += 2 * max(b.takes for b in self.booking.values())
        for i in sorted(self.rows, key=lambda i: (self.start[i], i)):
            start = self.start[i]
            self._take(i)
            self._put(i, min(self._earliest(i, start - reach), start))
        self.cost = sum(self._late(i) for i in self.rows)
        self._keep()
        return 2 * len(self.rows)

    def _keep(self) -> None:
        if self.cost < self.best_cost:
            self.best_cost, self.best = self.cost, dict(self.start)

    def step(self, heat: float) -> int:
        """Ruin and recreate some tasks; how many."""
        if max(self.end.values()) <= self.target:
            self.cost = 0.0  # what is left of it is rounding
            self._keep()
            return 1
        chosen = self._some()
        before = {i: self.start[i] for i in chosen}
        was = sum(self._late(i) for i in chosen)
        for i in chosen:
            self._take(i)
        # what is as early as it can be has no room before the first of them
        since = min(before.values())
        late = self.power == 2 and self.random.random() < 0.5
        done = []
        for i in chosen:
            start = (
                self._latest(i, since, self.target)
                if late
                else self._earliest(i, since)
            )
            if start == math.inf:
                break
            self._put(i, start)
            done.append(i)
        cost = self.cost + sum(self._late(i) for i in chosen) - was
        worst = self.cost * (1 + WARM * heat * self.random.exponential())
        if len(done) < len(chosen) or cost > worst:
            for i in done:
                self._take(i)
            for i in chosen:
                self._put(i, before[i])
        else:
            self.cost = cost
            self._keep()
        return len(chosen)

    def bookings(self) -> tuple[Booking, ...]:
        """The best found, each task as early as the rest lets it."""
        for i in self.rows:
            if self.start[i] != self.best[i]:
                self._take(i)
                self._put(i, self.best[i])
        for i in sorted(self.rows, key=lambda i: (self.start[i], i)):
            start = self.start[i]
            self._take(i)
            self._put(i, min(self._earliest(i), start))
        return tuple(
            dataclasses.replace(self.booking[i], start=self.start[i])
            for i in sorted(self.rows, key=lambda i: (self.start[i], i))
        )
