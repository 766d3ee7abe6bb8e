"""What a guest writes, measured in three ways.

A dry run reads what a migration would: QEMU's log of written pages.
`stop_and_compare` counts what changed: the guest stands, its memory is
copied, it runs for a time, stands again. What was written with what it held
already is in the log only: some 80 pages of an idle guest's kernel. Page
sampling is what QEMU offers in production; it compares, too. Source of the
ways: MigVisor, "PC module" and "DR module".
"""

import asyncio
import contextlib
import dataclasses
import mmap
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tests.lab.machine import PAGE
from tests.lab.machine import LabFailure
from tests.lab.machine import Machine

# (s, how often); a long one is as good as several short ones
TIMES = (
    (0.01, 3),
    (0.03, 2),
    (0.1, 2),
    (0.3, 2),
    (1.0, 2),
    (3.0, 1),
)
FEW = ((0.03, 1), (0.3, 1), (1.0, 1), (3.0, 1))
BETWEEN = 0.2
# Pages compared at once; more would not stay in a CPU's cache.
BLOCK = 2048
SAMPLED_SECONDS = (0.1, 1.0, 3.0)
SAMPLES_PER_GIB = 4096
# A dry run ends after so many rounds or s: it must not complete, or the
# guest would stand in postmigrate, its state in the sink.
DRY_ROUNDS = 12
DRY_SECONDS = 25.0
# s until the writer has reported once more
REPORTED = 1.1

Pages = npt.NDArray[np.uint64]
Samples = list[list[float]]


