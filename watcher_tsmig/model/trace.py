"""What one migration showed of its VM's memory, whoever asked for it.

Only values live here. Counters are read in execute/, Nova's records in
telemetry/, and what they teach about the next migration is
forecast/learned/experience.py's.
"""

import dataclasses

from watcher_tsmig import errors
from watcher_tsmig.model import fields

#: Span, s; distinct bytes that were dirtied within it.
Round = tuple[float, float]
# s that no clock between Nova's services tells apart: what was over in less
# may have taken so long, and in so much may have been sent again unseen.
CLOCK = 1.0
# Rounds of one migration that are kept: the first and the last of them. One
# that never ends has hundreds, much alike.
MOST_ROUNDS = 48


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A migration as it was seen from outside; None: not seen.

    :ivar at: when it ended, s since the epoch
    :ivar memory: bytes of the guest, by its counters or its flavor
    :ivar first_pass: bytes that the first pass sent
    :ivar rounds: what the guest dirtied while rounds were sent, as long as
        nothing slowed it down
    :ivar took: s in which its memory was sent, up to its end
    :ivar switched: that by post-copy from the start, so that it tells nothing
        of writing
    :ivar source: the host that it left
    :ivar rate: bytes/s at which it was sent at most; None: nobody tells
    """

    vm: str
    at: float
    memory: float
    first_pass: float | None = None
    rounds: tuple[Round, ...] = ()
    took: float | None = None
    rate: float | None = None
    switched: bool = False
    source: str | None = None

    def __post_init__(self) -> None:
        fields.text('vm', self.vm)
        fields.number('at', self.at, low=0)
        fields.number('memory', self.memory, low=0, above=True)
        fields.flag('switched', self.switched)
        if self.source is not None:
            fields.text('source', self.source)
        for name in ('first_pass', 'took', 'rate'):
            if getattr(self, name) is not None:
                fields.number(name, getattr(self, name), low=0, above=True)
        fields.items('rounds', self.rounds, tuple)
        if len(self.rounds) > MOST_ROUNDS:
            raise errors.InputError(
                f'has more than {MOST_ROUNDS} rounds', 'rounds'
            )
        for i, entry in enumerate(self.rounds):
            if len(entry) != 2:
                raise errors.InputError(
                    'is not a pair (seconds, bytes)', f'rounds[{i}]'
                )
            fields.number(f'rounds[{i}]', entry[0], low=0, above=True)
            fields.number(f'rounds[{i}]', entry[1], low=0)

    @property
    def teaches(self) -> bool:
        """Whether anything of it is of use to a forecast."""
        told = (self.first_pass, self.took)
        return bool(self.rounds) or told != (None, None)
