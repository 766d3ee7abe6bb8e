"""The laboratory in a few minutes: does what is known still hold here?

One migration a mode, its integrity, its forecast, a guarded dry run, and
one cell of contention. Wide bounds, since machines differ and are busy; the
narrow ones are benchmarks.lab's, on the recorded set. Fails with sentences.
"""

import dataclasses
import json
import pathlib
from collections.abc import AsyncIterator
from collections.abc import Callable
from typing import Any

from benchmarks import lab_forecast
from benchmarks import lab_records
from tests.lab import contention
from tests.lab import matrix
from tests.lab import recording
from tests.lab.matrix import MBIT
from tests.lab.matrix import Journey
from tests.lab.matrix import Run
from tests.lab.matrix import Writes
from tests.lab.migration import How
from tests.lab.network import Network
from tests.lab.prepare import Kit

WRITES = Writes(pattern='uniform', size=5000, rate=3500)
CAP = 260 * MBIT
# of the total time; a machine that does other work is slower
WITHIN = 0.15
# of all pre-copied, by the planner's modes; measured 0.55 to 0.6
GAIN = 0.8
RUNS = (
    Run(how=How(cap=CAP)),
    Run(how=How(mode='post-copy', cap=CAP, post_cap=CAP)),
    Run(how=How(mode='hybrid', cap=CAP, post_cap=CAP)),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    :ivar wrong: what is wrong; empty where nothing is
    """

    name: str
    wrong: str
    measured: str


async def findings(
    kit: Kit, folder: pathlib.Path, out: pathlib.Path
) -> AsyncIterator[Finding]:
    """Everything, one by one."""
    out.mkdir(parents=True, exist_ok=True)
    with Network(2) as network:
        async with Journey(kit, network, folder) as journey:
            await journey.settles(WRITES)
            known = await recording.facts(journey.at)
            yield _dry_runs(known)
            for run in RUNS:
                document = await journey.moves_on(run.name, run, WRITES, known)
                matrix.write(out / f'{run.name}.json', document)
                yield _arrived(document)
    for recorded in lab_records.load(out):
        yield _foretold(recorded)
    runs = {
        str(found['variant']): found
        async for found in contention.pair(
            kit, folder, 1, lambda name: name in CELL
        )
    }
    yield _contention(runs)


CELL = ('all pre-copy', 'planned fast')


def _dry_runs(known: recording.Facts) -> Finding:
    wrong = ''
    for found in known.dry_runs:
        if found['completed']:
            wrong = 'one completed in spite of the guards'
        elif not found['rounds']:
            wrong = 'one saw no round'
    took = ', '.join(f'{found["took"]} s' for found in known.dry_runs)
    return Finding('dry runs', wrong, took)


def _arrived(document: dict[str, Any]) -> Finding:
    wrong = ''
    if not recording.completed(document):
        wrong = f'it is {document["outcome"]["status"]}'
    elif document['integrity']['bad']:
        wrong = (
            f'{document["integrity"]["bad"]} pages are not what was written'
        )
    total = document['outcome']['total']
    return Finding(str(document['name']), wrong, f'{total} s')


def _foretold(recorded: lab_records.Recorded) -> Finding:
    told = lab_forecast.ours(recorded)
    off = told.total / recorded.total - 1
    wrong = '' if abs(off) <= WITHIN else f'it is off by {off:+.0%}'
    return Finding(
        f'forecast of {recorded.name}',
        wrong,
        f'{told.total:.2f} s against {recorded.total:.2f} s',
    )


def _contention(runs: dict[str, dict[str, Any]]) -> Finding:
    all_pre, ours = (runs[name]['total'] for name in CELL)
    share = ours / all_pre
    wrong = '' if share <= GAIN else 'the plan gains too little'
    if any(vm['in_force'] is None for vm in runs[CELL[1]]['vms'].values()):
        wrong = 'a cap was not seen in force'
    return Finding(
        'contention', wrong, f'{ours} s against {all_pre} s ({share:.2f})'
    )


Report = Callable[[str], None]


async def run(
    kit: Kit, folder: pathlib.Path, out: pathlib.Path, say: Report
) -> bool:
    """Say each finding and the count; whether all hold."""
    good = bad = 0
    async for finding in findings(kit, folder, out):
        word = 'FAILED: ' + finding.wrong if finding.wrong else 'ok'
        say(f'{finding.name}: {finding.measured}: {word}')
        good += not finding.wrong
        bad += bool(finding.wrong)
    say(json.dumps({'held': good, 'did_not_hold': bad}))
    return not bad
