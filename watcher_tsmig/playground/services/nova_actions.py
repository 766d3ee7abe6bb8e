"""Nova's API for what was asked of a server: instance actions, their events.

Only live migrations are remembered, as long as their records are. What failed
first is the older event, as Nova lists the newest first.
"""

from collections.abc import Sequence
from typing import Any

from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.cloud.records import Record
from watcher_tsmig.playground.services import nova_common as common

#: An event tells why it failed from here on.
DETAILS = (2, 84)
#: Nova's names of the action and of the step that ends it.
ACTION = 'live-migration'
EVENT = 'conductor_migrate_server'


class Actions:
    """The part of Nova that is about instance actions."""

    def __init__(self, sim: SimCloud) -> None:
        self._sim = sim

    def routes(self) -> Sequence[web.Route]:
        """Routes for Nova's table."""
        path = '/v2.1/servers/{server_id}/os-instance-actions'
        return (
            web.Route('GET', path, self._all),
            web.Route('GET', path + '/{request_id}', self._one),
        )

    def _all(self, request: web.Request, server_id: str) -> web.Response:
        with self._sim.at_now() as sim:
            shown = [self._show(r) for r in _of(sim, server_id)]
        return web.Response(200, {'instanceActions': shown})

    def _one(
        self, request: web.Request, server_id: str, request_id: str
    ) -> web.Response:
        version = common.version_of(request)
        with self._sim.at_now() as sim:
            for record in _of(sim, server_id):
                body = self._show(record)
                if body['request_id'] == request_id:
                    body['events'] = [self._event(record, version)]
                    return web.Response(200, {'instanceAction': body})
        raise web.HttpError(
            404, f'Action for request_id {request_id} on instance not found'
        )

    def _show(self, record: Record) -> dict[str, Any]:
        return {
            'action': ACTION,
            'instance_uuid': record.server.vm.id,
            'request_id': f'req-{record.uuid}',
            'start_time': self._sim.instant(record.created),
            'updated_at': self._sim.instant(record.updated),
            'message': 'Error' if record.why else None,
        }

    def _event(
        self, record: Record, version: common.Version
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            'event': EVENT,
            'result': 'Error' if record.why else 'Success',
            'start_time': self._sim.instant(record.created),
            'finish_time': self._sim.instant(record.updated),
            'traceback': None,
        }
        if version >= DETAILS:
            body['details'] = record.why or None
        return body


def _of(sim: SimCloud, server_id: str) -> list[Record]:
    """The server's records, newest first."""
    server = sim.server(server_id)
    found = sim.migrations.records.values()
    return [r for r in reversed(found) if r.server is server]
