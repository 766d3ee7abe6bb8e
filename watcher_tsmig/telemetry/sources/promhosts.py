"""Hosts' own network devices in Prometheus, as node_exporter has them.

Two instant queries for some hosts: their counters, looked at several times in
a span, and the speeds of their links. A counter is read at each scrape, so
that looks need not be as close as scrapes. Here is also how the label of a
scraped host, which has a port and may have a domain, becomes Nova's name.
"""

import math
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.metrics import counters
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Device

Series = tuple[Mapping[str, str], list[Point]]
Query = Callable[[str, float], list[Series]]

TX, RX, SPEED = 'transmit_bytes_total', 'receive_bytes_total', 'speed_bytes'
DEVICE = 'device'
# Hosts in one query, which is a URL: Aetos takes no POST
BATCH = 100
# Looks at a counter in one point
LOOKS = 5
# What may stand between the quotes of a query
HOST = re.compile(r'[0-9A-Za-z_-]{1,63}(\.[0-9A-Za-z_-]{1,63})*')
PORT = re.compile(r':\d{1,5}$')


def read(
    query: Query, settings: Settings, hosts: Sequence[str], now: float
) -> dict[str, dict[str, Device]]:
    """The devices of each host, by host and device.

    :param query: asks an instant query; the series, oldest sample first
    :param hosts: by Nova's names
    """
    names = Names(hosts)
    step = settings.granularity / LOOKS
    back = settings.window + 2 * settings.granularity
    span = f'[{back:.0f}s:{step:.0f}s]'
    found: dict[str, dict[str, Device]] = {}
    for some in names.batches():
        grew: dict[tuple[str, str, str], list[Point]] = {}
        asked = (((TX, RX), span), ((SPEED,), ''))
        for metrics, when in asked:
            wanted = _selector(settings, metrics, some)
            for labels, samples in query(wanted + when, now):
                host = names.host(labels.get(settings.host_label, ''))
                device = labels.get(DEVICE, '')
                metric = _metric(settings, metrics, labels)
                if host is None or device not in settings.devices:
                    continue
                key = host, device, metric
                # two jobs may scrape one exporter
                grew[key] = max(grew.get(key, []), samples, key=_newest)
        for host, device in {key[:2] for key in grew}:
            found.setdefault(host, {})[device] = Device(
                name=device,
                tx=_rates(grew.get((host, device, TX), []), settings),
                rx=_rates(grew.get((host, device, RX), []), settings),
                speed=_speed(grew.get((host, device, SPEED), [])),
            )
    return found


class Names:
    """Nova's names of hosts, as labels of Prometheus have them.

    A label is a host's if it is its name, or if one of both is the other
    without its domain, and that of no other; a port does not matter.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = {h.lower(): h for h in hosts if HOST.fullmatch(h)}
        self._short: dict[str, list[str]] = {}
        for host in self._hosts:
            self._short.setdefault(host.partition('.')[0], []).append(host)

    def batches(self) -> Iterator[Sequence[str]]:
        """First parts of some of the names, of which a query can be made."""
        some = sorted(self._short)
        for i in range(0, len(some), BATCH):
            yield some[i : i + BATCH]

    def host(self, label: str) -> str | None:
        """Nova's name; None where it is nobody's, or of several."""
        name = PORT.sub('', label).lower()
        if name in self._hosts:
            return self._hosts[name]
        fits = [
            host
            for host in self._short.get(name.partition('.')[0], ())
            if host.startswith(f'{name}.') or name.startswith(f'{host}.')
        ]
        return self._hosts[fits[0]] if len(fits) == 1 else None


def _selector(
    settings: Settings, metrics: Sequence[str], hosts: Sequence[str]
) -> str:
    names = '|'.join(_name(settings, metric) for metric in metrics)
    devices = '|'.join(d.replace('.', '[.]') for d in settings.devices)
    return (
        f'{{__name__=~"{names}",{DEVICE}=~"{devices}",'
        f'{settings.host_label}=~"(?i:({"|".join(hosts)})([.:].*)?)"}}'
    )


def _name(settings: Settings, metric: str) -> str:
    return settings.host_metric.replace('{metric}', metric)


def _metric(
    settings: Settings, metrics: Sequence[str], labels: Mapping[str, str]
) -> str:
    told = labels.get('__name__', '')
    return next((m for m in metrics if _name(settings, m) == told), '')


def _newest(samples: Sequence[Point]) -> tuple[float, int]:
    return (samples[-1][0] if samples else -math.inf, len(samples))


def _rates(samples: Sequence[Point], settings: Settings) -> tuple[Point, ...]:
    """Growth per second; where a counter began anew, that step is missing."""
    grew = counters.growth(samples)
    return counters.on_grid(grew, settings.granularity)


def _speed(samples: Sequence[Point]) -> float | None:
    """Of the link, bytes/s; one that is down tells less than nothing."""
    told = samples[-1][2] if samples else 0.0
    return told if told > 0 else None
