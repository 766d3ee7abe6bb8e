"""How long mode choice may search: counts, so that it is repeatable.

A caller that has a clock may end a search by it, and then gives up that
the same input always has the same output.
"""

import dataclasses
from collections.abc import Callable


def _nothing() -> float:
    return 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Limits of one search.

    :ivar nodes: nodes of branch and bound
    :ivar sets: sets of VMs that the bound by knapsacks looks at
    :ivar rounds: times that cycles through a link are looked for
    :ivar moves: evaluated moves of the descent by single VMs
    :ivar pairs: evaluated moves of the descent by two VMs
    :ivar seed: of all that is random
    :ivar seconds: limit of branch and bound in seconds; inf: none
    :ivar spent: the share of the caller's time that is over; at 1 what was
        found so far is the result
    """

    nodes: int = 200
    sets: int = 60_000_000
    rounds: int = 1000
    moves: int = 300_000
    pairs: int = 30_000
    seed: int = 0
    seconds: float = float('inf')
    spent: Callable[[], float] = _nothing

    def part(self, start: float, end: float) -> 'Effort':
        """This effort's time from one share of it to another."""

        def spent() -> float:
            return (self.spent() - start) / max(end - start, 1e-9)

        return dataclasses.replace(
            self, seconds=self.seconds * (end - start), spent=spent
        )

    def from_now(self, end: float) -> 'Effort':
        """This effort's time from now to a share of it."""
        return self.part(self.spent(), end)
