"""What the counters of a running pre-copy say: rounds, rates, a low mark.

No I/O and no clock. The counters may come twice a second from an agent or
every 5 s from Nova, with or without the number of the round; what is not
told is derived. Sources: QEMU, `migration/ram.c` (what is left only rises
when a round begins); KubeVirt's stallDetector, for the margin.
"""

import dataclasses
import math

from watcher_tsmig import errors
from watcher_tsmig.execute.governor.rounds import Ended
from watcher_tsmig.execute.governor.rounds import Rounds

# Of what was sent, so much may seem to have come back without a new round:
# headers of pages count as sent, but not as left.
HEADERS = 0.02
# Looks that are compared with as many before them, where rounds pass
# between two looks unseen; and how much the highest of them must fall.
LOOKS = 3
FALLS = 0.75


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """A running migration's counters; `None` where nobody tells.

    :ivar total: bytes of the VM's memory
    :ivar processed: bytes sent so far, of all rounds
    :ivar remaining: bytes left of the round under way
    :ivar iteration: number of the round, from 1
    :ivar dirty_rate: bytes/s that the VM writes, as of the last round
    :ivar bandwidth: bytes/s that are being sent
    :ivar cap: bytes/s that the hypervisor is limited to; inf: none
    :ivar disk: bytes of its local disks that are left
    :ivar throttle: share of its CPUs' time that is taken from the guest
    :ivar post_copy: the guest runs at its destination already
    """

    total: float | None = None
    processed: float | None = None
    remaining: float | None = None
    iteration: int | None = None
    dirty_rate: float | None = None
    bandwidth: float | None = None
    cap: float | None = None
    disk: float | None = None
    throttle: float | None = None
    post_copy: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if not value >= 0:
                raise errors.InputError('is negative', field.name)
            if value == math.inf and field.name != 'cap':
                raise errors.InputError('is not finite', field.name)


# Nova writes counters every 5 s; who sends nothing for so many has no network.
STILL = 20.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Seen:
    """Counters that had moved; s, bytes."""

    at: float
    processed: float
    remaining: float
    iteration: int | None


