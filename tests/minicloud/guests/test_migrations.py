"""A drain whose migrations are real: how it ends, and how long it takes.

The writing of each guest is measured by QEMU through libvirt, and given to
Gnocchi under the metric names that the plugin reads.
"""

import json
import time
import unittest

from tests.lab import libvirtd
from tests.minicloud import real_hosts
from tests.minicloud.configuration import REAL
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
            domain.startDirtyRateCalc(
                span, api.VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_BITMAP
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
        measured = {}
        for name, server in self.ids.items():
            measured[name] = self.measure(server)
            self.operator.feed(server, 0.0, 0.0)
            self.operator.feed_gauges(server, **measured[name])
        self.operator.fed()
        audit = self.operator.audit(hosts=['compute1'], policy='fast')
        self.assertEqual('SUCCEEDED', audit['state'])
        plan = self.operator.plan_of(audit)
        print(json.dumps(measured), plan['status_message'])
        moves = {
            move['input_parameters']['resource_name']: move
            for move in self.operator.moves(plan)
        }
        modes = {n: m['input_parameters']['mode'] for n, m in moves.items()}
        began = time.monotonic()
        self.operator.start(plan)
        statuses = {name: [] for name in self.ids}

        def look():
            for name, server in self.ids.items():
                for record in self.operator.migrations(server):
                    if record['status'] not in statuses[name]:
                        statuses[name].append(record['status'])
            return self.operator.plan(plan['uuid'])['state'] in (
                'SUCCEEDED',
                'FAILED',
            )

        eventually('plan', look, 400)
        took = time.monotonic() - began
        print(modes, statuses, took)
        for name, move in moves.items():
            print(json.dumps(self.beside(name, move['input_parameters'])))
        ended = self.operator.ended(plan)
        self.assertEqual('SUCCEEDED', ended['state'], ended)
        self.assertEqual(
            {'idle': 'pre-copy', 'web': 'pre-copy', 'db': 'post-copy'}, modes
        )
        for name, server in self.ids.items():
            self.assertEqual('compute2', self.operator.host_of(server))
            self.assertIn('completed', statuses[name])
        self.assertIn('running (post-copy)', statuses['db'])

    def beside(self, name, given):
        """What a migration took, beside what was forecast."""
        domain = self.hosts['compute2'].lookupByUUIDString(self.ids[name])
        job = domain.jobStats(self.libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        return {
            'name': name,
            'mode': given['mode'],
            'seconds': job['time_elapsed'] / 1000,
            'planned_s': given['planned_duration_s'],
            'mib': job['memory_processed'] / MIB,
            'planned_mib': given['planned_data_mib'],
            'downtime_ms': job.get('downtime'),
            'planned_downtime_ms': given['planned_downtime_ms'],
            'because': given['because'],
        }
