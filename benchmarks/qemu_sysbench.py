"""The QEMU 8.1/sysbench migrations: what was measured, as values.

Final totals of `query-migrate`, one row a migration. Nothing is forecast
here.
"""

import dataclasses
import enum
import itertools
import pathlib

from benchmarks import scores

OUTCOMES = 'qemu8_sysbench_outcomes.csv'
COLUMNS = (
    'series', 'memory_mb', 'mode', 'run', 'total_ms', 'downtime_ms', 'total',
    'transferred', 'precopy_bytes', 'duplicate', 'dirty_sync_count',
)  # fmt: skip
PAGE = 4096.0
# Of a search for a share.
HALVINGS = 50


class Mode(enum.StrEnum):
    """How a run migrates, as the file names it."""

    PRE_COPY = 'Precopy'
    POST_COPY = 'Postcopy'
    HYBRID = 'Hybrid'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measured migration; seconds and bytes.

    :ivar ram: of the guest
    :ivar size: what its flavor calls its memory, MiB
    :ivar data: bytes in the stream
    :ivar before: of them, those before the switch to post-copy
    :ivar zeros: pages of zeros
    :ivar syncs: how often its log of written pages was read: at its begin, at
        its end, and after each pass
    """

    series: str
    size: float
    mode: Mode
    run: str
    total: float
    downtime: float
    ram: float
    data: float
    before: float
    zeros: float
    syncs: float

    @property
    def guest(self) -> str:
        """Whom it belongs to: guests of one series run the same software."""
        return f'{self.series} {self.size:g}'

    @property
    def first_pass(self) -> float:
        """Bytes of pages that are not zero, each once."""
        return max(self.ram - self.zeros * PAGE, PAGE)

    @property
    def rounds(self) -> tuple[tuple[float, float], ...]:
        """s, and bytes dirtied within them, as far as totals tell of them.

        Each pass leaves the same share of itself to the next.
        """
        again = max(self.data - self.first_pass, 0.0)
        if self.mode is not Mode.PRE_COPY or not again:
            return ()
        seconds = self.total / self.data
        passes = max(round(self.syncs) - 2, 1)
        share = _share(again / self.first_pass, passes)
        sizes = [self.first_pass * share**i for i in range(passes + 1)]
        return tuple(
            (sent * seconds, left) for sent, left in itertools.pairwise(sizes)
        )


def _share(again: float, passes: int) -> float:
    """The x of which x + x^2 + ... + x^passes is `again`."""
    low, high = 0.0, again
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        more = sum(middle**i for i in range(1, passes + 1)) > again
        low, high = (low, middle) if more else (middle, high)
    return high


def load(folder: pathlib.Path) -> list[Run] | None:
    """The completed runs in file order; None where there is no such file.

    :raises errors.InputError: the file cannot be used; says where
    """
    path = folder / OUTCOMES
    if not path.is_file():
        return None
    return [
        _run(row, f'{path}: line {i}')
        for i, row in enumerate(scores.read(path, COLUMNS), 2)
        if row.get('status', 'completed') == 'completed'
    ]


def _run(row: dict[str, str], at: str) -> Run:
    return Run(
        series=row['series'],
        size=scores.positive(row, 'memory_mb', at),
        mode=Mode(row['mode']),
        run=row['run'],
        total=scores.positive(row, 'total_ms', at) / 1e3,
        downtime=scores.number(row, 'downtime_ms', at) / 1e3,
        ram=scores.positive(row, 'total', at),
        data=scores.positive(row, 'transferred', at),
        before=scores.number(row, 'precopy_bytes', at),
        zeros=scores.number(row, 'duplicate', at),
        syncs=scores.number(row, 'dirty_sync_count', at),
    )
