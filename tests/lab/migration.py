"""One migration carried out over QMP, and all that was seen of it.

The caller has both machines and decides; here it is only done and sampled.
"""

import asyncio
import contextlib
import dataclasses
import typing

from tests.lab import disks
from tests.lab.machine import PAGE
from tests.lab.machine import LabFailure
from tests.lab.machine import Machine

PERIOD = 0.02
# of the samples that are kept
THIN = 0.1
DONE = ('completed', 'failed', 'cancelled')
PORT = 4444
# bytes/s; what QEMU takes for no limit, as Nova's 0 becomes
UNLIMITED = 2**40
# name in a document's samples -> where query-migrate says it
COLUMNS = {
    'remaining': 'remaining',
    'transferred': 'transferred',
    'normal': 'normal',
    'duplicate': 'duplicate',
    'iteration': 'dirty-sync-count',
    'dirty_pages_rate': 'dirty-pages-rate',
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How one migration goes.

    :ivar mode: 'pre-copy', 'post-copy' (switched at once) or 'hybrid'
        (switched after the first pass)
    :ivar cap: bytes/s of QEMU's max-bandwidth; None: none
    :ivar post_cap: bytes/s of max-postcopy-bandwidth; None: none
    :ivar downtime_limit: s
    :ivar patience: s; then it is cancelled
    :ivar preempt: requested pages have a connection of their own, as
        libvirt asks for from 10.0 on; without it, what follows a requested
        page comes next
    :ivar disks: the disks go with it, to the target's NBD server
    """

    mode: str = 'pre-copy'
    cap: float | None = None
    post_cap: float | None = None
    downtime_limit: float = 0.3
    patience: float = 60.0
    preempt: bool = False
    disks: bool = False


@dataclasses.dataclass(slots=True)
class Seen:
    """What was sampled; times in s since the order to migrate."""

    times: list[float] = dataclasses.field(default_factory=list)
    status: list[str] = dataclasses.field(default_factory=list)
    columns: dict[str, list[int]] = dataclasses.field(
        default_factory=lambda: {name: [] for name in COLUMNS}
    )
    switched: float | None = None
    disks: float | None = None
    last: dict[str, typing.Any] = dataclasses.field(default_factory=dict)

    def take(self, at: float, found: dict[str, typing.Any]) -> None:
        """Add one answer of query-migrate."""
        self.last = found
        ram = found.get('ram')
        if not ram:
            return
        self.times.append(round(at, 3))
        self.status.append(found['status'])
        for name, key in COLUMNS.items():
            self.columns[name].append(int(ram.get(key, 0)))

    def rounds(self) -> list[dict[str, float]]:
        """The begin of each round that was seen."""
        out: list[dict[str, float]] = []
        before = 0
        for i, count in enumerate(self.columns['iteration']):
            if count != before:
                out.append(
                    {
                        'iteration': count,
                        'at': self.times[i],
                        'remaining': self.columns['remaining'][i],
                        'transferred': self.columns['transferred'][i],
                    }
                )
                before = count
        return out

    def document(self) -> dict[str, object]:
        """As JSON; the samples thinned to those that tell something."""
        keep = _telling(self)
        return {
            'disks': self.disks,
            'switched': self.switched,
            'rounds': self.rounds(),
            'samples': {
                'seconds': [self.times[i] for i in keep],
                'status': [self.status[i] for i in keep],
                **{
                    name: [values[i] for i in keep]
                    for name, values in self.columns.items()
                },
            },
        }


def _telling(seen: Seen) -> list[int]:
    """Rows that far apart, or with a new round or status."""
    keep: list[int] = []
    for i, at in enumerate(seen.times):
        news = not keep or any(
            of[i] != of[i - 1]
            for of in (seen.status, seen.columns['iteration'])
        )
        if (
            news
            or at - seen.times[keep[-1]] >= 0.1
            or i + 1 == len(seen.times)
        ):
            keep.append(i)
    return keep


async def migrate(
    source: Machine,
    target: Machine,
    how: How,
    address: str,
    port: int = PORT,
    within: contextlib.AbstractAsyncContextManager[None] | None = None,
) -> Seen:
    """Carry it out; the target waits for it at the address.

    :param within: what holds from before its start to after its end
    :raises LabFailure: it failed or hung; one that only did not end is
        cancelled and no failure
    """
    await _prepare(source, target, how)
    uri = f'tcp:{address}:{port}'
    await target.ask('migrate-incoming', uri=uri)
    async with within or contextlib.nullcontext():
        return await _run(source, target, how, address, uri)


async def _run(
    source: Machine, target: Machine, how: How, address: str, uri: str
) -> Seen:
    loop = asyncio.get_running_loop()
    seen = Seen()
    begun = loop.time()
    if how.disks:
        seen.disks = await _copy_disks(source, target, how, address)
    await source.ask('migrate', uri=uri)
    while True:
        found = await source.ask('query-migrate')
        at = loop.time() - begun
        seen.take(at, found)
        if found['status'] in DONE:
            break
        await _drive(source, target, how, seen, at)
        await asyncio.sleep(PERIOD)
    if seen.last['status'] == 'failed':
        raise LabFailure(
            f'{source.name}: failed: {seen.last.get("error-desc", "")}'
        )
    return seen


async def _prepare(source: Machine, target: Machine, how: How) -> None:
    switches = how.mode != 'pre-copy'
    for end in (source, target):
        await end.capabilities(
            postcopy_ram=switches, postcopy_preempt=switches and how.preempt
        )
    await source.ask(
        'migrate-set-parameters',
        max_bandwidth=round(how.cap or UNLIMITED),
        max_postcopy_bandwidth=round(how.post_cap or 0),
        downtime_limit=round(how.downtime_limit * 1000),
    )
    await source.capabilities(pause_before_switchover=how.disks)


async def _drive(
    source: Machine, target: Machine, how: How, seen: Seen, at: float
) -> None:
    """What is to be done at this moment of it."""
    found = seen.last
    if found['status'] == 'pre-switchover':
        await disks.end(source, target)
        await source.ask('migrate-continue', state='pre-switchover')
    if how.mode != 'pre-copy' and seen.switched is None and _due(how, found):
        await source.ask('migrate-start-postcopy')
        seen.switched = round(at, 3)
    if at > 2 * how.patience:
        raise LabFailure(f'{source.name}: cannot be cancelled')
    if at > how.patience:
        if seen.switched is not None:
            raise LabFailure(f'{source.name}: post-copy does not end')
        await source.ask('migrate_cancel')


async def _copy_disks(
    source: Machine, target: Machine, how: How, address: str
) -> float:
    """Until the mirror only follows; s."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await disks.export(target, address)
    await disks.mirror(source, address, how.cap)
    while not await disks.ready(source):
        if loop.time() - begun > how.patience:
            raise LabFailure(f'{source.name}: its disk is not copied in time')
        await asyncio.sleep(PERIOD)
    return round(loop.time() - begun, 3)


def _due(how: How, found: dict[str, typing.Any]) -> bool:
    if found['status'] != 'active':
        return False
    return bool(
        how.mode == 'post-copy' or found['ram']['dirty-sync-count'] > 1
    )


def outcome(seen: Seen) -> dict[str, typing.Any]:
    """How it ended; times in s, data in bytes."""
    last, ram = seen.last, seen.last.get('ram', {})
    return {
        'status': last['status'],
        'total': last.get('total-time', 0) / 1000,
        'downtime': last.get('downtime', 0) / 1000,
        'setup': last.get('setup-time', 0) / 1000,
        'transferred': ram.get('transferred', 0),
        'normal': ram.get('normal', 0) * PAGE,
        'duplicate': ram.get('duplicate', 0) * PAGE,
        'rounds': ram.get('dirty-sync-count', 0),
        'faults': ram.get('postcopy-requests', 0),
        'before_switch': ram.get('precopy-bytes', 0),
        'while_down': ram.get('downtime-bytes', 0),
        'after_switch': ram.get('postcopy-bytes', 0),
    }
