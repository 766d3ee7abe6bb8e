"""The best timetable among many orders, widths and ways.

One bottleneck is never better split than used in turn, but a task may not
fill a link alone, and has a set-up during which it sends nothing; so
several widths (shares of a link) and orders are listed, neighbours of the
best order are tried within an effort, and the best timetable wins.
"""

import dataclasses
import enum
import itertools
import math
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.plan.arrays import FloatArray
from watcher_tsmig.plan.schedule import bounds
from watcher_tsmig.plan.schedule import neighbourhood
from watcher_tsmig.plan.schedule import slots
from watcher_tsmig.plan.schedule.generation import Lister
from watcher_tsmig.plan.schedule.priority import Priorities
from watcher_tsmig.plan.schedule.tasks import Tasks
from watcher_tsmig.plan.schedule.tasks import Timetable
from watcher_tsmig.plan.schedule.tasks import harm_of
from watcher_tsmig.plan.schedule.tasks import price_of

# Effort: a pass over n tasks is n of it. Some milliseconds per thousand.
EFFORT = 25_000
# However few the tasks, no more passes than this.
PASSES = 600
# So many times the tasks are placed between two justifications of all.
JUSTIFY = 10
# So many times two tasks may change places where their lanes are full.
EXCHANGES = 2000
# So far, of all places, a task is moved in the order of another start.
NOISE = 0.4
# Into so many shares each link is divided, or as many as can be on it at
# once; 0: into none, even where a task alone cannot fill it; inf: by what
# each task has to carry.
WIDTHS = (math.inf, 4, 2, 16, 0)
# A value within this share of the lower bound is not improved further.
PROVEN = 1e-9

# Beside its own weight each task has so much of the mean, to be drawn.
SOME, TINY, HUGE = 0.1, 1e-9, 1e9

Rank = tuple[float, float, float, float]


class Aim(enum.StrEnum):
    """What a timetable is best in, after leaving out the fewest tasks."""

    MAKESPAN = 'makespan'
    ENDS = 'ends'
    PRICE = 'price'


