"""One running migration: its round, what is left of it, when it may stop.

Only the arithmetic of one migration lives here; at which rate its bytes go
is told from outside. Rounds follow the forecast's recursion (MigVisor,
equations 1-5) under the same `Rules`, but at the bandwidth that they get.
Rounds that stand still are not walked one by one: they go as one long
round, until the rate or the downtime limit changes. Local disks go before
the first round, as libvirt's mirrors do.
"""

import dataclasses
import math
import typing

from watcher_tsmig.forecast.curves import Line
from watcher_tsmig.forecast.throttle import Watch
from watcher_tsmig.model.cloud import Vm
from watcher_tsmig.model.rules import Rules
from watcher_tsmig.plan.values import Mode
from watcher_tsmig.simulate.values import Done
from watcher_tsmig.simulate.values import Progress

# Bytes below this are rounding, not work.
LAST_BYTE = 0.5
# A round that differs from the one before by less stands still.
STANDS_STILL = 1e-6
SAME = 1e-9
# So many rounds stand for all that come, where nothing ends them.
FOR_EVER = 1e7


@dataclasses.dataclass(slots=True, kw_only=True)
class Running:
    """A migration under way; bytes in the stream, s.

    :ivar path: the directions that it crosses
    :ivar cap: of its memory, bytes/s
    :ivar mirrors: of its disks together, bytes/s
    :ivar disk: bytes of its disks; they are copied while `rounds` is 0
    :ivar line: the VM's working-set curve
    :ivar factor: bytes in the stream per byte dirtied
    :ivar zeros: pages of zeros in the first pass
    :ivar watch: what QEMU counts for auto-converge; None where it is off
    :ivar known: its writing was measured
    :ivar rules: of the Nova that it leaves
    :ivar weight: GiB that Nova counts
    :ivar total: of the first pass, of memory
    :ivar remaining: of this round, or of all that stand still
    :ivar size: of this round
    :ivar fresh: this round has not begun to be sent
    :ivar still: rounds that `remaining` is of, where they stand still
    :ivar switches: it switches once so many rounds are over
    :ivar final: sent with the VM stopped
    :ivar wanted: pages that the VM waits for after the switch
    :ivar wakes: when it serves again after the switch
    :ivar stopped: since when the VM does not run
    :ivar given: bytes/s that it has; `rate` is what it makes of them, as
        pages of zeros take time
    :ivar empty: s that they take for each byte under way
    """

    row: int
    destination: str
    path: list[int]
    cap: float
    began: float
    line: Line
    factor: float
    known: bool
    rules: Rules
    weight: float
    total: float
    remaining: float
    zeros: float = 0.0
    watch: Watch | None = None
    size: float = math.inf
    before: float = math.inf
    mirrors: float = math.inf
    disk: float = 0.0
    phase: Mode = Mode.PRE_COPY
    processed: float = 0.0
    rounds: int = 1
    round_began: float = 0.0
    fresh: bool = True
    still: float = 0.0
    switches: int | None = None
    final: bool = False
    wanted: float | None = None
    wakes: float | None = None
    stopped: float | None = None
    downtime: float = 0.0
    slow: float = 0.0
    switched: float = math.inf
    given: float = 0.0
    rate: float = 0.0
    empty: float = 0.0

    @property
    def copies(self) -> bool:
        """Its disks are under way, and nothing of its memory is."""
        return self.rounds == 0

    @property
    def most(self) -> float:
        """What it may have now, bytes/s."""
        return self.mirrors if self.copies else self.cap

    @property
    def times_out(self) -> float:
        """When Nova ends it, s; inf: not any more."""
        if self.phase is Mode.POST_COPY or self.final:
            return math.inf
        return self.began + self.rules.completion_timeout * self.weight

    def done(self, vm: str, now: float) -> Done:
        """How it went, once it has ended."""
        self.settle(now)
        return Done(
            vm=vm,
            mode=self.phase,
            began=self.began,
            ended=now,
            downtime=self.downtime,
            data=self.processed,
            rounds=self.rounds,
            slow=self.slow,
            split=max(now - self.switched, 0.0),
        )

    def dirtied(self, seconds: float) -> float:
        """Bytes in the stream of the pages written within so many s."""
        return self.line.at(self.works(seconds)) * self.factor

    def works(self, seconds: float) -> float:
        """Of so many s, those in which the VM has its CPUs."""
        return seconds if self.watch is None else seconds * self.watch.left

    def outstanding(self, now: float) -> float:
        """The rest of this round, and what was dirtied of the part sent."""
        again = self.dirtied(now - self.round_began)
        sent = 1.0 - min(self.remaining / self.total, 1.0)
        return min(self.remaining + again * sent, self.total)

    def progress(self, now: float) -> Progress:
        """How far it is."""
        self.settle(now)
        left = self.remaining if self.copies else 0.0
        return Progress(
            phase=self.phase,
            total=0.0 if self.copies else self.total,
            # what was sent of either is never less than nothing by rounding
            processed=max(self.processed - self.disk + left, 0.0),
            remaining=0.0 if self.copies else self.remaining,
            disk=self.disk,
            disk_remaining=left,
            elapsed=now - self.began,
            rounds=self.rounds,
            downtime=self.downtime,
            rate=self.rate,
        )

    def takes(self, rate: float, now: float) -> None:
        """It gets this rate from now on."""
        changes = not math.isclose(rate, self.given, rel_tol=SAME)
        if changes and self.still:
            self.settle(now)
        if changes:
            self.before = math.inf
        self.given = rate
        self._goes()

    def _goes(self) -> None:
        """What is under way has the rate that its zeros leave."""
        self.rate = self.given / (1 + self.given * self.empty)

    @property
    def once(self) -> float:
        """s that zeros take for each byte of a first pass."""
        return self.zeros * self.rules.zero_pre_copy / self.total

    def begin_round(self, now: float) -> bool:
        """Begin a round at the rate in force; whether the VM stops for it."""
        self.fresh = False
        self.size = self.remaining
        if self.rate <= 0:
            return False
        seconds, elapsed = self.remaining / self.rate, now - self.began
        limit = self.rules.limit_at(elapsed, self.weight)
        # QEMU counts pages at full size: zeros do not make the stop milder
        full = self.rules.carried / self.factor
        if seconds * full <= limit * (1 + SAME):
            self.final = True
            self.stopped = now
            return True
        alike = math.isclose(self.size, self.before, rel_tol=STANDS_STILL)
        # while QEMU may slow the VM down no round is like the one before
        if alike and (self.watch is None or self.watch.ended):
            self.still = self._waits(seconds, elapsed)
            self.remaining = self.size * self.still
        return False

    def _waits(self, seconds: float, elapsed: float) -> float:
        """Rounds until the downtime limit rises, at least one."""
        delay = math.floor(self.rules.downtime_delay * self.weight)
        step = elapsed // delay + 1 if delay else math.inf
        if step > self.rules.downtime_steps:
            return FOR_EVER
        return max(math.ceil((step * delay - elapsed) / seconds), 1)

    def settle(self, now: float) -> None:
        """Of the rounds that stood still, keep the one under way."""
        if not self.still:
            return
        left = self.remaining / self.size
        whole = max(math.ceil(left - SAME) - 1, 0)
        self.rounds += max(round(self.still) - 1 - whole, 0)
        self.remaining -= whole * self.size
        sent = max(self.size - self.remaining, 0.0)
        self.round_began = now - (sent / self.rate if self.rate > 0 else 0.0)
        self.still = 0.0

    def next_round(self, now: float) -> None:
        """What was dirtied while the last round was sent goes next."""
        self.settle(now)
        copied, seconds = self.copies, now - self.round_began
        self.before = math.inf if copied else self.size
        self.remaining = self.total if copied else self.dirtied(seconds)
        if self.watch is not None and not copied:
            written = self.line.at(self.works(seconds))
            self.watch.round(seconds, self.size, written)
        self.rounds += 1
        self.empty = self.once if copied else 0.0
        self._goes()
        self.round_began = now
        self.final = self.stopped is not None
        self.fresh = not self.final

    def writes(self, line: Line, now: float) -> None:
        """The VM writes by that curve, as from the begin of the round."""
        if line != self.line:
            self.settle(now)
            self.line, self.before = line, math.inf

    def switch(self, now: float) -> None:
        """To post-copy: every page that is not there goes once.

        As in `forecast.hybrid`: what the VM writes within a grain of its
        own work is missing whenever the switch comes, what it only reads
        as far as it was never sent.
        """
        self.settle(now)
        fresh = self.remaining if self.rounds == 1 else 0.0
        unsent = fresh / self.total
        self.remaining = self.outstanding(now)
        self.phase = Mode.POST_COPY
        zeros = unsent * self.zeros * self.rules.zero_post_copy
        self.empty = zeros / max(self.remaining, LAST_BYTE)
        self._goes()
        self.fresh = False
        self.stopped = self.switched = now
        hot = self.line.at(self.rules.post_copy_grain)
        pages = min(hot, self.remaining) + unsent * self.rules.post_copy_reads
        self.wanted = min(pages, self.remaining) / self.rules.page

    def wake(self, now: float) -> None:
        """Say when the VM serves again, at the rate that it now gets.

        The flat figure of the rules where nobody measured its writing.
        """
        pause = self.rules.switchover
        slow = max(self.rules.post_copy_outage - pause, 0.0)
        if self.known and self.rate > 0 and self.wanted is not None:
            queue = self.rules.post_copy_queue + self.rules.page
            slow = min(self.wanted * queue, self.remaining) / self.given
        self.wanted = None
        self.slow, self.downtime = slow, pause + slow
        self.wakes = now + self.downtime


