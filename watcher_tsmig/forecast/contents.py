"""What sampled pages weigh in a migration: the dry run's part of `Terms`.

Only arithmetic on values lives here; the rounds are those of every other
forecast. Nova asks libvirt for no compression, so a page of zeros is the
only one that goes for less than its size (QEMU, migration/ram.c,
save_zero_page; Nova, libvirt driver, `_parse_migration_flags`: no release
has VIR_MIGRATE_COMPRESSED, and libvirt turns XBZRLE and zlib on by nothing
else). Source of the idea: MigVisor, "Dry-run Module".
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.forecast.terms import Terms
from watcher_tsmig.model import Contents


def untouched(memory: FloatArray, resident: FloatArray) -> FloatArray:
    """Bytes of memory that hold zeros because nobody ever wrote them.

    QEMU looks at every page of the guest's memory, and not only at those
    that its process holds; shapes (n,).
    """
    out: FloatArray = np.maximum(memory - resident, 0.0)
    return out


def weighed(
    terms: Terms,
    contents: Sequence[Contents | None],
    memory: FloatArray,
    resident: FloatArray,
) -> Terms:
    """The terms with the pages that hold only zeros, as far as is sure.

    What is not zero of all memory is not zero of what is resident, so that
    measured resident memory, which has pages of zeros of its own, is not
    counted as empty twice.

    :param contents: of n VMs; None weighs as if nothing were zero
    :param memory: shape (n,), bytes that the sample is spread over
    :param resident: shape (n,), bytes that a first pass goes through
    """
    zero = np.array([c.surely_zero if c else 0.0 for c in contents])
    known = np.array([c is not None for c in contents], dtype=bool)
    full = np.maximum(1.0 - memory * (1.0 - zero) / resident, 0.0)
    blanked = [c.surely_blanked if c else 0.0 for c in contents]
    return dataclasses.replace(
        terms,
        blank=np.where(known, full, 0.0),
        duplicate=np.array(blanked),
    )