def timetable(
    tasks: Tasks,
    *,
    objective: Aim = Aim.MAKESPAN,
    urgency: float = 1.0,
    flip: bool = False,
    effort: int = EFFORT,
    seed: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> Timetable:
    """The best timetable found; the same arguments give the same one.

    :param urgency: of a price, see `tasks.price_of`
    :param flip: a way that is not the first is taken also where it only
        makes the timetable better
    :param effort: tasks placed in all before it is left as it is
    :param stop: asked now and then; true: leave it as it is
    """
    if not tasks.tasks:
        return Timetable(bookings=(), left=(), lower_bound=0.0)
    search = _Search(tasks, (objective, urgency), effort, stop, seed)
    search.start()
    search.improve(flip)
    found = search.best
    if not found.left:
        return dataclasses.replace(found, lower_bound=search.least)
    moved = {b.task for b in found.bookings}
    return dataclasses.replace(
        found, lower_bound=bounds.makespan(tasks, moved)
    )


def _rank(found: Timetable, work: neighbourhood.Repair) -> tuple[int, float]:
    return len(found.left), work.best_cost


class _Search:
    """The best timetable so far, with what gave it."""

    def __init__(
        self,
        tasks: Tasks,
        objective: tuple[Aim, float],
        effort: int,
        stop: Callable[[], bool],
        seed: int,
    ) -> None:
        self.tasks, self.stop = tasks, stop
        self.objective, self.urgency = objective
        self.effort = min(effort, PASSES * len(tasks.tasks))
        self.random = np.random.default_rng(seed)
        self.lister = Lister(tasks)
        self.n = len(tasks.tasks)
        self.ways = [0] * self.n
        self.width: float = 1
        self.order: list[int] = list(range(self.n))
        self.best = Timetable(bookings=(), left=(), lower_bound=0.0)
        self.rank: Rank | None = None
        self.need = bounds.least(tasks)
        self.least = bounds.shortest(tasks, self.need)
        self.ideal = np.zeros(self.n)
        self.cheapest = self.least
        if self.objective is Aim.PRICE:
            self.ideal = np.array(bounds.harms(tasks))
            self.cheapest = self.urgency * self.least + self.ideal.sum()

    def value(self, found: Timetable) -> Rank:
        """Less is better."""
        ends = sum(b.end for b in found.bookings)
        left, makespan = float(len(found.left)), found.makespan
        if self.objective is Aim.PRICE:
            price = price_of(self.tasks, found, self.urgency)
            return left, price, makespan, ends
        harm = harm_of(self.tasks, found.bookings)
        if self.objective is Aim.ENDS:
            return left, ends, makespan, harm
        return left, makespan, ends, harm

    def attempt(
        self, order: Sequence[int], width: float, ways: Sequence[int]
    ) -> bool:
        """List in this order; keep it where it is better."""
        self.effort -= self.n
        if not self.keep(self.lister.run(order, width, ways)):
            return False
        self.order, self.width, self.ways = list(order), width, list(ways)
        return True

    def keep(self, found: Timetable) -> bool:
        """Keep it if it is better."""
        rank = self.value(found)
        if self.rank is not None and rank >= self.rank:
            return False
        self.best, self.rank = found, rank
        return True

    def start(self) -> None:
        """All orders, then the best of them at other widths."""
        paths = [
            [u.link for u in uses[0] if u.on_path]
            for uses in self.lister.links.uses[: self.n]
        ]
        early = [task.ways[0].early for task in self.tasks.tasks]
        orders = Priorities(self.need, paths, early)
        if self.objective is Aim.ENDS:
            self.attempt(orders.shortest(), 1, self.ways)
        others = orders.orders()
        self.attempt(next(others), 1, self.ways)
        # an order is made only where there is effort for it
        for order, width in itertools.chain(
            ((self.order, width) for width in self.widths()),
            self.leavers(orders),
            ((order, 1) for order in others),
        ):
            if self.done():
                return
            self.attempt(order, width, self.ways)

    def leavers(self, orders: Priorities) -> Iterator[tuple[list[int], float]]:
        """Orders by who frees links, with widths, where anybody does."""
        away = [
            max((rate for _, rate in task.ways[0].leaves), default=0.0)
            / max(task.ways[0].volume, 1.0)
            for task in self.tasks.tasks
        ]
        if self.widths() and any(away):
            order = orders.leavers(away)
            yield order, math.inf
            yield order, 1

    def widths(self) -> list[float]:
        """Beside 1, where rates may be chosen at all."""
        ways = [way for task in self.tasks.tasks for way in task.ways]
        if all(way.least >= way.most for way in ways):
            return []
        crowd = max((len(work) for work in self.need.work.values()), default=1)
        return [w for w in WIDTHS if w < 2 * crowd or w == math.inf]

    def done(self) -> bool:
        """All move, and none better than the lower bound allows."""
        if self.effort < self.n or self.stop() or self.rank is None:
            return True
        return (
            self.objective is not Aim.ENDS
            and not self.best.left
            and self.rank[1] <= self.cheapest * (1 + PROVEN)
        )

    def improve(self, flip: bool) -> None:
        """Piece by piece where tasks are rigid, else order by order."""
        if neighbourhood.suits(self.tasks) and self.best.bookings:
            self.fill()
            self.mend()
            return
        several = [
            i for i in range(self.n) if len(self.tasks.tasks[i].ways) > 1
        ]
        while not self.done():
            alone = self.n < 2
            if flip and several and (alone or self.random.random() < 0.5):
                self.flip(several)
            elif alone:
                break
            else:
                self.move()

    def fill(self) -> None:
        """An order that leaves no gap where the bound binds."""
        if self.objective is Aim.ENDS or self.done():
            return
        steps = min(EXCHANGES, self.effort // (2 * self.n))
        self.effort -= steps  # what they place is a slot each
        order = slots.order(
            self.tasks, self.need, self.least, self.random, steps
        )
        if order is not None:
            self.attempt(order, 1, self.ways)

    def mend(self) -> None:
        """The best of several starts, then ruin and recreate."""
        ends = self.objective is Aim.ENDS
        until = self.effort // 2
        found = self.best
        work = self.justified(found)
        while not ends and not self.done() and self.effort > until:
            noise = self.random.uniform(0.0, NOISE * self.n, self.n)
            places = np.argsort(np.arange(self.n) + noise, kind='stable')
            order = [self.order[int(k)] for k in places]
            self.effort -= self.n
            listed = self.lister.run(order)
            other = self.justified(listed)
            # who is left out may differ, and stays left out
            if _rank(listed, other) < _rank(found, work):
                found, work = listed, other
        whole = max(self.effort, 1)
        until = whole - JUSTIFY * self.n
        while work.cost > 0 and self.effort > 0 and not self.stop():
            self.effort -= work.step(self.effort / whole)
            if self.effort <= until and not ends:
                self.effort -= work.justify()
                until = self.effort - JUSTIFY * self.n
        self.keep(dataclasses.replace(found, bookings=work.bookings()))

    def justified(self, found: Timetable) -> neighbourhood.Repair:
        """A timetable ready for repair, justified while that helps."""
        ends = self.objective is Aim.ENDS
        work = neighbourhood.Repair(
            self.tasks,
            self.lister.links,
            found.bookings,
            0.0 if ends else self.least,
            self.random,
        )
        before = math.inf
        while not ends and 0 < work.cost < before and self.effort > 0:
            before = work.cost
            self.effort -= work.justify()
        self.keep(dataclasses.replace(found, bookings=work.bookings()))
        return work

    def flip(self, several: list[int]) -> None:
        """Another way for one task, likely for one that harms."""
        weight = self.weights(harmful=self.aims_at_harm())[several]
        task = several[self.draw(weight + weight.mean() * SOME + TINY)]
        ways = list(self.ways)
        many = len(self.tasks.tasks[task].ways)
        other = int(self.random.integers(1, many)) if many > 2 else 1
        ways[task] = (ways[task] + other) % many
        self.attempt(self.order, self.width, ways)

    def move(self) -> None:
        """One task goes elsewhere in the order.

        A late one forward; where harm counts, one that harms, forward or
        back, for it depends on what else is there.
        """
        harmful = self.aims_at_harm()
        weight = self.weights(harmful)[self.order]
        if harmful:
            at = self.draw(weight + weight.mean() * SOME + TINY)
            to = int(self.random.integers(self.n))
        else:
            at = 1 + self.draw((weight[1:] + 1.0) ** 2)
            to = int(self.random.integers(at))
        moved = list(self.order)
        moved.insert(to, moved.pop(at))
        self.attempt(moved, self.width, self.ways)

    def aims_at_harm(self) -> bool:
        """Whether the next change is for harm, and not for time."""
        if self.objective is not Aim.PRICE:
            return False
        return bool(self.random.random() < 1 / (1 + self.urgency))

    def weights(self, harmful: bool) -> FloatArray:
        """What each task harms beyond need, or when it ends; shape (n,)."""
        out = np.full(self.n, 0.0 if harmful else self.best.makespan)
        for b in self.best.bookings:
            if harmful:
                harm = self.tasks.tasks[b.task].ways[b.way].harm(b.rate)
                out[b.task] = max(harm - self.ideal[b.task], 0.0)
            else:
                out[b.task] = b.end
        # one that never ends harms without bound, and is drawn first
        finite: FloatArray = np.nan_to_num(out, nan=0.0, posinf=HUGE)
        return finite

    def draw(self, weight: FloatArray) -> int:
        """One of them, as likely as it weighs."""
        return int(self.random.choice(len(weight), p=weight / weight.sum()))
