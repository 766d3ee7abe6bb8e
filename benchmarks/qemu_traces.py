"""What the QEMU/PostgreSQL migrations showed to who watched them.

The samples of `query-migrate` are looked at as the product looks at a
migration: by an agent, which tells of every round, or by Nova's counters,
which come every 5 s and tell of none. Nothing else of a run is learned.
"""

import dataclasses
import enum
import pathlib

from benchmarks import scores
from watcher_tsmig.execute.governor.gauge import Counters
from watcher_tsmig.execute.governor.gauge import Gauge

SAMPLES = 'qemu_postgres_samples.csv.gz'
COLUMNS = ('scenario', 'run', 't', 'status', 'sync', 'rem', 'trans')
PAGE = 4096.0
# A statuses' beginning in which memory is sent, and that of a post-copy.
SENDING, POST_COPY = ('active', 'device', 'postcopy'), 'postcopy'
# The gauge of an execution has this margin unless told otherwise.
MARGIN = 0.1


class Way(enum.StrEnum):
    """Who looks, and how often."""

    AGENT = 'agent'
    NOVA = 'nova'


#: s between two looks.
EVERY = {Way.AGENT: 1.0, Way.NOVA: 5.0}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one run showed: bytes of its first pass, and its rounds."""

    first_pass: float | None = None
    rounds: tuple[tuple[float, float], ...] = ()


def read(
    folder: pathlib.Path, memory: dict[tuple[str, str], float]
) -> dict[tuple[str, str], dict[Way, Shown]]:
    """By scenario and run what its samples show; none without the file.

    :param memory: bytes of the guest, by scenario and run
    """
    path = folder / SAMPLES
    if not path.is_file():
        return {}
    gauges: dict[tuple[str, str], dict[Way, Gauge]] = {}
    due: dict[tuple[str, str, Way], float] = {}
    for i, row in enumerate(scores.read(path, COLUMNS), 2):
        key = (row['scenario'], row['run'])
        if key not in memory or not row['status'].startswith(SENDING):
            continue
        at = f'{path}: line {i}'
        now = scores.number(row, 't', at) / 1e3
        its = gauges.setdefault(key, {way: Gauge(MARGIN) for way in Way})
        for way, gauge in its.items():
            if now >= due.get((*key, way), 0.0):
                due[*key, way] = now + EVERY[way]
                gauge.look(now, _counters(row, at, memory[key], way))
    return {
        key: {
            way: Shown(
                first_pass=gauge.shown.first_pass, rounds=gauge.shown.kept
            )
            for way, gauge in its.items()
        }
        for key, its in gauges.items()
    }


def _counters(
    row: dict[str, str], at: str, memory: float, way: Way
) -> Counters:
    told = way is Way.AGENT
    return Counters(
        total=memory,
        processed=scores.number(row, 'trans', at),
        remaining=scores.number(row, 'rem', at),
        iteration=int(scores.number(row, 'sync', at)) if told else None,
        dirty_rate=_optional(row, 'dpr', at, PAGE) if told else None,
        throttle=_optional(row, 'thr', at, 0.01) if told else None,
        post_copy=row['status'].startswith(POST_COPY),
    )


def _optional(
    row: dict[str, str], name: str, at: str, scale: float
) -> float | None:
    return scores.number(row, name, at) * scale if row.get(name) else None
