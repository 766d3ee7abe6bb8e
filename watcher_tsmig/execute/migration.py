"""One planned migration carried out through Nova, to its true end.

The loop lives here. Whether it may begin is ready.py's, what Nova is asked is
in nova.py, what follows from its answers is in follow.py, and what a run that
does not arrive ends with is in ends.py.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Callable

from watcher_tsmig import errors
from watcher_tsmig.execute import words
from watcher_tsmig.execute.balloon import Giving
from watcher_tsmig.execute.caps import CapDriver
from watcher_tsmig.execute.caps import Keeping
from watcher_tsmig.execute.caps import NoCaps
from watcher_tsmig.execute.compute import ComputeDriver
from watcher_tsmig.execute.compute import Refused
from watcher_tsmig.execute.ends import Ends
from watcher_tsmig.execute.follow import Step
from watcher_tsmig.execute.follow import Watch
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.governor.govern_values import Kind
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.execute.governor.governing import Governing
from watcher_tsmig.execute.governor.rounds import Rounds
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.reading import COUNTED
from watcher_tsmig.execute.reading import Reading
from watcher_tsmig.execute.starting.admission import Gate
from watcher_tsmig.execute.starting.admission import Limits
from watcher_tsmig.execute.starting.admission import Lock
from watcher_tsmig.execute.starting.present import Fit
from watcher_tsmig.execute.starting.ready import Ready
from watcher_tsmig.execute.starting.ready import made_ready
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Outcome
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.execute.values import Progress
from watcher_tsmig.execute.values import WallClock
from watcher_tsmig.units import human_time

LOG = logging.getLogger(__name__)

Report = Callable[[Progress], None]
Shown = Callable[[Rounds], None]


def carry_out(
    driver: ComputeDriver,
    order: Order,
    *,
    cancelled: Callable[[], bool],
    report: Report = lambda progress: None,
    caps: CapDriver | None = None,
    governor: Policy | None = None,
    pace: Pace | None = None,
    clock: Clock | None = None,
    limits: Limits | None = None,
    shared: Lock | None = None,
    ill: Callable[[], str] = lambda: '',
    begins: bool = True,
    shown: Shown = lambda rounds: None,
) -> Outcome:
    """Move one VM and stay with it until it is at rest on its destination.

    :param driver: of the compute API
    :param cancelled: whether the action plan is; asked at every look
    :param report: told whenever what Nova shows has changed
    :param caps: puts the order's cap in force; None: nobody does
    :param governor: watches the pre-copy's counters; None: it only tells
    :param limits: of what everybody has in flight; None: none
    :param shared: a lock that all appliers share
    :param ill: which service is away that it needs, for people
    :param begins: what nobody has started is; else it is only followed
    :param shown: told at the end, whichever, what its counters showed
    :raises errors.MigrationError: the VM is not at rest on its destination
    :raises errors.DestinationError: nor did it leave, and nothing of it was
        sent: another destination may do
    """
    pace, clock = pace or Pace(), clock or WallClock()
    caps, policy = caps or NoCaps(), governor or Policy()
    nova = Nova(driver, pace, clock)
    gate = Gate(nova, order, limits, pace, clock, cancelled, shared, ill)
    fit = Fit(caps, clock, pace, cancelled, policy.does is Does.ACT)
    with contextlib.closing(gate):
        ready = made_ready(nova, order, gate, fit, begins=begins)
        if ready.server is None:
            return words.gone(order, gate.waited, moved=False)
        if order.arrived(ready.server.host):
            return words.already_there(order, ready.server.host)
        order = ready.order
        keeping = Keeping(caps, order, clock, pace.cap_life)
        governing = Governing(policy, order, keeping)
        reading = Reading(nova, order, clock, keeping, ready.known, pace.poll)
        giving = Giving(caps, order, clock, pace, pace.balloon_keep, cancelled)
        run = _Run(
            nova, order, pace, clock, cancelled, report, shown, ready, gate,
            reading, keeping, governing, Ends(nova, order, pace, clock, caps),
        )  # fmt: skip
        with giving.lent(), keeping.kept():
            outcome = run.follow()
    return giving.told_in(outcome)


@dataclasses.dataclass(slots=True)
class _Run:
    """One execution under way: what was seen last, and the loop."""

    nova: Nova
    order: Order
    pace: Pace
    clock: Clock
    cancelled: Callable[[], bool]
    report: Report
    shown: Shown
    ready: Ready
    gate: Gate
    reading: Reading
    keeping: Keeping
    governing: Governing
    ends: Ends
    doubt: str = ''
    remark: str = ''
    told: tuple[str, float | None, str] | None = None

    def follow(self) -> Outcome:
        """Start the migration and watch it until it has ended."""
        watch = Watch(self.order, self.pace, self.clock.now())
        going, self.remark = self.ready.going, self.ready.why
        if going is None:
            self._start()
        else:
            LOG.warning('%s is under way already', self.order.name)
            self.reading.known -= {going.id}
            self.remark = 'was under way already'
        try:
            return self._watched(watch)
        finally:
            self.shown(watch.gauge.shown)

    def _start(self) -> None:
        if self.cancelled():
            raise errors.MigrationError(
                words.sentence(
                    self.order,
                    'was not moved, the action plan was cancelled',
                )
            )
        try:
            self.doubt = self.nova.start(self.order)
        except Refused as error:
            self.ends.refused(str(error), error)

    def _watched(self, watch: Watch) -> Outcome:
        seen_at = watch.began
        while True:
            try:
                step = self._look(watch)
                seen_at = self.clock.now()
            except errors.CloudError as error:
                if self.clock.now() - seen_at > self.pace.outage:
                    self.ends.fail(
                        f'Nova has not answered for '
                        f'{human_time(self.pace.outage)} ({error}); its '
                        'migration goes on, look at it before planning again',
                        error,
                    )
                LOG.warning('%s: %s', self.order.name, error)
                step = Step.WAIT
            if step is Step.FINISH:
                return self._finish(watch)
            if step is Step.GONE:
                return words.gone(self.order, self.clock.now() - watch.began)
            self._act(step, watch)
            self.clock.sleep(self.pace.poll)

    def _look(self, watch: Watch) -> Step:
        seen = self.reading
        seen.look(watch)
        if seen.gone:
            return Step.GONE
        if seen.record is not None:
            self.gate.close()  # everybody sees it from now on
        memory = seen.memory
        counted = seen.fresh and seen.status == COUNTED
        if memory and counted and watch.stop is None:
            self._govern(watch, memory)
        self._tell(watch)
        return watch.look(
            self.clock.now(),
            seen.status,
            counters=memory,
            saved=seen.record.took if seen.record else None,
            read=seen.read,
            cancelled=self.cancelled(),
        )

    def _govern(self, watch: Watch, memory: Counters) -> None:
        decision = self.governing.look(self.clock.now(), memory)
        if decision is None:
            return
        LOG.warning('%s: %s', self.order.name, decision.text)
        record = self.reading.record
        if not decision.act or record is None:
            return
        if decision.cap is not None:
            self.keeping.change(decision.cap)
        elif decision.kind is Kind.SWITCH:
            refusal = self.nova.switch(self.order.vm, record.id)
            self.reading.hurry()
            if refusal:
                LOG.info('%s: no switch: %s', self.order.name, refusal)
        elif decision.kind is Kind.ABORT:
            watch.stop = watch.late()

    def _tell(self, watch: Watch) -> None:
        memory = self.reading.memory
        progress = Progress(
            vm=self.order.vm,
            name=self.order.name,
            status=self.reading.status or 'requested',
            elapsed=self.clock.now() - watch.began,
            processed=memory.processed if memory else None,
            remaining=memory.remaining if memory else None,
            total=memory.total if memory else None,
            note=self.governing.said,
        )
        shown = (progress.status, progress.processed, progress.note)
        if shown != self.told:
            self.told = shown
            self.report(progress)

    def _act(self, step: Step, watch: Watch) -> None:
        name, record = self.order.name, self.reading.record
        if step in (Step.SWITCH, Step.ABORT) and record:
            call = self.nova.switch if step is Step.SWITCH else self.nova.abort
            refusal = call(self.order.vm, record.id)
            self.reading.hurry()
            if refusal:
                LOG.info('%s: %s was refused: %s', name, step.value, refusal)
        elif step is Step.FAIL:
            self.ends.failed(watch, record, ran=self.reading.ran)
        elif step is Step.ABSENT:
            self.ends.absent(self.doubt)
        elif step is Step.LOOK:
            watch.stop = watch.stop or self.ends.quiet(watch, record)
        elif step is Step.STUCK:
            self.ends.stuck(watch, record)

    def _finish(self, watch: Watch) -> Outcome:
        seconds = self.clock.now() - watch.began
        if not self.ends.landed():
            return words.gone(self.order, seconds)
        seen = self.reading
        said = (
            self.gate.told(),
            self.keeping.told(),
            self.remark,
            self._unswitched(watch),
            self.governing.said,
        )
        return Outcome(
            vm=self.order.vm,
            host=self.order.destination,
            seconds=self.clock.now() - watch.began,
            took=seen.record.took if seen.record else None,
            queued=seen.queued,
            mode=watch.mode,
            data=seen.data,
            cap=self.keeping.enforcement,
            cap_rate=self.keeping.in_force,
            adapted=self.ready.adapted,
            remark='; '.join(filter(None, said)),
        )

    def _unswitched(self, watch: Watch) -> str:
        """That no request had an effect, the last one included."""
        if watch.switched or watch.tries < self.pace.switch_tries:
            return ''
        return (
            f'did not switch to post-copy after {watch.tries} requests and '
            'stayed in pre-copy'
        )
