"""What a domain's pages are made of, counted from a sample.

Pages are read, counted and thrown away: shares leave this module, contents
never do. Counted are zeros: nothing else makes a page smaller on its way,
since Nova asks libvirt for no compression. Only addresses that hold RAM for
certain are read, since what lies between is devices, and reading those may
do something.
"""

import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from watcher_tsmig.agent.hypervisor import Hypervisor
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.model.observed import NEIGHBOURS
from watcher_tsmig.units import GIB
from watcher_tsmig.units import MIB

PAGE = 4096
# Pages next to each other that are read at once: each read costs a file.
RUN = NEIGHBOURS
# x86: below 1 MiB lies firmware. RAM ends at or above 2 GiB below the
# devices (q35: 2 GiB, pc: 3 to 3.5 GiB), and what does not fit there begins
# at 4 GiB, so that at least all but 3.5 GiB is there.
FIRST = int(MIB)
LOW_END = int(2 * GIB)
HIGH = int(4 * GIB)
LOW_MOST = int(3.5 * GIB)


def ranges(memory: float) -> list[tuple[int, int]]:
    """Where RAM is for certain: pairs (first, end) of addresses."""
    out = [(FIRST, min(int(memory), LOW_END))]
    if memory > LOW_MOST:
        out.append((HIGH, HIGH + int(memory) - LOW_MOST))
    return [(first, end) for first, end in out if end - first >= RUN * PAGE]


def addresses(memory: float, count: int, chance: random.Random) -> list[int]:
    """Begins of `count` runs, spread evenly over what may be read."""
    where = ranges(memory)
    size = RUN * PAGE
    slots = [(end - first) // size for first, end in where]
    total = sum(slots)
    if not total:
        raise Refusal(Code.UNFIT, 'has too little memory to be sampled')
    count = min(count, total)
    out = []
    # one of each part of the same size, and not of all at once: memory of
    # one kind lies together, and then tells no more of it than its share
    for part in range(count):
        begin, end = total * part // count, total * (part + 1) // count
        slot = chance.randrange(begin, end)
        for (first, _), held in zip(where, slots, strict=True):
            if slot < held:
                out.append(first + slot * size)
                break
            slot -= held
    return out


def sample(
    hypervisor: Hypervisor,
    vm: str,
    count: int,
    apart: float,
    chance: random.Random,
) -> Mapping[str, Any]:
    """Look at about `count` pages, and again after `apart` seconds.

    :returns: `pages`, how many, and `zero`, the share of them that held only
        zeros; after a second look also `written`, how many were written in
        between, `blanked`, the share of these that held only zeros then, and
        `apart`, the seconds that really lay between two looks at a page
    """
    where = addresses(hypervisor.memory(vm), max(count // RUN, 1), chance)
    size = RUN * PAGE
    began = time.monotonic()
    before = _pages(hypervisor.read(vm, where, size))
    told: dict[str, Any] = {'pages': len(before), 'zero': _zero(before)}
    if apart:
        time.sleep(apart)
        # a look itself takes a while, and each page is looked at as far
        # into the second one as into the first
        told['apart'] = time.monotonic() - began
        after = _pages(hypervisor.read(vm, where, size))
        written = after[(before != after).any(axis=1)]
        told |= {'written': len(written), 'blanked': _zero(written)}
    return told


def _pages(data: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, PAGE)


def _zero(pages: npt.NDArray[np.uint8]) -> float:
    """Share that holds only zeros, as QEMU's buffer_is_zero(); 0 of none."""
    if not len(pages):
        return 0.0
    return float((pages == 0).all(axis=1).mean())
