"""Simulated time.

One value lives here: seconds since the playground started, running `speed`
times faster than the wall clock, or standing still (`speed` 0) until somebody
pushes it, so that a test never waits. Nothing else reads the wall clock for
simulated purposes.
"""

import threading
import time
from collections.abc import Callable

from watcher_tsmig import errors

MAX_SPEED = 1000.0
MAX_PUSH = 86400.0


class Clock:
    """Simulated seconds since creation; thread-safe, never runs back.

    :param speed: simulated seconds per wall second, 0 to 1000; at 0 time
        moves only by `push`
    :raises errors.InputError: speed is out of range
    """

    def __init__(
        self,
        speed: float = 1.0,
        *,
        wall: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= speed <= MAX_SPEED:
            raise errors.InputError(f'is not in 0 to {MAX_SPEED:g}', 'speed')
        self.speed = speed
        self._wall = wall
        self._zero = wall()
        self._pushed = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Simulated seconds since creation."""
        with self._lock:
            return (self._wall() - self._zero) * self.speed + self._pushed

    def push(self, seconds: float) -> float:
        """Move time forward by simulated `seconds`; the new time.

        :raises errors.InputError: not in 0 to one day
        """
        if not 0 <= seconds <= MAX_PUSH:
            raise errors.InputError(
                f'{seconds!r} is not in 0 to {MAX_PUSH:g}', 'seconds'
            )
        with self._lock:
            self._pushed += seconds
        return self.now()
