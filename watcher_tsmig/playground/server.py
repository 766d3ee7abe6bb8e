"""A small HTTP/1.1 server for the simulated services, on loopback only.

Connections and their bounds live here, and the gate in front of all services
at which requests meet trouble (troubles.py); what a service is, is in web.py.
The standard library is enough, so nothing is installed.
"""

import http.server
import json
import logging
import socket
import sys
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any

from watcher_tsmig.playground import web
from watcher_tsmig.playground.troubles import Kind
from watcher_tsmig.playground.troubles import Troubles

LOG = logging.getLogger(__name__)

_Socket = Any  # typeshed allows datagrams too, which never come here
_Peer = Any

LOOPBACK = '127.0.0.1'
MAX_BODY = 1 << 20
MAX_CONNECTIONS = 256
IDLE_SECONDS = 60.0
JOIN_SECONDS = 5.0
# Of an answer, so much is sent in trouble of that kind.
SHARES: dict[Kind | None, float] = {Kind.TRUNCATED: 0.5, Kind.LOST: 0.0}


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
        self._send(web.Response(status, None, {'Connection': 'close'}))

    def _send(self, response: web.Response) -> None:
        if response.share < 1:
            self.close_connection = True
        if not response.share:
            return
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
            self.wfile.write(data[: round(len(data) * response.share)])
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle


class Server(http.server.ThreadingHTTPServer):
    """Serves apps on a loopback port from creation's `start` to `stop`."""

    daemon_threads = True
    block_on_close = False  # stop() ends the connections itself
    request_queue_size = 64

    def __init__(self, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Connection)
        self.troubles = Troubles()
        self._apps: list[web.App] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.url = f'http://{LOOPBACK}:{self.server_port}'

    def mount(self, app: web.App) -> None:
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
    ) -> web.Response:
        """The answer of the app whose prefix fits."""
        parts = urllib.parse.urlsplit(target)
        query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        names = {k.lower(): v for k, v in headers.items()}
        for app in self._apps:
            rest = parts.path.removeprefix(app.prefix)
            if rest != parts.path and (not rest or rest[0] == '/'):
                request = web.Request(
                    method=method,
                    path=rest,
                    base=self.url + app.prefix,
                    query=query,
                    headers=names,
                    body=body,
                )
                return self._gated(app, request, f'{method} {target}')
        return web.Response(404, {'message': 'no service has this prefix'})

    def _gated(
        self, app: web.App, request: web.Request, line: str
    ) -> web.Response:
        trouble = self.troubles.meet(line, request.body)
        kind = trouble and trouble.kind
        if trouble is not None and kind is Kind.STATUS:
            return app.refuse(request, trouble.status)
        if kind is Kind.SILENT:
            return web.Response(share=0.0)
        response = app.serve(request)
        response.share = SHARES.get(kind, 1.0)
        return response

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
