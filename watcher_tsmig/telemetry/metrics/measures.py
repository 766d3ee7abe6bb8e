"""Gnocchi in bulk: which metrics hang on which VMs, and their measures.

The one place that talks to Gnocchi. It knows nothing of traffic or memory.
One search finds the resources of many VMs, one request of the aggregates
API brings the measures of many metrics. Where a Gnocchi refuses that for some
of them (a policy without rates or the granularity, a metric just deleted),
the others are asked for again, within the same time.
"""

import concurrent.futures
import functools
import math
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

import requests
from gnocchiclient import exceptions as gnocchi_errors
from keystoneauth1 import exceptions as auth_errors

from watcher_tsmig import errors
from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.clients import GnocchiClient
from watcher_tsmig.telemetry.metrics import refused
from watcher_tsmig.telemetry.metrics import rows
from watcher_tsmig.telemetry.sources import Refusal

T = TypeVar('T')

Resource = dict[str, Any]

CLIENT_ERRORS = (
    gnocchi_errors.ClientException,
    auth_errors.ClientException,
    requests.exceptions.RequestException,
)


# Requests under way at once: as many as a small Gnocchi has workers
AT_ONCE = 4
# Share of the metrics that a shorter question should be enough for, and how
# much longer than theirs it is: the moments of sampling differ
MOST, MARGIN = 0.9, 1.25
# Gnocchi's own [api] max_limit, above which it answers less than asked
PAGE = 1000


