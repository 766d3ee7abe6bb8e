"""Two hours of traffic that Prometheus is told to have scraped.

Counters as Ceilometer's exporter has them, set every so often and looked at
every 15 s, and those of a host's node_exporter, which was started anew;
promtool makes a database of them, so that a real Prometheus answers questions
about hours within seconds.
"""

import dataclasses
import itertools
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


# A host by Nova's name, and as its node_exporter is scraped.
HOST, SCRAPED = 'cmp-07', 'cmp-07.example.org:9100'
OTHERS = 'cmp-070.example.org:9100'
# Beside the talkers that are on it, bytes/s; of its link.
BESIDE, SPEED = 50e6, 1250e6
TALKING = TALKERS[:6]


def _device() -> Iterator[tuple[str, str, float, float]]:
    """Of each of a host's counters its labels, growth and beginning."""
    for metric, rate in (
        ('node_network_transmit_bytes_total', TX),
        ('node_network_receive_bytes_total', RX),
    ):
        grown = BESIDE + rate * len(TALKING)
        yield metric, f'{{device="bond0",instance="{SCRAPED}"}}', grown, 7e12
        for host, device in ((SCRAPED, 'lo'), (OTHERS, 'bond0')):
            labels = f'{{device="{device}",instance="{host}"}}'
            yield metric, labels, 9e9, 0.0


def _hosts(now: float) -> Iterator[tuple[str, str]]:
    """The metric, and a line of it in OpenMetrics."""
    for metric, labels, rate, before in _device():
        spans = ((now - BACK, now - BACK / 2), (now - BACK / 2, now))
        for since, until in spans:
            for at, value in _scraped(rate, 1.0, since, until, before):
                yield metric, f'{metric}{labels} {value:.0f} {at:.3f}'
            # it was started anew
            before = 0.0
    metric = 'node_network_speed_bytes'
    labels = f'{{device="bond0",instance="{SCRAPED}"}}'
    for at, value in _scraped(0.0, 1.0, now - BACK, now, SPEED):
        yield metric, f'{metric}{labels} {value:.0f} {at:.3f}'


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
    lines: dict[str, list[str]] = {}
    series = (_hosts(now), *(_series(talker, now) for talker in TALKERS))
    for metric, line in itertools.chain.from_iterable(series):
        lines.setdefault(metric, []).append(line)
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
