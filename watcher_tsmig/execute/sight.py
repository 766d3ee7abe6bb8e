"""Where a VM really runs, as the agents of both its hosts see it.

Nova may count a VM to one host while its guest runs on the other, or have it
in ERROR while it runs on. Only the hypervisors know, and only agents may ask
them; where neither can tell, nothing is known.
"""

import enum

from watcher_tsmig import errors
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Job
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.execute.caps import CapDriver
from watcher_tsmig.execute.values import Order

# What reading an answer raises that is no job.
NO_JOB = (AttributeError, LookupError, TypeError, ValueError)
# Nobody has the VM.
NOWHERE = ''


class Seen(enum.Enum):
    """What an agent says of a VM on its host."""

    ABSENT = 'absent'
    SENDS = 'sends'  # a pre-copy: the guest runs here
    LEFT = 'left'  # a post-copy: the guest runs at its destination
    HERE = 'here'
    UNKNOWN = 'unknown'


def runs_on(caps: CapDriver, order: Order) -> str | None:
    """The host on which the guest runs.

    :returns: NOWHERE if neither host has it; None if nobody can tell
    """
    source = _seen(caps, order.source, order.vm)
    if source is Seen.SENDS:
        return order.source
    if source is Seen.LEFT:
        return order.destination
    found = (source, _seen(caps, order.destination, order.vm))
    return {
        (Seen.HERE, Seen.ABSENT): order.source,
        (Seen.ABSENT, Seen.HERE): order.destination,
        (Seen.ABSENT, Seen.ABSENT): NOWHERE,
    }.get(found)


def _seen(caps: CapDriver, host: str, vm: str) -> Seen:
    try:
        found = caps.ask(host, 'job', {'vm': vm})
        job = Job.read(found['job'])
    except Refusal as refusal:
        gone = refusal.code is Code.UNKNOWN_VM
        return Seen.ABSENT if gone else Seen.UNKNOWN
    except (
        errors.CloudError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ):
        return Seen.UNKNOWN
    if job.direction is not Direction.OUTGOING:
        return Seen.HERE
    return Seen.LEFT if job.post_copy else Seen.SENDS
