"""What to do next about a migration that is under way, decided purely.

No I/O and no clock: the caller says what Nova's record shows and what time
it is, and gets one step back. The rules are one table, first match wins;
what a status means is another.
"""

import dataclasses
import enum
from collections.abc import Callable

from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.gauge import Gauge
from watcher_tsmig.execute.values import Order
from watcher_tsmig.execute.values import Pace
from watcher_tsmig.plan.values import Mode


class Phase(enum.Enum):
    """What a status of Nova's migration record means for us."""

    ABSENT = 'absent'
    WAITING = 'waiting'
    RUNNING = 'running'
    POST_COPY = 'post-copy'
    LANDING = 'landing'
    DONE = 'done'
    LOST = 'lost'


# Nova's migration statuses (compute/manager.py, conductor/manager.py,
# virt/libvirt/migration.py); one that is not here counts as LANDING, in
# which nothing is touched and the wait is bounded.
PHASES = {
    None: Phase.ABSENT,
    'accepted': Phase.WAITING,
    'pre-migrating': Phase.WAITING,
    'queued': Phase.WAITING,
    'preparing': Phase.WAITING,
    'running': Phase.RUNNING,
    'running (post-copy)': Phase.POST_COPY,
    'post-migrating': Phase.LANDING,
    'completed': Phase.DONE,
    'done': Phase.DONE,
    'failed': Phase.LOST,
    'error': Phase.LOST,
    'cancelled': Phase.LOST,
}


# A pre-copy that is left running past its deadline is followed for so many
# times that; Nova itself gives up after 800 s a GiB.
FOLLOWED = 10.0

# Nova aborts in these and in no others (queued and preparing since 2.65)
ABORTABLE = (Phase.WAITING, Phase.RUNNING)


class Step(enum.Enum):
    """What to do now."""

    WAIT = 'wait'
    SWITCH = 'switch'  # ask Nova to force completion
    ABORT = 'abort'
    FINISH = 'finish'  # look where the VM is, it should have arrived
    FAIL = 'fail'  # Nova says that it failed
    ABSENT = 'absent'  # Nova never made a record
    GONE = 'gone'  # the VM does not exist any more
    LOOK = 'look'  # is there anybody who moves it?
    STUCK = 'stuck'  # a bound has passed and nothing can be done


class Stop(enum.Enum):
    """Why we want a migration to stop; the text is for people."""

    CANCELLED = 'the action plan was cancelled'
    QUEUED = "Nova did not start it in time, it stood in its source's queue"
    DEADLINE = 'it ran past its deadline'
    DISK = 'it ran past its deadline while its disks were copied'
    MEMORY = 'it ran past its deadline while its memory was sent'
    SWITCHOVER = 'it ran past its deadline at the switchover'
    SILENT = (
        'it ran past its deadline, and nothing was sent any more; check the '
        'network'
    )
    UNSWITCHED = 'it ran past its deadline and did not switch to post-copy'
    DEAD = 'nova-compute on its destination is down'


@dataclasses.dataclass(slots=True)
class Watch:
    """The following of one migration; instants are those of the caller.

    Before the first look it has not been read.

    :ivar total: bytes of its memory, as its counters show
    :ivar left: bytes of it that are left of the round
    :ivar gauge: what the counters show of the rounds
    :ivar copying: its disks are under way, as its counters show
    :ivar memory_at: when its memory was first seen to go
    :ivar switched: a post-copy was seen
    :ivar tries: forced completions so far
    :ivar stop: why it is to stop, once it is
    :ivar stopped_at: when it was first asked to
    :ivar aborted_at: when it was last asked to
    :ivar moved_at: when its status or its counters were last seen to change
    :ivar saved_at: when Nova's record was last seen to change
    :ivar read: when its status was
    :ivar looked_at: when it was last asked who moves it
    """

    order: Order
    pace: Pace
    began: float
    phase: Phase = Phase.ABSENT
    since: float = dataclasses.field(init=False)
    now: float = dataclasses.field(init=False)
    total: float | None = None
    left: float | None = None
    gauge: Gauge = dataclasses.field(default_factory=lambda: Gauge(0.0))
    copying: bool = False
    memory_at: float | None = None
    switched: bool = False
    tries: int = 0
    tried_at: float = float('-inf')
    stop: Stop | None = None
    stopped_at: float | None = None
    aborted_at: float | None = None
    moved_at: float = dataclasses.field(init=False)
    saved_at: float = dataclasses.field(init=False)
    saved: object = None
    read: float = dataclasses.field(init=False)
    looked_at: float = float('-inf')
    seen: tuple[str | None, Counters | None] = (None, None)

    def __post_init__(self) -> None:
        self.since = self.now = self.moved_at = self.began

    def look(
        self,
        now: float,
        status: str | None,
        *,
        counters: Counters | None = None,
        saved: float | None = None,
        read: float | None = None,
        cancelled: bool = False,
    ) -> Step:
        """The step that follows from what is seen now.

        :param status: of Nova's record; None while there is none
        :param counters: of the memory that is sent; None: nobody tells
        :param saved: s from the record's creation to its last change; None:
            Nova does not tell, and only the counters do
        :param read: when the status was; None: now
        :param cancelled: the action plan is
        """
        self.read = now if read is None else read
        phase = PHASES.get(status, Phase.LANDING)
        if phase is not self.phase:
            self.phase = phase
            self.since = now
        self.now = now
        if (status, counters) != self.seen:
            self.seen = (status, counters)
            self.moved_at = now
        trace = status, counters if saved is None else saved
        if trace != self.saved:
            self.saved, self.saved_at = trace, self.read
        if counters is not None:
            self.gauge.look(now, counters)
        shown = counters or Counters()
        self.total, self.left = shown.total, shown.remaining
        self.copying = counters is not None and (
            not self.total and bool(counters.disk or self.order.copies_disks)
        )
        if self.total and self.memory_at is None:
            self.memory_at = now
        if phase is Phase.POST_COPY:
            self.switched = True
        self.stop = self.stop or _why_stop(self, cancelled)
        for applies, step in RULES:
            if applies(self):
                return self._taken(step)
        return Step.WAIT

    def _taken(self, step: Step) -> Step:
        if step is Step.SWITCH:
            self.tries += 1
            self.tried_at = self.now
        elif step is Step.LOOK:
            self.looked_at = self.now
        elif step is Step.ABORT:
            self.aborted_at = self.now
            if self.stopped_at is None:
                self.stopped_at = self.now
        return step

    def late(self) -> Stop:
        """What kept it, where it runs past its deadline."""
        return next((stop for holds, stop in LATE if holds(self)))

    @property
    def mode(self) -> Mode:
        """How its memory travelled, as far as was seen."""
        if not self.switched:
            return Mode.PRE_COPY
        return Mode.POST_COPY if self.order.mode.early else Mode.HYBRID

    @property
    def lasted(self) -> float:
        """How long it is in its phase, s."""
        return self.now - self.since