@dataclasses.dataclass(slots=True)
class Gauge:
    """One pre-copy as far as its counters show; s, bytes, bytes/s.

    What is left of a round falls to nothing in each, also where rounds do
    not get shorter at all. So the mark is made of what was left as a round
    began: all that came back while the one before was sent.

    :ivar margin: share by which a round must be smaller to lower the mark
    :ivar level: what was left as the round under way began
    :ivar mark: the lowest level so far; inf before there is one
    :ivar marked_at: when it was seen
    :ivar strikes: rounds since that did not get below it
    :ivar rounds: begun, as far as they were seen
    :ivar fresh: the last look showed a new round
    :ivar dirty: bytes/s that the VM writes; None: not known yet
    :ivar moves: looks at which the counters had moved
    :ivar shown: what all of that shows of the VM's memory
    """

    margin: float
    level: float = math.inf
    mark: float = math.inf
    marked_at: float = 0.0
    strikes: int = 0
    rounds: int = 1
    fresh: bool = False
    dirty: float | None = None
    bandwidth: float | None = None
    moves: int = 0
    shown: Rounds = dataclasses.field(default_factory=Rounds)
    _seen: list[_Seen] = dataclasses.field(default_factory=list)
    _began: float | None = None
    _unseen: int = 0

    def stands(self, now: float) -> bool:
        """Nothing has been sent for a while, as far as counters tell.

        What arrives half in a post-copy may then never arrive whole.
        """
        return bool(self._seen) and now - self._seen[-1].at > STILL

    def look(self, now: float, counters: Counters) -> bool:
        """Take counters in; whether they had moved.

        Those that stand still, or are missing, say nothing: Nova writes
        them every 5 s, and a monitor may be silent for longer.
        """
        self.fresh = False
        if counters.bandwidth:
            self.bandwidth = counters.bandwidth
        if counters.processed is None or counters.remaining is None:
            return False
        if not counters.processed and not counters.remaining:
            return False  # its disks go first
        new = _Seen(
            now, counters.processed, counters.remaining, counters.iteration
        )
        last = self._seen[-1] if self._seen else None
        if last and (new.processed, new.remaining) == (
            last.processed,
            last.remaining,
        ):
            return False
        if last is None or new.processed < last.processed or now <= last.at:
            self._start(new)
            self.shown = Rounds()
        self.shown.look(
            now,
            counters.total,
            new.processed,
            new.remaining,
            switched=counters.post_copy,
        )
        if self._seen:
            self._compare(self._seen[-1], new, counters)
        if counters.dirty_rate:
            self.dirty = counters.dirty_rate
        self._seen = [*self._seen[1 - 2 * LOOKS :], new]
        self.moves += 1
        return True

    @property
    def rate(self) -> float | None:
        """Bytes/s that were sent lately; None: not known yet."""
        lately = self._seen[-LOOKS:]
        if len(lately) < 2:
            return self.bandwidth
        first, last = lately[0], lately[-1]
        sent = last.processed - first.processed
        return sent / (last.at - first.at) or self.bandwidth

    @property
    def gap(self) -> float:
        """The longest time between two looks of late, s."""
        pairs = zip(self._seen, self._seen[1:], strict=False)
        return max((b.at - a.at for a, b in pairs), default=0.0)

    @property
    def remaining(self) -> float | None:
        """What is left of the round under way."""
        return self._seen[-1].remaining if self._seen else None

    @property
    def left(self) -> float | None:
        """What a switch to post-copy would find, about.

        The writes of this round are not in `remaining` before it ends;
        by then they are about as much as was left when it began.
        """
        if not self._seen:
            return None
        rest = self._seen[-1].remaining
        return rest if self.rounds == 1 else max(self.level, rest)

    def ends(self) -> float | None:
        """When it ends if all goes on like this; inf: never.

        None where nothing is known. Before anything is known of what the
        VM writes, it is the end of the round: it cannot end sooner.
        """
        rate, left = self.rate, self.left
        if not rate or left is None:
            return None
        dirty = self.dirty or 0.0
        if dirty >= rate * (1 - self.margin):
            return math.inf
        return self._seen[-1].at + left / (rate - dirty)

    def forget(self) -> None:
        """Look for a new mark: what came before was another bandwidth."""
        self.mark, self.strikes = math.inf, 0

    def _start(self, new: _Seen) -> None:
        self._seen = []
        self.level, self._began = new.remaining, None
        self.forget()
        self.rounds = new.iteration or 1
        if self.rounds == 1:
            # round 1 began with all that has been sent and is left
            self.level = new.remaining + new.processed
            self.mark, self.marked_at = self.level, new.at

    def _compare(self, last: _Seen, new: _Seen, counters: Counters) -> None:
        sent = new.processed - last.processed
        back = sent + new.remaining - last.remaining
        if last.iteration is not None and new.iteration is not None:
            passed, told = max(new.iteration - last.iteration, 0), True
        else:
            crossed = back > HEADERS * sent
            passed, told = self._passed(back, new) if crossed else 0, False
        if not passed:
            self._unseen = 0
            return
        self.fresh = True
        self.rounds += passed
        self.level = max(back / passed, new.remaining)
        self._unseen = 0 if told else self._unseen + 1
        span = self._times(last, new, back)
        self.shown.ended(
            Ended(
                passed=passed,
                back=back,
                span=span,
                told=told,
                dirty_rate=counters.dirty_rate,
                throttled=bool(counters.throttle),
            ),
            last.processed,
        )
        if self.level < self.mark * (1 - self.margin):
            self.mark, self.marked_at = self.level, new.at
            self.strikes = 0
        elif not self._falls(new):
            self.strikes += passed if told else 1

    def _passed(self, back: float, new: _Seen) -> int:
        """How many rounds began, where nobody tells.

        As many as what came back is multiples of the last round, but none
        was smaller than what is left of it.
        """
        if not self.level or not new.remaining:
            return 1
        most = min(round(back / self.level), back // new.remaining)
        return max(int(most), 1)

    def _times(self, last: _Seen, new: _Seen, back: float) -> float | None:
        """When the round began, and from it what the VM writes.

        What came back was written from the begin of the round before the
        first that ended here, to the begin of the one under way.

        :returns: the time between these two, s; None: not known
        """
        rate = (new.processed - last.processed) / (new.at - last.at)
        if not rate:
            return None
        before = self._began
        if before is None:
            first = self._seen[0]
            before = first.at - first.processed / rate
        began = new.at - max(self.level - new.remaining, 0.0) / rate
        if back > 0 and began > before:
            self.dirty = back / (began - before)
        self._began = began
        return began - before

    def _falls(self, new: _Seen) -> bool:
        """Whether less is left than before, where rounds pass unseen.

        Then at each look a round is at some point of its own, and only
        the highest of several looks says how large rounds are.
        """
        if self._unseen < LOOKS:
            return False
        rests = [*(s.remaining for s in self._seen), new.remaining]
        early = rests[-2 * LOOKS : -LOOKS]
        return bool(early) and max(rests[-LOOKS:]) < FALLS * max(early)
