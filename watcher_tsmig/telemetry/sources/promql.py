"""Prometheus and Aetos as sources: Ceilometer's samples as its exporter names
them.

Instant queries only: Aetos has no others. Who scrapes more often than
Ceilometer polls sees a counter stand still and jump, and `rate()` of that is
as wrong as one interval in the window; so the samples themselves are asked
for, and what they say is counters.py's. A VM on another host is another
series of the same resource: the one that moved last counts.
"""

import math
import re
import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import requests
from keystoneauth1 import adapter
from keystoneauth1 import http_basic
from keystoneauth1 import noauth
from keystoneauth1 import session as auth_session

from watcher_tsmig import errors
from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.asking import ask
from watcher_tsmig.telemetry.metrics import counters
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Device
from watcher_tsmig.telemetry.sources import Interface
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import Refusal
from watcher_tsmig.telemetry.sources import promhosts
from watcher_tsmig.telemetry.sources.promhosts import Series

SERVICE_TYPE = 'metric-storage'
NS = 1e9  # in which Ceilometer counts CPU time
# Ids in one query, which is a URL of some 5 KB then: Aetos takes no POST
BATCH = 100
# Looks at a counter in one point of traffic, where it was long ago
LOOKS = 2
# Points of a gauge over its age; more would only repeat them
GAUGE_POINTS = 48
# Bytes of one answer: a hundred VMs at a scrape a second for an hour
MOST = 64 * 2**20
# What may stand between the quotes of a query
ID = re.compile(r'[0-9A-Za-z_-]{1,64}')
NOT_IN_NAMES = re.compile(r'[^0-9A-Za-z_:]')


def of_prometheus(reach: Reach, settings: Settings) -> 'PromSource':
    """The Prometheus at a URL.

    :raises errors.InputError: nobody said where it is
    """
    if not reach.place:
        raise errors.InputError(
            'is not set, and neither is [prometheus_client]host',
            'metrics_place',
        )
    auth = (
        http_basic.HTTPBasicAuth(
            endpoint=reach.place,
            username=reach.account[0],
            password=reach.account[1],
        )
        if reach.account
        else noauth.NoAuth(endpoint=reach.place)
    )
    session = auth_session.Session(
        auth=auth,
        verify=reach.verify,
        cert=reach.cert,
        timeout=reach.timeout,
    )
    client = adapter.Adapter(session, endpoint_override=reach.place)
    return PromSource('prometheus', client, settings)


def of_aetos(reach: Reach, settings: Settings) -> 'PromSource':
    """The Aetos of the cloud's catalogue."""
    client = adapter.Adapter(
        reach.session,
        service_type=SERVICE_TYPE,
        **reach.catalogue.get('aetos', {}),
    )
    return PromSource('aetos', client, settings)