@contextlib.contextmanager
def memory(machine: Machine) -> Iterator[Pages]:
    """The guest's memory, shape (pages, words of a page)."""
    size = machine.guest.memory
    with machine.ram.open('rb') as file:
        mapped = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
    words = np.frombuffer(mapped, dtype=np.uint64)
    try:
        yield words.reshape(size // PAGE, PAGE // 8)
    finally:
        del words


def zero_pages(machine: Machine) -> int:
    """How many pages hold nothing."""
    with memory(machine) as pages:
        used = sum(
            int(pages[i : i + BLOCK].any(axis=1).sum())
            for i in range(0, len(pages), BLOCK)
        )
        total = len(pages)
        del pages
    return total - used


def _differing(now: Pages, before: Pages) -> tuple[int, int]:
    """Pages that differ, and how many of them hold nothing now."""
    changed = empty = 0
    for i in range(0, len(now), BLOCK):
        part = now[i : i + BLOCK]
        rows = (part != before[i : i + BLOCK]).any(axis=1)
        changed += int(rows.sum())
        empty += int((~part[rows].any(axis=1)).sum())
    return changed, empty


async def stop_and_compare(
    machine: Machine,
    times: Sequence[tuple[float, int]] = TIMES,
) -> Samples:
    """[s, bytes] of distinct pages written within that time."""
    out: Samples = []
    loop = asyncio.get_running_loop()
    with memory(machine) as pages:
        for seconds, repeats in times:
            for _ in range(repeats):
                await machine.ask('stop')
                before = pages.copy()
                begun = loop.time()
                await machine.ask('cont')
                ran = loop.time()
                await asyncio.sleep(max(seconds - (ran - begun), 0))
                stopping = loop.time()
                await machine.ask('stop')
                ended = loop.time()
                changed, _ = _differing(pages, before)
                await machine.ask('cont')
                # it stopped somewhere within the command
                took = (stopping + ended) / 2 - (begun + ran) / 2
                out.append([round(took, 4), float(changed * PAGE)])
                await asyncio.sleep(BETWEEN)
        del pages
    return out


async def page_sampling(
    machine: Machine, seconds: Sequence[float] = SAMPLED_SECONDS
) -> Samples:
    """[s, bytes] as QEMU's calc-dirty-rate tells them."""
    out: Samples = []
    for each in seconds:
        await machine.ask(
            'calc-dirty-rate',
            calc_time=round(each * 1000),
            calc_time_unit='millisecond',
            mode='page-sampling',
            sample_pages=SAMPLES_PER_GIB,
        )
        for _ in range(200):
            found = await machine.ask('query-dirty-rate')
            if found['status'] == 'measured':
                break
            await asyncio.sleep(each / 10 + 0.01)
        else:
            raise LabFailure(f'{machine.name}: page sampling does not end')
        # MiB/s, cut off to a whole number: half of one is lost on average
        rate = (found['dirty-rate'] + 0.5) * 2**20
        out.append([each, rate * each])
    return out


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a migration to nowhere saw.

    :ivar bandwidth: bytes/s that it was capped at
    :ivar rounds: [s of the round before, bytes dirtied in it]
    :ivar first: bytes of the first pass, without zero pages
    :ivar completed: it went through in spite of the guards; the guest was
        set going again
    :ivar gap: longest gap of the guest's writer meanwhile, s
    :ivar rate: least of its rates meanwhile, pages/s
    :ivar took: s in all
    :ivar cancel: s until it was given up
    """

    bandwidth: float
    rounds: Samples
    first: float
    completed: bool
    gap: float
    rate: float
    took: float
    cancel: float

    def document(self) -> dict[str, object]:
        """As JSON."""
        return dataclasses.asdict(self)


async def dry_run(machine: Machine, bandwidth: float) -> DryRun:
    """Migrate to a sink that throws everything away, and give up in time.

    The guards: the migration pauses before the switchover, and is then
    cancelled; a downtime limit of 1 ms makes that late; what still came
    through is set going again with `cont`.
    """
    loop = asyncio.get_running_loop()
    told = len(machine.rates())
    await machine.capabilities(
        pause_before_switchover=True,
        postcopy_preempt=False,
        postcopy_ram=False,
    )
    await machine.ask(
        'migrate-set-parameters',
        max_bandwidth=round(bandwidth),
        downtime_limit=1,
    )
    begun = giving_up = loop.time()
    try:
        await machine.ask('migrate', uri='exec:cat >/dev/null')
        seen = await _watch(machine, begun)
        giving_up = loop.time()
    finally:
        # on every path: whoever interrupts this must not lose the guest
        completed = await _give_up(machine)
        await machine.capabilities(pause_before_switchover=False)
    ended = loop.time()
    await asyncio.sleep(REPORTED)
    during = machine.rates()[told:]
    return DryRun(
        bandwidth=bandwidth,
        rounds=[
            [round(b[0] - a[0], 4), b[1] - a[1]]
            for a, b in zip(seen, seen[1:], strict=False)
        ],
        first=seen[1][2] if len(seen) > 1 else 0.0,
        completed=completed,
        gap=max((r[2] for r in during), default=0.0),
        rate=min((r[1] for r in during[1:-1]), default=0.0),
        took=round(ended - begun, 3),
        cancel=round(ended - giving_up, 4),
    )


async def _watch(
    machine: Machine, begun: float
) -> list[tuple[float, float, float]]:
    """(s, bytes left or sent, bytes of pages sent) as each round begins.

    What is left and what was sent only grow together where the dirty log
    is read: by what it holds that was not known to be dirty.
    """
    loop = asyncio.get_running_loop()
    seen: list[tuple[float, float, float]] = []
    last = None
    while loop.time() - begun < DRY_SECONDS:
        found = await machine.ask('query-migrate')
        if found['status'] not in ('setup', 'active'):
            break
        ram = found.get('ram')
        if ram and ram['dirty-sync-count'] != last:
            last = ram['dirty-sync-count']
            seen.append(
                (
                    loop.time() - begun,
                    float(
                        ram['remaining']
                        + (ram['normal'] + ram['duplicate']) * PAGE
                    ),
                    float(ram['normal'] * PAGE),
                )
            )
            if last > DRY_ROUNDS:
                break
        await asyncio.sleep(0.004)
    return seen


async def _give_up(machine: Machine) -> bool:
    """Cancel; whether it had completed."""
    status = (await machine.ask('query-migrate'))['status']
    if status in ('setup', 'active', 'pre-switchover', 'device'):
        await machine.ask('migrate_cancel')
    for _ in range(500):
        status = (await machine.ask('query-migrate'))['status']
        if status in ('none', 'cancelled', 'failed', 'completed'):
            break
        await asyncio.sleep(0.01)
    running = await machine.ask('query-status')
    if not running['running']:
        await machine.ask('cont')
    return bool(status == 'completed')
