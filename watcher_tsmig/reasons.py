"""Stable reason codes of a plan's choices. Do not change the string values.

Every migration and every VM left out carries one. Programs compare the
code; people read the sentence that the planner writes beside it.
"""

import enum


class Reason(enum.StrEnum):
    """Why a VM got its mode, or why it stays."""

    # a mode was chosen
    SENDS_LESS = 'sends-less'  # pre-copy: its tx would contend least
    RECEIVES_LESS = 'receives-less'  # post-copy: its rx would contend least
    BALANCES = 'balances-nics'  # the other NICs of both hosts decide
    NO_CONTENTION = 'no-contention'  # pre-copy: either mode would do
    WRITES_TOO_FAST = 'writes-too-fast'  # post-copy: pre-copy would not end
    ONLY_PRE_COPY = 'only-pre-copy'  # post-copy is not permitted
    MODE_FORCED = 'mode-forced'  # the caller asked for one mode
    MAKES_IT_SHORTER = 'makes-it-shorter'  # the other mode: a shorter plan
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
