"""What Nova and the agent show of one migration that is under way.

The agent is asked at every look, Nova as seldom as its budget says: at once
where the agent's word has changed, and else the sooner, the sooner something
is expected. What was read last holds until then.
"""

import dataclasses
import math

from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.execute.caps import Keeping
from watcher_tsmig.execute.compute import Record
from watcher_tsmig.execute.compute import Statistics
from watcher_tsmig.execute.follow import PHASES
from watcher_tsmig.execute.follow import Phase
from watcher_tsmig.execute.follow import Watch
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.execute.values import Order

# Nova's statuses in which a hypervisor sends memory, and the one in which it
# tells how much.
SENDING = ('running', 'running (post-copy)')
COUNTED = 'running'
# Nova's status of what waits for others of its source.
QUEUED = 'queued'
# So many of our own looks to the next one at Nova where something is expected
# at any moment, where nobody knows, and where an agent would say so.
SOON, LATER, TOLD = 1.0, 6.0, 10.0


@dataclasses.dataclass(slots=True)
class Reading:
    """One migration as it was last seen.

    :ivar known: records that were there before
    :ivar poll: s between two looks of ours
    :ivar record: Nova's; None while there is none
    :ivar memory: its counters, of now or of Nova's last look
    :ivar fresh: they are of now
    :ivar data: bytes that were seen to be sent at most
    :ivar ran: it was seen to send memory
    :ivar queued: s that it stood in Nova's queue, as closely as was looked
    :ivar gone: the VM does not exist any more
    :ivar read: when Nova was asked last
    :ivar due: when it is asked next
    """

    nova: Nova
    order: Order
    clock: Clock
    keeping: Keeping
    known: frozenset[str]
    poll: float
    record: Record | None = None
    memory: Counters | None = None
    fresh: bool = False
    data: float | None = None
    ran: bool = False
    queued: float = 0.0
    gone: bool = False
    read: float = -math.inf
    due: float = -math.inf
    _stands: tuple[float, float] | None = None
    _sign: tuple[Direction, bool] = (Direction.NONE, False)

    @property
    def status(self) -> str | None:
        """Nova's, as last read."""
        return self.record.status if self.record else None

    def look(self, watch: Watch) -> None:
        """See what there is to be seen now.

        :raises errors.CloudError: Nova does not answer
        """
        job = self._job()
        sign = (job.direction, job.post_copy)
        told = self.fresh = job.direction is Direction.OUTGOING
        if sign != self._sign or self.clock.now() >= self.due:
            self._ask(told=told)
            self._sign, self.read = sign, self.clock.now()
            self.due = self.read + self.nova.pause(
                self.poll * _wanted(self, watch, told=told),
                urgent=self.order.mode.early and watch.tries == 0,
            )
            self.fresh = True
        self.ran = self.ran or self.status in SENDING
        if told and self.status in SENDING:
            self.memory = self._counters(job)
        elif self.status != COUNTED:
            self.memory = None
        if self.memory and self.memory.processed is not None:
            self.data = max(self.data or 0.0, self.memory.processed)

    def hurry(self) -> None:
        """Something was asked of Nova that is to have an effect."""
        pause = self.nova.pause(self.poll, urgent=True)
        self.due = min(self.due, self.clock.now() + pause)

    def _job(self) -> Job:
        """What the agent says of it; nothing where nobody does."""
        if self.status in SENDING:
            held = self.keeping.tend()
            return held.job if held is not None else Job()
        if PHASES.get(self.status) in (Phase.ABSENT, Phase.WAITING):
            self.keeping.wait()
        return Job()

    def _ask(self, *, told: bool) -> None:
        if self.status == COUNTED and not told and self._count():
            return
        vm = self.order.vm
        fresh = [r for r in self.nova.records(vm) if r.id not in self.known]
        # a VM that is deleted takes its records along
        if self.record and not fresh and self.nova.server(vm) is None:
            self.gone = True
        before, self.record = self.status, fresh[0] if fresh else None
        self._stood()
        # to be switched once memory goes, which only its counters tell
        early = self.order.mode.early
        if early and self.status == COUNTED != before:
            self._count()

    def _stood(self) -> None:
        """It left the queue between two looks, half way for all we know."""
        now = self.clock.now()
        if self.status == QUEUED:
            self._stands = (self._stands[0] if self._stands else now, now)
        elif self._stands:
            first, last = self._stands
            self.queued, self._stands = (last + now) / 2 - first, None

    def _count(self) -> bool:
        """Ask for record and counters in one; whether Nova told."""
        if self.record is None:
            return False
        found = self.nova.statistics(self.order.vm, self.record.id)
        if found is None:
            return False
        self.memory = self._counters(found)
        self.record = dataclasses.replace(
            self.record, status=found.status, took=found.took
        )
        return True

    def _counters(self, source: Statistics | Job) -> Counters:
        job = source if isinstance(source, Job) else Job()
        return Counters(
            total=source.total,
            processed=source.processed,
            remaining=source.remaining,
            disk=source.disk_remaining,
            iteration=job.iteration,
            dirty_rate=job.dirty_rate,
            bandwidth=job.rate,
            cap=self.keeping.in_force,
            throttle=job.throttle,
            post_copy=job.post_copy,
        )


def _wanted(reading: Reading, watch: Watch, *, told: bool) -> float:
    """Looks of ours to Nova's next, as far as its budget leaves a choice.

    :param told: the agent tells how far it is
    """
    phase = PHASES.get(reading.status, Phase.LANDING)
    early = reading.order.mode.early and phase is Phase.RUNNING
    # first match wins
    rows = (
        (watch.stop is not None or phase is Phase.LANDING, SOON),
        (early and watch.tries == 0, SOON),  # to be switched
        (told, TOLD),
        (phase is Phase.RUNNING, _half(_left(reading, watch) / reading.poll)),
        (True, _half(_lasted(reading, watch, phase) / reading.poll)),
    )
    return next(looks for holds, looks in rows if holds)


def _left(reading: Reading, watch: Watch) -> float:
    """s to what is expected next, by the counters, else by the plan."""
    order, seen = reading.order, reading.memory
    ran = max(_lasted(reading, watch, Phase.RUNNING), reading.poll)
    if not seen or not seen.processed or seen.remaining is None:
        return order.takes - ran
    left = seen.remaining
    if order.mode.switches:  # it is after the first pass
        left = (seen.total or 0.0) - seen.processed
    return left / seen.processed * ran


def _lasted(reading: Reading, watch: Watch, phase: Phase) -> float:
    """s that it is in its phase, which may be new."""
    return reading.clock.now() - watch.since if phase is watch.phase else 0.0


def _half(left: float) -> float:
    """The sooner, the closer it is; if it is past, the later, the longer."""
    return min(max(abs(left) / 2, SOON), LATER)
