"""One cloud from all that tells of it: who is asked, and what if he fails.

How each is asked and read is tested with its own module.
"""

import dataclasses
import unittest

from openstack import exceptions as sdk_errors

from tests.unit.test_telemetry_inventory import SmallCompute
from tests.unit.test_telemetry_inventory import SmallModel
from tests.unit.test_telemetry_inventory import node
from tests.unit.test_telemetry_inventory import server
from watcher_tsmig import errors
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry import read
from watcher_tsmig.telemetry.sources import Device
from watcher_tsmig.telemetry.sources import Interface
from watcher_tsmig.telemetry.sources import Refusal

NOW, SPAN = 1_700_000_100.0, 300.0
SERIES = tuple((NOW - SPAN * i, SPAN, 1e6) for i in range(9, 0, -1))
DIRTY = 'memory.dirty.t8'


class Source:
    """Tells all of one VM and one host; what is an error is raised.

    :param answers: instead of these, by name of the question
    """

    name = 'small'

    def __init__(self, refusals=(), **answers):
        self.refusals = refusals
        self.answers, self.asked = answers, []

    @property
    def questions(self):
        return len(self.asked)

    def _tell(self, question, usual):
        self.asked.append(question)
        self.kinds = list(dict.fromkeys(self.asked))
        found = self.answers.get(question, usual)
        if isinstance(found, Exception):
            raise found
        return found

    def probe(self):
        self._tell('probe', None)

    def traffic(self, vms, now):
        both = Interface(tx=SERIES, rx=SERIES)
        return self._tell('traffic', {vm: [both] for vm in vms})

    def cpu(self, vms, now):
        return self._tell('cpu', {vm: list(SERIES) for vm in vms})

    def gauges(self, vms, names, now):
        told = {DIRTY: [(NOW - 60, 0.0, 8.0)]}
        return self._tell('gauges', {vm: told for vm in vms})

    def devices(self, hosts, now):
        nic = Device(name='bond0', tx=SERIES, rx=SERIES, speed=1e9)
        return self._tell('devices', {host: {'bond0': nic} for host in hosts})


class Compute(SmallCompute):
    """It notes whether it was asked for the past."""

    def __init__(self, *servers):
        super().__init__(servers)
        self.past = []

    def migrations(self, **query):
        if query:
            self.past.append(query)
        return []


