"""The calibration's file: read whole, written whole, one writer at a time.

Only the file lives here. What its text means, `forecast.conformal` knows;
this part of the house does not see the forecast.
"""

import contextlib
import fcntl
import os
import pathlib
import time
from collections.abc import Callable
from collections.abc import Iterator

from watcher_tsmig import errors
from watcher_tsmig import files

# 20,000 keys with 30 numbers each take some 15 MiB.
MAX_BYTES = 64 << 20
# Seconds that a writer waits for another, and between two attempts. One
# holds the file for the milliseconds of a read and a write.
LOCKED_WITHIN = 10.0
LOOK_EVERY = 0.05


def read(path: pathlib.Path) -> str | None:
    """The file's text; None where there is no file yet (a cold start).

    :raises errors.InputError: it cannot be read, or is no calibration
    """
    try:
        if not path.exists():
            return None
        if not path.is_file():
            raise errors.InputError('is not a regular file', str(path))
        with path.open('rb') as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise errors.InputError(
                f'is larger than {MAX_BYTES >> 20} MiB', str(path)
            )
        return data.decode('utf-8')
    except UnicodeDecodeError as error:
        raise errors.InputError('is not UTF-8 text', str(path)) from error
    except OSError as error:
        raise errors.InputError(
            f'cannot be read: {error.strerror}', str(path)
        ) from error


def update(
    path: pathlib.Path, change: Callable[[str | None], str | None]
) -> None:
    """Change the file's text; writers wait for each other.

    :param change: from the text, None where there is no file, to the new;
        None where it stays as it is
    :raises errors.InputError: it cannot be read or written, or another
        writer held it for too long
    """
    with _alone(path):
        text = change(read(path))
        if text is not None:
            files.replace(path, text)


@contextlib.contextmanager
def _alone(path: pathlib.Path) -> Iterator[None]:
    """Hold the lock beside the file; threads and processes alike."""
    lock = path.with_name(path.name + '.lock')
    try:
        handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise errors.InputError(
            f'cannot be locked: {error.strerror}', str(path)
        ) from error
    try:
        until = time.monotonic() + LOCKED_WITHIN
        while not _locked(handle):
            if time.monotonic() > until:
                raise errors.InputError(
                    f'another writer holds it for {LOCKED_WITHIN:g} s',
                    str(path),
                )
            time.sleep(LOOK_EVERY)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
