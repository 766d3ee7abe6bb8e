"""Stable reason codes of a plan's choices. Do not change the string values.

Every migration, every VM left out and every busy host that is not relieved
carries one. Programs compare the code; people read the sentence that the
planner writes beside it.
"""

import enum


class Reason(enum.StrEnum):
    """Why a VM got its mode, why it stays, or why a host stays busy."""

    # a mode was chosen
    SENDS_LESS = 'sends-less'  # pre-copy: its tx would contend least
    RECEIVES_LESS = 'receives-less'  # post-copy: its rx would contend least
    BALANCES = 'balances-nics'  # the other NICs of both hosts decide
    NO_CONTENTION = 'no-contention'  # pre-copy: either mode would do
    WRITES_TOO_FAST = 'writes-too-fast'  # post-copy: pre-copy would not end
    ONLY_PRE_COPY = 'only-pre-copy'  # post-copy is not permitted
    MODE_FORCED = 'mode-forced'  # the caller asked for one mode
    MAKES_IT_SHORTER = 'makes-it-shorter'  # post-copy: a shorter plan
    LESS_OUTAGE = 'less-outage'  # pre-copy: for contention it may be post
    # left out
    NOT_ACTIVE = 'not-active'
    LOCKED = 'locked'
    EXCLUDED = 'excluded'
    HOST_DOWN = 'host-down'
    NO_DESTINATION = 'no-destination'
    DOES_NOT_CONVERGE = 'does-not-converge'
    AFTER_DEADLINE = 'after-deadline'
    SERVER_GROUP = 'server-group'  # no host that its group's policy admits
    NOT_ALLOWED = 'not-allowed'  # no host that zone, traits, aggregates allow
    MEMORY_CYCLE = 'memory-cycle'  # waits for memory that waits for its own
    # of a VM on a busy host
    NOT_MEASURED = 'not-measured'  # nobody measured what it writes
    MOVED_LATELY = 'moved-lately'  # within the cool-down
    # a busy host is not relieved, or not enough
    NOT_HELD = 'not-held'  # it has not been above the threshold long enough
    RECEIVED_LATELY = 'received-lately'  # a VM came within the cool-down
    RELIEVED = 'relieved'  # in the mean it is not above what it may keep
    NO_CANDIDATE = 'no-candidate'  # no VM that can go would help
    NO_GAIN = 'no-gain'  # what can go would not lower it by the margin
    NEXT_AUDIT = 'next-audit'  # the most that one audit may move is reached
