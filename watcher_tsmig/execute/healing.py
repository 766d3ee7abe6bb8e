"""A migration whose destination cannot take the VM goes to the next one.

Which hosts may, the plan says; whether they can, each try finds out anew.
Only what left the VM at rest where it was is tried again, and who refused
another VM of the plan just now is the last to be asked.
"""

import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Sequence

from watcher_tsmig import errors
from watcher_tsmig.execute.breaker import Breaker
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Outcome
from watcher_tsmig.execute.values import WallClock

LOG = logging.getLogger(__name__)
# Of a reason, so many characters.
REASON = 80


def healed(
    go: Callable[[str], Outcome],
    destinations: Sequence[str],
    *,
    breaker: Breaker | None = None,
    clock: Clock | None = None,
    going: str = '',
) -> Outcome:
    """The outcome of the first of these destinations that takes the VM.

    :param go: carries it out to one destination
    :param breaker: of the plan's hosts; None: nobody has refused
    :param going: the one that the VM is under way to already; empty: none
    :raises errors.MigrationError: as `go` raises it for the last one; or
        for an earlier one, if another host would not do either
    """
    breaker, clock = breaker or Breaker(), clock or WallClock()
    planned = destinations[0]
    order = breaker.spared(destinations, clock.now())
    if going in order:  # it is followed, whatever became of the host
        order = [going, *(host for host in order if host != going)]
    why = '' if order[0] == planned else breaker.why.get(planned, '')
    for to in order:
        try:
            outcome = go(to)
        except errors.DestinationError as error:
            breaker.trip(to, clock.now(), error.why)
            why = why or error.why
            if to == order[-1]:
                raise
            LOG.warning('%s; the next destination is tried', error)
        else:
            breaker.close(to)
            return _told(outcome, planned, why)
    raise AssertionError('there is no destination')


def _told(outcome: Outcome, planned: str, why: str) -> Outcome:
    if not why:
        return outcome
    instead = f'instead of {planned}: {why[:REASON]}'
    remark = '; '.join(filter(None, (instead, outcome.remark)))
    return dataclasses.replace(outcome, remark=remark)
