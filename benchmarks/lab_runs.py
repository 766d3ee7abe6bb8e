"""Runs of the laboratory, as values, beyond what forecasts are judged by.

Contention: JSON lines as tests/lab/contention.py writes them, one a run.
Traces: what was seen of a recorded migration while it went on. LCB:
recordings that say at which share of the predicted bandwidth they ran.
Everything that is wrong with a line is said with its place.
"""

import dataclasses
import json
import math
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import TypeVar

from benchmarks.lab_records import bounded
from watcher_tsmig import errors

SUFFIXES = ('*.json', '*.jsonl', '*.jsonl.xz')
Xy = tuple[float, float]
T = TypeVar('T')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All moves of one plan, carried out; times in s.

    :ivar total: until the last guest has arrived
    :ivar foretold: the plan's makespan; None where it was not followed
    :ivar outages: name of a guest -> its longest silence
    :ivar shares: name of an application -> its throughput meanwhile, as a
        share of the one before
    """

    variant: str
    repeat: int
    total: float
    foretold: float | None
    outages: dict[str, float]
    shares: dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One recorded migration as time went by.

    :ivar left: (s since the order, bytes left)
    :ivar rounds: (s at its begin, bytes sent in it) of each round seen
    """

    name: str
    left: tuple[Xy, ...]
    rounds: tuple[Xy, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One migration near its LCB.

    :ivar guest: its name, without the share
    :ivar share: the bandwidth, of the predicted LCB
    """

    guest: str
    share: float
    ended: bool


def contention(path: pathlib.Path) -> list[Run]:
    """The runs of one file, in its order.

    :raises errors.InputError: the file cannot be used
    """
    return [_parsed(_run, *line) for line in _lines(path)]


def trace(folder: pathlib.Path, name: str) -> Trace:
    """That recording's.

    :raises errors.InputError: it is not there, or cannot be used
    """
    for pattern in SUFFIXES:
        for path in sorted(folder.glob(pattern)):
            for place, document in _lines(path):
                if isinstance(document, dict) and document.get('name') == name:
                    return _parsed(_trace, place, document)
    raise errors.InputError(f'has no recording {name!r}', str(folder))


def trials(path: pathlib.Path) -> list[Trial]:
    """The recordings of a file or a folder that were made near the LCB.

    :raises errors.InputError: a file cannot be used
    """
    files = [path]
    if path.is_dir():
        files = [p for s in SUFFIXES for p in sorted(path.glob(s))]
    return [_parsed(_trial, *line) for file in files for line in _lines(file)]


def _lines(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    """Place and content of each JSON document of a file."""
    text = bounded(path)
    for i, line in enumerate(
        [text] if path.suffix == '.json' else text.splitlines()
    ):
        place = f'{path.name}:{i + 1}'
        try:
            yield place, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise errors.InputError(f'is not JSON: {error}', place) from error


def _parsed(make: Callable[[Any], T], place: str, document: object) -> T:
    try:
        return make(document)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise errors.InputError(
            f'is not what it must be: {type(error).__name__} {error}', place
        ) from error


def _number(value: object) -> float:
    number = float(value) if isinstance(value, int | float) else math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f'{value!r} is not a number of at least 0')
    return number


def _run(of: dict[str, Any]) -> Run:
    foretold = of.get('foretold')
    return Run(
        variant=str(of['variant']),
        repeat=int(of['repeat']),
        total=_number(of['total']),
        foretold=None if foretold is None else _number(foretold),
        outages={k: _number(v) for k, v in of['outages'].items()},
        shares={
            name: _number(rates['during'] or 0.0) / _number(rates['before'])
            for name, rates in of['applications'].items()
            if rates['before']
        },
    )


def _trace(of: dict[str, Any]) -> Trace:
    seen = of['seen']
    samples = seen['samples']
    begins = [
        (_number(r['at']), _number(r['transferred'])) for r in seen['rounds']
    ]
    # the first one begins with the migration, whenever it was first seen
    marks = [0.0, *(sent for _, sent in begins[1:])]
    marks.append(_number(samples['transferred'][-1]))
    return Trace(
        name=str(of['name']),
        left=tuple(
            (_number(t), _number(left))
            for t, left in zip(
                samples['seconds'], samples['remaining'], strict=True
            )
        ),
        rounds=tuple(
            (at, end - begin)
            for (at, _), begin, end in zip(
                begins, marks, marks[1:], strict=False
            )
            if end > begin  # the last sync is seen when all is over
        ),
    )


def _trial(of: dict[str, Any]) -> Trial:
    lcb = of['lcb']
    writes = of['guest']['writes']
    return Trial(
        guest=f'{writes["pattern"]}, {writes["rate"]:g} pages/s',
        share=_number(lcb['let_through']),
        ended=of['outcome']['status'] == 'completed',
    )
