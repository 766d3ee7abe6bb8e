"""What an agent is asked for and what it tells, as values.

No I/O and no clock. Inside the agent a bandwidth is a whole number of MiB/s
of memory, as libvirt has it; everyone else speaks bytes per second on the
wire, and `Speeds` is the only place that converts and rounds.
"""

import dataclasses
import enum
import math
from collections.abc import Mapping
from typing import Any

from watcher_tsmig.model.rules import Rules
from watcher_tsmig.units import MIB

# What libvirt tells of a domain that was never given a cap: the most that
# fits in an int64 of bytes, in MiB/s (QEMU_DOMAIN_MIG_BANDWIDTH_MAX).
UNLIMITED = (1 << 63) // (1 << 20) - 1
# Share of a wire that carries memory. QEMU counts what it hands to its
# socket, so under a cap of the wire's figure 5 % more would be sent.
CARRIED = Rules().efficiency
# Bytes/s on the wire of one of libvirt's MiB/s.
STEP = MIB / CARRIED
# QEMU's word for no limit of a post-copy.
UNLIMITED_POST = 0

# Of what an agent tells of its host; another one where a member changes its
# meaning.
FORMAT = '1'
# So long after it was made a request may be obeyed at most, s. Clocks of a
# cloud's hosts agree within a second; half of this is forgiven.
VALID = 60.0


class Code(enum.StrEnum):
    """Why a request was refused; stable, for programs."""

    MALFORMED = 'malformed'  # no such verb, or arguments out of bounds
    LATE = 'late'  # no longer valid, or a newer one was obeyed
    UNKNOWN_VM = 'unknown-vm'  # no such domain on this host
    UNFIT = 'unfit'  # the verb does not fit what the domain is doing
    BUSY = 'busy'  # as many as may run at once do
    HYPERVISOR = 'hypervisor'  # libvirt refused, or does not answer
    INTERNAL = 'internal'  # a bug of ours


