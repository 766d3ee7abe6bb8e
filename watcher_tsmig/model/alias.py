"""A cloud under other names: alike in all that a plan depends on.

Names and ids are replaced by keyed hashes: the same name by the same one
wherever it stands, and under the same key in every snapshot. Without the key
nobody finds the name, nor can try guesses. Numbers stay as they are.
"""

import dataclasses
import hashlib
import hmac
import uuid
from collections.abc import Callable
from typing import Any

from watcher_tsmig import errors
from watcher_tsmig.model.cloud import Cloud

#: Bytes of a key; with fewer, somebody could try all.
LEAST_KEY = 16
DIGITS = 16

#: Every text in a cloud by its class and field, and what it is a name of;
#: None for words of ours, which name nobody.
TEXTS: dict[tuple[str, str], str | None] = {
    ('Host', 'name'): 'host',
    ('Host', 'zone'): 'zone',
    ('Vm', 'id'): 'id',
    ('Vm', 'name'): 'vm',
    ('Vm', 'host'): 'host',
    ('Vm', 'zone'): 'zone',
    ('Vm', 'allowed'): 'host',
    ('Vm', 'sla'): 'class',
    ('Vm', 'state'): None,
    ('Vm', 'refused'): None,
    ('Traffic', 'source'): 'source',
    ('WorkingSet', 'source'): 'source',
    ('WorkingSet', 'basis'): None,
    ('Contents', 'source'): 'source',
    ('Group', 'id'): 'group',
    ('Group', 'policy'): None,
    ('Group', 'members'): 'id',
    ('Link', 'name'): 'link',
    ('Link', 'hosts'): 'host',
    ('Passage', 'vm'): 'id',
    ('Passage', 'source'): 'host',
    ('Passage', 'destination'): 'host',
}
# Who measured, where that is known to be nobody's name.
SOURCES = frozenset(
    (
        'gnocchi',
        'prometheus',
        'aetos',
        'file',
        'agent',
        'migrations',
        'unknown',
    )  # fmt: skip
)


def anonymised(cloud: Cloud, key: bytes) -> Cloud:
    """The cloud with all its names replaced, in the order of the new ones.

    :raises errors.InputError: the key is too short
    """
    if len(key) < LEAST_KEY:
        raise errors.InputError(
            f'has {len(key)} bytes, fewer than {LEAST_KEY}', 'key'
        )

    def alias(kind: str, name: str) -> str:
        if kind == 'source' and name in SOURCES:
            return name
        text = f'{kind}:{name}'.encode()
        found = hmac.new(key, text, hashlib.sha256)
        if kind == 'id':
            # 5 is the kind that is made of a name
            return str(uuid.UUID(bytes=found.digest()[:16], version=5))
        return f'{kind}-{found.hexdigest()[:DIGITS]}'

    found: Cloud = _renamed(cloud, alias)
    return dataclasses.replace(
        found,
        # the order of the old names would tell of them
        hosts=tuple(sorted(found.hosts, key=lambda host: host.name)),
        vms=tuple(sorted(found.vms, key=lambda vm: (vm.host, vm.name, vm.id))),
        links=tuple(sorted(found.links, key=lambda link: link.name)),
        groups=tuple(sorted(found.groups, key=lambda group: group.id)),
        passages=tuple(sorted(found.passages, key=lambda p: p.vm)),
    )


def _renamed(value: Any, alias: Callable[[str, str], str]) -> Any:  # noqa: ANN401
    """A value of the model, and all within it, under other names.

    :raises errors.InternalError: a text is not in the table: it could be
        anybody's name
    """
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        old = getattr(value, field.name)
        place = type(value).__name__, field.name
        parts = old if isinstance(old, tuple) else (old,)
        new = tuple(_part(part, place, alias) for part in parts)
        if new != parts:
            # what is in no order that matters is in that of the new names
            sortable = isinstance(old, tuple) and isinstance(new[0], str)
            ordered = tuple(sorted(new)) if sortable else new
            changes[field.name] = ordered if parts is old else new[0]
    return dataclasses.replace(value, **changes)


def _part(
    part: Any,  # noqa: ANN401 - any value of the model
    place: tuple[str, str],
    alias: Callable[[str, str], str],
) -> Any:  # noqa: ANN401 - likewise
    if dataclasses.is_dataclass(part):
        return _renamed(part, alias)
    if not isinstance(part, str):
        return part
    if place not in TEXTS:
        raise errors.InternalError(
            f'nobody said whether {".".join(place)} names somebody'
        )
    kind = TEXTS[place]
    return part if kind is None else alias(kind, part)
