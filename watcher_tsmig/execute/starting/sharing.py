"""The lock that all appliers share, of whatever backend tooz has.

tooz is asked for only where an operator names a coordinator.
"""

import contextlib
import importlib
import logging
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager

from watcher_tsmig import errors

LOG = logging.getLogger(__name__)

NAME = b'watcher-tsmig-admission'
# Of others no holder keeps it for longer than Nova takes to make a record.
PATIENCE = 120.0


def lock_of(url: str) -> Callable[[], AbstractContextManager[None]] | None:
    """A lock through the coordinator at this URL; None for no URL."""
    return (lambda: _held(url)) if url else None


@contextlib.contextmanager
def _held(url: str) -> Iterator[None]:
    """Hold it.

    :raises errors.CloudError: tooz is not there, the coordinator is not, or
        somebody keeps the lock
    """
    try:
        coordination = importlib.import_module('tooz.coordination')
    except ImportError as error:
        raise errors.CloudError(
            'a coordinator is configured, but tooz is not installed; install '
            'it for the applier, with what its backend needs'
        ) from error
    try:
        coordinator = coordination.get_coordinator(url, uuid.uuid4().bytes)
        coordinator.start(start_heart=True)
    except Exception as error:
        raise _away(url, error) from error
    with contextlib.ExitStack() as stack:
        stack.callback(_quietly, coordinator.stop)
        lock = coordinator.get_lock(NAME)
        try:
            taken = lock.acquire(blocking=PATIENCE)
        except Exception as error:
            raise _away(url, error) from error
        if not taken:
            raise errors.CloudError(
                f'another applier has kept the lock for {PATIENCE:.0f} s'
            )
        stack.callback(_quietly, lock.release)
        yield


def _quietly(call: Callable[[], object]) -> None:
    # the lock ends with its session, and what it guarded has happened
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever the backend has
        LOG.info('The lock was not given back: %s', type(error).__name__)


def _away(url: str, error: Exception) -> errors.CloudError:
    # a URL may hold a password
    scheme = url.partition(':')[0]
    return errors.CloudError(
        f'the coordinator ({scheme}) is away: {type(error).__name__}'
    )