def _why_stop(watch: Watch, cancelled: bool) -> Stop | None:
    if cancelled:
        return Stop.CANCELLED
    if watch.phase is Phase.WAITING and watch.lasted > watch.pace.queue:
        return Stop.QUEUED
    running = watch.phase is Phase.RUNNING and watch.pace.abort_late
    if running and _overdue(watch):
        return watch.late()
    return None


def _overdue(watch: Watch) -> bool:
    """Whether the bound of what is under way has passed."""
    disks, memory = watch.order.disk_deadline, watch.order.deadline
    if watch.copying:
        return watch.lasted > (disks or memory * FOLLOWED)
    apart = watch.order.copies_disks
    began = watch.memory_at if apart else watch.since
    if began is None:  # nobody tells how far it is
        began = watch.since + disks
    return watch.now - began > memory


def _absent(watch: Watch) -> bool:
    return watch.phase is Phase.ABSENT and watch.lasted > watch.pace.appear


def _stuck(watch: Watch) -> bool:
    if watch.phase is Phase.RUNNING and watch.stop is None:
        whole = watch.order.deadline + watch.order.disk_deadline
        return watch.lasted > whole * FOLLOWED
    if watch.phase in (Phase.POST_COPY, Phase.LANDING):
        return watch.lasted > watch.order.deadline
    return (
        watch.phase in ABORTABLE
        and watch.stopped_at is not None
        and watch.now - watch.stopped_at > watch.pace.stop
    )


def _abortable(watch: Watch) -> bool:
    if watch.stop is None or watch.phase not in ABORTABLE:
        return False
    # Nova answers 202 and may still lose the request, as it does with a
    # forced completion that comes too early, so it is repeated.
    return watch.aborted_at is None or _again(watch, watch.aborted_at)


def _again(watch: Watch, asked_at: float) -> bool:
    """What was asked then may be asked again: it had no effect."""
    again = watch.now - asked_at >= watch.pace.switch_again
    return again and watch.read > asked_at


def _passed(watch: Watch) -> bool:
    """Its first pass is over; by the forecast, where no counter tells."""
    return watch.gauge.rounds > 1 or watch.lasted > watch.order.takes


def _switchable(watch: Watch) -> bool:
    return (
        # between two requests of an abort, too
        watch.stop is None
        and watch.order.mode.switches
        and watch.order.post_copy_permitted
        and (watch.order.mode.early or _passed(watch))
        and watch.phase is Phase.RUNNING
        and bool(watch.total)
        and not watch.gauge.stands(watch.now)
        and watch.tries < watch.pace.switch_tries
        and _again(watch, watch.tried_at)
    )


def _quiet(watch: Watch) -> bool:
    """Nova's record stands still, and somebody should move it.

    Counters tell nothing here: a hypervisor sends memory without its
    nova-compute, too, and for nothing.
    """
    last = max(watch.saved_at, watch.looked_at)
    # at the look that finds it so, for what was read before may be over
    still = watch.read - last > watch.pace.quiet
    return watch.phase is not Phase.ABSENT and still


# Which bound holds up a migration; first match wins.
LATE: tuple[tuple[Callable[[Watch], bool], Stop], ...] = (
    (lambda watch: not (watch.total or watch.copying), Stop.DEADLINE),
    (lambda watch: not watch.copying and watch.left == 0, Stop.SWITCHOVER),
    (
        lambda watch: watch.now - watch.moved_at > watch.pace.quiet,
        Stop.SILENT,
    ),
    (lambda watch: watch.copying, Stop.DISK),
    (lambda watch: watch.tries > 0, Stop.UNSWITCHED),
    (lambda watch: True, Stop.MEMORY),
)

RULES: tuple[tuple[Callable[[Watch], bool], Step], ...] = (
    (lambda watch: watch.phase is Phase.DONE, Step.FINISH),
    (lambda watch: watch.phase is Phase.LOST, Step.FAIL),
    (_absent, Step.ABSENT),
    (_stuck, Step.STUCK),
    (_abortable, Step.ABORT),
    (_switchable, Step.SWITCH),
    (_quiet, Step.LOOK),
)
