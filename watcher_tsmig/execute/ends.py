"""How a run ends whose VM is not at rest on its destination.

Every failure leaves as a `MigrationError` that says what happened, where the
VM is, and what to do next. Nothing here changes anything in the cloud.
"""

import dataclasses
import logging
from typing import NoReturn

from watcher_tsmig import errors
from watcher_tsmig.execute import words
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.follow import Phase
from watcher_tsmig.execute.follow import Watch
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.units import human_time

LOG = logging.getLogger(__name__)

# Of Nova's reason, so much; where the VM is has to be told, too.
REASON = 80


@dataclasses.dataclass(frozen=True, slots=True)
class Ends:
    """The ends of one run; every method but `landed` raises."""

    nova: Nova
    order: Order
    pace: Pace
    clock: Clock

    def landed(self) -> None:
        """Nova says `completed`: wait for the VM at its destination.

        :raises errors.MigrationError: it is not at rest there
        """
        began = self.clock.now()
        while True:
            server = self._server()
            if (
                server
                and server.host == self.order.destination
                and server.task is None
            ):
                break
            if self.clock.now() - began > self.pace.settle:
                self.fail('Nova reports completed')
            self.clock.sleep(self.pace.poll)
        if server.vm_state == 'error':
            self.fail('Nova reports completed')

    def failed(
        self, watch: Watch, record: Record | None, *, ran: bool
    ) -> NoReturn:
        """Nova says that it is over, and that it did not succeed.

        :param ran: it was seen to send memory
        """
        cause = watch.stop.value if watch.stop else self._cause()
        # what failed before anything was sent another host may take
        refused = watch.stop is None and not ran
        self.fail(f'{cause} (Nova: {_status(record)})', refused=refused)

    def absent(self, doubt: str) -> NoReturn:
        """Nova never made a record.

        :param doubt: why it is unknown whether it accepted; empty if it did
        """
        self.fail(
            f'Nova made no migration in {human_time(self.pace.appear)}'
            + (f' ({doubt})' if doubt else '')
        )

    def stuck(self, watch: Watch, record: Record | None) -> NoReturn:
        """A bound has passed, and nothing can be done."""
        status = _status(record)
        if watch.stop and not watch.switched:
            self.fail(
                f'{watch.stop.value}, and the abort had no effect within '
                f'{human_time(self.pace.stop)} (Nova: {status})'
            )
        if watch.phase is Phase.RUNNING:
            self.fail(
                f'has been running for {human_time(watch.lasted)}, long past '
                'its deadline, and is left to that'
            )
        self.fail(words.halfway(self.order, status, watch.lasted))

    def fail(
        self,
        what: str,
        cause: BaseException | None = None,
        *,
        refused: bool = False,
    ) -> NoReturn:
        """Raise, with where the VM is.

        :param refused: another destination may do, if the VM is at rest
        """
        server = self._server()
        where = words.whereabouts(self.order, server)
        text = words.sentence(self.order, f'{what}; {where}')
        if refused and words.at_rest(self.order, server):
            raise errors.DestinationError(text, what) from cause
        raise errors.MigrationError(text) from cause

    def _cause(self) -> str:
        reason = self.nova.reason(self.order.vm)
        return f'it failed: {reason[:REASON]}' if reason else 'it failed'

    def _server(self) -> Server | None:
        try:
            return self.nova.server(self.order.vm)
        except errors.CloudError as error:
            LOG.warning('%s: %s', self.order.name, error)
            return None


def _status(record: Record | None) -> str:
    return record.status if record else 'gone'
