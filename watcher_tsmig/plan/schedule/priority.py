"""Orders in which the list scheduler tries tasks, most critical first.

Only what the tasks need of their links is seen here, not what runs when.
"""

import heapq
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from watcher_tsmig.plan.schedule.bounds import Least

Key = Callable[[int], tuple[float, ...]]


class Priorities:
    """Orders of tasks by the links that they use.

    :param paths: for each task the links that can bind
    :param early: for each task whether its applications move at its start
    """

    def __init__(
        self,
        need: Least,
        paths: Sequence[Sequence[int]],
        early: Sequence[bool],
    ) -> None:
        self.work = need.work
        self.paths, self.early = paths, early
        self.load = {k: sum(w.values()) for k, w in need.work.items()}
        self.seconds = [need.seconds.get(i, 0.0) for i in range(len(paths))]
        self.busiest = [
            max((self.load.get(k, 0.0) for k in path), default=0.0)
            for path in paths
        ]

    def orders(self) -> Iterator[list[int]]:
        """Several, the likeliest to be good first.

        Of one busy link's tasks those that take traffic away early may go
        before those that bring it late, or after.
        """
        yield self._by(lambda i: (-self.busiest[i], -self.seconds[i]))
        yield self.balanced(0.0)
        yield self.balanced(1.0)
        if any(self.early) and not all(self.early):
            for last in (True, False):
                yield self._by(
                    lambda i, last=last: (  # type: ignore[misc]
                        -self.busiest[i],
                        self.early[i] is last,
                        -self.seconds[i],
                    )
                )

    def leavers(self, away: Sequence[float]) -> list[int]:
        """Those first that free most of a link for the time they take.

        :param away: for each task, traffic that it takes away from a link,
            by what it sends over it
        """
        return self._by(
            lambda i: (-away[i], -self.busiest[i], -self.seconds[i])
        )

    def shortest(self) -> list[int]:
        """The shortest first, of equal ones the most critical."""
        return self._by(lambda i: (self.seconds[i], -self.busiest[i]))

    def _by(self, key: Key) -> list[int]:
        return sorted(range(len(self.paths)), key=lambda i: (*key(i), i))

    def balanced(self, weight: float) -> list[int]:
        """Always from the link with the most work left.

        Of its tasks the one whose other links have the most left, so that
        all links run down together.

        :param weight: 0: the busiest link decides, then the next; else
            half as much counts each next one, and the own time so much
        """
        rest = dict(self.load)
        about = sum(self.seconds) / max(len(self.seconds), 1)

        def key(i: int, of: int) -> list[float]:
            paths = self.paths[i]
            left = sorted(-rest.get(k, 0.0) for k in paths if k != of)
            if weight:
                total = sum(x * 0.5**k for k, x in enumerate(left))
                return [total - weight * self.seconds[i]]
            return [*left, -self.seconds[i]]

        queues: dict[int, list[tuple[list[float], int]]] = {}
        for link, work in self.work.items():
            queues[link] = [(key(i, link), i) for i in work]
            heapq.heapify(queues[link])
        links = [(-load, link) for link, load in rest.items()]
        heapq.heapify(links)
        order: list[int] = []
        ordered = [False] * len(self.paths)
        while links:
            was, link = heapq.heappop(links)
            if -was > rest[link]:
                heapq.heappush(links, (-rest[link], link))
                continue
            i = _first(queues[link], ordered, lambda i: key(i, link), about)  # noqa: B023
            if i < 0:
                continue
            heapq.heappush(links, (was, link))
            order.append(i)
            ordered[i] = True
            for k in self.paths[i]:
                if i in self.work.get(k, ()):
                    rest[k] -= self.work[k][i]
        others = (i for i in range(len(ordered)) if not ordered[i])
        return [*order, *others]


def _first(
    queue: list[tuple[list[float], int]],
    ordered: Sequence[bool],
    key: Callable[[int], list[float]],
    about: float,
) -> int:
    """Take the first of the queue, whose keys only grow; -1: none left.

    :param about: a key that has grown by no more is as good as it was
    """
    while queue:
        was, i = queue[0]
        now = key(i)
        if ordered[i]:
            heapq.heappop(queue)
        elif now[0] > was[0] + about:
            heapq.heapreplace(queue, (now, i))
        else:
            heapq.heappop(queue)
            return i
    return -1
