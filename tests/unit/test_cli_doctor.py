"""Every check of the doctor, on what was read: fine, odd, and not asked."""

import dataclasses

import testtools

from tests.unit import builders
from watcher_tsmig import units
from watcher_tsmig.cli import doctor
from watcher_tsmig.cli.findings import Severity
from watcher_tsmig.cli.findings import some
from watcher_tsmig.model import NovaSettings
from watcher_tsmig.telemetry import Reading
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.direct import SERVICES
from watcher_tsmig.telemetry.direct import Direct
from watcher_tsmig.telemetry.doctor.examine import Seen
from watcher_tsmig.telemetry.doctor.probes import PROBES
from watcher_tsmig.telemetry.doctor.probes import Answer
from watcher_tsmig.telemetry.inventory.nodes import Node
from watcher_tsmig.telemetry.inventory.nodes import Nodes
from watcher_tsmig.telemetry.metrics.dirty import Writing
from watcher_tsmig.telemetry.metrics.metering import Metering
from watcher_tsmig.telemetry.metrics.metering import Series

NOW = 1_000_000.0
SETTINGS = Settings()
TX, RX = SETTINGS.tx_metric, SETTINGS.rx_metric
WRITES = ('id-one', 'id-two')
STRATEGIES = [
    {'name': f'traffic_sensitive_{name}'}
    for name in ('drain', 'maintenance', 'relief')
]
PARTS = [
    {'name': name, 'status': 'ACTIVE'}
    for name in ('watcher-decision-engine', 'watcher-applier')
]

NOVA = NovaSettings(
    downtime_limit=0.5,
    downtime_steps=10,
    downtime_delay=75.0,
    completion_timeout=800.0,
)


def host(name, **values):
    return builders.host(
        name,
        **{
            'max_outgoing': 2,
            'nova': NOVA,
            'memory': 64.0 * units.GIB,
            **values,
        },
    )


def cloud(**values):
    return builders.cloud(
        'a b',
        builders.vm('one', 'a', state='active'),
        builders.vm('two', 'b', state='active'),
        **{'a': host('a'), 'b': host('b'), **values},
    )


def node(name, **values):
    return Node(
        **{
            'uuid': f'uuid-{name}',
            'hostname': name,
            'memory_mb_capacity': 64.0 * 1024,
            'vcpus': 32.0,
            'vcpu_capacity': 32.0,
            'disk': 0.0,
            'disk_gb_capacity': 0.0,
            **values,
        }
    )


def direct(read=None, notes=(), writes=None, **nodes):
    named = {n: nodes.get(n, node(n)) for n in ('a', 'b')}
    found = read or cloud()
    some_writing = Writing(resident=1.0, observations=())
    return Direct(
        reading=Reading(
            cloud=found,
            node_ids={},
            notes=notes,
            writing=dict.fromkeys(writes or WRITES, some_writing),
        ),
        nodes=Nodes(nodes={n.uuid: n for n in named.values()}),
    )


def counter(rate, *, span=300.0, points=10, start=NOW - 3000.0):
    """Measures of a counter that grows so many bytes/s."""
    return tuple(
        (start + i * span, span, 5e9 + rate * i * span) for i in range(points)
    )


def series(vm='one', metric=TX, rate=1e6, **values):
    found = {v.name: v for v in cloud().vms}
    return Series(
        **{
            'vm': found[vm],
            'metric': metric,
            'policy': 'ceilometer-low-rate',
            'methods': ('mean', 'rate:mean'),
            'granularities': (300.0,),
            'aggregation': 'mean',
            'measures': counter(rate),
            **values,
        }
    )


def metering(*some_series, **values):
    vms = cloud().vms
    ids = frozenset(vm.id for vm in vms)
    return Metering(
        **{
            'looked_for': vms,
            'having': {TX: ids, RX: ids},
            'series': some_series or (series(), series('two')),
            **values,
        }
    )


def answers(**changes):
    """What a cloud says in which all is fine; `changes` by path's word."""
    found = []
    for probe in PROBES:
        given = []
        if probe.path.startswith('/v1/strategies'):
            given = STRATEGIES
        elif probe.path == '/v1/services':
            given = PARTS
        one = Answer(probe=probe, status=200, found=given, took=0.1)
        for word, change in changes.items():
            if word in probe.path.replace('-', '_'):
                one = dataclasses.replace(one, **change)
        found.append(one)
    return tuple(found)


