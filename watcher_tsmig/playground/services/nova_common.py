"""What all of Nova's API shares: microversions, errors, paging.

No resource is known here; nova and nova_hosts have the routes.
"""

import re
import urllib.parse
from collections.abc import Callable
from typing import Any
from typing import TypeVar

from watcher_tsmig.playground import web

Version = tuple[int, int]

LOWEST = (2, 1)
HIGHEST = (2, 104)  # Nova 34 (2026.2)
MAX_LIMIT = 1000

T = TypeVar('T')

ERROR_KINDS = {
    400: 'badRequest',
    401: 'unauthorized',
    403: 'forbidden',
    404: 'itemNotFound',
    405: 'badMethod',
    406: 'computeFault',
    409: 'conflictingRequest',
    500: 'computeFault',
}


def version_of(request: web.Request) -> Version:
    """The microversion that a request asks for.

    :raises HttpError: 400 or 406, Nova has no such version
    """
    text = request.headers.get('x-openstack-nova-api-version')
    for part in request.headers.get('openstack-api-version', '').split(','):
        service, _, value = part.strip().partition(' ')
        if service == 'compute':
            text = value.strip()
    if text is None:
        return LOWEST
    if text == 'latest':
        return HIGHEST
    match = re.fullmatch(r'([0-9]{1,3})\.([0-9]{1,4})', text)
    if match is None:
        raise web.HttpError(400, f'API Version String {text} is invalid.')
    version = int(match[1]), int(match[2])
    if not LOWEST <= version <= HIGHEST:
        raise web.HttpError(
            406, f'Version {text} is not supported by the API.'
        )
    return version


class NovaApp(web.App):
    """Errors and version headers as Nova writes them."""

    def error(self, status: int, message: str) -> object:
        kind = ERROR_KINDS.get(status, 'computeFault')
        return {kind: {'code': status, 'message': message}}

    def before(self, request: web.Request) -> None:
        version_of(request)

    def finish(
        self, request: web.Request, response: web.Response
    ) -> web.Response:
        try:
            version = '{}.{}'.format(*version_of(request))
        except web.HttpError:
            return response
        response.headers |= {
            'OpenStack-API-Version': f'compute {version}',
            'X-OpenStack-Nova-API-Version': version,
            'Vary': 'OpenStack-API-Version, X-OpenStack-Nova-API-Version',
        }
        return response


def document(base: str) -> dict[str, Any]:
    return {
        'id': 'v2.1',
        'status': 'CURRENT',
        'version': '{}.{}'.format(*HIGHEST),
        'min_version': '{}.{}'.format(*LOWEST),
        'updated': '2013-07-23T11:33:21Z',
        'links': [{'rel': 'self', 'href': f'{base}/v2.1/'}],
    }


def since(request: web.Request, first: Version) -> Version:
    version = version_of(request)
    if version < first:
        raise web.HttpError(404, 'The resource could not be found.')
    return version


def page(
    request: web.Request, items: list[T], key: Callable[[T], str]
) -> tuple[list[T], list[dict[str, str]]]:
    """The part of a list that limit and marker ask for, and a link on."""
    marker = request.arg('marker')
    if marker is not None:
        keys = [key(i) for i in items]
        if marker not in keys:
            raise web.HttpError(400, f'marker [{marker}] not found')
        items = items[keys.index(marker) + 1 :]
    limit = min(request.number('limit', MAX_LIMIT), MAX_LIMIT) or MAX_LIMIT
    if len(items) <= limit:
        return items, []
    shown = items[:limit]
    query = urllib.parse.urlencode(
        {**request.query, 'limit': [limit], 'marker': [key(shown[-1])]},
        doseq=True,
    )
    href = f'{request.base}{request.path}?{query}'
    return shown, [{'rel': 'next', 'href': href}]


def links_of(name: str, links: list[dict[str, str]]) -> dict[str, Any]:
    return {f'{name}_links': links} if links else {}
