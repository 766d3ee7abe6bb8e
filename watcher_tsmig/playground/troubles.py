"""Trouble with requests, for real clients to meet: which, what, how often.

One gate in front of all services looks at every request. Which trouble there
is, clients are told by control; what a service answers is not known here.
"""

import dataclasses
import enum
import itertools
import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from watcher_tsmig import errors

# Wall seconds that an answer may be held back for at most.
LONGEST = 120.0
# Between two looks whether the trouble has been taken back, s
LOOK_EVERY = 0.05

MIGRATION = re.compile(r'POST .*/servers/([^/]+)/action')


class Kind(enum.StrEnum):
    """What a request meets."""

    STATUS = 'status'  # a made-up answer; nothing was done
    SILENT = 'silent'  # no answer at all; nothing was done
    SLOW = 'slow'  # its answer, late
    TRUNCATED = 'truncated'  # half of its answer; it was done
    LOST = 'lost'  # no answer at all; it was done


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Trouble for the requests that match.

    :ivar match: regular expression in `METHOD /path?query`
    :ivar times: so many requests meet it; None: all, until it is taken back
    :ivar passes: so many requests do not meet it at first
    :ivar status: of the answer, where that is made up
    :ivar seconds: wall time that the answer is held back
    :raises errors.InputError: a member is out of range
    """

    match: str
    kind: Kind
    times: int | None = None
    passes: int = 0
    status: int = 503
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise errors.InputError('is not in 200 to 599', 'status')
        if not 0 <= self.seconds <= LONGEST:
            raise errors.InputError(f'is not in 0 to {LONGEST:g}', 'seconds')
        try:
            re.compile(self.match)
        except re.error as error:
            raise errors.InputError(str(error), 'match') from error

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> 'Trouble':
        """From a request to control.

        :raises errors.InputError: it is none
        """
        try:
            return cls(**{**body, 'kind': Kind(body['kind'])})
        except (TypeError, ValueError, KeyError) as error:
            raise errors.InputError(repr(error)) from error


@dataclasses.dataclass(slots=True)
class _Row:
    trouble: Trouble
    armed: bool
    seen: int = 0
    struck: int = 0


class Troubles:
    """All trouble there is, and what came of it; thread-safe.

    :ivar started: live migrations that Nova was asked for, as (VM, host)
    """

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []
        self._rows: dict[int, _Row] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def add(self, trouble: Trouble, *, armed: bool = True) -> int:
        """From now on, or once it is armed; its number."""
        with self._lock:
            number = next(self._numbers)
            self._rows[number] = _Row(trouble, armed)
            return number

    def arm(self, number: int) -> None:
        """From now on, if nobody has taken it back."""
        with self._lock:
            if number in self._rows:
                self._rows[number].armed = True

    def end(self, number: int) -> bool:
        """Take one back; whether there was one."""
        with self._lock:
            return self._rows.pop(number, None) is not None

    def told(self) -> dict[str, Any]:
        """How many requests each trouble struck, and what was started."""
        with self._lock:
            struck = {str(k): row.struck for k, row in self._rows.items()}
            return {'struck': struck, 'started': list(self.started)}

    def meet(self, line: str, body: bytes) -> Trouble | None:
        """The trouble of a request, once its time has passed.

        :param line: `METHOD /path?query`
        """
        number, trouble = self._strike(line)
        if trouble is None or trouble.kind not in (Kind.STATUS, Kind.SILENT):
            self._note(line, body)
        if trouble is None:
            return None
        left = trouble.seconds
        while left > 0 and number in self._rows:
            time.sleep(min(LOOK_EVERY, left))
            left -= LOOK_EVERY
        return trouble

    def _strike(self, line: str) -> tuple[int, Trouble | None]:
        with self._lock:
            for number, row in self._rows.items():
                if not (row.armed and re.search(row.trouble.match, line)):
                    continue
                row.seen += 1
                spent = row.trouble.times is not None and (
                    row.struck >= row.trouble.times
                )
                if row.seen > row.trouble.passes and not spent:
                    row.struck += 1
                    return number, row.trouble
        return 0, None

    def _note(self, line: str, body: bytes) -> None:
        found = MIGRATION.match(line)
        if found is None or b'os-migrateLive' not in body:
            return
        host = json.loads(body)['os-migrateLive'].get('host') or ''
        with self._lock:
            self.started.append((found[1], host))
