"""Reading millions of rows without Python's collector in between.

Only its threshold lives here. While a large cloud is read, what is made is
lists that reference counts free, or values that stay: nothing that the
collector is for. It would look at all of them each time some more have come.
"""

import contextlib
import gc
import threading
from collections.abc import Iterator

# Containers more than before at which it looks nevertheless: of rows of
# three, some 50 MiB
AT = 500_000

_lock = threading.Lock()
_inside: list[tuple[int, int, int]] = []


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Let the collector come seldom within the block, in all threads.

    Several threads may be inside; the last to leave sets what there was
    before the first came.
    """
    with _lock:
        _inside.append(gc.get_threshold())
        before = _inside[0]
        # 0 is off, and stays so
        gc.set_threshold(before[0] and max(before[0], AT), *before[1:])
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:
                gc.set_threshold(*before)
