"""What the simulated services share: requests, answers, routes, tokens.

Routing, JSON and token checks live here; what a service answers does not, nor
who carries requests (server.py). A service is an `App`: a prefix, a table of
routes and its own way to write an error.
"""

import dataclasses
import json
import logging
import re
import urllib.parse
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

LOG = logging.getLogger(__name__)

Json = Any  # what json.loads may return


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
    """One answer; `body` is anything JSON can hold, None for no body.

    :ivar share: of the body that is sent; the connection ends where that is
        not all, and where it is nothing there is no answer at all
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    share: float = 1.0


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

    def refuse(self, request: Request, status: int) -> Response:
        """Answer with an error, whatever was asked."""
        body = self.error(status, 'The playground was asked to fail this.')
        return self.finish(request, Response(status, body))

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