def seen(**values):
    return Seen(
        **{
            'now': NOW,
            'settings': SETTINGS,
            'endpoints': {s: f'http://cloud/{s}' for s in SERVICES},
            'answers': answers(),
            'skews': dict.fromkeys(SERVICES, 0.2),
            'nova': '2.104',
            'direct': direct(),
            'metering': metering(),
            'agents': True,
            'options': {'watcher_workflow_engines.taskflow/max_workers': 64},
            **values,
        }
    )


def told(check, **values):
    """Severities and texts of one check, in order."""
    (one,) = [c for c in doctor.CHECKS if c.name == check]
    found = list(one.look(seen(**values)))
    return [f.severity.code for f in found], ' / '.join(
        f'{f.told} -> {f.remedy}' for f in found
    )


class TestAll(testtools.TestCase):
    def test_a_cloud_in_which_all_is_fine_has_nothing_worse_than_unasked(self):
        found = list(doctor.findings(seen()))
        wrong = [row[2] for row, s in found if s > Severity.NOT_ASKED]
        self.assertEqual([], wrong)
        self.assertEqual(
            [check.name for check in doctor.CHECKS],
            list(dict.fromkeys(row[0] for row, _ in found)),
        )

    def test_where_nothing_was_read_each_check_says_so(self):
        nothing = Seen(now=NOW, settings=SETTINGS, endpoints={})
        for check in doctor.CHECKS:
            found = list(check.look(nothing))
            self.assertTrue(found, check.name)
            if check.name not in ('services', 'rights'):
                self.assertEqual(
                    {Severity.NOT_ASKED}, {f.severity for f in found}, check
                )

    def test_every_warning_and_error_has_a_remedy(self):
        odd = seen(
            answers=answers(servers={'status': 403, 'why': 'HTTP 403'}),
            skews={'compute': 3600.0},
            nova='2.1',
            direct=direct(cloud(a=host('a', up=False, nic=None))),
            metering=metering(having={}),
            options={},
        )
        for row, severity in doctor.findings(odd):
            if severity > Severity.NOT_ASKED:
                self.assertTrue(row[3], row[2])

    def test_each_check_says_what_it_looks_at(self):
        for check in doctor.CHECKS:
            self.assertTrue(check.look.__doc__, check.name)

    def test_of_many_names_a_few_are_told(self):
        self.assertEqual('a, b, c', some(['a', 'b', 'c']))
        self.assertEqual('a, b, c and 2 more', some(list('abcde')))


