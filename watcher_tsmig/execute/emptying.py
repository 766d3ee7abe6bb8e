"""The last look at a host that was to be emptied: is it, and who is there?

A VM has left when its host is another and no task is under way, not when a
migration says `completed`. What each VM that is there means is one table;
the loop waits for what ends by itself, moves who came late and whose own
migration failed, and names who stays. How one VM is moved is the caller's.
"""

import collections
import dataclasses
import enum
from collections.abc import Callable
from collections.abc import Mapping

from watcher_tsmig import errors
from watcher_tsmig.execute.breaker import Breaker
from watcher_tsmig.execute.compute import Passage
from watcher_tsmig.execute.compute import Resident
from watcher_tsmig.execute.nova import Nova
from watcher_tsmig.execute.values import Clock
from watcher_tsmig.units import human_time

# s between two looks
EVERY = 3.0
# Of a reason, so many characters.
REASON = 60
# A move that fails for another reason than its destination is tried so often:
# what broke once may go through, and twice is no chance.
TRIES = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A host to be found empty.

    :ivar planned: VMs whose migrations the plan had, with the destinations
        that it had for each, the best first
    :ivar stays: why, for each VM that the plan left there
    :ivar destinations: for who came late, the best first, and for others
        after their own
    :ivar patience: for what ends by itself, s
    """

    host: str
    planned: Mapping[str, tuple[str, ...]]
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


# Those that are moved now.
GOES = (Standing.FAILED, Standing.LATE)
# Those that end by themselves.
ENDS = (Standing.LEAVES, Standing.BUSY)


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
    :ivar again: likewise of those whose own migration had failed
    :ivar arriving: VMs that are on their way to the host still
    :ivar waited: how long for what ends by itself, s
    """

    host: str
    there: tuple[Seen, ...]
    arriving: int
    moved: tuple[str, ...]
    again: tuple[str, ...]
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
        went = (
            ('came late and moved', self.moved),
            ('left at another try', self.again),
        )
        end = ''.join(f'; {how}: {", ".join(w)}' for how, w in went if w)
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
    breaker: Breaker | None = None,
) -> Found:
    """Look until the host is empty, or only who stays is there.

    :param breaker: of the plan's hosts; None: nobody has refused
    :raises errors.CloudError: Nova does not answer
    """
    look = _Look(nova, errand, clock, breaker or Breaker())
    waited = 0.0
    while True:
        there, arriving = look.now()
        goes = [seen for seen in there if seen.standing in GOES]
        ends = arriving or any(seen.standing in ENDS for seen in there)
        over = waited > errand.patience or cancelled()
        if over or not (goes or ends):
            return Found(
                host=errand.host,
                there=tuple(there),
                arriving=arriving,
                moved=tuple(look.moved[Standing.LATE]),
                again=tuple(look.moved[Standing.FAILED]),
                waited=waited,
            )
        if goes:
            # who is hardest to place comes first
            look.send(max(goes, key=lambda s: s.resident.memory), move)
        else:
            pause = nova.pause(EVERY)
            clock.sleep(pause)
            waited += pause


@dataclasses.dataclass(slots=True)
class _Look:
    """What was tried so far, and a look at what is there.

    :ivar tried: destinations that refused a VM, or that it came back from
    :ivar broke: how often a VM failed for another reason
    """

    nova: Nova
    errand: Errand
    clock: Clock
    breaker: Breaker
    tried: collections.defaultdict[str, set[str]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(set)
    )
    broke: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    why: dict[str, str] = dataclasses.field(default_factory=dict)
    moved: collections.defaultdict[Standing, list[str]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(list)
    )

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
        came = Standing.FAILED if vm in errand.planned else Standing.LATE
        # first match wins
        rows = (
            (vm in leaving, Standing.LEAVES, ''),
            (vm in errand.stays, Standing.STAYS, errand.stays.get(vm, '')),
            (resident.task is not None, Standing.BUSY, resident.task or ''),
            (
                # nowhere to go, or it came again after every one of them
                self.broke[vm] >= TRIES or not self._left(vm),
                Standing.REFUSED,
                self.why.get(vm) or came.value,
            ),
            (True, came, ''),
        )
        standing, why = next((s, w) for holds, s, w in rows if holds)
        return Seen(resident=resident, standing=standing, why=why)

    def _left(self, vm: str) -> list[str]:
        """Where the VM may go still, the best first.

        What was no good for others is behind what was not: a host that is
        down or full is so for the next VM, too.
        """
        own = self.errand.planned.get(vm, ())
        offered = dict.fromkeys((*own, *self.errand.destinations))
        left = [host for host in offered if host not in self.tried[vm]]
        return self.breaker.ordered(left)

    def send(self, seen: Seen, move: Move) -> None:
        """Move it to the next destination."""
        vm = seen.resident.vm
        to = self._left(vm)[0]
        self.why.pop(vm, None)
        try:
            move(seen.resident, to)
        except errors.DestinationError as error:
            self.tried[vm].add(to)
            self.breaker.trip(to, self.clock.now(), error.why)
            self.why[vm] = error.why[:REASON]
        except errors.MigrationError as error:
            self.broke[vm] += 1
            self.breaker.trip(to, self.clock.now(), str(error))
            self.why[vm] = str(error)[:REASON]
        else:
            self.tried[vm].add(to)
            self.breaker.close(to)
            self.moved[seen.standing].append(f'{seen.resident.name} to {to}')


def _comes(passage: Passage, host: str) -> bool:
    return passage.destination == host and passage.source != host
