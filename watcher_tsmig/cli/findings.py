"""What a check says: how bad, what, and what to do.

Values and their making; no check lives here.
"""

import dataclasses
import enum
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from watcher_tsmig.telemetry.doctor.examine import Seen

# Names that one finding has room for.
NAMED = 3


class Severity(enum.IntEnum):
    """How bad it is; the worst decides the exit code."""

    OK = 0
    NOT_ASKED = 1
    WARNING = 2
    ERROR = 3

    @property
    def code(self) -> str:
        """As programs have it."""
        return self.name.lower().replace('_', '-')


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is fine, or not, and what to do then."""

    severity: Severity
    told: str
    remedy: str = ''


Look = Callable[[Seen], Iterable[Finding]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A name, and the look; its docstring says what it looks at."""

    name: str
    look: Look


def ok(told: str) -> Finding:
    """All is well."""
    return Finding(severity=Severity.OK, told=told)


def not_asked(told: str, remedy: str = '') -> Finding:
    """Nobody knows, and why."""
    return Finding(severity=Severity.NOT_ASKED, told=told, remedy=remedy)


def warning(told: str, remedy: str) -> Finding:
    """Plans are worse for it."""
    return Finding(severity=Severity.WARNING, told=told, remedy=remedy)


def error(told: str, remedy: str) -> Finding:
    """There is no plan, or it cannot be carried out."""
    return Finding(severity=Severity.ERROR, told=told, remedy=remedy)


def some(names: Sequence[str]) -> str:
    """A few of the names, and how many more."""
    more = len(names) - NAMED
    return ', '.join(names[:NAMED]) + (f' and {more} more' if more > 0 else '')
