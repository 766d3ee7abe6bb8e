"""What domains write, measured in the background, a few at a time.

The hypervisor measures once and tells whole MiB/s; here it is repeated, and
the mean comes with its error. Source of the error: page sampling looks at
512 pages a GiB (nova-libvirt-telemetry.md, section 2.8).
"""

import contextlib
import dataclasses
import logging
import statistics
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from watcher_tsmig.agent.hypervisor import Hypervisor
from watcher_tsmig.agent.values import Code
from watcher_tsmig.agent.values import Direction
from watcher_tsmig.agent.values import Method
from watcher_tsmig.agent.values import Refusal
from watcher_tsmig.units import MIB

LOG = logging.getLogger(__name__)

# VMs of a host that are measured at once: it takes host CPU.
AT_ONCE = 2
# s that QEMU may take beside the time measured: it hashes what it samples
SLACK = 10.0
LOOK_EVERY = 0.1
# The hypervisor cuts off what is below a MiB/s; half of one is added.
CUT = MIB / 2
# Measurements that are kept, one a domain; the oldest goes first.
KEPT = 2000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is known of one domain's writing.

    :ivar seconds: over which each time was measured
    :ivar dirtied: distinct bytes written within `seconds`, each time
    :ivar began: seconds since the epoch
    :ivar running: more is to come
    :ivar trouble: why it ended early; empty if it did not
    """

    seconds: int
    method: Method
    times: int
    began: float
    dirtied: tuple[float, ...] = ()
    running: bool = True
    trouble: str = ''

    def told(self) -> dict[str, Any]:
        """For an answer; None where nothing was measured."""
        many = len(self.dirtied)
        spread = statistics.stdev(self.dirtied) if many > 1 else None
        return {
            'status': 'measuring' if self.running else 'measured',
            'seconds': self.seconds,
            'method': self.method.value,
            'began': self.began,
            'times': many,
            'dirtied': statistics.fmean(self.dirtied) if many else None,
            'error': None if spread is None else spread / many**0.5,
            'trouble': self.trouble,
        }


class Measurements:
    """The measurements of one host.

    :param clock: seconds since the epoch
    """

    def __init__(
        self, hypervisor: Hypervisor, clock: Callable[[], float] = time.time
    ) -> None:
        self._hypervisor = hypervisor
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Measured] = {}
        # measured by somebody who does not ask here
        self._held: set[str] = set()

    def begin(
        self, vm: str, seconds: int, times: int, method: Method
    ) -> Measured:
        """Begin to measure; it goes on in the background.

        :raises Refusal: as many as may be are being measured, or the
            domain cannot be
        """
        new = Measured(
            seconds=seconds, method=method, times=times, began=self._clock()
        )
        with self._lock:
            running = self._free(vm)
            if len(running) >= AT_ONCE:
                raise Refusal(Code.BUSY, f'{AT_ONCE} VMs are being measured')
            at_rest(self._hypervisor, vm)
            self._hypervisor.measure(vm, seconds, method)
            self._known.pop(vm, None)
            self._known[vm] = new
            while len(self._known) > KEPT:
                self._known.pop(next(iter(self._known)))
        threading.Thread(
            target=self._run, args=(vm, new), daemon=True, name='writing'
        ).start()
        return new

    @contextlib.contextmanager
    def hold(self, vm: str) -> Iterator[None]:
        """Nobody is told to measure this domain meanwhile.

        :raises Refusal: it is being measured
        """
        with self._lock:
            self._free(vm)
            self._held.add(vm)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(vm)

    def _free(self, vm: str) -> list[str]:
        """Who is being measured for those who asked, but not this one."""
        running = [v for v, m in self._known.items() if m.running]
        if vm in running or vm in self._held:
            raise Refusal(Code.BUSY, f'{vm} is being measured')
        return running

    def of(self, vm: str) -> dict[str, Any]:
        """What is known of a domain's writing."""
        known = self._known.get(vm)
        return known.told() if known else {'status': 'unstarted'}

    def _run(self, vm: str, measured: Measured) -> None:
        try:
            for left in range(measured.times - 1, -1, -1):
                time.sleep(measured.seconds)
                dirtied = settled(self._hypervisor, vm, measured.seconds)
                measured = dataclasses.replace(
                    measured, dirtied=(*measured.dirtied, dirtied)
                )
                self._known[vm] = measured
                if left:
                    at_rest(self._hypervisor, vm)
                    self._hypervisor.measure(
                        vm, measured.seconds, measured.method
                    )
        except Refusal as refusal:
            measured = dataclasses.replace(measured, trouble=refusal.reason)
        except Exception as error:
            LOG.exception('What %s writes could not be measured', vm)
            measured = dataclasses.replace(
                measured, trouble=type(error).__name__
            )
        self._known[vm] = dataclasses.replace(measured, running=False)


def settled(hypervisor: Hypervisor, vm: str, seconds: int) -> float:
    """What a measurement found whose time is over; bytes.

    :param seconds: that it was to take
    :raises Refusal: it does not come to an end
    """
    end = time.monotonic() + SLACK
    while True:
        found = hypervisor.writing(vm)
        if found.status == 'measured':
            return (found.rate + CUT) * found.seconds
        if time.monotonic() > end:
            raise Refusal(
                Code.HYPERVISOR,
                f'{vm}: no measurement of {seconds} s after '
                f'{seconds + SLACK:.0f} s',
            )
        time.sleep(LOOK_EVERY)


def at_rest(hypervisor: Hypervisor, vm: str) -> None:
    """Fail unless the domain runs and has no job.

    A measurement during a migration blocks libvirt for 30 s and fails.
    """
    if not hypervisor.runs(vm):
        raise Refusal(Code.UNFIT, f'{vm} does not run')
    if hypervisor.job(vm).direction is not Direction.NONE:
        raise Refusal(Code.UNFIT, f'{vm} has a job under way')
