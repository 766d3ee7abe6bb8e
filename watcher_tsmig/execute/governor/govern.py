"""What to do about a pre-copy that goes otherwise than foretold.

No I/O and no clock: the caller says what time it is and what the counters
show, and gets a decision back, or none. The rules are one table, first
match wins. Sources: Clark et al., "Live Migration of Virtual Machines",
5.3 (dynamic rate limiting); KubeVirt's stallDetector (margin, switch at a
local minimum, observe first).
"""

import dataclasses
import math
from collections.abc import Callable

from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.govern_state import State
from watcher_tsmig.execute.governor.govern_state import differs
from watcher_tsmig.execute.governor.govern_state import helps
from watcher_tsmig.execute.governor.govern_state import late
from watcher_tsmig.execute.governor.govern_state import minimum
from watcher_tsmig.execute.governor.govern_state import near
from watcher_tsmig.execute.governor.govern_state import overdue
from watcher_tsmig.execute.governor.govern_state import past
from watcher_tsmig.execute.governor.govern_state import stalled
from watcher_tsmig.execute.governor.govern_state import switchable
from watcher_tsmig.execute.governor.govern_state import trouble
from watcher_tsmig.execute.governor.govern_state import wanted
from watcher_tsmig.execute.governor.govern_values import Code
from watcher_tsmig.execute.governor.govern_values import Decision
from watcher_tsmig.execute.governor.govern_values import Does
from watcher_tsmig.execute.governor.govern_values import Kind
from watcher_tsmig.execute.governor.govern_values import Policy
from watcher_tsmig.execute.governor.govern_values import Prospect
from watcher_tsmig.units import human_rate
from watcher_tsmig.units import human_size
from watcher_tsmig.units import human_time

# Who imports the governor finds what it takes and gives here, too.
__all__ = (
    'RULES',
    'Code',
    'Counters',
    'Decision',
    'Does',
    'Governor',
    'Kind',
    'Policy',
    'Prospect',
    'Rule',
)

# Told once; they match no more then, and let later rules speak.
ONCE = (Code.PAST, Code.LATE, Code.NEAR, Code.LEAVE)


@dataclasses.dataclass(slots=True)
class Governor(State):
    """The governor of one pre-copy, looked at while Nova says `running`.

    The prospect may be replaced while it runs, when links get more or less.
    """

    def look(self, now: float, counters: Counters) -> Decision | None:
        """The decision that follows from what is seen now, if any."""
        if self.policy.does is Does.OFF:
            return None
        self.now = now
        self.gauge.look(now, counters)
        if counters.cap and self.policy.does is Does.ACT:
            self.cap = counters.cap
        if self.gauge.rounds < 2 or not overdue(self):
            self.overdue_at = None
        elif self.overdue_at is None:
            self.overdue_at = now
        if not trouble(self):
            self.wanted_at = None
        for rule in RULES:
            said = rule.code in ONCE and rule.code in self.told
            if not said and rule.sees(self) and rule.can(self):
                return self._decided(rule)
        return None

    def _decided(self, rule: 'Rule') -> Decision | None:
        if rule.kind is Kind.WAIT:
            if self.wanted_at is None:
                self.wanted_at = self.now
            return None
        if rule.kind is Kind.ABORT and rule.code in self.told:
            return None
        cap = rule.cap(self) if rule.cap else None
        will = 'will' if self.policy.does is Does.ACT else 'would'
        text = f'{rule.why(self)}; {will} {rule.how(self)}'
        self._remember(rule, cap)
        return Decision(
            kind=rule.kind,
            code=rule.code,
            act=self.policy.does is Does.ACT,
            text=text,
            cap=cap,
        )

    def _remember(self, rule: 'Rule', cap: float | None) -> None:
        self.told.add(rule.code)
        if cap is not None:
            self.cap = cap
        if rule.kind is Kind.SWITCH:
            self.tries, self.tried_at = self.tries + 1, self.now
        if rule.code is Code.MORE:
            self.acted, self.hurry = self.gauge.moves, True
            # what was lowest before says nothing of what comes now
            self.gauge.forget()
            self.overdue_at = None


# -- the words: why, and what will be done


def _trouble(state: State) -> str:
    gauge = state.gauge
    if not stalled(state):
        return _late(state)
    return (
        f'{human_size(gauge.mark)} were left as a round began '
        f'{human_time(state.now - gauge.marked_at)} ago, and no round since '
        'began with less'
    )


