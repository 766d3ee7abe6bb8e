"""From decoded JSON to values, by the fields of their dataclasses.

Only form is judged here: objects, lists, names of members. What a value may
be is judged by the values themselves; every error names its place. A field
of a new type needs a row in `_READERS`, a new field needs nothing.
"""

import dataclasses
import difflib
import reprlib
import typing
from collections.abc import Callable

from watcher_tsmig import errors
from watcher_tsmig.model import bonds
from watcher_tsmig.model import cloud as values
from watcher_tsmig.model import observed
from watcher_tsmig.model import passage
from watcher_tsmig.model import rules
from watcher_tsmig.model import traffic

_TYPE_NAMES = {
    list: 'a list',
    str: 'a text',
    bool: 'true or false',
    int: 'a number',
    float: 'a number',
    type(None): 'null',
}

# A reader makes a value of one type from decoded JSON; its flag says
# whether an unknown member is a mistake.
_Reader = Callable[[object, bool], typing.Any]


class Twice(dict[str, object]):
    """A JSON object in which the member `key` stands twice.

    Whoever decodes it does not know the place yet, so it is handed on to
    the reader, who does.
    """

    key = ''


def unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An `object_pairs_hook` that notices members which stand twice."""
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    twice = Twice(made)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            twice.key = key
            break
        seen.add(key)
    return twice


def members(
    value: object,
    required: frozenset[str],
    optional: frozenset[str] = frozenset(),
    *,
    strict: bool,
) -> dict[str, typing.Any]:
    """The members of a JSON object.

    :param strict: whether others than the named ones are a mistake
    :raises errors.InputError: not an object, one is missing, unknown or
        there twice
    """
    if not isinstance(value, dict):
        raise errors.InputError(_instead(value, 'an object'))
    if isinstance(value, Twice):
        raise errors.InputError('stands here twice', _place(value.key))
    if not required <= value.keys():
        raise errors.InputError('is missing', min(required - value.keys()))
    known = required | optional
    if strict and not value.keys() <= known:
        name = _place(min(value.keys() - known))
        near = difflib.get_close_matches(name, sorted(known), 1)
        hint = f'; did you mean {near[0]!r}?' if near else ''
        raise errors.InputError(f'is not known{hint}', name)
    return value


def read_cloud(value: object, strict: bool) -> values.Cloud:
    """The cloud that a decoded JSON object describes.

    :raises errors.InputError: it describes none; `place` is seen from the
        cloud (``vms[17].memory``)
    """
    made: values.Cloud = _record(values.Cloud)(value, strict)
    return made


def _place(name: str) -> str:
    # an error is one short line, whatever stands in the file
    return (
        name if name.isidentifier() and len(name) < 64 else reprlib.repr(name)
    )


def _instead(value: object, wanted: str) -> str:
    return f'is {_TYPE_NAMES.get(type(value), "an object")}, not {wanted}'


def _as_is(value: object, strict: bool) -> object:
    return value


def _list(value: object) -> list[typing.Any]:
    if not isinstance(value, list):
        raise errors.InputError(_instead(value, 'a list'))
    return value


def _plain(value: object, strict: bool) -> object:
    return tuple(_list(value))


def _samples(value: object, strict: bool) -> object:
    # what is in a pair, and how long it is, the working set judges
    return tuple(
        tuple(pair) if isinstance(pair, list) else pair
        for pair in _list(value)
    )


def _whole(value: object, strict: bool) -> object:
    # JSON does not tell 2 from 2.0; what is no whole number, its field says
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _optional(read: _Reader) -> _Reader:
    def reader(value: object, strict: bool) -> typing.Any:  # noqa: ANN401
        return None if value is None else read(value, strict)

    return reader


def _many(read: _Reader) -> _Reader:
    def reader(value: object, strict: bool) -> typing.Any:  # noqa: ANN401
        made = []
        for i, item in enumerate(_list(value)):
            try:
                made.append(read(item, strict))
            except errors.InputError as error:
                raise error.under(f'[{i}]') from None
        return tuple(made)

    return reader


def _record(kind: type) -> _Reader:
    fields = dataclasses.fields(kind)
    readers = {field.name: _READERS[field.type] for field in fields}
    required = frozenset(
        field.name for field in fields if field.default is dataclasses.MISSING
    )
    optional = frozenset(readers) - required

    def reader(value: object, strict: bool) -> typing.Any:  # noqa: ANN401
        found = members(value, required, optional, strict=strict)
        made = {}
        for name, read in readers.items():
            if name in found:
                try:
                    made[name] = read(found[name], strict)
                except errors.InputError as error:
                    raise error.under(name) from None
        return kind(**made)

    return reader


_READERS: dict[object, _Reader] = {
    str: _as_is,
    bool: _as_is,
    bool | None: _as_is,
    str | None: _as_is,
    int: _whole,
    int | None: _whole,
    float: _as_is,
    float | None: _as_is,
    tuple[str, ...]: _plain,
    tuple[float, ...]: _plain,
    tuple[str, ...] | None: _optional(_plain),
    tuple[tuple[float, float], ...]: _samples,
}
_READERS |= {traffic.Spread | None: _optional(_record(traffic.Spread))}
_READERS |= {
    rules.NovaSettings | None: _optional(_record(rules.NovaSettings)),
    rules.Speeds | None: _optional(_record(rules.Speeds)),
    values.Nic | None: _optional(_record(values.Nic)),
    traffic.Traffic | None: _optional(_record(traffic.Traffic)),
    observed.WorkingSet | None: _optional(_record(observed.WorkingSet)),
    observed.Contents | None: _optional(_record(observed.Contents)),
}
_READERS |= {
    tuple[values.Host, ...]: _many(_record(values.Host)),
    tuple[values.Vm, ...]: _many(_record(values.Vm)),
    tuple[bonds.Link, ...]: _many(_record(bonds.Link)),
    tuple[bonds.Group, ...]: _many(_record(bonds.Group)),
    tuple[passage.Passage, ...]: _many(_record(passage.Passage)),
}
