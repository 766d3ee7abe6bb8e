"""The last look at a host that was to be emptied: is it, and who is there?

A VM has left when its host is another and no task is under way, not when a
migration says `completed`. What each VM that is there means is one table;
the loop waits for what ends by itself, moves who came late, and names who
stays. How one VM is moved is the caller's.
"""

import dataclasses
import enum
from collections.abc import Callable
from collections.abc import Mapping

from watcher_tsmig import errors
from watcher_tsmig.execute.compute import Passage
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.units import human_time

# s between two looks
EVERY = 3.0
# Of a reason, so many characters.
REASON = 60


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A host to be found empty.

    :ivar planned: VMs whose migrations the plan had
    :ivar stays: why, for each VM that the plan left there
    :ivar destinations: for who came late, the best first; empty: nobody is
        moved
    :ivar patience: for what ends by itself, s
    """

    host: str
    planned: frozenset[str]
    stays: Mapping[str, str]
    destinations: tuple[str, ...]
    patience: float


class Standing(enum.StrEnum):
    """What a VM that is on the host means."""

    LEAVES = 'is leaving'
    BUSY = 'is busy'
    STAYS = 'stays'
    FAILED = 'has not left'
    REFUSED = 'was not moved'
    LATE = 'came late'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A VM that is on the host, and what it means."""

    resident: Resident
    standing: Standing
    why: str = ''

    def told(self) -> str:
        """For people."""
        return f'{self.resident.name} ({self.why or self.standing})'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the last look has seen.

    :ivar moved: names of VMs that came late and were moved, with where to
    :ivar arriving: VMs that are on their way to the host still
    :ivar waited: how long for what ends by itself, s
    """

    host: str
    there: tuple[Seen, ...]
    arriving: int
    moved: tuple[str, ...]
    waited: float

    @property
    def empty(self) -> bool:
        """Nobody is there, and nobody comes."""
        return not self.there and not self.arriving

    @property
    def as_planned(self) -> bool:
        """Who is there was left there by the plan."""
        stays = all(seen.standing is Standing.STAYS for seen in self.there)
        return stays and not self.arriving

    def told(self) -> str:
        """For people, the most important first."""
        late = f'; came late and moved: {", ".join(self.moved)}'
        end = late if self.moved else ''
        if self.empty:
            return f'{self.host} is empty{end}'
        here = [seen.told() for seen in self.there]
        if self.arriving:
            here.append(f'{self.arriving} still arriving')
        count = len(self.there)
        vms = f'{count} VM{"" if count == 1 else "s"}'
        waited = f' after {human_time(self.waited)}' if self.waited else ''
        return (
            f'{self.host} is not empty{waited}, {vms}: {", ".join(here)}{end}'
        )


# Move this VM to that host; raises errors.DestinationError where another host
# may do, else errors.MigrationError.
Move = Callable[[Resident, str], object]


def empty(
    nova: Nova,
    errand: Errand,
    move: Move,
    *,
    cancelled: Callable[[], bool],
    clock: Clock,
) -> Found:
    """Look until the host is empty, or only who stays is there.

    :raises errors.CloudError: Nova does not answer
    """
    look = _Look(nova, errand)
    began = clock.now()
    while True:
        there, arriving = look.now()
        late = [seen for seen in there if seen.standing is Standing.LATE]
        ends = arriving or any(
            seen.standing in (Standing.LEAVES, Standing.BUSY) for seen in there
        )
        waited = clock.now() - began
        over = waited > errand.patience or cancelled()
        if over or not (late or ends):
            return Found(
                host=errand.host,
                there=tuple(there),
                arriving=arriving,
                moved=tuple(look.moved),
                waited=waited,
            )
        if late:
            look.send(late[0].resident, move)
        else:
            clock.sleep(EVERY)


@dataclasses.dataclass(slots=True)
class _Look:
    """What was tried so far, and a look at what is there."""

    nova: Nova
    errand: Errand
    tried: dict[str, int] = dataclasses.field(default_factory=dict)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    moved: list[str] = dataclasses.field(default_factory=list)

    def now(self) -> tuple[list[Seen], int]:
        """Who is there, and how many more are coming."""
        host = self.errand.host
        passages = self.nova.passages(host)
        residents = self.nova.residents(host)
        leaving = {p.vm for p in passages if p.source == host}
        here = {resident.vm for resident in residents}
        coming = {p.vm for p in passages if _comes(p, host)} - here
        seen = [self._seen(resident, leaving) for resident in residents]
        return seen, len(coming)

    def _seen(self, resident: Resident, leaving: set[str]) -> Seen:
        vm, errand = resident.vm, self.errand
        # first match wins
        rows = (
            (vm in leaving, Standing.LEAVES, ''),
            (vm in errand.stays, Standing.STAYS, errand.stays.get(vm, '')),
            (resident.task is not None, Standing.BUSY, resident.task or ''),
            (vm in errand.planned, Standing.FAILED, ''),
            (vm in self.refused, Standing.REFUSED, self.refused.get(vm, '')),
            (
                # nowhere to go, or it came again after every one of them
                self.tried.get(vm, 0) >= len(errand.destinations),
                Standing.REFUSED,
                Standing.LATE.value,
            ),
            (True, Standing.LATE, ''),
        )
        standing, why = next((s, w) for holds, s, w in rows if holds)
        return Seen(resident=resident, standing=standing, why=why)

    def send(self, resident: Resident, move: Move) -> None:
        """Move it to the next destination; after the last it is refused."""
        vm, to = resident.vm, self.errand.destinations
        nth = self.tried.get(vm, 0)
        self.tried[vm] = nth + 1
        try:
            move(resident, to[nth])
        except errors.DestinationError as error:
            if nth + 1 >= len(to):
                self.refused[vm] = error.why[:REASON]
            return
        except errors.MigrationError as error:
            # another host would not take it either
            self.refused[vm] = str(error)[:REASON]
            return
        self.moved.append(f'{resident.name} to {to[nth]}')


def _comes(passage: Passage, host: str) -> bool:
    return passage.destination == host and passage.source != host
