"""What an agent measured by itself, in one file for whoever publishes it.

The form of the file, and its one writer and reader; nobody measures here.
Its reader lives in Ceilometer's environment, so nothing is needed but the
standard library and oslo.config. Sizes are bytes, shares 0 to 1, instants
seconds since the epoch.
"""

import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping

from oslo_config import cfg

from watcher_tsmig import errors
from watcher_tsmig import files

FORMAT = '1'
# Seconds over which dirtied memory is measured: QEMU measures 1 to 60 s
DIRTY_SPANS = (1, 2, 4, 8, 16, 32, 60)
DIRTY = 'memory.dirty.t{seconds}'
NONZERO = 'memory.nonzero'
# Share of pages that hold only zeros: of all, and of those that were written
# between two looks.
ZERO = 'memory.contents.zero'
BLANKED = 'memory.written.zero'
# What is older is of no use to anybody: the planner's dirty_max_age, s
OLD = 86400.0
# A host has some hundred domains; 5,000 take 7 MiB.
MAX_BYTES = 8 << 20
# The group may read it, which is that of who publishes it
MODE = 0o640

OPTION = cfg.StrOpt(
    'spool',
    default='/var/cache/tsmig-agent/writing.json',
    help="""
File of what the agent measured by itself, which Ceilometer's pollster reads:
the same for both. The agent makes it readable by its group (0640), of which
Ceilometer's user has to be a member.
""",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One number of one domain.

    :ivar at: when it was measured, s since the epoch
    """

    value: float
    at: float

    def __post_init__(self) -> None:
        for name in ('value', 'at'):
            if not 0 <= getattr(self, name) < math.inf:
                raise errors.InputError('is negative or not finite', name)


#: by domain, then by the metric's name
Values = Mapping[str, Mapping[str, Value]]


def metrics() -> tuple[str, ...]:
    """Names of all that a domain may have."""
    return (
        *(DIRTY.format(seconds=span) for span in DIRTY_SPANS),
        NONZERO,
        ZERO,
        BLANKED,
    )


def write(
    path: pathlib.Path, values: Values, spent: Mapping[str, float]
) -> None:
    """Replace the file.

    :param spent: what measuring has cost so far, for people
    :raises errors.InputError: it cannot be written, or would be too large
    """
    told = {
        vm: {name: [one.value, one.at] for name, one in known.items()}
        for vm, known in values.items()
    }
    text = json.dumps({'format': FORMAT, 'spent': spent, 'vms': told})
    if len(text) > MAX_BYTES:
        raise errors.InputError(
            f'would be larger than {MAX_BYTES >> 20} MiB', str(path)
        )
    files.replace(path, text, mode=MODE)


def read(path: pathlib.Path) -> dict[str, dict[str, Value]]:
    """What the file says; metrics of a newer agent are left out.

    :raises errors.InputError: it cannot be read, or is no such file
    """
    try:
        with path.open('rb') as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f'is larger than {MAX_BYTES >> 20} MiB')
        found = json.loads(data)
        if found['format'] != FORMAT:
            raise ValueError(f'is of format {found["format"]!r}, not {FORMAT}')
        known = frozenset(metrics())
        return {
            str(vm): {
                name: Value(value=float(pair[0]), at=float(pair[1]))
                for name, pair in told.items()
                if name in known
            }
            for vm, told in found['vms'].items()
        }
    except OSError as error:
        raise errors.InputError(
            f'cannot be read: {error.strerror}', str(path)
        ) from error
    except (
        ValueError, TypeError, KeyError, IndexError, AttributeError,
        RecursionError, errors.InputError,
    ) as error:  # fmt: skip
        raise errors.InputError(
            f'is no spool of the agent: {str(error)[:200]}', str(path)
        ) from error
