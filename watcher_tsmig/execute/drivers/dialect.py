"""What clients raise, in our words.

Both clients stand on keystoneauth and requests, whose errors are here; what
is their own they say with a `Dialect`.
"""

import contextlib
import dataclasses
import datetime
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import requests
from keystoneauth1 import exceptions as auth_errors

from watcher_tsmig import errors
from watcher_tsmig.execute.compute import Bond
from watcher_tsmig.execute.compute import Missing
from watcher_tsmig.execute.compute import Refused
from watcher_tsmig.execute.compute import Unanswered
from watcher_tsmig.units import MIB

# Names that errors have for their HTTP status: openstacksdk's, novaclient's
# and keystoneauth's.
STATUSES = ('status_code', 'code', 'http_status')
# Of a host's migrations so many are looked at, the newest first.
PASSAGES = 500
UNREACHABLE = (
    auth_errors.ConnectFailure,
    auth_errors.RetriableConnectionFailure,
    # half of an answer
    auth_errors.UnknownConnectionError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
)
# no endpoint, no token; neither client's errors are derived from them
SHARED = (auth_errors.ClientException, requests.exceptions.RequestException)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The errors of one client.

    :ivar own: what it raises on purpose
    :ivar missing: its 404, which is Nova's; a 404 of Keystone's is not
    :ivar words: Nova's own in one of its errors; None where it has none
    """

    own: tuple[type[Exception], ...]
    missing: type[Exception]
    words: Callable[[Exception], object]

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Raise ours for every error of the client inside."""
        try:
            yield
        except (*self.own, *SHARED) as error:
            raise self._kind(error)(self._text(error)) from error

    def _kind(self, error: Exception) -> type[errors.CloudError]:
        status = _status(error)
        if isinstance(error, self.missing):
            return Missing
        if isinstance(error, UNREACHABLE) or status == 429 or status >= 500:
            return Unanswered
        return Refused

    def _text(self, error: Exception) -> str:
        text = str(self.words(error) or error).strip()
        return ' '.join((text or type(error).__name__).split())


def between(created: object, updated: object) -> float | None:
    """Seconds between two instants as Nova writes them."""
    try:
        first = datetime.datetime.fromisoformat(str(created))
        last = datetime.datetime.fromisoformat(str(updated))
        return (last - first).total_seconds()
    except (TypeError, ValueError):
        return None


def ram(flavor: Any) -> float:  # noqa: ANN401 - each client has its own
    """Bytes of a server's flavor; 0 where an old Nova does not tell."""
    if flavor is None:
        return 0.0
    told = flavor.get('ram') if hasattr(flavor, 'get') else flavor.ram
    return float(told or 0) * MIB


def bond(found: Mapping[str, Any]) -> Bond:
    """A server group as Nova has it from 2.64 on."""
    rules = found.get('rules') or {}
    return Bond(
        name=str(found.get('name') or found['id']),
        policy=str(found.get('policy') or ''),
        members=tuple(found.get('members') or ()),
        most=int(rules.get('max_server_per_host') or 1),
    )


def _status(error: Exception) -> int:
    """Of HTTP; 0 where the error has none."""
    found = (getattr(error, name, None) for name in STATUSES)
    return next((s for s in found if isinstance(s, int)), 0)
