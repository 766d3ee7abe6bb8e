"""The links of tasks: what a way does to each, and which can bind at all.

Plans are followed by precedence, not by the clock: whatever overlaps in a
schedule may begin and end in any order. So nobody relies on traffic that a
running task takes away before that task has ended (unless tasks are
trusting), and traffic that a running task brings is kept free from its
start. Stores, counters and time
are generation.py's.
"""

import collections
import dataclasses
import math

from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Way

# Sums of rates are floats: so much of a link's capacity is nothing.
NOTHING = 1e-9
# Needs of those that wait are told apart by this factor.
GRAIN = 1.1


@dataclasses.dataclass(frozen=True, slots=True)
class Use:
    """What a way does to one link.

    :ivar moves: application traffic that it brings (> 0) or takes away
    """

    link: int
    on_path: bool
    moves: float


class Links:
    """What migrations may use of each link, and which links can bind."""

    def __init__(self, tasks: Tasks) -> None:
        self.capacity = tasks.capacity.tolist()
        self.share, self.floor = tasks.share, tasks.floor
        self.trusting = tasks.trusting
        self.app = tasks.app.tolist()
        self.uses = [
            [self._uses(way) for way in task.ways] for task in tasks.all
        ]
        self.crowd = self._crowds(tasks)
        self._drop_slack(tasks)

    def _crowds(self, tasks: Tasks) -> list[float]:
        """How many tasks can be on each link at once, by their counters.

        Where one counter counts all that cross it, no more than that; and
        no more than the counters of which each counts some admit in all.
        """
        crossing: dict[int, list[Way]] = collections.defaultdict(list)
        for task, uses in zip(tasks.all, self.uses, strict=True):
            for use in uses[0]:
                if use.on_path:
                    crossing[use.link].append(task.ways[0])
        crowd = [math.inf] * len(self.capacity)
        limits = tasks.limits.tolist()
        for link, ways in crossing.items():
            most = len(ways)
            for place in range(min(len(way.counters) for way in ways)):
                several = {way.counters[place] for way in ways}
                most = min(most, sum(limits[counter] for counter in several))
            crowd[link] = max(most, 1)
        return crowd

    def room(self, link: int, app: float) -> float:
        """What migrations may use where applications run at `app`."""
        capacity = self.capacity[link]
        left = self.share * (capacity - app)
        return float(max(left, self.floor * capacity))

    def _uses(self, way: Way) -> tuple[Use, ...]:
        """The narrowest link first: it is the likeliest to be full."""
        moves: dict[int, float] = collections.defaultdict(float)
        for link, rate in way.brings:
            moves[link] += rate
        for link, rate in way.leaves:
            moves[link] -= rate
        links = sorted(
            {*way.links, *moves}, key=lambda k: (self.capacity[k], k)
        )
        path = set(way.links)
        return tuple(Use(k, k in path, moves.get(k, 0.0)) for k in links)

    def _drop_slack(self, tasks: Tasks) -> None:
        """Forget links that the narrower ones before them never fill.

        All that crosses a link came through the first link of its path:
        no more than that link's room, nor than its tasks' rates in all.
        """
        moved = {
            u.link
            for ways in self.uses
            for uses in ways
            for u in uses
            if u.moves
        }
        through: dict[tuple[int, int], float] = collections.defaultdict(float)
        for task, ways in zip(tasks.all, self.uses, strict=True):
            for way, uses in zip(task.ways, ways, strict=True):
                path = [u.link for u in uses if u.on_path]
                for link in path:
                    through[link, path[0]] += way.most
        most: dict[int, float] = collections.defaultdict(float)
        for (link, first), rates in through.items():
            room = (
                self.capacity[first]
                if first in moved
                else self.room(first, self.app[first])
            )
            most[link] += math.inf if link == first else min(rates, room)
        slack = {
            link
            for link, rate in most.items()
            if link not in moved and rate <= self.room(link, self.app[link])
        }
        self.uses = [
            [tuple(u for u in uses if u.link not in slack) for uses in ways]
            for ways in self.uses
        ]


