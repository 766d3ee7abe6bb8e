"""Instants that people name: seconds from now until they come.

Texts in, seconds out. The clock is the caller's; what a wrong text is
answered with is one sentence for people.
"""

import datetime
import re

from watcher_tsmig import errors

PARAMETER = 'finish_by'
CLOCK = re.compile(r'([01]?\d|2[0-3]):([0-5]\d)')
DAY = datetime.timedelta(days=1)


def until(text: str, now: float) -> float:
    """Seconds from now until the instant that the text names.

    :param text: ``HH:MM`` in UTC, the next time that a clock shows it, or
        an instant of ISO 8601 with an offset
    :param now: seconds since the epoch
    :raises errors.InputError: the text names none, or one that has passed
    """
    today = datetime.datetime.fromtimestamp(now, datetime.UTC)
    text = text.strip()
    clock = CLOCK.fullmatch(text)
    if clock:
        hour, minute = map(int, clock.groups())
        instant = today.replace(
            hour=hour, minute=minute, second=0, microsecond=0
        )
        if instant <= today:
            instant += DAY
    else:
        instant = _instant(text)
    seconds = (instant - today).total_seconds()
    if seconds <= 0:
        raise errors.InputError(
            f'{text!r} has passed; it is {today:%Y-%m-%dT%H:%M:%SZ}',
            PARAMETER,
        )
    return seconds


def _instant(text: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise errors.InputError(
            f'{text!r} is neither HH:MM (UTC) nor an instant with an offset '
            'such as 2026-03-01T06:00+01:00',
            PARAMETER,
        )
    return found
