"""The QEMU/PostgreSQL migrations: what was measured, as values.

Reads the three files of the data set. Only the outcomes are needed; without
rounds or samples less is known about a workload. Nothing is forecast here.
"""

import dataclasses
import enum
import pathlib
import re

from benchmarks import scores

OUTCOMES = 'qemu_postgres_outcomes.csv'
ROUNDS = 'qemu_postgres_rounds.csv'
SAMPLES = 'qemu_postgres_samples.csv.gz'
OUTCOME_COLUMNS = (
    'scenario', 'run', 'total_ms', 'downtime_ms', 'transferred_bytes',
    'total_ram_bytes', 'normal_pages', 'iterations',
)  # fmt: skip
ROUND_COLUMNS = ('scenario', 'run', 'k', 'T', 'N')
SAMPLE_COLUMNS = ('scenario', 'run', 'sync', 'status', 'normal')

# Bytes of a page in QEMU's stream: the page and its 8-byte header.
PAGE = 4096.0 + 8.0
# README of the data: the count of new pages is to be trusted from here on.
TRUSTED = 1.0
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
    def group(self) -> str:
        """Post-copy, or one of the ways of pre-copy."""
        post = self.mode is Mode.POST_COPY
        return 'post_copy' if post else 'pre_copy'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measured migration; seconds and bytes.

    :ivar first_pass: bytes of stream that the first pass sent; None where
        it was cut short or nobody sampled it
    :ivar rounds: pairs (s, bytes newly dirtied within them)
    :ivar converges: it ended by itself; never so for a plain pre-copy of
        more rounds than a hypervisor would wait for
    """

    scenario: Scenario
    run: str
    total: float
    downtime: float
    data: float
    ram: float
    first_pass: float | None
    rounds: tuple[tuple[float, float], ...]
    converges: bool


def load(folder: pathlib.Path) -> list[Run] | None:
    """The completed runs in file order; None where there is no such file.

    :raises errors.InputError: a file cannot be used; says where
    """
    path = folder / OUTCOMES
    if not path.is_file():
        return None
    rounds = _rounds(folder / ROUNDS)
    passes = _first_passes(folder / SAMPLES)
    out = []
    for i, row in enumerate(scores.read(path, OUTCOME_COLUMNS), 2):
        if row.get('status', 'completed') != 'completed':
            continue
        key = (row['scenario'], row['run'])
        out.append(
            _run(row, f'{path}: line {i}', rounds.get(key), passes.get(key))
        )
    return out


def _run(
    row: dict[str, str],
    at: str,
    rounds: list[tuple[float, float]] | None,
    first_pass: float | None,
) -> Run:
    scenario = Scenario.named(row['scenario'])
    once = scenario.mode is Mode.STOP_AND_COPY or (
        scenario.mode is Mode.POST_COPY and not scenario.switch
    )
    if once:  # every page went once
        first_pass = scores.number(row, 'normal_pages', at) * PAGE
    return Run(
        scenario=scenario,
        run=row['run'],
        total=scores.positive(row, 'total_ms', at) / 1e3,
        downtime=scores.number(row, 'downtime_ms', at) / 1e3,
        data=scores.positive(row, 'transferred_bytes', at),
        ram=scores.positive(row, 'total_ram_bytes', at),
        first_pass=first_pass or None,
        rounds=tuple(rounds or ()),
        converges=scenario.mode is not Mode.PRE_COPY
        or scores.number(row, 'iterations', at) <= MOST_ROUNDS,
    )


def _rounds(
    path: pathlib.Path,
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    out: dict[tuple[str, str], list[tuple[float, float]]] = {}
    if not path.is_file():
        return out
    for i, row in enumerate(scores.read(path, ROUND_COLUMNS), 2):
        # a throttled guest's writing is not its own
        throttled = row.get('thr') not in (None, '', '0', '0.0')
        if throttled or not row['N'] or row.get('status') not in RUNNING:
            continue
        at = f'{path}: line {i}'
        seconds = scores.number(row, 'T', at)
        if seconds >= TRUSTED:
            pages = scores.number(row, 'N', at)
            key = (row['scenario'], row['run'])
            out.setdefault(key, []).append((seconds, pages * PAGE))
    return out


# Columns that a file need not have count as "nothing else was said".
RUNNING = ('active', '', None)


def _first_passes(path: pathlib.Path) -> dict[tuple[str, str], float]:
    """Bytes sent by the last sample of the first pass, where it ended."""
    last: dict[tuple[str, str], float] = {}
    ended: set[tuple[str, str]] = set()
    if not path.is_file():
        return last
    for i, row in enumerate(scores.read(path, SAMPLE_COLUMNS), 2):
        key = (row['scenario'], row['run'])
        at = f'{path}: line {i}'
        if key in ended:
            continue
        if row['status'] != 'active':
            last.pop(key, None)  # stopped within the pass
            ended.add(key)
        elif scores.number(row, 'sync', at) >= 2:
            ended.add(key)
        else:
            last[key] = scores.number(row, 'normal', at) * PAGE
    return {key: last[key] for key in ended if key in last}
