"""Nova's API for server groups: routes and how they look."""

from collections.abc import Sequence
from typing import Any

from watcher_tsmig.model import Affinity
from watcher_tsmig.model import Group
from watcher_tsmig.playground import web
from watcher_tsmig.playground.cloud.cloud import SimCloud
from watcher_tsmig.playground.services import nova_common as common


class Groups:
    """The part of Nova that is about server groups."""

    def __init__(self, sim: SimCloud, owner: str) -> None:
        self._sim = sim
        self._owner = owner

    def routes(self) -> Sequence[web.Route]:
        """Routes for Nova's table."""
        path = '/v2.1/os-server-groups'
        return (
            web.Route('GET', path, self._all),
            web.Route('GET', path + '/{group_id}', self._one),
        )

    def _all(self, request: web.Request) -> web.Response:
        """Nova has an offset here, neither a marker nor a link."""
        version = common.version_of(request)
        shown: list[dict[str, Any]] = []
        if request.arg('all_projects') is not None:
            # no project of a caller has any, all are a tenant's
            limit = request.number('limit', common.MAX_LIMIT)
            first = request.number('offset', 0)
            last = first + min(limit or common.MAX_LIMIT, common.MAX_LIMIT)
            groups = self._sim.cloud.groups[first:last]
            shown = [self._show(group, version) for group in groups]
        return web.Response(200, {'server_groups': shown})

    def _one(self, request: web.Request, group_id: str) -> web.Response:
        for group in self._sim.cloud.groups:
            if group.id == group_id:
                body = self._show(group, common.version_of(request))
                return web.Response(200, {'server_group': body})
        raise web.HttpError(
            404, f'Instance group {group_id} could not be found.'
        )

    def _show(self, group: Group, version: common.Version) -> dict[str, Any]:
        known = self._sim.servers
        body: dict[str, Any] = {
            'id': group.id,
            'name': group.id,
            # deleted servers are not shown
            'members': [m for m in group.members if m in known],
        }
        if version >= (2, 13):
            body |= {'project_id': self._owner, 'user_id': self._owner}
        if version < (2, 64):
            return body | {'policies': [group.policy], 'metadata': {}}
        rules = {}
        if group.policy == Affinity.APART and group.max_per_host > 1:
            rules['max_server_per_host'] = int(group.max_per_host)
        return body | {'policy': group.policy, 'rules': rules}
