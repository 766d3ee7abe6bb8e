"""How a run ends whose VM is not at rest on its destination.

Every failure leaves as a `MigrationError` that says what happened, where the
VM is, and what to do next. Nothing here changes anything in the cloud, but for
the state of a VM that runs, where an operator wants that.
"""

import dataclasses
import logging
from typing import NoReturn

from watcher_tsmig import errors
from watcher_tsmig.execute import words
from watcher_tsmig.execute.caps import CapDriver
from watcher_tsmig.execute.cause import NO_HOST
from watcher_tsmig.execute.cause import hindrance
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.follow import ABORTABLE
from watcher_tsmig.execute.follow import Phase
from watcher_tsmig.execute.follow import Stop
from watcher_tsmig.execute.follow import Watch
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.sight import runs_on
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.units import human_time

LOG = logging.getLogger(__name__)

# Nova's status of what was aborted while that is possible.
ABORTED = 'cancelled'
# Of Nova's reason, so much; where the VM is has to be told, too.
REASON = 80


@dataclasses.dataclass(frozen=True, slots=True)
class Ends:
    """The ends of one run; every method but `landed` raises."""

    nova: Nova
    order: Order
    pace: Pace
    clock: Clock
    caps: CapDriver

    def landed(self) -> bool:
        """Nova says `completed`: wait for the VM at its destination.

        :returns: whether it is there; else it was deleted in the end
        :raises errors.MigrationError: it is not at rest there
        """
        began = self.clock.now()
        while True:
            server, gone = self._found()
            if gone:
                return False
            if (
                server
                and server.host == self.order.destination
                and server.task is None
            ):
                break
            if self.clock.now() - began > self.pace.settle:
                to = self.order.destination
                dead = f', but nova-compute on {to} is down'
                self.fail(
                    'Nova reports completed'
                    + (dead if self._down(to) else ''),
                    look=True,
                )
            self.clock.sleep(self.nova.pause(self.pace.poll))
        if server.vm_state == 'error':
            self.fail('Nova reports completed')
        return True

    def refused(self, why: str, cause: BaseException) -> NoReturn:
        """Nova did not accept the request."""
        source, text = self.order.source, f'Nova refused: {why}'
        if self._down(source):
            raise errors.MigrationError(
                words.sentence(
                    self.order,
                    f'stays on {source}, whose nova-compute is down; '
                    f'{words.REVIVE}',
                )
            ) from cause
        raise errors.DestinationError(
            words.sentence(self.order, f'stays on {source}, {text}'), text
        ) from cause

    def failed(
        self, watch: Watch, record: Record | None, *, ran: bool
    ) -> NoReturn:
        """Nova says that it is over, and that it did not succeed.

        :param ran: it was seen to send memory
        """
        status, stop = _status(record), watch.stop
        # what failed before anything was sent another host may take, but for
        # what somebody put an end to
        refused = stop is Stop.DEAD or (stop is None and status != ABORTED)
        if watch.switched:  # whatever it was to be stopped for
            self.fail(
                f'its post-copy failed (Nova: {status})',
                look=True,
                then=words.LOST,
            )
        cause = stop.value if stop else self._cause(status)
        text = f'{cause} (Nova: {status})'
        if self.pace.resets and self._reset():
            text += '; it was in ERROR, runs on, and was set active'
        # what was sent may have arrived while Nova did not look
        self.fail(text, refused=refused and not ran, look=ran)

    def quiet(self, watch: Watch, record: Record | None) -> Stop | None:
        """Nothing moves: is there somebody to move it?

        :returns: why it is to stop, if it can be stopped still
        :raises errors.MigrationError: nobody will ever move it
        """
        order, status = self.order, _status(record)
        try:
            down = [
                host
                for host in (order.source, order.destination)
                if self.nova.is_down(host)
            ]
            server = self.nova.server(order.vm)
        except errors.CloudError as error:
            LOG.warning('%s: nothing moves, and %s', order.name, error)
            return None
        if down == [order.destination] and watch.phase in ABORTABLE:
            # what arrives there would never be taken over
            return Stop.DEAD
        if down:
            slow = words.unhurried(order) if watch.switched else ''
            self.fail(
                f'nova-compute on {" and ".join(down)} is down '
                f'(Nova: {status})',
                look=True,
                then=slow or words.REVIVE,
                split=slow or words.SPLIT,
            )
        # at its destination it is Nova's source that still has to tidy up
        idle = (
            server is not None
            and server.host == order.source
            and server.task is None
        )
        if idle and watch.phase is not Phase.LANDING:
            self.fail(
                f'Nova works on it no longer (Nova: {status})', look=True
            )
        return None

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
        down = self._down(self.order.destination)
        self.fail(words.halfway(self.order, status, watch.lasted, down=down))

    def fail(
        self,
        what: str,
        cause: BaseException | None = None,
        *,
        refused: bool = False,
        look: bool = False,
        then: str = '',
        split: str = words.SPLIT,
    ) -> NoReturn:
        """Raise, with where the VM is and what to do next.

        :param refused: another destination may do, if the VM is at rest
        :param look: Nova may be wrong about where it runs
        :param then: what to do next; empty: what follows from where it is
        :param split: the same, if Nova is wrong
        """
        server = self._server()
        if server is not None and server.vm_state == 'error':
            look = True
        runs = runs_on(self.caps, self.order) if look else None
        where = words.whereabouts(self.order, server, runs, then, split)
        text = words.sentence(self.order, f'{what}; {where}')
        if refused and words.at_rest(self.order, server):
            raise errors.DestinationError(text, what) from cause
        raise errors.MigrationError(text) from cause

    def _reset(self) -> bool:
        """Set a VM in ERROR active that runs at its source; whether it is."""
        server, source = self._server(), self.order.source
        if (
            server is None
            or server.vm_state != 'error'
            or server.task is not None
            or server.host != source
            or runs_on(self.caps, self.order) != source
        ):
            return False
        refusal = self.nova.reset(self.order.vm)
        if refusal:
            LOG.warning('%s: no reset: %s', self.order.name, refusal)
        return not refusal

    def _cause(self, status: str) -> str:
        if status == ABORTED:
            return 'somebody aborted it'
        reason = self.nova.reason(self.order.vm)
        if NO_HOST in reason:
            # the scheduler tells nobody which of its filters it was
            own = hindrance(self.nova, self.order)
            reason = f'{NO_HOST}: {own}' if own else reason
        return f'it failed: {reason[:REASON]}' if reason else 'it failed'

    def _down(self, host: str) -> bool:
        try:
            return self.nova.is_down(host)
        except errors.CloudError as error:
            LOG.warning('%s: %s', self.order.name, error)
            return False

    def _server(self) -> Server | None:
        return self._found()[0]

    def _found(self) -> tuple[Server | None, bool]:
        """The VM as far as Nova tells, and whether it is deleted."""
        try:
            server = self.nova.server(self.order.vm)
        except errors.CloudError as error:
            LOG.warning('%s: %s', self.order.name, error)
            return None, False
        return server, server is None


def _status(record: Record | None) -> str:
    return record.status if record else 'gone'
