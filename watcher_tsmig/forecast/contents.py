"""What one VM's pages weigh on the wire, from samples or from a dry run.

Values and the arithmetic that makes them; what one page weighs is
pages.py's, how many go in which round is dryrun.py's. Sources: MigVisor,
"Dry-run Module"; QEMU migration/options.c for the defaults.
"""

import dataclasses
from collections.abc import Sequence

from watcher_tsmig import errors
from watcher_tsmig.forecast.pages import HEADER
from watcher_tsmig.forecast.pages import PACKET_HEADER
from watcher_tsmig.forecast.pages import PACKET_PAGES
from watcher_tsmig.forecast.pages import PAGE
from watcher_tsmig.forecast.pages import STREAMS
from watcher_tsmig.forecast.pages import ZERO_BYTES
from watcher_tsmig.forecast.pages import Method
from watcher_tsmig.forecast.pages import Mix
from watcher_tsmig.model import WorkingSet

#: xbzrle-cache-size, 64 MiB by default.
CACHE = 64 * 1024.0**2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What one VM's pages weigh on the wire, in bytes per page.

    :ivar first: of a page that is not zero, in the first pass
    :ivar zero: of a page that is, in the first pass
    :ivar missed: of the mean dirty page that XBZRLE has no copy of
    :ivar hit: of the mean dirty page that it has a copy of; equals
        `missed` where there is no XBZRLE
    :ivar memory: of the guest, bytes; None leaves its zero pages out
    :ivar cache: of XBZRLE, bytes
    :ivar codec_rate: bytes of memory per second that compression takes in
        on the source; nobody but a measurement knows it, so inf
    :ivar dirty: the sample behind `missed` and `hit`, for the classes
    """

    first: float = float(HEADER + PAGE)
    zero: float = float(ZERO_BYTES)
    missed: float = float(HEADER + PAGE)
    hit: float = float(HEADER + PAGE)
    memory: float | None = None
    cache: float = CACHE
    codec_rate: float = float('inf')
    dirty: Mix = Mix()

    def __post_init__(self) -> None:
        for name in ('first', 'missed', 'cache', 'codec_rate'):
            if not getattr(self, name) > 0:
                raise errors.InputError('is not above 0', name)
        if not 0 <= self.hit <= self.missed:
            raise errors.InputError('is not between 0 and missed', 'hit')


def counted(
    method: Method,
    first: Mix,
    dirty: Mix,
    *,
    memory: float | None = None,
    cache: float = CACHE,
    codec_rate: float = float('inf'),
) -> Contents:
    """Contents from two samples that pages.mix counted.

    :param first: of all pages; only what compression leaves of them counts
    :param dirty: of pages written between two looks, so many seconds
        apart as a round takes
    """
    place = PACKET_HEADER / PACKET_PAGES
    streams = method in STREAMS
    missed = dirty.missed(method)
    return Contents(
        first=place + first.packed if streams else HEADER + PAGE,
        zero=place if streams else ZERO_BYTES,
        missed=missed,
        hit=min(dirty.hit(method), missed),
        memory=memory,
        cache=cache,
        codec_rate=codec_rate,
        dirty=dirty,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round of a real dry run: what it took, queued and would send.

    :ivar seconds: it took, s
    :ivar dirty: bytes of memory queued at its start
    :ivar sent: bytes on the wire
    """

    seconds: float
    dirty: float
    sent: float


def from_rounds(
    rounds: Sequence[Round], memory: float | None = None
) -> tuple[WorkingSet, Contents]:
    """Pattern and contents from the rounds of a real dry run.

    Round i of T(i) seconds is a sample of the curve: what the next one
    queues, D(i+1) = W(T(i)). The lab's dry runs into a null sink gave
    pairs within 0 to 10 % of the curve measured apart, below 0.5 s one of
    them half of it; shorter rounds that dirtied more are kept, as an
    undercount is the likelier error.

    :raises errors.InputError: fewer than two rounds, or one without time
    """
    if len(rounds) < 2:
        raise errors.InputError('are fewer than two', 'rounds')
    for i, item in enumerate(rounds):
        if not (item.seconds > 0 and item.dirty >= 0 and item.sent >= 0):
            raise errors.InputError(
                'needs seconds above 0 and no negative bytes', f'rounds[{i}]'
            )
    pairs: dict[float, float] = {}
    for now, after in zip(rounds, rounds[1:], strict=False):
        pairs[now.seconds] = max(pairs.get(now.seconds, 0.0), after.dirty)
    samples, high = [], 0.0
    for seconds in sorted(pairs):
        high = max(high, pairs[seconds])
        samples.append((seconds, high))
    later = rounds[1:]
    pages = sum(item.dirty for item in later) / PAGE
    # A round without pages weighs nothing: take the first pass's weight.
    first = max(rounds[0].sent / max(rounds[0].dirty / PAGE, 1.0), 1.0)
    unit = sum(item.sent for item in later) / pages if pages else first
    unit = max(unit, 1.0)
    # Its zero pages are within `sent` of the first pass already.
    contents = Contents(first=first, zero=0.0, missed=unit, hit=unit)
    return (
        WorkingSet(
            resident=max(rounds[0].dirty, 1.0),
            samples=tuple(samples),
            source='dry run',
        ),
        dataclasses.replace(contents, memory=memory),
    )
