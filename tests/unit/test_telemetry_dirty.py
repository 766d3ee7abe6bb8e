"""Working sets from the answers of a small Gnocchi."""

from tests.unit.test_telemetry_gnocchi import LAST
from tests.unit.test_telemetry_gnocchi import NOW
from tests.unit.test_telemetry_gnocchi import SPAN
from tests.unit.test_telemetry_gnocchi import Base
from watcher_tsmig import units
from watcher_tsmig.model.observed import Kind
from watcher_tsmig.telemetry import Settings
from watcher_tsmig.telemetry.metrics import dirty


class TestDirty(Base):
    def read(self, memory=4e9):
        return dirty.read_writing(
            self.source(), {'vm-1': memory}, self.settings, NOW
        ).get('vm-1')

    def spans(self, found):
        """(seconds, bytes) of the newest observation of each span."""
        return {o.seconds: o.dirtied for o in found.observations}

    def test_observations_are_bytes_by_seconds(self):
        self.server.instance('vm-1', dirty_t1=10, dirty_t8=50, resident=900)
        found = self.read()
        self.assertEqual(
            {1.0: units.from_mib(10), 8.0: units.from_mib(50)},
            self.spans(found),
        )
        self.assertEqual(units.from_mib(900), found.resident)
        self.assertEqual('gnocchi', found.source)
        self.assertEqual(LAST + SPAN, found.observations[-1].at)

    def test_only_the_newest_of_each_span_are_taken(self):
        self.server.instance('vm-1', dirty_t1=10, resident=900)
        found = self.read()
        self.assertLessEqual(len(found.observations), dirty.NEWEST)

    def test_without_dirty_pages_the_vm_is_unknown(self):
        self.server.instance('vm-1', resident=900)
        self.assertIsNone(self.read())
        self.assertEqual([], self.server.fetches)

    def test_memory_that_is_not_zero_counts_before_what_is_resident(self):
        self.server.instance('vm-1', dirty_t1=10, resident=900, nonzero=300)
        self.assertEqual(units.from_mib(300), self.read().resident)

    def test_where_that_has_no_metric_what_is_resident_counts(self):
        self.settings = Settings(nonzero_metric='')
        self.server.instance('vm-1', dirty_t1=10, resident=900, nonzero=300)
        self.assertEqual(units.from_mib(900), self.read().resident)

    def test_old_memory_that_is_not_zero_gives_way_to_what_is_resident(self):
        found = dirty.writing_of(
            {
                'memory.dirty.t1': [(LAST, SPAN, 10.0)],
                'memory.nonzero': [(LAST - 2 * 86400, SPAN, 300.0)],
                'memory.resident': [(LAST, SPAN, 900.0)],
            },
            4e9,
            self.settings,
            NOW,
        )
        self.assertEqual(units.from_mib(900), found.resident)

    def test_without_resident_memory_all_of_it_counts(self):
        self.server.instance('vm-1', dirty_t1=10)
        self.assertEqual(4e9, self.read().resident)

    def test_nothing_exceeds_the_flavor(self):
        self.server.instance('vm-1', dirty_t1=9999, resident=9999)
        found = self.read(memory=1e9)
        self.assertEqual(1e9, found.resident)
        self.assertEqual({1.0: 1e9}, self.spans(found))

    def of(self, memory=4e9, **values):
        """Of measures (age, span, value), by metric without its prefix."""
        measures = {
            'memory.' + name.replace('_', '.'): [
                (NOW - age, span, float(value)) for age, span, value in some
            ]
            for name, some in values.items()
        }
        return dirty.writing_of(measures, memory, self.settings, NOW)

    def test_a_measure_is_as_old_as_the_end_of_its_span(self):
        self.settings = Settings(dirty_age=60.0)
        for age, span, at in (
            (70.0, 10.0, NOW - 60.0), (60.0, 0.0, NOW - 60.0),
            (70.1, 10.0, None), (10.0, 10.0, NOW), (5.0, 10.0, NOW),
        ):  # fmt: skip
            found = self.of(dirty_t1=[(age, span, 1)])
            if at is None:
                self.assertIsNone(found)
            else:
                self.assertEqual([at], [o.at for o in found.observations])

    def test_the_newest_six_of_each_span_are_observations_in_time(self):
        series = [(100.0 - i, 0.0, i) for i in range(8)]
        found = self.of(dirty_t8=series, dirty_t1=series).observations
        self.assertEqual(
            [
                (NOW - 100.0 + i, seconds, float(units.from_mib(i)))
                for i in range(2, 8)
                for seconds in (1.0, 8.0)
            ],
            [(o.at, o.seconds, o.dirtied) for o in found],
        )
        self.assertEqual({Kind.SAMPLING}, {o.kind for o in found})

    def test_what_is_less_than_nothing_is_nothing(self):
        (one,) = self.of(dirty_t1=[(9.0, 0.0, -5)]).observations
        self.assertEqual(0.0, one.dirtied)

    def test_what_is_resident_is_the_newest_that_is_young_and_not_none(self):
        self.settings = Settings(dirty_age=60.0)
        writes = [(9.0, 0.0, 1)]
        for resident, mib in (
            ([(30.0, 0.0, 100), (20.0, 0.0, 200)], 200),
            ([(70.0, 10.0, 100)], 100),
            ([(70.1, 10.0, 100)], None),
            ([(9.0, 0.0, 0)], None),
            ([(9.0, 0.0, -1)], None),
            ([(30.0, 0.0, 100), (20.0, 0.0, 0)], None),
            ([(9.0, 0.0, 0.5)], 0.5),
        ):
            found = self.of(dirty_t1=writes, resident=resident)
            expected = 4e9 if mib is None else units.from_mib(mib)
            self.assertEqual(expected, found.resident)

    def test_either_size_may_have_no_metric(self):
        writes, size = [(9.0, 0.0, 1)], [(9.0, 0.0, 100)]
        for values, known in (
            ({}, True),
            ({'nonzero_metric': ''}, True),
            ({'resident_metric': ''}, False),
        ):
            self.settings = Settings(**values)
            found = self.of(dirty_t1=writes, resident=size)
            self.assertIs(known, found.resident < 4e9)

    def test_who_has_no_writing_is_not_asked_for_sizes(self):
        asked = []

        class Source:
            name = 'mine'

            def gauges(self, vms, metrics, now):
                asked.append((vms, list(metrics), now))
                if 'memory.resident' in metrics:
                    return {'one': {'memory.resident': [(NOW, 0.0, 100.0)]}}
                return {
                    'one': {'memory.dirty.t1': [(NOW, 0.0, 1.0)]},
                    'none': {'memory.dirty.t1': []},
                    'old': {'memory.dirty.t1': [(0.0, 0.0, 1.0)]},
                }

        memory = {'one': 4e9, 'none': 4e9, 'old': 4e9}
        found = dirty.read_writing(Source(), memory, self.settings, NOW)
        self.assertEqual(['one'], list(found))
        self.assertEqual('mine', found['one'].source)
        self.assertEqual(units.from_mib(100), found['one'].resident)
        self.assertEqual(
            [
                (list(memory), list(self.settings.dirty_metrics()), NOW),
                (['one', 'old'], ['memory.nonzero', 'memory.resident'], NOW),
            ],
            asked,
        )

    def test_old_measures_are_unknown(self):
        self.settings = Settings(dirty_age=60.0)
        self.server.instance('vm-1', dirty_t1=10, resident=900)
        self.assertIsNone(
            dirty.writing_of(
                {'memory.dirty.t1': [(LAST - 3600, SPAN, 10.0)]},
                4e9,
                self.settings,
                NOW,
            )
        )
