"""Keystone v3 as its clients see it: tokens, their validation, a catalogue.

Only identity lives here. Passwords are random for every run and checked for
real; tokens expire, can be revoked, and are bounded in number.
"""

import collections
import dataclasses
import datetime
import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.playground import web

DOMAIN = {'id': 'default', 'name': 'Default'}
REGION = 'RegionOne'
LIFETIME = 3600.0
MAX_TOKENS = 4096

# user: project and roles
USERS = {
    'admin': ('admin', ('admin', 'member', 'reader')),
    'watcher': ('service', ('admin', 'service', 'member', 'reader')),
    'demo': ('demo', ('member', 'reader')),
}


def _id(kind: str, name: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, f'tsmig:{kind}:{name}').hex


def _instant(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime('%Y-%m-%dT%H:%M:%S.%fZ')


@dataclasses.dataclass(frozen=True, slots=True)
class _Token:
    user: str
    methods: tuple[str, ...]
    issued: float
    expires: float
    audit: str


# Of a list: there is no other page.
NO_PAGES = {'next': None, 'self': '', 'previous': None}


class Keystone(web.App):
    """The identity service; tells every other service who bears a token."""

    prefix = '/identity'

    def __init__(self) -> None:
        self.passwords = {u: secrets.token_urlsafe(24) for u in USERS}
        self._tokens: collections.OrderedDict[str, _Token] = (
            collections.OrderedDict()
        )
        self._lock = threading.Lock()
        self._catalog: list[dict[str, Any]] = []
        super().__init__(self.identify)

    def routes(self) -> Sequence[web.Route]:
        anyone, nobody = frozenset[str](), None
        return (
            web.Route('GET', '', self._versions, nobody),
            web.Route('GET', '/v3', self._version, nobody),
            web.Route('POST', '/v3/auth/tokens', self._issue, nobody),
            web.Route('GET', '/v3/auth/tokens', self._validate, anyone),
            web.Route('HEAD', '/v3/auth/tokens', self._validate, anyone),
            web.Route('DELETE', '/v3/auth/tokens', self._revoke, anyone),
            web.Route('GET', '/v3/auth/catalog', self._show_catalog, anyone),
            web.Route('GET', '/v3/services', self._services),
            web.Route('GET', '/v3/projects', self._projects),
        )

    def error(self, status: int, message: str) -> object:
        return {'error': {'code': status, 'message': message, 'title': ''}}

    def publish(self, services: Mapping[str, tuple[str, str]]) -> None:
        """Set the catalogue: service type to (name, URL)."""
        self._catalog = [
            {
                'type': kind,
                'name': name,
                'id': _id('service', name),
                'endpoints': [
                    {
                        'id': _id('endpoint', f'{name}:{interface}'),
                        'interface': interface,
                        'region': REGION,
                        'region_id': REGION,
                        'url': url,
                    }
                    for interface in ('public', 'internal', 'admin')
                ],
            }
            for kind, (name, url) in services.items()
        ]

    def identify(self, token_id: str) -> web.Who | None:
        """Who bears the token; None where it is unknown or expired."""
        token = self._find(token_id)
        if token is None:
            return None
        project, roles = USERS[token.user]
        return web.Who(
            _id('user', token.user), _id('project', project), frozenset(roles)
        )

    def environment(self, user: str, root: str) -> dict[str, str]:
        """The OS_* variables with which a client authenticates."""
        return {
            'OS_AUTH_URL': f'{root}{self.prefix}/v3',
            'OS_AUTH_TYPE': 'password',
            'OS_IDENTITY_API_VERSION': '3',
            'OS_USERNAME': user,
            'OS_PASSWORD': self.passwords[user],
            'OS_PROJECT_NAME': USERS[user][0],
            'OS_USER_DOMAIN_ID': DOMAIN['id'],
            'OS_PROJECT_DOMAIN_ID': DOMAIN['id'],
            'OS_REGION_NAME': REGION,
        }

    def _find(self, token_id: str) -> _Token | None:
        with self._lock:
            token = self._tokens.get(token_id)
        if token is None or token.expires <= time.time():
            return None
        return token

    def _versions(self, request: web.Request) -> web.Response:
        body = {'versions': {'values': [_version(request.base)]}}
        return web.Response(300, body)

    def _version(self, request: web.Request) -> web.Response:
        return web.Response(200, {'version': _version(request.base)})

    def _issue(self, request: web.Request) -> web.Response:
        try:
            auth = request.json()['auth']
            identity = auth['identity']
            methods = tuple(identity['methods'])
            user, expires = self._authenticate(identity, methods)
            _check_scope(auth.get('scope'), user)
        except (KeyError, TypeError, AttributeError) as e:
            message = f'the authentication request is incomplete: {e!r}'
            raise web.HttpError(400, message) from e
        now = time.time()
        token_id = secrets.token_urlsafe(48)
        token = _Token(user, methods, now, expires, secrets.token_urlsafe(16))
        with self._lock:
            self._tokens[token_id] = token
            while len(self._tokens) > MAX_TOKENS:
                self._tokens.popitem(last=False)
        headers = {'X-Subject-Token': token_id, 'Vary': 'X-Auth-Token'}
        return web.Response(201, self._show(token), headers)

    def _authenticate(
        self, identity: web.Json, methods: tuple[str, ...]
    ) -> tuple[str, float]:
        refused = web.HttpError(
            401, 'The request you have made requires authentication.'
        )
        if methods == ('password',):
            given = identity['password']['user']
            names = {_id('user', u): u for u in USERS}
            user = names.get(given.get('id', ''), given.get('name'))
            expected = self.passwords.get(user)
            password = str(given['password']).encode()
            if expected is None or not hmac.compare_digest(
                expected.encode(), password
            ):
                raise refused
            return user, time.time() + LIFETIME
        if methods == ('token',):
            token = self._find(identity['token']['id'])
            if token is None:
                raise refused
            return token.user, token.expires
        raise refused

    def _show(self, token: _Token) -> dict[str, Any]:
        project, roles = USERS[token.user]
        return {
            'token': {
                'methods': list(token.methods),
                'user': {
                    'id': _id('user', token.user),
                    'name': token.user,
                    'domain': DOMAIN,
                    'password_expires_at': None,
                },
                'project': {
                    'id': _id('project', project),
                    'name': project,
                    'domain': DOMAIN,
                },
                'roles': [{'id': _id('role', r), 'name': r} for r in roles],
                'is_domain': False,
                'catalog': self._catalog,
                'audit_ids': [token.audit],
                'issued_at': _instant(token.issued),
                'expires_at': _instant(token.expires),
            }
        }

    def _subject(self, request: web.Request) -> tuple[str, _Token]:
        token_id = request.headers.get('x-subject-token', '')
        token = self._find(token_id)
        if token is None:
            raise web.HttpError(404, 'Could not find token.')
        # only services and admins may look into another bearer's token
        assert request.who is not None
        own = _id('user', token.user) == request.who.user_id
        if not own and 'admin' not in request.who.roles:
            raise web.HttpError(403, 'You are not authorized.')
        return token_id, token

    def _validate(self, request: web.Request) -> web.Response:
        token_id, token = self._subject(request)
        headers = {'X-Subject-Token': token_id, 'Vary': 'X-Auth-Token'}
        return web.Response(200, self._show(token), headers)

    def _revoke(self, request: web.Request) -> web.Response:
        token_id, _ = self._subject(request)
        with self._lock:
            self._tokens.pop(token_id, None)
        return web.Response(204)

    def _show_catalog(self, request: web.Request) -> web.Response:
        return web.Response(200, {'catalog': self._catalog})

    def _services(self, request: web.Request) -> web.Response:
        kind = request.arg('type')
        services = [
            {k: s[k] for k in ('id', 'type', 'name')}
            | {'enabled': True, 'links': {'self': ''}}
            for s in self._catalog
            if kind in (None, s['type'])
        ]
        return web.Response(200, {'services': services, 'links': NO_PAGES})

    def _projects(self, request: web.Request) -> web.Response:
        projects = [
            {
                'id': _id('project', name),
                'name': name,
                'domain_id': DOMAIN['id'],
                'enabled': True,
                'description': '',
                'parent_id': 'default',
                'is_domain': False,
                'tags': [],
                'options': {},
                'links': {'self': ''},
            }
            for name in sorted({project for project, _ in USERS.values()})
        ]
        return web.Response(200, {'projects': projects, 'links': NO_PAGES})


def _check_scope(scope: web.Json, user: str) -> None:
    """Refuse any scope but the user's own project."""
    if scope is None:
        return
    name = USERS[user][0]
    given = scope['project']
    if given.get('id', given.get('name')) not in (name, _id('project', name)):
        raise web.HttpError(401, 'The user has no role in this scope.')


def _version(base: str) -> dict[str, Any]:
    return {
        'id': 'v3.14',
        'status': 'stable',
        'updated': '2020-04-07T00:00:00Z',
        'links': [{'rel': 'self', 'href': f'{base}/v3/'}],
        'media-types': [],
    }
