"""A small HTTP/1.1 server for the simulated services, on loopback only.

Routing, JSON, bounds and token checks live here; what a service answers does
not. A service is an `App`: a prefix, a table of routes and its own way to
write an error. The standard library is enough, so nothing is installed.
"""

import dataclasses
import http.server
import json
import logging
import re
import socket
import sys
import threading
import urllib.parse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

LOG = logging.getLogger(__name__)

Json = Any  # what json.loads may return
_Socket = Any  # typeshed allows datagrams too, which never come here
_Peer = Any

LOOPBACK = '127.0.0.1'
MAX_BODY = 1 << 20
MAX_CONNECTIONS = 256
IDLE_SECONDS = 60.0
JOIN_SECONDS = 5.0


class HttpError(Exception):
    """What a handler raises to answer with an error."""

    def __init__(self, status: int, message: Json) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclasses.dataclass(frozen=True, slots=True)
class Who:
    """The bearer of a valid token."""

    user_id: str
    project_id: str
    roles: frozenset[str]


@dataclasses.dataclass(slots=True)
class Request:
    """One request; `base` is the service's own URL without a final slash."""

    method: str
    path: str
    base: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    who: Who | None = None

    def arg(self, name: str, default: str | None = None) -> str | None:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def number(self, name: str, default: int) -> int:
        """A query parameter as a whole number, at least 0.

        :raises HttpError: 400, it is not one
        """
        value = self.arg(name)
        if value is None:
            return default
        if not re.fullmatch(r'[0-9]{1,9}', value):
            raise HttpError(400, f'{name}: {value!r} is not a whole number')
        return int(value)

    def flag(self, name: str) -> bool:
        """A query parameter as yes or no; absent is no."""
        value = (self.arg(name) or '').lower()
        return value in ('1', 'true', 'yes', 'on', 't', 'y')

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        :raises HttpError: 400, it is not one
        """
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as e:
            raise HttpError(400, 'the body is not JSON') from e
        if not isinstance(value, dict):
            raise HttpError(400, 'the body is not a JSON object')
        return value


@dataclasses.dataclass(slots=True)
class Response:
    """One answer; `body` is anything JSON can hold, None for no body."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


Handler = Callable[..., Response]


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """`pattern` holds `{name}` for one path segment.

    :ivar roles: the token needs one of these; empty for any valid token,
        None for no token at all
    """

    method: str
    pattern: str
    handler: Handler
    roles: frozenset[str] | None = frozenset({'admin'})

    def regex(self) -> re.Pattern[str]:
        """The pattern as a regular expression over a path."""
        return re.compile(re.sub(r'\{(\w+)\}', r'(?P<\1>[^/]+)', self.pattern))


class App:
    """One service below one prefix."""

    prefix = ''

    def __init__(self, identify: Callable[[str], Who | None]) -> None:
        """`identify` tells who bears a token, None where nobody does.

        While it is `down` it answers every request with 503.
        """
        self._identify = identify
        self.down = False
        self._table = [(r, r.regex()) for r in self.routes()]

    def routes(self) -> Sequence[Route]:
        """What this service answers."""
        raise NotImplementedError

    def error(self, status: int, message: str) -> object:
        """The JSON body of an error in this service's own form."""
        raise NotImplementedError

    def finish(self, request: Request, response: Response) -> Response:
        """Last touch on every answer, errors too."""
        return response

    def before(self, request: Request) -> None:
        """Look at every request before its handler; may raise HttpError."""

    def serve(self, request: Request) -> Response:
        """Answer one request; every exception becomes an answer."""
        try:
            if self.down:
                raise HttpError(503, 'The service is down.')
            self.before(request)
            response = self._dispatch(request)
        except HttpError as e:
            response = Response(e.status, self.error(e.status, e.message))
            if e.status == 401:
                response.headers['WWW-Authenticate'] = 'Keystone uri=""'
        except Exception:
            LOG.exception('%s %s', request.method, request.path)
            message = 'a bug in the playground; its log has the traceback'
            response = Response(500, self.error(500, message))
        return self.finish(request, response)

    def _dispatch(self, request: Request) -> Response:
        path = request.path.rstrip('/')
        known = False
        for route, regex in self._table:
            match = regex.fullmatch(path)
            if match is None:
                continue
            known = True
            if route.method == request.method:
                self._authorize(request, route)
                values = {
                    k: urllib.parse.unquote(v)
                    for k, v in match.groupdict().items()
                }
                return route.handler(request, **values)
        if known:
            raise HttpError(405, f'{request.method} is not allowed here')
        raise HttpError(404, 'The resource could not be found.')

    def _authorize(self, request: Request, route: Route) -> None:
        if route.roles is None:
            return
        request.who = self._identify(request.headers.get('x-auth-token', ''))
        if request.who is None:
            raise HttpError(
                401, 'The request you have made requires authentication.'
            )
        if route.roles and not route.roles & request.who.roles:
            raise HttpError(403, 'Policy does not allow this request.')