class TestCloud(testtools.TestCase):
    def test_a_service_that_is_missing_silent_or_slow_is_told(self):
        endpoints = {s: 'http://cloud' for s in SERVICES if s != 'metric'}
        severities, text = told('services', endpoints=endpoints)
        self.assertEqual(1, severities.count('warning'))
        self.assertIn('Gnocchi is not in the catalogue', text)
        away = {'status': None, 'why': 'it does not answer: refused'}
        severities, text = told('services', answers=answers(os_=away))
        self.assertNotIn('error', severities)
        every = {'': away}
        severities, text = told('services', answers=answers(**every))
        self.assertEqual(2, severities.count('error'))
        self.assertIn('Nova: it does not answer: refused', text)
        severities, text = told(
            'services', answers=answers(images={'took': 6.0})
        )
        self.assertIn('Glance: a small question took 6.0 s', text)

    def test_what_is_refused_is_told_with_what_would_allow_it(self):
        severities, text = told(
            'rights',
            answers=answers(hypervisors={'status': 403, 'why': 'HTTP 403'}),
        )
        self.assertEqual(['error'], severities)
        self.assertIn('os_compute_api:os-hypervisors:list-detail', text)
        severities, text = told(
            'rights',
            answers=answers(server_groups={'status': 403, 'why': 'HTTP 403'}),
        )
        self.assertEqual(['warning'], severities)
        severities, text = told('rights', failure='Nova: servers: 500')
        self.assertEqual(['error'], severities)
        for status, word in ((404, 'catalogue'), (406, '2.53'), (500, 'log')):
            failed = {'status': status, 'why': f'HTTP {status}'}
            _, text = told('rights', answers=answers(hypervisors=failed))
            self.assertIn(word, text.partition('->')[2])

    def test_what_an_older_nova_lacks_is_told(self):
        for version, severities in (
            ('2.104', ['ok']),
            ('2.95', ['warning']),
            ('2.83', ['error', 'warning']),
            ('2.52', ['error', 'error', 'warning']),
            ('2.9', ['error', 'error', 'error', 'warning']),
        ):
            self.assertEqual(severities, told('versions', nova=version)[0])

    def test_a_clock_that_is_off_is_told_and_which_way(self):
        for ahead, severity, words in (
            (4.9, 'ok', 'within 5 s'),
            (-6.0, 'warning', 'Gnocchi is 6.0 s behind ours'),
            (3600.0, 'error', 'Gnocchi is 1 h 0 min ahead of ours'),
        ):
            severities, text = told('clocks', skews={'metric': ahead})
            self.assertEqual([severity], severities)
            self.assertIn(words, text)

    def test_hosts_that_are_down_are_named(self):
        read = cloud(a=host('a', up=False))
        severities, text = told('hosts', direct=direct(read))
        self.assertEqual(['warning'], severities)
        self.assertIn('1 of 2 hosts are down: a', text)
        alone = builders.cloud('a', a=host('a'))
        severities, _ = told('hosts', direct=direct(alone))
        self.assertEqual(['error'], severities)

    def test_room_that_only_placement_has_taken_is_told(self):
        more = node('b', memory_mb_capacity=66.0 * 1024, vcpu_capacity=33.0)
        severities, text = told('placement', direct=direct(b=more))
        self.assertEqual(['warning'], severities)
        self.assertIn('b: by Placement 2.0 GiB and 1 vCPUs more', text)
        less = node('b', memory_mb_capacity=64.0 * 1024 + 0.5)
        self.assertEqual(['ok'], told('placement', direct=direct(b=less))[0])

    def test_what_hosts_do_not_tell_is_told_with_its_key(self):
        for check, change, key in (
            ('nics', {'nic': None}, 'tsmig:nic_mbit_s'),
            ('limits', {'max_outgoing': None}, 'max_concurrent'),
            ('post-copy', {'post_copy': None}, 'tsmig:post_copy'),
        ):
            read = cloud(b=host('b', **change))
            severities, text = told(check, direct=direct(read))
            self.assertEqual(['warning'], severities, check)
            self.assertIn('1 of 2 hosts do not tell', text)
            self.assertIn(key, text)

    def test_a_host_that_cannot_post_copy_or_never_ends_one_is_named(self):
        read = cloud(b=host('b', post_copy=False))
        severities, text = told('post-copy', direct=direct(read))
        self.assertEqual(['ok', 'warning'], severities)
        self.assertIn('cannot post-copy: b', text)
        forever = dataclasses.replace(NOVA, completion_timeout=None)
        read = cloud(b=host('b', nova=forever))
        severities, text = told('limits', direct=direct(read))
        self.assertEqual(['ok', 'warning'], severities)
        self.assertIn('never ends a migration on b', text)

    def test_agents_are_asked_only_with_a_bus(self):
        self.assertEqual(['not-asked'], told('agents', agents=False)[0])
        read = cloud(b=host('b', agent=False))
        severities, text = told('agents', direct=direct(read))
        self.assertEqual(['warning'], severities)
        self.assertIn('1 of 2 hosts: b', text)

    def test_what_was_odd_is_told_as_it_is(self):
        severities, text = told('notes', direct=direct(notes=('odd',)))
        self.assertEqual(['warning'], severities)
        self.assertIn('odd', text)


class TestWatcher(testtools.TestCase):
    def test_a_strategy_that_is_not_loaded_is_an_error(self):
        few = {'found': STRATEGIES[1:]}
        severities, text = told('watcher', answers=answers(strategies=few))
        self.assertEqual(['error', 'not-asked'], severities)
        self.assertIn('lacks traffic_sensitive_drain', text)

    def test_a_service_that_is_not_active_is_an_error(self):
        failed = {'found': [PARTS[0], {**PARTS[1], 'status': 'FAILED'}]}
        severities, text = told(
            'watcher',
            answers=tuple(
                dataclasses.replace(a, **failed)
                if a.probe.path == '/v1/services'
                else a
                for a in answers()
            ),
        )
        self.assertEqual(['ok', 'error', 'not-asked'], severities)
        self.assertIn('no watcher-applier is active', text)

    def test_workers_are_set_against_what_plans_have_at_once(self):
        key = 'watcher_workflow_engines.taskflow/max_workers'
        for options, severity in (
            (None, 'not-asked'),
            ({}, 'warning'),
            ({key: 31}, 'warning'),
            ({key: 32}, 'ok'),
        ):
            self.assertEqual([severity], told('workers', options=options)[0])
