"""What a governor knows of one pre-copy, and what can be read from it.

The conditions of the governor's rules live here, and the one figure that
they lead to, the next cap. No I/O, no clock, and no rule.
"""

import dataclasses
import math

from watcher_tsmig.execute.governor.gauge import LOOKS
from watcher_tsmig.execute.governor.gauge import Gauge
from watcher_tsmig.execute.governor.govern_values import Code
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.execute.governor.govern_values import Prospect

# A cap of which less is used is not what holds a migration back.
HOLDS = 0.8
# A round that begins with so much more than the lowest is a burst.
BURST = 1.25


@dataclasses.dataclass(slots=True)
class State:
    """The governing of one pre-copy; instants are those of the caller.

    :ivar cap: bytes/s in force as far as known; where nothing is done, what
        would be
    :ivar wanted_at: since when a local minimum is waited for
    :ivar overdue_at: since when it is foretold to be late by its rounds
    :ivar tries: switches asked for
    :ivar acted: the gauge's moves when a cap was raised for a trouble
    :ivar hurry: one was, so no cap is lowered any more
    :ivar told: rules that are told once, and were
    """

    policy: Policy
    prospect: Prospect
    began: float
    now: float = dataclasses.field(init=False)
    cap: float = dataclasses.field(init=False)
    gauge: Gauge = dataclasses.field(init=False)
    wanted_at: float | None = None
    overdue_at: float | None = None
    tries: int = 0
    tried_at: float = float('-inf')
    acted: int = 0
    hurry: bool = False
    told: set[Code] = dataclasses.field(default_factory=set)

    def __post_init__(self) -> None:
        self.now = self.began
        self.cap = self.prospect.cap
        self.gauge = Gauge(self.policy.margin)

    @property
    def left(self) -> float:
        """To the deadline, s."""
        return self.began + self.prospect.deadline - self.now


# -- what is seen


def past(state: State) -> bool:
    """The deadline has passed."""
    return state.left <= 0


def stalled(state: State) -> bool:
    """What is left as a round begins does not get lower any more.

    Of long rounds one says enough, if as much was written as was sent.
    """
    gauge, policy = state.gauge, state.policy
    enough = gauge.strikes >= policy.rounds or (
        gauge.strikes > 0
        and state.now - gauge.marked_at >= policy.patience
        and gauge.ends() == math.inf
    )
    return enough and state.now - state.began >= state.prospect.settles


def overdue(state: State) -> bool:
    """By its counters it ends after its deadline, or never."""
    ends = state.gauge.ends()
    return ends is not None and ends > state.began + state.prospect.deadline


def late(state: State) -> bool:
    """By its counters it will pass its deadline."""
    return overdue(state) and not past(state) and state.gauge.moves >= LOOKS


def near(state: State) -> bool:
    """Its deadline is near, whatever its counters say."""
    return not past(state) and state.left <= lead(state)


def last_call(state: State) -> bool:
    """It will be late, and there is just the time to send the rest once."""
    rate, rest = state.gauge.rate, state.gauge.left
    if past(state) or not rate or rest is None or not overdue(state):
        return False
    # a cap that was changed shows in the rate only after some looks
    seen = state.gauge.moves >= state.acted + LOOKS
    return seen and state.left <= rest / rate + lead(state)


def hopeless(state: State) -> bool:
    """For long its rounds have said that it will be late."""
    since = state.overdue_at
    return since is not None and state.now - since >= state.policy.patience


def trouble(state: State) -> bool:
    """Something must be done."""
    return stalled(state) or hopeless(state) or last_call(state)


def lead(state: State) -> float:
    """How long before its deadline it is told of at last, s."""
    wanted = max(state.policy.lead, 2 * state.gauge.gap)
    return min(wanted, state.prospect.deadline / 2)


# -- what may be done


def held(state: State) -> float | None:
    """Bandwidth for a byte/s of memory, if the cap holds it back."""
    rate = state.gauge.rate
    if not rate or not state.prospect.capable:
        return None
    return state.cap / rate if rate >= HOLDS * state.cap else None


def helps(state: State) -> bool:
    """The links have more, and it is more than what the VM writes.

    Shorter rounds are written faster, not slower: where the ceiling is not
    above what is written now, it never will be.
    """
    each, ceiling = held(state), state.prospect.ceiling
    return (
        each is not None
        and ceiling > state.cap * (1 + state.policy.step)
        and ceiling > (state.gauge.dirty or 0.0) * each
    )


def wanted(state: State) -> float:
    """The cap by Clark's rule, bytes/s, between floor and ceiling.

    What the VM wrote during the last round, and an increment: at least the
    policy's, and what it takes to send the rest by the end foretold.
    """
    prospect, gauge = state.prospect, state.gauge
    more = state.policy.increment
    if math.isfinite(prospect.takes):
        time = state.began + prospect.takes - state.now
        rest = gauge.left or 0.0
        more = max(more, rest / time) if time > 0 else math.inf
    cap = ((gauge.dirty or 0.0) + more) * (held(state) or 1.0)
    return min(max(cap, prospect.floor), prospect.ceiling)


def differs(state: State) -> bool:
    """A new round began, and by Clark's rule its cap is another."""
    gauge, step = state.gauge, state.policy.step
    if not gauge.fresh or gauge.dirty is None or held(state) is None:
        return False
    cap = wanted(state)
    if cap > state.cap * (1 + step):
        return True
    lower = state.policy.lower and not state.hurry
    return lower and cap < state.cap * (1 - step)


def switchable(state: State) -> bool:
    """Post-copy is permitted, something is sent, and Nova may be asked.

    It was not asked in vain too often.
    """
    may = state.prospect.post_copy and state.tries < state.policy.tries
    return may and not state.gauge.stands(state.now)


def minimum(state: State) -> bool:
    """Little is left now, or was waited for long enough.

    At the end of a round, and as the next one begins, the writes of one
    round are all that a switch has to bring; in between it is more.
    """
    # what is only told is told once
    if state.tries and state.policy.does is not Does.ACT:
        return False
    if state.now - state.tried_at < state.policy.again:
        return False
    since, gauge = state.wanted_at, state.gauge
    if since is not None and state.now - since >= state.policy.wait:
        return True
    rest, rate = gauge.remaining, gauge.rate
    if rest is not None and rate and rest <= rate * gauge.gap:
        return True
    return gauge.fresh and gauge.level <= BURST * gauge.mark
