"""What was seen of a VM's memory, writing and contents.

Only values live here: how far a measurement can be wrong is
forecast/learned/noise.py's, what curve writing gives
forecast/learned/learning.py's, what pages weigh in a migration
forecast/contents.py's.
Source: libvirt, qemu_driver.c (a rate in whole MiB/s, cut off).
"""

import dataclasses
import enum
import math

from watcher_tsmig import errors
from watcher_tsmig.model import fields


class Kind(enum.Enum):
    """How a measurement counts."""

    SAMPLING = 'page-sampling'  # hashes of some pages: QEMU's default
    BITMAP = 'dirty-bitmap'  # each page
    ROUND = 'round'  # pages newly dirtied in a round of a migration


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Distinct bytes dirtied within a span.

    :ivar at: when, s on any clock that all of them share
    :ivar seconds: the span measured, s
    :ivar dirtied: bytes, as told; of a round, without what it carried over
    :ivar truncated: told as a rate in whole MiB/s, the rest cut off, so
        that up to span x 1 MiB is missing
    """

    at: float
    seconds: float
    dirtied: float
    kind: Kind = Kind.BITMAP
    truncated: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.at):
            raise errors.InputError('is not finite', 'at')
        if not 0 < self.seconds < math.inf:
            raise errors.InputError('is not a span above 0 s', 'seconds')
        if not 0 <= self.dirtied < math.inf:
            raise errors.InputError('is not a size', 'dirtied')


class Basis(enum.StrEnum):
    """What a VM's working set is known from."""

    MEASURED = 'measured'
    OWN = 'own-migrations'
    LIKE = 'migrations-of-like-vms'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkingSet:
    """A VM's working-set pattern (WSP): what it writes, by how long.

    :ivar resident: bytes that a first pass sends (resident and not zero)
    :ivar samples: pairs (seconds, distinct bytes dirtied within them), by
        rising seconds; dirtied memory cannot shrink with time
    :ivar measured_at: when, seconds since the epoch; None where unknown
    :ivar source: who measured, for people (``gnocchi``)
    :ivar basis: what it is known from, a value of `Basis`

    Source: MigVisor, "PC module", equation 12 (the array WSP).
    """

    resident: float
    samples: tuple[tuple[float, float], ...]
    measured_at: float | None = None
    source: str = 'unknown'
    basis: str = Basis.MEASURED.value

    def __post_init__(self) -> None:
        fields.choice('basis', self.basis, tuple(Basis))
        fields.number('resident', self.resident, low=0, above=True)
        if not isinstance(self.samples, tuple):
            raise errors.InputError('is not a tuple of pairs', 'samples')
        before = (0.0, 0.0)
        for i, sample in enumerate(self.samples):
            place = f'samples[{i}]'
            if not isinstance(sample, tuple) or len(sample) != 2:
                raise errors.InputError(
                    'is not a pair (seconds, bytes)', place
                )
            fields.number(place, sample[0], low=0, above=True)
            fields.number(place, sample[1], low=0)
            if sample[0] <= before[0]:
                raise errors.InputError(
                    f'{sample[0]:g} s does not come after {before[0]:g} s; '
                    'sort the samples by time',
                    place,
                )
            if sample[1] < before[1]:
                raise errors.InputError(
                    f'{sample[1]:.0f} bytes after {sample[0]:g} s is less '
                    f'than {before[1]:.0f} bytes after {before[0]:g} s; '
                    'dirtied memory cannot shrink with time',
                    place,
                )
            before = sample
        if self.measured_at is not None:
            fields.number('measured_at', self.measured_at, low=0)
        fields.text('source', self.source)


# Pages next to each other that are looked at together. They are much alike,
# so that they tell no more than one would.
NEIGHBOURS = 4
# Of a share that counts only as far as it is sure: at 95 %, one-sided.
SURE = 1.645


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a VM's pages are made of, from a sample that nobody kept.

    :ivar pages: looked at, spread over all of its memory
    :ivar zero: share of them that held only zeros
    :ivar written: how many of them were written between two looks; 0 where
        none was, or where nobody looked twice
    :ivar blanked: share of these that held only zeros at the second look
    :ivar apart: s between the looks; None where nobody looked twice
    :ivar measured_at: when, seconds since the epoch; None where unknown
    :ivar source: who looked, for people (``agent``)
    """

    pages: int
    zero: float
    written: int = 0
    blanked: float = 0.0
    apart: float | None = None
    measured_at: float | None = None
    source: str = 'unknown'

    def __post_init__(self) -> None:
        fields.whole('pages', self.pages, low=1)
        fields.whole('written', self.written, low=0)
        if self.written > self.pages:
            raise errors.InputError(
                f'{self.written} are more than the {self.pages} pages that '
                'were looked at',
                'written',
            )
        for name in ('zero', 'blanked'):
            fields.number(name, getattr(self, name), low=0)
            if getattr(self, name) > 1:
                raise errors.InputError('is a share above 1', name)
        if self.apart is not None:
            fields.number('apart', self.apart, low=0, above=True)
        if self.measured_at is not None:
            fields.number('measured_at', self.measured_at, low=0)
        fields.text('source', self.source)

    @property
    def surely_zero(self) -> float:
        """`zero`, as far as the sample makes it sure."""
        return surely(self.zero, self.pages)

    @property
    def surely_blanked(self) -> float:
        """`blanked`, as far as the sample makes it sure."""
        return surely(self.blanked, self.written)


def surely(share: float, pages: int) -> float:
    """The lower end of what a share can be, by a sample of so many pages.

    Who acts on it does what cannot be undone: a pre-copy that does not end.
    Source: Wilson 1927, one-sided, of runs of `NEIGHBOURS` pages.
    """
    count = pages / NEIGHBOURS
    if not count:
        return 0.0
    odd = SURE**2 / count
    spread = share * (1 - share) / count + odd / (4 * count)
    least = share + odd / 2 - SURE * math.sqrt(spread)
    return max(least / (1 + odd), 0.0)
