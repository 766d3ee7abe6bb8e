"""The few calls of the compute API that a migration needs.

A compute driver goes in, small values come out, what may help to ask again
is asked again within a bound, and what then still fails is a `CloudError`.
The clients are the drivers' business; nothing here decides anything.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

import tenacity

from watcher_tsmig import errors
from watcher_tsmig.execute.budget import Budget
from watcher_tsmig.execute.compute import Bond
from watcher_tsmig.execute.compute import ComputeDriver
from watcher_tsmig.execute.compute import Missing
from watcher_tsmig.execute.compute import Passage
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.execute.compute import Server
from watcher_tsmig.execute.compute import Service
from watcher_tsmig.execute.compute import Statistics
from watcher_tsmig.execute.compute import Unanswered
from watcher_tsmig.execute.follow import ABORTABLE
from watcher_tsmig.execute.follow import PHASES
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.model.passage import UNDER_WAY

T = TypeVar('T')
LOG = logging.getLogger(__name__)

# Nova's name of a live migration in its instance actions.
MIGRATION = 'live-migration'
# Seconds that the pauses between attempts do not exceed.
LONGEST = 10.0


class Nova:
    """The compute API of one cloud as an execution sees it."""

    def __init__(
        self, driver: ComputeDriver, pace: Pace, clock: Clock
    ) -> None:
        self._driver = driver
        self._pace = pace
        self._clock = clock
        self._budget = Budget(pace.requests)

    def pause(self, wanted: float, *, urgent: bool = False) -> float:
        """How long to wait before the next look, s; at least `wanted`.

        :param urgent: it is to see what came of a request
        """
        return self._budget.pause(self._clock.now(), wanted, urgent=urgent)

    def server(self, vm: str) -> Server | None:
        """The VM, or None where it does not exist any more."""
        try:
            return self._ask(lambda: self._driver.server(vm))
        except Missing:
            return None

    def service_trouble(self, host: str) -> str | None:
        """Why the host's compute service can take no VM; None if it can."""
        service = self._service(host)
        if service is None:
            return 'has no compute service'
        if not service.up:
            return 'is down'
        return None if service.enabled else 'is disabled'

    def is_down(self, host: str) -> bool:
        """Whether the host's compute service is, as far as Nova knows."""
        service = self._service(host)
        return service is not None and not service.up

    def disabled_reason(self, host: str) -> str:
        """Why the host's compute service is disabled; empty if it is not."""
        service = self._service(host)
        return '' if service is None or service.enabled else service.reason

    def _service(self, host: str) -> Service | None:
        for service in self._ask(lambda: self._driver.services(host)):
            # an old API ignores the filters
            if service.host == host and service.binary == 'nova-compute':
                return service
        return None

    def residents(self, host: str) -> list[Resident]:
        """All VMs of the host."""
        return self._ask(lambda: self._driver.residents(host))

    def passages(self, host: str) -> list[Passage]:
        """Migrations of the host that have not ended."""
        found = self._ask(lambda: self._driver.passages(host))
        return [p for p in found if p.status in UNDER_WAY]

    def reason(self, vm: str) -> str:
        """What Nova's instance actions say of the last live migration.

        Empty where they say nothing, as to one without the right to see it.
        """
        try:
            actions = self._ask(lambda: self._driver.actions(vm))
            last = next(a for a in actions if a.name == MIGRATION)
            events = self._ask(lambda: self._driver.events(vm, last.request))
        except (errors.CloudError, StopIteration):
            LOG.info('%s: Nova tells no reason', vm, exc_info=True)
            return ''
        # newest first, and what failed first is why the rest did
        told = [e.details for e in reversed(events) if e.failed]
        return ' '.join(next(filter(None, told), '').split())

    def records(self, vm: str) -> list[Record]:
        """The VM's live migrations, newest first."""
        return self._ask(lambda: self._driver.records(vm))

    def bonds(self, vm: str) -> list[Bond]:
        """Server groups that the VM is in."""
        return self._ask(lambda: self._driver.bonds(vm))

    def statistics(self, vm: str, record: str) -> Statistics | None:
        """Memory of the migration; None while Nova does not list it."""
        try:
            return self._ask(lambda: self._driver.statistics(vm, record))
        except Missing:
            return None

    def start(self, order: Order) -> str:
        """Ask for the live migration, once.

        :returns: empty if Nova accepted; else why it is unknown whether it
            did (the answer was lost), so that its records must tell
        :raises Refused: Nova did not accept
        """
        # what was asked to find out whether it may be is not of its minutes
        self._budget = Budget(self._pace.requests)
        self._budget.spend(self._clock.now())
        try:
            self._driver.start(order.vm, order.destination)
        except Unanswered as error:
            return str(error)
        return ''

    def switch(self, vm: str, record: str) -> str:
        """Force completion, once; the reason if Nova did not accept."""
        return self._try(lambda: self._driver.switch(vm, record))

    def abort(self, vm: str, record: str) -> str:
        """Abort the migration, once; the reason if Nova did not accept."""
        return self._try(lambda: self._driver.abort(vm, record))

    def reset(self, vm: str) -> str:
        """Have it be active again, once; the reason if Nova did not."""
        return self._try(lambda: self._driver.reset(vm))

    def withdraw(self, vm: str) -> bool:
        """Abort the VM's newest migration if Nova can; whether it accepted.

        :raises errors.CloudError: Nova does not answer
        """
        for record in self.records(vm)[:1]:
            if PHASES.get(record.status) in ABORTABLE:
                return not self.abort(vm, record.id)
        return False

    def _try(self, call: Callable[[], object]) -> str:
        # Both requests race with the end of the migration, so a refusal is
        # news for the log, and the record tells what really happened.
        self._budget.spend(self._clock.now())
        try:
            call()
        except errors.CloudError as error:
            return str(error)
        return ''

    def _ask(self, call: Callable[[], T]) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unanswered),
            stop=tenacity.stop_after_attempt(self._pace.http_tries),
            wait=tenacity.wait_exponential(
                multiplier=self._pace.http_wait, max=LONGEST
            ),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return retrying(self._counted, call)

    def _counted(self, call: Callable[[], T]) -> T:
        self._budget.spend(self._clock.now())
        return call()
