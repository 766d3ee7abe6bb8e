"""Neutron as far as the kinds of servers' ports: what is on which, and how.

Ports are derived from the simulated cloud: a plain one for each server, until
the control service says something else of it.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.cloud import identify
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.services import nova_common as common
from watcher_tsmig.playground.services import nova_views

Json = dict[str, Any]

EXTENSIONS = (
    'binding',
    'binding-extended',
    'port-resource-request',
    'port-resource-request-groups',
)
# Hidden from who is no administrator
ADMINS = ('binding:host_id', 'binding:vif_type', 'resource_request')
FILTERS = ('id', 'device_id', 'binding:host_id')


class Neutron(web.App):
    """The network service."""

    prefix = '/network'

    def __init__(
        self, sim: SimCloud, identify: Callable[[str], web.Who | None]
    ) -> None:
        self._sim = sim
        super().__init__(identify)

    def routes(self) -> Sequence[web.Route]:
        v, anyone = '/v2.0', frozenset[str]()
        return (
            web.Route('GET', '', self._versions, None),
            web.Route('GET', v, self._resources, anyone),
            web.Route('GET', v + '/ports', self._ports, anyone),
            web.Route('GET', v + '/extensions/{alias}', self._known, anyone),
        )

    def error(self, status: int, message: str) -> object:
        kind = 'PortNotFound' if status == 404 else f'HTTP{status}'
        return {
            'NeutronError': {'type': kind, 'message': message, 'detail': ''}
        }

    def _versions(self, request: web.Request) -> web.Response:
        href = f'{request.base}/v2.0/'
        shown = {
            'id': 'v2.0',
            'status': 'CURRENT',
            'links': [{'rel': 'self', 'href': href}],
        }
        return web.Response(200, {'versions': [shown]})

    def _resources(self, request: web.Request) -> web.Response:
        href = f'{request.base}/v2.0/ports'
        shown = {
            'name': 'port',
            'collection': 'ports',
            'links': [{'rel': 'self', 'href': href}],
        }
        return web.Response(200, {'resources': [shown]})

    def _known(self, request: web.Request, alias: str) -> web.Response:
        if alias not in EXTENSIONS:
            raise web.HttpError(404, f'Extension {alias} could not be found')
        shown = {
            'alias': alias,
            'name': alias,
            'description': '',
            'updated': '2017-07-17T10:00:00-00:00',
            'links': [],
        }
        return web.Response(200, {'extension': shown})

    def _ports(self, request: web.Request) -> web.Response:
        who = request.who
        admin = who is not None and 'admin' in who.roles
        with self._sim.at_now() as sim:
            rows = [
                row
                for server in sim.servers.values()
                for row in _ports_of(server)
                if admin or (who and row['project_id'] == who.project_id)
            ]
        wanted = {n: request.query[n] for n in FILTERS if n in request.query}
        rows = [
            row for row in rows if all(row[n] in wanted[n] for n in wanted)
        ]
        rows.sort(key=lambda row: str(row['id']))
        page, links = rows, []
        if request.arg('limit') is not None:
            page, links = common.page(request, rows, lambda row: row['id'])
        fields = request.query.get('fields')
        body = [
            {
                name: value
                for name, value in row.items()
                if (not fields or name in fields)
                and (admin or name not in ADMINS)
            }
            for row in page
        ]
        return web.Response(
            200, {'ports': body} | common.links_of('ports', links)
        )


def _ports_of(server: Server) -> list[Json]:
    return [
        _port(server, number, given)
        for number, given in enumerate(server.ports)
    ]


def _port(server: Server, number: int, given: Mapping[str, Any]) -> Json:
    return {
        'id': identify('port', f'{server.vm.id}:{number}'),
        'name': '',
        'status': 'ACTIVE',
        'admin_state_up': True,
        'network_id': identify('network', 'tenants'),
        'project_id': nova_views.OWNER,
        'device_id': server.vm.id,
        'device_owner': f'compute:{nova_views.ZONE}',
        'binding:host_id': server.host,
        'binding:vnic_type': 'normal',
        'binding:vif_type': 'ovs',
        'resource_request': None,
        **given,
    }
