"""Between Watcher's applier and a real Nova: where its requests meet trouble.

The playground's own server and gate (playground/server.py, troubles.py), with
one service behind it that asks the real one and hands its answer on. What
these answers tell of migrations, others may wait for; that is `Watch`.
"""

import dataclasses
import http.client
import json
import re
import threading
import urllib.parse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from benchmarks.fault_strikes import ORDER
from watcher_tsmig.playground import web
from watcher_tsmig.playground.server import Server

TIMEOUT = 90.0
# Of one connection, not of what is asked or answered.
HOPS = ('host', 'connection', 'content-length', 'content-type', 'date')
HOPS += ('accept-encoding', 'server', 'transfer-encoding')
RECORDS = re.compile(r'/v2\.1/(os-migrations|servers/[^/]+/migrations/)')


@dataclasses.dataclass(frozen=True, slots=True)
class _Awaited:
    vm: str
    status: str
    after: float
    then: Callable[[], None]


class Watch:
    """What is to happen at a status of a VM's migration; thread-safe."""

    def __init__(self) -> None:
        self._awaited: list[_Awaited] = []
        self._now: dict[str, list[threading.Timer]] = {}
        self._lock = threading.Lock()

    def when(
        self, vm: str, status: str, after: float, then: Callable[[], None]
    ) -> None:
        """Once it has the status, or is beyond it, `after` s later."""
        with self._lock:
            self._awaited.append(_Awaited(vm, status, after, then))

    def forget(self, vms: Iterable[str]) -> None:
        """Nothing more is to happen to them."""
        gone = set(vms)
        with self._lock:
            self._awaited = [a for a in self._awaited if a.vm not in gone]

    def seen(self, vm: str, status: str) -> None:
        """Somebody has seen it; what is due now has happened afterwards."""
        if status not in ORDER:
            return
        have = ORDER.index(status)
        with self._lock:
            due = [
                a
                for a in self._awaited
                if a.vm == vm and ORDER.index(a.status) <= have
            ]
            self._awaited = [a for a in self._awaited if a not in due]
            for one in due:
                # what fails there is told; who only looks does not fail by it
                timer = threading.Timer(one.after, one.then)
                timer.daemon = True
                timer.start()
                if not one.after:
                    self._now.setdefault(vm, []).append(timer)
            now = list(self._now.get(vm, []))
        # also what somebody else, who saw it first, has begun
        for timer in now:
            timer.join()

    def records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """As Nova lists them, newest first."""
        for record in reversed(records):
            vm = record.get('instance_uuid') or record.get('server_uuid')
            self.seen(str(vm), str(record['status']))


class Beyond(web.App):
    """The real service; whose answers are seen before they are given.

    :param origin: scheme, host and port of the real one
    """

    prefix = '/compute'

    def __init__(self, origin: str, watch: Watch) -> None:
        super().__init__(lambda token: None)
        self._origin = origin
        self._host = urllib.parse.urlsplit(origin).netloc
        self._watch = watch

    def routes(self) -> Sequence[web.Route]:
        """None: it is asked whatever it is."""
        return ()

    def error(self, status: int, message: str) -> object:
        """As Nova writes it."""
        return {'computeFault': {'code': status, 'message': message}}

    def serve(self, request: web.Request) -> web.Response:
        """The real answer."""
        query = urllib.parse.urlencode(request.query, doseq=True)
        target = request.path + (f'?{query}' if query else '')
        headers = {k: v for k, v in request.headers.items() if k not in HOPS}
        if request.body:
            headers['content-type'] = 'application/json'
        line = http.client.HTTPConnection(self._host, timeout=TIMEOUT)
        try:
            line.request(
                request.method, target or '/', request.body or None, headers
            )
            answer = line.getresponse()
            text = answer.read().decode()
        except OSError as error:
            return web.Response(502, self.error(502, str(error)))
        finally:
            line.close()
        # where it says that its versions are, nobody would be asked by us
        body = _json(text.replace(self._origin, request.base))
        if RECORDS.match(request.path) and answer.status == 200:
            found = body.get('migrations', [body.get('migration')])
            self._watch.records([record for record in found if record])
        given = {k: v for k, v in answer.getheaders() if k.lower() not in HOPS}
        return web.Response(answer.status, body, given)


def _json(text: str) -> Any:  # noqa: ANN401 - whatever it is
    return json.loads(text) if text[:1] in ('{', '[') else None


def proxy(origin: str, watch: Watch) -> Server:
    """A server in front of Nova; it has to be started and stopped."""
    server = Server()
    server.mount(Beyond(origin, watch))
    return server
