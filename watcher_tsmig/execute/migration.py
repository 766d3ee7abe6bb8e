"""One planned migration carried out through Nova, to its true end.

The loop and the words for people live here. What Nova is asked is in
nova.py, what follows from its answers is in follow.py. Every failure leaves
as a `MigrationError` that says what happened, where the VM is, and what to
do next.
"""

import dataclasses
import logging
from collections.abc import Callable
from typing import NoReturn

from watcher_tsmig import errors
from watcher_tsmig.execute.follow import ABORTABLE
from watcher_tsmig.execute.follow import PHASES
from watcher_tsmig.execute.follow import Step
from watcher_tsmig.execute.follow import Watch
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.nova import Record
from watcher_tsmig.execute.nova import Refused
from watcher_tsmig.execute.nova import Server
from watcher_tsmig.execute.nova import Statistics
from watcher_tsmig.execute.obstacle import obstacle
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Compute
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Outcome
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.execute.values import Progress
from watcher_tsmig.execute.values import WallClock
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.units import human_time

LOG = logging.getLogger(__name__)

# Of Nova's reason, so much; where the VM is has to be told, too.
REASON = 80

Report = Callable[[Progress], None]


def carry_out(
    compute: Compute,
    order: Order,
    *,
    cancelled: Callable[[], bool],
    report: Report = lambda progress: None,
    pace: Pace | None = None,
    clock: Clock | None = None,
) -> Outcome:
    """Move one VM and stay with it until it is at rest on its destination.

    :param compute: openstacksdk's compute proxy
    :param cancelled: whether the action plan is; asked at every look
    :param report: told whenever what Nova shows has changed
    :raises errors.MigrationError: the VM is not at rest on its destination
    """
    pace = pace or Pace()
    clock = clock or WallClock()
    nova = Nova(compute, pace, clock)
    try:
        server = nova.server(order.vm)
        if server is not None and order.arrived(server.host):
            return _already_there(order, server.host)
        trouble = obstacle(nova, order, server)
        if trouble:
            raise errors.MigrationError(_sentence(order, trouble))
        known = frozenset(record.id for record in nova.records(order.vm))
    except errors.MigrationError:
        raise
    except errors.CloudError as error:
        raise errors.MigrationError(
            _sentence(order, f'was not moved, Nova does not answer: {error}')
        ) from error
    return _Run(nova, order, pace, clock, cancelled, report, known).follow()


def withdraw(nova: Nova, order: Order) -> bool:
    """Abort the VM's migration if it is one that Nova can abort.

    :returns: whether Nova accepted
    :raises errors.CloudError: Nova does not answer
    """
    for record in nova.records(order.vm)[:1]:
        if PHASES.get(record.status) in ABORTABLE:
            return not nova.abort(order.vm, record.id)
    return False


