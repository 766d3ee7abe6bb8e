"""Gnocchi's measures as they are on the wire: dates, and rows of points.

Only text and numbers live here; who asks for them is measures.py. A large
cloud has millions of rows and only some dozens of different dates.
"""

import datetime
import functools
import math
from collections.abc import Sequence
from typing import Any

from watcher_tsmig.model.history import Point

# Of one granularity a day of minutes has 1440
DATES = 4096


@functools.lru_cache(DATES)
def instant(text: str) -> float:
    """A date of an answer, s since the epoch; without an offset it is UTC.

    :raises ValueError: it is none
    """
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()


def date(seconds: float) -> str:
    """A date of a question.

    :param seconds: since the epoch
    """
    # without an offset, which a query string would carry as a blank
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.replace(tzinfo=None).isoformat()


def points(rows: Sequence[Any], about: float) -> list[Point]:
    """Of rows (date, granularity, value) those of one granularity, by time.

    :param about: of several, take the coarsest up to this, or else the
        finest, s
    :raises ValueError, TypeError: a row is none
    """
    found = [
        (instant(when), float(span), float(value))
        for when, span, value in rows
        if value is not None and math.isfinite(value)
    ]
    spans = {span for _, span, _ in found}
    if len(spans) > 1:
        fine = [span for span in spans if span <= about]
        wanted = max(fine) if fine else min(spans)
        found = [point for point in found if point[1] == wanted]
    return sorted(found)
