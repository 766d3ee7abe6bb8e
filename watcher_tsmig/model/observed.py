"""Single measurements of dirtied memory, and how far each can be wrong.

Only values and their noise live here; what curve they give is pattern.py's.
Sources: QEMU, migration/dirtyrate.c (pages sampled per GiB); libvirt,
qemu_driver.c (a rate in whole MiB/s, cut off); the spread is that of real
migrations of one VM, of the same rounds in repeated runs.
"""

import dataclasses
import enum
import math

from watcher_tsmig import errors
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB


class Kind(enum.Enum):
    """How a measurement counts."""

    SAMPLING = 'page-sampling'  # hashes of some pages: QEMU's default
    BITMAP = 'dirty-bitmap'  # each page
    ROUND = 'round'  # pages newly dirtied in a round of a migration


# Pages that QEMU looks at per GiB, by default (dirtyrate.h).
SAMPLED_PER_GIB = 512
# How much a workload itself differs between measurements: coefficient of
# variation over repeated runs, by horizons below so many s. Measured 2 to
# 5 % from 3 s on, 7 to 13 % at 1 to 2 s, nothing below: the upper end.
SPREAD = ((1.0, 0.13), (3.0, 0.10), (math.inf, 0.035))


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
        checks = (
            ('at', math.isfinite(self.at), 'is not finite'),
            (
                'seconds',
                0 < self.seconds < math.inf,
                'is not a span above 0 s',
            ),
            ('dirtied', 0 <= self.dirtied < math.inf, 'is not a size'),
        )
        for field, good, message in checks:
            if not good:
                raise errors.InputError(message, field)

    @property
    def lost(self) -> float:
        """Bytes that the cut may have taken at most."""
        return self.seconds * MIB if self.truncated else 0.0

    @property
    def middle(self) -> float:
        """Bytes dirtied, as expected: half of the cut given back."""
        return self.dirtied + self.lost / 2

    def deviation(self, memory: float) -> float:
        """Standard deviation of `middle`, bytes.

        The workload's spread, the cut (uniform: its width / sqrt 12) and,
        of sampling, the binomial M sqrt(p (1 - p) / n), with p drawn from
        0 and 1 by half a page, or a quiet VM would seem exactly known.

        :param memory: bytes of the guest that sampling draws from
        """
        spread = next(s for most, s in SPREAD if self.seconds < most)
        variance = (spread * self.middle) ** 2 + self.lost**2 / 12
        if self.kind is Kind.SAMPLING:
            pages = max(SAMPLED_PER_GIB * memory / GIB, 1.0)
            share = min(self.middle / memory, 1.0)
            share = (share * pages + 0.5) / (pages + 1)
            variance += memory**2 * share * (1 - share) / pages
        # a page: nothing is known better than it is counted
        return max(math.sqrt(variance), 4096.0)
