"""Nova's API for hosts and flavors.

Hypervisors, services, aggregates and flavors: routes and filters only. How
they look is in nova_views.
"""

from collections.abc import Sequence

from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.nova_aggregates import aggregates
from watcher_tsmig.playground.services import nova_common as common
from watcher_tsmig.playground.services import nova_views as views

# What a list without details shows.
BRIEF_FLAVOR = ('id', 'name', 'links', 'description')
BRIEF_HYPERVISOR = (
    'id',
    'hypervisor_hostname',
    'state',
    'status',
    'servers',
)


class Hosts:
    """The part of Nova that is about hosts."""

    def __init__(self, sim: SimCloud) -> None:
        self._sim = sim

    def routes(self) -> Sequence[web.Route]:
        """Routes for Nova's table."""
        v, route = '/v2.1', web.Route
        return (
            route('GET', v + '/flavors', self._flavors),
            route('GET', v + '/flavors/detail', self._flavors),
            route('GET', v + '/flavors/{flavor_id}', self._flavor),
            route('GET', v + '/os-hypervisors', self._hypervisors),
            route('GET', v + '/os-hypervisors/detail', self._hypervisors),
            route('GET', v + '/os-hypervisors/{node_id}', self._hypervisor),
            route('GET', v + '/os-services', self._services),
            route('PUT', v + '/os-services/{service_id}', self._set_service),
            route('GET', v + '/os-aggregates', self._aggregates),
            route('GET', v + '/os-aggregates/{number}', self._aggregate),
        )

    # -- flavors

    def _flavors(self, request: web.Request) -> web.Response:
        sizes = {views.flavor_id(s): s for s in self._sim.servers.values()}
        page, links = common.page(request, list(sizes), str)
        body = [views.flavor(sizes[f]) for f in page]
        if not request.path.endswith('/detail'):
            body = [{k: f[k] for k in BRIEF_FLAVOR} for f in body]
        return web.Response(
            200, {'flavors': body} | common.links_of('flavors', links)
        )

    def _flavor(self, request: web.Request, flavor_id: str) -> web.Response:
        for server in self._sim.servers.values():
            if views.flavor_id(server) == flavor_id:
                return web.Response(200, {'flavor': views.flavor(server)})
        raise web.HttpError(404, f'Flavor {flavor_id} could not be found.')

    # -- hosts

    def _hypervisors(self, request: web.Request) -> web.Response:
        version = common.version_of(request)
        pattern = request.arg('hypervisor_hostname_pattern')
        with self._sim.at_now() as sim:
            found = [
                s
                for s in sim.services.values()
                if pattern is None or pattern in s.host.name
            ]
            links: list[dict[str, str]] = []
            if version >= (2, 33):
                found, links = common.page(
                    request, found, lambda s: s.hypervisor
                )
            holding, servers = sim.holding(), request.flag('with_servers')
            shown = [
                views.hypervisor(s, holding[s.host.name], version, servers)
                for s in found
            ]
        if not request.path.endswith('/detail'):
            shown = [
                {k: v for k, v in row.items() if k in BRIEF_HYPERVISOR}
                for row in shown
            ]
        return web.Response(
            200, {'hypervisors': shown} | common.links_of('hypervisors', links)
        )

    def _hypervisor(self, request: web.Request, node_id: str) -> web.Response:
        version = common.version_of(request)
        with self._sim.at_now() as sim:
            for service in sim.services.values():
                if node_id in (service.hypervisor, str(service.number)):
                    servers = request.flag('with_servers')
                    holding = sim.holding()[service.host.name]
                    body = views.hypervisor(service, holding, version, servers)
                    return web.Response(200, {'hypervisor': body})
        raise web.HttpError(404, f'Hypervisor {node_id} could not be found.')

    def _services(self, request: web.Request) -> web.Response:
        host, binary = request.arg('host'), request.arg('binary')
        version = common.version_of(request)
        with self._sim.at_now() as sim:
            now = sim.instant(sim.migrations.now)
            shown = [
                views.service(s, version, now)
                for s in sim.services.values()
                if host in (None, s.host.name)
                and binary in (None, 'nova-compute')
            ]
        return web.Response(200, {'services': shown})

    def _set_service(
        self, request: web.Request, service_id: str
    ) -> web.Response:
        version = common.since(request, (2, 53))
        body = request.json()
        status = body.get('status')
        if status not in (None, 'enabled', 'disabled'):
            raise web.HttpError(400, f'{status!r} is not a status')
        if body.get('disabled_reason') and status != 'disabled':
            raise web.HttpError(
                400, 'A reason needs the status to be disabled.'
            )
        with self._sim.at_now() as sim:
            for service in sim.services.values():
                if service.id == service_id:
                    if status is not None:
                        service.enabled = status == 'enabled'
                        service.reason = body.get('disabled_reason')
                    if 'forced_down' in body:
                        sim.set_up(service.host.name, not body['forced_down'])
                    now = sim.instant(sim.migrations.now)
                    shown = views.service(service, version, now)
                    return web.Response(200, {'service': shown})
        raise web.HttpError(404, f'Service {service_id} could not be found.')

    def _aggregates(self, request: web.Request) -> web.Response:
        return web.Response(200, {'aggregates': aggregates(self._sim)})

    def _aggregate(self, request: web.Request, number: str) -> web.Response:
        for aggregate in aggregates(self._sim):
            if str(aggregate['id']) == number:
                return web.Response(200, {'aggregate': aggregate})
        raise web.HttpError(404, f'Aggregate {number} could not be found.')