class PromSource:
    """What one Prometheus has of VMs, directly or through Aetos.

    :param client: keystoneauth's adapter of the API's root
    :param clock: monotonic, s
    """

    def __init__(
        self,
        name: str,
        client: adapter.Adapter,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.questions = 0
        self.refusals: list[Refusal] = []
        self._client = client
        self._settings = settings
        self._clock = clock
        self._ends = clock() + settings.total_time

    def probe(self) -> None:
        """One cheap question, so that a dead source costs one wait."""
        self._query('vector(1)', time.time())

    def traffic(
        self, vms: Sequence[str], now: float
    ) -> Mapping[str, Sequence[Interface]]:
        """The interfaces of each VM that has any."""
        settings = self._settings
        names = (settings.tx_metric, settings.rx_metric)
        back = settings.history or settings.window
        told = self._rates(names, vms, back, now)
        older = self._older(names, vms, back, now)
        return {
            vm: [
                Interface(
                    **{
                        way: _joined(
                            older.get((vm, resource, name), ()),
                            metrics.get(name, ()),
                        )
                        for way, name in zip(('tx', 'rx'), names, strict=True)
                    }
                )
                for resource, metrics in resources.items()
            ]
            for vm, resources in told.items()
        }

    def _older(
        self, names: Sequence[str], vms: Sequence[str], back: float, now: float
    ) -> dict[tuple[str, str, str], tuple[Point, ...]]:
        """Growth before `back`, by VM, resource and metric: looks far apart.

        Whether a VM burst in the day before can be told from that, and
        nobody need send each sample of a day.
        """
        step = self._settings.granularity / LOOKS
        far = self._settings.reach_back(len(vms), step)
        if far <= back or not vms:
            return {}
        try:
            told = self._of(names, vms, f'[{far:.0f}s:{step:.0f}s]', now)
        except errors.CloudError as error:
            # what lies nearer is enough to plan with
            self.refusals.append(
                Refusal(vm='', metric=f'{names[0]} of a day', why=str(error))
            )
            return {}
        return {key: self._newest(several) for key, several in told.items()}

    def cpu(
        self, vms: Sequence[str], now: float
    ) -> Mapping[str, Sequence[Point]]:
        """CPUs that were busy for each VM that somebody measured."""
        settings = self._settings
        if not settings.history or not settings.cpu_metric:
            return {}
        name = settings.cpu_metric
        told = self._rates([name], vms, settings.history, now)
        return {
            vm: tuple((at, span, x / NS) for at, span, x in metrics[name])
            for vm, resources in told.items()
            for metrics in resources.values()
        }

    def gauges(
        self, vms: Sequence[str], names: Sequence[str], now: float
    ) -> Mapping[str, Mapping[str, Sequence[Point]]]:
        """Measures of the metrics of each VM, as they changed."""
        age = self._settings.dirty_age
        step = max(age / GAUGE_POINTS, 1.0)
        found: dict[str, dict[str, list[Point]]] = defaultdict(dict)
        # a look every step, and one at what has come since the last
        before = self._of(names, vms, f'[{age:.0f}s:{step:.0f}s]', now)
        latest = self._of(names, vms, '', now)
        for key in {**before, **latest}:
            samples = sorted(
                sample
                for told in (before, latest)
                for series in told.get(key, ())
                for sample in series
            )
            changed = [
                new
                for old, new in zip((None, *samples), samples, strict=False)
                if old is None or old[2] != new[2]
            ]
            found[key[0]][key[2]] = changed
        return found

    def devices(
        self, hosts: Sequence[str], now: float
    ) -> Mapping[str, Mapping[str, Device]] | None:
        """The devices that migrations and tenants use, of each host."""
        if not self._settings.devices:
            return {}
        return promhosts.read(self._query, self._settings, hosts, now)

    def _rates(
        self, names: Sequence[str], vms: Sequence[str], back: float, now: float
    ) -> dict[str, dict[str, dict[str, tuple[Point, ...]]]]:
        """Growth per second of counters: by VM, resource and metric."""
        span = f'[{back + 2 * self._settings.granularity:.0f}s]'
        found: dict[str, dict[str, dict[str, tuple[Point, ...]]]] = {}
        for key, several in self._of(names, vms, span, now).items():
            vm, resource, name = key
            of = found.setdefault(vm, {}).setdefault(resource, {})
            of[name] = self._newest(several)
        return found

    def _newest(self, several: Sequence[list[Point]]) -> tuple[Point, ...]:
        """The points of the series that moved last and has any.

        A series of a host that a VM has left may stand still for ever.
        """
        seen = [counters.updates(samples) for samples in several]
        for updates in sorted(seen, key=_moved, reverse=True):
            grew = counters.growth(updates)
            if grew:
                return counters.on_grid(grew, self._settings.granularity)
        return ()

    def _of(
        self, names: Sequence[str], vms: Sequence[str], span: str, now: float
    ) -> dict[tuple[str, str, str], list[list[Point]]]:
        """The series of metrics: by VM, resource and metric."""
        label = self._settings.prometheus_label
        metrics = {
            self._settings.prometheus_metric.replace(
                '{metric}', NOT_IN_NAMES.sub('_', name)
            ): name
            for name in names
        }
        found: dict[tuple[str, str, str], list[list[Point]]] = {}
        for some in _batches([vm for vm in vms if ID.fullmatch(vm)]):
            of = re.compile('|'.join(some))
            wanted = (
                f'{{__name__=~"{"|".join(metrics)}",'
                f'{label}=~".*({"|".join(some)}).*"}}'
            )
            for labels, samples in self._query(wanted + span, now):
                resource = labels.get(label, '')
                vm = of.search(resource)
                name = metrics.get(labels.get('__name__', ''))
                if vm and name and samples:
                    key = vm[0], resource, name
                    found.setdefault(key, []).append(samples)
        return found

    def _query(self, query: str, now: float) -> list[Series]:
        if self._clock() > self._ends:
            raise errors.CloudError(
                f'{self.name} took more than {self._settings.total_time:g} s'
            )
        self.questions += 1
        answer = ask(
            'query',
            lambda: self._client.get(
                '/api/v1/query',
                params={'query': query, 'time': f'{now:.3f}'},
                headers={'Accept': 'application/json'},
            ),
            self.name,
        )
        try:
            return [_series(row) for row in _result(answer)]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise errors.CloudError(
                f'{self.name}: an answer that is not one of Prometheus: '
                f'{str(error)[:80]}'
            ) from error


def _result(answer: requests.Response) -> list[Any]:
    if len(answer.content) > MOST:
        raise ValueError('it is longer than any that was asked for')
    told = answer.json()
    if told['status'] != 'success':
        raise ValueError(told.get('error') or 'no success')
    data = told['data']
    if data['resultType'] == 'scalar':
        return []
    rows: list[Any] = data['result']
    return rows


def _series(row: Any) -> Series:  # noqa: ANN401 - of JSON
    values = row['values'] if 'values' in row else [row['value']]
    points = [(float(at), 0.0, float(value)) for at, value in values]
    return row['metric'], sorted(p for p in points if math.isfinite(p[2]))


def _joined(
    older: Sequence[Point], newer: tuple[Point, ...]
) -> tuple[Point, ...]:
    """Points of one grid; where both have one, the newer."""
    if not newer:
        # who is not seen any more is gone
        return ()
    begins = newer[0][0]
    return (*(point for point in older if point[0] < begins), *newer)


def _moved(updates: Sequence[Point]) -> float:
    """When a counter was last seen to have grown."""
    return max(
        (
            new[0]
            for old, new in zip(updates, updates[1:], strict=False)
            if new[2] != old[2]
        ),
        default=-math.inf,
    )


def _batches(vms: Sequence[str]) -> Iterator[Sequence[str]]:
    for i in range(0, len(vms), BATCH):
        yield vms[i : i + BATCH]
