"""Whether the least convergent bandwidth is what it says.

Guests are measured, their LCB is predicted under QEMU's own rules, and they
are pre-copied at 0.9, 1.0 and 1.1 times it. None below may end, all above
must. What is at the LCB itself is recorded and proves nothing.
"""

import dataclasses
import pathlib
from collections.abc import AsyncIterator

from tests.lab import matrix
from tests.lab import migration
from tests.lab import recording
from tests.lab.machine import PAGE
from tests.lab.matrix import Journey
from tests.lab.matrix import Run
from tests.lab.matrix import Writes
from tests.lab.network import Network
from tests.lab.prepare import Kit
from watcher_tsmig.forecast import Terms
from watcher_tsmig.forecast import fit
from watcher_tsmig.forecast import least_convergent_bandwidth
from watcher_tsmig.forecast.learned.learning import learn
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.model.rules import QEMU

FACTORS = (0.9, 1.0, 1.1)
LIMIT = 0.3
# s: far more than a migration above its LCB takes
PATIENCE = 40.0
# Fast writers, so that a quantum a window is little against their LCB.
GUESTS = (
    Writes(pattern='uniform', size=20_000, rate=12_000),
    Writes(pattern='hot', size=4000, rate=14_000),
    Writes(pattern='sequential', size=8000, rate=9000),
    Writes(pattern='zipf', size=20_000, rate=16_000),
)
STEP = QEMU.quantum / QEMU.window


def predicted(known: recording.Facts, memory: float) -> float:
    """The LCB, bytes/s in the stream."""
    zero = known.zero * PAGE
    pattern = learn(
        [Observation(at=0.0, seconds=t, dirtied=d) for t, d in known.logged()],
        resident=memory - zero,
        memory=memory,
    )
    rules = dataclasses.replace(QEMU, downtime_limit=LIMIT)
    found = least_convergent_bandwidth(
        fit([pattern.working_set()]), rules, terms=Terms(zero=float(zero))
    )
    return float(found[0])


def cap_for(rate: float) -> float:
    """A cap that lets through the nearest rate that QEMU can.

    Half a quantum below a whole number of them is rounded up to it.
    """
    return (max(round(rate / STEP), 1) - 0.5) * STEP


async def record(
    kit: Kit, folder: pathlib.Path, out: pathlib.Path, only: str = ''
) -> AsyncIterator[dict[str, object]]:
    """Run all of it; each document says its factor and the LCB."""
    out.mkdir(parents=True, exist_ok=True)
    with Network(2) as network:
        async with Journey(kit, network, folder) as journey:
            for writes in GUESTS:
                if only not in writes.name:
                    continue
                await journey.settles(writes)
                known = await recording.facts(journey.at)
                lcb = predicted(known, journey.guest.memory)
                for factor in FACTORS:
                    cap = cap_for(factor * lcb)
                    how = migration.How(
                        cap=cap, downtime_limit=LIMIT, patience=PATIENCE
                    )
                    name = f'lcb-{writes.name}-{factor}'
                    document = await journey.moves_on(
                        name, Run(how=how), writes, known
                    )
                    document['lcb'] = {
                        'predicted': lcb,
                        'factor': factor,
                        'let_through': QEMU.paced(cap) / lcb,
                    }
                    matrix.write(out / f'{name}.json', document)
                    yield document


def verdict(documents: list[dict[str, object]]) -> list[str]:
    """What contradicts the prediction, a sentence each."""
    wrong = []
    for document in documents:
        lcb = document['lcb']
        assert isinstance(lcb, dict)
        ended = recording.completed(document)
        if lcb['factor'] < 1 and ended:
            wrong.append(f'{document["name"]} ended below its LCB')
        if lcb['factor'] > 1 and not ended:
            wrong.append(f'{document["name"]} did not end above its LCB')
    return wrong