class _Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one segment

    def log_message(self, format: str, *args: object) -> None:
        LOG.debug(format, *args)

    def _handle(self) -> None:
        assert isinstance(self.server, Server)
        length = self.headers.get('Content-Length', '0')
        plain = length.isascii() and length.isdigit()
        if 'Transfer-Encoding' in self.headers or not plain:
            self._refuse(411)
            return
        if int(length) > MAX_BODY:
            self._refuse(413)
            return
        body = self.rfile.read(int(length))
        response = self.server.answer(
            self.command, self.path, dict(self.headers), body
        )
        self._send(response)

    def _refuse(self, status: int) -> None:
        self.close_connection = True  # the body was left unread
        self._send(Response(status, None, {'Connection': 'close'}))

    def _send(self, response: Response) -> None:
        data = b''
        if response.body is not None:
            data = json.dumps(response.body).encode()
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if data:
            self.send_header('Content-Type', 'application/json')
        if response.status != 204:
            self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        if response.status != 204 and self.command != 'HEAD':
            self.wfile.write(data)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle


class Server(http.server.ThreadingHTTPServer):
    """Serves apps on a loopback port from creation's `start` to `stop`."""

    daemon_threads = True
    block_on_close = False  # stop() ends the connections itself
    request_queue_size = 64

    def __init__(self, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Connection)
        self._apps: list[App] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.url = f'http://{LOOPBACK}:{self.server_port}'

    def mount(self, app: App) -> None:
        """Serve `app` below its prefix; before `start`."""
        self._apps.append(app)

    def start(self) -> None:
        """Begin to answer, in a thread of its own."""
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.1,), name='playground-http'
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, end every connection, free the port."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join(JOIN_SECONDS)
        self.server_close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError as e:
                LOG.debug('connection already gone: %s', e)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Response:
        """The answer of the app whose prefix fits."""
        parts = urllib.parse.urlsplit(target)
        query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        names = {k.lower(): v for k, v in headers.items()}
        for app in self._apps:
            rest = parts.path.removeprefix(app.prefix)
            if rest != parts.path and (not rest or rest[0] == '/'):
                return app.serve(
                    Request(
                        method=method,
                        path=rest,
                        base=self.url + app.prefix,
                        query=query,
                        headers=names,
                        body=body,
                    )
                )
        return Response(404, {'message': 'no service has this prefix'})

    def process_request(self, request: _Socket, client_address: _Peer) -> None:
        with self._lock:
            full = len(self._open) >= MAX_CONNECTIONS
            if not full:
                self._open.add(request)
        if full:
            LOG.warning('more than %d connections', MAX_CONNECTIONS)
            super().shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Socket) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: _Socket, client_address: _Peer) -> None:
        # a client that goes away is its own business
        LOG.debug('connection ended: %r', sys.exception())
