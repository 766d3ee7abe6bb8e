"""What the governor is told and what it answers: frozen values only.

No clock, no decision. Rates are bytes/s, times s on the caller's clock.
"""

import dataclasses
import enum
import math

from watcher_tsmig import errors
from watcher_tsmig.units import from_mbit_s


class Does(enum.StrEnum):
    """How far the governor goes."""

    OFF = 'off'
    OBSERVE = 'observe'  # says what it would do
    ACT = 'act'


class Kind(enum.StrEnum):
    """What is to be done."""

    CAP = 'cap'
    SWITCH = 'switch'  # to post-copy
    TELL = 'tell'
    ABORT = 'abort'
    WAIT = 'wait'  # never leaves the governor


class Code(enum.StrEnum):
    """Which rule it was. Do not change the string values."""

    PAST_ABORT = 'past-deadline-abort'
    PAST = 'past-deadline'
    LATE = 'late'
    NEAR = 'near-deadline'
    MORE = 'more-bandwidth'
    SWITCH = 'switch'
    MINIMUM = 'waits-for-minimum'
    LEAVE = 'leave'
    ROUND = 'round'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The governor's settings; bytes/s, s.

    :ivar does: off, observe or act
    :ivar increment: added to what the VM writes for the next round's cap;
        Clark's 50 Mbit/s
    :ivar step: share by which a cap must differ to be worth setting
    :ivar margin: share by which a round must be smaller than the smallest
        before it to count as progress; KubeVirt's stallMargin
    :ivar rounds: without progress that are a stall
    :ivar patience: after so long without progress one round is enough, if
        the VM wrote as much in it as was sent; KubeVirt's
        stallProgressTimeout
    :ivar wait: at most so long for a local minimum before a switch
    :ivar lead: so long before its deadline a migration is told of at last;
        half of the deadline where that is shorter
    :ivar again: between two requests of a switch, which Nova may lose
    :ivar tries: such requests
    :ivar lower: a cap may also be lowered; else it is only raised, for the
        plan was made with it
    :ivar abort: a migration that passes its deadline is aborted
    """

    does: Does = Does.OBSERVE
    increment: float = from_mbit_s(50)
    step: float = 0.05
    margin: float = 0.04
    rounds: int = 2
    patience: float = 40.0
    wait: float = 15.0
    lead: float = 30.0
    again: float = 3.0
    tries: int = 20
    lower: bool = False
    abort: bool = False

    def __post_init__(self) -> None:
        for field in ('increment', 'patience', 'wait', 'lead', 'again'):
            if not 0 < getattr(self, field) < math.inf:
                raise errors.InputError('is not above 0 and finite', field)
        for field in ('step', 'margin'):
            if not 0 < getattr(self, field) < 1:
                raise errors.InputError('is not between 0 and 1', field)
        for field in ('rounds', 'tries'):
            if not getattr(self, field) >= 1:
                raise errors.InputError('is below 1', field)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What was foretold of one pre-copy, and what may be done to it.

    :ivar deadline: how long it may run, s; inf for any time
    :ivar takes: foretold, s; inf where nobody did
    :ivar settles: until so many s after its begin it is foretold to send
        about the same again and again: no stall
    :ivar cap: that it begins with, bytes/s; inf for none
    :ivar floor: least convergent bandwidth: no cap is below it, bytes/s
    :ivar ceiling: what the links have for it, bytes/s; where that is less
        than `floor`, the cap is left alone
    :ivar caps: somebody can change its cap while it runs
    :ivar post_copy: its source is able to post-copy, and the VM may
    """

    deadline: float
    takes: float = math.inf
    settles: float = 0.0
    cap: float = math.inf
    floor: float = 0.0
    ceiling: float = math.inf
    caps: bool = False
    post_copy: bool = False

    def __post_init__(self) -> None:
        for field in ('deadline', 'takes', 'cap', 'ceiling'):
            if not getattr(self, field) > 0:
                raise errors.InputError('is not above 0', field)
        for field in ('floor', 'settles'):
            if not 0 <= getattr(self, field) < math.inf:
                raise errors.InputError('is negative or not finite', field)

    @property
    def capable(self) -> bool:
        """Whether there is a cap that may be set at all."""
        return self.caps and self.floor <= self.ceiling < math.inf


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One thing to do or to tell.

    :ivar act: whether to do it; else it is only told
    :ivar cap: the new one, bytes/s; None but for `Kind.CAP`
    :ivar text: a sentence for people, without the VM's name
    """

    kind: Kind
    code: Code
    act: bool
    text: str
    cap: float | None = None
