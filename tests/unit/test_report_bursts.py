"""Who is named as likely to burst: in texts, and in an audit's message."""

import time
import types

from tests.unit import builders
from tests.unit.test_plugin_drain import Base
from tests.unit.test_telemetry_sources import URL
from tests.unit.test_telemetry_sources import SmallPrometheus
from watcher_tsmig.model import Spread
from watcher_tsmig.model import Traffic
from watcher_tsmig.report import bursts

EVERY = 60.0


def vm(name, share):
    spread = Spread(p50=1.0, p95=2.0, bursts=share, watched=86400.0)
    traffic = Traffic(tx=1.0, rx=1.0, tx_spread=spread)
    return builders.vm(name, 'a', traffic=traffic)


def counter(bursts_every, back=86400.0):
    """What Prometheus saw in a day; bursts of five minutes, 80 Mbit/s."""
    now, value, seen = time.time(), 1e9, []
    at = (now - back) // EVERY * EVERY
    while at <= now:
        seen.append((at, value))
        since = at % bursts_every if bursts_every else 300.0
        value += EVERY * (1e7 if since < 300.0 else 1e4)
        at += EVERY
    return seen


class TestNamed(Base):
    osc = types.SimpleNamespace(session=types.SimpleNamespace(timeout=5.0))

    def test_the_worst_are_named_the_worst_first(self):
        vms = [vm(f'vm{i}', i / 50) for i in range(8)]
        self.assertEqual(
            [
                'likely to burst: vm7 (8 min an hour), vm6 (7 min an hour), '
                'vm5 (6 min an hour)'
            ],
            bursts.notes(vms),
        )

    def test_who_seldom_bursts_or_was_never_watched_is_not(self):
        calm = [vm('calm', 0.01), builders.vm('new', 'a')]
        self.assertEqual([], bursts.notes(calm))
        self.assertEqual(
            [('wild', 0.5)], bursts.exposed([*calm, vm('wild', 0.5)])
        )

    def test_an_audit_names_those_that_it_moves(self):
        server = SmallPrometheus(self)
        self.compute.migrations = lambda **_: []
        for name, every in (('one', 1800.0), ('two', 0.0)):
            seen = counter(every)
            for metric in ('outgoing', 'incoming'):
                server.gauge(
                    f'ceilometer_network_{metric}_bytes',
                    f'instance-1-id-{name}-tap0',
                    seen,
                )
        given = {'metrics_source': 'prometheus', 'metrics_place': URL}
        with self.assertLogs(
            'watcher_tsmig.plugin.audits.strategy', 'INFO'
        ) as logs:
            found = self.run_it(hosts=['a'], given=given)
        self.assertEqual(4, len(found.solution.actions))
        said = 'likely to burst: one ('
        self.assertIn(said, '\n'.join(logs.output))
        self.assertIn(said, self.audit.status_message)
        self.assertNotIn('two (', self.audit.status_message)