class Refusal(Exception):
    """A request is not done; says why, for people and for programs."""

    def __init__(self, code: Code, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """A domain's two caps as libvirt has them, whole MiB/s.

    :ivar pre: of a pre-copy, and of each disk that goes along
    :ivar post: of a post-copy; 0: no limit
    """

    pre: int = UNLIMITED
    post: int = UNLIMITED_POST

    @classmethod
    def of(
        cls,
        pre: float | None,
        post: float | None,
        parts: int = 1,
        least: float | None = None,
    ) -> 'Speeds':
        """The whole MiB/s that are nearest to what is asked.

        Never 0, which is no limit, and a pre-copy's never below `least`:
        below its least convergent bandwidth it does not end.

        :param pre: bytes/s of a pre-copy; None: no limit
        :param post: bytes/s of a post-copy; None: no limit
        :param parts: streams that get the pre-copy's cap each: the memory
            and every disk that goes along (nova-libvirt-telemetry.md, 2.5)
        :param least: bytes/s; None: no less than what is asked
        """
        floor = pre if least is None else least
        return cls(
            pre=UNLIMITED
            if pre is None
            else max(_nearest(pre / parts), _up((floor or 0.0) / parts)),
            post=UNLIMITED_POST if post is None else _nearest(post),
        )

    def rate(self, *, post_copy: bool) -> float:
        """Bytes/s that a migration gets at most; inf: no limit."""
        told = self.told()['post' if post_copy else 'pre']
        return math.inf if told is None else told

    def told(self, parts: int = 1) -> dict[str, float | None]:
        """Bytes/s, of all parts together; None: no limit."""
        free = self.pre >= UNLIMITED or self.pre <= 0
        return {
            'pre': None if free else self.pre * STEP * parts,
            'post': self.post * STEP if self.post > 0 else None,
        }


def _nearest(rate: float) -> int:
    return min(max(round(rate * CARRIED / MIB), 1), UNLIMITED)


def _up(rate: float) -> int:
    return min(math.ceil(rate * CARRIED / MIB - 1e-9), UNLIMITED)


class Direction(enum.StrEnum):
    """Which job a domain has."""

    NONE = 'none'
    OUTGOING = 'outgoing'
    INCOMING = 'incoming'
    OTHER = 'other'  # a snapshot, a save: no migration


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A domain's job as its hypervisor tells it; None: not told.

    Sizes are bytes, rates bytes/s, times s.

    :ivar post_copy: the guest runs at the destination already
    :ivar iteration: rounds of the pre-copy so far
    :ivar dirty_rate: at which the guest dirtied memory in the last round
    :ivar rate: at which memory was sent in the last window
    :ivar requests: pages that a post-copy's guest asked for
    :ivar throttle: share of its CPUs' time that is taken from the guest
    """

    direction: Direction = Direction.NONE
    post_copy: bool = False
    elapsed: float | None = None
    total: float | None = None
    processed: float | None = None
    remaining: float | None = None
    disk_processed: float | None = None
    disk_remaining: float | None = None
    iteration: int | None = None
    dirty_rate: float | None = None
    rate: float | None = None
    requests: int | None = None
    throttle: float | None = None

    def told(self) -> dict[str, Any]:
        """For an answer."""
        out = dataclasses.asdict(self)
        out['direction'] = self.direction.value
        return out

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> 'Job':
        """From an answer; members of a newer agent are left out."""
        names = {field.name for field in dataclasses.fields(cls)}
        values = {k: v for k, v in found.items() if k in names}
        values['direction'] = Direction(values.get('direction', 'none'))
        return cls(**values)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is in force on a host for one VM; rates bytes/s, None: no limit.

    :ivar ours: somebody asked for these caps and they are kept
    :ivar holds: they are what was asked for, in the hypervisor's units
    :ivar corrected: how often they had to be put right
    """

    pre: float | None
    post: float | None
    ours: bool
    holds: bool = False
    corrected: int = 0
    job: Job = Job()


class Method(enum.StrEnum):
    """How writing is measured; QEMU's names."""

    SAMPLING = 'page-sampling'
    BITMAP = 'dirty-bitmap'
    RING = 'dirty-ring'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """One measurement of writing, as the hypervisor tells it.

    :ivar status: `unstarted`, `measuring` or `measured`
    :ivar began: seconds since the epoch
    :ivar seconds: that it took
    :ivar rate: distinct bytes dirtied within `seconds`, divided by them;
        the hypervisor cuts off what is below a MiB/s
    """

    status: str
    began: float = 0.0
    seconds: float = 0.0
    rate: float = 0.0
    method: str = Method.SAMPLING.value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GuestMemory:
    """A guest's memory by its balloon device; bytes, None: not told.

    :ivar most: that the domain may have
    :ivar size: that it has now
    :ivar balloon: it has the device
    :ivar usable: a new program could have without swapping; free memory
        and the caches that can be dropped
    :ivar unused: free
    :ivar caches: pages that hold parts of files
    :ivar swapped: brought in from and out to swap, since it was booted
    :ivar told_at: when the guest told it last, s since the epoch
    :ivar period: s between two times that it tells; 0: never
    """

    most: float
    size: float
    balloon: bool
    usable: float | None = None
    unused: float | None = None
    caches: float | None = None
    swapped: float | None = None
    told_at: float = 0.0
    period: int = 0

    @property
    def tells(self) -> bool:
        """Whether the guest told what a balloon is reckoned by."""
        return None not in (self.usable, self.unused, self.caches)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """How far a guest's giving back is; bytes.

    :ivar before: size that it had, and has to have again
    :ivar given: less than that
    :ivar why: it gave less than it could; empty if it did not
    """

    before: float
    given: float
    done: bool
    why: str = ''

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> 'Given':
        """From an answer; members of a newer agent are left out."""
        return cls(
            before=float(found['before']),
            given=float(found['given']),
            done=bool(found['done']),
            why=str(found['why']),
        )
