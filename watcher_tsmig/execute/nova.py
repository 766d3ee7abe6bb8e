"""The few calls of the compute API that a migration needs.

Thin: openstacksdk's compute proxy goes in, small values come out, transient
errors are tried again within a bound, and what then still fails is a
`CloudError`. Nothing here decides anything.
"""

import dataclasses
import datetime
import logging
from collections.abc import Callable
from typing import Any
from typing import TypeVar

import requests
import tenacity
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors
from openstack import utils as sdk_utils

from watcher_tsmig import errors
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Compute
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Pace

T = TypeVar('T')
LOG = logging.getLogger(__name__)

# From here on Nova answers a live migration before it has checked it, and
# says in its records and instance actions what came of it; before, the
# request hangs for up to a minute (compute API, microversion 2.34).
ASYNCHRONOUS = '2.34'
# From here on an instance action's events have details: why it failed.
DETAILS = '2.84'
# Nova's name of a live migration in its instance actions.
MIGRATION = 'live-migration'

UNREACHABLE = (
    auth_errors.ConnectFailure,
    auth_errors.RetriableConnectionFailure,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
)
# What the clients raise on purpose: the HTTP kind, and keystoneauth's
# (no endpoint, no token) which is not derived from it.
CLIENT_ERRORS = (
    sdk_errors.SDKException,
    auth_errors.ClientException,
    requests.exceptions.RequestException,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What Nova says of a VM; `task` is None when it is at rest."""

    host: str | None
    vm_state: str
    task: str | None
    locked: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A migration as os-migrations lists it.

    :ivar took: s between its creation and its last change, by Nova's own
        clock; None where Nova does not tell
    """

    id: str
    status: str
    took: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Memory of a running migration in bytes, up to 5 s old."""

    total: float | None
    processed: float | None
    remaining: float | None


class Refused(errors.CloudError):
    """Nova refused a request for good; the text is Nova's."""


def text_of(error: BaseException) -> str:
    """Nova's own words in an error, without the URL around them."""
    details = getattr(error, 'details', None)
    text = str(details or error).strip() or type(error).__name__
    return ' '.join(text.split())


def transient(error: BaseException) -> bool:
    """Whether asking again may help: no connection, 429, 5xx."""
    if isinstance(error, UNREACHABLE):
        return True
    status = getattr(error, 'status_code', None)
    return isinstance(status, int) and (status == 429 or status >= 500)


def _between(created: object, updated: object) -> float | None:
    """Seconds between two instants as Nova writes them."""
    try:
        first = datetime.datetime.fromisoformat(str(created))
        last = datetime.datetime.fromisoformat(str(updated))
        return (last - first).total_seconds()
    except (TypeError, ValueError):
        return None


class Nova:
    """The compute API of one cloud as an execution sees it.

    :param compute: openstacksdk's compute proxy of a connection with
        administrative rights
    """

    def __init__(self, compute: Compute, pace: Pace, clock: Clock) -> None:
        self._compute = compute
        self._pace = pace
        self._clock = clock

    def server(self, vm: str) -> Server | None:
        """The VM, or None where it does not exist any more."""
        try:
            found = self._ask(lambda: self._compute.get_server(vm))
        except sdk_errors.NotFoundException:
            return None
        return Server(
            host=found.compute_host or None,
            vm_state=str(found.vm_state or 'unknown').lower(),
            task=found.task_state or None,
            locked=bool(found.is_locked),
        )

    def service_trouble(self, host: str) -> str | None:
        """Why the host's compute service can take no VM; None if it can."""
        services = self._ask(
            lambda: list(
                self._compute.services(host=host, binary='nova-compute')
            )
        )
        for service in services:
            # an old API ignores the filters
            if service.host != host or service.binary != 'nova-compute':
                continue
            if service.state != 'up':
                return 'is down'
            return None if service.status == 'enabled' else 'is disabled'
        return 'has no compute service'

    def disabled_reason(self, host: str) -> str:
        """Why the host's compute service is disabled; empty if it is not."""
        services = self._ask(
            lambda: list(
                self._compute.services(host=host, binary='nova-compute')
            )
        )
        for service in services:
            if service.host == host and service.status == 'disabled':
                return str(service.disabled_reason or '')
        return ''

    def reason(self, vm: str) -> str:
        """What Nova's instance actions say of the last live migration.

        Empty where they say nothing, as to one without the right to see it.
        """
        path = f'/servers/{vm}/os-instance-actions'
        try:
            actions = self._get(path)['instanceActions']
            last = next(a for a in actions if a['action'] == MIGRATION)
            found = self._get(f'{path}/{last["request_id"]}')
            events = found['instanceAction']['events']
            told = [e['details'] for e in events if e['result'] == 'Error']
        except (errors.CloudError, KeyError, StopIteration, TypeError):
            LOG.info('%s: Nova tells no reason', vm, exc_info=True)
            return ''
        # newest first, and what failed first is why the rest did
        return ' '.join(str(next(filter(None, reversed(told)), '')).split())

    def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        def call() -> Any:  # noqa: ANN401
            answer = self._compute.get(path, microversion=DETAILS)
            sdk_errors.raise_from_response(answer)
            return answer.json()

        try:
            return self._ask(call)
        except sdk_errors.NotFoundException as error:
            raise errors.CloudError(text_of(error)) from error

    def records(self, vm: str) -> list[Record]:
        """The VM's live migrations, newest first."""
        found = self._ask(lambda: list(self._compute.migrations(server_id=vm)))
        return [
            Record(
                id=str(m.id),
                status=str(m.status),
                took=_between(m.created_at, m.updated_at),
            )
            for m in found
            if m.server_id == vm
            and m.migration_type in (None, 'live-migration')
        ]

    def statistics(self, vm: str, record: str) -> Statistics | None:
        """Memory of the migration; None while Nova does not list it."""
        try:
            found = self._ask(
                lambda: self._compute.get_server_migration(
                    record, vm, ignore_missing=False
                )
            )
        except sdk_errors.NotFoundException:
            return None
        return Statistics(
            total=found.memory_total_bytes,
            processed=found.memory_processed_bytes,
            remaining=found.memory_remaining_bytes,
        )

    def start(self, order: Order) -> str:
        """Ask for the live migration, once.

        :returns: empty if Nova accepted; else why it is unknown whether it
            did (the answer was lost), so that its records must tell
        :raises Refused: Nova did not accept
        """
        try:
            self._start(order)
        except CLIENT_ERRORS as error:
            if transient(error):
                return text_of(error)
            raise Refused(text_of(error)) from error
        return ''

    def _start(self, order: Order) -> None:
        asked = {'host': order.destination, 'block_migration': 'auto'}
        if not sdk_utils.supports_microversion(self._compute, ASYNCHRONOUS):
            self._compute.live_migrate_server(order.vm, **asked)
            return
        answer = self._compute.post(
            f'/servers/{order.vm}/action',
            json={'os-migrateLive': asked},
            microversion=ASYNCHRONOUS,
        )
        sdk_errors.raise_from_response(answer)

    def switch(self, vm: str, record: str) -> str:
        """Force completion, once; the reason if Nova did not accept."""
        return self._try(
            lambda: self._compute.force_complete_server_migration(record, vm)
        )

    def abort(self, vm: str, record: str) -> str:
        """Abort the migration, once; the reason if Nova did not accept."""
        return self._try(
            lambda: self._compute.abort_server_migration(
                record, vm, ignore_missing=False
            )
        )

    def _try(self, call: Callable[[], object]) -> str:
        # Both requests race with the end of the migration, so a refusal is
        # news for the log, and the record tells what really happened.
        try:
            call()
        except CLIENT_ERRORS as error:
            return text_of(error)
        return ''

    def _ask(self, call: Callable[[], T]) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(transient),
            stop=tenacity.stop_after_attempt(self._pace.http_tries),
            wait=tenacity.wait_exponential(
                multiplier=self._pace.http_wait, max=10
            ),
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return retrying(call)
        except sdk_errors.NotFoundException:
            raise
        except CLIENT_ERRORS as error:
            raise errors.CloudError(text_of(error)) from error
