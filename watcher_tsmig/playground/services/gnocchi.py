"""Gnocchi as gnocchiclient asks it: resources, metrics, measures.

Five-minute points by the wall clock, also where simulated time runs faster,
because readers ask for what happened lately. What there is to measure is in
metrics. Nothing can be stored here.
"""

import calendar
import datetime
import functools
import http
import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud.cloud import Metrics
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.services import gnocchi_queries as queries
from watcher_tsmig.playground.services import gnocchi_views as views
from watcher_tsmig.playground.services import metrics
from watcher_tsmig.playground.services.gnocchi_views import AGGREGATIONS
from watcher_tsmig.playground.services.gnocchi_views import POLICY
from watcher_tsmig.playground.services.metrics import GRANULARITY
from watcher_tsmig.playground.services.metrics import Metric
from watcher_tsmig.playground.services.metrics import Resource
from watcher_tsmig.playground.services.nova_common import page

#: the granularities that are served; none asks for all of them
KNOWN = (None, str(GRANULARITY), f'{GRANULARITY}.0')
POINTS = 24  # two hours of history
DATES = 1024  # that are kept, as text and as numbers
STALE = 4 * 3600
TEXT = {'type': 'string', 'required': False}
TYPES: dict[str, dict[str, object]] = {
    'generic': {},
    'instance': {'display_name': TEXT, 'host': TEXT},
    'instance_network_interface': {
        'instance_id': {'type': 'uuid', 'required': True},
        'name': TEXT,
    },
}


