"""Hosts' own devices in Prometheus: what is asked, and what answers mean.

How a label becomes a host is tested in test_telemetry_nics.
"""

import unittest

from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.sources import promhosts

NOW, SPAN = 1_700_000_100.0, 300.0
TX, RX = (
    'node_network_transmit_bytes_total',
    'node_network_receive_bytes_total',
)
SPEED = 'node_network_speed_bytes'


def counter(rate, *, ends=NOW, many=31, every=60.0):
    """Looks at a counter that grows so many bytes a second."""
    first = ends - every * (many - 1)
    return [(first + every * i, 0.0, rate * every * i) for i in range(many)]


def labels(metric, device='bond0', host='a:9100', **more):
    named = {'__name__': metric, 'device': device, 'instance': host}
    return {key: value for key, value in {**named, **more}.items() if value}


class TestRead(unittest.TestCase):
    settings = Settings(migration_devices=('bond0',))

    def read(self, *series, hosts=('a', 'b'), settings=None):
        """What is told where these are there."""
        self.queries = []

        def query(text, now):
            self.queries.append((text, now))
            return [
                (named, samples)
                for named, samples in series
                if named.get('__name__', '?') in text
            ]

        return promhosts.read(query, settings or self.settings, hosts, NOW)

    def test_two_questions_are_of_hosts_devices_and_counters(self):
        settings = Settings(
            granularity=100.0,
            window=1000.0,
            migration_devices=('bond0.7+eno1',),
            tenant_devices=('a',),
            host_metric='my_{metric}',
            host_label='host',
        )
        self.assertEqual({}, self.read(settings=settings))
        which = 'device=~"a|bond0[.]7|eno1",host=~"(?i:(a|b)([.:].*)?)"'
        both = 'my_transmit_bytes_total|my_receive_bytes_total'
        self.assertEqual(
            [
                (f'{{__name__=~"{both}",{which}}}[1200s:20s]', NOW),
                (f'{{__name__=~"my_speed_bytes",{which}}}', NOW),
            ],
            self.queries,
        )

    def test_a_hundred_hosts_are_in_one_question(self):
        for many, batches in ((0, 0), (100, 1), (101, 2), (201, 3)):
            self.read(hosts=[f'h{i:03}' for i in range(many)])
            self.assertEqual(2 * batches, len(self.queries), many)
        self.read(hosts=[f'h{i:03}' for i in range(101)])
        self.assertIn('|h099)(', self.queries[0][0])
        self.assertIn('(?i:(h100)(', self.queries[2][0])

    def test_each_device_has_what_it_sent_and_received_and_its_speed(self):
        found = self.read(
            (labels(TX), counter(100)),
            (labels(RX), counter(200)),
            (labels(SPEED), [(NOW, 0.0, 1.25e9)]),
            (labels(TX, host='b.example.org:9100'), counter(300)),
        )
        self.assertEqual({'a', 'b'}, set(found))
        a, b = found['a']['bond0'], found['b']['bond0']
        self.assertEqual({100.0}, {round(x, 6) for _, _, x in a.tx})
        self.assertEqual({200.0}, {round(x, 6) for _, _, x in a.rx})
        self.assertEqual(('bond0', 1.25e9), (a.name, a.speed))
        self.assertEqual({300.0}, {round(x, 6) for _, _, x in b.tx})
        self.assertEqual(((), None), (b.rx, b.speed))
        self.assertLess(3, len(a.tx))
        for at, span, _ in a.tx:
            self.assertEqual((0.0, SPAN), (at % SPAN, span))

    def test_what_was_not_asked_for_is_not_told(self):
        for wrong in (
            labels(TX, 'eno1'),
            labels(TX, ''),
            labels(TX, host='c:9100'),
            labels(TX, host=''),
        ):
            self.assertEqual({}, self.read((wrong, counter(100))), wrong)

    def test_a_series_without_its_name_is_no_counter(self):
        series = labels(''), counter(100)
        found = promhosts.read(lambda *_: [series], self.settings, ['a'], NOW)
        self.assertEqual(promhosts.Device(name='bond0'), found['a']['bond0'])

    def test_of_two_jobs_the_one_that_was_seen_last_counts(self):
        old, new = counter(900, ends=NOW - 600), counter(100)
        for series in ((old, new), (new, old)):
            found = self.read(*((labels(TX), s) for s in series))
            rates = {round(x, 6) for _, _, x in found['a']['bond0'].tx}
            self.assertEqual({100.0}, rates)
        short = counter(900, ends=NOW - 600, many=10)
        for series in ((short, new), (new, short)):
            found = self.read(*((labels(TX), s) for s in series))
            rates = {round(x, 6) for _, _, x in found['a']['bond0'].tx}
            self.assertEqual({100.0}, rates)
        # and of two that were seen at once the one seen more often
        few = counter(900, every=600.0, many=4)
        for series in ((few, new), (new, few)):
            found = self.read(*((labels(TX), s) for s in series))
            rates = {round(x, 6) for _, _, x in found['a']['bond0'].tx}
            self.assertEqual({100.0}, rates)

    def test_one_without_a_sample_gives_way(self):
        for series in (([], counter(100)), (counter(100), [])):
            found = self.read(*((labels(TX), s) for s in series))
            self.assertTrue(found['a']['bond0'].tx)

    def test_a_link_that_is_down_has_no_speed(self):
        for told, speed in ((-125000.0, None), (0.0, None), (1.0, 1.0)):
            found = self.read((labels(SPEED), [(NOW, 0.0, told)]))
            self.assertEqual(speed, found['a']['bond0'].speed)
        samples = [(NOW - 60, 0.0, 5.0), (NOW, 0.0, 7.0)]
        found = self.read((labels(SPEED), samples))
        self.assertEqual(7.0, found['a']['bond0'].speed)
        self.assertIsNone(self.read((labels(SPEED), []))['a']['bond0'].speed)
