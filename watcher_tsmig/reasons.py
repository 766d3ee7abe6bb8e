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
    DRY_RUN = 'dry-run'  # pre-copy: by its pages it ends, by writing not
    THROTTLED = 'throttled'  # pre-copy: it ends while its VM is slowed down
    ONLY_PRE_COPY = 'only-pre-copy'  # post-copy is not permitted
    MODE_FORCED = 'mode-forced'  # the caller asked for one mode
    MAKES_IT_SHORTER = 'makes-it-shorter'  # post-copy: a shorter plan
    HARMS_LESS = 'harms-less'  # post-copy: tenants lose less in all
    LESS_OUTAGE = 'less-outage'  # pre-copy: for contention it may be post
    # left out
    STOPPED = 'stopped'
    SUSPENDED = 'suspended'
    IN_ERROR = 'in-error'
    BUSY = 'busy'  # Nova has a task for it
    NOT_ACTIVE = 'not-active'  # anything else that does not move live
    LOCKED = 'locked'
    REFUSED = 'nova-refuses'  # what it has does not move live
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


MEANING = {
    Reason.SENDS_LESS: 'Pre-copy: it sends less than it receives, and a '
    'pre-copied VM goes on sending at its source beside its own memory.',
    Reason.RECEIVES_LESS: 'Post-copy: it receives less than it sends, and a '
    'post-copied VM receives at its destination beside its own memory.',
    Reason.BALANCES: 'Either mode: what other VMs do to the NICs and links '
    'on its way decides, not its own traffic.',
    Reason.NO_CONTENTION: 'Pre-copy: the modes load the links about alike, '
    'and pre-copy risks less.',
    Reason.WRITES_TOO_FAST: 'Post-copy: at the bandwidth that its way leaves '
    'a pre-copy would not end, or would send its memory over and over.',
    Reason.DRY_RUN: 'Pre-copy: by what it writes it would not end, by the '
    'dry run on its sampled pages it does, because pages of zeros go for a '
    'few bytes.',
    Reason.THROTTLED: 'Pre-copy: it ends only while auto-converge takes part '
    "of the VM's CPUs, which max_throttle_percent permits.",
    Reason.ONLY_PRE_COPY: 'Pre-copy: its owner, its devices, its service '
    'class, one of the hosts or the request does not permit post-copy, its '
    'writing is only assumed, or it is paused.',
    Reason.MODE_FORCED: 'Either mode: the caller asked for one mode.',
    Reason.MAKES_IT_SHORTER: 'Post-copy although it contends more: the plan '
    'ends sooner by it.',
    Reason.HARMS_LESS: 'Post-copy although it contends more: tenants lose '
    'less in all.',
    Reason.LESS_OUTAGE: 'Pre-copy although post-copy contends less: the '
    'outage, weighed by its service class, would cost more than it spares.',
    Reason.STOPPED: 'Stays: it is stopped, and only a running or paused VM '
    'moves live. Move it cold (openstack server migrate), or start it.',
    Reason.SUSPENDED: 'Stays: it is suspended. Resume it (openstack server '
    'resume), or leave its memory on disk where it is.',
    Reason.IN_ERROR: 'Stays: it is in ERROR. Look why (openstack server show, '
    'server event list); if it runs, set it right (openstack server set '
    '--state active).',
    Reason.BUSY: 'Stays: Nova has a task for it. Plan again when that is '
    'done; a task that nobody works on any more goes by openstack server set '
    '--state active.',
    Reason.NOT_ACTIVE: 'Stays: only an active or paused VM moves live.',
    Reason.LOCKED: 'Stays: its owner locked it.',
    Reason.REFUSED: 'Stays: Nova does not move live what it has, such as '
    'encrypted memory, a vTPM of its own or an accelerator.',
    Reason.EXCLUDED: "Stays: the audit's scope excludes it.",
    Reason.HOST_DOWN: 'Stays: its host is down. Evacuate it.',
    Reason.NO_DESTINATION: 'Stays: no host that it may go to is open and has '
    'room.',
    Reason.DOES_NOT_CONVERGE: 'Stays: no bandwidth that is left lets a '
    'pre-copy end, nor does what its pages hold, post-copy is not '
    'permitted, and nobody may slow it down enough.',
    Reason.AFTER_DEADLINE: 'Stays: it would end after the deadline.',
    Reason.SERVER_GROUP: 'Stays: every host with room that it may go to '
    'has as many members of its server group as anti-affinity permits.',
    Reason.NOT_ALLOWED: 'Stays: its zone, traits, aggregates and hard '
    'affinity leave no host.',
    Reason.MEMORY_CYCLE: 'Stays: it waits for room that others give back '
    'only once they have the room that it holds, and no third host has room '
    'for one of them.',
    Reason.NOT_MEASURED: 'Stays (relief): nobody measured what it writes.',
    Reason.MOVED_LATELY: 'Stays (relief): it moved within the cool-down.',
    Reason.NOT_HELD: 'Host not relieved: not above its threshold for long '
    'enough yet.',
    Reason.RECEIVED_LATELY: 'Host not relieved: it received a VM within the '
    'cool-down.',
    Reason.RELIEVED: 'Host not relieved: in the mean it is not above what it '
    'may keep.',
    Reason.NO_CANDIDATE: 'Host not relieved: no VM that can go would be '
    'enough.',
    Reason.NO_GAIN: 'Host not relieved: what can go would not lower its load '
    'by the margin.',
    Reason.NEXT_AUDIT: 'Host not relieved yet: one audit moves no more.',
}
