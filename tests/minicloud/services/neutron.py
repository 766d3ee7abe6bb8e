"""A Neutron without networks: enough for servers that have none.

Collections are empty, quotas unlimited, everything else is not there.
"""

import json
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

COLLECTIONS = (
    'agents',
    'extensions',
    'floatingips',
    'networks',
    'ports',
    'quotas',
    'routers',
    'security-groups',
    'subnets',
)
UNLIMITED = dict.fromkeys(
    ('port', 'network', 'security_group', 'floatingip'), -1
)


def answer(method: str, path: str, host: str) -> tuple[str, Any]:
    """Status and body."""
    parts = path.strip('/').split('/')
    if parts == ['']:
        link = {'rel': 'self', 'href': f'http://{host}/v2.0/'}
        version = {'id': 'v2.0', 'status': 'CURRENT', 'links': [link]}
        return '200 OK', {'versions': [version]}
    if parts == ['v2.0']:
        return '200 OK', {'resources': []}
    name = parts[1].split('.')[0]
    if method == 'GET' and len(parts) == 2 and name in COLLECTIONS:
        return '200 OK', {name.replace('-', '_'): []}
    if method == 'GET' and name == 'quotas':
        return '200 OK', {'quota': UNLIMITED}
    error = {'type': 'NotFound', 'message': path, 'detail': ''}
    return '404 Not Found', {'NeutronError': error}


def application(
    environ: dict[str, Any], start_response: Callable[..., object]
) -> Iterable[bytes]:
    """The WSGI application."""
    status, body = answer(
        environ['REQUEST_METHOD'], environ['PATH_INFO'], environ['HTTP_HOST']
    )
    data = json.dumps(body).encode()
    start_response(
        status,
        [
            ('Content-Type', 'application/json'),
            ('Content-Length', str(len(data))),
        ],
    )
    return [data]
