"""What relief is asked for and what it answers: thresholds and findings.

Values only. Loads are shares of a host's capacity, times seconds.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from watcher_tsmig import errors
from watcher_tsmig.forecast.curves import FloatArray
from watcher_tsmig.model.history import Load
from watcher_tsmig.plan.values import LeftOut
from watcher_tsmig.reasons import Reason


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a host is too busy, and what a move must bring.

    :ivar nic_high: a NIC above this, either way, is overloaded
    :ivar nic_low: it is relieved down to this, and no destination gets
        above it
    :ivar cpu_high: likewise of a host's CPUs
    :ivar cpu_low: likewise of a host's CPUs
    :ivar held: so long must a load have been above, s
    :ivar fresh: a measurement that ended longer ago says nothing, s
    :ivar margin: what leaves a host must lower its load by this share
    :ivar cool_down: for so long a VM that moved does not move again, and a
        host that received one gives none, s
    :ivar max_vms: so many VMs move at once at most
    """

    nic_high: float = 0.8
    nic_low: float = 0.6
    cpu_high: float = 0.9
    cpu_low: float = 0.7
    held: float = 600.0
    fresh: float = 1800.0
    margin: float = 0.05
    cool_down: float = 3600.0
    max_vms: int = 8

    def __post_init__(self) -> None:
        for name in ('held', 'cool_down', 'margin'):
            if not 0 <= getattr(self, name) < np.inf:
                raise errors.InputError('is negative or not finite', name)
        if self.max_vms < 1:
            raise errors.InputError('is below 1', 'max_vms')
        for kind in ('nic', 'cpu'):
            low = getattr(self, f'{kind}_low')
            high = getattr(self, f'{kind}_high')
            if not 0 < high <= 1:
                raise errors.InputError('is not in (0, 1]', f'{kind}_high')
            if not 0 < low <= high - self.margin + 1e-9:
                # else a host that has just been filled could be overloaded
                raise errors.InputError(
                    f'{low:.0%} is not between 0 and {high:.0%}, the '
                    f'threshold, less {self.margin:.0%}, the margin',
                    f'{kind}_low',
                )

    @property
    def highs(self) -> FloatArray:
        """Of tx, rx and CPU."""
        return np.array([self.nic_high, self.nic_high, self.cpu_high])

    @property
    def lows(self) -> FloatArray:
        """Of tx, rx and CPU."""
        return np.array([self.nic_low, self.nic_low, self.cpu_low])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """One host with a load above its threshold.

    :ivar share: of its capacity, now
    :ivar held: for so long above `high`, s
    :ivar after: the share that is left once the VMs are gone
    :ivar choices: pairs of a VM that leaves it and the host it goes to
    :ivar reason: why nothing leaves, or not all that should; None where
        it is relieved
    """

    host: str
    load: Load
    share: float
    held: float
    high: float
    after: float
    choices: tuple[tuple[str, str], ...] = ()
    reason: Reason | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """What relieves a cloud.

    :ivar hosts: those above a threshold, the busiest first
    :ivar busiest: the host nearest to its threshold, whether above or not;
        None where nothing is measured
    :ivar left_out: VMs on overloaded hosts that could not be considered
    :ivar unmeasured: how many VMs of a host nobody measured, by its name
    """

    hosts: tuple[Busy, ...]
    busiest: Busy | None
    left_out: tuple[LeftOut, ...]
    unmeasured: Mapping[str, int]

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """Pairs of a VM and the host that it goes to."""
        return tuple(pair for busy in self.hosts for pair in busy.choices)

    @property
    def vms(self) -> tuple[str, ...]:
        """The VMs that move, by id."""
        return tuple(vm for vm, _ in self.choices)
