"""What Placement has of each host, several asked side by side.

How long that may take and what becomes of whom it does not tell live here;
what is asked and what the answer means is the asker's.
"""

import concurrent.futures
import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import TypeVar

from openstack import exceptions as sdk_errors

from watcher_tsmig.telemetry.asking import CLIENT_ERRORS
from watcher_tsmig.telemetry.asking import MALFORMED
from watcher_tsmig.telemetry.asking import brief
from watcher_tsmig.telemetry.clients import Placement
from watcher_tsmig.telemetry.clients import PlacementSource

T = TypeVar('T')

# Hosts that are asked about at once, and s for all of them.
AT_ONCE = 8
WITHIN = 60.0
UNKNOWN = (*CLIENT_ERRORS, *MALFORMED, TimeoutError)


def of_each(
    source: PlacementSource,
    what: str,
    read: Callable[[Mapping[str, Any]], T],
    providers: Mapping[str, str],
) -> tuple[dict[str, T], str]:
    """What was read of each host, and why it is unknown of some.

    :param what: below a resource provider, such as ``usages``
    :param read: makes a value of the answer's member of that name; what it
        stumbles over is told as Placement's
    :param providers: uuid of each host's resource provider, by host name
    """

    def ask(placement: Placement, name: str) -> T:
        answer = placement.get(f'/resource_providers/{providers[name]}/{what}')
        sdk_errors.raise_from_response(answer)
        return read(answer.json()[what])

    found: dict[str, T] = {}
    why = ''
    if not providers:
        return found, why
    try:
        with source() as placement:
            # who is away is away for all of them
            first, *others = providers
            found[first] = ask(placement, first)
            end = time.monotonic() + WITHIN
            pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
            asked = {
                name: pool.submit(ask, placement, name) for name in others
            }
            for name, future in asked.items():
                try:
                    left = max(end - time.monotonic(), 0.0)
                    found[name] = future.result(left)
                except UNKNOWN as error:
                    why = why or f'Placement: {name}: {brief(error)}'
            pool.shutdown(wait=False, cancel_futures=True)
    except UNKNOWN as error:
        why = f'Placement: {brief(error)}'
    return found, why
