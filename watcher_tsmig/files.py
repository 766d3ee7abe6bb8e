"""Files written whole: all of a text is there, or the old file stays.

The one writer of every part of the house that keeps something on disk but
snapshots, whose room may import nothing.
"""

import os
import pathlib
import tempfile

from watcher_tsmig import errors


def replace(
    path: pathlib.Path,
    text: str,
    *,
    durable: bool = False,
    mode: int = 0o600,
) -> None:
    """Replace a file by this text.

    :param durable: it outlives a loss of power when this returns
    :param mode: of the new one, which only its owner may read by default
    :raises errors.InputError: it cannot be written; the old one stays
    """
    try:
        handle, name = tempfile.mkstemp(
            prefix=f'.{path.name[:64]}.', dir=path.parent
        )
        try:
            with os.fdopen(handle, 'w', encoding='utf-8') as file:
                file.write(text)
                os.fchmod(file.fileno(), mode)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            pathlib.Path(name).replace(path)
        except BaseException:
            pathlib.Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise errors.InputError(
            f'cannot be written: {error.strerror}', str(path)
        ) from error