class TestRead(unittest.TestCase):
    settings = Settings(migration_devices=('bond0',))

    def read(self, source, *servers, **given):
        self.compute = Compute(*(servers or [server('one')]))
        return read.read_cloud(
            SmallModel([node('a'), node('b')]),
            self.compute,
            source,
            dataclasses.replace(self.settings, **given),
            now=NOW,
        )

    def test_all_that_is_told_is_put_to_whom_it_is_of(self):
        source = Source()
        found = self.read(source, history=3600.0)
        (vm,) = found.cloud.vms
        self.assertEqual((1e6, 'small'), (vm.traffic.tx, vm.traffic.source))
        self.assertEqual(['id-one'], list(found.writing))
        self.assertEqual(SERIES, found.loads['id-one'].cpu)
        self.assertEqual(1e6, found.loads['id-one'].tx[-1][2])
        self.assertEqual(
            [1e9, 1e9], [h.nic.capacity for h in found.cloud.hosts]
        )
        self.assertEqual((), found.notes)
        self.assertEqual(
            ['probe', 'traffic', 'gauges', 'cpu', 'devices'], source.kinds
        )
        self.assertEqual(len(source.asked), found.questions)

    def test_only_what_is_wanted_is_asked_for(self):
        source = Source()
        found = self.read(source, migration_devices=())
        self.assertEqual(['probe', 'traffic', 'gauges'], source.kinds)
        self.assertEqual({}, found.loads)
        self.assertIsNone(found.cloud.hosts[0].nic)

    def test_whoever_gave_no_scope_leaves_nobody_out(self):
        found = self.read(Source())
        self.assertFalse(found.cloud.vms[0].excluded)

    def test_a_vm_of_which_only_cpu_time_is_known_has_a_load(self):
        found = self.read(Source(traffic={}), history=3600.0)
        load = found.loads['id-one']
        self.assertEqual((SERIES, ()), (load.cpu, load.tx))

    def test_novas_past_is_asked_for_where_writing_was_not_measured(self):
        self.read(Source())
        self.assertEqual([], self.compute.past)
        self.read(Source(gauges={}))
        self.assertEqual(1, len(self.compute.past))
        # of all but one is not enough
        both = {'id-one': {DIRTY: [(NOW - 60, 0.0, 8.0)]}}
        self.read(Source(gauges=both), server('one'), server('two'))
        self.assertEqual(1, len(self.compute.past))

    def test_a_cloud_without_vms_asks_for_no_measures(self):
        source = Source()
        self.compute = Compute()
        found = read.read_cloud(
            SmallModel([node('a')]),
            self.compute,
            source,
            self.settings,
            now=NOW,
        )
        self.assertEqual(([], 0), (source.asked, found.questions))
        self.assertEqual((), found.notes)
        self.assertEqual([], self.compute.past)

    def test_without_a_source_it_says_so_once(self):
        found = self.read(None)
        self.assertEqual(
            ('no source of measures is configured; nothing is measured',),
            found.notes,
        )
        self.assertEqual(0, found.questions)
        few = read.Reading(cloud=found.cloud, node_ids={}, notes=())
        self.assertEqual(0, few.questions)

    def test_of_a_silent_source_nothing_more_is_asked_and_it_is_told(self):
        source = Source(probe=errors.CloudError('small: away'))
        found = self.read(source)
        self.assertEqual(['probe'], source.asked)
        self.assertEqual(
            ('small: away; what it would have told is unknown',), found.notes
        )
        self.assertIsNone(found.cloud.vms[0].traffic)
        self.assertEqual(1, found.questions)

    def test_what_was_told_before_it_fell_silent_counts(self):
        source = Source(gauges=errors.CloudError('small: late'))
        found = self.read(source, history=3600.0)
        self.assertEqual(1e6, found.cloud.vms[0].traffic.tx)
        self.assertEqual({}, found.writing)
        self.assertEqual(['probe', 'traffic', 'gauges'], source.asked)

    def test_whatever_goes_wrong_in_a_source_is_told_by_its_name(self):
        for wrong in (KeyError('x'), TypeError('x'), ValueError('x')):
            found = self.read(Source(probe=wrong))
            self.assertEqual(
                (
                    f'small: its answer is not as expected ({wrong!r}); what '
                    'it would have told is unknown',
                ),
                found.notes,
            )

    def test_hosts_that_nobody_tells_of_are_told_of(self):
        away = errors.CloudError('small: devices: late')
        for told, note in (
            (away, 'small: devices: late; what hosts carry is unknown'),
            (
                None,
                'small knows nothing of hosts; migration_devices is unused',
            ),
            (
                {},
                '2 of 2 hosts tell small nothing of migration_devices, such '
                'as a',
            ),
        ):
            found = self.read(Source(devices=told))
            self.assertEqual((note,), found.notes)
            self.assertIsNone(found.cloud.hosts[0].nic)

    def test_what_was_refused_is_counted_and_the_first_is_named(self):
        refusals = [
            Refusal(vm='id-one', metric='tx', why='no such method'),
            Refusal(vm='id-two', metric='rx', why='something else'),
        ]
        found = self.read(Source(refusals))
        self.assertEqual(
            ('2 metrics were refused, such as tx of one: no such method',),
            found.notes,
        )
        found = self.read(Source(refusals[1:]))
        self.assertEqual(
            (
                '1 metrics were refused, such as rx of an unknown VM: '
                'something else',
            ),
            found.notes,
        )

    def test_what_the_inventory_and_nova_lack_is_told_too(self):
        self.compute = Compute(server('one'))

        def away(**query):
            raise sdk_errors.HttpException('no records')

        self.compute.migrations = away
        found = read.read_cloud(
            SmallModel([node('a')]),
            self.compute,
            Source(gauges={}),
            self.settings,
            now=NOW,
        )
        self.assertTrue(found.notes[0].startswith('who is being migrated'))
        self.assertTrue(found.notes[1].startswith('earlier migrations are'))
