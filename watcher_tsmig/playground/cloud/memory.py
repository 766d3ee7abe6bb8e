"""What a simulated guest's pages hold, made when somebody reads them.

Pages of the shares that its `Contents` tell; which page is which depends on
its address only. Two looks one after the other see what was written between
them change.
"""

import random
from collections.abc import Sequence

from watcher_tsmig.model import Contents

PAGE = 4096
ZEROS = bytes(PAGE)


def read(
    contents: Contents, addresses: Sequence[int], size: int, look: int
) -> bytes:
    """The memory at these addresses, `size` bytes each.

    :param look: how often it was looked at before; at every second look,
        from the one after the first on, what is blanked is there as zeros
    """
    return b''.join(
        _page(contents, at, look)
        for first in addresses
        for at in range(first, first + size, PAGE)
    )


def _page(contents: Contents, address: int, look: int) -> bytes:
    chance = random.Random(address)
    kind, blanks = chance.random(), chance.random()
    hot = contents.written / contents.pages
    if kind >= hot:
        zero = kind < hot + contents.zero
        return ZEROS if zero else _filled(1)
    if look % 2 and blanks < contents.blanked:
        return ZEROS
    return _filled(2 + look % 250)


def _filled(byte: int) -> bytes:
    return bytes([byte]) * PAGE
