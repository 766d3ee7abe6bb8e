"""Hosts that refused a VM lately are spared for a while.

A circuit breaker for each host of a plan: what refuses is the last to be
asked until its cooldown is over, which grows while that goes on; what takes a
VM may take the next. No clock: the caller says what time it is.
"""

import collections
import dataclasses
import threading
from collections.abc import Iterable
from collections.abc import Sequence

# s after the first refusal, and after so many that more change nothing
FIRST, LONGEST = 30.0, 600.0
# Plans whose breakers are remembered, the last ones.
PLANS = 64


@dataclasses.dataclass(slots=True)
class Breaker:
    """The hosts of one plan.

    :ivar refusals: of each host, since it last took a VM
    :ivar until: when it may be asked again
    :ivar why: it refused
    """

    refusals: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    until: dict[str, float] = dataclasses.field(default_factory=dict)
    why: dict[str, str] = dataclasses.field(default_factory=dict)

    def trip(self, host: str, now: float, why: str = '') -> None:
        """It refused a VM."""
        self.refusals[host] += 1
        cooldown = FIRST * 2.0 ** (self.refusals[host] - 1)
        self.until[host] = now + min(cooldown, LONGEST)
        self.why[host] = why

    def close(self, host: str) -> None:
        """It has taken a VM."""
        self.refusals[host] = 0
        self.until.pop(host, None)

    def spared(self, hosts: Sequence[str], now: float) -> list[str]:
        """Those that may be asked, and then those whose cooldown is not over.

        Each as they were, so that the best is asked first.
        """
        return sorted(hosts, key=lambda host: now < self.until.get(host, now))

    def ordered(self, hosts: Iterable[str]) -> list[str]:
        """Who has refused least first, else as they were."""
        return sorted(hosts, key=lambda host: self.refusals[host])


_BREAKERS: collections.OrderedDict[str, Breaker] = collections.OrderedDict()
_LOCK = threading.Lock()


def breaker_of(plan: str) -> Breaker:
    """That of a plan, the same for all its actions in this process."""
    with _LOCK:
        found = _BREAKERS.setdefault(plan, Breaker())
        _BREAKERS.move_to_end(plan)
        while len(_BREAKERS) > PLANS:
            _BREAKERS.popitem(last=False)
        return found
