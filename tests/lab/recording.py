"""One migration with all that was known before and seen of it, as JSON.

The document is described in doc/source/contributor/laboratory.rst and read
by benchmarks/lab_records.py.
"""

import asyncio
import dataclasses
import os
import typing

from tests.lab import measure
from tests.lab.machine import PAGE
from tests.lab.machine import LabFailure
from tests.lab.machine import Machine
from tests.lab.machine import Program
from tests.lab.migration import PORT
from tests.lab.migration import How
from tests.lab.migration import migrate
from tests.lab.migration import outcome
from tests.lab.network import Network

FORMAT = '1'
# bytes/s of the dry runs: a slow one sees long rounds, a fast one short ones
DRY = (16e6, 50e6)
# s after the end until the heartbeat's last gap has been told
SETTLE = 1.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a guest before it migrates.

    :ivar working_set: [s, bytes] by stop-and-compare
    :ivar sampling: the same by QEMU's page sampling
    :ivar dry_runs: each a `measure.DryRun` as JSON
    :ivar zero: pages that hold nothing
    :ivar sampling_gap: the writer's longest gap during page sampling, s
    """

    working_set: measure.Samples
    sampling: measure.Samples
    dry_runs: list[dict[str, object]]
    zero: int
    sampling_gap: float

    def logged(self) -> list[tuple[float, float]]:
        """(s, bytes) that a migration would find written."""
        return [
            (float(t), float(d))
            for run in self.dry_runs
            for t, d in typing.cast(measure.Samples, run['rounds'])
        ]

    def document(self) -> dict[str, object]:
        """As JSON."""
        out = dataclasses.asdict(self)
        out.pop('zero')
        return out


async def facts(machine: Machine) -> Facts:
    """Measure all of it; the guest runs on."""
    dry = [(await measure.dry_run(machine, at)).document() for at in DRY]
    told = len(machine.rates())
    sampling = await measure.page_sampling(machine)
    await asyncio.sleep(measure.REPORTED)
    gaps = [gap for _, _, gap in machine.rates()[told:]]
    return Facts(
        working_set=await measure.stop_and_compare(machine),
        sampling=sampling,
        dry_runs=dry,
        zero=measure.zero_pages(machine),
        sampling_gap=max(gaps, default=0.0),
    )


async def recorded(
    name: str,
    source: Machine,
    target: Machine,
    how: How,
    known: Facts,
    *,
    network: Network,
    writes: dict[str, object],
    number: int,
    reach: float,
    link: float | None = None,
    heard: Program | None = None,
    port: int = PORT,
) -> dict[str, object]:
    """Carry one migration out and describe it, integrity included."""
    begun = asyncio.get_running_loop().time()
    told = len(source.rates())
    load = os.getloadavg()[0]
    seen = await migrate(
        source, target, how, network.address(target.host), port
    )
    await asyncio.sleep(SETTLE)
    now = target if seen.last['status'] == 'completed' else source
    if not (await now.ask('query-status'))['running']:
        raise LabFailure(f'{name}: the guest does not run')
    bad, checked = await now.bad_pages()
    pages = source.guest.memory // PAGE
    return {
        'format': FORMAT,
        'name': name,
        'number': number,
        'machine': {
            'qemu': await _version(now),
            'accelerator': 'tcg',
            'load': round(load, 2),
            'reach': reach,
        },
        'guest': {
            'memory': source.guest.memory,
            'zero': known.zero * PAGE,
            'resident': (pages - known.zero) * PAGE,
            'disk': source.disk.stat().st_size if source.disk else 0,
            'writes': writes,
        },
        'measured': known.document(),
        'how': {**dataclasses.asdict(how), 'link': link},
        'seen': seen.document(),
        'outcome': outcome(seen),
        'outage': _gaps(heard, begun),
        'writer': _writer(source.rates()[told:], target.rates()),
        'integrity': {'checked': checked, 'bad': bad},
    }


def completed(document: dict[str, typing.Any]) -> bool:
    """Whether the recorded migration went through."""
    return bool(document['outcome']['status'] == 'completed')


async def _version(machine: Machine) -> str:
    found = (await machine.ask('query-version'))['qemu']
    return '.'.join(str(found[k]) for k in ('major', 'minor', 'micro'))


def _gaps(heard: Program | None, begun: float) -> list[list[float]] | None:
    """[s after the begin, s] of each silence of the heartbeat."""
    if heard is None:
        return None
    # both clocks are the monotonic one
    return [
        [round(row[0] - begun, 3), row[1]]
        for row in heard.rows('GAP')
        if row[0] > begun
    ]


def _writer(
    before: list[tuple[float, float, float]],
    after: list[tuple[float, float, float]],
) -> dict[str, object]:
    """Pages/s and the longest gap of the guest's writer at either end."""
    return {
        'source': [[r[1], r[2]] for r in before],
        'target': [[r[1], r[2]] for r in after[:3]],
    }
