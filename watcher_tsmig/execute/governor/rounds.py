"""What the counters of one migration show of its VM's memory, for the next.

No I/O and no clock: the gauge says when a round has ended, here it is kept.
With an agent each round is told and timed. Nova's counters come every 5 s
and tell of no rounds, so that less is kept of them, and on the safe side.
Source: QEMU, `migration/ram.c`, migration_bitmap_sync.
"""

import dataclasses

from watcher_tsmig.model.trace import MOST_ROUNDS
from watcher_tsmig.model.trace import Round

# QEMU measures the rate of a round over a second at least.
MEASURED = 1.0
# Looks that catch rounds somewhere, until the most that was left of one is
# about what it began with.
LOOKS = 3
# Share of the memory that may be left at the last look at a migration that
# never came to a second pass, to say what its first would have sent.
REST = 0.1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Rounds that ended between two looks.

    :ivar passed: how many
    :ivar back: bytes that seem to have been dirtied within all of them
    :ivar span: s that they took; None: not known
    :ivar told: somebody counted them
    :ivar dirty_rate: bytes/s within the last of them; None: nobody tells
    :ivar throttled: the guest was slowed down
    """

    passed: int
    back: float
    span: float | None
    told: bool
    dirty_rate: float | None = None
    throttled: bool = False


@dataclasses.dataclass(slots=True)
class Rounds:
    """One migration so far; s, bytes.

    :ivar memory: of the guest; None: nobody tells
    :ivar processed: sent at the last look
    :ivar remaining: left then
    :ivar switched: the guest runs at its destination
    """

    memory: float | None = None
    processed: float = 0.0
    remaining: float = 0.0
    switched: bool = False
    _at: float = 0.0
    _first: float | None = None
    _kept: list[Round] = dataclasses.field(default_factory=list)
    _zeros: float = 0.0
    _again: float = 0.0
    _second: bool = False
    # where nobody tells of rounds, from the first that was noticed: when
    # and with how much sent that was, looks since, the most left in one
    _noticed: tuple[float, float] | None = None
    _looks: int = 0
    _most: float = 0.0

    def look(
        self,
        at: float,
        memory: float | None,
        processed: float,
        remaining: float,
        *,
        switched: bool = False,
    ) -> None:
        """Take in counters that have moved; before `ended`, if at all."""
        self.memory = memory or self.memory
        self._at, self.processed, self.remaining = at, processed, remaining
        self.switched = switched
        if self._noticed is not None:
            self._looks += 1
            self._most = max(self._most, remaining)
        elif self.memory and not self._second:
            seen = self.memory - processed - remaining
            self._zeros = max(self._zeros, seen)

    def ended(self, found: Ended, before: float) -> None:
        """Rounds have ended since the look before.

        Pages of zeros leave what remains and hardly count as sent, so that
        less seems to come back than did; the hypervisor's own rate of a
        round that it had time to measure knows better.

        :param before: sent at that look
        """
        first, self._second = not self._second, True
        if self.switched:
            # what ended here was cut short, but is sent again all the same
            if first and found.told:
                self._again = max(found.back, 0.0)
            return
        if not found.told:
            if first:
                self._noticed = self._at, self.processed
                about = (before + self.processed) / 2
                zeros = (self.memory or about) - self._zeros
                self._first = min(about, zeros)
            return
        back, span = found.back, found.span
        long = span is not None and span >= MEASURED
        if span and long and found.passed == 1 and found.dirty_rate:
            back = found.dirty_rate * span
        if first:
            again = max(back - self.remaining, 0.0)
            self._first = max(self.processed - again, before)
        # a slowed guest's writing is not its own
        if span and span > 0 and back > 0 and not found.throttled:
            self._kept.append((span / found.passed, back / found.passed))
        if len(self._kept) > MOST_ROUNDS:
            del self._kept[MOST_ROUNDS // 2]

    @property
    def first_pass(self) -> float | None:
        """Bytes that a first pass sends; None: too little was seen of it.

        What never came to a second is nearly all in the last look; the rest
        holds as many pages of zeros as what went before.
        """
        if self._first is not None or not self.memory:
            return self._first
        passed = self.memory - self.remaining
        if self._second and not self.switched or passed <= 0:
            return None
        if self.remaining > REST * self.memory or not self.processed:
            return None
        share = min(self.processed / passed, 1.0)
        once = self.processed + share * self.remaining - self._again
        return once if once > 0 else None

    @property
    def kept(self) -> tuple[Round, ...]:
        """Spans, and what was dirtied within them.

        Where nobody tells of rounds, looks catch them at some point each.
        The most that was left is about what one begins with, and was
        dirtied while the one before it, about as long, was sent.
        """
        if self._kept or self._noticed is None or self._looks < LOOKS:
            return tuple(self._kept)
        at, sent = self._noticed
        if self._at <= at or not self._most or self.processed <= sent:
            return ()
        rate = (self.processed - sent) / (self._at - at)
        return ((self._most / rate, self._most),)
