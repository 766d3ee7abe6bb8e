"""Recorded migrations of the laboratory, as values.

Reads what tests/lab writes: one JSON document a migration, in files of
their own (`*.json`) or one a line in `*.jsonl.xz`. The format is described
in doc/source/contributor/laboratory.rst. Everything that is wrong with a
document is said with its place.
"""

import dataclasses
import json
import lzma
import math
import pathlib
from collections.abc import Iterator
from typing import Any

from watcher_tsmig import errors

FORMAT = '1'
MODES = ('pre-copy', 'post-copy', 'hybrid')
# A recording is small; what is larger was not made by the laboratory.
MOST_BYTES = 64 * 2**20

Samples = tuple[tuple[float, float], ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One migration; times in s, data in bytes, rates in bytes/s.

    :ivar reach: what the machine carries without cap and shaping
    :ivar zero: bytes of the guest that hold nothing
    :ivar working_set: (s, bytes) by stop-and-compare
    :ivar sampling: the same by QEMU's page sampling
    :ivar logged: (s of a round, bytes written in it) of the dry runs
    :ivar link: of the shaped wire; None: not shaped
    :ivar patience: s after which one that had not ended was given up
    :ivar preempt: see `Rules`
    :ivar ended: it went through; else it was given up
    :ivar total: from the order to the end, a disk's copy included
    :ivar outage: the heartbeat's longest silence; None: not listened to
    """

    name: str
    pattern: str
    mode: str
    memory: float
    resident: float
    zero: float
    reach: float
    working_set: Samples
    sampling: Samples
    logged: Samples
    cap: float | None
    post_cap: float | None
    link: float | None
    downtime_limit: float
    patience: float
    preempt: bool
    disk: float
    ended: bool
    total: float
    downtime: float
    data: float
    rounds: int
    faults: int
    outage: float | None
    bad: int


def load(folder: pathlib.Path) -> list[Recorded]:
    """All recordings of a folder, in the order in which they were made.

    :raises errors.InputError: a file cannot be used
    """
    if not folder.is_dir():
        raise errors.InputError('is not a folder', str(folder))
    found: list[tuple[int, str, Recorded]] = []
    for path in sorted(folder.glob('*.json')):
        found += _read(path, [bounded(path)])
    for path in sorted(folder.glob('*.jsonl.xz')):
        found += _read(path, bounded(path).splitlines())
    return [recorded for *_, recorded in sorted(found, key=lambda f: f[:2])]


def bounded(path: pathlib.Path) -> str:
    """The text of a file, unpacked where it ends in .xz.

    :raises errors.InputError: it cannot be read, or is too large
    """
    try:
        opened = lzma.open if path.suffix == '.xz' else open
        with opened(path, 'rb') as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise errors.InputError('is too large', str(path))
        return content.decode()
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise errors.InputError(
            f'cannot be read: {error}', str(path)
        ) from error


def _read(
    path: pathlib.Path, texts: list[str]
) -> Iterator[tuple[int, str, Recorded]]:
    for i, text in enumerate(texts):
        place = f'{path.name}:{i + 1}'
        try:
            document = json.loads(text)
            recorded = _recorded(document)
            number = int(document['number'])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise errors.InputError(
                f'is not a recording: {type(error).__name__} {error}', place
            ) from error
        except errors.InputError as error:
            raise errors.InputError(str(error), place) from error
        yield number, recorded.name, recorded


def _recorded(of: dict[str, Any]) -> Recorded:
    if of['format'] != FORMAT:
        raise errors.InputError(
            f'this release reads format {FORMAT}, not {of["format"]!r}'
        )
    guest, how, outcome = of['guest'], of['how'], of['outcome']
    if how['mode'] not in MODES:
        raise errors.InputError(f'has the unknown mode {how["mode"]!r}')
    copied = of['seen']['disks']
    disk = float(guest['disk']) if how['disks'] else 0.0
    gaps = of['outage']
    return Recorded(
        name=str(of['name']),
        pattern=str(guest['writes']['pattern']),
        mode=how['mode'],
        memory=_positive(guest['memory']),
        resident=_positive(guest['resident']),
        zero=_number(guest['zero']),
        reach=_positive(of['machine']['reach']),
        working_set=_samples(of['measured']['working_set']),
        sampling=_samples(of['measured']['sampling']),
        logged=tuple(
            sample
            for run in of['measured']['dry_runs']
            for sample in _samples(run['rounds'])
        ),
        patience=_positive(how['patience']),
        preempt=bool(how['preempt']),
        cap=_rate(how['cap']),
        post_cap=_rate(how['post_cap']),
        link=_rate(how['link']),
        downtime_limit=_positive(how['downtime_limit']),
        disk=disk,
        ended=outcome['status'] == 'completed',
        total=_number(outcome['total']) + (_number(copied) if disk else 0.0),
        downtime=_number(outcome['downtime']),
        data=_number(outcome['transferred']) + disk,
        rounds=int(outcome['rounds']),
        faults=int(outcome['faults']),
        outage=None if gaps is None else max((g[1] for g in gaps), default=0),
        bad=int(of['integrity']['bad']),
    )


def _number(value: object) -> float:
    # a text would be taken for a number, and a list raises TypeError
    number = float(value) if isinstance(value, int | float) else math.nan
    if not (math.isfinite(number) and number >= 0):
        raise errors.InputError(f'{value!r} is not a number of at least 0')
    return number


def _positive(value: object) -> float:
    number = _number(value)
    if not number:
        raise errors.InputError('a number that must be above 0 is 0')
    return number


def _rate(value: object) -> float | None:
    return None if value is None else _positive(value)


def _samples(value: object) -> Samples:
    if not isinstance(value, list):
        raise errors.InputError('samples are not a list')
    return tuple((_positive(t), _number(d)) for t, d in value)
