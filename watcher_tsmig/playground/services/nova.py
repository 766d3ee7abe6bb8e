"""Nova's API for servers and their migrations.

Routes and filters live here. How resources look is in nova_views, how
migrations behave in migrations, hosts and flavors are in nova_hosts.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud import having
from watcher_tsmig.playground.cloud import records
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.records import Record
from watcher_tsmig.playground.cloud.records import Server
from watcher_tsmig.playground.services import nova_actions
from watcher_tsmig.playground.services import nova_common as common
from watcher_tsmig.playground.services import nova_groups
from watcher_tsmig.playground.services import nova_hosts
from watcher_tsmig.playground.services import nova_views as views

#: vm_state before and after an action
PAUSES = {'pause': ('active', 'paused'), 'unpause': ('paused', 'active')}


class Nova(common.NovaApp):
    """The compute service."""

    prefix = '/compute'

    def __init__(
        self, sim: SimCloud, identify: Callable[[str], web.Who | None]
    ) -> None:
        self._sim = sim
        self._hosts = nova_hosts.Hosts(sim)
        self._groups = nova_groups.Groups(sim, views.OWNER)
        self._actions = nova_actions.Actions(sim)
        super().__init__(identify)

    def routes(self) -> Sequence[web.Route]:
        v, route = '/v2.1', web.Route
        one = v + '/servers/{server_id}'
        moves = one + '/migrations'
        return (
            route('GET', '', self._versions, None),
            route('GET', v, self._version, None),
            route('GET', v + '/servers', self._servers),
            route('GET', v + '/servers/detail', self._servers_detail),
            route('GET', one, self._server),
            route('POST', one + '/action', self._action),
            route('GET', moves, self._server_migrations),
            route('GET', moves + '/{number}', self._server_migration),
            route('POST', moves + '/{number}/action', self._force_complete),
            route('DELETE', moves + '/{number}', self._abort),
            route('GET', one + '/shares', self._shares),
            route('GET', v + '/os-migrations', self._migrations),
            *self._hosts.routes(),
            *self._groups.routes(),
            *self._actions.routes(),
        )

    # -- versions

    def _versions(self, request: web.Request) -> web.Response:
        return web.Response(200, {'versions': [common.document(request.base)]})

    def _version(self, request: web.Request) -> web.Response:
        return web.Response(200, {'version': common.document(request.base)})

    # -- servers

    def _filtered(self, request: web.Request) -> list[Server]:
        wanted = {
            name: value
            for name in ('host', 'status', 'uuid', 'name')
            if (value := request.arg(name)) is not None
        }
        return [s for s in self._sim.servers.values() if _fits(s, wanted)]

    def _servers(self, request: web.Request) -> web.Response:
        with self._sim.at_now():
            found = self._filtered(request)
            page, links = common.page(request, found, lambda s: s.vm.id)
            body: dict[str, Any] = {'servers': [views.brief(s) for s in page]}
        return web.Response(200, body | common.links_of('servers', links))

    def _servers_detail(self, request: web.Request) -> web.Response:
        version = common.version_of(request)
        with self._sim.at_now() as sim:
            found = self._filtered(request)
            page, links = common.page(request, found, lambda s: s.vm.id)
            shown = [views.server(sim, s, version) for s in page]
        return web.Response(
            200, {'servers': shown} | common.links_of('servers', links)
        )

    def _server(self, request: web.Request, server_id: str) -> web.Response:
        with self._sim.at_now() as sim:
            server = sim.server(server_id)
            version = common.version_of(request)
            body = views.server(sim, server, version)
            if version >= (2, 71):
                body['server_groups'] = [
                    group.id
                    for group in sim.cloud.groups
                    if server_id in group.members
                ]  # not in a list
        return web.Response(200, {'server': body})

    def _action(self, request: web.Request, server_id: str) -> web.Response:
        body = request.json()
        if len(body) != 1:
            raise web.HttpError(400, 'Exactly one action is needed.')
        (name, value), version = (
            next(iter(body.items())),
            common.version_of(request),
        )
        with self._sim.at_now() as sim:
            server = sim.server(server_id)
            if name == 'os-migrateLive':
                host, force = _live_migration(value, version)
                sim.live_migrate(server, host, force=force)
            elif name in ('lock', 'unlock'):
                server.locked = name == 'lock'
            elif name in PAUSES:
                _pause(server, name)
            elif name == 'os-resetState':
                _reset(server, value)
            else:
                raise web.HttpError(400, f'There is no such action: {name}')
        return web.Response(202)

    def _shares(self, request: web.Request, server_id: str) -> web.Response:
        common.since(request, (2, 97))
        with self._sim.at_now() as sim:
            shown = having.shares(sim.server(server_id))
        return web.Response(200, {'shares': shown})

    # -- migrations

    def _find(
        self, sim: SimCloud, server_id: str, number: str
    ) -> tuple[Server, Record]:
        server = sim.server(server_id)
        rows = {str(r.id): r for r in sim.migrations.records.values()}
        record = rows.get(number)
        if record is None or record.server is not server:
            raise web.HttpError(
                404,
                f'Migration {number} for server {server_id} could not be '
                'found.',
            )
        return server, record

    def _server_migrations(
        self, request: web.Request, server_id: str
    ) -> web.Response:
        version = common.since(request, (2, 23))
        with self._sim.at_now() as sim:
            server = sim.server(server_id)
            rows = [
                views.server_migration(sim, r, version)
                for r in reversed(sim.migrations.records.values())
                if r.server is server and views.listed(r)
            ]
        return web.Response(200, {'migrations': rows})

    def _server_migration(
        self, request: web.Request, server_id: str, number: str
    ) -> web.Response:
        version = common.since(request, (2, 23))
        with self._sim.at_now() as sim:
            _, record = self._find(sim, server_id, number)
            if not views.listed(record):
                raise web.HttpError(
                    404,
                    f'In-progress live migration {number} is not found for '
                    f'server {server_id}.',
                )
            body = views.server_migration(sim, record, version)
        return web.Response(200, {'migration': body})

    def _force_complete(
        self, request: web.Request, server_id: str, number: str
    ) -> web.Response:
        common.since(request, (2, 22))
        if list(request.json()) != ['force_complete']:
            raise web.HttpError(400, 'There is no such action.')
        with self._sim.at_now() as sim:
            _check_migrating(sim.server(server_id), 'force_complete')
            server, record = self._find(sim, server_id, number)
            if record.status is not records.Status.RUNNING:
                raise web.HttpError(
                    400,
                    f'Migration {number} state of instance {server_id} is '
                    f'{record.status}. Cannot force_complete while the '
                    'migration is in this state.',
                )
            if server.vm_state != 'active':
                raise web.HttpError(
                    409, f'Cannot force_complete in {server.vm_state}'
                )
            permitted = sim.services[record.source].host.post_copy is True
            sim.migrations.force_complete(record, permitted)
        return web.Response(202)

    def _abort(
        self, request: web.Request, server_id: str, number: str
    ) -> web.Response:
        version = common.since(request, (2, 24))
        with self._sim.at_now() as sim:
            _check_migrating(sim.server(server_id), 'abort live migration')
            _, record = self._find(sim, server_id, number)
            records.check_abort(record, version >= (2, 65))
            sim.migrations.abort(record)
        return web.Response(202)

    def _migrations(self, request: web.Request) -> web.Response:
        version = common.version_of(request)
        asked: dict[str, Callable[[Record], str]] = {
            'instance_uuid': lambda r: r.server.vm.id,
            'status': lambda r: str(r.status),
            'source_compute': lambda r: r.source,
            'migration_type': lambda r: 'live-migration',
        }
        tests = [
            (get, value)
            for name, get in asked.items()
            if (value := request.arg(name)) is not None
        ]
        host = request.arg('host')
        with self._sim.at_now() as sim:
            rows = [
                r
                for r in reversed(sim.migrations.records.values())
                if all(get(r) == value for get, value in tests)
                and host in (None, r.source, r.destination)
            ]
            links: list[dict[str, str]] = []
            if version >= (2, 59):
                rows, links = common.page(request, rows, lambda r: r.uuid)
            body = [views.migration(sim, r, version) for r in rows]
        return web.Response(
            200, {'migrations': body} | common.links_of('migrations', links)
        )


def _check_migrating(server: Server, action: str) -> None:
    """What Nova checks first of both requests.

    :raises HttpError: 409, nothing is under way
    """
    if server.task_state != 'migrating':
        raise web.HttpError(
            409,
            f"Instance {server.vm.id} is in an invalid state for '{action}'",
        )


def _fits(server: Server, wanted: dict[str, str]) -> bool:
    busy = server.task_state == 'migrating'
    status = 'MIGRATING' if busy else server.vm_state.upper()
    has = {
        'host': server.host,
        'uuid': server.vm.id,
        'status': views.STATUS.get(server.vm_state, status),
    }
    name = wanted.get('name', '')  # Nova reads it as part of the name
    return name in server.vm.name and all(
        has[k] == v for k, v in wanted.items() if k != 'name'
    )


def _pause(server: Server, action: str) -> None:
    """Pause it, or end its pause.

    :raises HttpError: 409, it is in no state for that
    """
    before, after = PAUSES[action]
    state = server.task_state or server.vm_state
    if state != before:
        raise web.HttpError(
            409, f"Cannot '{action}' instance while it is in {state}"
        )
    server.vm_state = after


def _reset(server: Server, value: web.Json) -> None:
    if value not in ({'state': 'active'}, {'state': 'error'}):
        raise web.HttpError(400, 'os-resetState: state: active or error')
    server.vm_state = value['state']
    server.task_state = server.fault = None


def _live_migration(
    value: web.Json, version: common.Version
) -> tuple[str | None, bool]:
    """The host and the force flag of a body, checked as Nova does."""
    allowed = {'host', 'block_migration'}
    if version < (2, 25):
        allowed.add('disk_over_commit')
    if (2, 30) <= version < (2, 68):
        allowed.add('force')
    if not isinstance(value, dict) or not set(value) <= allowed:
        raise web.HttpError(
            400, 'Additional properties are not allowed in os-migrateLive.'
        )
    if not {'host', 'block_migration'} <= set(value):
        raise web.HttpError(400, 'host and block_migration are required.')
    host = value['host']
    if host is not None and not isinstance(host, str):
        raise web.HttpError(400, f'{host!r} is not a host name.')
    return host, bool(value.get('force')) or version < (2, 30)
