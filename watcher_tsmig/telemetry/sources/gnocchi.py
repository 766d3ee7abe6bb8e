"""Gnocchi as a source: which metrics hang on which VMs, and their rates.

How Gnocchi is asked is measures.py's, what a counter's measures say is
counters.py's. Ceilometer hangs a pair of counters on each interface of a VM;
with what granularity and which aggregation methods they are kept is the
operator's archive policy to say, so that each is tried in turn and what one
metric's policy lacks is asked for once.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from gnocchiclient.v1 import client as gnocchi_client

from watcher_tsmig.model.history import Point
from watcher_tsmig.telemetry.clients import GnocchiClient
from watcher_tsmig.telemetry.metrics import counters
from watcher_tsmig.telemetry.metrics.measures import Gnocchi
from watcher_tsmig.telemetry.settings import NEWEST
from watcher_tsmig.telemetry.settings import Settings
from watcher_tsmig.telemetry.sources import Device
from watcher_tsmig.telemetry.sources import Interface
from watcher_tsmig.telemetry.sources import Reach
from watcher_tsmig.telemetry.sources import Refusal

NS = 1e9  # in which Ceilometer counts CPU time
# Of a counter; the mean is that of Ceilometer's own archive policies
CUMULATIVE = ('mean', 'last', 'max', 'min')
PER_SAMPLE, COUNT = 'rate:mean', 'count'
GAUGE = 'mean'
NO_SPAN = (
    'only rate:mean is kept, which is growth per sample, and nothing tells '
    'how often it was sampled; add mean to its archive policy'
)


def from_catalogue(reach: Reach, settings: Settings) -> 'GnocchiSource':
    """The Gnocchi of the cloud's catalogue."""
    return GnocchiSource(
        gnocchi_client.Client(
            session=reach.session,
            adapter_options=dict(reach.catalogue.get('gnocchi', {})),
        ),
        settings,
    )


class GnocchiSource:
    """What one Gnocchi has of VMs.

    :param client: of gnocchiclient, version 1
    :param clock: monotonic, s
    """

    name = 'gnocchi'

    def __init__(
        self,
        client: GnocchiClient,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._known: dict[str, dict[str, str] | None] = {}
        self._gnocchi = Gnocchi(
            client,
            total_time=settings.total_time,
            batch=settings.batch,
            now=clock,
        )

    @property
    def questions(self) -> int:
        """How many requests were sent."""
        return self._gnocchi.questions

    @property
    def refusals(self) -> Sequence[Refusal]:
        """The metrics that it would not give."""
        return self._gnocchi.refusals

    def probe(self) -> None:
        """One cheap question, so that a dead Gnocchi costs one wait."""
        self._gnocchi.probe()

    def traffic(
        self, vms: Sequence[str], now: float
    ) -> Mapping[str, Sequence[Interface]]:
        """The interfaces of each VM that has any."""
        settings = self._settings
        names = (settings.tx_metric, settings.rx_metric)
        found = self._gnocchi.resources(
            settings.interface_type, 'instance_id', vms
        )
        of = [(str(r['instance_id']), r.get('metrics') or {}) for r in found]
        rates = self._rates(
            [m[name] for _, m in of for name in names if m.get(name)],
            settings.reach_back(len(vms), settings.granularity),
            now,
        )
        interfaces: dict[str, list[Interface]] = defaultdict(list)
        for vm, metrics in of:
            tx, rx = (rates.get(metrics.get(name, ''), ()) for name in names)
            interfaces[vm].append(Interface(tx=tx, rx=rx))
        return interfaces

    def cpu(
        self, vms: Sequence[str], now: float
    ) -> Mapping[str, Sequence[Point]]:
        """CPUs that were busy for each VM that somebody measured."""
        settings = self._settings
        if not settings.history or not settings.cpu_metric:
            return {}
        metrics = {
            vm: metric
            for vm, metrics in self._instances(vms).items()
            if (metric := metrics.get(settings.cpu_metric))
        }
        rates = self._rates(list(metrics.values()), settings.history, now)
        return {
            vm: tuple((at, span, x / NS) for at, span, x in rates[metric])
            for vm, metric in metrics.items()
            if rates.get(metric)
        }

    def gauges(
        self, vms: Sequence[str], names: Sequence[str], now: float
    ) -> Mapping[str, Mapping[str, Sequence[Point]]]:
        """Measures of the metrics of each VM's instance resource."""
        instances = self._instances(vms)
        measures = self._gnocchi.newest(
            [
                metrics[name]
                for metrics in instances.values()
                for name in names
                if metrics.get(name)
            ],
            GAUGE,
            NEWEST,
            start=now - self._settings.dirty_age,
            now=now,
        )
        return {
            vm: {
                name: measures[metrics[name]]
                for name in names
                if measures.get(metrics.get(name, ''))
            }
            for vm, metrics in instances.items()
        }

    def devices(
        self, hosts: Sequence[str], now: float
    ) -> Mapping[str, Mapping[str, Device]] | None:
        """Nothing is known of hosts here."""
        return None

    def _instances(self, vms: Sequence[str]) -> dict[str, dict[str, str]]:
        """The metrics of each VM that has a resource, asked for once."""
        new = [vm for vm in vms if vm not in self._known]
        found = self._gnocchi.resources('instance', 'id', new)
        self._known |= dict.fromkeys(new, None)
        self._known |= {
            str(instance['id']): instance.get('metrics') or {}
            for instance in found
        }
        return {
            vm: metrics
            for vm in vms
            if (metrics := self._known[vm]) is not None
        }

    def _rates(
        self, metrics: Sequence[str], back: float, now: float
    ) -> dict[str, tuple[Point, ...]]:
        """Growth per second of each counter, on the grid."""
        span = self._settings.granularity
        start = now - back - 3 * span
        told, refused = self._gnocchi.first_of(
            metrics, CUMULATIVE, about=span, start=start
        )
        found = counters.rates(told, now, span, span / 2)
        if refused:
            found |= {
                metric: counters.on_grid(points, span, span / 2)
                for metric, points in self._per_sample(
                    refused, start, now
                ).items()
            }
        return found

    def _per_sample(
        self, refused: Sequence[Refusal], start: float, now: float
    ) -> dict[str, list[Point]]:
        """Growth of those of which nothing cumulative is kept."""
        about = self._settings.granularity
        rates, left = self._gnocchi.first_of(
            [r.id for r in refused], (PER_SAMPLE,), about=about, start=start
        )
        self._gnocchi.refusals.extend(left)
        counts, _ = self._gnocchi.first_of(
            list(rates), (COUNT,), about=about, start=start
        )
        grew = {}
        for refusal in refused:
            rows = counters.whole(rates.get(refusal.id, ()), now)
            found = counters.sampled(rows, counts.get(refusal.id, ()))
            if found is None:
                self._gnocchi.refusals.append(
                    Refusal(
                        vm=refusal.vm,
                        metric=refusal.metric,
                        why=NO_SPAN,
                        id=refusal.id,
                    )
                )
            else:
                grew[refusal.id] = found
        return grew
