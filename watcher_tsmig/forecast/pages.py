"""What a page weighs on the wire: QEMU's classes, counted and not sent.

Only arithmetic on arrays of pages lives here: zero pages, XBZRLE deltas and
the streams of multifd, to the byte as QEMU writes them. How many pages of
which kind a migration sends is dryrun.py's. Sources: QEMU migration/ram.c,
xbzrle.c, page_cache.c, multifd.c, multifd-zlib.c, multifd-zstd.c.
"""

import dataclasses
import enum
import importlib
import zlib
from collections.abc import Callable
from typing import Any
from typing import Protocol

import numpy as np
import numpy.typing as npt

from watcher_tsmig import errors

PAGE = 4096
#: save_page_header(): the offset with its flags; the block's name, which
#: goes along once per change of block, is left out.
HEADER = 8
#: save_zero_page(): the header and the byte 0.
ZERO_BYTES = HEADER + 1
#: save_xbzrle_page(): the header, the encoding flag, the 16-bit length.
DELTA_HEADER = HEADER + 1 + 2
#: MULTIFD_PACKET_SIZE 512 KiB; the packet's own header is 320 bytes, and
#: one offset of 8 bytes for each of its 128 places.
PACKET_PAGES = 128
PACKET_HEADER = 320 + 8 * PACKET_PAGES
#: multifd-zlib-level and multifd-zstd-level, both 1 by default.
LEVEL = 1
#: Lengths of runs are ULEB128: one byte below this, else two.
_TWO_BYTES = 0x80

Pages = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.intp]


class Method(enum.StrEnum):
    """How pages are made smaller on their way."""

    PLAIN = 'plain'
    XBZRLE = 'xbzrle'
    ZLIB = 'multifd-zlib'
    ZSTD = 'multifd-zstd'


class Stream(Protocol):
    """A compressor with memory, as each channel of multifd has one."""

    def packet(self, data: bytes) -> int:
        """Bytes that come out when `data` is put in and flushed."""


class _Zlib:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(LEVEL)

    def packet(self, data: bytes) -> int:
        out = self._stream.compress(data)
        return len(out) + len(self._stream.flush(zlib.Z_SYNC_FLUSH))


class _Zstd:
    def __init__(self) -> None:
        # In the standard library from Python 3.14 on.
        module: Any = importlib.import_module('compression.zstd')
        self._stream = module.ZstdCompressor(level=LEVEL)

    def packet(self, data: bytes) -> int:
        return len(self._stream.compress(data, self._stream.FLUSH_BLOCK))


#: Whoever has another zstd at hand passes its own to `packed`.
STREAMS: dict[Method, Callable[[], Stream]] = {
    Method.ZLIB: _Zlib,
    Method.ZSTD: _Zstd,
}


def stream(method: Method) -> Stream:
    """A fresh compressor of a multifd method.

    :raises errors.InputError: the method has none, or this Python lacks it
    """
    if method not in STREAMS:
        raise errors.InputError(f'{method} has no stream', 'method')
    try:
        return STREAMS[method]()
    except ImportError:
        raise errors.InputError(
            f'{method} needs the module compression.zstd of Python 3.14; '
            f'count with {Method.ZLIB} here',
            'method',
        ) from None


