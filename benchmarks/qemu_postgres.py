"""The QEMU/PostgreSQL migrations: what was measured, as values.

Only the outcomes are needed; without the samples less is known about a
workload. Nothing is forecast here.
"""

import dataclasses
import enum
import pathlib
import re
from collections.abc import Mapping

from benchmarks import qemu_traces
from benchmarks import scores
from benchmarks.qemu_traces import Shown
from benchmarks.qemu_traces import Way

OUTCOMES = 'qemu_postgres_outcomes.csv'
OUTCOME_COLUMNS = (
    'scenario', 'run', 'total_ms', 'downtime_ms', 'transferred_bytes',
    'total_ram_bytes', 'normal_pages', 'iterations',
)  # fmt: skip

# Bytes of a page in QEMU's stream: the page and its 8-byte header.
PAGE = 4096.0 + 8.0
# Xen gives a pre-copy up after 29 rounds: one that was left running beyond
# does not converge, whatever ended it in the end.
MOST_ROUNDS = 29
# Where a scenario's name has no thread count, its pages are those of 4
# threads (reference, section 5, reads it so, too).
THREADS = 4


class Mode(enum.StrEnum):
    """How a run of a scenario migrates."""

    PRE_COPY = 'pre_copy'
    AUTO_CONVERGE = 'auto_converge'
    POST_COPY = 'post_copy'
    STOP_AND_COPY = 'stop_and_copy'


#: How a scenario's name begins -> mode; the first that fits decides.
MODES = (
    ('autoconverge', Mode.AUTO_CONVERGE),
    ('postcopy', Mode.POST_COPY),
    ('stop', Mode.STOP_AND_COPY),
    ('', Mode.PRE_COPY),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What the guest runs, as the scenario's name says it."""

    threads: int
    reads_only: bool

    def __str__(self) -> str:
        return f'{self.threads}T{" reads" if self.reads_only else ""}'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What an operator orders; `switch` in s, the order to post-copy."""

    name: str
    mode: Mode
    workload: Workload
    switch: float

    @classmethod
    def named(cls, name: str) -> 'Scenario':
        """The scenario of that name in the data."""
        mode = next(m for s, m in MODES if name.lower().startswith(s))
        threads = re.search(r'_(\d+)T(?![a-z0-9])', name)
        switch = re.search(r'_(\d+)s(?![a-z0-9])', name)
        late = switch is not None and mode is Mode.POST_COPY
        return cls(
            name=name,
            mode=mode,
            workload=Workload(
                threads=max(int(threads[1]), 1) if threads else THREADS,
                reads_only='onlyreads' in name.lower(),
            ),
            switch=float(switch[1]) if late else 0.0,
        )

    @property
    def once(self) -> bool:
        """Whether every page is sent once: nothing is written meanwhile."""
        return self.mode is Mode.STOP_AND_COPY or (
            self.mode is Mode.POST_COPY and not self.switch
        )

    @property
    def group(self) -> str:
        """Post-copy, or one of the ways of pre-copy."""
        post = self.mode is Mode.POST_COPY
        return 'post_copy' if post else 'pre_copy'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measured migration; seconds and bytes.

    :ivar shown: what it showed of its memory, to whom; without samples only
        what a hypervisor's final totals tell
    :ivar converges: it ended by itself; never so for a plain pre-copy of
        more rounds than a hypervisor would wait for
    """

    scenario: Scenario
    run: str
    total: float
    downtime: float
    data: float
    ram: float
    shown: Mapping[Way, Shown]
    converges: bool


def load(folder: pathlib.Path) -> list[Run] | None:
    """The completed runs in file order; None where there is no such file.

    :raises errors.InputError: a file cannot be used; says where
    """
    path = folder / OUTCOMES
    if not path.is_file():
        return None
    rows = {
        f'{path}: line {i}': row
        for i, row in enumerate(scores.read(path, OUTCOME_COLUMNS), 2)
        if row.get('status', 'completed') == 'completed'
    }
    memory = {
        (row['scenario'], row['run']): scores.positive(
            row, 'total_ram_bytes', at
        )
        for at, row in rows.items()
    }
    shown = qemu_traces.read(folder, memory)
    return [
        _run(row, at, shown.get((row['scenario'], row['run'])))
        for at, row in rows.items()
    ]


def _run(
    row: dict[str, str], at: str, shown: Mapping[Way, Shown] | None
) -> Run:
    scenario = Scenario.named(row['scenario'])
    pages = scores.number(row, 'normal_pages', at) * PAGE
    if not shown and scenario.once and pages:  # every page went once
        shown = dict.fromkeys(Way, Shown(first_pass=pages))
    return Run(
        scenario=scenario,
        run=row['run'],
        total=scores.positive(row, 'total_ms', at) / 1e3,
        downtime=scores.number(row, 'downtime_ms', at) / 1e3,
        data=scores.positive(row, 'transferred_bytes', at),
        ram=scores.positive(row, 'total_ram_bytes', at),
        shown=shown or {},
        converges=scenario.mode is not Mode.PRE_COPY
        or scores.number(row, 'iterations', at) <= MOST_ROUNDS,
    )
