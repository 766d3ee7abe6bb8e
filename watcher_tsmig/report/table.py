"""The plan as an operator reads it: one line a VM, numbers with units.

Only text is made here. A row comes from a planned migration or from the
parameters of an action in Watcher, and looks the same either way.
"""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from watcher_tsmig import units
from watcher_tsmig.plan.values import Migration


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One migration; cap in bytes/s (None: none), times in s.

    :ivar downtime: in which the VM does not serve, or hardly
    :ivar slow: of it, the slow phase after a switch to post-copy
    :ivar hop: 2 where the VM comes from a third host on its way
    :ivar goes_on_to: where a VM on a third host goes then; or empty
    """

    name: str
    mode: str
    cap: float | None
    slot: int
    start: float
    takes: float
    downtime: float
    because: str
    source: str
    destination: str
    assumed: str = ''
    binding: str = ''
    hop: int = 1
    goes_on_to: str = ''
    slow: float = 0.0


HEADINGS = (
    'VM',
    'From',
    'To',
    'Mode',
    'Cap',
    'Slot',
    'Start',
    'Takes',
    'Downtime',
    'Because',
    'What binds it',
)


def of_migration(migration: Migration, goes_on_to: str = '') -> Row:
    """The row of a planned migration.

    :param goes_on_to: where the VM ends, if its destination is a third host
    """
    return Row(
        name=migration.name,
        mode=str(migration.mode),
        cap=migration.most,
        slot=migration.slot,
        start=migration.start,
        takes=migration.takes,
        downtime=migration.downtime,
        because=migration.because,
        source=migration.source,
        destination=migration.destination,
        assumed=', '.join(migration.assumed),
        binding=migration.binding,
        hop=migration.hop,
        goes_on_to=goes_on_to,
        slow=migration.slow,
    )


def of_parameters(given: Mapping[str, Any]) -> Row:
    """The row of an action `traffic_sensitive_migrate`.

    :param given: its input parameters, as Watcher's API shows them
    """
    cap = given.get('cap_mbit_s')
    assumed = given.get('assumed', '')
    return Row(
        name=given.get('resource_name') or given['resource_id'],
        mode=given['mode'],
        cap=units.from_mbit_s(cap) if cap else None,
        slot=int(given.get('slot', 0)),
        start=float(given.get('planned_start_s', 0.0)),
        takes=float(given.get('planned_duration_s', 0.0)),
        downtime=float(given.get('planned_downtime_ms', 0.0)) / 1000,
        because=given.get('because', ''),
        source=given['source_node'],
        destination=given['destination_node'],
        assumed='' if assumed == 'nothing' else assumed,
        binding=given.get('binding', ''),
        hop=int(given.get('hop', 1)),
        goes_on_to=given.get('goes_on_to', ''),
        slow=float(given.get('planned_slow_ms', 0.0)) / 1000,
    )


def clock(seconds: float) -> str:
    """A moment of a plan: ``1:05`` for 65 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes}:{rest:02}'


def _cells(row: Row) -> tuple[str, ...]:
    name, because = row.name, row.because
    if row.goes_on_to:
        name += ' (1 of 2)'
        because = f'on its way to {row.goes_on_to}; {because}'
    elif row.hop > 1:
        name += ' (2 of 2)'
    if row.assumed:
        because += f' (assumed: {row.assumed})'
    return (
        name,
        row.source,
        row.destination,
        row.mode,
        units.human_rate(row.cap) if row.cap else '-',
        str(row.slot),
        clock(row.start),
        units.human_time(row.takes),
        _stands(row),
        because,
        row.binding,
    )


def _stands(row: Row) -> str:
    """The pause, and behind it the slow phase, where there is one."""
    pause = f'~{units.human_time(row.downtime - row.slow)}'
    if not row.slow:
        return pause
    return f'{pause}, slow ~{units.human_time(row.slow)}'


def grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of left-aligned columns, two spaces apart."""
    cells = [tuple(headings), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        '  '.join(
            text.ljust(width) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in cells
    ]


def table(rows: Iterable[Row]) -> list[str]:
    """Lines of the plan's table, by start."""
    ordered = sorted(rows, key=lambda r: (r.start, r.slot, r.name))
    return grid(HEADINGS, map(_cells, ordered))