def as_pages(data: object, name: str = 'pages') -> Pages:
    """Bytes or an array as pages, shape (n, 4096).

    :raises errors.InputError: not a whole number of pages
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        array = np.frombuffer(data, dtype=np.uint8)
    else:
        array = np.asarray(data)
        if array.dtype != np.uint8:
            raise errors.InputError(
                f'has elements of {array.dtype}, not of uint8', name
            )
    if array.size % PAGE or (array.ndim > 1 and array.shape[-1] != PAGE):
        raise errors.InputError(
            f'of shape {array.shape} is no whole number of pages of {PAGE} '
            'bytes',
            name,
        )
    return array.reshape(-1, PAGE)


def is_zero(pages: Pages) -> npt.NDArray[np.bool_]:
    """Which pages hold only zeros, shape (n,): buffer_is_zero()."""
    out: npt.NDArray[np.bool_] = (pages == 0).all(axis=1)
    return out


def xbzrle(before: Pages, after: Pages) -> IntArray:
    """Length of each page's XBZRLE encoding, without its headers.

    Runs of equal and of different bytes alternate; each says its length,
    and a run of different bytes is followed by them. The last run of
    equal bytes is left out. An encoding that would not fit a page is an
    overflow: QEMU then sends the page plain. Source: QEMU
    xbzrle_encode_buffer() with a buffer of one page; its checks of the
    rest of the buffer come to the two below, because each run of
    different bytes has at least one.

    :param before: shape (n, 4096), the cached pages
    :param after: shape (n, 4096), the pages now
    :returns: shape (n,): 0 unchanged, -1 overflow
    """
    count = len(after)
    differs = np.zeros((count, PAGE + 2), dtype=np.int8)
    differs[:, 1:-1] = before != after
    edges = np.diff(differs, axis=1)
    # Row-major order: the k-th start and the k-th end are of one run.
    row, start = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    previous = np.zeros_like(end)
    same = row[1:] == row[:-1]
    previous[1:] = np.where(same, end[:-1], 0)
    equal, different = start - previous, end - start
    size = different + 2
    size += (equal >= _TWO_BYTES).astype(size.dtype)
    size += (different >= _TWO_BYTES).astype(size.dtype)
    total = np.bincount(row, weights=size, minlength=count).astype(np.intp)
    tail = ~differs[:, PAGE].astype(bool)
    overflow = (total > PAGE) | (tail & (total + 2 > PAGE))
    return np.where(overflow, -1, total)


def packed(pages: Pages, channel: Stream) -> int:
    """Bytes that one multifd channel makes of these pages, in their order.

    The channel's memory spans packets, so neighbours help each other:
    give stretches of memory rather than single pages. Headers of packets
    are not counted here.
    """
    return sum(
        channel.packet(pages[i : i + PACKET_PAGES].tobytes())
        for i in range(0, len(pages), PACKET_PAGES)
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What a sample of pages is made of; shares add up to 1.

    :ivar zero: share that holds only zeros now
    :ivar unchanged: share that is not zero and equals its cached copy
    :ivar delta: share that XBZRLE encodes
    :ivar delta_bytes: mean length of those encodings, without headers
    :ivar packed: bytes that compression leaves of the mean page that is
        not zero, without headers; `PAGE` where nothing compresses
    :ivar pages: size of the sample, for its error; 0: it is assumed
    """

    zero: float = 0.0
    unchanged: float = 0.0
    delta: float = 0.0
    delta_bytes: float = 0.0
    packed: float = float(PAGE)
    pages: int = 0

    def __post_init__(self) -> None:
        for name in ('zero', 'unchanged', 'delta', 'delta_bytes'):
            if not 0 <= getattr(self, name) < np.inf:
                raise errors.InputError('is negative or not finite', name)
        if not 0 < self.packed < np.inf:
            raise errors.InputError('is not above 0', 'packed')
        if self.zero + self.unchanged + self.delta > 1 + 1e-9:
            raise errors.InputError('shares of pages exceed 1', 'zero')

    @property
    def plain(self) -> float:
        """Share that nothing but a codec makes smaller."""
        rest = 1 - self.zero - self.unchanged - self.delta
        return max(rest, 0.0)

    def missed(self, method: Method) -> float:
        """Mean bytes on the wire of a page that XBZRLE has no copy of."""
        if method in STREAMS:
            place = PACKET_HEADER / PACKET_PAGES
            return place + (1 - self.zero) * self.packed
        return self.zero * ZERO_BYTES + (1 - self.zero) * (HEADER + PAGE)

    def hit(self, method: Method) -> float:
        """Mean bytes on the wire of a page that XBZRLE has a copy of."""
        if method is not Method.XBZRLE:
            return self.missed(method)
        return (
            self.zero * ZERO_BYTES
            + self.delta * (DELTA_HEADER + self.delta_bytes)
            + self.plain * (HEADER + PAGE)
        )


def mix(
    after: object, before: object = None, channel: Stream | None = None
) -> Mix:
    """Count a sample: what these pages would weigh.

    :param after: pages now, bytes or uint8 of shape (n, 4096), n > 0
    :param before: the same pages as sent last; None for a first pass
    :param channel: a compressor from `stream`; None counts no compression
    :raises errors.InputError: no whole pages, or two samples that differ
        in size
    """
    now = as_pages(after, 'after')
    if not len(now):
        raise errors.InputError('has no pages', 'after')
    zero = is_zero(now)
    sizes = np.full(len(now), -1, dtype=np.intp)
    if before is not None:
        then = as_pages(before, 'before')
        if then.shape != now.shape:
            raise errors.InputError(
                f'has {len(then)} pages, the sample after it {len(now)}',
                'before',
            )
        sizes = xbzrle(then, now)
    rest = now[~zero]
    size = float(PAGE)
    if channel is not None and len(rest):
        size = packed(rest, channel) / len(rest)
    delta = ~zero & (sizes > 0)
    return Mix(
        zero=float(zero.mean()),
        unchanged=float((~zero & (sizes == 0)).mean()),
        delta=float(delta.mean()),
        delta_bytes=float(sizes[delta].mean()) if delta.any() else 0.0,
        packed=size,
        pages=len(now),
    )