def begun(
    vm: Vm,
    rules: Rules,
    *,
    now: float,
    resident: float,
    **given: typing.Any,  # noqa: ANN401 - fields of `Running`
) -> Running:
    """A migration that begins now: with its disks, where it has any."""
    empty = rules.zero_page / rules.page
    blank, blanked = 0.0, 0.0
    if vm.contents is not None:
        full = vm.memory * (1 - vm.contents.zero)
        blank, blanked = max(1 - full / resident, 0.0), vm.contents.blanked
    disk = sum(vm.going_along)
    zeros = max(vm.memory - resident, 0.0) + resident * blank
    first = zeros * empty + resident * (1 - blank) * rules.carried
    run = Running(
        factor=rules.carried + blanked * (empty - rules.carried),
        zeros=zeros / rules.page,
        watch=Watch() if rules.auto_converge else None,
        known=bool(vm.working_set and vm.working_set.samples),
        rules=rules,
        weight=rules.weight(vm.memory + disk),
        began=now,
        round_began=now,
        total=first,
        disk=disk,
        remaining=disk or first,
        rounds=0 if disk else 1,
        fresh=not disk,
        **given,
    )
    run.empty = 0.0 if disk else run.once
    return run


def of_disks(vm: Vm) -> float:
    """What its disks have of a cap, as each has its share till it is there."""
    sizes = vm.going_along
    return sum(sizes) / (max(sizes) * (len(sizes) + 1)) if sizes else 1.0
