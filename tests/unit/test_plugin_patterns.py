"""Measurements become working sets; new ones overrule old ones."""

import dataclasses

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import vm
from watcher_tsmig.forecast.learned.experience import Prior
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.model.rules import Speeds
from watcher_tsmig.model.trace import Trace
from watcher_tsmig.plan.problem import known
from watcher_tsmig.plugin.audits import patterns
from watcher_tsmig.telemetry import Reading
from watcher_tsmig.telemetry.metrics.dirty import Writing

NOW = 100_000.0
SPANS = (1.0, 2.0, 4.0, 8.0)


class TestPatterns(testtools.TestCase):
    def reading(self, *rates):
        """Measurements every 300 s, the last one now; rates in bytes/s."""
        observations = tuple(
            Observation(
                at=NOW - 300.0 * (len(rates) - 1 - i),
                seconds=seconds,
                dirtied=rate * seconds,
            )
            for i, rate in enumerate(rates)
            for seconds in SPANS
        )
        writing = {}
        if rates:
            writing['id-v'] = Writing(
                resident=1e9, observations=observations, source='aetos'
            )
        return Reading(
            cloud=cloud('a b', vm('v', 'a', working_set=None)),
            node_ids={},
            notes=(),
            writing=writing,
        )

    def working_set(self, *rates):
        return self.applied(*rates).cloud.vm('id-v').working_set

    def applied(self, *rates):
        return patterns.applied(self.reading(*rates), NOW)

    def test_a_steady_writer_is_found(self):
        found = self.working_set(2e7, 2e7, 2e7)
        samples = dict(found.samples)
        for seconds in SPANS:
            self.assertAlmostEqual(2e7 * seconds, samples[seconds], delta=1e5)
        self.assertEqual(1e9, found.resident)
        self.assertEqual(NOW, found.measured_at)
        self.assertEqual('aetos', found.source)

    def test_what_nobody_measured_stays_unknown(self):
        self.assertIsNone(self.working_set())

    def test_yesterdays_curve_does_not_rule_todays(self):
        reading = self.applied(*[2e6] * 6, *[4e7] * 3)
        samples = dict(reading.cloud.vm('id-v').working_set.samples)
        self.assertAlmostEqual(4e7 * 4, samples[4.0], delta=4e6)
        self.assertIn('the writing of 1 VMs has changed', reading.notes[-1])

    def test_what_telemetry_noted_comes_first(self):
        reading = self.reading(*[2e6] * 6, *[4e7] * 3)
        reading = dataclasses.replace(reading, notes=('Gnocchi is slow',))
        notes = patterns.applied(reading, NOW).notes
        self.assertEqual(
            (
                'Gnocchi is slow',
                'the writing of 1 VMs has changed, older measurements of it '
                'are not used',
            ),
            notes,
        )

    def test_a_steady_writer_gives_no_note(self):
        self.assertEqual((), self.applied(*[2e7] * 6).notes)


class TestLearned(testtools.TestCase):
    kin = {'id-v': ('flavor:a',), 'id-w': ('flavor:a',), 'id-m': ('x:y',)}

    def reading(self, **values):
        whole = cloud(
            'a b',
            vm('v', 'a', working_set=None),
            vm('w', 'a', working_set=None),
            vm('m', 'a'),
            vm('p', 'a', working_set=None, state='paused'),
        )
        return Reading(
            cloud=whole,
            node_ids={},
            notes=('one',),
            **{'kin': {**self.kin, 'id-p': ('flavor:a',)}, **values},
        )

    def learned(self, reading, *traces):
        return patterns.learned(reading, traces, Prior(rate=5e7, link=125e6))

    def trace(self, name, at=1.0, **values):
        return Trace(vm=f'id-{name}', at=at, memory=4e9, **values)

    def test_where_nothing_moved_nothing_is_learned(self):
        reading = self.reading()
        self.assertEqual(reading, self.learned(reading))

    def test_who_was_measured_or_stands_is_left_as_it_is(self):
        reading = self.reading()
        rounds = ((2.0, 9e7), (9.0, 3e8))
        found = self.learned(
            reading, *(self.trace(n, rounds=rounds) for n in 'vmp')
        )
        for name, basis in (
            ('v', 'own-migrations'),
            ('w', 'migrations-of-like-vms'),
            ('m', 'measured'),
        ):
            work = found.cloud.vm(f'id-{name}').working_set
            self.assertEqual(basis, work.basis)
        self.assertIsNone(found.cloud.vm('id-p').working_set)
        self.assertEqual(
            (
                'one',
                'the writing of 2 VMs is learned from migrations: of 1 from '
                'their own, of 1 from those of VMs like them',
            ),
            found.notes,
        )

    def test_what_zeros_cost_on_a_host_is_learned_and_what_is_declared_stays(
        self,
    ):
        reading = self.reading()
        slow = [
            self.trace(
                'v', at, first_pass=1e9, took=90.0, rate=125e6, source=source,
                rounds=((9.0, 3e8),),
            )
            for at in range(1, 9)
            for source in ('a', 'b')
        ]  # fmt: skip
        hosts = tuple(
            dataclasses.replace(h, speeds=Speeds(zero_pre_copy=2e-6))
            if h.name == 'b'
            else h
            for h in reading.cloud.hosts
        )
        built = dataclasses.replace(reading.cloud, hosts=hosts)
        found = self.learned(
            dataclasses.replace(reading, cloud=built), *slow
        ).cloud
        learned, declared = (h.speeds.zero_pre_copy for h in found.hosts)
        self.assertGreater(learned, 1e-5)
        self.assertEqual(2e-6, declared)

    def test_novas_record_of_what_we_saw_ourselves_does_not_count(self):
        seen = self.trace('v', 1000.0, first_pass=1e9)
        for at, writes in ((1000.0, False), (1200.0, False), (2000.0, True)):
            past = (self.trace('v', at, took=60.0),)
            found = self.learned(self.reading(past=past), seen)
            work = found.cloud.vm('id-v').working_set
            self.assertEqual(writes, bool(work.samples), at)

    def test_it_tells_by_which_link_ours_went_where_nobody_set_a_rate(self):
        longer = []
        for rate in (None, 25e6):
            seen = self.trace(
                'v', 1000.0, first_pass=4e9, took=60.0, rate=rate
            )
            past = (self.trace('v', 1010.0, took=63.0, rate=50e6),)
            found = self.learned(self.reading(past=past), seen)
            ((seconds, _),) = found.cloud.vm('id-v').working_set.samples
            longer.append(seconds)
        self.assertAlmostEqual(2.0, longer[1] / longer[0])

    def test_what_was_learned_of_like_vms_is_an_assumption_of_the_plan(self):
        rounds = ((2.0, 9e7), (9.0, 3e8))
        found = self.learned(self.reading(), self.trace('v', rounds=rounds))
        own, like = (found.cloud.vm(f'id-{n}') for n in 'vw')
        self.assertEqual((), known.assumptions(own))
        self.assertEqual((known.AS_ITS_LIKE,), known.assumptions(like))
        self.assertTrue(known.seen_writing(known.assumptions(own)))
        self.assertFalse(known.seen_writing(known.assumptions(like)))