class Gnocchi(web.App):
    """The metric service."""

    prefix = '/metric'

    def __init__(
        self,
        sim: SimCloud,
        identify: Callable[[str], web.Who | None],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._sim = sim
        self._wall = wall
        found = [
            resource
            for server in sim.servers.values()
            for resource in metrics.resources(server.vm, server.number)
        ]
        self._by_id = {r.id: r for r in sorted(found, key=lambda r: r.id)}
        self._by_vm: dict[str, list[Resource]] = defaultdict(list)
        for resource in found:
            self._by_vm[resource.vm].append(resource)
        self._by_metric = {
            m.id: (r, m) for r in found for m in r.metrics.values()
        }
        super().__init__(identify)

    def routes(self) -> Sequence[web.Route]:
        kind = '/v1/resource/{kind}'
        named = kind + '/{resource_id}/metric/{name}'
        route = web.Route
        return (
            route('GET', '', self._versions, None),
            route('GET', '/v1', self._version, None),
            route('GET', '/v1/status', self._status),
            route('GET', '/v1/capabilities', self._capabilities),
            route('GET', '/v1/resource_type', self._types),
            route('GET', kind, self._list),
            route('POST', '/v1/search/resource/{kind}', self._search),
            route('GET', kind + '/{resource_id}', self._resource),
            route('GET', named, self._metric),
            route('GET', named + '/measures', self._measures),
            route('GET', '/v1/metric', self._metrics),
            route('GET', '/v1/metric/{name}', self._metric),
            route('GET', '/v1/metric/{name}/measures', self._measures),
            route('POST', '/v1/aggregates', self._aggregates),
            route('GET', '/v1/archive_policy', self._policies),
            route('GET', '/v1/archive_policy/{name}', self._policy),
        )

    def error(self, status: int, message: web.Json) -> object:
        title = http.HTTPStatus(status).phrase
        return {'code': status, 'title': title, 'description': message}

    def _versions(self, request: web.Request) -> web.Response:
        link = {'rel': 'self', 'href': f'{request.base}/v1/'}
        version = {'id': 'v1.0', 'links': [link], 'status': 'CURRENT'}
        body = {'build': '4.7.1', 'versions': [version]}
        return web.Response(200, body)

    def _version(self, request: web.Request) -> web.Response:
        return web.Response(200, {'version': '1.0', 'links': []})

    def _status(self, request: web.Request) -> web.Response:
        summary = {'metrics': 0, 'measures': 0}
        daemon = {'processors': ['one'], 'statistics': {'one': {'weight': 1}}}
        body = {'storage': {'summary': summary}, 'metricd': daemon}
        return web.Response(200, body)

    def _capabilities(self, request: web.Request) -> web.Response:
        return web.Response(200, {'aggregation_methods': list(AGGREGATIONS)})

    def _types(self, request: web.Request) -> web.Response:
        body = [
            {'name': name, 'state': 'active', 'attributes': attributes}
            for name, attributes in TYPES.items()
        ]
        return web.Response(200, body)

    # -- resources

    def _state(self, resource: Resource) -> Metrics:
        return self._sim.metrics[resource.vm]

    def _resources(
        self, kind: str, ids: Iterable[str] | None = None
    ) -> list[Resource]:
        """Those of a type, by id.

        :param ids: of them or of their VMs; None: all
        """
        if kind not in TYPES:
            raise web.HttpError(404, f'Resource type {kind} does not exist')
        some = self._by_id
        if ids is not None:
            # so that a search of many does not look at all, each time
            named = {i: some[i] for i in ids if i in some}
            named |= {r.id: r for i in ids for r in self._by_vm.get(i, ())}
            some = dict(sorted(named.items()))
        return [
            r
            for r in some.values()
            if kind in ('generic', r.type)
            and self._state(r) is not Metrics.GONE
        ]

    def _show(self, resource: Resource) -> dict[str, Any]:
        host = {}
        if resource.type == 'instance':
            host = {'host': self._sim.servers[resource.vm].host}
        return {
            **views.generic(resource, self._started),
            'metrics': {n: m.id for n, m in resource.metrics.items()},
            **resource.attributes,
            **host,
        }

    @property
    def _started(self) -> str:
        return _text(self._sim.zero)

    def _listing(
        self, request: web.Request, found: list[dict[str, Any]]
    ) -> web.Response:
        order = (request.arg('sort') or 'id').partition(':')[0]
        if found and order not in found[0]:
            raise web.HttpError(
                400,
                f"Invalid pagination: `Sort key supplied is invalid: {order}'",
            )
        shown, links = page(request, found, lambda r: str(r['id']))
        response = web.Response(200, shown)
        if links:
            response.headers['Link'] = f'<{links[0]["href"]}>; rel="next"'
        return response

    def _list(self, request: web.Request, kind: str) -> web.Response:
        with self._sim.at_now():
            found = [self._show(r) for r in self._resources(kind)]
        return self._listing(request, found)

    def _search(self, request: web.Request, kind: str) -> web.Response:
        query = request.json() if request.body.strip() else {}
        ids = queries.ids(query)
        with self._sim.at_now():
            found = [self._show(r) for r in self._resources(kind, ids)]
        return self._listing(
            request, [r for r in found if queries.matches(query, r)]
        )

    def _find(self, kind: str, resource_id: str) -> Resource:
        resource = self._by_id.get(resource_id)
        if (
            resource is None
            or kind not in ('generic', resource.type)
            or self._state(resource) is Metrics.GONE
        ):
            raise web.HttpError(404, f'Resource {resource_id} does not exist')
        return resource

    def _resource(
        self, request: web.Request, kind: str, resource_id: str
    ) -> web.Response:
        with self._sim.at_now():
            body = self._show(self._find(kind, resource_id))
        return web.Response(200, body)

    # -- metrics

    def _locate(
        self, name: str, kind: str = 'generic', resource_id: str = ''
    ) -> tuple[Resource, Metric]:
        if resource_id:
            resource = self._find(kind, resource_id)
            if name in resource.metrics:
                return resource, resource.metrics[name]
        elif name in self._by_metric:
            resource, metric = self._by_metric[name]
            if self._state(resource) is not Metrics.GONE:
                return resource, metric
        raise web.HttpError(404, f'Metric {name} does not exist')

    def _knows(self, metric: str) -> bool:
        found = self._by_metric.get(metric)
        return found is not None and (
            self._state(found[0]) is not Metrics.GONE
        )

    def _metrics(self, request: web.Request) -> web.Response:
        found = [
            views.metric(r, m)
            for r in self._resources('generic')
            for m in r.metrics.values()
        ]
        return self._listing(request, sorted(found, key=lambda m: m['id']))

    def _metric(self, request: web.Request, **path: str) -> web.Response:
        resource, metric = self._locate(**path)
        body = views.one_metric(resource, metric, self._started)
        return web.Response(200, body)

    def _policies(self, request: web.Request) -> web.Response:
        return web.Response(200, [POLICY])

    def _policy(self, request: web.Request, name: str) -> web.Response:
        if name != POLICY['name']:
            raise web.HttpError(404, f'Archive policy {name} does not exist')
        return web.Response(200, POLICY)

    def _measures(self, request: web.Request, **path: str) -> web.Response:
        resource, metric = self._locate(**path)
        how = request.arg('aggregation') or 'mean'
        body = self._points(request, resource, metric, how)
        return web.Response(200, list(body))

    def _aggregates(self, request: web.Request) -> web.Response:
        """Many metrics at once: ``["metric", [id, how], ...]``."""
        measures: dict[str, dict[str, object]] = {}
        operations = queries.operations(request.json().get('operations'))
        unknown = [name for name, _ in operations if not self._knows(name)]
        if unknown:
            raise web.HttpError(404, views.unknown_metrics(unknown))
        none = [(n, how) for n, how in operations if how not in AGGREGATIONS]
        if none:
            raise web.HttpError(404, views.unknown_aggregations(none))
        asked = request.arg('granularity')
        if asked not in KNOWN:
            missing = views.missing_granularity(operations, _number(asked))
            raise web.HttpError(400, missing)
        for name, how in operations:
            resource, metric = self._locate(name)
            points = self._points(request, resource, metric, how)
            measures.setdefault(name, {})[how] = list(points)
        return web.Response(200, {'measures': measures})

    def _points(
        self,
        request: web.Request,
        resource: Resource,
        metric: Metric,
        how: str,
    ) -> Iterator[tuple[str, float, float]]:
        if how not in AGGREGATIONS:
            raise web.HttpError(404, views.no_aggregation(metric.id, how))
        asked = request.arg('granularity')
        if asked not in KNOWN:
            none = views.no_granularity(metric.id, how, _number(asked))
            raise web.HttpError(404, none)
        start = _instant(request.arg('start'), 0.0)
        stop = _instant(request.arg('stop'), float('inf'))
        end = self._wall()
        if self._state(resource) is Metrics.STALE:
            end -= STALE
        end = end // GRANULARITY * GRANULARITY
        start = start // GRANULARITY * GRANULARITY  # as Gnocchi rounds
        zero = self._sim.zero - metrics.COUNTER_AGE
        times = 1.0
        if metric.name in metrics.COUNTERS:
            times = self._sim.traffic[resource.vm]
        elif metric.name in metrics.DIRTIED:
            times = self._sim.writing[resource.vm]
        for n in range(POINTS, 0, -1):
            at = end - GRANULARITY * n
            if start <= at < stop:
                value = times * metric.at(how, at - zero)
                yield _text(at), float(GRANULARITY), value


def _number(text: str | None) -> float:
    """A granularity of a query, s."""
    try:
        return float(text or 0)
    except ValueError as e:
        raise web.HttpError(400, f'{text!r} is not a timespan') from e


@functools.lru_cache(DATES)
def _text(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()


@functools.lru_cache(DATES)
def _instant(text: str | None, default: float) -> float:
    """A date of a query; without a zone it is UTC."""
    if text is None:
        return default
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        try:
            return float(text)
        except ValueError as e:
            raise web.HttpError(400, f'{text!r} is not a date') from e
    return calendar.timegm(moment.utctimetuple()) + moment.microsecond / 1e6
