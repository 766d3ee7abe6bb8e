"""The snapshot file: a cloud as versioned JSON, read and written whole.

Only the file and its version live here; the shape of a cloud is shape.py's.
Every file that cannot be used ends in one `SnapshotError` that names the
place. cloud.schema.json says the same to other people's programs.
"""

import dataclasses
import importlib.resources
import json
import os
import pathlib
import re
import reprlib
import stat
import tempfile
import typing

from watcher_tsmig import errors
from watcher_tsmig.model import shape
from watcher_tsmig.model.cloud import Cloud

#: Minor: fields were added; older readers of the same major ignore them.
#: Major: a field was removed or changed its meaning; others are refused.
FORMAT_VERSION = '1.10'
#: About 100,000 VMs; never more than this is read.
MAX_BYTES = 64 * 1024**2
# It names VMs of all projects.
FILE_MODE = 0o600

_HEAD = frozenset({'format_version'})
_MEMBERS = _HEAD | {'cloud'}
_VERSION = re.compile(r'(\d{1,4})\.(\d{1,4})', re.ASCII)
_MAJOR, _MINOR = map(int, FORMAT_VERSION.split('.'))
# Floats name every whole number up to here.
_EXACT = 2.0**53


def load(path: str | os.PathLike[str]) -> Cloud:
    """Read the snapshot file `path`.

    :raises errors.SnapshotError: it cannot be read or used
    """
    path = pathlib.Path(path)
    try:
        data = _read(path)
    except (OSError, ValueError) as error:
        raise _failed('read', path, error) from None
    if len(data) > MAX_BYTES:
        raise _too_large()
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise errors.SnapshotError(
            'is not UTF-8 text, so it is not a snapshot',
            f'byte {error.start}',
        ) from None
    return loads(text)


def loads(text: str) -> Cloud:
    """Read a snapshot from its text.

    :raises errors.SnapshotError: it cannot be used
    """
    return _cloud(_parse(text))


def validate(document: object) -> None:
    """Check a decoded JSON document, as `json.loads` gives it.

    :raises errors.SnapshotError: it is not a snapshot that can be used
    """
    _cloud(document)


def schema() -> dict[str, typing.Any]:
    """The JSON Schema of `FORMAT_VERSION`, for other people's programs."""
    file = importlib.resources.files(__package__) / 'cloud.schema.json'
    found: dict[str, typing.Any] = json.loads(file.read_text('utf-8'))
    return found


def dump(cloud: Cloud, path: str | os.PathLike[str]) -> None:
    """Write `cloud` to `path`: all of it, or the old file stays.

    :raises errors.SnapshotError: the file cannot be written
    """
    path = pathlib.Path(path)
    text = dumps(cloud)
    try:
        handle, name = tempfile.mkstemp(
            prefix=f'.{path.name[:64]}.', dir=path.parent
        )
        try:
            with os.fdopen(handle, 'w', encoding='ascii') as file:
                os.fchmod(file.fileno(), FILE_MODE)
                file.write(text)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except (OSError, ValueError) as error:
        raise _failed('write', path, error) from None


def dumps(cloud: Cloud) -> str:
    """The snapshot's text: equal clouds give equal texts.

    One line for each host and VM, so that two snapshots can be compared
    line by line; ASCII only, so that any tool can carry it.
    """
    lines = (
        '{',
        f'"format_version": {_json(FORMAT_VERSION)},',
        '"cloud": {',
        f'"taken_at": {_json(cloud.taken_at)},',
        *_lines('links', cloud.links),
        *_lines('groups', cloud.groups),
        *_lines('passages', cloud.passages),
        *_lines('hosts', cloud.hosts),
        *_lines('vms', cloud.vms, last=True),
        '}}',
        '',
    )
    return '\n'.join(lines)


def _lines(
    name: str, values: tuple[object, ...], *, last: bool = False
) -> tuple[str, str, str]:
    items = ',\n'.join(map(_json, values))
    return f'"{name}": [', items, ']' if last else '],'


def _failed(
    verb: str, path: pathlib.Path, error: Exception
) -> errors.SnapshotError:
    reason = getattr(error, 'strerror', None) or error
    return errors.SnapshotError(f'cannot {verb} {str(path)!r}: {reason}')


def _too_large() -> errors.SnapshotError:
    return errors.SnapshotError(
        f'is larger than {MAX_BYTES >> 20} MiB; split the cloud, for example '
        'by availability zone'
    )


def _read(path: pathlib.Path) -> bytes:
    # a pipe could let us wait for ever
    if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
        raise ValueError('is not a regular file')
    with path.open('rb') as file:
        return file.read(MAX_BYTES + 1)


def _parse(text: str) -> object:
    if len(text) > MAX_BYTES:
        raise _too_large()
    if not text.strip():
        raise errors.SnapshotError('is empty')
    if not text.lstrip().startswith('{'):
        raise errors.SnapshotError('is not a JSON object', 'line 1')
    try:
        # JSON does not tell 5 from 5.0; inside, all numbers are floats (and
        # int() refuses very long ones)
        return json.loads(
            text, object_pairs_hook=shape.unique_members, parse_int=float
        )
    except json.JSONDecodeError as error:
        place = f'line {error.lineno} column {error.colno}'
        early = error.pos >= len(text.rstrip()) or 'Untermin' in error.msg
        raise errors.SnapshotError(
            'the text ends too early: is the file cut off?'
            if early
            else f'is not JSON: {error.msg}',
            place,
        ) from None
    except RecursionError:
        raise errors.SnapshotError(
            'is nested deeper than any snapshot'
        ) from None


def _cloud(document: object) -> Cloud:
    try:
        # what else should be there depends on the version
        found = shape.members(document, _HEAD, strict=False)
        strict = _checked_minor(found['format_version']) <= _MINOR
        found = shape.members(document, _MEMBERS, strict=strict)
    except errors.InputError as error:
        raise errors.SnapshotError(error.message, error.place) from None
    try:
        return shape.read_cloud(found['cloud'], strict)
    except errors.InputError as error:
        raise errors.SnapshotError(
            error.message, error.place or 'cloud'
        ) from None


def _checked_minor(version: object) -> int:
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise errors.InputError(
            f'{reprlib.repr(version)} is not a version such as '
            f'{FORMAT_VERSION!r}',
            'format_version',
        )
    major, minor = map(int, match.groups())
    if major != _MAJOR:
        todo = (
            'read it with a newer watcher-tsmig'
            if major > _MAJOR
            else 'take the snapshot again with this release'
        )
        raise errors.InputError(
            f'this release reads {_MAJOR}.x, not {version}; {todo}',
            'format_version',
        )
    return minor


def _json(value: object) -> str:
    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value