class Traffic:
    """What runs on each link at one instant."""

    def __init__(self, links: Links) -> None:
        self.links = links
        m = len(links.capacity)
        self.app = list(links.app)
        self.room = [links.room(k, self.app[k]) for k in range(m)]
        self.used = [0.0] * m
        self.running = [0] * m
        # Of running tasks that take traffic away early: (rate, traffic).
        self.leavers: dict[int, list[tuple[float, float]]] = {}

    def load(self, link: int) -> float:
        """What the running tasks need of it, whichever ends first."""
        load = self.used[link]
        for rate, away in self.leavers.get(link, ()):
            more = self.links.room(link, self.app[link] - away)
            load += max(rate - (more - self.room[link]), 0.0)
        return load

    def rest(self, use: Use, early: bool) -> float:
        """What one link leaves a task; negative: not even its traffic."""
        link, moves = use.link, use.moves
        if not self.running[link]:
            return self.alone(use, early)
        if early and self.links.trusting:
            return self.alone(use, early) - self.used[link]
        rest = self.room[link] - self.load(link)
        if moves > 0:
            arrival = self.links.share * moves
            if early:
                return rest - arrival
            return rest if arrival <= rest + self.nothing(link) else -1.0
        if moves < 0 and early:
            more = self.links.room(link, self.app[link] + moves)
            return rest + more - self.room[link]
        return rest

    def wanted(self, use: Use, early: bool, enough: float) -> float:
        """What must be free of a link, at the least, for that rate on it.

        The converse of `rest`: no task that needs it so can start while
        `room - load` is less. A little less, so that few needs differ.
        """
        moves = self.links.share * use.moves
        if early and self.links.trusting:
            moves = min(moves, 0.0)
        need = enough + moves if early else max(enough, moves)
        if need <= 0:
            return 0.0
        return float(GRAIN ** math.floor(math.log(need, GRAIN) - NOTHING))

    def alone(self, use: Use, early: bool) -> float:
        """What the link gives a task that has it to itself."""
        if early and use.moves:
            return self.links.room(use.link, self.app[use.link] + use.moves)
        return self.room[use.link]

    def nothing(self, link: int) -> float:
        return float(NOTHING * self.links.capacity[link])

    def reserves(self, use: Use, early: bool, rate: float) -> float:
        """What it keeps of a link from its start.

        Traffic that arrives at its end takes what its own rate gives back,
        traffic that arrives early comes beside it.
        """
        arrival = self.links.share * max(use.moves, 0.0)
        if not use.on_path:
            return arrival
        return rate + arrival if early else max(rate, arrival)

    def begin(self, use: Use, early: bool, rate: float) -> None:
        """A task starts at that rate."""
        self.running[use.link] += 1
        if early and self.links.trusting:
            self.used[use.link] += rate if use.on_path else 0.0
            self._moved(use)
        elif early and use.moves < 0:
            leaver = (rate if use.on_path else 0.0, -use.moves)
            self.leavers.setdefault(use.link, []).append(leaver)
        else:
            self.used[use.link] += self.reserves(use, early, rate)

    def end(self, use: Use, early: bool, rate: float) -> None:
        """It ends, and its applications' traffic has moved."""
        link = use.link
        self.running[link] -= 1
        trusted = early and self.links.trusting
        if trusted:
            self.used[link] -= rate if use.on_path else 0.0
        elif early and use.moves < 0:
            leaver = (rate if use.on_path else 0.0, -use.moves)
            self.leavers[link].remove(leaver)
        else:
            self.used[link] -= self.reserves(use, early, rate)
        if not self.running[link]:
            self.used[link] = 0.0
        if use.moves and not trusted:
            self._moved(use)

    def _moved(self, use: Use) -> None:
        link = use.link
        self.app[link] += use.moves
        self.room[link] = self.links.room(link, self.app[link])