def _late(state: State) -> str:
    return f'its deadline is in {human_time(state.left)}, and {_needs(state)}'


def _needs(state: State) -> str:
    ends = state.gauge.ends()
    if ends is None:
        return 'nobody tells how far it is'
    if math.isinf(ends):
        sent = human_rate(state.gauge.rate or 0.0)
        return f'the VM writes as fast as it is sent, {sent}'
    return f'it needs {human_time(max(ends - state.now, 0.0))} more'


def _past(state: State) -> str:
    return f'its deadline of {human_time(state.prospect.deadline)} has passed'


def _writes(state: State) -> str:
    return f'the VM writes {human_rate(state.gauge.dirty or 0.0)}'


def _raise(state: State) -> str:
    return f'raise its bandwidth to {human_rate(state.prospect.ceiling)}'


def _set(state: State) -> str:
    return f'set its bandwidth to {human_rate(wanted(state))}'


def _leave(state: State) -> str:
    ends = ', and abort it at its deadline' if state.policy.abort else ''
    return f'leave it running{ends}'


def _switch(state: State) -> str:
    return 'switch it to post-copy'


def _abort(state: State) -> str:
    return 'abort it'


def _plan(state: State) -> str:
    """What will be done in trouble, as far as can be known now."""
    ladder = (rule for rule in RULES if rule.sees is trouble)
    return next(rule.how(state) for rule in ladder if rule.can(state))


# -- the table


def _always(state: State) -> bool:
    return True


def _aborts(state: State) -> bool:
    return state.policy.abort


def _switches(state: State) -> bool:
    return switchable(state) and minimum(state)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row: where both conditions hold, this is done, and that is why.

    :ivar when: both in words, for the documentation
    :ivar sees: of the migration
    :ivar can: of what may be done
    :ivar why: the first half of the sentence
    :ivar how: the second half, behind `will` or `would`
    :ivar cap: of a cap, which
    """

    code: Code
    when: str
    kind: Kind
    sees: Callable[[State], bool]
    can: Callable[[State], bool] = _always
    why: Callable[[State], str] = _trouble
    how: Callable[[State], str] = _leave
    cap: Callable[[State], float] | None = None


RULES: tuple[Rule, ...] = (
    Rule(
        code=Code.PAST_ABORT,
        when='Its deadline has passed, and the policy is to abort.',
        kind=Kind.ABORT,
        sees=past,
        can=_aborts,
        why=_past,
        how=_abort,
    ),
    Rule(
        code=Code.PAST,
        when='Its deadline has passed. Told once.',
        kind=Kind.TELL,
        sees=past,
        why=_past,
    ),
    Rule(
        code=Code.LATE,
        when='By its counters it will pass its deadline. Told once, with '
        'what will be done in trouble.',
        kind=Kind.TELL,
        sees=late,
        why=_late,
        how=_plan,
    ),
    Rule(
        code=Code.NEAR,
        when='Its deadline is near, whatever its counters say. Told once, '
        'with what will be done in trouble.',
        kind=Kind.TELL,
        sees=near,
        why=_late,
        how=_plan,
    ),
    Rule(
        code=Code.MORE,
        when='Trouble, its cap holds it back, and the links have more, which '
        'is more than the VM writes: all that they have.',
        kind=Kind.CAP,
        sees=trouble,
        can=helps,
        how=_raise,
        cap=lambda state: state.prospect.ceiling,
    ),
    Rule(
        code=Code.SWITCH,
        when='Trouble, post-copy is permitted, and little is left just now '
        'or was waited for long enough.',
        kind=Kind.SWITCH,
        sees=trouble,
        can=_switches,
        how=_switch,
    ),
    Rule(
        code=Code.MINIMUM,
        when='Trouble, and post-copy is permitted: a round is about to end.',
        kind=Kind.WAIT,
        sees=trouble,
        can=switchable,
        how=_switch,
    ),
    Rule(
        code=Code.LEAVE,
        when='Trouble, and nothing helps. Told once.',
        kind=Kind.TELL,
        sees=trouble,
    ),
    Rule(
        code=Code.ROUND,
        when='A round began, and what the VM wrote in the last one and an '
        'increment make another cap.',
        kind=Kind.CAP,
        sees=differs,
        why=_writes,
        how=_set,
        cap=wanted,
    ),
)
