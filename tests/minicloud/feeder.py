"""What Ceilometer would tell Gnocchi of servers of the mini-cloud."""

import time
import uuid
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


class Feeder:
    """The part of an operator that feeds Gnocchi.

    :ivar gnocchi: of gnocchiclient, version 1
    """

    gnocchi: Any

    def server(self, server: str) -> Json | None:
        """The server as Nova has it."""
        raise NotImplementedError

    def feed(
        self,
        server: str,
        tx: float,
        rx: float,
        *,
        every: float = 300,
        count: int = 12,
        policy: str = 'ceilometer-low-rate',
    ) -> None:
        """Counters of a server's one NIC, polled until now.

        :param tx: bytes/s sent
        :param policy: of the archives
        :param every: Ceilometer's polling interval, s
        """
        found = self._instance(server)
        now = time.time()
        self.feed_nic(
            f'{found["OS-EXT-SRV-ATTR:instance_name"]}-{server}-tap0',
            server,
            {
                name: [
                    (now - every * k, rate * every * (count - k))
                    for k in range(count, -1, -1)
                ]
                for name, rate in (
                    ('network.outgoing.bytes', tx),
                    ('network.incoming.bytes', rx),
                )
            },
            policy,
        )

    def feed_nic(
        self,
        nic: str,
        server: str,
        counters: Mapping[str, Sequence[tuple[float, float]]],
        policy: str,
    ) -> None:
        """Samples of the counters of an interface of whatever server.

        :param counters: (seconds since the epoch, value), by metric
        """
        metric = {'archive_policy_name': policy, 'unit': 'B'}
        self.gnocchi.resource.create(
            'instance_network_interface',
            {
                'id': nic,
                'name': nic[-4:],
                'instance_id': server,
                'metrics': dict.fromkeys(counters, metric),
            },
        )
        batch = {
            name: [
                {'timestamp': _iso(at), 'value': value}
                for at, value in samples
            ]
            for name, samples in counters.items()
        }
        self.gnocchi.metric.batch_resources_metrics_measures({nic: batch})

    def feed_gauges(self, server: str, **values: float) -> None:
        """One measure each of metrics of its instance resource, now.

        :param values: by metric; `_` stands for the dots of its name
        """
        self._instance(server)
        policy = {'archive_policy_name': 'ceilometer-low-rate'}
        names = {name.replace('_', '.'): v for name, v in values.items()}
        self.gnocchi.resource.update(
            'instance',
            server,
            {'metrics': dict.fromkeys(names, policy)},
        )
        moment = _iso(time.time())
        batch = {
            name: [{'timestamp': moment, 'value': value}]
            for name, value in names.items()
        }
        self.gnocchi.metric.batch_resources_metrics_measures({server: batch})

    def _instance(self, server: str) -> Json:
        """Have a server's resource in Gnocchi; the server."""
        found = self.server(server)
        assert found
        try:
            self.gnocchi.resource.create(
                'instance',
                {
                    'id': server,
                    'display_name': found['name'],
                    'host': found['OS-EXT-SRV-ATTR:hypervisor_hostname'],
                    'flavor_id': str(uuid.uuid4()),
                    'image_ref': '',
                },
            )
        except Exception as error:
            if getattr(error, 'code', None) != 409:
                raise
        return found


def _iso(moment: float) -> str:
    return time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(moment))
