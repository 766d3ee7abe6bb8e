"""One pass of the list scheduler: tasks start in a given order.

Whenever a task ends, those that wait for what it gave back are tried by
their place in the order, and start where links, stores and counters leave
enough. A task that cannot start is parked at the one thing that stops it
and is not looked at again before that thing changes, so a pass costs about
n log n. Which order is best is timetable.py's task.
"""

import collections
import heapq
import math
from collections.abc import Sequence

from watcher_tsmig.plan.schedule.crowd import Crowd
from watcher_tsmig.plan.schedule.links import NOTHING
from watcher_tsmig.plan.schedule.links import Links
from watcher_tsmig.plan.schedule.links import Traffic
from watcher_tsmig.plan.schedule.tasks import Booking
from watcher_tsmig.plan.schedule.tasks import Left
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable

# A task waits rather than start with less than this share of the rate that
# its turn would give it.
PATIENCE = 0.5
# The pool of those that wait for nothing but their turn.
READY = -1


class Lister:
    """Passes over the same tasks; durations are remembered between them."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self.links = Links(tasks)
        self.known: dict[tuple[int, int, float], float] = {}
        self.followers: dict[int, list[int]] = collections.defaultdict(list)
        for i, task in enumerate(tasks.tasks):
            for before in set(task.after):
                self.followers[before].append(i)

    def takes(self, task: int, way: int, rate: float) -> float:
        """The whole time at that rate, s."""
        key = (task, way, rate)
        if key not in self.known:
            self.known[key] = self.tasks.all[task].ways[way].takes(rate)
        return self.known[key]

    def run(
        self,
        order: Sequence[int],
        width: float = 1,
        ways: Sequence[int] | None = None,
    ) -> Timetable:
        """Schedule all tasks in this order.

        :param width: into how many shares each link is divided at least;
            0: not even where a task alone cannot fill it; inf: each by
            what it has to carry
        :param ways: the way that each task tries first
        :returns: bookings by start; without a lower bound
        """
        return _Pass(self, order, width, ways).run()


class _Pass:
    """The state of one pass is that of one instant."""

    def __init__(
        self,
        lister: Lister,
        order: Sequence[int],
        width: float,
        ways: Sequence[int] | None,
    ) -> None:
        tasks = lister.tasks
        self.lister, self.links, self.width = lister, lister.links, width
        self.all, self.deadline = tasks.all, tasks.deadline
        self.running = range(len(tasks.tasks), len(self.all))
        self.order = order
        self.rank = {task: rank for rank, task in enumerate(order)}
        self.way = list(ways or [0] * len(order)) + [0] * len(self.running)
        m = len(self.links.capacity)
        self.on = Traffic(self.links)
        self.crowd = Crowd(self.links)
        for i, way in enumerate(self.way):
            self._count(i, way, 1)
        self.free = tasks.stores.tolist()
        self.open = tasks.limits.tolist()
        self.keys = (m, m + len(self.free))
        self.now = 0.0
        self.woken: set[int] = set()
        self.before = [len(set(t.after)) for t in self.all]
        self.parked: dict[int, dict[float, list[int]]] = {READY: {0.0: []}}
        self.releases: list[tuple[float, int]] = []
        self.ends: list[tuple[float, int, Booking]] = []
        # Where each is parked; other entries of it are void.
        self.at: dict[int, tuple[int, float]] = {}
        self.waits = [True] * len(self.all)
        self.waiting = len(self.all)
        # Once nothing runs: those that will never start as they are, the
        # first in the order last; None: not known.
        self.hopeless: list[int] | None = None
        self.best: dict[int, float] = {}
        self.bookings: list[Booking] = []
        self.left: list[Left] = []

    def run(self) -> Timetable:
        for task in self.running:
            self._begin(task, self.all[task].ways[0].most)
        for task in self.order:
            self._arrive(task)
        freed = {READY}
        while self.waiting or self.ends:
            while freed:
                self.woken = set()
                self._start(freed)
                freed = self.woken
            if self.ends or self.releases:
                freed = self._next()
            elif self.waiting:
                self._stuck()
                freed = {READY}
        return Timetable(
            bookings=tuple(self.bookings[len(self.running) :]),
            left=tuple(self.left),
            lower_bound=0.0,
        )

    def _offer(self, task: int) -> tuple[float, float, int]:
        """(rate, rate of its turn, READY), or (0, need, what stops it)."""
        at = self.way[task]
        way = self.all[task].ways[at]
        links, stores = self.keys
        for counter in way.counters:
            if self.open[counter] < 1:
                return 0.0, 1.0, stores + counter
        for store, amount in way.claims:
            if self.free[store] + NOTHING * amount < amount:
                return 0.0, amount, links + store
        uses = self.links.uses[task][at]
        fixed = way.least >= way.most
        turn = (
            way.most
            if fixed
            else self.crowd.turn(self.on, uses, way, self.width)
        )
        need = way.least if fixed else max(way.least, PATIENCE * turn)
        rate = turn
        for use in uses:
            rest = self.on.rest(use, way.early)
            enough = need if use.on_path else 0.0
            if rest + self.on.nothing(use.link) < enough:
                return 0.0, self.on.wanted(use, way.early, enough), use.link
            if use.on_path and not fixed:
                rate = min(rate, rest)
        if rate <= 0:
            return 0.0, 0.0, uses[0].link if uses else READY
        return rate, turn, READY

    def _available(self, key: int) -> float:
        """No task that needs more of it can start now."""
        links, stores = self.keys
        if key == READY:
            return math.inf
        if key >= stores:
            return float(self.open[key - stores])
        if key >= links:
            return float(self.free[key - links] * (1 + 2 * NOTHING))
        if not self.on.running[key]:
            return math.inf
        return self.on.room[key] - self.on.load(key) + 2 * self.on.nothing(key)

    # Who waits

    def _count(self, task: int, way: int, by: int) -> None:
        uses = self.links.uses[task][way]
        self.crowd.count(uses, self.all[task].ways[way], by)

    def _arrive(self, task: int) -> None:
        """It waits for its release, for others, or for its turn."""
        if self.before[task]:
            return
        release = self.all[task].release
        if release > self.now:
            heapq.heappush(self.releases, (release, task))
        else:
            self._park(task, READY, 0.0)

    def _park(self, task: int, key: int, need: float) -> None:
        by_need = self.parked.setdefault(key, {})
        heapq.heappush(by_need.setdefault(need, []), self.rank[task])
        self.at[task] = key, need

    def _start(self, freed: set[int]) -> None:
        """Try those parked at what was freed, by their order."""
        heads = [
            (heap[0], key, need)
            for key in freed
            for need, heap in self.parked.get(key, {}).items()
            if heap and need <= self._available(key)
        ]
        heapq.heapify(heads)
        again: list[tuple[int, int, float]] = []
        while heads:
            _, key, need = heads[0]
            heap = self.parked[key][need]
            task = self.order[heapq.heappop(heap)]
            if self.at.get(task) == (key, need):
                stopped = self._try(task)
                if stopped is not None:
                    again.append((task, *stopped))
            if heap and need <= self._available(key):
                heapq.heapreplace(heads, (heap[0], key, need))
            else:
                heapq.heappop(heads)
        for task, stops, enough in again:
            self._park(task, stops, enough)

    def _try(self, task: int) -> tuple[int, float] | None:
        """Start it, leave it out, or say what stops it."""
        rate, need, stops = self._offer(task)
        if rate <= 0:
            return stops, need
        way = self.way[task]
        takes = self.lister.takes(task, way, rate)
        if self.now + takes > self.deadline:
            best = self.lister.takes(task, way, need)
            if self.now + best > self.deadline:
                self._give_up(task, rate, self.now + best)
                return None
            uses = [u for u in self.links.uses[task][way] if u.on_path]
            early = self.all[task].ways[way].early
            rests = [(self.on.rest(use, early), use.link) for use in uses]
            return min(rests)[1], 0.0
        self._begin(task, rate)
        return None

    def _begin(self, task: int, rate: float) -> None:
        at = self.way[task]
        way, takes = self.all[task].ways[at], self.lister.takes(task, at, rate)
        booking = Booking(
            task=task, way=at, rate=rate, start=self.now, takes=takes
        )
        self._gone(task)
        self.hopeless = None
        self.bookings.append(booking)
        heapq.heappush(self.ends, (booking.end, task, booking))
        for counter in way.counters:
            self.open[counter] -= 1
        for store, amount in way.claims:
            self.free[store] -= amount
        uses = self.links.uses[task][at]
        for use in uses:
            self.on.begin(use, way.early, rate)
        if way.early and self.links.trusting:
            self.crowd.announce(uses, way, -1)
            self.woken |= {use.link for use in uses if use.moves < 0}

    def _next(self) -> set[int]:
        """Move to the next instant; what is freed then."""
        self.now = min(
            self.ends[0][0] if self.ends else math.inf,
            self.releases[0][0] if self.releases else math.inf,
        )
        freed = {READY}
        while self.ends and self.ends[0][0] <= self.now:
            self._end(heapq.heappop(self.ends)[2], freed)
        while self.releases and self.releases[0][0] <= self.now:
            self._park(heapq.heappop(self.releases)[1], READY, 0.0)
        return freed

    def _end(self, booking: Booking, freed: set[int]) -> None:
        task, way = booking.task, self.all[booking.task].ways[booking.way]
        links, stores = self.keys
        for counter in way.counters:
            self.open[counter] += 1
            freed.add(stores + counter)
        for store, amount in way.frees:
            self.free[store] += amount
            freed.add(links + store)
        for use in self.links.uses[task][booking.way]:
            freed.add(use.link)
            self.on.end(use, way.early, booking.rate)
        if way.early and self.links.trusting:
            self.crowd.announce(self.links.uses[task][booking.way], way, 1)
        self._count(task, booking.way, -1)
        for follower in self.lister.followers[task]:
            self.before[follower] -= 1
            self._arrive(follower)

    # Who never starts

    def _gone(self, task: int) -> None:
        self.waits[task] = False
        self.waiting -= 1
        self.at.pop(task, None)

    def _stuck(self) -> None:
        """Nothing runs: try all again, then give up on the first of them.

        One that waits for no other task goes first: the others wait for
        one of these.
        """
        if self.hopeless is None:
            left = [t for t in reversed(self.order) if self.waits[t]]
            able = [t for t in left if not self.before[t]]
            self.hopeless = [t for t in left if self.before[t]] + able
            for task in able:
                self._park(task, READY, 0.0)
            return
        while self.hopeless and not self.waits[self.hopeless[-1]]:
            self.hopeless.pop()
        if not self.hopeless:
            return
        task = self.hopeless[-1]
        rate, _, stops = self._offer(task)
        if self.before[task] or stops >= self.keys[0]:
            rate = math.inf
        else:
            rate = max(self._best(task), 0.0)
        self._give_up(task, rate, math.inf)

    def _best(self, task: int) -> float:
        """The best rate that the links now leave it."""
        way = self.all[task].ways[self.way[task]]
        uses = self.links.uses[task][self.way[task]]
        rests = [self.on.rest(u, way.early) for u in uses if u.on_path]
        return min(way.most, *rests) if rests else way.most

    def _give_up(self, task: int, rate: float, end: float) -> None:
        """It takes its next way where there is one, else it is left out."""
        self.best[task] = max(self.best.get(task, 0.0), rate)
        way = self.way[task]
        self._count(task, way, -1)
        if not self.before[task] and way + 1 < len(self.all[task].ways):
            self.way[task] = way + 1
            self._count(task, way + 1, 1)
            self._park(task, READY, 0.0)
            return
        self._gone(task)
        self.left.append(
            Left(
                task=task,
                late=end < math.inf,
                rate=self.best[task],
                end=end,
            )
        )
