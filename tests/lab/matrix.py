"""The recorded set: which guests migrate how, and the runs themselves.

Four patterns of writing, three sizes of what is written, each pre-copied
under three caps and once post-copied and once switched after the first
pass; some pre-copies over a shaped link instead of under a cap, and two
with a disk. One guest goes through all of it, to and fro, so that every
integrity check covers all migrations before it.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import AsyncIterator
from collections.abc import Iterator

from tests.lab import disks
from tests.lab import migration
from tests.lab import recording
from tests.lab.machine import MIB
from tests.lab.machine import Guest
from tests.lab.machine import Machine
from tests.lab.machine import Program
from tests.lab.migration import How
from tests.lab.network import Network
from tests.lab.prepare import Kit

IMAGE = 20_000
MBIT = 1e6 / 8
CAPS = (100 * MBIT, 160 * MBIT, 260 * MBIT)
LINKS = (120 * MBIT, 200 * MBIT, 300 * MBIT)
DISK = 64 * MIB
# s until a changed writer has settled
SETTLE = 1.5
# s after which a pre-copy that does not end is cancelled
PATIENCE = 40.0
BEAT = 'beat,address=10.9.0.100,port=7000,period=0.01'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """What a guest's writer does; see guest/program.c.

    :ivar size: pages of the hot set, or of all that is written
    :ivar rate: pages/s
    """

    pattern: str
    size: int
    rate: int

    @property
    def name(self) -> str:
        """For example `uniform-6000-4000`."""
        return f'{self.pattern}-{self.size}-{self.rate}'

    def order(self) -> str:
        """For the writer's control line."""
        hot = self.pattern == 'hot'
        return (
            f'pattern={self.pattern[0]},rate={self.rate},'
            f'pages={IMAGE if hot else self.size},'
            f'hot={self.size if hot else 1},share=90'
        )


SIZES = ((1500, 1500), (5000, 3500), (10_000, 6000))
PATTERNS = ('uniform', 'hot', 'sequential', 'zipf')
ALL = tuple(
    Writes(pattern=pattern, size=size, rate=rate)
    for pattern in PATTERNS
    for size, rate in SIZES
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One migration to record."""

    how: How
    link: float | None = None

    @property
    def name(self) -> str:
        """For example `pre-copy-cap-100`."""
        rate = self.link or self.how.post_cap or self.how.cap or 0.0
        by = 'link' if self.link else 'cap'
        disk = '-disk' if self.how.disks else ''
        return f'{self.how.mode}{disk}-{by}-{rate / MBIT:.0f}'


def runs(writes: Writes) -> Iterator[Run]:
    """What this guest goes through."""
    k = ALL.index(writes)
    for cap in CAPS:
        yield Run(how=How(cap=cap, patience=PATIENCE))
    cap = CAPS[k % len(CAPS)]
    preempt = bool(k % 2)
    yield Run(
        how=How(mode='post-copy', cap=cap, post_cap=cap, preempt=preempt)
    )
    cap = CAPS[(k + 1) % len(CAPS)]
    yield Run(how=How(mode='hybrid', cap=cap, post_cap=cap, preempt=preempt))
    if k % 2:
        link = LINKS[k // 2 % len(LINKS)]
        yield Run(how=How(patience=PATIENCE), link=link)
    if k in (0, 1):
        yield Run(how=How(cap=CAPS[2], patience=PATIENCE, disks=True))


class Journey:
    """A guest that is migrated to and fro.

    :ivar at: the machine that runs it now
    """

    def __init__(
        self, kit: Kit, network: Network, folder: pathlib.Path
    ) -> None:
        self.kit, self.network, self.folder = kit, network, folder
        self.guest = Guest(
            writes=f'image={IMAGE},rate=0',
            also=(BEAT,),
            address='10.9.0.11/24',
        )
        self.stay = contextlib.AsyncExitStack()
        self.at: Machine
        self.heard: Program
        self.moves = 0
        self.reach = 0.0

    async def __aenter__(self) -> 'Journey':
        try:
            for host in self.network.hosts:
                self.network.tap(host, 'tap1')
            self.heard = Program(
                self.kit, self.network, 'outside',
                'hear', 'port=7000', 'least=0.03',
            )  # fmt: skip
            self.stay.push_async_callback(self.heard.close)
            await self.heard.start()
            disk = disks.image(self.folder / 'first.raw', DISK)
            self.at = await self._machine('h1', disk, incoming=False)
            await self.at.boots()
            self.reach = await self._reach()
        except BaseException:
            await self.stay.aclose()
            raise
        return self

    async def _reach(self) -> float:
        """Bytes/s of a migration that nothing limits."""
        target = await self._machine('h2', self._disk(), incoming=True)
        seen = await migration.migrate(
            self.at, target, How(), self.network.address('h2')
        )
        found = migration.outcome(seen)
        before, self.at = self.at, target
        await before.close()
        return float(round(found['transferred'] / found['total']))

    def _disk(self) -> pathlib.Path:
        assert self.at.disk is not None
        return self.at.disk

    async def __aexit__(self, *error: object) -> None:
        await self.stay.aclose()

    async def _machine(
        self, host: str, disk: pathlib.Path, *, incoming: bool
    ) -> Machine:
        self.moves += 1
        made = Machine(
            self.kit, self.guest, f'guest{self.moves}', self.folder,
            network=self.network, host=host, tap='tap1',
            incoming=incoming, disk=disk,
        )  # fmt: skip
        self.stay.push_async_callback(made.close)
        return await made.start()

    async def settles(self, writes: Writes) -> None:
        """Have the guest write in this manner from now on."""
        await self.at.changes(writes.order())
        await asyncio.sleep(SETTLE)

    async def moves_on(
        self, name: str, run: Run, writes: Writes, known: recording.Facts
    ) -> dict[str, object]:
        """One migration to the other host, recorded."""
        before = self.at
        host = 'h2' if before.host == 'h1' else 'h1'
        disk = self._disk()
        if run.how.disks:
            disk = disks.image(self.folder / f'disk{self.moves}.raw', DISK, 0)
        target = await self._machine(host, disk, incoming=True)
        self.network.shape(run.link)
        try:
            document = await recording.recorded(
                name, before, target, run.how, known,
                network=self.network, link=run.link, heard=self.heard,
                number=self.moves, reach=self.reach,
                writes={**dataclasses.asdict(writes), 'image': IMAGE},
            )  # fmt: skip
        finally:
            self.network.shape(None)
        self.at = target
        left = before
        if not recording.completed(document):
            self.at, left = before, target
        await left.close()
        return document


async def record(
    kit: Kit, folder: pathlib.Path, out: pathlib.Path, only: str = ''
) -> AsyncIterator[dict[str, object]]:
    """Run all of it; each document is written as soon as it is there.

    :param only: only runs whose names hold this text
    """
    out.mkdir(parents=True, exist_ok=True)
    with Network(2) as network:
        async with Journey(kit, network, folder) as journey:
            for writes in ALL:
                wanted = [
                    (f'{writes.name}-{run.name}', run) for run in runs(writes)
                ]
                wanted = [w for w in wanted if only in w[0]]
                if not wanted:
                    continue
                await journey.settles(writes)
                known = await recording.facts(journey.at)
                for name, run in wanted:
                    document = await journey.moves_on(name, run, writes, known)
                    write(out / f'{name}.json', document)
                    yield document


def write(path: pathlib.Path, document: dict[str, object]) -> None:
    """Write a document whole."""
    partial = path.with_suffix('.partial')
    partial.write_text(json.dumps(document, allow_nan=False) + '\n')
    os.replace(partial, path)
