"""How small a guest may become: arithmetic, and what to do at each look.

No clock, no I/O. A balloon is filled with free pages first and with caches
only once these are gone. So what is given back is what is free plus the
caches, never more of these than the guest tells, and `keep` of both together
stays available. Where no caches would go, nothing is done: never used memory
costs a migration nothing. Statistics: virtio specification, 5.5.6.4.
"""

import dataclasses

from watcher_tsmig.agent.values import GuestMemory
from watcher_tsmig.units import MIB

# What is not worth a step, and by how much a guest may miss its target
WORTH = 4.0 * MIB
# A step is this share of what the domain may have, or so many bytes
STEP_SHARE, STEP_LEAST = 1 / 8, 64.0 * MIB
# s without a sign of progress after which it ends
PATIENCE = 5.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shrinking:
    """One guest's giving back, as of its last look; sizes are bytes.

    :ivar keep: stays available
    :ivar since: when it last made progress, s of a monotonic clock
    :ivar told_at: when the guest told the statistics seen last, s since
        the epoch
    :ivar asked: for the second time, so that it may begin
    :ivar swapped: that it had brought in and out at the begin
    :ivar reached: size before the step under way, to which it returns
    :ivar least: the smallest size seen during this step
    :ivar target: of the step under way; None: none has begun
    :ivar why: it ended with less than it could give; for people
    """

    keep: float
    since: float
    told_at: float
    asked: bool = False
    swapped: float | None = None
    reached: float = 0.0
    least: float = 0.0
    target: float | None = None
    done: bool = False
    why: str = ''


def aim(memory: GuestMemory, keep: float) -> float:
    """The size at which only caches, and what is free, are given back."""
    usable, unused = memory.usable or 0.0, memory.unused or 0.0
    spare = min(usable - keep, unused + (memory.caches or 0.0))
    # what comes after the free pages is caches
    return memory.size - spare if spare - unused >= WORTH else memory.size


def step(memory: GuestMemory, keep: float) -> float:
    """The next size on the way to `aim`; its own where it is there."""
    most = max(memory.most * STEP_SHARE, STEP_LEAST)
    return max(aim(memory, keep), memory.size - most)


def look(work: Shrinking, memory: GuestMemory, now: float) -> Shrinking:
    """What a look at the guest's memory leads to.

    :param now: s of the clock of `since`
    :returns: with another `target` where that is to be set
    """
    late = now - work.since > PATIENCE
    if not memory.tells or memory.told_at <= work.told_at:
        if not late:
            return work
        return _back(work, 'the guest tells nothing of its memory')
    work = dataclasses.replace(work, told_at=memory.told_at)
    swapped = memory.swapped or 0.0
    if work.swapped is None:
        work = dataclasses.replace(work, swapped=swapped)
    elif swapped > work.swapped:
        return _back(work, 'the guest swapped')
    if work.target is not None and memory.size > work.target + WORTH:
        if memory.size <= work.least - WORTH:
            return dataclasses.replace(work, least=memory.size, since=now)
        if not late:
            return work
        # lest it goes on trying while it migrates
        return dataclasses.replace(
            work,
            target=memory.size,
            done=True,
            why='the guest gives no more',
        )
    target = step(memory, work.keep)
    if target > memory.size - WORTH:
        return dataclasses.replace(work, done=True)
    return dataclasses.replace(
        work,
        reached=memory.size,
        least=memory.size,
        target=target,
        since=now,
    )


def _back(work: Shrinking, why: str) -> Shrinking:
    """End it, and undo the step under way."""
    target = None if work.target is None else work.reached
    return dataclasses.replace(work, target=target, done=True, why=why)
