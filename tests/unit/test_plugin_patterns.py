"""Measurements become working sets; new ones overrule old ones."""

import dataclasses

import testtools

from tests.unit.builders import cloud
from tests.unit.builders import vm
from watcher_tsmig.model.observed import Observation
from watcher_tsmig.plugin import patterns
from watcher_tsmig.telemetry import Reading
from watcher_tsmig.telemetry.dirty import Writing

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
