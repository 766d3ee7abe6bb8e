"""A migration whose destination cannot take the VM goes to the next one.

Which hosts may, the plan says; whether they can, each try finds out anew.
Only what left the VM at rest where it was is tried again.
"""

import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Sequence

from watcher_tsmig import errors
from watcher_tsmig.execute.values import Outcome

LOG = logging.getLogger(__name__)
# Of a reason, so many characters.
REASON = 80


def healed(
    go: Callable[[str], Outcome], destinations: Sequence[str]
) -> Outcome:
    """The outcome of the first of these destinations that takes the VM.

    :param go: carries it out to one destination
    :raises errors.MigrationError: as `go` raises it for the last one; or
        for an earlier one, if another host would not do either
    """
    planned = destinations[0]
    why = ''
    for to in destinations[:-1]:
        try:
            return _told(go(to), planned, why)
        except errors.DestinationError as error:
            LOG.warning('%s; the next destination is tried', error)
            why = why or error.why
    return _told(go(destinations[-1]), planned, why)


def _told(outcome: Outcome, planned: str, why: str) -> Outcome:
    if not why:
        return outcome
    instead = f'instead of {planned}: {why[:REASON]}'
    remark = '; '.join(filter(None, (instead, outcome.remark)))
    return dataclasses.replace(outcome, remark=remark)