class Gnocchi:
    """Questions to one Gnocchi, all of them within one span of time.

    :param client: of gnocchiclient, version 1
    :param total_time: for all questions, s
    :ivar questions: how many were asked
    :ivar refusals: metrics that it would not give
    """

    def __init__(
        self,
        client: GnocchiClient,
        *,
        total_time: float,
        batch: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._batch = batch
        self._now = now
        self._ends = now() + total_time
        self._total_time = total_time
        self.questions = 0
        self._lock = threading.Lock()
        self.refusals: list[Refusal] = []
        # id of the VM, or of what it hangs on, and name of each metric
        self._owners: dict[str, tuple[str, str]] = {}

    def probe(self) -> None:
        """One cheap question, so that a dead Gnocchi costs one wait.

        :raises errors.CloudError: it does not answer
        """
        self._ask(self._client.capabilities.list)

    def resources(
        self, kind: str, attribute: str, values: Sequence[str]
    ) -> list[Resource]:
        """Resources of a type whose attribute is one of the values.

        :raises errors.CloudError: Gnocchi does not answer in time
        """

        def search(some: Sequence[str]) -> list[Resource]:
            try:
                return list(self._pages(kind, {'in': {attribute: list(some)}}))
            except errors.CloudError as error:
                if isinstance(error.__cause__, gnocchi_errors.NotFound):
                    # nobody ever measured such a thing here
                    return []
                raise

        found = _side_by_side(search, _batches(values, self._batch))
        return [resource for some in found for resource in some]

    def _pages(
        self, kind: str, query: dict[str, object]
    ) -> Iterator[Resource]:
        marker = None
        while True:
            page = self._ask(
                functools.partial(
                    self._client.resource.search,
                    resource_type=kind,
                    query=query,
                    limit=PAGE,
                    marker=marker,
                )
            )
            for resource in page:
                owner = str(resource.get('instance_id') or resource['id'])
                for name, metric in (resource.get('metrics') or {}).items():
                    self._owners[metric] = (owner, name)
                yield resource
            if len(page) < PAGE:
                return
            marker = page[-1]['id']

    def measures(
        self,
        metrics: Iterable[str],
        aggregation: str,
        *,
        granularity: float | None,
        start: float,
        about: float = 0.0,
    ) -> dict[str, list[Point]]:
        """Measures of each metric since `start`, oldest first.

        :param start: seconds since the epoch
        :param granularity: s; None for any that there is
        :param about: of several, take the coarsest up to this, or else the
            finest, s
        :returns: by metric id; a metric without measures has none
        :raises errors.CloudError: Gnocchi does not answer in time
        """
        if granularity is not None and granularity == int(granularity):
            granularity = int(granularity)  # 300, not 300.0, on the wire
        since = rows.date(start)

        def fetch(some: Sequence[str]) -> dict[str, list[Point]]:
            given = self._given(some, aggregation, granularity, since)
            return {m: rows.points(given[m], about) for m in given}

        batches = _batches(sorted(set(metrics)), self._batch)
        found: dict[str, list[Point]] = {}
        for some in _side_by_side(fetch, batches):
            found |= some
        return found

    def newest(
        self,
        metrics: Iterable[str],
        aggregation: str,
        many: int,
        *,
        start: float,
        now: float,
    ) -> dict[str, list[Point]]:
        """As `measures`, but only the newest `many` of each are certain.

        How far back those reach is learned from the first batch; who has
        fewer of them by then is asked for again, back to `start`.

        :raises errors.CloudError: Gnocchi does not answer in time
        """
        ask = functools.partial(
            self.measures, aggregation=aggregation, granularity=None
        )
        every = sorted(set(metrics))
        first, rest = every[: self._batch], every[self._batch :]
        found = ask(first, start=start)
        back = _reach(list(found.values()), many, now)
        if now - back > start:
            found |= ask(rest, start=now - back)
            without = {refusal.id for refusal in self.refusals}
            rest = [
                metric
                for metric in rest
                if len(found[metric]) < many and metric not in without
            ]
        return found | ask(rest, start=start)

    def first_of(
        self,
        metrics: Sequence[str],
        aggregations: Sequence[str],
        *,
        about: float,
        start: float,
    ) -> tuple[dict[str, list[Point]], list[Refusal]]:
        """Measures of each metric by the first method that its policy has.

        :param about: granularity to prefer, s; see `measures`
        :returns: the measures, and the last refusals of the metrics that
            have none of the methods, which are not in `refusals`
        :raises errors.CloudError: Gnocchi does not answer in time
        """
        found: dict[str, list[Point]] = {}
        lacking: list[Refusal] = []
        left = list(metrics)
        # The wanted granularity alone is the smallest answer
        tries = [(aggregations[0], about), *((a, None) for a in aggregations)]
        for aggregation, granularity in tries:
            if not left:
                break
            before = len(self.refusals)
            found |= self.measures(
                left,
                aggregation,
                granularity=granularity,
                start=start,
                about=about,
            )
            lacking = self.refusals[before:]
            del self.refusals[before:]
            left = [refusal.id for refusal in lacking]
        return {m: found[m] for m in found if m not in left}, (
            lacking if left else []
        )

    def _given(
        self,
        metrics: Sequence[str],
        aggregation: str,
        granularity: float | None,
        start: str,
    ) -> dict[str, list[Any]]:
        """As much as Gnocchi gives of many, of which it may refuse some.

        Those that its answer names are left out; where it names none, each
        half of them is asked for by itself.
        """
        try:
            return self._many(metrics, aggregation, granularity, start)
        except errors.CloudError as error:
            if not refused.is_refusal(error):
                raise
            named = refused.named(error, metrics)
            for metric in named:
                self._refuse(metric, error)
        found: dict[str, list[Any]] = {metric: [] for metric in named}
        rest = [metric for metric in metrics if metric not in found]
        half = len(rest) if named else len(rest) // 2
        for some in (rest[:half], rest[half:]):
            if some:
                found |= self._given(some, aggregation, granularity, start)
        return found

    def _many(
        self,
        metrics: Sequence[str],
        aggregation: str,
        granularity: float | None,
        start: str,
    ) -> dict[str, list[Any]]:
        operations = [
            'metric',
            *([metric, aggregation] for metric in metrics),
        ]

        def fetch() -> dict[str, Any]:
            # Its own method for this reads each date again, of millions
            answer = self._client.api.post(
                'v1/aggregates',
                params={'start': start, 'granularity': granularity},
                # without it a refusal comes as a page for people
                headers={'Accept': 'application/json'},
                json={'operations': operations},
            )
            told: dict[str, Any] = answer.json()
            return told

        measures = self._ask(fetch)['measures']
        return {
            metric: measures.get(metric, {}).get(aggregation, [])
            for metric in metrics
        }

    def _refuse(self, metric: str, error: errors.CloudError) -> None:
        vm, name = self._owners.get(metric, ('', metric))
        self.refusals.append(
            Refusal(
                vm=vm,
                metric=name,
                why=refused.cause(error.__cause__),
                id=metric,
            )
        )

    def _ask(self, call: Callable[[], T]) -> T:
        if self._now() > self._ends:
            raise errors.CloudError(
                f'Gnocchi took more than {self._total_time:g} s'
            )
        with self._lock:
            self.questions += 1
        try:
            return call()
        except CLIENT_ERRORS as error:
            text = ' '.join(str(error).split()) or type(error).__name__
            raise errors.CloudError(f'Gnocchi: {text}') from error


def _side_by_side(
    ask: Callable[[Sequence[str]], T], batches: Iterable[Sequence[str]]
) -> list[T]:
    """The answers for all batches, in their order.

    :raises errors.CloudError: the first that there was; what was not asked
        by then is not
    """
    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
    try:
        return list(pool.map(ask, batches))
    finally:
        pool.shutdown(cancel_futures=True)


def _reach(found: Sequence[Sequence[Point]], many: int, now: float) -> float:
    """How far back the newest `many` of most of those measured reach, s.

    inf where there are none, or most have fewer.
    """
    ages = sorted(
        now - points[-many][0] if len(points) >= many else math.inf
        for points in found
        if points
    )
    if not ages:
        return math.inf
    return MARGIN * ages[min(int(MOST * len(ages)), len(ages) - 1)]


def _batches(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for i in range(0, len(values), size):
        yield values[i : i + size]
