"""Two hours of traffic that Prometheus is told to have scraped.

Counters as Ceilometer's exporter has them, set every so often and looked at
every 15 s; promtool makes a database of them, so that a real Prometheus
answers questions about hours within seconds.
"""

import dataclasses
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

TX, RX = 80e6 / 8, 10e6 / 8  # bytes/s
BACK, SCRAPE = 7200.0, 15.0
COUNTERS = {
    'ceilometer_network_outgoing_bytes': TX,
    'ceilometer_network_incoming_bytes': RX,
}
SETS = 5e9  # what a counter had before


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Talker:
    """A VM that sends and receives all the time.

    :ivar polled: s between two polls of its counters
    :ivar nics: over which it does
    :ivar moved: s ago, when it came from another host; 0: never
    """

    id: str
    polled: float
    nics: int = 1
    moved: float = 0.0


TALKERS = tuple(
    Talker(id=f'{i:08d}-1111-2222-3333-444444444444', **given)
    for i, given in enumerate(
        (
            {'polled': 10.0},
            {'polled': 30.0},
            {'polled': 60.0},
            {'polled': 120.0},
            {'polled': 300.0},
            {'polled': 60.0, 'nics': 2},
            {'polled': 30.0, 'moved': 3600.0},
            {'polled': 120.0, 'moved': 3600.0},
        )
    )
)


def _scraped(
    rate: float, polled: float, since: float, until: float, before: float
) -> Iterator[tuple[float, float]]:
    """Moments of looks, and what the last poll had set."""
    at = since + SCRAPE
    while at <= until:
        yield at, before + rate * ((at - since) // polled) * polled
        at += SCRAPE


def _series(talker: Talker, now: float) -> Iterator[tuple[str, str]]:
    """The metric, and a line of it in OpenMetrics."""
    came = now - talker.moved
    for metric, all_of_it in COUNTERS.items():
        rate = all_of_it / talker.nics
        for nic in range(talker.nics):
            of = f'instance-00000001-{talker.id}-tap{nic}'
            spans = [('a', now - BACK, now, SETS)]
            if talker.moved:
                # who polls no more may be seen as he was for ever
                spans = [
                    ('a', now - BACK, came, SETS),
                    ('b', came, now, 0.0),
                ]
            for host, since, until, before in spans:
                labels = f'{{resource="{of}",instance="{host}"}}'
                for at, value in _scraped(
                    rate, talker.polled, since, until, before
                ):
                    yield metric, f'{metric}{labels} {value:.0f} {at:.3f}'


def write(folder: Path) -> None:
    """A database of Prometheus with all of it, in the folder.

    :raises subprocess.CalledProcessError: promtool does not make it
    """
    # a block must not reach into what the database has in memory
    now = time.time() - 30.0
    lines: dict[str, list[str]] = {metric: [] for metric in COUNTERS}
    for talker in TALKERS:
        for metric, line in _series(talker, now):
            lines[metric].append(line)
    text = ''.join(
        f'# TYPE {metric} gauge\n' + '\n'.join(some) + '\n'
        for metric, some in lines.items()
    )
    folder.mkdir(parents=True, exist_ok=True)
    source = folder.parent / 'past.om'
    source.write_text(text + '# EOF\n')
    subprocess.run(
        [
            'promtool',
            *('tsdb', 'create-blocks-from', 'openmetrics'),
            str(source),
            str(folder),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
