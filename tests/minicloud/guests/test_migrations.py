"""A drain whose migrations are real: how it ends, and how long it takes.

The writing of each guest is measured by QEMU through libvirt, and given to
Gnocchi under the metric names that the plugin reads.
"""

import collections
import time
import unittest

from tests.lab import libvirtd
from tests.minicloud import real_hosts
from tests.minicloud.configuration import REAL
from tests.minicloud.operators import ENDED
from tests.minicloud.operators import Operator
from tests.minicloud.operators import eventually

MIB = 1 << 20
SPANS = (1, 2, 4, 8)
# what libvirt calls the measurement when it has ended
MEASURED = 2


class TestDrain(unittest.TestCase):
    """Three guests: one idle, one that writes, one that writes too fast."""

    def setUp(self):
        self.operator = Operator()
        self.addCleanup(self.operator.sweep)
        self.libvirt = libvirtd.bindings(real_hosts.KIT.resolve() / 'libvirt')
        self.hosts = {}
        for host, address in REAL.items():
            connection = self.libvirt.open(f'qemu+tcp://{address}/system')
            self.addCleanup(connection.close)
            self.hosts[host] = connection
        self.operator.aggregate(
            'links',
            list(REAL),
            **{
                'tsmig:nic_mbit_s': f'{real_hosts.LINK / 1e6:g}',
                'tsmig:post_copy': 'true',
            },
        )
        self.ids = {
            name: self.operator.boot(name, 'compute1', 'real', image=name)
            for name in real_hosts.GUESTS
        }
        for server in self.ids.values():
            self.operator.at_rest(server)
            eventually('READY', lambda x=server: 'READY' in self.console(x))

    def console(self, server):
        status, body = self.operator.nova(
            'POST',
            f'/servers/{server}/action',
            {'os-getConsoleOutput': {}},
        )
        return body['output'] if status == 200 else ''

    def measure(self, server):
        """MiB that it dirties within each of the spans, and has resident."""
        api = self.libvirt
        domain = self.hosts['compute1'].lookupByUUIDString(server)
        found = {}
        for span in SPANS:
            # by sampling pages: QEMU counts dirty bits under KVM only
            domain.startDirtyRateCalc(
                span, api.VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING
            )

            def look():
                ((_, now),) = self.hosts['compute1'].domainListGetStats(
                    [domain], api.VIR_DOMAIN_STATS_DIRTYRATE
                )
                if now.get('dirtyrate.calc_status') != MEASURED:
                    return None
                return (now['dirtyrate.megabytes_per_second'],)

            (rate,) = eventually('dirty rate', look)
            found[f'memory_dirty_t{span}'] = float(rate * span)
        found['memory_resident'] = domain.memoryStats()['rss'] / 1024
        return found

    def test_the_plan_ends_in_real_migrations(self):
        for server in self.ids.values():
            self.operator.feed(server, 0.0, 0.0)
            self.operator.feed_gauges(server, **self.measure(server))
        self.operator.fed()
        audit = self.operator.audit(hosts=['compute1'])
        self.assertEqual('SUCCEEDED', audit['state'])
        plan = self.operator.plan_of(audit)
        given = {
            move['input_parameters']['resource_name']: move['input_parameters']
            for move in self.operator.moves(plan)
        }
        self.assertEqual(
            {'idle': 'pre-copy', 'web': 'pre-copy', 'db': 'post-copy'},
            {name: move['mode'] for name, move in given.items()},
        )
        self.operator.start(plan)
        seen = Seen()
        eventually('plan', lambda: self.look(plan, seen), 400)
        ended = self.operator.ended(plan)
        self.assertEqual('SUCCEEDED', ended['state'], ended)
        for name, server in self.ids.items():
            self.assertEqual('compute2', self.operator.host_of(server))
            self.assertEqual('completed', seen.statuses[name][-1])
            domain = self.hosts['compute2'].lookupByUUIDString(server)
            self.assertTrue(domain.isActive(), name)
        self.assertIn('running (post-copy)', seen.statuses['db'])
        for name, move in given.items():
            took = seen.ends[name] - seen.begins[name]
            mib = seen.sent[name] / MIB
            print(
                f'{name:5} {move["mode"]:10}'
                f'{took:6.1f} s of {move["planned_duration_s"]:5.1f}'
                f'{mib:7.1f} MiB of {move["planned_data_mib"]:6.1f}',
                flush=True,
            )
            self.assertLess(abs(mib / move['planned_data_mib'] - 1.0), 0.5)
            self.assertLess(abs(took / move['planned_duration_s'] - 1.0), 0.6)

    def look(self, plan, seen):
        """Note what Nova tells of each VM now; whether the plan has ended."""
        moment, total = time.monotonic(), real_hosts.received('compute2')
        for name, server in self.ids.items():
            for record in self.operator.migrations(server):
                seen.note(name, record['status'], moment, total)
        return self.operator.plan(plan['uuid'])['state'] in ENDED


class Seen:
    """What was seen of the migrations, one of which runs at a time."""

    def __init__(self):
        self.statuses = collections.defaultdict(list)
        self.begins = {}
        self.ends = {}
        self.sent = {}

    def note(self, name, status, moment, total):
        """A status, when, and what the link had carried by then."""
        if status in self.statuses[name]:
            return
        self.statuses[name].append(status)
        if status == 'preparing':
            self.begins[name], self.sent[name] = moment, -total
        elif status == 'completed':
            self.ends[name] = moment
            self.sent[name] += total