@dataclasses.dataclass(slots=True)
class _Run:
    """One execution under way: what was seen last, and the loop."""

    nova: Nova
    order: Order
    pace: Pace
    clock: Clock
    cancelled: Callable[[], bool]
    report: Report
    known: frozenset[str]
    doubt: str = ''
    remark: str = ''
    data: float | None = None
    record: Record | None = None
    told: Progress | None = None

    def follow(self) -> Outcome:
        """Start the migration and watch it until it has ended."""
        if self.cancelled():
            raise errors.MigrationError(
                _sentence(
                    self.order,
                    'was not moved, the action plan was cancelled',
                )
            )
        watch = Watch(self.order, self.pace, self.clock.now())
        try:
            self.doubt = self.nova.start(self.order)
        except Refused as error:
            raise errors.MigrationError(
                _sentence(
                    self.order,
                    f'stays on {self.order.source}, Nova refused: {error}',
                )
            ) from error
        seen_at = watch.began
        while True:
            try:
                step = self._look(watch)
                seen_at = self.clock.now()
            except errors.CloudError as error:
                if self.clock.now() - seen_at > self.pace.outage:
                    self._fail(
                        f'Nova has not answered for '
                        f'{human_time(self.pace.outage)} ({error}); its '
                        'migration goes on, look at it before planning again',
                        error,
                    )
                LOG.warning('%s: %s', self.order.name, error)
                step = Step.WAIT
            if step is Step.FINISH:
                return self._finish(watch)
            self._act(step, watch)
            self.clock.sleep(self.pace.poll)

    def _look(self, watch: Watch) -> Step:
        vm = self.order.vm
        fresh = [r for r in self.nova.records(vm) if r.id not in self.known]
        self.record = fresh[0] if fresh else None
        status = self.record.status if self.record else None
        memory = None
        if self.record and status == 'running':
            memory = self.nova.statistics(vm, self.record.id)
        if memory and memory.processed is not None:
            self.data = max(self.data or 0.0, memory.processed)
        self._tell(watch, status, memory)
        return watch.look(
            self.clock.now(),
            status,
            total=memory.total if memory else None,
            cancelled=self.cancelled(),
        )

    def _tell(
        self, watch: Watch, status: str | None, memory: Statistics | None
    ) -> None:
        progress = Progress(
            vm=self.order.vm,
            name=self.order.name,
            status=status or 'requested',
            elapsed=self.clock.now() - watch.began,
            processed=memory.processed if memory else None,
            remaining=memory.remaining if memory else None,
            total=memory.total if memory else None,
        )
        told = self.told
        if (
            told is None
            or told.status != progress.status
            or told.processed != progress.processed
        ):
            self.told = progress
            self.report(progress)

    def _act(self, step: Step, watch: Watch) -> None:
        name = self.order.name
        if step in (Step.SWITCH, Step.ABORT) and self.record:
            call = self.nova.switch if step is Step.SWITCH else self.nova.abort
            refusal = call(self.order.vm, self.record.id)
            if refusal:
                LOG.info('%s: %s was refused: %s', name, step.value, refusal)
            if watch.tries == self.pace.switch_tries:
                self.remark = (
                    f'did not switch to post-copy after {watch.tries} '
                    'requests and stayed in pre-copy'
                )
                LOG.warning('%s %s', name, self.remark)
        elif step is Step.FAIL:
            cause = watch.stop.value if watch.stop else self._cause()
            status = self.record.status if self.record else 'gone'
            self._fail(f'{cause} (Nova: {status})')
        elif step is Step.ABSENT:
            self._fail(
                'Nova made no migration in '
                f'{human_time(self.pace.appear)}'
                + (f' ({self.doubt})' if self.doubt else '')
            )
        elif step is Step.STUCK:
            self._stuck(watch)

    def _cause(self) -> str:
        reason = self.nova.reason(self.order.vm)
        return f'it failed: {reason[:REASON]}' if reason else 'it failed'

    def _stuck(self, watch: Watch) -> NoReturn:
        status = self.record.status if self.record else 'gone'
        if watch.stop and not watch.switched:
            self._fail(
                f'{watch.stop.value}, and the abort had no effect within '
                f'{human_time(self.pace.stop)} (Nova: {status})'
            )
        # The one state in which a hasty hand loses the VM: half of its
        # memory is on either host.
        self._fail(
            f'has been {status} for {human_time(watch.lasted)}; it cannot '
            'be stopped any more. Do not restart nova-compute on '
            f'{self.order.source}; check the network'
        )

    def _finish(self, watch: Watch) -> Outcome:
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
                self._fail('Nova reports completed')
            self.clock.sleep(self.pace.poll)
        if server.vm_state == 'error':
            self._fail('Nova reports completed')
        mode = Mode.POST_COPY if watch.switched else Mode.PRE_COPY
        return Outcome(
            vm=self.order.vm,
            host=self.order.destination,
            seconds=self.clock.now() - watch.began,
            took=self.record.took if self.record else None,
            mode=mode,
            data=self.data,
            remark=self.remark,
        )

    def _server(self) -> Server | None:
        try:
            return self.nova.server(self.order.vm)
        except errors.CloudError as error:
            LOG.warning('%s: %s', self.order.name, error)
            return None

    def _fail(self, what: str, cause: BaseException | None = None) -> NoReturn:
        where = _whereabouts(self.order, self._server())
        raise errors.MigrationError(
            _sentence(self.order, f'{what}; {where}')
        ) from cause


def _already_there(order: Order, host: str) -> Outcome:
    return Outcome(
        vm=order.vm,
        host=host,
        seconds=0.0,
        mode=order.mode,
        data=0.0,
        remark='was already there',
    )


def _whereabouts(order: Order, server: Server | None) -> str:
    if server is None:
        return 'where it is now is unknown'
    place = f'on {server.host}'
    if server.vm_state == 'error':
        return (
            f'it is in ERROR {place}: if it runs there, '
            '"openstack server set --state active"'
        )
    if server.host == order.destination:
        return f'it is {server.vm_state} {place}, its destination'
    if server.task:
        return f'it is {server.task} {place}'
    return f'it is {server.vm_state} {place}; plan again'


def _sentence(order: Order, text: str) -> str:
    name = order.name if len(order.name) <= 40 else order.name[:39] + '…'
    return f'{name}: {text}'
